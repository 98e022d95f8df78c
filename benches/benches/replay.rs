//! How long a replay of document 002's renewal takes: in process, and as the command with its start-up.
//!
//! `cargo build --release && cargo bench -p benches -- replay/`

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::Criterion;
use scenarios::library::Library;
use scenarios::runner;
use scenarios::script::Loaded;

use crate::check::{holds, must};

const NAME: &str = "rancher-renewal";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library")
}

/// The library of the checkout.
pub(crate) fn library() -> Library {
    must("library", Library::open(Some(&folder())))
}

/// The release build of the command: two folders above this benchmark's own binary.
fn command() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.parent()?.join("rehearse")).filter(|path| path.is_file())
}

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay");
    let library = library();
    let loaded = must(NAME, library.load(NAME));
    must(NAME, run(&loaded));
    group.bench_function("run", |b| b.iter(|| must(NAME, run(&loaded))));
    group.bench_function("load", |b| b.iter(|| must(NAME, library.load(NAME))));
    match command() {
        None => {
            eprintln!(
                "replay/command: skipped, there is no release build of `rehearse`: cargo build --release"
            );
        }
        Some(command) => {
            must(NAME, replay(&command));
            group.bench_function("command", |b| b.iter(|| must(NAME, replay(&command))));
        }
    }
    group.finish();
}

fn run(loaded: &Loaded) -> Result<(), String> {
    let record = runner::run(loaded, 0, &[]).map_err(|error| error.to_string())?;
    holds(record.outcome == reports::Outcome::Passed, || format!("{:?}", record.outcome))
}

fn replay(command: &Path) -> Result<(), String> {
    let mut replay = Command::new(command);
    replay.args(["replay", NAME]).arg("--library").arg(folder()).stdout(Stdio::null());
    let status = replay.status().map_err(|error| error.to_string())?;
    holds(status.success(), || status.to_string())
}
