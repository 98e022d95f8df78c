//! Configurations that are refused, and what is said about them; zone files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use mock_dns::{Config, Dns, Record, RecordType, Zone};

/// Runs `body` with a server that has these zones, or the reason why there is none.
fn with<T: Send + 'static>(
    zones: Vec<Zone>,
    body: impl FnOnce(Result<Dns, mock_dns::ZoneError>) -> T + Send + 'static,
) -> T {
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        body(Dns::new(world, Config { zones, ..Config::default() }))
    });
    run.unwrap().value
}

fn refused(zones: Vec<Zone>) -> String {
    with(zones, |dns| dns.unwrap_err().to_string())
}

fn refused_record(name: &str, kind: RecordType, value: &str) -> String {
    refused(vec![Zone::new("example.test", vec![Record::new(name, kind, value)])])
}

#[test]
fn errors_name_the_zone_the_record_and_what_is_expected() {
    let texts = [
        refused_record("www", RecordType::A, "10.0.0"),
        refused_record("www", RecordType::AAAA, "10.0.0.1"),
        refused_record("@", RecordType::CAA, "letsencrypt.org"),
        refused_record("@", RecordType::SOA, "x"),
        refused_record("www.other.test.", RecordType::A, "10.0.0.1"),
        refused_record("a..b", RecordType::A, "10.0.0.1"),
        refused_record("@", RecordType::CNAME, "www.example.test"),
        refused(vec![Zone::new("", Vec::new())]),
        refused(vec![Zone::new("a.test", Vec::new()), Zone::new("A.test.", Vec::new())]),
        with(vec![Zone::new("a.test", Vec::new())], |dns| {
            dns.unwrap().set("b.test", RecordType::TXT, 60, &["x"]).unwrap_err().to_string()
        }),
    ];
    let expected = [
        "zone example.test, record www A: expected an IPv4 address such as 10.0.0.80, found \"10.0.0\"",
        "zone example.test, record www AAAA: expected an IPv6 address such as fd00::80, found \"10.0.0.1\"",
        "zone example.test, record @ CAA: expected flags, tag and value such as 0 issue \"letsencrypt.org\", \
         found \"letsencrypt.org\"",
        "zone example.test, record @ SOA: expected no SOA record here: the zone's own `soa` makes it, found \"x\"",
        "zone example.test, record \"www.other.test.\" A: expected a name within the zone, relative to it, or `@`",
        "zone example.test, record \"a..b\" A: expected a name within the zone, relative to it, or `@`",
        "zone example.test, record example.test CNAME: expected a CNAME to be the only record of its name \
         (RFC 1034)",
        "zone \"\": expected a domain name such as example.test",
        "zone a.test: expected one zone of this name, there are two",
        "record \"b.test\" TXT: expected a name within one of the zones of this server: a.test",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn unknown_fields_and_types_are_refused() {
    let parse = |text: &str| serde_json::from_str::<Config>(text).unwrap_err().to_string();
    assert!(parse(r#"{"zone": []}"#).contains("unknown field `zone`, expected one of `zones`, `delay`"));
    assert!(parse(r#"{"delay": "soon"}"#).contains("`soon` is not a duration such as 250ms"));
    let record = r#"{"zones": [{"name": "a.test", "records": [{"name": "x", "type": "AA", "value": ""}]}]}"#;
    assert!(parse(record).contains("`AA` is no record type: expected A, AAAA"));
}

#[test]
fn a_refused_change_changes_nothing() {
    let record = Record::new("www", RecordType::A, "10.0.0.80");
    with(vec![Zone::new("example.test", vec![record])], |dns| {
        let dns = dns.unwrap();
        assert!(dns.set("www.example.test", RecordType::A, 60, &["10.0.0.81", "x"]).is_err());
        assert!(dns.set("www.example.test", RecordType::CNAME, 60, &["example.test"]).is_err());
        assert!(dns.set("c.example.test", RecordType::CNAME, 60, &["a.test", "b.test"]).is_err());
        assert_eq!(dns.values("www.example.test", RecordType::A).unwrap(), ["10.0.0.80"]);
        assert!(dns.values("c.example.test", RecordType::CNAME).unwrap().is_empty());
    });
}

const ZONE_FILE: &str = "
$ORIGIN example.test.
$TTL 300
@       IN SOA ns1 hostmaster 2022050700 7200 3600 1209600 60
        IN NS  ns1
ns1     IN A   10.0.0.53
www 60  IN A   10.0.0.80
_acme-challenge IN TXT \"one\" \"two\"
$ORIGIN sub.example.test.
deep    IN CNAME www.example.test.
";

#[test]
fn a_zone_file_is_read() {
    with(Vec::new(), |dns| {
        let dns = dns.unwrap();
        dns.add_zone_file(ZONE_FILE, None).unwrap();
        assert_eq!(dns.values("www.example.test", RecordType::A).unwrap(), ["10.0.0.80"]);
        assert_eq!(dns.values("_acme-challenge.example.test", RecordType::TXT).unwrap(), ["onetwo"]);
        assert_eq!(dns.values("deep.sub.example.test", RecordType::CNAME).unwrap(), ["www.example.test."]);
        let again = dns.add_zone_file(ZONE_FILE, None).unwrap_err().to_string();
        assert_eq!(again, "zone example.test: expected one zone of this name, there are two");
    });
}

#[test]
fn a_zone_file_that_cannot_be_served_is_refused() {
    with(Vec::new(), |dns| {
        let dns = dns.unwrap();
        let refused = |text: &str| dns.add_zone_file(text, Some("a.test")).unwrap_err().to_string();
        assert_eq!(refused("www 60 IN A 10.0.0.1\n"), "zone file: expected an SOA record, found none");
        assert!(refused("www 60 IN A 10.0.0\n").starts_with("zone file: "));
        let outside = "@ 60 IN SOA ns1 h 1 1 1 1 1\nwww.b.test. 60 IN A 10.0.0.1\n";
        assert!(refused(outside).contains("zone a.test, record \"www.b.test.\" A"));
    });
}
