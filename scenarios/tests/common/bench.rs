//! A small cluster with an engine, for tests that need a store and servers rather than a script.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::EngineConfig;
use engine::admission::Admission;
use engine::api::{
    Certificate, CertificateRequest, ClusterIssuer, Condition, Event, Issuer, Kind, Object, ObjectKey,
    Resource, Secret,
};
use engine::compat::{Compat, RELEASES};
use engine::log::{Memory, render};
use engine::store::{Names, Store};
use scenarios::cluster::{self, ClusterTiming};
use scenarios::script::{Api, Cluster, Watches};
use serde_json::{Value, json};
use world::{Timestamp, World};

/// A cluster that runs.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) store: Store,
    pub(crate) timing: Arc<ClusterTiming>,
    pub(crate) log: Arc<Memory>,
}

/// The row of a release.
pub(crate) fn release(name: &str) -> Compat {
    RELEASES.iter().find(|(known, _)| *known == name).unwrap().1.clone()
}

/// Runs `body` in a simulated world with seed 0.
pub(crate) fn simulate<T, F>(body: impl FnOnce(World) -> F) -> T
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    world::sim::run(world::sim::Config::default(), body).unwrap().value
}

/// The objects of a manifest.
pub(crate) fn objects(manifest: &str) -> Vec<Object> {
    engine::manifest::load("test", manifest).unwrap()
}

/// What stands between an engine and the store.
pub(crate) struct Between {
    /// What calls take (`cluster.api.calls` of a script).
    pub(crate) calls: Value,
    /// How long caches lag (`cluster.watch.lister`).
    pub(crate) lister: Value,
    /// What the API server refuses.
    pub(crate) admission: Option<Admission>,
    /// The engine; its release is the test's.
    pub(crate) engine: EngineConfig,
}

impl Default for Between {
    /// Calls take 10 ms, watches 1 ms, and all is admitted.
    fn default() -> Self {
        let (calls, lister) = (json!({ "all": { "takes": "10ms" } }), json!({ "all": { "lag": "1ms" } }));
        Between { calls, lister, admission: None, engine: EngineConfig::default() }
    }
}

impl Bench {
    /// A cluster with these objects, and an engine on the host `cert-manager`. Calls take 10 ms, watches 1 ms.
    pub(crate) async fn start(world: &World, compat: Compat, manifest: &str) -> Self {
        Bench::start_with(world, compat, manifest, Between::default()).await
    }

    /// The same with other times and rules between the engine and the store.
    pub(crate) async fn start_with(world: &World, compat: Compat, manifest: &str, between: Between) -> Self {
        let net = world.sim_net().unwrap();
        net.add_host("cert-manager", ["10.42.0.5".parse().unwrap()]);
        net.add_host("vault", ["10.43.0.20".parse().unwrap()]);
        net.add_host("venafi", ["10.43.0.30".parse().unwrap()]);
        let store = Store::new(world, Names::new(world.rng("api server names"), BTreeMap::new()), 1);
        let store = match between.admission {
            Some(admission) => store.with_admission(admission),
            None => store,
        };
        let api: Api = serde_json::from_value(json!({ "calls": between.calls })).unwrap();
        let watches = json!({ "lister": between.lister, "handler": { "all": { "lag": "1ms" } } });
        let watches: Watches = serde_json::from_value(watches).unwrap();
        let timing = Arc::new(ClusterTiming::new(Timestamp::default(), &api, &watches));
        cluster::start(world, &store, &Cluster::default(), None).await.unwrap();
        let log = Arc::new(Memory::default());
        let bench = Bench { world: world.clone(), store, timing, log };
        bench.apply(manifest);
        let config = EngineConfig { compat, ..between.engine };
        let process = world.process("cert-manager");
        engine::start(&process, &bench.store, bench.timing.clone(), bench.log.clone(), config).unwrap();
        bench
    }

    /// Puts the objects of a manifest into the store.
    pub(crate) fn apply(&self, manifest: &str) {
        for object in objects(manifest) {
            self.store.restore(engine::api::defaults::set_defaults(object)).unwrap();
        }
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, seconds: u64) {
        self.world.sleep(Duration::from_secs(seconds)).await;
    }

    /// An object.
    pub(crate) fn get<R: Resource>(&self, namespace: &str, name: &str) -> Option<Arc<R>> {
        self.store.get(R::KIND, &ObjectKey::new(namespace, name))?.get::<R>().cloned()
    }

    /// Reason and message of an issuer's Ready condition.
    pub(crate) fn issuer(&self, namespace: &str, name: &str) -> (String, String) {
        let conditions = if namespace.is_empty() {
            self.get::<ClusterIssuer>("", name).unwrap().status.conditions.clone()
        } else {
            self.get::<Issuer>(namespace, name).unwrap().status.conditions.clone()
        };
        conditions.first().map(|c| (c.reason.clone(), c.message.clone())).unwrap_or_default()
    }

    /// The request of a Certificate, or the one of this name.
    pub(crate) fn request(&self, namespace: &str, name: &str) -> Arc<CertificateRequest> {
        let all = self.store.list(Kind::CertificateRequest);
        let mut all = all.iter().filter_map(|o| o.get::<CertificateRequest>().cloned());
        let found = all.find(|r| {
            let of = r.metadata.annotations.get("cert-manager.io/certificate-name");
            r.metadata.namespace == namespace && (of.is_some_and(|n| n == name) || r.metadata.name == name)
        });
        found.unwrap()
    }

    /// A request's Ready condition: reason and message.
    pub(crate) fn outcome(&self, namespace: &str, name: &str) -> (String, String) {
        let request = self.request(namespace, name);
        let ready = request.status.conditions.iter().find(|c| c.type_ == "Ready");
        ready.map(|c| (c.reason.clone(), c.message.clone())).unwrap_or_default()
    }

    /// Whether a Certificate is Ready.
    pub(crate) fn is_ready(&self, namespace: &str, name: &str) -> bool {
        let certificate = self.get::<Certificate>(namespace, name).unwrap();
        certificate.status.conditions.iter().any(is_true_ready)
    }

    /// An entry of a Secret as text.
    pub(crate) fn secret(&self, namespace: &str, name: &str, entry: &str) -> Option<String> {
        let secret = self.get::<Secret>(namespace, name)?;
        Some(secret.data.get(entry)?.as_str()?.to_owned())
    }

    /// The events about objects of a kind: reason and message, with how often.
    pub(crate) fn events(&self, kind: &str) -> Vec<(String, String, i64)> {
        let all = self.store.list(Kind::Event);
        let events = all.iter().filter_map(|o| o.get::<Event>());
        let about = events.filter(|e| e.involved_object.kind == kind);
        about.map(|e| (e.reason.clone(), e.message.clone(), i64::from(e.count))).collect()
    }

    /// How many log lines contain a text.
    pub(crate) fn lines(&self, text: &str) -> usize {
        self.log.entries().iter().filter(|entry| render(entry, 1).contains(text)).count()
    }
}

fn is_true_ready(condition: &Condition) -> bool {
    condition.type_ == "Ready" && condition.status.as_str() == "True"
}
