//! Chains: putting certificates in order by who signed whom.

use world::PublicKey;
use world::keys::pem_encode;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::key_pair::certificates;
use crate::api::ByteString;
use crate::pki::PkiError;

/// A chain and its top, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// Leaf first; a root is left out.
    pub(crate) chain: ByteString,
    /// The topmost certificate, whether or not it is a root; empty when there is only a leaf.
    pub(crate) ca: ByteString,
}

/// Reads one certificate.
pub(super) fn read(der: &[u8]) -> Result<X509Certificate<'_>, PkiError> {
    X509Certificate::from_der(der).map(|(_, certificate)| certificate).map_err(|e| PkiError(e.to_string()))
}

/// Whether `parent` may have signed certificates, and has signed `child` (Go's `CheckSignatureFrom`: names do not
/// matter).
fn signed_by(child: &X509Certificate<'_>, parent: &X509Certificate<'_>) -> bool {
    let is_ca = parent.basic_constraints().ok().flatten().is_some_and(|b| b.value.ca);
    let may_sign = parent.key_usage().ok().flatten().is_none_or(|u| u.value.key_cert_sign());
    let Ok(key) = PublicKey::from_spki(parent.public_key().raw) else { return false };
    let algorithm = child.signature_algorithm.algorithm.to_id_string();
    is_ca
        && may_sign
        && key.verify_x509(&algorithm, child.tbs_certificate.as_ref(), &child.signature_value.data).is_ok()
}

fn encode(der: &[u8]) -> String {
    pem_encode("CERTIFICATE", der)
}

/// Puts certificates (DER, in any order, repeated ones allowed) into one chain.
///
/// # Errors
/// When they are not all of one chain, or one cannot be read.
pub(crate) fn bundle(certificates: Vec<Vec<u8>>) -> Result<Bundle, PkiError> {
    let mut distinct: Vec<Vec<u8>> = Vec::new();
    for der in certificates {
        if !distinct.contains(&der) {
            distinct.push(der);
        }
    }
    let parsed = distinct.iter().map(|der| read(der)).collect::<Result<Vec<_>, _>>()?;
    let parent_of = |child: usize| {
        (0..parsed.len()).find(|parent| *parent != child && signed_by(&parsed[child], &parsed[*parent]))
    };
    let parents: Vec<Option<usize>> = (0..parsed.len()).map(parent_of).collect();
    let broken = || PkiError("certificate chain is malformed or broken".to_owned());
    let leaf = (0..parsed.len()).find(|n| !parents.contains(&Some(*n))).ok_or_else(broken)?;
    let mut order = vec![leaf];
    while let Some(parent) = order.last().and_then(|last| parents[*last]) {
        if order.contains(&parent) {
            return Err(broken());
        }
        order.push(parent);
    }
    if order.len() != parsed.len() {
        return Err(broken());
    }
    let top = order.last().copied().unwrap_or(leaf);
    let is_root = signed_by(&parsed[top], &parsed[top]);
    let chain: String =
        order.iter().filter(|n| **n != top || !is_root).map(|n| encode(&distinct[*n])).collect();
    let ca = encode(&distinct[top]);
    Ok(match (order.len(), is_root) {
        (1, true) => Bundle { chain: ca.clone().into(), ca: ca.into() },
        (1, false) => Bundle { chain: chain.into(), ca: ByteString::default() },
        _ => Bundle { chain: chain.into(), ca: ca.into() },
    })
}

/// The same for a PEM text.
///
/// # Errors
/// As [`bundle`].
pub(crate) fn bundle_of_pem(pem: &[u8]) -> Result<Bundle, PkiError> {
    bundle(certificates(pem).map_err(|e| PkiError(e.to_string()))?)
}

/// Whether the first certificate of a PEM text has the key of a request.
///
/// # Errors
/// Why it cannot be the request's.
pub(crate) fn certificate_matches(pem: &[u8], csr: &[u8]) -> Result<(), PkiError> {
    let leaf = crate::pki::leaf(pem)?;
    if leaf.public_key == crate::pki::request(csr)?.public_key {
        return Ok(());
    }
    Err(PkiError("unmatched key for certificate and request".to_owned()))
}
