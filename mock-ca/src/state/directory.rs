//! The state directory: made for its owner alone, and used by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::{StateError, at};

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
        private_directory(path).map_err(at(path))?;
        let name = path.join("lock");
        let lock = private().create(true).write(true).truncate(false).open(&name).map_err(at(&name))?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StateError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(at(&name)(source)),
        }
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.path.join("state.redb")
    }

    /// Opens a file that must be there, for its owner alone.
    pub(super) fn open_file(&self, path: &Path) -> Result<File, StateError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(at(path))?;
        keep_private(&file).map_err(at(path))?;
        Ok(file)
    }

    /// Makes a file that is there whole or not at all.
    pub(super) fn make_file(
        &self,
        path: &Path,
        fill: impl FnOnce(File, &Path) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let new = path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(&new)(error)),
            _ => {}
        }
        let file = private().create_new(true).read(true).write(true).open(&new).map_err(at(&new))?;
        fill(file, &new)?;
        fs::rename(&new, path).map_err(at(path))?;
        // The new name is on disk when the directory is.
        File::open(&self.path).and_then(|directory| directory.sync_all()).map_err(at(&self.path))
    }
}

#[cfg(unix)]
fn private_directory(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
fn private_directory(path: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).create(path)
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}

/// A file that was copied here from elsewhere may have come with other permissions.
#[cfg(unix)]
fn keep_private(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    file.set_permissions(fs::Permissions::from_mode(mode & 0o700))
}

#[cfg(not(unix))]
fn keep_private(_file: &File) -> std::io::Result<()> {
    Ok(())
}
