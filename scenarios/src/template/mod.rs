//! `rehearse new`: the scenario that one begins with.

use std::path::{Path, PathBuf};

/// The script; it passes as it is.
pub const SCRIPT: &str = include_str!("scenario.yaml");

/// Why there is none.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum NewError {
    /// There is something of this name.
    #[error("{0} is there already")]
    #[diagnostic(help("nothing was written; take another name"))]
    Exists(String),
    /// A name that is none of a folder.
    #[error("{0:?} is no name for a scenario")]
    #[diagnostic(help("letters, digits and dashes: what one sees, such as self-check-gets-404"))]
    Name(String),
    /// The file system.
    #[error("cannot write {path}: {why}")]
    Write {
        /// What.
        path: String,
        /// Why not.
        why: std::io::Error,
    },
}

/// Makes a folder of this name in `library`, with a script that passes. Gives its path.
///
/// # Errors
/// [`NewError`]; then nothing is there that was not before.
pub fn new(library: &Path, name: &str) -> Result<PathBuf, NewError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(NewError::Name(name.to_owned()));
    }
    let folder = library.join(name);
    let failed = |path: &Path, why| NewError::Write { path: path.display().to_string(), why };
    match std::fs::create_dir(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(NewError::Exists(folder.display().to_string()));
        }
        Err(why) => return Err(failed(&folder, why)),
    }
    let script = folder.join("scenario.yaml");
    std::fs::write(&script, SCRIPT).map_err(|why| {
        // An empty folder is no scenario.
        let _ = std::fs::remove_dir(&folder);
        failed(&script, why)
    })?;
    Ok(folder)
}
