//! What the tests of both dialects share: a stage of either, requests that are signed wrongly, and how an
//! answer is written down in a table.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use mock_ca::config::{ExternalAccounts, RetryAfter};
use mock_ca::dialect::{DialectName, Endpoint};
use mock_ca::{Config, Issued};
use serde_json::{Value, json};
use std::time::Duration;
use world::http::Response;
use world::{PrivateKey, World};

use super::{Acme, Stage, body, kind, sign, text};

/// Both.
pub const BOTH: [DialectName; 2] = [DialectName::Pebble, DialectName::Boulder];

/// A CA of this dialect for which every challenge passes.
pub async fn stage_of(world: &World, dialect: DialectName, change: impl FnOnce(&mut Config)) -> Stage {
    Stage::new(world, |config| {
        if dialect == DialectName::Pebble {
            let Config { base_url, http_port, resolvers, perspectives, .. } = config.clone();
            *config = Config { base_url, http_port, resolvers, perspectives, ..Config::pebble() };
            let seconds = |n| Some(Duration::from_secs(n));
            config.retry_after = RetryAfter { order: seconds(5), authz: seconds(3) };
        }
        config.always_valid = true;
        change(config);
    })
    .await
}

/// An answer as tables have it: the type and the status of a problem, or the status alone.
pub fn outcome(reply: &Response) -> String {
    let problem = reply.header("content-type").is_some_and(|t| t.starts_with("application/problem+json"));
    let status = reply.status.as_u16();
    if problem { format!("{} {status}", kind(reply)) } else { status.to_string() }
}

#[track_caller]
pub fn expect(reply: &Response, wanted: &str) {
    assert_eq!(outcome(reply), wanted, "{}", text(reply));
}

/// The detail of a problem.
pub fn detail(reply: &Response) -> String {
    body(reply)["detail"].as_str().unwrap_or_default().to_owned()
}

/// All values of `Link`.
pub fn links(reply: &Response) -> Vec<String> {
    reply.headers.get_all("link").iter().map(|link| link.to_str().unwrap().to_owned()).collect()
}

pub fn public_jwk(key: &PrivateKey) -> Value {
    serde_json::from_str(&key.public().jwk()).unwrap()
}

/// External accounts with these keys, of which one is needed.
pub fn external(keys: &[(&str, &str)]) -> ExternalAccounts {
    let keys = keys.iter().map(|(id, key)| ((*id).to_owned(), (*key).to_owned())).collect();
    ExternalAccounts { required: true, keys }
}

impl Acme {
    /// The header of a good request.
    pub async fn header(&mut self, url: &str) -> Value {
        let mut header = json!({ "nonce": self.nonce().await, "url": url });
        match &self.kid {
            Some(kid) => header["kid"] = json!(kid),
            None => header["jwk"] = public_jwk(&self.key),
        }
        header
    }

    /// POSTs with a header that `change` has spoiled.
    pub async fn post_spoiled(
        &mut self,
        url: &str,
        payload: &str,
        change: impl FnOnce(&mut Value),
    ) -> Response {
        let mut header = self.header(url).await;
        change(&mut header);
        let signed = sign(&self.key, &mut header, payload).to_string();
        self.post_raw(url, signed).await
    }

    pub async fn to(&mut self, endpoint: Endpoint, payload: &Value) -> Response {
        self.post(&self.resource(endpoint), &payload.to_string()).await
    }

    /// newOrder with whatever is given besides the names.
    pub async fn order_with(&mut self, names: &[&str], mut more: Value) -> Response {
        let list: Vec<_> = names.iter().map(|n| json!({ "type": "dns", "value": n })).collect();
        more["identifiers"] = json!(list);
        self.to(Endpoint::NewOrder, &more).await
    }

    /// Answers every challenge of an order, where every challenge passes: its URL and the order, ready.
    pub async fn authorize(&mut self, reply: &Response) -> (String, Value) {
        assert_eq!(reply.status, 201, "{}", text(reply));
        let url = reply.header("location").unwrap().to_owned();
        for authorization in body(reply)["authorizations"].as_array().unwrap() {
            let authorization = authorization.as_str().unwrap();
            let object = self.get(authorization).await;
            if object["status"] == "pending" {
                self.post(object["challenges"][0]["url"].as_str().unwrap(), "{}").await;
                self.wait(authorization).await;
            }
        }
        (url.clone(), self.get(&url).await)
    }

    /// From an answered newOrder to the certificate.
    pub async fn finish(&mut self, stage: &Stage, reply: &Response) -> (Value, Issued) {
        let (url, order) = self.authorize(reply).await;
        let values = order["identifiers"].as_array().unwrap();
        let names: Vec<&str> = values.iter().map(|i| i["value"].as_str().unwrap()).collect();
        let csr = self.csr(&names);
        let reply = self.post(order["finalize"].as_str().unwrap(), &csr).await;
        assert_eq!(reply.status, 200, "{}", text(&reply));
        let order = self.wait(&url).await;
        assert_eq!(order["status"], "valid", "{order:#}");
        (order, stage.ca.issued().pop().unwrap())
    }

    /// A certificate for these names.
    pub async fn issue(&mut self, stage: &Stage, names: &[&str]) -> (Value, Issued) {
        let reply = self.new_order(names).await;
        self.finish(stage, &reply).await
    }

    pub async fn revoke(&mut self, issued: &Issued, reason: Option<i64>) -> Response {
        let mut request = json!({ "certificate": URL_SAFE_NO_PAD.encode(&*issued.leaf) });
        if let Some(reason) = reason {
            request["reason"] = json!(reason);
        }
        self.to(Endpoint::RevokeCert, &request).await
    }

    pub async fn renewal_info(&self, id: &str) -> Response {
        self.fetch(Method::GET, &format!("{}/{id}", self.resource(Endpoint::RenewalInfo))).await
    }

    /// The inner request of a key change.
    pub fn key_change(&self, new: &PrivateKey, change: impl FnOnce(&mut Value, &mut Value)) -> Value {
        let mut header = json!({ "jwk": public_jwk(new), "url": self.resource(Endpoint::KeyChange) });
        let mut payload = json!({ "account": self.kid, "oldKey": public_jwk(&self.key) });
        change(&mut header, &mut payload);
        sign(new, &mut header, &payload.to_string())
    }
}

/// The ARI identifier of a certificate.
pub fn certificate_id(issued: &Issued) -> String {
    mock_ca::ra::renewal::identifier(&issued.leaf).unwrap()
}
