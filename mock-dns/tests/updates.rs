//! UPDATE messages (RFC 2136), signed messages (RFC 8945), and DNS over HTTPS (RFC 8484).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{CNAME, NS, TXT};
use hickory_proto::rr::{DNSClass, Name, RData};
use mock_dns::{Config, Dns, Record, RecordType, ResponseCode, Transport, TsigKey, Updates, Zone};
use proptest::prelude::*;
use world::http::{Client, Url};
use world::tsig::{self, Algorithm, Key};
use world::{Timestamp, World};

const SECRET: &str = "c2VjcmV0IG9mIHRoZSBrZXk=";
const NAME: &str = "_acme-challenge.example.test.";
const FROM: &str = "10.0.0.9:5353";

type Wire = hickory_proto::rr::Record;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn txt(text: &str) -> RData {
    RData::TXT(TXT::new(vec![text.to_owned()]))
}

fn record(owner: &str, class: DNSClass, ttl: u32, data: RData) -> Wire {
    let mut record = Wire::from_rdata(name(owner), ttl, data);
    record.dns_class = class;
    record
}

fn adds(value: &str) -> Wire {
    record(NAME, DNSClass::IN, 60, txt(value))
}

fn removes(value: &str) -> Wire {
    record(NAME, DNSClass::NONE, 0, txt(value))
}

fn empty(owner: &str, class: DNSClass, kind: RecordType) -> Wire {
    record(owner, class, 0, RData::Update0(kind))
}

fn message(zone: &str, required: &[Wire], changes: &[Wire]) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name(zone), RecordType::SOA));
    message.add_answers(required.to_vec());
    message.add_authorities(changes.to_vec());
    message.to_vec().unwrap()
}

fn config(updates: Updates) -> Config {
    let records = vec![
        Record::new("www", RecordType::A, "10.0.0.80"),
        Record::new("alias", RecordType::CNAME, "www.example.test"),
    ];
    Config { zones: vec![Zone::new("example.test", records)], updates, ..Config::default() }
}

fn open() -> Updates {
    Updates { unsigned: true, ..Updates::default() }
}

fn keyed(zones: &[&str]) -> Updates {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    let key =
        TsigKey { name: "updater".into(), algorithm: "hmac-sha256".into(), secret: SECRET.into(), zones };
    Updates { keys: vec![key], unsigned: false }
}

fn key() -> Key {
    Key::new("updater", Algorithm::HmacSha256, SECRET).unwrap()
}

fn run<T: Send + 'static, F>(updates: Updates, body: impl FnOnce(World, Dns) -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let dns = Dns::new(world.clone(), config(updates)).unwrap();
        body(world, dns).await
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value
}

async fn send(dns: &Dns, wire: Vec<u8>) -> ResponseCode {
    let answer = dns.answer(wire, FROM.parse().unwrap(), Transport::Udp).await.unwrap();
    let answer = Message::from_vec(&answer).unwrap();
    assert_eq!((answer.metadata.id, answer.metadata.op_code), (7, OpCode::Update));
    answer.metadata.response_code
}

/// The code of one unsigned update, and the TXT values after it.
fn updated(required: &[Wire], changes: &[Wire]) -> (ResponseCode, Vec<String>) {
    let wire = message("example.test.", required, changes);
    run(open(), |_, dns| async move {
        let code = send(&dns, wire).await;
        (code, dns.values(NAME, RecordType::TXT).unwrap())
    })
}

#[test]
fn one_value_is_added_and_one_removed() {
    let left = run(open(), |_, dns| async move {
        let mut seen = Vec::new();
        for changes in [[adds("a")], [adds("b")], [removes("a")], [removes("c")]] {
            let code = send(&dns, message("example.test.", &[], &changes)).await;
            seen.push((code, dns.values(NAME, RecordType::TXT).unwrap().join(" ")));
        }
        let changes: Vec<_> = dns.log().iter().map(|entry| entry.changes).collect();
        let line = dns.log()[0].to_string();
        (seen, changes, line, dns.zone_file("example.test").unwrap())
    });
    let ok = ResponseCode::NoError;
    let values = ["a", "a b", "b", "b"].map(|text| (ok, text.to_owned()));
    assert_eq!(left.0, values);
    assert_eq!(left.1, [Some(1), Some(1), Some(1), Some(0)]);
    assert_eq!(left.2, "udp 10.0.0.9:5353 example.test. update of 1 NOERROR 0");
    assert!(left.3.contains("hostmaster.example.test. 4 "), "three changes: {}", left.3);
}

