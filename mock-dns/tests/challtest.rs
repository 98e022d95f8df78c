//! What pebble-challtestsrv does, done by mock-dns: one body, on the simulated network and on real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

#[path = "challtest/bed.rs"]
mod bed;

use std::time::Duration;

use bed::Bed;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData};
use mock_dns::challtest::{Config, Service};
use mock_dns::{Dns, RecordType, Zone};
use serde_json::{Value, json};
use world::http::Url;
use world::tls::{Connector, Identity};
use world::{KeyAlgorithm, World, sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A zone for the authoritative server, and a certificate for DNS over HTTPS.
fn everything(world: &World, config: &mut Config) {
    let zone = Zone::new("zone.test", vec![mock_dns::Record::new("www", RecordType::A, "10.9.9.9")]);
    let zones = mock_dns::Config { zones: vec![zone], ..mock_dns::Config::default() };
    config.zones = Some(Dns::new(world.clone(), zones).unwrap());
    let key = world.keys("doh").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["doh.test".to_owned()]).unwrap();
    params.serial_number = Some(rcgen::SerialNumber::from_slice(&[1]));
    let certificate = params.self_signed(&key).unwrap();
    config.doh_identity = Some(Identity::new(world, vec![certificate.der().to_vec()], &key));
}

macro_rules! on_both {
    ($($body:ident)*) => {
        mod simulated_network { $(#[test] fn $body() {
            super::bed::simulated(super::everything, super::$body);
        })* }
        mod real_sockets { $(#[test] fn $body() {
            super::bed::real(super::everything, super::$body);
        })* }
    };
}

on_both! {
    records_are_added_and_cleared refused_calls http01_by_token redirects_over_http_only https01
    http_faults dns_faults tls_alpn_01 tls_alpn_01_for_addresses histories dns_over_https records_of_other_types
    zones_are_answered_with_authority long_answers_come_over_tcp queries_in_pieces everything_can_be_forgotten
}

const OK: ResponseCode = ResponseCode::NoError;

