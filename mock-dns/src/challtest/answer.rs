//! What a question is answered, as challtestsrv answers it where suites rely on that: every name has the
//! default addresses, nothing is NXDOMAIN, lifetimes are zero, an alias is followed for one step, and the
//! start of authority of `challtestsrv.invalid.` comes with every answer. On top of it: names in any case,
//! EDNS, and answers that are cut to what a datagram carries.

use std::time::Duration;

use super::question::{DATAGRAM_MAX, HEADER, OPT, Question};
use super::records::{A, AAAA, CNAME, Records};

const SOA: u16 = 6;
const CLASS_IN: u16 = 1;
const SERVFAIL: u8 = 2;
const NOTIMP: u8 = 4;
/// The extended code BADVERS, 16: its upper bits go into the EDNS record.
const BADVERS_UPPER: u8 = 1;

/// A pointer to the question's name, which follows the header in every message.
const POINTER_TO_QUESTION: [u8; 2] = [0xc0, 12];
/// The owner of the start of authority.
const AUTHORITY: &[u8] = b"\x0cchalltestsrv\x07invalid\x00";
/// Its two names up to the pointer to the owner, and its five numbers, all 1.
const PRIMARY: &[u8] = b"\x02ns";
const MAILBOX: &[u8] = b"\x06master";
const NUMBERS: [u8; 20] = [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1];

/// Truncation, in the third byte of the header.
const TRUNCATED: u8 = 0x02;
/// Recursion desired, which comes back as it was.
const RECURSION_DESIRED: u8 = 0x01;
/// Checking disabled, in the fourth byte.
const CHECKING_DISABLED: u8 = 0x10;

/// What becomes of a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The message; `None` when nothing is sent.
    pub(crate) wire: Option<Vec<u8>>,
    /// Its code.
    pub(crate) code: u8,
    /// How much later it is sent.
    pub(crate) delay: Duration,
}

/// A message that grows.
struct Reply {
    wire: Vec<u8>,
    answers: u16,
}

impl Reply {
    fn to(question: &Question<'_>) -> Self {
        let mut wire = Vec::with_capacity(320);
        wire.extend_from_slice(question.head);
        wire[2] = 0x80 | (wire[2] & RECURSION_DESIRED);
        wire[3] &= CHECKING_DISABLED;
        wire[6..HEADER].fill(0);
        Reply { wire, answers: 0 }
    }

    fn record(&mut self, owner: &[u8], kind: u16, ttl: u32, value: &[u8]) {
        self.wire.extend_from_slice(owner);
        self.wire.extend_from_slice(&kind.to_be_bytes());
        self.wire.extend_from_slice(&CLASS_IN.to_be_bytes());
        self.wire.extend_from_slice(&ttl.to_be_bytes());
        self.wire.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        self.wire.extend_from_slice(value);
    }

    fn answer(&mut self, owner: &[u8], kind: u16, ttl: u32, value: &[u8]) {
        if self.answers < u16::MAX {
            self.answers += 1;
            self.record(owner, kind, ttl, value);
        }
    }

    /// Adds the end of the message: authority, EDNS, counts and code. What is longer than `max` loses its
    /// authority section first, and then all records.
    fn finish(mut self, question: &Question<'_>, code: u8, upper: u8, max: usize) -> Vec<u8> {
        let edns_length = if question.edns.is_some() { 11 } else { 0 };
        let room = max.saturating_sub(edns_length);
        let mut authorities = 0u16;
        let end = self.wire.len();
        if let Ok(at) = u16::try_from(end)
            && at < 0x4000
        {
            let pointer = (0xc000 | at).to_be_bytes();
            let value = [PRIMARY, &pointer, MAILBOX, &pointer, &NUMBERS].concat();
            self.record(AUTHORITY, SOA, 0, &value);
            authorities = 1;
        }
        if self.wire.len() > room {
            self.wire.truncate(end);
            authorities = 0;
        }
        if self.wire.len() > room {
            self.wire.truncate(question.head.len());
            self.answers = 0;
            self.wire[2] |= TRUNCATED;
        }
        self.wire[3] |= code & 0x0f;
        self.wire[6..8].copy_from_slice(&self.answers.to_be_bytes());
        self.wire[8..10].copy_from_slice(&authorities.to_be_bytes());
        if question.edns.is_some() {
            self.wire[11] = 1;
            let [payload, more] = DATAGRAM_MAX.to_be_bytes();
            let [kind, low] = OPT.to_be_bytes();
            self.wire.extend_from_slice(&[0, kind, low, payload, more, upper, 0, 0, 0, 0, 0]);
        }
        self.wire
    }
}

/// The header alone, with a code: for what is no readable question.
pub(crate) fn refusal(query: &[u8], code: u8) -> Option<Vec<u8>> {
    let mut header = query.first_chunk::<HEADER>()?.to_vec();
    header[2] = 0x80 | (header[2] & (0x78 | RECURSION_DESIRED));
    header[3] = code & 0x0f;
    header[4..].fill(0);
    Some(header)
}

