//! The controllers' way to the API server: typed calls, the client-side rate limit, and what a call costs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::{Instant, World};

pub use crate::admission::Identity;
use crate::api::{Kind, Object, ObjectKey, Resource};
use crate::store::{ApiError, Change, Store};

/// What is asked of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// GET, past the caches.
    Get,
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PUT to the status subresource.
    UpdateStatus,
    /// PATCH.
    Patch,
    /// Server-side apply.
    Apply,
    /// DELETE.
    Delete,
}

/// One call, as rules about its cost see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Who calls: the controller's name.
    pub actor: &'a str,
    /// What for.
    pub verb: Verb,
    /// On which kind.
    pub kind: Kind,
    /// In which namespace; empty for a kind that has none.
    pub namespace: &'a str,
    /// On which object (for a generated name, the prefix).
    pub name: &'a str,
}

/// How long a call takes: until the server has committed it, and from then until the caller knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallTiming {
    /// Until the write is committed.
    pub commit: Duration,
    /// From the commit to the caller.
    pub reply: Duration,
}

impl Call<'_> {
    /// The refusal of who has no right to this call, in the words of Kubernetes' RBAC.
    pub fn forbidden(&self, user: &str) -> ApiError {
        let (verb, subresource) = match self.verb {
            Verb::Get => ("get", ""),
            Verb::Create => ("create", ""),
            Verb::Update => ("update", ""),
            Verb::UpdateStatus => ("update", "/status"),
            Verb::Patch | Verb::Apply => ("patch", ""),
            Verb::Delete => ("delete", ""),
        };
        // What is created has no name in its URL, and the right is asked of the URL.
        let name = if self.verb == Verb::Create { String::new() } else { format!(" {:?}", self.name) };
        let (resource, plural, group) = (self.kind.resource(), self.kind.plural(), self.kind.group());
        let place = match self.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let why = format!(
            "{resource}{name} is forbidden: User {user:?} cannot {verb} resource \"{plural}{subresource}\" in API group {group:?} {place}"
        );
        ApiError::Forbidden { why }
    }
}

/// The delays between the engine and its API server. A real one has its own; a simulated cluster has these.
pub trait Timing: Send + Sync {
    /// What this call takes.
    fn call(&self, call: &Call<'_>) -> CallTiming;

    /// The error with which the API server refuses this call at `now`, if it does; nothing is written then.
    fn refusal(&self, call: &Call<'_>, now: Instant) -> Option<ApiError> {
        let _ = (call, now);
        None
    }

    /// Hears how the call ended.
    fn answered(&self, call: &Call<'_>, error: Option<&ApiError>) {
        let _ = (call, error);
    }

    /// From the commit of a change until the informer's cache shows it.
    fn lister_lag(&self, change: &Change) -> Duration;

    /// From the commit of a change until the event handler of `controller` runs; never before the cache.
    fn handler_lag(&self, change: &Change, controller: &str) -> Duration;
}

/// No delay at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDelay;

impl Timing for NoDelay {
    fn call(&self, _: &Call<'_>) -> CallTiming {
        CallTiming::default()
    }
    fn lister_lag(&self, _: &Change) -> Duration {
        Duration::ZERO
    }
    fn handler_lag(&self, _: &Change, _: &str) -> Duration {
        Duration::ZERO
    }
}

/// A token bucket: `burst` calls at once, then `qps` per second. Shared by a whole process (client-go).
#[derive(Debug)]
struct TokenBucket {
    qps: f64,
    burst: f64,
    tokens: f64,
    filled_at: Instant,
}

impl TokenBucket {
    /// Takes a token, if need be one that comes later, and says how long to wait for it.
    fn reserve(&mut self, now: Instant) -> Duration {
        let gained = now.since(self.filled_at).as_secs_f64() * self.qps;
        self.tokens = (self.tokens + gained).min(self.burst) - 1.0;
        self.filled_at = now;
        if self.tokens >= 0.0 { Duration::ZERO } else { Duration::from_secs_f64(-self.tokens / self.qps) }
    }
}

/// A client of the API server in the name of one actor. Clones share the process's rate limit.
#[derive(Clone)]
pub struct Client {
    world: World,
    store: Store,
    timing: Arc<dyn Timing>,
    /// For cert-manager's kinds, and for all others.
    buckets: Option<[Arc<Mutex<TokenBucket>>; 2]>,
    actor: Arc<str>,
    apply: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.actor)
    }
}

