//! What Pebble's users can say about the hierarchy that signs.

use crate::config::{HierarchyConfig, KeyType};

/// Kind of the keys of roots and intermediates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuerKey {
    /// RSA with 2048 bits.
    #[default]
    Rsa,
    /// ECDSA on P-256.
    Ecdsa,
}

/// The hierarchy, as configuration file and environment ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HierarchyOptions {
    /// `keyAlgorithm`.
    pub key: IssuerKey,
    /// `PEBBLE_ALTERNATE_ROOTS`: roots besides the first.
    pub alternate_roots: u16,
    /// `PEBBLE_CHAIN_LENGTH`: intermediates between a root and a certificate, at least 1.
    pub chain_length: u16,
    /// `ocspResponderURL`: what certificates say about who answers OCSP; empty is nothing.
    pub ocsp_url: String,
}

impl Default for HierarchyOptions {
    fn default() -> Self {
        HierarchyOptions { key: IssuerKey::Rsa, alternate_roots: 0, chain_length: 1, ocsp_url: String::new() }
    }
}

impl HierarchyOptions {
    /// What they change in a hierarchy.
    pub fn apply(&self, hierarchy: &mut HierarchyConfig) {
        hierarchy.key_type = match self.key {
            IssuerKey::Rsa => KeyType::Rsa2048,
            IssuerKey::Ecdsa => KeyType::P256,
        };
        hierarchy.alternate_roots = self.alternate_roots;
        hierarchy.chain_length = self.chain_length;
        hierarchy.publication.ocsp_url.clone_from(&self.ocsp_url);
    }
}
