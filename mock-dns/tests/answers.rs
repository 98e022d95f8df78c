//! What the server answers: one body, on the simulated network and on real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RData};
use mock_dns::{Config, Dns, RecordType, ResponseCode, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::World;
use world::resolver::{LookupError, ResolveError, Resolver};

fn config() -> Config {
    let long = "x".repeat(700);
    let json = serde_json::json!({ "zones": [
        { "name": "example.test", "ns": ["ns1.example.test"], "records": [
            { "name": "ns1", "type": "A", "value": "10.0.0.53" },
            { "name": "@", "type": "A", "ttl": 300, "value": "10.0.0.1" },
            { "name": "www", "type": "A", "value": "10.0.0.80" },
            { "name": "www", "type": "AAAA", "value": "fd00::80" },
            { "name": "alias", "type": "CNAME", "value": "Alias2.example.test" },
            { "name": "alias2", "type": "CNAME", "value": "www.example.test." },
            { "name": "away", "type": "CNAME", "value": "www.other.test" },
            { "name": "nowhere", "type": "CNAME", "value": "gone.elsewhere.test" },
            { "name": "loop", "type": "CNAME", "value": "loop.example.test" },
            { "name": "text", "type": "TXT", "value": "one two" },
            { "name": "text", "type": "TXT", "value": "three" },
            { "name": "long", "type": "TXT", "value": long },
            { "name": "@", "type": "CAA", "value": "0 issue \"letsencrypt.org\"" },
            { "name": "@", "type": "MX", "value": "10 www.example.test" },
            { "name": "*.wild", "type": "A", "value": "10.0.0.99" },
            { "name": "*.wild", "type": "TXT", "value": "synthesized" },
            { "name": "host.wild", "type": "A", "value": "10.0.0.98" },
            { "name": "deep.below.wild", "type": "A", "value": "10.0.0.97" },
            { "name": "sub", "type": "NS", "value": "ns.sub.example.test" },
            { "name": "ns.sub", "type": "A", "value": "10.0.0.54" },
        ]},
        { "name": "other.test", "records": [{ "name": "www", "type": "A", "value": "10.9.9.9" }] },
    ]});
    serde_json::from_value(json).unwrap()
}

/// Runs `body` against a server on the simulated network.
fn simulated<F>(body: impl FnOnce(World, Dns, SocketAddr) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let net = world.sim_net().unwrap().clone();
        net.add_host("ns1", ["10.0.0.53".parse().unwrap()]);
        net.add_host("main", ["10.0.0.9".parse().unwrap()]);
        let rule = world::net::LinkRule { latency: Duration::from_millis(3), ..Default::default() };
        net.add_rule(rule);
        let dns = Dns::new(world.process("ns1"), config()).unwrap();
        let at = dns.serve("10.0.0.53:53".parse().unwrap()).await.unwrap();
        body(world, dns, at).await;
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}"));
}

/// Runs `body` against a server on the loopback interface.
fn real<F: Future<Output = ()>>(body: impl FnOnce(World, Dns, SocketAddr) -> F) {
    let run = world::real::run(Some(1), |world| async move {
        let dns = Dns::new(world.clone(), config()).unwrap();
        let at = dns.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        body(world, dns, at).await;
    });
    run.unwrap();
}

