//! Everything that a start is told, put together.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use world::net::BadListen;

use super::address::{BadServer, listen_address, nameservers};
use super::environment::Environment;
use super::file::{BadFile, PebbleFile, SAMPLE_LISTEN, SAMPLE_MANAGEMENT, read_json};
use super::flags::{Options, Preset};
use super::hierarchy::{HierarchyOptions, IssuerKey};
use crate::config::{Config, Randomness};
use crate::dialect::DialectName;
use crate::faults::{Script, ScriptError};
use crate::state::StateDir;

/// What the server is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Of the CA. Its base URL is empty unless the settings file has one: URLs have the host that they were
    /// asked for.
    pub config: Config,
    /// Where to listen for ACME, as it was written.
    pub listen: String,
    /// Where to listen for management; `None` is nowhere.
    pub management: Option<String>,
    /// The files of the HTTPS certificate (PEM, leaf first) and of its key; `None`: both are made.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The hierarchy.
    pub hierarchy: HierarchyOptions,
    /// Where state is kept; `None` is in memory only.
    pub state: Option<StateDir>,
    /// What was not understood, in sentences.
    pub warnings: Vec<String>,
}

/// Why a start cannot be made of what it is told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("{}: {source}{}", path.display(), hint(.source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file says something that cannot be.
    #[error("{}:{bad}", path.display())]
    Bad {
        /// The file.
        path: PathBuf,
        /// What, and where.
        bad: BadFile,
    },
    /// A settings file does not fit what it changes.
    #[error("{}: {key}: {what}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// What is wrong.
        what: String,
    },
    /// Certificate without key, or key without certificate.
    #[error("{}: pebble.{missing} is missing: `certificate` and `privateKey` belong together (leave both out, and they are made)", path.display())]
    HalfIdentity {
        /// The configuration file.
        path: PathBuf,
        /// The key that is missing.
        missing: &'static str,
    },
    /// A flag has a text that is no address to listen on.
    #[error("-{flag}: {bad}")]
    Listen {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        bad: BadListen,
    },
    /// The nameserver is none.
    #[error("-dnsserver: {0}")]
    Server(#[from] BadServer),
    /// A fault script cannot be read.
    #[error("{place}: {bad}")]
    Faults {
        /// The file, or the flag.
        place: String,
        /// What is wrong.
        bad: ScriptError,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => " (paths count from the folder that the server is started in)",
        _ => "",
    }
}

fn text_of(path: &Path) -> Result<String, SettingsError> {
    std::fs::read_to_string(path).map_err(|source| SettingsError::File { path: path.to_owned(), source })
}

/// Reads what the command line names, and puts it together. `look_up` finds the addresses of a nameserver
/// that is given by name.
///
/// # Errors
/// [`SettingsError`] for a file that cannot be read or understood, and for an address that is none.
pub fn read(
    options: &Options,
    environment: &Environment,
    look_up: impl FnOnce(&str, u16) -> io::Result<Vec<SocketAddr>>,
) -> Result<Settings, SettingsError> {
    let mut config = base(options.dialect, options.preset);
    let mut hierarchy = HierarchyOptions::default();
    let path = &options.config;
    let (mut listen, mut management, mut identity) =
        (SAMPLE_LISTEN.to_owned(), Some(SAMPLE_MANAGEMENT.to_owned()), None);
    match text_of(path) {
        Ok(text) => {
            let bad = |bad| SettingsError::Bad { path: path.clone(), bad };
            let file = PebbleFile::parse(&text).map_err(bad)?;
            listen = file.listen().unwrap_or(SAMPLE_LISTEN).to_owned();
            management = file.management().map(ToOwned::to_owned);
            let half = |missing| SettingsError::HalfIdentity { path: path.clone(), missing };
            identity = match file.identity() {
                ("", "") => None,
                ("", _) => return Err(half("certificate")),
                (_, "") => return Err(half("privateKey")),
                (certificate, key) => Some((PathBuf::from(certificate), PathBuf::from(key))),
            };
            file.apply(&mut config, &mut hierarchy);
        }
        Err(SettingsError::File { source, .. })
            if source.kind() == io::ErrorKind::NotFound && !options.config_named =>
        {
            sample(&mut config, &mut hierarchy);
        }
        Err(error) => return Err(error),
    }
    environment.apply(&mut config, &mut hierarchy);
    if options.preset.is_none() {
        hierarchy.apply(&mut config.hierarchy);
    }
    if let Some(path) = &options.settings {
        config = merged(&config, path, &text_of(path)?)?;
    }
    config.faults.rules.extend(faults(options)?.rules);
    let at = |flag| move |bad| SettingsError::Listen { flag, bad };
    if let Some(text) = &options.listen {
        listen_address(text).map_err(at("listen"))?;
        listen.clone_from(text);
    }
    match options.management.as_deref() {
        None => {}
        Some("") => management = None,
        Some(text) => {
            listen_address(text).map_err(at("management"))?;
            management = Some(text.to_owned());
        }
    }
    let servers = nameservers(&options.dnsserver, look_up)?;
    if !servers.is_empty() {
        config.resolvers = servers;
    }
    config.strict |= options.strict;
    let warnings = environment.warnings.clone();
    let state = options.state.clone();
    Ok(Settings { config, listen, management, identity, hierarchy, state, warnings })
}

