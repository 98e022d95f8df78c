//! The figures of Let's Encrypt's documentation, moment by moment.

use proptest::proptest;

use super::*;

#[test]
fn fifty_certificates_in_a_registered_domain_then_one_every_202_minutes() {
    let mut limits = prod();
    for n in 0..50 {
        let name = format!("{n}.example.co.uk");
        let names = dns(&[&name]);
        let _ = limits.new_order(NOW, &order(n, &names)).unwrap();
        limits.issued(NOW, &order(n, &names));
    }
    let names = dns(&["50.example.co.uk", "*.50.example.co.uk"]);
    let denied = limits.new_order(NOW, &order(51, &names)).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "newCertificatesPerRegisteredDomain example.co.uk");
    assert_eq!(denied.retry_in, Some(secs(202 * 60 - 24)));
    assert_eq!(header(&denied, "retry-after"), Some("12096"));
    assert!(limits.new_order(NOW, &order(51, &dns(&["example.org"]))).is_ok());
    let then = NOW + secs(12_096);
    assert!(limits.new_order(then - Duration::from_nanos(1), &order(51, &names)).is_err());
    assert!(limits.new_order(then, &order(51, &names)).is_ok());
}

#[test]
fn five_certificates_for_the_same_identifiers_then_one_every_33_6_hours() {
    let mut limits = prod();
    let (ab, ba) = (dns(&["a.com", "b.com"]), dns(&["b.com", "a.com"]));
    for _ in 0..5 {
        let renewal = OrderFacts { last_issued: Some(NOW - DAY), ..order(1, &ab) };
        let _ = limits.new_order(NOW, &renewal).unwrap();
        limits.issued(NOW, &renewal);
    }
    // Neither another order of the identifiers nor another account nor being a renewal helps.
    let renewal = OrderFacts { last_issued: Some(NOW), ..order(2, &ba) };
    let denied = limits.new_order(NOW, &renewal).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "newCertificatesPerExactSetOfIdentifiers a.com,b.com");
    assert_eq!(header(&denied, "retry-after"), Some("120960"));
    assert_eq!(limits.new_order(NOW + secs(120_960), &renewal), Ok(Receipt::default()));
    assert!(limits.new_order(NOW, &order(1, &dns(&["a.com", "b.com", "c.com"]))).is_ok());
}

#[test]
fn five_failures_then_one_every_twelve_minutes_for_this_account_and_identifier() {
    let mut limits = prod();
    for _ in 0..5 {
        assert!(limits.new_order(NOW, &order(1, &dns(&["a.com"]))).is_ok());
        assert!(!limits.validation_failed(NOW, 1, "a.com"));
    }
    // A sixth that was under way costs nothing more.
    limits.authorization_deactivated(NOW, 1, "a.com");
    let denied = limits.new_order(NOW, &order(1, &dns(&["a.com", "b.com"]))).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "authorizationFailuresPerIdentifierPerAccount 1/a.com");
    assert_eq!(header(&denied, "retry-after"), Some("720"));
    assert!(limits.new_order(NOW, &order(2, &dns(&["a.com"]))).is_ok());
    assert!(limits.new_order(NOW, &order(1, &dns(&["*.a.com"]))).is_ok());
    // A success does not take failures back.
    limits.validation_succeeded(1, "a.com");
    assert!(limits.new_order(NOW, &order(1, &dns(&["a.com"]))).is_err());
    assert!(limits.new_order(NOW + secs(720), &order(1, &dns(&["a.com"]))).is_ok());
}

#[test]
fn a_deactivation_counts_as_a_failure() {
    let mut limits = prod();
    limits.authorization_deactivated(NOW, 1, "a.com");
    for limit in [
        LimitName::AuthorizationFailuresPerIdentifierPerAccount,
        LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount,
    ] {
        let view = limits.view_of(&limit.bucket("1/a.com").unwrap(), NOW).unwrap();
        assert_eq!(view.remaining, view.capacity - 1);
    }
}

