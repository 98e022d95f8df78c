//! Resources and their paths.

use serde::{Deserialize, Serialize};

/// An ACME resource (RFC 8555 section 7.1), or the work behind one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    /// The directory.
    Directory,
    /// New nonces.
    NewNonce,
    /// New accounts.
    NewAccount,
    /// One account.
    Account,
    /// The orders of an account (RFC 8555 section 7.1.2.1).
    OrdersList,
    /// New orders.
    NewOrder,
    /// One order.
    Order,
    /// New authorizations before an order (RFC 8555 section 7.4.1).
    NewAuthz,
    /// One authorization.
    Authorization,
    /// One challenge.
    Challenge,
    /// The finalization of one order.
    Finalize,
    /// One certificate chain.
    Certificate,
    /// When to renew a certificate (RFC 9773).
    RenewalInfo,
    /// Revocation.
    RevokeCert,
    /// Change of an account's key.
    KeyChange,
    /// No resource: the signing behind an asynchronous finalize.
    Issuance,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Endpoint; 16] = [
        Endpoint::Directory,
        Endpoint::NewNonce,
        Endpoint::NewAccount,
        Endpoint::Account,
        Endpoint::OrdersList,
        Endpoint::NewOrder,
        Endpoint::Order,
        Endpoint::NewAuthz,
        Endpoint::Authorization,
        Endpoint::Challenge,
        Endpoint::Finalize,
        Endpoint::Certificate,
        Endpoint::RenewalInfo,
        Endpoint::RevokeCert,
        Endpoint::KeyChange,
        Endpoint::Issuance,
    ];
}

/// Who may send a request, as its JWS says (RFC 8555 section 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// A key that is shown in the request (`jwk`).
    Key,
    /// An account (`kid`).
    Account,
    /// Either.
    Either,
}

/// A resource of the server: its path with places for identifiers, who may post to it, and whether it can
/// be read without a signature.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The resource.
    pub endpoint: Endpoint,
    /// Path; `{…}` stands for an identifier.
    pub path: &'static str,
    /// Who may POST.
    pub post: Option<Signer>,
    /// Whether GET and HEAD are answered.
    pub get: bool,
    /// Its key in the directory object.
    pub directory_key: Option<&'static str>,
}

pub(super) const fn route(
    endpoint: Endpoint,
    path: &'static str,
    post: Option<Signer>,
    get: bool,
    directory_key: Option<&'static str>,
) -> Route {
    Route { endpoint, path, post, get, directory_key }
}
