//! What the tests of scenarios share: running one, and asking its log.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each target uses its part")]

pub(crate) mod bench;
pub(crate) mod live;
pub(crate) mod v1alpha1;

use std::path::Path;

use reports::RunRecord;
use scenarios::library::Library;
use scenarios::runner;
use scenarios::script::Loaded;

/// The library of the checkout.
pub(crate) fn library() -> Library {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("library");
    Library::open(Some(&folder)).unwrap()
}

/// A scenario of the library.
pub(crate) fn load(name: &str) -> Loaded {
    library().load(name).unwrap()
}

/// Runs a scenario with overrides, seed 0.
pub(crate) fn run(name: &str, overrides: &[&str]) -> RunRecord {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    runner::run(&load(name), 0, &overrides).unwrap()
}

/// The times (`13:39:31.807902`) of the log lines with this marker that contain `text`.
pub(crate) fn times(record: &RunRecord, marker: &str, text: &str) -> Vec<String> {
    let marker = format!(" {marker}] ");
    let lines = record.log.iter().filter(|l| l.text.contains(&marker) && l.text.contains(text));
    lines.map(|l| l.text.split_whitespace().nth(1).unwrap_or_default().to_owned()).collect()
}

/// How many such lines there are.
pub(crate) fn count(record: &RunRecord, marker: &str, text: &str) -> usize {
    times(record, marker, text).len()
}

/// Without the padding that documents lose.
pub(crate) fn collapsed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
