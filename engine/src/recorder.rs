//! Kubernetes Events: written in the background, one API call each, repeated ones counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::mpsc;
use world::World;

use crate::api::{Event, EventSource, InvolvedObject, ObjectKey, Resource, Time};
use crate::client::Client;

/// `Normal` or `Warning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            EventType::Normal => "Normal",
            EventType::Warning => "Warning",
        }
    }
}

/// Takes events and returns at once. Clones share the task that writes them.
#[derive(Clone, Debug)]
pub struct Recorder {
    world: World,
    sender: mpsc::UnboundedSender<Event>,
    /// Makes the names of events of one nanosecond differ.
    count: Arc<AtomicI64>,
}

impl Recorder {
    /// A recorder that writes through `client`.
    pub fn start(world: &World, client: Client) -> Self {
        let (sender, mut events) = mpsc::unbounded_channel::<Event>();
        world.spawn("event recorder", async move {
            let mut seen: BTreeMap<String, Event> = BTreeMap::new();
            while let Some(event) = events.recv().await {
                let about = &event.involved_object;
                let id = [&about.kind, &about.uid, &event.type_, &event.reason, &event.message]
                    .map(String::as_str);
                let id = id.join("\n");
                // An event that is lost is lost: events are best effort.
                let written = match seen.get(&id) {
                    None => client.create(event).await,
                    Some(known) => {
                        let mut again = known.clone();
                        again.count += 1;
                        again.last_timestamp = event.last_timestamp;
                        client.update(again).await
                    }
                };
                if let Ok(written) = written {
                    seen.insert(id, written.as_ref().clone());
                }
            }
        });
        Recorder { world: world.clone(), sender, count: Arc::default() }
    }

    /// Records that `object` has something to tell.
    pub fn event<R: Resource>(&self, object: &R, type_: EventType, reason: &str, message: &str) {
        let now = self.world.now();
        let meta = object.meta();
        let mut event = Event {
            involved_object: InvolvedObject {
                kind: R::KIND.as_str().to_owned(),
                namespace: meta.namespace.clone(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
                api_version: R::KIND.api_version(),
                resource_version: meta.resource_version.to_string(),
                ..InvolvedObject::default()
            },
            reason: reason.to_owned(),
            message: message.to_owned(),
            source: EventSource { component: "cert-manager".to_owned(), ..EventSource::default() },
            first_timestamp: Some(Time::new(now)),
            last_timestamp: Some(Time::new(now)),
            count: 1,
            type_: type_.as_str().to_owned(),
            ..Event::default()
        };
        // client-go: the object's name and the time in hexadecimal.
        let unique = now.unix_nanos() + self.count.fetch_add(1, Ordering::Relaxed);
        event.metadata.name = format!("{}.{unique:x}", meta.name);
        event.metadata.namespace = ObjectKey::of(meta).namespace;
        if event.metadata.namespace.is_empty() {
            event.metadata.namespace = "default".to_owned();
        }
        // The receiver ends with the process.
        let _ = self.sender.send(event);
    }

    /// A normal event.
    pub fn normal<R: Resource>(&self, object: &R, reason: &str, message: &str) {
        self.event(object, EventType::Normal, reason, message);
    }

    /// A warning.
    pub fn warning<R: Resource>(&self, object: &R, reason: &str, message: &str) {
        self.event(object, EventType::Warning, reason, message);
    }
}