#[test]
fn three_hundred_orders_then_one_every_36_seconds() {
    let mut limits = prod();
    for n in 0..300 {
        let name = format!("{n}.com");
        let _ = limits.new_order(NOW, &order(1, &dns(&[&name]))).unwrap();
    }
    let denied = limits.new_order(NOW, &order(1, &dns(&["a.com"]))).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "newOrdersPerAccount 1");
    assert_eq!(header(&denied, "retry-after"), Some("36"));
    assert!(limits.new_order(NOW, &order(2, &dns(&["a.com"]))).is_ok());
}

#[test]
fn ten_accounts_from_an_address_and_five_hundred_from_a_range() {
    let mut limits = prod();
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    for _ in 0..10 {
        let _ = limits.new_account(NOW, address).unwrap();
    }
    let denied = limits.new_account(NOW, address).unwrap_err();
    assert_eq!(header(&denied, "retry-after"), Some("1080"));
    assert!(limits.new_account(NOW, "192.0.2.2".parse().unwrap()).is_ok());
    let in_range = |n: u32| -> IpAddr { format!("2001:db8:7:{n:x}::1").parse().unwrap() };
    for n in 0..500 {
        let _ = limits.new_account(NOW, in_range(n)).unwrap();
    }
    let denied = limits.new_account(NOW, in_range(500)).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "newRegistrationsPerIpv6Range 2001:db8:7::/48");
    assert_eq!((denied.retry_in, header(&denied, "retry-after")), (Some(secs(216) / 10), Some("22")));
    let of_address = LimitName::NewRegistrationsPerIpAddress;
    assert_eq!(remaining(&limits, of_address, "2001:db8:7:1f4::1", NOW), 10);
}

#[test]
fn a_denied_order_costs_nothing_and_hammering_does_not_extend_the_wait() {
    let mut limits = prod();
    empty(&mut limits, LimitName::NewCertificatesPerRegisteredDomain, "a.com");
    let before = limits.view(NOW);
    for n in 0..1000 {
        let now = NOW + secs(n);
        let denied = limits.new_order(now, &order(1, &dns(&["a.com", "b.com"]))).unwrap_err();
        assert_eq!(denied.retry_in, Some(secs(12_096 - n)));
    }
    assert_eq!(limits.view(NOW), before);
    assert_eq!(remaining(&limits, LimitName::NewOrdersPerAccount, "1", NOW), 300);
}

#[test]
fn of_several_denials_the_longest_wait_is_reported() {
    let mut limits = prod();
    empty(&mut limits, LimitName::NewOrdersPerAccount, "1");
    empty(&mut limits, LimitName::NewCertificatesPerRegisteredDomain, "a.com");
    empty(&mut limits, LimitName::AuthorizationFailuresPerIdentifierPerAccount, "1/b.com");
    let names = dns(&["a.com", "b.com"]);
    let denied = limits.new_order(NOW, &order(1, &names)).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "newCertificatesPerRegisteredDomain a.com");
    assert_eq!(
        denied.reason(),
        "limit newCertificatesPerRegisteredDomain a.com is used up; retry in 3h21m36s"
    );
    empty(&mut limits, LimitName::NewCertificatesPerExactSetOfIdentifiers, "a.com,b.com");
    let denied = limits.new_order(NOW, &order(1, &names)).unwrap_err();
    assert_eq!(denied.bucket.limit(), LimitName::NewCertificatesPerExactSetOfIdentifiers);
}

