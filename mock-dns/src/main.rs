//! `mock-dns`: a stand-in for `pebble-challtestsrv`, with the same flags, on real sockets; and an
//! authoritative server for the zones that it is given.
//!
//! ```text
//! mock-dns -dnsserver 127.0.0.1:8053 -management :8055 -zone example.test=example.test.zone
//! ```

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use mock_dns::challtest::{ChallTest, Config, Limits, Service, Serving};
use mock_dns::provider::{Provider, ProviderConfig};
use mock_dns::{Dns, ZoneError};
use world::World;
use world::goflag::{Flag, Kind, Parsed, parse};
use world::tls::Identity;

const PROGRAM: &str = "mock-dns";

const FLAGS: &[Flag] = &[
    Flag::new(
        "management",
        Kind::Text,
        ":8055",
        "Comma separated bind addresses of the management interface (HTTP); empty disables it",
    ),
    Flag::new(
        "dnsserver",
        Kind::Text,
        ":8053",
        "Comma separated bind addresses of DNS over UDP and TCP; empty disables it",
    ),
    Flag::alias("dns01", "dnsserver", Kind::Text, ":8053"),
    Flag::new(
        "http01",
        Kind::Text,
        ":5002",
        "Comma separated bind addresses of HTTP-01 challenges; empty disables it",
    ),
    Flag::new(
        "https01",
        Kind::Text,
        ":5003",
        "Comma separated bind addresses of HTTP-01 challenges over HTTPS; empty disables it",
    ),
    Flag::new(
        "tlsalpn01",
        Kind::Text,
        ":5001",
        "Comma separated bind addresses of TLS-ALPN-01 challenges; empty disables it",
    ),
    Flag::new(
        "doh",
        Kind::Text,
        ":8443",
        "Comma separated bind addresses of DNS over HTTPS; empty disables it",
    ),
    Flag::new("provider", Kind::Text, "", "Bind address of a DNS provider's REST interface over the zones"),
    Flag::new("dnspod", Kind::Text, "", "Bind address of the same provider as DNSPod's API"),
    Flag::new("tencent", Kind::Text, "", "Bind address of the same provider as Tencent Cloud's API"),
    Flag::new("provider-config", Kind::Text, "", "What that provider is like, a JSON `FILE`"),
    Flag::new("doh-cert", Kind::Text, "", "Certificate of DNS over HTTPS, a PEM `FILE`"),
    Flag::new("doh-cert-key", Kind::Text, "", "Its key, a PEM `FILE`"),
    Flag::new("defaultIPv4", Kind::Text, "127.0.0.1", "Address of names that have none; empty for none"),
    Flag::new("defaultIPv6", Kind::Text, "::1", "IPv6 address of names that have none; empty for none"),
    Flag::new(
        "zone",
        Kind::Texts,
        "",
        "Answer for a zone with authority: a zone file (RFC 1035), `[NAME=]FILE`; may be repeated",
    ),
    Flag::new("config", Kind::Text, "", "Zones, and the delay of their answers, as a JSON `FILE`"),
    Flag::new("seed", Kind::Number, "", "Make keys repeat: the `number` that all randomness comes from"),
    Flag::new(
        "max-history",
        Kind::Number,
        "50000",
        "Entries of each request history; the oldest are dropped",
    ),
    Flag::new(
        "max-entries",
        Kind::Number,
        "200000",
        "Names, tokens and hosts that are kept; the oldest are dropped",
    ),
    Flag::new("version", Kind::Bool, "false", "Print the version and exit"),
];

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}: {field}: {source}")]
    Json { path: String, field: String, source: serde_json::Error },
    #[error("{path}: {source}")]
    Zone { path: String, source: ZoneError },
    #[error("{0}")]
    Start(String),
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

fn text(path: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::File { path: path.to_owned(), source })
}

/// What a JSON file holds; the default without a file.
fn json<T: serde::de::DeserializeOwned + Default>(path: &str) -> Result<T, Failure> {
    if path.is_empty() {
        return Ok(T::default());
    }
    let read = text(path)?;
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&read)).map_err(|e| {
        Failure::Json { path: path.to_owned(), field: e.path().to_string(), source: e.into_inner() }
    })
}

/// The authoritative server for the zones of the command line and those that are added later, and how long
/// its answers take.
fn zones(world: &World, flags: &Parsed) -> Result<(Dns, Duration), Failure> {
    let path = flags.text("config");
    let config: mock_dns::Config = json(path)?;
    let delay = config.delay;
    let bad = |path: &str| {
        let path = path.to_owned();
        move |source| Failure::Zone { path, source }
    };
    let dns = Dns::new(world.clone(), config).map_err(bad(path))?;
    for zone in flags.texts("zone") {
        let (origin, path) = zone.split_once('=').map_or((None, zone.as_str()), |(o, p)| (Some(o), p));
        dns.add_zone_file(&text(path)?, origin).map_err(bad(path))?;
    }
    Ok((dns, delay))
}