#[test]
fn sets_and_names_are_deleted_but_not_what_a_zone_needs() {
    let delete = |owner: &str, kind| empty(owner, DNSClass::ANY, kind);
    let (before, after) = run(open(), move |_, dns| async move {
        let add = [adds("a"), adds("b"), record("www.example.test.", DNSClass::IN, 60, txt("x"))];
        send(&dns, message("example.test.", &[], &add)).await;
        let before = dns.records("example.test").unwrap().len();
        let ns = RData::NS(NS(name("ns1.example.test.")));
        let delete = [
            delete(NAME, RecordType::TXT),
            delete("www.example.test.", RecordType::ANY),
            delete("example.test.", RecordType::ANY),
            delete("example.test.", RecordType::NS),
            record("example.test.", DNSClass::NONE, 0, ns),
        ];
        let code = send(&dns, message("example.test.", &[], &delete)).await;
        assert_eq!(code, ResponseCode::NoError);
        (before, dns.records("example.test").unwrap())
    });
    assert_eq!(before, 7);
    let left: Vec<_> = after.iter().map(|r| (r.name.as_str(), r.kind)).collect();
    let kept = [
        ("example.test.", RecordType::NS),
        ("example.test.", RecordType::SOA),
        ("alias.example.test.", RecordType::CNAME),
    ];
    assert_eq!(left, kept);
}

#[test]
fn prerequisites_have_their_codes_and_nothing_is_changed_without_them() {
    let www = "www.example.test.";
    let there = |class, kind| empty(www, class, kind);
    let gone = |class, kind| empty(NAME, class, kind);
    let (any, none) = (DNSClass::ANY, DNSClass::NONE);
    let address = |text: &str| {
        let data = RData::A(text.parse::<std::net::Ipv4Addr>().unwrap().into());
        record(www, DNSClass::IN, 0, data)
    };
    for (required, code) in [
        (there(any, RecordType::ANY), ResponseCode::NoError),
        (gone(any, RecordType::ANY), ResponseCode::NXDomain),
        (there(none, RecordType::ANY), ResponseCode::YXDomain),
        (gone(none, RecordType::ANY), ResponseCode::NoError),
        (there(any, RecordType::A), ResponseCode::NoError),
        (there(any, RecordType::TXT), ResponseCode::NXRRSet),
        (there(none, RecordType::A), ResponseCode::YXRRSet),
        (there(none, RecordType::TXT), ResponseCode::NoError),
        (address("10.0.0.80"), ResponseCode::NoError),
        (address("10.0.0.81"), ResponseCode::NXRRSet),
        (empty("other.test.", any, RecordType::ANY), ResponseCode::NotZone),
        (record(www, any, 1, RData::Update0(RecordType::A)), ResponseCode::FormErr),
        (record(www, none, 0, txt("x")), ResponseCode::FormErr),
    ] {
        let shown = required.to_string();
        let (given, values) = updated(&[required], &[adds("a")]);
        assert_eq!(given, code, "{shown}");
        assert_eq!(values.is_empty(), code != ResponseCode::NoError, "{shown}");
    }
}