#[test]
fn which_limits_a_renewal_passes() {
    let recent = Some(NOW - 120 * DAY);
    let old = Some(NOW - 120 * DAY - secs(1));
    let (inside, outside) = (Some(Replaces { in_window: true }), Some(Replaces { in_window: false }));
    for (rule, replaces, last_issued, kind) in [
        ("code", None, None, OrderKind::New),
        ("code", None, old, OrderKind::New),
        ("code", None, recent, OrderKind::SetRenewal),
        ("code", inside, None, OrderKind::AriRenewal),
        ("code", inside, recent, OrderKind::AriRenewal),
        ("code", outside, None, OrderKind::New),
        ("code", outside, recent, OrderKind::SetRenewal),
        ("docs", None, recent, OrderKind::SetRenewal),
        ("docs", outside, None, OrderKind::AriRenewal),
        ("docs", inside, recent, OrderKind::AriRenewal),
    ] {
        let limits =
            || with(&format!(r#"{{"preset":"letsencrypt-prod","exemption":"{rule}","jitter":false}}"#));
        let names = dns(&["a.com"]);
        let facts = OrderFacts { account: 1, identifiers: &names, replaces, last_issued };
        assert_eq!(limits().kind(NOW, &facts), kind, "{rule} {replaces:?} {last_issued:?}");
        for (limit, key, passes) in [
            (LimitName::NewOrdersPerAccount, "1", kind != OrderKind::New),
            (LimitName::NewCertificatesPerRegisteredDomain, "a.com", kind != OrderKind::New),
            (LimitName::NewCertificatesPerExactSetOfIdentifiers, "a.com", kind == OrderKind::AriRenewal),
            (
                LimitName::AuthorizationFailuresPerIdentifierPerAccount,
                "1/a.com",
                kind == OrderKind::AriRenewal,
            ),
        ] {
            let mut limits = limits();
            empty(&mut limits, limit, key);
            assert_eq!(limits.new_order(NOW, &facts).is_ok(), passes, "{kind:?} {limit}");
        }
        let spent = limits().new_order(NOW, &facts).unwrap();
        assert_eq!(spent.spent().len(), usize::from(kind == OrderKind::New));
    }
}

#[test]
fn an_issuance_counts_its_set_always_and_its_domains_unless_the_set_is_renewed() {
    let names = dns(&["a.com", "www.a.com", "b.com"]);
    let spent = |replaces, last_issued| {
        let mut limits = prod();
        limits.issued(NOW, &OrderFacts { account: 1, identifiers: &names, replaces, last_issued });
        limits.view(NOW).iter().map(|view| view.bucket.key()).collect::<Vec<_>>()
    };
    let ari = Some(Replaces { in_window: true });
    assert_eq!(spent(None, None), ["a.com", "b.com", "a.com,b.com,www.a.com"]);
    assert_eq!(spent(ari, None), ["a.com", "b.com", "a.com,b.com,www.a.com"]);
    assert_eq!(spent(ari, Some(NOW - DAY)), ["a.com,b.com,www.a.com"]);
}

#[test]
fn a_full_count_never_blocks_an_issuance_and_does_not_grow() {
    let mut limits = prod();
    let names = dns(&["a.com"]);
    for _ in 0..60 {
        limits.issued(NOW, &order(1, &names));
    }
    let denied = limits.new_order(NOW, &order(1, &names)).unwrap_err();
    assert_eq!(denied.retry_in, Some(secs(120_960)));
}

#[test]
fn ip_identifiers_are_counted_by_address_and_range() {
    let mut limits = prod();
    let of = |text| [(IdentifierKind::Ip, text)];
    limits.issued(NOW, &order(1, &of("192.0.2.1")));
    limits.issued(NOW, &order(1, &of("2001:db8::1")));
    limits.issued(NOW, &order(1, &of("2001:db8::2")));
    let per_domain = LimitName::NewCertificatesPerRegisteredDomain;
    assert_eq!(remaining(&limits, per_domain, "192.0.2.1", NOW), 49);
    assert_eq!(remaining(&limits, per_domain, "2001:db8::/64", NOW), 48);
}

#[test]
fn an_account_with_an_override_is_counted_for_itself() {
    let mut limits = with(
        r#"{"preset":"letsencrypt-prod","jitter":false,"overrides":[
            {"limit":"newCertificatesPerRegisteredDomain","accounts":[7],"quota":{"count":2,"period":"2h"}}]}"#,
    );
    empty(&mut limits, LimitName::NewCertificatesPerRegisteredDomain, "a.com");
    let names = dns(&["x.a.com"]);
    assert!(limits.new_order(NOW, &order(8, &names)).is_err());
    for _ in 0..2 {
        let _ = limits.new_order(NOW, &order(7, &names)).unwrap();
        limits.issued(NOW, &order(7, &names));
    }
    let denied = limits.new_order(NOW, &order(7, &names)).unwrap_err();
    assert_eq!(denied.bucket.to_string(), "newCertificatesPerRegisteredDomainPerAccount 7/a.com");
    assert_eq!(header(&denied, "retry-after"), Some("3600"));
    // Everybody else's count goes on with it.
    limits.reset_all();
    limits.issued(NOW, &order(7, &names));
    assert_eq!(remaining(&limits, LimitName::NewCertificatesPerRegisteredDomain, "a.com", NOW), 49);
}

