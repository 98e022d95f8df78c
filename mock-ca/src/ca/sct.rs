//! Certificate transparency logs as far as a certificate shows them: promises to publish it (RFC 6962).
//!
//! A promise is signed over what the certificate would be without promises, so it verifies with its log's
//! key. There is no log behind it.

use world::{KeyAlgorithm, PrivateKey, PublicKey, Timestamp, World, sha256};

use super::CaError;
use super::der::tag;
use super::x509::{Extensions, oid};

/// A log: its key, and the key's hash, which is its name.
#[derive(Clone, Debug)]
pub struct Log {
    key: PrivateKey,
    id: [u8; 32],
}

/// ecdsa with SHA-256, as TLS 1.2 numbers them.
const SHA256_ECDSA: [u8; 2] = [4, 3];
const PRECERT_ENTRY: [u8; 2] = [0, 1];

impl Log {
    /// Logs with keys of their own.
    pub(super) fn all(
        world: &World,
        label: &impl Fn(&str) -> String,
        count: u8,
    ) -> Result<Vec<Log>, CaError> {
        let key = |n| world.keys(&label(&format!("log {n}"))).generate(KeyAlgorithm::EcdsaP256);
        (0..count).map(|n| Ok(Log::new(key(n)?))).collect()
    }

    pub(super) fn new(key: PrivateKey) -> Self {
        Log { id: sha256(&key.public().spki()), key }
    }

    /// The public half of its key.
    pub fn key(&self) -> &PublicKey {
        self.key.public()
    }

    pub(super) fn private_key(&self) -> &PrivateKey {
        &self.key
    }

    /// What it promises at `at` for a certificate by the issuer with this SubjectPublicKeyInfo.
    fn promise(&self, to_be_signed: &[u8], issuer: &[u8; 32], at: Timestamp) -> Vec<u8> {
        let signed = signed_entry(to_be_signed, issuer, millis(at));
        let signature = self.key.sign(&signed);
        let mut sct = vec![0];
        sct.extend_from_slice(&self.id);
        sct.extend_from_slice(&millis(at).to_be_bytes());
        sct.extend_from_slice(&[0, 0]);
        sct.extend_from_slice(&SHA256_ECDSA);
        prefixed(&mut sct, &signature);
        sct
    }
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.unix_nanos() / 1_000_000).unwrap_or_default()
}

/// What a log signs for a certificate (RFC 6962 section 3.2).
fn signed_entry(to_be_signed: &[u8], issuer_key_hash: &[u8; 32], millis: u64) -> Vec<u8> {
    let mut entry = vec![0, 0];
    entry.extend_from_slice(&millis.to_be_bytes());
    entry.extend_from_slice(&PRECERT_ENTRY);
    entry.extend_from_slice(issuer_key_hash);
    // Three bytes are enough for any certificate.
    entry.extend_from_slice(&(to_be_signed.len() as u32).to_be_bytes()[1..]);
    entry.extend_from_slice(to_be_signed);
    entry.extend_from_slice(&[0, 0]);
    entry
}

/// Two bytes of length, and the bytes.
fn prefixed(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Adds what the logs promise for a certificate that is otherwise complete.
pub(super) fn add(
    extensions: &mut Extensions,
    logs: &[Log],
    to_be_signed: &[u8],
    issuer: &PublicKey,
    at: Timestamp,
) {
    let issuer = sha256(&issuer.spki());
    let mut list = Vec::new();
    for log in logs {
        prefixed(&mut list, &log.promise(to_be_signed, &issuer, at));
    }
    let mut whole = Vec::new();
    prefixed(&mut whole, &list);
    extensions.add(oid::SCT_LIST, false, |der| der.element(tag::OCTET_STRING, &whole));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_has_the_layout_of_the_rfc_and_verifies() {
        let at: Timestamp = "2026-06-01T00:00:00.123456789Z".parse().unwrap();
        let run = world::sim::run(world::sim::Config::default(), |world| async move {
            Log::all(&world, &|part| part.to_owned(), 1).unwrap().remove(0)
        });
        let log = run.unwrap().value;
        let promise = log.promise(b"certificate", &[9; 32], at);
        let (head, signature) = promise.split_at(1 + 32 + 8 + 2 + 2 + 2);
        assert_eq!((head[0], &head[1..33]), (0, &sha256(&log.key().spki())[..]));
        assert_eq!(head[33..41], 1_780_272_000_123_u64.to_be_bytes());
        assert_eq!(head[41..45], [0, 0, 4, 3]);
        assert_eq!(usize::from(head[45]) << 8 | usize::from(head[46]), signature.len());
        let entry = signed_entry(b"certificate", &[9; 32], 1_780_272_000_123);
        assert!(log.key().verify(&entry, signature));
        assert_eq!(entry.len(), 2 + 8 + 2 + 32 + 3 + 11 + 2);
        assert_eq!(entry[44..47], [0, 0, 11]);
    }
}
