//! DNS-01 webhooks: the programs to which the API server hands the calls of an API group.
//!
//! Each takes a ChallengePayload, reads its credentials from a Secret, calls its provider's API, and says in the
//! payload's response what came of it.

mod dnspod;
mod rest;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use engine::api::{Kind, ObjectKey, Secret, SecretKeySelector};
use engine::store::Store;
use serde::Deserialize;
use serde_json::{Value, json};
use world::World;
use world::http::{Client, serve};
use world::resolver::Resolver;

use crate::script::{Plugin, Webhook};

/// What a program answers for: a name and what it does.
struct Program {
    config: Webhook,
    store: Store,
    client: Client,
}

/// The part of a request that programs read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Challenge {
    uid: String,
    action: String,
    key: String,
    resource_namespace: String,
    #[serde(rename = "resolvedFQDN")]
    resolved_fqdn: String,
    resolved_zone: String,
    config: Value,
}

impl Challenge {
    /// The zone, as APIs have it: without its final dot.
    fn zone(&self) -> &str {
        self.resolved_zone.trim_end_matches('.')
    }

    /// The record's name within the zone.
    fn name(&self) -> &str {
        let name = self.resolved_fqdn.trim_end_matches('.');
        let within = name.strip_suffix(self.zone()).and_then(|name| name.strip_suffix('.'));
        within.unwrap_or(name)
    }
}

/// Why a record was not written, in the program's words.
type Failure = String;

pub(super) async fn start(
    world: &World,
    store: &Store,
    config: &Webhook,
    nameserver: Option<SocketAddr>,
) -> std::io::Result<()> {
    let inside = world.process(&config.host);
    let listener = inside.listen(SocketAddr::from(([0, 0, 0, 0], 80))).await?;
    let resolver = Resolver::new(&inside, nameserver.into_iter().collect());
    let client = Client::new(&inside, resolver).without_keep_alive();
    let program = Arc::new(Program { config: config.clone(), store: store.clone(), client });
    let router = Router::new().route("/apis/{group}/v1alpha1/{solver}", post(call)).with_state(program);
    inside.spawn("dns01 webhook", serve(inside.clone(), listener, None, router));
    Ok(())
}

async fn call(
    State(program): State<Arc<Program>>,
    Path((group, solver)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let name = match program.config.plugin {
        Plugin::Dnspod => "dnspod",
        Plugin::Rest => "rest",
    };
    if group != program.config.group || solver != name {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Ok(mut payload) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let challenge = payload.get("request").map(Challenge::deserialize);
    let Some(Ok(challenge)) = challenge else {
        return failed("payload request field cannot be empty");
    };
    let present = match challenge.action.as_str() {
        "Present" => true,
        "CleanUp" => false,
        other => return failed(&format!("unknown action type {other:?}")),
    };
    let done = match program.config.plugin {
        Plugin::Dnspod => dnspod::act(&program, &challenge, present).await,
        Plugin::Rest => rest::act(&program, &challenge, present).await,
    };
    payload["response"] = match done {
        Ok(()) => json!({"uid": challenge.uid, "success": true}),
        Err(message) => json!({"uid": challenge.uid, "success": false,
            "status": {"metadata": {}, "status": "Failed", "message": message}}),
    };
    answer(StatusCode::CREATED, &payload)
}

/// What the program's server says when it cannot take a call.
fn failed(message: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message});
    answer(StatusCode::INTERNAL_SERVER_ERROR, &status)
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Program {
    /// A text of a Secret in the namespace that the challenge's issuer has its Secrets in.
    fn secret(&self, challenge: &Challenge, selector: &SecretKeySelector) -> Result<String, Failure> {
        let key = ObjectKey::new(challenge.resource_namespace.as_str(), selector.name.as_str());
        let missing = || format!("secrets {:?} not found", selector.name);
        let secret = self.store.get(Kind::Secret, &key).ok_or_else(missing)?;
        let secret = secret.get::<Secret>().ok_or_else(missing)?;
        let value = secret.data.get(&selector.key).map(|data| String::from_utf8_lossy(data.as_slice()));
        let no_key = || format!("key {:?} not found in secret {key}", selector.key);
        Ok(value.ok_or_else(no_key)?.trim().to_owned())
    }
}

fn read<T: serde::de::DeserializeOwned>(config: &Value) -> Result<T, Failure> {
    T::deserialize(config).map_err(|error| format!("error decoding solver config: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_zone() {
        let challenge = |fqdn: &str, zone: &str| Challenge {
            resolved_fqdn: fqdn.to_owned(),
            resolved_zone: zone.to_owned(),
            ..Challenge::default()
        };
        assert_eq!(challenge("_acme-challenge.www.a.test.", "a.test.").name(), "_acme-challenge.www");
        assert_eq!(challenge("_acme-challenge.a.test.", "a.test.").name(), "_acme-challenge");
        assert_eq!(challenge("_acme-challenge.ba.test.", "a.test.").name(), "_acme-challenge.ba.test");
    }
}
