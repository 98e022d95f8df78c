//! Changes of zones by UPDATE messages (RFC 2136), and who may make them (TSIG, RFC 8945).

use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, LowerName, RData, Record, RecordType};
use world::Timestamp;
use world::tsig::{self, Algorithm, Key, Malformed, Signature, TsigError};

use crate::config::Updates;
use crate::error::ZoneError;
use crate::rdata::{full_name, is_meta};
use crate::server::Dns;
use crate::zone::{Edit, Records};

/// Who may write.
#[derive(Debug)]
pub(crate) struct Writers {
    keys: Vec<Writer>,
    unsigned: bool,
}

/// A key, and the zones that it may change; none is all.
#[derive(Debug)]
pub(crate) struct Writer {
    key: Key,
    zones: Vec<LowerName>,
}

/// What a message proves about its sender.
#[derive(Debug)]
pub(crate) enum Proof<'a> {
    /// It is not signed.
    Unsigned,
    /// It is signed with this key.
    Signed(&'a Writer, Signature),
    /// Its signature is no good. A key that is known signs the answer when only the time is wrong.
    Refused(Option<&'a Writer>, Signature, TsigError),
}

/// An update, and who sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Message,
    pub(crate) key: Option<&'a Writer>,
    pub(crate) from: IpAddr,
}

impl Writers {
    pub(crate) fn new(config: &Updates) -> Result<Self, ZoneError> {
        let mut keys: Vec<Writer> = Vec::new();
        for key in &config.keys {
            let algorithm = Algorithm::from_name(&key.algorithm).ok_or_else(|| ZoneError::Algorithm {
                key: key.name.clone(),
                algorithm: key.algorithm.clone(),
            })?;
            let zones: Result<Vec<LowerName>, ZoneError> =
                key.zones.iter().map(|zone| origin(zone)).collect();
            keys.push(Writer { key: Key::new(&key.name, algorithm, &key.secret)?, zones: zones? });
        }
        Ok(Writers { keys, unsigned: config.unsigned })
    }

    /// What a message proves, `now`.
    pub(crate) fn check(&self, message: &[u8], now: Timestamp) -> Result<Proof<'_>, Malformed> {
        let Some(signed) = tsig::find(message)? else { return Ok(Proof::Unsigned) };
        let writer = self.keys.iter().find(|writer| writer.key.is_of(&signed.signature));
        let Some(writer) = writer else {
            return Ok(Proof::Refused(None, signed.signature, TsigError::BadKey));
        };
        Ok(match writer.key.verify(&signed, now, None) {
            Ok(()) => Proof::Signed(writer, signed.signature),
            Err(error) => Proof::Refused(Some(writer), signed.signature, error),
        })
    }

    fn may(&self, key: Option<&Writer>, zone: &LowerName) -> bool {
        match key {
            Some(writer) => writer.zones.is_empty() || writer.zones.contains(zone),
            None => self.unsigned,
        }
    }
}

fn origin(zone: &str) -> Result<LowerName, ZoneError> {
    let name = full_name(zone).ok_or_else(|| ZoneError::BadZoneName { zone: zone.to_owned() })?;
    Ok(LowerName::new(&name))
}

impl<'a> Proof<'a> {
    /// The code of the answer when the signature is no good.
    pub(crate) fn refusal(&self) -> Option<ResponseCode> {
        matches!(self, Proof::Refused(..)).then_some(ResponseCode::NotAuth)
    }

    pub(crate) fn key(&self) -> Option<&'a Writer> {
        match self {
            Proof::Signed(writer, _) => Some(writer),
            _ => None,
        }
    }

    /// How much longer the answer gets.
    pub(crate) fn signature_bytes(&self) -> u16 {
        let key = match self {
            Proof::Signed(writer, _) => Some(writer),
            _ => None,
        };
        key.map_or(0, |writer| u16::try_from(writer.key.signature_bytes()).unwrap_or(u16::MAX))
    }

    /// The answer, signed as the message was.
    pub(crate) fn sign(&self, answer: Vec<u8>, now: Timestamp) -> Vec<u8> {
        match self {
            Proof::Unsigned => answer,
            Proof::Signed(writer, signature) => writer.key.sign_answer(answer, now, signature, None),
            Proof::Refused(Some(writer), signature, error @ TsigError::BadTime) => {
                writer.key.sign_answer(answer, now, signature, Some(*error))
            }
            Proof::Refused(_, signature, error) => signature.refused(answer, *error),
        }
    }
}

impl Dns {
    /// Makes the changes of an update in the zones that its sender sees, all or none; how many there were.
    pub(crate) fn update(&self, asked: &Asked<'_>) -> Result<usize, ResponseCode> {
        let [zone] = asked.request.queries.as_slice() else { return Err(ResponseCode::FormErr) };
        if zone.query_type() != RecordType::SOA || zone.query_class() != DNSClass::IN {
            return Err(ResponseCode::FormErr);
        }
        let origin = LowerName::new(zone.name());
        let dns = self.seen_from(asked.from);
        let Some(live) = dns.zone_at(&origin) else { return Err(ResponseCode::NotAuth) };
        if !self.shared.writers.may(asked.key, &origin) {
            return Err(ResponseCode::Refused);
        }
        dns.edit_all(&live, |records| edits(records, asked.request))
    }
}

