//! The objects of RFC 8555 as a client reads them. Unknown members are ignored (section 6, "extensibility").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::Problem;
use crate::api::State;

/// Section 7.1.1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Directory {
    /// Where nonces are.
    pub new_nonce: String,
    /// Where accounts are made.
    pub new_account: String,
    /// Where orders are made.
    pub new_order: String,
    /// Where an account gets another key.
    pub key_change: String,
    /// Where renewal information is (RFC 9773 section 4.1); empty when there is none.
    pub renewal_info: String,
    /// About the server.
    pub meta: Meta,
}

/// The `meta` of a [`Directory`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// Terms of service; empty when there are none to agree to.
    pub terms_of_service: String,
    /// Profiles of certificates, with what they are (draft-aaron-acme-profiles).
    pub profiles: BTreeMap<String, String>,
}

/// Section 7.1.2, as far as a client needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// The account's URL (from the Location header).
    #[serde(skip)]
    pub url: String,
    /// `valid`, `deactivated` or `revoked`.
    #[serde(default)]
    pub status: String,
    /// Contacts.
    #[serde(default)]
    pub contact: Vec<String>,
}

/// Section 9.7.7.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identifier {
    /// `dns` or `ip`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Name or address.
    pub value: String,
}

/// `ip` for an address, else `dns`.
pub fn identifier_type(value: &str) -> &'static str {
    if value.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "dns" }
}

/// Section 7.1.3.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// The order's URL (from the Location header, or the URL that was asked).
    #[serde(skip)]
    pub url: String,
    /// Status.
    #[serde(default, deserialize_with = "state")]
    pub status: State,
    /// URLs of the authorizations.
    #[serde(default)]
    pub authorizations: Vec<String>,
    /// Where the CSR goes.
    #[serde(default)]
    pub finalize: String,
    /// Where the certificate is, once there is one.
    #[serde(default)]
    pub certificate: String,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<Problem>,
}

/// Section 7.1.4.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Authorization {
    /// Status.
    #[serde(default, deserialize_with = "state")]
    pub status: State,
    /// For what.
    pub identifier: Identifier,
    /// The ways to prove it.
    #[serde(default)]
    pub challenges: Vec<Challenge>,
    /// Whether it is for the wildcard of the name.
    #[serde(default)]
    pub wildcard: bool,
}

/// Section 8.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Challenge {
    /// `http-01`, …
    #[serde(rename = "type")]
    pub type_: String,
    /// Its URL.
    pub url: String,
    /// Its token.
    #[serde(default)]
    pub token: String,
    /// Status.
    #[serde(default, deserialize_with = "state")]
    pub status: State,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<Problem>,
}

/// A status text; one without a name here is `unknown`.
fn state<'de, D: serde::Deserializer<'de>>(source: D) -> Result<State, D::Error> {
    let text = String::deserialize(source)?;
    let known = [
        State::Pending,
        State::Ready,
        State::Processing,
        State::Valid,
        State::Invalid,
        State::Expired,
        State::Unset,
    ];
    Ok(known.into_iter().find(|s| s.as_str() == text).unwrap_or(State::Unknown))
}
