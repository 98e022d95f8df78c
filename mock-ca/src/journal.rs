//! The journal: what the CA was asked, what it answered and why, what it validated and what it issued.
//!
//! Entries are in the order in which things were decided. Each goes to the world's trace as well, so that a
//! run's fingerprint covers them, and to whoever listens ([`Journal::listen`]).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use world::{Timestamp, World, duration};

use crate::dialect::Endpoint;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What a journal line is about.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// A request was answered.
    Request {
        /// The resource, if the path is one.
        endpoint: Option<Endpoint>,
        /// Method.
        method: String,
        /// Path and query.
        path: String,
        /// Where it came from.
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<IpAddr>,
        /// When it arrived.
        received: Timestamp,
        /// The account that signed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        account: Option<u64>,
        /// Status of the answer.
        status: u16,
        /// Type of the problem in the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'static str>,
        /// Why this answer.
        reason: String,
    },
    /// A perspective starts to validate a challenge.
    ValidationStarted {
        /// The authorization.
        authorization: u64,
        /// Kind of challenge.
        challenge: &'static str,
        /// The name.
        name: String,
        /// Which validation of the authorization this is, from 1.
        attempt: u32,
        /// The perspective.
        perspective: String,
        /// How long it waited in the queue.
        #[serde(with = "duration::one")]
        queued: Duration,
    },
    /// A perspective is done.
    ValidationDone {
        /// The authorization.
        authorization: u64,
        /// Which validation, from 1.
        attempt: u32,
        /// The perspective.
        perspective: String,
        /// The URLs that were fetched and the addresses they were fetched from.
        fetched: Vec<String>,
        /// Type of the problem, if it failed.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'static str>,
        /// What it saw.
        reason: String,
    },
    /// All perspectives are done.
    ValidationDecided {
        /// The authorization.
        authorization: u64,
        /// Which validation, from 1.
        attempt: u32,
        /// The state of the authorization now.
        status: &'static str,
        /// Why.
        reason: String,
    },
    /// A certificate was made.
    Issued {
        /// Its serial number, hexadecimal.
        serial: String,
        /// The names in it.
        names: Vec<String>,
        /// Whose.
        account: u64,
        /// For which order.
        order: u64,
        /// Start of validity.
        not_before: Timestamp,
        /// End of validity.
        not_after: Timestamp,
    },
    /// A certificate was not made, although its order was ready.
    NotIssued {
        /// The order.
        order: u64,
        /// Why.
        reason: String,
    },
    /// A certificate was revoked.
    Revoked {
        /// Its serial number, hexadecimal.
        serial: String,
        /// The reason code (RFC 5280 section 5.3.1).
        code: u8,
    },
}

impl Entry {
    /// The entry as one line of JSON, without the line's end.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them have a JSON form: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

type Listener = Box<dyn Fn(&Entry) + Send + Sync>;

#[derive(Default)]
struct Inner {
    entries: Vec<Entry>,
    listener: Option<Listener>,
}

/// A handle on the journal of one CA; clones share it.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Inner>>);

impl Journal {
    /// Adds an entry, at this moment of `world`.
    pub(crate) fn add(&self, world: &World, event: Event) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = inner.entries.len() as u64 + 1;
        let entry = Entry { seq, at: world.now(), event };
        world.record("mock-ca", "journal", entry.to_json().as_bytes());
        if let Some(listener) = &inner.listener {
            listener(&entry);
        }
        inner.entries.push(entry);
    }

    /// All entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    /// All entries so far as JSON, one in a line.
    pub fn to_json_lines(&self) -> String {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.entries.iter().fold(String::new(), |mut text, entry| {
            text.push_str(&entry.to_json());
            text.push('\n');
            text
        })
    }

    /// Shows every further entry to `listener`, in place of an earlier one. It must not call the journal.
    pub fn listen(&self, listener: impl Fn(&Entry) + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).listener = Some(Box::new(listener));
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}
