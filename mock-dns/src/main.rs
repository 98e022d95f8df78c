//! `mock-dns`: the server on real sockets.
//!
//! ```text
//! mock-dns --listen 127.0.0.1:8053 --zone example.test=example.test.zone --config zones.json
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use mock_dns::{Config, Dns, ZoneError};
use world::World;

/// An authoritative DNS server for tests.
#[derive(Debug, Parser)]
#[command(name = "mock-dns", version)]
struct Arguments {
    /// Address to answer on, over UDP and TCP; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8053")]
    listen: SocketAddr,
    /// A zone file (RFC 1035): FILE, or NAME=FILE when the file does not say its $ORIGIN. May be repeated.
    #[arg(long, value_name = "[NAME=]FILE")]
    zone: Vec<String>,
    /// Zones, and the delay of answers, as JSON.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}: {field}: {source}")]
    Json { path: String, field: String, source: serde_json::Error },
    #[error("{path}: {source}")]
    Zone { path: String, source: ZoneError },
    #[error("{at}: {source}")]
    Bind { at: SocketAddr, source: std::io::Error },
}

fn read(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

fn config(path: Option<&PathBuf>) -> Result<(String, Config), Failure> {
    let Some(path) = path else { return Ok((String::new(), Config::default())) };
    let path = path.display().to_string();
    let text = read(&path)?;
    let config = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text));
    let config = config.map_err(|e| {
        let field = e.path().to_string();
        Failure::Json { path: path.clone(), field, source: e.into_inner() }
    })?;
    Ok((path, config))
}

async fn start(world: World, arguments: Arguments) -> Result<(), Failure> {
    let (path, config) = config(arguments.config.as_ref())?;
    let dns = Dns::new(world, config).map_err(|source| Failure::Zone { path, source })?;
    for zone in &arguments.zone {
        let (origin, path) = zone.split_once('=').map_or((None, zone.as_str()), |(o, p)| (Some(o), p));
        let added = dns.add_zone_file(&read(path)?, origin);
        added.map_err(|source| Failure::Zone { path: path.to_owned(), source })?;
    }
    let at = arguments.listen;
    let bound = dns.serve(at).await.map_err(|source| Failure::Bind { at, source })?;
    eprintln!("mock-dns: answering on {bound} (udp, tcp)");
    Ok(())
}

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    let served = world::real::run(None, |world| async move {
        match start(world, arguments).await {
            // Until the process is told to end.
            Ok(()) => std::future::pending().await,
            Err(failure) => failure.to_string(),
        }
    });
    let failure = served.unwrap_or_else(|error| error.to_string());
    eprintln!("mock-dns: {failure}");
    std::process::ExitCode::FAILURE
}
