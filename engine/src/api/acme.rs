//! `acme.cert-manager.io/v1`: Order and Challenge.
//!
//! Order of fields and presence of empty ones are those of cert-manager's JSON, because the hash of a
//! specification is part of the object's name (see [`super::hash`]).

use serde::{Deserialize, Serialize};

use super::meta::{ObjectMeta, ObjectReference};
use super::scalar::{ByteString, GoDuration, Time};
use super::serial::{null_if_empty, omit};
use super::solver::AcmeChallengeSolver;

/// An order at an ACME server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Order {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// What is ordered.
    pub spec: OrderSpec,
    /// How far it is.
    #[serde(skip_serializing_if = "omit")]
    pub status: OrderStatus,
}

/// What an [`Order`] orders.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OrderSpec {
    /// The CSR in PEM; `null` in JSON when empty.
    #[serde(serialize_with = "null_if_empty")]
    pub request: ByteString,
    /// The issuer with the account.
    pub issuer_ref: ObjectReference,
    /// Common name.
    #[serde(skip_serializing_if = "omit")]
    pub common_name: String,
    /// DNS names.
    #[serde(skip_serializing_if = "omit")]
    pub dns_names: Vec<String>,
    /// IP addresses.
    #[serde(skip_serializing_if = "omit")]
    pub ip_addresses: Vec<String>,
    /// The lifetime asked for, if the issuer passes it on.
    #[serde(skip_serializing_if = "omit")]
    pub duration: Option<GoDuration>,
    /// The certificate profile (1.18 on).
    #[serde(skip_serializing_if = "omit")]
    pub profile: String,
    /// The ARI identifier of the certificate that is replaced (1.21 on).
    #[serde(skip_serializing_if = "omit")]
    pub replaces: String,
}

/// How far an [`Order`] is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OrderStatus {
    /// The order's URL; empty: not yet created.
    #[serde(skip_serializing_if = "omit")]
    pub url: String,
    /// Where the CSR goes.
    #[serde(rename = "finalizeURL", skip_serializing_if = "omit")]
    pub finalize_url: String,
    /// Authorizations, as they were when the order was created.
    #[serde(skip_serializing_if = "omit")]
    pub authorizations: Vec<AcmeAuthorization>,
    /// The chain in PEM.
    #[serde(skip_serializing_if = "omit")]
    pub certificate: ByteString,
    /// The CA's state of the order.
    #[serde(skip_serializing_if = "omit")]
    pub state: State,
    /// Why it is in that state.
    #[serde(skip_serializing_if = "omit")]
    pub reason: String,
    /// When it failed.
    #[serde(skip_serializing_if = "omit")]
    pub failure_time: Option<Time>,
}

/// One authorization of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeAuthorization {
    /// Its URL.
    pub url: String,
    /// The DNS name or IP address.
    #[serde(skip_serializing_if = "omit")]
    pub identifier: String,
    /// Whether it is for the wildcard of the name.
    #[serde(skip_serializing_if = "omit")]
    pub wildcard: Option<bool>,
    /// Its state when the order was created.
    #[serde(skip_serializing_if = "omit")]
    pub initial_state: State,
    /// The challenges offered.
    #[serde(skip_serializing_if = "omit")]
    pub challenges: Vec<AcmeChallenge>,
}

/// One challenge that a CA offers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AcmeChallenge {
    /// Its URL.
    pub url: String,
    /// Its token.
    pub token: String,
    /// `http-01`, `dns-01`, `tls-alpn-01`, or another.
    pub type_: String,
}

/// A challenge to be solved.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Challenge {
    /// Name, namespace, labels.
    pub metadata: ObjectMeta,
    /// Which challenge and how; never changes.
    pub spec: ChallengeSpec,
    /// How far it is.
    #[serde(skip_serializing_if = "omit")]
    pub status: ChallengeStatus,
}

/// Which challenge is solved, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChallengeSpec {
    /// The challenge's URL.
    pub url: String,
    /// The authorization's URL.
    #[serde(rename = "authorizationURL")]
    pub authorization_url: String,
    /// The DNS name or IP address, without `*.`.
    pub dns_name: String,
    /// Whether the authorization is for the wildcard of the name.
    pub wildcard: bool,
    /// HTTP-01 or DNS-01.
    pub type_: AcmeChallengeType,
    /// The token.
    pub token: String,
    /// What is published: the key authorization (HTTP-01) or its digest (DNS-01).
    pub key: String,
    /// The solver chosen.
    pub solver: AcmeChallengeSolver,
    /// The issuer with the account.
    pub issuer_ref: ObjectReference,
}

/// How far a [`Challenge`] is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ChallengeStatus {
    /// Whether the scheduler let it start.
    pub processing: bool,
    /// Whether the solver's objects are in place.
    pub presented: bool,
    /// When they were put in place (1.21 on).
    #[serde(skip_serializing_if = "omit")]
    pub presented_at: Option<Time>,
    /// Why it is in its state.
    #[serde(skip_serializing_if = "omit")]
    pub reason: String,
    /// The CA's state of the challenge.
    #[serde(skip_serializing_if = "omit")]
    pub state: State,
}
string_enum! {
    /// The challenge types that cert-manager solves.
    #[derive(Default)]
    pub enum AcmeChallengeType {
        /// Served over HTTP.
        #[default]
        Http01 = "HTTP-01",
        /// Published in DNS.
        Dns01 = "DNS-01",
        /// A certificate with the key authorization, served to a TLS handshake on port 443 (RFC 8737). Rehearse's own:
        /// cert-manager has none.
        TlsAlpn01 = "TLS-ALPN-01",
    }
}

string_enum! {
    /// The state of an order, authorization or challenge at the CA.
    #[derive(Default)]
    pub enum State {
        /// Not known yet.
        #[default]
        Unset = "",
        /// The CA sent a state that has no name here.
        Unknown = "unknown",
        /// Waits for the client.
        Pending = "pending",
        /// All authorizations are valid: finalize.
        Ready = "ready",
        /// Waits for the CA.
        Processing = "processing",
        /// Done.
        Valid = "valid",
        /// Failed.
        Invalid = "invalid",
        /// Too late.
        Expired = "expired",
        /// The CA's answer was final and an error.
        Errored = "errored",
    }
}

impl State {
    /// Whether nothing happens any more: valid, invalid, expired or errored.
    pub fn is_final(self) -> bool {
        matches!(self, State::Valid) || self.is_failure()
    }

    /// Whether it has failed for good: invalid, expired or errored.
    pub fn is_failure(self) -> bool {
        matches!(self, State::Invalid | State::Expired | State::Errored)
    }
}
