//! Key pairs in Secrets, with the texts of what is wrong with them.

use world::PrivateKey;
use world::keys::{SectionKind, pem_sections};

use crate::api::{ObjectKey, Secret};

/// Why a Secret gives no key pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SecretError {
    /// There is no such Secret.
    #[error("secret {0:?} not found")]
    NotFound(String),
    /// What is in it cannot be used.
    #[error("{0}")]
    Invalid(String),
}

type Result<T> = std::result::Result<T, SecretError>;

fn present<'a>(secret: Option<&'a Secret>, key: &ObjectKey) -> Result<&'a Secret> {
    secret.ok_or_else(|| SecretError::NotFound(key.name().to_owned()))
}

fn entry<'a>(secret: &'a Secret, key: &ObjectKey, name: &str, kind: &str) -> Result<&'a [u8]> {
    let missing = || SecretError::Invalid(format!("no {kind}data for {name:?} in secret '{key}'"));
    secret.data.get(name).map(|bytes| bytes.as_slice()).ok_or_else(missing)
}

/// A private key (PEM).
///
/// # Errors
/// [`SecretError::Invalid`].
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKey> {
    PrivateKey::from_pem(pem).map_err(|error| {
        let has_pem = pem.windows(10).any(|part| part == b"-----BEGIN");
        let text = if has_pem {
            format!("error parsing private key: {error}")
        } else {
            "error decoding private key PEM block".to_owned()
        };
        SecretError::Invalid(text)
    })
}

/// The certificates of a PEM text, DER.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>> {
    let found = pem_sections(pem, SectionKind::Certificate);
    if found.is_empty() {
        return Err(SecretError::Invalid("error decoding certificate PEM block".to_owned()));
    }
    for der in &found {
        if let Err(error) = super::chain::read(der) {
            return Err(SecretError::Invalid(format!("error parsing TLS certificate: {error}")));
        }
    }
    Ok(found)
}

/// The first certificate in the Secret's `tls.crt`, DER.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn certificate_of(secret: Option<&Secret>, key: &ObjectKey) -> Result<Vec<u8>> {
    let secret = present(secret, key)?;
    let mut chain = certificates(entry(secret, key, "tls.crt", "")?)?;
    Ok(chain.swap_remove(0))
}

/// The key in the Secret's `tls.key`.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn key_of(secret: Option<&Secret>, key: &ObjectKey) -> Result<PrivateKey> {
    private_key(entry(present(secret, key)?, key, "tls.key", "")?)
}

/// The chain and the key in the Secret; `ca.crt`, if there is one, ends the chain.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn key_pair_and_ca(
    secret: Option<&Secret>,
    key: &ObjectKey,
) -> Result<(Vec<Vec<u8>>, PrivateKey)> {
    let secret = present(secret, key)?;
    let private = private_key(entry(secret, key, "tls.key", "private key ")?)?;
    let mut chain = certificates(entry(secret, key, "tls.crt", "certificate ")?)?;
    if let Some(ca) = secret.data.get("ca.crt").filter(|ca| !ca.is_empty()) {
        chain.push(certificates(ca.as_slice())?.swap_remove(0));
    }
    Ok((chain, private))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(secret: Option<&Secret>) -> String {
        key_pair_and_ca(secret, &ObjectKey::new("ns", "ca")).unwrap_err().to_string()
    }

    #[test]
    fn each_defect_of_a_secret_has_its_text() {
        assert_eq!(text(None), r#"secret "ca" not found"#);
        let mut secret = Secret::default();
        assert_eq!(text(Some(&secret)), r#"no private key data for "tls.key" in secret 'ns/ca'"#);
        secret.data.insert("tls.key".into(), b"x".to_vec().into());
        assert_eq!(text(Some(&secret)), "error decoding private key PEM block");
        secret.data.insert("tls.key".into(), b"-----BEGIN EC PRIVATE KEY-----\nAA==".to_vec().into());
        assert!(text(Some(&secret)).starts_with("error parsing private key: "));
        let key = ObjectKey::new("ns", "ca");
        let alone = certificate_of(Some(&secret), &key).unwrap_err().to_string();
        assert_eq!(alone, r#"no data for "tls.crt" in secret 'ns/ca'"#);
    }
}
