//! What comes out: answers in words, the read-out, and what is stored.

use super::*;

/// The answers of every limit, as a client gets them.
fn answers(version: &str) -> String {
    let mut out = String::new();
    let names = dns(&["www.example.com", "example.com"]);
    let v6: IpAddr = "2001:db8:1:2::3".parse().unwrap();
    for (limit, key) in [
        (LimitName::NewRegistrationsPerIpAddress, "2001:db8:1:2::3"),
        (LimitName::NewRegistrationsPerIpv6Range, "2001:db8:1::/48"),
        (LimitName::NewOrdersPerAccount, "1"),
        (LimitName::NewCertificatesPerRegisteredDomain, "example.com"),
        (LimitName::NewCertificatesPerRegisteredDomainPerAccount, "2/example.com"),
        (LimitName::NewCertificatesPerExactSetOfIdentifiers, "example.com,www.example.com"),
        (LimitName::AuthorizationFailuresPerIdentifierPerAccount, "1/www.example.com"),
        (LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount, "1/example.com"),
        (LimitName::RequestsPerIpAddress, "directory/2001:db8:1:2::3"),
    ] {
        let mut limits = with(&format!(
            r#"{{"preset":"letsencrypt-prod","jitter":false,"text":"{version}","overrides":[
                {{"limit":"newCertificatesPerRegisteredDomain","accounts":[2],
                  "quota":{{"count":100,"period":"7d"}}}}]}}"#
        ));
        empty(&mut limits, limit, key);
        let account = limit.bucket(key).unwrap().account().unwrap_or(1);
        let denied = match limit {
            LimitName::NewRegistrationsPerIpAddress | LimitName::NewRegistrationsPerIpv6Range => {
                limits.new_account(NOW, v6).unwrap_err()
            }
            LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount => {
                assert!(limits.validation_failed(NOW, 1, "example.com"));
                limits.check_paused(NOW, 1, &names).unwrap_err()
            }
            LimitName::RequestsPerIpAddress => limits.request(NOW, EndpointClass::Directory, v6).unwrap_err(),
            _ => limits.new_order(NOW, &order(account, &names)).unwrap_err(),
        };
        out += &format!("{}\n", denied.reason());
        for (name, value) in &denied.headers {
            out += &format!("{name}: {value}\n");
        }
        out += &format!("{:#}\n\n", denied.problem.to_json());
    }
    out
}

#[test]
fn texts_of_2025() {
    insta::assert_snapshot!(answers("2025"));
}

#[test]
fn texts_of_2021() {
    insta::assert_snapshot!(answers("2021"));
}

/// Limits in the middle of their lives.
fn used() -> Limits {
    let mut limits = prod();
    let names = dns(&["b.example.org", "a.example.org"]);
    for account in [10, 9, 9] {
        let _ = limits.new_order(NOW, &order(account, &names)).unwrap();
        limits.issued(NOW, &order(account, &names));
    }
    let _ = limits.new_account(NOW, "192.0.2.1".parse().unwrap()).unwrap();
    limits.request(NOW, EndpointClass::Directory, "192.0.2.1".parse().unwrap()).unwrap();
    for _ in 0..5 {
        limits.validation_failed(NOW, 9, "a.example.org");
    }
    limits.pause(NOW, 9, "z.example.org");
    limits
}

#[test]
fn the_readout() {
    let limits = used();
    let seen = |now| serde_json::json!({ "buckets": limits.view(now), "paused": limits.paused() });
    insta::assert_snapshot!(format!("{:#}\n\nan hour later\n{:#}", seen(NOW), seen(NOW + secs(3600))));
}

#[test]
fn what_is_saved_restores() {
    let limits = used();
    let saved = limits.save(NOW);
    let text = serde_json::to_string(&saved).unwrap();
    assert!(text.starts_with(
        r#"{"buckets":[{"limit":"newRegistrationsPerIpAddress","key":"192.0.2.1","fullAt":"2026-01-01T00:18:00Z"},"#
    ));
    let mut again = prod();
    again.restore(serde_json::from_str(&text).unwrap(), NOW);
    assert_eq!(again.save(NOW), saved);
    assert_eq!(again.paused(), limits.paused());
    // What is full by then does not come back.
    let mut later = prod();
    later.restore(saved, NOW + 7 * DAY);
    assert_eq!(later.view(NOW + 7 * DAY).len(), 0);
}

#[test]
fn changes_are_taken_once_and_add_up_to_the_state() {
    let mut limits = used();
    let mut stored = limits.save(NOW);
    assert!(limits.take_dirty().is_empty());
    let names = dns(&["c.example.org"]);
    let _ = limits.new_order(NOW, &order(9, &names)).unwrap();
    limits.validation_succeeded(9, "a.example.org");
    limits.unpause(9);
    limits.pause(NOW, 10, "y.example.org");
    let dirty = limits.take_dirty();
    assert!(limits.take_dirty().is_empty());
    stored.buckets.retain(|level| dirty.buckets.iter().all(|d| d.bucket != level.bucket));
    stored.buckets.extend(dirty.buckets.into_iter().filter(|d| d.full_at.is_some()));
    stored.buckets.sort_by(|a, b| a.bucket.cmp(&b.bucket));
    let pair = |p: &Paused| (p.account, p.identifier.clone());
    stored.paused.retain(|p| dirty.paused.iter().all(|d| pair(d) != pair(p)));
    stored.paused.extend(dirty.paused.into_iter().filter(|d| d.since.is_some()));
    assert_eq!(stored, limits.save(NOW));
    // A denied order has changed nothing.
    empty(&mut limits, LimitName::NewOrdersPerAccount, "9");
    let _ = limits.take_dirty();
    assert!(limits.new_order(NOW, &order(9, &names)).is_err());
    assert!(limits.take_dirty().is_empty());
}

#[test]
fn a_bucket_can_be_set_and_reset() {
    let mut limits = prod();
    let bucket = LimitName::NewOrdersPerAccount.bucket("1").unwrap();
    assert!(limits.set_remaining(bucket.clone(), 7, NOW));
    assert_eq!(remaining(&limits, LimitName::NewOrdersPerAccount, "1", NOW), 7);
    assert!(limits.reset(&bucket) && !limits.reset(&bucket));
    limits.pause(NOW, 1, "a.com");
    assert!(limits.set_remaining(bucket.clone(), 7, NOW));
    assert_eq!((limits.reset_all(), limits.paused().len()), (1, 0));
    assert!(!with("{}").set_remaining(bucket, 7, NOW), "there is no such limit");
}
