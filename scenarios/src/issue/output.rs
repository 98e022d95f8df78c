//! Secrets as files.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use engine::api::{Object, ObjectKey, Secret};

/// A Secret that was not written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum OutputError {
    /// The system refuses.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A name that leads out of its folder.
    #[error("{0:?} is no name for a file")]
    Name(String),
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> OutputError {
    move |source| OutputError::Io { path: path.to_owned(), source }
}

/// Where Secrets go.
#[derive(Clone, Debug)]
pub struct Output {
    /// The folder of all.
    pub folder: PathBuf,
    /// Whether each namespace has a folder of its own.
    pub by_namespace: bool,
}

/// Names of Kubernetes have no slash; those that a manifest smuggles in must not lead elsewhere.
fn name(text: &str) -> Result<&str, OutputError> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if plain && !text.is_empty() && text != "." && !text.starts_with("..") {
        Ok(text)
    } else {
        Err(OutputError::Name(text.to_owned()))
    }
}

impl Output {
    /// The folder of a Secret.
    ///
    /// # Errors
    /// [`OutputError::Name`].
    pub fn folder_of(&self, secret: &ObjectKey) -> Result<PathBuf, OutputError> {
        let folder =
            if self.by_namespace { self.folder.join(name(&secret.namespace)?) } else { self.folder.clone() };
        Ok(folder.join(name(&secret.name)?))
    }

    /// Writes the entries that differ from their files. All of them are on disk under other names before the first is
    /// renamed, so that a full disk leaves the old ones, and who reads in between finds each file whole. Says where, if
    /// anything was written.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn write(&self, object: &Object) -> Result<Option<PathBuf>, OutputError> {
        let Some(secret) = object.get::<Secret>() else { return Ok(None) };
        let folder = self.folder_of(&object.key())?;
        let mut changed: BTreeMap<&str, &[u8]> = BTreeMap::new();
        for (entry, bytes) in &secret.data {
            let path = folder.join(name(entry)?);
            if fs::read(&path).ok().as_deref() != Some(bytes.as_slice()) {
                changed.insert(entry, bytes.as_slice());
            }
        }
        if changed.is_empty() {
            return Ok(None);
        }
        private_directory(&folder).map_err(at(&folder))?;
        let mut renames = Vec::new();
        for (entry, bytes) in changed {
            let (path, new) = (folder.join(entry), folder.join(format!(".{entry}.new")));
            match fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(at(&new)(error)),
                _ => {}
            }
            let mut file = private().create_new(true).write(true).open(&new).map_err(at(&new))?;
            file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&new))?;
            renames.push((new, path));
        }
        for (new, path) in renames {
            fs::rename(&new, &path).map_err(at(&path))?;
        }
        // The new names are on disk when the folder is.
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(at(&folder))?;
        Ok(Some(folder))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder() {
        for bad in ["", ".", "..", "..data", "a/b", "../a", "a\\b", "a\0", "ä"] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        for good in ["tls.crt", "a-b_c", ".hidden", "A1"] {
            assert!(name(good).is_ok(), "{good:?}");
        }
    }
}
