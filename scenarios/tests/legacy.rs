//! The one controller of 0.2 and 0.5, end to end: document 002's list of events, and document 003's 503s.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;
use std::sync::Arc;

use crate::common::v1alpha1::{CERTIFICATE, ISSUER};
use crate::common::{count, load, times};
use engine::api::{
    Certificate, Event, Kind, LegacyAcmeConfig, LegacyDomainConfig, LegacyHttp01, Object, Secret,
};
use reports::RunRecord;
use scenarios::history::{History, Stored};
use scenarios::runner::{self, Options};
use scenarios::script::{self, Expect, Loaded};

const NAMES: [&str; 2] = ["shop.example.com", "www.shop.example.com"];

/// The first issuance as a Certificate of v1alpha1 asks for it, under an old release.
fn scenario() -> Loaded {
    let mut loaded = load("first-issuance");
    loaded.expected_log = None;
    loaded.scenario.expect = Expect::default();
    for object in &mut loaded.objects {
        if let Object::Certificate(certificate) = object {
            let certificate: &mut Certificate = Arc::make_mut(certificate);
            let http01 = LegacyHttp01 { ingress_class: Some("nginx".into()), ..LegacyHttp01::default() };
            let domains = NAMES.map(str::to_owned).to_vec();
            let config = vec![LegacyDomainConfig { domains, http01: Some(http01), dns01: None }];
            certificate.spec.acme = Some(Box::new(LegacyAcmeConfig { config }));
        }
    }
    loaded
}

fn run(compat: &str, overrides: &[&str]) -> (RunRecord, History) {
    let mut all = vec![format!("engine.compat={compat}"), "until=2022-02-03T09:05:00Z".to_owned()];
    all.extend(overrides.iter().map(|o| (*o).to_owned()));
    let (record, history) =
        runner::history(&scenario(), &Options { overrides: all, ..Options::default() }).unwrap();
    (record, history.unwrap())
}

fn end(history: &History) -> Stored {
    history.at(history.time("5m").unwrap())
}

/// The solver's objects of a kind, and not the shop's own.
fn solver_objects(stored: &Stored, kind: Kind) -> Vec<&Object> {
    stored.list(kind).into_iter().filter(|o| o.meta().name.starts_with("cm-")).collect()
}