/// What an update does to a zone, once its prerequisites hold (RFC 2136 sections 3.2 and 3.4).
fn edits(records: &Records, request: &Message) -> Result<Vec<Edit>, ResponseCode> {
    prerequisites(records, &request.answers)?;
    for record in &request.authorities {
        prescan(records, record)?;
    }
    let (mut edits, mut after) = (Vec::new(), records.clone());
    for record in &request.authorities {
        for edit in edits_of(&after, record) {
            // An alias and other records do not share a name: the update is silently left out.
            if after.check(&edit).is_ok() {
                after.apply(&edit);
                edits.push(edit);
            }
        }
    }
    Ok(edits)
}

fn is_empty(record: &Record) -> bool {
    matches!(record.data, RData::Update0(_))
}

fn within(records: &Records, record: &Record) -> Result<LowerName, ResponseCode> {
    let name = LowerName::new(&record.name);
    if records.origin.zone_of(&name) { Ok(name) } else { Err(ResponseCode::NotZone) }
}

fn prerequisites(records: &Records, required: &[Record]) -> Result<(), ResponseCode> {
    let mut exact: Vec<(LowerName, RecordType, Vec<&RData>)> = Vec::new();
    for record in required {
        let (name, kind) = (within(records, record)?, record.record_type());
        if record.ttl != 0 || (record.dns_class != DNSClass::IN && !is_empty(record)) {
            return Err(ResponseCode::FormErr);
        }
        let used = records.sets_of(&name).next().is_some();
        let there = records.get(&name, kind).is_some();
        match (record.dns_class, kind) {
            (DNSClass::ANY, RecordType::ANY) if !used => return Err(ResponseCode::NXDomain),
            (DNSClass::NONE, RecordType::ANY) if used => return Err(ResponseCode::YXDomain),
            (DNSClass::ANY | DNSClass::NONE, RecordType::ANY) => {}
            (DNSClass::ANY, _) if !there => return Err(ResponseCode::NXRRSet),
            (DNSClass::NONE, _) if there => return Err(ResponseCode::YXRRSet),
            (DNSClass::ANY | DNSClass::NONE, _) => {}
            (DNSClass::IN, _) => match exact.iter_mut().find(|e| e.0 == name && e.1 == kind) {
                Some((_, _, values)) => values.push(&record.data),
                None => exact.push((name, kind, vec![&record.data])),
            },
            _ => return Err(ResponseCode::FormErr),
        }
    }
    for (name, kind, values) in exact {
        let there: &[RData] = records.get(&name, kind).map_or(&[], |set| &set.values);
        let same = there.len() == values.len() && there.iter().all(|value| values.contains(&value));
        if !same {
            return Err(ResponseCode::NXRRSet);
        }
    }
    Ok(())
}

/// Whether a record of the update section is one of the four kinds that there are.
fn prescan(records: &Records, record: &Record) -> Result<(), ResponseCode> {
    within(records, record)?;
    let (kind, empty) = (record.record_type(), is_empty(record));
    let good = match record.dns_class {
        DNSClass::IN => !is_meta(kind) && !empty,
        DNSClass::ANY => record.ttl == 0 && empty && (kind == RecordType::ANY || !is_meta(kind)),
        DNSClass::NONE => record.ttl == 0 && !is_meta(kind),
        _ => false,
    };
    if good { Ok(()) } else { Err(ResponseCode::FormErr) }
}

/// What one record of the update section does. The start of authority, and the last nameserver, stay.
fn edits_of(records: &Records, record: &Record) -> Vec<Edit> {
    let (name, kind) = (LowerName::new(&record.name), record.record_type());
    let apex = name == records.origin;
    let kept = |kind: RecordType| apex && matches!(kind, RecordType::SOA | RecordType::NS);
    let cleared = |kind| Edit::Set { name: name.clone(), kind, ttl: 0, values: Vec::new() };
    match record.dns_class {
        // Serial numbers are this server's own.
        DNSClass::IN if kind == RecordType::SOA => Vec::new(),
        DNSClass::IN => vec![Edit::Add { name, ttl: record.ttl, data: record.data.clone() }],
        DNSClass::ANY if kind == RecordType::ANY => {
            let kinds: Vec<_> = records.sets_of(&name).map(|set| set.kind).filter(|k| !kept(*k)).collect();
            kinds.into_iter().map(cleared).collect()
        }
        DNSClass::ANY if kept(kind) => Vec::new(),
        DNSClass::ANY => vec![cleared(kind)],
        _ if kind == RecordType::SOA => Vec::new(),
        _ if kept(kind) && records.get(&name, kind).is_some_and(|set| set.values.len() == 1) => Vec::new(),
        _ => vec![Edit::Remove { name, data: record.data.clone() }],
    }
}
