//! What the server answers to single requests: accounts, reuse, refusals, certificate requests, revocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crate::support::{Acme, Stage, body, finalize_body, kind, sign, simulated, text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, SanType};
use serde_json::{Value, json};
use world::KeyAlgorithm;
use world::http::Response;

/// Status and type of an answer.
fn outcome(reply: &Response) -> (u16, String) {
    let problem = reply.header("content-type") == Some("application/problem+json");
    (reply.status.as_u16(), if problem { kind(reply) } else { String::new() })
}

fn expect(reply: &Response, status: u16, kind: &str) {
    assert_eq!(outcome(reply), (status, kind.to_owned()), "{}", text(reply));
}

#[test]
fn the_directory_lists_what_works_and_one_surprise() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let client = stage.stranger("one", KeyAlgorithm::EcdsaP256);
        let reply = client.fetch(Method::GET, &stage.ca.directory_url()).await;
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(reply.header("cache-control"), Some("public, max-age=0, no-cache"));
        assert_eq!(reply.header("date"), Some("Sat, 07 May 2022 13:39:31 GMT"));
        assert_eq!(reply.header("replay-nonce"), None);
        let directory = body(&reply);
        for key in ["keyChange", "newAccount", "newNonce", "newOrder", "renewalInfo", "revokeCert"] {
            assert!(directory[key].as_str().unwrap().starts_with(&stage.ca.config().base_url), "{key}");
        }
        assert_eq!(directory["meta"]["caaIdentities"][0], "letsencrypt.org");
        assert_eq!(directory.as_object().unwrap().len(), 8, "{directory:#}");
    });
}

#[test]
fn methods_paths_and_bodies_that_are_none() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let unknown = client.fetch(Method::GET, &client.url("/acme/nothing")).await;
        assert_eq!((unknown.status.as_u16(), text(&unknown).as_str()), (404, "404 page not found\n"));
        let reply = client.fetch(Method::GET, &client.url("/acme/new-order")).await;
        expect(&reply, 405, "malformed");
        assert_eq!(reply.header("allow"), Some("POST"));
        let nonce = client.url("/acme/new-nonce");
        for (method, status) in [(Method::HEAD, 200), (Method::GET, 204)] {
            let reply = client.fetch(method, &nonce).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.header("replay-nonce").unwrap().len(), 51);
            assert!(reply.body.is_empty());
        }
        assert_eq!(client.post(&nonce, "").await.status, 200);

        let order = client.url("/acme/new-order");
        let plain = client.http.request(Method::POST, &order.parse().unwrap(), &[], "{}".into()).await;
        expect(&plain.unwrap(), 400, "malformed");
        expect(&client.post_raw(&order, "x".repeat(50_001)).await, 403, "unauthorized");
        expect(&client.post_raw(&order, "[]".to_owned()).await, 400, "malformed");
        for path in ["order/1/9", "authz-v3/9", "chall-v3/9/AAAAAA", "cert/09", "finalize/1/9"] {
            expect(&client.post(&client.url(&format!("/acme/{path}")), "").await, 404, "malformed");
        }
        expect(&client.post(&client.url("/acme/authz-v3/x"), "").await, 400, "malformed");
    });
}

#[test]
fn accounts_from_their_making_to_their_end() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| config.ids.first_account = 500).await;
        for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Rsa(2048)] {
            let mut client = stage.stranger(&algorithm.to_string(), algorithm);
            let only = json!({ "onlyReturnExisting": true });
            expect(&client.new_account(only.clone()).await, 400, "accountDoesNotExist");
            expect(&client.new_account(json!({})).await, 400, "malformed");
            let agreed = |contact: &str| json!({ "termsOfServiceAgreed": true, "contact": [contact] });
            expect(&client.new_account(agreed("tel:1")).await, 400, "unsupportedContact");
            expect(&client.new_account(agreed("mailto:nobody")).await, 400, "invalidContact");
            let made = client.new_account(agreed("mailto:a@example.com")).await;
            assert_eq!(made.status, 201);
            let kid = made.header("location").unwrap().to_owned();
            let id = kid.rsplit('/').next().unwrap();
            assert!(id.parse::<u64>().unwrap() >= 500);
            assert_eq!(made.header("boulder-requester"), Some(id));
            assert_eq!(body(&made)["contact"][0], "mailto:a@example.com");

            client.kid = None;
            let again = client.new_account(only).await;
            assert_eq!((again.status.as_u16(), again.header("location")), (200, Some(kid.as_str())));
            let update = json!({ "contact": ["mailto:b@example.com"] }).to_string();
            assert_eq!(body(&client.post(&kid, &update).await)["contact"][0], "mailto:b@example.com");
            assert_eq!(body(&client.post(&kid, "{}").await)["status"], "valid");
            expect(&client.post(&client.url("/acme/acct/1"), "").await, 403, "unauthorized");
            expect(&client.post(&kid, &json!({ "status": "revoked" }).to_string()).await, 400, "malformed");
            let end = client.post(&kid, &json!({ "status": "deactivated" }).to_string()).await;
            assert_eq!(body(&end)["status"], "deactivated");
            expect(&client.new_order(&["example.com"]).await, 403, "unauthorized");
            client.kid = None;
            let dead = client.new_account(agreed("mailto:a@example.com")).await;
            expect(&dead, 403, "unauthorized");
        }
    });
}

