//! Fault scripts at run time: a handle that is shared, and the management API over it.
//!
//! ```text
//! GET    /rehearse/faults        all rules, with their counts
//! POST   /rehearse/faults        adds a script (JSON, or a rule in a line): 201 with the rules, 400, 409
//! DELETE /rehearse/faults        removes all rules: 204
//! GET    /rehearse/faults/ID     one rule: 200, 404
//! DELETE /rehearse/faults/ID     removes one rule: 204, 404
//! ```

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::json;
use world::World;

use super::{Faults, IdTaken, Listed, Rule, Script};
use crate::journal::{Event, Journal};

/// The faults of one server; clones share them.
#[derive(Clone, Debug)]
pub struct SharedFaults(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    faults: Mutex<Faults>,
    last_nonce: Mutex<Option<String>>,
    stray: OnceLock<String>,
    /// Where changes are written down, and at what time.
    journal: Option<(World, Journal)>,
}

impl SharedFaults {
    /// Shares `faults`; changes are written to the journal, if there is one.
    pub fn new(faults: Faults, journal: Option<(World, Journal)>) -> Self {
        let (faults, last_nonce) = (Mutex::new(faults), Mutex::new(None));
        SharedFaults(Arc::new(Shared { faults, last_nonce, stray: OnceLock::new(), journal }))
    }

    /// Adds rules at the end, all of them or none; see [`Faults::add`].
    ///
    /// # Errors
    /// [`IdTaken`] when a name is there already.
    pub fn add(&self, rules: Vec<Rule>) -> Result<Vec<Listed>, IdTaken> {
        let mut faults = self.lock();
        let added = faults.add(rules)?;
        let listed = added.iter().filter_map(|id| faults.get(id)).collect();
        drop(faults);
        self.note(added, Vec::new());
        Ok(listed)
    }

    /// Removes a rule. Says whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        let removed = self.lock().remove(id);
        if removed {
            self.note(Vec::new(), vec![id.to_owned()]);
        }
        removed
    }

    /// Removes all rules.
    pub fn clear(&self) {
        let removed = self.lock().clear();
        self.note(Vec::new(), removed);
    }

    fn note(&self, added: Vec<String>, removed: Vec<String>) {
        if let Some((world, journal)) = self.0.journal.as_ref().filter(|_| added.len() + removed.len() > 0) {
            journal.add(world, Event::FaultsChanged { added, removed });
        }
    }

    /// The rules themselves; every call waits until the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, Faults> {
        self.0.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nonce that was given away last, since there are rules.
    pub(super) fn last_nonce(&self) -> Option<String> {
        self.0.last_nonce.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// This nonce is given away.
    pub(super) fn given(&self, nonce: &str) {
        *self.0.last_nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce.to_owned());
    }

    /// An intermediate that has signed nothing, PEM: made by `make` when it is first wanted.
    pub(super) fn stray(&self, make: impl FnOnce() -> String) -> &str {
        self.0.stray.get_or_init(make)
    }
}

fn answer(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_string_pretty(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], body + "\n").into_response()
}

fn missing(id: &str) -> Response {
    answer(StatusCode::NOT_FOUND, &json!({ "error": format!("there is no rule `{id}`") }))
}

fn add(faults: &SharedFaults, body: &[u8]) -> Response {
    let refuse = |status, value| answer(status, &value);
    let Ok(text) = std::str::from_utf8(body) else {
        return refuse(StatusCode::BAD_REQUEST, json!({ "error": "the script is not UTF-8" }));
    };
    let script = match text.parse::<Script>() {
        Ok(script) => script,
        Err(error) => {
            let mut value = json!({
                "error": error.to_string(), "line": error.line, "column": error.column,
            });
            if !error.key.is_empty() {
                value["key"] = json!(error.key);
            }
            if let Some(nearest) = &error.nearest {
                value["nearest"] = json!(nearest);
            }
            return refuse(StatusCode::BAD_REQUEST, value);
        }
    };
    match faults.add(script.rules) {
        Ok(rules) => answer(StatusCode::CREATED, &json!({ "rules": rules })),
        Err(taken) => refuse(StatusCode::CONFLICT, json!({ "error": taken.to_string() })),
    }
}

/// The management API of `faults`.
pub fn routes(faults: SharedFaults) -> Router {
    let (list, post, clear) = (faults.clone(), faults.clone(), faults.clone());
    let (one, remove) = (faults.clone(), faults);
    let all = get(move || async move { answer(StatusCode::OK, &json!({ "rules": list.lock().list() })) })
        .post(move |body: Bytes| async move { add(&post, &body) })
        .delete(move || async move {
            clear.clear();
            StatusCode::NO_CONTENT
        });
    let each = get(move |Path(id): Path<String>| async move {
        let found = one.lock().get(&id);
        found.map_or_else(|| missing(&id), |listed| answer(StatusCode::OK, &listed))
    })
    .delete(move |Path(id): Path<String>| async move {
        if remove.remove(&id) { StatusCode::NO_CONTENT.into_response() } else { missing(&id) }
    });
    Router::new().route("/rehearse/faults", all).route("/rehearse/faults/{id}", each)
}