/// Whom DNS over HTTPS shows itself as. What is wrong with the files is only logged, as the rest of the
/// server goes on without it.
fn doh_identity(world: &World, flags: &Parsed) -> Option<Identity> {
    let (certificate, key) = (flags.text("doh-cert"), flags.text("doh-cert-key"));
    if flags.text("doh").is_empty() || certificate.is_empty() || key.is_empty() {
        return None;
    }
    let identity = read(certificate).and_then(|chain| {
        let bad = |e: world::tls::BadTls| Failure::Start(format!("{certificate}, {key}: {e}"));
        Identity::from_pem(world, &chain, &read(key)?).map_err(bad)
    });
    identity.map_err(|failure| complain(&failure)).ok()
}

fn limit(flags: &Parsed, name: &str, default: usize) -> usize {
    flags.number(name).and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
}

fn config(world: &World, flags: &Parsed, dns: Dns, delay: Duration, management: Router) -> Config {
    let defaults = Limits::default();
    let mut config = Config {
        default_ipv4: flags.text("defaultIPv4").parse().ok(),
        default_ipv6: flags.text("defaultIPv6").parse().ok(),
        doh_identity: doh_identity(world, flags),
        limits: Limits {
            history: limit(flags, "max-history", defaults.history),
            entries: limit(flags, "max-entries", defaults.entries),
            ..defaults
        },
        zones: Some(dns),
        zones_delay: delay,
        management,
        ..Config::default()
    };
    for service in Service::all() {
        config.rebind(service, flags.text(service.flag()));
    }
    config
}

/// Serves the provider's interfaces that are asked for. What cannot be bound is only logged.
async fn serve_provider(world: &World, flags: &Parsed, provider: &Provider) {
    let interfaces =
        [("provider", provider.rest()), ("dnspod", provider.dnspod()), ("tencent", provider.tencent())];
    for (flag, router) in interfaces {
        let addresses = match world::net::parse_listen(flags.text(flag)) {
            Ok(addresses) => addresses,
            Err(bad) => {
                complain(&format!("-{flag}: {bad}"));
                continue;
            }
        };
        for at in addresses {
            match world.listen(at).await {
                Ok(listener) => {
                    say(&format!("{flag} API listening on {}", listener.local_addr()));
                    let serving = world::http::serve(world.clone(), listener, None, router.clone());
                    world.spawn(flag, serving);
                }
                Err(error) => complain(&format!("{flag} API: {at}: {error}")),
            }
        }
    }
}

/// A line on standard output. Nobody may be there to read it.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{PROGRAM}: {line}");
    let _ = out.flush();
}

/// A line on standard error.
fn complain(error: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{PROGRAM}: {error}");
}

async fn start(world: World, flags: &Parsed) -> Result<(), Failure> {
    let (dns, delay) = zones(&world, flags)?;
    let path = flags.text("provider-config");
    let bad = |source| Failure::Zone { path: path.to_owned(), source };
    let provider = Provider::new(&dns, json::<ProviderConfig>(path)?).map_err(bad)?;
    let management = dns.router().merge(provider.router());
    let config = config(&world, flags, dns.clone(), delay, management);
    let servers = ChallTest::new(world.clone(), config).map_err(|e| Failure::Start(e.to_string()))?;
    let Serving { listening, failed } = servers.serve().await;
    for (service, error) in &failed {
        complain(&format!("{service}: {error}"));
    }
    for (service, at) in &listening {
        say(&format!("{service} listening on {at}"));
    }
    match dns.serve_nameservers().await {
        Ok(bound) => bound.iter().for_each(|(name, at)| say(&format!("nameserver {name} listening on {at}"))),
        Err(error) => complain(&format!("nameservers: {error}")),
    }
    serve_provider(&world, flags, &provider).await;
    say("ready");
    Ok(())
}

fn main() -> ExitCode {
    let flags = match parse(PROGRAM, FLAGS, std::env::args().skip(1)) {
        Ok(flags) => flags,
        Err(stop) => {
            let _ = writeln!(std::io::stderr().lock(), "{stop}");
            return ExitCode::from(stop.code);
        }
    };
    if !flags.rest().is_empty() {
        complain(&format!("invalid command line arguments: {}", flags.rest().join(" ")));
        return ExitCode::FAILURE;
    }
    if flags.is_set("version") {
        say(env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let served = world::real::run(flags.number("seed"), |world| async move {
        match start(world, &flags).await {
            // Until the process is told to end.
            Ok(()) => std::future::pending().await,
            Err(failure) => failure.to_string(),
        }
    });
    complain(&served.unwrap_or_else(|error| error.to_string()));
    ExitCode::FAILURE
}
