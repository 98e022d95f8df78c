//! Reading a scenario from its folder, and checking that what it names is there.

use std::path::{Path, PathBuf};

use engine::api::convert::offer_solvers;
use engine::api::{Kind, Object, Secret};
use engine::compat::switches::{self, SwitchError};
use engine::compat::{Design, RELEASES};
use engine::manifest::tree;
use engine::manifest::{ManifestError, Options, Source, Span, yaml};

use super::{Scenario, base, outcome};

/// A scenario with its manifests.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The folder's name.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// The script.
    pub scenario: Scenario,
    /// The objects that the cluster has at the start, in the order of files and documents.
    pub objects: Vec<Object>,
    /// What was mended in the manifests, with file, line and column.
    pub repairs: Vec<String>,
    /// The expected log, if the script names one.
    pub expected_log: Option<String>,
}

/// Why a scenario cannot be run.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ScriptError {
    /// A file that cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A file that says something wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Wrong(#[from] Box<ManifestError>),
}

impl From<ManifestError> for ScriptError {
    fn from(error: ManifestError) -> Self {
        ScriptError::Wrong(Box::new(error))
    }
}

fn read(path: &Path, shown: &str) -> Result<String, ScriptError> {
    std::fs::read_to_string(path)
        .map_err(|error| ScriptError::Unreadable { path: shown.to_owned(), why: error.to_string() })
}

/// Loads the scenario in `folder`: `scenario.yaml`, `manifests/*.yaml` by name, and the expected log. Its base is looked for
/// next to the folder, and then in `library`. When it is `lenient`, the mistakes of its manifests are mended whatever the
/// script says.
///
/// # Errors
/// [`ScriptError`] with file, line and column.
pub fn load(folder: &Path, library: Option<&Path>, lenient: bool) -> Result<Loaded, ScriptError> {
    let name = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let path = folder.join("scenario.yaml");
    let shown = path.display().to_string();
    let text = read(&path, &shown)?;
    let source = Source::new(&shown, &text);
    let own = document(&source)?;
    let (node, base_folder) = match own.get("base").and_then(tree::Node::as_str) {
        None => (own, None),
        Some(base) => {
            let (base, folder) = base_of(folder, library, base)
                .map_err(|why| source.error(own.locate("base"), why).with_label("said here"))?;
            (base::over(&own, &base), Some(folder))
        }
    };
    let mut scenario: Scenario = yaml::from_tree(&source, &node)?;
    scenario.manifests.lenient |= lenient;
    let (mut objects, mut repairs) =
        base_folder.map_or(Ok(Default::default()), |folder| manifests(&folder, &scenario))?;
    let (own_objects, own_repairs) = manifests(folder, &scenario)?;
    for object in own_objects {
        match objects.iter_mut().find(|known| known.kind() == object.kind() && known.key() == object.key()) {
            Some(known) => *known = object,
            None => objects.push(object),
        }
    }
    repairs.extend(own_repairs);
    let checked = check(&scenario, &objects).and_then(|()| outcome::check_ablations(&scenario));
    checked.map_err(|missing| {
        let error = source.error(node.locate(&missing.path), missing.message).with_label("said here");
        match missing.help {
            Some(help) => error.with_help(help),
            None => error,
        }
    })?;
    let expected_log = match &scenario.expect.log {
        None => None,
        Some(file) => {
            let path = folder.join(file);
            match std::fs::read_to_string(&path) {
                Ok(text) => Some(text),
                Err(error) => {
                    let at = node.locate("expect.log");
                    let message = format!("cannot read the expected log {file}: {error}");
                    return Err(source.error(at, message).with_label("named here").into());
                }
            }
        }
    };
    Ok(Loaded { name, folder: folder.to_owned(), scenario, objects, repairs, expected_log })
}

/// The only document of a script.
fn document(source: &Source) -> Result<tree::Node, ManifestError> {
    let mut documents = tree::parse(source)?;
    match (documents.len(), documents.pop()) {
        (1, Some(only)) => Ok(only),
        (n, _) => Err(source.error(Span::default(), format!("one document is expected, and here are {n}"))),
    }
}

