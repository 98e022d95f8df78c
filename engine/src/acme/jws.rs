//! Flattened JSON Web Signatures (RFC 8555 section 6.2): of requests, of a key change, of an account binding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};
use world::{PrivateKey, PublicKey};

use crate::api::HmacKeyAlgorithm;

/// Who signs: a new account shows its key, a known one its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// `jwk`.
    Key,
    /// `kid`.
    Account(String),
}

/// Signs `payload` for `url`; without a payload it is a POST-as-GET (section 6.3). The inner signature of a key
/// change has no nonce.
pub(super) fn sign(
    key: &PrivateKey,
    url: &str,
    payload: Option<&Value>,
    identity: &Identity,
    nonce: Option<&str>,
) -> Value {
    let alg = key.jws_algorithm();
    let who = match identity {
        Identity::Key => format!(r#""jwk":{}"#, key.public().jwk()),
        Identity::Account(url) => format!(r#""kid":{}"#, Value::from(url.as_str())),
    };
    let nonce = nonce.map(|nonce| format!(r#""nonce":{},"#, Value::from(nonce))).unwrap_or_default();
    let header = format!(r#"{{"alg":"{alg}",{who},{nonce}"url":{}}}"#, Value::from(url));
    let payload = payload.map(|p| URL_SAFE_NO_PAD.encode(p.to_string())).unwrap_or_default();
    flattened(&header, payload, |message| key.sign_jws(message).signature)
}

/// A binding of an account's key to an account that the CA knows otherwise (section 7.3.4).
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The key's name at the CA.
    pub key_id: String,
    /// The key.
    pub mac_key: Vec<u8>,
    /// The MAC.
    pub algorithm: HmacKeyAlgorithm,
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExternalAccount({}, {})", self.key_id, self.algorithm)
    }
}

/// The `externalAccountBinding` of a request to `url` for the account of `key`.
pub(super) fn bind(account: &ExternalAccount, key: &PublicKey, url: &str) -> Value {
    let algorithm = match account.algorithm {
        HmacKeyAlgorithm::Hs256 => hmac::HMAC_SHA256,
        HmacKeyAlgorithm::Hs384 => hmac::HMAC_SHA384,
        HmacKeyAlgorithm::Hs512 => hmac::HMAC_SHA512,
    };
    let header = json!({ "alg": account.algorithm.as_str(), "kid": account.key_id, "url": url }).to_string();
    let mac_key = hmac::Key::new(algorithm, &account.mac_key);
    flattened(&header, URL_SAFE_NO_PAD.encode(key.jwk()), |m| hmac::sign(&mac_key, m).as_ref().to_vec())
}

fn flattened(header: &str, payload: String, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> Value {
    let protected = URL_SAFE_NO_PAD.encode(header);
    let signature = URL_SAFE_NO_PAD.encode(sign(format!("{protected}.{payload}").as_bytes()));
    json!({ "protected": protected, "payload": payload, "signature": signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        let make = |world: world::World| async move {
            world.keys("account").generate(world::KeyAlgorithm::EcdsaP256).unwrap()
        };
        world::sim::run(world::sim::Config::default(), make).unwrap().value
    }

    fn decoded(jws: &Value, member: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(jws[member].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_binding_is_signed_by_each_of_the_three_macs() {
        let key = key();
        for (algorithm, verify) in [
            (HmacKeyAlgorithm::Hs256, hmac::HMAC_SHA256),
            (HmacKeyAlgorithm::Hs384, hmac::HMAC_SHA384),
            (HmacKeyAlgorithm::Hs512, hmac::HMAC_SHA512),
        ] {
            let account = ExternalAccount { key_id: "kid-1".into(), mac_key: vec![7; 32], algorithm };
            let jws = bind(&account, key.public(), "https://ca/new-account");
            let header: Value = serde_json::from_slice(&decoded(&jws, "protected")).unwrap();
            assert_eq!(
                header,
                json!({ "alg": algorithm.as_str(), "kid": "kid-1", "url": "https://ca/new-account" })
            );
            assert_eq!(decoded(&jws, "payload"), key.public().jwk().as_bytes());
            let message =
                format!("{}.{}", jws["protected"].as_str().unwrap(), jws["payload"].as_str().unwrap());
            let mac = hmac::Key::new(verify, &[7; 32]);
            hmac::verify(&mac, message.as_bytes(), &decoded(&jws, "signature")).unwrap();
            assert_eq!(
                format!("{account:?}"),
                format!("ExternalAccount(kid-1, {algorithm})"),
                "no key in it"
            );
        }
    }

    #[test]
    fn the_inner_signature_of_a_key_change_has_no_nonce() {
        let key = key();
        for (nonce, has) in [(None, false), (Some("n"), true)] {
            let jws = sign(&key, "https://ca/change", Some(&json!({})), &Identity::Key, nonce);
            let header: Value = serde_json::from_slice(&decoded(&jws, "protected")).unwrap();
            assert_eq!(header.get("nonce").is_some(), has);
            assert!(header.get("jwk").is_some() && header.get("kid").is_none());
        }
    }
}
