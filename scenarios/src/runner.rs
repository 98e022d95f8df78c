//! The runner: a world from a script, a run, a record.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::EngineConfig;
use engine::acme::ClientConfig;
use engine::admission::Admission;
use engine::api::ObjectReference;
use engine::dns01;
use engine::log::{Memory, render};
use engine::store::{Names, Store};
use mock_ca::ca::WebIdentity;
use mock_dns::provider::Provider;
use reports::{Counts, Difference, LogLine, Outcome, RunRecord, SCHEMA};
use world::http::serve;
use world::net::{self, LinkRule};
use world::sim::{self, Finished, Stopped};
use world::tls::{Acceptor, Identity};
use world::{Tape, Trace, WallClock, World};

use crate::actors::{self, Doings};
use crate::backends::vault::Vault;
use crate::backends::venafi::Venafi;
use crate::cluster::{self, ClusterTiming, external, pinned_names};
use crate::evidence::{CaFacts, Evidence, endpoint_name};
use crate::history::{History, Recording};
use crate::script::{
    self, ClockStep, Link, Loaded, Missing, OverrideError, ProviderApi, Scenario, Verdict, account_key,
};
use crate::{expect, invariants, processes};

/// What to vary of a run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Root seed.
    pub seed: u64,
    /// `path=value`, applied in order.
    pub overrides: Vec<String>,
    /// The free choices; the all-zero tape when none is given.
    pub tape: Option<Tape>,
    /// Keep the records of the trace.
    pub keep_trace: bool,
    /// Another bound on the polls of one instant.
    pub polls_per_instant: Option<u64>,
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RunError {
    /// An override that cannot be made.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Override(#[from] OverrideError),
    /// An override that names something that is not there.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Missing(#[from] Missing),
}

/// Runs a scenario on the all-zero tape.
///
/// # Errors
/// [`RunError`]; a run that stops or differs is no error but an outcome.
pub fn run(loaded: &Loaded, seed: u64, overrides: &[String]) -> Result<RunRecord, RunError> {
    let options = Options { seed, overrides: overrides.to_vec(), ..Options::default() };
    run_with(loaded, &options).map(|(record, _)| record)
}

/// What a run leaves.
#[derive(Debug)]
pub struct Whole {
    /// The record.
    pub record: RunRecord,
    /// The trace; `None` when the run was stopped.
    pub trace: Option<Trace>,
    /// What is in the API server at the end; nothing when the run was stopped.
    pub objects: Vec<engine::api::Object>,
    /// What was written to it, logged and done, each with its time, if that was kept.
    pub evidence: Option<Evidence>,
}

/// Runs a scenario; also returns the trace (`None` when the run was stopped).
///
/// # Errors
/// As [`run`].
pub fn run_with(loaded: &Loaded, options: &Options) -> Result<(RunRecord, Option<Trace>), RunError> {
    run_whole(loaded, options).map(|whole| (whole.record, whole.trace))
}

/// Runs a scenario and returns all that it leaves.
///
/// # Errors
/// As [`run`].
pub fn run_whole(loaded: &Loaded, options: &Options) -> Result<Whole, RunError> {
    run_keeping(loaded, options, false)
}

/// Runs a scenario and keeps what was written to the API server (`None` when the run was stopped).
///
/// # Errors
/// As [`run`].
pub fn history(loaded: &Loaded, options: &Options) -> Result<(RunRecord, Option<History>), RunError> {
    let whole = run_keeping(loaded, options, true)?;
    Ok((whole.record, whole.evidence.map(|evidence| evidence.history)))
}

