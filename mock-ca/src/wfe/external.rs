//! External account binding (RFC 8555 section 7.3.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use serde_json::Value;

use super::Call;
use super::jwk::Jwk;
use crate::dialect::Endpoint;
use crate::problem::{Problem, ProblemKind};

#[derive(Deserialize)]
struct Binding {
    #[serde(default)]
    protected: String,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    signature: String,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    alg: String,
    #[serde(default)]
    kid: String,
    #[serde(default)]
    url: String,
    nonce: Option<Value>,
}

const ALGORITHMS: [(&str, hmac::Algorithm); 3] =
    [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)];

/// Checks the binding of a new account with this key; `None` when there is none and none is needed.
///
/// # Errors
/// `externalAccountRequired` without one; `malformed` when it is no such JWS; `unauthorized` when its key is
/// not known or did not sign it; `badPublicKey` when it binds another key.
pub(super) fn check(call: &Call<'_>, given: Option<&Value>, key: &Jwk) -> Result<Option<Value>, Problem> {
    let accounts = &call.ca.config().external_accounts;
    let Some(given) = given.filter(|given| !given.is_null()) else {
        if accounts.required {
            let detail = "ACME server policy requires newAccount requests must include a value for the \
                          'externalAccountBinding' field";
            return Err(Problem::new(ProblemKind::ExternalAccountRequired, detail));
        }
        return Ok(None);
    };
    if accounts.keys.is_empty() && !accounts.required {
        // A server that binds no accounts has nothing to check it with.
        return Ok(None);
    }
    let bad = |what: &str| Problem::malformed(format!("externalAccountBinding: {what}"));
    let binding: Binding =
        serde_json::from_value(given.clone()).map_err(|_| bad("it is no flattened JWS"))?;
    let decode = |text: &str, what: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| bad(what));
    let header = decode(&binding.protected, "its protected header is not base64url")?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|_| bad("its protected header is no JSON"))?;
    let payload = decode(&binding.payload, "its payload is not base64url")?;
    let signature = decode(&binding.signature, "its signature is not base64url")?;
    let algorithm = ALGORITHMS.iter().find(|(name, _)| *name == header.alg).map(|(_, algorithm)| *algorithm);
    let algorithm = algorithm.ok_or_else(|| bad("its algorithm is none of HS256, HS384 and HS512"))?;
    if header.nonce.is_some() {
        return Err(bad("its header must not have a nonce"));
    }
    if header.kid.is_empty() {
        return Err(bad("its header has no kid"));
    }
    if header.url != call.urls().url(Endpoint::NewAccount, &[]) {
        return Err(bad("its url is not that of the request"));
    }
    let unknown =
        || Problem::unauthorized("the field 'kid' references a key that is not known to the ACME server");
    let secret = accounts.keys.get(&header.kid).ok_or_else(unknown)?;
    // Keys of users may have padding; a key that is none can have signed nothing.
    let secret = URL_SAFE_NO_PAD.decode(secret.trim_end_matches('=')).map_err(|_| unknown())?;
    let signed = format!("{}.{}", binding.protected, binding.payload);
    hmac::verify(&hmac::Key::new(algorithm, &secret), signed.as_bytes(), &signature).map_err(|_| {
        Problem::unauthorized("the external account binding JWS does not verify with its key")
    })?;
    let bound = serde_json::from_slice::<Value>(&payload).ok().and_then(|jwk| Jwk::parse(&jwk));
    if bound.as_ref() != Some(key) {
        let detail = "the payload of the external account binding is not the key of the new account";
        return Err(Problem::new(ProblemKind::BadPublicKey, detail));
    }
    Ok(Some(given.clone()))
}
