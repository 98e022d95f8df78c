//! What the engine costs: simulated issuances per second, calls and conflicts per certificate, memory per Certificate,
//! and the start of a process that finds many Certificates ready.
//!
//! `cargo run --release -p benches --bin engine-cost` prints a table in Markdown.

use std::process::ExitCode;

use clap::Parser;
use engine::api::{Kind, Object};
use scenarios::fleet;
use scenarios::runner::{Options, RunError, Whole, run_whole};
use scenarios::script::Loaded;
use world::real::Stopwatch;

use load::{ProcessError, Usage};

/// Measures what the engine costs, in simulated worlds.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Certificates that are issued.
    #[arg(long, default_value_t = 500, value_name = "N")]
    issue: usize,
    /// How many ready Certificates a starting process finds (repeatable).
    #[arg(long, default_values_t = [1_000, 100_000], value_name = "N")]
    ready: Vec<usize>,
    /// The release.
    #[arg(long, default_value = "v1_21", value_name = "NAME")]
    compat: String,
}

#[derive(Debug, thiserror::Error)]
enum CostError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Manifest(#[from] engine::manifest::ManifestError),
    #[error(transparent)]
    Process(#[from] ProcessError),
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
    issuances(args, &mut row)?;
    let one = run(&fleet::new(1)?, args, &["until=2026-01-05T08:05:00Z"])?;
    for n in &args.ready {
        start(args, &one.objects, *n, &mut row)?;
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

/// A process starts and finds `n` Certificates ready, with their Secrets, requests and Orders.
fn start(
    args: &Args,
    ended: &[Object],
    n: usize,
    row: &mut impl FnMut(&str, String),
) -> Result<(), CostError> {
    let mut loaded = fleet::new(0)?;
    loaded.objects = fleet::multiply(ended, n);
    loaded.objects.retain(|object| object.kind() != Kind::Event);
    let before = Usage::own()?;
    let watch = Stopwatch::start();
    // The world begins when the one Certificate had been issued.
    let whole = run(&loaded, args, &["clock.start=2026-01-05T08:10:00Z", "until=2026-01-05T08:11:00Z"])?;
    let wall = watch.elapsed().as_secs_f64();
    let after = Usage::own()?;
    let ready = fleet::ready(&whole.objects).len();
    let writes: u64 = whole.record.counts.api_calls.values().sum();
    if ready != n || writes > 1 {
        return Err(CostError::Outcome(format!("{ready} of {n} are ready after {writes} API calls")));
    }
    let kib = (after.resident_kib as f64 - before.resident_kib as f64) / n as f64;
    row(&format!("start with {n} ready Certificates, seconds"), format!("{wall:.2}"));
    row(&format!("memory per ready Certificate at {n}, KiB"), format!("{kib:.1}"));
    Ok(())
}