#[test]
fn an_account_without_a_limit_on_domains_passes() {
    let mut limits = with(
        r#"{"preset":"letsencrypt-prod","overrides":[
            {"limit":"newCertificatesPerRegisteredDomain","accounts":[7],"quota":null}]}"#,
    );
    empty(&mut limits, LimitName::NewCertificatesPerRegisteredDomain, "a.com");
    assert!(limits.new_order(NOW, &order(7, &dns(&["a.com"]))).is_ok());
}

#[test]
fn the_1153rd_failure_in_a_row_pauses_and_a_visit_frees() {
    let mut limits = prod();
    let names = dns(&["b.com", "a.com"]);
    for _ in 0..1152 {
        assert!(!limits.validation_failed(NOW, 1, "a.com"));
    }
    assert_eq!(limits.check_paused(NOW, 1, &names), Ok(()));
    assert!(limits.validation_failed(NOW, 1, "a.com"));
    assert!(!limits.validation_failed(NOW, 1, "a.com"), "it is paused already");
    let denied = limits.check_paused(NOW, 1, &names).unwrap_err();
    assert_eq!((denied.retry_in, header(&denied, "retry-after")), (None, None));
    assert_eq!(limits.check_paused(NOW, 1, &dns(&["b.com"])), Ok(()));
    assert_eq!(limits.check_paused(NOW, 2, &names), Ok(()));
    let (text, token) = denied.problem.detail.split_once("?jwt=").unwrap();
    assert_eq!(
        text,
        "Your account is temporarily prevented from requesting certificates for a.com and possibly others. Please visit: https://portal.letsencrypt.org/sfe/v1/unpause"
    );
    let freed = Unpaused { account: 1, count: 1, more: false };
    assert_eq!(limits.unpause_by_token(NOW + DAY, token), Ok(freed));
    assert_eq!(limits.check_paused(NOW, 1, &names), Ok(()));
    // One failure came back in the day, and then it is over again.
    assert!(!limits.validation_failed(NOW + DAY, 1, "a.com"));
    assert!(limits.validation_failed(NOW + DAY, 1, "a.com"));
}

#[test]
fn a_success_ends_a_row_of_failures() {
    let mut limits = prod();
    for _ in 0..1152 {
        limits.validation_failed(NOW, 1, "a.com");
    }
    limits.validation_succeeded(1, "a.com");
    assert!(!limits.validation_failed(NOW, 1, "a.com"));
    let row = LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount;
    assert_eq!(remaining(&limits, row, "1/a.com", NOW), 1151);
}

#[test]
fn the_load_balancer_answers_503() {
    let mut limits = prod();
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    for _ in 0..10 {
        assert_eq!(limits.request(NOW, EndpointClass::NewNonce, address), Ok(()));
    }
    let denied = limits.request(NOW, EndpointClass::NewNonce, address).unwrap_err();
    assert_eq!((denied.problem.status, header(&denied, "retry-after")), (503, Some("1")));
    assert_eq!(denied.retry_in, Some(Duration::from_millis(50)));
    assert_eq!(limits.request(NOW, EndpointClass::Acme, address), Ok(()));
    assert_eq!(limits.request(NOW, EndpointClass::NewNonce, "192.0.2.2".parse().unwrap()), Ok(()));
    assert_eq!(limits.request(NOW + secs(1) / 20, EndpointClass::NewNonce, address), Ok(()));
}

