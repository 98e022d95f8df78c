//! The real driver: the same server and client on loopback sockets, with the system's clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use world::http::{Client, Peer, Url};
use world::resolver::Resolver;

#[test]
fn http_and_https_are_served_on_loopback() {
    let served = world::real::run(None, |world| async move {
        let any = "127.0.0.1:0".parse().unwrap();
        let router = Router::new().route(
            "/peer",
            get(|axum::Extension(Peer(peer)): axum::Extension<Peer>| async move { peer.ip().to_string() }),
        );
        let identity = crate::common::identity(&world);
        let plain = world.listen(any).await.unwrap();
        let tls = world.listen(any).await.unwrap();
        let urls = [
            format!("http://{}/peer", plain.local_addr()),
            format!("https://www.example.test:{}/peer", tls.local_addr().port()),
        ];
        world.spawn("http", world::http::serve(world.clone(), plain, None, router.clone()));
        world.spawn("https", world::http::serve(world.clone(), tls, Some(identity.acceptor(&world)), router));
        let dns = crate::common::serve_dns(&world, any, "127.0.0.1").await;
        let client =
            Client::new(&world, Resolver::new(&world, vec![dns])).with_tls(identity.connector(&world));
        for url in urls {
            let url: Url = url.parse().unwrap();
            for _ in 0..3 {
                let answer = client.get(&url).await.unwrap();
                assert_eq!((answer.status.as_u16(), &*answer.body), (200, b"127.0.0.1".as_slice()), "{url}");
            }
        }
    });
    served.unwrap();
}

#[test]
fn an_address_without_a_host_takes_both_families() {
    let peers = world::real::run(None, |world| async move {
        let at = world::net::parse_listen(":0").unwrap()[0];
        let mut listener = world.listen(at).await.unwrap();
        let socket = world.bind_datagrams(at).await.unwrap();
        let mut families = vec!["127.0.0.1"];
        // Not every machine has IPv6.
        if world.listen("[::1]:0".parse().unwrap()).await.is_ok() {
            families.push("::1");
        }
        for family in &families {
            let loopback = |port| std::net::SocketAddr::new(family.parse().unwrap(), port);
            let _stream = world.connect(loopback(listener.local_addr().port())).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer.ip(), loopback(0).ip());
            let client = world.bind_datagrams(loopback(0)).await.unwrap();
            client.send_to(b"ask", loopback(socket.local_addr().port())).await.unwrap();
            let (question, from) = socket.recv_from().await.unwrap();
            assert_eq!((question.as_slice(), from), (b"ask".as_slice(), client.local_addr()));
            socket.send_to(b"answer", from).await.unwrap();
            assert_eq!(client.recv_from().await.unwrap().0, b"answer");
        }
        // The port is taken, and free again at once after connections were closed by the server.
        let taken = listener.local_addr();
        assert_eq!(world.listen(taken).await.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        drop(listener);
        world.listen(taken).await.unwrap();
        families.len()
    });
    assert!(peers.unwrap() > 0);
}

/// Run by the test below in a process with few file descriptors.
#[cfg(unix)]
#[test]
#[ignore = "run by `a_server_survives_running_out_of_descriptors`"]
fn child_that_runs_out_of_descriptors() {
    let served = world::real::run(None, |world| async move {
        let listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = listener.local_addr();
        let router = Router::new().route("/", get(|| async { "still here" }));
        world.spawn("http", world::http::serve(world.clone(), listener, None, router));
        let mut connections = Vec::new();
        while let Ok(connection) = world.connect(at).await {
            connections.push(connection);
            assert!(connections.len() < 1000, "there is no limit");
        }
        world.sleep(Duration::from_millis(300)).await;
        drop(connections);
        world.sleep(Duration::from_millis(300)).await;
        let client = Client::new(&world, Resolver::new(&world, Vec::new()));
        let answer = client.get(&format!("http://{at}/").parse().unwrap()).await.unwrap();
        assert_eq!(&*answer.body, b"still here");
    });
    served.unwrap();
}

#[cfg(unix)]
#[test]
fn a_server_survives_running_out_of_descriptors() {
    let child = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 40 && exec \"$0\" --exact real::child_that_runs_out_of_descriptors --ignored",
        ])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

#[test]
fn time_is_the_systems() {
    let passed = world::real::run(None, |world| async move {
        let (mono, wall) = (world.monotonic(), world.now());
        assert!(!world.is_virtual() && wall.unix_secs() > 1_700_000_000);
        world.sleep(Duration::from_millis(20)).await;
        assert!(world.timeout(Duration::from_millis(5), std::future::pending::<()>()).await.is_err());
        // Work takes the time that it takes, and no more.
        world.work("anything").await;
        assert!(world.now() > wall);
        world.monotonic().since(mono)
    });
    let passed = passed.unwrap();
    assert!(passed >= Duration::from_millis(25) && passed < Duration::from_secs(5), "{passed:?}");
}

#[test]
fn randomness_repeats_with_a_seed_only() {
    let draw = |seed| world::real::run(seed, |world| async move { world.rng("x").next_u64() }).unwrap();
    assert_eq!(draw(Some(1)), draw(Some(1)));
    assert_ne!(draw(None), draw(None));
}

#[test]
fn an_aborted_task_ends() {
    let ended = world::real::run(None, |world| async move {
        let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
        let task = world.spawn("task", async move {
            let _sender = sender;
            std::future::pending().await
        });
        task.abort();
        world.timeout(Duration::from_secs(5), receiver).await
    });
    assert!(matches!(ended.unwrap(), Ok(Err(_))));
}