fn run_keeping(loaded: &Loaded, options: &Options, keep: bool) -> Result<Whole, RunError> {
    // What is made in code, of any size, is measured by who made it.
    let keep = keep || !loaded.folder.as_os_str().is_empty();
    let (scenario, ran) = go(loaded, options, keep)?;
    let finished = match ran {
        Ok(finished) => finished,
        Err(stopped) => {
            let outcome = Outcome::Stopped { report: stopped.to_string() };
            let record = empty_record(loaded, options, outcome, stopped.elapsed);
            return Ok(Whole { record, trace: None, objects: Vec::new(), evidence: None });
        }
    };
    let (trace, elapsed) = (finished.trace.clone(), finished.elapsed);
    let (remains, recording) = match finished.value {
        Ok(value) => value,
        Err(report) => {
            let record = empty_record(loaded, options, Outcome::Stopped { report }, elapsed);
            return Ok(Whole { record, trace: Some(trace), objects: Vec::new(), evidence: None });
        }
    };
    let objects = remains.store.all();
    let history = recording.map(|kept| kept.finish(scenario.clock.start));
    let evidence = history.map(|history| evidence(&remains, &scenario, elapsed, history));
    let judged = judged(loaded, &scenario, &remains, evidence.as_ref());
    let outcome = match judged.differences {
        differences if differences.is_empty() => Outcome::Passed,
        differences => Outcome::Differs { differences },
    };
    let record = RunRecord {
        fingerprint: trace.fingerprint(),
        counts: counts(&remains),
        log: judged.log,
        ..empty_record(loaded, options, outcome, elapsed)
    };
    Ok(Whole { record, trace: Some(trace), objects, evidence })
}

/// Runs a scenario; returns what is left at its end, to be looked at.
///
/// # Errors
/// The report when the run did not begin, or was stopped.
pub fn remains(loaded: &Loaded, options: &Options) -> Result<Remains, String> {
    let (_, ran) = go(loaded, options, false).map_err(|error| error.to_string())?;
    ran.map_err(|stopped| stopped.to_string())?.value.map(|(remains, _)| remains)
}

type Ran = Result<Finished<Result<(Remains, Option<Recording>), String>>, Box<Stopped>>;

fn go(loaded: &Loaded, options: &Options, keep: bool) -> Result<(Scenario, Ran), RunError> {
    let scenario = script::apply(&loaded.scenario, &options.overrides)?;
    script::check(&scenario, &loaded.objects)?;
    let config = sim::Config {
        seed: options.seed,
        tape: options.tape.clone().unwrap_or_default(),
        wall: WallClock {
            start: scenario.clock.start,
            reading_gaps: scenario.clock.reading_gaps.to_vec(),
            steps: scenario.clock.steps.iter().map(ClockStep::to_wall_step).collect(),
            ..WallClock::default()
        },
        costs: scenario.engine.work.iter().map(|(place, d)| (place.clone(), d.to_vec())).collect(),
        keep_trace: options.keep_trace,
        repeat: repeat(loaded, options),
        polls_per_instant: options.polls_per_instant.unwrap_or(sim::Config::default().polls_per_instant),
    };
    let (inside, objects) = (scenario.clone(), loaded.objects.clone());
    let ran = sim::run(config, move |world| async move { rehearse(world, inside, objects, keep).await });
    Ok((scenario, ran))
}

/// The command that repeats a run.
fn repeat(loaded: &Loaded, options: &Options) -> String {
    let mut command = format!("rehearse run {} --seed {}", loaded.name, options.seed);
    for set in &options.overrides {
        command.push_str(&format!(" --set '{set}'"));
    }
    command
}

/// A world that runs, and what is left of it in the end.
#[derive(Clone)]
pub struct Remains {
    /// The cluster's objects.
    pub store: Store,
    /// The engine's log.
    pub log: Arc<Memory>,
    /// What the API server's calls came to.
    pub timing: Arc<ClusterTiming>,
    /// The CA.
    pub ca: Option<mock_ca::Ca>,
    /// The DNS server.
    pub dns: Option<mock_dns::Dns>,
    /// The DNS providers, in the order of the script.
    pub providers: Vec<Provider>,
    starts: Arc<AtomicU64>,
    facts: CaFacts,
    doings: Doings,
}

/// Sets the world up, lets it run until the script's end.
async fn rehearse(
    world: World,
    scenario: Scenario,
    objects: Vec<engine::api::Object>,
    keep_history: bool,
) -> Result<(Remains, Option<Recording>), String> {
    let running = set_up(&world, &scenario, &objects, keep_history).await?;
    world.sleep(scenario.until.since(scenario.clock.start)).await;
    Ok(running)
}

/// Sets up the world of a script in `world`, for who wants to look at it, or to take part, while it runs.
///
/// # Errors
/// A part that cannot be started, and why.
pub async fn begin(
    world: &World,
    scenario: &Scenario,
    objects: &[engine::api::Object],
) -> Result<Remains, String> {
    set_up(world, scenario, objects, false).await.map(|(running, _)| running)
}

