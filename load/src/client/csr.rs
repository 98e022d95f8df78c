//! Certificate keys and requests, and the look at the chain that comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData as _};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::failure::Failure;

/// Where certificate keys come from.
#[derive(Debug)]
pub(crate) struct CertificateKeys {
    ready: Vec<Arc<KeyPair>>,
    next: AtomicUsize,
}

fn failed(e: impl ToString) -> Failure {
    Failure::Client(e.to_string())
}

impl CertificateKeys {
    /// With `count` P-256 keys made now, to be used in turn; with 0, each order gets a new one.
    pub(crate) fn prepare(count: usize) -> Result<Self, Failure> {
        let ready = (0..count).map(|_| KeyPair::generate().map(Arc::new).map_err(failed));
        Ok(CertificateKeys { ready: ready.collect::<Result<_, _>>()?, next: AtomicUsize::new(0) })
    }

    /// The key for the next order.
    pub(crate) fn next(&self) -> Result<Arc<KeyPair>, Failure> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        match turn.checked_rem(self.ready.len()).and_then(|turn| self.ready.get(turn)) {
            Some(key) => Ok(key.clone()),
            None => KeyPair::generate().map(Arc::new).map_err(failed),
        }
    }
}

/// DER of a PKCS#10 request for `names`, without a subject.
pub(crate) fn request(names: &[String], key: &KeyPair) -> Result<Vec<u8>, Failure> {
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key).map_err(failed)?.der().to_vec())
}

/// Reads every certificate of a PEM chain, and holds the leaf against what was asked for.
pub(crate) fn check_chain(pem: &[u8], names: &[String], key: &KeyPair) -> Result<(), Failure> {
    let wrong = |what: &str| Failure::Certificate(what.to_owned());
    let mut chain = CertificateDer::pem_slice_iter(pem);
    let leaf = chain.next().ok_or_else(|| wrong("no certificate"))?;
    let leaf = leaf.map_err(|e| Failure::Certificate(e.to_string()))?;
    let (_, certificate) =
        X509Certificate::from_der(&leaf).map_err(|e| Failure::Certificate(format!("leaf: {e}")))?;
    if certificate.public_key().raw != key.subject_public_key_info() {
        return Err(wrong("the key is another"));
    }
    let san = certificate.subject_alternative_name().map_err(|e| Failure::Certificate(e.to_string()))?;
    let san = san.ok_or_else(|| wrong("no subject alternative names"))?;
    let mut found: Vec<&str> = Vec::with_capacity(names.len());
    for name in &san.value.general_names {
        match name {
            GeneralName::DNSName(name) => found.push(name),
            _ => return Err(wrong("a name that is no DNS name")),
        }
    }
    found.sort_unstable();
    let mut asked: Vec<&str> = names.iter().map(String::as_str).collect();
    asked.sort_unstable();
    if found != asked {
        return Err(wrong("other names than asked for"));
    }
    let mut issuers = 0;
    for issuer in chain {
        let issuer = issuer.map_err(|e| Failure::Certificate(e.to_string()))?;
        X509Certificate::from_der(&issuer).map_err(|e| Failure::Certificate(format!("issuer: {e}")))?;
        issuers += 1;
    }
    if issuers == 0 { Err(wrong("no issuer in the chain")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_chain_is_held_against_the_order() {
        let keys = CertificateKeys::prepare(2).unwrap();
        let (key, other, again) = (keys.next().unwrap(), keys.next().unwrap(), keys.next().unwrap());
        assert_eq!(key.public_key_raw(), again.public_key_raw());
        let leaf =
            |asked: &[String]| CertificateParams::new(asked).unwrap().self_signed(&*key).unwrap().pem();
        let asked = names(&["b.test", "a.test"]);
        let chain = leaf(&asked) + &leaf(&asked);
        check_chain(chain.as_bytes(), &names(&["a.test", "b.test"]), &key).unwrap();
        for (chain, asked, key) in [
            (String::new(), &asked, &key),
            (leaf(&asked), &asked, &key),
            (chain.clone(), &names(&["a.test"]), &key),
            (chain.clone(), &asked, &other),
        ] {
            let verdict = check_chain(chain.as_bytes(), asked, key);
            assert!(matches!(verdict, Err(Failure::Certificate(_))), "{verdict:?}");
        }
    }

    #[test]
    fn without_prepared_keys_each_order_has_its_own() {
        let keys = CertificateKeys::prepare(0).unwrap();
        assert_ne!(keys.next().unwrap().public_key_raw(), keys.next().unwrap().public_key_raw());
    }
}
