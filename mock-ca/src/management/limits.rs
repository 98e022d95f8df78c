//! The rate limits from outside.
//!
//! ```text
//! GET    /rehearse/limits                     buckets that are not full, and paused identifiers
//! DELETE /rehearse/limits                     makes all full and ends all pauses; with ?limit=L&key=K one bucket
//! PUT    /rehearse/limits                     {"limit", "key", "remaining"}: leaves so many tokens in a bucket
//! PUT    /rehearse/limits/paused              {"account", "identifier"}: keeps the account from ordering it
//! DELETE /rehearse/limits/paused?account=N    frees the account's identifiers
//! ```

use axum::Router;
use axum::body::Body;
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::response::Response;
use axum::routing::{get, put};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Piece;
use super::answer::{json, read, refuse};
use crate::Ca;
use crate::limits::{BucketId, LimitName};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    limit: LimitName,
    key: String,
    remaining: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pause {
    account: u64,
    identifier: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    limit: Option<LimitName>,
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    account: u64,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

fn bad(error: impl ToString) -> Response {
    refuse(StatusCode::BAD_REQUEST, error.to_string())
}

fn unlimited(bucket: &BucketId) -> Response {
    let limit = bucket.limit();
    refuse(StatusCode::NOT_FOUND, format!("nothing limits {:?} by {limit}", bucket.key()))
}

fn show(ca: &Ca) -> Response {
    let now = ca.world().now();
    let state = ca.state();
    let (buckets, paused) = (state.limits.view(now), state.limits.paused());
    json(StatusCode::OK, &json!({ "now": now, "buckets": buckets, "paused": paused }))
}

fn reset(ca: &Ca, asked: Asked<Bucket>) -> Response {
    let mut state = ca.state();
    let reset = match asked {
        Err(error) => return bad(error.body_text()),
        Ok(Query(Bucket { limit: None, key: None })) => state.limits.reset_all(),
        Ok(Query(Bucket { limit: Some(limit), key: Some(key) })) => match limit.bucket(&key) {
            Err(error) => return bad(error),
            Ok(bucket) => usize::from(state.limits.reset(&bucket)),
        },
        Ok(_) => return bad("`limit` and `key` belong together"),
    };
    json(StatusCode::OK, &json!({ "reset": reset }))
}

async fn set(ca: &Ca, body: Body) -> Response {
    let wanted: Wanted = match read(body).await {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    let bucket = match wanted.limit.bucket(&wanted.key) {
        Ok(bucket) => bucket,
        Err(error) => return bad(error),
    };
    let now = ca.world().now();
    let mut state = ca.state();
    if !state.limits.set_remaining(bucket.clone(), wanted.remaining, now) {
        return unlimited(&bucket);
    }
    state.limits.view_of(&bucket, now).map_or_else(|| unlimited(&bucket), |view| json(StatusCode::OK, &view))
}

async fn pause(ca: &Ca, body: Body) -> Response {
    let wanted: Pause = match read(body).await {
        Ok(wanted) => wanted,
        Err(refused) => return *refused,
    };
    let now = ca.world().now();
    let identifier = wanted.identifier.to_ascii_lowercase();
    let paused = ca.state().limits.pause(now, wanted.account, &identifier);
    json(StatusCode::OK, &json!({ "paused": paused }))
}

fn unpause(ca: &Ca, asked: Asked<Whose>) -> Response {
    match asked {
        Err(error) => bad(error.body_text()),
        Ok(Query(Whose { account })) => json(StatusCode::OK, &ca.state().limits.unpause(account)),
    }
}

pub(super) fn piece(ca: &Ca) -> Piece {
    let (shown, cleared, filled, held, freed) = (ca.clone(), ca.clone(), ca.clone(), ca.clone(), ca.clone());
    let all = get(move || async move { show(&shown) })
        .delete(move |asked: Asked<Bucket>| async move { reset(&cleared, asked) })
        .put(move |body: Body| async move { set(&filled, body).await });
    let paused = put(move |body: Body| async move { pause(&held, body).await })
        .delete(move |asked: Asked<Whose>| async move { unpause(&freed, asked) });
    Piece {
        router: Router::new().route("/rehearse/limits", all).route("/rehearse/limits/paused", paused),
        lines: &[
            ("GET", "/rehearse/limits", "rate limit buckets that are not full, and paused identifiers"),
            (
                "DELETE",
                "/rehearse/limits",
                "fills all buckets and ends all pauses; ?limit=L&key=K: fills one",
            ),
            ("PUT", "/rehearse/limits", "{limit, key, remaining}: leaves so many tokens in a bucket"),
            ("PUT", "/rehearse/limits/paused", "{account, identifier}: keeps the account from ordering it"),
            ("DELETE", "/rehearse/limits/paused", "?account=N: frees the account's identifiers"),
        ],
    }
}
