//! Certificates from wish to Secret and back again, in virtual time, with an issuer that is a few lines of this file:
//! the CertificateRequest's result is written by hand through the store.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use engine::api::{
    Certificate, CertificateRequest, Condition, ConditionStatus, Event, Kind, ObjectKey, Resource, Secret,
    SecretTemplate, Time,
};
use engine::client::{Client, NoDelay};
use engine::compat::{Compat, V1_7, V1_21};
use engine::log::Memory;
use engine::store::{Names, Store};
use engine::{EngineConfig, pki};
use world::World;
use world::sim::{self, Config};

const HOUR: Duration = Duration::from_secs(3600);

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("ns", name)
}

fn wish(name: &str) -> Certificate {
    let mut c = Certificate::default();
    c.metadata.namespace = "ns".into();
    c.metadata.name = name.into();
    c.spec.secret_name = "tls".into();
    c.spec.dns_names = vec!["a.test".into()];
    c.spec.issuer_ref.name = "fake".into();
    c.spec.issuer_ref.kind = "Fake".into();
    c.spec.issuer_ref.group = "example.test".into();
    c.spec.private_key = Some(engine::api::CertificatePrivateKey {
        algorithm: Some(engine::api::PrivateKeyAlgorithm::Ecdsa),
        ..Default::default()
    });
    c
}

/// What the issuer does with a request.
#[derive(Clone, Copy, PartialEq)]
enum Issuer {
    Signs,
    Fails,
    /// It says that it has begun, and signs a minute later.
    Slow,
}

/// One cluster with an engine and an issuer.
#[derive(Clone)]
struct Cluster {
    world: World,
    store: Store,
}

impl Cluster {
    fn get<R: Resource>(&self, name: &str) -> Option<R> {
        self.store.get(R::KIND, &key(name)).and_then(|o| o.get::<R>().map(|r| r.as_ref().clone()))
    }

    fn certificate(&self, name: &str) -> Certificate {
        self.get(name).unwrap()
    }

    fn requests(&self) -> Vec<String> {
        let mut all: Vec<_> =
            self.store.list(Kind::CertificateRequest).iter().map(|o| o.meta().name.clone()).collect();
        all.sort();
        all
    }

    fn secrets(&self) -> Vec<String> {
        self.store.list(Kind::Secret).iter().map(|o| o.meta().name.clone()).collect()
    }

    /// Reasons of the events about Certificates, each once.
    fn reasons(&self) -> Vec<String> {
        let mut all: Vec<String> = self
            .store
            .list(Kind::Event)
            .iter()
            .filter_map(|o| o.get::<Event>().cloned())
            .filter(|e| e.involved_object.kind == "Certificate")
            .map(|e| e.reason.clone())
            .collect();
        all.sort();
        all.dedup();
        all
    }

    async fn issue(&self, request: &CertificateRequest, issuer: Issuer) {
        let finish = |change: &dyn Fn(&mut CertificateRequest)| {
            let mut request = self.get::<CertificateRequest>(&request.metadata.name).unwrap();
            change(&mut request);
            self.store.update_status(request.into()).unwrap();
        };
        let now = Time::new(self.world.now());
        let ready = |reason: &str| Condition {
            type_: "Ready".into(),
            status: if reason == "Issued" { ConditionStatus::True } else { ConditionStatus::False },
            reason: reason.into(),
            message: "said the issuer".into(),
            ..Condition::default()
        };
        if issuer == Issuer::Fails {
            return finish(&|r| {
                r.status.failure_time = Some(now);
                r.status.conditions.push(ready("Failed"));
            });
        }
        if issuer == Issuer::Slow {
            finish(&|r| r.status.conditions.push(ready("Pending")));
            self.world.sleep(Duration::from_secs(60)).await;
        }
        let annotations = &request.metadata.annotations;
        let owner = self.certificate(&annotations["cert-manager.io/certificate-name"]);
        let secret: Secret = self.get(&annotations["cert-manager.io/private-key-secret-name"]).unwrap();
        let private_key = pki::private_key(secret.data["tls.key"].as_slice()).unwrap();
        let chain = pki::make_temporary(&self.world, &owner, &private_key, &V1_21.features).unwrap();
        finish(&|r| {
            r.status.certificate = chain.as_str().into();
            r.status.conditions.retain(|c| c.type_ != "Ready");
            r.status.conditions.push(ready("Issued"));
        });
    }