fn values(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

async fn records_are_added_and_cleared(bed: Bed) {
    let home = bed.servers.default_addresses()[0].to_string();
    // Each step: the call, its body, the question, and the values of the answer.
    let txt = RecordType::TXT;
    let (a, aaaa, caa) = (RecordType::A, RecordType::AAAA, RecordType::CAA);
    let steps: [(&str, Value, &str, RecordType, &[&str]); 20] = [
        ("/set-txt", json!({"host": "_acme.a.test.", "value": "1"}), "_acme.a.test", txt, &["1"]),
        ("/set-txt", json!({"host": "_acme.a.test.", "value": "2"}), "_acme.a.test", txt, &["1", "2"]),
        ("/set-txt", json!({"Host": "_ACME.A.test", "VALUE": "2"}), "_aCME.a.test", txt, &["1", "2", "2"]),
        ("/rehearse/del-txt", json!({"host": "_acme.a.test", "value": "2"}), "_acme.a.test", txt, &["1"]),
        ("/clear-txt", json!({"host": "_acme.a.test."}), "_acme.a.test", txt, &[]),
        (
            "/add-a",
            json!({"host": "a.test.", "addresses": ["10.0.0.1", "10.0.0.2"]}),
            "a.test",
            a,
            &["10.0.0.1", "10.0.0.2"],
        ),
        (
            "/add-a",
            json!({"host": "a.test.", "addresses": ["10.0.0.3"]}),
            "a.test",
            a,
            &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        ),
        ("/clear-a", json!({"host": "a.test."}), "a.test", a, &[&home]),
        ("/add-a", json!({"host": "bad.test.", "addresses": ["x"]}), "bad.test", a, &[]),
        ("/add-aaaa", json!({"host": "a.test.", "addresses": ["fd00::1"]}), "a.test", aaaa, &["fd00::1"]),
        ("/clear-aaaa", json!({"host": "a.test."}), "a.test", aaaa, &["::1"]),
        (
            "/add-caa",
            json!({"host": "a.test.", "policies": [{"Tag": "issue", "value": "ca.test"}]}),
            "a.test",
            caa,
            &["0 issue \"ca.test\""],
        ),
        ("/clear-caa", json!({"host": "a.test."}), "a.test", caa, &[]),
        ("/set-cname", json!({"host": "c.test.", "target": "a.test."}), "c.test", a, &["a.test.", &home]),
        ("/set-cname", json!({"host": "c.test.", "target": "b.test"}), "c.test", txt, &["b.test."]),
        ("/clear-cname", json!({"host": "c.test."}), "c.test", a, &[&home]),
        ("/set-default-ipv4", json!({"ip": "10.3.3.3"}), "any.test", a, &["10.3.3.3"]),
        ("/set-default-ipv4", json!({"ip": ""}), "any.test", a, &[]),
        ("/set-default-ipv6", json!({"ip": "fd00::9"}), "any.test", aaaa, &["fd00::9"]),
        ("/set-default-ipv6", json!({}), "any.test", aaaa, &[]),
    ];
    for (path, body, name, kind, expected) in steps {
        bed.call(path, body.clone()).await;
        assert_eq!(bed.ask(name, kind).await, (OK, values(expected)), "{path} {body}");
    }
    bed.call("/set-servfail", json!({"host": "a.test."})).await;
    assert_eq!(bed.ask("A.test", txt).await.0, ResponseCode::ServFail);
    bed.call("/clear-servfail", json!({"host": "a.test."})).await;
    assert_eq!(bed.ask("a.test", RecordType::MX).await.0, ResponseCode::NotImp);
}

async fn refused_calls(bed: Bed) {
    for (path, body) in [
        ("/set-txt", ""),
        ("/set-txt", "{"),
        ("/set-txt", "[]"),
        ("/set-txt", "null"),
        ("/set-txt", r#"{"host": "a.test."}"#),
        ("/set-txt", r#"{"value": "a"}"#),
        ("/set-txt", r#"{"host": "a.test.", "value": ""}"#),
        ("/set-txt", r#"{"host": 1, "value": "a"}"#),
        ("/set-txt", r#"{"host": "a.test.", "value": "a"} x"#),
        ("/set-txt", r#"{"host": "a..test.", "value": "a"}"#),
        ("/clear-txt", "{}"),
        ("/add-a", r#"{"host": "a.test."}"#),
        ("/add-a", r#"{"host": "a.test.", "addresses": []}"#),
        ("/add-caa", r#"{"host": "a.test.", "policies": []}"#),
        ("/set-cname", r#"{"host": "a.test."}"#),
        ("/set-servfail", "{}"),
        ("/add-http01", r#"{"token": "t"}"#),
        ("/del-http01", "{}"),
        ("/add-redirect", r#"{"path": "/x"}"#),
        ("/add-tlsalpn01", r#"{"host": "a.test"}"#),
        ("/http-request-history", "{}"),
        ("/dns-request-history", ""),
        ("/tlsalpn01-request-history", r#"{"host": ""}"#),
        ("/clear-request-history", r#"{"host": "a.test", "type": "x"}"#),
        ("/clear-request-history", r#"{"host": "a.test"}"#),
        ("/rehearse/add-record", r#"{"host": "a.test", "type": "MX", "values": ["x"]}"#),
        ("/rehearse/add-record", r#"{"host": "a.test", "type": "NOPE", "values": ["x"]}"#),
        ("/rehearse/set-dns-fault", r#"{"host": "a.test", "rcode": "LOST"}"#),
        ("/rehearse/set-dns-fault", r#"{"host": "a.test", "times": 0}"#),
        ("/rehearse/set-http-fault", r#"{"token": "t", "status": 42}"#),
        ("/rehearse/set-http-fault", r#"{"token": "t", "delay": "soon"}"#),
        ("/rehearse/history", "{}"),
    ] {
        let (status, said) = bed.post(path, body).await;
        assert_eq!(status, 400, "{path} {body}: {said}");
        assert!(!said.is_empty());
    }
    for path in ["/", "/nope", "/set-txt/", "/rehearse/"] {
        assert_eq!(bed.post(path, "{}").await.0, 404, "{path}");
    }
    let large = format!(r#"{{"host": "a.test", "value": "{}"}}"#, "x".repeat(1024 * 1024));
    assert_eq!(bed.post("/set-txt", &large).await.0, 413);
    assert_eq!(bed.ask("a.test", RecordType::TXT).await.1, values(&[]));
}

const TOKENS: &str = "/.well-known/acme-challenge/";

async fn http01_by_token(bed: Bed) {
    bed.call("/add-http01", json!({"token": "t", "content": "t.key"})).await;
    let shown = bed.get(Service::Http01, "a.test", &format!("{TOKENS}t?x=1")).await;
    assert_eq!((shown.status.as_u16(), &shown.body[..]), (200, &b"t.key"[..]));
    assert_eq!(shown.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(shown.header("connection"), Some("close"));
    bed.call("/del-http01", json!({"token": "t"})).await;
    for path in ["/", &format!("{TOKENS}t"), &format!("{TOKENS}other")] {
        let unknown = bed.get(Service::Http01, "a.test", path).await;
        assert_eq!((unknown.status.as_u16(), unknown.body.len()), (200, 0), "{path}");
    }
}

async fn redirects_over_http_only(bed: Bed) {
    let path = format!("{TOKENS}r");
    bed.call("/add-redirect", json!({"path": path, "targetURL": "https://b.test/x?a=1&b=ä"})).await;
    let found = bed.get(Service::Http01, "a.test", &path).await;
    assert_eq!(found.status.as_u16(), 302);
    assert_eq!(found.header("location"), Some("https://b.test/x?a=1&b=%C3%A4"));
    assert_eq!(bed.get(Service::Https01, "a.test", &path).await.status.as_u16(), 200);
    bed.call("/del-redirect", json!({"path": path})).await;
    assert_eq!(bed.get(Service::Http01, "a.test", &path).await.status.as_u16(), 200);
}

async fn https01(bed: Bed) {
    bed.call("/add-http01", json!({"token": "t", "content": "t.key"})).await;
    let shown = bed.get(Service::Https01, "a.test", &format!("{TOKENS}t")).await;
    assert_eq!(shown.body, "t.key");
    let history = bed.call("/http-request-history", json!({"host": "A.test."})).await;
    let port = bed.at(Service::Https01).port();
    let expected = json!([{
        "URL": format!("{TOKENS}t"), "Host": format!("a.test:{port}"), "HTTPS": true, "ServerName": "a.test",
        "UserAgent": "test/1",
    }]);
    assert_eq!(history, expected);
}

async fn http_faults(bed: Bed) {
    bed.call("/add-http01", json!({"token": "t", "content": "t.key"})).await;
    let path = format!("{TOKENS}t");
    let get = || bed.get(Service::Http01, "a.test", &path);
    bed.call("/rehearse/set-http-fault", json!({"token": "t", "status": 503, "body": "", "times": 1})).await;
    let struck = get().await;
    assert_eq!((struck.status.as_u16(), struck.body.len()), (503, 0));
    assert_eq!(get().await.body, "t.key", "it is used up");
    bed.call("/rehearse/set-http-fault", json!({"path": path, "delay": "2ms", "pause": "1ms"})).await;
    let before = bed.world.monotonic();
    assert_eq!(get().await.body, "t.key", "slow, but whole");
    assert!(bed.world.monotonic().since(before) >= Duration::from_millis(7));
    bed.call("/rehearse/set-http-fault", json!({"token": "t", "drop": true})).await;
    let url: Url = format!("http://a.test:{}{path}", bed.at(Service::Http01).port()).parse().unwrap();
    assert!(bed.client().get(&url).await.is_err());
    let cleared = bed.call("/rehearse/clear-http-fault", json!({"token": "t"})).await;
    assert_eq!(cleared, json!({"removed": 1}));
    assert_eq!(get().await.body, "t.key");
    let history = bed.call("/rehearse/history", json!({"type": "http", "host": "a.test"})).await;
    let statuses: Vec<&Value> = history.as_array().unwrap().iter().map(|e| &e["Status"]).collect();
    assert_eq!(json!(statuses), json!([503, 200, 200, null, 200]));
}

async fn dns_faults(bed: Bed) {
    let (a, txt) = (RecordType::A, RecordType::TXT);
    bed.call("/set-txt", json!({"host": "f.test", "value": "x"})).await;
    bed.call("/rehearse/set-dns-fault", json!({"host": "f.test", "type": "A", "rcode": "nxdomain"})).await;
    assert_eq!(bed.ask("f.test", a).await.0, ResponseCode::NXDomain);
    assert_eq!(bed.ask("f.test", txt).await.0, OK);
    bed.call("/rehearse/set-dns-fault", json!({"host": "f.test", "rcode": "5", "times": 1})).await;
    assert_eq!(bed.ask("f.test", txt).await.0, ResponseCode::Refused);
    assert_eq!(bed.ask("f.test", txt).await, (OK, values(&["x"])));
    bed.call("/rehearse/clear-dns-fault", json!({"host": "f.test"})).await;
    assert_eq!(bed.ask("f.test", a).await.0, OK);
    bed.call("/rehearse/set-dns-fault", json!({"host": "f.test", "truncate": true, "delay": "3ms"})).await;
    let before = bed.world.monotonic();
    assert_eq!(bed.ask("f.test", txt).await, (OK, values(&["x"])), "asked again over TCP");
    assert!(bed.world.monotonic().since(before) >= Duration::from_millis(6));
    bed.call("/rehearse/set-dns-fault", json!({"host": "f.test", "drop": true, "times": 1})).await;
    let hasty = bed.resolver().with_timeout(Duration::from_millis(100));
    assert_eq!(hasty.query("f.test", txt).await.unwrap().answers.len(), 1, "the second try");
}

async fn tls_alpn_01(bed: Bed) {
    bed.call("/add-tlsalpn01", json!({"host": "A.test.", "content": "t.key"})).await;
    let stream = bed.handshake("a.test", &["acme-tls/1"]).await.unwrap();
    assert_eq!(stream.alpn(), Some(&b"acme-tls/1"[..]));
    let shown = stream.peer_certificates()[0].to_vec();
    let (_, certificate) = X509Certificate::from_der(&shown).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::DNSName("a.test")]);
    let id = "1.3.6.1.5.5.7.1.31";
    let extension = certificate.extensions().iter().find(|e| e.oid.to_id_string() == id).unwrap();
    assert!(extension.critical);
    assert_eq!(extension.value, [&[4, 32], &sha256(b"t.key")[..]].concat());
    // Its certificate stays the same until it is given another key authorization.
    let again = bed.handshake("a.test", &["acme-tls/1"]).await.unwrap();
    assert_eq!(again.peer_certificates(), [&shown[..]]);
    bed.call("/add-tlsalpn01", json!({"host": "a.test", "content": "u.key"})).await;
    let other = bed.handshake("a.test", &["acme-tls/1"]).await.unwrap();
    assert_ne!(other.peer_certificates(), [&shown[..]]);
    let refused: [(&str, &[&str]); 4] = [
        ("b.test", &["acme-tls/1"]),
        ("a.test", &[]),
        ("a.test", &["http/1.1"]),
        ("a.test", &["acme-tls/1", "http/1.1"]),
    ];
    for (name, protocols) in refused {
        assert!(bed.handshake(name, protocols).await.is_err(), "{name} {protocols:?}");
    }
    bed.call("/del-tlsalpn01", json!({"host": "a.test"})).await;
    assert!(bed.handshake("a.test", &["acme-tls/1"]).await.is_err());
    let history = bed.call("/tlsalpn01-request-history", json!({"host": "b.test"})).await;
    assert_eq!(history, json!([{"ServerName": "b.test", "SupportedProtos": ["acme-tls/1"]}]));
    let history = bed.call("/tlsalpn01-request-history", json!({"host": "a.test"})).await;
    assert_eq!(history[3], json!({"ServerName": "a.test", "SupportedProtos": null}));
    bed.call("/clear-request-history", json!({"host": "a.test", "type": "tlsalpn"})).await;
    assert_eq!(bed.call("/tlsalpn01-request-history", json!({"host": "a.test"})).await, json!([]));
}

/// RFC 8738: the client sends the reverse name, with a final dot when it is Pebble.
async fn tls_alpn_01_for_addresses(bed: Bed) {
    let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa";
    for (host, asked, bytes) in [
        ("127.0.0.1", "1.0.0.127.in-addr.arpa", vec![127, 0, 0, 1]),
        ("2.0.0.127.in-addr.arpa.", "2.0.0.127.in-addr.arpa.", vec![127, 0, 0, 2]),
        ("::1", v6, [vec![0; 15], vec![1]].concat()),
    ] {
        bed.call("/add-tlsalpn01", json!({"host": host, "content": "t.key"})).await;
        let stream = bed.handshake(asked, &["acme-tls/1"]).await.unwrap();
        let shown = stream.peer_certificates()[0].to_vec();
        let (_, certificate) = X509Certificate::from_der(&shown).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        assert_eq!(names.value.general_names, [GeneralName::IPAddress(&bytes)], "{host}");
        let history = bed.call("/tlsalpn01-request-history", json!({"host": host})).await;
        assert_eq!(history.as_array().unwrap().len(), 1, "{host}");
    }
}

async fn histories(bed: Bed) {
    bed.ask("H.test", RecordType::TXT).await;
    bed.ask("h.test", RecordType::MX).await;
    bed.ask("other.test", RecordType::A).await;
    for host in ["h.test", "h.test.", "H.TEST"] {
        let history = bed.call("/dns-request-history", json!({"host": host})).await;
        let expected = json!([
            {"Question": {"Name": "H.test.", "Qtype": 16, "Qclass": 1}, "UserAgent": ""},
            {"Question": {"Name": "h.test.", "Qtype": 15, "Qclass": 1}, "UserAgent": ""},
        ]);
        assert_eq!(history, expected, "{host}");
    }
    let all = bed.call("/rehearse/history", json!({"type": "dns"})).await;
    let seen: Vec<_> = all.as_array().unwrap().iter().map(|e| (&e["Rcode"], &e["Transport"])).collect();
    assert_eq!(json!(seen), json!([[0, "udp"], [4, "udp"], [0, "udp"]]));
    for entry in all.as_array().unwrap() {
        let time = entry["Time"].as_str().unwrap();
        assert!(world::Timestamp::parse(time).unwrap() <= bed.world.now(), "{time}");
        assert!(entry["From"].as_str().unwrap().parse::<std::net::SocketAddr>().is_ok());
    }
    bed.call("/clear-request-history", json!({"host": "h.test", "type": "dns"})).await;
    assert_eq!(bed.call("/dns-request-history", json!({"host": "h.test"})).await, json!([]));
    let left = bed.call("/rehearse/history", json!({"type": "dns"})).await;
    assert_eq!(left.as_array().unwrap().len(), 1);
    // The form that challtestsrv has, byte by byte.
    bed.call("/clear-request-history", json!({"host": "other.test", "type": "dns"})).await;
    bed.ask("other.test", RecordType::A).await;
    let (_, text) = bed.post("/dns-request-history", r#"{"host": "other.test."}"#).await;
    let expected = "[\n   {\n      \"Question\": {\n         \"Name\": \"other.test.\",\n         \"Qtype\": 1,\n         \
                    \"Qclass\": 1\n      },\n      \"UserAgent\": \"\"\n   }\n]";
    assert_eq!(text, expected);
}

fn message(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn dns_over_https(bed: Bed) {
    use base64::Engine as _;
    bed.call("/set-txt", json!({"host": "d.test.", "value": "x"})).await;
    let query = message("d.test.", RecordType::TXT);
    let encoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&query);
    let at = bed.at(Service::Doh);
    let url = |path: &str| format!("https://{at}{path}").parse::<Url>().unwrap();
    let client = bed.client();
    let media = [("content-type", "application/dns-message")];
    let post = http::Method::POST;
    let posted =
        client.request(post.clone(), &url("/dns-query"), &media, query.clone().into()).await.unwrap();
    let got = client.get(&url(&format!("/dns-query?ct&dns={encoded}"))).await.unwrap();
    for answer in [posted, got] {
        assert_eq!(answer.header("content-type"), Some("application/dns-message"));
        let message = Message::from_vec(&answer.body).unwrap();
        assert_eq!((message.metadata.id, message.answers.len()), (7, 1));
    }
    let history = bed.call("/dns-request-history", json!({"host": "d.test"})).await;
    assert_eq!(history[0]["UserAgent"], "test/1");
    let wrong = client.request(post.clone(), &url("/dns-query"), &[], query.into()).await.unwrap();
    assert_eq!(wrong.status.as_u16(), 415);
    assert_eq!(client.get(&url("/dns-query")).await.unwrap().status.as_u16(), 400);
    let short = client.request(post, &url("/dns-query"), &media, vec![1, 2].into()).await.unwrap();
    assert_eq!(short.status.as_u16(), 400);
    // The certificate is the one that was given.
    let stream = bed.world.connect(at).await.unwrap();
    let connector = Connector::unverified(&bed.world).unwrap();
    let stream = connector.connect("doh.test", stream).await.unwrap();
    let shown = stream.peer_certificates()[0].to_vec();
    let (_, certificate) = X509Certificate::from_der(&shown).unwrap();
    let names = certificate.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::DNSName("doh.test")]);
}

async fn records_of_other_types(bed: Bed) {
    for (kind, value, shown) in [
        (RecordType::MX, "10 mail.r.test", "10 mail.r.test."),
        (RecordType::NS, "ns1.r.test.", "ns1.r.test."),
        (RecordType::SRV, "0 5 443 www.r.test", "0 5 443 www.r.test."),
        (RecordType::PTR, "www.r.test", "www.r.test."),
        (RecordType::SOA, "ns1.r.test. host.r.test. 1 2 3 4 5", "ns1.r.test. host.r.test. 1 2 3 4 5"),
        (RecordType::CAA, "128 issue \"ca.test\"", "128 issue \"ca.test\""),
        (RecordType::A, "10.1.1.1", "10.1.1.1"),
    ] {
        let body = json!({"host": "r.test", "type": kind.to_string(), "values": [value], "ttl": 300});
        bed.call("/rehearse/add-record", body).await;
        let answer = bed.resolver().query("r.test", kind).await.unwrap();
        let [record] = answer.answers.as_slice() else { panic!("{kind}: {answer}") };
        assert_eq!((record.ttl, record.data.to_string()), (300, shown.to_owned()));
        let del = json!({"host": "r.test", "type": kind.to_string(), "value": value});
        assert_eq!(bed.call("/rehearse/del-record", del).await, json!({"removed": 1}));
    }
    let alias = json!({"host": "r.test", "type": "CNAME", "values": ["a.test"], "ttl": 9});
    bed.call("/rehearse/add-record", alias).await;
    let answer = bed.resolver().query("r.test", RecordType::CNAME).await.unwrap();
    assert_eq!(answer.answers[0].ttl, 9);
    let del = json!({"host": "r.test", "type": "CNAME"});
    assert_eq!(bed.call("/rehearse/del-record", del).await, json!({"removed": 1}));
}

async fn zones_are_answered_with_authority(bed: Bed) {
    let answer = bed.resolver().query("WWW.zone.test", RecordType::A).await.unwrap();
    assert!(answer.metadata.authoritative);
    assert_eq!(answer.answers[0].data, RData::A("10.9.9.9".parse().unwrap()));
    assert_eq!(bed.ask("none.zone.test", RecordType::A).await.0, ResponseCode::NXDomain);
    let outside = bed.resolver().query("www.zone2.test", RecordType::A).await.unwrap();
    assert!(!outside.metadata.authoritative && outside.answers.len() == 1);
    let history = bed.call("/rehearse/history", json!({"type": "dns", "host": "none.zone.test"})).await;
    assert_eq!(history[0]["Rcode"], 3);
}

async fn long_answers_come_over_tcp(bed: Bed) {
    let long = "x".repeat(3000);
    bed.call("/set-txt", json!({"host": "l.test", "value": long})).await;
    let answer = bed.resolver().query("l.test", RecordType::TXT).await.unwrap();
    let RData::TXT(text) = &answer.answers[0].data else { panic!("{answer}") };
    assert_eq!(text.txt_data.concat(), long.as_bytes());
    let history = bed.call("/rehearse/history", json!({"type": "dns", "host": "l.test"})).await;
    assert_eq!(json!([history[0]["Transport"], history[1]["Transport"]]), json!(["udp", "tcp"]));
}

async fn queries_in_pieces(bed: Bed) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let query = message("p.test.", RecordType::A);
    let one = [&u16::try_from(query.len()).unwrap().to_be_bytes(), &query[..]].concat();
    let wire = one.repeat(3);
    let mut stream = bed.world.connect(bed.at(Service::Dns)).await.unwrap();
    // One byte alone, the rest of the first and half of the second, and what is left.
    for piece in [&wire[..1], &wire[1..45], &wire[45..]] {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        bed.world.sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..3 {
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 1);
    }
    // No query: the server hangs up, and goes on with others.
    stream.write_all(&[0, 0]).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or_default(), 0);
    assert_eq!(bed.ask("p.test", RecordType::TXT).await, (OK, values(&[])));
}

async fn everything_can_be_forgotten(bed: Bed) {
    bed.call("/set-txt", json!({"host": "a.test", "value": "x"})).await;
    bed.call("/add-http01", json!({"token": "t", "content": "t.key"})).await;
    bed.call("/add-tlsalpn01", json!({"host": "a.test", "content": "t.key"})).await;
    bed.call("/rehearse/reset", json!({})).await;
    assert_eq!(bed.call("/rehearse/history", json!({"type": "dns"})).await, json!([]));
    assert_eq!(bed.ask("a.test", RecordType::TXT).await, (OK, values(&[])));
    assert_eq!(bed.get(Service::Http01, "a.test", &format!("{TOKENS}t")).await.body.len(), 0);
    assert!(bed.handshake("a.test", &["acme-tls/1"]).await.is_err());
}

/// Calls about a service that there is none of do not exist.
#[test]
fn services_that_are_off_have_no_calls() {
    fn only_tls_alpn(_: &World, config: &mut Config) {
        for service in [Service::Dns, Service::Http01, Service::Https01, Service::Doh] {
            config.rebind(service, "");
        }
    }
    bed::real(only_tls_alpn, |bed| async move {
        assert_eq!(bed.serving.listening.len(), 2);
        for (path, status) in [
            ("/set-txt", 404),
            ("/set-default-ipv4", 404),
            ("/add-http01", 404),
            ("/add-redirect", 404),
            ("/rehearse/set-dns-fault", 404),
            ("/rehearse/set-http-fault", 404),
            ("/add-tlsalpn01", 400),
            ("/http-request-history", 400),
            ("/dns-request-history", 400),
            ("/clear-request-history", 400),
        ] {
            assert_eq!(bed.servers.manage(path, b"{").status, status, "{path}");
        }
    });
}

/// One that cannot be bound is there all the same, as in challtestsrv.
#[test]
fn services_that_cannot_be_bound_keep_no_other_from_serving() {
    fn half(_: &World, config: &mut Config) {
        config.rebind(Service::Http01, "\"\"");
        config.rebind(Service::Dns, "192.0.2.1:0");
    }
    bed::real(half, |bed| async move {
        let failed: Vec<Service> = bed.serving.failed.iter().map(|(service, _)| *service).collect();
        assert_eq!(failed, [Service::Dns, Service::Http01, Service::Doh]);
        assert_eq!(bed.serving.failed[1].1.to_string(), "address \"\": missing port in address");
        assert_eq!(bed.serving.failed[2].1.to_string(), "no certificate and key were given");
        assert_eq!(bed.servers.manage("/set-txt", b"{}").status, 400);
        assert_eq!(bed.servers.manage("/add-http01", b"{}").status, 400);
    });
}

#[test]
fn the_oldest_entries_are_dropped() {
    fn few(_: &World, config: &mut Config) {
        config.limits.history = 3;
        config.limits.entries = 2;
        config.limits.values = 2;
    }
    bed::simulated(few, |bed| async move {
        for n in 0..5 {
            let host = format!("h{n}.test");
            for value in ["1", "2", "3"] {
                bed.call("/set-txt", json!({"host": host, "value": value})).await;
            }
            bed.call("/add-http01", json!({"token": host, "content": "x"})).await;
        }
        assert_eq!(bed.ask("h2.test", RecordType::TXT).await.1, values(&[]));
        assert_eq!(bed.ask("h3.test", RecordType::TXT).await.1, values(&["2", "3"]));
        assert_eq!(bed.ask("h4.test", RecordType::TXT).await.1, values(&["2", "3"]));
        for (token, length) in [("h2.test", 0), ("h3.test", 1)] {
            let answer = bed.get(Service::Http01, "a.test", &format!("{TOKENS}{token}")).await;
            assert_eq!(answer.body.len(), length);
        }
        let history = bed.call("/rehearse/history", json!({"type": "dns"})).await;
        assert_eq!(history.as_array().unwrap().len(), 3);
    });
}

/// Certificates and handshakes included.
#[test]
fn a_simulated_run_repeats() {
    let shown = || {
        let (sender, receiver) = std::sync::mpsc::channel();
        bed::simulated(everything, move |bed| async move {
            bed.call("/add-tlsalpn01", json!({"host": "a.test", "content": "t.key"})).await;
            let stream = bed.handshake("a.test", &["acme-tls/1"]).await.unwrap();
            bed.ask("a.test", RecordType::TXT).await;
            let history = bed.call("/rehearse/history", json!({"type": "dns"})).await;
            sender.send((stream.peer_certificates()[0].to_vec(), history, bed.world.now())).unwrap();
        });
        receiver.recv().unwrap()
    };
    assert_eq!(shown(), shown());
}
