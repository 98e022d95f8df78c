//! What the engine does for Certificates that are ready (its start, and the syncs after one of them was touched), where
//! neither the API server nor a message takes time; and for one that is not: a whole simulated issuance with CA and DNS, as
//! the library's scenarios have it.
//!
//! `cargo bench -p benches -- engine/`

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use engine::EngineConfig;
use engine::acme::ClientConfig;
use engine::api::{Kind, Object, ObjectKey};
use engine::client::{Call, CallTiming, Timing};
use engine::log::{Entry, Severity, Sink};
use engine::store::{Change, Store};
use mock_ca::Ca;
use mock_dns::{Dns, Record, RecordType, Zone};
use scenarios::fleet;
use scenarios::runner::{self, Options};
use scenarios::script::Loaded;
use world::real::Stopwatch;
use world::{Timestamp, WallClock, World, sim};

use crate::check::{holds, must, simulated};
use crate::replay::library;
use crate::store::filled;

/// How many Certificates are ready.
const READY: usize = 100;
/// A minute after the one Certificate was issued.
const START: &str = "2026-01-05T08:06:00Z";
/// Virtual time in which an engine is up, those included who came before the issuer was ready and had to wait.
const ENOUGH: Duration = Duration::from_secs(60);
/// Virtual time in which what was touched is synced.
const MOMENT: Duration = Duration::from_secs(1);
/// The host of the engine.
const ENGINE: &str = "cert-manager";

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    group.sample_size(20);
    let mut objects = fleet::multiply(&issued(), READY);
    // Nobody reads them.
    objects.retain(|object| object.kind() != Kind::Event);
    let objects: Arc<[Object]> = objects.into();
    group.bench_function(BenchmarkId::new("start", READY), |b| {
        b.iter_custom(|times| {
            let one = |_| {
                let objects = objects.clone();
                simulated("start", at(START), |world| async move {
                    Cluster::start(&world, &objects).await.map(|(_, spent)| spent)
                })
            };
            (0..times).map(one).sum()
        });
    });
    group.bench_function(BenchmarkId::new("reconcile", "one of 100"), |b| {
        b.iter_custom(|times| {
            let objects = objects.clone();
            simulated("reconcile", at(START), |world| async move {
                let (cluster, _) = Cluster::start(&world, &objects).await?;
                let mut spent = Duration::ZERO;
                for n in 0..times {
                    spent += cluster.touch(n).await?;
                }
                Ok(spent)
            })
        });
    });
    for name in ["healthy-http01", "healthy-dns01"] {
        let loaded = must(name, library().load(name));
        must(name, issuance(&loaded));
        group.bench_function(BenchmarkId::new("issuance", name), |b| {
            b.iter(|| must(name, issuance(&loaded)));
        });
    }
    group.finish();
}

/// Runs a scenario in which a certificate is issued, and all is as expected.
fn issuance(loaded: &Loaded) -> Result<(), String> {
    let record = runner::run(loaded, 0, &[]).map_err(|error| error.to_string())?;
    let so = record.outcome == reports::Outcome::Passed && record.counts.certificates == 1;
    holds(so, || format!("{} certificates, {:?}", record.counts.certificates, record.outcome))
}

/// What there is in a cluster when one Certificate was issued.
pub(crate) fn issued() -> Vec<Object> {
    let loaded = must("fleet", fleet::new(1));
    let overrides = ["engine.compat=v1_21", "until=2026-01-05T08:05:00Z"].map(str::to_owned).to_vec();
    let whole = runner::run_whole(&loaded, &Options { overrides, ..Options::default() });
    let whole = must("fleet", whole);
    let ready = fleet::ready(&whole.objects).len();
    must("fleet", holds(ready == 1, || format!("{ready} ready, {:?}", whole.record.outcome)));
    whole.objects
}

fn at(start: &str) -> sim::Config {
    let start: Timestamp = must("time", start.parse());
    sim::Config { wall: WallClock { start, ..WallClock::default() }, ..sim::Config::default() }
}

/// A cluster in which nothing takes time, and what was seen in it.
struct Cluster {
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

impl Cluster {
    /// A cluster in which the engine has just come up, and how long that took it: the caches, the account of the issuer,
    /// and a look at all that is ready.
    async fn start(world: &World, objects: &[Object]) -> Result<(Self, Duration), String> {
        let acme = outside(world).await?;
        let store = filled(world, objects)?;
        let before = store.list(Kind::Certificate);
        let cluster = Cluster { world: world.clone(), store, seen: Arc::default() };
        let config = EngineConfig { acme, ..EngineConfig::default() };
        let watch = Stopwatch::start();
        let (timing, sink) = (cluster.seen.clone(), cluster.seen.clone());
        engine::start(&world.process(ENGINE), &cluster.store, timing, sink, config)
            .map_err(|error| error.to_string())?;
        world.sleep(ENOUGH).await;
        let spent = watch.elapsed();
        holds(cluster.store.list(Kind::Certificate) == before, || "Certificates were changed".to_owned())?;
        let Seen { deliveries, calls, .. } = &*cluster.seen;
        let (deliveries, calls) = (deliveries.load(Ordering::Relaxed), calls.load(Ordering::Relaxed));
        // The issuer says that it is ready, and why.
        let so = fleet::ready(&before).len() == READY && deliveries > READY as u64 && calls <= 3;
        holds(so, || format!("{deliveries} deliveries, {calls} calls")).map(|()| (cluster, spent))
    }

    /// Touches a Certificate, and says how long the controllers took that sync it and find nothing to do.
    async fn touch(&self, n: u64) -> Result<Duration, String> {
        let key = ObjectKey::new(fleet::NAMESPACE, "c000050");
        let counts = |seen: &Seen| {
            [&seen.deliveries, &seen.calls, &seen.errors].map(|count| count.load(Ordering::Relaxed))
        };
        let [heard, calls, errors] = counts(&self.seen);
        let touched = self.store.apply(Kind::Certificate, &key, |stored| {
            let value = n.to_string();
            stored.map(|stored| stored.with_meta(|m| drop(m.annotations.insert("touched".into(), value))))
        });
        let touched = touched.map_err(|error| error.to_string())?;
        let watch = Stopwatch::start();
        // All that is ready runs before the clock moves.
        self.world.sleep(MOMENT).await;
        let spent = watch.elapsed();
        let after = counts(&self.seen);
        let so = after[0] > heard && after[1..] == [calls, errors];
        holds(so, || format!("deliveries, calls, errors: {:?}, then {after:?}", [heard, calls, errors]))?;
        let same = self.store.get(Kind::Certificate, &key) == Some(touched);
        holds(same, || "it was changed".to_owned()).map(|()| spent)
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