/// Type, reason and message of the events about the Certificate, oldest first.
fn events(stored: &Stored) -> Vec<String> {
    let text = stored.describe(stored.find(Kind::Certificate, None, "shop").unwrap());
    let table = text.split("----\n").last().unwrap_or_default().lines();
    let columns = |line: &str| -> Vec<String> {
        line.split("  ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect()
    };
    table.map(columns).map(|c| format!("{} {}: {}", c[0], c[1], c[4])).collect()
}

/// Document 002's `kubectl describe certificate`, with the names of the scenario.
#[test]
fn v0_5_tells_of_an_issuance_in_the_events_of_document_002() {
    let (record, history) = run("v0_5", &[]);
    assert_eq!(record.counts.certificates, 1, "{:#?}", record.log);
    let stored = end(&history);
    let told: Vec<_> = events(&stored).into_iter().filter(|e| e.starts_with("Normal")).collect();
    assert_eq!(
        told,
        [
            "Normal CreateOrder: Created new ACME order, attempting validation...",
            "Normal DomainVerified: Domain \"shop.example.com\" verified with \"http-01\" validation",
            "Normal DomainVerified: Domain \"www.shop.example.com\" verified with \"http-01\" validation",
            "Normal IssueCert: Issuing certificate...",
            "Normal CertObtained: Obtained certificate from ACME server",
            "Normal CertIssued: Certificate issued successfully",
        ]
    );
    let certificate = stored.find(Kind::Certificate, None, "shop").unwrap();
    insta::assert_snapshot!("v0_5_describe", stored.describe(certificate));
}

#[test]
fn v0_5_logs_in_glog_and_leaves_nothing_behind() {
    let (record, history) = run("v0_5", &[]);
    let log: String = record.log.iter().map(|l| format!("{}\n", l.text)).collect();
    insta::assert_snapshot!("v0_5_log", log);
    let stored = end(&history);
    for kind in [Kind::Order, Kind::Challenge, Kind::CertificateRequest] {
        assert_eq!(stored.list(kind).len(), 0, "{kind}");
    }
    for kind in [Kind::Pod, Kind::Service, Kind::Ingress] {
        assert_eq!(solver_objects(&stored, kind).len(), 0, "{kind}");
    }
}

/// Document 003: the self-check meets the ingress before the pod is ready, and asks again each 5 s.
#[test]
fn v0_2_asks_again_five_seconds_after_each_503() {
    let (record, history) = run("v0_2", &["engine.verbosity=4", "cluster.kubelet.podStart=12s"]);
    assert_eq!(record.counts.certificates, 1, "{:#?}", record.log);
    let name = "\"shop.example.com\", waiting 5s: wrong status code '503'";
    let refused = times(&record, "http.go:410", name);
    assert!(refused.len() >= 2, "{:#?}", record.log);
    let seconds = |t: &String| t[6..].parse::<f64>().unwrap();
    for pair in refused.windows(2) {
        let gap = seconds(&pair[1]) - seconds(&pair[0]);
        assert!((5.0..5.1).contains(&gap), "{refused:?}");
    }
    // Both names at the same time, five passes each.
    assert_eq!(count(&record, "http.go:415", "(5/5)"), 2);
    let told = events(&end(&history));
    for reason in [
        "PrepareCertificate",
        "PresentChallenge",
        "SelfCheck",
        "ObtainAuthorization",
        "IssueCertificate",
        "CeritifcateIssued",
        "RenewalScheduled",
    ] {
        assert!(told.iter().any(|e| e.starts_with(&format!("Normal {reason}:"))), "{reason}: {told:#?}");
    }
}

#[test]
fn v0_2_names_its_solver_objects_itself_and_labels_them_by_name() {
    let (_, history) = run("v0_2", &["cluster.kubelet.podStart=12s"]);
    let during = history.at(history.time("10s").unwrap());
    let services = solver_objects(&during, Kind::Service);
    assert_eq!(services.len(), 2);
    let mut domains = Vec::new();
    for service in services {
        let meta = service.meta();
        let suffix = meta.name.strip_prefix("cm-shop-").unwrap();
        assert!(suffix.len() == 5 && suffix.bytes().all(|b| b.is_ascii_lowercase()), "{}", meta.name);
        assert_eq!(meta.labels["certmanager.k8s.io/managed"], "true");
        assert_eq!(meta.labels["certmanager.k8s.io/certificate"], "shop");
        domains.push(meta.labels["certmanager.k8s.io/domain"].clone());
    }
    domains.sort();
    assert_eq!(domains, NAMES);
    for kind in [Kind::Pod, Kind::Service, Kind::Ingress] {
        assert_eq!(solver_objects(&end(&history), kind).len(), 0, "{kind}");
    }
}

/// An order that failed is followed by another one 5 min later, not sooner.
#[test]
fn v0_5_waits_five_minutes_between_two_orders() {
    let wrong = "dns.zones.0.records=[{name: shop, type: A, value: 10.43.0.10}, \
         {name: shop, type: A, value: 203.0.113.80}, {name: www.shop, type: A, value: 203.0.113.80}]";
    let (record, _) = run("v0_5", &[wrong, "until=2022-02-03T09:04:50Z"]);
    assert_eq!((record.counts.ca_requests.get("newOrder"), record.counts.certificates), (Some(&1), 0));
    let (record, _) = run("v0_5", &[wrong, "until=2022-02-03T09:08:00Z"]);
    assert_eq!(record.counts.ca_requests.get("newOrder"), Some(&2), "{:#?}", record.log);
}

/// Events are forgotten an hour after their last write.
#[test]
fn the_api_server_forgets_events_after_an_hour() {
    let events_at = |overrides: &[&str], at: &str| {
        let (_, history) = run("v0_5", &[overrides, &["until=2022-02-03T10:10:00Z"]].concat());
        history
            .at(history.time(at).unwrap())
            .list(Kind::Event)
            .iter()
            .filter(|o| o.get::<Event>().is_some())
            .count()
    };
    assert!(events_at(&[], "30m") >= 6);
    assert_eq!(events_at(&[], "1h9m"), 0);
    assert!(events_at(&["cluster.api.eventTtl=0s"], "1h9m") >= 6);
}

/// The first issuance, with an Issuer and a Certificate from files of `certmanager.k8s.io/v1alpha1`.
fn of_its_time(name: &str, compat: &str, issuer: &str) -> (RunRecord, History) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("legacy-{name}-{compat}"));
    let manifests = folder.join("manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    let script = std::fs::read_to_string(scenario().folder.join("scenario.yaml")).unwrap();
    let (script, _) = script.split_once("expect:\n").unwrap();
    let script = script.replace("compat: v1_7", &format!("compat: {compat}"));
    std::fs::write(folder.join("scenario.yaml"), script).unwrap();
    std::fs::write(manifests.join("issuer.yaml"), issuer).unwrap();
    std::fs::write(manifests.join("certificate.yaml"), CERTIFICATE).unwrap();
    let mut loaded = scenario();
    let old = script::load(&folder, None, false).unwrap().objects;
    let kinds = [Kind::Issuer, Kind::Certificate];
    assert_eq!(old.len(), kinds.len());
    loaded.objects.retain(|object| !kinds.contains(&object.kind()));
    loaded.objects.extend(old);
    let overrides = vec![format!("engine.compat={compat}"), "until=2022-02-03T09:05:00Z".to_owned()];
    let (record, history) = runner::history(&loaded, &Options { overrides, ..Options::default() }).unwrap();
    (record, history.unwrap())
}

