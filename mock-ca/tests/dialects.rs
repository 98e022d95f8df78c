//! Every situation in which Pebble and Boulder answer with a status and a type of their own, as one table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::support::both::*;
use crate::support::{Acme, Stage, body, finalize_body, simulated, text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use mock_ca::config::Profile;
use mock_ca::dialect::{DialectName, Endpoint as E};
use mock_ca::{Config, Issued};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType};
use serde_json::{Value, json};
use world::KeyAlgorithm::{EcdsaP256, EcdsaP521, Ed25519, Rsa};
use world::http::{Client, Response};
use world::resolver::Resolver;
use world::tls::Connector;

/// A situation, and what Pebble and Boulder answer: status, or type and status. `-` is not asked.
type Row = (&'static str, &'static str, &'static str);

const BAD: &str = "malformed 400";
const DENIED: &str = "unauthorized 403";
const REJECTED: &str = "rejectedIdentifier 400";

const REQUESTS: &[Row] = &[
    ("no agent", BAD, "200"),
    ("content type", "malformed 415", BAD),
    ("wrong method", "malformed 405", "malformed 405"),
    ("unknown path", "404", "404"),
    ("body too long", "-", DENIED),
    ("nonce by GET", "204", "204"),
    ("nonce by HEAD", "200", "200"),
    ("nonce by POST", "204", "200"),
    ("directory by POST", "200", "200"),
    ("missing order", "404", "malformed 404"),
    ("missing authorization", "404", "malformed 404"),
    ("missing challenge", "404", "malformed 404"),
    ("missing certificate", "404", "malformed 404"),
    ("order by GET", "malformed 405", "200"),
    ("authorization by GET", "malformed 405", "200"),
    ("challenge by GET", "malformed 405", "200"),
    ("certificate by GET", "malformed 405", "200"),
    ("preflight", "204", "204"),
    ("no JSON", BAD, BAD),
    ("unprotected header", BAD, BAD),
    ("signatures", BAD, BAD),
    ("used nonce", "badNonce 400", "badNonce 400"),
    ("no nonce", "badNonce 400", "badNonce 400"),
    ("made-up nonce", "badNonce 400", "badNonce 400"),
    ("unknown alg", "badSignatureAlgorithm 400", "badSignatureAlgorithm 400"),
    ("alg of another key", "badSignatureAlgorithm 400", BAD),
    ("bad signature", BAD, BAD),
    ("wrong url", BAD, BAD),
    ("no url", BAD, BAD),
    ("jwk and kid", BAD, BAD),
    ("neither jwk nor kid", BAD, BAD),
    ("kid of an unknown account", "accountDoesNotExist 400", "accountDoesNotExist 400"),
    ("kid that is no account", BAD, BAD),
    ("deactivated account", DENIED, DENIED),
    ("resource in the payload", "200", "200"),
    ("resource in the payload, strict", BAD, "-"),
];

const ACCOUNTS: &[Row] = &[
    ("P-521 account", "201", "badPublicKey 400"),
    ("Ed25519 account", "201", "badSignatureAlgorithm 400"),
    ("RSA-1024 account", "-", "badPublicKey 400"),
    ("no agreement", "userActionRequired 403", BAD),
    ("only existing", "accountDoesNotExist 400", "accountDoesNotExist 400"),
    ("existing", "200", "200"),
    ("three contacts", BAD, "201"),
    ("eleven contacts", BAD, BAD),
    ("contact by telephone", "unsupportedContact 400", "unsupportedContact 400"),
    ("contact without domain", "invalidContact 400", "invalidContact 400"),
    ("key in use", "409", "conflict 409"),
    ("key change from another key", BAD, BAD),
    ("key change without inner", BAD, BAD),
    ("empty update", BAD, "200"),
    ("another account", DENIED, DENIED),
];

const ORDERS: &[Row] = &[
    ("no identifiers", BAD, BAD),
    ("telephone identifier", BAD, "unsupportedIdentifier 400"),
    ("name a.*.com", BAD, REJECTED),
    ("name *.*.com", BAD, REJECTED),
    ("name *.10.0.0.1", BAD, REJECTED),
    ("name 10.0.0.1", BAD, REJECTED),
    ("name a_b.com", BAD, REJECTED),
    ("name a..com", BAD, REJECTED),
    ("wildcard address", BAD, REJECTED),
    ("private address", "201", REJECTED),
    ("overlap", "201", BAD),
    ("blocked name", REJECTED, REJECTED),
    ("two blocked names", REJECTED, REJECTED),
    ("name a.example", "201", REJECTED),
    ("name localhost", "201", REJECTED),
    ("name co.uk", "201", REJECTED),
    ("name ab--c.com", "201", REJECTED),
    ("name xn--bucher-xyd.com", "201", REJECTED),
    ("name xn--bcher-kva.com", "201", "201"),
    ("name a.b.c.d.e.f.g.h.i.j.com", "201", REJECTED),
    ("recursive name", "-", REJECTED),
    ("recursive name, renewed", "-", "201"),
    ("unknown profile", "invalidProfile 400", "invalidProfile 400"),
    ("profile of another", "-", DENIED),
    ("too many names", "-", BAD),
    ("dates", "201", BAD),
    ("dates that are none", BAD, BAD),
    ("replaces nonsense", BAD, BAD),
    ("replaces unknown issuer", BAD, BAD),
    ("replaces unknown serial", "serverInternal 500", "malformed 404"),
    ("replaces what is replaced", "alreadyReplaced 409", "alreadyReplaced 409"),
    ("replaces another's", DENIED, DENIED),
    ("replaces other names", "serverInternal 500", BAD),
    ("order of another", DENIED, "malformed 404"),
    ("authorization of another", DENIED, DENIED),
    ("challenge of another", DENIED, DENIED),
    ("certificate of another", DENIED, DENIED),
    ("challenge of a valid authorization", BAD, "200"),
    ("challenge of a deactivated authorization", BAD, BAD),
    ("challenge with key authorization", BAD, "200"),
    ("challenge with a list", BAD, BAD),
    ("challenge with more", "200", "200"),
    ("challenge with more, strict", BAD, "-"),
    ("authorization set valid", BAD, BAD),
    ("challenge that is expired", BAD, "malformed 404"),
];

const CERTIFICATES: &[Row] = &[
    ("finalize a pending order", "orderNotReady 403", "orderNotReady 403"),
    ("finalize an expired order", "malformed 404", "malformed 404"),
    ("finalize an unknown order", "malformed 404", "malformed 404"),
    ("finalize another's order", DENIED, BAD),
    ("CSR that is no base64url", BAD, BAD),
    ("CSR that is no DER", BAD, BAD),
    ("CSR with a bad signature", "badCSR 400", "badCSR 400"),
    ("CSR for other names", DENIED, DENIED),
    ("CSR with another common name", "200", "badCSR 400"),
    ("CSR with the account's key", "badCSR 400", BAD),
    ("CSR with another account's key", "badCSR 400", "200"),
    ("CSR with must-staple", "200", DENIED),
    ("revoke for reason 7", "badRevocationReason 400", "badRevocationReason 400"),
    ("revoke for reason 11", "badRevocationReason 400", "badRevocationReason 400"),
    ("revoke for reason 3", "200", "badRevocationReason 400"),
    ("revoke again", "alreadyRevoked 400", "alreadyRevoked 400"),
    ("revoke what is unknown", BAD, "malformed 404"),
    ("revoke what is expired", "200", DENIED),
    ("revoke another's", DENIED, DENIED),
    ("revoke by another key", DENIED, DENIED),
    ("renewal of nonsense", BAD, BAD),
    ("renewal from an unknown issuer", BAD, BAD),
    ("renewal of an unknown serial", "malformed 404", "malformed 404"),
];

/// What a situation needs in the configuration.
fn configure(situation: &str, config: &mut Config) {
    config.blocklist = vec!["blocked.com".to_owned()];
    config.strict = situation.ends_with("strict");
    config.recursive_labels = vec!["www".to_owned()];
    config.valid_authz_lifetime = config.valid_authz_lifetime.max(Duration::from_secs(3600));
    if config.dialect == DialectName::Boulder {
        let only = Profile { accounts: Some(vec![99]), ..Profile::default() };
        config.profiles = [("closed".to_owned(), only), ("open".to_owned(), Profile::default())].into();
        config.names_max = 3;
    }
}

struct Scene {
    stage: Stage,
    client: Acme,
    other: Acme,
}

fn certificate_params() -> CertificateParams {
    let mut params = CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params
}

impl Scene {
    fn dialect(&self) -> DialectName {
        self.stage.ca.config().dialect
    }

    /// The URL of an object that is not there.
    fn missing(&self, endpoint: E) -> String {
        let places = match (self.dialect(), endpoint) {
            (DialectName::Boulder, E::Order | E::Finalize) => vec!["1", "77"],
            (DialectName::Boulder, E::Challenge) => vec!["77", "AAAAAA"],
            _ => vec!["77"],
        };
        self.client.url(&self.client.dialect.path(endpoint, &places))
    }

    async fn pending(&mut self) -> (String, Value, Value) {
        let reply = self.client.new_order(&["example.com"]).await;
        let order = body(&reply);
        let authorization = self.client.get(order["authorizations"][0].as_str().unwrap()).await;
        (reply.header("location").unwrap().to_owned(), order, authorization)
    }

    async fn finalize(&mut self, change: impl FnOnce(&mut CertificateParams)) -> Response {
        let mut params = certificate_params();
        change(&mut params);
        let key = self.client.world.keys("certificate").generate(EcdsaP256).unwrap();
        let request = finalize_body(&params, &key);
        self.finalize_with(&request).await
    }

    async fn finalize_with(&mut self, request: &str) -> Response {
        let reply = self.client.new_order(&["example.com"]).await;
        let (_, order) = self.client.authorize(&reply).await;
        self.client.post(order["finalize"].as_str().unwrap(), request).await
    }

    async fn new_account(&mut self, payload: Value) -> Response {
        let mut stranger = self.stage.stranger("new", EcdsaP256);
        stranger.new_account(payload).await
    }

    async fn account_of(&mut self, algorithm: world::KeyAlgorithm) -> Response {
        let mut stranger = self.stage.stranger("new", algorithm);
        stranger.new_account(json!({ "termsOfServiceAgreed": true })).await
    }

    async fn contacts(&mut self, contacts: &[&str]) -> Response {
        self.new_account(json!({ "termsOfServiceAgreed": true, "contact": contacts })).await
    }

    /// An ARI identifier of this issuer's, with another serial number; or of another issuer's.
    async fn strange_id(&mut self, known_issuer: bool) -> (Issued, String) {
        let (_, issued) = self.client.issue(&self.stage, &["example.com"]).await;
        let id = certificate_id(&issued);
        let (issuer, serial) = id.split_once('.').unwrap();
        let strange = if known_issuer { format!("{issuer}.AQID") } else { format!("AQID.{serial}") };
        (issued, strange)
    }

    async fn request(&mut self, situation: &str) -> Option<Response> {
        let client = &mut self.client;
        let (order_url, account) = (client.resource(E::NewOrder), client.kid.clone().unwrap());
        Some(match situation {
            "no agent" => {
                let tls = Connector::new(&client.world, &[self.stage.ca.web_root()]).unwrap();
                let resolver = Resolver::new(&client.world, Vec::new());
                let http = Client::new(&client.world, resolver).with_tls(tls);
                http.get(&self.stage.ca.directory_url().parse().unwrap()).await.unwrap()
            }
            "content type" => {
                let headers = [("content-type", "application/json")];
                let url = order_url.parse().unwrap();
                client.http.request(Method::POST, &url, &headers, "{}".into()).await.unwrap()
            }
            "wrong method" => client.fetch(Method::PUT, &order_url).await,
            "unknown path" => client.fetch(Method::GET, &client.url("/nothing")).await,
            "body too long" => client.post_raw(&order_url, " ".repeat(50_001)).await,
            "nonce by GET" => client.fetch(Method::GET, &client.resource(E::NewNonce)).await,
            "nonce by HEAD" => client.fetch(Method::HEAD, &client.resource(E::NewNonce)).await,
            "nonce by POST" => client.post(&client.resource(E::NewNonce), "").await,
            "directory by POST" => client.post(&client.resource(E::Directory), "").await,
            "missing order" => self.client.post(&self.missing(E::Order), "").await,
            "missing authorization" => self.client.post(&self.missing(E::Authorization), "").await,
            "missing challenge" => self.client.post(&self.missing(E::Challenge), "").await,
            "missing certificate" => self.client.post(&self.missing(E::Certificate), "").await,
            "order by GET" => {
                let (url, ..) = self.pending().await;
                self.client.fetch(Method::GET, &url).await
            }
            "authorization by GET" => {
                let (_, order, _) = self.pending().await;
                self.client.fetch(Method::GET, order["authorizations"][0].as_str().unwrap()).await
            }
            "challenge by GET" => {
                let (.., authorization) = self.pending().await;
                self.client.fetch(Method::GET, authorization["challenges"][0]["url"].as_str().unwrap()).await
            }
            "certificate by GET" => {
                let (order, _) = client.issue(&self.stage, &["example.com"]).await;
                client.fetch(Method::GET, order["certificate"].as_str().unwrap()).await
            }
            "preflight" => {
                let headers = [("origin", "https://a.example"), ("access-control-request-method", "POST")];
                let url = order_url.parse().unwrap();
                client.http.request(Method::OPTIONS, &url, &headers, "".into()).await.unwrap()
            }
            "no JSON" => client.post_raw(&order_url, "{".to_owned()).await,
            "unprotected header" | "signatures" => {
                let mut header = client.header(&order_url).await;
                let mut signed = crate::support::sign(&client.key, &mut header, "");
                match situation {
                    "signatures" => signed["signatures"] = json!([{}]),
                    _ => signed["header"] = json!({ "kid": "x" }),
                }
                client.post_raw(&order_url, signed.to_string()).await
            }
            "used nonce" => {
                let nonce = client.nonce().await;
                client.post_spoiled(&account, "", |header| header["nonce"] = json!(nonce)).await;
                client.post_spoiled(&account, "", |header| header["nonce"] = json!(nonce)).await
            }
            "no nonce" => client.post_spoiled(&account, "", |header| drop(header["nonce"].take())).await,
            "made-up nonce" => client.post_spoiled(&account, "", |header| header["nonce"] = json!("x")).await,
            "unknown alg" => client.post_spoiled(&account, "", |header| header["alg"] = json!("HS256")).await,
            "alg of another key" => {
                client.post_spoiled(&account, "", |header| header["alg"] = json!("RS256")).await
            }
            "bad signature" => {
                client.key = self.other.key.clone();
                client.post(&account, "").await
            }
            "wrong url" => client.post_spoiled(&account, "", |header| header["url"] = json!(order_url)).await,
            "no url" => client.post_spoiled(&account, "", |header| drop(header["url"].take())).await,
            "jwk and kid" => {
                let jwk = public_jwk(&client.key);
                client.post_spoiled(&account, "", |header| header["jwk"] = jwk).await
            }
            "neither jwk nor kid" => {
                client.post_spoiled(&account, "", |header| drop(header["kid"].take())).await
            }
            "kid of an unknown account" => {
                let id = match client.dialect.ids {
                    mock_ca::dialect::IdStyle::Decimal => "4711",
                    mock_ca::dialect::IdStyle::Hex => "0123456789abcdef",
                };
                let kid = client.url(&client.dialect.path(E::Account, &[id]));
                client.post_spoiled(&account, "", |header| header["kid"] = json!(kid)).await
            }
            "kid that is no account" => {
                client.post_spoiled(&account, "", |header| header["kid"] = json!("https://a.com/1")).await
            }
            "deactivated account" => {
                client.post(&account, r#"{"status":"deactivated"}"#).await;
                client.post(&account, "").await
            }
            "resource in the payload" | "resource in the payload, strict" => {
                client.post(&account, r#"{"resource":"reg","contact":[]}"#).await
            }
            _ => return None,
        })
    }

    async fn account(&mut self, situation: &str) -> Option<Response> {
        let account = self.client.kid.clone().unwrap();
        Some(match situation {
            "P-521 account" => self.account_of(EcdsaP521).await,
            "Ed25519 account" => self.account_of(Ed25519).await,
            "RSA-1024 account" => {
                let mut stranger = self.stage.stranger("new", Rsa(2048));
                let url = stranger.resource(E::NewAccount);
                let short = URL_SAFE_NO_PAD.encode([0xab; 128]);
                let jwk = json!({ "kty": "RSA", "n": short, "e": "AQAB" });
                stranger.post_spoiled(&url, "{}", |header| header["jwk"] = jwk).await
            }
            "no agreement" => self.new_account(json!({})).await,
            "only existing" => self.new_account(json!({ "onlyReturnExisting": true })).await,
            "existing" => {
                self.client.kid = None;
                self.client.new_account(json!({ "onlyReturnExisting": true })).await
            }
            "three contacts" => self.contacts(&["mailto:a@a.com"; 3]).await,
            "eleven contacts" => self.contacts(&["mailto:a@a.com"; 11]).await,
            "contact by telephone" => self.contacts(&["tel:1"]).await,
            "contact without domain" => self.contacts(&["mailto:a"]).await,
            "key in use" => {
                let inner = self.client.key_change(&self.other.key, |_, _| {});
                self.client.to(E::KeyChange, &inner).await
            }
            "key change from another key" => {
                let new = self.stage.world.keys("new").generate(EcdsaP256).unwrap();
                let wrong = public_jwk(&self.other.key);
                let inner = self.client.key_change(&new, |_, payload| payload["oldKey"] = wrong);
                self.client.to(E::KeyChange, &inner).await
            }
            "key change without inner" => self.client.to(E::KeyChange, &json!({ "a": 1 })).await,
            "empty update" => self.client.post(&account, "{}").await,
            "another account" => self.other.post(&account, "").await,
            _ => return None,
        })
    }

    async fn order(&mut self, situation: &str) -> Option<Response> {
        let ip = |value: &str| json!({ "identifiers": [{ "type": "ip", "value": value }] });
        let client = &mut self.client;
        if let Some(name) = situation.strip_prefix("name ") {
            return Some(client.new_order(&[name]).await);
        }
        Some(match situation {
            "no identifiers" => client.new_order(&[]).await,
            "telephone identifier" => {
                let request = json!({ "identifiers": [{ "type": "tel", "value": "1" }] });
                client.to(E::NewOrder, &request).await
            }
            "wildcard address" => client.to(E::NewOrder, &ip("*.10.0.0.1")).await,
            "private address" => client.to(E::NewOrder, &ip("10.0.0.1")).await,
            "overlap" => client.new_order(&["*.a.com", "x.a.com"]).await,
            "blocked name" => client.new_order(&["a.blocked.com"]).await,
            "two blocked names" => client.new_order(&["a.blocked.com", "a.com", "blocked.com"]).await,
            "recursive name" => client.new_order(&["www.www.a.com"]).await,
            "recursive name, renewed" => {
                let (_, issued) = client.issue(&self.stage, &["www.a.com"]).await;
                let more = json!({ "replaces": certificate_id(&issued) });
                let days = issued.not_after.since(issued.not_before) * 2 / 3;
                client.world.sleep(days).await;
                client.order_with(&["www.a.com", "www.www.a.com"], more).await
            }
            "unknown profile" => client.order_with(&["a.com"], json!({ "profile": "x" })).await,
            "profile of another" => client.order_with(&["a.com"], json!({ "profile": "closed" })).await,
            "too many names" => client.new_order(&["a.com", "b.com", "c.com", "d.com"]).await,
            "dates" => client.order_with(&["a.com"], json!({ "notAfter": "2022-06-01T00:00:00Z" })).await,
            "dates that are none" => client.order_with(&["a.com"], json!({ "notAfter": "tomorrow" })).await,
            "replaces nonsense" => client.order_with(&["a.com"], json!({ "replaces": "x" })).await,
            "replaces unknown issuer" | "replaces unknown serial" => {
                let (_, id) = self.strange_id(situation.ends_with("serial")).await;
                self.client.order_with(&["example.com"], json!({ "replaces": id })).await
            }
            "replaces what is replaced" | "replaces another's" | "replaces other names" => {
                let (_, issued) = client.issue(&self.stage, &["example.com"]).await;
                let more = json!({ "replaces": certificate_id(&issued) });
                match situation {
                    "replaces what is replaced" => {
                        client.order_with(&["example.com"], more.clone()).await;
                        client.order_with(&["example.com"], more).await
                    }
                    "replaces another's" => self.other.order_with(&["example.com"], more).await,
                    _ => client.order_with(&["a.com"], more).await,
                }
            }
            "order of another" => {
                let (url, ..) = self.pending().await;
                self.other.post(&url, "").await
            }
            "authorization of another" => {
                let (_, order, _) = self.pending().await;
                self.other.post(order["authorizations"][0].as_str().unwrap(), "").await
            }
            "challenge of another" => {
                let (.., authorization) = self.pending().await;
                self.other.post(authorization["challenges"][0]["url"].as_str().unwrap(), "{}").await
            }
            "certificate of another" => {
                let (order, _) = client.issue(&self.stage, &["example.com"]).await;
                self.other.post(order["certificate"].as_str().unwrap(), "").await
            }
            _ => return self.challenge(situation).await,
        })
    }

    async fn challenge(&mut self, situation: &str) -> Option<Response> {
        let (_, order, authorization) = self.pending().await;
        let url = order["authorizations"][0].as_str().unwrap().to_owned();
        let challenge = authorization["challenges"][0]["url"].as_str().unwrap().to_owned();
        let client = &mut self.client;
        Some(match situation {
            "challenge of a valid authorization" => {
                client.post(&challenge, "{}").await;
                assert_eq!(client.wait(&url).await["status"], "valid");
                client.post(&challenge, "{}").await
            }
            "challenge of a deactivated authorization" => {
                client.post(&url, r#"{"status":"deactivated"}"#).await;
                client.post(&challenge, "{}").await
            }
            "challenge with key authorization" => {
                client.post(&challenge, r#"{"keyAuthorization":"x"}"#).await
            }
            "challenge with a list" => client.post(&challenge, "[]").await,
            "challenge with more" | "challenge with more, strict" => {
                client.post(&challenge, r#"{"a":1}"#).await
            }
            "authorization set valid" => client.post(&url, r#"{"status":"valid"}"#).await,
            "challenge that is expired" => {
                client.world.sleep(Duration::from_secs(8 * 86_400)).await;
                client.post(&challenge, "{}").await
            }
            _ => return None,
        })
    }

    async fn certificate(&mut self, situation: &str) -> Option<Response> {
        if let Some(rest) = situation.strip_prefix("finalize ") {
            let (_, order, _) = self.pending().await;
            let url = order["finalize"].as_str().unwrap().to_owned();
            let csr = self.client.csr(&["example.com"]);
            return Some(match rest {
                "a pending order" => self.client.post(&url, &csr).await,
                "an expired order" => {
                    self.client.world.sleep(Duration::from_secs(8 * 86_400)).await;
                    self.client.post(&url, &csr).await
                }
                "an unknown order" => self.client.post(&self.missing(E::Finalize), &csr).await,
                "another's order" => self.other.post(&url, &csr).await,
                _ => return None,
            });
        }
        if situation.starts_with("renewal ") {
            let (_, strange) = self.strange_id(situation.ends_with("serial")).await;
            let id = if situation.ends_with("nonsense") { "x" } else { &*strange };
            return Some(self.client.renewal_info(id).await);
        }
        if situation.starts_with("revoke ") {
            return self.revocation(situation).await;
        }
        let own = |key: &world::PrivateKey| finalize_body(&certificate_params(), key);
        Some(match situation {
            "CSR that is no base64url" => self.finalize_with(r#"{"csr":"+"}"#).await,
            "CSR that is no DER" => self.finalize_with(r#"{"csr":"AAAA"}"#).await,
            "CSR with a bad signature" => {
                let request: Value = serde_json::from_str(&self.client.csr(&["example.com"])).unwrap();
                let mut der = URL_SAFE_NO_PAD.decode(request["csr"].as_str().unwrap()).unwrap();
                *der.last_mut().unwrap() ^= 1;
                self.finalize_with(&json!({ "csr": URL_SAFE_NO_PAD.encode(der) }).to_string()).await
            }
            "CSR for other names" => self.finalize_with(&self.client.csr(&["a.com"])).await,
            "CSR with another common name" => {
                self.finalize(|params| params.distinguished_name.push(DnType::CommonName, "a.com")).await
            }
            "CSR with the account's key" => self.finalize_with(&own(&self.client.key.clone())).await,
            "CSR with another account's key" => self.finalize_with(&own(&self.other.key.clone())).await,
            "CSR with must-staple" => {
                let extension = CustomExtension::from_oid_content(
                    &[1, 3, 6, 1, 5, 5, 7, 1, 24],
                    vec![0x30, 0x03, 2, 1, 5],
                );
                self.finalize(|params| params.custom_extensions.push(extension)).await
            }
            _ => return None,
        })
    }

    async fn revocation(&mut self, situation: &str) -> Option<Response> {
        let client = &mut self.client;
        let (_, mut issued) = client.issue(&self.stage, &["example.com"]).await;
        Some(match situation {
            "revoke for reason 7" => client.revoke(&issued, Some(7)).await,
            "revoke for reason 11" => client.revoke(&issued, Some(11)).await,
            "revoke for reason 3" => client.revoke(&issued, Some(3)).await,
            "revoke again" => {
                expect(&client.revoke(&issued, None).await, "200");
                client.revoke(&issued, None).await
            }
            "revoke what is unknown" => {
                issued.leaf = self.stage.ca.web_root().into();
                client.revoke(&issued, None).await
            }
            "revoke what is expired" => {
                client.world.sleep(Duration::from_secs(91 * 86_400)).await;
                client.revoke(&issued, None).await
            }
            "revoke another's" => self.other.revoke(&issued, None).await,
            "revoke by another key" => {
                let mut stranger = self.stage.stranger("stranger", EcdsaP256);
                stranger.revoke(&issued, None).await
            }
            _ => return None,
        })
    }
}

/// What holds for every answer of an ACME resource, whatever it says.
fn check_form(dialect: DialectName, situation: &str, reply: &Response, directory: &str) {
    let pebble = dialect == DialectName::Pebble;
    let charset = if pebble { "; charset=utf-8" } else { "" };
    if situation == "unknown path" {
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
        return;
    }
    assert_eq!(reply.header("cache-control"), Some("public, max-age=0, no-cache"), "{situation}");
    let of_directory = matches!(situation, "no agent" | "directory by POST");
    let index = format!("<{directory}>;rel=\"index\"");
    assert_eq!(links(reply).contains(&index), !of_directory, "{situation}: {:?}", links(reply));
    let unsigned = ["no agent", "wrong method", "preflight", "renewal "];
    let by_get = situation.ends_with("by GET") && situation != "nonce by GET";
    let signed = !by_get && !unsigned.iter().any(|s| situation.starts_with(s));
    assert_eq!(reply.header("replay-nonce").is_some(), signed, "{situation}");
    if let Some(nonce) = reply.header("replay-nonce") {
        assert_eq!(nonce.len(), if pebble { 22 } else { 51 });
    }
    if reply.body.is_empty() {
        return;
    }
    let kind = reply.header("content-type").unwrap();
    let problem = reply.status.is_client_error() || reply.status.is_server_error();
    let wanted = match (problem, situation) {
        (true, _) => "application/problem+json",
        (_, "certificate by GET") => "application/pem-certificate-chain",
        _ => "application/json",
    };
    assert_eq!(kind, format!("{wanted}{charset}"), "{situation}");
    if kind.contains("json") {
        let indent = if pebble { "{\n   \"" } else { "{\n  \"" };
        assert!(text(reply).starts_with(indent), "{situation}: {}", text(reply));
    }
    if problem {
        let document = body(reply);
        assert_eq!(document["status"], json!(reply.status.as_u16()), "{situation}");
        assert!(document["detail"].as_str().is_some_and(|detail| detail.len() > 4), "{situation}");
    }
}

/// Headers and members that only some situations have.
fn check_special(dialect: DialectName, situation: &str, reply: &Response, stage: &Stage) {
    let pebble = dialect == DialectName::Pebble;
    let document = || body(reply);
    match situation {
        "wrong method" => assert_eq!(reply.header("allow"), Some("POST")),
        "preflight" => {
            let exposed = if pebble {
                "Link, Replay-Nonce, Location"
            } else {
                "Link, Location, Replay-Nonce, Retry-After"
            };
            assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
            assert_eq!(reply.header("access-control-expose-headers"), Some(exposed));
            assert_eq!(reply.header("access-control-allow-methods"), Some("POST"));
        }
        "unknown alg" if !pebble => {
            assert_eq!(document()["algorithms"], json!(["RS256", "ES256", "ES384", "ES512"]));
        }
        "wrong url" => assert!(detail(reply).contains("incorrect. Expected")),
        "no agreement" => {
            let terms = format!("<{}>;rel=\"terms-of-service\"", stage.ca.config().terms_of_service);
            assert_eq!(links(reply).contains(&terms), pebble, "{:?}", links(reply));
        }
        "existing" | "key in use" => assert!(reply.header("location").is_some(), "{situation}"),
        "blocked name" => {
            assert_eq!(document()["subproblems"].as_array().map(Vec::len), pebble.then_some(1));
            assert!(detail(reply).contains("Cannot issue for \"a.blocked.com\""), "{}", detail(reply));
        }
        "two blocked names" => {
            let document = document();
            assert_eq!(document["subproblems"].as_array().map(Vec::len), Some(2));
            let first = json!({ "type": "dns", "value": "a.blocked.com" });
            assert_eq!(document["subproblems"][0]["identifier"], first);
            assert!(detail(reply).contains("and 1 more problem"), "{}", detail(reply));
        }
        "replaces unknown serial" => {
            assert_eq!(reply.header("retry-after"), None, "a 404, or Pebble");
        }
        _ => {}
    }
    if !pebble {
        let known = reply.header("boulder-requester").is_some();
        let early = ["no agent", "content type", "P-521 account", "missing order"];
        if early.contains(&situation) {
            assert_eq!(known, situation == "missing order", "{situation}");
        }
    }
}

fn check(rows: &'static [Row]) {
    simulated(move |world| async move {
        let mut wrong = Vec::new();
        for dialect in BOTH {
            for (situation, pebble, boulder) in rows {
                let wanted = if dialect == DialectName::Pebble { *pebble } else { *boulder };
                if wanted == "-" {
                    continue;
                }
                let stage = stage_of(&world, dialect, |config| configure(situation, config)).await;
                let (client, other) = (stage.client("one").await, stage.client("two").await);
                let mut scene = Scene { stage, client, other };
                let mut reply = scene.request(situation).await;
                if reply.is_none() {
                    reply = scene.account(situation).await;
                }
                if reply.is_none()
                    && (situation.starts_with("renewal") || CERTIFICATES.iter().any(|r| r.0 == *situation))
                {
                    reply = scene.certificate(situation).await;
                }
                if reply.is_none() {
                    reply = scene.order(situation).await;
                }
                let reply = reply.unwrap_or_else(|| panic!("nobody plays {situation}"));
                if outcome(&reply) != wanted {
                    wrong.push(format!(
                        "{dialect:?}, {situation}: {}, not {wanted}\n{}",
                        outcome(&reply),
                        text(&reply)
                    ));
                    continue;
                }
                check_form(dialect, situation, &reply, &scene.stage.ca.directory_url());
                check_special(dialect, situation, &reply, &scene.stage);
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn requests() {
    check(REQUESTS);
}

#[test]
fn accounts() {
    check(ACCOUNTS);
}

#[test]
fn orders() {
    check(ORDERS);
}

#[test]
fn certificates() {
    check(CERTIFICATES);
}

/// The paths that suites for Pebble and for Let's Encrypt have written down.
#[test]
fn the_directory_has_the_paths_that_clients_know() {
    simulated(|world| async move {
        for (dialect, paths) in [
            (
                DialectName::Pebble,
                json!({
                    "keyChange": "/rollover-account-key", "newAccount": "/sign-me-up", "newAuthz": "/authz-plz",
                    "newNonce": "/nonce-plz", "newOrder": "/order-plz", "revokeCert": "/revoke-cert",
                    "renewalInfo": "/draft-ietf-acme-ari-03/renewalInfo",
                }),
            ),
            (
                DialectName::Boulder,
                json!({
                    "keyChange": "/acme/key-change", "newAccount": "/acme/new-acct",
                    "newNonce": "/acme/new-nonce", "newOrder": "/acme/new-order",
                    "revokeCert": "/acme/revoke-cert", "renewalInfo": "/acme/renewal-info",
                }),
            ),
        ] {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let client = stage.stranger("one", EcdsaP256);
            let mut directory = body(&client.fetch(Method::GET, &stage.ca.directory_url()).await);
            let entries = directory.as_object_mut().unwrap();
            let meta = entries.remove("meta").unwrap();
            // Boulder's surprise leads to a page outside of the server, and has another key every time.
            let surprises: Vec<_> =
                entries.iter().filter(|(_, v)| !v.as_str().unwrap().starts_with(&client.base)).collect();
            assert_eq!(surprises.len(), usize::from(dialect == DialectName::Boulder));
            entries.retain(|_, v| v.as_str().unwrap().starts_with(&client.base));
            for value in entries.values_mut() {
                *value = json!(value.as_str().unwrap().strip_prefix(&client.base).unwrap());
            }
            assert_eq!(directory, paths);
            assert!(meta["termsOfService"].is_string() && meta["caaIdentities"].is_array());
            if dialect == DialectName::Pebble {
                assert_eq!(meta["externalAccountRequired"], json!(false));
                assert_eq!(meta["profiles"].as_object().unwrap().len(), 2);
                assert!(meta["termsOfService"].as_str().unwrap().starts_with("data:"));
            }
        }
    });
}

/// The forms of `Retry-After`, and where there is one.
#[test]
fn when_to_ask_again() {
    simulated(|world| async move {
        for dialect in BOTH {
            let pebble = dialect == DialectName::Pebble;
            for as_date in [false, true] {
                let stage = stage_of(&world, dialect, |config| {
                    config.async_finalize = true;
                    config.service_time = [(E::Issuance, vec![Duration::from_secs(60)])].into();
                    config.randomness.retry_after_date = as_date;
                })
                .await;
                let mut client = stage.client("one").await;
                let mut forms = std::collections::BTreeSet::new();
                for n in 0..12 {
                    let name = format!("n{n}.example.com");
                    let reply = client.new_order(&[&name]).await;
                    assert_eq!(reply.header("retry-after"), None);
                    let (_, order) = client.authorize(&reply).await;
                    let csr = client.csr(&[&name]);
                    let reply = client.post(order["finalize"].as_str().unwrap(), &csr).await;
                    assert_eq!(body(&reply)["status"], "processing");
                    let poll = client.post(reply.header("location").unwrap(), "").await;
                    assert_eq!(body(&poll)["status"], "processing");
                    for reply in [&reply, &poll] {
                        let after = reply.header("retry-after").unwrap().to_owned();
                        forms.insert(after.parse::<u64>().map_or("a date".to_owned(), |n| n.to_string()));
                        assert!(after.ends_with(" GMT") || after.parse::<u64>().is_ok(), "{after}");
                    }
                }
                let seconds = if pebble { "5" } else { "3" };
                let wanted = if as_date { vec![seconds, "a date"] } else { vec![seconds] };
                assert_eq!(forms.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
            }
        }
    });
}

/// Pebble bids to wait for an authorization only while one of its challenges is looked at.
#[test]
fn when_to_ask_again_for_an_authorization() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |config| {
                config.always_valid = false;
                config.perspectives[0].queue = vec![Duration::from_secs(12)];
            })
            .await;
            let mut client = stage.client("one").await;
            let order = body(&client.new_order(&["example.com"]).await);
            let url = order["authorizations"][0].as_str().unwrap().to_owned();
            let challenge = client.challenge(&url, "http-01").await;
            stage.serve_challenge(&client, challenge["token"].as_str().unwrap());
            assert_eq!(client.post(&url, "").await.header("retry-after"), None);
            let begun = client.post(challenge["url"].as_str().unwrap(), "{}").await;
            let pebble = dialect == DialectName::Pebble;
            assert_eq!(body(&begun)["status"], if pebble { "processing" } else { "pending" });
            assert!(links(&begun).contains(&format!("<{url}>;rel=\"up\"")), "{:?}", links(&begun));
            let waiting = client.post(&url, "").await;
            assert_eq!(body(&waiting)["status"], "pending");
            assert_eq!(waiting.header("retry-after"), pebble.then_some("3"));
            assert_eq!(client.wait(&url).await["status"], "valid");
            assert_eq!(client.post(&url, "").await.header("retry-after"), None);
        }
    });
}
