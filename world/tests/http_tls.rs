//! HTTP over simulated TLS: what it costs in time, kept connections, and that a whole run repeats.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::http::{Client, HttpError, Peer, Url};
use world::net::LinkRule;
use world::resolver::Resolver;
use world::sim::{Config, Finished};
use world::tls::Connector;
use world::{Tape, Timestamp, WallClock, World};

const WWW: &str = "10.0.0.80";

fn run_on<T, F>(config: Config, main: impl FnOnce(World) -> F) -> Finished<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let wall = WallClock { start: Timestamp::from_unix_secs(1_651_930_771), ..WallClock::default() };
    let config = Config { wall, keep_trace: true, ..config };
    let finished = world::sim::run(config, |world| {
        let net = world.sim_net().unwrap();
        net.add_host("main", ["10.0.0.9".parse().unwrap()]);
        net.add_host("ns1", ["10.0.0.53".parse().unwrap()]);
        net.add_host("www", [WWW.parse().unwrap()]);
        net.add_rule(LinkRule { latency: Duration::from_millis(5), ..LinkRule::default() });
        main(world)
    });
    finished.unwrap_or_else(|stopped| panic!("{stopped}"))
}

fn run<T, F>(main: impl FnOnce(World) -> F) -> Finished<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    run_on(Config::default(), main)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn router() -> Router {
    let peer = |axum::Extension(Peer(peer)): axum::Extension<Peer>| async move { peer.port().to_string() };
    Router::new().route("/peer", get(peer)).route("/echo", post(|body: Bytes| async move { body }))
}