async fn set_up(
    world: &World,
    scenario: &Scenario,
    objects: &[engine::api::Object],
    keep_history: bool,
) -> Result<(Remains, Option<Recording>), String> {
    network(world, scenario);
    let names = Names::new(world.rng("api server names"), pinned_names(&scenario.cluster.api));
    let compat = scenario.engine.compat().map_err(|e| e.to_string())?;
    let store = Store::new(world, names, scenario.cluster.api.resource_version)
        .with_admission(Admission::new(&compat));
    for object in objects {
        store.restore(object.clone()).map_err(|e| e.to_string())?;
    }
    let history = keep_history.then(|| Recording::start(&store));
    let served = dns(world, scenario).await?;
    let nameserver = served.at;
    let ca = ca(world, scenario, objects, nameserver).await?;
    let facts = CaFacts::default();
    if let Some(ca) = ca.as_ref().filter(|_| keep_history) {
        facts.follow(ca);
    }
    backends(world, &store, scenario).await?;
    cluster::start(world, &store, &scenario.cluster, nameserver)
        .await
        .map_err(|e| format!("cluster: {e}"))?;
    let timing = Arc::new(ClusterTiming::new(&scenario.cluster.api, &scenario.cluster.watch));
    let log = Arc::new(Memory::default());
    let config = engine_config(scenario, &served, ca.as_ref())?;
    let (shared, costs, sink) = (store.clone(), timing.clone(), log.clone());
    let launch = move |process: &World, election| {
        let config = EngineConfig { election, ..config.clone() };
        engine::start(process, &shared, costs.clone(), sink.clone(), config).map_err(|e| e.to_string())
    };
    let starts = processes::start(world, &scenario.engine, scenario.clock.start, launch)?;
    let (dns, providers) = (served.dns, served.providers);
    let doings = actors::start(world, &store, dns.as_ref(), scenario);
    Ok((Remains { store, log, timing, ca, dns, providers, starts, facts, doings }, history))
}

fn network(world: &World, scenario: &Scenario) {
    let Some(net) = world.sim_net() else { return };
    for (name, addresses) in &scenario.hosts {
        net.add_host(name, addresses.iter().copied());
    }
    net.set_rules(link_rules(&scenario.links));
}

/// Links as the network takes them.
pub(crate) fn link_rules(links: &[Link]) -> Vec<LinkRule> {
    let rule = |link: &Link| LinkRule {
        from: link.from.clone(),
        to: link.to.clone(),
        port: link.port,
        latency: link.latency.nth(0),
        loss_permille: link.loss_permille,
        verdict: match link.verdict {
            Verdict::Pass => net::Verdict::Pass,
            Verdict::Refuse => net::Verdict::Refuse,
            Verdict::BlackHole => net::Verdict::BlackHole,
            Verdict::ResetAfter(bytes) => net::Verdict::ResetAfter(bytes),
        },
    };
    links.iter().map(rule).collect()
}

/// The DNS of a world.
#[derive(Debug, Default)]
struct DnsServed {
    dns: Option<mock_dns::Dns>,
    providers: Vec<Provider>,
    /// Where everybody asks who is not told otherwise.
    at: Option<SocketAddr>,
    /// The root of DNS over HTTPS, DER.
    root: Option<Vec<u8>>,
}