/// The answer to a question in at most `max` bytes.
pub(crate) fn answer(records: &mut Records, question: &Question<'_>, max: usize, datagram: bool) -> Answer {
    let fault = records.strike(question.key(), question.kind).unwrap_or_default();
    let mut reply = Reply::to(question);
    let (mut code, mut upper) = (0, 0);
    if question.edns.is_some_and(|edns| edns.version > 0) {
        upper = BADVERS_UPPER;
    } else if records.node(question.key()).is_some_and(|node| node.servfail) {
        code = SERVFAIL;
    } else if let Some(wrong) = fault.code {
        code = wrong;
    } else {
        code = fill(records, question, &mut reply);
    }
    let max = if fault.truncate && datagram { 0 } else { max };
    let wire = (!fault.drop).then(|| reply.finish(question, code, upper, max));
    Answer { wire, code, delay: fault.delay }
}

/// Adds the answers; the code.
fn fill(records: &Records, question: &Question<'_>, reply: &mut Reply) -> u8 {
    let mut node = records.node(question.key());
    let mut owner = POINTER_TO_QUESTION;
    if let Some((ttl, target)) = node.and_then(|node| node.alias.as_ref()) {
        // The target is written out; what follows points there.
        let at = reply.wire.len() + POINTER_TO_QUESTION.len() + 10;
        reply.answer(&owner, CNAME, *ttl, target);
        if question.kind == CNAME {
            return 0;
        }
        owner = (0xc000 | u16::try_from(at).unwrap_or_default()).to_be_bytes();
        node = records.node(&target.to_ascii_lowercase());
        if node.is_some_and(|node| node.servfail) {
            return SERVFAIL;
        }
    }
    if !records.knows(question.kind) {
        return NOTIMP;
    }
    match (node.and_then(|node| node.set(question.kind)), question.kind) {
        (Some(set), kind) => {
            set.values.iter().for_each(|value| reply.answer(&owner, kind, set.ttl, value));
        }
        (None, A) => {
            records.default_a.iter().for_each(|ip| reply.answer(&owner, A, 0, &ip.octets()));
        }
        (None, AAAA) => {
            records.default_aaaa.iter().for_each(|ip| reply.answer(&owner, AAAA, 0, &ip.octets()));
        }
        _ => {}
    }
    0
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
    use hickory_proto::rr::{Name, RData, RecordType};

    use super::super::names::{key, wire};
    use super::super::question::read;
    use super::super::records::{Fault, TXT, caa, txt};
    use super::*;

    fn records() -> Records {
        let mut records = Records::new(100, 100);
        records.default_a = Some("127.0.0.1".parse().unwrap());
        records.default_aaaa = Some("::1".parse().unwrap());
        let own = |name: &str| key(name).unwrap();
        records.add(own("two.test"), A, 0, vec![Box::new([10, 0, 0, 1]), Box::new([10, 0, 0, 2])]);
        records.add(own("_acme-challenge.two.test"), TXT, 0, vec![txt("one"), txt("two")]);
        records.add(own("long.test"), TXT, 0, vec![txt(&"x".repeat(600))]);
        records.add(own("caa.test"), 257, 0, vec![caa(0, "issue", "ca.test").unwrap()]);
        records.add(own("none.test"), A, 0, vec![]);
        for (name, target) in
            [("alias.test", "Two.test"), ("twice.test", "alias.test"), ("sick.test", "bad.test")]
        {
            records.set_alias(own(name), Some((0, wire(target).unwrap().into())));
        }
        records.set_servfail(own("bad.test"), true);
        records
    }

    fn ask(records: &mut Records, name: &str, kind: RecordType, payload: Option<u16>) -> (Message, usize) {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        if let Some(payload) = payload {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        let wire = message.to_vec().unwrap();
        let question = read(&wire).unwrap();
        let wire = answer(records, &question, question.datagram_max(), true).wire.unwrap();
        let message = Message::from_vec(&wire).unwrap();
        assert_eq!(message.queries[0].name().to_ascii(), name, "the question comes back as it was");
        (message, wire.len())
    }

    /// An answer in one line: code, owners and values, and whether the authority is there.
    fn line(records: &mut Records, name: &str, kind: RecordType) -> String {
        let (message, _) = ask(records, name, kind, None);
        let meta = &message.metadata;
        assert!(meta.recursion_desired && !meta.authoritative && !meta.recursion_available);
        let [soa] = message.authorities.as_slice() else { panic!("{:?}", message.authorities) };
        let text =
            "challtestsrv.invalid. 0 IN SOA ns.challtestsrv.invalid. master.challtestsrv.invalid. 1 1 1 1 1";
        assert_eq!(soa.to_string(), text);
        let answers: Vec<String> = message.answers.iter().map(ToString::to_string).collect();
        format!("{:?}: {}", meta.response_code, answers.join(", "))
    }

    #[test]
    fn names_are_answered_as_challtestsrv_does() {
        let mut records = records();
        for (name, kind, expected) in [
            ("any.test.", RecordType::A, "NoError: any.test. 0 IN A 127.0.0.1"),
            ("any.test.", RecordType::AAAA, "NoError: any.test. 0 IN AAAA ::1"),
            ("any.test.", RecordType::TXT, "NoError: "),
            ("any.test.", RecordType::CAA, "NoError: "),
            ("any.test.", RecordType::CNAME, "NoError: "),
            ("any.test.", RecordType::MX, "NotImp: "),
            ("any.test.", RecordType::SOA, "NotImp: "),
            ("tWo.test.", RecordType::A, "NoError: tWo.test. 0 IN A 10.0.0.1, tWo.test. 0 IN A 10.0.0.2"),
            ("two.test.", RecordType::AAAA, "NoError: two.test. 0 IN AAAA ::1"),
            ("none.test.", RecordType::A, "NoError: "),
            ("caa.test.", RecordType::CAA, "NoError: caa.test. 0 IN CAA 0 issue \"ca.test\""),
            (
                "alias.test.",
                RecordType::A,
                "NoError: alias.test. 0 IN CNAME Two.test., Two.test. 0 IN A 10.0.0.1, Two.test. 0 IN A 10.0.0.2",
            ),
            ("alias.test.", RecordType::CNAME, "NoError: alias.test. 0 IN CNAME Two.test."),
            ("alias.test.", RecordType::TXT, "NoError: alias.test. 0 IN CNAME Two.test."),
            ("alias.test.", RecordType::MX, "NotImp: alias.test. 0 IN CNAME Two.test."),
            (
                "twice.test.",
                RecordType::A,
                "NoError: twice.test. 0 IN CNAME alias.test., alias.test. 0 IN A 127.0.0.1",
            ),
            ("bad.test.", RecordType::A, "ServFail: "),
            ("bad.test.", RecordType::MX, "ServFail: "),
            ("sick.test.", RecordType::A, "ServFail: sick.test. 0 IN CNAME bad.test."),
        ] {
            assert_eq!(line(&mut records, name, kind), expected, "{name} {kind}");
        }
        records.default_aaaa = None;
        assert_eq!(line(&mut records, "any.test.", RecordType::AAAA), "NoError: ");
        records.add(key("mail.test").unwrap(), 15, 300, vec![vec![0, 5, 0].into()]);
        assert_eq!(line(&mut records, "mail.test.", RecordType::MX), "NoError: mail.test. 300 IN MX 5 .");
        assert_eq!(line(&mut records, "any.test.", RecordType::MX), "NoError: ", "the type is known now");
    }

    #[test]
    fn what_does_not_fit_a_datagram_is_cut() {
        let mut records = records();
        for (payload, cut) in [(None, true), (Some(512), true), (Some(1232), false)] {
            let (message, length) = ask(&mut records, "long.test.", RecordType::TXT, payload);
            assert_eq!((message.metadata.truncation, message.answers.is_empty()), (cut, cut), "{payload:?}");
            assert_eq!(message.edns.is_some(), payload.is_some());
            assert!(length <= usize::from(payload.unwrap_or(512)));
            if let Some(RData::TXT(text)) = message.answers.first().map(|r| &r.data) {
                let lengths: Vec<usize> = text.txt_data.iter().map(|s| s.len()).collect();
                assert_eq!(lengths, [255, 255, 90]);
            }
        }
        // The authority section goes before the answer does.
        records.add(key("fits.test").unwrap(), TXT, 0, vec![txt(&"x".repeat(440))]);
        let (message, _) = ask(&mut records, "fits.test.", RecordType::TXT, None);
        assert_eq!((message.answers.len(), message.authorities.len()), (1, 0));
        assert!(!message.metadata.truncation);
    }

    #[test]
    fn unknown_versions_of_edns_are_refused() {
        let mut wire = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x01a\x00\x00\x01\x00\x01".to_vec();
        wire.extend_from_slice(&[0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0]);
        let question = read(&wire).unwrap();
        let answered = answer(&mut records(), &question, 1232, true).wire.unwrap();
        let message = Message::from_vec(&answered).unwrap();
        assert_eq!(u16::from(message.metadata.response_code), 16, "BADVERS");
        assert!(message.answers.is_empty());
    }

    #[test]
    fn faults_strike() {
        let mut records = records();
        let own = || key("two.test").unwrap();
        records.set_fault(own(), Fault { code: Some(3), kind: Some(A), times: Some(1), ..Fault::default() });
        assert_eq!(line(&mut records, "two.test.", RecordType::TXT), "NoError: ");
        assert_eq!(line(&mut records, "two.test.", RecordType::A), "NXDomain: ");
        assert!(line(&mut records, "two.test.", RecordType::A).starts_with("NoError: two"));
        records.set_fault(own(), Fault { truncate: true, ..Fault::default() });
        assert!(ask(&mut records, "two.test.", RecordType::A, None).0.metadata.truncation);
        let delay = Duration::from_secs(2);
        records.set_fault(own(), Fault { drop: true, delay, ..Fault::default() });
        let wire = b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03two\x04test\x00\x00\x01\x00\x01";
        let struck = answer(&mut records, &read(wire).unwrap(), 512, true);
        assert_eq!(struck, Answer { wire: None, code: 0, delay });
    }
}
