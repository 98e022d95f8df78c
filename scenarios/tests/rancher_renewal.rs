//! The main job: document 002's renewal, replayed from its causes; and its causes, taken away one by one.
//!
//! Line numbers are those of the facts: 1 to 16 before the document's `...`, 18 to 30 after it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::{collapsed, count, load, run, times};
use reports::{Outcome, RunRecord};

const NAME: &str = "rancher-renewal";
const CONFLICT: &str = "re-queuing item due to optimistic locking";

/// The lines of the document by their number in the facts, as (marker, text): what ablations speak of.
const LINES: &[(u8, &str, &str)] = &[
    (3, "controller.go:161", "certificates-key-manager"),
    (6, "controller.go:161", "certificaterequests-issuer-acme"),
    (13, "ingress.go:110", "multiple challenge solver ingresses found"),
    (14, "controller.go:102", "cm-acme-http-solver-knwm8"),
    (15, "controller.go:102", "cm-acme-http-solver-59gvf"),
    (16, "sync.go:186", "multiple existing challenge solver ingresses"),
    (18, "sync.go:386", "context deadline exceeded"),
    (19, "controller.go:163", "context deadline exceeded"),
    (26, "controller.go:161", "certificates-issuing"),
    (28, "sync.go:70", "\"error\"=null"),
    (29, "controller.go:161", "cert-manager/orders"),
];

/// Which of [`LINES`] a run has.
fn present(record: &RunRecord) -> Vec<u8> {
    LINES.iter().filter(|(_, marker, text)| count(record, marker, text) > 0).map(|(n, ..)| *n).collect()
}

fn without(gone: &[u8]) -> Vec<u8> {
    LINES.iter().map(|(n, ..)| *n).filter(|n| !gone.contains(n)).collect()
}

/// The time of the last line that says that a certificate was issued.
fn issued_at(record: &RunRecord) -> String {
    times(record, "acme.go:209", "certificate issued").pop().unwrap()
}

/// The 29 lines stand in the run byte for byte (but for padding), in order, and 14 more only where the document
/// has `...`. Written without the product's own comparison.
#[test]
fn the_replay_is_the_documents_log() {
    let loaded = load(NAME);
    let document = loaded.expected_log.clone().unwrap();
    let (before, after) = document.split_once("\n...\n").unwrap();
    let lines = |text: &str| text.lines().map(collapsed).collect::<Vec<_>>();
    let (before, after) = (lines(before), lines(after));
    assert_eq!(before.len() + after.len(), 29);

    let record = run(NAME, &[]);
    let came: Vec<String> = record.log.iter().map(|l| collapsed(&l.text)).collect();
    assert_eq!(came.len(), 29 + 14);
    assert_eq!(came[..before.len()], before);
    assert_eq!(came[came.len() - after.len()..], after);
    assert_eq!(record.outcome, Outcome::Passed);
}

/// What the author left out: the same three lookups and the same 404, while the pod was starting.
#[test]
fn the_lines_that_were_left_out_are_lookups_and_404s() {
    let record = run(NAME, &[]);
    let left_out: Vec<&str> = record.log[16..30].iter().filter_map(|l| l.text.split("] ").nth(1)).collect();
    let shape = |line: &&str| {
        let known = ["ensurePod", "ensureService", "ensureIngress", "wrong status code '404'"];
        known.iter().position(|k| line.contains(k))
    };
    let shapes: Vec<_> = left_out.iter().map(shape).map(|s| s.unwrap()).collect();
    assert_eq!(shapes, [0, 1, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]);
}

/// The certificate's second is that of the document: issued 13:40:38, valid from an hour before.
#[test]
fn the_certificate_has_the_documents_dates() {
    let fields = &load(NAME).scenario.expect.objects["Certificate cattle-system/tls-rancher-ingress"];
    assert_eq!(fields["status.notAfter"], "2022-08-05T12:40:37Z");
    assert_eq!(fields["status.renewalTime"], "2022-07-06T12:40:37Z");
    assert_eq!(run(NAME, &[]).outcome, Outcome::Passed);
}

#[test]
fn nothing_of_it_depends_on_the_seed() {
    let record = scenarios::runner::run(&load(NAME), 7, &[]).unwrap();
    assert_eq!(record.outcome, Outcome::Passed);
    assert_ne!(record.fingerprint, run(NAME, &[]).fingerprint, "keys and nonces are others");
}

