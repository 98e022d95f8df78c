//! Secrets as files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::api::{Object, ObjectKey, Secret};
use world::files::{self, FileError};

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

impl From<FileError> for OutputError {
    fn from(FileError { path, source }: FileError) -> Self {
        OutputError::Io { path, source }
    }
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
            if self.by_namespace { self.folder.join(name(secret.namespace())?) } else { self.folder.clone() };
        Ok(folder.join(name(secret.name())?))
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
            if std::fs::read(&path).ok().as_deref() != Some(bytes.as_slice()) {
                changed.insert(entry, bytes.as_slice());
            }
        }
        if changed.is_empty() {
            return Ok(None);
        }
        files::directory(&folder)?;
        let mut renames = Vec::new();
        for (entry, bytes) in changed {
            let new = folder.join(format!(".{entry}.new"));
            files::write(&new, bytes)?;
            renames.push((new, folder.join(entry)));
        }
        files::rename(&folder, renames)?;
        Ok(Some(folder))
    }
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