#[test]
fn an_account_from_earlier_is_there() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.stranger("old", KeyAlgorithm::Rsa(2048));
        stage.ca.add_account(533_412_086, client.key.public().clone(), vec!["mailto:a@example.com".into()]);
        let reply = client.new_account(json!({ "onlyReturnExisting": true })).await;
        assert_eq!(reply.status, 200);
        assert_eq!(client.kid.as_deref(), Some(client.url("/acme/acct/533412086").as_str()));
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
    });
}

#[test]
fn orders_and_authorizations_are_used_again() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| {
            config.tokens = vec!["bN3yq0T1x8VdJmQkR5sW7uZaCeFgHiLoPnS2tY4vXwE".to_owned()];
            config.ids.first_order = 87_000_000;
            config.ids.first_authorization = 106_244_123_456;
        })
        .await;
        let mut client = stage.client("one").await;
        let first = client.new_order(&["example.com"]).await;
        let again = client.new_order(&["example.com"]).await;
        assert_eq!((again.status.as_u16(), again.header("location")), (201, first.header("location")));
        assert!(first.header("location").unwrap().ends_with("/acme/order/1/87000000"));
        let challenge = client.challenge(&client.url("/acme/authz-v3/106244123456"), "http-01").await;
        assert_eq!(challenge["token"], "bN3yq0T1x8VdJmQkR5sW7uZaCeFgHiLoPnS2tY4vXwE");

        let (_, order) = client.ready_order(&stage, &["example.com"]).await;
        client.post(order["finalize"].as_str().unwrap(), &client.csr(&["example.com"])).await;
        // The order is done: a new one, ready at once, as its authorization is valid.
        let next = client.new_order(&["example.com"]).await;
        assert_eq!(body(&next)["status"], "ready");
        assert_eq!(body(&next)["authorizations"], order["authorizations"]);
        // Another account has nothing of it.
        let mut other = stage.client("two").await;
        assert_eq!(body(&other.new_order(&["example.com"]).await)["status"], "pending");
        expect(&other.post(next.header("location").unwrap(), "").await, 404, "malformed");
        let authorization = order["authorizations"][0].as_str().unwrap();
        expect(&other.post(authorization, "").await, 403, "unauthorized");
        // A month later the authorization is too old.
        world.sleep(std::time::Duration::from_secs(29 * 24 * 3600 + 4 * 3600)).await;
        assert_eq!(body(&client.new_order(&["example.com"]).await)["status"], "pending");
    });
}

#[test]
fn a_deactivated_authorization_ends_its_order() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let (url, order) = client.ready_order(&stage, &["example.com"]).await;
        let authorization = order["authorizations"][0].as_str().unwrap();
        let deactivate = json!({ "status": "deactivated" }).to_string();
        expect(
            &client.post(authorization, &json!({ "status": "valid" }).to_string()).await,
            400,
            "malformed",
        );
        assert_eq!(body(&client.post(authorization, &deactivate).await)["status"], "deactivated");
        expect(&client.post(authorization, &deactivate).await, 400, "malformed");
        assert_eq!(client.get(&url).await["status"], "invalid");
        let next = client.new_order(&["example.com"]).await;
        assert_eq!(body(&next)["status"], "pending");
        world.sleep(std::time::Duration::from_secs(8 * 24 * 3600)).await;
        expect(&client.post(next.header("location").unwrap(), "").await, 404, "malformed");
        expect(&client.post(body(&next)["authorizations"][0].as_str().unwrap(), "").await, 404, "malformed");
    });
}