/// Serves [`router`] as `www`, with TLS on 443 and without on 80, and the name; returns a client.
async fn stack(world: &World) -> Client {
    let www = world.process("www");
    let identity = crate::common::identity(world);
    for (port, tls) in [(80, None), (443, Some(identity.acceptor(&www)))] {
        let listener = www.listen(SocketAddr::new(WWW.parse().unwrap(), port)).await.unwrap();
        www.spawn("server", world::http::serve(www.clone(), listener, tls, router()));
    }
    let dns = crate::common::serve_dns(&world.process("ns1"), address("10.0.0.53:53"), WWW).await;
    Client::new(world, Resolver::new(world, vec![dns])).with_tls(identity.connector(world))
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn millis(world: &World) -> u64 {
    world.monotonic().nanos() / 1_000_000
}

#[test]
fn each_round_trip_is_paid_for() {
    run(|world| async move {
        let client = stack(&world).await;
        // No name: connect and one exchange.
        client.get(&url("http://10.0.0.80/peer")).await.unwrap();
        assert_eq!(millis(&world), 20);
        // A and AAAA, connect, TLS 1.3 handshake, exchange.
        client.get(&url("https://www.example.test/peer")).await.unwrap();
        assert_eq!(millis(&world), 20 + 50);
        // A kept connection needs no name.
        client.get(&url("https://www.example.test/peer")).await.unwrap();
        assert_eq!(millis(&world), 20 + 50 + 10);
    });
}

#[test]
fn connections_are_kept_and_replaced_when_the_server_closed_them() {
    run(|world| async move {
        let client = stack(&world).await;
        for place in ["http://10.0.0.80/peer", "https://www.example.test/peer"] {
            let place = url(place);
            let port = async || client.get(&place).await.unwrap().body;
            let first = port().await;
            world.sleep(Duration::from_secs(1)).await;
            assert_eq!(port().await, first, "kept");
            // The server closes what was idle for 30 s.
            world.sleep(Duration::from_secs(60)).await;
            let second = port().await;
            assert_ne!(second, first, "replaced");
            let fresh = client.clone().without_keep_alive();
            assert_ne!(fresh.get(&place).await.unwrap().body, second);
            assert_eq!(port().await, second, "still kept");
        }
    });
}

#[test]
fn parallel_requests_have_connections_of_their_own() {
    run(|world| async move {
        let client = stack(&world).await;
        let (sender, mut ports) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..5 {
            let (client, sender) = (client.clone(), sender.clone());
            world.spawn("request", async move {
                let answer = client.get(&url("http://10.0.0.80/peer")).await.unwrap();
                sender.send(answer.body).unwrap();
            });
        }
        let mut seen = BTreeSet::new();
        for _ in 0..5 {
            seen.insert(ports.recv().await.unwrap());
        }
        assert_eq!((seen.len(), millis(&world)), (5, 20));
    });
}

/// A server that answers the first request of a connection, and hangs up when it has read a second one.
async fn forgetful(world: World, requests: Arc<AtomicUsize>) {
    let mut listener = world.listen(address("10.0.0.80:8080")).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let requests = requests.clone();
        world.spawn("connection", async move {
            let mut request = [0; 1000];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            requests.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            if stream.read(&mut request).await.unwrap() > 0 {
                requests.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
}

#[test]
fn only_what_is_safe_to_repeat_is_sent_again() {
    run(|world| async move {
        let requests = Arc::new(AtomicUsize::new(0));
        let www = world.process("www");
        www.spawn("forgetful", forgetful(www.clone(), requests.clone()));
        world.sleep(Duration::from_secs(1)).await;
        let client = Client::new(&world, Resolver::new(&world, Vec::new()));
        let place = url("http://10.0.0.80:8080/");
        let seen = || requests.load(Ordering::Relaxed);
        client.get(&place).await.unwrap();
        // The second one is lost with its connection, and sent again on a new one.
        client.get(&place).await.unwrap();
        assert_eq!(seen(), 3);
        // A POST may have had its effect: it is not sent again, and the caller hears of it.
        let lost = client.request(Method::POST, &place, &[], Bytes::from_static(b"x")).await;
        assert!(matches!(&lost, Err(HttpError::Broken(text)) if text == "EOF"), "{lost:?}");
        assert_eq!(seen(), 4);
    });
}

#[test]
fn errors_say_what_failed() {
    run(|world| async move {
        let client = stack(&world).await;
        let failed = async |text: &str| client.get(&url(text)).await.unwrap_err().to_string();
        assert_eq!(
            failed("http://missing.example.test/").await,
            "dial tcp: lookup missing.example.test on 10.0.0.53:53: no such host"
        );
        assert_eq!(
            failed("http://10.0.0.80:81/").await,
            "dial tcp 10.0.0.80:81: connect: connection refused"
        );
        assert_eq!(failed("http://10.9.9.9/").await, "dial tcp 10.9.9.9:80: connect: no route to host");
        assert_eq!(
            failed("https://10.0.0.80/").await,
            "tls: failed to verify certificate: x509: cannot validate certificate for 10.0.0.80 because it doesn't contain any IP SANs"
        );
        assert!("ftp://10.0.0.80/".parse::<Url>().is_err());
        let new = || Client::new(&world, Resolver::new(&world, vec![address("10.0.0.53:53")]));
        let place = url("https://www.example.test/peer");
        let no_roots = new().with_tls(Connector::new(&world, &[]).unwrap());
        let untrusted = no_roots.get(&place).await.unwrap_err().to_string();
        assert_eq!(
            untrusted,
            "tls: failed to verify certificate: x509: certificate signed by unknown authority"
        );
        let none = new().get(&place).await.unwrap_err();
        assert!(matches!(none, HttpError::NoTls));
    });
}

#[test]
fn an_unverifying_connector_takes_any_certificate_but_no_other_key() {
    run(|world| async move {
        let www = world.process("www");
        let identity = crate::common::identity(&world);
        let mut ports = Vec::new();
        for acceptor in [identity.acceptor(&www), identity.impostor(&www)] {
            let listener = www.listen(SocketAddr::new(WWW.parse().unwrap(), 0)).await.unwrap();
            ports.push(listener.local_addr());
            www.spawn("server", world::http::serve(www.clone(), listener, Some(acceptor), router()));
        }
        let tls = Connector::unverified(&world).unwrap();
        let mut results = Vec::new();
        for at in ports {
            let stream = world.connect(at).await.unwrap();
            let end = tls.connect("quite.another.test", stream).await;
            results.push(end.map(drop).map_err(|error| error.to_string()));
        }
        assert_eq!(results, [Ok(()), Err("invalid peer certificate: BadSignature".to_owned())]);
    });
}

#[test]
fn a_dead_nameserver_is_a_timeout() {
    let finished = run(|world| async move {
        let dead = vec![address("10.0.0.53:53")];
        let client = Client::new(&world, Resolver::new(&world, dead).with_timeout(Duration::from_secs(2)));
        client.get(&url("http://www.example.test/")).await.unwrap_err().to_string()
    });
    assert_eq!(
        finished.value,
        "dial tcp: lookup www.example.test on 10.0.0.53:53: read udp 10.0.0.9:32769->10.0.0.53:53: i/o timeout"
    );
    assert_eq!(finished.elapsed, Duration::from_secs(4));
}

/// Names, TLS and HTTP, from several tasks at once; `note` is one more line in the trace.
fn whole_run(seed: u64, tape: Tape, note: &'static str) -> Finished<usize> {
    run_on(Config { seed, tape, ..Config::default() }, move |world| async move {
        let client = stack(&world).await;
        let (sender, mut done) = tokio::sync::mpsc::unbounded_channel();
        for task in 0..5 {
            let (client, sender, world) = (client.clone(), sender.clone(), world.clone());
            world.clone().spawn("client", async move {
                for round in 0..3 {
                    let pause = world.rng(&format!("pause {task} {round}")).below(3);
                    world.sleep(Duration::from_millis(10 * pause)).await;
                    let client =
                        if round == 1 { client.clone().without_keep_alive() } else { client.clone() };
                    let body = Bytes::from(format!("{task} {round}"));
                    let place = url("https://www.example.test/echo");
                    let answer = client.request(Method::POST, &place, &[], body.clone()).await.unwrap();
                    assert_eq!(answer.body, body);
                    if (task, round) == (2, 1) {
                        world.record("client", "log", note.as_bytes());
                    }
                }
                sender.send(()).unwrap();
            });
        }
        let mut finished = 0;
        while finished < 5 {
            done.recv().await.unwrap();
            finished += 1;
        }
        finished
    })
}

#[test]
fn a_hundred_runs_have_one_fingerprint() {
    let first = whole_run(1, Tape::zero(), "");
    assert!(first.trace.count() > 100, "{}", first.trace.count());
    for _ in 1..100 {
        assert_eq!(whole_run(1, Tape::zero(), "").trace.fingerprint(), first.trace.fingerprint());
    }
    assert_ne!(whole_run(2, Tape::zero(), "").trace.fingerprint(), first.trace.fingerprint());
}

/// Run by the test below in processes of its own.
#[test]
#[ignore = "prints; run by `three_processes_have_one_fingerprint`"]
fn child_that_prints_its_fingerprint() {
    println!("fingerprint: {}", whole_run(1, Tape::seeded(3), "").trace.fingerprint());
}

#[test]
fn three_processes_have_one_fingerprint() {
    let here = whole_run(1, Tape::seeded(3), "").trace.fingerprint();
    for _ in 0..3 {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "http_tls::child_that_prints_its_fingerprint", "--ignored", "--nocapture"])
            .output()
            .unwrap();
        let printed = String::from_utf8(child.stdout).unwrap();
        assert!(printed.contains(&format!("fingerprint: {here}\n")), "{here}\n{printed}");
    }
}

#[test]
fn a_run_completes_in_other_orders_and_each_replays() {
    let mut seen = BTreeSet::new();
    for seed in 0..10 {
        let run = whole_run(1, Tape::seeded(seed), "");
        assert_eq!(run.value, 5);
        let again = whole_run(1, Tape::recorded(run.tape.drawn()), "");
        assert_eq!(again.trace.first_divergence(&run.trace), None);
        seen.insert(run.trace.fingerprint());
    }
    assert!(seen.len() > 1);
}

#[test]
fn the_first_difference_of_two_runs_is_shown() {
    let (left, right) = (whole_run(1, Tape::zero(), "one"), whole_run(1, Tape::zero(), "two"));
    let difference = left.trace.first_divergence(&right.trace).unwrap();
    let (one, two) = (difference.left.unwrap(), difference.right.unwrap());
    assert_eq!((one.bytes.as_slice(), two.bytes.as_slice()), (b"one".as_slice(), b"two".as_slice()));
    assert_eq!((one.at, &left.trace.records()[difference.index]), (two.at, &one));
    assert!(one.to_string().contains("client") && one.to_string().ends_with("one"), "{one}");
}
