//! Informers: a cache per kind, fed by a watch, and the event handlers behind it.
//!
//! Between a write and what a controller knows of it lie two lags. The *lister lag* ends when the cache
//! shows the change; the *handler lag* ends when a controller's handler runs and puts a key into its queue.
//! They differ, as in client-go, where handlers have goroutines of their own behind the indexer; a model with
//! one lag cannot give a conflict on a stale read without also repeating what the stale reader did before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use indexmap::IndexMap;
use tokio::sync::mpsc;
use world::{Instant, World};

use crate::api::{Kind, Object, ObjectKey, Resource};
use crate::client::Timing;
use crate::keyed::{Hasher, Keyed};
use crate::store::{Change, ChangeType, Store};

/// The cached objects of one kind, each with its place in the order of first sight, and the indexes over them.
struct Cached {
    objects: IndexMap<ObjectKey, (u64, Object), Hasher>,
    seen: u64,
    indexes: Vec<Index>,
}

/// The value of an object in an index, if it has one.
type Of = Box<dyn Fn(&Object) -> Option<String> + Send + Sync>;

/// Finds the objects that have a value: their keys, by what `of` says of each.
struct Index {
    name: &'static str,
    of: Of,
    keys: Keyed<String, Vec<ObjectKey>>,
}

/// Name of the index that every cache has: the uid of the controller.
const BY_OWNER: &str = "metadata.ownerReferences";

impl Default for Cached {
    fn default() -> Self {
        let owner = |object: &Object| object.meta().controller().map(|owner| owner.uid.clone());
        let by_owner = Index { name: BY_OWNER, of: Box::new(owner), keys: Keyed::default() };
        Cached { objects: IndexMap::default(), seen: 0, indexes: vec![by_owner] }
    }
}

impl Index {
    /// Takes over that `new` is in the place of `old`.
    fn follow(&mut self, key: &ObjectKey, old: Option<&Object>, new: Option<&Object>) {
        let (old, new) = (old.and_then(&self.of), new.and_then(&self.of));
        if old == new {
            return;
        }
        if let Some(value) = old
            && let Some(keys) = self.keys.get_mut(&value)
        {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.keys.remove(&value);
            }
        }
        if let Some(value) = new {
            self.keys.or_default(value).push(key.clone());
        }
    }
}

impl Cached {
    fn put(&mut self, key: &ObjectKey, object: Object) -> Option<Object> {
        self.seen += 1;
        let old = match self.objects.get_mut(key) {
            // What is there when a process starts is listed first, and then it is news.
            Some((_, old)) if old.is(&object) => return Some(object),
            Some((_, old)) => Some(std::mem::replace(old, object.clone())),
            None => {
                self.objects.insert(key.clone(), (self.seen, object.clone()));
                None
            }
        };
        for index in &mut self.indexes {
            index.follow(key, old.as_ref(), Some(&object));
        }
        old
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Object> {
        let (_, old) = self.objects.swap_remove(key)?;
        for index in &mut self.indexes {
            index.follow(key, Some(&old), None);
        }
        Some(old)
    }

    /// The objects with this value in this index, in the order of first sight.
    fn indexed(&self, name: &str, value: &str) -> Vec<(&ObjectKey, &Object)> {
        let keys =
            self.indexes.iter().find(|index| index.name == name).and_then(|index| index.keys.get(value));
        let mut found: Vec<_> =
            keys.into_iter().flatten().filter_map(|key| Some((key, self.objects.get(key)?))).collect();
        found.sort_by_key(|(_, (seen, _))| *seen);
        found.into_iter().map(|(key, (_, object))| (key, object)).collect()
    }
}

type Cache = Arc<Mutex<Cached>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a handler is told: the change, and the object before it if there was one.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The change.
    pub change: Change,
    /// The object as the cache had it before.
    pub old: Option<Object>,
    owner: OnceLock<Option<(String, ObjectKey)>>,
}

impl Notice {
    fn new(change: Change, old: Option<Object>) -> Self {
        Notice { change, old, owner: OnceLock::new() }
    }

    /// Who controls the object: the kind, and the key. Looked up once for all handlers.
    pub(crate) fn owner(&self) -> Option<&(String, ObjectKey)> {
        let look = || {
            let meta = self.change.object.meta();
            let owner = meta.controller()?;
            Some((owner.kind.clone(), ObjectKey::new(&meta.namespace, &owner.name)))
        };
        self.owner.get_or_init(look).as_ref()
    }
}

type Handler = Box<dyn Fn(&Notice) + Send + Sync>;

struct Registered {
    controller: String,
    handler: Handler,
}

/// What is told of an object that has left the cache.
type Leaver = Box<dyn Fn(&Object) + Send + Sync>;

