//! Streams and datagrams: what links do to them, and what holds on real sockets, too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::net::{LinkRule, SimNet, Verdict};
use world::sim::{Config, Finished};
use world::{Stream, Tape, World};

const SERVER: &str = "10.0.0.2:80";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn hosts(net: &SimNet) {
    net.add_host("main", ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]);
    net.add_host("server", ["10.0.0.2".parse().unwrap()]);
}

fn run_on<T, F>(tape: Tape, main: impl FnOnce(World, SimNet) -> F) -> Finished<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let config = Config { tape, keep_trace: true, ..Config::default() };
    let finished = world::sim::run(config, |world| {
        let net = world.sim_net().unwrap().clone();
        hosts(&net);
        main(world, net)
    });
    finished.unwrap_or_else(|stopped| panic!("{stopped}"))
}

fn run<T, F>(main: impl FnOnce(World, SimNet) -> F) -> Finished<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    run_on(Tape::zero(), main)
}

fn rule(latency: u64, verdict: Verdict) -> LinkRule {
    LinkRule {
        to: Some("server".into()),
        latency: Duration::from_millis(latency),
        verdict,
        ..LinkRule::default()
    }
}

/// Both ends of a connection.
async fn connected(client: &World, server: &World, at: &str) -> (Stream, Stream) {
    let mut listener = server.listen(address(at)).await.unwrap();
    let stream = client.connect(listener.local_addr()).await.unwrap();
    (stream, listener.accept().await.unwrap().0)
}

fn millis(world: &World) -> u64 {
    world.monotonic().nanos() / 1_000_000
}

// Bodies that hold on both networks. `at` has port 0.

async fn bytes_arrive_in_order_and_ends_are_seen(client: World, server: World, at: &str) {
    let (mut near, mut far) = connected(&client, &server, at).await;
    near.write_all(b"hel").await.unwrap();
    near.write_all(b"lo").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(near.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "hello");
    // The other half is still open.
    far.write_all(b"answer").await.unwrap();
    drop(far);
    heard.clear();
    near.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "answer");
}

