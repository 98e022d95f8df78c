//! When a certificate is renewed: from its end, or by the CA's suggestion, and within the windows of the
//! specification.

use std::time::Duration;

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Zoned;
use jiff::tz::TimeZone;
use world::Timestamp;

use crate::api::{CertificateSpec, RenewalPolicy, RenewalWindow};
use crate::compat::Features;

/// The windows leave no time, or cannot be read. The certificate is then renewed without them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WindowError {
    /// In the release's words.
    pub message: String,
    /// When it would be renewed without windows.
    pub desired: Timestamp,
}

/// When the certificate that is valid from `not_before` to `not_after` is renewed, in whole seconds; `None` when the
/// specification says never. `suggested` is the moment that was chosen from the CA's suggestion (RFC 9773); without
/// one it is `renewBefore`, or that percentage of the lifetime, or a third of it, before the end.
///
/// # Errors
/// [`WindowError`] when the windows cannot be kept.
pub fn renewal_time(
    not_before: Timestamp,
    not_after: Timestamp,
    spec: &CertificateSpec,
    features: &Features,
    suggested: Option<Timestamp>,
) -> Result<Option<Timestamp>, WindowError> {
    let life = not_after.since(not_before);
    let desired =
        suggested.unwrap_or_else(|| not_after - renew_before(life, spec, features)).truncate_to_secs();
    let Some(renewal) = spec.renewal.as_ref().filter(|_| features.renewal_windows) else {
        return Ok(Some(desired));
    };
    match renewal.policy {
        Some(RenewalPolicy::Disabled) => Ok(None),
        Some(RenewalPolicy::RenewBefore) | None => {
            within_windows(not_before, not_after, desired, &renewal.windows).map(Some)
        }
    }
}

/// Whether a certificate is renewed at `now` by the window that the CA has suggested, which begins at `suggested`. `None`
/// when no window counts: there is none, or it began before the certificate did and was that of an earlier one.
pub fn opened(suggested: Option<Timestamp>, not_before: Timestamp, now: Timestamp) -> Option<bool> {
    suggested.filter(|start| *start > not_before).map(|start| now >= start)
}

fn renew_before(life: Duration, spec: &CertificateSpec, features: &Features) -> Duration {
    if let Some(before) = spec.renew_before.map(Duration::from).filter(|d| *d < life && !d.is_zero()) {
        return before;
    }
    let percentage = spec.renew_before_percentage.filter(|_| features.renew_before_percentage);
    match percentage.and_then(|p| u32::try_from(p).ok()) {
        Some(percentage @ 1..100) => {
            // A share of it is no longer than the life itself, whose nanoseconds fit.
            let part = life.as_nanos() * u128::from(percentage) / 100;
            u64::try_from(part).map_or(life, Duration::from_nanos)
        }
        _ => life / 3,
    }
}

/// The desired time if a window is open then, else the next opening after it. A window may open after the end of the
/// certificate, as far as it is long: that is how the release has it.
fn within_windows(
    not_before: Timestamp,
    not_after: Timestamp,
    desired: Timestamp,
    windows: &[RenewalWindow],
) -> Result<Timestamp, WindowError> {
    if windows.is_empty() {
        return Ok(desired);
    }
    let failed = |message: String| WindowError { message, desired };
    let mut next: Option<Timestamp> = None;
    let mut open = false;
    for window in windows {
        let schedule = Schedule::parse(&window.cron, &window.timezone).map_err(failed)?;
        let length = window.window_duration.map(Duration::from).filter(|d| !d.is_zero());
        let length = length.ok_or_else(|| {
            failed(format!("windowDuration must be a positive duration in window {window:?}"))
        })?;
        let (earliest, latest) = (not_before - length, not_after + length);
        let opened = schedule.last_until(desired.min(latest)).filter(|start| *start >= earliest);
        // The moment of closing still counts.
        open |= opened.is_some_and(|start| desired <= start + length);
        let opens = schedule.first_from(desired.max(earliest)).filter(|start| *start <= latest);
        next = [next, opens].into_iter().flatten().min();
    }
    if open {
        return Ok(desired);
    }
    next.ok_or_else(|| {
        let [from, to, at] = [not_before, not_after, desired].map(Timestamp::go_string);
        failed(format!("cannot find a time with the given windows between {from} and {to} for: {at}"))
    })
}

/// A cron expression in a time zone.
pub(crate) struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

