//! A cluster in which neither the API server nor a message takes time, with an engine and as many ready Certificates as
//! are asked for: what is measured then is the engine alone.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use engine::EngineConfig;
use engine::acme::ClientConfig;
use engine::admission::Admission;
use engine::api::{Certificate, CertificatePrivateKey, Kind, Object, ObjectKey, PrivateKeyAlgorithm};
use engine::client::{Call, CallTiming, Timing};
use engine::compat::V1_21;
use engine::log::{Entry, Severity, Sink};
use engine::store::{Change, Names, Store};
use load::Usage;
use mock_ca::Ca;
use mock_dns::{Dns, Record, RecordType, Zone};
use scenarios::fleet;
use scenarios::runner::{self, Options};
use world::real::Stopwatch;
use world::{Timestamp, WallClock, World, sim};

/// Virtual time in which an engine is up, those included who came before the issuer was ready and had to wait.
const ENOUGH: Duration = Duration::from_secs(60);
/// Virtual time in which what was touched is synced.
const MOMENT: Duration = Duration::from_secs(1);
/// The host of the engine.
const ENGINE: &str = "cert-manager";
/// A minute after the one Certificate was issued.
const START: Timestamp = Timestamp::from_unix_secs(1_767_600_360);

/// The configuration of the simulated world for such a cluster.
pub fn config() -> sim::Config {
    sim::Config { wall: WallClock { start: START, ..WallClock::default() }, ..sim::Config::default() }
}

/// What there is in a cluster when one Certificate was issued, with a key of this kind.
///
/// # Errors
/// What is not as it should be.
pub fn issued(algorithm: PrivateKeyAlgorithm) -> Result<Vec<Object>, String> {
    let mut loaded = fleet::new(1).map_err(|error| error.to_string())?;
    for object in &mut loaded.objects {
        if let Some(certificate) = object.get::<Certificate>() {
            let mut certificate = certificate.as_ref().clone();
            let key =
                CertificatePrivateKey { algorithm: Some(algorithm), ..CertificatePrivateKey::default() };
            certificate.spec.private_key = Some(key);
            *object = certificate.into();
        }
    }
    let overrides = ["engine.compat=v1_21", "until=2026-01-05T08:05:00Z"].map(str::to_owned).to_vec();
    let whole = runner::run_whole(&loaded, &Options { overrides, ..Options::default() });
    let whole = whole.map_err(|error| error.to_string())?;
    match fleet::ready(&whole.objects).len() {
        1 => Ok(whole.objects),
        ready => Err(format!("{ready} are ready, {:?}", whole.record.outcome)),
    }
}

/// The objects of so many Certificates that were issued, without the Events, which nobody reads.
pub fn ready(issued: &[Object], certificates: usize) -> Vec<Object> {
    let read = issued.iter().filter(|object| object.kind() != Kind::Event).cloned();
    fleet::multiply(&read.collect::<Vec<_>>(), certificates)
}

/// A store with these objects in it, and the admission of 1.21.
///
/// # Errors
/// The object that it does not take.
pub fn filled(world: &World, objects: Vec<Object>) -> Result<Store, String> {
    let version = objects.iter().map(|object| object.meta().resource_version).max().unwrap_or_default();
    let names = Names::new(world.rng("names"), BTreeMap::new());
    let store = Store::new(world, names, version).with_admission(Admission::new(&V1_21));
    for object in objects {
        store.restore(object).map_err(|error| error.to_string())?;
    }
    Ok(store)
}

/// A cluster in which nothing takes time, and what was seen in it.
pub struct Cluster {
    world: World,
    store: Store,
    seen: Arc<Seen>,
}

/// What an engine has heard, asked for, and complained of.
#[derive(Default)]
struct Seen {
    deliveries: AtomicU64,
    calls: AtomicU64,
    errors: AtomicU64,
}

