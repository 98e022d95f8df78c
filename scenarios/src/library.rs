//! The scenarios of a folder: each folder in it that has a `scenario.yaml`.

use std::path::{Component, Path, PathBuf};

use crate::script::{self, Loaded, ScriptError};

/// A folder of scenarios.
#[derive(Debug, Clone)]
pub struct Library(PathBuf);

/// Why there is no such scenario, or no library.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LibraryError {
    /// No folder with scenarios.
    #[error("there is no scenario library at {0}")]
    #[diagnostic(help("name the folder with --library, or run from the project's checkout"))]
    NoLibrary(String),
    /// No scenario of this name.
    #[error("there is no scenario {name:?}")]
    #[diagnostic(help("{help}"))]
    Unknown {
        /// The name.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// It is there and cannot be loaded.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Script(#[from] ScriptError),
}

impl Library {
    /// The library at `folder`; without one that of the checkout: `scenarios/library` here or above.
    ///
    /// # Errors
    /// [`LibraryError::NoLibrary`].
    pub fn open(folder: Option<&Path>) -> Result<Self, LibraryError> {
        if let Some(folder) = folder {
            let there = folder.is_dir();
            return if there {
                Ok(Library(folder.to_owned()))
            } else {
                Err(LibraryError::NoLibrary(folder.display().to_string()))
            };
        }
        let mut above = PathBuf::from(".");
        for _ in 0..8 {
            let folder = above.join("scenarios/library");
            if folder.is_dir() {
                let folder = folder.strip_prefix(".").map(Path::to_owned).unwrap_or(folder);
                return Ok(Library(folder));
            }
            above.push("..");
        }
        Err(LibraryError::NoLibrary("scenarios/library".to_owned()))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// The names of its scenarios, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().filter_map(Result::ok);
        let folders = entries.filter(|e| e.path().join("scenario.yaml").is_file());
        let mut names: Vec<_> = folders.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Loads a scenario by name, or by the path of its folder.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub fn load(&self, name: &str) -> Result<Loaded, LibraryError> {
        self.load_by(name, false)
    }

    /// Loads a scenario as [`Library::load`] does, and mends the mistakes of its manifests.
    ///
    /// # Errors
    /// [`LibraryError`].
    pub fn load_leniently(&self, name: &str) -> Result<Loaded, LibraryError> {
        self.load_by(name, true)
    }

    fn load_by(&self, name: &str, lenient: bool) -> Result<Loaded, LibraryError> {
        let is_name = matches!(Path::new(name).components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
        let folders = [is_name.then(|| self.0.join(name)), Some(PathBuf::from(name))];
        if let Some(folder) =
            folders.into_iter().flatten().find(|folder| folder.join("scenario.yaml").is_file())
        {
            return Ok(script::load(&folder, Some(&self.0), lenient)?);
        }
        let names = self.names();
        let help = match script::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are: {}", names.join(", ")),
        };
        Err(LibraryError::Unknown { name: name.to_owned(), help })
    }
}
