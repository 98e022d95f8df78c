//! Accounts (RFC 8555 section 7.3): kinds of keys, their change by all its rules, contacts, and the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crate::support::both::*;
use crate::support::{Acme, Stage, body, sign, simulated, text};
use http::Method;
use mock_ca::dialect::{DialectName, Endpoint as E};
use serde_json::{Value, json};
use world::KeyAlgorithm::{self, EcdsaP256, EcdsaP384, EcdsaP521, Ed25519, Rsa};
use world::PrivateKey;

/// A whole issuance, signed by each kind of key that an account can have.
#[test]
fn keys_of_every_kind_sign_a_whole_issuance() {
    simulated(|world| async move {
        for dialect in BOTH {
            for (algorithm, boulder) in [
                (Rsa(2048), true),
                (EcdsaP256, true),
                (EcdsaP384, true),
                (EcdsaP521, false),
                (Ed25519, false),
            ] {
                let stage = stage_of(&world, dialect, |_| {}).await;
                let mut client = stage.stranger(&algorithm.to_string(), algorithm);
                let made = client.new_account(json!({ "termsOfServiceAgreed": true })).await;
                if dialect == DialectName::Boulder && !boulder {
                    assert_eq!(made.status, 400, "{algorithm}");
                    continue;
                }
                assert_eq!(body(&made)["key"], public_jwk(&client.key));
                let (order, issued) = client.issue(&stage, &["example.com"]).await;
                assert_eq!(order["status"], "valid");
                expect(&client.revoke(&issued, None).await, "200");
            }
        }
    });
}

async fn change(client: &mut Acme, inner: &Value) -> String {
    let reply = client.to(E::KeyChange, inner).await;
    format!("{} {}", outcome(&reply), if reply.body.is_empty() { String::new() } else { detail(&reply) })
}

#[test]
fn a_key_is_changed_by_all_its_rules() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let other = stage.client("two").await;
            let generate = |label: &str, algorithm| world.keys(label).generate(algorithm).unwrap();
            let new = generate("new", EcdsaP256);
            let refused = async |client: &mut Acme, what: &str, inner: Value, wanted: &str| {
                let was = change(client, &inner).await;
                assert!(was.contains(wanted), "{dialect:?}, {what}: {was}");
            };
            let other_kid = other.kid.clone().unwrap();
            for (what, inner, wanted) in [
                (
                    "account",
                    client.key_change(&new, |_, p| p["account"] = json!(other_kid)),
                    "malformed 400 Inner",
                ),
                (
                    "old key",
                    client.key_change(&new, |_, p| p["oldKey"] = public_jwk(&new)),
                    "malformed 400 Inner",
                ),
                (
                    "no old key",
                    client.key_change(&new, |_, p| p["oldKey"] = Value::Null),
                    "missing field `oldKey`",
                ),
                (
                    "no account",
                    client.key_change(&new, |_, p| p["account"] = Value::Null),
                    "missing field `account`",
                ),
                ("url", client.key_change(&new, |h, _| h["url"] = json!("https://a.com")), "'url' incorrect"),
                ("no url", client.key_change(&new, |h, _| drop(h["url"].take())), "'url' required"),
                ("nonce", client.key_change(&new, |h, _| h["nonce"] = json!("x")), "must not have a nonce"),
                ("no jwk", client.key_change(&new, |h, _| drop(h["jwk"].take())), "No embedded JWK"),
                (
                    "alg",
                    client.key_change(&new, |h, _| h["alg"] = json!("HS256")),
                    "badSignatureAlgorithm 400",
                ),
                ("same key", client.key_change(&client.key, |_, _| {}), "malformed 400 New key"),
            ] {
                refused(&mut client, what, inner, wanted).await;
            }
            // Signed by another key than the one it shows.
            let mut header = json!({ "jwk": public_jwk(&new), "url": client.resource(E::KeyChange) });
            let payload = json!({ "account": client.kid, "oldKey": public_jwk(&client.key) }).to_string();
            let liar = generate("liar", EcdsaP256);
            let inner = sign(&liar, &mut header, &payload);
            refused(&mut client, "signature", inner, "malformed 400 JWS verification error").await;
            // A key that another account has: where that is stands in Location.
            let taken = client.key_change(&other.key, |_, _| {});
            let reply = client.to(E::KeyChange, &taken).await;
            assert_eq!((reply.status.as_u16(), reply.header("location")), (409, other.kid.as_deref()));
            assert_eq!(reply.body.is_empty(), dialect == DialectName::Pebble);
            if dialect == DialectName::Boulder {
                let weak = client.key_change(&generate("weak", EcdsaP521), |_, _| {});
                refused(&mut client, "weak", weak, "badPublicKey 400").await;
            }
            // After all that the old key is good still; then the new one is, and the old one is not.
            let inner = client.key_change(&new, |_, _| {});
            let reply = client.to(E::KeyChange, &inner).await;
            assert_eq!((reply.status.as_u16(), body(&reply)["key"].clone()), (200, public_jwk(&new)));
            let kid = client.kid.clone().unwrap();
            expect(&client.post(&kid, "").await, "malformed 400");
            client.key = new;
            assert_eq!(client.get(&kid).await["status"], "valid");
            let found = by_key(&stage, client.key.clone()).await;
            assert_eq!(found, Some(kid));
            assert_eq!(by_key(&stage, stage.stranger("one", EcdsaP256).key).await, None);
        }
    });
}

