//! Writing DER (X.690): what certificates and revocation lists are made of, and nothing more.

use world::Timestamp;

/// Tags that are used here.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// A context-specific tag over one value.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// A context-specific tag over further elements.
    pub(crate) const fn constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// A text that grows by elements.
#[derive(Clone, Debug, Default)]
pub(super) struct Der(Vec<u8>);

impl Der {
    /// An empty one.
    pub(super) fn new() -> Self {
        Der(Vec::with_capacity(1024))
    }

    /// What was written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }

    /// What was written so far.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Elements that are DER already.
    pub(super) fn raw(&mut self, der: &[u8]) {
        self.0.extend_from_slice(der);
    }

    /// An element with these contents.
    pub(super) fn element(&mut self, tag: u8, contents: &[u8]) {
        self.0.push(tag);
        self.length(contents.len());
        self.raw(contents);
    }

    /// An element whose contents `write` writes.
    pub(super) fn nest(&mut self, tag: u8, write: impl FnOnce(&mut Der)) {
        self.0.push(tag);
        let start = self.0.len();
        write(self);
        // Lengths are known when the contents are: these move back by the length of the length.
        let end = self.0.len();
        self.length(end - start);
        let length = self.0.len() - end;
        self.0[start..].rotate_right(length);
    }

    pub(super) fn sequence(&mut self, write: impl FnOnce(&mut Der)) {
        self.nest(tag::SEQUENCE, write);
    }

    /// An object identifier, by the contents of its element.
    pub(super) fn oid(&mut self, contents: &[u8]) {
        self.element(tag::OID, contents);
    }

    /// A positive integer, big-endian.
    pub(super) fn integer(&mut self, unsigned: &[u8]) {
        let start = unsigned.iter().position(|b| *b != 0).unwrap_or(unsigned.len());
        let digits = &unsigned[start..];
        let padded = digits.first().is_none_or(|first| first & 0x80 != 0);
        self.0.push(tag::INTEGER);
        self.length(digits.len() + usize::from(padded));
        if padded {
            self.0.push(0);
        }
        self.raw(digits);
    }

    /// A bit string of whole bytes.
    pub(super) fn bit_string(&mut self, bytes: &[u8]) {
        self.0.push(tag::BIT_STRING);
        self.length(bytes.len() + 1);
        self.0.push(0);
        self.raw(bytes);
    }

    /// The bit string of a list of named bits, the first one being bit 0, without trailing zeros.
    pub(super) fn named_bits(&mut self, bits: &[u8]) {
        let mut bytes = [0_u8; 2];
        for bit in bits {
            if let Some(byte) = bytes.get_mut(usize::from(bit / 8)) {
                *byte |= 0x80 >> (bit % 8);
            }
        }
        let used = bytes.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
        let unused = if used == 0 { 0 } else { bytes[used - 1].trailing_zeros() as u8 };
        self.nest(tag::BIT_STRING, |der| {
            der.0.push(unused);
            der.raw(&bytes[..used]);
        });
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.element(tag::BOOLEAN, &[if value { 0xff } else { 0 }]);
    }

    /// A text: a PrintableString where that is enough.
    pub(super) fn text(&mut self, text: &str) {
        let printable = text.bytes().all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b));
        let tag = if printable { tag::PRINTABLE_STRING } else { tag::UTF8_STRING };
        self.element(tag, text.as_bytes());
    }

    /// A moment (RFC 5280 section 4.1.2.5): a UTCTime where that is enough.
    pub(super) fn time(&mut self, at: Timestamp) {
        let c = at.to_offset_date_time();
        let (month, day) = (u8::from(c.month()), c.day());
        let rest = format!("{month:02}{day:02}{:02}{:02}{:02}Z", c.hour(), c.minute(), c.second());
        match c.year() {
            year @ 1950..2050 => {
                self.element(tag::UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes());
            }
            year => self.element(tag::GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes()),
        }
    }

    fn length(&mut self, length: usize) {
        if length < 0x80 {
            self.0.push(length as u8);
            return;
        }
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().position(|b| *b != 0).unwrap_or_default();
        self.0.push(0x80 | (bytes.len() - skip) as u8);
        self.0.extend_from_slice(&bytes[skip..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Der)) -> Vec<u8> {
        let mut der = Der::new();
        write(&mut der);
        der.finish()
    }

    #[test]
    fn lengths_have_as_many_bytes_as_they_need() {
        for (length, header) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let contents = vec![7; length];
            let expected = [header, &contents].concat();
            assert_eq!(written(|der| der.element(4, &contents)), expected);
            assert_eq!(written(|der| der.nest(4, |der| der.raw(&contents))), expected, "{length}");
        }
        assert_eq!(
            written(|der| der.sequence(|der| der.sequence(|der| der.boolean(true)))),
            [0x30, 5, 0x30, 3, 1, 1, 255]
        );
    }

    #[test]
    fn integers_are_positive_and_short() {
        let cases: [(&[u8], &[u8]); 5] =
            [(&[0, 0, 5], &[5]), (&[0x80], &[0, 0x80]), (&[], &[0]), (&[0, 0], &[0]), (&[1, 0], &[1, 0])];
        for (given, contents) in cases {
            assert_eq!(written(|der| der.integer(given))[2..], *contents);
        }
    }

    #[test]
    fn named_bits_end_with_the_last_one() {
        assert_eq!(written(|der| der.named_bits(&[0])), [3, 2, 7, 0x80]);
        assert_eq!(written(|der| der.named_bits(&[0, 2])), [3, 2, 5, 0xa0]);
        assert_eq!(written(|der| der.named_bits(&[0, 5, 6])), [3, 2, 1, 0x86]);
        assert_eq!(written(|der| der.named_bits(&[8])), [3, 3, 7, 0, 0x80]);
        assert_eq!(written(|der| der.named_bits(&[])), [3, 1, 0]);
    }

    #[test]
    fn texts_and_times_have_the_form_of_their_contents() {
        assert_eq!(written(|der| der.text("Let's"))[0], tag::PRINTABLE_STRING);
        assert_eq!(written(|der| der.text("*.a"))[0], tag::UTF8_STRING);
        let time = |text: &str| written(|der| der.time(text.parse().unwrap()));
        assert_eq!(time("2049-12-31T23:59:59Z"), b"\x17\x0d491231235959Z");
        assert_eq!(time("2050-01-01T00:00:00Z"), b"\x18\x0f20500101000000Z");
        assert_eq!(time("1950-01-01T00:00:00Z"), b"\x17\x0d500101000000Z");
        assert_eq!(time("1949-01-01T00:00:00Z"), b"\x18\x0f19490101000000Z");
    }
}
