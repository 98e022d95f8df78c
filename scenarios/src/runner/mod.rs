//! The runner: a world from a script, a run, a record.

mod restart;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use engine::api::Object;
use engine::log::{Entry, render};
use reports::{Counts, Difference, Outcome, RunRecord, SCHEMA, Severity};
use world::sim::{self, Finished, Stopped};
use world::{Tape, Timestamp, Trace, World};

use crate::evidence::Evidence;
use crate::history::History;
use crate::script::{self, Loaded, Missing, OverrideError, Scenario};
use crate::{expect, invariants, record};
pub(crate) use stage::link_rules;
pub use stage::{Remains, begin};

/// What to vary of a run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Root seed.
    pub seed: u64,
    /// `path=value`, applied in order.
    pub overrides: Vec<String>,
    /// The free choices; the all-zero tape when none is given.
    pub tape: Option<Tape>,
    /// Keep the records of the trace.
    pub keep_trace: bool,
    /// Put into the record all that happened, as reports want it.
    pub whole_record: bool,
    /// Of an ablation, what is taken away.
    pub without: Option<String>,
    /// Another bound on the polls of one instant.
    pub polls_per_instant: Option<u64>,
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunError {
    /// An override that cannot be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Override(#[from] OverrideError),
    /// An override that names something that is not there.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Missing(#[from] Missing),
}

/// Runs a scenario on the all-zero tape.
///
/// # Errors
/// [`RunError`]; a run that stops or differs is no error but an outcome.
pub fn run(loaded: &Loaded, seed: u64, overrides: &[String]) -> Result<RunRecord, RunError> {
    let options = Options { seed, overrides: overrides.to_vec(), ..Options::default() };
    run_with(loaded, &options).map(|(record, _)| record)
}

/// What a run leaves.
#[derive(Debug)]
pub struct Whole {
    /// The record.
    pub record: RunRecord,
    /// The trace; `None` when the run was stopped.
    pub trace: Option<Trace>,
    /// What is in the API server at the end; nothing when the run was stopped.
    pub objects: Vec<Object>,
    /// What was written to it, logged and done, each with its time, if that was kept.
    pub evidence: Option<Evidence>,
}

/// Runs a scenario; also returns the trace (`None` when the run was stopped).
///
/// # Errors
/// As [`run`].
pub fn run_with(loaded: &Loaded, options: &Options) -> Result<(RunRecord, Option<Trace>), RunError> {
    run_whole(loaded, options).map(|whole| (whole.record, whole.trace))
}

/// Runs a scenario and returns all that it leaves.
///
/// # Errors
/// As [`run`].
pub fn run_whole(loaded: &Loaded, options: &Options) -> Result<Whole, RunError> {
    run_keeping(loaded, options, false)
}

/// Runs a scenario and keeps what was written to the API server (`None` when the run was stopped).
///
/// # Errors
/// As [`run`].
pub fn history(loaded: &Loaded, options: &Options) -> Result<(RunRecord, Option<History>), RunError> {
    let whole = run_keeping(loaded, options, true)?;
    Ok((whole.record, whole.evidence.map(|evidence| evidence.history)))
}

fn run_keeping(loaded: &Loaded, options: &Options, keep: bool) -> Result<Whole, RunError> {
    // What is made in code, of any size, is measured by who made it.
    let keep = keep || !loaded.folder.as_os_str().is_empty();
    let (scenario, ran) =
        go(loaded, options, move |world, scenario, objects| play(world, scenario, objects, keep))?;
    let whole = |outcome, elapsed, trace| {
        let record = empty_record(loaded, options, outcome, elapsed);
        Whole { record, trace, objects: Vec::new(), evidence: None }
    };
    let Finished { value, elapsed, trace, .. } = match ran {
        Ok(finished) => finished,
        Err(stopped) => {
            return Ok(whole(Outcome::Stopped { report: stopped.to_string() }, stopped.elapsed, None));
        }
    };
    let ended = match value {
        Ok(ended) => ended,
        Err(report) => return Ok(whole(Outcome::Stopped { report }, elapsed, Some(trace))),
    };
    let differences = differences(loaded, &scenario, &ended);
    let outcome = if differences.is_empty() { Outcome::Passed } else { Outcome::Differs { differences } };
    let start = scenario.clock.start;
    let log = ended.counting(&scenario).map(|line| record::log_line(line, start)).collect();
    let mut record = RunRecord {
        fingerprint: trace.fingerprint(),
        counts: ended.counts,
        log,
        ..empty_record(loaded, options, outcome, scenario.until.since(scenario.clock.start))
    };
    if let Some(evidence) = &ended.evidence {
        record::count(&mut record.counts, evidence);
        if options.whole_record {
            record::complete(&mut record, &scenario, evidence);
        }
    }
    Ok(Whole { record, trace: Some(trace), objects: ended.objects, evidence: ended.evidence })
}

/// Runs a scenario; returns what is left at its end, to be looked at.
///
/// # Errors
/// The report when the run did not begin, or was stopped.
pub fn remains(loaded: &Loaded, options: &Options) -> Result<Remains, String> {
    let play = async |world: World, scenario: Scenario, objects: Vec<Object>| {
        let remains = begin(&world, &scenario, &objects).await?;
        world.sleep(scenario.until.since(scenario.clock.start)).await;
        Ok(remains)
    };
    let (_, ran) = go(loaded, options, play).map_err(|error| error.to_string())?;
    ran.map_err(|stopped| stopped.to_string())?.value
}

