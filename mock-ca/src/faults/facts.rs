//! What a request claims to be about, read before anything in it is verified: for rules and the journal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::db::{Db, Issued};
use crate::dialect::{Dialect, Endpoint};
use crate::wfe::Incoming;
use crate::wfe::jwk::Jwk;
use crate::wfe::urls::parse_challenge;

/// What is known of a request before it is decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Claims {
    /// The last part of the account's URL.
    pub(crate) account: Option<String>,
    /// Thumbprint of the account's key.
    pub(crate) thumbprint: Option<String>,
    /// The names that it is about.
    pub(crate) identifiers: Vec<String>,
    /// Its nonce.
    pub(crate) nonce: Option<String>,
}

/// The object that a URL names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Order(u64),
    Authorization(u64),
    Certificate(String),
}

#[derive(Deserialize)]
struct Flattened {
    protected: String,
    #[serde(default)]
    payload: String,
}

#[derive(Deserialize)]
struct Header {
    kid: Option<String>,
    jwk: Option<serde_json::Value>,
    nonce: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    identifiers: Vec<Name>,
    identifier: Option<Name>,
}

#[derive(Deserialize)]
struct Name {
    value: String,
}

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The object that the path of a request names.
pub(crate) fn object(dialect: &Dialect, endpoint: Option<Endpoint>, params: &[String]) -> Option<Object> {
    match endpoint? {
        Endpoint::Order | Endpoint::Finalize => dialect.ids.parse(params.last()?).map(Object::Order),
        Endpoint::Challenge if params.len() == 1 => {
            parse_challenge(dialect, params.first()?).map(|(id, _)| Object::Authorization(id))
        }
        Endpoint::Authorization | Endpoint::Challenge => {
            dialect.ids.parse(params.first()?).map(Object::Authorization)
        }
        Endpoint::Certificate => Some(Object::Certificate(params.first()?.to_ascii_lowercase())),
        _ => None,
    }
}

fn names_of(db: &Db, object: &Object) -> Vec<String> {
    match object {
        Object::Order(id) => {
            db.orders.get(id).map(|order| order.identifiers.iter().map(|i| i.value().into_owned()).collect())
        }
        Object::Authorization(id) => {
            db.authorizations.get(id).map(|a| vec![a.identifier.value().into_owned()])
        }
        Object::Certificate(serial) => db.certificates.get(serial.as_str()).map(Issued::names),
    }
    .unwrap_or_default()
}

/// Whether the payload of a request can name what it is about.
const fn names_in_payload(endpoint: Endpoint) -> bool {
    !matches!(
        endpoint,
        Endpoint::Directory
            | Endpoint::NewNonce
            | Endpoint::NewAccount
            | Endpoint::Account
            | Endpoint::KeyChange
            | Endpoint::RevokeCert
    )
}

/// Reads what a request claims. Who claims it is looked at only `for_rules`: the journal does without.
pub(crate) fn read(
    db: &Db,
    dialect: &Dialect,
    endpoint: Option<Endpoint>,
    incoming: &Incoming,
    for_rules: bool,
) -> Claims {
    let mut claims = Claims::default();
    let object = object(dialect, endpoint, &incoming.params);
    if let Some(object) = &object {
        claims.identifiers = names_of(db, object);
    }
    let named = object.is_none() && endpoint.is_some_and(names_in_payload);
    let body = incoming.body.as_deref().ok().filter(|body| !body.is_empty() && (named || for_rules));
    let jws = body.and_then(|body| serde_json::from_slice::<Flattened>(body).ok());
    let Some(jws) = jws else { return claims };
    if let Some(found) = named.then(|| part::<Named>(&jws.payload)).flatten() {
        let names = found.identifiers.into_iter().chain(found.identifier);
        claims.identifiers = names.map(|name| name.value).collect();
    }
    let Some(header) = for_rules.then(|| part::<Header>(&jws.protected)).flatten() else { return claims };
    claims.nonce = header.nonce;
    if let Some(kid) = header.kid {
        let id = kid.rsplit('/').next().unwrap_or_default().to_owned();
        let account = dialect.ids.parse(&id).and_then(|id| db.accounts.get(&id));
        claims.thumbprint = account.map(|account| account.key.thumbprint());
        claims.account = Some(id);
    } else if let Some(key) = header.jwk.and_then(|jwk| Jwk::parse(&jwk)) {
        claims.account = db.account_of_key(&key).map(|id| dialect.ids.text(id));
        claims.thumbprint = Some(key.thumbprint());
    }
    claims
}