async fn nobody_listens(client: World, server: World, at: &str) {
    let listener = server.listen(address(at)).await.unwrap();
    let gone = listener.local_addr();
    drop(listener);
    assert_eq!(client.connect(gone).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

async fn an_address_is_bound_once(_: World, server: World, at: &str) {
    let listener = server.listen(address(at)).await.unwrap();
    let taken = listener.local_addr();
    assert_ne!(taken.port(), 0);
    assert_eq!(server.listen(taken).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    let datagrams = server.bind_datagrams(address(at)).await.unwrap();
    let taken = datagrams.local_addr();
    assert_eq!(server.bind_datagrams(taken).await.unwrap_err().kind(), ErrorKind::AddrInUse);
    let elsewhere = SocketAddr::new("192.0.2.1".parse().unwrap(), 0);
    assert_eq!(server.listen(elsewhere).await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
    drop((listener, datagrams));
    server.bind_datagrams(taken).await.unwrap();
}

async fn datagrams_come_with_their_sender(client: World, server: World, at: &str) {
    let far = server.bind_datagrams(address(at)).await.unwrap();
    let near =
        client.bind_datagrams(address(if at.starts_with("127") { at } else { "0.0.0.0:0" })).await.unwrap();
    for text in ["one", "", "three"] {
        near.send_to(text.as_bytes(), far.local_addr()).await.unwrap();
        let (heard, from) = far.recv_from().await.unwrap();
        assert_eq!((heard.as_slice(), from), (text.as_bytes(), near.local_addr()));
    }
    far.send_to(b"back", near.local_addr()).await.unwrap();
    assert_eq!(near.recv_from().await.unwrap(), (b"back".to_vec(), far.local_addr()));
}

async fn a_writer_waits_for_its_reader(client: World, server: World, at: &str) {
    const SIZE: usize = 20_000_000;
    let (mut near, mut far) = connected(&client, &server, at).await;
    let world = client.clone();
    client.spawn("writer", async move {
        near.write_all(&vec![7; SIZE]).await.unwrap();
        world.record("writer", "log", b"all written");
        near.shutdown().await.unwrap();
    });
    client.sleep(Duration::from_millis(10)).await;
    let mut all = Vec::new();
    far.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len(), SIZE);
}

async fn an_end_that_is_gone_breaks_the_pipe(client: World, server: World, at: &str) {
    let (mut near, far) = connected(&client, &server, at).await;
    drop(far);
    client.sleep(Duration::from_millis(20)).await;
    assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
    let error = loop {
        // A real system accepts one segment before it hears that nobody is there.
        match near.write(b"anybody?").await {
            Ok(_) => client.sleep(Duration::from_millis(5)).await,
            Err(error) => break error,
        }
    };
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}

macro_rules! on_both {
    ($($body:ident)*) => {
        mod simulated {
            $(#[test] fn $body() {
                super::run(|world, _| super::$body(world.clone(), world.process("server"), "10.0.0.2:0"));
            })*
        }
        mod real {
            $(#[test] fn $body() {
                world::real::run(Some(1), |world| super::$body(world.clone(), world, "127.0.0.1:0")).unwrap();
            })*
        }
    };
}

on_both! {
    bytes_arrive_in_order_and_ends_are_seen nobody_listens an_address_is_bound_once
    datagrams_come_with_their_sender a_writer_waits_for_its_reader an_end_that_is_gone_breaks_the_pipe
}

#[test]
fn latency_is_paid_once_per_way() {
    run(|world, net| async move {
        net.add_rule(rule(7, Verdict::Pass));
        let (mut near, mut far) = connected(&world, &world.process("server"), SERVER).await;
        assert_eq!(millis(&world), 14, "there and back");
        near.write_all(b"x").await.unwrap();
        assert_eq!(millis(&world), 14, "writing takes no time");
        far.read_u8().await.unwrap();
        assert_eq!(millis(&world), 21);
        far.write_all(b"yz").await.unwrap();
        far.shutdown().await.unwrap();
        world.sleep(Duration::from_millis(3)).await;
        near.read_u8().await.unwrap();
        assert_eq!(millis(&world), 28);
        near.read_u8().await.unwrap();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(millis(&world), 28);
    });
}

#[test]
fn the_first_rule_that_fits_decides() {
    run(|world, net| async move {
        let _listener = world.process("server").listen(address(SERVER)).await.unwrap();
        let port = |port, verdict| LinkRule { port: Some(port), ..rule(1, verdict) };
        net.set_rules(vec![port(81, Verdict::Pass), port(80, Verdict::Refuse), rule(1, Verdict::Pass)]);
        assert_eq!(world.connect(address(SERVER)).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(millis(&world), 2);
        net.add_rule(LinkRule { from: Some("main".into()), ..rule(5, Verdict::Pass) });
        world.connect(address(SERVER)).await.unwrap();
        assert_eq!(millis(&world), 12);
    });
}

#[test]
fn a_black_hole_answers_never() {
    run(|world, net| async move {
        let server = world.process("server");
        let _listener = server.listen(address(SERVER)).await.unwrap();
        let far = server.bind_datagrams(address(SERVER)).await.unwrap();
        let near = world.bind_datagrams(address("0.0.0.0:0")).await.unwrap();
        net.add_rule(rule(1, Verdict::BlackHole));
        let limit = Duration::from_secs(10);
        assert!(world.timeout(limit, world.connect(address(SERVER))).await.is_err());
        near.send_to(b"x", far.local_addr()).await.unwrap();
        assert!(world.timeout(limit, far.recv_from()).await.is_err());
        assert_eq!(millis(&world), 20_000);
    });
}

#[test]
fn a_reset_comes_after_that_many_bytes() {
    run(|world, net| async move {
        net.add_rule(rule(5, Verdict::ResetAfter(4)));
        let (mut near, mut far) = connected(&world, &world.process("server"), SERVER).await;
        near.write_all(b"ab").await.unwrap();
        // The fourth byte still leaves; then the opener sees the reset at once.
        assert_eq!(near.write(b"cdef").await.unwrap(), 2);
        assert_eq!(near.write(b"ef").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(near.read(&mut [0]).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        // The other end gets the bytes, and the reset no earlier than they do.
        let mut heard = Vec::new();
        assert_eq!(far.read_to_end(&mut heard).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!((heard.as_slice(), millis(&world)), (b"abcd".as_slice(), 15));
        assert_eq!(far.write(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_end_in_order_comes_after_that_many_bytes_and_nothing_after_it() {
    run(|world, net| async move {
        net.add_rule(rule(5, Verdict::CloseAfter(4)));
        let (mut near, mut far) = connected(&world, &world.process("server"), SERVER).await;
        // What goes beyond is swallowed: who sends has no error of it.
        near.write_all(b"abcdef").await.unwrap();
        near.write_all(b"gh").await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert_eq!((heard.as_slice(), millis(&world)), (b"abcd".as_slice(), 15));
        // Nobody would read its answer; the opener sees the end a round trip after its bytes.
        assert_eq!(far.write(b"answer").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(millis(&world), 20);
    });
}

#[test]
fn a_reset_reaches_an_end_that_waits() {
    run(|world, net| async move {
        net.add_rule(rule(5, Verdict::ResetAfter(1)));
        let (near, far) = connected(&world, &world.process("server"), SERVER).await;
        let (mut read, mut write) = tokio::io::split(near);
        let (sender, mut ends) = tokio::sync::mpsc::unbounded_channel();
        let (near, sender_near) = (world.clone(), sender.clone());
        world.spawn("near", async move {
            let kind = read.read(&mut [0]).await.unwrap_err().kind();
            sender_near.send((millis(&near), kind)).unwrap();
        });
        let far_world = world.clone();
        world.spawn("far", async move {
            let (mut read, mut write) = tokio::io::split(far);
            read.read_u8().await.unwrap();
            let kind = write.write_all(&vec![0; 1_000_000]).await.unwrap_err().kind();
            sender.send((millis(&far_world), kind)).unwrap();
        });
        world.sleep(Duration::from_millis(10)).await;
        write.write_all(b"x").await.unwrap();
        assert_eq!(ends.recv().await.unwrap(), (20, ErrorKind::ConnectionReset));
        assert_eq!(ends.recv().await.unwrap(), (25, ErrorKind::ConnectionReset));
    });
}

#[test]
fn news_travel_no_faster_than_the_link() {
    run(|world, net| async move {
        net.add_rule(rule(50, Verdict::Pass));
        let (mut near, far) = connected(&world, &world.process("server"), SERVER).await;
        drop(far);
        // The other end hung up, and this one cannot know yet.
        near.write_all(b"into the void").await.unwrap();
        near.write_all(&vec![0; 1_000_000]).await.unwrap();
        world.sleep(Duration::from_millis(49)).await;
        near.write_all(b"still").await.unwrap();
        world.sleep(Duration::from_millis(1)).await;
        assert_eq!(near.write(b"now").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_writer_that_waits_hears_that_its_reader_is_gone() {
    run(|world, net| async move {
        net.add_rule(rule(50, Verdict::Pass));
        let (mut near, far) = connected(&world, &world.process("server"), SERVER).await;
        let task = world.clone();
        world.spawn("reader", async move {
            task.sleep(Duration::from_millis(100)).await;
            drop(far);
        });
        let error = near.write_all(&vec![0; 1_000_000]).await;
        match error {
            // It may write on until it hears of it, and must hear of it then.
            Ok(()) => {
                world.sleep(Duration::from_millis(50)).await;
                assert!(near.write(b"x").await.is_err());
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        }
        assert_eq!(millis(&world), 250);
    });
}

#[test]
fn sixty_four_kib_are_in_flight_and_no_more() {
    let finished = run(|world, net| async move {
        net.add_rule(rule(5, Verdict::Pass));
        let (mut near, mut far) = connected(&world, &world.process("server"), SERVER).await;
        assert_eq!(near.write(&vec![0; 100_000]).await.unwrap(), 65_536);
        assert!(world.timeout(Duration::from_secs(1), near.write(b"x")).await.is_err());
        far.read_exact(&mut [0; 10]).await.unwrap();
        assert_eq!(near.write(&[0; 100]).await.unwrap(), 10);
    });
    assert_eq!(finished.elapsed, Duration::from_millis(1010));
}

#[test]
fn a_datagram_takes_the_latency_and_its_answer_too() {
    run(|world, net| async move {
        net.add_rule(rule(5, Verdict::Pass));
        let far = world.process("server").bind_datagrams(address(SERVER)).await.unwrap();
        let near = world.bind_datagrams(address("0.0.0.0:0")).await.unwrap();
        near.send_to(b"one", far.local_addr()).await.unwrap();
        net.set_rules(vec![rule(1, Verdict::Pass)]);
        near.send_to(b"two", far.local_addr()).await.unwrap();
        assert_eq!(far.recv_from().await.unwrap().0, b"two", "the shorter way is faster");
        assert_eq!(far.recv_from().await.unwrap().0, b"one");
        assert_eq!(millis(&world), 5);
        far.send_to(b"back", near.local_addr()).await.unwrap();
        near.recv_from().await.unwrap();
        assert_eq!(millis(&world), 6);
        // To nobody: nothing happens.
        near.send_to(b"x", address("10.0.0.2:9")).await.unwrap();
        near.send_to(b"x", address("10.9.9.9:9")).await.unwrap();
    });
}

#[test]
fn loss_is_drawn_from_the_tape() {
    let arrived = |tape: Tape| {
        let finished = run_on(tape, |world, net| async move {
            net.add_rule(LinkRule { loss_permille: 300, ..rule(1, Verdict::Pass) });
            let far = world.process("server").bind_datagrams(address(SERVER)).await.unwrap();
            let near = world.bind_datagrams(address("0.0.0.0:0")).await.unwrap();
            for n in 0..100 {
                near.send_to(&[n], far.local_addr()).await.unwrap();
            }
            let mut arrived = Vec::new();
            while let Ok(got) = world.timeout(Duration::from_secs(1), far.recv_from()).await {
                arrived.push(got.unwrap().0[0]);
            }
            arrived
        });
        (finished.value, finished.tape.drawn())
    };
    assert_eq!(arrived(Tape::zero()).0.len(), 100, "none on the zero tape");
    let (some, drawn) = arrived(Tape::seeded(1));
    assert!((50..90).contains(&some.len()), "{}", some.len());
    assert_eq!(arrived(Tape::recorded(drawn)).0, some);
}

#[test]
fn who_has_no_address_reaches_nobody_and_nobody_reaches_what_is_not_there() {
    run(|world, _| async move {
        let _listener = world.process("server").listen(address(SERVER)).await.unwrap();
        let stranger = world.process("stranger");
        assert_eq!(
            stranger.connect(address(SERVER)).await.unwrap_err().kind(),
            ErrorKind::NetworkUnreachable
        );
        assert_eq!(
            stranger.listen(address("0.0.0.0:80")).await.unwrap_err().kind(),
            ErrorKind::AddrNotAvailable
        );
        let four = world.process("server");
        assert_eq!(
            four.connect(address("[fd00::1]:80")).await.unwrap_err().kind(),
            ErrorKind::NetworkUnreachable
        );
        assert_eq!(
            world.connect(address("10.9.9.9:80")).await.unwrap_err().kind(),
            ErrorKind::HostUnreachable
        );
    });
}

#[test]
fn an_unspecified_address_is_every_address_of_the_host() {
    run(|world, _| async move {
        let mut listener = world.listen(address("0.0.0.0:80")).await.unwrap();
        for to in ["10.0.0.1:80", "[fd00::1]:80"] {
            world.connect(address(to)).await.unwrap();
            assert_eq!(listener.accept().await.unwrap().1.ip(), address(to).ip());
        }
    });
}

#[test]
fn ports_are_free_after_more_than_there_are() {
    run(|world, _| async move {
        let kept = world.bind_datagrams(address("0.0.0.0:0")).await.unwrap();
        for _ in 0..40_000 {
            let socket = world.bind_datagrams(address("0.0.0.0:0")).await.unwrap();
            assert_ne!(socket.local_addr(), kept.local_addr());
        }
    });
}