/// The script of a base, and its folder.
fn base_of(folder: &Path, library: Option<&Path>, name: &str) -> Result<(tree::Node, PathBuf), String> {
    let beside = folder.canonicalize().ok().and_then(|f| f.parent().map(Path::to_owned));
    let places = beside.iter().map(PathBuf::as_path).chain(library);
    let mut folders = places.map(|place| place.join(name));
    let found = folders.find(|folder| folder.join("scenario.yaml").is_file());
    let folder =
        found.ok_or_else(|| format!("there is no scenario {name:?} next to this one, nor in the library"))?;
    let path = folder.join("scenario.yaml").display().to_string();
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let node = document(&Source::new(&path, &text)).map_err(|error| error.to_string())?;
    if node.get("base").is_some() {
        return Err(format!("the base {name:?} has a base itself"));
    }
    Ok((node, folder))
}

/// The objects of the manifests, and what was mended in them.
fn manifests(folder: &Path, scenario: &Scenario) -> Result<(Vec<Object>, Vec<String>), ScriptError> {
    let folder = folder.join("manifests");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(Default::default()) };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    files.sort();
    // A release that does not exist is told later.
    let release = RELEASES.iter().find(|(name, _)| *name == scenario.engine.compat);
    let options = release.map(|(_, compat)| Options::of(compat)).unwrap_or_default();
    let options = Options { convert: scenario.manifests.convert, ..options };
    let (mut objects, mut repairs) = (Vec::new(), Vec::new());
    for file in files {
        let shown = file.display().to_string();
        if scenario.manifests.lenient {
            let bytes = std::fs::read(&file)
                .map_err(|error| ScriptError::Unreadable { path: shown.clone(), why: error.to_string() })?;
            let loaded = engine::manifest::load_lenient(&shown, &bytes)?;
            repairs.extend(loaded.repairs.iter().map(|repair| format!("{shown}:{repair}")));
            objects.extend(loaded.objects);
        } else {
            objects.extend(engine::manifest::load_with(&shown, &read(&file, &shown)?, &options)?);
        }
    }
    // The one controller of old releases reads the domains' configuration itself.
    if release.is_none_or(|(_, compat)| compat.design == Design::Steps) {
        offer_solvers(&mut objects);
    }
    Ok((objects, repairs))
}

/// The nearest of the known names, if one is near.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().map(|k| (strsim::damerau_levenshtein(wrong, k), k));
    near.min().filter(|(distance, k)| *distance <= k.len().max(wrong.len()).div_ceil(2)).map(|(_, k)| k)
}

/// Something that a script refers to and that is not there, or cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
pub struct Missing {
    /// Where the script says it: a path.
    pub path: String,
    /// What is not there.
    pub message: String,
    /// The nearest that is.
    #[help]
    pub help: Option<String>,
}

impl Missing {
    /// Something that is there and cannot be so.
    pub(super) fn impossible(path: &str, message: impl Into<String>) -> Self {
        Missing { path: path.to_owned(), message: message.into(), help: None }
    }

    pub(super) fn new(path: &str, what: &str, name: &str, known: &[String]) -> Self {
        let help = match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => Some(format!("did you mean {near:?}?")),
            None if known.is_empty() => None,
            None => Some(format!("there are: {}", known.join(", "))),
        };
        Missing { path: path.to_owned(), message: format!("there is no {what} {name:?}"), help }
    }
}

