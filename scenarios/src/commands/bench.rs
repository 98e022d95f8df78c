//! `rehearse bench`: loads an ACME server with real issuance.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use load::{
    ChallengeType, DriveError, ExternalAccount, Load, Pace, Protocol, Publish, Target, Trust, Watched,
};
use miette::{IntoDiagnostic as _, miette};

use super::progress::Progress;
use super::say;

/// Which server, how much, and who answers its challenges.
///
/// Each order is what a client does: newOrder, its authorizations, the key authorization published, the challenge answered, the
/// order polled, finalize, the download, the chain parsed. Exit code: 0 every order became a certificate, 1 one did not,
/// 2 it could not begin.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// The ACME server's directory: https://localhost:14000/dir is that of mock-ca and Pebble.
    #[arg(long, value_name = "URL")]
    directory: String,
    /// Certificates to issue.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100)]
    certificates: u64,
    /// Orders under way at any time; with --rate, at most [default: 10, with --rate 1000].
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    in_flight: Option<u64>,
    /// An open loop: so many orders begin in a second, whatever has become of those before, and their time counts from
    /// when they should have begun.
    #[arg(long, value_name = "ORDERS PER SECOND", value_parser = rate)]
    rate: Option<f64>,
    /// How control of names is proved.
    #[arg(long, value_enum, default_value_t, value_name = "TYPE")]
    challenge: Challenge,
    /// Names in an order.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    names: u64,
    /// What all names end with; they have to lead to whoever answers the challenges.
    #[arg(long, value_name = "NAME", default_value = "load.test")]
    domain: String,
    /// The management API of mock-dns or pebble-challtestsrv, which answers the challenges [default:
    /// http://localhost:8055].
    #[arg(long, value_name = "URL", group = "answers")]
    challtestsrv: Option<String>,
    /// Answer http-01 or tls-alpn-01 from this process, at this address.
    #[arg(long, value_name = "ADDR", group = "answers")]
    listen: Option<SocketAddr>,
    /// Answer dns-01 by this command: `CMD present FQDN VALUE`, `CMD cleanup FQDN VALUE`, as lego's `exec` calls it.
    #[arg(long, value_name = "CMD", group = "answers")]
    dns01_hook: Option<String>,
    /// PEM roots to trust the server by, in place of the system's.
    #[arg(long, value_name = "FILE")]
    acme_ca: Option<PathBuf>,
    /// Take any HTTPS certificate of the server.
    #[arg(long, conflicts_with = "acme_ca")]
    insecure: bool,
    /// How the account's owner is reached: mailto:ops@example.com.
    #[arg(long, value_name = "URL")]
    contact: Option<String>,
    /// Key identifier of an external account, for servers that ask for one.
    #[arg(long, value_name = "KID", requires = "eab_hmac_key")]
    eab_kid: Option<String>,
    /// A file with its HMAC key, in base64url.
    #[arg(long, value_name = "FILE", requires = "eab_kid")]
    eab_hmac_key: Option<PathBuf>,
    /// Orders before those that count.
    #[arg(long, value_name = "N", default_value_t = 0)]
    warm_up: u64,
    /// Accounts that orders are made by in turn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    accounts: u64,
    /// Certificate keys made before the run and used in turn, in place of a new one for each order.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pre_generated_keys: usize,
    /// The pause before an order's first poll; each further one is half as long again, up to 250 ms.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10)]
    poll: u64,
    /// An answer that takes longer is a hang, and ends the run.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    deadline: u64,
    /// Speak HTTP/2 with the server.
    #[arg(long)]
    h2: bool,
    /// The server's process id, on this machine: tells what a certificate costs it.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// The process id of who answers the challenges.
    #[arg(long, value_name = "PID")]
    responder_pid: Option<u32>,
    /// In which form the outcome is told; JSON has the histograms.
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    format: Format,
    /// Write the outcome as JSON to this file, too.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How control of names is proved.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Challenge {
    #[default]
    #[value(name = "http-01")]
    Http01,
    #[value(name = "dns-01")]
    Dns01,
    #[value(name = "tls-alpn-01")]
    TlsAlpn01,
}

/// The forms in which the outcome is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table of phases, and sentences.
    #[default]
    Human,
    /// One object.
    Json,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "want a number".to_owned())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("want more than 0".to_owned()) }
}