impl Seen {
    fn counts(&self) -> [u64; 3] {
        [&self.deliveries, &self.calls, &self.errors].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Timing for Seen {
    fn call(&self, _: &Call<'_>) -> CallTiming {
        self.calls.fetch_add(1, Ordering::Relaxed);
        CallTiming::default()
    }

    fn lister_lag(&self, _: &Change) -> Duration {
        Duration::ZERO
    }

    fn handler_lag(&self, _: &Change, _: &str) -> Duration {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        Duration::ZERO
    }
}

impl Sink for Seen {
    fn entry(&self, entry: Entry) {
        self.errors.fetch_add(u64::from(entry.severity == Severity::Error), Ordering::Relaxed);
    }
}

/// What a start took.
pub struct Started {
    /// From the start of the engine until it has nothing left to do: the caches, the account of the issuer, and a look at
    /// all that is ready.
    pub spent: Duration,
    /// The process with everything in the store, and no engine yet.
    pub filled: Usage,
    /// And with an engine that is up.
    pub up: Usage,
}

impl Cluster {
    /// A cluster in which the engine has just come up and found everything as it should be, and what that took.
    ///
    /// # Errors
    /// What cannot be started, and that the engine did something else.
    pub async fn start(world: &World, objects: Vec<Object>) -> Result<(Self, Started), String> {
        let usage = || Usage::own().map_err(|error| error.to_string());
        let acme = outside(world).await?;
        let store = self::filled(world, objects)?;
        let filled = usage()?;
        let before = store.list(Kind::Certificate);
        let cluster = Cluster { world: world.clone(), store, seen: Arc::default() };
        let config = EngineConfig { acme, ..EngineConfig::default() };
        let watch = Stopwatch::start();
        let (timing, sink) = (cluster.seen.clone(), cluster.seen.clone());
        engine::start(&world.process(ENGINE), &cluster.store, timing, sink, config)
            .map_err(|error| error.to_string())?;
        world.sleep(ENOUGH).await;
        let (spent, up) = (watch.elapsed(), usage()?);
        if cluster.store.list(Kind::Certificate) != before {
            return Err("Certificates were changed".to_owned());
        }
        let (ready, [deliveries, calls, _]) = (fleet::ready(&before).len(), cluster.seen.counts());
        // The issuer says that it is ready, and why.
        if ready == 0 || ready != before.len() || deliveries < ready as u64 || calls > 3 {
            return Err(format!("{ready} are ready after {deliveries} deliveries and {calls} calls"));
        }
        Ok((cluster, Started { spent, filled, up }))
    }

    /// Touches the Certificate of this name, and says how long the controllers took that sync it and find nothing to do.
    ///
    /// # Errors
    /// That there is none, or that something was done.
    pub async fn touch(&self, name: &str, n: u64) -> Result<Duration, String> {
        let key = ObjectKey::new(fleet::NAMESPACE, name);
        let [heard, calls, errors] = self.seen.counts();
        let touched = self.store.apply(Kind::Certificate, &key, |stored| {
            let value = n.to_string();
            stored.map(|stored| {
                stored.clone().with_meta(|m| drop(m.annotations.insert("touched".into(), value)))
            })
        });
        let touched = touched.map_err(|error| error.to_string())?;
        let watch = Stopwatch::start();
        // All that is ready runs before the clock moves.
        self.world.sleep(MOMENT).await;
        let spent = watch.elapsed();
        let after = self.seen.counts();
        if after[0] <= heard || after[1..] != [calls, errors] {
            return Err(format!("deliveries, calls, errors: {:?}, then {after:?}", [heard, calls, errors]));
        }
        match self.store.get(Kind::Certificate, &key) == Some(touched) {
            true => Ok(spent),
            false => Err("it was changed".to_owned()),
        }
    }
}

/// The CA of the issuer and a nameserver, and how the engine finds them.
async fn outside(world: &World) -> Result<ClientConfig, String> {
    let net = world.sim_net().ok_or("the world is real")?;
    let hosts = [(ENGINE, [10, 0, 0, 5]), ("ns1", [10, 0, 0, 53]), ("acme-v02", [10, 0, 0, 1])];
    for (name, ip) in hosts {
        net.add_host(name, [IpAddr::from(ip)]);
    }
    let zone = Zone::new("letsencrypt.org", vec![Record::new("acme-v02.api", RecordType::A, "10.0.0.1")]);
    let dns = Dns::new(world.process("ns1"), mock_dns::Config::new(vec![zone]));
    let dns = dns.map_err(|error| error.to_string())?;
    let nameserver = dns.serve(([10, 0, 0, 53], 53).into()).await.map_err(|error| error.to_string())?;
    let acme = world.process("acme-v02");
    let base_url = "https://acme-v02.api.letsencrypt.org".to_owned();
    let ca = Ca::new(acme.clone(), mock_ca::Config { base_url, ..mock_ca::Config::default() });
    let ca = ca.map_err(|error| error.to_string())?;
    let roots = vec![ca.web_root()];
    acme.spawn("acme server", async move {
        // It serves until the world ends.
        drop(ca.serve(([10, 0, 0, 1], 443).into()).await);
    });
    Ok(ClientConfig { nameservers: vec![nameserver], roots, ..ClientConfig::default() })
}