/// What a script refers to must exist: hosts, kinds, Secrets, releases.
///
/// # Errors
/// The first that does not.
pub(crate) fn check(scenario: &Scenario, objects: &[Object]) -> Result<(), Missing> {
    check_hosts(scenario)?;
    check_kinds(scenario)?;
    check_zones(scenario)?;
    outcome::check(scenario)?;
    let known = |place: &String| engine::work::PLACES.iter().any(|(known, _)| known == place);
    if let Some(place) = scenario.engine.work.keys().find(|place| !known(place)) {
        let places: Vec<String> = engine::work::PLACES.iter().map(|(p, _)| (*p).to_owned()).collect();
        return Err(Missing::new(&format!("engine.work[{place}]"), "place of work", place, &places));
    }
    let releases: Vec<String> = engine::compat::RELEASES.iter().map(|(n, _)| (*n).to_owned()).collect();
    if !releases.contains(&scenario.engine.compat) {
        return Err(Missing::new("engine.compat", "release", &scenario.engine.compat, &releases));
    }
    check_switches(scenario)?;
    let secrets: Vec<String> =
        objects.iter().filter(|o| o.kind() == Kind::Secret).map(|o| o.key().to_string()).collect();
    let accounts = scenario.cas().flat_map(|(path, ca)| {
        ca.accounts.iter().enumerate().map(move |(i, account)| (format!("{path}.accounts[{i}]"), account))
    });
    for (path, account) in accounts {
        let path = format!("{path}.keySecret");
        if !secrets.contains(&account.key_secret) {
            return Err(Missing::new(&path, "Secret", &account.key_secret, &secrets));
        }
        if account_key(objects, &account.key_secret).is_none() {
            let message = format!("Secret {:?} has no private key in tls.key", account.key_secret);
            return Err(Missing { path, message, help: None });
        }
    }
    Ok(())
}

fn check_switches(scenario: &Scenario) -> Result<(), Missing> {
    let mut compat = engine::compat::V1_21;
    for (name, value) in scenario.engine.switches.iter().filter(|(_, value)| !value.is_null()) {
        if let Err(error) = switches::set(&mut compat, name, value) {
            let help = match &error {
                SwitchError::Unknown { nearest: Some(near), .. } => Some(format!("did you mean {near:?}?")),
                SwitchError::Unknown { nearest: None, .. } => {
                    Some("`rehearse show NAME` lists them under engine.switches".to_owned())
                }
                SwitchError::Value { .. } => None,
            };
            let path = format!("engine.switches.{name}");
            return Err(Missing { path, message: error.to_string(), help });
        }
    }
    Ok(())
}

fn check_hosts(scenario: &Scenario) -> Result<(), Missing> {
    let mut named: Vec<(String, &str)> = vec![
        ("engine.host".to_owned(), &scenario.engine.host),
        ("dns.host".to_owned(), &scenario.dns.host),
        ("cluster.ingress.host".to_owned(), &scenario.cluster.ingress.host),
        ("cluster.gateway.host".to_owned(), &scenario.cluster.gateway.host),
    ];
    let vaults = scenario.backends.vaults.iter().enumerate();
    named.extend(vaults.map(|(i, v)| (format!("backends.vaults[{i}].host"), v.host.as_str())));
    let venafis = scenario.backends.venafis.iter().enumerate();
    named.extend(venafis.map(|(i, v)| (format!("backends.venafis[{i}].host"), v.host.as_str())));
    for (i, ingress) in scenario.cluster.further_ingresses.iter().enumerate() {
        named.push((format!("cluster.furtherIngresses[{i}].host"), &ingress.host));
    }
    for (i, link) in scenario.links.iter().enumerate() {
        named.extend(link.from.iter().map(|h| (format!("links[{i}].from"), h.as_str())));
        named.extend(link.to.iter().map(|h| (format!("links[{i}].to"), h.as_str())));
    }
    let processes = &scenario.engine.processes;
    let name = |list: &str, i: usize| format!("engine.processes.{list}[{i}]");
    named.extend(processes.replicas.iter().enumerate().map(|(i, h)| (name("replicas", i), h.as_str())));
    for (i, crash) in processes.crashes.iter().enumerate() {
        named.extend(crash.host.iter().map(|h| (format!("{}.host", name("crashes", i)), h.as_str())));
    }
    for (i, suspension) in processes.suspensions.iter().enumerate() {
        named
            .extend(suspension.host.iter().map(|h| (format!("{}.host", name("suspensions", i)), h.as_str())));
    }
    let dns = &scenario.dns;
    for (i, nameserver) in dns.nameservers.iter().enumerate() {
        let host = nameserver.host.as_deref().unwrap_or_default();
        named.push((format!("dns.nameservers[{i}].host"), host));
    }
    named.extend(dns.doh.iter().map(|doh| ("dns.doh.host".to_owned(), doh.host.as_str())));
    for (i, provider) in dns.providers.iter().enumerate() {
        named.push((format!("dns.providers[{i}].host"), &provider.host));
    }
    for (i, webhook) in scenario.cluster.webhooks.iter().enumerate() {
        named.push((format!("cluster.webhooks[{i}].host"), &webhook.host));
    }
    for (path, ca) in scenario.cas() {
        named.push((format!("{path}.host"), &ca.host));
        let perspectives = ca.config.perspectives.iter().enumerate();
        let name = |i: usize| format!("{path}.config.perspectives[{i}].name");
        named.extend(perspectives.map(|(i, perspective)| (name(i), perspective.name.as_str())));
    }
    let unknown = named.iter().find(|(_, host)| !host.is_empty() && !scenario.hosts.contains_key(*host));
    match unknown {
        None => Ok(()),
        Some((path, host)) => {
            let hosts: Vec<String> = scenario.hosts.keys().cloned().collect();
            Err(Missing::new(path, "host", host, &hosts))
        }
    }
}

