//! A webhook for any provider with the plain REST API of mock-dns.
//!
//! ```yaml
//! webhook:
//!   groupName: dns.example.com         # the group of the script
//!   solverName: rest
//!   config:
//!     url: http://dns-api.example.com  # below it are /v1/zones/...
//!     tokenSecretRef: { name: dns-token, key: token }
//!     ttl: 60
//! ```

use bytes::Bytes;
use engine::api::SecretKeySelector;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use world::http::Url;

use super::{Challenge, Failure, Program, read};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Config {
    url: String,
    token_secret_ref: SecretKeySelector,
    #[serde(default = "default_ttl")]
    ttl: u32,
}

fn default_ttl() -> u32 {
    60
}

pub(super) async fn act(program: &Program, challenge: &Challenge, present: bool) -> Result<(), Failure> {
    let config: Config = read(&challenge.config)?;
    let token = format!("Bearer {}", program.secret(challenge, &config.token_secret_ref)?);
    let records = format!("{}/v1/zones/{}/records", config.url.trim_end_matches('/'), challenge.zone());
    let (name, value) = (challenge.name(), challenge.key.as_str());
    if present {
        let record = json!({"name": name, "type": "TXT", "ttl": config.ttl, "value": value});
        let created = call(program, Method::POST, &records, &token, record.to_string()).await;
        // Presented before: it is there.
        return match created {
            Err((409, _)) => Ok(()),
            other => other.map(drop).map_err(|(_, text)| text),
        };
    }
    let wanted = format!("{records}?name={name}&type=TXT");
    let listed =
        call(program, Method::GET, &wanted, &token, String::new()).await.map_err(|(_, text)| text)?;
    let listed = listed["records"].as_array().map_or(&[][..], Vec::as_slice);
    for record in listed.iter().filter(|record| record["value"] == value) {
        let id = record["id"].as_str().unwrap_or_default();
        let deleted = call(program, Method::DELETE, &format!("{records}/{id}"), &token, String::new()).await;
        match deleted {
            Ok(_) | Err((404, _)) => {}
            Err((_, text)) => return Err(text),
        }
    }
    Ok(())
}

async fn call(
    program: &Program,
    method: Method,
    url: &str,
    token: &str,
    body: String,
) -> Result<Value, (u16, String)> {
    let at = format!("{method} {url}");
    let target: Url = url.parse().map_err(|error| (0, format!("{at}: {error}")))?;
    let headers = [("content-type", "application/json"), ("authorization", token)];
    let answer = program.client.request(method, &target, &headers, Bytes::from(body)).await;
    let answer = answer.map_err(|error| (0, format!("{at}: {error}")))?;
    let read: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status.is_success() {
        return Ok(read);
    }
    let code = answer.status.as_u16();
    let told = read["error"]["message"].as_str().unwrap_or_default();
    Err((code, format!("{at}: {code}: {told}")))
}
