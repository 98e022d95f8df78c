//! ACME's objects as they are kept: accounts, orders, authorizations, challenges, certificates.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use world::Timestamp;

use crate::policy::Identifier;
use crate::problem::Problem;
use crate::protocol::{AccountState, AuthorizationState, ChallengeState, OrderState};
use crate::ra::Task;
use crate::wfe::jwk::Jwk;

/// An account.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Account {
    /// Its key.
    pub key: Arc<Jwk>,
    /// `mailto:` URLs.
    pub contacts: Vec<String>,
    /// Its state.
    pub status: AccountState,
    /// When it was made.
    pub created: Timestamp,
    /// The external account binding that it was made with (RFC 8555 section 7.3.4), a JWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<Value>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Order {
    /// Whose.
    pub account: u64,
    /// For what, sorted.
    pub identifiers: Vec<Identifier>,
    /// Its authorizations, in the order of the identifiers.
    pub authorizations: Vec<u64>,
    /// Its state.
    pub status: OrderState,
    /// When it ends.
    pub expires: Timestamp,
    /// Why the issuance failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<Problem>>,
    /// Serial number of its certificate, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Box<str>>,
    /// The profile that it was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Arc<str>>,
    /// The start of validity that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The end of validity that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// The certificate that this one is to replace: its ARI identifier (RFC 9773 section 4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Box<str>>,
}

/// An authorization.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Authorization {
    /// Whose.
    pub account: u64,
    /// For what.
    pub identifier: Identifier,
    /// Its state.
    pub status: AuthorizationState,
    /// When it ends.
    pub expires: Timestamp,
    /// The token of its challenges.
    pub token: Box<str>,
    /// How it can be, or was, decided.
    pub challenges: Vec<Challenge>,
    /// How many validations were started.
    pub attempts: u32,
    /// The profile that it was made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Arc<str>>,
    /// When CAA records were last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caa_checked: Option<Timestamp>,
    /// Whether it was made before any order (RFC 8555 section 7.4.1).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preauthorized: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $Kind:ident = $name:literal, $wildcard:literal, $ip:literal;)+) => {
        /// A kind of challenge.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
        pub enum ChallengeKind { $($(#[$doc])* #[serde(rename = $name)] $Kind,)+ }

        impl ChallengeKind {
            /// All of them.
            pub const ALL: &'static [ChallengeKind] = &[$(ChallengeKind::$Kind),+];

            /// As ACME writes it.
            pub const fn as_str(self) -> &'static str {
                match self { $(ChallengeKind::$Kind => $name),+ }
            }

            /// Whether it can show control of `identifier`: a wildcard has no host that could be asked,
            /// an address has no names below it.
            pub fn suits(self, identifier: &Identifier) -> bool {
                let (wildcard, ip) = match self { $(ChallengeKind::$Kind => ($wildcard, $ip)),+ };
                match identifier {
                    Identifier::Dns(name) => wildcard || !name.is_wildcard(),
                    Identifier::Ip(_) => ip,
                }
            }
        }
    };
}

kinds! {
    /// RFC 8555 section 8.3.
    Http01 = "http-01", false, true;
    /// RFC 8737.
    TlsAlpn01 = "tls-alpn-01", false, true;
    /// RFC 8555 section 8.4.
    Dns01 = "dns-01", true, false;
    /// draft-ietf-acme-dns-account-label.
    DnsAccount01 = "dns-account-01", true, false;
    /// draft-ietf-acme-dns-persist.
    DnsPersist01 = "dns-persist-01", true, false;
}

/// A challenge. Its token is its authorization's.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Challenge {
    /// Its kind.
    pub kind: ChallengeKind,
    /// Its state.
    pub status: ChallengeState,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validated: Option<Timestamp>,
    /// Why it became invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Box<Problem>>,
    /// What validation fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<ValidationRecord>,
}

impl Challenge {
    /// A challenge that nobody has answered.
    pub fn pending(kind: ChallengeKind) -> Self {
        Challenge { kind, status: ChallengeState::Pending, validated: None, error: None, records: Vec::new() }
    }
}

/// One step of a validation, as Boulder shows it in a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ValidationRecord {
    /// What was fetched.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The host that was asked for.
    pub hostname: String,
    /// Its port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// All of its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses_resolved: Vec<String>,
    /// The one that was used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address_used: String,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Issued {
    /// Its serial number, hexadecimal.
    pub serial: Box<str>,
    /// What it is for, sorted.
    pub identifiers: Vec<Identifier>,
    /// Whose.
    pub account: u64,
    /// For which order.
    pub order: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity, inclusive.
    pub not_after: Timestamp,
    /// The certificate, DER.
    #[serde(with = "base64_bytes")]
    pub leaf: Box<[u8]>,
    /// Which of the hierarchy's issuers has signed it.
    pub issuer: u16,
    /// What its chain is answered with instead of the right one, PEM: a fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_chain: Option<Box<str>>,
    /// When and why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<(Timestamp, u8)>,
    /// The order that replaces it (RFC 9773 section 5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<u64>,
    /// What its renewal information is answered with, if that was set from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_info: Option<Box<str>>,
}

impl Issued {
    /// What it is for, as texts.
    pub fn names(&self) -> Vec<String> {
        self.identifiers.iter().map(|identifier| identifier.value().into_owned()).collect()
    }
}

/// Which promise it is. There is at most one issuance of an order, and one validation of each attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PromiseKey {
    /// The issuance of an order.
    Issue(u64),
    /// An authorization's n-th validation.
    Validate(u64, u32),
}

/// Work behind an answer that was given.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Promise {
    /// Issue the certificate of an order, which is the key, for this request (PKCS #10, DER).
    Issue(#[serde(with = "base64_bytes")] Box<[u8]>),
    /// Validate a challenge.
    Validate(Box<Task>),
}

/// Bytes as base64url text.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&URL_SAFE_NO_PAD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[u8]>, D::Error> {
        let text = String::deserialize(from)?;
        URL_SAFE_NO_PAD.decode(text).map(Vec::into_boxed_slice).map_err(de::Error::custom)
    }
}
