//! Validation, by every kind of challenge and with every way to fail: what the client reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod caa;
mod dns;
mod http;
mod perspectives;
mod tls_alpn;

use crate::support::{Acme, Stage, body, text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_ca::Config;
use mock_ca::db::ChallengeKind;
use mock_ca::dialect::Endpoint;
use serde_json::{Value, json};

/// Boulder with every kind of challenge.
fn boulder(config: &mut Config) {
    config.challenges = ChallengeKind::ALL.to_vec();
}

/// Pebble, with the ports and hosts of the stage. CAA as in Boulder.
fn pebble(config: &mut Config) {
    *config = Config {
        base_url: config.base_url.clone(),
        http_port: config.http_port,
        tls_port: 443,
        resolvers: config.resolvers.clone(),
        perspectives: config.perspectives.clone(),
        ..Config::pebble()
    };
}

/// What a client knows of a challenge.
struct Shown {
    token: String,
    key_authorization: String,
    account_url: String,
}

impl Shown {
    fn digest(&self) -> [u8; 32] {
        world::sha256(self.key_authorization.as_bytes())
    }

    fn txt(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest())
    }

    fn path(&self) -> String {
        format!("/.well-known/acme-challenge/{}", self.token)
    }
}

async fn order(client: &mut Acme, identifiers: &[(&str, &str)]) -> (String, Value) {
    let list: Vec<_> = identifiers.iter().map(|(kind, v)| json!({ "type": kind, "value": v })).collect();
    let url = client.resource(Endpoint::NewOrder);
    let reply = client.post(&url, &json!({ "identifiers": list }).to_string()).await;
    assert_eq!(reply.status, 201, "{}", text(&reply));
    (reply.header("location").unwrap().to_owned(), body(&reply))
}

/// Responds to a challenge of an authorization after `serve`, and gives the challenge as it has become.
async fn respond(
    client: &mut Acme,
    authorization: &str,
    kind: ChallengeKind,
    serve: impl AsyncFnOnce(&Shown),
) -> Value {
    let challenge = client.challenge(authorization, kind.as_str()).await;
    let token = challenge["token"].as_str().unwrap_or_default().to_owned();
    let shown = Shown {
        key_authorization: format!("{token}.{}", client.key.public().thumbprint()),
        token,
        account_url: client.kid.clone().unwrap(),
    };
    serve(&shown).await;
    client.post(challenge["url"].as_str().unwrap(), "{}").await;
    client.wait(authorization).await;
    client.challenge(authorization, kind.as_str()).await
}

/// An order for one identifier, and its challenge after the validation.
async fn validate(
    client: &mut Acme,
    identifier: (&str, &str),
    kind: ChallengeKind,
    serve: impl AsyncFnOnce(&Shown),
) -> Value {
    let (_, order) = order(client, &[identifier]).await;
    let authorization = order["authorizations"][0].as_str().unwrap().to_owned();
    respond(client, &authorization, kind, serve).await
}

/// As the table of a test has it: `valid`, or the type, status and detail of the problem.
fn outcome(challenge: &Value) -> String {
    match &challenge["error"] {
        Value::Null => challenge["status"].as_str().unwrap().to_owned(),
        error => {
            let kind = error["type"].as_str().unwrap().trim_start_matches(mock_ca::problem::NAMESPACE);
            format!("{kind} {}: {}", error["status"], error["detail"].as_str().unwrap())
        }
    }
}

/// A stage and a client with an account.
async fn stage(world: &world::World, change: impl FnOnce(&mut Config)) -> (Stage, Acme) {
    let stage = Stage::new(world, change).await;
    let client = stage.client("one").await;
    (stage, client)
}