impl Schedule {
    /// Reads five fields, or `@daily` and the like; an empty time zone is UTC.
    ///
    /// # Errors
    /// In the release's words.
    pub(crate) fn parse(cron: &str, zone: &str) -> Result<Self, String> {
        let zone = if zone.is_empty() {
            TimeZone::UTC
        } else {
            TimeZone::get(zone)
                .map_err(|_| format!("error parsing timezone in window unknown time zone {zone}"))?
        };
        let failed =
            |why: &str| format!("error parsing cron in window failed to parse cron spec '{cron}': {why}");
        if !cron.starts_with('@') {
            // The library knows more than the release does: L, W and #.
            let known = |field: &str| {
                field.split([',', '-', '/']).all(|part| {
                    matches!(part, "*" | "?")
                        || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
                        || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_alphabetic()))
                })
            };
            let fields: Vec<&str> = cron.split_whitespace().collect();
            if fields.len() != 5 {
                return Err(failed(&format!(
                    "expected exactly 5 fields, found {}: {fields:?}",
                    fields.len()
                )));
            }
            if let Some(field) = fields.iter().find(|field| !known(field)) {
                return Err(failed(&format!("failed to parse {field}")));
            }
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let cron = parser.parse(cron).map_err(|error| failed(&error.to_string()))?;
        Ok(Schedule { cron, zone })
    }

    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        jiff::Timestamp::from_second(at.unix_secs()).ok().map(|t| t.to_zoned(self.zone.clone()))
    }

    /// The first time at or after `at`.
    fn first_from(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.zoned(at)?, true).ok()?;
        Some(Timestamp::from_unix_secs(found.timestamp().as_second()))
    }

    /// The last time at or before `at`.
    fn last_until(&self, at: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_previous_occurrence(&self.zoned(at)?, true).ok()?;
        Some(Timestamp::from_unix_secs(found.timestamp().as_second()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::CertificateRenewal;
    use crate::compat::{V1_7, V1_16, V1_21};

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn time(spec: &CertificateSpec, features: &Features) -> Timestamp {
        // The seed certificate of document 002: L = 7775999 s.
        let (start, end) = (at("2022-05-07T12:40:38Z"), at("2022-08-05T12:40:37Z"));
        renewal_time(start, end, spec, features, None).unwrap().unwrap()
    }

    #[test]
    fn renewal_is_a_third_of_the_life_before_the_end() {
        let third = at("2022-07-06T12:40:37Z");
        let mut spec = CertificateSpec::default();
        assert_eq!(time(&spec, &V1_7.features), third);
        spec.renew_before = Some(DAY.into());
        assert_eq!(time(&spec, &V1_7.features), at("2022-08-04T12:40:37Z"));
        spec.renew_before = Some((DAY * 400).into());
        assert_eq!(time(&spec, &V1_7.features), third, "longer than the life");
        spec.renew_before = None;
        spec.renew_before_percentage = Some(50);
        assert_eq!(time(&spec, &V1_7.features), third, "1.7 does not know the field");
        assert_eq!(time(&spec, &V1_16.features), at("2022-06-21T12:40:37Z"));
    }

    fn windowed(cron: &str, length: Duration, zone: &str) -> CertificateSpec {
        let window =
            RenewalWindow { cron: cron.into(), window_duration: Some(length.into()), timezone: zone.into() };
        let renewal = CertificateRenewal { policy: None, windows: vec![window] };
        CertificateSpec { renewal: Some(renewal), ..CertificateSpec::default() }
    }

    #[test]
    fn a_renewal_waits_for_the_next_window() {
        // Desired: Wednesday, 2022-07-06T12:40:37Z.
        let nightly = windowed("0 2 * * *", HOUR, "");
        assert_eq!(time(&nightly, &V1_21.features), at("2022-07-07T02:00:00Z"));
        assert_eq!(time(&nightly, &V1_16.features), at("2022-07-06T12:40:37Z"), "1.16 has no windows");
        let berlin = windowed("0 2 * * SUN", HOUR, "Europe/Berlin");
        assert_eq!(time(&berlin, &V1_21.features), at("2022-07-10T00:00:00Z"));
        let open = windowed("0 12 * * *", HOUR, "");
        assert_eq!(time(&open, &V1_21.features), at("2022-07-06T12:40:37Z"), "a window is open");
        let mut two = open.clone();
        two.renewal.as_mut().unwrap().windows.insert(0, nightly.renewal.unwrap().windows[0].clone());
        assert_eq!(time(&two, &V1_21.features), at("2022-07-06T12:40:37Z"), "one of two is open");
        let daily = windowed("@daily", HOUR, "");
        assert_eq!(time(&daily, &V1_21.features), at("2022-07-07T00:00:00Z"));
    }

    #[test]
    fn a_suggested_moment_takes_the_place_of_the_third_and_the_windows_still_hold() {
        let (start, end) = (at("2022-05-07T12:40:38Z"), at("2022-08-05T12:40:37Z"));
        let suggested = Some(at("2022-06-01T10:00:00.5Z"));
        let of = |spec: &CertificateSpec| renewal_time(start, end, spec, &V1_21.features, suggested).unwrap();
        assert_eq!(of(&CertificateSpec::default()), Some(at("2022-06-01T10:00:00Z")));
        assert_eq!(of(&windowed("0 2 * * *", HOUR, "")), Some(at("2022-06-02T02:00:00Z")));
    }

    #[test]
    fn a_disabled_renewal_has_no_time() {
        let mut spec = windowed("0 2 * * *", HOUR, "");
        spec.renewal.as_mut().unwrap().policy = Some(RenewalPolicy::Disabled);
        let (start, end) = (at("2022-05-07T12:40:38Z"), at("2022-08-05T12:40:37Z"));
        assert_eq!(renewal_time(start, end, &spec, &V1_21.features, None), Ok(None));
    }

    #[test]
    fn windows_that_cannot_be_kept_are_an_error_that_knows_the_desired_time() {
        let (start, end) = (at("2022-05-07T12:40:38Z"), at("2022-08-05T12:40:37Z"));
        for (cron, zone, text) in [
            (
                "0 2 29 2 *",
                "",
                "cannot find a time with the given windows between 2022-05-07 12:40:38 +0000 UTC",
            ),
            ("0 2 * *", "", "failed to parse cron spec '0 2 * *'"),
            ("0 2 L * *", "", "failed to parse L"),
            ("0 25 * * *", "", "error parsing cron in window"),
            ("0 2 * * *", "Moon/Crater", "error parsing timezone in window unknown time zone Moon/Crater"),
        ] {
            let error =
                renewal_time(start, end, &windowed(cron, HOUR, zone), &V1_21.features, None).unwrap_err();
            assert!(error.message.contains(text), "{}", error.message);
            assert_eq!(error.desired, at("2022-07-06T12:40:37Z"));
        }
        let none = windowed("0 2 * * *", Duration::ZERO, "");
        assert!(renewal_time(start, end, &none, &V1_21.features, None).is_err());
    }

    proptest! {
        #[test]
        fn a_renewal_lies_within_the_life_of_the_certificate(
            start in 0_i64..4_000_000_000,
            life in 1_u64..400_000_000,
            before in proptest::option::of(0_u64..500_000_000),
            percentage in proptest::option::of(-5_i32..150),
        ) {
            let spec = CertificateSpec {
                renew_before: before.map(|secs| Duration::from_secs(secs).into()),
                renew_before_percentage: percentage,
                ..CertificateSpec::default()
            };
            let start = Timestamp::from_unix_secs(start);
            let end = start + Duration::from_secs(life);
            let found = renewal_time(start, end, &spec, &V1_21.features, None).unwrap().unwrap();
            prop_assert!(start <= found && found <= end);
            prop_assert_eq!(found, found.truncate_to_secs());
            let early = end.since(found).as_secs_f64();
            let expected = match (before, percentage) {
                (Some(before), _) if before > 0 && before < life => before as f64,
                (_, Some(percentage @ 1..100)) => life as f64 * f64::from(percentage) / 100.0,
                _ => life as f64 / 3.0,
            };
            prop_assert!((early - expected).abs() <= 1.0, "{} {}", early, expected);
        }

        #[test]
        fn a_window_never_makes_a_renewal_earlier_nor_much_later_than_the_end(
            start in 0_i64..4_000_000_000,
            life in 86_400_u64..40_000_000,
            hour in 0_u8..24,
            day in 0_u8..7,
            hours in 1_u32..24,
        ) {
            let spec = windowed(&format!("0 {hour} * * {day}"), HOUR * hours, "America/New_York");
            let start = Timestamp::from_unix_secs(start);
            let end = start + Duration::from_secs(life);
            let free = renewal_time(start, end, &CertificateSpec::default(), &V1_21.features, None);
            let free = free.unwrap().unwrap();
            match renewal_time(start, end, &spec, &V1_21.features, None) {
                Ok(Some(found)) => prop_assert!(free <= found && found <= end + HOUR * hours),
                Ok(None) => prop_assert!(false),
                Err(error) => prop_assert!(error.desired == free && life < 8 * 86_400 * 3),
            }
        }

        #[test]
        fn no_cron_text_panics(cron in "[0-9*,/@a-zL# ?-]{0,20}", zone in "[A-Z/a-z]{0,10}") {
            if let Ok(schedule) = Schedule::parse(&cron, &zone) {
                let _ = schedule.first_from(Timestamp::from_unix_secs(1_700_000_000));
            }
        }
    }
}
