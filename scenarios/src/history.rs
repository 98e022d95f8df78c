//! What the API server had at any time of a run: every write, by the time it was committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::api::{Event, Kind, Object, ObjectKey, Resource};
use engine::store::{Change, ChangeType, Store, Watch};
use world::{Instant, Timestamp};

/// Watches of all kinds that nobody waits at: they are read when the run is over, so that keeping a history changes
/// nothing of it.
#[derive(Debug)]
pub(crate) struct Recording(Vec<Watch>);

impl Recording {
    /// Begins with what is stored.
    pub(crate) fn start(store: &Store) -> Self {
        Recording(Kind::ALL.iter().map(|kind| store.watch(*kind)).collect())
    }

    /// Ends it. `start` is the wall clock at the beginning of the run.
    pub(crate) fn finish(mut self, start: Timestamp) -> History {
        let mut changes = Vec::new();
        for watch in &mut self.0 {
            while let Some(change) = watch.try_next() {
                changes.push(change);
            }
        }
        changes.sort_by_key(|c| (c.at, c.object.meta().resource_version));
        History { start, changes }
    }
}

/// The writes of a run.
#[derive(Debug)]
pub struct History {
    start: Timestamp,
    changes: Vec<Change>,
}

impl History {
    /// When the run began.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Every write, with its time.
    pub fn changes(&self) -> impl Iterator<Item = (Timestamp, &Change)> {
        self.changes.iter().map(|change| (self.start + change.at.since(Instant::default()), change))
    }

    /// All that was stored at a time; what was committed at that very instant is there.
    pub fn at(&self, time: Timestamp) -> Stored {
        let end = Instant::default() + time.since(self.start);
        let mut objects = BTreeMap::new();
        for change in self.changes.iter().take_while(|c| c.at <= end) {
            let id = (change.object.kind(), change.object.key());
            match change.type_ {
                ChangeType::Deleted => objects.remove(&id),
                ChangeType::Added | ChangeType::Modified => objects.insert(id, change.object.clone()),
            };
        }
        Stored { time, objects }
    }

    /// A time as a user gives it: RFC 3339, or a time after the start of the run (`90s`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn time(&self, text: &str) -> Result<Timestamp, String> {
        if let Ok(time) = Timestamp::parse(text) {
            return Ok(time);
        }
        let after: world::duration::Span = text
            .parse()
            .map_err(|e| format!("{text:?} is no time (RFC 3339), nor one after the start: {e}"))?;
        let nanos = i64::try_from(after.0.as_nanos()).unwrap_or(i64::MAX);
        Ok(Timestamp::from_unix_nanos(self.start.unix_nanos().saturating_add(nanos)))
    }
}

/// What was stored at one time.
#[derive(Debug)]
pub struct Stored {
    time: Timestamp,
    objects: BTreeMap<(Kind, ObjectKey), Object>,
}

/// Why there is nothing to describe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum NotThere {
    /// No such object then, in kubectl's words.
    #[error("Error from server (NotFound): {resource} {name:?} not found")]
    #[diagnostic(help("{help}"))]
    NotFound {
        /// Plural and group.
        resource: String,
        /// Name.
        name: String,
        /// What there is of the kind.
        help: String,
    },
    /// Several namespaces have one.
    #[error("there is a {kind} {name:?} in several namespaces: {namespaces}")]
    #[diagnostic(help("name one with -n"))]
    Several {
        /// Kind.
        kind: Kind,
        /// Name.
        name: String,
        /// Which.
        namespaces: String,
    },
}

impl Stored {
    /// Finds an object; without a namespace, the one that there is of this name.
    ///
    /// # Errors
    /// [`NotThere`].
    pub fn find(&self, kind: Kind, namespace: Option<&str>, name: &str) -> Result<&Object, NotThere> {
        let fits = |key: &ObjectKey| key.name() == name && namespace.is_none_or(|n| key.namespace() == n);
        let found: Vec<_> =
            self.objects.iter().filter(|((k, key), _)| *k == kind && fits(key)).map(|(_, o)| o).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => {
                let all: Vec<String> =
                    self.objects.keys().filter(|(k, _)| *k == kind).map(|(_, key)| key.to_string()).collect();
                let there = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
                let help = format!("at {} there are of {}: {there}", self.time, kind.plural());
                Err(NotThere::NotFound { resource: kind.resource(), name: name.to_owned(), help })
            }
            several => {
                let namespaces: Vec<_> = several.iter().map(|o| o.meta().namespace.as_str()).collect();
                Err(NotThere::Several { kind, name: name.to_owned(), namespaces: namespaces.join(", ") })
            }
        }
    }

    /// All objects of a kind, by namespace and name.
    pub fn list(&self, kind: Kind) -> Vec<&Object> {
        self.objects.iter().filter(|((k, _), _)| *k == kind).map(|(_, o)| o).collect()
    }

    /// All objects of a type, by namespace and name.
    pub fn of<R: Resource>(&self) -> impl Iterator<Item = &Arc<R>> {
        self.objects.values().filter_map(Object::get::<R>)
    }

    /// The object as `kubectl describe` would have printed it then.
    pub fn describe(&self, object: &Object) -> String {
        let events = self.objects.values().filter_map(|o| o.get::<Event>().map(AsRef::as_ref));
        engine::describe::describe(object, events, self.time)
    }
}

/// A kind as kubectl takes it: `Certificate`, `certificate`, `certificates` or a short name.
pub fn kind(text: &str) -> Option<Kind> {
    const SHORT: &[(&str, Kind)] = &[
        ("cert", Kind::Certificate),
        ("certs", Kind::Certificate),
        ("cr", Kind::CertificateRequest),
        ("crs", Kind::CertificateRequest),
        ("ing", Kind::Ingress),
        ("svc", Kind::Service),
        ("po", Kind::Pod),
        ("ep", Kind::Endpoints),
        ("ev", Kind::Event),
    ];
    let text = text.to_lowercase();
    let text = text.split('.').next().unwrap_or_default();
    let long = Kind::ALL.iter().copied().find(|kind| text == kind.singular() || text == kind.plural());
    long.or_else(|| SHORT.iter().find(|(short, _)| *short == text).map(|(_, kind)| *kind))
}
