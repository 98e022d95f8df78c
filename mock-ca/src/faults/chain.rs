//! Chains that are not those of their certificate.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SerialNumber,
};
use world::keys::pem_encode;
use world::{KeyAlgorithm, World};

use super::rule::WrongChain;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// The certificates of a PEM text, in their order.
fn certificates(pem: &str) -> Vec<&str> {
    let mut starts: Vec<usize> = pem.match_indices(BEGIN).map(|(at, _)| at).collect();
    starts.push(pem.len());
    starts.windows(2).filter_map(|pair| pem.get(*pair.first()?..*pair.last()?)).map(str::trim_end).collect()
}

fn joined(list: &[&str]) -> String {
    list.iter().map(|certificate| format!("{certificate}\n")).collect::<Vec<_>>().join("\n")
}

/// `chain`, wrong in this way. `other` is the chain of another certificate, `stray` an intermediate that has
/// signed nothing; without another certificate it takes its place.
pub(super) fn wrong(chain: &str, how: WrongChain, other: Option<&str>, stray: &str) -> String {
    let mut list = certificates(chain);
    match how {
        WrongChain::NoIntermediate => list.truncate(1),
        WrongChain::OtherIntermediate => {
            list.truncate(1);
            list.extend(certificates(stray));
        }
        WrongChain::Reversed => list.reverse(),
        WrongChain::OtherLeaf => list = certificates(other.unwrap_or(stray)),
    }
    joined(&list)
}

/// An intermediate that has signed nothing, PEM; empty when no key can be made.
pub(super) fn stray_intermediate(world: &World) -> String {
    let label = format!("mock-ca {} stray intermediate", world.host());
    let Ok(key) = world.keys(&label).generate(KeyAlgorithm::EcdsaP256) else { return String::new() };
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(SerialNumber::from(1_u64));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Stray Intermediate");
    let now = world.now().truncate_to_secs();
    params.not_before = now.to_offset_date_time();
    params.not_after = (now + std::time::Duration::from_secs(365 * 24 * 3600)).to_offset_date_time();
    params.self_signed(&key).map(|made| pem_encode("CERTIFICATE", made.der())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(names: &[&str]) -> String {
        let list: Vec<String> =
            names.iter().map(|name| format!("{BEGIN}\n{name}\n-----END CERTIFICATE-----")).collect();
        joined(&list.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn each_way_of_being_wrong() {
        let (own, other, stray) = (pem(&["leaf", "inter"]), pem(&["leaf2", "inter"]), pem(&["stray"]));
        let made = |how| wrong(&own, how, Some(&other), &stray);
        assert_eq!(made(WrongChain::NoIntermediate), pem(&["leaf"]));
        assert_eq!(made(WrongChain::OtherIntermediate), pem(&["leaf", "stray"]));
        assert_eq!(made(WrongChain::OtherLeaf), other);
        assert_eq!(made(WrongChain::Reversed), pem(&["inter", "leaf"]));
        assert_eq!(wrong(&own, WrongChain::OtherLeaf, None, &stray), stray);
    }
}
