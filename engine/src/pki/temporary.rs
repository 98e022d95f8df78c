//! Temporary certificates: signed on the spot by a CA that nobody keeps, so that a server can start.

use world::{KeyAlgorithm, PrivateKey, Timestamp, World};

use super::request::{sign, signature_algorithm};
use super::{PkiError, der, extensions, failed, subject};
use crate::api::{Certificate, CertificateSpec, X509Subject, defaults};
use crate::compat::Features;

/// The subject's serial number that marks a temporary certificate.
const SERIAL_NUMBER: &str = "1234567890";
/// The CA's common name.
const ISSUER: &str = "cert-manager.local";

/// Makes a PEM certificate for `key` as the Certificate asks for, signed by a new CA key on P-521.
///
/// # Errors
/// [`PkiError`] for names that X.509 cannot hold.
pub fn make_temporary(
    world: &World,
    certificate: &Certificate,
    key: &PrivateKey,
    features: &Features,
) -> Result<String, PkiError> {
    let name = &certificate.metadata.name;
    let label = format!("temporary certificate {} {}", certificate.metadata.uid, world.monotonic().nanos());
    let ca = world.keys(&label).generate(KeyAlgorithm::EcdsaP521).map_err(failed)?;
    let serial: [u8; 16] = world.rng(&format!("{label} {name}")).bytes();
    let spec = &certificate.spec;
    let mut subject_fields = spec.subject.clone().unwrap_or_default();
    SERIAL_NUMBER.clone_into(&mut subject_fields.serial_number);
    let subject = subject::of_fields(&subject_fields, &spec.common_name)?;
    let issuer = subject::of_fields(&X509Subject::default(), ISSUER)?;
    let not_before = world.now();
    let life = spec.duration.map_or(defaults::CERTIFICATE_DURATION, Into::into);
    let signing = signature_algorithm(ca.algorithm(), None)?;
    let info = der::sequence([
        // Version 3.
        der::explicit(0, &der::unsigned(&[2])),
        der::unsigned(&serial),
        signing.identifier().to_vec(),
        issuer.der,
        der::sequence([time(not_before), time(not_before + life)]),
        subject.der,
        key.public().spki(),
        der::explicit(3, &der::sequence(wanted_extensions(spec, features)?)),
    ]);
    Ok(world::keys::pem_encode("CERTIFICATE", &sign(&info, &ca, &signing)?))
}

fn wanted_extensions(spec: &CertificateSpec, features: &Features) -> Result<Vec<Vec<u8>>, PkiError> {
    let mut wanted = extensions::usages(spec)?;
    wanted.push(extensions::basic_constraints(spec.is_ca)?);
    wanted.extend(extensions::alternative_names(spec, features, false)?);
    Ok(wanted)
}

/// RFC 5280 section 4.1.2.5: two digits of the year up to 2049.
fn time(at: Timestamp) -> Vec<u8> {
    let t = at.to_offset_date_time();
    let rest =
        format!("{:02}{:02}{:02}{:02}{:02}Z", u8::from(t.month()), t.day(), t.hour(), t.minute(), t.second());
    if t.year() < 2050 {
        der::tlv(der::UTC_TIME, format!("{:02}{rest}", t.year() % 100).as_bytes())
    } else {
        der::tlv(der::GENERALIZED_TIME, format!("{}{rest}", t.year()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::compat::V1_7;

    #[test]
    fn a_temporary_certificate_has_the_names_the_key_and_the_life_that_are_asked_for() {
        world::sim::run(world::sim::Config::default(), |world| async move {
            let key = world.keys("k").generate(KeyAlgorithm::EcdsaP256).unwrap();
            let mut certificate = Certificate::default();
            certificate.spec.dns_names = vec!["a.test".into()];
            certificate.spec.duration = Some(Duration::from_secs(7200).into());
            let pem = make_temporary(&world, &certificate, &key, &V1_7.features).unwrap();
            let leaf = super::super::leaf(pem.as_bytes()).unwrap();
            assert_eq!(leaf.public_key, *key.public());
            assert_eq!(leaf.names.dns, ["a.test"]);
            assert_eq!(leaf.subject.serial_number, SERIAL_NUMBER);
            assert_eq!(leaf.not_after.since(leaf.not_before), Duration::from_secs(7200));
            assert_eq!(leaf.not_before, world.now().truncate_to_secs());
            let again = make_temporary(&world, &certificate, &key, &V1_7.features).unwrap();
            assert_eq!(pem, again, "the same moment gives the same certificate");
        })
        .unwrap();
    }

    #[test]
    fn years_from_2050_have_four_digits() {
        let at = |text: &str| time(Timestamp::parse(text).unwrap());
        assert_eq!(at("2049-12-31T23:59:59Z"), der::tlv(der::UTC_TIME, b"491231235959Z"));
        assert_eq!(at("2050-01-01T00:00:00Z"), der::tlv(der::GENERALIZED_TIME, b"20500101000000Z"));
    }
}
