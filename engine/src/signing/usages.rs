//! Key usages: their names in the API, their bits and identifiers in X.509.

use x509_parser::der_parser::asn1_rs::{FromDer as _, Oid, Sequence};

use crate::api::KeyUsage;

/// Usages that are bits, bit 0 first. `Signing` is another name of the first.
const BITS: [KeyUsage; 9] = [
    KeyUsage::DigitalSignature,
    KeyUsage::ContentCommitment,
    KeyUsage::KeyEncipherment,
    KeyUsage::DataEncipherment,
    KeyUsage::KeyAgreement,
    KeyUsage::CertSign,
    KeyUsage::CrlSign,
    KeyUsage::EncipherOnly,
    KeyUsage::DecipherOnly,
];

const CERT_SIGN: u16 = 1 << 5;

/// Usages that are identifiers: the contents of their elements. The first name of an identifier is the one that is
/// printed.
const EXTENDED: &[(KeyUsage, &[u8])] = &[
    (KeyUsage::Any, &[0x55, 0x1d, 0x25, 0x00]),
    (KeyUsage::ServerAuth, &[0x2b, 6, 1, 5, 5, 7, 3, 1]),
    (KeyUsage::ClientAuth, &[0x2b, 6, 1, 5, 5, 7, 3, 2]),
    (KeyUsage::CodeSigning, &[0x2b, 6, 1, 5, 5, 7, 3, 3]),
    (KeyUsage::EmailProtection, &[0x2b, 6, 1, 5, 5, 7, 3, 4]),
    (KeyUsage::SMime, &[0x2b, 6, 1, 5, 5, 7, 3, 4]),
    (KeyUsage::IpsecEndSystem, &[0x2b, 6, 1, 5, 5, 7, 3, 5]),
    (KeyUsage::IpsecTunnel, &[0x2b, 6, 1, 5, 5, 7, 3, 6]),
    (KeyUsage::IpsecUser, &[0x2b, 6, 1, 5, 5, 7, 3, 7]),
    (KeyUsage::Timestamping, &[0x2b, 6, 1, 5, 5, 7, 3, 8]),
    (KeyUsage::OcspSigning, &[0x2b, 6, 1, 5, 5, 7, 3, 9]),
    (KeyUsage::MicrosoftSgc, &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3]),
    (KeyUsage::NetscapeSgc, &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1]),
];

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
        let defaults = [KeyUsage::DigitalSignature, KeyUsage::KeyEncipherment];
        let usages = if usages.is_empty() { &defaults } else { usages };
        let mut found = Usages { bits: if is_ca { CERT_SIGN } else { 0 }, extended: Vec::new() };
        for usage in usages {
            let usage = if *usage == KeyUsage::Signing { KeyUsage::DigitalSignature } else { *usage };
            if let Some(bit) = BITS.iter().position(|b| *b == usage) {
                found.bits |= 1 << bit;
            } else if let Some((_, id)) = EXTENDED.iter().find(|(name, _)| *name == usage) {
                found.extended.push(id.to_vec());
            }
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

    /// As Go prints the bits: `[ 'digital signature', 'key encipherment' ]`.
    pub(super) fn bits_text(&self) -> String {
        let names = (0..16).filter(|n| self.bits & (1 << n) != 0);
        text(names.map(|n| BITS.get(n).map_or("unknown", |usage| usage.as_str())))
    }

    /// The same of the identifiers.
    pub(super) fn extended_text(&self) -> String {
        let name = |id: &Vec<u8>| EXTENDED.iter().find(|(_, known)| known == id).map(|(usage, _)| usage);
        text(self.extended.iter().map(|id| name(id).map_or("unknown", |usage| usage.as_str())))
    }
}

fn text<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    if quoted.is_empty() { "[]".to_owned() } else { format!("[ {} ]", quoted.join(", ")) }
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
