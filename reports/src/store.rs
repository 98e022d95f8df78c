//! Records as files: one JSON document each, in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::record::{RunRecord, SCHEMA};

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system says no.
    #[error("{path}: {source}")]
    File {
        /// Which file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another version of the schema.
    #[error(
        "{path} is a record of schema {found}; this version reads schema {SCHEMA}. Run the scenario again"
    )]
    Schema {
        /// Which file.
        path: String,
        /// Its version.
        found: u64,
    },
    /// No record at all.
    #[error("{path} is no record of a run: {why}")]
    NoRecord {
        /// Which file.
        path: String,
        /// What is wrong, with line and column.
        why: String,
    },
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> RecordError + '_ {
    |source| RecordError::File { path: path.display().to_string(), source }
}

/// The name of a record's file: the scenario, and what was otherwise than it has it.
pub fn file_name(record: &RunRecord) -> String {
    let mut name = record.scenario.clone();
    if let Some(without) = &record.without {
        name.push_str(&format!(" without {without}"));
    } else {
        for set in &record.overrides {
            name.push_str(&format!(" {set}"));
        }
    }
    if record.seed != 0 {
        name.push_str(&format!(" seed {}", record.seed));
    }
    let plain = |c: char| if c.is_alphanumeric() || " .=_-".contains(c) { c } else { '_' };
    // Names of files end at 255 bytes in most places.
    let name: String = name.chars().map(plain).take(120).collect();
    format!("{}.json", name.replace(' ', "_"))
}

/// Writes a file whole, or not at all.
///
/// # Errors
/// [`RecordError::File`].
pub fn write_whole(path: &Path, contents: &[u8]) -> Result<(), RecordError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(file_error(folder))?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, contents).and_then(|()| fs::rename(&new, path)).map_err(file_error(path))
}

/// Writes a record into a folder; returns its path.
///
/// # Errors
/// [`RecordError`].
pub fn write(folder: &Path, record: &RunRecord) -> Result<PathBuf, RecordError> {
    let path = folder.join(file_name(record));
    let json = serde_json::to_vec(record);
    let json =
        json.map_err(|e| RecordError::NoRecord { path: path.display().to_string(), why: e.to_string() })?;
    write_whole(&path, &json)?;
    Ok(path)
}

/// Reads a record.
///
/// # Errors
/// [`RecordError`]: no file, no record, or one of another schema.
pub fn read(path: &Path) -> Result<RunRecord, RecordError> {
    #[derive(Deserialize)]
    struct Version {
        schema: u64,
    }
    let shown = path.display().to_string();
    let text = fs::read_to_string(path).map_err(file_error(path))?;
    let wrong = |e: serde_json::Error| RecordError::NoRecord { path: shown.clone(), why: e.to_string() };
    let Version { schema } = serde_json::from_str(&text).map_err(wrong)?;
    if schema != u64::from(SCHEMA) {
        return Err(RecordError::Schema { path: shown, found: schema });
    }
    serde_json::from_str(&text).map_err(wrong)
}

/// The records of a folder, by name.
///
/// # Errors
/// [`RecordError`], of the first that cannot be read.
pub fn read_all(folder: &Path) -> Result<Vec<RunRecord>, RecordError> {
    let entries = fs::read_dir(folder).map_err(file_error(folder))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/records").join(name);
        drop(fs::remove_dir_all(&folder));
        folder
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = folder("round-trip");
        let record = RunRecord { schema: SCHEMA, scenario: "a".into(), ..RunRecord::default() };
        let without = RunRecord { without: Some("the cause".into()), ..record.clone() };
        write(&folder, &record).unwrap();
        write(&folder, &without).unwrap();
        assert_eq!(read_all(&folder).unwrap(), [record, without]);
    }

    #[test]
    fn what_is_no_record_is_told() {
        let folder = folder("bad");
        for (text, why) in [
            (
                "{\"schema\":1}",
                "is a record of schema 1; this version reads schema 2. Run the scenario again",
            ),
            ("{}", "is no record of a run: missing field `schema` at line 1 column 2"),
            ("{\"schema\":2}", "is no record of a run: missing field `scenario`"),
            ("[", "is no record of a run: EOF"),
        ] {
            let path = folder.join("x.json");
            write_whole(&path, text.as_bytes()).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(matches!(read(&folder.join("none.json")), Err(RecordError::File { .. })));
    }

    #[test]
    fn names_of_files_say_what_was_varied() {
        let record =
            RunRecord { scenario: "a".into(), overrides: vec!["x.y=[1]/2".into()], ..RunRecord::default() };
        assert_eq!(file_name(&record), "a_x.y=_1__2.json");
        let without = RunRecord { without: Some("the cause".into()), seed: 3, ..record };
        assert_eq!(file_name(&without), "a_without_the_cause_seed_3.json");
    }
}