/// A run that has come to its end.
struct Ended {
    counts: Counts,
    log: Vec<Line>,
    objects: Vec<Object>,
    /// What is not as the script says, as far as it takes the world to tell.
    differences: Vec<Difference>,
    evidence: Option<Evidence>,
}

impl Ended {
    /// The lines of the log that count.
    fn counting(&self, scenario: &Scenario) -> impl Iterator<Item = &Line> {
        let since = scenario.log.since;
        self.log.iter().filter(move |line| since.is_none_or(|since| line.wall >= since))
    }
}

/// A line of the log.
pub(crate) struct Line {
    /// When it was written, by the clock that no step of the wall clock changes.
    pub(crate) at: Timestamp,
    /// What the wall clock showed.
    pub(crate) wall: Timestamp,
    /// How bad it is.
    pub(crate) severity: Severity,
    /// The controller that wrote it.
    pub(crate) source: Arc<str>,
    /// What it is about.
    pub(crate) object: Option<String>,
    /// The line in the release's form.
    pub(crate) text: String,
}

impl Line {
    fn new(at: Timestamp, entry: &Entry) -> Self {
        Line {
            at,
            wall: entry.at,
            severity: record::severity(entry.severity),
            source: entry.source.clone(),
            object: record::object_of(entry),
            text: render(entry, 1),
        }
    }
}

/// Lets the world of a script run until its end, takes down what there is then, and sees what a restart of the engine
/// makes of it.
async fn play(world: World, scenario: Scenario, objects: Vec<Object>, keep: bool) -> Result<Ended, String> {
    let (remains, recording) = stage::set_up(&world, &scenario, &objects, keep).await?;
    world.sleep(scenario.until.since(scenario.clock.start)).await;
    world.trace().close();
    remains.doings.end();
    let mut differences = remains.doings.differences();
    differences.extend(expect::objects(&scenario.expect, |kind, key| {
        script::kind(kind).and_then(|kind| remains.store.get(kind, key))
    }));
    let mut ended = Ended {
        counts: remains.counts(),
        log: remains.log.timed(scenario.clock.start).map(|(at, entry)| Line::new(at, &entry)).collect(),
        objects: remains.store.all(),
        differences,
        evidence: recording.map(|kept| Evidence::of(&remains, &scenario, kept.finish(scenario.clock.start))),
    };
    if let Some(evidence) = &mut ended.evidence {
        evidence.restarted = restart::check(&world, &remains, &scenario, &evidence.history).await;
    }
    Ok(ended)
}

type Ran<T> = Result<Finished<Result<T, String>>, Box<Stopped>>;

/// Runs the script, as the options vary it, in a world of its own.
fn go<T: Send + 'static, F: Future<Output = Result<T, String>> + Send + 'static>(
    loaded: &Loaded,
    options: &Options,
    play: impl FnOnce(World, Scenario, Vec<Object>) -> F + Send + 'static,
) -> Result<(Scenario, Ran<T>), RunError> {
    let scenario = script::apply(&loaded.scenario, &options.overrides)?;
    script::check(&scenario, &loaded.objects)?;
    let config = sim::Config {
        seed: options.seed,
        tape: options.tape.clone().unwrap_or_default(),
        wall: scenario.clock.to_wall(),
        costs: scenario.engine.work.iter().map(|(place, d)| (place.clone(), d.to_vec())).collect(),
        keep_trace: options.keep_trace,
        repeat: repeat(loaded, options),
        polls_per_instant: options.polls_per_instant.unwrap_or(sim::Config::default().polls_per_instant),
    };
    let (inside, objects) = (scenario.clone(), loaded.objects.clone());
    let ran = sim::run(config, move |world| play(world, inside, objects));
    Ok((scenario, ran))
}

/// The command that repeats a run.
fn repeat(loaded: &Loaded, options: &Options) -> String {
    let mut command = format!("rehearse run {} --seed {}", loaded.name, options.seed);
    for set in &options.overrides {
        command.push_str(&format!(" --set '{set}'"));
    }
    command
}

fn empty_record(loaded: &Loaded, options: &Options, outcome: Outcome, elapsed: Duration) -> RunRecord {
    let script = &loaded.scenario;
    RunRecord {
        schema: SCHEMA,
        scenario: loaded.name.clone(),
        title: script.title.clone(),
        cause: script.cause.clone(),
        source: script.source.clone(),
        failures: script.failures.clone(),
        release: script.engine.compat.clone(),
        without: options.without.clone(),
        seed: options.seed,
        overrides: options.overrides.clone(),
        outcome,
        start: script.clock.start.to_string(),
        virtual_nanos: record::nanos(elapsed),
        ..RunRecord::default()
    }
}

/// All that is not as the script says.
fn differences(loaded: &Loaded, scenario: &Scenario, ended: &Ended) -> Vec<Difference> {
    let mut differences = ended.differences.clone();
    if let Some(expected) = &loaded.expected_log {
        let lines: Vec<String> = ended.counting(scenario).map(|line| line.text.clone()).collect();
        differences.extend(expect::log(expected, scenario.expect.elided, &lines));
    }
    if let Some(evidence) = &ended.evidence {
        differences.extend(expect::checks(&scenario.expect.checks, evidence, &ended.log));
        differences.extend(invariants::check(evidence, &scenario.expect.breaks));
    }
    differences
}
