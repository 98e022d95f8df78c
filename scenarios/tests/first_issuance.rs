//! The first issuance: what its log comes from, and what goes when a cause is taken away.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use crate::common::{count, load, run, times};
use reports::{Difference, Outcome, RunRecord};
use scenarios::runner;
use scenarios::script::Expect;
use serde_json::{Value, json};

const NAME: &str = "first-issuance";
const CHECK: &str = "sync.go:186";
/// The first address of `shop` is a host without a web server. The engine's own check tries the second one, too;
/// the CA tries one.
const WRONG_ADDRESS: &str = "dns.zones.0.records=[{name: shop, type: A, value: 10.43.0.10}, \
     {name: shop, type: A, value: 203.0.113.80}, {name: www.shop, type: A, value: 203.0.113.80}]";

/// Runs it against other expectations: `Kind namespace/name` to fields and values.
fn run_expecting(overrides: &[&str], objects: &[(&str, &[(&str, Value)])]) -> RunRecord {
    let mut loaded = load(NAME);
    loaded.expected_log = None;
    let fields = |f: &[(&str, Value)]| f.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
    let objects: BTreeMap<_, _> = objects.iter().map(|(o, f)| ((*o).to_owned(), fields(f))).collect();
    loaded.scenario.expect = Expect { objects, ..Expect::default() };
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    runner::run(&loaded, 0, &overrides).unwrap()
}

fn differences(record: &RunRecord) -> &[Difference] {
    match &record.outcome {
        Outcome::Differs { differences } => differences,
        other => panic!("{other:?}"),
    }
}

fn statuses(record: &RunRecord) -> Vec<&str> {
    let checks =
        record.log.iter().filter(|l| l.text.contains(CHECK) && l.text.contains("\"shop.example.com\""));
    checks.filter_map(|l| l.text.split("wrong status code '").nth(1)).map(|t| &t[..3]).collect()
}

#[test]
fn it_passes_and_costs_what_the_release_asks_for() {
    let record = run(NAME, &[]);
    assert_eq!(record.outcome, Outcome::Passed);
    assert_eq!(statuses(&record), ["404", "503", "503"]);
    let of = |endpoint: &str| record.counts.ca_requests.get(endpoint).copied().unwrap_or_default();
    // Twice: to register, and by the client that the second set-up of the issuer made, which asks for its account.
    assert_eq!((of("newAccount"), of("directory")), (2, 2));
    assert_eq!((of("newOrder"), of("challenge"), of("finalize"), of("certificate")), (1, 2, 1, 1));
    assert_eq!(record.counts.certificates, 1);
    assert_eq!(record.counts.conflicts, 2);
}

#[test]
fn ten_seconds_after_the_first_failure_five_passes_of_two_seconds_begin() {
    let record = run(NAME, &[]);
    let failed = times(&record, CHECK, "'404'");
    assert_eq!(failed, ["09:00:02.446500", "09:00:02.498500"]);
    // The later failures asked for a later time; of several the earliest counts.
    let again = times(&record, "ingress.go:98", "\"shop.example.com\"");
    assert_eq!(again.last().map(String::as_str), Some("09:00:12.446500"));
    // Five requests of 8 ms, each with its pause; accepted, found valid at the second look, and cleaned up.
    let gone = times(&record, "controller.go:102", "in work queue no longer exists");
    assert_eq!(gone.first().map(String::as_str), Some("09:00:23.854000"));
}

#[test]
fn a_pod_that_is_ready_at_once_gives_no_503() {
    let record = run(NAME, &["cluster.kubelet.podStart=0s"]);
    assert_eq!(count(&record, CHECK, "'503'"), 0);
    assert_eq!(count(&record, CHECK, "'404'"), 2, "the route takes its time all the same");
    assert_eq!(record.counts.certificates, 1);
}

#[test]
fn routes_that_are_there_at_once_give_no_404() {
    let record = run(NAME, &["cluster.ingress.syncDelay=0s"]);
    assert_eq!((count(&record, CHECK, "'404'"), statuses(&record)), (0, vec!["503", "503"]));
}

#[test]
fn traefik_has_no_route_without_an_endpoint() {
    let record = run(NAME, &["cluster.ingress.behaviour=traefik"]);
    // The second failure has the reason of the first: nothing to write, and so no third check.
    assert_eq!(statuses(&record), ["404", "404"]);
    assert_eq!((count(&record, CHECK, "'503'"), record.counts.certificates), (0, 1));
}

#[test]
fn with_server_side_apply_nobody_loses_a_write() {
    let record = run(NAME, &["engine.serverSideApply=true"]);
    assert_eq!((record.counts.conflicts, record.counts.certificates), (0, 1));
    assert_eq!(count(&record, "controller.go:161", ""), 0);
}

#[test]
fn a_wrong_address_that_the_engine_meets_too_never_gets_to_the_ca() {
    let record =
        run_expecting(&["dns.zones.0.records.0.value=10.43.0.10", "until=2022-02-03T09:10:00Z"], &[]);
    assert_eq!(record.counts.ca_requests.get("challenge"), Some(&1), "of the other name");
    assert!(count(&record, CHECK, "connection refused") > 50, "every 10 s");
    assert_eq!(record.counts.certificates, 0);
}

