//! The management API over the journal.
//!
//! ```text
//! GET /rehearse/journal      entries in memory; since, event, endpoint, account, identifier, status, problem,
//!                            after, until, limit narrow them; format=lines gives a line of JSON for each
//! GET /rehearse/counters     counts since the beginning
//! ```

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::{StatusCode, Uri, header};
use serde::Serialize;
use serde_json::json;

use super::{Journal, Query};

fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_string_pretty(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body + "\n").into_response()
}

fn query(journal: &Journal, uri: &Uri) -> Response {
    // The format is no part of what is asked for.
    let pairs = uri.query().unwrap_or_default().split('&');
    let (format, rest): (Vec<&str>, Vec<&str>) = pairs.partition(|pair| pair.starts_with("format="));
    let lines = match format.as_slice() {
        [] | ["format=json"] => false,
        ["format=lines"] => true,
        _ => return answer(StatusCode::BAD_REQUEST, &json!({ "error": "format is json or lines" })),
    };
    let rest = format!("/?{}", rest.join("&")).parse::<Uri>().map_err(|error| error.to_string());
    let asked = rest.and_then(|uri| {
        let query = axum::extract::Query::<Query>::try_from_uri(&uri);
        query.map_err(|error| error.body_text())
    });
    match asked {
        Err(error) => answer(StatusCode::BAD_REQUEST, &json!({ "error": error })),
        Ok(query) if lines => {
            let page = journal.select(&query);
            let text: String = page.entries.iter().map(|entry| entry.to_json() + "\n").collect();
            ([(header::CONTENT_TYPE, "application/x-ndjson")], text).into_response()
        }
        Ok(query) => answer(StatusCode::OK, &journal.select(&query)),
    }
}

/// The management API of `journal`.
pub fn routes(journal: Journal) -> Router {
    let counted = journal.clone();
    Router::new()
        .route("/rehearse/journal", get(move |uri: Uri| async move { query(&journal, &uri) }))
        .route("/rehearse/counters", get(move || async move { answer(StatusCode::OK, &counted.counters()) }))
}