/// The account that newAccount finds for a key.
async fn by_key(stage: &Stage, key: PrivateKey) -> Option<String> {
    let mut client = stage.stranger("any", EcdsaP256);
    client.key = key;
    let reply = client.new_account(json!({ "onlyReturnExisting": true })).await;
    reply.header("location").map(str::to_owned)
}

#[test]
fn contacts_are_kept_or_only_checked() {
    simulated(|world| async move {
        for dialect in BOTH {
            for kept in [true, false] {
                let stage = stage_of(&world, dialect, |config| config.contacts_kept = kept).await;
                let mut client = stage.stranger("one", EcdsaP256);
                let new = |contact: &str| json!({ "termsOfServiceAgreed": true, "contact": [contact] });
                expect(&client.new_account(new("tel:1")).await, "unsupportedContact 400");
                let made = client.new_account(new("mailto:a@example.com")).await;
                let shown = |contact: &str| if kept { json!([contact]) } else { Value::Null };
                assert_eq!(body(&made)["contact"], shown("mailto:a@example.com"));
                let kid = client.kid.clone().unwrap();
                let update = |contact: &str| json!({ "contact": [contact] }).to_string();
                let updated = client.post(&kid, &update("mailto:b@example.com")).await;
                assert_eq!(body(&updated)["contact"], shown("mailto:b@example.com"));
                let bad = client.post(&kid, &update("tel:1")).await;
                expect(&bad, if kept { "unsupportedContact 400" } else { "200" });
                // What Go clients send for no contacts.
                let empty = json!({ "contact": null, "termsOfServiceAgreed": true });
                let mut next = stage.stranger("next", EcdsaP256);
                expect(&next.new_account(empty).await, "201");
            }
        }
    });
}

#[test]
fn the_end_of_an_account_is_the_end_of_its_requests() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let kid = client.kid.clone().unwrap();
            expect(&client.post(&kid, r#"{"status":"revoked"}"#).await, "malformed 400");
            let end = client.post(&kid, r#"{"status":"deactivated"}"#).await;
            assert_eq!((end.status.as_u16(), body(&end)["status"].clone()), (200, json!("deactivated")));
            for endpoint in [E::NewOrder, E::KeyChange, E::RevokeCert] {
                expect(&client.to(endpoint, &json!({})).await, "unauthorized 403");
            }
            client.kid = None;
            let again = client.new_account(json!({ "termsOfServiceAgreed": true })).await;
            expect(&again, "unauthorized 403");
            assert_eq!(client.fetch(Method::GET, &stage.ca.directory_url()).await.status, 200);
        }
    });
}

/// RFC 8555 section 6.5 and the order of the checks: who spends a nonce.
#[test]
fn nonces_are_spent_by_good_signatures_only() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let kid = client.kid.clone().unwrap();
            let nonce = client.nonce().await;
            let with = |header: &mut Value| header["nonce"] = json!(nonce);
            let good = client.key.clone();
            client.key = stage.stranger("liar", KeyAlgorithm::EcdsaP256).key;
            expect(&client.post_spoiled(&kid, "", with).await, "malformed 400");
            client.key = good;
            let no_url = client.post_spoiled(&kid, "", |header| {
                with(header);
                drop(header["url"].take());
            });
            expect(&no_url.await, "malformed 400");
            // Pebble looks for the url first; in Boulder the nonce is gone.
            let pebble = dialect == DialectName::Pebble;
            let last = client.post_spoiled(&kid, "", with).await;
            expect(&last, if pebble { "200" } else { "badNonce 400" });
            expect(&client.post_spoiled(&kid, "", with).await, "badNonce 400");
            assert!(text(&last).contains(if pebble { "valid" } else { "anti-replay nonce" }));
        }
    });
}