/// In an open loop, workers stand ready for orders that pile up.
const OPEN_IN_FLIGHT: u64 = 1000;
const CLOSED_IN_FLIGHT: u64 = 10;
/// Where mock-dns and pebble-challtestsrv have their management API.
const CHALLTESTSRV: &str = "http://localhost:8055";

impl BenchArgs {
    fn load(&self) -> Load {
        let (pace, in_flight) = match self.rate {
            None => (Pace::Closed, CLOSED_IN_FLIGHT),
            Some(per_second) => (Pace::Open { per_second }, OPEN_IN_FLIGHT.min(self.certificates.max(1))),
        };
        Load {
            orders: self.certificates,
            warm_up: self.warm_up,
            pace,
            in_flight: self.in_flight.unwrap_or(in_flight),
            challenge: match self.challenge {
                Challenge::Http01 => ChallengeType::Http01,
                Challenge::Dns01 => ChallengeType::Dns01,
                Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            },
            names: self.names,
            domain: self.domain.clone(),
            accounts: self.accounts,
            keys: self.pre_generated_keys,
            poll: Duration::from_millis(self.poll),
            deadline: Duration::from_secs(self.deadline),
            window: 0,
        }
    }

    fn trust(&self) -> miette::Result<Trust> {
        let Some(path) = &self.acme_ca else {
            return Ok(if self.insecure { Trust::Any } else { Trust::System });
        };
        let text = std::fs::read(path).map_err(|e| miette!("{}: {e}", path.display()))?;
        Trust::pem(&text).ok_or_else(|| miette!("{}: no certificate in PEM that can be read", path.display()))
    }

    fn external_account(&self) -> miette::Result<Option<ExternalAccount>> {
        let (Some(kid), Some(path)) = (&self.eab_kid, &self.eab_hmac_key) else { return Ok(None) };
        let key = std::fs::read_to_string(path).map_err(|e| miette!("{}: {e}", path.display()))?;
        let account = ExternalAccount::new(kid, key.trim());
        account.map(Some).ok_or_else(|| miette!("{}: the HMAC key is not base64url", path.display()))
    }

    fn target(&self) -> miette::Result<Target> {
        Ok(Target {
            directory: self.directory.clone(),
            trust: self.trust()?,
            protocol: if self.h2 { Protocol::Http2 } else { Protocol::Http1 },
            external_account: self.external_account()?,
            contact: self.contact.clone(),
        })
    }

    fn publish(&self) -> Publish {
        match (&self.listen, &self.dns01_hook) {
            (Some(at), _) => Publish::Listen(*at),
            (None, Some(command)) => Publish::Hook(command.clone()),
            (None, None) => {
                Publish::Challtestsrv(self.challtestsrv.clone().unwrap_or_else(|| CHALLTESTSRV.to_owned()))
            }
        }
    }
}

/// Loads the server; says whether every order became a certificate.
pub(crate) fn bench(args: &BenchArgs) -> miette::Result<bool> {
    let (load, target, publish) = (args.load(), args.target()?, args.publish());
    let watched = Watched { server: args.server_pid, responder: args.responder_pid };
    let mut bar = Progress::new(load.warm_up + load.orders);
    let outcome = load::run(&load, &target, &publish, watched, |progress| {
        let (issued, failed) = progress.so_far();
        let failures = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        bar.show(issued + failed, &failures);
    });
    bar.clear();
    let mut outcome = outcome.map_err(told)?;
    outcome.servers.clone_from(&args.directory);
    let json = serde_json::to_string(&outcome).into_diagnostic()? + "\n";
    if let Some(path) = &args.output {
        reports::write_whole(path, json.as_bytes()).into_diagnostic()?;
    }
    match args.format {
        Format::Human => say(&load::text(&outcome)),
        Format::Json => say(&json),
    }
    Ok(outcome.finished())
}

/// Why it did not begin, and what to do about it.
fn told(error: DriveError) -> miette::Report {
    let help = match &error {
        DriveError::Server { failure: load::Failure::Connection { action: "TLS", .. }, .. } => {
            "--acme-ca FILE names the root that the server's certificate is below, --insecure takes any"
        }
        DriveError::Server { failure: load::Failure::Connection { .. }, .. } => {
            "is the server there? `mock-ca` alone serves https://localhost:14000/dir, and `mock-dns` answers its challenges"
        }
        DriveError::Publish(_) => {
            "--challtestsrv URL, --listen ADDR and --dns01-hook CMD say who answers the challenges"
        }
        _ => return miette!("{error}"),
    };
    miette!(help = help, "{error}")
}
