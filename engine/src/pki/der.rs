//! Writing DER: what requests, certificates and PKCS#12 files are made of. Reading is x509-parser's; only the
//! contents of an `otherName` are opened one by one.

pub(crate) use world::der::{read_tlv, tlv};

use super::PkiError;

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const BMP_STRING: u8 = 0x1e;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// NULL.
pub(crate) const NULL: &[u8] = &[0x05, 0x00];
/// BOOLEAN TRUE.
pub(crate) const TRUE: &[u8] = &[0x01, 0x01, 0xff];

/// A value that contains others.
pub(crate) fn constructed<P: AsRef<[u8]>>(tag: u8, parts: impl IntoIterator<Item = P>) -> Vec<u8> {
    let mut contents = Vec::new();
    for part in parts {
        contents.extend_from_slice(part.as_ref());
    }
    tlv(tag, &contents)
}

/// SEQUENCE.
pub(crate) fn sequence<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Vec<u8> {
    constructed(SEQUENCE, parts)
}

/// SET OF: its members are sorted, as DER wants them.
pub(crate) fn set_of(mut parts: Vec<Vec<u8>>) -> Vec<u8> {
    parts.sort();
    constructed(SET, parts)
}

/// `[n]`, around something else.
pub(crate) fn explicit(n: u8, inner: &[u8]) -> Vec<u8> {
    tlv(0xa0 | n, inner)
}

/// `[n] IMPLICIT` of a primitive type.
pub(crate) fn implicit(n: u8, contents: &[u8]) -> Vec<u8> {
    tlv(0x80 | n, contents)
}

/// INTEGER of a number above zero in big endian.
pub(crate) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let mut contents = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_none_or(|b| *b >= 0x80) {
        contents.push(0);
    }
    contents.extend_from_slice(digits);
    tlv(INTEGER, &contents)
}

/// BIT STRING of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

/// OBJECT IDENTIFIER, from its dotted form.
///
/// # Errors
/// [`PkiError`] when the text is none.
pub(crate) fn oid(dotted: &str) -> Result<Vec<u8>, PkiError> {
    let bad = || PkiError(format!("invalid object identifier {dotted:?}"));
    let arcs: Vec<u64> = dotted.split('.').map(str::parse).collect::<Result<_, _>>().map_err(|_| bad())?;
    let [first, second, rest @ ..] = arcs.as_slice() else { return Err(bad()) };
    if *first > 2 || (*first < 2 && *second > 39) {
        return Err(bad());
    }
    let mut contents = Vec::new();
    let joined = second.checked_add(first * 40).ok_or_else(bad)?;
    for arc in std::iter::once(joined).chain(rest.iter().copied()) {
        // Seven bits a byte, the last one without its top bit.
        let groups = (1..10).take_while(|n| arc >> (7 * n) != 0).count();
        for n in (0..=groups).rev() {
            let more = if n > 0 { 0x80 } else { 0 };
            contents.push(more | (arc >> (7 * n) & 0x7f) as u8);
        }
    }
    Ok(tlv(OID, &contents))
}

/// PrintableString where the characters allow it, UTF8String otherwise: Go's choice for names.
pub(crate) fn text(value: &str) -> Vec<u8> {
    let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    let tag = if value.bytes().all(printable) { PRINTABLE_STRING } else { UTF8_STRING };
    tlv(tag, value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_the_standard_has_them() {
        assert_eq!(oid("1.2.840.113549").unwrap(), [0x06, 0x06, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(oid("2.16.840.1.113730.4.1").unwrap()[2..5], [0x60, 0x86, 0x48]);
        for bad in ["", "1", "3.1", "1.40", "1.x", "1..2", "1.2.99999999999999999999"] {
            assert!(oid(bad).is_err(), "{bad}");
        }
        assert_eq!(unsigned(&[0]), [2, 1, 0]);
        assert_eq!(unsigned(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(text("a.b")[0], PRINTABLE_STRING);
        assert_eq!(text("a@b")[0], UTF8_STRING);
        assert_eq!(set_of(vec![vec![2], vec![1]]), [SET, 2, 1, 2]);
    }
}
