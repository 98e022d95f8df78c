//! Tests of all of it together.

mod answers;
mod moments;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_secs(1_767_225_600);
const DAY: Duration = Duration::from_secs(86_400);

fn with(json: &str) -> Limits {
    Limits::new(serde_json::from_str(json).unwrap(), &Rng::from_seed(1)).unwrap()
}

fn prod() -> Limits {
    with(r#"{"preset":"letsencrypt-prod","jitter":false}"#)
}

fn dns<'a>(names: &[&'a str]) -> Vec<(IdentifierKind, &'a str)> {
    names.iter().map(|name| (IdentifierKind::Dns, *name)).collect()
}

fn order<'a>(account: u64, identifiers: &'a [(IdentifierKind, &'a str)]) -> OrderFacts<'a> {
    OrderFacts { account, identifiers, replaces: None, last_issued: None }
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn header<'a>(denied: &'a Denied, name: &str) -> Option<&'a str> {
    denied.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

fn remaining(limits: &Limits, limit: LimitName, key: &str, now: Timestamp) -> u64 {
    limits.view_of(&limit.bucket(key).unwrap(), now).unwrap().remaining
}

/// Empties a bucket of the limit.
fn empty(limits: &mut Limits, limit: LimitName, key: &str) {
    assert!(limits.set_remaining(limit.bucket(key).unwrap(), 0, NOW));
}
