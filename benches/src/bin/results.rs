//! `results`: measures this project beside Pebble, pebble-challtestsrv, BIND, Knot and NSD, and writes what it found into
//! `RESULTS.md` and its plots.
//!
//! ```text
//! cargo build --release --workspace && cargo run --release -p benches --bin results
//! ```
//!
//! What is not on the machine is left out, and said so: `apt-get install pebble bind9 knot nsd dnsperf` gets all of it.
#![expect(clippy::print_stdout, reason = "a program that tells what it measured")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use benches::children::{StartError, beside};
use benches::dns::{Amount, Answers, DnsError, QUESTIONS, Question, Running, Server};
use benches::machine::{machine, packages};
use benches::servers::{Binaries, Kind, Servers};
use benches::svg::{Bar, bars};
use benches::table::{Summary, median, row, summarize};
use clap::Parser;
use load::{DriveError, Load, Outcome, Progress, Protocol, drive};

/// Measures ACME and DNS servers side by side, and writes tables and plots into benches/RESULTS.md and benches/plots.
#[derive(Debug, Parser)]
#[command(name = "results", version)]
struct Arguments {
    /// Runs of each configuration; medians are told.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Orders in a run for one name; a fifth of them for ten.
    #[arg(long, default_value_t = 2_000)]
    orders: u64,
    /// Seconds for which each DNS server is asked each question.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// DNS answers in the run that looks at memory.
    #[arg(long, default_value_t = 1_000_000)]
    answers: u64,
    /// The folder that has RESULTS.md.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR")))]
    folder: PathBuf,
    /// Print the tables and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Drive(#[from] DriveError),
    #[error(transparent)]
    Dns(#[from] DnsError),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: there is no line {mark:?}, where the results go", path.display())]
    Mark { path: PathBuf, mark: String },
    #[error(transparent)]
    Write(#[from] reports::RecordError),
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
}

/// Orders in flight and names in each, as they are compared.
const LOADS: [(u64, u64); 5] = [(4, 1), (8, 1), (32, 1), (128, 1), (32, 10)];

/// What is written in one place of RESULTS.md.
struct Section {
    mark: &'static str,
    text: String,
    plots: Vec<(&'static str, String)>,
}

fn binaries(kind: Kind) -> Binaries {
    let (server, responder) = match kind {
        Kind::Mock => (beside("mock-ca"), beside("mock-dns")),
        Kind::Pebble => ("pebble".into(), "pebble-challtestsrv".into()),
    };
    Binaries { server, responder, log: None }
}

/// Every load of both pairs, one after the other, so that what the machine does meanwhile meets both.
async fn acme(arguments: &Arguments) -> Result<Vec<Outcome>, Trouble> {
    let mut outcomes = Vec::new();
    for (in_flight, names) in LOADS {
        let orders = if names > 1 { arguments.orders / 5 } else { arguments.orders };
        let load = Load { orders, warm_up: orders / 10, in_flight, names, ..Load::default() };
        for _ in 0..arguments.runs {
            for kind in [Kind::Mock, Kind::Pebble] {
                let servers = match Servers::start(&binaries(kind), Protocol::Http1).await {
                    // It is another project's; it need not be here.
                    Err(StartError::Program { .. }) if kind == Kind::Pebble => continue,
                    started => started?,
                };
                let progress = Arc::<Progress>::default();
                let (target, publish) = (servers.target(), servers.publish());
                let mut outcome = drive(&load, target, publish, servers.watched(), &progress).await?;
                outcome.servers = kind.to_string();
                println!(
                    "{kind} c{in_flight} k{names}: {:.0}/s{}",
                    outcome.per_second,
                    if outcome.hung { ", hung" } else { "" }
                );
                outcomes.push(outcome);
            }
        }
    }
    Ok(outcomes)
}

fn acme_section(outcomes: &[Outcome]) -> Section {
    let summaries = summarize(outcomes);
    let mut text = format!("{}\n", Summary::HEAD);
    for summary in &summaries {
        text.push_str(&format!("{}\n", row(summary)));
    }
    let plot = |title: &str, of: fn(&Outcome) -> Option<f64>, unit: &str, decimals: usize| {
        let bar = |summary: &Summary| {
            let finished = summary.runs.iter().filter(|run| run.finished());
            let value = median(finished.filter_map(of).collect());
            let figure = value.map_or_else(|| "hung".to_owned(), |v| format!("{v:.decimals$} {unit}"));
            let own = summary.configuration.starts_with("mock");
            Bar { label: summary.configuration.clone(), value, figure, own }
        };
        bars(title, &summaries.iter().map(bar).collect::<Vec<_>>())
    };
    let plots = vec![
        ("acme-speed", plot("Certificates per second", |run| Some(run.per_second), "/s", 0)),
        ("acme-cpu", plot("Server CPU for a certificate", |run| run.server_ms, "ms", 2)),
        ("acme-memory", plot("Server memory for a certificate", |run| run.server_kib, "KiB", 1)),
    ];
    Section { mark: "acme", text, plots }
}

/// Each question to each server that is here, in turn.
async fn dns(arguments: &Arguments) -> Result<Vec<Answers>, Trouble> {
    let mut all = Vec::new();
    for question in QUESTIONS {
        for _ in 0..arguments.runs {
            for server in Server::ALL {
                let Some(program) = server.program() else { continue };
                let running = Running::start(server, &program).await?;
                let answers = running.ask(question, Amount::Time(Duration::from_secs(arguments.seconds)))?;
                tell(&answers);
                all.push(answers);
            }
        }
    }
    Ok(all)
}

fn tell(answers: &Answers) {
    let Question { transport, kind } = answers.question;
    println!(
        "{} {transport} {kind}: {:.0}/s, {:.2} µs, {} lost, grown by {} KiB",
        answers.server.name(),
        answers.per_second,
        answers.server_us,
        answers.lost,
        answers.grown_kib,
    );
}

/// Memory over many answers: what a history without bound takes.
async fn memory(arguments: &Arguments) -> Result<Vec<(Server, Vec<Answers>)>, Trouble> {
    const STEPS: u64 = 4;
    let mut all = Vec::new();
    for server in [Server::MockDns, Server::MockDnsZone, Server::Challtestsrv] {
        let Some(program) = server.program() else { continue };
        let running = Running::start(server, &program).await?;
        let mut steps = Vec::new();
        for _ in 0..STEPS {
            let answers = running.ask(QUESTIONS[0], Amount::Queries(arguments.answers / STEPS))?;
            tell(&answers);
            steps.push(answers);
        }
        all.push((server, steps));
    }
    Ok(all)
}

fn middle(all: &[Answers], server: Server, question: Question, of: fn(&Answers) -> f64) -> Option<f64> {
    let of_these = all.iter().filter(|answers| (answers.server, answers.question) == (server, question));
    median(of_these.map(of).collect())
}

fn dns_section(all: &[Answers], memory: &[(Server, Vec<Answers>)]) -> Section {
    let servers: Vec<Server> = Server::ALL
        .into_iter()
        .filter(|server| all.iter().any(|answers| answers.server == *server))
        .collect();
    let mut text = "| server |".to_owned();
    for Question { transport, kind } in QUESTIONS {
        text.push_str(&format!(" {} {kind}: answers/s, CPU µs each |", transport.to_uppercase()));
    }
    text.push_str(" lost |\n|---|---|---|---|---|--:|\n");
    for server in &servers {
        text.push_str(&format!("| {} |", server.name()));
        for question in QUESTIONS {
            let figure = |of| middle(all, *server, question, of).unwrap_or_default();
            text.push_str(&format!(" {:.0}, {:.2} |", figure(|a| a.per_second), figure(|a| a.server_us)));
        }
        let lost: u64 = all.iter().filter(|a| a.server == *server).map(|a| a.lost).sum();
        text.push_str(&format!(" {lost} |\n"));
    }
    if let Some((_, steps)) = memory.first() {
        text.push_str("\nResident memory after so many answers to A over UDP, MiB:\n\n| server | start |");
        let mut answers = 0;
        for step in steps {
            answers += step.answers;
            text.push_str(&format!(" {answers} |"));
        }
        text.push_str(&format!("\n|---|--:|{}\n", "--:|".repeat(steps.len())));
    }
    for (server, steps) in memory {
        let mib = |kib: f64| format!("{:.1}", kib / 1024.0);
        let start = steps.first().map_or(0.0, |step| step.server_kib as f64 - step.grown_kib as f64);
        text.push_str(&format!("| {} | {} |", server.name(), mib(start)));
        for step in steps {
            text.push_str(&format!(" {} |", mib(step.server_kib as f64)));
        }
        text.push('\n');
    }
    let plot = |title: &str, question: Question| {
        let bar = |server: &Server| {
            let value = middle(all, *server, question, |answers| answers.server_us);
            let figure = value.map_or_else(|| "–".to_owned(), |v| format!("{v:.2} µs"));
            let own = matches!(server, Server::MockDns | Server::MockDnsZone);
            Bar { label: server.name().to_owned(), value, figure, own }
        };
        bars(title, &servers.iter().map(bar).collect::<Vec<_>>())
    };
    let plots = vec![
        ("dns-udp", plot("CPU for a DNS answer over UDP (A)", QUESTIONS[0])),
        ("dns-tcp", plot("CPU for a DNS answer over TCP (TXT)", QUESTIONS[3])),
    ];
    Section { mark: "dns", text, plots }
}

/// The text with what is between the marks replaced.
fn replaced(text: &str, mark: &str, new: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->\n"));
    let (head, rest) = text.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}{new}{end}{tail}"))
}

fn write(folder: &Path, sections: &[Section]) -> Result<(), Trouble> {
    let path = folder.join("RESULTS.md");
    let read = std::fs::read_to_string(&path);
    let mut text = read.map_err(|source| Trouble::File { path: path.clone(), source })?;
    let plots = folder.join("plots");
    for Section { mark, text: new, plots: drawn } in sections {
        text = replaced(&text, mark, new)
            .ok_or_else(|| Trouble::Mark { path: path.clone(), mark: format!("<!-- {mark} -->") })?;
        for (name, svg) in drawn {
            let path = plots.join(format!("{name}.svg"));
            reports::write_whole(&path, svg.as_bytes())?;
        }
    }
    Ok(reports::write_whole(&path, text.as_bytes())?)
}

async fn measure(arguments: &Arguments) -> Result<(), Trouble> {
    let versions = packages(&["pebble", "bind9", "knot", "nsd", "dnsperf"]).join(", ");
    let machine =
        Section { mark: "machine", text: format!("{}; {versions}.\n", machine()), plots: Vec::new() };
    println!("{}", machine.text);
    let dns = dns_section(&dns(arguments).await?, &memory(arguments).await?);
    println!("\n{}", dns.text);
    let acme = acme_section(&acme(arguments).await?);
    println!("\n{}", acme.text);
    if arguments.dry_run { Ok(()) } else { write(&arguments.folder, &[machine, dns, acme]) }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Trouble::from).and_then(|runtime| runtime.block_on(measure(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            eprintln!("results: {trouble}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let text = "head\n<!-- dns -->\nold\n<!-- /dns -->\ntail\n";
        assert_eq!(replaced(text, "dns", "new\n").unwrap(), "head\n<!-- dns -->\nnew\n<!-- /dns -->\ntail\n");
        assert_eq!(replaced(text, "acme", "new\n"), None);
    }
}
