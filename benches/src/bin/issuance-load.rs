//! `issuance-load`: certificates per second, and what each costs, of an ACME server; Pebble beside ours.
//!
//! ```text
//! cargo build --release --workspace
//! cargo run --release -p benches --bin issuance-load -- --servers both --in-flight 1,8,32 --names 1,10 --runs 3
//! cargo run --release -p benches --bin issuance-load -- --servers mock --soak
//! cargo run --release -p benches --bin issuance-load -- --servers mock --long
//! ```
#![expect(clippy::print_stdout, reason = "a program that tells what it measured")]

use std::future::Future as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use benches::children::{StartError, beside};
use benches::servers::{Binaries, Kind, Servers};
use benches::table::{Summary, configuration, row, summarize};
use clap::{Parser, ValueEnum};
use load::{DriveError, Load, Outcome, Progress, Protocol, drive};

/// Loads ACME servers with real issuance, http-01 validated, and tells what a certificate costs.
///
/// Prints one JSON line for each run, and a table at the end. Ends with 1 when a run of other servers than Pebble hung
/// or had a failure.
#[derive(Debug, Parser)]
#[command(name = "issuance-load", version)]
struct Arguments {
    /// Whose servers to start. With `both`, each configuration is run for one and then the other.
    #[arg(long, value_enum, default_value_t = Which::Both)]
    servers: Which,
    /// Orders in a run.
    #[arg(long, default_value_t = 2_000)]
    orders: u64,
    /// Orders before them that are not measured.
    #[arg(long, default_value_t = 200)]
    warm_up: u64,
    /// Orders under way at any time; several numbers make several configurations.
    #[arg(long, value_delimiter = ',', default_value = "32")]
    in_flight: Vec<u64>,
    /// Names in an order; several numbers make several configurations.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    names: Vec<u64>,
    /// What all names end with; their addresses are the challenge test server's default.
    #[arg(long, default_value = "load.test")]
    domain: String,
    /// Runs of each configuration, each with servers of its own.
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// 20,000 orders, 128 in flight.
    #[arg(long, conflicts_with_all = ["long", "orders", "in_flight"])]
    soak: bool,
    /// 100,000 orders, 32 in flight, told for each 10,000.
    #[arg(long, conflicts_with_all = ["orders", "in_flight", "window"])]
    long: bool,
    /// Tells speed, CPU and memory for each stretch of this many certificates, too.
    #[arg(long, default_value_t = 0)]
    window: u64,
    /// Accounts that orders are made by in turn.
    #[arg(long, default_value_t = 1)]
    accounts: u64,
    /// Certificate keys made before the run and used in turn, in place of a new one for each order.
    #[arg(long, default_value_t = 0)]
    pre_generated_keys: usize,
    /// The pause before an order's first poll; each further one is half as long again, up to 250 ms.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10)]
    poll: u64,
    /// An answer that takes longer is a hang, and ends the run.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    deadline: u64,
    /// Speaks HTTP/2 with the ACME server.
    #[arg(long)]
    h2: bool,
    /// The ACME server of ours; otherwise that beside this program.
    #[arg(long, value_name = "FILE")]
    mock_ca: Option<PathBuf>,
    /// The challenge test server of ours; otherwise that beside this program.
    #[arg(long, value_name = "FILE")]
    mock_dns: Option<PathBuf>,
    /// Pebble.
    #[arg(long, value_name = "FILE", default_value = "pebble")]
    pebble: PathBuf,
    /// Pebble's challenge test server.
    #[arg(long, value_name = "FILE", default_value = "pebble-challtestsrv")]
    challtestsrv: PathBuf,
    /// A folder for what the servers print; otherwise it is thrown away.
    #[arg(long, value_name = "FOLDER")]
    server_log: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// `mock-ca` and `mock-dns`.
    Mock,
    /// `pebble` and `pebble-challtestsrv`.
    Pebble,
    /// First ours, then Pebble's.
    Both,
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("{servers}: cannot begin: {source}")]
    Begin { servers: String, source: DriveError },
    #[error("asked to end before all was measured")]
    AskedToEnd,
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
}

