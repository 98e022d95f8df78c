//! Answers of the management API.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use world::Timestamp;

use crate::wfe::reply::http_date;

/// The most that a request may have in its body.
const BODY_MAX: usize = 1 << 20;

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer with a body of this type.
pub(super) fn text(status: StatusCode, kind: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// JSON for people and programs, in lines.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // What is answered here are texts, numbers, and lists of them: that cannot fail.
    let body = serde_json::to_string_pretty(value).unwrap_or_default();
    text(status, "application/json", body + "\n")
}

/// A refusal, with what is wrong.
pub(super) fn refuse(status: StatusCode, error: impl Into<String>) -> Response {
    json(status, &json!({ "error": error.into() }))
}

/// With the header `Date`, which hyper would take from the system's clock.
pub(super) fn dated(mut response: Response, now: Timestamp) -> Response {
    if let Ok(date) = HeaderValue::try_from(http_date(now)) {
        response.headers_mut().entry(header::DATE).or_insert(date);
    }
    response
}

/// The whole body; `None` when it is too long, or broken off.
pub(super) async fn body(body: Body) -> Option<Vec<u8>> {
    let collected = Limited::new(body, BODY_MAX).collect().await.ok()?;
    Some(collected.to_bytes().to_vec())
}

/// The JSON in a body, or the refusal of it.
pub(super) async fn read<T: DeserializeOwned>(from: Body) -> Result<T, Box<Response>> {
    let refused = |error: String| Box::new(refuse(StatusCode::BAD_REQUEST, error));
    let bytes = body(from).await.ok_or_else(|| refused("the body is longer than 1 MiB".to_owned()))?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let value =
        serde_path_to_error::deserialize(&mut json).map_err(|error| match error.path().to_string() {
            key if key == "." => refused(error.inner().to_string()),
            key => refused(format!("{key}: {}", error.inner())),
        })?;
    json.end().map_err(|error| refused(error.to_string()))?;
    Ok(value)
}

/// A field of an object, without regard to case; of two spellings the last one counts.
pub(super) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = object.as_object()?;
    fields.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next_back()
}
