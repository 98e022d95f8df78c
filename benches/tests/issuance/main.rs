//! The load generator against a server that misbehaves: whatever goes wrong is in its count, and nothing else.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the load generator is for real sockets"
)]

mod fake;

use std::time::Duration;

use benches::load::{Load, Outcome, Protocol, Target, Trust, Watched, drive};
use fake::{Fake, Fault};

/// Long enough for any answer that comes at all.
const DEADLINE: Duration = Duration::from_secs(3);

fn run(fault: Fault, in_flight: u64, trusted: bool) -> (Outcome, usize) {
    let load = Load {
        orders: 12,
        warm_up: 0,
        in_flight,
        names: 2,
        domain: "load.test".to_owned(),
        accounts: 2,
        keys: 0,
        poll: Duration::from_millis(1),
        deadline: DEADLINE,
        window: 4,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let fake = Fake::start(fault).await;
        let target = Target {
            acme: fake.acme,
            directory: "/dir".to_owned(),
            management: fake.management,
            trust: if trusted { Trust::Roots(fake.root.clone()) } else { Trust::Any },
            protocol: Protocol::Http1,
        };
        let outcome = drive(&load, &target, Watched::default()).await.unwrap();
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
        assert!(outcome.p99_ms >= outcome.p50_ms && outcome.p50_ms > Some(0.0));
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
