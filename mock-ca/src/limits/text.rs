//! The words of a refusal, its problem document and its headers.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::Timestamp;

use super::bucket::{BucketId, LimitName};
use super::gcra::Rate;
use crate::problem::{Problem, ProblemKind};

/// The page that a refusal links to.
const HELP: &str = "<https://letsencrypt.org/docs/rate-limits>;rel=\"help\"";

/// In whose words a refusal is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum TextVersion {
    /// Let's Encrypt since the token buckets of early 2025.
    #[default]
    #[serde(rename = "2025")]
    V2025,
    /// Let's Encrypt before: the texts in logs of 2021 to 2024.
    #[serde(rename = "2021")]
    V2021,
}

/// The text of one limit. `{count}`, `{period}`, `{retry}` and `{subject}` are filled in.
struct Text {
    limit: LimitName,
    detail: &'static str,
    /// Whether `Retry-After` is sent.
    retry_after: bool,
}

const fn text(limit: LimitName, retry_after: bool, detail: &'static str) -> Text {
    Text { limit, detail, retry_after }
}

/// letsencrypt.org/docs/rate-limits; the fragment is the limit's heading.
const TEXTS_2025: [Text; 7] = [
    text(
        LimitName::NewRegistrationsPerIpAddress,
        true,
        "too many new registrations ({count}) from this IP address in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#new-registrations-per-ip-address",
    ),
    text(
        LimitName::NewRegistrationsPerIpv6Range,
        true,
        "too many new registrations ({count}) from this /48 subnet of IPv6 addresses in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#new-registrations-per-ipv6-range",
    ),
    text(
        LimitName::NewOrdersPerAccount,
        true,
        "too many new orders ({count}) from this account in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#new-orders-per-account",
    ),
    text(
        LimitName::NewCertificatesPerRegisteredDomain,
        true,
        "too many certificates ({count}) already issued for \"{subject}\" in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-registered-domain",
    ),
    text(
        LimitName::NewCertificatesPerRegisteredDomainPerAccount,
        true,
        "too many certificates ({count}) already issued for \"{subject}\" in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-registered-domain",
    ),
    text(
        LimitName::NewCertificatesPerExactSetOfIdentifiers,
        true,
        "too many certificates ({count}) already issued for this exact set of identifiers in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#new-certificates-per-exact-set-of-identifiers",
    ),
    text(
        LimitName::AuthorizationFailuresPerIdentifierPerAccount,
        true,
        "too many failed authorizations ({count}) for \"{subject}\" in the last {period}, retry after {retry}: see https://letsencrypt.org/docs/rate-limits/#authorization-failures-per-identifier-per-account",
    ),
];

/// Logs of 2021 to 2024. Only the limits on certificates said when to come back.
const TEXTS_2021: [Text; 7] = [
    text(
        LimitName::NewRegistrationsPerIpAddress,
        false,
        "Error creating new account :: too many registrations for this IP: see https://letsencrypt.org/docs/too-many-registrations-for-this-ip/",
    ),
    text(
        LimitName::NewRegistrationsPerIpv6Range,
        false,
        "Error creating new account :: too many registrations for this IP range: see https://letsencrypt.org/docs/rate-limits/",
    ),
    text(
        LimitName::NewOrdersPerAccount,
        false,
        "Error creating new order :: too many new orders recently: see https://letsencrypt.org/docs/rate-limits/",
    ),
    text(
        LimitName::NewCertificatesPerRegisteredDomain,
        true,
        "Error creating new order :: too many certificates already issued for \"{subject}\". Retry after {retry}: see https://letsencrypt.org/docs/rate-limits/",
    ),
    text(
        LimitName::NewCertificatesPerRegisteredDomainPerAccount,
        true,
        "Error creating new order :: too many certificates already issued for \"{subject}\". Retry after {retry}: see https://letsencrypt.org/docs/rate-limits/",
    ),
    text(
        LimitName::NewCertificatesPerExactSetOfIdentifiers,
        true,
        "Error creating new order :: too many certificates ({count}) already issued for this exact set of domains in the last {period}: {subject}, retry after {retry}: see https://letsencrypt.org/docs/duplicate-certificate-limit/",
    ),
    text(
        LimitName::AuthorizationFailuresPerIdentifierPerAccount,
        false,
        "Error creating new order :: too many failed authorizations recently: see https://letsencrypt.org/docs/failed-validation-limit/",
    ),
];

impl TextVersion {
    const fn texts(self) -> &'static [Text] {
        match self {
            TextVersion::V2025 => &TEXTS_2025,
            TextVersion::V2021 => &TEXTS_2021,
        }
    }

    /// `2025-03-20 12:00:00 UTC`, or `2022-05-07T13:39:31Z`.
    fn moment(self, at: Timestamp) -> String {
        let text = at.rfc3339_secs();
        match self {
            TextVersion::V2025 => text.replace('T', " ").replace('Z', " UTC"),
            TextVersion::V2021 => text,
        }
    }

    /// `168h0m0s`, or `168 hours`.
    fn period(self, period: Duration) -> String {
        match self {
            TextVersion::V2025 => go_duration(period),
            TextVersion::V2021 => format!("{:.0} hours", period.as_secs_f64() / 3600.0),
        }
    }
}

