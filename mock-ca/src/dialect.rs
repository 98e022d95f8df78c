//! What differs between ACME servers, as data: paths, content types, statuses, and a few habits.
//!
//! The code asks a [`Dialect`] and never its name, so another server is another table.

use serde::{Deserialize, Serialize};

/// Which server is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DialectName {
    /// Boulder, which Let's Encrypt runs.
    #[default]
    Boulder,
}

impl DialectName {
    /// The table of this dialect.
    pub const fn table(self) -> &'static Dialect {
        match self {
            DialectName::Boulder => &BOULDER,
        }
    }
}

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
    /// New orders.
    NewOrder,
    /// One order.
    Order,
    /// One authorization.
    Authorization,
    /// One challenge.
    Challenge,
    /// The finalization of one order.
    Finalize,
    /// One certificate chain.
    Certificate,
    /// Revocation.
    RevokeCert,
    /// Change of an account's key.
    KeyChange,
    /// No resource: the signing behind an asynchronous finalize.
    Issuance,
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

/// The table of a server's differences.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Resources.
    pub routes: &'static [Route],
    /// Content type of JSON objects.
    pub json_type: &'static str,
    /// Content type of problem documents (RFC 7807).
    pub problem_type: &'static str,
    /// Content type of certificate chains (RFC 8555 section 9.1).
    pub chain_type: &'static str,
    /// Status of a POST with another content type than `application/jose+json`.
    pub wrong_content_type_status: u16,
    /// Bodies beyond this many bytes are refused.
    pub body_max: usize,
    /// Status of a POST-as-GET to newNonce.
    pub post_nonce_status: u16,
    /// Whether a challenge shows `processing` while it is validated.
    pub challenge_shows_processing: bool,
    /// The header that names the account of a request.
    pub requester_header: Option<&'static str>,
    /// Whether the directory has a random key that a client must ignore.
    pub directory_random_key: bool,
    /// Whether every nonce starts with the name of the server that made it.
    pub nonce_prefix: bool,
    /// `Retry-After` of internal errors, seconds.
    pub internal_error_retry_after: Option<u32>,
}

impl Dialect {
    /// The route of `endpoint`, if the dialect has it.
    pub fn route(&self, endpoint: Endpoint) -> Option<&'static Route> {
        self.routes.iter().find(|route| route.endpoint == endpoint)
    }

    /// The path of `endpoint` with `ids` in its places.
    pub fn path(&self, endpoint: Endpoint, ids: &[&str]) -> String {
        let template = self.route(endpoint).map_or("/", |route| route.path);
        let mut ids = ids.iter();
        let mut path = String::with_capacity(template.len() + 24);
        for segment in template.split('/').skip(1) {
            path.push('/');
            match segment.starts_with('{').then(|| ids.next()).flatten() {
                Some(id) => path.push_str(id),
                None => path.push_str(segment),
            }
        }
        path
    }
}

const fn route(
    endpoint: Endpoint,
    path: &'static str,
    post: Option<Signer>,
    get: bool,
    directory_key: Option<&'static str>,
) -> Route {
    Route { endpoint, path, post, get, directory_key }
}

/// Boulder as Let's Encrypt has run it since 2020.
const BOULDER: Dialect = Dialect {
    routes: &[
        route(Endpoint::Directory, "/directory", Some(Signer::Account), true, None),
        route(Endpoint::NewNonce, "/acme/new-nonce", Some(Signer::Account), true, Some("newNonce")),
        route(Endpoint::NewAccount, "/acme/new-acct", Some(Signer::Key), false, Some("newAccount")),
        route(Endpoint::Account, "/acme/acct/{account}", Some(Signer::Account), false, None),
        route(Endpoint::NewOrder, "/acme/new-order", Some(Signer::Account), false, Some("newOrder")),
        route(Endpoint::Order, "/acme/order/{account}/{order}", Some(Signer::Account), true, None),
        route(Endpoint::Finalize, "/acme/finalize/{account}/{order}", Some(Signer::Account), false, None),
        route(Endpoint::Authorization, "/acme/authz-v3/{authz}", Some(Signer::Account), true, None),
        route(Endpoint::Challenge, "/acme/chall-v3/{authz}/{challenge}", Some(Signer::Account), true, None),
        route(Endpoint::Certificate, "/acme/cert/{serial}", Some(Signer::Account), true, None),
        route(Endpoint::RevokeCert, "/acme/revoke-cert", Some(Signer::Either), false, Some("revokeCert")),
        route(Endpoint::KeyChange, "/acme/key-change", Some(Signer::Account), false, Some("keyChange")),
    ],
    json_type: "application/json",
    problem_type: "application/problem+json",
    chain_type: "application/pem-certificate-chain",
    wrong_content_type_status: 400,
    body_max: 50_000,
    post_nonce_status: 200,
    challenge_shows_processing: false,
    requester_header: Some("boulder-requester"),
    directory_random_key: true,
    nonce_prefix: true,
    internal_error_retry_after: Some(60),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_filled_in() {
        let table = DialectName::Boulder.table();
        assert_eq!(table.path(Endpoint::Order, &["7", "12"]), "/acme/order/7/12");
        assert_eq!(table.path(Endpoint::Directory, &[]), "/directory");
        assert_eq!(table.path(Endpoint::Challenge, &["9", "Ab-_09"]), "/acme/chall-v3/9/Ab-_09");
    }
}
