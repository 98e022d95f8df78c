//! The front end of DNSPod: form-encoded calls with a `login_token`, JSON answers, status 200 always.
//!
//! `Info.Version`, `Domain.List`, `Domain.Info`, `Record.List`, `Record.Info`, `Record.Create`,
//! `Record.Modify` and `Record.Remove`, each a POST to `/NAME`; names, fields and codes are those of DNSPod's
//! API documentation (version 4.6). What cannot be is refused with its code; lines other than the default,
//! remarks and weights are not kept.

use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use world::Timestamp;
use world::http::Peer;

use super::api::{Answered, ApiError, Call, Given, Provider, Row, Task, Write};
use super::config::Operation;
use crate::manage;
use crate::rdata::record_type;

/// The TTL of a record that does not say, in seconds.
pub(super) const TTL: u32 = 600;
/// The clock of the provider: China Standard Time.
const OFFSET: Duration = Duration::from_secs(8 * 3600);
/// The line that every asker is on, by its name and its number.
pub(super) const LINE: (&str, &str) = ("默认", "0");

impl Provider {
    /// DNSPod's front end, at the root of a server of its own.
    pub fn dnspod(&self) -> Router {
        Router::new().route("/{action}", any(call)).with_state(self.clone())
    }
}

/// The fields of every call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields {
    login_token: String,
    error_on_empty: Option<String>,
    domain: Option<String>,
    domain_id: Option<String>,
    offset: Option<String>,
    length: Option<String>,
    sub_domain: Option<String>,
    record_id: Option<String>,
    record_type: Option<String>,
    record_line: Option<String>,
    record_line_id: Option<String>,
    keyword: Option<String>,
    value: Option<String>,
    mx: Option<String>,
    ttl: Option<String>,
}

/// A status of the API: code and text.
type Status = (String, String);

fn status(code: &str, text: &str) -> Status {
    (code.to_owned(), text.to_owned())
}

/// DNSPod's code for an error. Codes mean different things to zones and records.
fn status_of(error: &ApiError, operation: Operation, text: String) -> Status {
    let code = match error {
        ApiError::Unauthorized => return status("-1", "Login failed"),
        ApiError::Throttled(_) => {
            return ("-2".to_owned(), text.replace(&error.text(), "API usage is limited"));
        }
        ApiError::ZoneMissing(_) => "6",
        ApiError::Denied if operation == Operation::ListRecords => "9",
        ApiError::Denied => "7",
        ApiError::RecordMissing => "8",
        ApiError::Exists => "104",
        ApiError::Conflict(_) => "31",
        ApiError::Bad(_) => "34",
        ApiError::Changed => "3",
        ApiError::Scripted { code, .. } => code,
    };
    (code.to_owned(), text)
}

