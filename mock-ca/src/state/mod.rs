//! What outlives the process: accounts, orders, authorizations, certificates, promises, rate limits and the
//! CA's keys, in one file of an embedded database.
//!
//! All of it is in memory too ([`crate::db`]), and requests are decided there. Under the lock of the state,
//! the rows that a decision has changed are handed to the store as one transaction; the answer waits until
//! it is on disk. Transactions that come while one is being written are written together. So an answer that
//! was given holds after a crash, also one that only showed what another request had just changed.
//!
//! | where | who writes |
//! |---|---|
//! | real world | a thread of the store's own: the runtime's never wait for a disk |
//! | simulated world | the caller, at once: a simulation has one thread |
//!
//! Nonces are not kept. Those from before a restart are refused with `badNonce`, and clients try again.
//!
//! **Invariant:** what the file has is at every moment the state between two decisions.

mod directory;
mod file;
mod rows;
mod secrets;
mod store;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use world::World;
use world::files::FileError;

pub(crate) use rows::Loaded;
pub(crate) use secrets::Secrets;
pub(crate) use store::{Lost, Opened, Since, Store};

/// Where a CA keeps its state, and how safely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateDir {
    /// A directory, which is made if there is none. One process at a time can use it.
    pub path: PathBuf,
    /// What an answer is safe from.
    pub durability: Durability,
}

/// What an answer that was given is safe from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, and of the machine: each transaction waits for the disk.
    #[default]
    Machine,
    /// The end of the process, by `kill -9` too: transactions are handed to the operating system.
    Process,
}

impl StateDir {
    /// This directory, safe from all that the disk survives.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        StateDir { path: path.into(), durability: Durability::default() }
    }
}

/// The state could not be read, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or a directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("{}: another process is using this state directory", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error("{}: written by a later version (schema {found}; this one reads up to {known}): nothing was changed", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The latest that is known.
        known: u32,
    },
    /// It is not what was written.
    #[error("{}: damaged, and left as it is: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The database failed.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}

impl From<FileError> for StateError {
    fn from(FileError { path, source }: FileError) -> Self {
        StateError::Io { path, source }
    }
}

/// Adds the path to an error of the operating system.
fn at(path: &Path) -> impl Fn(std::io::Error) -> StateError {
    move |source| StateError::Io { path: path.to_owned(), source }
}

/// The label of a stream of the world's randomness. After a restart with the same seed it is another one,
/// so that nothing which must not repeat does.
pub(crate) fn label(world: &World, part: &str, generation: u64) -> String {
    match generation {
        0 => format!("mock-ca {} {part}", world.host()),
        n => format!("mock-ca {} {part}, generation {n}", world.host()),
    }
}
