//! A hierarchy as a value that can be written down, so that it is the same after a restart.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use world::PrivateKey;

use super::CaError;
use super::authority::{self, Authority, Certified};
use super::sct::Log;
use crate::config::LeafKeys;

/// A hierarchy. Its keys are in it: whoever has it can sign.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HierarchyState {
    /// All authorities.
    pub authorities: Vec<AuthorityState>,
    /// The keys of the transparency logs.
    pub logs: Vec<Der>,
    /// How many serial numbers were drawn.
    pub drawn: Drawn,
}

/// How many serial numbers were drawn for whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// For authorities.
    pub authorities: u64,
    /// For leaves.
    pub leaves: u64,
}

/// An authority.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorityState {
    /// What people call it.
    pub name: String,
    /// Its key, if it is here.
    pub key: Option<Der>,
    /// Its certificates, the preferred one first, each with its issuer's place in the list of authorities.
    pub certificates: Vec<(usize, Der)>,
    /// Which leaves it signs.
    pub signs: Option<LeafKeys>,
}

/// DER, as base64 text: a certificate, or a key as PKCS #8. Its `Debug` form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Der(pub Vec<u8>);

impl std::fmt::Debug for Der {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Der({} bytes)", self.0.len())
    }
}

impl Serialize for Der {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Der {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map(Der).map_err(de::Error::custom)
    }
}

impl HierarchyState {
    pub(super) fn of(authorities: &[Authority], logs: &[Log], drawn: Drawn) -> Self {
        let key = |key: &PrivateKey| Der(key.to_pkcs8());
        let certificate = |c: &Certified| (c.issuer, Der(c.der.clone()));
        let authority = |authority: &Authority| AuthorityState {
            name: authority.name.clone(),
            key: authority.key.as_ref().map(key),
            certificates: authority.certificates.iter().map(certificate).collect(),
            signs: authority.signs,
        };
        HierarchyState {
            authorities: authorities.iter().map(authority).collect(),
            logs: logs.iter().map(|log| key(log.private_key())).collect(),
            drawn,
        }
    }

    /// What it describes, with keys that are adopted by a world.
    pub(super) fn read(
        &self,
        adopt: impl Fn(PrivateKey) -> PrivateKey,
    ) -> Result<(Vec<Authority>, Vec<Log>), CaError> {
        let key = |der: &Der| Ok::<_, CaError>(adopt(PrivateKey::from_pkcs8(&der.0)?));
        let bad = |authority: &AuthorityState, what: &str| {
            CaError::Config(format!("state of the hierarchy: {:?} {what}", authority.name))
        };
        let mut authorities = Vec::new();
        for kept in &self.authorities {
            let (_, first) = kept.certificates.first().ok_or_else(|| bad(kept, "has no certificate"))?;
            let own = kept.key.as_ref().map(key).transpose()?;
            let mut authority = authority::read(&first.0, own, kept.signs)?;
            if authority.key.as_ref().is_some_and(|key| *key.public() != authority.public) {
                return Err(bad(kept, "has another key than its certificate"));
            }
            if kept.certificates.iter().any(|(issuer, _)| *issuer >= self.authorities.len()) {
                return Err(bad(kept, "has an issuer that is not there"));
            }
            let certificate =
                |(issuer, der): &(usize, Der)| Certified { issuer: *issuer, der: der.0.clone() };
            authority.certificates = kept.certificates.iter().map(certificate).collect();
            authorities.push(authority);
        }
        let logs: Result<Vec<Log>, CaError> = self.logs.iter().map(|log| Ok(Log::new(key(log)?))).collect();
        Ok((authorities, logs?))
    }
}
