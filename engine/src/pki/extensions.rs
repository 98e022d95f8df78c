//! X.509 extensions: usages by cert-manager's names, alternative names, basic and name constraints.

use std::net::IpAddr;

use super::{PkiError, der, failed, usages};
use crate::api::{CertificateSpec, NameConstraintItem, NameConstraints, OtherName, defaults};
use crate::compat::Features;

/// One extension in DER.
fn extension(oid: &str, critical: bool, value: &[u8]) -> Result<Vec<u8>, PkiError> {
    let mut parts = vec![der::oid(oid)?];
    if critical {
        parts.push(der::TRUE.to_vec());
    }
    parts.push(der::tlv(der::OCTET_STRING, value));
    Ok(der::sequence(parts))
}

/// Key usage and extended key usage as a Certificate asks for them.
pub(super) fn usages(spec: &CertificateSpec) -> Result<Vec<Vec<u8>>, PkiError> {
    let wanted = if spec.usages.is_empty() { &defaults::KEY_USAGES[..] } else { &spec.usages };
    let mut bits = if spec.is_ca { usages::CERT_SIGN } else { 0 };
    let mut purposes = Vec::new();
    for usage in wanted {
        bits |= usages::bit(*usage).unwrap_or_default();
        purposes.extend(usages::identifier(*usage).map(|id| der::tlv(der::OID, id)));
    }
    let mut extensions = Vec::new();
    if bits != 0 {
        extensions.push(extension("2.5.29.15", true, &named_bits(bits))?);
    }
    if !purposes.is_empty() {
        extensions.push(extension("2.5.29.37", false, &der::sequence(purposes))?);
    }
    Ok(extensions)
}

/// A bit string of named bits, without the zeros at its end; bit 0 is the first.
fn named_bits(bits: u16) -> Vec<u8> {
    let bytes = bits.reverse_bits().to_be_bytes();
    let used = if bytes[1] == 0 { &bytes[..1] } else { &bytes[..] };
    let unused = used.last().map_or(0, |last| last.trailing_zeros().min(7) as u8);
    der::tlv(der::BIT_STRING, &[&[unused], used].concat())
}

/// Subject alternative names; critical when there is no subject. `None` without names.
pub(super) fn alternative_names(
    spec: &CertificateSpec,
    features: &Features,
    critical: bool,
) -> Result<Option<Vec<u8>>, PkiError> {
    let mut names = Vec::new();
    for (tag, values) in [(2, &spec.dns_names), (1, &spec.email_addresses)] {
        for value in values {
            names.push(der::implicit(tag, ia5(value)?));
        }
    }
    for ip in &spec.ip_addresses {
        names.push(der::implicit(7, &octets(ip.parse().map_err(failed)?)));
    }
    for uri in &spec.uris {
        names.push(der::implicit(6, ia5(uri)?));
    }
    for other in spec.other_names.iter().filter(|_| features.other_names) {
        names.push(other_name(other)?);
    }
    if names.is_empty() {
        return Ok(None);
    }
    extension("2.5.29.17", critical, &der::sequence(names)).map(Some)
}

fn other_name(name: &OtherName) -> Result<Vec<u8>, PkiError> {
    let value = der::explicit(0, &der::tlv(der::UTF8_STRING, name.utf8_value.as_bytes()));
    Ok(der::constructed(0xa0, [der::oid(&name.oid)?, value]))
}

fn ia5(text: &str) -> Result<&[u8], PkiError> {
    if text.is_ascii() {
        return Ok(text.as_bytes());
    }
    Err(PkiError(format!("x509: {text:?} cannot be encoded as an IA5String")))
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// Basic constraints without a path length.
pub(super) fn basic_constraints(is_ca: bool) -> Result<Vec<u8>, PkiError> {
    let value = der::sequence(is_ca.then_some(der::TRUE));
    extension("2.5.29.19", true, &value)
}

/// Name constraints; `None` when they constrain nothing.
pub(super) fn name_constraints(constraints: &NameConstraints) -> Result<Option<Vec<u8>>, PkiError> {
    let mut sides = Vec::new();
    for (tag, side) in [(0xa0, &constraints.permitted), (0xa1, &constraints.excluded)] {
        let subtrees = side.as_ref().map(subtrees).transpose()?.unwrap_or_default();
        if !subtrees.is_empty() {
            sides.push(der::constructed(tag, subtrees));
        }
    }
    if sides.is_empty() {
        return Ok(None);
    }
    extension("2.5.29.30", constraints.critical, &der::sequence(sides)).map(Some)
}

fn subtrees(item: &NameConstraintItem) -> Result<Vec<Vec<u8>>, PkiError> {
    let mut subtrees = Vec::new();
    let mut add = |tag, value: &[u8]| subtrees.push(der::sequence([der::implicit(tag, value)]));
    for name in &item.dns_domains {
        add(2, ia5(name)?);
    }
    for range in &item.ip_ranges {
        add(7, &address_and_mask(range)?);
    }
    for mail in &item.email_addresses {
        add(1, ia5(mail)?);
    }
    for domain in &item.uri_domains {
        add(6, ia5(domain)?);
    }
    Ok(subtrees)
}

/// `10.1.2.3/8` as X.509 has it: the masked address, then the mask.
fn address_and_mask(range: &str) -> Result<Vec<u8>, PkiError> {
    let bad = || PkiError(format!("invalid CIDR address: {range}"));
    let (address, length) = range.split_once('/').ok_or_else(bad)?;
    let mut address = octets(address.parse().map_err(|_| bad())?);
    let length: usize = length.parse().map_err(|_| bad())?;
    if length > address.len() * 8 {
        return Err(bad());
    }
    let mask: Vec<u8> = (0..address.len())
        .map(|at| length.saturating_sub(at * 8).min(8))
        .map(|ones| (0xff00_u16 >> ones) as u8)
        .collect();
    for (byte, mask) in address.iter_mut().zip(&mask) {
        *byte &= mask;
    }
    address.extend(mask);
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_strings_end_with_a_one() {
        assert_eq!(named_bits(0b101), [3, 2, 5, 0b1010_0000], "digitalSignature, keyEncipherment");
        assert_eq!(named_bits(1 << 8), [3, 3, 7, 0, 0x80], "decipherOnly");
    }

    #[test]
    fn ranges_are_masked() {
        assert_eq!(address_and_mask("10.1.2.3/9").unwrap(), [10, 0, 0, 0, 255, 128, 0, 0]);
        assert_eq!(address_and_mask("fd00::1/16").unwrap().len(), 32);
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(address_and_mask(bad).is_err(), "{bad}");
        }
    }
}
