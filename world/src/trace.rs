//! The trace of a run: what crossed a boundary of the world, when, and by whom.
//!
//! Every segment on the simulated network, every log line and every journal entry is one record. The
//! running SHA-256 over all records is the run's fingerprint; two runs that should be equal and are not
//! are compared record by record ([`Trace::first_divergence`]).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{Context, SHA256};

use crate::hash::hex;

/// One thing that happened.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Monotonic virtual time, nanoseconds.
    pub at: u64,
    /// Who: a connection end, a controller, a server.
    pub who: String,
    /// What kind of thing: `tcp`, `udp`, `log`, `journal`, …
    pub what: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>19} {:<8} {:<40} {}", self.at, self.what, self.who, self.bytes.escape_ascii())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The first place at which two traces differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Index of the record.
    pub index: usize,
    /// The record of the first trace, if it has one there.
    pub left: Option<Record>,
    /// The record of the second trace, if it has one there.
    pub right: Option<Record>,
}

/// A shared handle on the trace of one run.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Inner>>);

struct Inner {
    hash: Context,
    count: u64,
    kept: Option<Vec<Record>>,
    open: bool,
}

impl Trace {
    /// A trace that hashes its records, and keeps them too when `keep` is set.
    pub fn new(keep: bool) -> Self {
        let inner = Inner { hash: Context::new(&SHA256), count: 0, kept: keep.then(Vec::new), open: true };
        Trace(Arc::new(Mutex::new(inner)))
    }

    /// Adds a record; after [`Trace::close`] it is ignored.
    pub fn record(&self, at: u64, who: &str, what: &'static str, bytes: &[u8]) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !inner.open {
            return;
        }
        inner.count += 1;
        inner.hash.update(&at.to_le_bytes());
        for field in [who.as_bytes(), what.as_bytes(), bytes] {
            inner.hash.update(&(field.len() as u64).to_le_bytes());
            inner.hash.update(field);
        }
        if let Some(kept) = &mut inner.kept {
            kept.push(Record { at, who: who.to_owned(), what, bytes: bytes.to_vec() });
        }
    }

    /// Stops recording: what tasks do while they are torn down is not part of the run.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).open = false;
    }

    /// SHA-256 over all records, in hexadecimal.
    pub fn fingerprint(&self) -> String {
        hex(self.0.lock().unwrap_or_else(PoisonError::into_inner).hash.clone().finish().as_ref())
    }

    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// The records, if they were kept.
    pub fn records(&self) -> Vec<Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).kept.clone().unwrap_or_default()
    }

    /// Where the kept records of two traces first differ; `None` when they are equal.
    pub fn first_divergence(&self, other: &Trace) -> Option<Divergence> {
        let (left, right) = (self.records(), other.records());
        (0..left.len().max(right.len())).find(|i| left.get(*i) != right.get(*i)).map(|index| Divergence {
            index,
            left: left.get(index).cloned(),
            right: right.get(index).cloned(),
        })
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({} records)", self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_traces_have_equal_fingerprints_and_unequal_ones_say_where() {
        let (a, b) = (Trace::new(true), Trace::new(true));
        for t in [&a, &b] {
            t.record(1, "x", "log", b"one");
        }
        assert_eq!(a.fingerprint(), b.fingerprint());
        assert_eq!(a.first_divergence(&b), None);
        a.record(2, "x", "log", b"two");
        assert_ne!(a.fingerprint(), b.fingerprint());
        let d = a.first_divergence(&b).unwrap();
        assert_eq!((d.index, d.right), (1, None));
    }

    #[test]
    fn a_closed_trace_hears_nothing() {
        let t = Trace::new(true);
        t.close();
        t.record(1, "x", "log", b"late");
        assert_eq!(t.count(), 0);
    }
}
