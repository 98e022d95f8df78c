//! `COVERAGE.md` says which test shows which behaviour. Here the tests that it names are looked up, so that the table
//! cannot name one that is gone, and no section may be missing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The sections of what is known of cert-manager that state behaviours.
const SECTIONS: &[&str] = &[
    "2.0.1", "2.0.2", "2.0.3", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10", "2.11",
    "2.12", "2.13", "2.14", "2.15", "2.16", "2.17", "2.18", "2.19", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6",
    "4.7", "5",
];

struct Row {
    section: String,
    behaviour: String,
    shown_by: String,
}

/// The rows of all tables: lines of three cells whose first is the number of a section.
fn rows(text: &str) -> Vec<Row> {
    let cells = |line: &str| -> Option<Row> {
        let cells: Vec<&str> =
            line.strip_prefix('|')?.strip_suffix('|')?.split(" | ").map(str::trim).collect();
        let [section, behaviour, shown_by] = cells[..] else { return None };
        section.starts_with(|c: char| c.is_ascii_digit()).then(|| Row {
            section: section.to_owned(),
            behaviour: behaviour.to_owned(),
            shown_by: shown_by.to_owned(),
        })
    };
    text.lines().filter_map(cells).collect()
}

/// The tests that a cell names, each `file::function` in backticks.
fn named(cell: &str) -> Vec<(&str, &str)> {
    cell.split('`').skip(1).step_by(2).map(|name| name.rsplit_once("::").unwrap_or((name, ""))).collect()
}

#[test]
fn every_test_that_the_table_names_is_there_and_every_section_has_rows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let rows = rows(&fs::read_to_string(root.join("engine/COVERAGE.md")).unwrap());
    let mut sources: BTreeMap<String, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    for row in &rows {
        if let Some(why) = row.shown_by.strip_prefix("left out: ") {
            if why.len() < 15 {
                wrong.push(format!("{} {}: why is it left out?", row.section, row.behaviour));
            }
            continue;
        }
        let tests = named(&row.shown_by);
        if tests.is_empty() {
            wrong.push(format!("{} {}: no test", row.section, row.behaviour));
        }
        for (file, test) in tests {
            let source = sources
                .entry(file.to_owned())
                .or_insert_with(|| fs::read_to_string(root.join(file)).unwrap_or_default());
            if test.is_empty() || !source.contains(&format!("fn {test}(")) {
                wrong.push(format!("{} {}: there is no {file}::{test}", row.section, row.behaviour));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let have: BTreeSet<&str> = rows.iter().map(|row| row.section.as_str()).collect();
    let missing: Vec<_> = SECTIONS.iter().filter(|section| !have.contains(*section)).collect();
    assert!(missing.is_empty(), "no row of {missing:?}");
    let unknown: Vec<_> = have.iter().filter(|section| !SECTIONS.contains(section)).collect();
    assert!(unknown.is_empty(), "no section {unknown:?}");
}

#[test]
fn cells_are_read() {
    let row = &rows("| 2.1 | it renews | `a/b.rs::c`, `d.rs::e` |")[0];
    assert_eq!(named(&row.shown_by), [("a/b.rs", "c"), ("d.rs", "e")]);
    assert!(rows("| row | behaviour | shown by |\n|---|---|---|").is_empty());
}