/// The rules of the script, and then those of the flags.
fn faults(options: &Options) -> Result<Script, SettingsError> {
    let mut script = Script::default();
    if let Some(path) = &options.faults {
        let place = path.display().to_string();
        let read: Script = text_of(path)?.parse().map_err(|bad| SettingsError::Faults { place, bad })?;
        script.rules.extend(read.rules);
    }
    for spec in &options.fault {
        let place = format!("-fault {spec}");
        let read: Script = spec.parse().map_err(|bad| SettingsError::Faults { place, bad })?;
        script.rules.extend(read.rules);
    }
    Ok(script)
}

/// What the configuration starts from.
fn base(dialect: DialectName, preset: Option<Preset>) -> Config {
    let pebble = Config::pebble();
    let config = match (preset, dialect) {
        (Some(Preset::LetsencryptProd), _) => Config::letsencrypt_prod(),
        (Some(Preset::LetsencryptStaging), _) => Config::letsencrypt_staging(),
        (None, DialectName::Boulder) => Config::default(),
        (None, DialectName::Pebble) => return Config { randomness: Randomness::pebble(), ..pebble },
    };
    // A name of the internet is no URL of a server on this machine, and its ports are not ours.
    Config { base_url: String::new(), http_port: pebble.http_port, tls_port: pebble.tls_port, ..config }
}

/// What Pebble's sample file says beyond what is built in.
fn sample(config: &mut Config, hierarchy: &mut HierarchyOptions) {
    config.blocklist = vec!["blocked-domain.example".to_owned()];
    hierarchy.key = IssuerKey::Ecdsa;
    config.retry_after.authz = Some(std::time::Duration::from_secs(3));
    config.retry_after.order = Some(std::time::Duration::from_secs(5));
}

/// The configuration with what a settings file says in its place: objects key by key, all else as a whole.
fn merged(config: &Config, path: &Path, text: &str) -> Result<Config, SettingsError> {
    // Alone first: its errors have their places in the file.
    let bad = |bad| SettingsError::Bad { path: path.to_owned(), bad };
    read_json::<Config>(text).map_err(bad)?;
    let changes: Value = read_json(text).map_err(bad)?;
    let wrong = |key: String, what: String| SettingsError::Settings { path: path.to_owned(), key, what };
    let mut whole = serde_json::to_value(config).map_err(|error| wrong(String::new(), error.to_string()))?;
    merge(&mut whole, changes);
    serde_path_to_error::deserialize(whole)
        .map_err(|error| wrong(error.path().to_string(), error.inner().to_string()))
}

fn merge(into: &mut Value, changes: Value) {
    match (into, changes) {
        (Value::Object(into), Value::Object(changes)) => {
            for (key, value) in changes {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, changes) => *into = changes,
    }
}
