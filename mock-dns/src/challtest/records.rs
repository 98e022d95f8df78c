//! What names have: records, an alias, faults. Values are kept in wire form, so that an answer only copies.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};

use super::bounded::Bounded;

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const TXT: u16 = 16;
pub(crate) const AAAA: u16 = 28;
pub(crate) const CAA: u16 = 257;

/// Types that are answered although no name has any: for all others the answer is NOTIMP, until one is
/// added.
const ALWAYS: [u16; 5] = [A, CNAME, TXT, AAAA, CAA];

/// A character-string holds at most this many bytes (RFC 1035 section 3.3).
const CHARACTER_STRING_MAX: usize = 255;

/// The records of one name and type.
#[derive(Debug, Default)]
pub(crate) struct Set {
    pub(crate) kind: u16,
    pub(crate) ttl: u32,
    pub(crate) values: Vec<Box<[u8]>>,
}

/// How questions for a name are answered wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fault {
    /// For this type only.
    pub(crate) kind: Option<u16>,
    /// With this code, and no records.
    pub(crate) code: Option<u8>,
    /// Not at all.
    pub(crate) drop: bool,
    /// As if it did not fit a datagram (over UDP).
    pub(crate) truncate: bool,
    /// This much later.
    pub(crate) delay: Duration,
    /// So many times more; without end when not given.
    pub(crate) times: Option<u64>,
}

/// All that a name has.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) sets: Vec<Set>,
    /// The alias: its lifetime, and the target in wire form.
    pub(crate) alias: Option<(u32, Box<[u8]>)>,
    pub(crate) servfail: bool,
    pub(crate) faults: Vec<Fault>,
}

impl Node {
    pub(crate) fn set(&self, kind: u16) -> Option<&Set> {
        self.sets.iter().find(|set| set.kind == kind)
    }

    fn is_empty(&self) -> bool {
        self.sets.is_empty() && self.alias.is_none() && !self.servfail && self.faults.is_empty()
    }
}

/// The names that something is known of, and what all others have.
#[derive(Debug)]
pub(crate) struct Records {
    /// The address of every name that has none of its own.
    pub(crate) default_a: Option<Ipv4Addr>,
    pub(crate) default_aaaa: Option<Ipv6Addr>,
    nodes: Bounded<Box<[u8]>, Node>,
    values_max: usize,
    kinds: BTreeSet<u16>,
}

impl Records {
    pub(crate) fn new(names_max: usize, values_max: usize) -> Self {
        Records {
            default_a: None,
            default_aaaa: None,
            nodes: Bounded::new(names_max),
            values_max: values_max.max(1),
            kinds: BTreeSet::from(ALWAYS),
        }
    }

    /// Whether records of this type are answered for.
    pub(crate) fn knows(&self, kind: u16) -> bool {
        self.kinds.contains(&kind)
    }

    pub(crate) fn node(&self, key: &[u8]) -> Option<&Node> {
        self.nodes.get(key)
    }

    /// Adds values to those that are there. A name that was given values, and be it none that can be sent,
    /// no longer has the default.
    pub(crate) fn add(&mut self, key: Box<[u8]>, kind: u16, ttl: u32, values: Vec<Box<[u8]>>) {
        self.kinds.insert(kind);
        let node = self.nodes.entry(key, Node::default);
        let at = node.sets.iter().position(|set| set.kind == kind).unwrap_or_else(|| {
            node.sets.push(Set { kind, ..Set::default() });
            node.sets.len() - 1
        });
        let set = &mut node.sets[at];
        set.ttl = ttl;
        set.values.extend(values);
        let surplus = set.values.len().saturating_sub(self.values_max);
        set.values.drain(..surplus);
    }

