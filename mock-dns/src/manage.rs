//! The management router: what a test does to the server while it runs.
//!
//! ```text
//! GET    /rehearse/dns/zones               names; ?view=
//! POST   /rehearse/dns/zones               a zone as JSON, or a zone file (text/dns); ?view= &origin=: 201
//! GET    /rehearse/dns/zones/ZONE          its records; ?format=file for a zone file; ?view=
//! DELETE /rehearse/dns/zones/ZONE          ?view=: 204
//! GET    /rehearse/dns/records             values of ?name= &type=; &server= as that nameserver has them
//! POST   /rehearse/dns/records             adds values: {name, type, ttl, value or values, view, publishDelay}
//! PUT    /rehearse/dns/records             replaces all values of the name and type
//! DELETE /rehearse/dns/records             removes ?name= &type=, or one &value= of them: 204
//! GET    /rehearse/dns/rules               scripted rules with their counts
//! POST   /rehearse/dns/rules               adds a rule; ?at= before another: 201 with all
//! PUT    /rehearse/dns/rules               a list of rules in the place of all
//! DELETE /rehearse/dns/rules[/NAME]        removes all, or one: 204
//! GET    /rehearse/dns/log                 queries; ?name= suffix= type= server= rule= since=
//! DELETE /rehearse/dns/log                 forgets them: 204
//! GET    /rehearse/dns/nameservers         as they are now
//! PUT    /rehearse/dns/nameservers/NAME    {publishDelay}: 204
//! POST   /rehearse/dns/reset               back to the beginning: 204
//! ```
//!
//! Errors are `{"error": TEXT}` with 400, 404 or 409.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post, put};
use hickory_proto::rr::{LowerName, RecordType};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use world::Timestamp;

use crate::config::{DEFAULT_TTL, Zone, delays, record_kind};
use crate::error::{RuleError, ZoneError};
use crate::rdata::{full_name, record_type};
use crate::script::Rule;
use crate::server::Dns;

/// The router that manages a server.
pub(crate) fn router(dns: Dns) -> Router {
    Router::new()
        .route("/rehearse/dns/zones", get(list_zones).post(add_zone))
        .route("/rehearse/dns/zones/{zone}", get(show_zone).delete(remove_zone))
        .route(
            "/rehearse/dns/records",
            get(show_records).post(add_records).put(set_records).delete(remove_records),
        )
        .route("/rehearse/dns/rules", get(list_rules).post(add_rule).put(set_rules).delete(remove_rules))
        .route("/rehearse/dns/rules/{name}", axum::routing::delete(remove_rule))
        .route("/rehearse/dns/log", get(show_log).delete(clear_log))
        .route("/rehearse/dns/nameservers", get(list_nameservers))
        .route("/rehearse/dns/nameservers/{name}", put(change_nameserver))
        .route("/rehearse/dns/reset", post(reset))
        .with_state(dns)
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refused(StatusCode, String);

pub(crate) type Answered = Result<Response, Refused>;

impl axum::response::IntoResponse for Refused {
    fn into_response(self) -> Response {
        json(self.0, &serde_json::json!({ "error": self.1 }))
    }
}

impl From<ZoneError> for Refused {
    fn from(error: ZoneError) -> Self {
        let status = match &error {
            ZoneError::NoZone { .. } | ZoneError::NoView { .. } => StatusCode::NOT_FOUND,
            ZoneError::DuplicateZone { .. }
            | ZoneError::CnameNotAlone { .. }
            | ZoneError::Rule(RuleError::Duplicate { .. }) => StatusCode::CONFLICT,
            _ => StatusCode::BAD_REQUEST,
        };
        Refused(status, error.to_string())
    }
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let (status, text) = match serde_json::to_vec(value) {
        Ok(text) => (status, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    with_type(status, "application/json", text)
}

fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

pub(crate) fn done() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Reads a JSON body; an error says where in it.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut json).map_err(|e| match e.path().to_string().as_str() {
        "." => e.inner().to_string(),
        path => format!("{path}: {}", e.inner()),
    })
}

pub(crate) fn bad(text: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, text.into())
}

