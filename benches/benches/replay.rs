//! How long a replay of document 002's renewal takes: in process, and as the command with its start-up.
//!
//! `cargo build --release && cargo bench -p benches`
#![allow(missing_docs, reason = "criterion's macros make public items without documentation")]
#![expect(clippy::print_stdout, reason = "says what was skipped, and why")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use criterion::{Criterion, criterion_group, criterion_main};
use scenarios::library::Library;
use scenarios::runner;

const NAME: &str = "rancher-renewal";

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/library")
}

/// The release build of the command: two folders above this benchmark's own binary.
fn command() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.parent()?.join("rehearse")).filter(|path| path.is_file())
}

fn replay(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay");
    group.sample_size(50);
    let Ok(library) = Library::open(Some(&library())) else { return };
    if let Ok(loaded) = library.load(NAME) {
        group.bench_function("run", |b| b.iter(|| runner::run(&loaded, 0, &[])));
    }
    group.bench_function("load", |b| b.iter(|| library.load(NAME)));
    match command() {
        None => println!(
            "replay/command: skipped, there is no release build of `rehearse`: cargo build --release"
        ),
        Some(command) => {
            group.bench_function("command", |b| {
                b.iter(|| {
                    let mut replay = Command::new(&command);
                    replay.args(["replay", NAME]).arg("--library").arg(self::library());
                    replay.stdout(Stdio::null()).status()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, replay);
criterion_main!(benches);
