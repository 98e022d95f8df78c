//! Key stores of a Secret: PKCS#12 and JKS. Both are functions of what they contain and of the random stream they
//! are given.

pub(crate) mod jks;
pub(crate) mod pkcs12;

use world::PrivateKey;

/// What a key store contains: the key, its chain, and the CAs that are trusted, certificates in DER.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contents<'a> {
    pub(crate) key: &'a PrivateKey,
    pub(crate) chain: &'a [Vec<u8>],
    pub(crate) cas: &'a [Vec<u8>],
}
