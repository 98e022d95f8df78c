//! The store on disk: every object but Events in one file of an embedded database, for an engine outside of a
//! cluster.
//!
//! A write is in the file, and the file is synced, before anybody hears of it: who was told that a write was done
//! finds it after a crash at any moment. The writer waits for the disk, under the lock of the store; the rate limit
//! of the engine's client (20 calls per second) is far below what a disk takes. Events live in memory: an API
//! server forgets them within the hour, too.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition};
use serde_json::Value;
use tokio::sync::watch;
use world::files::{self, FileError};

use super::ChangeType;
use crate::api::{Kind, Object};

/// Objects as JSON, by kind, namespace and name.
const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
/// Numbers about the file.
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("facts");
/// The form of the rows.
const SCHEMA_KEY: &str = "schema";
const SCHEMA: u64 = 1;
/// The resourceVersion of the last write.
const VERSION_KEY: &str = "resourceVersion";
/// What the database may keep in memory: the objects are there already.
const CACHE_BYTES: usize = 1 << 20;

/// A store's file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// A file or directory that the system does not give.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the store open.
    #[error("{}: another process uses this store", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The file is no store, or was damaged. It is left as it is.
    #[error("{}: this is no store of Rehearse, or it is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that shows.
        what: String,
    },
    /// The file was written by a later release. It is left as it is.
    #[error("{}: written by a later release (schema {found}; this one knows {SCHEMA})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u64,
    },
    /// The database failed.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// How.
        source: Box<redb::Error>,
    },
}

impl From<FileError> for PersistError {
    fn from(FileError { path, source }: FileError) -> Self {
        PersistError::Io { path, source }
    }
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> PersistError {
    move |source| PersistError::Io { path: path.to_owned(), source }
}

/// The open file of a store. One process at a time has it.
#[derive(Debug)]
pub struct StoreFile {
    path: PathBuf,
    database: Database,
    failure: watch::Sender<Option<String>>,
    /// Ends with the process, however that ends.
    _lock: File,
}

impl StoreFile {
    /// Opens the store in `directory`, or makes it: the directory for its owner alone, the file too.
    ///
    /// # Errors
    /// [`PersistError`]; a file that cannot be read is not touched.
    pub fn open(directory: &Path) -> Result<Self, PersistError> {
        files::directory(directory)?;
        let in_use = || PersistError::InUse { path: directory.to_owned() };
        let lock = files::lock(directory)?.ok_or_else(in_use)?;
        let path = directory.join("store.redb");
        if !path.try_exists().map_err(at(&path))? {
            make(directory, &path)?;
        }
        let file = files::open(&path)?;
        let damaged = |what: &str| PersistError::Damaged { path: path.clone(), what: what.to_owned() };
        if file.metadata().map_err(at(&path))?.len() == 0 {
            return Err(damaged("the file is empty"));
        }
        let database = database(&path, file)?;
        let schema = fact(&database, SCHEMA_KEY).map_err(|e| failed(&path, e))?;
        match schema {
            None => Err(damaged("it does not say which schema it has")),
            Some(found) if found > SCHEMA => Err(PersistError::Newer { path, found }),
            Some(_) => Ok(StoreFile { path, database, failure: watch::Sender::default(), _lock: lock }),
        }
    }

    /// Everything in it: the last resourceVersion, and the objects.
    pub(super) fn read(&self) -> Result<(u64, Vec<Object>), PersistError> {
        let version = fact(&self.database, VERSION_KEY).map_err(|e| failed(&self.path, e))?;
        let mut rows = Vec::new();
        self.visit(|key, value| rows.push((key.to_owned(), value.to_vec())))
            .map_err(|e| failed(&self.path, e))?;
        let mut objects = Vec::new();
        for (key, value) in rows {
            objects.push(decode(&key, &value).map_err(|what| PersistError::Damaged {
                path: self.path.clone(),
                what: format!("{key}: {what}"),
            })?);
        }
        Ok((version.unwrap_or_default(), objects))
    }

