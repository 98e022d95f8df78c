//! The log: typed entries, the catalogue of messages, and the text of the release.
//!
//! A controller says *what* happened ([`Message`] and its values); where that statement stands in the
//! release's source, at which level, whether the release has it at all ([`places`]), and how the line is written
//! is data of the catalogue and the business of [`render`]. Every entry is also a `tracing` event, for those who
//! embed the engine.

pub mod catalogue;
mod contextual;
mod json;
pub mod places;
mod serialize;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;
use world::{Timestamp, World};

use crate::api::{Kind, ObjectKey, ObjectMeta, Resource};
use crate::compat::{Compat, LogFormat, LoggerNames, V1_7};
pub use catalogue::Message;
pub use places::Place;

/// One line without its newline, in the format of the entry's release.
///
/// The text formats begin with klog's header, `Lmmdd hh:mm:ss.uuuuuu PID file:line] `; JSON has no pid.
pub fn render(entry: &Entry, pid: u32) -> String {
    match entry.format {
        LogFormat::Plain | LogFormat::Serialize => serialize::render(entry, pid),
        LogFormat::Contextual => contextual::render(entry, pid),
        LogFormat::Json => json::render(entry),
    }
}

/// klog's header, which all text formats share.
fn header(entry: &Entry, pid: u32) -> String {
    let at = entry.at.to_offset_date_time();
    let letter = match entry.severity {
        Severity::Info => 'I',
        Severity::Error => 'E',
    };
    // The text formats show the file's base name, JSON its folder as well.
    let file = entry.marker.rsplit('/').next().unwrap_or_default();
    format!(
        "{letter}{:02}{:02} {:02}:{:02}:{:02}.{:06} {pid:>7} {file}] ",
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond(),
    )
}

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
    /// The host of the process that wrote it.
    #[serde(skip)]
    pub host: Arc<str>,
    /// The controller that wrote it, whatever the release names its loggers.
    #[serde(skip)]
    pub source: Arc<str>,
    /// Severity.
    pub severity: Severity,
    /// klog's `-v` level of the line.
    pub verbosity: u8,
    /// How the line is written.
    #[serde(skip)]
    pub format: LogFormat,
    /// Where the release's source logs it: `sync.go:186`, with its folder where that is known.
    pub marker: Cow<'static, str>,
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

/// A logger: names and values that all its lines carry. Cheap to clone; each `with_` makes a new one, which is cheap
/// too: most syncs make one and log nothing.
#[derive(Clone)]
pub struct Logger {
    process: Arc<Process>,
    source: Arc<str>,
    names: Arc<[String]>,
    values: Option<Arc<Values>>,
}

/// What all loggers of a process share.
#[derive(Clone)]
struct Process {
    world: World,
    sink: Arc<dyn Sink>,
    verbosity: u8,
    format: LogFormat,
    /// By which names of releases places are looked up.
    edition: places::Edition,
    logger_names: LoggerNames,
}

/// Values of a logger, and of the one that it was made of.
struct Values {
    before: Option<Arc<Values>>,
    own: Own,
}

enum Own {
    One(String, Value),
    Key(ObjectKey),
    /// Four values that name an object, each with this before its name.
    Object {
        prefix: &'static str,
        kind: Kind,
        namespace: String,
        name: String,
    },
}

impl Values {
    /// Adds all values to `all`, in the order in which they were given.
    fn collect(&self, all: &mut Vec<(String, Value)>) {
        if let Some(before) = &self.before {
            before.collect(all);
        }
        match &self.own {
            Own::One(key, value) => all.push((key.clone(), value.clone())),
            Own::Key(key) => all.push(("key".to_owned(), key.as_str().into())),
            Own::Object { prefix, kind, namespace, name } => {
                // The version is that of the API, as in the release.
                let version = kind.api_version();
                let version = version.rsplit('/').next().unwrap_or_default();
                let values = [
                    ("name", name.as_str()),
                    ("namespace", namespace),
                    ("kind", kind.as_str()),
                    ("version", version),
                ];
                all.extend(values.map(|(key, value)| (format!("{prefix}{key}"), value.into())));
            }
        }
    }
}

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Logger({})", self.names.join("/"))
    }
}

