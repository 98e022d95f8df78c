//! Reading a query: its header, its one question, and its EDNS record. No memory is asked for.

use super::names::NAME_MAX;

/// Length of a message's header.
pub(crate) const HEADER: usize = 12;
/// The type of EDNS's record (RFC 6891).
pub(crate) const OPT: u16 = 41;
/// What a datagram carries to a client that does not say (RFC 1035 section 4.2.1).
const DATAGRAM_DEFAULT: u16 = 512;
/// The largest datagram that is sent, whatever the client takes.
pub(crate) const DATAGRAM_MAX: u16 = 4096;

const FORMERR: u8 = 1;
const NOTIMP: u8 = 4;

/// A query with one question.
#[derive(Debug)]
pub(crate) struct Question<'q> {
    /// Header and question, as they came: what an answer begins with.
    pub(crate) head: &'q [u8],
    /// The name as it was asked for, in wire form.
    pub(crate) name: &'q [u8],
    key: [u8; NAME_MAX],
    /// The type that was asked for.
    pub(crate) kind: u16,
    /// The class, which is answered whatever it is.
    pub(crate) class: u16,
    /// EDNS, when the client speaks it.
    pub(crate) edns: Option<Edns>,
}

/// What the client says of itself (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edns {
    pub(crate) payload: u16,
    pub(crate) version: u8,
}

/// Why there is no question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is no query at all: nothing is answered, so that no two servers ever talk in a circle.
    Silence,
    /// It is answered with this code.
    Code(u8),
}

impl Question<'_> {
    /// The name in lower case.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key[..self.name.len()]
    }

    /// How many bytes a datagram to this client may have.
    pub(crate) fn datagram_max(&self) -> usize {
        let says = self.edns.map_or(DATAGRAM_DEFAULT, |edns| edns.payload.min(DATAGRAM_MAX));
        usize::from(says.max(DATAGRAM_DEFAULT))
    }
}

fn u16_at(wire: &[u8], at: usize) -> Option<u16> {
    wire.get(at..at + 2)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// Where the name that begins at `at` ends. `pointers` says whether it may end in one.
fn name_end(wire: &[u8], mut at: usize, pointers: bool) -> Option<usize> {
    let start = at;
    loop {
        let length = *wire.get(at)?;
        match length {
            0 => return Some(at + 1),
            1..=63 => at += 1 + usize::from(length),
            0xc0.. if pointers => return (at + 2 <= wire.len()).then_some(at + 2),
            _ => return None,
        }
        if at - start >= NAME_MAX {
            return None;
        }
    }
}

/// Reads a query.
pub(crate) fn read(wire: &[u8]) -> Result<Question<'_>, Unreadable> {
    let header: &[u8; HEADER] = wire.first_chunk().ok_or(Unreadable::Silence)?;
    if header[2] & 0x80 != 0 {
        return Err(Unreadable::Silence);
    }
    if header[2] & 0x78 != 0 {
        return Err(Unreadable::Code(NOTIMP));
    }
    parse(wire, header).ok_or(Unreadable::Code(FORMERR))
}

fn parse<'q>(wire: &'q [u8], header: &[u8; HEADER]) -> Option<Question<'q>> {
    if header[4..6] != [0, 1] {
        return None;
    }
    let end = name_end(wire, HEADER, false)?;
    let name = wire.get(HEADER..end)?;
    let (kind, class) = (u16_at(wire, end)?, u16_at(wire, end + 2)?);
    let head = wire.get(..end + 4)?;
    let mut edns = None;
    let mut at = end + 4;
    let records: u32 = [6, 8, 10].iter().map(|at| u16_at(header, *at).map_or(0, u32::from)).sum();
    for _ in 0..records {
        let owner = at;
        at = name_end(wire, at, true)?;
        let (kind, class, length) = (u16_at(wire, at)?, u16_at(wire, at + 2)?, u16_at(wire, at + 8)?);
        if kind == OPT {
            if edns.is_some() || wire.get(owner) != Some(&0) {
                return None;
            }
            edns = Some(Edns { payload: class, version: *wire.get(at + 5)? });
        }
        at += 10 + usize::from(length);
        if at > wire.len() {
            return None;
        }
    }
    let mut key = [0; NAME_MAX];
    let lower = key.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    Some(Question { head, name, key, kind, class, edns })
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::{Edns as ProtoEdns, Message, MessageType, OpCode, Query};
    use hickory_proto::rr::{Name, RecordType};
    use proptest::prelude::*;

    use super::*;

    fn query(name: &str, edns: Option<u16>) -> Vec<u8> {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::TXT));
        if let Some(payload) = edns {
            let mut edns = ProtoEdns::new();
            edns.set_max_payload(payload);
            message.set_edns(edns);
        }
        message.to_vec().unwrap()
    }

    #[test]
    fn a_question_is_read() {
        let wire = query("wWw.Example.test.", None);
        let question = read(&wire).unwrap();
        assert_eq!(question.name, b"\x03wWw\x07Example\x04test\x00");
        assert_eq!(question.key(), b"\x03www\x07example\x04test\x00");
        assert_eq!((question.kind, question.class, question.edns), (16, 1, None));
        assert_eq!((question.head, question.datagram_max()), (&wire[..], 512));
        for (payload, max) in [(100, 512), (1232, 1232), (65535, 4096)] {
            assert_eq!(read(&query("a.", Some(payload))).unwrap().datagram_max(), max);
        }
    }

    #[test]
    fn what_is_no_query_is_not_answered_and_what_is_broken_is_formerr() {
        let good = query("a.test.", Some(1232));
        assert_eq!(read(&good[..11]).unwrap_err(), Unreadable::Silence);
        let with = |at: usize, byte: u8| {
            let mut wire = good.clone();
            wire[at] = byte;
            read(&wire).unwrap_err()
        };
        assert_eq!(with(2, 0x80), Unreadable::Silence);
        assert_eq!(with(2, 0x10), Unreadable::Code(NOTIMP));
        for (at, byte) in [(5, 0), (5, 2), (11, 2), (12, 64), (12, 0xc0), (12, 63)] {
            assert_eq!(with(at, byte), Unreadable::Code(FORMERR), "{at}");
        }
        for cut in 12..good.len() {
            assert_eq!(read(&good[..cut]).unwrap_err(), Unreadable::Code(FORMERR));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(wire in prop::collection::vec(any::<u8>(), 0..300), head in any::<bool>()) {
            let mut wire = wire;
            if head && wire.len() > 12 {
                wire[2..12].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 1]);
            }
            if let Ok(question) = read(&wire) {
                prop_assert!(question.name.len() <= NAME_MAX);
                prop_assert_eq!(question.head.len(), 12 + question.name.len() + 4);
            }
        }
    }
}
