//! `rehearse`: lists, runs and replays scenarios, and issues certificates outside of them.

mod commands;

use std::io::{IsTerminal as _, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use miette::IntoDiagnostic as _;
use reports::Outcome;
use scenarios::history;
use scenarios::issue::{self, IssueArgs};
use scenarios::library::Library;
use scenarios::runner;
use scenarios::script::Loaded;
use scenarios::template;

use commands::say;

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
    List {
        /// As a table in Markdown, with the failures that they show, their release and their source.
        #[arg(long)]
        long: bool,
    },
    /// Run scenarios and hold them against what they expect.
    Run(commands::run::RunArgs),
    /// Make a page of runs: what happened when, in words, on a time line and in the log, and two runs side by side.
    Report(commands::report::ReportArgs),
    /// What becomes of many certificates over a year: renewals, limits, outages, and what expires.
    Fleet(Box<commands::fleet::FleetArgs>),
    /// Load an ACME server with real issuance, and tell how many certificates a second it gives and where the time goes.
    Bench(Box<commands::bench::BenchArgs>),
    /// Print a JSON Schema: of scenario.yaml, for editors, or of the record of a run.
    Schema {
        /// Of what.
        #[arg(value_enum, default_value_t)]
        of: SchemaOf,
    },
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual, a page (man 1) for each command.
    Man {
        /// Into which folder.
        folder: PathBuf,
    },
    /// Make a scenario from a template.
    New {
        /// Its name, which says what one sees.
        name: String,
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

/// What there is a schema of.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SchemaOf {
    /// scenario.yaml.
    #[default]
    Scenario,
    /// The record of a run.
    Record,
}

/// What is otherwise than the script has it.
#[derive(Args)]
pub(crate) struct Vary {
    /// Root seed of all randomness.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Set any knob of the script (repeatable).
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Something was wrong with what was given.
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    // What a program reads, or a person searches for in a CI log, is not broken at a width that nobody looks at.
    drop(miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(stderr().is_terminal()).build())
    })));
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
pub(crate) fn load(library: &Library, name: &str, lenient: bool) -> miette::Result<Loaded> {
    let loaded = if lenient { library.load_leniently(name)? } else { library.load(name)? };
    for repair in &loaded.repairs {
        eprintln!("{repair}");
    }
    Ok(loaded)
}

/// Does it; says whether all went as expected.
fn command(cli: Cli) -> miette::Result<bool> {
    let Cli { command, library, lenient } = cli;
    // Not every command needs one.
    let library = || Library::open(library.as_deref());
    match command {
        Command::Issue(args) => Ok(issue::run(&args, lenient, say)?),
        Command::Report(args) => commands::report::report(&args),
        Command::Fleet(args) => commands::fleet::fleet(&args),
        Command::Bench(args) => commands::bench::bench(&args),
        Command::Schema { of } => {
            let schema = match of {
                SchemaOf::Scenario => scenarios::schema::scenario(),
                SchemaOf::Record => scenarios::schema::record(),
            };
            say(&format!("{schema:#}\n"));
            Ok(true)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rehearse", &mut text);
            say(&String::from_utf8_lossy(&text));
            Ok(true)
        }
        Command::Man { folder } => {
            std::fs::create_dir_all(&folder).into_diagnostic()?;
            clap_mangen::generate_to(Cli::command(), &folder).into_diagnostic()?;
            Ok(true)
        }
        Command::List { long: true } => {
            let mut table =
                String::from("| scenario | shows | release | what happens | from |\n|---|---|---|---|---|\n");
            let library = library()?;
            for name in library.names() {
                let script = library.load(&name)?.scenario;
                let (shows, release) = (script.failures.join(" "), &script.engine.compat);
                table.push_str(&format!(
                    "| {name} | {shows} | {release} | {} | {} |\n",
                    script.title, script.source
                ));
            }
            say(&table);
            Ok(true)
        }
        Command::List { long: false } => {
            let library = library()?;
            for name in library.names() {
                say(&format!("{name:<24} {}\n", library.load(&name)?.scenario.title));
            }
            Ok(true)
        }
        Command::Show { name } => {
            let loaded = load(&library()?, &name, lenient)?;
            let json = serde_json::to_string_pretty(&loaded.scenario);
            say(&format!("{}\n", json.map_err(|e| miette::miette!("{e}"))?));
            Ok(true)
        }
        Command::Replay { name, vary } => {
            let loaded = load(&library()?, &name, lenient)?;
            let record = runner::run(&loaded, vary.seed, &vary.set)?;
            say(&reports::klog(&record));
            if let Outcome::Stopped { report } = &record.outcome {
                eprintln!("{report}");
                return Ok(false);
            }
            Ok(true)
        }
        Command::Describe { kind, name, scenario, at, namespace, vary } => {
            let loaded = load(&library()?, &scenario, lenient)?;
            let subject = Subject { kind: &kind, name: &name, namespace: namespace.as_deref() };
            say(&described(&loaded, &subject, at.as_deref(), &vary)?);
            Ok(true)
        }
        Command::New { name } => {
            let folder = template::new(library()?.folder(), &name)?;
            say(&format!(
                "{}\n`rehearse run {name}` runs it; docs/scenarios.md teaches the language.\n",
                folder.display()
            ));
            Ok(true)
        }
        Command::Run(args) => commands::run::run(&library()?, args, lenient),
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
