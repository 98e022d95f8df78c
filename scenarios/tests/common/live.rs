//! A world of the `first-issuance` script with other objects, in which a test takes part.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each target uses its part")]

use std::time::Duration;

use engine::api::{Certificate, ConditionStatus, Event, Kind, Object, ObjectKey, Resource};
use engine::log::render;
use mock_ca::db::ChallengeKind;
use mock_ca::policy::IdentifierType;
use scenarios::runner::{self, Remains};
use scenarios::script::Scenario;
use world::{WallClock, World, sim};

/// What runs, and the time in it.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) world: World,
    pub(crate) remains: Remains,
}

/// The script with another release. nginx is at 203.0.113.80 and 64.112.117.80; at the first are are shop.example.com and www.shop.example.com.
pub(crate) fn script(compat: &str) -> Scenario {
    let mut scenario = super::load("first-issuance").scenario;
    compat.clone_into(&mut scenario.engine.compat);
    // Addresses and all three challenge types, which the CA of the script does not offer.
    scenario.ca.config.identifier_types = vec![IdentifierType::Dns, IdentifierType::Ip];
    scenario.ca.config.challenges =
        vec![ChallengeKind::Http01, ChallengeKind::Dns01, ChallengeKind::TlsAlpn01];
    // One that a CA may certify: the others are reserved for documents.
    scenario.hosts.entry("nginx".into()).or_default().push("64.112.117.80".parse().unwrap());
    scenario
}

/// Runs `act` in the world of `scenario`, with the objects of `manifests` (YAML).
pub(crate) fn live<T, F>(
    scenario: Scenario,
    manifests: &str,
    act: impl FnOnce(Live) -> F + Send + 'static,
) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let release = engine::manifest::Options::of(&scenario.engine.compat().unwrap());
    let objects = engine::manifest::load_with("test.yaml", manifests, &release).unwrap();
    let wall = WallClock { start: scenario.clock.start, ..WallClock::default() };
    let config = sim::Config { wall, ..sim::Config::default() };
    let run = sim::run(config, move |world| async move {
        let remains = runner::begin(&world, &scenario, &objects).await.unwrap();
        act(Live { world, remains }).await
    });
    run.unwrap().value
}

/// An ACME Issuer with this solver (JSON).
pub(crate) fn issuer(solver: &str) -> String {
    format!(
        "apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{ name: letsencrypt, namespace: shop }}\nspec:\n  \
         acme:\n    server: https://acme-v02.api.letsencrypt.org/directory\n    privateKeySecretRef: {{ name: account \
         }}\n    solvers:\n      - {solver}\n"
    )
}

/// A Certificate for these names (fields of the specification, JSON).
pub(crate) fn certificate(annotations: &str, names: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{ name: shop, namespace: shop, annotations: \
         {annotations} }}\nspec: {{ secretName: shop-tls, privateKey: {{ algorithm: ECDSA, size: 256 }}, issuerRef: {{ \
         name: letsencrypt }}, {names} }}\n"
    )
}

impl Live {
    pub(crate) async fn after(&self, time: Duration) {
        self.world.sleep(time).await;
    }

    /// Waits until `what` is so, at most this long, and says whether it is.
    pub(crate) async fn wait(&self, longest: u64, what: impl Fn(&Live) -> bool) -> bool {
        for _ in 0..longest * 10 {
            if what(self) {
                return true;
            }
            self.after(Duration::from_millis(100)).await;
        }
        what(self)
    }

    pub(crate) fn get<R: Resource>(&self, name: &str) -> Option<R> {
        let object = self.remains.store.get(R::KIND, &ObjectKey::new("shop", name))?;
        R::from_object(&object).map(|o| o.as_ref().clone())
    }

    pub(crate) fn all<R: Resource>(&self) -> Vec<R> {
        let objects = self.remains.store.list(R::KIND);
        objects.iter().filter_map(R::from_object).map(|o| o.as_ref().clone()).collect()
    }

    pub(crate) fn put(&self, object: impl Into<Object>) {
        self.remains.store.update(object.into()).unwrap();
    }

    pub(crate) fn create(&self, manifest: &str) {
        for object in engine::manifest::load("more.yaml", manifest).unwrap() {
            self.remains.store.create(object).unwrap();
        }
    }

    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.get::<Certificate>(name).is_some_and(|c| {
            c.status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == ConditionStatus::True)
        })
    }

    /// Waits for the Certificate, at most this many seconds.
    pub(crate) async fn ready(&self, name: &str, longest: u64) -> bool {
        self.wait(longest, |live| live.is_ready(name)).await
    }

    /// Kinds and names of all objects of the solvers that are there.
    pub(crate) fn solver_objects(&self) -> Vec<String> {
        let kinds = [Kind::Pod, Kind::Service, Kind::Ingress, Kind::HTTPRoute];
        let all = kinds.into_iter().flat_map(|kind| self.remains.store.list(kind));
        let own = all.filter(|o| o.meta().name.starts_with("cm-acme-"));
        own.map(|o| format!("{} {}", o.kind(), o.meta().name)).collect()
    }

    /// Messages of the events with this reason.
    pub(crate) fn events(&self, reason: &str) -> Vec<String> {
        self.all::<Event>().into_iter().filter(|e| e.reason == reason).map(|e| e.message).collect()
    }

    /// The log lines that contain `text`.
    pub(crate) fn log(&self, text: &str) -> Vec<String> {
        let lines = self.remains.log.entries().into_iter().map(|entry| render(&entry, 1));
        lines.filter(|line| line.contains(text)).collect()
    }
}
