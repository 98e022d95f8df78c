//! The load balancer in front of the CA: how many requests an address may make to each class of endpoints.

use serde::{Deserialize, Serialize};

use crate::dialect::Endpoint;

/// Endpoints that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum EndpointClass {
    /// newNonce.
    NewNonce,
    /// newAccount.
    NewAccount,
    /// newOrder.
    NewOrder,
    /// revokeCert.
    RevokeCert,
    /// renewalInfo (RFC 9773).
    RenewalInfo,
    /// Everything else under `/acme/`.
    Acme,
    /// The directory.
    Directory,
}

impl EndpointClass {
    /// All of them.
    pub const ALL: [EndpointClass; 7] = [
        EndpointClass::NewNonce,
        EndpointClass::NewAccount,
        EndpointClass::NewOrder,
        EndpointClass::RevokeCert,
        EndpointClass::RenewalInfo,
        EndpointClass::Acme,
        EndpointClass::Directory,
    ];

    /// As configuration and keys write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndpointClass::NewNonce => "newNonce",
            EndpointClass::NewAccount => "newAccount",
            EndpointClass::NewOrder => "newOrder",
            EndpointClass::RevokeCert => "revokeCert",
            EndpointClass::RenewalInfo => "renewalInfo",
            EndpointClass::Acme => "acme",
            EndpointClass::Directory => "directory",
        }
    }

    /// The class with this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
    }

    /// The class that an endpoint is in; `None` for what is no request.
    pub const fn of(endpoint: Endpoint) -> Option<Self> {
        Some(match endpoint {
            Endpoint::Directory => EndpointClass::Directory,
            Endpoint::NewNonce => EndpointClass::NewNonce,
            Endpoint::NewAccount => EndpointClass::NewAccount,
            Endpoint::NewOrder => EndpointClass::NewOrder,
            Endpoint::RevokeCert => EndpointClass::RevokeCert,
            Endpoint::RenewalInfo => EndpointClass::RenewalInfo,
            Endpoint::Issuance => return None,
            _ => EndpointClass::Acme,
        })
    }
}

/// How fast an address may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RequestRate {
    /// Requests in a second.
    pub per_second: u64,
    /// The most at once.
    pub burst: u64,
}
