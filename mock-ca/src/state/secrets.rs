//! What must not be shown: keys, by name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::rows::{Batch, TableName};

/// Secrets that were kept, and those that are to be.
#[derive(Default)]
pub(crate) struct Secrets {
    path: PathBuf,
    kept: BTreeMap<String, Vec<u8>>,
    new: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.kept.keys()).entries(self.new.keys()).finish()
    }
}

impl Secrets {
    pub(super) fn kept(path: PathBuf, kept: BTreeMap<String, Vec<u8>>) -> Self {
        Secrets { path, kept, new: BTreeMap::new() }
    }

    /// What was kept under this name.
    ///
    /// # Errors
    /// When it is something else.
    pub(crate) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StateError> {
        let read = |bytes: &Vec<u8>| serde_json::from_slice(bytes);
        let damaged = |_| {
            // Without what the parser saw of it.
            let what = format!("the secret {name:?} cannot be read");
            StateError::Damaged { path: self.path.clone(), what }
        };
        self.kept.get(name).map(read).transpose().map_err(damaged)
    }

    /// Keeps something under this name, in place of what was.
    pub(crate) fn put(&mut self, name: &str, secret: &impl Serialize) {
        // Texts, numbers and lists of them have a JSON form: this cannot fail.
        self.new.insert(name.to_owned(), serde_json::to_vec(secret).unwrap_or_default());
    }

    pub(super) fn into_batch(self) -> Batch {
        let mut batch = Batch::default();
        for (name, secret) in self.new {
            batch.put(TableName::Secrets, name.into_bytes(), secret);
        }
        batch
    }
}
