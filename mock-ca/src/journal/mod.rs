//! The journal: what the CA was asked, what it answered and why, what it validated and what it issued.
//!
//! Entries are in the order in which things were decided. The latest are in memory ([`Journal::select`]),
//! all are counted ([`Journal::counters`]), go to the trace of a simulated world, so that a run's fingerprint
//! covers them, to a file ([`Journal::write_to`]), and to whoever listens ([`Journal::listen`]).

mod event;
mod file;
mod manage;
mod query;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use world::{Timestamp, World};

pub use event::Event;
pub use manage::routes;
pub use query::{Page, Query};

use crate::dialect::Endpoint;
use file::Lines;

/// How many entries a journal keeps when nothing else is said.
pub const ENTRIES_MAX: usize = 10_000;

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

impl Entry {
    /// The entry as one line of JSON, without the line's end.
    pub fn to_json(&self) -> String {
        // Strings, numbers and lists of them have a JSON form: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// How often things happened, since the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// All entries.
    pub entries: u64,
    /// Entries that are not in memory any more.
    pub dropped: u64,
    /// Entries by the name of their event.
    pub events: BTreeMap<&'static str, u64>,
    /// Requests by resource.
    pub endpoints: BTreeMap<Endpoint, u64>,
    /// Requests by the status of their answer.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests by the problem in their answer.
    pub problems: BTreeMap<&'static str, u64>,
    /// Hits of fault rules by rule.
    pub faults: BTreeMap<String, u64>,
}

impl Counters {
    fn count(&mut self, event: &Event) {
        self.entries += 1;
        *self.events.entry(event.name()).or_default() += 1;
        match event {
            Event::Request { endpoint, status, problem, .. } => {
                if let Some(endpoint) = endpoint {
                    *self.endpoints.entry(*endpoint).or_default() += 1;
                }
                *self.statuses.entry(*status).or_default() += 1;
                if let Some(problem) = problem {
                    *self.problems.entry(problem).or_default() += 1;
                }
            }
            Event::Fault { rule, .. } => *self.faults.entry(rule.clone()).or_default() += 1,
            _ => {}
        }
    }
}

type Listener = Box<dyn Fn(&Entry) + Send + Sync>;

struct Inner {
    entries: VecDeque<Entry>,
    max: usize,
    counters: Counters,
    listener: Option<Listener>,
    lines: Option<Lines>,
}

/// A handle on the journal of one CA; clones share it.
#[derive(Clone)]
pub struct Journal(Arc<Mutex<Inner>>);

impl Default for Journal {
    fn default() -> Self {
        Journal::new(ENTRIES_MAX)
    }
}

impl Journal {
    /// An empty journal that keeps the latest `max` entries.
    pub fn new(max: usize) -> Self {
        let (entries, counters) = (VecDeque::new(), Counters::default());
        Journal(Arc::new(Mutex::new(Inner { entries, max, counters, listener: None, lines: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry, at this moment of `world`.
    pub fn add(&self, world: &World, event: Event) {
        let at = world.now();
        let mut inner = self.lock();
        inner.counters.count(&event);
        let entry = Entry { seq: inner.counters.entries, at, event };
        // A real world keeps no trace: nobody would read the text, which costs more than all the rest.
        if world.is_virtual() {
            world.record("mock-ca", "journal", entry.to_json().as_bytes());
        }
        if let Some(lines) = &inner.lines {
            lines.add(entry.clone());
        }
        if let Some(listener) = &inner.listener {
            listener(&entry);
        }
        inner.entries.push_back(entry);
        if inner.entries.len() > inner.max {
            inner.entries.pop_front();
            inner.counters.dropped += 1;
        }
    }

    /// The entries that are in memory.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.iter().cloned().collect()
    }

    /// The entries in memory that `query` asks for.
    pub fn select(&self, query: &Query) -> Page {
        let inner = self.lock();
        query.page(&inner.entries, inner.counters.dropped)
    }

    /// How often things happened.
    pub fn counters(&self) -> Counters {
        self.lock().counters.clone()
    }

    /// The entries that are in memory as JSON, one in a line.
    pub fn to_json_lines(&self) -> String {
        self.lock().entries.iter().fold(String::new(), |mut text, entry| {
            text.push_str(&entry.to_json());
            text.push('\n');
            text
        })
    }

    /// Shows every further entry to `listener`, in place of an earlier one. It must not call the journal.
    pub fn listen(&self, listener: impl Fn(&Entry) + Send + Sync + 'static) {
        self.lock().listener = Some(Box::new(listener));
    }

    /// Writes every further entry to `sink`, in place of an earlier one, as a line of JSON. A task of `world`
    /// writes, so that a slow disk keeps nobody waiting; a line that cannot be written is lost, `report` is
    /// told of the first such failure only, and when writing goes well again a line
    /// `{"event":"linesLost","lines":N}` says how many are missing.
    pub fn write_to(
        &self,
        world: &World,
        sink: impl Write + Send + 'static,
        report: impl Fn(&io::Error) + Send + 'static,
    ) {
        self.lock().lines = Some(Lines::start(world, sink, report));
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Journal")
    }
}

#[cfg(test)]
mod tests;
