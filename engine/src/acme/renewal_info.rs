//! ACME renewal information (RFC 9773): the identifier of a certificate, the window that the CA suggests, the
//! instant in it, and when to ask again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use world::http::Response;
use world::{Rng, Timestamp};
use x509_parser::prelude::{FromDer as _, ParsedExtension, X509Certificate};

use super::call::{Result, http_date, parse};
use super::error::AcmeError;

const HOUR: Duration = Duration::from_secs(3600);
/// When to ask again if the CA does not say.
const POLL_DEFAULT: Duration = Duration::from_secs(6 * 3600);
/// Not sooner than this, whatever the CA says.
const POLL_MIN: Duration = HOUR;
/// Not later than this.
const POLL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a CA says about the renewal of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenewalInfo {
    /// Start of the window.
    pub start: Timestamp,
    /// End of the window, after its start.
    pub end: Timestamp,
    /// A page that explains it; may be empty.
    pub explanation_url: String,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    suggested_window: Window,
    #[serde(default, rename = "explanationURL")]
    explanation_url: String,
}

#[derive(Deserialize)]
struct Window {
    start: String,
    end: String,
}

impl RenewalInfo {
    pub(super) fn read(response: &Response, now: Timestamp) -> Result<Self> {
        let wire: Wire = parse(response)?;
        let moment = |text: &str| {
            let wrong = |e| AcmeError::Malformed(format!("invalid renewalInfo response: {e}"));
            Timestamp::parse(text).map_err(wrong)
        };
        let (start, end) = (moment(&wire.suggested_window.start)?, moment(&wire.suggested_window.end)?);
        if start >= end {
            let text = "invalid suggestedWindow: start must be before end";
            return Err(AcmeError::Malformed(text.to_owned()));
        }
        let retry_after = response.header("retry-after").and_then(|value| match value.trim().parse() {
            Ok(secs) => Some(Duration::from_secs(secs)),
            Err(_) => Some(http_date(value)?.since(now)),
        });
        Ok(RenewalInfo { start, end, explanation_url: wire.explanation_url, retry_after })
    }

    /// A random instant of the window, in whole seconds.
    pub fn instant(&self, rng: &Rng) -> Timestamp {
        let window = u64::try_from(self.end.since(self.start).as_nanos()).unwrap_or(u64::MAX);
        (self.start + Duration::from_nanos(rng.below(window))).truncate_to_secs()
    }

    /// Whether the window has this instant in it, its borders included.
    pub fn contains(&self, instant: Timestamp) -> bool {
        self.start <= instant && instant <= self.end
    }
}

/// When to ask again: what the CA said, within bounds, give or take a tenth so that not all ask at once.
pub fn next_check(now: Timestamp, retry_after: Option<Duration>, rng: &Rng) -> Timestamp {
    let told = retry_after.filter(|d| !d.is_zero()).unwrap_or(POLL_DEFAULT).clamp(POLL_MIN, POLL_MAX);
    let tenth = told / 10;
    let shift = rng.below(u64::try_from((tenth * 2).as_nanos()).unwrap_or(u64::MAX));
    now + (told - tenth + Duration::from_nanos(shift))
}

/// A certificate's identifier (section 4.1): the key identifier of its issuer and its serial number. `None` when it
/// has no such key identifier, or is no certificate.
pub fn certificate_id(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let authority = certificate.extensions().iter().find_map(|e| match e.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(aki) => aki.key_identifier.as_ref(),
        _ => None,
    })?;
    let serial = certificate.raw_serial();
    if authority.0.is_empty() || serial.is_empty() {
        return None;
    }
    Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(authority.0), URL_SAFE_NO_PAD.encode(serial)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};

    const NOW: Timestamp = Timestamp::from_unix_secs(1_700_000_000);

    fn response(body: &str, retry_after: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert("retry-after", value.parse().unwrap());
        }
        Response { status: StatusCode::OK, headers, body: body.to_owned().into() }
    }

    /// The example of RFC 9773, appendix A.
    #[test]
    fn the_identifier_of_the_rfcs_example() {
        let pem = "-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----";
        let der = world::keys::pem_sections(pem.as_bytes(), world::keys::SectionKind::Certificate);
        assert_eq!(certificate_id(&der[0]).unwrap(), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE");
        assert_eq!(certificate_id(&der[0][..100]), None);
    }

    #[test]
    fn a_window_is_read_and_a_wrong_one_is_an_error() {
        let window = |start: &str, end: &str| {
            format!(r#"{{"suggestedWindow": {{"start": "{start}", "end": "{end}"}}, "explanationURL": "u"}}"#)
        };
        let good = RenewalInfo::read(
            &response(&window("2025-01-02T04:00:00Z", "2025-01-03T04:00:00Z"), Some("21600")),
            NOW,
        )
        .unwrap();
        assert_eq!(good.retry_after, Some(HOUR * 6));
        assert_eq!(good.explanation_url, "u");
        for bad in [
            window("2025-01-03T04:00:00Z", "2025-01-02T04:00:00Z"),
            window("2025-01-02T04:00:00Z", "2025-01-02T04:00:00Z"),
            window("soon", "2025-01-02T04:00:00Z"),
            "{}".to_owned(),
            r#"{"suggestedWindow": []}"#.to_owned(),
            "<html>".to_owned(),
        ] {
            assert!(
                matches!(RenewalInfo::read(&response(&bad, None), NOW), Err(AcmeError::Malformed(_))),
                "{bad}"
            );
        }
    }

    #[test]
    fn the_instant_is_in_the_window_in_whole_seconds_and_not_always_the_same() {
        let info = RenewalInfo {
            start: NOW,
            end: NOW + HOUR * 48,
            explanation_url: String::new(),
            retry_after: None,
        };
        let instants: Vec<_> = (0..50).map(|seed| info.instant(&Rng::from_seed(seed))).collect();
        assert!(instants.iter().all(|at| info.contains(*at) && at.truncate_to_secs() == *at));
        assert!(instants.iter().any(|at| *at != instants[0]));
        assert!(!info.contains(NOW + HOUR * 49) && !info.contains(NOW - HOUR));
    }

    #[test]
    fn it_is_asked_again_within_an_hour_and_a_week_give_or_take_a_tenth() {
        for (told, hours) in [
            (None, 6),
            (Some(Duration::ZERO), 6),
            (Some(Duration::from_secs(1)), 1),
            (Some(HOUR * 10), 10),
            (Some(HOUR * 10_000), 7 * 24),
        ] {
            let mut waits = Vec::new();
            for seed in 0..50 {
                waits.push(next_check(NOW, told, &Rng::from_seed(seed)).since(NOW));
            }
            let whole = HOUR * hours;
            assert!(
                waits.iter().all(|w| *w >= whole * 9 / 10 && *w < whole * 11 / 10),
                "{told:?}: {waits:?}"
            );
            assert!(waits.iter().any(|w| *w < whole) && waits.iter().any(|w| *w > whole));
        }
    }
}
