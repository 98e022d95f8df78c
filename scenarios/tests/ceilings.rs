//! What limits an engine shows when its settings are those of cert-manager: the client's rate limit, and workers that
//! sleep.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use engine::api::{Certificate, Object, Secret};
use scenarios::fleet;
use scenarios::runner::{Options, Whole, run_whole};
use scenarios::script::Loaded;
use world::Timestamp;

fn run(loaded: &Loaded, overrides: &[&str]) -> Whole {
    let overrides = overrides.iter().map(|s| (*s).to_owned()).collect();
    run_whole(loaded, &Options { overrides, ..Options::default() }).unwrap()
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
        let whole = run(&fleet::new(150).unwrap(), &[&compat, "until=2026-01-05T08:12:00Z"]);
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

/// Five workers, each of which sleeps for 60 s before it asks the CA to look.
#[test]
fn five_workers_that_sleep_a_minute_prove_at_most_300_names_an_hour_by_dns01() {
    let overrides = ["until=2026-01-05T08:20:00Z", "engine.dns01.recursiveOnly=true"];
    let whole = run(&fleet::with_dns01(50).unwrap(), &overrides);
    let rate = hourly(&whole);
    assert!((230.0..=300.0).contains(&rate), "{rate} an hour");
    let more =
        run(&fleet::with_dns01(50).unwrap(), &[overrides[0], overrides[1], "engine.switches.workers=25"]);
    assert!(hourly(&more) > 2.0 * rate, "more workers, more names: {}", hourly(&more));
}
