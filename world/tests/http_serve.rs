//! What a server allows its clients, which protocol it speaks with whom, and that it ends with its task.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::http::{ALPN, Peer, ServeLimits, serve_within};
use world::sim::Config;
use world::tls::{Acceptor, Connector};
use world::{Stream, TaskGroup, World};

const LIMIT: Duration = Duration::from_secs(10);

fn simulated<F>(body: impl FnOnce(World) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let run = world::sim::run(Config::default(), |world| {
        world.sim_net().unwrap().add_host("main", ["127.0.0.1".parse().unwrap()]);
        body(world)
    });
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

fn router(world: &World) -> Router {
    let slow = world.clone();
    Router::new()
        .route("/", get(|Extension(Peer(peer)): Extension<Peer>| async move { peer.port().to_string() }))
        .route("/slow", get(move || async move { slow.sleep(Duration::from_secs(100)).await }))
}

/// A server within `limits`, and the group that its task is in.
async fn start(world: &World, tls: Option<Acceptor>, limits: ServeLimits) -> (SocketAddr, TaskGroup) {
    let listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (at, group) = (listener.local_addr(), TaskGroup::new(world));
    group.spawn("server", serve_within(world.clone(), listener, tls, router(world), limits));
    (at, group)
}

async fn send(stream: &mut Stream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Reads up to the end of an answer with a short body.
async fn answer(stream: &mut Stream) -> String {
    let mut text = vec![0; 4096];
    let n = stream.read(&mut text).await.unwrap();
    String::from_utf8_lossy(&text[..n]).into_owned()
}

/// How long it takes until the server hangs up, in seconds.
async fn hangs_up(world: &World, stream: &mut Stream) -> u64 {
    let start = world.monotonic();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    world.monotonic().since(start).as_secs()
}

const REQUEST: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn idle_connections_and_slow_heads_have_limits_of_their_own() {
    simulated(|world| async move {
        let limits = ServeLimits {
            idle: Duration::from_secs(100),
            head: Duration::from_secs(7),
            ..ServeLimits::default()
        };
        let (at, _group) = start(&world, None, limits).await;
        let mut silent = world.connect(at).await.unwrap();
        assert_eq!(hangs_up(&world, &mut silent).await, 100);

        let mut kept = world.connect(at).await.unwrap();
        for _ in 0..3 {
            world.sleep(Duration::from_secs(90)).await;
            send(&mut kept, REQUEST).await;
            assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200"));
        }
        assert_eq!(hangs_up(&world, &mut kept).await, 100);

        // A byte each second, from the 50th second on.
        let mut slow = world.connect(at).await.unwrap();
        send(&mut slow, REQUEST).await;
        answer(&mut slow).await;
        world.sleep(Duration::from_secs(50)).await;
        let mut sent = 0;
        for byte in REQUEST.bytes() {
            if slow.write_all(&[byte]).await.is_err() {
                break;
            }
            sent += 1;
            world.sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(sent, 7);
    });
}

#[test]
fn a_handshake_has_a_limit() {
    simulated(|world| async move {
        let acceptor = crate::common::identity(&world).acceptor(&world);
        let limits = ServeLimits { handshake: Duration::from_secs(3), ..ServeLimits::default() };
        let (at, _group) = start(&world, Some(acceptor), limits).await;
        let mut silent = world.connect(at).await.unwrap();
        assert_eq!(hangs_up(&world, &mut silent).await, 3);
    });
}

#[test]
fn more_connections_than_allowed_wait() {
    simulated(|world| async move {
        let limits = ServeLimits { connections: 2, ..ServeLimits::default() };
        let (at, _group) = start(&world, None, limits).await;
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut stream = world.connect(at).await.unwrap();
            send(&mut stream, REQUEST).await;
            streams.push(stream);
        }
        for stream in &mut streams[..2] {
            assert!(answer(stream).await.starts_with("HTTP/1.1 200"));
        }
        let late = world.timeout(Duration::from_secs(20), answer(&mut streams[2])).await;
        assert!(late.is_err());
        streams.remove(0);
        assert!(answer(&mut streams[1]).await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn headers_have_a_size() {
    on_both(|world| async move {
        let limits = ServeLimits { head_bytes: 1000, ..ServeLimits::default() };
        let (at, _group) = start(&world, None, limits).await;
        let mut stream = world.connect(at).await.unwrap();
        send(&mut stream, &format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", "a".repeat(2000))).await;
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 431"));
    });
}

/// A client of `at` by HTTP/2.
async fn http2(world: &World, at: SocketAddr) -> hyper::client::conn::http2::SendRequest<Empty<Bytes>> {
    #[derive(Clone)]
    struct Tasks(World);
    impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
        fn execute(&self, future: F) {
            self.0.spawn("h2 client", future);
        }
    }
    let tls = Connector::unverified(world).unwrap().with_alpn(&["h2"]);
    let stream = tls.dial(at, crate::common::NAME, LIMIT).await.unwrap();
    assert_eq!(stream.alpn(), Some(b"h2".as_slice()));
    let opened = hyper::client::conn::http2::handshake(Tasks(world.clone()), TokioIo::new(stream)).await;
    let (sender, connection) = opened.unwrap();
    world.spawn("h2 connection", async move { drop(connection.await) });
    sender
}

fn request(path: &str) -> hyper::Request<Empty<Bytes>> {
    hyper::Request::get(format!("https://{}{path}", crate::common::NAME)).body(Empty::new()).unwrap()
}

#[test]
fn http2_is_spoken_where_tls_agreed_on_it() {
    on_both(|world| async move {
        let acceptor = crate::common::identity(&world).acceptor(&world).with_alpn(&ALPN);
        let (at, _group) = start(&world, Some(acceptor), ServeLimits::default()).await;
        let mut sender = http2(&world, at).await;
        let mut ports = Vec::new();
        for _ in 0..3 {
            let response = sender.send_request(request("/")).await.unwrap();
            assert_eq!((response.status().as_u16(), response.version()), (200, hyper::Version::HTTP_2));
            assert!(response.headers().get("date").is_none());
            ports.push(response.into_body().collect().await.unwrap().to_bytes());
        }
        assert!(ports.windows(2).all(|two| two[0] == two[1]), "one connection: {ports:?}");
        // Who offers nothing, or HTTP/1.1, gets that.
        for offer in [&["http/1.1"][..], &[]] {
            let tls = Connector::unverified(&world).unwrap().with_alpn(offer);
            let mut stream = tls.dial(at, crate::common::NAME, LIMIT).await.unwrap();
            stream.write_all(REQUEST.as_bytes()).await.unwrap();
            let mut start = [0; 12];
            stream.read_exact(&mut start).await.unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
        }
    });
}

#[test]
fn an_idle_http2_connection_is_closed_and_a_busy_one_is_not() {
    simulated(|world| async move {
        let acceptor = crate::common::identity(&world).acceptor(&world).with_alpn(&ALPN);
        let limits = ServeLimits { idle: Duration::from_secs(30), ..ServeLimits::default() };
        let (at, _group) = start(&world, Some(acceptor), limits).await;
        let mut sender = http2(&world, at).await;
        // Longer than the limit.
        assert_eq!(sender.send_request(request("/slow")).await.unwrap().status(), 200);
        world.sleep(Duration::from_secs(20)).await;
        assert_eq!(sender.send_request(request("/")).await.unwrap().status(), 200);
        world.sleep(Duration::from_secs(29)).await;
        assert!(!sender.is_closed());
        world.sleep(Duration::from_secs(62)).await;
        assert!(sender.is_closed());
    });
}

#[test]
fn a_server_ends_with_all_its_connections() {
    on_both(|world| async move {
        let acceptor = crate::common::identity(&world).acceptor(&world).with_alpn(&ALPN);
        let (plain, plain_group) = start(&world, None, ServeLimits::default()).await;
        let (secure, secure_group) = start(&world, Some(acceptor), ServeLimits::default()).await;
        let mut stream = world.connect(plain).await.unwrap();
        send(&mut stream, REQUEST).await;
        answer(&mut stream).await;
        let mut sender = http2(&world, secure).await;
        let slow = sender.send_request(request("/slow"));
        assert_eq!(sender.clone().send_request(request("/")).await.unwrap().status(), 200);

        plain_group.stop();
        drop(secure_group);
        let ended = world.timeout(LIMIT, stream.read(&mut [0; 1])).await.unwrap();
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        assert!(world.timeout(LIMIT, slow).await.unwrap().is_err());
        // The listening sockets are free again.
        for at in [plain, secure] {
            assert!(world.connect(at).await.is_err());
        }
        plain_group.spawn("late", async { panic!("a stopped group starts nothing") });
        assert!(plain_group.is_empty());
    });
}
