//! The API server's store: objects, optimistic locking by resourceVersion, and watches.
//!
//! Pure state: it is told the time and it never waits, except for the disk if it is kept on one ([`persist`]). What a call costs and how late its event arrives is
//! the business of [`crate::client`] and [`crate::informer`].

mod names;
pub mod persist;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use world::{Instant, World};

use crate::admission::{self, Admission, Identity};
use crate::api::{Kind, Object, ObjectKey, Time};
pub use names::Names;
use persist::{PersistError, StoreFile};

/// Why a call was refused, in the API server's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// 409: the object has another resourceVersion by now.
    #[error(
        "Operation cannot be fulfilled on {resource} {name:?}: the object has been modified; please apply your changes to the latest version and try again"
    )]
    Conflict {
        /// Plural and group.
        resource: String,
        /// Name.
        name: String,
    },
    /// 404.
    #[error("{resource} {name:?} not found")]
    NotFound {
        /// Plural and group.
        resource: String,
        /// Name.
        name: String,
    },
    /// 409 on creation.
    #[error("{resource} {name:?} already exists")]
    AlreadyExists {
        /// Plural and group.
        resource: String,
        /// Name.
        name: String,
    },
    /// 422.
    #[error("{resource} {name:?} is invalid: {why}")]
    Invalid {
        /// Kind and group.
        resource: String,
        /// Name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// 403: cert-manager's webhook lets only some do this.
    #[error("admission webhook \"webhook.cert-manager.io\" denied the request: {why}")]
    Denied {
        /// What is not allowed.
        why: String,
    },
    /// 403: who asks has no right to it.
    #[error("{why}")]
    Forbidden {
        /// To what.
        why: String,
    },
    /// 500: the write could not be kept, and was not made.
    #[error("Internal error occurred: {why}")]
    Internal {
        /// What went wrong.
        why: String,
    },
}

impl ApiError {
    fn conflict(kind: Kind, key: &ObjectKey) -> Self {
        ApiError::Conflict { resource: kind.resource(), name: key.name().to_owned() }
    }

    fn not_found(kind: Kind, key: &ObjectKey) -> Self {
        ApiError::NotFound { resource: kind.resource(), name: key.name().to_owned() }
    }
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeType {
    /// It was created, or it was there when the watch began.
    Added,
    /// It was changed.
    Modified,
    /// It is gone; the change carries its last state.
    Deleted,
}

/// One event of a watch.
#[derive(Debug, Clone)]
pub struct Change {
    /// What happened.
    pub type_: ChangeType,
    /// The object as it is now, or was last.
    pub object: Object,
    /// Its namespace and name.
    pub key: ObjectKey,
    /// When the write was committed.
    pub at: Instant,
}

/// The receiving end of a watch: every change of one kind, in order, none lost.
#[derive(Debug)]
pub struct Watch(mpsc::UnboundedReceiver<Change>);

impl Watch {
    /// The next change; `None` when the store is gone.
    pub async fn next(&mut self) -> Option<Change> {
        self.0.recv().await
    }

    /// The next change that is there already.
    pub fn try_next(&mut self) -> Option<Change> {
        self.0.try_recv().ok()
    }
}

/// A handle on the store. Clones share it.
#[derive(Clone)]
pub struct Store {
    world: World,
    admission: Option<Arc<Admission>>,
    /// In whose name this handle writes.
    user: Option<Arc<Identity>>,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    objects: BTreeMap<(Kind, ObjectKey), Object>,
    version: u64,
    names: Names,
    watches: Vec<(Kind, mpsc::UnboundedSender<Change>)>,
    file: Option<StoreFile>,
}

impl Inner {
    /// The objects of a kind, by namespace and name.
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &Object)> {
        let from = (kind, ObjectKey::default());
        let of_kind = self.objects.range(from..).take_while(move |((k, _), _)| *k == kind);
        of_kind.map(|((_, key), object)| (key, object))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({} objects)", self.lock().objects.len())
    }
}

impl Store {
    /// An empty store at this resourceVersion.
    pub fn new(world: &World, names: Names, version: u64) -> Self {
        let inner = Inner { objects: BTreeMap::new(), version, names, watches: Vec::new(), file: None };
        Store { world: world.clone(), admission: None, user: None, inner: Arc::new(Mutex::new(inner)) }
    }

    /// With an admission that every write through this handle and its clones goes through. Without one the store
    /// takes what it is given.
    #[must_use]
    pub fn with_admission(mut self, admission: Admission) -> Self {
        self.admission = Some(Arc::new(admission));
        self
    }

    /// A handle that writes in the name of a user.
    #[must_use]
    pub fn as_user(&self, user: Arc<Identity>) -> Self {
        Store { user: Some(user), ..self.clone() }
    }