/// The server itself says whether it can serve the zones, and the providers whether they can write to them; they
/// need a world to be made in, but nothing of it.
fn check_zones(scenario: &Scenario) -> Result<(), Missing> {
    let (config, providers) = (scenario.dns.config(), scenario.dns.providers.clone());
    let made = world::sim::run(world::sim::Config::default(), |world| async move {
        let dns = match mock_dns::Dns::new(world, config) {
            Ok(dns) => dns,
            Err(error) => return Some(("dns.zones".to_owned(), error.to_string())),
        };
        for (i, provider) in providers.into_iter().enumerate() {
            if let Err(error) = mock_dns::provider::Provider::new(&dns, provider.config) {
                return Some((format!("dns.providers[{i}].config"), error.to_string()));
            }
        }
        None
    });
    match made.map(|finished| finished.value) {
        Ok(Some((path, message))) => Err(Missing { path, message, help: None }),
        _ => Ok(()),
    }
}

fn check_kinds(scenario: &Scenario) -> Result<(), Missing> {
    let cluster = &scenario.cluster;
    let mut named: Vec<(String, &str)> = Vec::new();
    for (group, lags) in [("lister", &cluster.watch.lister), ("handler", &cluster.watch.handler)] {
        for (name, rule) in lags {
            named
                .extend(rule.kind.iter().map(|k| (format!("cluster.watch.{group}.{name}.kind"), k.as_str())));
        }
    }
    for (name, rule) in &cluster.api.calls {
        named.extend(rule.kind.iter().map(|k| (format!("cluster.api.calls.{name}.kind"), k.as_str())));
    }
    named.extend(cluster.api.names.keys().map(|k| (format!("cluster.api.names.{k}"), k.as_str())));
    for subject in scenario.expect.objects.keys() {
        let kind = subject.split(' ').next().unwrap_or_default();
        named.push((format!("expect.objects[{subject}]"), kind));
    }
    match named.iter().find(|(_, kind)| super::kind(kind).is_none()) {
        None => Ok(()),
        Some((path, kind)) => {
            let kinds: Vec<String> = Kind::ALL.iter().map(|k| k.as_str().to_owned()).collect();
            Err(Missing::new(path, "kind", kind, &kinds))
        }
    }
}

/// The private key in the Secret `namespace/name` of the manifests.
pub(crate) fn account_key(objects: &[Object], secret: &str) -> Option<world::PrivateKey> {
    let secret = objects.iter().find(|o| o.kind() == Kind::Secret && o.key().to_string() == secret)?;
    let data = &secret.get::<Secret>()?.data;
    world::PrivateKey::from_pem(data.get("tls.key")?.as_slice()).ok()
}
