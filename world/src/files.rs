//! Files that are their owner's alone, and that are there whole or not at all: state, keys, Secrets.
//!
//! A new file is written under another name, is on disk when that is done, and is renamed then: who reads in between
//! finds the old one or the new one, and after a crash one of them is there. A disk is no part of a simulated world:
//! what is read here is not in its trace.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A file or a directory that the system does not give.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: std::io::Error,
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> FileError {
    move |source| FileError { path: path.to_owned(), source }
}

/// Makes a directory, and those above it, unless it is there.
///
/// # Errors
/// [`FileError`].
pub fn directory(path: &Path) -> Result<(), FileError> {
    private_directories().create(path).map_err(at(path))
}

/// Keeps a directory for this process, by the file `lock` in it; `None` when another process does. That ends with the
/// file returned, and with the process, however that ends.
///
/// # Errors
/// [`FileError`].
pub fn lock(directory: &Path) -> Result<Option<File>, FileError> {
    let path = directory.join("lock");
    let file = private().create(true).write(true).truncate(false).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(at(&path)(source)),
    }
}

/// Opens a file that must be there, to read and to write. One that was copied here from elsewhere may have come with
/// other permissions: they are taken away.
///
/// # Errors
/// [`FileError`].
pub fn open(path: &Path) -> Result<File, FileError> {
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(at(path))?;
    keep_private(&file).map_err(at(path))?;
    Ok(file)
}

/// Makes a file, in place of one that a crash has left under this name.
///
/// # Errors
/// [`FileError`].
pub fn create(path: &Path) -> Result<File, FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(path)(error)),
        _ => {}
    }
    private().create_new(true).read(true).write(true).open(path).map_err(at(path))
}

/// Makes a file with these contents; they are on disk when this returns. The name is when [`rename`] has been there.
///
/// # Errors
/// [`FileError`].
pub fn write(path: &Path, contents: &[u8]) -> Result<(), FileError> {
    let mut file = create(path)?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(at(path))
}

/// Gives files of a directory, which are on disk, the names that they are to have (old name, new name), in place of
/// others. The new names are on disk when this returns.
///
/// # Errors
/// [`FileError`].
pub fn rename<P: AsRef<Path>>(
    directory: &Path,
    names: impl IntoIterator<Item = (P, P)>,
) -> Result<(), FileError> {
    for (from, to) in names {
        fs::rename(from, &to).map_err(at(to.as_ref()))?;
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(at(directory))
}

#[cfg(unix)]
fn private_directories() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt as _;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_directories() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
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

#[cfg(unix)]
fn keep_private(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { file.set_permissions(fs::Permissions::from_mode(mode & 0o700)) }
}

#[cfg(not(unix))]
fn keep_private(_file: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scratch folder, gone at the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("world-files-{}-{name}", std::process::id()));
            drop(fs::remove_dir_all(&path));
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_and_what_is_opened_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new("modes");
        let inner = scratch.0.join("inner");
        directory(&inner).unwrap();
        directory(&inner).unwrap();
        assert_eq!((mode(&scratch.0), mode(&inner)), (0o700, 0o700));
        let file = inner.join("file");
        write(&file, b"one").unwrap();
        drop(lock(&inner).unwrap().unwrap());
        assert_eq!((mode(&file), mode(&inner.join("lock"))), (0o600, 0o600));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        drop(open(&file).unwrap());
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn a_file_takes_the_place_of_another_at_once() {
        let scratch = Scratch::new("rename");
        directory(&scratch.0).unwrap();
        let (new, file) = (scratch.0.join("new"), scratch.0.join("file"));
        // What a crash has left, longer than what follows.
        fs::write(&new, b"left over").unwrap();
        fs::write(&file, b"old").unwrap();
        write(&new, b"next").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"old");
        rename(&scratch.0, [(&new, &file)]).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"next");
        assert!(!new.exists());
    }

    #[test]
    fn a_directory_is_kept_by_one_and_an_error_names_the_file() {
        let scratch = Scratch::new("lock");
        directory(&scratch.0).unwrap();
        let first = lock(&scratch.0).unwrap();
        assert!(first.is_some() && lock(&scratch.0).unwrap().is_none());
        drop(first);
        assert!(lock(&scratch.0).unwrap().is_some());
        let missing = scratch.0.join("missing");
        let refused = open(&missing).unwrap_err();
        assert_eq!((refused.path.as_path(), refused.source.kind()), (missing.as_path(), ErrorKind::NotFound));
        assert!(refused.to_string().starts_with(&missing.display().to_string()));
    }
}