macro_rules! on_both {
    ($($body:ident)*) => {
        mod simulated_network { $(#[test] fn $body() { super::simulated(super::$body); })* }
        mod real_sockets { $(#[test] fn $body() { super::real(super::$body); })* }
    };
}

on_both! {
    addresses_and_aliases texts_and_other_types negative_answers wildcards_and_empty_non_terminals
    long_answers_come_over_tcp edns_makes_room several_queries_share_a_connection delegations_are_referrals
    changes_at_run_time names_are_case_insensitive the_log_has_every_query
}

async fn code(resolver: &Resolver, name: &str, kind: RecordType) -> (ResponseCode, usize) {
    let answer = resolver.query(name, kind).await.unwrap();
    (answer.metadata.response_code, answer.answers.len())
}

async fn texts(resolver: &Resolver, name: &str) -> Vec<String> {
    let answer = resolver.query(name, RecordType::TXT).await.unwrap();
    let texts = answer.answers.iter().filter_map(|r| match &r.data {
        RData::TXT(txt) => Some(txt.txt_data.iter().map(|s| String::from_utf8_lossy(s)).collect()),
        _ => None,
    });
    texts.collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn addresses_and_aliases(world: World, _: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    let both = vec![ip("10.0.0.80"), ip("fd00::80")];
    assert_eq!(resolver.addresses("www.example.test").await.unwrap(), both);
    assert_eq!(resolver.addresses("alias.example.test").await.unwrap(), both);
    assert_eq!(resolver.addresses("away.example.test").await.unwrap(), [ip("10.9.9.9")]);
    assert_eq!(resolver.addresses("example.test").await.unwrap(), [ip("10.0.0.1")]);
    let chain = resolver.query("alias.example.test", RecordType::A).await.unwrap();
    let kinds: Vec<_> = chain.answers.iter().map(|r| r.record_type()).collect();
    assert_eq!(kinds, [RecordType::CNAME, RecordType::CNAME, RecordType::A]);
    assert!(chain.metadata.authoritative && !chain.metadata.recursion_available);
    // A loop ends, on both sides.
    assert!(matches!(
        resolver.addresses("loop.example.test").await,
        Err(LookupError { source: ResolveError::NotFound, .. })
    ));
    // An alias to a name that this server does not serve ends in its REFUSED.
    let nowhere = resolver.addresses("nowhere.example.test").await;
    assert!(matches!(
        nowhere,
        Err(LookupError { source: ResolveError::ServerFailure(ResponseCode::Refused), .. })
    ));
}

async fn texts_and_other_types(world: World, _: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    assert_eq!(texts(&resolver, "text.example.test").await, ["one two", "three"]);
    for kind in [RecordType::SOA, RecordType::NS, RecordType::CAA, RecordType::MX] {
        assert_eq!(code(&resolver, "example.test", kind).await, (ResponseCode::NoError, 1), "{kind}");
    }
    let mx = resolver.query("example.test", RecordType::MX).await.unwrap();
    assert_eq!(mx.additionals.len(), 2, "addresses of the mail host");
}

async fn negative_answers(world: World, _: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    for (name, kind, expected) in [
        ("missing.example.test", RecordType::A, ResponseCode::NXDomain),
        ("www.example.test", RecordType::TXT, ResponseCode::NoError),
    ] {
        let answer = resolver.query(name, kind).await.unwrap();
        assert_eq!(answer.metadata.response_code, expected, "{name}");
        assert!(answer.answers.is_empty() && answer.metadata.authoritative);
        let [soa] = answer.authorities.as_slice() else { panic!("{:?}", answer.authorities) };
        assert_eq!((soa.record_type(), soa.ttl), (RecordType::SOA, 60), "{name}");
    }
    assert_eq!(code(&resolver, "example.org", RecordType::A).await, (ResponseCode::Refused, 0));
    assert!(matches!(
        resolver.addresses("missing.example.test").await,
        Err(LookupError { source: ResolveError::NotFound, .. })
    ));
}

/// RFC 4592 section 2.2.1, in the names of this zone.
async fn wildcards_and_empty_non_terminals(world: World, _: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    let found = (ResponseCode::NoError, 1);
    let no_data = (ResponseCode::NoError, 0);
    let missing = (ResponseCode::NXDomain, 0);
    for (name, kind, expected) in [
        ("any.wild.example.test", RecordType::A, found),
        ("any.wild.example.test", RecordType::TXT, found),
        ("any.wild.example.test", RecordType::AAAA, no_data),
        ("two.labels.wild.example.test", RecordType::A, found),
        ("*.wild.example.test", RecordType::A, found),
        // A name that exists is not the wildcard's, whatever types it has.
        ("host.wild.example.test", RecordType::TXT, no_data),
        // An empty non-terminal exists.
        ("wild.example.test", RecordType::A, no_data),
        ("below.wild.example.test", RecordType::A, no_data),
        // The closest encloser is below.wild, which has no wildcard of its own.
        ("other.below.wild.example.test", RecordType::A, missing),
        ("under.host.wild.example.test", RecordType::A, missing),
    ] {
        assert_eq!(code(&resolver, name, kind).await, expected, "{name} {kind}");
    }
    let answer = resolver.query("any.wild.example.test", RecordType::A).await.unwrap();
    assert_eq!(answer.answers[0].name.to_ascii(), "any.wild.example.test.");
}

async fn long_answers_come_over_tcp(world: World, dns: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    assert_eq!(texts(&resolver, "long.example.test").await, ["x".repeat(700)]);
    let log: Vec<_> = dns.log().iter().map(|e| (e.transport, e.truncated)).collect();
    assert_eq!(log, [(Transport::Udp, true), (Transport::Tcp, false)]);
}

fn query(id: u16, name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

async fn edns_makes_room(world: World, _: Dns, at: SocketAddr) {
    let any = if at.ip().is_loopback() { "127.0.0.1:0" } else { "0.0.0.0:0" };
    let socket = world.bind_datagrams(any.parse().unwrap()).await.unwrap();
    for (payload, truncated) in [(None, true), (Some(512), true), (Some(1232), false)] {
        let mut message = query(7, "long.example.test.", RecordType::TXT);
        if let Some(payload) = payload {
            message.set_edns({
                let mut edns = Edns::new();
                edns.set_max_payload(payload);
                edns
            });
        }
        socket.send_to(&message.to_vec().unwrap(), at).await.unwrap();
        let (wire, from) = socket.recv_from().await.unwrap();
        assert_eq!(from, at);
        assert!(wire.len() <= usize::from(payload.unwrap_or(512)));
        let answer = Message::from_vec(&wire).unwrap();
        assert_eq!((answer.metadata.id, answer.metadata.truncation), (7, truncated), "{payload:?}");
        assert_eq!(answer.edns.is_some(), payload.is_some());
    }
}

async fn several_queries_share_a_connection(world: World, dns: Dns, at: SocketAddr) {
    let mut stream = world.connect(at).await.unwrap();
    let names = ["www.example.test.", "text.example.test.", "missing.example.test."];
    // All at once, and one of them in two pieces.
    let mut wire = Vec::new();
    for (id, name) in (0u16..).zip(names) {
        let message = query(id, name, RecordType::A).to_vec().unwrap();
        wire.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
        wire.extend(message);
    }
    let (first, second) = wire.split_at(wire.len() - 9);
    stream.write_all(first).await.unwrap();
    world.sleep(Duration::from_millis(20)).await;
    stream.write_all(second).await.unwrap();
    for id in 0..3 {
        let length = stream.read_u16().await.unwrap();
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(Message::from_vec(&answer).unwrap().metadata.id, id);
    }
    let froms: Vec<_> = dns.log().iter().map(|e| e.from).collect();
    assert!(froms.windows(2).all(|w| w[0] == w[1]));
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the server closes when the client has");
}

async fn delegations_are_referrals(world: World, _: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    for name in ["sub.example.test", "www.sub.example.test", "ns.sub.example.test"] {
        let answer = resolver.query(name, RecordType::A).await.unwrap();
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        assert!(answer.answers.is_empty() && !answer.metadata.authoritative, "{name}");
        assert_eq!(answer.authorities[0].record_type(), RecordType::NS);
        assert_eq!(answer.additionals[0].data, RData::A("10.0.0.54".parse().unwrap()), "glue");
    }
}

async fn changes_at_run_time(world: World, dns: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    let name = "_acme-challenge.example.test";
    let serial = |answer: Message| match &answer.answers[0].data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other}"),
    };
    assert_eq!(serial(resolver.query("example.test", RecordType::SOA).await.unwrap()), 1);
    dns.set(name, RecordType::TXT, 60, &["one", "two"]).unwrap();
    assert_eq!(texts(&resolver, name).await, ["one", "two"]);
    dns.set(name, RecordType::TXT, 60, &["three"]).unwrap();
    assert_eq!(dns.values(name, RecordType::TXT).unwrap(), ["three"]);
    assert_eq!(texts(&resolver, name).await, ["three"]);
    assert!(dns.remove(name, RecordType::TXT).unwrap());
    assert!(!dns.remove(name, RecordType::TXT).unwrap());
    assert_eq!(code(&resolver, name, RecordType::TXT).await, (ResponseCode::NXDomain, 0));
    assert_eq!(serial(resolver.query("example.test", RecordType::SOA).await.unwrap()), 4);
    assert!(dns.set("example.org", RecordType::A, 60, &["10.0.0.1"]).is_err());
    assert!(dns.remove("example.test", RecordType::SOA).is_err());
}

async fn names_are_case_insensitive(world: World, dns: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    let answer = resolver.query("wWw.ExAmPlE.tEsT", RecordType::A).await.unwrap();
    assert_eq!(answer.answers.len(), 1);
    assert_eq!(answer.queries[0].name().to_ascii(), "wWw.ExAmPlE.tEsT.", "the question comes back as it was");
    dns.set("WWW.example.TEST.", RecordType::A, 60, &["10.0.0.81"]).unwrap();
    assert_eq!(resolver.addresses("www.example.test").await.unwrap()[0], ip("10.0.0.81"));
}

async fn the_log_has_every_query(world: World, dns: Dns, at: SocketAddr) {
    let resolver = Resolver::new(&world, vec![at]);
    code(&resolver, "Missing.example.test", RecordType::TXT).await;
    let [entry] = dns.log().try_into().unwrap();
    assert_eq!(entry.name, "missing.example.test.");
    assert_eq!((entry.kind, entry.code), (RecordType::TXT, ResponseCode::NXDomain));
    let line = entry.to_string();
    assert_eq!(line, format!("udp {} missing.example.test. TXT NXDOMAIN 0", entry.from));
}

#[test]
fn an_answer_takes_the_delay_and_keeps_no_other_waiting() {
    let config = Config { delay: Duration::from_millis(250), ..config() };
    let run =
        world::sim::run(world::sim::Config { keep_trace: true, ..Default::default() }, |world| async move {
            let net = world.sim_net().unwrap().clone();
            net.add_host("ns1", ["10.0.0.53".parse().unwrap()]);
            net.add_host("main", ["10.0.0.9".parse().unwrap()]);
            let dns = Dns::new(world.process("ns1"), config).unwrap();
            let at = dns.serve("0.0.0.0:53".parse().unwrap()).await.unwrap();
            let (done, mut all) = tokio::sync::mpsc::unbounded_channel();
            for _ in 0..3 {
                let (resolver, done) = (Resolver::new(&world, vec![at]), done.clone());
                world.spawn("client", async move {
                    done.send(resolver.addresses_of_kind("www.example.test", RecordType::A).await.is_ok())
                        .unwrap();
                });
            }
            for _ in 0..3 {
                assert!(all.recv().await.unwrap());
            }
        });
    let run = run.unwrap();
    assert_eq!(run.elapsed, Duration::from_millis(250));
    let journal = run.trace.records().into_iter().filter(|r| r.who == "mock-dns").count();
    assert_eq!(journal, 3);
}