    /// Removes all values, or those equal to `value`; how many.
    pub(crate) fn remove(&mut self, key: &[u8], kind: u16, value: Option<&[u8]>) -> usize {
        let mut removed = 0;
        self.change(key, |node| {
            if kind == CNAME {
                let matches = |(_, target): &mut (u32, Box<[u8]>)| value.is_none_or(|v| *v == **target);
                removed = usize::from(node.alias.take_if(matches).is_some());
            }
            for set in node.sets.iter_mut().filter(|set| set.kind == kind) {
                let before = set.values.len();
                set.values.retain(|v| value.is_some_and(|value| *value != **v));
                removed = before - set.values.len();
            }
            // Whatever the last value was, with it goes the set, and the default is back.
            node.sets.retain(|set| set.kind != kind || (value.is_some() && !set.values.is_empty()));
        });
        removed
    }

    pub(crate) fn set_alias(&mut self, key: Box<[u8]>, alias: Option<(u32, Box<[u8]>)>) {
        self.make(key, |node| node.alias = alias);
    }

    pub(crate) fn set_servfail(&mut self, key: Box<[u8]>, servfail: bool) {
        self.make(key, |node| node.servfail = servfail);
    }

    /// Puts `fault` in the place of the one for the same type.
    pub(crate) fn set_fault(&mut self, key: Box<[u8]>, fault: Fault) {
        self.make(key, |node| {
            node.faults.retain(|other| other.kind != fault.kind);
            node.faults.push(fault);
        });
    }

    /// Removes the fault for a type, or all; whether there was one.
    pub(crate) fn clear_fault(&mut self, key: &[u8], kind: Option<u16>) -> bool {
        let mut removed = false;
        self.change(key, |node| {
            let before = node.faults.len();
            node.faults.retain(|fault| kind.is_some() && fault.kind != kind);
            removed = node.faults.len() < before;
        });
        removed
    }

    /// The fault that strikes this question, which uses it up by one.
    pub(crate) fn strike(&mut self, key: &[u8], kind: u16) -> Option<Fault> {
        // Most names have none, and nothing is to be changed then.
        self.nodes.get(key).filter(|node| !node.faults.is_empty())?;
        let mut struck = None;
        self.change(key, |node| {
            let Some(at) = node.faults.iter().position(|f| f.kind.is_none_or(|k| k == kind)) else { return };
            let fault = &mut node.faults[at];
            struck = Some(fault.clone());
            if let Some(times) = &mut fault.times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    node.faults.remove(at);
                }
            }
        });
        struck
    }

    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.kinds = BTreeSet::from(ALWAYS);
    }

    fn make(&mut self, key: Box<[u8]>, change: impl FnOnce(&mut Node)) {
        change(self.nodes.entry(key.clone(), Node::default));
        self.tidy(&key);
    }

    fn change(&mut self, key: &[u8], change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(key) {
            change(node);
            self.tidy(key);
        }
    }

    fn tidy(&mut self, key: &[u8]) {
        if self.nodes.get(key).is_some_and(Node::is_empty) {
            self.nodes.remove(key);
        }
    }
}

/// The text of a TXT record in wire form, in strings of at most 255 bytes.
pub(crate) fn txt(text: &str) -> Box<[u8]> {
    let mut wire = Vec::with_capacity(text.len() + 1 + text.len() / CHARACTER_STRING_MAX);
    let bytes = text.as_bytes();
    let chunks = bytes.chunks(CHARACTER_STRING_MAX).chain(bytes.is_empty().then_some(bytes));
    for chunk in chunks {
        wire.push(u8::try_from(chunk.len()).unwrap_or(u8::MAX));
        wire.extend_from_slice(chunk);
    }
    wire.into()
}

/// A CAA record (RFC 8659) in wire form; `None` when the tag cannot be one.
pub(crate) fn caa(flags: u8, tag: &str, value: &str) -> Option<Box<[u8]>> {
    let length = u8::try_from(tag.len()).ok().filter(|length| *length > 0)?;
    Some([&[flags, length], tag.as_bytes(), value.as_bytes()].concat().into())
}

