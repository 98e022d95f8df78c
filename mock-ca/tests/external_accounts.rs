//! External account binding (RFC 8555 section 7.3.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crate::support::both::*;
use crate::support::{Acme, Stage, body, simulated};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use mock_ca::dialect::{DialectName, Endpoint as E};
use ring::hmac;
use serde_json::{Value, json};
use world::KeyAlgorithm::EcdsaP256;
use world::World;

const SECRET: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
const PADDED: &str = "c2VjcmV0IG9mIGEga2V5IHRoYXQgaXMgcGFkZGVkIQ==";

/// A binding, from good parts that `change` spoils: its header, its payload, its key.
fn binding(client: &Acme, change: impl FnOnce(&mut Value, &mut Value, &mut String)) -> Value {
    let mut header = json!({ "alg": "HS256", "kid": "kid-1", "url": client.resource(E::NewAccount) });
    let mut payload = public_jwk(&client.key);
    let mut secret = SECRET.to_owned();
    change(&mut header, &mut payload, &mut secret);
    let algorithm = match header["alg"].as_str() {
        Some("HS384") => hmac::HMAC_SHA384,
        Some("HS512") => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let key = URL_SAFE_NO_PAD.decode(secret.trim_end_matches('=')).unwrap();
    let tag = hmac::sign(&hmac::Key::new(algorithm, &key), format!("{protected}.{payload}").as_bytes());
    json!({ "protected": protected, "payload": payload, "signature": URL_SAFE_NO_PAD.encode(tag) })
}

async fn stage(world: &World, dialect: DialectName) -> Stage {
    let accounts = external(&[("kid-1", SECRET), ("kid-2", PADDED)]);
    stage_of(world, dialect, |config| config.external_accounts = accounts).await
}

fn request(binding: Option<Value>) -> Value {
    json!({ "termsOfServiceAgreed": true, "externalAccountBinding": binding })
}

#[test]
fn bindings_that_are_refused() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage(&world, dialect).await;
            let mut client = stage.stranger("one", EcdsaP256);
            let other = public_jwk(&stage.stranger("two", EcdsaP256).key);
            let good = binding(&client, |_, _, _| {});
            let spoiled = |member: &str, value: Value| {
                let mut binding = good.clone();
                binding[member] = value;
                Some(binding)
            };
            for (what, binding, wanted) in [
                ("none", None, "externalAccountRequired 403"),
                ("text", Some(json!("x")), "malformed 400"),
                ("empty", Some(json!({})), "malformed 400"),
                ("protected", spoiled("protected", json!("+")), "malformed 400"),
                ("header", spoiled("protected", json!("AAAA")), "malformed 400"),
                ("payload", spoiled("payload", json!("+")), "malformed 400"),
                ("signature", spoiled("signature", json!("+")), "malformed 400"),
                ("short signature", spoiled("signature", json!("AAAA")), "unauthorized 403"),
                ("alg", Some(binding(&client, |h, _, _| h["alg"] = json!("RS256"))), "malformed 400"),
                ("nonce", Some(binding(&client, |h, _, _| h["nonce"] = json!("x"))), "malformed 400"),
                ("no kid", Some(binding(&client, |h, _, _| drop(h["kid"].take()))), "malformed 400"),
                ("url", Some(binding(&client, |h, _, _| h["url"] = json!("https://a.com"))), "malformed 400"),
                ("kid", Some(binding(&client, |h, _, _| h["kid"] = json!("kid-9"))), "unauthorized 403"),
                ("MAC", Some(binding(&client, |_, _, key| *key = PADDED.to_owned())), "unauthorized 403"),
                ("key", Some(binding(&client, |_, p, _| *p = other.clone())), "badPublicKey 400"),
                ("no key", Some(binding(&client, |_, p, _| *p = json!(1))), "badPublicKey 400"),
            ] {
                let reply = client.new_account(request(binding)).await;
                assert_eq!(outcome(&reply), wanted, "{dialect:?}, {what}: {}", crate::support::text(&reply));
            }
            assert_eq!(client.kid, None, "nothing was made");
        }
    });
}

#[test]
fn bindings_of_every_algorithm_and_with_padded_keys() {
    simulated(|world| async move {
        for dialect in BOTH {
            for (kid, secret) in [("kid-1", SECRET), ("kid-2", PADDED)] {
                for alg in ["HS256", "HS384", "HS512"] {
                    let stage = stage(&world, dialect).await;
                    let mut client = stage.stranger(alg, EcdsaP256);
                    let directory = body(&client.fetch(Method::GET, &stage.ca.directory_url()).await);
                    assert_eq!(directory["meta"]["externalAccountRequired"], json!(true));
                    let bound = binding(&client, |header, _, key| {
                        header["alg"] = json!(alg);
                        header["kid"] = json!(kid);
                        *key = secret.to_owned();
                    });
                    let made = client.new_account(request(Some(bound.clone()))).await;
                    expect(&made, "201");
                    assert_eq!(body(&made)["externalAccountBinding"], bound);
                    // The account is found without it.
                    client.kid = None;
                    expect(&client.new_account(request(None)).await, "200");
                }
            }
        }
    });
}