impl Logger {
    /// The root logger, in the words of 1.7 (see [`Logger::for_release`]). Lines above `verbosity` (klog's `-v`)
    /// are dropped; errors never are.
    pub fn new(world: &World, sink: Arc<dyn Sink>, verbosity: u8) -> Self {
        let process = Process {
            world: world.clone(),
            sink,
            verbosity,
            format: V1_7.log_format,
            edition: V1_7.log_edition,
            logger_names: V1_7.logger_names,
        };
        Logger {
            process: Arc::new(process),
            source: "controller".into(),
            names: ["cert-manager".to_owned()].into(),
            values: None,
        }
    }

    /// A logger in the words and the format of a release.
    #[must_use]
    pub fn for_release(mut self, compat: &Compat) -> Self {
        let process = Arc::make_mut(&mut self.process);
        process.format = compat.log_format;
        process.edition = compat.log_edition;
        process.logger_names = compat.logger_names;
        self
    }

    /// The logger of a controller: of its own name, or of the process's in a release that does not tell them apart.
    #[must_use]
    pub fn for_controller(&self, controller: &str) -> Self {
        let name = match self.process.logger_names {
            LoggerNames::Controller => controller,
            LoggerNames::Process => "controller",
        };
        Logger { source: controller.into(), ..self.with_name(name) }
    }

    /// The logger in which the loop of all controllers tells of a failed key: only loggers that are named by
    /// controller carry it.
    #[must_use]
    pub fn for_key(&self, key: &ObjectKey) -> Self {
        match self.process.logger_names {
            LoggerNames::Controller => self.with_key(key),
            LoggerNames::Process => self.clone(),
        }
    }

