//! The protocol, rule by rule: what is on the wire for a question on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, Record as Rr};
use mock_dns::{Config, Dns, RecordType, ResponseCode, Transport};

const PARENT: &str = "
$ORIGIN example.test.
$TTL 300
@ 900 IN SOA ns1 hostmaster 7 7200 3600 1209600 60
  NS ns1
ns1 A 10.0.0.53
www A 10.0.0.80
a.b.c TXT deep
*.wild A 10.0.0.99
*.alias CNAME www
dangling CNAME gone
dangling-type CNAME text
text TXT one
away CNAME www.other.test.
away-gone CNAME gone.other.test.
outside CNAME www.elsewhere.
chain CNAME chain2
chain2 CNAME chain3
chain3 CNAME www
loop CNAME loop2
loop2 CNAME loop
into CNAME www.sub
sub NS ns.sub
    NS ns.elsewhere.
ns.sub A 10.0.0.54
sub DS \\# 4 01020304
*.below.sub TXT occluded
child NS ns1
child DS \\# 4 0a0b0c0d
caa CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\"
caa CAA 128 issuewild \";\"
caa CAA 0 iodef \"mailto:a@example.test\"
caa CAA 1 tbs \"unknown\"
mail MX 10 www
_ldap._tcp SRV 0 5 389 www
ptr PTR www
";

const LONG_MINIMUM: &str =
    "@ 30 IN SOA ns1 h 1 1 1 1 3600\n@ 30 NS ns1\nwww 30 A 10.9.9.9\nns1 30 A 10.9.9.1\n";
const CHILD: &str = "@ 60 IN SOA ns1 h 1 1 1 1 60\n@ 60 NS ns1.example.test.\nwww 60 A 10.8.8.8\n";