#[test]
fn a_change_that_is_none_stops_all() {
    for (bad, code) in [
        (record("www.other.test.", DNSClass::IN, 60, txt("x")), ResponseCode::NotZone),
        (record(NAME, DNSClass::ANY, 0, txt("x")), ResponseCode::FormErr),
        (record(NAME, DNSClass::NONE, 1, txt("x")), ResponseCode::FormErr),
        (record(NAME, DNSClass::CH, 1, txt("x")), ResponseCode::FormErr),
        (record(NAME, DNSClass::IN, 60, RData::Update0(RecordType::TXT)), ResponseCode::FormErr),
    ] {
        let shown = bad.to_string();
        assert_eq!(updated(&[], &[adds("a"), bad]), (code, vec![]), "{shown}");
    }
    // An alias keeps its name for itself: what does not fit is left out, the rest is done.
    let beside = record("alias.example.test.", DNSClass::IN, 60, txt("x"));
    let alias = record("www.example.test.", DNSClass::IN, 60, RData::CNAME(CNAME(name("a.test."))));
    let (code, values) = updated(&[], &[beside, alias, adds("a")]);
    assert_eq!((code, values), (ResponseCode::NoError, vec!["a".to_owned()]));
}

#[test]
fn who_may_not_is_refused() {
    let wire = |zone| message(zone, &[], &[adds("a")]);
    let codes = run(Updates::default(), move |_, dns| async move {
        (send(&dns, wire("example.test.")).await, send(&dns, wire("test.")).await)
    });
    assert_eq!(codes, (ResponseCode::Refused, ResponseCode::NotAuth));
    let of_zone = |zones: &'static [&'static str]| {
        run(keyed(zones), move |world, dns| async move {
            let (signed, _) = key().sign(wire("example.test."), world.now());
            (send(&dns, signed).await, send(&dns, wire("example.test.")).await)
        })
    };
    assert_eq!(of_zone(&[]), (ResponseCode::NoError, ResponseCode::Refused));
    assert_eq!(of_zone(&["example.test"]), (ResponseCode::NoError, ResponseCode::Refused));
    assert_eq!(of_zone(&["other.test"]), (ResponseCode::Refused, ResponseCode::Refused));
}

#[test]
fn a_signed_message_is_answered_signed_and_a_bad_signature_is_named() {
    run(keyed(&[]), |world, dns| async move {
        let at = |secs| world.now() + std::time::Duration::from_secs(secs);
        let exchange = async |key: &Key, when: Timestamp, kind| {
            let mut question = Message::new(7, MessageType::Query, OpCode::Query);
            question.add_query(Query::query(name("www.example.test."), kind));
            let (wire, signature) = key.sign(question.to_vec().unwrap(), when);
            let answer = dns.answer(wire, FROM.parse().unwrap(), Transport::Udp).await.unwrap();
            let code = Message::from_vec(&answer).unwrap().metadata.response_code;
            let signed = tsig::find(&answer).unwrap().unwrap();
            let good = key.verify(&signed, world.now(), Some(&signature));
            (code, signed.signature.error, good)
        };
        let good = exchange(&key(), at(0), RecordType::A).await;
        assert_eq!(good, (ResponseCode::NoError, 0, Ok(())));
        let other = Key::new("updater", Algorithm::HmacSha256, "b3RoZXI=").unwrap();
        let (code, error, _) = exchange(&other, at(0), RecordType::A).await;
        assert_eq!((code, error), (ResponseCode::NotAuth, 16));
        let unknown = Key::new("nobody", Algorithm::HmacSha256, SECRET).unwrap();
        let (code, error, _) = exchange(&unknown, at(0), RecordType::A).await;
        assert_eq!((code, error), (ResponseCode::NotAuth, 17));
        // The answer to a question from another time is signed, so that it can be believed.
        let (code, error, good) = exchange(&key(), at(1000), RecordType::A).await;
        assert_eq!((code, error), (ResponseCode::NotAuth, 18));
        assert_eq!(good, Err(tsig::TsigError::BadTime), "its digest is good; its time is the question's");
    });
}

