//! Whatever arrives, the server answers it or is silent, and goes on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use mock_dns::{Config, Dns, Record, RecordType, ResponseCode, Transport, Zone};
use proptest::prelude::*;
use tokio::io::AsyncWriteExt as _;
use world::resolver::Resolver;

fn config() -> Config {
    let records = vec![
        Record::new("www", RecordType::A, "10.0.0.80"),
        Record::new("*.wild", RecordType::TXT, "x"),
        Record::new("alias", RecordType::CNAME, "www.example.test"),
        Record::new("sub", RecordType::NS, "ns.sub.example.test"),
    ];
    Config { zones: vec![Zone::new("example.test", records)], ..Config::default() }
}

fn answer(query: Vec<u8>, transport: Transport) -> Option<Vec<u8>> {
    let run = world::sim::run(world::sim::Config::default(), move |world| async move {
        let dns = Dns::new(world, config()).unwrap();
        dns.answer(query, "10.0.0.9:5353".parse().unwrap(), transport).await
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value
}

fn check(query: &[u8], transport: Transport) {
    let answered = answer(query.to_vec(), transport);
    let is_query = query.len() >= 12 && query[2] & 0x80 == 0;
    assert_eq!(answered.is_some(), is_query, "{answered:?}");
    let Some(wire) = answered else { return };
    assert_eq!(&wire[..2], &query[..2], "the id");
    assert_eq!(wire[2] & 0x80, 0x80, "a response");
    let message = Message::from_vec(&wire).unwrap();
    if Message::from_vec(query).is_err() {
        assert_ne!(message.metadata.response_code, ResponseCode::NoError);
    }
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)]
}

fn valid_query() -> impl Strategy<Value = Vec<u8>> {
    let label = "[a-zA-Z0-9_][a-zA-Z0-9_-]{0,11}";
    let known = prop_oneof![
        Just("www".to_owned()),
        Just("x.wild".to_owned()),
        Just("wild".to_owned()),
        Just("*.wild".to_owned()),
        Just("alias".to_owned()),
        Just("a.sub".to_owned()),
        label,
    ];
    (any::<u16>(), known, any::<bool>(), any::<u16>()).prop_map(|(id, name, inside, kind)| {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        let zone = if inside { "example.test." } else { "org." };
        let name = Name::from_ascii(format!("{name}.{zone}")).unwrap();
        message.add_query(Query::query(name, RecordType::from(kind % 260)));
        message.to_vec().unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn noise(query in prop::collection::vec(any::<u8>(), 0..600), transport in transport()) {
        check(&query, transport);
    }

    #[test]
    fn queries(query in valid_query(), transport in transport()) {
        check(&query, transport);
    }

    #[test]
    fn damaged_queries(
        query in valid_query(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        transport in transport(),
    ) {
        let mut query = query;
        for (at, byte) in damage {
            let at = at.index(query.len());
            query[at] = byte;
        }
        query.truncate(cut.index(query.len() + 1).max(query.len() / 2));
        check(&query, transport);
    }
}

#[test]
fn a_server_that_got_noise_still_answers() {
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let net = world.sim_net().unwrap().clone();
        net.add_host("ns1", ["10.0.0.53".parse().unwrap()]);
        net.add_host("main", ["10.0.0.9".parse().unwrap()]);
        let dns = Dns::new(world.process("ns1"), config()).unwrap();
        let at = dns.serve("10.0.0.53:53".parse().unwrap()).await.unwrap();
        let socket = world.bind_datagrams("0.0.0.0:0".parse().unwrap()).await.unwrap();
        let noise = world.rng("noise");
        for length in 0..200 {
            let mut bytes = vec![0; length];
            noise.fill(&mut bytes);
            socket.send_to(&bytes, at).await.unwrap();
            // Another server's answer is no query: no two servers ever talk in a circle.
            if let Some(flags) = bytes.get_mut(2) {
                *flags |= 0x80;
            }
            let mut stream = world.connect(at).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
        Resolver::new(&world, vec![at]).addresses("www.example.test").await.unwrap().len()
    });
    assert_eq!(run.unwrap_or_else(|stopped| panic!("{stopped}")).value, 1);
}
