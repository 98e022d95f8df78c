//! What the engine costs: simulated issuances per second, calls and conflicts per certificate, memory per Certificate,
//! and the start of a process that finds many Certificates ready.
//!
//! `cargo run --release -p benches --bin engine-cost` prints a table in Markdown.

use std::process::{Command, ExitCode};

use benches::cluster::{self, Cluster};
use clap::Parser;
use engine::api::PrivateKeyAlgorithm;
use scenarios::fleet;
use scenarios::runner::{Options, RunError, Whole, run_whole};
use scenarios::script::Loaded;
use world::real::Stopwatch;

use load::{ProcessError, Usage};

/// Measures what the engine costs, in simulated worlds.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Certificates that are issued; 0 for none.
    #[arg(long, default_value_t = 500, value_name = "N")]
    issue: usize,
    /// How many ready Certificates a starting process finds (repeatable).
    #[arg(long, default_values_t = [1_000, 100_000], value_name = "N")]
    ready: Vec<usize>,
    /// Which keys they have (repeatable).
    #[arg(long, value_enum, default_values_t = [Keys::Rsa2048, Keys::P256])]
    keys: Vec<Keys>,
    /// The release of what is issued; what is ready is looked at by 1.21.
    #[arg(long, default_value = "v1_21", value_name = "NAME")]
    compat: String,
}

/// What keys Certificates have.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Keys {
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "p-256")]
    P256,
}

impl Keys {
    fn name(self) -> &'static str {
        match self {
            Keys::Rsa2048 => "rsa-2048",
            Keys::P256 => "p-256",
        }
    }

    fn algorithm(self) -> PrivateKeyAlgorithm {
        match self {
            Keys::Rsa2048 => PrivateKeyAlgorithm::Rsa,
            Keys::P256 => PrivateKeyAlgorithm::Ecdsa,
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CostError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Manifest(#[from] engine::manifest::ManifestError),
    #[error(transparent)]
    Stopped(#[from] Box<world::sim::Stopped>),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("a process for one measurement: {0}")]
    Child(#[from] std::io::Error),
    #[error("{0}")]
    Outcome(String),
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(table) => {
            say(&table);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    use std::io::Write as _;
    // Who reads it may stop reading.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn run(loaded: &Loaded, args: &Args, more: &[&str]) -> Result<Whole, CostError> {
    let compat = format!("engine.compat={}", args.compat);
    let overrides = std::iter::once(compat).chain(more.iter().map(|s| (*s).to_owned())).collect();
    let whole = run_whole(loaded, &Options { overrides, ..Options::default() })?;
    match &whole.record.outcome {
        reports::Outcome::Stopped { report } => Err(CostError::Outcome(report.clone())),
        _ => Ok(whole),
    }
}

/// As fast as the engine can: no rate limit, and as many workers as there is work for.
const UNLIMITED: &[&str] = &[
    "engine.switches.clientQps=100000",
    "engine.switches.clientBurst=100000",
    "engine.switches.workers=1000",
    "engine.switches.schedulerStarts=10000",
    "engine.switches.schedulerConcurrent=10000",
];

fn measure(args: &Args) -> Result<String, CostError> {
    let mut table = String::from("| what | figure |\n|---|---|\n");
    let mut row = |what: &str, figure: String| table.push_str(&format!("| {what} | {figure} |\n"));
    if args.issue > 0 {
        issuances(args, &mut row)?;
    }
    if let ([n], [keys]) = (args.ready.as_slice(), args.keys.as_slice()) {
        start(*n, *keys, &mut row)?;
        return Ok(table);
    }
    for keys in &args.keys {
        for n in &args.ready {
            table.push_str(&apart(*n, *keys)?);
        }
    }
    Ok(table)
}

fn issuances(args: &Args, row: &mut impl FnMut(&str, String)) -> Result<(), CostError> {
    let loaded = fleet::new(args.issue)?;
    let watch = Stopwatch::start();
    let whole = run(&loaded, args, UNLIMITED)?;
    let wall = watch.elapsed().as_secs_f64();
    let ready = fleet::ready(&whole.objects).len();
    if ready != args.issue {
        return Err(CostError::Outcome(format!("{ready} of {} Certificates are ready", args.issue)));
    }
    let per = |count: u64| count as f64 / ready as f64;
    let counts = &whole.record.counts;
    let reads: u64 =
        counts.api_calls.iter().filter(|(call, _)| call.starts_with("Get ")).map(|(_, n)| n).sum();
    let events: u64 =
        counts.api_calls.iter().filter(|(call, _)| call.ends_with(" Event")).map(|(_, n)| n).sum();
    let calls: u64 = counts.api_calls.values().sum();
    row(&format!("simulated HTTP-01 issuances ({ready}), per second"), format!("{:.1}", ready as f64 / wall));
    row("API writes per certificate, without events", format!("{:.1}", per(calls - reads - events)));
    row("events per certificate", format!("{:.1}", per(events)));
    row("API reads past the caches per certificate", format!("{:.1}", per(reads)));
    row("CA calls per certificate", format!("{:.1}", per(counts.ca_requests.values().sum())));
    row("conflicts per certificate", format!("{:.2}", per(counts.conflicts)));
    Ok(())
}

/// The rows of one start, by a process of its own: what the allocator has from another start would count as memory that this
/// one did not need.
fn apart(n: usize, keys: Keys) -> Result<String, CostError> {
    let mut child = Command::new(std::env::current_exe()?);
    child.args(["--issue", "0", "--ready", &n.to_string(), "--keys", keys.name()]);
    let output = child.output()?;
    if !output.status.success() {
        return Err(CostError::Outcome(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().skip(2).map(|line| format!("{line}\n")).collect())
}

/// A process starts and finds `n` Certificates ready, with their Secrets, requests and Orders.
fn start(n: usize, keys: Keys, row: &mut impl FnMut(&str, String)) -> Result<(), CostError> {
    let issued = cluster::issued(keys.algorithm()).map_err(CostError::Outcome)?;
    let before = Usage::own()?;
    let objects = cluster::ready(&issued, n);
    let ran = world::sim::run(cluster::config(), |world| async move {
        let (cluster, started) = Cluster::start(&world, objects).await?;
        drop(cluster);
        Ok(started)
    })?;
    let started = ran.value.map_err(CostError::Outcome)?;
    let what = format!("{n} ready Certificates with {} keys", keys.name());
    row(&format!("start with {what}, seconds"), format!("{:.2}", started.spent.as_secs_f64()));
    let kib = |from: &Usage, to: &Usage| (to.resident_kib as f64 - from.resident_kib as f64) / n as f64;
    let (server, engine) = (kib(&before, &started.filled), kib(&started.filled, &started.up));
    row(&format!("memory of the API server for each of {what}, KiB"), format!("{server:.1}"));
    row(&format!("memory of the engine for each of {what}, KiB"), format!("{engine:.1}"));
    Ok(())
}
