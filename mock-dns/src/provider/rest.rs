//! The plain front end: JSON over HTTP, with a bearer token.
//!
//! ```text
//! GET    /v1/zones                            ?page= &perPage=
//! GET    /v1/zones/ZONE                       by name or number
//! GET    /v1/zones/ZONE/records               ?name= &type= &page= &perPage=
//! POST   /v1/zones/ZONE/records               {name, type, ttl, value}: 201
//! GET    /v1/zones/ZONE/records/ID
//! PUT    /v1/zones/ZONE/records/ID            {name, type, ttl, value}
//! DELETE /v1/zones/ZONE/records/ID            204
//! GET    /v1/zones/ZONE/rrsets/NAME/TYPE      with an ETag
//! PUT    /v1/zones/ZONE/rrsets/NAME/TYPE      {ttl, values}, If-Match
//! DELETE /v1/zones/ZONE/rrsets/NAME/TYPE      If-Match: 204
//! ```
//!
//! A PUT of values without `If-Match` replaces what is there, whoever wrote it. Errors are
//! `{"error": {"code", "message", "requestId"}}`.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use hickory_proto::rr::RecordType;
use serde::Deserialize;
use serde_json::{Value, json};
use world::http::Peer;

use super::api::{Answered, ApiError, Call, Given, Provider, Row, Task, Write};
use super::config::Operation;
use super::records::tag;
use crate::config::DEFAULT_TTL;
use crate::manage;
use crate::rdata::record_type;

impl Provider {
    /// The plain REST front end, under `/v1/`.
    pub fn rest(&self) -> Router {
        Router::new()
            .route("/v1/zones", get(list_zones))
            .route("/v1/zones/{zone}", get(show_zone))
            .route("/v1/zones/{zone}/records", get(list_records).post(create))
            .route("/v1/zones/{zone}/records/{id}", get(show_record).put(update).delete(delete))
            .route("/v1/zones/{zone}/rrsets/{name}/{kind}", get(show_set).put(put_set).delete(delete_set))
            .with_state(self.clone())
    }
}

type Caller = (HeaderMap, Option<axum::Extension<Peer>>);

/// Which part of a list is wanted, and of what.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Page {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    page: Option<usize>,
    per_page: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordBody {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default = "default_ttl")]
    ttl: u32,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBody {
    #[serde(default = "default_ttl")]
    ttl: u32,
    values: Vec<String>,
}

fn default_ttl() -> u32 {
    DEFAULT_TTL
}

fn kind_of(text: &str) -> Result<RecordType, ApiError> {
    record_type(text).ok_or_else(|| ApiError::Bad(format!("{text:?} is no record type")))
}

fn number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| ApiError::RecordMissing)
}

fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::Unauthorized => StatusCode::UNAUTHORIZED,
        ApiError::Denied => StatusCode::FORBIDDEN,
        ApiError::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
        ApiError::ZoneMissing(_) | ApiError::RecordMissing => StatusCode::NOT_FOUND,
        ApiError::Exists | ApiError::Conflict(_) => StatusCode::CONFLICT,
        ApiError::Changed => StatusCode::PRECONDITION_FAILED,
        ApiError::Bad(_) => StatusCode::BAD_REQUEST,
        ApiError::Scripted { status, .. } => {
            StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

impl Provider {
    /// Makes a call, unless something about it is wrong already, and puts the answer into JSON.
    async fn rest_call(
        &self,
        (headers, peer): Caller,
        operation: Operation,
        zone: String,
        task: Result<Task, ApiError>,
        shown: impl FnOnce(Given) -> Response,
    ) -> Response {
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
        let from = peer.map(|axum::Extension(Peer(address))| address.ip());
        let Answered { request_id, result } = match task {
            Ok(task) => self.call(Call { token, from, operation, zone, task }).await,
            Err(error) => Answered { request_id: String::new(), result: Some(Err(error)) },
        };
        let mut response = match result {
            None => std::future::pending().await,
            Some(Ok(given)) => shown(given),
            Some(Err(error)) => {
                let message = self.text_of(&error, &request_id);
                let body =
                    json!({"error": {"code": error.code(), "message": message, "requestId": request_id}});
                let mut response = manage::json(status(&error), &body);
                if let ApiError::Throttled(wait) = error {
                    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                    response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
                }
                response
            }
        };
        if let Ok(id) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("x-request-id", id);
        }
        response
    }

    /// A part of a list, and how much there is.
    fn page(&self, page: &Page, of: &str, all: Vec<Value>) -> Response {
        let per_page = page.per_page.unwrap_or(usize::MAX).clamp(1, self.0.config.page_max.max(1));
        let number = page.page.unwrap_or(1).max(1);
        let total = all.len();
        let first = (number - 1).saturating_mul(per_page);
        let part: Vec<Value> = all.into_iter().skip(first).take(per_page).collect();
        let next = (first + part.len() < total && !part.is_empty()).then_some(number + 1);
        let body = json!({of: part, "page": number, "perPage": per_page, "total": total, "next": next});
        manage::json(StatusCode::OK, &body)
    }
}

fn row(row: &Row) -> Value {
    let Row { id, name, kind, ttl, value, .. } = row;
    json!({"id": id.to_string(), "name": name, "type": kind.to_string(), "ttl": ttl, "value": value})
}

