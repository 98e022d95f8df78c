//! `rehearse`: lists, runs and replays scenarios, and issues certificates outside of them.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use reports::{Outcome, RunRecord};
use scenarios::history;
use scenarios::issue::{self, IssueArgs};
use scenarios::library::Library;
use scenarios::runner;
use scenarios::script::Loaded;
use world::real::Stopwatch;

/// Rehearse certificate issuance before production does.
#[derive(Parser)]
#[command(name = "rehearse", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The folder of scenarios (default: scenarios/library of the checkout).
    #[arg(long, global = true, value_name = "DIR")]
    library: Option<PathBuf>,
    /// Mend the mistakes of manifests, and tell them on standard error.
    #[arg(long, global = true)]
    lenient: bool,
}

#[derive(Subcommand)]
enum Command {
    /// List the scenarios: name and what happens.
    List,
    /// Run scenarios and hold them against what they expect.
    Run {
        /// Which (all when none is named); a path names a folder outside of the library.
        names: Vec<String>,
        #[command(flatten)]
        vary: Vary,
        /// Print the records of the runs as JSON lines, and nothing else.
        #[arg(long)]
        json: bool,
    },
    /// Print the log of one run, and nothing else.
    Replay {
        /// Which.
        name: String,
        #[command(flatten)]
        vary: Vary,
    },
    /// Print an object as `kubectl describe` would have, at a time of a run (its end when none is given).
    Describe {
        /// Its kind: `Certificate`, `certificates`, `cert`.
        kind: String,
        /// Its name.
        name: String,
        /// Which scenario.
        #[arg(long, value_name = "NAME")]
        scenario: String,
        /// When: RFC 3339, or a time after the start of the run such as 90s.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// Its namespace; not needed when only one has it.
        #[arg(short, long, value_name = "NS")]
        namespace: Option<String>,
        #[command(flatten)]
        vary: Vary,
    },
    /// Print a script with all its defaults, as JSON: every path that --set knows.
    Show {
        /// Which.
        name: String,
    },
    Issue(Box<IssueArgs>),
}

#[derive(Args)]
struct Vary {
    /// Root seed of all randomness.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Set any knob of the script (repeatable).
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

/// Writes to standard output. Who reads it may stop reading (`| head`): then there is nobody to tell.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Something was wrong with what was given.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match command(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(report) => {
            eprintln!("{report:?}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Loads a scenario. What was mended goes to standard error, since the output may be a log.
fn load(library: &Library, name: &str, lenient: bool) -> miette::Result<Loaded> {
    let loaded = if lenient { library.load_leniently(name)? } else { library.load(name)? };
    for repair in &loaded.repairs {
        eprintln!("{repair}");
    }
    Ok(loaded)
}

/// Does it; says whether all went as expected.
fn command(cli: Cli) -> miette::Result<bool> {
    if let Command::Issue(args) = &cli.command {
        return Ok(issue::run(args, cli.lenient, say)?);
    }
    let library = Library::open(cli.library.as_deref())?;
    match cli.command {
        // It needs no library.
        Command::Issue(_) => Ok(true),
        Command::List => {
            for name in library.names() {
                say(&format!("{name:<24} {}\n", library.load(&name)?.scenario.title));
            }
            Ok(true)
        }
        Command::Show { name } => {
            let loaded = load(&library, &name, cli.lenient)?;
            let json = serde_json::to_string_pretty(&loaded.scenario);
            say(&format!("{}\n", json.map_err(|e| miette::miette!("{e}"))?));
            Ok(true)
        }
        Command::Replay { name, vary } => {
            let loaded = load(&library, &name, cli.lenient)?;
            let record = runner::run(&loaded, vary.seed, &vary.set)?;
            say(&reports::klog(&record));
            if let Outcome::Stopped { report } = &record.outcome {
                eprintln!("{report}");
                return Ok(false);
            }
            Ok(true)
        }
        Command::Describe { kind, name, scenario, at, namespace, vary } => {
            let loaded = load(&library, &scenario, cli.lenient)?;
            let subject = Subject { kind: &kind, name: &name, namespace: namespace.as_deref() };
            say(&described(&loaded, &subject, at.as_deref(), &vary)?);
            Ok(true)
        }
        Command::Run { names, vary, json } => run(&library, names, &vary, json, cli.lenient),
    }
}

/// What is to be described.
struct Subject<'a> {
    kind: &'a str,
    name: &'a str,
    namespace: Option<&'a str>,
}

fn described(
    loaded: &Loaded,
    subject: &Subject<'_>,
    at: Option<&str>,
    vary: &Vary,
) -> miette::Result<String> {
    let kind = history::kind(subject.kind)
        .ok_or_else(|| miette::miette!("the server doesn't have a resource type {:?}", subject.kind))?;
    let options =
        runner::Options { seed: vary.seed, overrides: vary.set.clone(), ..runner::Options::default() };
    let (record, kept) = runner::history(loaded, &options)?;
    let Some(kept) = kept else {
        return Err(match &record.outcome {
            Outcome::Stopped { report } => miette::miette!("the run was stopped: {report}"),
            _ => miette::miette!("the run has no history"),
        });
    };
    let end = kept.time(&format!("{}ns", record.virtual_nanos)).map_err(|e| miette::miette!("{e}"))?;
    let time = match at {
        None => end,
        Some(text) => kept.time(text).map_err(|e| miette::miette!("--at {e}"))?,
    };
    if time < kept.start() || time > end {
        return Err(miette::miette!("--at {time}: the run lasts from {} to {end}", kept.start()));
    }
    let stored = kept.at(time);
    Ok(stored.describe(stored.find(kind, subject.namespace, subject.name)?))
}

fn run(
    library: &Library,
    names: Vec<String>,
    vary: &Vary,
    json: bool,
    lenient: bool,
) -> miette::Result<bool> {
    let names = if names.is_empty() { library.names() } else { names };
    // All of them are loaded first: a mistake in the last one shows before the first one runs.
    let loaded = names.iter().map(|n| load(library, n, lenient)).collect::<Result<Vec<_>, _>>()?;
    let mut records: Vec<RunRecord> = Vec::new();
    for scenario in &loaded {
        let watch = Stopwatch::start();
        let record = runner::run(scenario, vary.seed, &vary.set)?;
        if json {
            say(&format!("{}\n", serde_json::to_string(&record).map_err(|e| miette::miette!("{e}"))?));
        } else {
            say(&format!("{}\n{}", reports::line(&record, watch.elapsed()), reports::differences(&record)));
        }
        records.push(record);
    }
    if !json {
        say(&format!("{}\n", reports::summary(&records)));
    }
    Ok(records.iter().all(|r| r.outcome == Outcome::Passed))
}
