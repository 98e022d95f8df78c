//! A scenario as a test: `#[test] fn my_outage() { scenario("tests/my-outage").run().unwrap() }`.

use std::path::{Path, PathBuf};

use reports::{Outcome, RunRecord};

use crate::library::Library;
use crate::runner::{self, Options, RunError};
use crate::script::{self, ScriptError};

/// A scenario that is to be run; [`scenario`] makes one.
#[derive(Debug, Clone)]
#[must_use = "it runs with `run`"]
pub struct Rehearsal {
    folder: PathBuf,
    options: Options,
}

/// The scenario in a folder, with seed 0. Its base is looked for next to the folder, and in `scenarios/library` here or above.
pub fn scenario(folder: impl AsRef<Path>) -> Rehearsal {
    Rehearsal { folder: folder.as_ref().to_owned(), options: Options::default() }
}

/// Why a rehearsal is no success.
#[derive(thiserror::Error, miette::Diagnostic)]
pub enum Failed {
    /// The script says something wrong: file, line and column.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Script(#[from] ScriptError),
    /// It could not begin.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Run(#[from] RunError),
    /// It went otherwise than it says, or not to its end.
    #[error("{name} did not go as it says\n{report}")]
    Outcome {
        /// The folder's name.
        name: String,
        /// What was expected and what came.
        report: String,
    },
}

/// As `unwrap` shows it: in a test, the differences are what one wants to read.
impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Script(error) => write!(f, "{:?}", miette::Report::msg(error.to_string())),
            other => write!(f, "{other}"),
        }
    }
}

impl Rehearsal {
    /// With another root seed.
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// With a knob set otherwise, `path=value`, as by `--set`.
    pub fn set(mut self, set: &str) -> Self {
        self.options.overrides.push(set.to_owned());
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Failed`]: the script is wrong, or what it expects did not come.
    pub fn run(self) -> Result<RunRecord, Failed> {
        let library = Library::open(None).ok();
        let loaded = script::load(&self.folder, library.as_ref().map(Library::folder), false)?;
        let record = runner::run_whole(&loaded, &self.options)?.record;
        let report = match &record.outcome {
            Outcome::Passed => return Ok(record),
            Outcome::Differs { .. } => reports::differences(&record),
            Outcome::Stopped { report } => report.clone(),
        };
        Err(Failed::Outcome { name: loaded.name, report })
    }
}