/// What a call answers: status and the rest of the body.
type Reply = Result<Vec<(&'static str, Value)>, Status>;

async fn call(
    State(provider): State<Provider>,
    Path(action): Path<String>,
    method: Method,
    peer: Option<Extension<Peer>>,
    form: Result<Form<Fields>, FormRejection>,
) -> Response {
    let reply = match (method, form) {
        (Method::POST, Ok(Form(fields))) => {
            let from = peer.map(|Extension(Peer(address))| address.ip());
            provider.dnspod_call(&action, fields, from).await
        }
        (Method::POST, Err(_)) => Err(status("6", "the parameters are no form")),
        _ => Err(status("2", "only POST is allowed")),
    };
    let now = local(provider.world().now());
    let (code, message, rest) = match reply {
        Ok(rest) if action == "Info.Version" => ("1".to_owned(), "4.6".to_owned(), rest),
        Ok(rest) => ("1".to_owned(), "Action completed successful".to_owned(), rest),
        Err((code, message)) => (code, message, Vec::new()),
    };
    let mut body = json!({"status": {"code": code, "message": message, "created_at": now}});
    for (name, value) in rest {
        body[name] = value;
    }
    manage::json(StatusCode::OK, &body)
}

/// A time as the API writes it.
fn local(at: Timestamp) -> String {
    (at + OFFSET).rfc3339_secs().replace('T', " ").trim_end_matches('Z').to_owned()
}

impl Provider {
    async fn dnspod_call(&self, action: &str, fields: Fields, from: Option<std::net::IpAddr>) -> Reply {
        let operation = match action {
            "Info.Version" => return Ok(Vec::new()),
            "Domain.List" => Operation::ListZones,
            "Domain.Info" => Operation::GetZone,
            "Record.List" => Operation::ListRecords,
            "Record.Info" => Operation::GetRecord,
            "Record.Create" => Operation::CreateRecord,
            "Record.Modify" => Operation::UpdateRecord,
            "Record.Remove" => Operation::DeleteRecord,
            _ => return Err(status("-7", "this interface does not exist, or may not be used")),
        };
        let zone = fields.domain_id.clone().or(fields.domain.clone()).unwrap_or_default();
        let task = task(operation, &fields)?;
        let token = fields.login_token.clone();
        let Answered { request_id, result } = self.call(Call { token, from, operation, zone, task }).await;
        match result {
            None => std::future::pending().await,
            Some(Ok(given)) => self.shown(operation, &fields, given),
            Some(Err(error)) => Err(status_of(&error, operation, self.text_of(&error, &request_id))),
        }
    }

    fn shown(&self, operation: Operation, fields: &Fields, given: Given) -> Reply {
        let max = self.0.config.page_max.max(1);
        let bad = |code, text| status(code, text);
        let number = |text: &Option<String>, none: usize| match text.as_deref() {
            None | Some("") => Some(none),
            Some(text) => text.parse().ok(),
        };
        let (code_offset, code_length) = ("7", "8");
        let offset = number(&fields.offset, 0).ok_or_else(|| bad(code_offset, "the offset is not valid"))?;
        let length =
            number(&fields.length, max).ok_or_else(|| bad(code_length, "the length is not valid"))?;
        let length = length.min(max);
        let empty = || fields.error_on_empty.as_deref() != Some("no");
        Ok(match (operation, given) {
            (_, Given::Zones(zones)) => {
                let total = zones.len();
                let part: Vec<Value> = zones
                    .into_iter()
                    .filter(|(_, name)| {
                        fields.keyword.as_ref().is_none_or(|keyword| name.contains(keyword.as_str()))
                    })
                    .skip(offset)
                    .take(length)
                    .map(|(id, name)| domain(id, &name))
                    .collect();
                if part.is_empty() && empty() {
                    return Err(status("9", "no domains"));
                }
                vec![("info", json!({"domain_total": total, "all_total": total})), ("domains", part.into())]
            }
            (_, Given::Done { zone: (id, name) }) if operation == Operation::GetZone => {
                vec![("domain", domain(id, &name))]
            }
            (_, Given::Done { .. }) => Vec::new(),
            (Operation::ListRecords, Given::Rows { zone: (id, name), rows }) => {
                let total = rows.len();
                let fits = |row: &&Row| {
                    let has = |keyword: &String| row.name.contains(keyword) || row.value.contains(keyword);
                    fields.keyword.as_ref().is_none_or(has)
                };
                let part: Vec<Value> =
                    rows.iter().filter(fits).skip(offset).take(length).map(listed).collect();
                if part.is_empty() && empty() {
                    return Err(status("10", "No records"));
                }
                vec![
                    ("domain", domain(id, &name)),
                    (
                        "info",
                        json!({"sub_domains": total.to_string(), "record_total": total.to_string(),
                        "records_num": part.len().to_string()}),
                    ),
                    ("records", part.into()),
                ]
            }
            (Operation::GetRecord, Given::Rows { zone: (id, name), rows }) => {
                let zone = json!({"id": id, "domain": name, "domain_grade": "DP_Free"});
                vec![("domain", zone), ("record", rows.first().map_or(Value::Null, |row| detail(row, id)))]
            }
            (Operation::UpdateRecord, Given::Rows { rows, .. }) => {
                let row = rows.first().map(
                    |row| json!({"id": row.id, "name": row.name, "value": row.value, "status": "enable"}),
                );
                vec![("record", row.unwrap_or_default())]
            }
            (_, Given::Rows { rows, .. }) => {
                let row = rows
                    .first()
                    .map(|row| json!({"id": row.id.to_string(), "name": row.name, "status": "enable"}));
                vec![("record", row.unwrap_or_default())]
            }
        })
    }
}

/// What a call is about.
fn task(operation: Operation, fields: &Fields) -> Result<Task, Status> {
    let id = || {
        let id = fields.record_id.as_deref().and_then(|id| id.parse().ok());
        id.ok_or_else(|| status("8", "the record id is not valid"))
    };
    Ok(match operation {
        Operation::ListRecords => {
            let kind = match fields.record_type.as_deref() {
                None | Some("") => None,
                Some(text) => Some(record_type(text).ok_or_else(|| status("27", "Record type invalid"))?),
            };
            Task::Records { name: fields.sub_domain.clone().filter(|name| !name.is_empty()), kind }
        }
        Operation::GetRecord => Task::Record(id()?),
        Operation::CreateRecord => Task::Create(write(fields)?),
        Operation::UpdateRecord => Task::Update(id()?, write(fields)?),
        Operation::DeleteRecord => Task::Delete(id()?),
        _ => Task::Zone,
    })
}

/// The record that a call writes.
fn write(fields: &Fields) -> Result<Write, Status> {
    let kind = fields.record_type.as_deref().and_then(record_type);
    let kind = kind.ok_or_else(|| status("27", "Record type invalid"))?;
    // The number of a line counts, when both are given.
    let line = match (fields.record_line_id.as_deref(), fields.record_line.as_deref()) {
        (Some(id), _) => id == LINE.1,
        (None, Some(name)) => name == LINE.0 || name.eq_ignore_ascii_case("default"),
        (None, None) => true,
    };
    if !line {
        return Err(status("26", "the line is not valid"));
    }
    let value = fields.value.clone().filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| status("34", "Record value invalid"))?;
    let value = match kind {
        hickory_proto::rr::RecordType::MX => {
            let preference = fields.mx.as_deref().and_then(|mx| mx.parse::<u16>().ok());
            let preference = preference.filter(|mx| (1..=20).contains(mx));
            format!("{} {value}", preference.ok_or_else(|| status("30", "MX value invalid"))?)
        }
        _ => value,
    };
    let ttl = match fields.ttl.as_deref() {
        None | Some("") => TTL,
        Some(text) => text
            .parse()
            .ok()
            .filter(|ttl| (1..=604_800).contains(ttl))
            .ok_or_else(|| status("32", "the TTL is not valid"))?,
    };
    let name = fields.sub_domain.clone().filter(|name| !name.is_empty()).unwrap_or_else(|| "@".to_owned());
    Ok(Write { name, kind, ttl, values: vec![value] })
}

