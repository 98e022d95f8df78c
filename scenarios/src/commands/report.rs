//! `rehearse report`: one page of the runs that `rehearse run` has left.

use std::path::{Path, PathBuf};

use clap::Args;
use miette::IntoDiagnostic as _;
use reports::RunRecord;

use super::run::RECORDS;
use super::say;

/// What is shown, and where.
#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Which: names of scenarios whose records are there, or files (all records when none is named).
    runs: Vec<String>,
    /// Where `rehearse run` has left its records.
    #[arg(long, value_name = "DIR", default_value = RECORDS)]
    records: PathBuf,
    /// A log of cert-manager, from production: it is shown as a run of its own, to be compared with its replay.
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// The page.
    #[arg(short, long, value_name = "FILE", default_value = "rehearse-report.html")]
    output: PathBuf,
}

/// Writes the page.
pub(crate) fn report(args: &ReportArgs) -> miette::Result<bool> {
    let mut records = if args.runs.is_empty() {
        all(&args.records)?
    } else {
        let named: miette::Result<Vec<_>> =
            args.runs.iter().map(|name| records_of(&args.records, name)).collect();
        named?.into_iter().flatten().collect()
    };
    for path in &args.log {
        let text = std::fs::read(path).map_err(|e| miette::miette!("{}: {e}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        records.push(reports::of_log(&name, &String::from_utf8_lossy(&text)));
    }
    let page = reports::page(&records).into_diagnostic()?;
    reports::write_whole(&args.output, page.as_bytes()).into_diagnostic()?;
    let size = page.len().div_ceil(1024);
    say(&format!("{}: {} runs, {size} KiB\n", args.output.display(), records.len()));
    Ok(true)
}

fn all(folder: &Path) -> miette::Result<Vec<RunRecord>> {
    let records = if folder.is_dir() { reports::read_all(folder).into_diagnostic()? } else { Vec::new() };
    if records.is_empty() {
        return Err(miette::miette!(
            help = "`rehearse run` leaves one for each scenario",
            "there is no record of a run in {}",
            folder.display()
        ));
    }
    Ok(records)
}

/// A file, or the records of a scenario: as it is, and without its causes.
fn records_of(folder: &Path, name: &str) -> miette::Result<Vec<RunRecord>> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(vec![reports::read(path).into_diagnostic()?]);
    }
    let mut records = all(folder)?;
    let names: Vec<String> = records.iter().map(|record| record.scenario.clone()).collect();
    records.retain(|record| record.scenario == name);
    if records.is_empty() {
        let help = match scenarios::nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("run it first: rehearse run {name}"),
        };
        return Err(miette::miette!(help = help, "there is no record of {name:?} in {}", folder.display()));
    }
    Ok(records)
}
