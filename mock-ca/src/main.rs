//! `mock-ca`: the CA as an ordinary HTTPS server.
#![expect(clippy::print_stdout, reason = "a program that tells where it listens")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mock_ca::{Ca, Config};
use world::World;
use world::keys::pem_encode;

/// An ACME server for tests.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Where to listen for HTTPS.
    #[arg(long, default_value = "127.0.0.1:14000")]
    listen: SocketAddr,
    /// The nameserver that validation asks.
    #[arg(long, value_name = "ADDR")]
    dns: Vec<SocketAddr>,
    /// The port that http-01 validation fetches from.
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Configuration, JSON.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Makes keys, nonces, tokens and serial numbers repeat.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to write the roots, PEM: that of the HTTPS certificate, then that of issued certificates.
    #[arg(long, value_name = "FILE")]
    root_out: Option<PathBuf>,
    /// Where to write the journal, one JSON object in a line.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// The port that challenge servers for tests listen on.
const HTTP_PORT: u16 = 5002;

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{}: {source}", path.display())]
    Config { path: PathBuf, source: serde_json::Error },
    #[error("{address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Ca(#[from] mock_ca::CaError),
    #[error(transparent)]
    Start(#[from] std::io::Error),
}

fn at(path: &std::path::Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}

impl Arguments {
    /// The configuration file, or a default for tests on this machine, and what the arguments say.
    fn config(&self, local: SocketAddr) -> Result<Config, Failure> {
        let here = format!("https://{local}");
        let mut config = match &self.config {
            None => Config { base_url: here, http_port: HTTP_PORT, ..Config::default() },
            Some(path) => {
                let text = std::fs::read(path).map_err(at(path))?;
                let bad = |source| Failure::Config { path: path.clone(), source };
                let mut value: serde_json::Value = serde_json::from_slice(&text).map_err(bad)?;
                if let Some(object) = value.as_object_mut() {
                    object.entry("baseUrl").or_insert_with(|| here.into());
                    object.entry("httpPort").or_insert_with(|| HTTP_PORT.into());
                }
                serde_json::from_value(value).map_err(bad)?
            }
        };
        if !self.dns.is_empty() {
            config.resolvers.clone_from(&self.dns);
        }
        config.http_port = self.http_port.unwrap_or(config.http_port);
        Ok(config)
    }
}

async fn run(world: World, arguments: Arguments) -> Result<(), Failure> {
    let address = arguments.listen;
    let listener = world.listen(address).await.map_err(|source| Failure::Listen { address, source })?;
    let config = arguments.config(listener.local_addr())?;
    let ca = Ca::new(world.clone(), config)?;
    if let Some(path) = &arguments.root_out {
        let roots = std::iter::once(ca.web_root()).chain(ca.issuer_roots());
        let pem: String = roots.map(|root| pem_encode("CERTIFICATE", &root)).collect();
        std::fs::write(path, pem).map_err(at(path))?;
    }
    if let Some(path) = &arguments.journal {
        let file = std::fs::File::create(path).map_err(at(path))?;
        let shown = path.display().to_string();
        // A full disk must not stop the server.
        ca.journal().write_to(&world, file, move |error| eprintln!("mock-ca: {shown}: {error}"));
    }
    println!("ACME directory: {}", ca.directory_url());
    Ok(ca.serve_on(listener).await?)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = world::real::run(arguments.seed, |world| run(world, arguments));
    match outcome.map_err(Failure::from).and_then(|ran| ran) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("mock-ca: {failure}");
            ExitCode::FAILURE
        }
    }
}
