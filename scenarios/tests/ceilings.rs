//! What limits an engine shows when its settings are those of cert-manager: the client's rate limit, and workers that
//! sleep.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use engine::api::{Certificate, Object, Secret};
use scenarios::fleet;
use scenarios::runner::{Options, Whole, run_whole};
use world::Timestamp;

fn run(certificates: usize, overrides: &[&str]) -> Whole {
    let overrides = overrides.iter().map(|s| (*s).to_owned()).collect();
    run_whole(&fleet::new(certificates).unwrap(), &Options { overrides, ..Options::default() }).unwrap()
}

/// Certificates per hour by the times at which their Secrets were made, the first fifth and the last left out: there is
/// a burst at the start, and fewer are under way at the end.
fn hourly(whole: &Whole) -> f64 {
    let made = |o: &Object| {
        let secret = o.get::<Secret>().filter(|s| s.metadata.name.ends_with("-tls"))?;
        secret.metadata.creation_timestamp.map(|t| t.timestamp())
    };
    let mut times: Vec<Timestamp> = whole.objects.iter().filter_map(made).collect();
    times.sort();
    let (from, to) = (times.len() / 5, times.len() * 4 / 5);
    (to - from) as f64 * 3600.0 / times[to].since(times[from]).as_secs_f64()
}

/// 20 calls a second and some 60 calls for a certificate, events among them, are about 1,300 an hour, whatever the CA
/// could do. How many calls it takes is a matter of caches: here they lag as long as a reply takes, and each challenge
/// makes its Ingress twice; where they do not lag it is 2,000 an hour.
#[test]
fn at_20_calls_a_second_there_are_about_1300_http01_certificates_an_hour() {
    for release in ["v1_16", "v1_21"] {
        let compat = format!("engine.compat={release}");
        let whole = run(150, &[&compat, "until=2026-01-05T08:12:00Z"]);
        let rate = hourly(&whole);
        assert!((1150.0..1550.0).contains(&rate), "{release}: {rate} an hour");
        // It is the rate limit that limits: the calls of a certificate and the certificates of an hour are 20 a second.
        let calls = whole.record.counts.api_calls.values().sum::<u64>() as f64 / 150.0;
        let of_limit = rate * calls / (20.0 * 3600.0);
        assert!((0.9..1.3).contains(&of_limit), "{release}: {calls} calls, {of_limit}");
        // Nothing failed: those that are not ready wait for their turn.
        let failed =
            |o: &Object| o.get::<Certificate>().is_some_and(|c| c.status.last_failure_time.is_some());
        assert!(!whole.objects.iter().any(failed), "{release}");
    }
}