pub(crate) fn missing(text: String) -> Refused {
    Refused(StatusCode::NOT_FOUND, text)
}

/// What the query string of the address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    view: String,
    origin: Option<String>,
    format: Option<String>,
    name: Option<String>,
    suffix: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    value: Option<String>,
    server: Option<String>,
    rule: Option<String>,
    since: Option<Timestamp>,
    at: Option<usize>,
}

impl Asked {
    fn kind(&self) -> Result<Option<RecordType>, Refused> {
        let Some(text) = &self.kind else { return Ok(None) };
        record_type(text).map(Some).ok_or_else(|| bad(format!("`{text}` is no record type")))
    }

    fn name_and_kind(&self) -> Result<(&str, RecordType), Refused> {
        match (self.name.as_deref(), self.kind()?) {
            (Some(name), Some(kind)) => Ok((name, kind)),
            _ => Err(bad("expected `name` and `type`")),
        }
    }
}

async fn list_zones(State(dns): State<Dns>, Query(asked): Query<Asked>) -> Answered {
    Ok(json(StatusCode::OK, &dns.in_view(&asked.view)?.zones()))
}

async fn add_zone(
    State(dns): State<Dns>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Answered {
    let dns = dns.in_view(&asked.view)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("text/") {
        let text = std::str::from_utf8(&body).map_err(|_| bad("expected UTF-8"))?;
        dns.add_zone_file(text, asked.origin.as_deref())?;
    } else {
        dns.add_zone(&read::<Zone>(&body).map_err(bad)?)?;
    }
    Ok(json(StatusCode::CREATED, &dns.zones()))
}

async fn show_zone(State(dns): State<Dns>, Path(zone): Path<String>, Query(asked): Query<Asked>) -> Answered {
    let dns = dns.in_view(&asked.view)?;
    let missing = || missing(format!("zone {zone}: expected one of {}", dns.zones().join(", ")));
    Ok(match asked.format.as_deref() {
        Some("file") => with_type(StatusCode::OK, "text/dns", dns.zone_file(&zone).ok_or_else(missing)?),
        None | Some("json") => json(StatusCode::OK, &dns.records(&zone).ok_or_else(missing)?),
        Some(other) => return Err(bad(format!("format {other:?}: expected json or file"))),
    })
}

async fn remove_zone(
    State(dns): State<Dns>,
    Path(zone): Path<String>,
    Query(asked): Query<Asked>,
) -> Answered {
    let removed = dns.in_view(&asked.view)?.remove_zone(&zone);
    if removed { Ok(done()) } else { Err(missing(format!("zone {zone}: there is none"))) }
}

/// Values to write.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Values {
    name: String,
    #[serde(rename = "type", deserialize_with = "record_kind")]
    kind: RecordType,
    #[serde(default = "default_ttl")]
    ttl: u32,
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    view: String,
    #[serde(default, with = "world::duration::one")]
    publish_delay: Duration,
}

fn default_ttl() -> u32 {
    DEFAULT_TTL
}

impl Values {
    fn handle(&self, dns: &Dns) -> Result<Dns, Refused> {
        Ok(dns.in_view(&self.view)?.published_after(self.publish_delay))
    }

    fn all(&self) -> Vec<&str> {
        self.value.iter().chain(&self.values).map(String::as_str).collect()
    }

    fn shown(&self, dns: &Dns) -> Answered {
        Ok(json(StatusCode::OK, &dns.values(&self.name, self.kind)?))
    }
}

async fn show_records(State(dns): State<Dns>, Query(asked): Query<Asked>) -> Answered {
    let dns = dns.in_view(&asked.view)?;
    let (name, kind) = asked.name_and_kind()?;
    let values = match &asked.server {
        Some(server) if dns.nameserver(server).is_none() => {
            return Err(missing(format!("nameserver {server}: there is none")));
        }
        Some(server) => dns.values_at(server, name, kind)?,
        None => dns.values(name, kind)?,
    };
    Ok(json(StatusCode::OK, &values))
}

