//! `rehearse run`: runs scenarios at once, tells of each as soon as it can, and says whether all went as they say.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use miette::IntoDiagnostic as _;
use reports::{Outcome, RunRecord, Timed};
use scenarios::library::Library;
use scenarios::runner::{self, Options, RunError, Whole};
use scenarios::script::Loaded;
use scenarios::workshop;
use world::real::Stopwatch;

use super::progress::Progress;
use super::say;
use crate::{Vary, load};

/// Where records go, and where `rehearse report` finds them.
pub(crate) const RECORDS: &str = ".rehearse/runs";

/// What is run, and what is told of it.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// Which (all when none is named); a path names a folder outside of the library.
    names: Vec<String>,
    #[command(flatten)]
    vary: Vary,
    /// In which form the runs are told.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Format,
    /// The same as `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Tell the story of each run: what was injected, what the engine saw, when it healed, what it cost.
    #[arg(long)]
    explain: bool,
    /// Run each scenario without its cause as well: it must not pass then.
    #[arg(long)]
    ablations: bool,
    /// Where the records of the runs go, one file each, for `rehearse report`.
    #[arg(long, value_name = "DIR", default_value = RECORDS)]
    records: PathBuf,
    /// Write no records.
    #[arg(long)]
    no_records: bool,
    /// How many run at once (default: as many as there are processors).
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

/// The forms in which runs are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each, and a summary.
    #[default]
    Human,
    /// The whole records, as JSON lines.
    Json,
    /// JUnit's XML, for CI servers.
    Junit,
    /// The logs of cert-manager, one after the other.
    Klog,
    /// A table, for the summaries of CI servers.
    Markdown,
}

/// One run that is to be made: the scenario as it is, or without a cause.
struct Task<'a> {
    scenario: &'a Loaded,
    options: Options,
}

/// What came of it.
struct Done {
    ran: Result<Whole, RunError>,
    wall: Duration,
}

/// Runs them; says whether all went as they should.
pub(crate) fn run(library: &Library, args: RunArgs, lenient: bool) -> miette::Result<bool> {
    let mut args = args;
    if args.json {
        args.format = Format::Json;
    }
    let names = if args.names.is_empty() { library.names() } else { args.names.clone() };
    // All of them are loaded first: a mistake in the last one shows before the first one runs.
    let loaded = names.iter().map(|n| load(library, n, lenient)).collect::<Result<Vec<_>, _>>()?;
    let tasks: Vec<Task<'_>> = loaded.iter().flat_map(|scenario| tasks(scenario, &args)).collect();
    let job = |task: &Task<'_>| {
        let watch = Stopwatch::start();
        Done { ran: runner::run_whole(task.scenario, &task.options), wall: watch.elapsed() }
    };
    let (watch, mut tally, mut progress) =
        (Stopwatch::start(), Tally::default(), Progress::new(tasks.len() as u64));
    let mut told = Ok(());
    workshop::in_turn(args.workers.unwrap_or_else(workshop::processors), &tasks, job, |done, ready| {
        progress.clear();
        for done in ready {
            if told.is_ok() {
                told = tell(done, &args, &mut tally);
            }
        }
        progress.show(done as u64, "");
    });
    progress.clear();
    told?;
    let runs: Vec<Timed<'_>> =
        tally.runs.iter().map(|(record, wall)| Timed { record, wall: *wall }).collect();
    match args.format {
        Format::Human => say(&format!("{}\n", tally.summary(watch.elapsed()))),
        Format::Junit => say(&reports::junit(&runs)),
        Format::Markdown => say(&reports::markdown(&runs)),
        Format::Json | Format::Klog => {}
    }
    Ok(tally.all_well())
}

/// The runs of a scenario.
fn tasks<'a>(scenario: &'a Loaded, args: &RunArgs) -> Vec<Task<'a>> {
    let options = |without: Option<&str>, sets: &[String]| Options {
        seed: args.vary.seed,
        overrides: args.vary.set.iter().chain(sets).cloned().collect(),
        whole_record: args.format == Format::Json || args.explain || !args.no_records,
        without: without.map(str::to_owned),
        ..Options::default()
    };
    let mut tasks = vec![Task { scenario, options: options(None, &[]) }];
    if args.ablations {
        let ablations = scenario.scenario.ablations.iter();
        tasks.extend(ablations.map(|a| Task { scenario, options: options(Some(&a.without), &a.set) }));
    }
    tasks
}

/// Tells of a run that is done.
fn tell(done: Done, args: &RunArgs, tally: &mut Tally) -> miette::Result<()> {
    let Done { ran, wall } = done;
    let mut record = ran?.record;
    if !args.no_records {
        reports::write(&args.records, &record).into_diagnostic()?;
    }
    match args.format {
        Format::Human => say(&human(&record, wall, args.explain)),
        Format::Json => say(&format!("{}\n", serde_json::to_string(&record).into_diagnostic()?)),
        Format::Klog => say(&reports::klog(&record)),
        // They have a beginning and an end.
        Format::Junit | Format::Markdown => {}
    }
    // What is told at the end needs no more than how it ended.
    record = RunRecord {
        log: Vec::new(),
        events: Vec::new(),
        writes: Vec::new(),
        story: Vec::new(),
        injected: Vec::new(),
        ..record
    };
    tally.runs.push((record, wall));
    Ok(())
}

/// A run for people: its line, its story if that is wanted, and what differs.
fn human(record: &RunRecord, wall: Duration, explain: bool) -> String {
    if let Some(without) = &record.without {
        let (outcome, first) = match &record.outcome {
            Outcome::Differs { differences } => ("differs", differences.first().map_or("", |d| &d.what)),
            Outcome::Passed => ("NO EFFECT", ""),
            Outcome::Stopped { .. } => ("STOPPED", ""),
        };
        return format!("  {outcome:<9} without {without}: {first}\n");
    }
    let mut text = format!("{}\n", reports::line(record, wall));
    if explain {
        text.push_str(&reports::story(record));
    }
    text.push_str(&reports::differences(record));
    if explain {
        text.push('\n');
    }
    text
}

/// How all went.
#[derive(Default)]
struct Tally {
    runs: Vec<(RunRecord, Duration)>,
}

impl Tally {
    fn all_well(&self) -> bool {
        self.runs.iter().all(|(record, _)| reports::is_well(record))
    }

    fn summary(&self, wall: Duration) -> String {
        let whole = self.runs.iter().filter(|(record, _)| record.without.is_none());
        let mut text = reports::summary(&whole.map(|(record, _)| &record.outcome).collect::<Vec<_>>());
        let ablations: Vec<_> = self.runs.iter().filter(|(record, _)| record.without.is_some()).collect();
        if !ablations.is_empty() {
            let none = ablations.iter().filter(|(record, _)| !reports::is_well(record)).count();
            text.push_str(&format!("; {} ablations, of them {none} without effect", ablations.len()));
        }
        format!("{text}; {:.1}s wall", wall.as_secs_f64())
    }
}
