//! Who signs certificates: roots, intermediates, cross-signs, and where they publish what they know.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::{KeyAlgorithm, duration};

/// A hierarchy: one root over one intermediate, with variations, or any other as a list of authorities.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct HierarchyConfig {
    /// Common name of the root.
    pub root: String,
    /// Organization of the root; empty is none.
    pub root_organization: String,
    /// Common name of the intermediate.
    pub intermediate: String,
    /// Organization of the intermediate; empty is none.
    pub intermediate_organization: String,
    /// Country of both; empty is none.
    pub country: String,
    /// Hexadecimal digits that are drawn for every authority and stand behind its name and a blank.
    pub name_digits: u8,
    /// Kind of all keys.
    pub key_type: KeyType,
    /// Roots besides the first one. Each has signed the one key of the intermediate, too.
    pub alternate_roots: u16,
    /// Intermediates between a root and a leaf, at least 1. Those above the lowest are each chain's own.
    pub chain_length: u16,
    /// What roots say that they may be used for.
    pub root_usages: Vec<Usage>,
    /// What intermediates say that they may be used for.
    pub intermediate_usages: Vec<Usage>,
    /// How many authorities can be below the lowest intermediate; `null` is any number.
    pub path_length: Option<u8>,
    /// The root, if it is from elsewhere.
    pub own_root: Option<OwnAuthority>,
    /// The intermediate, if it is from elsewhere.
    pub own_intermediate: Option<OwnAuthority>,
    /// The whole hierarchy. With any, nothing of the above counts.
    pub authorities: Vec<Authority>,
    /// Which of several issuers signs.
    pub choice: Choice,
    /// Where issuers publish.
    pub publication: Publication,
}

impl Default for HierarchyConfig {
    /// Let's Encrypt in 2022, as far as one chain goes.
    fn default() -> Self {
        HierarchyConfig {
            root: "ISRG Root X1".to_owned(),
            root_organization: "Internet Security Research Group".to_owned(),
            intermediate: "R3".to_owned(),
            intermediate_organization: "Let's Encrypt".to_owned(),
            country: "US".to_owned(),
            name_digits: 0,
            key_type: KeyType::P256,
            alternate_roots: 0,
            chain_length: 1,
            root_usages: Vec::new(),
            intermediate_usages: vec![Usage::ServerAuth, Usage::ClientAuth],
            path_length: Some(0),
            own_root: None,
            own_intermediate: None,
            authorities: Vec::new(),
            choice: Choice::First,
            publication: Publication::default(),
        }
    }
}

/// A certificate authority: a name and a key, and a certificate from each of its issuers.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Authority {
    /// Common name; others call it by this.
    pub name: String,
    /// Organization; empty is none.
    pub organization: String,
    /// Country; empty is none.
    pub country: String,
    /// Kind of its key.
    pub key_type: KeyType,
    /// Who has signed its certificates, by name; itself if it is a root. The first one is what chains use
    /// unless a client asks for another.
    pub issuers: Vec<String>,
    /// Which leaves it signs; `null`: none. One that signs none, and that nobody chains to, is not made.
    pub signs: Option<LeafKeys>,
    /// What its certificates say that it may be used for; empty is not said.
    pub usages: Vec<Usage>,
    /// How many authorities can be below it; `null` is any number.
    pub path_length: Option<u8>,
    /// Its certificate and key, if it is from elsewhere.
    pub own: Option<OwnAuthority>,
}

impl Default for Authority {
    fn default() -> Self {
        Authority {
            name: String::new(),
            organization: String::new(),
            country: "US".to_owned(),
            key_type: KeyType::P256,
            issuers: Vec::new(),
            signs: None,
            usages: Vec::new(),
            path_length: None,
            own: None,
        }
    }
}

/// A certificate authority from elsewhere, which is the same in every run. Its name is that of its
/// certificate.
#[derive(Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct OwnAuthority {
    /// Its certificate by the first of its issuers, PEM.
    pub certificate: String,
    /// Its key: PEM, PKCS#1, PKCS#8 or SEC1. It can be left out where it has nothing to sign.
    pub key: String,
}

impl std::fmt::Debug for OwnAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnAuthority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Kinds of keys that authorities have. Making RSA keys takes long: 2048 bits a fraction of a second,
/// 4096 bits several seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// ECDSA on P-256.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyType {
    /// As the world calls it.
    pub const fn algorithm(self) -> KeyAlgorithm {
        match self {
            KeyType::Rsa2048 => KeyAlgorithm::Rsa(2048),
            KeyType::Rsa3072 => KeyAlgorithm::Rsa(3072),
            KeyType::Rsa4096 => KeyAlgorithm::Rsa(4096),
            KeyType::P256 => KeyAlgorithm::EcdsaP256,
            KeyType::P384 => KeyAlgorithm::EcdsaP384,
            KeyType::P521 => KeyAlgorithm::EcdsaP521,
            KeyType::Ed25519 => KeyAlgorithm::Ed25519,
        }
    }
}

/// Leaves by their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LeafKeys {
    /// All.
    Any,
    /// RSA.
    Rsa,
    /// On elliptic curves.
    Ecdsa,
}

impl LeafKeys {
    /// Whether a key of this kind is one of them.
    pub const fn has(self, key: KeyAlgorithm) -> bool {
        match self {
            LeafKeys::Any => true,
            LeafKeys::Rsa => matches!(key, KeyAlgorithm::Rsa(_)),
            LeafKeys::Ecdsa => !matches!(key, KeyAlgorithm::Rsa(_)),
        }
    }
}

/// What a certificate may be used for (extended key usage).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Usage {
    /// By TLS servers.
    ServerAuth,
    /// By TLS clients.
    ClientAuth,
}

/// Which of the issuers that sign a kind of leaves signs the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Choice {
    /// The first one.
    #[default]
    First,
    /// Any, by the world's seed, as at Let's Encrypt.
    Drawn,
}

/// Where issuers publish their certificates and revocation lists, and what leaves say of it.
///
/// In URLs `{base}` stands for [`base`](Publication::base), `{issuer}` for the issuer's name in lower case
/// with hyphens, `{shard}` for the number of the revocation list. An empty URL is left out.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Publication {
    /// What URLs start with; empty is the CA's `baseUrl`. Where that is empty too, URLs with `{base}` are
    /// left out.
    pub base: String,
    /// Where an issuer's certificate is (authority information access).
    pub issuer_url: String,
    /// Where a revocation list is (CRL distribution point); profiles decide if leaves say it.
    pub crl_url: String,
    /// Who answers OCSP. Nobody does here.
    pub ocsp_url: String,
    /// How many lists the certificates of an issuer are spread over, at least 1.
    pub shards: u16,
    /// From a list's thisUpdate to its nextUpdate.
    #[serde(with = "duration::one")]
    pub crl_lifetime: Duration,
}

impl Publication {
    /// Where the CA serves the certificates of its issuers.
    pub const ISSUER_URL: &'static str = "{base}/ca/{issuer}.cer";
    /// Where the CA serves revocation lists.
    pub const CRL_URL: &'static str = "{base}/ca/{issuer}/{shard}.crl";
}

impl Default for Publication {
    fn default() -> Self {
        Publication {
            base: String::new(),
            issuer_url: String::new(),
            crl_url: Self::CRL_URL.to_owned(),
            ocsp_url: String::new(),
            shards: 1,
            crl_lifetime: Duration::from_secs(9 * 24 * 3600),
        }
    }
}