async fn dns(world: &World, scenario: &Scenario) -> Result<DnsServed, String> {
    let script = &scenario.dns;
    let Some(ip) = scenario.hosts.get(&script.host).and_then(|ips| ips.first()) else {
        return Ok(DnsServed::default());
    };
    let dns = mock_dns::Dns::new(world.process(&script.host), script.config()).map_err(|e| e.to_string())?;
    let mut served = DnsServed { dns: Some(dns.clone()), ..DnsServed::default() };
    served.at = if script.nameservers.is_empty() {
        let at = SocketAddr::new(*ip, 53);
        dns.serve(at).await.map_err(|e| format!("DNS server on {at}: {e}"))?;
        Some(at)
    } else {
        let bound = dns.serve_nameservers().await.map_err(|e| format!("nameservers: {e}"))?;
        bound.first().map(|(_, at)| *at)
    };
    let listen = async |host: &str, port: u16| {
        let inside = world.process(host);
        let at = SocketAddr::from(([0, 0, 0, 0], port));
        let listener = inside.listen(at).await.map_err(|e| format!("{host} port {port}: {e}"))?;
        Ok::<_, String>((inside, listener))
    };
    if let Some(doh) = &script.doh {
        let (inside, listener) = listen(&doh.host, 443).await?;
        let identity = WebIdentity::new(&inside, &doh.name).map_err(|e| e.to_string())?;
        let shown = Identity::new(&inside, vec![identity.leaf], &identity.key);
        let acceptor = Acceptor::with_identity(&inside, shown).map_err(|e| e.to_string())?;
        served.root = Some(identity.root);
        inside.spawn("dns over https", serve(inside.clone(), listener, Some(acceptor), dns.doh()));
    }
    for script in &script.providers {
        let provider = Provider::new(&dns, script.config.clone()).map_err(|e| e.to_string())?;
        let (inside, listener) = listen(&script.host, 80).await?;
        let router = match script.api {
            ProviderApi::Rest => provider.rest(),
            ProviderApi::Dnspod => provider.dnspod(),
            ProviderApi::Tencent => provider.tencent(),
        };
        inside.spawn("dns provider", serve(inside.clone(), listener, None, router));
        served.providers.push(provider);
    }
    Ok(served)
}

async fn ca(
    world: &World,
    scenario: &Scenario,
    objects: &[engine::api::Object],
    nameserver: Option<SocketAddr>,
) -> Result<Option<mock_ca::Ca>, String> {
    let Some(ip) = scenario.hosts.get(&scenario.ca.host).and_then(|ips| ips.first()) else { return Ok(None) };
    let mut config = scenario.ca.config.clone();
    if config.resolvers.is_empty() {
        config.resolvers.extend(nameserver);
    }
    let process = world.process(&scenario.ca.host);
    let ca = mock_ca::Ca::new(process.clone(), config).map_err(|e| e.to_string())?;
    for account in &scenario.ca.accounts {
        let key = account_key(objects, &account.key_secret);
        let key = key.ok_or_else(|| format!("Secret {} has no account key", account.key_secret))?;
        ca.add_account(account.id, key.public().clone(), Vec::new());
    }
    let (server, at) = (ca.clone(), SocketAddr::new(*ip, 443));
    process.spawn("acme server", async move {
        // It serves until the world ends.
        let _ = server.serve(at).await;
    });
    Ok(Some(ca))
}

