//! Writing DER (X.690): what a certificate is made of.

use world::Timestamp;
pub(super) use world::der::tlv as element;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// One element around others.
pub(super) fn nest(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    element(tag, &parts.concat())
}

/// A number that is not negative, most significant byte first.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let mut digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    if digits.first().is_none_or(|b| *b >= 0x80) {
        digits.insert(0, 0);
    }
    element(INTEGER, &digits)
}

/// A list of named bits, bit 0 first; zeros at the end are left out.
pub(super) fn named_bits(bits: u16) -> Vec<u8> {
    let bytes = bits.reverse_bits().to_be_bytes();
    let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    let unused = bytes[..used].last().map_or(0, |b| b.trailing_zeros());
    let mut contents: Vec<u8> = u8::try_from(unused).into_iter().collect();
    contents.extend_from_slice(&bytes[..used]);
    element(BIT_STRING, &contents)
}

/// Whole bytes as bits.
pub(super) fn bits(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes].concat())
}

/// A time in whole seconds: UTCTime up to 2049, as RFC 5280 wants it.
pub(super) fn time(at: Timestamp) -> Vec<u8> {
    let t = at.to_offset_date_time();
    let (year, month) = (t.year(), u8::from(t.month()));
    let rest = format!("{month:02}{:02}{:02}{:02}{:02}Z", t.day(), t.hour(), t.minute(), t.second());
    if (1950..2050).contains(&year) {
        element(UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes())
    } else {
        element(GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes())
    }
}

/// An extension; `value` is its DER.
pub(super) fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = vec![element(OID, id)];
    if critical {
        parts.push(element(BOOLEAN, &[0xff]));
    }
    parts.push(element(OCTET_STRING, value));
    nest(SEQUENCE, &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positive_and_bits_end_with_a_one() {
        assert_eq!(unsigned(&[0, 0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(unsigned(&[0]), [2, 1, 0]);
        assert_eq!(named_bits(0b101), [3, 2, 5, 0b1010_0000]);
        assert_eq!(named_bits(1 << 8), [3, 3, 7, 0, 0x80]);
        assert_eq!(named_bits(0), [3, 1, 0]);
    }

    #[test]
    fn times_change_their_form_in_2050() {
        let at = |text: &str| time(Timestamp::parse(text).unwrap());
        assert_eq!(at("2026-07-29T01:02:03Z"), element(0x17, b"260729010203Z"));
        assert_eq!(at("2050-01-01T00:00:00Z"), element(0x18, b"20500101000000Z"));
    }
}
