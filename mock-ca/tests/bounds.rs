//! What a client can make the CA hold: bodies, heads, connections, entries and nonces have an end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::both::{BOTH, expect, stage_of};
use mock_ca::dialect::Endpoint;
use mock_ca::{Ca, Config, MockCa};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::World;
use world::tls::{Connector, TlsStream};

const LIMIT: Duration = Duration::from_secs(60);

fn simulated<F: Future<Output = ()> + Send + 'static>(body: impl FnOnce(World) -> F) {
    let run = world::sim::run(world::sim::Config::default(), body);
    run.unwrap_or_else(|stopped| panic!("{stopped}"));
}

fn on_both<F, M>(body: M)
where
    F: Future<Output = ()> + Send + 'static,
    M: Fn(World) -> F + Copy + Send + 'static,
{
    simulated(body);
    world::real::run(None, body).unwrap();
}

/// A CA like each of the two.
async fn both(world: &World) -> Vec<MockCa> {
    let mut list = Vec::new();
    for config in [Config::pebble(), Config::default()] {
        let builder = MockCa::builder().config(config).in_world(world);
        let host = world.sim_net().map(|_| 443 + u16::try_from(list.len()).unwrap());
        let ip = if host.is_some() { IpAddr::from([10, 255, 0, 1]) } else { IpAddr::from([127, 0, 0, 1]) };
        if let Some(net) = world.sim_net().filter(|net| net.addresses("acme").is_empty()) {
            net.add_host("acme", [ip]);
        }
        list.push(builder.listen(SocketAddr::new(ip, host.unwrap_or(0))).spawn().await.unwrap());
    }
    list
}

async fn dial(world: &World, ca: &MockCa) -> TlsStream {
    Connector::unverified(world).unwrap().dial(ca.address(), "acme.test", LIMIT).await.unwrap()
}