#[test]
fn new_orders_that_are_refused() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| config.blocklist = vec!["Blocked.com".to_owned()]).await;
        let mut client = stage.client("one").await;
        let dns = |name: &str| json!([{ "type": "dns", "value": name }]);
        for (request, kind) in [
            (json!({}), "malformed"),
            (json!([]), "malformed"),
            (json!({ "identifiers": [] }), "malformed"),
            (json!({ "identifiers": "x" }), "malformed"),
            (json!({ "identifiers": [{ "type": "tel", "value": "1" }] }), "unsupportedIdentifier"),
            (json!({ "identifiers": dns("localhost") }), "rejectedIdentifier"),
            (json!({ "identifiers": dns("www.blocked.com") }), "rejectedIdentifier"),
            (json!({ "identifiers": dns("a.com"), "notAfter": "2023-01-01T00:00:00Z" }), "malformed"),
        ] {
            let reply = client.post(&client.url("/acme/new-order"), &request.to_string()).await;
            expect(&reply, 400, kind);
        }
        assert_eq!(stage.journaled("order created"), 0);
    });
}

/// The CSR of a case, from good parameters that it spoils.
fn csr(client: &Acme, spoil: impl FnOnce(&mut CertificateParams)) -> String {
    let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    spoil(&mut params);
    let key = client.world.keys("certificate").generate(KeyAlgorithm::EcdsaP256).unwrap();
    finalize_body(&params, &key)
}

/// A good CSR but for its key.
fn csr_of(key: &world::PrivateKey) -> String {
    let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    finalize_body(&params, key)
}

#[test]
fn certificate_requests_that_are_refused_and_one_that_is_not() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let (url, order) = client.ready_order(&stage, &["example.com"]).await;
        let finalize = order["finalize"].as_str().unwrap();
        let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
        let own_key = csr_of(&client.key);
        let ed25519 = client.world.keys("certificate").generate(KeyAlgorithm::Ed25519).unwrap();
        let unknown_key = csr_of(&ed25519);
        let broken = |good: String| {
            let csr: Value = serde_json::from_str(&good).unwrap();
            let mut der = URL_SAFE_NO_PAD.decode(csr["csr"].as_str().unwrap()).unwrap();
            *der.last_mut().unwrap() ^= 1;
            json!({ "csr": URL_SAFE_NO_PAD.encode(der) }).to_string()
        };
        let must_staple =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 0x03, 2, 1, 5]);
        let cases: Vec<(&str, String, u16, &str)> = vec![
            ("no JSON object", "7".to_owned(), 400, "malformed"),
            ("no CSR", json!({ "csr": "AAAA" }).to_string(), 400, "malformed"),
            ("no base64url", json!({ "csr": "+/=" }).to_string(), 400, "malformed"),
            ("signature", broken(csr(&client, |_| {})), 400, "badCSR"),
            ("no names", csr(&client, |p| p.subject_alt_names.clear()), 400, "badCSR"),
            ("another name", csr(&client, |p| p.subject_alt_names = vec![dns("a.com")]), 403, "unauthorized"),
            ("one name more", csr(&client, |p| p.subject_alt_names.push(dns("a.com"))), 403, "unauthorized"),
            (
                "IP address",
                csr(&client, |p| p.subject_alt_names.push(SanType::IpAddress([10, 0, 0, 1].into()))),
                403,
                "unauthorized",
            ),
            (
                "mail address",
                csr(&client, |p| {
                    p.subject_alt_names.push(SanType::Rfc822Name("a@b.com".try_into().unwrap()))
                }),
                400,
                "badCSR",
            ),
            (
                "common name elsewhere",
                csr(&client, |p| p.distinguished_name.push(DnType::CommonName, "a.com")),
                400,
                "badCSR",
            ),
            ("must-staple", csr(&client, |p| p.custom_extensions.push(must_staple)), 403, "unauthorized"),
            ("account key", own_key, 400, "malformed"),
            ("Ed25519", unknown_key, 400, "badCSR"),
        ];
        for (what, request, status, kind) in cases {
            let reply = client.post(finalize, &request).await;
            assert_eq!(outcome(&reply), (status, kind.to_owned()), "{what}: {}", text(&reply));
        }
        assert_eq!(client.get(&url).await["status"], "ready");
        let good = csr(&client, |p| p.distinguished_name.push(DnType::CommonName, "EXAMPLE.com"));
        assert_eq!(body(&client.post(finalize, &good).await)["status"], "valid");
    });
}