/// The value of a record of any type, written as in a zone file (for TXT: the text itself), in wire form.
pub(crate) fn value(kind: RecordType, text: &str) -> Option<Box<[u8]>> {
    match kind {
        RecordType::TXT => return Some(txt(text)),
        RecordType::CNAME | RecordType::NS | RecordType::PTR => {
            return super::names::wire(text).filter(|_| !text.is_empty()).map(Into::into);
        }
        _ => {}
    }
    let data = RData::try_from_str(kind, text).ok()?;
    let mut wire = Vec::new();
    let mut encoder = BinEncoder::new(&mut wire);
    // A pointer to another name would point elsewhere in a message.
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).ok()?;
    u16::try_from(wire.len()).ok()?;
    Some(wire.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Box<[u8]> {
        super::super::names::key(text).unwrap()
    }

    #[test]
    fn texts_are_split() {
        assert_eq!(&*txt(""), [0]);
        assert_eq!(&*txt("ab"), b"\x02ab");
        let long = txt(&"x".repeat(600));
        assert_eq!((long.len(), long[0], long[256], long[512]), (603, 255, 255, 90));
    }

    #[test]
    fn values_of_other_types() {
        assert_eq!(&*value(RecordType::MX, "10 mail.a.test").unwrap(), b"\x00\x0a\x04mail\x01a\x04test\x00");
        let srv = value(RecordType::SRV, "0 5 443 a.test").unwrap();
        assert_eq!(&*srv, b"\x00\x00\x00\x05\x01\xbb\x01a\x04test\x00");
        assert_eq!(&*value(RecordType::NS, "ns1.a.test.").unwrap(), b"\x03ns1\x01a\x04test\x00");
        assert_eq!(&*value(RecordType::CAA, "128 issue \"ca.test\"").unwrap(), b"\x80\x05issueca.test");
        let soa = value(RecordType::SOA, "ns.a.test h.a.test 1 2 3 4 5").unwrap();
        assert_eq!(soa.len(), 11 + 10 + 20, "names are written out");
        for (kind, bad) in [(RecordType::A, "::1"), (RecordType::MX, "mail"), (RecordType::NS, "")] {
            assert_eq!(value(kind, bad), None, "{kind} {bad}");
        }
    }

    #[test]
    fn values_come_and_go() {
        let mut records = Records::new(10, 2);
        for text in ["one", "two", "two", "three"] {
            records.add(key("a."), TXT, 0, vec![txt(text)]);
        }
        let values = |records: &Records| records.node(&key("a")).map_or(0, |n| n.sets[0].values.len());
        assert_eq!(values(&records), 2, "the oldest are dropped");
        assert_eq!(records.remove(&key("a"), TXT, Some(&txt("none"))), 0);
        assert_eq!(records.remove(&key("a"), TXT, Some(&txt("three"))), 1);
        assert_eq!(values(&records), 1);
        assert_eq!(records.remove(&key("a"), TXT, None), 1);
        assert!(records.node(&key("a")).is_none(), "a name without anything is forgotten");
        assert!(!records.knows(15));
        records.add(key("a"), 15, 0, vec![txt("")]);
        assert!(records.knows(15));
    }

    #[test]
    fn faults_are_used_up() {
        let mut records = Records::new(10, 10);
        let fault = Fault { kind: Some(TXT), code: Some(3), times: Some(2), ..Fault::default() };
        records.set_fault(key("a"), fault);
        assert!(records.strike(&key("a"), A).is_none());
        assert!(records.strike(&key("a"), TXT).is_some());
        assert!(records.strike(&key("a"), TXT).is_some());
        assert!(records.strike(&key("a"), TXT).is_none());
        records.set_fault(key("a"), Fault::default());
        assert!(records.strike(&key("a"), A).is_some(), "every type, without end");
        assert!(records.clear_fault(&key("a"), None) && !records.clear_fault(&key("a"), None));
    }
}