#[test]
fn a_wrong_address_that_only_the_ca_meets_fails_the_issuance_for_an_hour() {
    let failed: &[(&str, &[(&str, Value)])] = &[
        ("Order shop/shop-bwqz4-2437642213", &[("status.state", json!("invalid"))]),
        (
            "CertificateRequest shop/shop-bwqz4",
            &[
                ("status.conditions.1.type", json!("Ready")),
                ("status.conditions.1.reason", json!("Failed")),
                ("status.failureTime", json!("2022-02-03T09:00:23Z")),
            ],
        ),
        (
            "Certificate shop/shop",
            &[
                ("status.conditions.1.type", json!("Issuing")),
                ("status.conditions.1.status", json!("False")),
                ("status.conditions.1.reason", json!("Failed")),
                ("status.lastFailureTime", json!("2022-02-03T09:00:23Z")),
                ("status.revision", json!(null)),
            ],
        ),
        ("Secret shop/shop-tls", &[("metadata.name", json!(null))]),
    ];
    let record = run_expecting(&[WRONG_ADDRESS, "until=2022-02-03T10:00:22Z"], failed);
    assert_eq!(record.outcome, Outcome::Passed);
    let refused = "acme: authorization error for shop.example.com: 400 urn:ietf:params:acme:error:connection: \
                   10.43.0.10: Fetching";
    assert_eq!(times(&record, "sync.go:386", refused), ["09:00:23.658500"]);
    let ends = r#"condition "Issuing": "True" -> "False""#;
    assert_eq!(times(&record, "conditions.go:190", ends).len(), 1);
    // The failure itself, and the temporary Secret's name going away.
    let held = "Not re-issuing certificate as an attempt has been made in the last hour";
    assert_eq!(count(&record, "trigger_controller.go:160", held), 2);
    // Two before the failure (the first lost its write), none in the hour after it.
    assert_eq!(count(&record, "trigger_controller.go:181", "Certificate must be re-issued"), 2);
    assert_eq!(record.counts.certificates, 0);
}

#[test]
fn after_the_hour_the_next_attempt_removes_what_the_failed_one_left() {
    let record = run_expecting(
        &[WRONG_ADDRESS, "until=2022-02-03T10:10:00Z"],
        &[
            ("Order shop/shop-bwqz4-2437642213", &[("status.state", json!("invalid"))]),
            ("Certificate shop/shop", &[("status.lastFailureTime", json!("2022-02-03T09:00:23Z"))]),
        ],
    );
    let what: Vec<_> = differences(&record).iter().map(|d| (d.what.as_str(), d.actual.as_deref())).collect();
    assert_eq!(
        what,
        [
            ("Certificate shop/shop status.lastFailureTime", Some("\"2022-02-03T10:00:45Z\"")),
            ("Order shop/shop-bwqz4-2437642213 status.state", Some("(no such object)")),
        ]
    );
    // An hour after the failure time, which has whole seconds.
    let issued = times(&record, "trigger_controller.go:181", "Certificate must be re-issued");
    assert_eq!(issued.last().map(String::as_str), Some("10:00:23.000000"));
    // The lister's text has the singular.
    let gone = "order in work queue no longer exists";
    let text = r#""error"="order.acme.cert-manager.io \"shop-bwqz4-2437642213\" not found""#;
    assert_eq!(count(&record, "controller.go:0", gone), 2);
    assert_eq!(count(&record, "controller.go:0", text), 2);
    // The other name was proved the first time: its authorization is good for the second order.
    let pods = |name: &str| count(&record, "pod.go:71", &format!("\"dnsName\"=\"{name}\""));
    assert_eq!((pods("shop.example.com"), pods("www.shop.example.com")), (2, 1));
}

/// The CA's verdict takes longer than the client waits: the second acceptance finds the authorization decided.
#[test]
fn a_resolver_of_the_ca_that_does_not_answer_outlasts_the_clients_ten_seconds() {
    let silent = r#"ca.config.resolvers=["192.0.2.1:53"]"#;
    let order: &[(&str, Value)] = &[("status.state", json!("invalid"))];
    let record = run_expecting(&[silent], &[("Order shop/shop-bwqz4-2437642213", order)]);
    assert_eq!(record.outcome, Outcome::Passed);
    let of_shop = |marker: &str, text: &str| {
        let lines =
            record.log.iter().filter(|l| l.text.contains("\"shop.example.com\"") && l.text.contains(text));
        let lines: Vec<_> = lines.filter(|l| l.text.contains(marker)).collect();
        lines
            .iter()
            .map(|l| l.text.split_whitespace().nth(1).unwrap_or_default())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(of_shop("sync.go:386", "\"error\"=\"context deadline exceeded\""), "09:00:32.546500");
    // 5 s of back-off, five passes of 2 s, and what their requests and the acceptance take.
    let decided = "malformed: Unable to update challenge :: authorization must be pending";
    assert_eq!(of_shop("error accepting challenge", decided), "09:00:47.646500");
}