/// Asks a server that has the zones above; `None` is no answer.
fn exchange(query: Vec<u8>, transport: Transport) -> Option<Message> {
    let run = world::sim::run(world::sim::Config::default(), move |world| async move {
        let dns = Dns::new(world, Config::default()).unwrap();
        dns.add_zone_file(PARENT, None).unwrap();
        dns.add_zone_file(LONG_MINIMUM, Some("other.test")).unwrap();
        dns.add_zone_file(CHILD, Some("child.example.test")).unwrap();
        let many: Vec<String> = (0..200).map(|n| format!("value number {n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        dns.set("many.example.test", RecordType::TXT, 60, &many).unwrap();
        dns.answer(query, "10.0.0.9:5353".parse().unwrap(), transport).await
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value.map(|wire| Message::from_vec(&wire).unwrap())
}

fn question(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn ask(name: &str, kind: RecordType) -> Message {
    exchange(question(name, kind).to_vec().unwrap(), Transport::Udp).unwrap()
}

fn with_edns(mut message: Message, change: impl FnOnce(&mut Edns)) -> Message {
    let mut edns = Edns::new();
    change(&mut edns);
    message.set_edns(edns);
    message
}

fn lines(records: &[Rr]) -> Vec<String> {
    records.iter().map(|r| format!("{} {} {} {}", r.name, r.ttl, r.record_type(), r.data)).collect()
}

fn code(message: &Message) -> ResponseCode {
    message.metadata.response_code
}

const SOA: &str = "example.test. 60 SOA ns1.example.test. hostmaster.example.test. 8 7200 3600 1209600 60";

#[test]
fn a_question_comes_back_as_it_was_and_so_does_the_owner() {
    let answer = ask("wWw.ExAmPlE.tEsT.", RecordType::A);
    assert_eq!(answer.queries[0].name().to_ascii(), "wWw.ExAmPlE.tEsT.");
    assert!(answer.answers[0].name.eq_case(&Name::from_ascii("wWw.ExAmPlE.tEsT.").unwrap()));
    let flags = answer.metadata;
    assert!(
        flags.authoritative && flags.recursion_desired && !flags.recursion_available && !flags.authentic_data
    );
    assert_eq!(answer.metadata.id, 7);
}

/// RFC 2308 section 3: the SOA of a negative answer lives for the lesser of its TTL and its minimum.
#[test]
fn negative_answers_carry_the_soa_with_its_lesser_time() {
    for (name, kind, expected) in [
        ("gone.example.test.", RecordType::A, ResponseCode::NXDomain),
        ("www.example.test.", RecordType::TXT, ResponseCode::NoError),
        // An empty non-terminal exists (RFC 4592 section 2.2.2).
        ("b.c.example.test.", RecordType::TXT, ResponseCode::NoError),
        ("x.c.example.test.", RecordType::TXT, ResponseCode::NXDomain),
    ] {
        let answer = ask(name, kind);
        assert_eq!(code(&answer), expected, "{name}");
        assert!(answer.answers.is_empty() && answer.metadata.authoritative);
        assert_eq!(lines(&answer.authorities), [SOA], "{name}");
    }
    let ttl_is_less = ask("gone.other.test.", RecordType::A);
    assert_eq!(ttl_is_less.authorities[0].ttl, 30);
    assert_eq!(ask("example.test.", RecordType::SOA).answers[0].ttl, 900, "asked for, it has its own");
}

/// RFC 6604 section 3: the code is that of the last name of the chain; AA is about the first.
#[test]
fn aliases_are_followed_through_every_zone_that_is_here() {
    let expect = |name: &str, kind, expected_code, answers: &[&str], authorities: &[&str]| {
        let answer = ask(name, kind);
        assert_eq!(code(&answer), expected_code, "{name}");
        assert!(answer.metadata.authoritative, "{name}");
        assert_eq!(lines(&answer.answers), answers, "{name}");
        assert_eq!(lines(&answer.authorities), authorities, "{name}");
    };
    use ResponseCode::{NXDomain, NoError};
    let a = RecordType::A;
    let to_www = "www.example.test. 300 A 10.0.0.80";
    expect(
        "chain.example.test.",
        a,
        NoError,
        &[
            "chain.example.test. 300 CNAME chain2.example.test.",
            "chain2.example.test. 300 CNAME chain3.example.test.",
            "chain3.example.test. 300 CNAME www.example.test.",
            to_www,
        ],
        &[],
    );
    expect(
        "x.alias.example.test.",
        a,
        NoError,
        &["x.alias.example.test. 300 CNAME www.example.test.", to_www],
        &[],
    );
    expect(
        "dangling.example.test.",
        a,
        NXDomain,
        &["dangling.example.test. 300 CNAME gone.example.test."],
        &[SOA],
    );
    expect(
        "dangling-type.example.test.",
        a,
        NoError,
        &["dangling-type.example.test. 300 CNAME text.example.test."],
        &[SOA],
    );
    expect(
        "away.example.test.",
        a,
        NoError,
        &["away.example.test. 300 CNAME www.other.test.", "www.other.test. 30 A 10.9.9.9"],
        &[],
    );
    expect(
        "away-gone.example.test.",
        a,
        NXDomain,
        &["away-gone.example.test. 300 CNAME gone.other.test."],
        &["other.test. 30 SOA ns1.other.test. h.other.test. 1 1 1 1 3600"],
    );
    expect("outside.example.test.", a, NoError, &["outside.example.test. 300 CNAME www.elsewhere."], &[]);
    expect(
        "loop.example.test.",
        a,
        NoError,
        &[
            "loop.example.test. 300 CNAME loop2.example.test.",
            "loop2.example.test. 300 CNAME loop.example.test.",
        ],
        &[],
    );
    let alias = "dangling.example.test. 300 CNAME gone.example.test.";
    expect("dangling.example.test.", RecordType::CNAME, NoError, &[alias], &[]);
    let into = ask("into.example.test.", a);
    assert_eq!(lines(&into.answers), ["into.example.test. 300 CNAME www.sub.example.test."]);
    assert_eq!(into.authorities[0].record_type(), RecordType::NS);
    assert!(into.metadata.authoritative);
}

/// RFC 1034 section 4.3.2, step 3b.
#[test]
fn what_is_delegated_is_referred() {
    let glue = ["ns.sub.example.test. 300 A 10.0.0.54"];
    for (name, kind) in [
        ("sub.example.test.", RecordType::A),
        ("sub.example.test.", RecordType::NS),
        ("x.y.sub.example.test.", RecordType::TXT),
        // Below a cut nothing is the zone's own, wildcards and glue included.
        ("x.below.sub.example.test.", RecordType::TXT),
        ("ns.sub.example.test.", RecordType::A),
    ] {
        let answer = ask(name, kind);
        assert_eq!((code(&answer), answer.metadata.authoritative), (ResponseCode::NoError, false), "{name}");
        assert!(answer.answers.is_empty(), "{name}");
        let ns = ["sub.example.test. 300 NS ns.sub.example.test.", "sub.example.test. 300 NS ns.elsewhere."];
        assert_eq!(lines(&answer.authorities), ns, "{name}");
        assert_eq!(lines(&answer.additionals), glue, "{name}");
    }
    // DS is the parent's (RFC 4035 section 3.1.4.1), whether or not the child is here too.
    for name in ["sub.example.test.", "child.example.test."] {
        let ds = ask(name, RecordType::DS);
        assert!(ds.metadata.authoritative && ds.answers.len() == 1, "{name}");
    }
    // What lies in a child zone that is here is the child's.
    let child = ask("www.child.example.test.", RecordType::A);
    assert_eq!(lines(&child.answers), ["www.child.example.test. 60 A 10.8.8.8"]);
    assert!(child.metadata.authoritative);
}

#[test]
fn every_type_has_its_form() {
    let mut caa = lines(&ask("caa.example.test.", RecordType::CAA).answers);
    caa.sort();
    assert_eq!(
        caa,
        [
            "caa.example.test. 300 CAA 0 iodef \"mailto:a@example.test\"",
            "caa.example.test. 300 CAA 0 issue \"letsencrypt.org; validationmethods=dns-01\"",
            "caa.example.test. 300 CAA 1 tbs \"unknown\"",
            "caa.example.test. 300 CAA 128 issuewild \";\"",
        ]
    );
    let mx = ask("mail.example.test.", RecordType::MX);
    assert_eq!(lines(&mx.answers), ["mail.example.test. 300 MX 10 www.example.test."]);
    assert_eq!(lines(&mx.additionals), ["www.example.test. 300 A 10.0.0.80"]);
    let srv = ask("_ldap._tcp.example.test.", RecordType::SRV);
    assert_eq!(lines(&srv.answers), ["_ldap._tcp.example.test. 300 SRV 0 5 389 www.example.test."]);
    let ptr = ask("ptr.example.test.", RecordType::PTR);
    assert_eq!(lines(&ptr.answers), ["ptr.example.test. 300 PTR www.example.test."]);
    assert_eq!(ask("caa.example.test.", RecordType::ANY).answers.len(), 4);
    let synthesized = ask("X.wild.example.test.", RecordType::ANY);
    assert_eq!(synthesized.answers[0].name.to_ascii(), "X.wild.example.test.");
}

#[test]
fn what_is_no_question_for_this_server_is_refused() {
    let send = |message: &Message| exchange(message.to_vec().unwrap(), Transport::Udp).unwrap();
    assert_eq!(code(&ask("www.elsewhere.", RecordType::A)), ResponseCode::Refused);
    for transfer in [RecordType::AXFR, RecordType::IXFR] {
        assert_eq!(code(&ask("example.test.", transfer)), ResponseCode::Refused);
    }
    let mut two = question("www.example.test.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("text.example.test.").unwrap(), RecordType::TXT));
    assert_eq!(code(&send(&two)), ResponseCode::FormErr);
    assert_eq!(code(&send(&Message::new(1, MessageType::Query, OpCode::Query))), ResponseCode::FormErr);
    for operation in [OpCode::Status, OpCode::Notify, OpCode::Unknown(9)] {
        let mut message = question("example.test.", RecordType::SOA);
        message.metadata.op_code = operation;
        let answer = send(&message);
        assert_eq!((code(&answer), answer.metadata.op_code), (ResponseCode::NotImp, operation));
    }
    // It knows updates, and takes none from those without a key.
    let mut update = question("example.test.", RecordType::SOA);
    update.metadata.op_code = OpCode::Update;
    assert_eq!(code(&send(&update)), ResponseCode::Refused);
    let mut chaos = question("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(code(&send(&chaos)), ResponseCode::Refused);
    let mut any_class = question("www.example.test.", RecordType::A);
    any_class.queries[0].set_query_class(DNSClass::ANY);
    assert_eq!(send(&any_class).answers.len(), 1);
    let mut cut = question("www.example.test.", RecordType::A).to_vec().unwrap();
    cut.truncate(20);
    assert_eq!(code(&exchange(cut, Transport::Udp).unwrap()), ResponseCode::FormErr);
    let mut response = question("www.example.test.", RecordType::A);
    response.metadata.message_type = MessageType::Response;
    assert!(exchange(response.to_vec().unwrap(), Transport::Udp).is_none());
}

/// RFC 6891.
#[test]
fn edns_is_answered_with_edns() {
    let send = |message: &Message| exchange(message.to_vec().unwrap(), Transport::Udp).unwrap();
    let www = || question("www.example.test.", RecordType::A);
    assert!(send(&www()).edns.is_none());
    let answer = send(&with_edns(www(), |edns| {
        edns.set_dnssec_ok(true).set_max_payload(4096);
    }));
    let edns = answer.edns.unwrap();
    assert_eq!((edns.version(), edns.max_payload(), edns.flags().dnssec_ok), (0, 1232, true));
    let future = send(&with_edns(www(), |edns| {
        edns.set_version(1);
    }));
    assert_eq!(u16::from(code(&future)), 16, "BADVERS");
    assert_eq!(future.edns.unwrap().version(), 0);
    assert!(future.answers.is_empty());
    // 512 is the least, whatever the client says.
    let small = send(&with_edns(www(), |edns| {
        edns.set_max_payload(0);
    }));
    assert_eq!((code(&small), small.answers.len()), (ResponseCode::NoError, 1));
    let twice = {
        let mut wire = with_edns(www(), |_| ()).to_vec().unwrap();
        wire.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        wire[11] = 2;
        wire
    };
    assert_eq!(code(&exchange(twice, Transport::Udp).unwrap()), ResponseCode::FormErr);
}

#[test]
fn what_does_not_fit_says_so_and_comes_over_tcp() {
    let many = question("many.example.test.", RecordType::TXT);
    for payload in [None, Some(1232), Some(65_535)] {
        let message = match payload {
            None => many.clone(),
            Some(payload) => with_edns(many.clone(), |edns| {
                edns.set_max_payload(payload);
            }),
        };
        let answer = exchange(message.to_vec().unwrap(), Transport::Udp).unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty(), "{payload:?}");
    }
    let answer = exchange(many.to_vec().unwrap(), Transport::Tcp).unwrap();
    assert_eq!((answer.metadata.truncation, answer.answers.len()), (false, 200));
    let RData::TXT(text) = &answer.answers[0].data else { panic!() };
    assert_eq!(&*text.txt_data[0], b"value number 0");
}