/// The head of a newOrder with so many bytes of body to come.
fn head(ca: &MockCa, length: usize) -> String {
    let path = ca.config().dialect.table().path(Endpoint::NewOrder, &[]);
    let kind = "application/jose+json";
    format!(
        "POST {path} HTTP/1.1\r\nhost: acme.test\r\nuser-agent: tests\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Reads until the other side ends.
async fn rest(world: &World, stream: &mut TlsStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is cut has said what it had to say.
    drop(world.timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("it stays open"));
    String::from_utf8_lossy(&bytes).into_owned()
}

fn problem(answer: &str) -> Value {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    serde_json::from_str(body).unwrap()
}

/// Seconds since then.
fn since(world: &World, start: world::Instant) -> u64 {
    world.monotonic().since(start).as_secs()
}

#[test]
fn a_body_beyond_the_maximum_is_refused_by_a_problem() {
    on_both(|world| async move {
        for ca in both(&world).await {
            let max = ca.config().dialect.table().body_max;
            for (length, said) in [(max, "Parse error reading JWS"), (max + 1, "request body too large")] {
                let mut stream = dial(&world, &ca).await;
                let close = head(&ca, length).replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
                stream.write_all(close.as_bytes()).await.unwrap();
                stream.write_all(&vec![b' '; length]).await.unwrap();
                stream.flush().await.unwrap();
                let problem = problem(&rest(&world, &mut stream).await);
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains(said), "{length}: {problem}");
            }
        }
    });
}

/// A server that reads no further takes no more than what is on its way.
#[test]
fn a_body_without_an_end_is_not_taken() {
    on_both(|world| async move {
        for ca in both(&world).await {
            let stream = dial(&world, &ca).await;
            let (mut from, mut to) = tokio::io::split(stream);
            let endless = head(&ca, usize::MAX / 2);
            to.write_all(endless.as_bytes()).await.unwrap();
            let chunk = vec![b' '; 1 << 16];
            let sent = Arc::new(AtomicUsize::new(0));
            let count = sent.clone();
            world.spawn("pushing", async move {
                while count.load(Ordering::Relaxed) < 1 << 28 && to.write_all(&chunk).await.is_ok() {
                    count.fetch_add(chunk.len(), Ordering::Relaxed);
                }
            });
            let mut answer = Vec::new();
            let read = world.timeout(LIMIT, from.read_to_end(&mut answer)).await;
            drop(read.expect("the server does not hang up"));
            let sent = sent.load(Ordering::Relaxed);
            assert!(sent < 1 << 25, "{sent} bytes went in");
            // A reset may overtake the answer on a real network.
            if world.is_virtual() {
                let problem = problem(&String::from_utf8_lossy(&answer));
                assert_eq!(problem["detail"], "request body too large");
            }
        }
    });
}

#[test]
fn heads_beyond_64_kib_are_answered_with_431() {
    on_both(|world| async move {
        for ca in both(&world).await {
            for (length, status) in [(60 * 1024, "200"), (64 * 1024, "431")] {
                let mut stream = dial(&world, &ca).await;
                let path = ca.config().dialect.table().path(Endpoint::Directory, &[]);
                let close = "connection: close\r\n";
                let long = "a".repeat(length);
                let text = format!(
                    "GET {path} HTTP/1.1\r\nhost: acme.test\r\nuser-agent: tests\r\n{close}x: {long}\r\n\r\n"
                );
                stream.write_all(text.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                let answer = rest(&world, &mut stream).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{length}: {answer}");
            }
        }
    });
}

/// A byte a second: the server waits for the head, and then for the body, thirty seconds each.
#[test]
fn who_sends_a_byte_at_a_time_is_cut_off() {
    simulated(|world| async move {
        for ca in both(&world).await {
            for slow_body in [false, true] {
                let (mut from, mut to) = tokio::io::split(dial(&world, &ca).await);
                let head = head(&ca, 1000);
                let (at_once, slowly) =
                    if slow_body { (head.as_str(), " ".repeat(1000)) } else { ("", head.clone()) };
                to.write_all(at_once.as_bytes()).await.unwrap();
                let start = world.monotonic();
                let client = world.clone();
                world.spawn("pushing", async move {
                    for byte in slowly.bytes() {
                        if to.write_all(&[byte]).await.is_err() || to.flush().await.is_err() {
                            break;
                        }
                        client.sleep(Duration::from_secs(1)).await;
                    }
                });
                let mut answer = Vec::new();
                drop(from.read_to_end(&mut answer).await);
                let ended = since(&world, start);
                assert!((30..=31).contains(&ended), "{slow_body}: {ended} s");
                if slow_body {
                    let problem = problem(&String::from_utf8_lossy(&answer));
                    assert!(problem["detail"].as_str().unwrap().contains("not whole"), "{problem}");
                }
            }
        }
    });
}

/// Silent connections in all places: the next one waits until they are thrown out, and is served then.
#[test]
fn more_connections_than_places_wait_and_are_served() {
    simulated(|world| async move {
        let ca = MockCa::builder().in_world(&world).spawn().await.unwrap();
        let limits = world::http::ServeLimits::default();
        let mut silent = Vec::new();
        for _ in 0..limits.connections {
            silent.push(world.connect(ca.address()).await.unwrap());
        }
        let start = world.monotonic();
        let mut late = dial(&world, &ca).await;
        let waited = since(&world, start);
        assert!(waited.abs_diff(limits.handshake.as_secs()) <= 1, "{waited} s");
        late.write_all(b"GET /dir HTTP/1.1\r\nhost: a\r\nuser-agent: tests\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        assert!(rest(&world, &mut late).await.starts_with("HTTP/1.1 200"));
    });
}

/// What fifty thousand requests leave behind.
#[test]
fn the_journal_stays_within_its_bound() {
    const REQUESTS: usize = 50_000;
    const BATCH: usize = 100;
    simulated(|world| async move {
        let net = world.sim_net().unwrap().clone();
        net.add_host("acme", [IpAddr::from([10, 0, 0, 1])]);
        net.add_host(world.host(), [IpAddr::from([10, 0, 0, 2])]);
        let acme = world.process("acme");
        let config = Config { journal_max: 1000, ..Config::pebble() };
        let config = Config { base_url: "http://10.0.0.1".to_owned(), ..config };
        let ca = Ca::new(acme.clone(), config).unwrap();
        let at = SocketAddr::from(([10, 0, 0, 1], 80));
        let listener = acme.listen(at).await.unwrap();
        let (router, server) = (ca.router(), acme.clone());
        acme.spawn("server", async move { world::http::serve(server, listener, None, router).await });

        let mut stream = world.connect(at).await.unwrap();
        let batch = "HEAD /nonce-plz HTTP/1.1\r\nhost: a\r\n\r\n".repeat(BATCH);
        let mut nonces: Vec<String> = Vec::new();
        let mut text = String::new();
        while nonces.len() < REQUESTS {
            stream.write_all(batch.as_bytes()).await.unwrap();
            let whole = nonces.len() + BATCH;
            while nonces.len() < whole {
                let mut some = [0; 1 << 14];
                let n = stream.read(&mut some).await.unwrap();
                assert!(n > 0, "hung up after {}", nonces.len());
                text += std::str::from_utf8(&some[..n]).unwrap();
                while let Some((head, rest)) = text.split_once("\r\n\r\n") {
                    let nonce = head.lines().find_map(|line| line.strip_prefix("replay-nonce: "));
                    nonces.push(nonce.unwrap_or_else(|| panic!("{head}")).to_owned());
                    text = rest.to_owned();
                }
            }
            assert!(ca.journal().entries().len() <= 1000);
        }
        let (counters, entries) = (ca.journal().counters(), ca.journal().entries());
        assert_eq!(entries.len(), 1000);
        assert_eq!(counters.entries - counters.dropped, 1000);
        assert!(counters.entries >= 50_000, "{counters:?}");
        assert_eq!(entries.last().unwrap().seq, counters.entries);
        let size: usize = entries.iter().map(|entry| entry.to_json().len()).sum();
        assert!(size < 1000 * 400, "{size} bytes");
    });
}

/// Of the nonces that were handed out the latest are good, and no others are kept.
#[test]
fn nonces_end_with_their_window() {
    crate::support::simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |config| config.nonce_window = 500).await;
            let mut client = stage.client("one").await;
            for (more, wanted) in [(499, "200"), (500, "badNonce 400")] {
                client.nonce = None;
                let old = client.nonce().await;
                for _ in 0..more {
                    client.nonce = None;
                    client.nonce().await;
                }
                client.nonce = Some(old);
                let account = client.kid.clone().unwrap();
                expect(&client.post(&account, "").await, wanted);
            }
        }
    });
}
