//! Kubernetes Events: written in the background, one API call each; [`correlator`] says which, and how.

pub mod correlator;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::mpsc;
use world::World;

use crate::api::{Event, EventSource, InvolvedObject, Resource, Time};
use crate::client::Client;
use crate::compat::EventComponent;
use crate::store::ApiError;
use correlator::{Correlator, Verdict};

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
    component: Arc<str>,
    sender: mpsc::UnboundedSender<Event>,
    /// Makes the names of events of one nanosecond differ.
    count: Arc<AtomicI64>,
}

impl Recorder {
    /// A recorder that writes through `client`.
    pub fn start(world: &World, client: Client) -> Self {
        let (sender, mut events) = mpsc::unbounded_channel::<Event>();
        let clock = world.clone();
        world.spawn("event recorder", async move {
            let mut correlator = Correlator::default();
            while let Some(event) = events.recv().await {
                let verdict = correlator.correlate(event, clock.now(), clock.monotonic());
                // An event that is lost is lost: events are best effort.
                let (key, written) = match verdict {
                    Verdict::Drop => continue,
                    Verdict::Create { event, key } => (key, client.create(*event).await),
                    Verdict::Patch { event, key } => (key, patch(&client, *event).await),
                };
                if let Ok(written) = written {
                    correlator.written(&key, &written);
                }
            }
        });
        let (world, component) = (world.clone(), "cert-manager".into());
        Recorder { world, component, sender, count: Arc::default() }
    }

    /// The recorder of one controller.
    #[must_use]
    pub fn for_controller(&self, controller: &str, component: EventComponent) -> Self {
        match component {
            EventComponent::Process => self.clone(),
            EventComponent::Controller => {
                Recorder { component: format!("cert-manager-{controller}").into(), ..self.clone() }
            }
        }
    }

    /// A recorder that writes its events through `client` in a task of its own.
    #[must_use]
    pub fn apart(&self, client: Client) -> Self {
        Recorder { count: self.count.clone(), ..Recorder::start(&self.world, client) }
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
            source: EventSource { component: self.component.to_string(), ..EventSource::default() },
            first_timestamp: Some(Time::new(now)),
            last_timestamp: Some(Time::new(now)),
            count: 1,
            type_: type_.as_str().to_owned(),
            ..Event::default()
        };
        // client-go: the object's name and the time in hexadecimal.
        let unique = now.unix_nanos() + self.count.fetch_add(1, Ordering::Relaxed);
        event.metadata.name = format!("{}.{unique:x}", meta.name);
        event.metadata.namespace = meta.namespace.clone();
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

/// Writes what a repeated event changes: count, time and message. If the server has forgotten it, it is new.
async fn patch(client: &Client, event: Event) -> Result<Arc<Event>, ApiError> {
    let patched = client
        .patch(&event.key(), |stored: &mut Event| {
            stored.count = event.count;
            stored.last_timestamp = event.last_timestamp;
            stored.message.clone_from(&event.message);
        })
        .await;
    match patched {
        Err(ApiError::NotFound { .. }) => client.create(event).await,
        other => other,
    }
}
