//! Names and values: the text that configurations, zone files and APIs write, turned into hickory's types
//! and back.

mod tokens;

use std::str::FromStr as _;

use hickory_proto::rr::rdata::{A, AAAA, CAA, CNAME, MX, NS, NULL, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{LowerName, Name, RData, RecordType};

use crate::error::ZoneError;
pub(crate) use tokens::{Entries, Token, quoted};
use tokens::{one_entry, string, unescaped};

/// A character-string holds at most this many bytes (RFC 1035 section 3.3).
const CHARACTER_STRING_MAX: usize = 255;

/// A name, completed by `origin` when it does not end with a dot; without an origin it has to.
pub(crate) fn name(text: &str, origin: Option<&Name>) -> Option<Name> {
    match text {
        "@" => return origin.cloned(),
        "." => return Some(Name::root()),
        _ => {}
    }
    let mut labels: Vec<Vec<u8>> = vec![Vec::new()];
    for (byte, escaped) in unescaped(text)? {
        match byte {
            b'.' if !escaped => labels.push(Vec::new()),
            _ if escaped || byte.is_ascii_graphic() => labels.last_mut()?.push(byte),
            _ => return None,
        }
    }
    let complete = labels.len() > 1 && labels.last().is_some_and(Vec::is_empty);
    if complete {
        labels.pop();
    }
    if labels.iter().any(Vec::is_empty) {
        return None;
    }
    let name = Name::from_labels(labels.iter().map(Vec::as_slice)).ok()?;
    let mut name = if complete { name } else { name.append_name(origin?).ok()? };
    name.set_fqdn(true);
    Some(name)
}

/// A full name, with or without its final dot.
pub(crate) fn full_name(text: &str) -> Option<Name> {
    name(text, Some(&Name::root())).filter(|_| text != "@")
}

/// The owner of a record in `zone`: relative, `@`, or a full name within the zone.
pub(crate) fn owner(zone: &Name, text: &str, kind: RecordType) -> Result<LowerName, ZoneError> {
    let bad = || ZoneError::BadOwner { zone: zone_text(zone), name: text.to_owned(), kind };
    if text == "@" {
        return Ok(zone.into());
    }
    let full = full_name(text).ok_or_else(bad)?;
    if zone.zone_of(&full) && (!zone.is_root() || text.ends_with('.')) {
        return Ok(LowerName::new(&full));
    }
    if text.ends_with('.') {
        return Err(bad());
    }
    Ok(LowerName::new(&name(text, Some(zone)).ok_or_else(bad)?))
}

/// A zone's name as messages have it: without the final dot.
pub(crate) fn zone_text(zone: &Name) -> String {
    let text = zone.to_ascii();
    if zone.is_root() { text } else { text.trim_end_matches('.').to_owned() }
}

/// A type's mnemonic, or `TYPE` and its number (RFC 3597).
pub(crate) fn record_type(text: &str) -> Option<RecordType> {
    let text = text.to_ascii_uppercase();
    let number = text.strip_prefix("TYPE").and_then(|digits| digits.parse::<u16>().ok());
    number.map(RecordType::from).or_else(|| RecordType::from_str(&text).ok())
}

/// A type as [`record_type`] reads it: what has no mnemonic that is read is `TYPE` and its number.
pub(crate) fn type_text(kind: RecordType) -> String {
    let mnemonic = kind.to_string();
    if record_type(&mnemonic) == Some(kind) { mnemonic } else { format!("TYPE{}", u16::from(kind)) }
}

/// Whether a type stands for a question or for the protocol's own needs: no zone holds it.
pub(crate) fn is_meta(kind: RecordType) -> bool {
    matches!(u16::from(kind), 0 | 41 | 128..=255)
}

/// The value of a record of `kind` owned by `name` in `zone`: for TXT the text itself, for other types as
/// in a zone file, except that names in it are always full names.
pub(crate) fn value(zone: &Name, name: &str, kind: RecordType, text: &str) -> Result<RData, ZoneError> {
    let parsed = match kind {
        RecordType::TXT => Some(txt(text.as_bytes())),
        // The zone's own is made from its `soa`.
        RecordType::SOA => None,
        _ => one_entry(text).and_then(|tokens| from_tokens(kind, &tokens, &Names::Full(zone))),
    };
    parsed.ok_or_else(|| ZoneError::BadValue {
        zone: zone_text(zone),
        name: name.to_owned(),
        kind,
        value: text.to_owned(),
        expected: expected(kind),
    })
}

/// A text of any length, as character-strings of the greatest length.
fn txt(bytes: &[u8]) -> RData {
    let strings: Vec<&[u8]> = match bytes {
        [] => vec![b""],
        _ => bytes.chunks(CHARACTER_STRING_MAX).collect(),
    };
    RData::TXT(TXT::from_bytes(strings))
}

/// How the names in a value are meant.
pub(crate) enum Names<'a> {
    /// As full names, `@` being the zone.
    Full(&'a Name),
    /// Relative to the origin, unless they end with a dot.
    Relative(&'a Name),
}

impl Names<'_> {
    fn read(&self, text: &str) -> Option<Name> {
        match self {
            Names::Full(zone) if text == "@" => Some((*zone).clone()),
            Names::Full(_) => full_name(text),
            Names::Relative(origin) => name(text, Some(origin)),
        }
    }
}

/// A value from its tokens; `None` when they do not fit the type.
pub(crate) fn from_tokens(kind: RecordType, tokens: &[Token], names: &Names<'_>) -> Option<RData> {
    if is_meta(kind) {
        return None;
    }
    if tokens.first().is_some_and(|t| t.text == "\\#" && !t.quoted) {
        return generic(kind, tokens);
    }
    let words: Vec<&str> = tokens.iter().map(|t| t.text.as_str()).collect();
    Some(match (kind, words.as_slice()) {
        (RecordType::A, [ip]) => RData::A(A(ip.parse().ok()?)),
        (RecordType::AAAA, [ip]) => RData::AAAA(AAAA(ip.parse().ok()?)),
        (RecordType::CNAME, [target]) => RData::CNAME(CNAME(names.read(target)?)),
        (RecordType::NS, [target]) => RData::NS(NS(names.read(target)?)),
        (RecordType::PTR, [target]) => RData::PTR(PTR(names.read(target)?)),
        (RecordType::MX, [preference, host]) => {
            RData::MX(MX::new(preference.parse().ok()?, names.read(host)?))
        }
        (RecordType::SRV, [priority, weight, port, target]) => RData::SRV(SRV::new(
            priority.parse().ok()?,
            weight.parse().ok()?,
            port.parse().ok()?,
            names.read(target)?,
        )),
        (RecordType::SOA, [mname, rname, serial, refresh, retry, expire, minimum]) => {
            let seconds = |text: &str| i32::try_from(ttl(text)?).ok();
            RData::SOA(SOA::new(
                names.read(mname)?,
                names.read(rname)?,
                serial.parse().ok()?,
                seconds(refresh)?,
                seconds(retry)?,
                seconds(expire)?,
                ttl(minimum)?,
            ))
        }
        (RecordType::CAA, [flags, tag, value]) => caa(flags.parse().ok()?, tag, string(value)?)?,
        (RecordType::TXT, [_, ..]) => {
            let strings: Option<Vec<Vec<u8>>> = words.iter().map(|text| string(text)).collect();
            let strings = strings?;
            if strings.iter().any(|s| s.len() > CHARACTER_STRING_MAX) {
                return None;
            }
            RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect()))
        }
        (
            RecordType::A
            | RecordType::AAAA
            | RecordType::CNAME
            | RecordType::NS
            | RecordType::PTR
            | RecordType::MX
            | RecordType::SRV
            | RecordType::SOA
            | RecordType::CAA
            | RecordType::TXT,
            _,
        ) => return None,
        _ => {
            let text: Vec<String> = tokens
                .iter()
                .map(|t| if t.quoted { format!("\"{}\"", t.text) } else { t.text.clone() })
                .collect();
            RData::try_from_str(kind, &text.join(" ")).ok()?
        }
    })
}