impl Arguments {
    fn kinds(&self) -> &'static [Kind] {
        match self.servers {
            Which::Mock => &[Kind::Mock],
            Which::Pebble => &[Kind::Pebble],
            Which::Both => &[Kind::Mock, Kind::Pebble],
        }
    }

    fn binaries(&self, kind: Kind) -> Binaries {
        let (server, responder) = match kind {
            Kind::Mock => (
                self.mock_ca.clone().unwrap_or_else(|| beside("mock-ca")),
                self.mock_dns.clone().unwrap_or_else(|| beside("mock-dns")),
            ),
            Kind::Pebble => (self.pebble.clone(), self.challtestsrv.clone()),
        };
        Binaries { server, responder, log: self.server_log.clone() }
    }

    fn protocol(&self) -> Protocol {
        if self.h2 { Protocol::Http2 } else { Protocol::Http1 }
    }

    /// Every combination that was asked for.
    fn loads(&self) -> Vec<Load> {
        let (orders, in_flight, window) = if self.soak {
            (20_000, vec![128], self.window)
        } else if self.long {
            (100_000, vec![32], 10_000)
        } else {
            (self.orders, self.in_flight.clone(), self.window)
        };
        let mut loads = Vec::new();
        for &names in &self.names {
            for &in_flight in &in_flight {
                loads.push(Load {
                    orders,
                    warm_up: self.warm_up,
                    in_flight,
                    names,
                    domain: self.domain.clone(),
                    accounts: self.accounts,
                    keys: self.pre_generated_keys,
                    poll: Duration::from_millis(self.poll),
                    deadline: Duration::from_secs(self.deadline),
                    window,
                    ..Load::default()
                });
            }
        }
        loads
    }
}

/// One run, told as soon as it is over.
async fn run(load: &Load, kind: Kind, servers: &Servers) -> Result<Outcome, Trouble> {
    let mut outcome =
        drive(load, servers.target(), servers.publish(), servers.watched(), &Arc::<Progress>::default())
            .await
            .map_err(|source| Trouble::Begin { servers: kind.to_string(), source })?;
    outcome.servers = kind.to_string();
    println!("{}", serde_json::to_string(&outcome).map_err(std::io::Error::from)?);
    Ok(outcome)
}

async fn measure(arguments: &Arguments) -> Result<Vec<Outcome>, Trouble> {
    let mut outcomes = Vec::new();
    for load in arguments.loads() {
        for _ in 0..arguments.runs {
            for &kind in arguments.kinds() {
                let servers = Servers::start(&arguments.binaries(kind), arguments.protocol()).await?;
                outcomes.push(run(&load, kind, &servers).await?);
            }
        }
    }
    Ok(outcomes)
}

fn print_windows(outcome: &Outcome) {
    println!(
        "\n{}\n\n| certificates | certs/s | server CPU ms/cert | server MB |\n|---|---|---|---|",
        configuration(outcome)
    );
    for window in &outcome.windows {
        let cpu = window.server_ms.map_or_else(|| "–".to_owned(), |ms| format!("{ms:.2}"));
        let memory = window.server_kib.map_or_else(|| "–".to_owned(), |kib| (kib / 1024).to_string());
        println!("| {} | {:.0} | {cpu} | {memory} |", window.certificates, window.per_second);
    }
}

/// Tables, failures in words, and whether all was well.
fn print(outcomes: &[Outcome]) -> bool {
    println!("\n{}", Summary::HEAD);
    for summary in summarize(outcomes) {
        println!("{}", row(&summary));
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.windows.is_empty()) {
        print_windows(outcome);
    }
    for outcome in outcomes.iter().filter(|outcome| !outcome.examples.is_empty()) {
        println!(
            "\n{}, {} of {} certificates:",
            configuration(outcome),
            outcome.certificates,
            outcome.orders
        );
        for (kind, example) in &outcome.examples {
            let count = outcome.failures.get(kind).or_else(|| outcome.warm_up_failures.get(kind));
            println!("  {} × {kind}; the first: {example}", count.copied().unwrap_or_default());
        }
    }
    outcomes.iter().all(|outcome| outcome.finished() || outcome.servers == Kind::Pebble.to_string())
}

/// Measures, unless told to end before; either way the servers end with this.
fn measure_until_told(arguments: Arguments) -> Result<Vec<Outcome>, Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (mut measured, mut told) = (pin!(measure(&arguments)), pin!(world::real::told_to_end()?));
        std::future::poll_fn(|cx| match told.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(Trouble::AskedToEnd)),
            Poll::Pending => measured.as_mut().poll(cx),
        })
        .await
    });
    // Orders under way are of no interest any more.
    runtime.shutdown_background();
    outcome
}

fn main() -> ExitCode {
    match measure_until_told(Arguments::parse()) {
        Ok(outcomes) if print(&outcomes) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("issuance-load: {trouble}");
            ExitCode::FAILURE
        }
    }
}
