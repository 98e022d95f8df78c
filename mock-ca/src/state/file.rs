//! The database file: tables of bytes, written a transaction at a time.

use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{BackendError, Database, ReadableDatabase as _, ReadableTable as _, StorageBackend};
use redb::{StorageError, TableDefinition};

use super::directory::Directory;
use super::rows::{Batch, TableName};
use super::{Durability, StateError};

/// The form of the rows. A later one has a way to bring this one up to date.
const SCHEMA: u32 = 1;
/// Its place among the facts about the file.
const SCHEMA_KEY: &[u8] = b"schema";
/// How often the file was opened.
const GENERATION_KEY: &[u8] = b"generation";
/// What the database may keep in memory: the rows are there already.
const CACHE_BYTES: usize = 4 << 20;

/// An open database.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
    database: Database,
}

fn table(name: TableName) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(name.as_str())
}

impl StateFile {
    /// Opens the database of a directory, or makes it.
    pub(super) fn open(
        directory: &Directory,
        durability: Durability,
        faults: &Faults,
    ) -> Result<Self, StateError> {
        let path = directory.database();
        if !path.try_exists().map_err(super::at(&path))? {
            directory.make_file(&path, |file, new| {
                let file = Self::over(new, file, Durability::Machine, &Faults::default())?;
                file.write(&Batch::of(TableName::Facts, SCHEMA_KEY, SCHEMA.to_be_bytes().to_vec()))
            })?;
        }
        let file = world::files::open(&path)?;
        if file.metadata().map_err(super::at(&path))?.len() == 0 {
            return Err(StateError::Damaged { path, what: "the file is empty".to_owned() });
        }
        let file = Self::over(&path, file, durability, faults)?;
        match file.fact(SCHEMA_KEY)?.map(|bytes| <[u8; 4]>::try_from(bytes.as_slice())) {
            Some(Ok(bytes)) => match u32::from_be_bytes(bytes) {
                found if found > SCHEMA => Err(StateError::Newer { path, found, known: SCHEMA }),
                _ => Ok(file),
            },
            _ => Err(StateError::Damaged { path, what: "it does not say which schema it has".to_owned() }),
        }
    }

    fn over(path: &Path, file: File, durability: Durability, faults: &Faults) -> Result<Self, StateError> {
        let damaged = |what: String| StateError::Damaged { path: path.to_owned(), what };
        let open = || {
            let backend = FileBackend::new(file)?;
            let backend = Backend { file: backend, durability, faults: faults.clone() };
            let mut builder = Database::builder();
            builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
            builder.create_with_backend(backend)
        };
        // Of a file that somebody else has written into, the database may panic.
        match catch_unwind(AssertUnwindSafe(open)) {
            Ok(Ok(database)) => Ok(StateFile { path: path.to_owned(), database }),
            Ok(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => {
                Err(StateError::InUse { path: path.to_owned() })
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

    /// Counts this opening. The first one is 0.
    pub(super) fn next_generation(&self) -> Result<u64, StateError> {
        let last = self.fact(GENERATION_KEY)?;
        let last = last.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()).map(u64::from_be_bytes);
        let generation = last.map_or(0, |last| last.saturating_add(1));
        self.write(&Batch::of(TableName::Facts, GENERATION_KEY, generation.to_be_bytes().to_vec()))?;
        Ok(generation)
    }

    /// Shows every row of a table, by key.
    pub(super) fn read(
        &self,
        name: TableName,
        mut row: impl FnMut(&[u8], &[u8]) -> Result<(), String>,
    ) -> Result<(), StateError> {
        let mut wrong = None;
        let visited = self.visit(name, |key, value| {
            wrong = row(key, value).err();
            wrong.is_none()
        });
        visited.map_err(|error| failed(&self.path, error))?;
        match wrong {
            None => Ok(()),
            Some(what) => {
                let what = format!("{}: {what}", name.as_str());
                Err(StateError::Damaged { path: self.path.clone(), what })
            }
        }
    }

    /// Shows rows until `row` has seen enough.
    fn visit(&self, name: TableName, mut row: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), redb::Error> {
        let transaction = self.database.begin_read()?;
        let table = match transaction.open_table(table(name)) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table?,
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            if !row(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    /// Writes all of these rows, or none.
    pub(super) fn write(&self, batch: &Batch) -> Result<(), StateError> {
        // Who waits for a transaction must hear of it, also when the database panics.
        match catch_unwind(AssertUnwindSafe(|| self.commit(batch))) {
            Ok(written) => written.map_err(|error| failed(&self.path, error)),
            Err(_) => {
                let what = "the database panicked while writing".to_owned();
                Err(StateError::Damaged { path: self.path.clone(), what })
            }
        }
    }

    fn commit(&self, batch: &Batch) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        for (name, rows) in batch.tables() {
            let mut table = transaction.open_table(table(name))?;
            for (key, value) in rows {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_slice())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
        }
        Ok(transaction.commit()?)
    }

    fn fact(&self, wanted: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let mut found = None;
        self.read(TableName::Facts, |key, value| {
            if key == wanted {
                found = Some(value.to_vec());
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn failed(path: &Path, error: impl Into<redb::Error>) -> StateError {
    StateError::Database { path: path.to_owned(), source: Box::new(error.into()) }
}

/// Lets a test take the disk away.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(#[cfg(test)] pub(super) std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Faults {
    #[cfg(test)]
    fn check(&self) -> std::io::Result<()> {
        match self.0.load(std::sync::atomic::Ordering::Acquire) {
            true => Err(std::io::Error::other("no space left on the test's device")),
            false => Ok(()),
        }
    }

    #[cfg(not(test))]
    fn check(&self) -> std::io::Result<()> {
        let Faults() = self;
        Ok(())
    }
}

/// A file that is synced only when the machine's end matters.
#[derive(Debug)]
struct Backend {
    file: FileBackend,
    durability: Durability,
    faults: Faults,
}

impl StorageBackend for Backend {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.faults.check()?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> std::io::Result<()> {
        self.faults.check()?;
        match self.durability {
            Durability::Machine => self.file.sync_data(),
            Durability::Process => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.faults.check()?;
        self.file.write(offset, data)
    }

    fn close(&self) -> std::io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
