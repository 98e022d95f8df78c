//! Guest mode: tokio's own timers and tasks next to ours, in one virtual time.
#![expect(clippy::disallowed_methods, reason = "these tests are the foreign code")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc::unbounded_channel;
use world::net::LinkRule;
use world::sim::Config;
use world::{Trace, World};

fn run<T, F: Future<Output = T>>(main: impl FnOnce(World) -> F) -> T {
    world::guest::run(Config { keep_trace: true, ..Config::default() }, main).unwrap()
}

const OWN_TICK: u64 = 77_777_777;

/// A foreign interval of 100 ms next to ticks of ours, every tick with the time of our clock.
fn ticks() -> Trace {
    run(|world| async move {
        let (done, mut ended) = unbounded_channel();
        let (task, sender) = (world.clone(), done.clone());
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(Duration::from_millis(100));
            for _ in 0..40 {
                interval.tick().await;
                task.record("tokio", "log", b"");
            }
            sender.send(()).unwrap();
        });
        let task = world.clone();
        world.spawn("own", async move {
            for _ in 0..50 {
                task.sleep(Duration::from_nanos(OWN_TICK)).await;
                task.record("own", "log", b"");
            }
            done.send(()).unwrap();
        });
        ended.recv().await;
        ended.recv().await;
        world.trace().clone()
    })
}

#[test]
fn foreign_ticks_and_ours_are_exact() {
    let records = ticks().records();
    let of = |who: &str| records.iter().filter(|r| r.who == who).map(|r| r.at).collect::<Vec<_>>();
    assert_eq!(of("tokio"), (0..40).map(|n| n * 100_000_000).collect::<Vec<_>>());
    assert_eq!(of("own"), (1..=50).map(|n| n * OWN_TICK).collect::<Vec<_>>());
    assert!(records.is_sorted_by_key(|r| r.at));
}

#[test]
fn a_hundred_runs_are_one() {
    let seen: BTreeSet<_> = (0..100).map(|_| ticks().fingerprint()).collect();
    assert_eq!(seen.len(), 1);
}

#[test]
fn our_timers_are_never_late() {
    run(|world| async move {
        for nanos in [1, 50_000, 999_999, 1_000_001, 10_000_000_123] {
            let before = world.monotonic();
            world.sleep(Duration::from_nanos(nanos)).await;
            assert_eq!(world.monotonic().since(before), Duration::from_nanos(nanos));
        }
        assert!(world.is_virtual() && world.sim_net().is_some());
    });
}

#[test]
fn foreign_limits_and_our_sleeps_agree() {
    run(|world| async move {
        let limit = Duration::from_millis(500);
        let longer = world.sleep(Duration::from_nanos(500_000_001));
        assert!(tokio::time::timeout(limit, longer).await.is_err());
        assert_eq!(world.monotonic().nanos(), 500_000_000);
        let shorter = world.sleep(Duration::from_nanos(499_999_999));
        assert!(tokio::time::timeout(limit, shorter).await.is_ok());
        assert_eq!(world.monotonic().nanos(), 999_999_999);
    });
}

#[test]
fn long_waits_of_either_kind_take_no_time() {
    run(|world| async move {
        tokio::time::sleep(Duration::from_secs(3 * 86_400)).await;
        assert_eq!(world.monotonic().nanos(), 3 * 86_400 * 1_000_000_000);
        world.sleep(Duration::from_secs(5 * 86_400)).await;
        assert_eq!(world.monotonic().nanos(), 8 * 86_400 * 1_000_000_000);
    });
}

#[test]
fn our_server_answers_a_foreign_client() {
    run(|world| async move {
        let net = world.sim_net().unwrap();
        net.add_host("main", ["10.0.0.9".parse().unwrap()]);
        net.add_host("www", ["10.0.0.80".parse().unwrap()]);
        net.add_rule(LinkRule { latency: Duration::from_micros(2_500), ..LinkRule::default() });
        let at = "10.0.0.80:80".parse().unwrap();
        let www = world.process("www");
        let listener = www.listen(at).await.unwrap();
        let router = Router::new().route("/", get(|| async { "hello" }));
        www.spawn("server", world::http::serve(www.clone(), listener, None, router));
        let client = tokio::spawn(async move {
            let stream = world.connect(at).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut bodies = Vec::new();
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                sender.ready().await.unwrap();
                let request =
                    http::Request::get("/").header("host", "www").body(Empty::<Bytes>::new()).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                bodies.push(answer.into_body().collect().await.unwrap().to_bytes());
            }
            drop(sender);
            connection.await.unwrap().unwrap();
            (bodies, world.monotonic().nanos())
        });
        let (bodies, at) = client.await.unwrap();
        assert_eq!(bodies, ["hello"; 3]);
        assert_eq!(at, (5 + 3 * (10 + 5)) * 1_000_000);
    });
}
