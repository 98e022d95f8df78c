//! The state directory: made for its owner alone, and used by one process at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use world::files;

use super::StateError;

/// A directory that nobody else uses as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked. The lock ends with the process, however that ends.
    _lock: File,
}

impl Directory {
    /// Makes the directory if there is none, and locks it.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        files::directory(path)?;
        let in_use = || StateError::InUse { path: path.to_owned() };
        let lock = files::lock(path)?.ok_or_else(in_use)?;
        Ok(Directory { path: path.to_owned(), _lock: lock })
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("state.redb")
    }

    /// Makes a file that is there whole or not at all.
    pub(super) fn make_file(
        &self,
        path: &Path,
        fill: impl FnOnce(File, &Path) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let new = path.with_extension("new");
        fill(files::create(&new)?, &new)?;
        Ok(files::rename(&self.path, [(new.as_path(), path)])?)
    }
}