/// Starts the servers behind issuers, and the issuers outside of the engine.
async fn backends(world: &World, store: &Store, scenario: &Scenario) -> Result<(), String> {
    let ip = |host: &str| {
        let found = scenario.hosts.get(host).and_then(|ips| ips.first()).copied();
        found.ok_or_else(|| format!("host {host:?} has no address"))
    };
    for vault in &scenario.backends.vaults {
        let process = world.process(&vault.host);
        Vault::start(&process, vault, ip(&vault.host)?).await.map_err(|e| e.to_string())?;
    }
    for venafi in &scenario.backends.venafis {
        let process = world.process(&venafi.host);
        Venafi::start(&process, venafi, ip(&venafi.host)?).await.map_err(|e| e.to_string())?;
    }
    for issuer in &scenario.backends.external {
        external::start(world, store, issuer).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn engine_config(
    scenario: &Scenario,
    served: &DnsServed,
    ca: Option<&mock_ca::Ca>,
) -> Result<EngineConfig, String> {
    let script = &scenario.engine;
    let own = !script.nameservers.is_empty();
    let nameservers = if own { script.nameservers.clone() } else { served.at.into_iter().collect() };
    let roots = ca.map(|ca| ca.web_root()).into_iter().chain(served.root.clone()).collect();
    let of_host = |host: &str| scenario.hosts.get(host).and_then(|ips| ips.first());
    let webhooks = scenario.cluster.webhooks.iter().filter_map(|webhook| {
        let at = SocketAddr::new(*of_host(&webhook.host)?, 80);
        Some((webhook.group.clone(), format!("http://{at}")))
    });
    let mut config = EngineConfig {
        compat: script.compat().map_err(|e| e.to_string())?,
        verbosity: script.verbosity,
        acme: ClientConfig { nameservers, roots, ..ClientConfig::default() },
        dns01: dns01::Options {
            nameservers: script.dns01.nameservers.clone(),
            recursive_only: script.dns01.recursive_only,
            webhooks: webhooks.collect(),
            instead: None,
        },
        ..EngineConfig::default()
    };
    config.identity.extra.clone_from(&script.extra);
    config.http01_nameservers.clone_from(&script.http01_nameservers);
    config.gateway_api = script.gateway_api;
    if let Some(issuer) = &script.default_issuer {
        config.shims.default_issuer = ObjectReference {
            name: issuer.name.clone(),
            kind: issuer.kind_or_default().to_owned(),
            group: issuer.group_or_default().to_owned(),
        };
    }
    config.shims.extra_annotations.clone_from(&script.extra_certificate_annotations);
    Ok(config)
}

fn empty_record(loaded: &Loaded, options: &Options, outcome: Outcome, elapsed: Duration) -> RunRecord {
    RunRecord {
        schema: SCHEMA,
        scenario: loaded.name.clone(),
        seed: options.seed,
        overrides: options.overrides.clone(),
        outcome,
        virtual_nanos: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        fingerprint: String::new(),
        counts: Counts::default(),
        log: Vec::new(),
    }
}

/// All that is left of a run, with its times.
fn evidence(remains: &Remains, scenario: &Scenario, elapsed: Duration, history: History) -> Evidence {
    let log = remains.log.entries().into_iter().map(|e| (e.at, render(&e, 1)));
    let audits = remains.providers.iter().flat_map(Provider::audit);
    let mut records = Vec::new();
    for zone in remains.dns.iter().flat_map(mock_dns::Dns::zones) {
        let all = remains.dns.as_ref().and_then(|dns| dns.records(&zone)).unwrap_or_default();
        let given =
            scenario.dns.zones.iter().filter(|z| z.name.trim_end_matches('.') == zone.trim_end_matches('.'));
        let given: Vec<_> = given.flat_map(|z| &z.records).collect();
        for record in
            all.into_iter().filter(|r| r.kind.to_string() == "TXT" && r.name.contains("_acme-challenge"))
        {
            let own = given.iter().any(|g| g.kind == record.kind && g.value == record.value);
            if !own {
                records.push((record.name, record.value));
            }
        }
    }
    Evidence {
        start: scenario.clock.start,
        end: scenario.clock.start + elapsed,
        history,
        log: log.collect(),
        ca: remains.facts.all(),
        provider: audits.map(|entry| (entry.at, entry.to_string())).collect(),
        actions: remains.doings.actions(),
        records,
    }
}

/// The log that counts, and all that is not as the script says.
struct Judged {
    log: Vec<LogLine>,
    differences: Vec<Difference>,
}

fn judged(loaded: &Loaded, scenario: &Scenario, remains: &Remains, evidence: Option<&Evidence>) -> Judged {
    let entries =
        remains.log.entries().into_iter().filter(|e| scenario.log.since.is_none_or(|since| e.at >= since));
    let log: Vec<LogLine> = entries.map(|e| LogLine { at: e.at.to_string(), text: render(&e, 1) }).collect();
    let mut differences = remains.doings.differences();
    if let Some(expected) = &loaded.expected_log {
        let lines: Vec<String> = log.iter().map(|l| l.text.clone()).collect();
        differences.extend(expect::log(expected, scenario.expect.elided, &lines));
    }
    differences.extend(expect::objects(&scenario.expect, |kind, key| {
        script::kind(kind).and_then(|kind| remains.store.get(kind, key))
    }));
    if let Some(evidence) = evidence {
        differences.extend(expect::checks(&scenario.expect.checks, evidence));
        differences.extend(invariants::check(evidence, &scenario.expect.breaks));
    }
    Judged { log, differences }
}

fn counts(remains: &Remains) -> Counts {
    let api = remains.timing.counts();
    let mut counts = Counts {
        api_calls: api.calls,
        conflicts: api.conflicts,
        engine_starts: remains.starts.load(Ordering::Relaxed),
        ..Counts::default()
    };
    if let Some(ca) = &remains.ca {
        counts.certificates = ca.issued().len() as u64;
        for (endpoint, requests) in ca.journal().counters().endpoints {
            counts.ca_requests.insert(endpoint_name(endpoint), requests);
        }
    }
    counts
}
