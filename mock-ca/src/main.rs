//! `mock-ca`: the CA as a program that is started, configured and managed as Pebble is.
#![expect(clippy::print_stdout, reason = "a program that tells where it listens")]

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mock_ca::Ca;
use mock_ca::dropin::{
    ClockKind, Environment, Options, Settings, SettingsError, StartError, go_time, read, start,
};
use mock_ca::journal::{Entry, Event};
use world::keys::pem_encode;
use world::{World, real};

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    System(#[from] std::io::Error),
}

fn at(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::File { path: path.to_owned(), source }
}

/// A line of the log. That nobody reads it any more must not stop the server.
fn say(world: &World, line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "Pebble {} {line}", go_time(world.now())).and_then(|()| out.flush()));
}

/// Tells people of certificates.
fn watch(world: World) -> impl Fn(&Ca, &Entry) + Send + Sync + 'static {
    move |ca, entry| {
        if let Event::Issued { serial, order, .. } = &entry.event {
            let order = ca.config().dialect.table().ids.text(*order);
            say(&world, &format!("Issued certificate serial {serial} for order {order}"));
        }
    }
}

async fn run(world: World, seed: u64, options: Options, settings: Settings) -> Result<(), Failure> {
    // Before anybody can know that it runs, and end it.
    let end = real::told_to_end()?;
    for warning in &settings.warnings {
        say(&world, warning);
    }
    let journal = match &options.journal {
        Some(path) => Some(std::fs::File::create(path).map_err(at(path))?),
        None => None,
    };
    let running = start(&world, &settings, watch(world.clone())).await?;
    if let Some((path, file)) = options.journal.as_ref().zip(journal) {
        let (log, path) = (world.clone(), path.display().to_string());
        let report = move |error: &std::io::Error| say(&log, &format!("{path}: {error}; lines are missing"));
        running.ca.journal().write_to(&world, file, report);
    }
    if let Some(path) = &options.root_out {
        let own = settings.identity.is_none().then(|| running.ca.web_root());
        let roots = own.into_iter().chain(running.ca.issuer_roots());
        let pem: String = roots.map(|root| pem_encode("CERTIFICATE", &root)).collect();
        std::fs::write(path, pem).map_err(at(path))?;
    }
    say(&world, &format!("Seed of all randomness: {seed} (-seed {seed} repeats it)"));
    for line in &running.lines {
        say(&world, line);
    }
    end.await;
    Ok(())
}

/// A nameserver that is given by name: as the system knows it.
fn look_up(host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
}

fn serve(options: Options) -> Result<(), Failure> {
    let environment = Environment::read(|name| std::env::var(name).ok());
    let settings = read(&options, &environment, look_up)?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => {
            let drawn = real::world(None).map_err(std::io::Error::other)?.rng("seed").bytes();
            u64::from_be_bytes(drawn)
        }
    };
    let clock = match options.clock {
        ClockKind::Real => real::Clock::System,
        ClockKind::Virtual => real::Clock::Steered,
    };
    real::run(real::Options { seed: Some(seed), clock }, |world| run(world, seed, options, settings))?
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let program = arguments.next().unwrap_or_default();
    let program = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or("mock-ca");
    let options = match Options::parse(program, arguments) {
        Ok(options) => options,
        Err(stop) => {
            eprintln!("{}", stop.text);
            return ExitCode::from(stop.code);
        }
    };
    if options.version {
        println!("mock-ca {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    match serve(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{program}: {failure}");
            ExitCode::FAILURE
        }
    }
}
