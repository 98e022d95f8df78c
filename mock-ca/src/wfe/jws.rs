//! Signed requests (RFC 8555 section 6.2): reading a JWS, and the checks in Boulder's order.
//!
//! Reading: form, unprotected headers, one signature, algorithm. Then who signs: `jwk` or `kid`, not both.
//! Then the key's strength (keys that are shown), the algorithm against the key, the signature, the nonce,
//! the URL, and that the payload is JSON. A nonce is spent only by a request whose signature is good.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::jwk::Jwk;
use super::nonce::Nonces;
use crate::dialect::Dialect;
use crate::problem::{Problem, ProblemKind};

/// A JWS that was read and not verified.
#[derive(Clone, Debug)]
pub struct Jws {
    dialect: &'static Dialect,
    header: Header,
    signing_input: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Flattened {
    protected: Option<String>,
    payload: Option<String>,
    signature: Option<String>,
    header: Option<Value>,
    signatures: Option<Vec<Value>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Header {
    alg: Option<String>,
    kid: Option<String>,
    jwk: Option<Value>,
    nonce: Option<String>,
    url: Option<Value>,
}

/// Who signed, as the header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A key that is in the header.
    Key(Jwk),
    /// The URL of an account.
    Account(String),
}

impl Jws {
    /// Reads the body of a request to a server of this dialect.
    ///
    /// # Errors
    /// `malformed` when it is no flattened JWS with everything in its protected header;
    /// `badSignatureAlgorithm` when it is signed in a way that is not supported.
    pub fn parse(body: &[u8], dialect: &'static Dialect) -> Result<Self, Problem> {
        let unreadable = |why: &dyn Display| Problem::unreadable("Parse error reading JWS", why);
        let raw: Flattened = serde_json::from_slice(body).map_err(|e| unreadable(&e))?;
        if raw.header.is_some_and(|header| !header.is_null()) {
            return Err(Problem::malformed(
                "JWS \"header\" field not allowed. All headers must be in \"protected\" field",
            ));
        }
        if raw.signatures.is_some_and(|list| !list.is_empty()) {
            return Err(Problem::malformed(
                "JWS \"signatures\" field not allowed. Only the \"signature\" field should contain a signature",
            ));
        }
        let bytes = |member: &str, text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default();
            let decoded = URL_SAFE_NO_PAD.decode(text);
            decoded.map_err(|e| unreadable(&format!("{member:?} is not base64url: {e}")))
        };
        let header = bytes("protected", &raw.protected)?;
        let header: Header = serde_json::from_slice(&header)
            .map_err(|e| unreadable(&format!("\"protected\" is no JWS header: {e}")))?;
        let (payload, signature) = (bytes("payload", &raw.payload)?, bytes("signature", &raw.signature)?);
        if signature.is_empty() {
            return Err(Problem::malformed("POST JWS not signed"));
        }
        let alg = header.alg.as_deref().unwrap_or_default();
        let known = dialect.account_keys.algorithms;
        if !known.contains(&alg) {
            let detail = format!(
                "JWS signature header contains unsupported algorithm {alg:?}, expected one of [{}]",
                known.join(" ")
            );
            let mut problem = Problem::new(ProblemKind::BadSignatureAlgorithm, detail);
            problem.algorithms = known;
            return Err(problem);
        }
        let signing_input =
            format!("{}.{}", raw.protected.unwrap_or_default(), raw.payload.unwrap_or_default());
        Ok(Jws { dialect, header, signing_input, payload, signature })
    }

    /// Who says to have signed.
    ///
    /// # Errors
    /// `malformed` when it is nobody or both a key and an account, or the key is none.
    pub fn identity(&self) -> Result<Option<Identity>, Problem> {
        let kid = self.header.kid.as_deref().filter(|kid| !kid.is_empty());
        let jwk = self.header.jwk.as_ref().filter(|jwk| !jwk.is_null());
        match (jwk, kid) {
            (Some(_), Some(_)) => Err(Problem::malformed("jwk and kid header fields are mutually exclusive")),
            (None, None) => Ok(None),
            (None, Some(kid)) => Ok(Some(Identity::Account(kid.to_owned()))),
            (Some(jwk), None) => match Jwk::parse(jwk) {
                Some(key) => Ok(Some(Identity::Key(key))),
                None => Err(Problem::malformed("Invalid JWK in JWS header")),
            },
        }
    }

    /// The payload, if `key` signed it for `url` with a good nonce. The nonce is spent.
    ///
    /// # Errors
    /// The problem of the first check that fails.
    pub fn verify(&self, key: &Jwk, nonces: &mut Nonces, url: &str) -> Result<Payload, Problem> {
        self.verify_signature(key)?;
        self.accept(nonces, url)
    }

