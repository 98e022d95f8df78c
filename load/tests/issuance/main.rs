//! The load generator against a server that misbehaves: whatever goes wrong is in its count, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the load generator is for real sockets"
)]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{Fake, Fault};
use load::{Load, Outcome, Pace, Phase, Progress, Protocol, Publish, Target, Trust, Watched, drive};

/// Long enough for any answer that comes at all.
const DEADLINE: Duration = Duration::from_secs(3);

fn load(in_flight: u64) -> Load {
    Load {
        orders: 12,
        in_flight,
        names: 2,
        accounts: 2,
        poll: Duration::from_millis(1),
        deadline: DEADLINE,
        window: 4,
        ..Load::default()
    }
}

fn run(fault: Fault, in_flight: u64, trusted: bool) -> (Outcome, usize) {
    run_load(fault, &load(in_flight), trusted)
}

fn run_load(fault: Fault, load: &Load, trusted: bool) -> (Outcome, usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fake = Fake::start(fault).await;
        let target = Target {
            directory: format!("https://{}/dir", fake.acme),
            trust: if trusted { Trust::Roots(vec![fake.root.clone()]) } else { Trust::Any },
            protocol: Protocol::Http1,
            external_account: None,
            contact: None,
        };
        let publish = Publish::Challtestsrv(format!("http://{}", fake.management));
        let progress = Arc::new(Progress::default());
        let outcome = drive(load, &target, &publish, Watched::default(), &progress).await.unwrap();
        let (issued, failed) = progress.so_far();
        assert_eq!(issued, outcome.certificates + load.warm_up);
        assert_eq!(failed, outcome.failures.values().sum::<u64>());
        (outcome, fake.tokens())
    })
}

fn failures(outcome: &Outcome) -> Vec<(&str, u64)> {
    outcome.failures.iter().map(|(kind, count)| (kind.as_str(), *count)).collect()
}

#[test]
fn issues_every_order_and_takes_the_tokens_back() {
    for trusted in [false, true] {
        let (outcome, tokens) = run(Fault::None, 4, trusted);
        assert!(outcome.finished(), "{:?}", outcome.examples);
        // newOrder, two authorizations, two challenges, a poll, finalize, a poll, the certificate; and each worker's first
        // nonce.
        assert_eq!(outcome.requests, Some((12.0 * 9.0 + 4.0) / 12.0));
        assert_eq!((outcome.polls, outcome.connections, tokens), (Some(2.0), 4, 0));
        assert_eq!(outcome.windows.iter().map(|w| w.certificates).collect::<Vec<_>>(), [4, 8, 12]);
        let phases: Vec<Phase> = outcome.phases.iter().map(|p| p.phase).collect();
        assert_eq!(phases, Phase::ALL[1..], "a closed loop does not wait");
        let whole = outcome.issuance().unwrap();
        assert!(whole.count == 12 && whole.p99_ms >= whole.p50_ms && whole.p50_ms > 0.0);
    }
}

#[test]
fn a_refused_nonce_is_counted_and_used_anew() {
    let (outcome, _) = run(Fault::BadNonce, 4, true);
    assert!(outcome.finished(), "{:?}", outcome.examples);
    assert!(outcome.bad_nonces > 12);
}

#[test]
fn no_answer_is_a_hang_and_ends_the_run() {
    let (outcome, _) = run(Fault::Silent, 1, true);
    assert_eq!((outcome.hung, outcome.hangs, outcome.certificates), (true, 1, 3));
    assert_eq!(failures(&outcome), [("hang: newOrder", 1)]);
    assert!(outcome.seconds < DEADLINE.as_secs_f64(), "the wait is not part of the run");
}

#[test]
fn an_order_that_does_not_move_is_a_hang() {
    let (outcome, tokens) = run(Fault::Stuck, 1, true);
    assert_eq!((outcome.hung, outcome.certificates, tokens), (true, 0, 0));
    assert_eq!(failures(&outcome), [("stuck: processing", 1)]);
}

#[test]
fn invalid_orders_and_wrong_certificates_are_no_certificates() {
    for (fault, kind, example) in [
        (Fault::Blind, "invalid", "the order became invalid: unauthorized: no token"),
        (Fault::WrongName, "wrong certificate", "wrong certificate: other names than asked for"),
    ] {
        let (outcome, tokens) = run(fault, 4, true);
        assert_eq!((outcome.hung, outcome.certificates, tokens), (false, 0, 0));
        assert_eq!(failures(&outcome), [(kind, 12)]);
        assert_eq!(outcome.examples[kind], example);
        assert_eq!(outcome.server_ms, None);
    }
}

#[test]
fn what_waits_behind_a_slow_order_is_in_its_time_in_an_open_loop() {
    // One worker, ten orders due in a second, and none is done within 200 ms: there are two polls in each.
    let pace = Pace::Open { per_second: 10.0 };
    let slow = Load { orders: 6, pace, poll: Duration::from_millis(100), ..load(1) };
    let (outcome, _) = run_load(Fault::None, &slow, true);
    assert!(outcome.finished(), "{:?}", outcome.examples);
    assert_eq!(outcome.late, 5, "but for the first nobody is free in time");
    // The last is due after 0.5 s, and done after six orders.
    let [wait, .., whole] = &outcome.phases[..] else { panic!() };
    assert_eq!((wait.phase, whole.phase), (Phase::Wait, Phase::Issuance));
    assert!(wait.max_ms >= 499.0 && whole.max_ms >= 699.0, "{} and {} ms", wait.max_ms, whole.max_ms);
}

#[test]
fn orders_that_one_worker_gets_done_take_one_connection() {
    let pace = Pace::Open { per_second: 100.0 };
    let (outcome, _) = run_load(Fault::None, &Load { orders: 1, warm_up: 1, pace, ..load(50) }, true);
    assert!(outcome.finished(), "{:?}", outcome.examples);
    assert_eq!(outcome.connections, 0, "the warm-up has made the one that is needed");
}