    fn visit(&self, mut row: impl FnMut(&str, &[u8])) -> Result<(), redb::Error> {
        let transaction = self.database.begin_read()?;
        let table = match transaction.open_table(OBJECTS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            row(key.value(), value.value());
        }
        Ok(())
    }

    /// Writes one change; when this returns it is on disk. After an error the store can only be opened again.
    pub(super) fn write(&self, change: ChangeType, object: &Object) -> Result<(), PersistError> {
        if object.kind() == Kind::Event {
            return Ok(());
        }
        // Who waits for the write must hear of it, also when the database panics.
        let written = match catch_unwind(AssertUnwindSafe(|| self.commit(change, object))) {
            Ok(written) => written.map_err(|error| failed(&self.path, error)),
            Err(_) => {
                let what = "the database panicked while writing".to_owned();
                Err(PersistError::Damaged { path: self.path.clone(), what })
            }
        };
        if let Err(error) = &written {
            self.failure.send_replace(Some(error.to_string()));
        }
        written
    }

    fn commit(&self, change: ChangeType, object: &Object) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            let key = row_key(object);
            match change {
                ChangeType::Deleted => drop(objects.remove(key.as_str())?),
                ChangeType::Added | ChangeType::Modified => {
                    drop(objects.insert(key.as_str(), object.to_json().to_string().as_bytes())?);
                }
            }
            let mut facts = transaction.open_table(FACTS)?;
            facts.insert(VERSION_KEY, object.meta().resource_version)?;
        }
        Ok(transaction.commit()?)
    }

    /// Hears of the first write that failed.
    pub(super) fn failure(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> PersistError {
    PersistError::Database { path: path.to_owned(), source: Box::new(error.into()) }
}

fn row_key(object: &Object) -> String {
    let key = object.key();
    format!("{}/{}/{}", object.kind(), key.namespace(), key.name())
}

/// An object as it was written, under the key that it must have.
fn decode(key: &str, value: &[u8]) -> Result<Object, String> {
    let kind = key.split('/').next().unwrap_or_default().parse::<Kind>().map_err(|e| e.to_string())?;
    let mut json: Value = serde_json::from_slice(value).map_err(|e| e.to_string())?;
    if let Value::Object(fields) = &mut json {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    let object = Object::deserialize_as(kind, json).map_err(|e| e.to_string())?;
    if row_key(&object) == key { Ok(object) } else { Err("it is under another object's key".to_owned()) }
}

fn database(path: &Path, file: File) -> Result<Database, PersistError> {
    let damaged = |what: String| PersistError::Damaged { path: path.to_owned(), what };
    let open = || {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
        builder.create_with_backend(FileBackend::new(file)?)
    };
    // Of a file that somebody else has written into, the database may panic.
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => {
            Err(PersistError::InUse { path: path.to_owned() })
        }
        Ok(Err(redb::DatabaseError::Storage(StorageError::Corrupted(what)))) => Err(damaged(what)),
        Ok(Err(redb::DatabaseError::Storage(StorageError::Io(error))))
            if error.kind() == std::io::ErrorKind::InvalidData =>
        {
            Err(damaged(error.to_string()))
        }
        Ok(Err(error)) => Err(failed(path, error)),
        Err(_) => Err(damaged("the database cannot be read".to_owned())),
    }
}

fn fact(database: &Database, key: &str) -> Result<Option<u64>, redb::Error> {
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(FACTS) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        table => table?,
    };
    Ok(table.get(key)?.map(|value| value.value()))
}

/// Makes the file: it is there whole, or not at all.
fn make(directory: &Path, path: &Path) -> Result<(), PersistError> {
    let new = path.with_extension("new");
    let file = files::create(&new)?;
    let database = database(&new, file)?;
    let write = || -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        transaction.open_table(FACTS)?.insert(SCHEMA_KEY, SCHEMA)?;
        Ok(transaction.commit()?)
    };
    write().map_err(|e| failed(&new, e))?;
    drop(database);
    Ok(files::rename(directory, [(new.as_path(), path)])?)
}