impl Client {
    /// A client without a rate limit.
    pub fn new(world: &World, store: &Store, timing: Arc<dyn Timing>, actor: &str) -> Self {
        let (world, store) = (world.clone(), store.clone());
        Client { world, store, timing, buckets: None, actor: actor.into(), apply: false }
    }

    /// With the rate limit of client-go: `qps` per second after a burst; `shared`: one for all kinds, instead of
    /// one for cert-manager's own and one for the others.
    #[must_use]
    pub fn with_rate_limit(mut self, qps: f64, burst: f64, shared: bool) -> Self {
        let filled_at = self.world.monotonic();
        let bucket = || Arc::new(Mutex::new(TokenBucket { qps, burst, tokens: burst, filled_at }));
        let first = bucket();
        let second = if shared { first.clone() } else { bucket() };
        self.buckets = Some([first, second]);
        self
    }

    /// Status writes by server-side apply ([`crate::compat::Compat::server_side_apply`]).
    #[must_use]
    pub fn with_server_side_apply(mut self, apply: bool) -> Self {
        self.apply = apply;
        self
    }

    /// Who the process is.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.store = self.store.as_user(Arc::new(identity));
        self
    }

    /// The same client in the name of another actor.
    #[must_use]
    pub fn as_actor(&self, actor: &str) -> Self {
        Client { actor: actor.into(), ..self.clone() }
    }

    /// Who calls.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    async fn call<T>(
        &self,
        verb: Verb,
        kind: Kind,
        (namespace, name): (&str, &str),
        act: impl FnOnce(&Store) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.turn(kind.group().ends_with("cert-manager.io")).await;
        let call = Call { actor: &self.actor, verb, kind, namespace, name };
        let timing = self.timing.call(&call);
        self.wait(timing.commit).await;
        let result = match self.timing.refusal(&call, self.world.monotonic()) {
            Some(error) => Err(error),
            None => act(&self.store),
        };
        self.timing.answered(&call, result.as_ref().err());
        self.wait(timing.reply).await;
        result
    }

    /// Waits for the turn of a call to the API server that is about none of the stored kinds.
    pub(crate) async fn call_elsewhere(&self) {
        self.turn(false).await;
    }

    async fn turn(&self, own_kind: bool) {
        if let Some([own, others]) = &self.buckets {
            let bucket = if own_kind { own } else { others };
            let now = self.world.monotonic();
            let wait = bucket.lock().unwrap_or_else(PoisonError::into_inner).reserve(now);
            self.wait(wait).await;
        }
    }

    async fn wait(&self, d: Duration) {
        if !d.is_zero() {
            self.world.sleep(d).await;
        }
    }

    fn typed<R: Resource>(object: &Object, key: &ObjectKey) -> Result<Arc<R>, ApiError> {
        let not_found = || ApiError::NotFound { resource: R::KIND.resource(), name: key.name().to_owned() };
        R::from_object(object).cloned().ok_or_else(not_found)
    }

    /// Reads an object from the API server, past the caches.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub async fn get<R: Resource>(&self, key: &ObjectKey) -> Result<Arc<R>, ApiError> {
        let missing = || ApiError::NotFound { resource: R::KIND.resource(), name: key.name().to_owned() };
        let found = |store: &Store| store.get(R::KIND, key).ok_or_else(missing);
        let found = self.call(Verb::Get, R::KIND, (key.namespace(), key.name()), found).await?;
        Self::typed(&found, key)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub async fn create<R: Resource>(&self, object: R) -> Result<Arc<R>, ApiError> {
        let key = object.key();
        let name =
            if key.name().is_empty() { object.meta().generate_name.clone() } else { key.name().to_owned() };
        let object = Arc::new(object).into_object();
        let created =
            self.call(Verb::Create, R::KIND, (key.namespace(), &name), |store| store.create(object)).await?;
        Self::typed(&created, &key)
    }

    /// Replaces an object, except its status.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub async fn update<R: Resource>(&self, object: R) -> Result<Arc<R>, ApiError> {
        let key = object.key();
        let object = Arc::new(object).into_object();
        let updated = self
            .call(Verb::Update, R::KIND, (key.namespace(), key.name()), |store| store.update(object))
            .await?;
        Self::typed(&updated, &key)
    }

    /// Changes some fields of an object, whatever version it has: a merge patch.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none.
    pub async fn patch<R: Resource>(
        &self,
        key: &ObjectKey,
        change: impl FnOnce(&mut R),
    ) -> Result<Arc<R>, ApiError> {
        let patched = self
            .call(Verb::Patch, R::KIND, (key.namespace(), key.name()), |store| {
                store.apply(R::KIND, key, |stored| {
                    let mut object = R::from_object(stored?)?.as_ref().clone();
                    change(&mut object);
                    Some(Arc::new(object).into_object())
                })
            })
            .await?;
        Self::typed(&patched, key)
    }

    /// Writes a status: `change` is what this caller wants of it, applied to `cached`, the object as the
    /// caller read it. The whole object goes to the server, guarded by the resourceVersion that was read; with
    /// server-side apply only the change itself does, on whatever is stored.
    ///
    /// # Errors
    /// As [`Store::update_status`].
    pub async fn update_status<R: Resource>(
        &self,
        cached: &R,
        change: impl Fn(&mut R),
    ) -> Result<Arc<R>, ApiError> {
        let key = cached.key();
        let updated = if self.apply {
            self.call(Verb::Apply, R::KIND, (key.namespace(), key.name()), |store| {
                store.apply(R::KIND, &key, |stored| {
                    let mut object = R::from_object(stored?)?.as_ref().clone();
                    change(&mut object);
                    Some(Arc::new(object).into_object())
                })
            })
            .await?
        } else {
            let mut object = cached.clone();
            change(&mut object);
            let object = Arc::new(object).into_object();
            self.call(Verb::UpdateStatus, R::KIND, (key.namespace(), key.name()), |store| {
                store.update_status(object)
            })
            .await?
        };
        Self::typed(&updated, &key)
    }

    /// Server-side apply: `apply` turns the stored object (or none) into what it is to be, in the fields
    /// that this caller owns.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn apply<R: Resource>(
        &self,
        key: &ObjectKey,
        apply: impl FnOnce(Option<&R>) -> R,
    ) -> Result<Arc<R>, ApiError> {
        let applied = self
            .call(Verb::Apply, R::KIND, (key.namespace(), key.name()), |store| {
                store.apply(R::KIND, key, |stored| {
                    let stored = stored.and_then(R::from_object).map(AsRef::as_ref);
                    Some(Arc::new(apply(stored)).into_object())
                })
            })
            .await?;
        Self::typed(&applied, key)
    }

    /// Server-side apply to an object that is there: `apply` turns the stored object into what it is to be, or finds
    /// that it is not the one that is meant. No object is created.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn apply_existing<R: Resource>(
        &self,
        key: &ObjectKey,
        apply: impl FnOnce(&R) -> Option<R>,
    ) -> Result<Arc<R>, ApiError> {
        let applied = self
            .call(Verb::Apply, R::KIND, (key.namespace(), key.name()), |store| {
                store.apply(R::KIND, key, |stored| {
                    let wanted = apply(R::from_object(stored?)?.as_ref())?;
                    Some(Arc::new(wanted).into_object())
                })
            })
            .await?;
        Self::typed(&applied, key)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// As [`Store::delete`].
    pub async fn delete<R: Resource>(&self, key: &ObjectKey) -> Result<(), ApiError> {
        self.call(Verb::Delete, R::KIND, (key.namespace(), key.name()), |store| store.delete(R::KIND, key))
            .await
            .map(drop)
    }
}

/// Whether a change makes a difference to what was read: a write that makes none is left out.
pub(crate) fn would_change<R: Resource>(cached: &R, change: impl Fn(&mut R)) -> bool {
    let mut changed = cached.clone();
    change(&mut changed);
    changed != *cached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_burst_calls_wait_their_turn() {
        let start = Instant::default();
        let mut bucket = TokenBucket { qps: 20.0, burst: 2.0, tokens: 2.0, filled_at: start };
        let waits: Vec<_> = (0..4).map(|_| bucket.reserve(start).as_millis()).collect();
        assert_eq!(waits, [0, 0, 50, 100]);
        assert_eq!(bucket.reserve(start + Duration::from_secs(60)).as_millis(), 0);
    }
}