/// The informers of one process, one per kind, shared by its controllers.
pub struct Informers {
    world: World,
    store: Store,
    timing: Arc<dyn Timing>,
    caches: BTreeMap<Kind, Cache>,
    handlers: Mutex<BTreeMap<Kind, Vec<Registered>>>,
    leavers: Mutex<BTreeMap<Kind, Leaver>>,
}

impl std::fmt::Debug for Informers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Informers")
    }
}

/// Read access to one kind's cache. What it returns may be stale; that is the point.
pub struct Lister<R> {
    cache: Cache,
    kind: std::marker::PhantomData<fn() -> R>,
}

impl<R> Clone for Lister<R> {
    fn clone(&self) -> Self {
        Lister { cache: self.cache.clone(), kind: std::marker::PhantomData }
    }
}

impl<R> std::fmt::Debug for Lister<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lister")
    }
}

impl<R: Resource> Lister<R> {
    /// The cached object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<R>> {
        lock(&self.cache).objects.get(key).and_then(|(_, object)| R::from_object(object)).cloned()
    }

    /// The cached objects that pass `filter`, in the order in which the cache first saw them. (In Go the order
    /// is that of a map, which is any order.)
    pub fn list(&self, filter: impl Fn(&R) -> bool) -> Vec<Arc<R>> {
        let cache = lock(&self.cache);
        let typed = cache.objects.values().filter_map(|(n, object)| Some((*n, R::from_object(object)?)));
        let mut found: Vec<_> = typed.filter(|(_, o)| filter(o)).map(|(n, o)| (n, o.clone())).collect();
        found.sort_by_key(|(n, _)| *n);
        found.into_iter().map(|(_, o)| o).collect()
    }

    /// The keys of the cached objects that pass `filter`, in the same order.
    pub(crate) fn keys(&self, filter: impl Fn(&R) -> bool) -> Vec<ObjectKey> {
        let cache = lock(&self.cache);
        let passing = cache.objects.iter().filter(|(_, (_, o))| R::from_object(o).is_some_and(|o| filter(o)));
        let mut found: Vec<_> = passing.map(|(key, (n, _))| (*n, key.clone())).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, key)| key).collect()
    }

    /// The cached objects that `owner` (a uid) controls in `namespace`.
    pub fn owned_by(&self, namespace: &str, owner: &str) -> Vec<Arc<R>> {
        let mut owned = self.indexed(BY_OWNER, owner);
        owned.retain(|o| o.meta().namespace == namespace);
        owned
    }

    /// Keeps an index over the cache from now on: what `of` says of an object is a value by which
    /// [`Lister::indexed`] finds it. An index of a name that is there already is kept as it is.
    pub fn index(&self, name: &'static str, of: impl Fn(&R) -> Option<String> + Send + Sync + 'static) {
        let mut cache = lock(&self.cache);
        if cache.indexes.iter().any(|index| index.name == name) {
            return;
        }
        let of = Box::new(move |object: &Object| of(R::from_object(object)?));
        let mut index = Index { name, of, keys: Keyed::default() };
        for (key, (_, object)) in &cache.objects {
            index.follow(key, None, Some(object));
        }
        cache.indexes.push(index);
    }

    /// The cached objects with this value in the index of this name, in the order in which the cache first saw them.
    pub fn indexed(&self, name: &str, value: &str) -> Vec<Arc<R>> {
        let cache = lock(&self.cache);
        let found = cache.indexed(name, value).into_iter();
        found.filter_map(|(_, object)| R::from_object(object)).cloned().collect()
    }

    /// Their keys.
    pub(crate) fn indexed_keys(&self, name: &str, value: &str) -> Vec<ObjectKey> {
        lock(&self.cache).indexed(name, value).into_iter().map(|(key, _)| key.clone()).collect()
    }
}

impl Informers {
    /// Informers over `store`; they start with [`Informers::start`].
    pub fn new(world: &World, store: &Store, timing: Arc<dyn Timing>) -> Self {
        Informers {
            world: world.clone(),
            store: store.clone(),
            timing,
            caches: Kind::ALL.iter().map(|kind| (*kind, Cache::default())).collect(),
            handlers: Mutex::default(),
            leavers: Mutex::default(),
        }
    }

    /// Read access to the cache of `R`. Before [`Informers::start`].
    pub fn lister<R: Resource>(&self) -> Lister<R> {
        // Who reads a cache wants it followed, whether or not anybody handles its events.
        lock(&self.handlers).entry(R::KIND).or_default();
        let cache = self.caches.get(&R::KIND).cloned().unwrap_or_default();
        Lister { cache, kind: std::marker::PhantomData }
    }

