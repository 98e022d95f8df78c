//! The front end of Tencent Cloud's API 3.0 for DNSPod, which its later plug-ins call: JSON, the action in
//! the header `X-TC-Action`, status 200 always.
//!
//! `DescribeDomainList`, `DescribeDomain`, `DescribeRecordList`, `DescribeRecord`, `CreateRecord`,
//! `CreateTXTRecord`, `ModifyRecord`, `ModifyTXTRecord` and `DeleteRecord` of version 2021-03-23. The caller
//! is the secret id of the signature (`TC3-HMAC-SHA256 Credential=ID/…`); the signature itself is not
//! checked. Lines other than the default, remarks and weights are not kept.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use hickory_proto::rr::RecordType;
use serde::Deserialize;
use serde_json::{Value, json};
use world::http::Peer;

use super::api::{Answered, ApiError, Call, Given, Provider, Row, Task, Write};
use super::config::Operation;
use super::dnspod::{LINE, TTL, value_and_mx};
use crate::manage;
use crate::rdata::record_type;

impl Provider {
    /// Tencent Cloud's front end, at the root of a server of its own.
    pub fn tencent(&self) -> Router {
        Router::new().route("/", post(call)).with_state(self.clone())
    }
}

/// The parameters of every action.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Parameters {
    domain: Option<String>,
    domain_id: Option<u64>,
    record_id: Option<u64>,
    #[serde(alias = "Subdomain")]
    sub_domain: Option<String>,
    record_type: Option<String>,
    record_line: Option<String>,
    value: Option<String>,
    #[serde(rename = "MX")]
    mx: Option<u16>,
    #[serde(rename = "TTL")]
    ttl: Option<u32>,
    offset: Option<usize>,
    limit: Option<usize>,
}

/// An error of the API: code and text.
type Error = (String, String);

fn error(code: &str, text: &str) -> Error {
    (code.to_owned(), text.to_owned())
}

fn code_of(error: &ApiError) -> &str {
    match error {
        ApiError::Unauthorized => "AuthFailure.SecretIdNotFound",
        ApiError::Throttled(_) => "RequestLimitExceeded",
        ApiError::ZoneMissing(_) => "InvalidParameterValue.DomainNotExists",
        ApiError::Denied => "OperationDenied.NoPermissionToOperateDomain",
        ApiError::RecordMissing => "InvalidParameter.RecordIdInvalid",
        ApiError::Exists | ApiError::Conflict(_) => "InvalidParameter.DomainRecordExist",
        ApiError::Bad(_) => "InvalidParameter.RecordValueInvalid",
        ApiError::Changed => "FailedOperation",
        ApiError::Scripted { code, .. } => code,
    }
}

/// A request's id as the API writes it.
fn uuid(id: &str) -> String {
    let part = |from: usize, to: usize| id.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

async fn call(
    State(provider): State<Provider>,
    headers: HeaderMap,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let secret_id = text(header::AUTHORIZATION.as_str())
        .split_once("Credential=")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(id, _)| id);
    let from = peer.map(|Extension(Peer(address))| address.ip());
    let (request_id, reply) = provider.tencent_call(text("x-tc-action"), secret_id, from, &body).await;
    let mut answer = match reply {
        Ok(fields) => fields,
        Err((code, message)) => json!({"Error": {"Code": code, "Message": message}}),
    };
    answer["RequestId"] = uuid(&request_id).into();
    manage::json(StatusCode::OK, &json!({ "Response": answer }))
}

impl Provider {
    async fn tencent_call(
        &self,
        action: &str,
        secret_id: &str,
        from: Option<std::net::IpAddr>,
        body: &[u8],
    ) -> (String, Result<Value, Error>) {
        let operation = match action {
            "DescribeDomainList" => Operation::ListZones,
            "DescribeDomain" => Operation::GetZone,
            "DescribeRecordList" => Operation::ListRecords,
            "DescribeRecord" => Operation::GetRecord,
            "CreateRecord" | "CreateTXTRecord" => Operation::CreateRecord,
            "ModifyRecord" | "ModifyTXTRecord" => Operation::UpdateRecord,
            "DeleteRecord" => Operation::DeleteRecord,
            _ => return (String::new(), Err(error("InvalidAction", "the action does not exist"))),
        };
        let body = if body.is_empty() { b"{}" } else { body };
        let parsed = manage::read::<Parameters>(body).map_err(|text| error("InvalidParameter", &text));
        let task = parsed.and_then(|mut parameters| {
            if action.contains("TXT") {
                parameters.record_type = Some("TXT".to_owned());
            }
            Ok((task(operation, &parameters)?, parameters))
        });
        let (task, parameters) = match task {
            Ok(task) => task,
            Err(error) => return (String::new(), Err(error)),
        };
        // The number of a zone counts, when both are given.
        let number = parameters.domain_id.map(|id| id.to_string());
        let zone = number.or(parameters.domain.clone()).unwrap_or_default();
        // Without accounts the part before the comma is the caller's name.
        let open = self.0.config.accounts.is_empty() && !secret_id.is_empty();
        let token = if open { format!("{secret_id},") } else { secret_id.to_owned() };
        let Answered { request_id, result } = self.call(Call { token, from, operation, zone, task }).await;
        let reply = match result {
            None => std::future::pending().await,
            Some(Ok(given)) => self.tencent_shown(operation, &parameters, given),
            Some(Err(error)) => Err((code_of(&error).to_owned(), self.text_of(&error, &request_id))),
        };
        (request_id, reply)
    }

