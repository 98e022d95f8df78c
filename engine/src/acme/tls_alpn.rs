//! The certificate of a tls-alpn-01 challenge (RFC 8737, and RFC 8738 for addresses): how a solver makes it, and how
//! one sees that a server shows it.

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, SanType, SerialNumber};
use world::tls::{Identity, reverse_name};
use world::{KeyAlgorithm, World, sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use crate::pki::PkiError;

/// The application protocol of the challenge.
pub const PROTOCOL: &str = "acme-tls/1";

/// subjectAltName (RFC 5280 section 4.2.1.6).
const SUBJECT_ALT_NAME: &str = "2.5.29.17";
/// acmeIdentifier (RFC 8737 section 6.1).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
/// How long before now the certificate begins, so that clocks may differ.
const BEFORE: Duration = Duration::from_secs(3600);
/// Its life from now on: longer than any challenge lives.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The name that a client asks for in its handshake (SNI): an address stands under its reverse name.
pub fn server_name(identifier: &str) -> String {
    identifier.parse::<IpAddr>().map_or_else(|_| identifier.to_owned(), reverse_name)
}

/// A self-signed certificate for `identifier` (a DNS name or an address) with the SHA-256 of the key authorization in
/// its critical acmeIdentifier extension, and its key.
///
/// # Errors
/// [`PkiError`] for a name that no certificate can have.
pub fn identity(world: &World, identifier: &str, key_authorization: &str) -> Result<Identity, PkiError> {
    let failed = |error: &dyn std::fmt::Display| PkiError(error.to_string());
    let label = format!("tls-alpn-01 {identifier} {}", world.host());
    let key = world.keys(&label).generate(KeyAlgorithm::EcdsaP256).map_err(|e| failed(&e))?;
    let name = match identifier.parse::<IpAddr>() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) => SanType::DnsName(identifier.to_owned().try_into().map_err(|e: rcgen::Error| failed(&e))?),
    };
    let digest = sha256(key_authorization.as_bytes());
    let (now, mut params) = (world.now(), CertificateParams::default());
    params.not_before = (now - BEFORE).to_offset_date_time();
    params.not_after = (now + LIFE).to_offset_date_time();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "acmesolver");
    params.subject_alt_names = vec![name];
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    // Positive, and without a leading zero.
    let mut serial = sha256(format!("{identifier} {key_authorization}").as_bytes());
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial[..16]));
    let certificate = params.self_signed(&key).map_err(|e| failed(&e))?;
    Ok(Identity::new(world, vec![certificate.der().to_vec()], &key))
}

/// Why a certificate is not the one that the challenge asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is no certificate.
    #[error("the server's certificate cannot be read")]
    Unreadable,
    /// It has no names, or others.
    #[error("the server's certificate is not for {0:?} alone")]
    Names(String),
    /// It is a certificate for the name, such as that of the application, without the extension.
    #[error("the server's certificate has no acmeIdentifier extension")]
    Missing,
    /// The extension may be ignored by who does not know it.
    #[error("the acmeIdentifier extension of the server's certificate is not critical")]
    NotCritical,
    /// The extension has another value.
    #[error("the acmeIdentifier extension of the server's certificate is not that of this challenge")]
    OtherDigest,
}

/// Whether the certificate (DER) shows control of `identifier` (RFC 8737 section 3): it is for that name alone, and
/// its critical acmeIdentifier is the digest of the key authorization.
///
/// # Errors
/// The first [`Flaw`].
pub fn check(der: &[u8], identifier: &str, key_authorization: &str) -> Result<(), Flaw> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Flaw::Unreadable)?;
    let extension =
        |oid: &str| certificate.extensions().iter().find(|extension| extension.oid.to_id_string() == oid);
    let named = extension(SUBJECT_ALT_NAME).is_some_and(|names| match names.parsed_extension() {
        ParsedExtension::SubjectAlternativeName(names) => match names.general_names.as_slice() {
            [only] => is_name(only, identifier),
            _ => false,
        },
        _ => false,
    });
    let acme = extension(ACME_IDENTIFIER).ok_or(Flaw::Missing)?;
    if !named {
        return Err(Flaw::Names(identifier.to_owned()));
    }
    if !acme.critical {
        return Err(Flaw::NotCritical);
    }
    // OCTET STRING of 32 bytes.
    let digest = sha256(key_authorization.as_bytes());
    if acme.value == [&[0x04, 0x20], digest.as_slice()].concat() { Ok(()) } else { Err(Flaw::OtherDigest) }
}

fn is_name(name: &GeneralName<'_>, identifier: &str) -> bool {
    match (name, identifier.parse::<IpAddr>()) {
        (GeneralName::DNSName(got), Err(_)) => got.eq_ignore_ascii_case(identifier),
        (GeneralName::IPAddress(got), Ok(IpAddr::V4(ip))) => **got == ip.octets(),
        (GeneralName::IPAddress(got), Ok(IpAddr::V6(ip))) => **got == ip.octets(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use world::PrivateKey;

    fn key() -> PrivateKey {
        let run = world::sim::run(world::sim::Config::default(), |world| async move {
            world.keys("own").generate(KeyAlgorithm::EcdsaP256).unwrap()
        });
        run.unwrap().value
    }

    fn made(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&sha256(b"token.key"))];
        change(&mut params);
        params.self_signed(&key()).unwrap().der().to_vec()
    }

    #[test]
    fn the_digest_of_the_key_authorization_for_this_name_alone() {
        for name in ["a.test", "10.0.0.1", "2001:db8::1"] {
            let good = made(&[name], |_| {});
            assert_eq!(check(&good, name, "token.key"), Ok(()));
            assert_eq!(check(&good, name, "token.other"), Err(Flaw::OtherDigest));
            assert_eq!(check(&good, "b.test", "token.key"), Err(Flaw::Names("b.test".into())));
        }
        let two = made(&["a.test", "b.test"], |_| {});
        assert_eq!(check(&two, "a.test", "token.key"), Err(Flaw::Names("a.test".into())));
        assert_eq!(check(b"no", "a.test", "token.key"), Err(Flaw::Unreadable));
    }

    #[test]
    fn the_extension_must_be_there_and_critical() {
        let without = made(&["a.test"], |params| params.custom_extensions.clear());
        assert_eq!(check(&without, "a.test", "token.key"), Err(Flaw::Missing));
        let lax = made(&["a.test"], |params| params.custom_extensions[0].set_criticality(false));
        assert_eq!(check(&lax, "a.test", "token.key"), Err(Flaw::NotCritical));
    }

    #[test]
    fn an_address_is_asked_for_by_its_reverse_name() {
        assert_eq!(server_name("a.test"), "a.test");
        assert_eq!(server_name("203.0.113.80"), "80.113.0.203.in-addr.arpa");
        assert!(server_name("2001:db8::1").ends_with(".8.b.d.0.1.0.0.2.ip6.arpa"));
    }
}
