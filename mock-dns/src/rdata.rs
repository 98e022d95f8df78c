//! Names and values as configuration writes them, turned into hickory's.

use hickory_proto::rr::rdata::{CNAME, NS, PTR, TXT};
use hickory_proto::rr::{LowerName, Name, RData, RecordType};

use crate::error::ZoneError;

/// A character-string holds at most this many bytes (RFC 1035 section 3.3).
const CHARACTER_STRING_MAX: usize = 255;

/// A full name, with or without its final dot.
pub(crate) fn full_name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok().filter(|_| !text.is_empty())?;
    name.set_fqdn(true);
    Some(name)
}

/// The owner of a record in `zone`: relative, `@`, or a full name within the zone.
pub(crate) fn owner(zone: &Name, text: &str, kind: RecordType) -> Result<LowerName, ZoneError> {
    let bad = || ZoneError::BadOwner { zone: zone_text(zone), name: text.to_owned(), kind };
    if text == "@" {
        return Ok(zone.into());
    }
    let name = full_name(text).ok_or_else(bad)?;
    if zone.zone_of(&name) && (!zone.is_root() || text.ends_with('.')) {
        return Ok(LowerName::new(&name));
    }
    if text.ends_with('.') {
        return Err(bad());
    }
    let relative = Name::from_ascii(text).map_err(|_| bad())?;
    let mut name = relative.append_domain(zone).map_err(|_| bad())?;
    name.set_fqdn(true);
    Ok(LowerName::new(&name))
}

/// A zone's name as messages have it: without the final dot.
pub(crate) fn zone_text(zone: &Name) -> String {
    let text = zone.to_ascii();
    if zone.is_root() { text } else { text.trim_end_matches('.').to_owned() }
}

/// The value of a record of `kind` owned by `name` in `zone`.
pub(crate) fn value(zone: &Name, name: &str, kind: RecordType, text: &str) -> Result<RData, ZoneError> {
    parse_value(zone, kind, text).ok_or_else(|| ZoneError::BadValue {
        zone: zone_text(zone),
        name: name.to_owned(),
        kind,
        value: text.to_owned(),
        expected: expected(kind),
    })
}

fn parse_value(zone: &Name, kind: RecordType, text: &str) -> Option<RData> {
    let name = |text: &str| if text == "@" { Some(zone.clone()) } else { full_name(text) };
    Some(match kind {
        RecordType::TXT => {
            let strings: Vec<&[u8]> = match text {
                "" => vec![b""],
                _ => text.as_bytes().chunks(CHARACTER_STRING_MAX).collect(),
            };
            RData::TXT(TXT::from_bytes(strings))
        }
        RecordType::CNAME => RData::CNAME(CNAME(name(text)?)),
        RecordType::NS => RData::NS(NS(name(text)?)),
        RecordType::PTR => RData::PTR(PTR(name(text)?)),
        // The zone's own is made from its `soa`.
        RecordType::SOA => return None,
        _ => match RData::try_from_str(kind, text).ok()? {
            RData::MX(mut mx) => {
                mx.exchange.set_fqdn(true);
                RData::MX(mx)
            }
            RData::SRV(mut srv) => {
                srv.target.set_fqdn(true);
                RData::SRV(srv)
            }
            other => other,
        },
    })
}

/// A value as [`value`] reads it.
pub(crate) fn value_text(data: &RData) -> String {
    match data {
        RData::TXT(txt) => {
            let bytes: Vec<u8> = txt.txt_data.iter().flat_map(|s| s.iter().copied()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        other => other.to_string(),
    }
}

fn expected(kind: RecordType) -> &'static str {
    match kind {
        RecordType::A => "an IPv4 address such as 10.0.0.80",
        RecordType::AAAA => "an IPv6 address such as fd00::80",
        RecordType::CAA => "flags, tag and value such as 0 issue \"letsencrypt.org\"",
        RecordType::CNAME | RecordType::NS | RecordType::PTR => "a full domain name such as www.example.test",
        RecordType::MX => "preference and a full domain name such as 10 mail.example.test",
        RecordType::SRV => "priority, weight, port and a full domain name such as 0 5 443 www.example.test",
        RecordType::SOA => "no SOA record here: the zone's own `soa` makes it",
        _ => "a value of this type as in a zone file, and a type that can be served",
    }
}