/// Ablation 1: a cache that shows an Ingress at once. The second ingress is never made.
#[test]
fn without_lag_on_ingress_there_is_one_ingress() {
    let record = run(NAME, &["cluster.watch.lister.ingress.lag=0s"]);
    assert_eq!(present(&record), without(&[13, 15, 16]));
    // The first ingress stays the only one; line 14 is its end now, which is the normal clean-up.
    assert_eq!(count(&record, "controller.go:102", "cm-acme-http-solver-knwm8"), 1);
    assert!(times(&record, "controller.go:102", "knwm8")[0].as_str() > "13:40:37");
    assert_eq!(count(&record, "controller.go:102", "cmp2c"), 0);
}

/// Ablation 2: a key that became dirty does not run again at once. All the conflicts go.
#[test]
fn without_the_immediate_rerun_there_is_no_conflict() {
    let record = run(NAME, &["engine.rerunDelay=1s"]);
    assert_eq!(present(&record), without(&[3, 6, 26, 28, 29]));
    assert_eq!(count(&record, "controller.go:161", CONFLICT), 0, "line 27 is gone, too");
    assert_eq!(record.counts.conflicts, 0);
    assert_eq!(issued_at(&record), issued_at(&run(NAME, &[])), "the issuance itself takes as long");
}

/// Ablation 3: validation in 3 s. No deadline, no second attempt, and the end comes about 20 s earlier.
#[test]
fn with_validation_in_3_s_there_is_no_deadline() {
    let record = run(NAME, &["ca.config.perspectives.1.queue=[3s]"]);
    assert_eq!(present(&record), without(&[18, 19]));
    let lookups = |r: &RunRecord| count(r, "pod.go:59", "");
    assert_eq!(lookups(&record), lookups(&run(NAME, &[])) - 1, "lines 20 to 22 are gone");
    assert_eq!(issued_at(&record), "13:40:18.343148");
    assert_eq!(issued_at(&run(NAME, &[])), "13:40:39.806118");
}

/// Ablation 4: the route is ready at 39:43. The checks that fail are those before, and the first timer succeeds.
#[test]
fn with_the_route_ready_at_39_43_only_the_first_checks_fail() {
    let record = run(NAME, &["cluster.kubelet.podStart=1500ms"]);
    let failed = |r: &RunRecord| times(r, "sync.go:186", "404");
    assert_eq!(failed(&run(NAME, &[])).len(), 4);
    assert_eq!(failed(&record)[0], "13:39:41.837584");
    assert!(failed(&record).iter().all(|t| t.as_str() < "13:39:43"), "{:?}", failed(&record));
    assert!(issued_at(&record).as_str() < "13:40:30");
}

/// Ablation 5: server-side apply. Nobody writes what another controller owns, so nobody loses.
#[test]
fn with_server_side_apply_there_is_no_conflict() {
    let record = run(NAME, &["engine.serverSideApply=true"]);
    // 28 and 29 are a lost write of the Order: with apply for all status writes they go as well.
    assert_eq!(present(&record), without(&[3, 6, 26, 28, 29]));
    assert_eq!(count(&record, "controller.go:161", CONFLICT), 0, "line 27 is gone, too");
    // The stale read itself remains: the Order is finalized twice.
    assert_eq!(record.counts.ca_requests["finalize"], 2);
}

/// Ablation 6: a cache that lags for longer than the wait (5 s) and the back-off (1 s) makes request-manager make
/// another CertificateRequest.
#[test]
fn with_a_long_lag_on_requests_they_run_away() {
    let names = |record: &RunRecord| {
        let line = "Setting lastTransitionTime for CertificateRequest";
        let mut names: Vec<String> = record
            .log
            .iter()
            .filter(|l| l.text.contains(line))
            .map(|l| l.text.split('"').nth(1).unwrap().to_owned())
            .collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(names(&run(NAME, &[])), ["tls-rancher-ingress-5j9mm"]);
    let record = run(NAME, &["cluster.watch.lister.request.lag=8s"]);
    assert_eq!(names(&record).len(), 2, "{:?}", names(&record));
    let waited = "failed whilst waiting for CertificateRequest to exist";
    assert!(count(&record, "controller.go:163", waited) >= 1);
}

/// With an override the expectation that does not apply any more is told, line by line.
#[test]
fn differences_are_told() {
    let record = run(NAME, &["ca.config.perspectives.1.queue=[3s]"]);
    let Outcome::Differs { differences } = &record.outcome else { panic!("{:?}", record.outcome) };
    assert!(differences.iter().any(|d| d.expected.as_ref().is_some_and(|l| l.contains("sync.go:386"))));
    assert!(reports::line(&record, std::time::Duration::ZERO).starts_with("differs"));
}
