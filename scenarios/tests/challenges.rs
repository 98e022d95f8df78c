//! Challenges that do not go straight: lost writes, a CA of another dialect or a slow one, and the wait instead of the
//! self-check.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, certificate, issuer, live, script};
use engine::api::{Certificate, Challenge, Ingress, Kind, Pod, Resource as _, Service, State};
use mock_ca::dialect::Endpoint;
use mock_ca::journal::Event;
use scenarios::script::{Scenario, apply};
use world::Timestamp;

const NGINX: &str = "http01: { ingress: { class: nginx } }";
const SHOP: &str = "dnsNames: [shop.example.com]";

fn world_of(compat: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    apply(&script(compat), &overrides).unwrap()
}

fn of(solver: &str) -> String {
    issuer(solver) + &certificate("{}", SHOP)
}

/// When the log had lines with this message.
fn times(live: &Live, message: &str) -> Vec<Timestamp> {
    let entries = live.remains.log.entries().into_iter().filter(|e| e.message.contains(message));
    entries.map(|e| e.at).collect()
}

/// When the CA was told that a challenge is ready, and what it answered.
fn acceptances(live: &Live) -> Vec<(Timestamp, u16)> {
    let entries = live.remains.ca.as_ref().unwrap().journal().entries().into_iter();
    let told = entries.filter_map(|entry| match entry.event {
        Event::Request { endpoint: Some(Endpoint::Challenge), status, .. } => Some((entry.at, status)),
        _ => None,
    });
    told.collect()
}

#[test]
fn only_challenges_wake_the_controller() {
    live(world_of("v1_7", &["cluster.kubelet.podStart=10m"]), &of(NGINX), |live| async move {
        live.after(Duration::from_secs(40)).await;
        let checks = |l: &Live| times(l, "propagation check failed");
        let before = checks(&live).len();
        assert!(live.wait(11, |l| checks(l).len() > before).await);
        live.after(Duration::from_secs(2)).await;
        let mut pod = live.all::<Pod>().remove(0);
        pod.metadata.annotations.insert("touched".into(), "yes".into());
        live.put(pod);
        let mut ingress = live.all::<Ingress>().remove(0);
        ingress.metadata.annotations.insert("touched".into(), "yes".into());
        live.put(ingress);
        let solver = |s: &Service| s.metadata.name.starts_with("cm-acme-");
        let mut service = live.all::<Service>().into_iter().find(solver).unwrap();
        service.metadata.annotations.insert("touched".into(), "yes".into());
        live.put(service);
        live.after(Duration::from_secs(20)).await;
        let checks = checks(&live);
        let gaps = checks[before..].windows(2).map(|t| t[1].since(t[0]).as_secs_f64());
        let gaps: Vec<f64> = gaps.collect();
        assert!(gaps.len() == 2 && gaps.iter().all(|gap| (10.0..10.5).contains(gap)), "{gaps:?}");
        // A Challenge that changes is looked at at once.
        let mut challenge = live.all::<Challenge>().remove(0);
        challenge.metadata.annotations.insert("touched".into(), "yes".into());
        live.put(challenge);
        live.after(Duration::from_secs(1)).await;
        assert_eq!(times(&live, "propagation check failed").len(), checks.len() + 1);
    });
}

#[test]
fn a_challenge_that_changed_meanwhile_is_started_at_a_later_tick() {
    let lag =
        "cluster.watch.lister={default: {lag: 1ms}, slow: {kind: Challenge, event: modified, lag: 1500ms}}";
    live(world_of("v1_7", &[lag]), &of(NGINX), |live| async move {
        assert!(live.wait(30, |l| l.all::<Challenge>().len() == 1).await);
        let mut challenge = live.all::<Challenge>().remove(0);
        assert!(!challenge.status.processing);
        challenge.metadata.annotations.insert("touched".into(), "yes".into());
        live.put(challenge);
        assert!(live.wait(5, |l| l.all::<Challenge>()[0].status.processing).await);
        let failed = times(&live, "error scheduling challenge for processing");
        assert!((1..3).contains(&failed.len()), "{failed:?}");
        assert!(live.wait(2, |l| l.events("Started") == ["Challenge scheduled for processing"]).await);
        assert!(live.ready("shop", 300).await);
    });
}

#[test]
fn a_refused_authorization_is_an_event() {
    // The CA tries the first address only, the engine the other one, too.
    let wrong = "dns.zones.0.records=[{name: shop, type: A, value: 10.43.0.10}, {name: shop, type: A, value: 203.0.113.80}]";
    live(world_of("v1_7", &[wrong]), &of(NGINX), |live| async move {
        assert!(!live.ready("shop", 60).await);
        let start = "Accepting challenge authorization failed: acme: authorization error for shop.example.com: 400 \
                     urn:ietf:params:acme:error:connection: 10.43.0.10: Fetching";
        let failed = live.events("Failed");
        assert_eq!(failed.iter().filter(|text| text.starts_with(start)).count(), 1, "{failed:?}");
    });
}

