//! The log: typed entries, the catalogue of messages, and the klog text of the release.
//!
//! A controller says *what* happened ([`Message`] and its values); where that statement stands in the
//! release's source, at which level, and how the line is written is data of the catalogue and the business of
//! [`render`]. Every entry is also a `tracing` event, for those who embed the engine.

pub mod catalogue;
mod klog;

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use world::{Timestamp, World};

use crate::api::{Kind, Resource};
pub use catalogue::Message;
pub use klog::render;

/// How bad it is: the first letter of a klog line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// `I`.
    Info,
    /// `E`.
    Error,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Wall clock.
    pub at: Timestamp,
    /// Severity.
    pub severity: Severity,
    /// Where the release's source logs it: `sync.go:186`.
    pub marker: &'static str,
    /// Names of the loggers, outermost first; empty for a plain klog line.
    pub logger: Vec<String>,
    /// The message (for a plain line, the whole text).
    pub message: String,
    /// The error: outer `None` is a line without one, inner `None` is `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Option<String>>,
    /// Values of the logger, then of the call.
    pub values: Vec<(String, Value)>,
}

/// Receives entries.
pub trait Sink: Send + Sync {
    /// Takes one entry.
    fn entry(&self, entry: Entry);
}

/// Keeps all entries in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Entry>>);

impl Memory {
    /// The entries so far, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for Memory {
    fn entry(&self, entry: Entry) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// A logger: names and values that all its lines carry. Cheap to clone; each `with_` makes a new one.
#[derive(Clone)]
pub struct Logger {
    world: World,
    sink: Arc<dyn Sink>,
    verbosity: u8,
    names: Vec<String>,
    values: Vec<(String, Value)>,
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logger({})", self.names.join("/"))
    }
}

impl Logger {
    /// The root logger. Lines above `verbosity` (klog's `-v`) are dropped; errors never are.
    pub fn new(world: &World, sink: Arc<dyn Sink>, verbosity: u8) -> Self {
        let names = vec!["cert-manager".to_owned()];
        Logger { world: world.clone(), sink, verbosity, names, values: Vec::new() }
    }

    /// A logger whose name has one more part.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        let mut child = self.clone();
        child.names.push(name.to_owned());
        child
    }

    /// A logger whose lines carry one more value.
    #[must_use]
    pub fn with_value(&self, key: &str, value: impl Into<Value>) -> Self {
        let mut child = self.clone();
        child.values.push((key.to_owned(), value.into()));
        child
    }

    /// A logger whose lines name this object. `resource_version` is the API version, as in the release.
    #[must_use]
    pub fn with_resource<R: Resource>(&self, object: &R) -> Self {
        self.with_object("resource_", R::KIND, object)
    }

    /// The same, for an object that the line's own object is related to.
    #[must_use]
    pub fn with_related_resource<R: Resource>(&self, object: &R) -> Self {
        self.with_object("related_resource_", R::KIND, object)
    }

    fn with_object<R: Resource>(&self, prefix: &str, kind: Kind, object: &R) -> Self {
        let version = kind.api_version();
        let version = version.rsplit('/').next().unwrap_or_default().to_owned();
        self.with_value(&format!("{prefix}name"), object.meta().name.clone())
            .with_value(&format!("{prefix}namespace"), object.meta().namespace.clone())
            .with_value(&format!("{prefix}kind"), kind.as_str())
            .with_value(&format!("{prefix}version"), version)
    }

    /// Logs a message with values of its own.
    pub fn info(&self, message: &Message, values: &[(&str, Value)]) {
        self.structured(message, None, values);
    }

    /// Logs a message with an error; `None` is the error that there is not (`"error"=null`).
    pub fn error(&self, message: &Message, error: Option<&str>, values: &[(&str, Value)]) {
        self.structured(message, Some(error.map(str::to_owned)), values);
    }

    /// Logs a plain klog line: no logger name, no values, `text` as it is.
    pub fn plain(&self, message: &Message, text: String) {
        self.emit(message, Vec::new(), text, None, Vec::new());
    }

    fn structured(&self, message: &Message, error: Option<Option<String>>, values: &[(&str, Value)]) {
        // As the klog writer merges them: the logger's values by key, then the call's by key.
        let sorted = |mut values: Vec<(String, Value)>| {
            values.sort_by(|(a, _), (b, _)| a.cmp(b));
            values
        };
        let mut all = sorted(self.values.clone());
        all.extend(sorted(values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect()));
        self.emit(message, self.names.clone(), message.text.to_owned(), error, all);
    }

    fn emit(
        &self,
        message: &Message,
        logger: Vec<String>,
        text: String,
        error: Option<Option<String>>,
        values: Vec<(String, Value)>,
    ) {
        if message.severity == Severity::Info && message.verbosity > self.verbosity {
            return;
        }
        let entry = Entry {
            at: self.world.now(),
            severity: message.severity,
            marker: message.v1_7,
            logger,
            message: text,
            error,
            values,
        };
        let line = render(&entry, 1);
        match entry.severity {
            Severity::Info => tracing::info!(target: "engine", logger = %self.names.join("/"), "{line}"),
            Severity::Error => tracing::error!(target: "engine", logger = %self.names.join("/"), "{line}"),
        }
        self.world.record(self.world.host(), "log", line.as_bytes());
        self.sink.entry(entry);
    }
}