    /// The payload, if it was signed for `url` with a good nonce, whoever has signed it. The nonce is spent.
    ///
    /// # Errors
    /// The problem of the first check that fails.
    pub fn accept(&self, nonces: &mut Nonces, url: &str) -> Result<Payload, Problem> {
        if self.dialect.url_before_nonce {
            self.given_url()?;
        }
        match self.header.nonce.as_deref().unwrap_or_default() {
            "" => return Err(Problem::new(ProblemKind::BadNonce, "JWS has no anti-replay nonce")),
            nonce if !nonces.consume(nonce) => {
                let detail = format!("JWS has an invalid anti-replay nonce: {nonce:?}");
                return Err(Problem::new(ProblemKind::BadNonce, detail));
            }
            _ => {}
        }
        self.check_url(url)?;
        self.payload()
    }

    /// Whether the signature is `key`'s.
    ///
    /// # Errors
    /// `malformed` when it is not, or the algorithm is that of another kind of key.
    pub fn verify_signature(&self, key: &Jwk) -> Result<(), Problem> {
        let alg = self.header.alg.as_deref().unwrap_or_default();
        if alg != key.algorithm() {
            let detail = format!(
                "JWS signature header algorithm {alg:?} does not match expected algorithm {:?} for JWK",
                key.algorithm()
            );
            return Err(Problem::answer(self.dialect.answers.algorithm_of_another_key, detail));
        }
        let jwk_alg = self.header.jwk.as_ref().and_then(|jwk| jwk.get("alg")).and_then(Value::as_str);
        if let Some(jwk_alg) = jwk_alg.filter(|jwk_alg| *jwk_alg != alg) {
            return Err(Problem::malformed(format!(
                "JWK key header algorithm {jwk_alg:?} does not match expected algorithm {alg:?} for JWK"
            )));
        }
        if !key.verify(self.signing_input.as_bytes(), &self.signature) {
            return Err(Problem::malformed("JWS verification error"));
        }
        Ok(())
    }

    /// Whether the header has this `url`.
    ///
    /// # Errors
    /// `malformed` when it has another or none.
    pub fn check_url(&self, expected: &str) -> Result<(), Problem> {
        let url = self.given_url()?;
        if url == expected {
            return Ok(());
        }
        Err(Problem::malformed(format!(
            "JWS header parameter 'url' incorrect. Expected {expected:?} got {url:?}"
        )))
    }

    fn given_url(&self) -> Result<&str, Problem> {
        let given = self.url().filter(|url| !url.is_empty());
        given.ok_or_else(|| Problem::malformed("JWS header parameter 'url' required"))
    }

    /// The `url` of the header, if it has one.
    pub fn url(&self) -> Option<&str> {
        self.header.url.as_ref().and_then(Value::as_str)
    }

    /// Whether the header has a nonce: inner requests have none.
    pub fn has_nonce(&self) -> bool {
        self.header.nonce.is_some()
    }

    /// The payload, unverified.
    ///
    /// # Errors
    /// `malformed` when it is not empty and no JSON.
    pub fn payload(&self) -> Result<Payload, Problem> {
        if self.payload.is_empty() {
            return Ok(Payload(None));
        }
        let value = serde_json::from_slice(&self.payload);
        value
            .map(|value| Payload(Some(value)))
            .map_err(|e| Problem::unreadable("Request payload did not parse as JSON", &e))
    }
}

/// The payload of a request: JSON, or empty in a POST-as-GET (RFC 8555 section 6.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Payload(Option<Value>);

impl Payload {
    /// Whether the request is a POST-as-GET.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of this member, if the payload is an object that has it.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.0.as_ref()?.get(name)
    }

    /// The payload as it is; `null` in a POST-as-GET.
    pub fn json(&self) -> Value {
        self.0.clone().unwrap_or_default()
    }

    /// The payload as a `T`. A member that is `null` counts as left out, since that is what clients in Go
    /// write for an empty list.
    ///
    /// # Errors
    /// `malformed` with this detail, and with the place and the reason, when it is none.
    pub fn read<T: serde::de::DeserializeOwned>(&self, detail: &str) -> Result<T, Problem> {
        let Some(Value::Object(mut members)) = self.0.clone() else {
            return Err(Problem::unreadable(detail, &"it is no JSON object"));
        };
        members.retain(|_, value| !value.is_null());
        serde_path_to_error::deserialize(Value::Object(members)).map_err(|e| Problem::unreadable(detail, &e))
    }
}

#[cfg(test)]
#[path = "jws_tests.rs"]
mod tests;