#[test]
fn manifests_of_their_time_are_issued_by_v0_5_and_v0_2() {
    for compat in ["v0_5", "v0_2"] {
        let (record, history) = of_its_time("issued", compat, ISSUER);
        assert_eq!(record.counts.certificates, 1, "{compat}: {:#?}", record.log);
        let stored = end(&history);
        let secret = stored.list(Kind::Secret).into_iter().find(|s| s.meta().name == "shop-tls");
        let data = &secret.unwrap().get::<Secret>().unwrap().data;
        assert!(data.contains_key("tls.crt") && data.contains_key("tls.key"), "{compat}");
    }
}

/// The Certificate asks for HTTP-01, and the issuer has DNS-01 alone.
#[test]
fn a_way_that_the_issuer_does_not_have_is_refused() {
    let dns = "    dns01: {providers: [{name: prod, rfc2136: {nameserver: 10.0.0.53}}]}\n";
    let issuer = ISSUER.replace("    http01: {}\n", dns);
    for compat in ["v0_5", "v0_2"] {
        let (record, history) = of_its_time("refused", compat, &issuer);
        assert_eq!(record.counts.certificates, 0, "{compat}");
        let why =
            "ACME server does not allow selected challenge type or no provider is configured for domain";
        let stored = end(&history);
        let told = record.log.iter().any(|line| line.text.contains(why));
        assert!(told || stored.describe(stored.find(Kind::Certificate, None, "shop").unwrap()).contains(why));
    }
}

/// 0.5 keeps the order of the last issuance, sees that its certificate is near its end, and makes another.
#[test]
fn a_certificate_of_0_5_is_renewed_by_a_new_order() {
    let overrides =
        ["ca.config.validity=800h", "until=2018-11-24T00:00:00Z", "expect.checks=[]"].map(str::to_owned);
    let record = runner::run(&load("describe-tells-of-each-name-verified"), 0, &overrides).unwrap();
    assert_eq!(record.outcome, reports::Outcome::Passed, "{}", reports::differences(&record));
    assert_eq!((record.counts.certificates, record.counts.ca_requests["newOrder"]), (2, 2));
    let why = "triggering new order creation as existing order's certificate is nearing expiry";
    assert!(record.log.iter().any(|line| line.text.contains(why)));
}
