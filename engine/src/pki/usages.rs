//! Key usages: their names in the API, their bits and identifiers in X.509. One table, for requests that are made,
//! read and signed here.

use crate::api::KeyUsage;

/// Usages that are bits, bit 0 first (RFC 5280 section 4.2.1.3).
pub(crate) const BITS: [KeyUsage; 9] = [
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

/// The bit of [`KeyUsage::CertSign`], which a CA has without asking.
pub(crate) const CERT_SIGN: u16 = 1 << 5;

/// Usages that are identifiers: the contents of their elements. Of two names of one identifier, the first is the one
/// that is printed.
const EXTENDED: [(KeyUsage, &[u8]); 13] = [
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

/// The bit of a usage that is one. `Signing` is another name of the first.
pub(crate) fn bit(usage: KeyUsage) -> Option<u16> {
    let usage = if usage == KeyUsage::Signing { KeyUsage::DigitalSignature } else { usage };
    BITS.iter().position(|known| *known == usage).map(|n| 1 << n)
}

/// The usages of a set of bits, from bit 0.
pub(crate) fn of_bits(bits: u16) -> impl Iterator<Item = KeyUsage> {
    BITS.into_iter().enumerate().filter(move |(n, _)| bits & (1 << n) != 0).map(|(_, usage)| usage)
}

/// The identifier of a usage that is one: the contents of its element.
pub(crate) fn identifier(usage: KeyUsage) -> Option<&'static [u8]> {
    EXTENDED.iter().find(|(known, _)| *known == usage).map(|(_, id)| *id)
}

/// The name of an identifier.
pub(crate) fn of_identifier(id: &[u8]) -> Option<KeyUsage> {
    EXTENDED.iter().find(|(_, known)| *known == id).map(|(usage, _)| *usage)
}

/// As an error shows them: `[ 'digital signature', 'key encipherment' ]`.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    if quoted.is_empty() { "[]".to_owned() } else { format!("[ {} ]", quoted.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usage_has_its_place() {
        for usage in KeyUsage::ALL {
            assert!(bit(*usage).is_some() ^ identifier(*usage).is_some(), "{usage}");
        }
        assert_eq!(bit(KeyUsage::CertSign), Some(CERT_SIGN));
        assert_eq!(of_bits(CERT_SIGN | 1).collect::<Vec<_>>(), [BITS[0], KeyUsage::CertSign]);
    }

    #[test]
    fn both_names_of_a_usage_are_the_same_and_the_first_is_printed() {
        assert_eq!(bit(KeyUsage::Signing), bit(KeyUsage::DigitalSignature));
        let id = identifier(KeyUsage::SMime).unwrap();
        assert_eq!(identifier(KeyUsage::EmailProtection), Some(id));
        assert_eq!(of_identifier(id), Some(KeyUsage::EmailProtection));
        assert_eq!(of_identifier(&[1]), None);
    }
}
