//! The management router of a provider.
//!
//! ```text
//! GET    /rehearse/dns/provider/audit        calls; ?operation= account= zone= result= rule= since=
//! GET    /rehearse/dns/provider/rules        scripted rules with their counts
//! POST   /rehearse/dns/provider/rules        adds a rule as the last one: 201 with all
//! DELETE /rehearse/dns/provider/rules/NAME   removes one: 204
//! POST   /rehearse/dns/provider/reset        back to the beginning: 204
//! ```

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use serde::Deserialize;
use world::Timestamp;

use super::api::Provider;
use super::audit::AuditEntry;
use super::config::{ApiRule, Operation};
use super::records::same_zone;
use crate::manage::{Answered, bad, done, json, missing, read};

impl Provider {
    /// The router that manages it, under `/rehearse/dns/provider/`: the audit log, rules, reset. It can be
    /// merged with the one of the server.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/rehearse/dns/provider/audit", get(audit))
            .route("/rehearse/dns/provider/rules", get(list_rules).post(add_rule))
            .route("/rehearse/dns/provider/rules/{name}", delete(remove_rule))
            .route("/rehearse/dns/provider/reset", post(reset))
            .with_state(self.clone())
    }
}

/// Which calls are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wanted {
    operation: Option<Operation>,
    account: Option<String>,
    zone: Option<String>,
    result: Option<String>,
    rule: Option<String>,
    since: Option<Timestamp>,
}

impl Wanted {
    fn fits(&self, entry: &AuditEntry) -> bool {
        self.operation.is_none_or(|operation| operation == entry.operation)
            && self.account.as_ref().is_none_or(|account| *account == entry.account)
            && self.zone.as_ref().is_none_or(|zone| same_zone(zone, &entry.zone))
            && self.result.as_ref().is_none_or(|result| *result == entry.result)
            && self.rule.as_deref().is_none_or(|rule| Some(rule) == entry.rule.as_deref())
            && self.since.is_none_or(|since| entry.at >= since)
    }
}

async fn audit(State(provider): State<Provider>, Query(wanted): Query<Wanted>) -> Answered {
    Ok(json(StatusCode::OK, &provider.audit_where(|entry| wanted.fits(entry))))
}

async fn list_rules(State(provider): State<Provider>) -> Answered {
    Ok(json(StatusCode::OK, &provider.rules()))
}

async fn add_rule(State(provider): State<Provider>, body: Bytes) -> Answered {
    provider.add_rule(read::<ApiRule>(&body).map_err(bad)?)?;
    Ok(json(StatusCode::CREATED, &provider.rules()))
}

async fn remove_rule(State(provider): State<Provider>, Path(name): Path<String>) -> Answered {
    if provider.remove_rule(&name) { Ok(done()) } else { Err(missing(format!("rule {name}: there is none"))) }
}

async fn reset(State(provider): State<Provider>) -> Answered {
    provider.reset();
    Ok(done())
}
