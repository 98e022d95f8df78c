//! The clock that the server reads.
//!
//! ```text
//! GET  /rehearse/clock     what it shows
//! POST /rehearse/clock     {"advance": "24h"}, {"set": "2027-01-01T00:00:00Z"}, {"freeze": true}: moves it
//! ```

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use world::{Timestamp, World, duration};

use super::Piece;
use super::answer::{json, read, refuse};
use crate::Ca;

/// What to do to the clock: first `set`, then `freeze`, then `advance`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Change {
    freeze: Option<bool>,
    set: Option<Timestamp>,
    #[serde(with = "duration::optional")]
    advance: Option<Duration>,
}

fn show(world: &World) -> Response {
    let steering = world.steering();
    let kind = if steering.is_some() { "virtual" } else { "real" };
    let frozen = steering.is_some_and(|clock| clock.is_frozen());
    json(StatusCode::OK, &json!({ "now": world.now(), "clock": kind, "frozen": frozen }))
}

async fn change(world: &World, body: Body) -> Response {
    let Some(clock) = world.steering() else {
        return refuse(
            StatusCode::CONFLICT,
            "this is the system's clock; start with -clock virtual to move it",
        );
    };
    let change: Change = match read(body).await {
        Ok(change) => change,
        Err(refused) => return *refused,
    };
    if change == Change::default() {
        return refuse(StatusCode::BAD_REQUEST, "want `advance`, `set` or `freeze`");
    }
    if let Some(Err(error)) = change.set.map(|to| clock.set(to)) {
        return refuse(StatusCode::CONFLICT, error.to_string());
    }
    match change.freeze {
        Some(true) => drop(clock.freeze()),
        Some(false) => drop(clock.resume()),
        None => {}
    }
    if let Some(by) = change.advance {
        clock.advance(by);
    }
    show(world)
}

pub(super) fn piece(ca: &Ca) -> Piece {
    let (shown, moved) = (ca.world().clone(), ca.world().clone());
    let both = get(move || async move { show(&shown) })
        .post(move |body: Body| async move { change(&moved, body).await });
    Piece {
        router: Router::new().route("/rehearse/clock", both),
        lines: &[
            ("GET", "/rehearse/clock", "what the server's clock shows"),
            (
                "POST",
                "/rehearse/clock",
                "{advance: \"24h\"}, {set: TIME}, {freeze: BOOL}: moves it (-clock virtual)",
            ),
        ],
    }
}
