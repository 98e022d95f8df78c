//! Java key stores, by the `jks` crate, with salts from the world.

use std::time::Duration;

use jks::common::RandomReader;
use jks::{KeyStore, KeyStoreOptions};
use world::{Rng, Timestamp};

use super::Contents;
use crate::pki::{PkiError, failed};

/// The crate asks for a source of salts.
struct Salts(Rng);

impl RandomReader for Salts {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.fill(buf);
        Ok(())
    }
}

fn empty(rng: &Rng) -> KeyStore {
    KeyStore::with_options(KeyStoreOptions {
        // Its map has no order of its own.
        ordered_aliases: true,
        min_password_len: 0,
        rng: Box::new(Salts(rng.clone())),
        ..KeyStoreOptions::default()
    })
}

#[expect(clippy::disallowed_types, reason = "the crate's type for a moment; no clock is read")]
fn moment(at: Timestamp) -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.unix_secs()).unwrap_or_default())
}

fn certificate(der: &[u8]) -> jks::Certificate {
    jks::Certificate { cert_type: "X509".to_owned(), content: der.to_vec() }
}

fn add_cas(store: &mut KeyStore, cas: &[Vec<u8>], now: Timestamp) -> Result<(), PkiError> {
    for (n, ca) in cas.iter().enumerate() {
        let alias = if n == 0 { "ca".to_owned() } else { format!("ca-{n}") };
        let entry = jks::TrustedCertificateEntry { creation_time: moment(now), certificate: certificate(ca) };
        store.set_trusted_certificate_entry(&alias, entry).map_err(failed)?;
    }
    Ok(())
}

fn store(store: &KeyStore, password: &[u8]) -> Result<Vec<u8>, PkiError> {
    let mut out = Vec::new();
    store.store(&mut out, password).map_err(failed)?;
    Ok(out)
}

/// `keystore.jks`: the key under `alias`, the CAs under `ca`, `ca-1`, ….
pub(crate) fn keystore(
    alias: &str,
    password: &[u8],
    contents: Contents<'_>,
    now: Timestamp,
    rng: &Rng,
) -> Result<Vec<u8>, PkiError> {
    let mut made = empty(rng);
    let entry = jks::PrivateKeyEntry {
        creation_time: moment(now),
        private_key: contents.key.to_pkcs8(),
        certificate_chain: contents.chain.iter().map(|der| certificate(der)).collect(),
    };
    made.set_private_key_entry(alias, entry, password).map_err(failed)?;
    add_cas(&mut made, contents.cas, now)?;
    store(&made, password)
}

/// `truststore.jks`: the CAs alone.
pub(crate) fn truststore(
    password: &[u8],
    cas: &[Vec<u8>],
    now: Timestamp,
    rng: &Rng,
) -> Result<Vec<u8>, PkiError> {
    let mut made = empty(rng);
    add_cas(&mut made, cas, now)?;
    store(&made, password)
}

#[cfg(test)]
mod tests {
    use world::KeyAlgorithm;

    use super::*;

    #[test]
    fn a_java_key_store_is_read_back_with_its_password_only() {
        world::sim::run(world::sim::Config::default(), |world| async move {
            let key = world.keys("k").generate(KeyAlgorithm::EcdsaP256).unwrap();
            let (chain, cas) = ([vec![1, 2], vec![3]], [vec![4], vec![5]]);
            let contents = Contents { key: &key, chain: &chain, cas: &cas };
            let made = keystore("Leaf", b"secret", contents, world.now(), &world.rng("salts")).unwrap();
            let again = keystore("Leaf", b"secret", contents, world.now(), &world.rng("salts")).unwrap();
            assert_eq!(made, again);

            let mut read = KeyStore::new();
            read.load(made.as_slice(), b"secret").unwrap();
            let entry = read.get_private_key_entry("leaf", b"secret").unwrap();
            assert_eq!(entry.private_key, key.to_pkcs8());
            assert_eq!(entry.certificate_chain.iter().map(|c| c.content.clone()).collect::<Vec<_>>(), chain);
            assert_eq!(read.get_trusted_certificate_entry("ca-1").unwrap().certificate.content, [5]);
            assert!(KeyStore::new().load(made.as_slice(), b"wrong").is_err());

            let trust = truststore(b"secret", &cas, world.now(), &world.rng("salts")).unwrap();
            let mut read = KeyStore::new();
            read.load(trust.as_slice(), b"secret").unwrap();
            assert_eq!(read.aliases().len(), 2);
        })
        .unwrap();
    }
}