    /// Registers what `controller` does on a change of `kind`. Before [`Informers::start`].
    pub fn on(&self, kind: Kind, controller: &str, handler: impl Fn(&Notice) + Send + Sync + 'static) {
        let registered = Registered { controller: controller.to_owned(), handler: Box::new(handler) };
        lock(&self.handlers).entry(kind).or_default().push(registered);
    }

    /// What is done when an object of `kind` leaves the cache, before any handler knows: who keeps something beside the
    /// cache drops it. One for each kind; before [`Informers::start`].
    pub(crate) fn on_leaving(&self, kind: Kind, leaver: impl Fn(&Object) + Send + Sync + 'static) {
        lock(&self.leavers).insert(kind, Box::new(leaver));
    }

    /// Fills the caches and starts to follow the store. Every object that is there becomes an `Added` notice in
    /// every handler, as at the start of any process; caches are complete when this returns.
    pub fn start(&self) {
        for (kind, handlers) in std::mem::take(&mut *lock(&self.handlers)) {
            let watch = self.store.watch(kind);
            if let Some(cache) = self.caches.get(&kind) {
                for object in self.store.list(kind) {
                    lock(cache).put(&object.key(), object);
                }
                self.follow(kind, cache.clone(), watch, handlers);
            }
        }
    }

    fn follow(&self, kind: Kind, cache: Cache, mut watch: crate::store::Watch, handlers: Vec<Registered>) {
        let mut outlets = Vec::new();
        for Registered { controller, handler } in handlers {
            let (sender, receiver) = mpsc::unbounded_channel();
            outlets.push(sender);
            let name = format!("informer {kind} handler of {controller}");
            let task = deliver(self.world.clone(), self.timing.clone(), controller, handler, receiver);
            self.world.spawn(&name, task);
        }
        let (world, timing) = (self.world.clone(), self.timing.clone());
        let leaver = lock(&self.leavers).remove(&kind);
        self.world.spawn(&format!("informer {kind}"), async move {
            while let Some(change) = watch.next().await {
                let lag = timing.lister_lag(&change);
                world.sleep_until(change.at + lag).await;
                let old = match change.type_ {
                    ChangeType::Deleted => lock(&cache).remove(&change.key),
                    _ => lock(&cache).put(&change.key, change.object.clone()),
                };
                if let (ChangeType::Deleted, Some(leaver)) = (change.type_, &leaver) {
                    leaver(&change.object);
                }
                let notice = Arc::new(Notice::new(change, old));
                // Without a handler there is nobody to tell.
                outlets.retain(|outlet| outlet.send(notice.clone()).is_ok());
            }
        });
    }
}

/// Hands notices to one handler, in order, each not before its handler lag.
async fn deliver(
    world: World,
    timing: Arc<dyn Timing>,
    controller: String,
    handler: Handler,
    mut notices: mpsc::UnboundedReceiver<Arc<Notice>>,
) {
    let mut last = Instant::default();
    while let Some(notice) = notices.recv().await {
        let due = notice.change.at + timing.handler_lag(&notice.change, &controller);
        last = last.max(due);
        world.sleep_until(last).await;
        handler(&notice);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::{OwnerReference, Secret};

    fn secret(name: u8, owner: u8) -> Object {
        let mut secret = Secret::default();
        secret.metadata.name = name.to_string();
        secret.type_ = format!("type {}", owner % 2);
        if owner > 0 {
            let uid = owner.to_string();
            let reference = OwnerReference { uid, controller: Some(true), ..OwnerReference::default() };
            secret.metadata.owner_references.push(reference);
        }
        Object::from(secret)
    }

    proptest! {
        /// Whatever is put and removed: an index finds what a look at every object finds, in the same order.
        #[test]
        fn an_index_finds_what_a_scan_finds(changes in proptest::collection::vec((0..6_u8, 0..4_u8, any::<bool>()), 0..60)) {
            let cache = Cache::default();
            let lister: Lister<Secret> = Lister { cache: cache.clone(), kind: std::marker::PhantomData };
            let half = changes.len() / 2;
            for (n, (name, owner, put)) in changes.into_iter().enumerate() {
                if n == half {
                    lister.index("type", |s: &Secret| Some(s.type_.clone()));
                }
                let object = secret(name, owner);
                if put {
                    lock(&cache).put(&object.key(), object);
                } else {
                    lock(&cache).remove(&object.key());
                }
                for owner in ["1", "2", "3"] {
                    let scan = lister.list(|s| s.metadata.is_controlled_by(owner));
                    prop_assert_eq!(lister.owned_by("", owner), scan);
                }
                let scan = lister.list(|s| s.type_ == "type 1");
                if n >= half {
                    prop_assert_eq!(lister.indexed("type", "type 1"), scan);
                }
            }
        }
    }
}