/// A property with any flags and any tag (RFC 8659 section 4.1).
fn caa(flags: u8, tag: &str, value: Vec<u8>) -> Option<RData> {
    if tag.is_empty() || tag.len() > CHARACTER_STRING_MAX || !tag.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let mut caa = CAA::new_issue(flags & 0x80 != 0, None, Vec::new());
    caa.reserved_flags = flags & 0x7f;
    caa.tag = tag.to_owned();
    caa.value = value;
    Some(RData::CAA(caa))
}

/// `\# LENGTH HEX…`, the form that every type has (RFC 3597 section 5).
fn generic(kind: RecordType, tokens: &[Token]) -> Option<RData> {
    let [_, length, hex @ ..] = tokens else { return None };
    let hex: String = hex.iter().map(|t| t.text.as_str()).collect();
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
    let bytes = bytes?;
    if length.text.parse() != Ok(bytes.len()) || bytes.len() > usize::from(u16::MAX) {
        return None;
    }
    let rdata = if bytes.is_empty() { NULL::new() } else { NULL::with(bytes) };
    Some(RData::Unknown { code: kind, rdata })
}

/// Seconds: a number, or numbers with units as in `1h30m`.
pub(crate) fn ttl(text: &str) -> Option<u32> {
    const UNITS: [(char, u32); 5] = [('S', 1), ('M', 60), ('H', 3600), ('D', 86_400), ('W', 604_800)];
    if let Ok(seconds) = text.parse() {
        return Some(seconds).filter(|_| !text.starts_with('+'));
    }
    let mut total: u32 = 0;
    let mut number: Option<u32> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
        } else {
            let (_, unit) = UNITS.iter().find(|(name, _)| *name == c.to_ascii_uppercase())?;
            total = total.checked_add(number.take()?.checked_mul(*unit)?)?;
        }
    }
    (number.is_none() && !text.is_empty()).then_some(total)
}