/// The CA needs 14 s and the client waits for ten: from the end of that wait to the next sync, in seconds, the states
/// that the Challenge had then, and what the CA answered to the acceptances.
fn after_the_deadline(dialect: &str) -> (f64, State, Vec<u16>) {
    let dialect_is = format!("ca.config.dialect={dialect}");
    let scenario =
        world_of("v1_7", &["ca.config.perspectives=[{name: acme-v02, queue: [14s]}]", &dialect_is]);
    let directory = if dialect == "pebble" { "letsencrypt.org/dir\n" } else { "letsencrypt.org/directory\n" };
    let manifests = of(NGINX).replacen("letsencrypt.org/directory\n", directory, 1);
    live(scenario, &manifests, |live| async move {
        assert!(live.wait(60, |l| !times(l, "error waiting for authorization").is_empty()).await);
        live.after(Duration::from_millis(500)).await;
        let state = live.all::<Challenge>()[0].status.state;
        live.after(Duration::from_secs(60)).await;
        let ended = times(&live, "error waiting for authorization")[0];
        let syncs = times(&live, "found one existing HTTP01 solver pod");
        let next = syncs.iter().find(|at| **at >= ended).unwrap();
        let answers = acceptances(&live).into_iter().map(|(_, status)| status).collect();
        (next.since(ended).as_secs_f64(), state, answers)
    })
}

#[test]
fn a_ca_that_shows_processing_makes_the_next_sync_start_at_once() {
    let (wait, state, answers) = after_the_deadline("boulder");
    assert!((5.0..5.1).contains(&wait), "{wait}");
    assert_eq!((state, answers), (State::Pending, vec![200, 200]));
    let (wait, state, answers) = after_the_deadline("pebble");
    assert!(wait < 0.2, "{wait}");
    // The second acceptance is one too many for such a CA.
    assert_eq!((state, answers), (State::Processing, vec![200, 400]));
}

#[test]
fn an_authorization_has_two_minutes_in_1_21() {
    let fault = "ca.config.faults=['challenge=stuckProcessing']";
    let waited = |compat: &str| {
        live(world_of(compat, &[fault]), &of(NGINX), |live| async move {
            assert!(live.wait(200, |l| !times(l, "error waiting for authorization").is_empty()).await);
            let lines = live.log("error waiting for authorization");
            assert!(lines[0].contains("context deadline exceeded"), "{lines:?}");
            let ended = times(&live, "error waiting for authorization")[0];
            ended.since(acceptances(&live)[0].0).as_secs_f64().floor()
        })
    };
    assert_eq!((waited("v1_7"), waited("v1_16"), waited("v1_21")), (10.0, 20.0, 120.0));
}

/// A Challenge goes while the CA is waited for, its finalizer taken away by hand: the lines that are about it then.
fn gone_meanwhile(compat: &str) -> Vec<String> {
    let fault = "ca.config.faults=['challenge=stuckProcessing:5s']";
    live(world_of(compat, &[fault]), &of(NGINX), |live| async move {
        assert!(live.wait(60, |l| !acceptances(l).is_empty()).await);
        let certificate = live.get::<Certificate>("shop").unwrap();
        live.remains.store.delete(Kind::Certificate, &certificate.key()).unwrap();
        let deleted = |l: &Live| l.all::<Challenge>()[0].metadata.deletion_timestamp.is_some();
        assert!(live.wait(2, deleted).await, "by the garbage collector");
        let mut challenge = live.all::<Challenge>().remove(0);
        challenge.metadata.finalizers.clear();
        live.put(challenge);
        live.after(Duration::from_secs(20)).await;
        assert_eq!(live.all::<Challenge>(), []);
        live.log("re-queuing item due to error processing")
    })
}

#[test]
fn the_status_of_a_challenge_that_is_gone_is_an_error_up_to_1_7() {
    let lines = gone_meanwhile("v1_7");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("cert-manager/challenges") && lines[0].contains("not found"), "{lines:?}");
    assert_eq!(gone_meanwhile("v1_21"), [] as [String; 0]);
}

/// How often the Challenge's status was written in a wait of 30 s, and how long it lasted.
fn written(overrides: &[&str]) -> (u64, f64) {
    let solver = "{ waitInsteadOfSelfCheck: 30s, http01: { ingress: { class: nginx } } }";
    live(world_of("v1_21", overrides), &of(solver), |live| async move {
        assert!(live.wait(60, |l| !acceptances(l).is_empty()).await);
        let presented = live.all::<Challenge>()[0].status.presented_at.unwrap().timestamp();
        let waited = acceptances(&live)[0].0.since(presented).as_secs_f64();
        let calls = live.remains.timing.counts().calls;
        (calls.get("UpdateStatus Challenge").copied().unwrap_or_default(), waited)
    })
}

/// The rest of the wait is in the reason: each write makes the next one, as fast as the API server and the client's
/// limit of 20 requests a second let it.
#[test]
fn the_wait_instead_of_the_self_check_writes_without_an_end_in_1_21() {
    let (writes, waited) = written(&[]);
    assert!((30.0..31.0).contains(&waited), "{waited}");
    assert!((300..620).contains(&writes), "{writes}");
    let (writes, waited) = written(&["engine.switches.stableWaitReason=true"]);
    assert!((30.0..31.0).contains(&waited), "{waited}");
    assert!(writes < 8, "{writes}");
}