#[test]
fn keys_are_changed() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let other = stage.client("two").await;
        let kid = client.kid.clone().unwrap();
        let url = client.url("/acme/key-change");
        let jwk = |key: &world::PrivateKey| serde_json::from_str::<Value>(&key.public().jwk()).unwrap();
        let new = world.keys("new").generate(KeyAlgorithm::EcdsaP256).unwrap();
        let inner = |key: &world::PrivateKey, account: &str, old: &world::PrivateKey| {
            let payload = json!({ "account": account, "oldKey": jwk(old) });
            sign(key, &mut json!({ "jwk": jwk(key), "url": url }), &payload.to_string()).to_string()
        };
        let old = client.key.clone();
        let wrong_account = other.kid.clone().unwrap();
        for (payload, status) in [
            (inner(&new, &wrong_account, &old), 400),
            (inner(&new, &kid, &new), 400),
            (inner(&old, &kid, &old), 400),
            (inner(&other.key, &kid, &old), 409),
        ] {
            let kind = if status == 409 { "conflict" } else { "malformed" };
            expect(&client.post(&url, &payload).await, status, kind);
        }
        let reply = client.post(&url, &inner(&new, &kid, &old)).await;
        assert_eq!((reply.status.as_u16(), body(&reply)["key"].clone()), (200, jwk(&new)));
        expect(&client.post(&kid, "").await, 400, "malformed");
        client.key = new;
        assert_eq!(client.get(&kid).await["status"], "valid");
    });
}

#[test]
fn certificates_are_revoked_once_by_those_who_may() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let mut stranger = stage.client("two").await;
        let (_, order) = client.ready_order(&stage, &["example.com"]).await;
        client.post(order["finalize"].as_str().unwrap(), &client.csr(&["example.com"])).await;
        let url = client.url("/acme/revoke-cert");
        let certificate = URL_SAFE_NO_PAD.encode(&*stage.ca.issued()[0].leaf);
        let request = |reason: i64| json!({ "certificate": certificate, "reason": reason }).to_string();
        let serial = stage.ca.issued()[0].serial.clone();
        let chain = client.url(&format!("/acme/cert/{serial}"));
        expect(&stranger.post(&chain, "").await, 403, "unauthorized");
        assert_eq!(client.fetch(Method::GET, &chain).await.status, 200);
        expect(&client.post(&url, &json!({ "certificate": "AAAA" }).to_string()).await, 400, "malformed");
        let foreign = URL_SAFE_NO_PAD.encode(stage.ca.web_root());
        expect(&client.post(&url, &json!({ "certificate": foreign }).to_string()).await, 404, "malformed");
        expect(&stranger.post(&url, &request(1)).await, 403, "unauthorized");
        expect(&client.post(&url, &request(7)).await, 400, "badRevocationReason");
        expect(&client.post(&url, &request(4)).await, 200, "");
        expect(&client.post(&url, &request(4)).await, 400, "alreadyRevoked");
        assert_eq!(stage.ca.issued()[0].revoked.map(|(_, code)| code), Some(4));

        // The key of a certificate may revoke it without an account.
        let (_, order) = client.ready_order(&stage, &["www.example.com"]).await;
        client.post(order["finalize"].as_str().unwrap(), &client.csr(&["www.example.com"])).await;
        let certificate = URL_SAFE_NO_PAD.encode(&*stage.ca.issued()[1].leaf);
        stranger.kid = None;
        let request = json!({ "certificate": certificate }).to_string();
        expect(&stranger.post(&url, &request).await, 403, "unauthorized");
        stranger.key = client.world.keys("certificate").generate(KeyAlgorithm::EcdsaP256).unwrap();
        expect(&stranger.post(&url, &request).await, 200, "");
        assert_eq!(stage.ca.issued()[1].revoked.map(|(_, code)| code), Some(1));
    });
}