async fn add_records(State(dns): State<Dns>, body: Bytes) -> Answered {
    let values: Values = read(&body).map_err(bad)?;
    let dns = values.handle(&dns)?;
    for value in values.all() {
        dns.add(&values.name, values.kind, values.ttl, value)?;
    }
    values.shown(&dns)
}

async fn set_records(State(dns): State<Dns>, body: Bytes) -> Answered {
    let values: Values = read(&body).map_err(bad)?;
    let dns = values.handle(&dns)?;
    dns.set(&values.name, values.kind, values.ttl, &values.all())?;
    values.shown(&dns)
}

async fn remove_records(State(dns): State<Dns>, Query(asked): Query<Asked>) -> Answered {
    let dns = dns.in_view(&asked.view)?;
    let (name, kind) = asked.name_and_kind()?;
    let removed = match &asked.value {
        Some(value) => dns.remove_value(name, kind, value)?,
        None => dns.remove(name, kind)?,
    };
    if removed { Ok(done()) } else { Err(missing(format!("record {name} {kind}: there is none"))) }
}

async fn list_rules(State(dns): State<Dns>) -> Answered {
    Ok(json(StatusCode::OK, &dns.rules()))
}

async fn add_rule(State(dns): State<Dns>, Query(asked): Query<Asked>, body: Bytes) -> Answered {
    dns.add_rule(read::<Rule>(&body).map_err(bad)?, asked.at)?;
    Ok(json(StatusCode::CREATED, &dns.rules()))
}

async fn set_rules(State(dns): State<Dns>, body: Bytes) -> Answered {
    dns.set_rules(read::<Vec<Rule>>(&body).map_err(bad)?)?;
    Ok(json(StatusCode::OK, &dns.rules()))
}

async fn remove_rules(State(dns): State<Dns>) -> Answered {
    dns.set_rules(Vec::new())?;
    Ok(done())
}

async fn remove_rule(State(dns): State<Dns>, Path(name): Path<String>) -> Answered {
    if dns.remove_rule(&name) { Ok(done()) } else { Err(missing(format!("rule {name}: there is none"))) }
}

async fn show_log(State(dns): State<Dns>, Query(asked): Query<Asked>) -> Answered {
    let lower = |text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => {
            let name = full_name(text).ok_or_else(|| bad(format!("expected a domain name, found {text:?}")));
            name.map(|name| Some(LowerName::new(&name)))
        }
    };
    let (name, suffix, kind) = (lower(&asked.name)?, lower(&asked.suffix)?, asked.kind()?);
    let below = |of: &LowerName, name: &str| full_name(name).is_some_and(|n| of.zone_of(&LowerName::new(&n)));
    let entries = dns.log_where(|entry| {
        name.as_ref().is_none_or(|name| *entry.name == name.to_string())
            && suffix.as_ref().is_none_or(|suffix| below(suffix, &entry.name))
            && kind.is_none_or(|kind| kind == entry.kind)
            && asked.server.as_deref().is_none_or(|server| *server == *entry.server)
            && asked.rule.as_deref().is_none_or(|rule| Some(rule) == entry.rule.as_deref())
            && asked.since.is_none_or(|since| entry.at >= since)
    });
    Ok(json(StatusCode::OK, &entries))
}

async fn clear_log(State(dns): State<Dns>) -> Answered {
    dns.clear_log();
    Ok(done())
}

async fn list_nameservers(State(dns): State<Dns>) -> Answered {
    Ok(json(StatusCode::OK, &dns.nameservers()))
}

/// What can be changed of a nameserver.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NameserverChange {
    #[serde(with = "delays")]
    publish_delay: Vec<Duration>,
}

async fn change_nameserver(State(dns): State<Dns>, Path(name): Path<String>, body: Bytes) -> Answered {
    let change: NameserverChange = read(&body).map_err(bad)?;
    let known = dns.set_publish_delay(&name, change.publish_delay);
    if known { Ok(done()) } else { Err(missing(format!("nameserver {name}: there is none"))) }
}

async fn reset(State(dns): State<Dns>) -> Answered {
    dns.reset();
    Ok(done())
}