    /// Serves every approved request once.
    async fn serve(self, issuer: Issuer) {
        let mut served = Vec::new();
        loop {
            for object in self.store.list(Kind::CertificateRequest) {
                let request = object.get::<CertificateRequest>().unwrap().clone();
                let approved = request.status.conditions.iter().any(|c| c.type_ == "Approved");
                if approved && !served.contains(&request.metadata.uid) {
                    served.push(request.metadata.uid.clone());
                    self.issue(&request, issuer).await;
                }
            }
            self.world.sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Runs a cluster of one release with these Certificates.
fn run<F: Future<Output = ()> + Send + 'static>(
    compat: &Compat,
    issuer: Issuer,
    wishes: Vec<Certificate>,
    test: impl FnOnce(Cluster) -> F + Send + 'static,
) {
    let compat = compat.clone();
    sim::run(Config::default(), |world| async move {
        let store = Store::new(&world, Names::new(world.rng("names"), BTreeMap::new()), 0);
        let cluster = Cluster { world: world.clone(), store: store.clone() };
        for wish in wishes {
            store.create(wish.into()).unwrap();
            world.sleep(Duration::from_secs(2)).await;
        }
        let config = EngineConfig { compat, ..EngineConfig::default() };
        engine::start(&world, &store, Arc::new(NoDelay), Arc::new(Memory::default()), config).unwrap();
        world.spawn("issuer", cluster.clone().serve(issuer));
        test(cluster).await;
    })
    .unwrap();
}

fn is(c: &Certificate, type_: &str, reason: &str) -> bool {
    c.status.conditions.iter().any(|c| c.type_ == type_ && c.reason == reason)
}

fn tls_key(secret: &Secret) -> Vec<u8> {
    secret.data["tls.key"].as_slice().to_vec()
}

#[test]
fn a_certificate_is_issued_and_renewed_by_hand_with_a_new_key_and_one_request_in_1_21() {
    run(&V1_21, Issuer::Signs, vec![wish("web")], |cluster| async move {
        cluster.world.sleep(Duration::from_secs(30)).await;
        let c = cluster.certificate("web");
        assert!(is(&c, "Ready", "Ready"), "{:?}", c.status);
        assert_eq!((c.status.revision, c.status.conditions.len()), (Some(1), 1));
        assert_eq!(c.status.next_private_key_secret_name, None);
        assert_eq!(cluster.requests(), ["web-1"]);
        assert_eq!(cluster.secrets(), ["tls"], "the temporary key is gone");
        assert_eq!(cluster.reasons(), ["Generated", "Issuing", "Requested"]);
        let first: Secret = cluster.get("tls").unwrap();

        let client = Client::new(&cluster.world, &cluster.store, Arc::new(NoDelay), "cmctl");
        engine::renew(&cluster.world, &client, &key("web")).await.unwrap();
        assert!(is(&cluster.certificate("web"), "Issuing", "ManuallyTriggered"));
        cluster.world.sleep(Duration::from_secs(30)).await;
        assert_eq!(cluster.certificate("web").status.revision, Some(2));
        assert_eq!(cluster.requests(), ["web-2"], "the history limit is one");
        assert_ne!(tls_key(&cluster.get("tls").unwrap()), tls_key(&first));
        assert!(engine::renew(&cluster.world, &client, &key("none")).await.is_err());
    });
}

#[test]
fn a_renewal_in_1_7_uses_the_key_again_and_keeps_all_requests() {
    run(&V1_7, Issuer::Signs, vec![wish("web")], |cluster| async move {
        cluster.world.sleep(Duration::from_secs(30)).await;
        let first: Secret = cluster.get("tls").unwrap();
        let renewal = cluster.certificate("web").status.renewal_time.unwrap().timestamp();
        cluster.world.sleep(renewal.since(cluster.world.now()) + Duration::from_secs(30)).await;
        assert_eq!(cluster.certificate("web").status.revision, Some(2), "at the renewal time, by itself");
        let requests = cluster.requests();
        assert!(requests.len() == 2 && requests.iter().all(|name| name.len() == "web-xxxxx".len()));
        let second: Secret = cluster.get("tls").unwrap();
        assert_eq!(tls_key(&second), tls_key(&first));
        assert_ne!(second.data["tls.crt"], first.data["tls.crt"]);
        assert!(cluster.reasons().contains(&"Reused".to_owned()));
    });
}

#[test]
fn failures_are_counted_and_the_wait_doubles_in_1_21() {
    run(&V1_21, Issuer::Fails, vec![wish("web")], |cluster| async move {
        let attempts = || cluster.certificate("web").status.failed_issuance_attempts;
        let minute = Duration::from_secs(60);
        cluster.world.sleep(minute).await;
        assert!(is(&cluster.certificate("web"), "Issuing", "Failed"));
        assert_eq!(attempts(), Some(1));
        cluster.world.sleep(HOUR - minute * 2).await;
        assert_eq!(attempts(), Some(1));
        cluster.world.sleep(minute * 2).await;
        assert_eq!(attempts(), Some(2), "after an hour");
        cluster.world.sleep(HOUR).await;
        assert_eq!(attempts(), Some(2));
        cluster.world.sleep(HOUR).await;
        assert_eq!(attempts(), Some(3), "after two more");
        assert_eq!(cluster.requests(), ["web-1"], "the failed request makes room for the next of its name");
    });
}

#[test]
fn failures_are_not_counted_in_1_7() {
    run(&V1_7, Issuer::Fails, vec![wish("web")], |cluster| async move {
        cluster.world.sleep(HOUR * 3 + HOUR / 2).await;
        let status = cluster.certificate("web").status;
        assert_eq!(status.failed_issuance_attempts, None);
        assert!(cluster.world.now().since(status.last_failure_time.unwrap().timestamp()) < HOUR, "each hour");
    });
}

#[test]
fn a_temporary_certificate_serves_until_the_real_one_is_there() {
    let mut certificate = wish("web");
    certificate
        .metadata
        .annotations
        .insert("cert-manager.io/issue-temporary-certificate".into(), "true".into());
    run(&V1_21, Issuer::Slow, vec![certificate], |cluster| async move {
        cluster.world.sleep(Duration::from_secs(30)).await;
        let temporary: Secret = cluster.get("tls").unwrap();
        assert!(!temporary.metadata.annotations.contains_key("cert-manager.io/issuer-name"));
        assert!(is(&cluster.certificate("web"), "Issuing", "DoesNotExist"), "still being issued");
        cluster.world.sleep(Duration::from_secs(60)).await;
        let real: Secret = cluster.get("tls").unwrap();
        assert_ne!(real.data["tls.crt"], temporary.data["tls.crt"]);
        assert_eq!(real.metadata.annotations["cert-manager.io/issuer-name"], "fake");
        assert!(is(&cluster.certificate("web"), "Ready", "Ready"));
    });
}

#[test]
fn of_two_certificates_with_one_secret_only_the_older_issues_in_1_21() {
    run(&V1_21, Issuer::Signs, vec![wish("old"), wish("new")], |cluster| async move {
        cluster.world.sleep(HOUR).await;
        assert_eq!(cluster.requests(), ["old-1"]);
        let new = cluster.certificate("new");
        assert_eq!(new.status.revision, None);
        assert!(is(&new, "Ready", "IncorrectCertificate"), "{:?}", new.status);
        cluster.store.delete(Kind::Certificate, &key("old")).unwrap();
        cluster.world.sleep(Duration::from_secs(200)).await;
        assert_eq!(cluster.certificate("new").status.revision, Some(1), "it looks again each three minutes");
    });
}

#[test]
fn a_secret_template_is_followed_after_the_issuance_and_taken_back() {
    let mut certificate = wish("web");
    let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    certificate.spec.secret_template = Some(SecretTemplate { labels, ..SecretTemplate::default() });
    for compat in [&V1_7, &V1_21] {
        run(compat, Issuer::Signs, vec![certificate.clone()], |cluster| async move {
            cluster.world.sleep(Duration::from_secs(30)).await;
            let label = || cluster.get::<Secret>("tls").unwrap().metadata.labels.get("team").cloned();
            assert_eq!(label().as_deref(), Some("a"));
            let change = |template: Option<&str>| {
                let mut c = cluster.certificate("web");
                c.spec.secret_template = template.map(|value| SecretTemplate {
                    labels: BTreeMap::from([("team".to_owned(), value.to_owned())]),
                    ..SecretTemplate::default()
                });
                cluster.store.update(c.into()).unwrap();
            };
            change(Some("b"));
            cluster.world.sleep(Duration::from_secs(5)).await;
            assert_eq!(label().as_deref(), Some("b"));
            change(None);
            cluster.world.sleep(Duration::from_secs(5)).await;
            assert_eq!(label(), None);
            assert_eq!(cluster.certificate("web").status.revision, Some(1), "no new certificate for that");
        });
    }
}