fn one(status: StatusCode, given: &Given) -> Response {
    match given {
        Given::Rows { rows, .. } => manage::json(status, &rows.first().map(row)),
        Given::Done { zone: (id, name) } => {
            manage::json(status, &json!({"id": id.to_string(), "name": name}))
        }
        Given::Zones(_) => manage::json(status, &Value::Null),
    }
}

fn gone(_: Given) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A set with its tag.
fn set(given: &Given) -> Response {
    let Given::Rows { rows, .. } = given else { return manage::json(StatusCode::OK, &Value::Null) };
    let values: Vec<&str> = rows.iter().map(|row| row.value.as_str()).collect();
    let first = rows.first();
    let body = json!({
        "name": first.map(|row| &row.name),
        "type": first.map(|row| row.kind.to_string()),
        "ttl": first.map(|row| row.ttl),
        "values": values,
    });
    let mut response = manage::json(StatusCode::OK, &body);
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", tag(rows))) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn record(body: &[u8]) -> Result<Write, ApiError> {
    let RecordBody { name, kind, ttl, value } = manage::read(body).map_err(ApiError::Bad)?;
    Ok(Write { name, kind: kind_of(&kind)?, ttl, values: vec![value] })
}

fn if_match(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::IF_MATCH)?.to_str().ok()?;
    Some(value.trim_matches('"').to_owned())
}

async fn list_zones(
    State(provider): State<Provider>,
    Query(page): Query<Page>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    let shown = |given| {
        let zones = match given {
            Given::Zones(zones) => zones,
            Given::Rows { .. } | Given::Done { .. } => Vec::new(),
        };
        let zones = zones.into_iter().map(|(id, name)| json!({"id": id.to_string(), "name": name}));
        provider.page(&page, "zones", zones.collect())
    };
    provider.rest_call((headers, peer), Operation::ListZones, String::new(), Ok(Task::Zone), shown).await
}

async fn show_zone(
    State(provider): State<Provider>,
    Path(zone): Path<String>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    let shown = |given| one(StatusCode::OK, &given);
    provider.rest_call((headers, peer), Operation::GetZone, zone, Ok(Task::Zone), shown).await
}

async fn list_records(
    State(provider): State<Provider>,
    Path(zone): Path<String>,
    Query(page): Query<Page>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    let kind = page.kind.as_deref().map(kind_of).transpose();
    let task = kind.map(|kind| Task::Records { name: page.name.clone(), kind });
    let shown = |given| match given {
        Given::Rows { rows, .. } => provider.page(&page, "records", rows.iter().map(row).collect()),
        other => one(StatusCode::OK, &other),
    };
    provider.rest_call((headers, peer), Operation::ListRecords, zone, task, shown).await
}

async fn create(
    State(provider): State<Provider>,
    Path(zone): Path<String>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
    body: Bytes,
) -> Response {
    let shown = |given| one(StatusCode::CREATED, &given);
    provider
        .rest_call((headers, peer), Operation::CreateRecord, zone, record(&body).map(Task::Create), shown)
        .await
}

async fn show_record(
    State(provider): State<Provider>,
    Path((zone, id)): Path<(String, String)>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    let shown = |given| one(StatusCode::OK, &given);
    provider
        .rest_call((headers, peer), Operation::GetRecord, zone, number(&id).map(Task::Record), shown)
        .await
}

async fn update(
    State(provider): State<Provider>,
    Path((zone, id)): Path<(String, String)>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
    body: Bytes,
) -> Response {
    let task = number(&id).and_then(|id| Ok(Task::Update(id, record(&body)?)));
    let shown = |given| one(StatusCode::OK, &given);
    provider.rest_call((headers, peer), Operation::UpdateRecord, zone, task, shown).await
}

async fn delete(
    State(provider): State<Provider>,
    Path((zone, id)): Path<(String, String)>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    provider
        .rest_call((headers, peer), Operation::DeleteRecord, zone, number(&id).map(Task::Delete), gone)
        .await
}

async fn show_set(
    State(provider): State<Provider>,
    Path((zone, name, kind)): Path<(String, String, String)>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    let task = kind_of(&kind).map(|kind| Task::Set { name, kind });
    provider.rest_call((headers, peer), Operation::GetSet, zone, task, |given| set(&given)).await
}

async fn put_set(
    State(provider): State<Provider>,
    Path((zone, name, kind)): Path<(String, String, String)>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
    body: Bytes,
) -> Response {
    let seen = if_match(&headers);
    let task = kind_of(&kind).and_then(|kind| {
        let SetBody { ttl, values } = manage::read(&body).map_err(ApiError::Bad)?;
        Ok(Task::PutSet(Write { name, kind, ttl, values }, seen))
    });
    provider.rest_call((headers, peer), Operation::PutSet, zone, task, |given| set(&given)).await
}

async fn delete_set(
    State(provider): State<Provider>,
    Path((zone, name, kind)): Path<(String, String, String)>,
    headers: HeaderMap,
    peer: Option<axum::Extension<Peer>>,
) -> Response {
    let tag = if_match(&headers);
    let task = kind_of(&kind).map(|kind| Task::DeleteSet { name, kind, tag });
    provider.rest_call((headers, peer), Operation::DeleteSet, zone, task, gone).await
}
