//! An ACME account's key, and what it signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use ring::{digest, hmac};
use serde_json::{Value, json};

use super::failure::Failure;
use crate::target::ExternalAccount;

/// A P-256 key with its account URL, once there is one.
#[derive(Debug)]
pub(crate) struct Account {
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// The public key as JSON, its members in the order that the thumbprint wants (RFC 7638).
    jwk: String,
    thumbprint: String,
    url: Option<String>,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Account {
    /// A new key, not registered.
    pub(crate) fn generate() -> Result<Self, Failure> {
        let failed = |what: &str| Failure::Client(format!("account key: {what}"));
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|e| failed(&e.to_string()))?;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random)
            .map_err(|e| failed(&e.to_string()))?;
        // The uncompressed point: 4, x, y.
        let point = key.public_key().as_ref();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else {
            return Err(failed("not a P-256 point"));
        };
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y));
        let thumbprint = encode(digest::digest(&digest::SHA256, jwk.as_bytes()));
        Ok(Account { key, random, jwk, thumbprint, url: None })
    }

    /// From now on requests name the account, not the key.
    pub(crate) fn registered(&mut self, url: String) {
        self.url = Some(url);
    }

    /// The key authorization of a challenge token (RFC 8555 section 8.1).
    pub(crate) fn key_authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.thumbprint)
    }

    /// The binding to an account that the CA has outside of ACME (RFC 8555 section 7.3.4): its key signs this one.
    pub(crate) fn bind(&self, external: &ExternalAccount, url: &str) -> Value {
        let protected = encode(json!({ "alg": "HS256", "kid": external.kid, "url": url }).to_string());
        let payload = encode(&self.jwk);
        let key = hmac::Key::new(hmac::HMAC_SHA256, external.key());
        let tag = hmac::sign(&key, format!("{protected}.{payload}").as_bytes());
        json!({ "protected": protected, "payload": payload, "signature": encode(tag) })
    }

    /// A request body: a flattened JWS (RFC 8555 section 6.2). No payload is POST-as-GET.
    pub(crate) fn sign(&self, url: &str, nonce: &str, payload: Option<&Value>) -> Result<Vec<u8>, Failure> {
        let mut protected = json!({ "alg": "ES256", "nonce": nonce, "url": url });
        match &self.url {
            Some(kid) => protected["kid"] = kid.as_str().into(),
            None => {
                protected["jwk"] =
                    serde_json::from_str(&self.jwk).map_err(|e| Failure::Client(e.to_string()))?;
            }
        }
        let protected = encode(protected.to_string());
        let payload = payload.map(|payload| encode(payload.to_string())).unwrap_or_default();
        let signature = self
            .key
            .sign(&self.random, format!("{protected}.{payload}").as_bytes())
            .map_err(|_| Failure::Client("signature".to_owned()))?;
        let signature = encode(signature.as_ref());
        // base64url needs no escape in JSON.
        let body =
            format!(r#"{{"protected":"{protected}","payload":"{payload}","signature":"{signature}"}}"#);
        Ok(body.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn decoded(part: &Value) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part.as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_request_verifies_and_names_the_key_until_there_is_an_account() {
        let mut account = Account::generate().unwrap();
        for registered in [false, true] {
            let body = account.sign("https://ca/x", "n", Some(&json!({ "a": 1 }))).unwrap();
            let jws: Value = serde_json::from_slice(&body).unwrap();
            let signed =
                format!("{}.{}", jws["protected"].as_str().unwrap(), jws["payload"].as_str().unwrap());
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, account.key.public_key().as_ref())
                .verify(signed.as_bytes(), &decoded(&jws["signature"]))
                .unwrap();
            let header: Value = serde_json::from_slice(&decoded(&jws["protected"])).unwrap();
            assert_eq!(header["kid"].as_str(), registered.then_some("https://ca/account/1"));
            assert_eq!(header["jwk"]["crv"].as_str(), (!registered).then_some("P-256"));
            assert_eq!((header["nonce"].as_str(), header["url"].as_str()), (Some("n"), Some("https://ca/x")));
            account.registered("https://ca/account/1".to_owned());
        }
    }

    #[test]
    fn an_external_account_signs_the_key() {
        let external = ExternalAccount::new("kid-1", "c2VjcmV0").unwrap();
        let account = Account::generate().unwrap();
        let bound = account.bind(&external, "https://ca/new-account");
        assert_eq!(decoded(&bound["payload"]), account.jwk.as_bytes());
        let header: Value = serde_json::from_slice(&decoded(&bound["protected"])).unwrap();
        assert_eq!(header, json!({ "alg": "HS256", "kid": "kid-1", "url": "https://ca/new-account" }));
        let signed =
            format!("{}.{}", bound["protected"].as_str().unwrap(), bound["payload"].as_str().unwrap());
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, signed.as_bytes(), &decoded(&bound["signature"])).unwrap();
    }

    #[test]
    fn post_as_get_has_an_empty_payload() {
        let body = Account::generate().unwrap().sign("https://ca/x", "n", None).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["payload"], "");
    }
}