#[test]
fn what_fails_afterwards_is_given_back() {
    let mut limits = prod();
    let address: IpAddr = "2001:db8::1".parse().unwrap();
    let _ = limits.new_account(NOW, address).unwrap();
    let before = limits.view(NOW);
    let receipt = limits.new_account(NOW, address).unwrap();
    assert_eq!(receipt.spent().len(), 2);
    limits.refund(NOW, receipt);
    assert_eq!(limits.view(NOW), before);
    let receipt = limits.new_order(NOW, &order(1, &dns(&["a.com"]))).unwrap();
    limits.refund(NOW + DAY, receipt.clone());
    limits.refund(NOW + DAY, receipt);
    assert_eq!(remaining(&limits, LimitName::NewOrdersPerAccount, "1", NOW + DAY), 300);
}

#[test]
fn pebble_has_no_limits() {
    let mut limits = with("{}");
    for _ in 0..2000 {
        let _ = limits.new_account(NOW, "192.0.2.1".parse().unwrap()).unwrap();
        let _ = limits.new_order(NOW, &order(1, &dns(&["a.com"]))).unwrap();
        assert!(!limits.validation_failed(NOW, 1, "a.com"));
        limits.issued(NOW, &order(1, &dns(&["a.com"])));
        limits.request(NOW, EndpointClass::NewOrder, "192.0.2.1".parse().unwrap()).unwrap();
    }
    assert_eq!(limits.view(NOW), []);
}

#[test]
fn a_wait_is_told_up_to_three_percent_longer_the_same_in_header_and_text() {
    let told = |seed: u64| -> Vec<u64> {
        let config = LimitsConfig { preset: Preset::LetsencryptProd, ..LimitsConfig::default() };
        let mut limits = Limits::new(config, &Rng::from_seed(seed)).unwrap();
        empty(&mut limits, LimitName::NewOrdersPerAccount, "1");
        empty(&mut limits, LimitName::NewCertificatesPerExactSetOfIdentifiers, "a.com");
        let waits = (0..50).map(|_| {
            let denied = limits.new_order(NOW, &order(1, &dns(&["a.com"]))).unwrap_err();
            let wait = denied.retry_in.unwrap();
            assert!((secs(120_960)..=secs(120_960) * 103 / 100).contains(&wait), "{wait:?}");
            let moment = (NOW + wait).rfc3339_secs().replace('T', " ").replace('Z', " UTC");
            assert!(denied.problem.detail.contains(&format!("retry after {moment}: see ")));
            let seconds: u64 = header(&denied, "retry-after").unwrap().parse().unwrap();
            assert!(seconds.abs_diff(wait.as_secs()) <= 1);
            seconds
        });
        waits.collect()
    };
    let first = told(1);
    assert!(first.iter().any(|seconds| *seconds != first[0]));
    assert_eq!(first, told(1));
    assert_ne!(first, told(2));
}

proptest! {
    #[test]
    fn names_and_tokens_of_any_kind_do_not_panic(text in "\\PC{0,40}", ip: bool) {
        let kind = if ip { IdentifierKind::Ip } else { IdentifierKind::Dns };
        let mut limits = prod();
        let identifiers = [(kind, text.as_str())];
        let receipt = limits.new_order(NOW, &order(1, &identifiers));
        limits.issued(NOW, &order(1, &identifiers));
        limits.refund(NOW, receipt.unwrap_or_default());
        let _ = limits.unpause_by_token(NOW, &text);
        let _ = icann_suffix(&text);
        for limit in LimitName::ALL {
            let _ = limit.bucket(&text);
        }
    }
}