/// A value as [`value`] reads it.
pub(crate) fn value_text(data: &RData) -> String {
    match data {
        RData::TXT(txt) => {
            let bytes: Vec<u8> = txt.txt_data.iter().flat_map(|s| s.iter().copied()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        other => zone_file_text(other),
    }
}

/// A value as a zone file has it, names in full.
pub(crate) fn zone_file_text(data: &RData) -> String {
    match data {
        RData::TXT(txt) => txt.txt_data.iter().map(|s| quoted(s)).collect::<Vec<_>>().join(" "),
        RData::CAA(caa) => format!("{} {} {}", caa.flags(), caa.tag, quoted(&caa.value)),
        RData::Unknown { rdata, .. } => {
            let hex: String = rdata.anything.iter().map(|b| format!("{b:02x}")).collect();
            format!("\\# {} {hex}", rdata.anything.len()).trim_end().to_owned()
        }
        other => other.to_string(),
    }
}

/// What a value of a type looks like.
pub(crate) fn expected(kind: RecordType) -> &'static str {
    match kind {
        RecordType::A => "an IPv4 address such as 10.0.0.80",
        RecordType::AAAA => "an IPv6 address such as fd00::80",
        RecordType::CAA => "flags, tag and value such as 0 issue \"letsencrypt.org\"",
        RecordType::CNAME | RecordType::NS | RecordType::PTR => "a full domain name such as www.example.test",
        RecordType::MX => "preference and a full domain name such as 10 mail.example.test",
        RecordType::SRV => "priority, weight, port and a full domain name such as 0 5 443 www.example.test",
        RecordType::SOA => "no SOA record here: the zone's own `soa` makes it",
        RecordType::TXT => "strings of at most 255 bytes",
        _ => "a value of this type as in a zone file, and a type that can be served",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_absolute_or_the_origin() {
        let origin = full_name("example.test").unwrap();
        for (text, expected) in [
            ("www", Some("www.example.test.")),
            ("www.", Some("www.")),
            ("@", Some("example.test.")),
            (".", Some(".")),
            (r"a\.b", Some(r"a\.b.example.test.")),
            (r"\097", Some("a.example.test.")),
            ("*", Some("*.example.test.")),
            ("a..b", None),
            ("", None),
            ("a b", None),
            ("é", None),
        ] {
            assert_eq!(name(text, Some(&origin)).map(|n| n.to_ascii()).as_deref(), expected, "{text}");
        }
        assert_eq!(name(&"a".repeat(64), Some(&origin)), None);
        assert_eq!(name("www", None), None);
        assert_eq!(name(&vec!["a".repeat(60); 5].join("."), Some(&origin)), None);
    }

    #[test]
    fn values_are_read_and_written_back() {
        let zone = full_name("example.test").unwrap();
        for (kind, text, back) in [
            (RecordType::A, "10.0.0.1", "10.0.0.1"),
            (RecordType::MX, "10 mail.example.test", "10 mail.example.test."),
            (RecordType::SRV, "0 5 443 @", "0 5 443 example.test."),
            (RecordType::CAA, "128 issue \"ca.test; accounturi=x\"", "128 issue \"ca.test; accounturi=x\""),
            (RecordType::CAA, "1 tbs Unknown", "1 tbs \"Unknown\""),
            (RecordType::CAA, "0 issue \";\"", "0 issue \";\""),
            (RecordType::TXT, "a \"quoted\" text", "a \"quoted\" text"),
            (RecordType::DS, "\\# 4 0102 0304", "\\# 4 01020304"),
        ] {
            let data = value(&zone, "x", kind, text).unwrap();
            assert_eq!(value_text(&data), back, "{text}");
            assert_eq!(value(&zone, "x", kind, &value_text(&data)), Ok(data));
        }
        for (kind, text) in [
            (RecordType::A, "10.0.0.1 10.0.0.2"),
            (RecordType::CAA, "256 issue x"),
            (RecordType::CAA, "0 is-sue x"),
            (RecordType::DS, "\\# 3 0102"),
            (RecordType::DS, "\\# 1 0é"),
            (RecordType::ANY, "x"),
            (RecordType::A, "10.0.0.1\n10.0.0.2"),
        ] {
            assert!(value(&zone, "x", kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn seconds_have_units() {
        for (text, seconds) in
            [("0", Some(0)), ("1h30m", Some(5400)), ("1W", Some(604_800)), ("2d3", None), ("", None)]
        {
            assert_eq!(ttl(text), seconds, "{text}");
        }
        assert_eq!(ttl("99999999999"), None);
        assert_eq!(ttl("9999999w"), None);
    }
}
