//! A DNS provider that does not take a challenge's record away: what each release makes of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::load;
use engine::api::{Challenge, Event, Kind, State};
use engine::log::render;
use mock_dns::RecordType;
use mock_dns::provider::Operation;
use scenarios::runner::{self, Options, Remains};
use scenarios::script::Expect;

const RECORD: &str = "_acme-challenge.ewhisper.cn";
/// The node abroad keeps up, so that the CA finds the records.
const KEEPS_UP: &str = "dns.nameservers.2.publishDelay=[20s]";
const SOON: &str = "until=2022-05-08T10:06:00Z";
const DENIED: &str = "[TencentCloudSDKError] Code=OperationDenied.NoPermissionToOperateDomain";

/// The wildcard's run with a provider that refuses to delete on these occasions. `names` are those of the Certificate
/// that stay.
fn run(compat: &str, occasions: &str, names: usize, overrides: &[&str]) -> Remains {
    let mut loaded = load("dnspod-wildcard");
    loaded.scenario.expect = Expect::default();
    for object in &mut loaded.objects {
        if let Some(certificate) = object.get::<engine::api::Certificate>() {
            let mut certificate = certificate.as_ref().clone();
            certificate.spec.dns_names.truncate(names);
            *object = certificate.into();
        }
    }
    let rule = format!(
        "dns.providers.0.config.rules=[{{name: refuses, when: {{operations: [deleteRecord]}}, outcome: denied, \
         occasions: {occasions}}}]"
    );
    let mut all = vec![KEEPS_UP.to_owned(), SOON.to_owned(), format!("engine.compat={compat}"), rule];
    all.extend(overrides.iter().map(|s| (*s).to_owned()));
    runner::remains(&loaded, &Options { overrides: all, ..Options::default() })
        .unwrap_or_else(|why| panic!("{why}"))
}

fn challenges(remains: &Remains) -> Vec<Challenge> {
    let all = remains.store.list(Kind::Challenge);
    all.iter().filter_map(|o| o.get::<Challenge>()).map(|c| c.as_ref().clone()).collect()
}

fn events(remains: &Remains, reason: &str) -> Vec<String> {
    let all = remains.store.list(Kind::Event);
    let fitting = all.iter().filter_map(|o| o.get::<Event>()).filter(|e| e.reason == reason);
    fitting.map(|e| e.message.clone()).collect()
}

/// The lines that contain a text.
fn lines(remains: &Remains, text: &str) -> Vec<String> {
    let lines = remains.log.entries().into_iter().map(|entry| render(&entry, 1));
    lines.filter(|line| line.contains(text)).collect()
}

/// The TXT values that are still there.
fn left(remains: &Remains) -> usize {
    remains.dns.as_ref().unwrap().values(RECORD, RecordType::TXT).unwrap().len()
}

fn certificates(remains: &Remains) -> usize {
    remains.ca.as_ref().unwrap().issued().len()
}

/// When the provider was asked to delete, in seconds after the first time.
fn attempts(remains: &Remains) -> Vec<u64> {
    let asked = remains.providers[0].audit_where(|e| e.operation == Operation::DeleteRecord);
    asked.iter().map(|e| e.at.since(asked[0].at).as_secs()).collect()
}

#[test]
fn a_clean_up_that_fails_once_is_an_event_and_tried_again() {
    let remains = run("v1_7", "{times: 1}", 2, &[]);
    let told = events(&remains, "CleanUpError");
    let start = "Error cleaning up challenge: failed to delete txt record (value:";
    assert!(told.len() == 1 && told[0].starts_with(start) && told[0].contains(DENIED), "{told:?}");
    assert_eq!(lines(&remains, "\"error cleaning up challenge\"").len(), 1);
    // The reason is written, which makes the next try come at once.
    let attempts = attempts(&remains);
    assert_eq!((attempts.len(), attempts[1]), (3, 0), "{attempts:?}");
    assert_eq!((certificates(&remains), left(&remains), challenges(&remains)), (1, 0, vec![]));
}

/// A Challenge that is not cleaned up keeps its turn, and the other one of its name never gets one.
#[test]
fn a_clean_up_that_never_works_blocks_the_wildcard_of_the_name() {
    for compat in ["v1_7", "v1_21"] {
        let remains = run(compat, "{}", 2, &[]);
        let (done, waiting): (Vec<_>, Vec<_>) =
            challenges(&remains).into_iter().partition(|c| c.status.state == State::Valid);
        let [done] = done.as_slice() else { panic!("{done:?}") };
        assert!(done.status.presented && done.status.processing);
        let told = "Error cleaning up challenge: ";
        let reason = done.status.reason.strip_prefix(told);
        assert_eq!(reason.is_some(), compat == "v1_21", "{:?}", done.status.reason);
        let reason = reason.unwrap_or(&done.status.reason);
        assert!(reason.starts_with("failed to delete txt record"), "{reason}");
        assert!(waiting.len() == 1 && !waiting[0].status.processing);
        assert_eq!(events(&remains, "Started").len(), 1);
        assert_eq!((certificates(&remains), left(&remains)), (0, 1));
        // Each refusal has the id of its request, so that no reason is like the one before, and its write starts the
        // next try without any back-off.
        assert!(attempts(&remains).len() > 100, "{}", attempts(&remains).len());
    }
}

#[test]
fn at_its_deletion_1_7_lets_the_challenge_go_and_the_record_stays_behind() {
    let remains = run("v1_7", "{}", 1, &[]);
    assert_eq!((certificates(&remains), challenges(&remains)), (1, vec![]));
    assert_eq!(left(&remains), 1, "nobody will take it away");
    let of_deletion = lines(&remains, "challenges/finalizer \"msg\"=\"error cleaning up challenge\"");
    assert_eq!(of_deletion.len(), 1, "{of_deletion:?}");
    assert!(of_deletion[0].contains(DENIED));
    // It is no error of the sync: nothing is tried again.
    assert!(attempts(&remains).iter().all(|at| *at < 10), "{:?}", attempts(&remains));
}

#[test]
fn in_1_21_the_finalizer_stays_until_the_record_is_gone() {
    let remains = run("v1_21", "{}", 1, &[]);
    assert_eq!((certificates(&remains), left(&remains)), (1, 1), "the certificate does not wait");
    let [kept] = challenges(&remains).try_into().unwrap();
    assert!(kept.metadata.deletion_timestamp.is_some());
    assert_eq!(kept.metadata.finalizers, ["acme.cert-manager.io/finalizer"]);
    assert!(!events(&remains, "CleanUpError").is_empty());
    assert!(attempts(&remains).len() > 3, "again and again: {:?}", attempts(&remains));
    // The provider comes to its senses.
    let remains = run("v1_21", "{until: 2m}", 1, &[]);
    assert_eq!((certificates(&remains), left(&remains), challenges(&remains)), (1, 0, vec![]));
    assert!(attempts(&remains).len() > 2);
}