    fn tencent_shown(
        &self,
        operation: Operation,
        parameters: &Parameters,
        given: Given,
    ) -> Result<Value, Error> {
        let max = self.0.config.page_max.max(1);
        let (offset, limit) = (parameters.offset.unwrap_or(0), parameters.limit.unwrap_or(max).min(max));
        Ok(match (operation, given) {
            (_, Given::Zones(zones)) => {
                let total = zones.len();
                let list: Vec<Value> =
                    zones.iter().skip(offset).take(limit).map(|(id, name)| domain(*id, name)).collect();
                if list.is_empty() {
                    return Err(error("ResourceNotFound.NoDataOfDomain", "no domains"));
                }
                json!({"DomainCountInfo": {"DomainTotal": total, "AllTotal": total}, "DomainList": list})
            }
            (Operation::GetZone, Given::Done { zone: (id, name) }) => {
                json!({"DomainInfo": domain(id, &name)})
            }
            (_, Given::Done { .. }) => json!({}),
            (Operation::ListRecords, Given::Rows { rows, .. }) => {
                let list: Vec<Value> = rows.iter().skip(offset).take(limit).map(listed).collect();
                if list.is_empty() {
                    return Err(error("ResourceNotFound.NoDataOfRecord", "no records"));
                }
                let count =
                    json!({"SubdomainCount": rows.len(), "TotalCount": rows.len(), "ListCount": list.len()});
                json!({"RecordCountInfo": count, "RecordList": list})
            }
            (Operation::GetRecord, Given::Rows { zone: (id, _), rows }) => {
                json!({"RecordInfo": rows.first().map(|row| detail(row, id))})
            }
            (_, Given::Rows { rows, .. }) => json!({"RecordId": rows.first().map(|row| row.id)}),
        })
    }
}

/// What a call is about.
fn task(operation: Operation, parameters: &Parameters) -> Result<Task, Error> {
    let id = || parameters.record_id.ok_or_else(|| error("MissingParameter", "expected RecordId"));
    let kind = || match parameters.record_type.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => {
            let kind = record_type(text);
            kind.map(Some).ok_or_else(|| error("InvalidParameter.RecordTypeInvalid", "the type is not valid"))
        }
    };
    Ok(match operation {
        Operation::ListRecords => {
            let name = parameters.sub_domain.clone().filter(|name| !name.is_empty());
            Task::Records { name, kind: kind()? }
        }
        Operation::GetRecord => Task::Record(id()?),
        Operation::CreateRecord => Task::Create(write(parameters, kind()?)?),
        Operation::UpdateRecord => Task::Update(id()?, write(parameters, kind()?)?),
        Operation::DeleteRecord => Task::Delete(id()?),
        _ => Task::Zone,
    })
}

/// The record that a call writes.
fn write(parameters: &Parameters, kind: Option<RecordType>) -> Result<Write, Error> {
    let missing = |name: &str| error("MissingParameter", &format!("expected {name}"));
    let kind = kind.ok_or_else(|| missing("RecordType"))?;
    let line = parameters.record_line.as_deref().ok_or_else(|| missing("RecordLine"))?;
    if line != LINE.0 {
        return Err(error("InvalidParameter.RecordLineInvalid", "the line is not valid"));
    }
    let value = parameters.value.clone().ok_or_else(|| missing("Value"))?;
    let value = match (kind, parameters.mx) {
        (RecordType::MX, Some(mx @ 1..=20)) => format!("{mx} {value}"),
        (RecordType::MX, _) => {
            return Err(error("InvalidParameter.MxInvalid", "the preference is not valid"));
        }
        _ => value,
    };
    let name = parameters.sub_domain.clone().filter(|name| !name.is_empty());
    let name = name.unwrap_or_else(|| "@".to_owned());
    Ok(Write { name, kind, ttl: parameters.ttl.unwrap_or(TTL), values: vec![value] })
}

fn domain(id: u64, name: &str) -> Value {
    json!({"DomainId": id, "Name": name, "Domain": name, "Punycode": name, "Status": "ENABLE",
        "Grade": "DP_FREE", "DNSStatus": "", "TTL": TTL})
}

fn listed(row: &Row) -> Value {
    let (value, mx) = value_and_mx(row);
    json!({"RecordId": row.id, "Name": row.name, "Type": row.kind.to_string(), "Value": value,
        "MX": mx.parse::<u16>().unwrap_or_default(), "TTL": row.ttl, "Line": LINE.0, "LineId": LINE.1,
        "Status": "ENABLE", "Weight": null, "MonitorStatus": "", "Remark": ""})
}

fn detail(row: &Row, zone: u64) -> Value {
    let (value, mx) = value_and_mx(row);
    json!({"Id": row.id, "SubDomain": row.name, "RecordType": row.kind.to_string(), "Value": value,
        "MX": mx.parse::<u16>().unwrap_or_default(), "TTL": row.ttl, "RecordLine": LINE.0,
        "RecordLineId": LINE.1, "Enabled": 1, "Weight": null, "MonitorStatus": "", "Remark": "",
        "DomainId": zone})
}