fn domain(id: u64, name: &str) -> Value {
    json!({"id": id, "name": name, "punycode": name, "grade": "DP_Free", "status": "enable",
        "ext_status": "", "ttl": TTL.to_string()})
}

/// Value and preference: the API has them apart.
pub(super) fn value_and_mx(row: &Row) -> (&str, &str) {
    match row.kind {
        hickory_proto::rr::RecordType::MX => {
            row.value.split_once(' ').map_or((&row.value, "0"), |(mx, host)| (host, mx))
        }
        _ => (&row.value, "0"),
    }
}

fn listed(row: &Row) -> Value {
    let (value, mx) = value_and_mx(row);
    json!({"id": row.id.to_string(), "name": row.name, "line": LINE.0, "line_id": LINE.1,
        "type": row.kind.to_string(), "ttl": row.ttl.to_string(), "value": value, "mx": mx, "weight": null,
        "enabled": "1", "status": "enabled", "monitor_status": "", "remark": "", "use_aqb": "no"})
}

fn detail(row: &Row, zone: u64) -> Value {
    let (value, mx) = value_and_mx(row);
    json!({"id": row.id.to_string(), "sub_domain": row.name, "record_type": row.kind.to_string(),
        "record_line": LINE.0, "record_line_id": LINE.1, "value": value, "mx": mx, "weight": null,
        "ttl": row.ttl.to_string(), "enabled": "1", "monitor_status": "", "remark": "",
        "domain_id": zone.to_string()})
}
