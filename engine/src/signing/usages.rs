//! The usages of a certificate: as its request names them, and as its CSR does.

use x509_parser::der_parser::asn1_rs::{FromDer as _, Oid, Sequence};

use crate::api::{KeyUsage, defaults};
use crate::pki::usages::{BITS, CERT_SIGN, bit, identifier, list, of_bits, of_identifier};

/// What a key may be used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usages {
    /// Bit n is the n-th named bit of RFC 5280.
    pub(super) bits: u16,
    /// Identifiers, in the order asked for.
    pub(super) extended: Vec<Vec<u8>>,
}

impl Usages {
    /// Those of a request: digital signature and key encipherment where it names none, and the signing of
    /// certificates for a CA.
    pub(super) fn of_request(usages: &[KeyUsage], is_ca: bool) -> Self {
        let usages = if usages.is_empty() { &defaults::KEY_USAGES } else { usages };
        let mut found = Usages { bits: if is_ca { CERT_SIGN } else { 0 }, extended: Vec::new() };
        for usage in usages {
            found.bits |= bit(*usage).unwrap_or_default();
            found.extended.extend(identifier(*usage).map(<[u8]>::to_vec));
        }
        found
    }

    /// Takes the value of a keyUsage extension.
    pub(super) fn take_bits(&mut self, value: &[u8]) {
        if let Ok((_, usage)) = x509_parser::extensions::KeyUsage::from_der(value) {
            self.bits = usage.flags;
        }
    }

    /// Takes the value of an extKeyUsage extension: a sequence of identifiers.
    pub(super) fn take_extended(&mut self, value: &[u8]) {
        let list = Sequence::from_der(value);
        let Ok((_, list)) = list else { return };
        let mut rest: &[u8] = &list.content;
        while let Ok((tail, id)) = Oid::from_der(rest) {
            self.extended.push(id.as_bytes().to_vec());
            rest = tail;
        }
    }

    /// The bits in an error. Those without a name are unknown.
    pub(super) fn bits_text(&self) -> String {
        let unknown = (self.bits >> BITS.len()).count_ones();
        list(of_bits(self.bits).map(KeyUsage::as_str).chain((0..unknown).map(|_| "unknown")))
    }

    /// The identifiers in an error.
    pub(super) fn extended_text(&self) -> String {
        list(self.extended.iter().map(|id| of_identifier(id).map_or("unknown", |usage| usage.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_without_usages_has_two_and_a_ca_may_sign() {
        assert_eq!(Usages::of_request(&[], false).bits_text(), "[ 'digital signature', 'key encipherment' ]");
        assert_eq!(Usages::of_request(&[KeyUsage::CrlSign], true).bits_text(), "[ 'cert sign', 'crl sign' ]");
    }

    #[test]
    fn both_names_of_a_usage_are_the_same() {
        let of = |usage| Usages::of_request(&[usage], false);
        assert_eq!(of(KeyUsage::Signing), of(KeyUsage::DigitalSignature));
        assert_eq!(of(KeyUsage::SMime), of(KeyUsage::EmailProtection));
        assert_eq!(of(KeyUsage::SMime).extended_text(), "[ 'email protection' ]");
        assert_eq!(of(KeyUsage::Signing).extended_text(), "[]");
    }
}
