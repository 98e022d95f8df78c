//! How much there is.
//!
//! ```text
//! GET /rehearse/state     accounts, orders, authorizations and certificates, by status
//! ```

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use serde::Serialize;
use world::Timestamp;

use super::Piece;
use super::answer::json;
use crate::Ca;

/// Objects of one kind.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Count {
    total: usize,
    #[serde(flatten)]
    by_status: BTreeMap<&'static str, usize>,
}

impl Count {
    fn of(statuses: impl Iterator<Item = &'static str>) -> Self {
        statuses.fold(Count::default(), |mut count, status| {
            count.total += 1;
            *count.by_status.entry(status).or_default() += 1;
            count
        })
    }
}

/// Statuses are those that were last decided: time alone changes none until somebody looks at the object.
#[derive(Debug, Serialize)]
struct Summary {
    now: Timestamp,
    accounts: Count,
    orders: Count,
    authorizations: Count,
    certificates: Count,
}

fn summary(ca: &Ca) -> Summary {
    let now = ca.world().now();
    let state = ca.state();
    let db = &state.db;
    let certificate = |issued: &crate::Issued| match (&issued.revoked, issued.not_after < now) {
        (Some(_), _) => "revoked",
        (None, true) => "expired",
        (None, false) => "valid",
    };
    Summary {
        now,
        accounts: Count::of(db.accounts.values().map(|account| account.status.as_str())),
        orders: Count::of(db.orders.values().map(|order| order.status.as_str())),
        authorizations: Count::of(db.authorizations.values().map(|authz| authz.status.as_str())),
        certificates: Count::of(db.certificates.values().map(certificate)),
    }
}

pub(super) fn piece(ca: &Ca) -> Piece {
    let ca = ca.clone();
    let page = get(move || async move { json(StatusCode::OK, &summary(&ca)) });
    Piece {
        router: Router::new().route("/rehearse/state", page),
        lines: &[("GET", "/rehearse/state", "how many objects there are, by status")],
    }
}
