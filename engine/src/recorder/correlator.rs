//! What becomes of events before they are written: client-go's EventCorrelator as a pure state machine.
//!
//! Three caches decide, each of which forgets what was used longest ago: many events about one object are spam; many
//! that are alike but for their message become one; one that came before is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use world::{Instant, Timestamp};

use crate::api::{Event, Time};

/// Entries of each cache.
const CACHE_MAX: usize = 4096;
/// So many different messages within [`AGGREGATE_FOR`] of each other are written one by one, but for the last.
const AGGREGATE_AFTER: usize = 10;
/// A pause that ends the likeness.
const AGGREGATE_FOR: Duration = Duration::from_secs(600);
/// Events about one object by one source that may come at once.
const SPAM_BURST: f64 = 25.0;
/// And how long it takes until one more may.
const SPAM_REFILL: Duration = Duration::from_secs(300);

/// What to do with an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing: there were too many.
    Drop,
    /// Write it as a new object; `key` is for [`Correlator::written`].
    Create {
        /// The event, perhaps an aggregate of the one that came.
        event: Box<Event>,
        /// What it is known by.
        key: String,
    },
    /// Count it on the object that has this name (it may be gone: then create it).
    Patch {
        /// The event with the name, first time and count of the known one.
        event: Box<Event>,
        /// What it is known by.
        key: String,
    },
}

/// Memory of the events of a process.
#[derive(Debug, Default)]
pub struct Correlator {
    spam: Lru<Bucket>,
    alike: Lru<Alike>,
    seen: Lru<Seen>,
}

#[derive(Debug, Clone)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

#[derive(Debug, Clone, Default)]
struct Alike {
    messages: BTreeSet<String>,
    last: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Seen {
    name: String,
    first: Option<Time>,
    count: i32,
}

impl Correlator {
    /// Decides about an event that happened at `now` (read as `at` on the monotonic clock).
    pub fn correlate(&mut self, event: Event, now: Timestamp, at: Instant) -> Verdict {
        let (mut event, key) = self.aggregate(event, now, at);
        let known = self.seen.get(&key).filter(|seen| seen.count > 0).cloned();
        if let Some(seen) = &known {
            event.metadata.name.clone_from(&seen.name);
            event.first_timestamp = seen.first;
            event.count = seen.count + 1;
        }
        self.seen.put(
            key.clone(),
            Seen { name: event.metadata.name.clone(), first: event.first_timestamp, count: event.count },
        );
        if !self.admits(&event, at) {
            return Verdict::Drop;
        }
        let event = Box::new(event);
        if known.is_some() { Verdict::Patch { event, key } } else { Verdict::Create { event, key } }
    }

    /// Hears under which name an event was written.
    pub fn written(&mut self, key: &str, event: &Event) {
        let seen =
            Seen { name: event.metadata.name.clone(), first: event.first_timestamp, count: event.count };
        self.seen.put(key.to_owned(), seen);
    }

    /// The tenth message of its likeness, and those after it, are one event with the newest message.
    fn aggregate(&mut self, event: Event, now: Timestamp, at: Instant) -> (Event, String) {
        let (likeness, full) = (likeness(&event), full_key(&event));
        let mut alike = self.alike.get(&likeness).cloned().unwrap_or_default();
        if alike.last.is_none_or(|last| at.since(last) > AGGREGATE_FOR) {
            alike.messages.clear();
        }
        alike.messages.insert(event.message.clone());
        alike.last = Some(at);
        let many = alike.messages.len() >= AGGREGATE_AFTER;
        if many {
            // It does not grow further.
            alike.messages.pop_first();
        }
        self.alike.put(likeness.clone(), alike);
        if !many {
            return (event, full);
        }
        let mut one = event;
        one.metadata.name = format!("{}.{:x}", one.involved_object.name, now.unix_nanos());
        one.message = format!("(combined from similar events): {}", one.message);
        (one.first_timestamp, one.last_timestamp) = (Some(Time::new(now)), Some(Time::new(now)));
        one.count = 1;
        (one, likeness)
    }

    /// A token bucket for each object and source.
    fn admits(&mut self, event: &Event, at: Instant) -> bool {
        let key = about(event).join("\n");
        let mut bucket = self.spam.get(&key).cloned().unwrap_or(Bucket { tokens: SPAM_BURST, filled_at: at });
        let gained = at.since(bucket.filled_at).as_secs_f64() / SPAM_REFILL.as_secs_f64();
        bucket.tokens = (bucket.tokens + gained).min(SPAM_BURST);
        bucket.filled_at = at;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        self.spam.put(key, bucket);
        admitted
    }
}

/// Who says it, and about what.
fn about(event: &Event) -> [&str; 7] {
    let (source, object) = (&event.source, &event.involved_object);
    [
        &source.component,
        &source.host,
        &object.kind,
        &object.namespace,
        &object.name,
        &object.uid,
        &object.api_version,
    ]
    .map(String::as_str)
}

fn likeness(event: &Event) -> String {
    let about = about(event);
    [about.as_slice(), &[event.type_.as_str(), event.reason.as_str()]].concat().join("\n")
}

fn full_key(event: &Event) -> String {
    [likeness(event).as_str(), &event.involved_object.field_path, &event.message].join("\n\n")
}

/// A map that forgets the entry that was used longest ago when it is full.
#[derive(Debug)]
struct Lru<V> {
    entries: BTreeMap<String, (u64, V)>,
    by_use: BTreeMap<u64, String>,
    clock: u64,
}

impl<V> Default for Lru<V> {
    fn default() -> Self {
        Lru { entries: BTreeMap::new(), by_use: BTreeMap::new(), clock: 0 }
    }
}

impl<V> Lru<V> {
    fn get(&mut self, key: &str) -> Option<&V> {
        self.clock += 1;
        let (used, value) = self.entries.get_mut(key)?;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, key.to_owned());
        Some(value)
    }

    fn put(&mut self, key: String, value: V) {
        self.clock += 1;
        self.by_use.insert(self.clock, key.clone());
        if let Some((used, _)) = self.entries.insert(key, (self.clock, value)) {
            self.by_use.remove(&used);
        }
        if self.entries.len() > CACHE_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
