//! The same scenario, seed and tape give the same bytes: in a hundred runs, in other processes, and on tapes that
//! are not all zero.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::process::Command;

use crate::common::{load, run};
use reports::{Outcome, RunRecord};
use scenarios::runner::{Options, run_with};
use world::Tape;

const NAME: &str = "rancher-renewal";

/// Log, journal, HTTP, DNS and TLS bytes are in the fingerprint, each of which a run has.
#[test]
fn the_fingerprint_covers_every_kind_of_record() {
    let options = Options { keep_trace: true, ..Options::default() };
    let (record, trace) = run_with(&load(NAME), &options).unwrap();
    let records = trace.unwrap().records();
    for kind in ["log", "journal", "tcp", "udp"] {
        assert!(records.iter().any(|r| r.what == kind), "{kind}");
    }
    let tls = records.iter().filter(|r| r.what == "tcp" && r.bytes.starts_with(&[0x16, 0x03, 0x01]));
    assert!(tls.count() > 0, "a TLS handshake is among them");
    assert_eq!(record.fingerprint, run(NAME, &[]).fingerprint, "keeping the trace changes nothing");
}

#[test]
fn a_hundred_runs_have_one_fingerprint() {
    let loaded = load(NAME);
    let first = scenarios::runner::run(&loaded, 0, &[]).unwrap();
    for n in 1..100 {
        let again = scenarios::runner::run(&loaded, 0, &[]).unwrap();
        assert_eq!(again, first, "run {n}");
    }
}

#[test]
fn other_processes_have_the_same_fingerprint() {
    let options = Options { whole_record: true, ..Options::default() };
    let here = run_with(&load(NAME), &options).unwrap().0;
    let library = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
    for _ in 0..3 {
        let output = Command::new(env!("CARGO_BIN_EXE_rehearse"))
            .args(["run", NAME, "--json", "--no-records", "--library", library])
            .output()
            .unwrap();
        let there: RunRecord = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(there, here);
    }
}

/// Whatever task runs first among those that could: the run goes to its end and the certificate is renewed. And a
/// tape replays its run exactly.
#[test]
fn other_schedules_renew_the_certificate_too() {
    let loaded = load(NAME);
    let run = |tape: Tape| {
        let options = Options { tape: Some(tape), ..Options::default() };
        run_with(&loaded, &options).unwrap().0
    };
    for seed in 1..=12 {
        let tape = Tape::seeded(seed);
        let record = run(tape.clone());
        let objects = match &record.outcome {
            Outcome::Passed => Vec::new(),
            Outcome::Differs { differences } => {
                differences.iter().filter(|d| d.what.starts_with("Certificate ")).collect()
            }
            Outcome::Stopped { report } => panic!("tape {seed}: {report}"),
        };
        assert!(objects.is_empty(), "tape {seed}: {objects:?}");
        let again = run(Tape::recorded(tape.drawn()));
        assert_eq!(again.fingerprint, record.fingerprint, "tape {seed}");
    }
}

/// A run that cannot go on says who, where, when, and the command that repeats it.
#[test]
fn a_run_that_is_stopped_says_how_to_repeat_it() {
    let overrides = vec!["cluster.kubelet.podStart=1s".to_owned()];
    let options = Options { seed: 3, overrides, polls_per_instant: Some(50), ..Options::default() };
    let (record, trace) = run_with(&load(NAME), &options).unwrap();
    let Outcome::Stopped { report } = record.outcome else { panic!("{:?}", record.outcome) };
    assert!(trace.is_none());
    for said in [
        "livelock: 51 polls within one instant, the last one of ",
        "(spawned at ",
        "at 2022-05-05T09:49:02.930339205Z (0ns after the start), seed 3",
        "repeat with: rehearse run rancher-renewal --seed 3 --set 'cluster.kubelet.podStart=1s'",
    ] {
        assert!(report.contains(said), "{said:?} is missing in\n{report}");
    }
}