    /// The store that a file has, at the resourceVersion of its last write. From now on every write but those of
    /// Events is in the file before it is answered.
    ///
    /// # Errors
    /// [`PersistError`] when the file cannot be read.
    pub fn open(world: &World, names: Names, file: StoreFile) -> Result<Self, PersistError> {
        let (version, objects) = file.read()?;
        let objects = objects.into_iter().map(|object| ((object.kind(), object.key()), object)).collect();
        let inner = Inner { objects, version, names, watches: Vec::new(), file: Some(file) };
        Ok(Store { world: world.clone(), admission: None, user: None, inner: Arc::new(Mutex::new(inner)) })
    }

    /// Waits until a write could not be kept on disk, and says why. All later ones are refused, too. It waits for
    /// ever where there is no disk.
    pub async fn failure(&self) -> String {
        let failure = self.lock().file.as_ref().map(StoreFile::failure);
        if let Some(mut failure) = failure
            && let Ok(why) = failure.wait_for(Option::is_some).await
        {
            return why.clone().unwrap_or_default();
        }
        std::future::pending().await
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object in as it is, status and times included, as a restored backup would: what a scenario is
    /// given. It gets a resourceVersion, a uid and creation time if it has none, and the defaults that an API server reads
    /// into what it has stored.
    ///
    /// # Errors
    /// [`ApiError::AlreadyExists`].
    pub fn restore(&self, object: Object) -> Result<Object, ApiError> {
        self.insert(match &self.admission {
            Some(admission) => admission.defaulted(object),
            None => object,
        })
    }

    /// Creates an object. The server sets name (from `generateName`), uid, creation time and resourceVersion,
    /// and drops a status that is written apart.
    ///
    /// # Errors
    /// [`ApiError::AlreadyExists`]; [`ApiError::Invalid`] without any name, or when the admission refuses it.
    pub fn create(&self, object: Object) -> Result<Object, ApiError> {
        let object = object.without_status().with_meta(|m| {
            m.uid.clear();
            m.creation_timestamp = None;
            m.deletion_timestamp = None;
            m.generation = 1;
        });
        let object = match &self.user {
            Some(user) => admission::identified(object, user),
            None => object,
        };
        let Some(admission) = &self.admission else { return self.insert(object) };
        let object = admission.defaulted(object);
        admission.create(&object)?;
        self.insert(object)
    }

    fn insert(&self, object: Object) -> Result<Object, ApiError> {
        let now = self.world.now();
        let mut inner = self.lock();
        let kind = object.kind();
        let object = object.with_meta(|m| {
            if m.name.is_empty() && !m.generate_name.is_empty() {
                m.name = format!("{}{}", m.generate_name, inner.names.suffix(kind));
            }
            if m.uid.is_empty() {
                m.uid = inner.names.uid();
            }
            m.creation_timestamp.get_or_insert(Time::new(now));
        });
        let key = object.key();
        if key.name().is_empty() {
            let why = "metadata.name: Required value: name or generateName is required".to_owned();
            return Err(ApiError::Invalid { resource: kind.qualified(), name: String::new(), why });
        }
        if inner.objects.contains_key(&(kind, key.clone())) {
            return Err(ApiError::AlreadyExists { resource: kind.resource(), name: key.name().to_owned() });
        }
        self.commit(&mut inner, ChangeType::Added, object)
    }

    /// Replaces all but the status. When the object is being deleted and its last finalizer goes, it goes.
    ///
    /// # Errors
    /// [`ApiError::NotFound`]; [`ApiError::Conflict`] when it carries a resourceVersion that is not the stored one;
    /// [`ApiError::Invalid`] or [`ApiError::Denied`] when the admission refuses it.
    pub fn update(&self, object: Object) -> Result<Object, ApiError> {
        self.replace(object, |stored, new| {
            let (meta, own) = (stored.meta().clone(), new.meta().clone());
            let new = new.with_status_of(stored).with_meta(|m| m.clone_from(&meta));
            let spec_changed = new != *stored;
            new.with_meta(|m| {
                *m = own;
                m.uid = meta.uid;
                m.creation_timestamp = meta.creation_timestamp;
                m.deletion_timestamp = meta.deletion_timestamp;
                m.generation = meta.generation + i64::from(spec_changed);
            })
        })
    }

    /// Replaces the status alone.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub fn update_status(&self, object: Object) -> Result<Object, ApiError> {
        self.replace(object, |stored, new| stored.clone().with_status_of(&new))
    }

