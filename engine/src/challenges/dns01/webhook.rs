//! External solvers: a ChallengePayload is posted to the API group that the solver names, and comes back with
//! a response.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use world::World;
use world::http::{Client as HttpClient, Url};

use super::provider::{Answer, Provider, ProviderError, TxtRecord};
use crate::api::Dns01Webhook;

/// What the API server gives an aggregated API to answer.
const LIMIT: Duration = Duration::from_secs(60);
/// The version of the API that every solver has.
const VERSION: &str = "v1alpha1";

/// A solver behind an aggregated API.
#[derive(Debug)]
pub struct Webhook {
    world: World,
    http: HttpClient,
    base: Option<String>,
    config: Dns01Webhook,
    resource_namespace: String,
    ambient: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    kind: &'static str,
    api_version: &'static str,
    request: Request<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    uid: &'a str,
    action: &'a str,
    #[serde(rename = "type")]
    type_: &'static str,
    dns_name: &'a str,
    key: &'a str,
    resource_namespace: &'a str,
    #[serde(rename = "resolvedFQDN")]
    resolved_fqdn: &'a str,
    resolved_zone: &'a str,
    allow_ambient_credentials: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a Value>,
}

/// The part of a payload that comes back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answered {
    response: Option<Response>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Response {
    success: bool,
    status: Option<Status>,
}

/// `metav1.Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    message: String,
}

/// What an answer means. A response that did not succeed and whose status has no message counts as success, as
/// in the release.
fn judge(status: StatusCode, body: &[u8], call: &str) -> Result<(), ProviderError> {
    if !status.is_success() {
        let told = serde_json::from_slice::<Status>(body).unwrap_or_default().message;
        return Err(ProviderError(match status.as_u16() {
            _ if !told.is_empty() => told,
            404 => format!("the server could not find the requested resource ({call})"),
            503 => format!("the server is currently unable to handle the request ({call})"),
            504 => timed_out(call),
            code => {
                let body = String::from_utf8_lossy(body);
                let body = body.trim();
                let told = if body.is_empty() { "unknown" } else { body };
                format!(
                    "an error on the server ({told:?}) has prevented the request from succeeding ({call}): {code}"
                )
            }
        }));
    }
    let answered: Answered =
        serde_json::from_slice(body).map_err(|error| ProviderError(format!("{call}: {error}")))?;
    let response = answered.response.unwrap_or_default();
    match response {
        Response { success: true, .. } => Ok(()),
        Response { status: None, .. } => {
            Err(ProviderError::new("invalid payload response, did not succeed but no result provided"))
        }
        Response { status: Some(status), .. } if status.message.is_empty() => Ok(()),
        Response { status: Some(status), .. } => Err(ProviderError(status.message)),
    }
}

fn timed_out(call: &str) -> String {
    let text = "the server was unable to return a response in the time allotted, but may still be processing the request";
    format!("{text} ({call})")
}

impl Webhook {
    /// The solver of `config`, whose group is served at `base` (`http://HOST[:PORT]`; `None` when nobody serves
    /// it). `ambient` says whether it may use credentials of its surroundings.
    pub fn new(
        world: &World,
        http: &HttpClient,
        base: Option<&str>,
        config: &Dns01Webhook,
        resource_namespace: &str,
        ambient: bool,
    ) -> Self {
        Webhook {
            world: world.clone(),
            http: http.clone(),
            base: base.map(str::to_owned),
            config: config.clone(),
            resource_namespace: resource_namespace.to_owned(),
            ambient,
        }
    }

    async fn call(&self, action: &str, record: &TxtRecord) -> Result<(), ProviderError> {
        let Dns01Webhook { group_name, solver_name, config } = &self.config;
        let call = format!("post {solver_name}.{group_name}");
        let Some(base) = &self.base else { return judge(StatusCode::NOT_FOUND, b"", &call) };
        let payload = Payload {
            kind: "ChallengePayload",
            api_version: "webhook.acme.cert-manager.io/v1alpha1",
            request: Request {
                // The release leaves it empty.
                uid: "",
                action,
                type_: "dns-01",
                dns_name: &record.dns_name,
                key: &record.value,
                resource_namespace: &self.resource_namespace,
                resolved_fqdn: &record.fqdn,
                resolved_zone: &record.zone,
                allow_ambient_credentials: self.ambient,
                config: config.as_ref().map(crate::api::RawJson::value),
            },
        };
        let url = format!("{}/apis/{group_name}/{VERSION}/{solver_name}", base.trim_end_matches('/'));
        let url: Url = url.parse().map_err(ProviderError::new)?;
        let body = serde_json::to_vec(&payload).map_err(ProviderError::new)?;
        let headers = [("content-type", "application/json"), ("accept", "application/json")];
        let sent = self.http.request(Method::POST, &url, &headers, Bytes::from(body));
        match self.world.timeout(LIMIT, sent).await {
            Ok(Ok(answer)) => judge(answer.status, &answer.body, &call),
            // The API server does not reach it.
            Ok(Err(_)) => judge(StatusCode::SERVICE_UNAVAILABLE, b"", &call),
            Err(_) => judge(StatusCode::GATEWAY_TIMEOUT, b"", &call),
        }
    }
}

impl Provider for Webhook {
    fn present<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a> {
        Box::pin(self.call("Present", record))
    }

    fn clean_up<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a> {
        Box::pin(self.call("CleanUp", record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        match judge(status, body.as_bytes(), "post s.g") {
            Ok(()) => "ok".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_a_webhook_says_becomes_the_reason_of_the_challenge() {
        let failed = |status: &str| format!(r#"{{"response":{{"uid":"","success":false{status}}}}}"#);
        assert_eq!(judged(201, r#"{"response":{"success":true}}"#), "ok");
        let told = r#","status":{"status":"Failed","message":"no such zone"}"#;
        assert_eq!(judged(201, &failed(told)), "no such zone");
        let none = "invalid payload response, did not succeed but no result provided";
        assert_eq!(judged(201, &failed("")), none);
        assert_eq!(judged(201, "{}"), none);
        // A gap of the release.
        assert_eq!(judged(201, &failed(r#","status":{"status":"Failed"}"#)), "ok");
    }

    #[test]
    fn what_the_api_server_says_of_a_webhook_that_is_not_there() {
        assert_eq!(judged(404, ""), "the server could not find the requested resource (post s.g)");
        assert_eq!(judged(503, ""), "the server is currently unable to handle the request (post s.g)");
        assert_eq!(judged(403, r#"{"kind":"Status","message":"s.g is forbidden"}"#), "s.g is forbidden");
        assert!(judged(504, "").starts_with("the server was unable to return a response in the time"));
        assert!(judged(500, "boom").starts_with("an error on the server (\"boom\") has prevented"));
        assert!(judged(200, "no json").starts_with("post s.g: "));
    }
}
