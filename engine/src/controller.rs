//! The loop that all controllers share: workers, error classes, and what a controller is given.

use std::future::Future;
use std::sync::Arc;

use world::World;

use crate::api::{Certificate, Kind, ObjectKey};
use crate::certificates::readings::Readings;
use crate::client::Client;
use crate::compat::{Backoff, Compat};
use crate::controllers::Controllers;
use crate::informer::{Informers, Notice};
use crate::log::{Logger, Message, catalogue as msg};
use crate::queue::WorkQueue;
use crate::recorder::Recorder;
use crate::store::{ApiError, ChangeType};

/// Why a sync failed; the text is what is logged and what decides between the two classes of requeue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// The API server refused a call.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// Anything else, in the release's words.
    #[error("{0}")]
    Other(String),
}

impl SyncError {
    /// An error with this text.
    pub fn other(text: impl std::fmt::Display) -> Self {
        SyncError::Other(text.to_string())
    }

    /// Whether it is the API server's optimistic lock, which is logged as information.
    pub fn is_conflict(&self) -> bool {
        matches!(self, SyncError::Api(ApiError::Conflict { .. }))
    }
}

/// What a sync returns.
pub type SyncResult = Result<(), SyncError>;

/// What a lister says of an object that its cache does not have: the kind's singular, where the API server's own
/// text has the plural.
pub(crate) fn not_in_cache(kind: Kind, key: &ObjectKey) -> String {
    format!("{}.{} {:?} not found", kind.singular(), kind.group(), key.name())
}

/// What every controller of a process shares.
#[derive(Clone, Debug)]
pub struct Context {
    /// Time, network, randomness, keys.
    pub world: World,
    /// The release that is reproduced.
    pub compat: Arc<Compat>,
    /// Caches.
    pub informers: Arc<Informers>,
    /// The API server, in the name of the controller (see [`Context::named`]).
    pub client: Client,
    /// Kubernetes events.
    pub recorder: Recorder,
    /// The log, in the name of the controller.
    pub log: Logger,
    /// What the DNS-01 solver was started with.
    pub(crate) dns01: Arc<crate::dns01::Settings>,
    /// What stored pairs and requests say.
    pub(crate) readings: Arc<Readings>,
    /// Which controllers run.
    pub(crate) controllers: Arc<Controllers>,
    /// Target Secrets are owned by their Certificate (`--enable-certificate-owner-ref`).
    pub certificate_owner_ref: bool,
}

impl Context {
    /// The context in the name of one controller.
    #[must_use]
    pub fn named(&self, controller: &str) -> Self {
        let recorder = if self.compat.recorder_per_controller {
            self.recorder.apart(self.client.as_actor("event-recorder"))
        } else {
            self.recorder.clone()
        };
        Context {
            client: self.client.as_actor(controller),
            log: self.log.for_controller(controller),
            recorder: recorder.for_controller(controller, self.compat.event_source),
            ..self.clone()
        }
    }

    /// Whether the controller of this name runs in this process.
    pub(crate) fn runs(&self, controller: &str) -> bool {
        self.controllers.runs(controller)
    }

    /// A queue for `controller`.
    pub fn queue(&self, controller: &str, backoff: Backoff) -> WorkQueue {
        WorkQueue::start(&self.world, controller, backoff, self.compat.rerun_delay)
    }
}

/// Puts the changed objects of `kind` themselves into the queue.
pub(crate) fn watch_self(context: &Context, controller: &str, kind: Kind, queue: &WorkQueue) {
    watch(context, controller, kind, queue, |notice| Some(notice.change.key.clone()));
}

/// Puts the owners of the changed objects of `kind` into the queue, if they are of `owner`.
pub(crate) fn watch_owned(context: &Context, controller: &str, kind: Kind, owner: Kind, queue: &WorkQueue) {
    watch(context, controller, kind, queue, move |notice| {
        let of_kind = notice.owner().filter(|(kind, _)| kind == owner.as_str());
        of_kind.map(|(_, key)| key.clone())
    });
}

/// Puts the Certificates into the queue to whom a changed Secret belongs: those that name it by the field `name`, whose
/// value `field` reads.
pub(crate) fn watch_named_secrets(
    context: &Context,
    controller: &str,
    queue: &WorkQueue,
    name: &'static str,
    field: fn(&Certificate) -> Option<&str>,
) {
    let certificates = context.informers.lister::<Certificate>();
    certificates.index(name, move |certificate| {
        Some(ObjectKey::new(&certificate.metadata.namespace, field(certificate)?).to_string())
    });
    watch(context, controller, Kind::Secret, queue, move |notice| {
        certificates.indexed_keys(name, notice.change.key.as_str())
    });
}

/// Puts the keys that `keys` finds for a changed object of `kind` into the queue. An update that changed
/// nothing (a resync) is no change.
pub(crate) fn watch<K: IntoIterator<Item = ObjectKey>>(
    context: &Context,
    controller: &str,
    kind: Kind,
    queue: &WorkQueue,
    keys: impl Fn(&Notice) -> K + Send + Sync + 'static,
) {
    let queue = queue.clone();
    context.informers.on(kind, controller, move |notice: &Notice| {
        if notice.change.type_ == ChangeType::Modified && notice.old.as_ref() == Some(&notice.change.object) {
            return;
        }
        for key in keys(notice) {
            queue.add(key);
        }
    });
}

/// One controller's reconcile function: it reads caches, decides, does what it decided, and returns.
pub trait Reconcile: Send + Sync + 'static {
    /// Brings one object a step further. It is level-triggered: it looks at what is, not at what happened.
    ///
    /// Most syncs find that there is nothing to do. What only the others need, and is as deep as an ACME call over TLS,
    /// belongs on the heap: every worker has room for one sync.
    fn sync(&self, key: &ObjectKey) -> impl Future<Output = SyncResult> + Send;
}

/// Starts the workers of a controller.
pub fn start(context: &Context, name: &str, queue: &WorkQueue, controller: Arc<impl Reconcile>) {
    for n in 0..context.compat.workers {
        let (queue, controller) = (queue.clone(), controller.clone());
        let log = context.log.clone();
        context.world.spawn(&format!("{name} worker {n}"), async move {
            loop {
                let key = queue.get().await;
                tell(&log, &key, &msg::SYNCING_ITEM);
                match controller.sync(&key).await {
                    Ok(()) => {
                        tell(&log, &key, &msg::ITEM_PROCESSED);
                        queue.forget(&key);
                    }
                    Err(error) => {
                        report(&log, &key, &error);
                        queue.add_rate_limited(key.clone());
                    }
                }
                queue.done(&key);
            }
        });
    }
}

/// Says where the work on a key is, to who wants to know it that exactly.
fn tell(log: &Logger, key: &ObjectKey, message: &Message) {
    if log.shows(message) {
        log.for_key(key).info(message, &[]);
    }
}

fn report(log: &Logger, key: &ObjectKey, error: &SyncError) {
    let log = log.for_key(key);
    let text = error.to_string();
    if error.is_conflict() {
        log.info(&msg::REQUEUE_CONFLICT, &[("error", text.into())]);
    } else {
        log.error(&msg::REQUEUE_ERROR, Some(&text), &[]);
    }
}
