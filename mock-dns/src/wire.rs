//! Answers in wire form: names compressed, owners in the case they were asked for, cut to what the
//! transport carries.

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder};

use crate::answer::{Answer, Part};
use crate::journal::Transport;

/// Length of a DNS header.
pub(crate) const HEADER: usize = 12;
/// What a datagram carries to a client that does not say (RFC 1035 section 4.2.1).
const DATAGRAM_DEFAULT: u16 = 512;
/// Length of an OPT record without options.
const OPT: u16 = 11;
/// The option that explains an error (RFC 8914), and its code for answers that do not validate.
const EXTENDED_ERROR: u16 = 15;
const DNSSEC_BOGUS: u16 = 6;

const RESPONSE: u8 = 0x80;
const AUTHORITATIVE: u8 = 0x04;
const TRUNCATED: u8 = 0x02;
const RECURSION_DESIRED: u8 = 0x01;
const CHECKING_DISABLED: u8 = 0x10;

/// An answer in wire form.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) bytes: Vec<u8>,
    /// How many records its answer section has.
    pub(crate) answers: u16,
    pub(crate) truncated: bool,
}

/// What is said besides the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// No records, and the mark that there are more.
    pub(crate) truncate: bool,
    /// Records last to first, in every section.
    pub(crate) reverse: bool,
    /// The extended error that validation failed.
    pub(crate) bogus: bool,
}

/// A header alone: the query's id, operation and RD flag, and FORMERR.
pub(crate) fn form_error(query: [u8; HEADER]) -> Vec<u8> {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&query[..2]);
    header[2] = RESPONSE | (query[2] & 0x79);
    header[3] = ResponseCode::FormErr.low();
    header.to_vec()
}

/// What the client can take over this transport.
fn limit(request: &Message, transport: Transport, payload: u16) -> u16 {
    match (transport, &request.edns) {
        (Transport::Tcp | Transport::Https, _) => u16::MAX,
        (Transport::Udp, None) => DATAGRAM_DEFAULT,
        // Values below 512 mean 512 (RFC 6891 section 6.2.3).
        (Transport::Udp, Some(edns)) => edns.max_payload().min(payload).max(DATAGRAM_DEFAULT),
    }
}

/// The OPT record of the answer, to a client that sent one.
fn opt(request: &Message, payload: u16, code: ResponseCode, manner: Manner) -> Option<Edns> {
    let asked = request.edns.as_ref()?;
    let mut edns = Edns::new();
    edns.set_max_payload(payload).set_version(0).set_rcode_high(code.high());
    edns.set_dnssec_ok(asked.flags().dnssec_ok);
    if manner.bogus {
        edns.options_mut().insert(EdnsOption::Unknown(EXTENDED_ERROR, DNSSEC_BOGUS.to_be_bytes().to_vec()));
    }
    Some(edns)
}

/// The answer to `request`. `payload` is the largest datagram that this server sends and takes; `signature`
/// bytes are left free.
pub(crate) fn encode(
    request: &Message,
    answer: &Answer,
    manner: Manner,
    transport: Transport,
    payload: u16,
    signature: u16,
) -> Result<Wire, ProtoError> {
    let limit = limit(request, transport, payload).saturating_sub(signature);
    let edns = opt(request, payload, answer.code, manner);
    let reserved = if edns.is_none() { 0 } else { OPT + if manner.bogus { 6 } else { 0 } };
    let mut bytes = Vec::with_capacity(usize::from(DATAGRAM_DEFAULT));
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit - reserved);
    encoder.emit_vec(&[0; HEADER])?;
    let mut questions = 0;
    for query in &request.queries {
        query.emit(&mut encoder)?;
        questions += 1;
    }
    let mut truncated = manner.truncate && transport == Transport::Udp;
    let (mut answers, mut authorities, mut additionals) = (0, 0, 0);
    if !truncated {
        truncated = section(&mut encoder, &answer.answers, manner.reverse, &mut answers).is_err()
            || section(&mut encoder, &answer.authorities, manner.reverse, &mut authorities).is_err();
    }
    // Other records than glue may be left out (RFC 2181 section 9).
    if !truncated && section(&mut encoder, &answer.additionals, manner.reverse, &mut additionals).is_err() {
        truncated = answer.needs_additionals;
    }
    encoder.set_max_size(limit);
    if let Some(edns) = edns {
        edns.emit(&mut encoder)?;
        additionals += 1;
    }
    let mut flags = RESPONSE | (u8::from(request.metadata.op_code) << 3);
    for (set, flag) in [
        (answer.authoritative, AUTHORITATIVE),
        (truncated, TRUNCATED),
        (request.metadata.recursion_desired, RECURSION_DESIRED),
    ] {
        flags |= if set { flag } else { 0 };
    }
    let checking = if request.metadata.checking_disabled { CHECKING_DISABLED } else { 0 };
    let [id_high, id_low] = request.metadata.id.to_be_bytes();
    let mut header = vec![id_high, id_low, flags, checking | answer.code.low()];
    for count in [questions, answers, authorities, additionals] {
        header.extend(u16::to_be_bytes(count));
    }
    for (to, from) in bytes.iter_mut().zip(header) {
        *to = from;
    }
    Ok(Wire { bytes, answers, truncated })
}

/// Writes the sets that fit; a set that does not is left out whole, with all after it.
fn section(
    encoder: &mut BinEncoder<'_>,
    parts: &[Part],
    reverse: bool,
    count: &mut u16,
) -> Result<(), ProtoError> {
    for at in 0..parts.len() {
        let Some(part) = parts.get(if reverse { parts.len() - 1 - at } else { at }) else { break };
        let (start, before) = (encoder.offset(), *count);
        if let Err(error) = part_records(encoder, part, reverse, count) {
            encoder.set_offset(start);
            encoder.trim();
            *count = before;
            return Err(error);
        }
    }
    Ok(())
}

fn part_records(
    encoder: &mut BinEncoder<'_>,
    part: &Part,
    reverse: bool,
    count: &mut u16,
) -> Result<(), ProtoError> {
    let owner: &Name = part.owner.as_ref().unwrap_or(&part.set.name);
    for at in 0..part.set.values.len() {
        let Some(data) = part.set.values.get(if reverse { part.set.values.len() - 1 - at } else { at })
        else {
            break;
        };
        owner.emit(encoder)?;
        part.set.kind.emit(encoder)?;
        DNSClass::IN.emit(encoder)?;
        encoder.emit_u32(part.ttl.unwrap_or(part.set.ttl))?;
        let place = encoder.place::<u16>()?;
        data.emit(encoder)?;
        let length = u16::try_from(encoder.len_since_place(&place)).unwrap_or(u16::MAX);
        place.replace(encoder, length)?;
        *count += 1;
    }
    Ok(())
}

/// Whether a message asks for records.
pub(crate) fn is_query(request: &Message) -> bool {
    request.metadata.op_code == OpCode::Query
}

/// Whether a message asks for changes.
pub(crate) fn is_update(request: &Message) -> bool {
    request.metadata.op_code == OpCode::Update
}
