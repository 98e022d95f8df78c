//! The stage of a run: the world that a script describes, with all who take part in it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use engine::EngineConfig;
use engine::acme::ClientConfig;
use engine::admission::Admission;
use engine::api::{Object, ObjectReference};
use engine::dns01;
use engine::log::{Entry, Sink};
use engine::store::{Names, Store};
use mock_ca::Ca;
use mock_ca::ca::WebIdentity;
use mock_dns::provider::Provider;
use reports::Counts;
use world::http::serve;
use world::net::LinkRule;
use world::tls::{Acceptor, Identity};
use world::{Instant, Timestamp, World};

use crate::actors::{self, Doings};
use crate::backends::vault::Vault;
use crate::backends::venafi::Venafi;
use crate::cluster::{self, AccessLog, ClusterTiming, external, pinned_names};
use crate::evidence::{CaJournals, endpoint_name};
use crate::history::Recording;
use crate::processes::{self, Lives};
use crate::script::{CaServer, Link, ProviderApi, Scenario, account_key};

/// The engine's log, each entry with the monotonic time at which it came: the wall clock of the entry may have been
/// stepped.
pub struct Log {
    world: World,
    entries: Mutex<Vec<(Instant, Entry)>>,
}

impl Log {
    fn new(world: &World) -> Self {
        Log { world: world.clone(), entries: Mutex::default() }
    }

    /// The entries so far, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// The same with their times, if the run began at `start`.
    pub(super) fn timed(&self, start: Timestamp) -> impl Iterator<Item = (Timestamp, Entry)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        entries.into_iter().map(move |(at, entry)| (start + at.since(Instant::default()), entry))
    }
}

impl Sink for Log {
    fn entry(&self, entry: Entry) {
        let at = self.world.monotonic();
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push((at, entry));
    }
}

/// A world that runs, and what is left of it in the end.
#[derive(Clone)]
pub struct Remains {
    /// The cluster's objects.
    pub store: Store,
    /// The engine's log.
    pub log: Arc<Log>,
    /// What the API server's calls came to.
    pub timing: Arc<ClusterTiming>,
    /// The CA.
    pub ca: Option<Ca>,
    /// The CAs beside it, in the order of the script.
    pub further_cas: Vec<Ca>,
    /// The DNS server.
    pub dns: Option<mock_dns::Dns>,
    /// The DNS providers, in the order of the script.
    pub providers: Vec<Provider>,
    pub(crate) lives: Lives,
    pub(crate) accesses: AccessLog,
    pub(crate) journals: CaJournals,
    pub(crate) doings: Doings,
}

impl Remains {
    /// All CAs.
    pub(crate) fn cas(&self) -> impl Iterator<Item = &Ca> {
        self.ca.iter().chain(&self.further_cas)
    }

    /// What it has cost until now.
    pub(super) fn counts(&self) -> Counts {
        let api = self.timing.counts();
        let mut counts = Counts {
            api_calls: api.calls,
            conflicts: api.conflicts,
            engine_starts: self.lives.starts(),
            ..Counts::default()
        };
        for ca in self.cas() {
            counts.certificates += ca.issued().len() as u64;
            for (endpoint, requests) in ca.journal().counters().endpoints {
                *counts.ca_requests.entry(endpoint_name(endpoint)).or_default() += requests;
            }
        }
        counts
    }
}

/// Sets up the world of a script in `world`, for who wants to look at it, or to take part, while it runs.
///
/// # Errors
/// A part that cannot be started, and why.
pub async fn begin(world: &World, scenario: &Scenario, objects: &[Object]) -> Result<Remains, String> {
    set_up(world, scenario, objects, false).await.map(|(running, _)| running)
}

pub(super) async fn set_up(
    world: &World,
    scenario: &Scenario,
    objects: &[Object],
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
    let ca = ca(world, &scenario.ca, scenario, objects, nameserver).await?;
    let mut further_cas = Vec::new();
    for further in &scenario.further_cas {
        further_cas.extend(self::ca(world, further, scenario, objects, nameserver).await?);
    }
    let journals = CaJournals::default();
    if keep_history {
        let hosts = [&scenario.ca].into_iter().chain(&scenario.further_cas).map(|script| &script.host);
        // The first may be missing, and then there are no others of its kind.
        let hosts = hosts.filter(|host| scenario.hosts.contains_key(*host));
        for (host, ca) in hosts.zip(ca.iter().chain(&further_cas)) {
            journals.follow(world, host, ca);
        }
    }
    backends(world, &store, scenario).await?;
    let accesses = cluster::start(world, &store, &scenario.cluster, nameserver)
        .await
        .map_err(|e| format!("cluster: {e}"))?;
    let timing =
        Arc::new(ClusterTiming::new(scenario.clock.start, &scenario.cluster.api, &scenario.cluster.watch));
    let log = Arc::new(Log::new(world));
    let config = engine_config(scenario, &served, ca.iter().chain(&further_cas))?;
    let (shared, costs, sink) = (store.clone(), timing.clone(), log.clone());
    let launch = move |process: &World, election| {
        let config = EngineConfig { election, ..config.clone() };
        engine::start(process, &shared, costs.clone(), sink.clone(), config).map_err(|e| e.to_string())
    };
    let lives = processes::start(world, &scenario.engine, scenario.clock.start, launch)?;
    let (dns, providers) = (served.dns, served.providers);
    let doings = actors::start(world, &store, dns.as_ref(), scenario);
    let running =
        Remains { store, log, timing, ca, further_cas, dns, providers, lives, accesses, journals, doings };
    Ok((running, history))
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
        verdict: link.verdict,
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
    script: &CaServer,
    scenario: &Scenario,
    objects: &[Object],
    nameserver: Option<SocketAddr>,
) -> Result<Option<Ca>, String> {
    let Some(ip) = scenario.hosts.get(&script.host).and_then(|ips| ips.first()) else { return Ok(None) };
    let mut config = script.config.clone();
    if config.resolvers.is_empty() {
        config.resolvers.extend(nameserver);
    }
    let process = world.process(&script.host);
    let ca = Ca::new(process.clone(), config).map_err(|e| e.to_string())?;
    for account in &script.accounts {
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

fn engine_config<'a>(
    scenario: &Scenario,
    served: &DnsServed,
    cas: impl Iterator<Item = &'a Ca>,
) -> Result<EngineConfig, String> {
    let script = &scenario.engine;
    let own = !script.nameservers.is_empty();
    let nameservers = if own { script.nameservers.clone() } else { served.at.into_iter().collect() };
    let roots = cas.map(Ca::web_root).chain(served.root.clone()).collect();
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
    config.controllers.clone_from(&script.controllers);
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