#[test]
fn keys_are_checked_when_the_server_is_made() {
    let made = |key: TsigKey| {
        let updates = Updates { keys: vec![key], unsigned: false };
        run(Updates::default(), move |world, _| async move {
            Dns::new(world, config(updates)).unwrap_err().to_string()
        })
    };
    let key =
        TsigKey { name: "k".into(), algorithm: "hmac-sha1".into(), secret: SECRET.into(), zones: vec![] };
    let wrong = "TSIG key \"k\": expected hmac-md5, hmac-sha1, hmac-sha256 or hmac-sha512, found \"crc32\"";
    assert_eq!(made(TsigKey { algorithm: "crc32".into(), ..key.clone() }), wrong);
    assert_eq!(made(TsigKey { secret: "?".into(), ..key }), "TSIG key \"k\": expected a secret in base64");
}

#[test]
fn questions_are_answered_over_https() {
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        world.sim_net().unwrap().add_host("main", ["10.0.0.9".parse().unwrap()]);
        let dns = Dns::new(world.clone(), config(Updates::default())).unwrap();
        let listener = world.listen("10.0.0.9:80".parse().unwrap()).await.unwrap();
        world.spawn("doh", world::http::serve(world.clone(), listener, None, dns.doh()));
        let client = Client::new(&world, world::resolver::Resolver::new(&world, vec![]));
        let mut question = Message::new(7, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(name("www.example.test."), RecordType::A));
        let wire = question.to_vec().unwrap();
        use base64::Engine as _;
        let coded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&wire);
        let url = |rest: &str| -> Url { format!("http://10.0.0.9/dns-query{rest}").parse().unwrap() };
        let media = [("content-type", "application/dns-message")];
        let post = client.request(http::Method::POST, &url(""), &media, wire.clone().into()).await.unwrap();
        let get = client.get(&url(&format!("?dns={coded}"))).await.unwrap();
        for answer in [&post, &get] {
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(media[0].1)));
            let message = Message::from_vec(&answer.body).unwrap();
            assert_eq!((message.metadata.id, message.answers.len()), (7, 1));
        }
        let status = async |answer: Result<world::http::Response, _>| {
            answer.map_or(0, |answer: world::http::Response| answer.status.as_u16())
        };
        let plain = client.request(http::Method::POST, &url(""), &[], wire.into()).await;
        let short = client.request(http::Method::POST, &url(""), &media, vec![1].into()).await;
        let codes = [
            status(plain.map_err(drop)).await,
            status(short.map_err(drop)).await,
            status(client.get(&url("?dns=!")).await.map_err(drop)).await,
        ];
        (codes, dns.log().iter().map(|entry| entry.transport).collect::<Vec<_>>())
    });
    let (codes, transports) = run.unwrap_or_else(|stopped| panic!("{stopped}")).value;
    assert_eq!(codes, [415, 400, 400]);
    assert_eq!(transports, [Transport::Https; 2]);
}

proptest! {
    /// Whatever the sections say, the zone stays one that can be served.
    #[test]
    fn any_update_leaves_a_zone(
        picks in proptest::collection::vec((0_usize..5, 0_usize..4, 0_usize..6, 0_u32..2), 0..8)
    ) {
        let owners = ["example.test.", "www.example.test.", NAME, "alias.example.test.", "other.test."];
        let classes = [DNSClass::IN, DNSClass::ANY, DNSClass::NONE, DNSClass::CH];
        let data = |n| match n {
            0 => txt("a"),
            1 => txt("b"),
            2 => RData::CNAME(CNAME(name("www.example.test."))),
            3 => RData::NS(NS(name("ns1.example.test."))),
            4 => RData::Update0(RecordType::ANY),
            _ => RData::Update0(RecordType::TXT),
        };
        let changes: Vec<Wire> = picks
            .iter()
            .map(|(owner, class, n, ttl)| record(owners[*owner], classes[*class], *ttl, data(*n)))
            .collect();
        let file = run(open(), move |_, dns| async move {
            send(&dns, message("example.test.", &[], &changes)).await;
            dns.zone_file("example.test").unwrap()
        });
        let again = run(Updates::default(), move |world, _| async move {
            let dns = Dns::new(world, Config::default()).unwrap();
            dns.add_zone_file(&file, None).map_err(|error| error.to_string())
        });
        prop_assert_eq!(again, Ok(()));
    }
}