/// A duration as Go prints it: `3h0m0s`, `1m30s`, `1.5s`, `250ms`.
fn go_duration(d: Duration) -> String {
    let (secs, nanos) = (d.as_secs(), d.subsec_nanos());
    let point = |whole: u64, part: u64, width: usize| {
        let fraction = format!("{part:0width$}");
        let fraction = fraction.trim_end_matches('0');
        if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
    };
    let n = u64::from(nanos);
    match (secs, nanos) {
        (0, 0) => "0s".to_owned(),
        (0, 1..1_000) => format!("{n}ns"),
        (0, 1_000..1_000_000) => format!("{}µs", point(n / 1_000, n % 1_000, 3)),
        (0, _) => format!("{}ms", point(n / 1_000_000, n % 1_000_000, 6)),
        _ => {
            let seconds = point(secs % 60, n, 9);
            match (secs / 3600, secs / 60 % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

/// A refusal, with all that its answer needs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Denied {
    /// The bucket that refused. The one that has to wait longest, if there are several.
    pub bucket: BucketId,
    /// What the client reads.
    pub problem: Problem,
    /// How long until the request would pass, with the jitter; `None` for a pause, which does not end by
    /// itself.
    pub retry_in: Option<Duration>,
    /// Headers of the answer, beyond those that every problem has.
    pub headers: Vec<(&'static str, String)>,
}

impl Denied {
    /// A bucket is empty. `wait` is the time to retry as it is to be told.
    pub(super) fn limited(
        version: TextVersion,
        bucket: BucketId,
        rate: &Rate,
        now: Timestamp,
        wait: Duration,
    ) -> Self {
        let row = version.texts().iter().find(|row| row.limit == bucket.limit());
        let detail = row.map_or("too many requests, retry after {retry}", |row| row.detail);
        let detail = detail
            .replace("{count}", &rate.burst().to_string())
            .replace("{period}", &version.period(rate.quota().period))
            .replace("{retry}", &version.moment(now + wait))
            .replace("{subject}", &bucket.subject());
        let mut headers = Vec::with_capacity(2);
        let seconds = rounded(wait);
        if seconds > 0 && row.is_none_or(|row| row.retry_after) {
            headers.push(("retry-after", seconds.to_string()));
        }
        headers.push(("link", HELP.to_owned()));
        let problem = Problem::new(ProblemKind::RateLimited, detail);
        Denied { bucket, problem, retry_in: Some(wait), headers }
    }

    /// The account is paused for some of its identifiers; `paused` is not empty.
    pub(super) fn paused(account: u64, paused: &[&str], url: &str) -> Self {
        let first = paused.first().copied().unwrap_or_default().to_owned();
        let detail = format!(
            "Your account is temporarily prevented from requesting certificates for {} and possibly others. Please visit: {url}",
            paused.join(", ")
        );
        Denied {
            bucket: BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(account, first),
            problem: Problem::new(ProblemKind::RateLimited, detail),
            retry_in: None,
            headers: Vec::new(),
        }
    }

    /// The load balancer has had enough of an address.
    pub(super) fn busy(bucket: BucketId, wait: Duration) -> Self {
        let problem = Problem::new(ProblemKind::RateLimited, "Service busy; retry later.").with_status(503);
        let seconds = wait.as_nanos().div_ceil(1_000_000_000).max(1);
        let headers = vec![("retry-after", seconds.to_string())];
        Denied { bucket, problem, retry_in: Some(wait), headers }
    }

    /// Why, for the journal: the bucket, and how long it has to wait.
    pub fn reason(&self) -> String {
        match self.retry_in {
            Some(wait) => format!("limit {} is used up; retry in {}", self.bucket, go_duration(wait)),
            None => format!("paused by {}", self.bucket),
        }
    }
}

/// To the nearest second, halves up, as Boulder writes `Retry-After`.
fn rounded(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() >= 500_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_go_does() {
        for (nanos, text) in [
            (0, "0s"),
            (7, "7ns"),
            (33_333, "33.333µs"),
            (1_500_000, "1.5ms"),
            (250_000_000, "250ms"),
            (1_000_000_000, "1s"),
            (90_500_000_000, "1m30.5s"),
            (10_800_000_000_000, "3h0m0s"),
            (604_800_000_000_000, "168h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_nanos(nanos)), text);
        }
    }

    #[test]
    fn seconds_are_rounded_halves_up() {
        for (millis, seconds) in [(0, 0), (499, 0), (500, 1), (1499, 1), (1500, 2)] {
            assert_eq!(rounded(Duration::from_millis(millis)), seconds);
        }
    }

    #[test]
    fn every_limit_that_denies_has_its_words_in_every_version() {
        for version in [TextVersion::V2025, TextVersion::V2021] {
            for limit in LimitName::ALL {
                let pauses = limit == LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount;
                let balances = limit == LimitName::RequestsPerIpAddress;
                let has = version.texts().iter().any(|row| row.limit == limit);
                assert_eq!(has, !pauses && !balances, "{limit}");
            }
        }
    }
}