    /// A logger whose name has one more part.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        let names = self.names.iter().cloned().chain([name.to_owned()]).collect();
        Logger { names, ..self.clone() }
    }

    /// A logger whose lines carry one more value.
    #[must_use]
    pub fn with_value(&self, key: &str, value: impl Into<Value>) -> Self {
        self.with(Own::One(key.to_owned(), value.into()))
    }

    /// A logger whose lines name the key that is worked on.
    #[must_use]
    pub fn with_key(&self, key: &ObjectKey) -> Self {
        self.with(Own::Key(key.clone()))
    }

    fn with(&self, own: Own) -> Self {
        let values = Values { before: self.values.clone(), own };
        Logger { values: Some(Arc::new(values)), ..self.clone() }
    }

    /// A logger whose lines name this object. `resource_version` is the API version, as in the release.
    #[must_use]
    pub fn with_resource<R: Resource>(&self, object: &R) -> Self {
        self.with_object("resource_", R::KIND, object.meta())
    }

    /// The same, for an object that the line's own object is related to.
    #[must_use]
    pub fn with_related_resource<R: Resource>(&self, object: &R) -> Self {
        self.with_related(R::KIND, object.meta())
    }

    /// The same for an object whose kind is known as a value.
    #[must_use]
    pub(crate) fn with_related(&self, kind: Kind, meta: &ObjectMeta) -> Self {
        self.with_object("related_resource_", kind, meta)
    }

    fn with_object(&self, prefix: &'static str, kind: Kind, meta: &ObjectMeta) -> Self {
        self.with(Own::Object { prefix, kind, namespace: meta.namespace.clone(), name: meta.name.clone() })
    }

    /// Whether a message is shown at this verbosity, if the release has it.
    pub fn shows(&self, message: &Message) -> bool {
        message.severity == Severity::Error || message.verbosity <= self.process.verbosity
    }

    /// Logs a message with values of its own.
    pub fn info(&self, message: &Message, values: &[(&str, Value)]) {
        self.structured(message, None, None, values);
    }

    /// Logs a message whose text is made for the occasion.
    pub fn info_text(&self, message: &Message, text: &str, values: &[(&str, Value)]) {
        self.structured(message, Some(text), None, values);
    }

    /// The same with an error.
    pub fn error_text(&self, message: &Message, error: Option<&str>, text: &str) {
        self.structured(message, Some(text), Some(error.map(str::to_owned)), &[]);
    }

    /// Logs a message with an error; `None` is the error that there is not (`"error"=null`).
    pub fn error(&self, message: &Message, error: Option<&str>, values: &[(&str, Value)]) {
        self.structured(message, None, Some(error.map(str::to_owned)), values);
    }

    /// Logs a plain klog line: no logger name, no values, `text` as it is.
    pub fn plain(&self, message: &Message, text: String) {
        let Some(place) = self.place(message) else { return };
        self.emit(message, &place, Vec::new(), text, None, Vec::new());
    }

    /// Logs an error that the release hands to `runtime.HandleError`: a plain klog line, or, with contextual logging,
    /// the message `Unhandled Error` of the logger `UnhandledError`.
    pub fn unhandled(&self, message: &Message, error: String) {
        let Some(place) = self.place(message) else { return };
        match self.process.format {
            LogFormat::Plain | LogFormat::Serialize => {
                self.emit(message, &place, Vec::new(), error, None, Vec::new());
            }
            LogFormat::Contextual | LogFormat::Json => {
                let logger = vec!["UnhandledError".to_owned()];
                let text = "Unhandled Error".to_owned();
                self.emit(message, &place, logger, text, Some(Some(error)), Vec::new());
            }
        }
    }

    /// Logs a glog line of a release whose lines are not in the catalogue: `marker` is its place there. Errors are always
    /// shown.
    pub fn glog(&self, severity: Severity, verbosity: u8, marker: &'static str, text: String) {
        if severity == Severity::Info && verbosity > self.process.verbosity {
            return;
        }
        let place = Place { marker: marker.into(), severity, verbosity, text: "", structured: false };
        let message = Message { name: "GLOG", severity, verbosity, v1_7: "", text: "" };
        self.emit(&message, &place, Vec::new(), text, None, Vec::new());
    }

    /// Logs the change of a condition: in one sentence, `plain`, where the release prints it so; else `message` with the
    /// values, in the name of the root logger.
    pub fn condition(&self, message: &Message, plain: String, values: &[(&str, Value)]) {
        let Some(place) = self.place(message) else { return };
        if place.structured {
            let names = self.names.iter().take(1).cloned().collect();
            let values = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
            self.emit(message, &place, names, place.text.to_owned(), None, values);
        } else {
            self.emit(message, &place, Vec::new(), plain, None, Vec::new());
        }
    }

    /// Where and how this release logs the message; `None` when it does not.
    fn place(&self, message: &Message) -> Option<Place> {
        let place = places::of(message, self.process.edition)?;
        (place.severity == Severity::Error || place.verbosity <= self.process.verbosity).then_some(place)
    }

    fn structured(
        &self,
        message: &Message,
        text: Option<&str>,
        error: Option<Option<String>>,
        values: &[(&str, Value)],
    ) {
        let Some(place) = self.place(message) else { return };
        let call = values.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let merge = match self.process.format {
            LogFormat::Plain | LogFormat::Serialize => serialize::merge,
            LogFormat::Contextual | LogFormat::Json => contextual::merge,
        };
        let mut own = Vec::new();
        if let Some(values) = &self.values {
            values.collect(&mut own);
        }
        let all = merge(own, call);
        let text = text.unwrap_or(place.text).to_owned();
        self.emit(message, &place, self.names.to_vec(), text, error, all);
    }

    fn emit(
        &self,
        message: &Message,
        place: &Place,
        logger: Vec<String>,
        text: String,
        error: Option<Option<String>>,
        values: Vec<(String, Value)>,
    ) {
        let Process { world, sink, format, .. } = self.process.as_ref();
        let entry = Entry {
            at: world.now(),
            host: world.host().into(),
            source: self.source.clone(),
            severity: place.severity,
            verbosity: place.verbosity,
            format: *format,
            marker: place.marker.clone(),
            logger,
            message: text,
            error,
            values,
        };
        let line = render(&entry, 1);
        let (name, message) = (self.names.join("/"), message.name);
        match entry.severity {
            Severity::Info => {
                tracing::info!(target: "engine", logger = %name, message_id = message, "{line}")
            }
            Severity::Error => {
                tracing::error!(target: "engine", logger = %name, message_id = message, "{line}")
            }
        }
        world.record(world.host(), "log", line.as_bytes());
        sink.entry(entry);
    }
}
