//! Plans as they are written, and those that cannot be run.

use fleet::plan::{Certificate, Distribution, Lifetime, Plan, Window};
use serde_json::json;

use crate::common::{DAY, HOUR, named, with, with_list, year};

#[test]
fn what_is_written_reads_back_and_an_empty_object_is_the_default() {
    let plan = json!({
        "window": {"from": "2027-01-01T00:00:00Z", "until": "2028-01-01T00:00:00Z"},
        "certificates": {
            "list": [{"name": "a", "names": ["a.example.com"], "account": 2, "issued": "2026-12-01T00:00:00Z",
                "lifetime": "90d", "renewBefore": "30d",
                "renewal": {"windows": [{"cron": "0 2 * * *", "windowDuration": "2h"}]}}],
            "distributions": [{"count": 100_000, "perDomain": 10, "accounts": 3, "spread": "30d"}]},
        "ca": {"preset": "letsencrypt-prod", "profile": "classic", "limits": {"preset": "letsencrypt-prod"},
            "lifetimes": [{"lifetime": "90d"}, {"from": "2027-06-01T00:00:00Z", "lifetime": "45d"}],
            "backdate": "1h", "newAccounts": true},
        "policy": {"release": "v1_16", "switches": {"ari": true}, "renewBeforePercentage": 30, "orderTime": "20s"},
        "outages": [
            {"from": "2027-03-01T00:00:00Z", "until": "2027-03-02T00:00:00Z", "kind": "unavailable"},
            {"from": "2027-03-01T00:00:00Z", "until": "2027-03-02T00:00:00Z", "kind": "validation"},
            {"from": "2027-03-01T00:00:00Z", "until": "2027-03-02T00:00:00Z",
                "kind": {"limits": {"preset": "letsencrypt-staging"}}}],
        "seed": 7, "events": true,
    });
    let read: Plan = serde_json::from_value(plan.clone()).unwrap();
    let again: Plan = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
    assert_eq!(read, again);
    assert_eq!(serde_json::from_str::<Plan>("{}").unwrap(), Plan::default());
    for path in [
        "",
        "/window",
        "/certificates",
        "/certificates/list/0",
        "/certificates/distributions/0",
        "/ca",
        "/ca/lifetimes/0",
        "/policy",
        "/outages/0",
    ] {
        let mut bad = plan.clone();
        bad.pointer_mut(path).unwrap()["surprise"] = json!(1);
        assert!(serde_json::from_value::<Plan>(bad).is_err(), "{path}");
    }
}

type Change<'a> = &'a dyn Fn(&mut Plan);

#[test]
fn what_cannot_be_run_is_refused_with_its_place() {
    let good = || with_list(year(90 * 24), [named("a.example.com")]);
    let error = |change: Change<'_>| {
        let mut plan = good();
        change(&mut plan);
        fleet::run(&plan).unwrap_err().to_string()
    };
    let cases: [(Change<'_>, &str); 13] = [
        (&|p| p.certificates.list.clear(), "certificates: there are none"),
        (
            &|p| p.window = Window { from: p.window.from, until: p.window.from },
            "window: ends at 2027-01-01T00:00:00Z",
        ),
        (
            &|p| p.policy.release = "v2".to_owned(),
            "policy.release: there is no \"v2\"; there are v1_7, v1_16, v1_21",
        ),
        (
            &|p| p.policy.switches = [("arri".to_owned(), json!(true))].into(),
            "policy.switches: there is no switch \"arri\"",
        ),
        (&|p| p.ca.profile = Some("x".to_owned()), "ca.profile: there is no \"x\"; there are classic"),
        (
            &|p| p.ca.limits = serde_json::from_str(r#"{"limits": {"requestsPerIpAddress": null}}"#).unwrap(),
            "ca.limits: limits.requestsPerIpAddress: is set in `requests`",
        ),
        (
            &|p| p.ca.lifetimes = vec![Lifetime { from: None, lifetime: HOUR, authorizations: None }],
            "ca.lifetimes[0].lifetime: must be 2h at least",
        ),
        (&|p| p.certificates.list[0].name.clear(), "certificates.list[0]: needs a `name`"),
        (&|p| p.certificates.list[0].names = vec![String::new()], "certificates.list[0]: needs a `name`"),
        (
            &|p| {
                p.certificates.list[0].issued = Some(p.window.from);
                p.certificates.list[0].not_after = Some(p.window.until);
            },
            "certificate \"a.example.com\": has both `issued` and `notAfter`",
        ),
        (
            &|p| p.certificates.list[0].names = (0..101).map(|n| format!("n{n}.example.com")).collect(),
            "certificate \"a.example.com\": has 101 names, and the CA takes 100",
        ),
        (
            &|p| *p = with(good(), Distribution { per_domain: 0, ..Distribution::default() }),
            "certificates.distributions[0].perDomain: must be 1 at least",
        ),
        (
            &|p| {
                let kind = r#"{"limits": {"overrides": [{"limit": "newOrdersPerAccount", "quota": null}]}}"#;
                let (from, until) = (p.window.from, p.window.from + DAY);
                let kind = serde_json::from_str(kind).unwrap();
                p.outages = vec![fleet::plan::Outage { from, until, kind }];
            },
            "outages[0].kind.limits: overrides[0]: needs `accounts` or `registeredDomains`",
        ),
    ];
    for (change, told) in cases {
        let error = error(change);
        assert!(error.starts_with(told), "{error}");
    }
    assert!(fleet::run(&good()).is_ok());
}

#[test]
fn an_event_is_written_flat() {
    let mut plan = with_list(
        year(90 * 24),
        (0..6).map(|n| Certificate {
            names: vec!["a.example.com".to_owned()],
            issued: Some(year(1).window.from + HOUR * n / 6),
            ..named(&format!("c{n}"))
        }),
    );
    plan.window.until = plan.window.from + HOUR;
    let outcome = serde_json::to_value(fleet::run(&plan).unwrap()).unwrap();
    let events = outcome["events"].as_array().unwrap();
    assert_eq!(events[0], json!({"at": "2027-01-01T00:00:00Z", "certificate": "c0", "what": "due"}));
    assert_eq!(
        events[2],
        json!({"at": "2027-01-01T00:00:08Z", "certificate": "c0", "what": "issued",
            "notAfter": "2027-03-31T23:00:07Z"})
    );
    assert_eq!(
        *events.last().unwrap(),
        json!({"at": "2027-01-01T00:50:00Z", "certificate": "c5", "what": "refused",
            "limit": "newCertificatesPerExactSetOfIdentifiers", "key": "a.example.com"})
    );
    assert_eq!(outcome["refusals"]["byLimit"]["newCertificatesPerExactSetOfIdentifiers"], 1);
    assert_eq!(outcome["peakOrders"], json!({"at": "2027-01-01T00:00:00Z", "count": 1}));
}