    /// Changes the stored object by `apply`, whatever version it has: server-side apply of a caller's own fields.
    /// `apply` gets the stored object, or `None` when there is none, and returns what it is to be.
    ///
    /// # Errors
    /// [`ApiError::NotFound`] when there is none and `apply` makes none.
    pub fn apply(
        &self,
        kind: Kind,
        key: &ObjectKey,
        apply: impl FnOnce(Option<&Object>) -> Option<Object>,
    ) -> Result<Object, ApiError> {
        let stored = self.get(kind, key);
        let wanted = apply(stored.as_ref()).ok_or_else(|| ApiError::not_found(kind, key))?;
        match stored {
            None => self.create(wanted),
            Some(stored) => {
                let version = stored.meta().resource_version;
                let wanted = wanted.with_meta(|m| m.resource_version = version);
                self.replace(wanted, |_, new| new)
            }
        }
    }

    fn replace(
        &self,
        object: Object,
        merge: impl FnOnce(&Object, Object) -> Object,
    ) -> Result<Object, ApiError> {
        let mut inner = self.lock();
        let (kind, key) = (object.kind(), object.key());
        let stored = inner.objects.get(&(kind, key.clone())).cloned();
        let stored = stored.ok_or_else(|| ApiError::not_found(kind, &key))?;
        let version = object.meta().resource_version;
        if version != 0 && version != stored.meta().resource_version {
            return Err(ApiError::conflict(kind, &key));
        }
        let object = match &self.admission {
            Some(admission) => admission.defaulted(object),
            None => object,
        };
        let new = merge(&stored, object);
        let new = new.with_meta(|m| m.resource_version = stored.meta().resource_version);
        if new == stored {
            // A write that changes nothing makes no version and no event.
            return Ok(stored);
        }
        if let Some(admission) = &self.admission {
            admission.update(self.user.as_deref(), &stored, &new)?;
        }
        if new.meta().deletion_timestamp.is_some() && new.meta().finalizers.is_empty() {
            return self.commit(&mut inner, ChangeType::Deleted, new);
        }
        self.commit(&mut inner, ChangeType::Modified, new)
    }

    /// Deletes an object; while it has finalizers it is only marked.
    ///
    /// # Errors
    /// [`ApiError::NotFound`].
    pub fn delete(&self, kind: Kind, key: &ObjectKey) -> Result<Object, ApiError> {
        let now = self.world.now();
        let mut inner = self.lock();
        let stored = inner.objects.get(&(kind, key.clone())).cloned();
        let stored = stored.ok_or_else(|| ApiError::not_found(kind, key))?;
        if stored.meta().finalizers.is_empty() {
            return self.commit(&mut inner, ChangeType::Deleted, stored);
        }
        if stored.meta().deletion_timestamp.is_some() {
            return Ok(stored);
        }
        let marked = stored.with_meta(|m| m.deletion_timestamp = Some(Time::new(now)));
        self.commit(&mut inner, ChangeType::Modified, marked)
    }

    /// The stored object.
    pub fn get(&self, kind: Kind, key: &ObjectKey) -> Option<Object> {
        self.lock().objects.get(&(kind, key.clone())).cloned()
    }

    /// All stored objects of a kind, by namespace and name.
    pub fn list(&self, kind: Kind) -> Vec<Object> {
        self.lock().of_kind(kind).map(|(_, object)| object.clone()).collect()
    }

    /// All stored objects.
    pub fn all(&self) -> Vec<Object> {
        self.lock().objects.values().cloned().collect()
    }

    /// Watches a kind: first every object that is there, as added, then every change.
    pub fn watch(&self, kind: Kind) -> Watch {
        let at = self.world.monotonic();
        let mut inner = self.lock();
        let (sender, receiver) = mpsc::unbounded_channel();
        for (key, object) in inner.of_kind(kind) {
            let (key, object) = (key.clone(), object.clone());
            // The receiver is right here.
            let _ = sender.send(Change { type_: ChangeType::Added, object, key, at });
        }
        inner.watches.push((kind, sender));
        Watch(receiver)
    }

    /// Makes a change, and tells those who watch: all of it, or nothing.
    fn commit(&self, inner: &mut Inner, type_: ChangeType, object: Object) -> Result<Object, ApiError> {
        let version = inner.version + 1;
        let object = object.with_meta(|m| m.resource_version = version);
        if let Some(file) = &inner.file {
            file.write(type_, &object).map_err(|error| ApiError::Internal { why: error.to_string() })?;
        }
        inner.version = version;
        let key = object.key();
        let id = (object.kind(), key.clone());
        match type_ {
            ChangeType::Deleted => inner.objects.remove(&id),
            ChangeType::Added | ChangeType::Modified => inner.objects.insert(id, object.clone()),
        };
        let change = Change { type_, object: object.clone(), key, at: self.world.monotonic() };
        // A watch whose receiver is gone is forgotten.
        inner.watches.retain(|(kind, sender)| *kind != object.kind() || sender.send(change.clone()).is_ok());
        Ok(object)
    }
}
