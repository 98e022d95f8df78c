//! The ACME path of the engine against the CA: account binding and key change, chains, profiles, renewal
//! information, and what a lost connection does in 1.16 and in 1.21.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use engine::EngineConfig;
use engine::acme::ClientConfig;
use engine::api::{
    AcmeExternalAccountBinding, AcmeIssuer, Certificate, HmacKeyAlgorithm, Issuer, Kind, Object, ObjectKey,
    Order, Secret, SecretKeySelector, State,
};
use engine::client::NoDelay;
use engine::compat::{AccountKeyChange, Compat, Features, V1_7, V1_16, V1_21};
use engine::log::{Memory, Severity};
use engine::pki;
use engine::store::{Names, Store};
use mock_ca::Ca;
use mock_ca::dialect::Endpoint;
use serde_json::json;
use world::sim;
use world::{KeyAlgorithm, World};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A cluster with one issuer and one Certificate for one name, and a CA that finds every challenge valid, so that no
/// solver has to be reached: challenges wait a second instead of the self-check.
struct Stage {
    world: World,
    store: Store,
    ca: Ca,
    log: Arc<Memory>,
}

struct Plan {
    compat: Compat,
    ca: serde_json::Value,
    issuer: fn(&mut AcmeIssuer),
    secrets: Vec<(&'static str, &'static str, Vec<u8>)>,
}

impl Default for Plan {
    fn default() -> Self {
        Plan { compat: V1_21, ca: json!({}), issuer: |_| {}, secrets: Vec::new() }
    }
}

/// Runs `body` on a stage.
fn on_stage<T, F>(plan: Plan, body: impl FnOnce(Stage) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let loaded = crate::common::load("first-issuance");
    let start = loaded.scenario.clock.start;
    let wall = world::WallClock { start, ..world::WallClock::default() };
    let config = sim::Config { wall, ..sim::Config::default() };
    let run = sim::run(config, move |world| async move {
        let net = world.sim_net().unwrap().clone();
        for (name, addresses) in &loaded.scenario.hosts {
            net.add_host(name, addresses.iter().copied());
        }
        let dns =
            mock_dns::Config { zones: loaded.scenario.dns.zones.clone(), ..mock_dns::Config::default() };
        let nameserver = SocketAddr::new(net.addresses("ns1")[0], 53);
        mock_dns::Dns::new(world.process("ns1"), dns).unwrap().serve(nameserver).await.unwrap();
        let mut settings = json!({ "alwaysValid": true, "caa": false, "resolvers": [nameserver] });
        settings.as_object_mut().unwrap().extend(plan.ca.as_object().unwrap().clone());
        let process = world.process("acme-v02");
        let ca = Ca::new(process.clone(), serde_json::from_value(settings).unwrap()).unwrap();
        let (server, at) = (ca.clone(), SocketAddr::new(net.addresses("acme-v02")[0], 443));
        process.spawn("acme server", async move { drop(server.serve(at).await) });
        let store = Store::new(&world, Names::new(world.rng("names"), Default::default()), 1);
        for object in loaded.objects {
            store.restore(adapted(object, plan.issuer)).unwrap();
        }
        for (name, entry, data) in plan.secrets {
            store.restore(secret(name, entry, data)).unwrap();
        }
        let config = EngineConfig {
            compat: plan.compat,
            acme: ClientConfig {
                nameservers: vec![nameserver],
                roots: vec![ca.web_root()],
                ..ClientConfig::default()
            },
            ..EngineConfig::default()
        };
        let log = Arc::new(Memory::default());
        engine::start(&world.process("cert-manager"), &store, Arc::new(NoDelay), log.clone(), config)
            .unwrap();
        body(Stage { world, store, ca, log }).await
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value
}

fn adapted(object: Object, change: fn(&mut AcmeIssuer)) -> Object {
    match object {
        Object::Issuer(issuer) => {
            let mut issuer = issuer.as_ref().clone();
            let acme = issuer.spec.acme.as_mut().unwrap();
            acme.solvers[0].wait_instead_of_self_check = Some(Duration::from_secs(1).into());
            change(acme);
            Object::Issuer(Arc::new(issuer))
        }
        Object::Certificate(certificate) => {
            let mut certificate = certificate.as_ref().clone();
            certificate.spec.dns_names.truncate(1);
            Object::Certificate(Arc::new(certificate))
        }
        other => other,
    }
}

fn secret(name: &str, entry: &str, data: Vec<u8>) -> Object {
    let mut secret = Secret::default();
    secret.metadata.name = name.to_owned();
    secret.metadata.namespace = "shop".to_owned();
    secret.data.insert(entry.to_owned(), data.into());
    Object::Secret(Arc::new(secret))
}

impl Stage {
    fn certificate(&self) -> Certificate {
        match self.store.get(Kind::Certificate, &ObjectKey::new("shop", "shop")).unwrap() {
            Object::Certificate(certificate) => certificate.as_ref().clone(),
            other => panic!("{other:?}"),
        }
    }

    fn issuer(&self) -> Issuer {
        match self.store.get(Kind::Issuer, &ObjectKey::new("shop", "letsencrypt")).unwrap() {
            Object::Issuer(issuer) => issuer.as_ref().clone(),
            other => panic!("{other:?}"),
        }
    }

    fn issuer_ready(&self) -> (String, String) {
        let ready = self.issuer().status.conditions.into_iter().find(|c| c.type_ == "Ready").unwrap();
        (ready.reason, ready.message)
    }

    fn orders(&self) -> Vec<Order> {
        let orders = self.store.list(Kind::Order).into_iter();
        orders
            .filter_map(|o| if let Object::Order(o) = o { Some(o.as_ref().clone()) } else { None })
            .collect()
    }

    fn revision(&self) -> u64 {
        self.certificate().status.revision.unwrap_or_default()
    }

    /// The chain in the Certificate's Secret, PEM.
    fn chain(&self) -> Vec<u8> {
        match self.store.get(Kind::Secret, &ObjectKey::new("shop", "shop-tls")).unwrap() {
            Object::Secret(secret) => secret.data["tls.crt"].as_slice().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn requests(&self, endpoint: Endpoint) -> u64 {
        self.ca.journal().counters().endpoints.get(&endpoint).copied().unwrap_or_default()
    }

    fn logged(&self, text: &str) -> bool {
        self.log.entries().iter().any(|e| e.message.contains(text))
    }

    /// Waits for the revision; whether it came in time.
    async fn reaches(&self, revision: u64, limit: Duration) -> bool {
        for _ in 0..limit.as_secs().div_ceil(10) {
            if self.revision() >= revision {
                return true;
            }
            self.world.sleep(Duration::from_secs(10)).await;
        }
        false
    }
}

/// 32 bytes of 7, base64url.
const MAC_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";

fn bound(acme: &mut AcmeIssuer, algorithm: Option<HmacKeyAlgorithm>) {
    acme.external_account_binding = Some(AcmeExternalAccountBinding {
        key_id: "kid-1".to_owned(),
        key_secret_ref: SecretKeySelector { name: "eab".into(), key: "key".into() },
        key_algorithm: algorithm,
    });
}

#[test]
fn an_external_account_is_bound_by_each_of_the_three_macs() {
    let issuers: [fn(&mut AcmeIssuer); 3] = [
        |acme| bound(acme, None),
        |acme| bound(acme, Some(HmacKeyAlgorithm::Hs384)),
        |acme| bound(acme, Some(HmacKeyAlgorithm::Hs512)),
    ];
    for issuer in issuers {
        let plan = Plan {
            compat: Compat { eab_key_algorithm: true, ..V1_21 },
            ca: json!({ "externalAccounts": { "required": true, "keys": { "kid-1": MAC_KEY } } }),
            issuer,
            secrets: vec![("eab", "key", MAC_KEY.into())],
        };
        assert!(on_stage(plan, |stage| async move { stage.reaches(1, HOUR).await }));
    }
}

#[test]
fn a_missing_binding_key_is_told_once_and_its_secret_sets_the_issuer_up() {
    let plan = Plan {
        ca: json!({ "externalAccounts": { "required": true, "keys": { "kid-1": MAC_KEY } } }),
        issuer: |acme| bound(acme, None),
        ..Plan::default()
    };
    on_stage(plan, |stage| async move {
        stage.world.sleep(HOUR).await;
        let text = "Failed to register ACME account: secrets \"eab\" not found".to_owned();
        assert_eq!(stage.issuer_ready(), ("ErrRegisterACMEAccount".to_owned(), text));
        stage.store.create(secret("eab", "key", MAC_KEY.into())).unwrap();
        assert!(stage.reaches(1, HOUR).await);
    });
}

#[test]
fn the_preferred_chain_is_found_among_the_alternates() {
    let chain = |issuer: fn(&mut AcmeIssuer)| {
        let plan = Plan { ca: json!({ "hierarchy": { "alternateRoots": 1 } }), issuer, ..Plan::default() };
        on_stage(plan, |stage| async move {
            assert!(stage.reaches(1, HOUR).await);
            let issued = stage.ca.issued().pop().unwrap();
            let bare = |pem: &str| pem.split_whitespace().collect::<String>();
            let got = bare(&String::from_utf8(stage.chain()).unwrap());
            let chains: Vec<_> = (0..2).map(|n| stage.ca.chain_pem(&issued, n).unwrap()).collect();
            let which = chains.iter().position(|chain| bare(chain) == got);
            (which, stage.requests(Endpoint::Certificate))
        })
    };
    assert_eq!(chain(|_| {}).0, Some(0));
    assert_eq!(chain(|acme| acme.preferred_chain = "ISRG Root X1 2".into()).0, Some(1));
    // No such chain: the default one, it is a preference after all.
    assert_eq!(chain(|acme| acme.preferred_chain = "Nobody".into()).0, Some(0));
    assert_eq!(
        chain(|acme| acme.preferred_chain = "ISRG Root X1".into()),
        (Some(0), 1),
        "nothing to look for"
    );
}

const PROFILES: &str = r#"{"profiles": {"fast": {"description": "short", "validity": "144h"}}}"#;

#[test]
fn a_profile_is_ordered_and_one_that_there_is_not_ends_the_order() {
    let plan = |issuer| Plan { ca: serde_json::from_str(PROFILES).unwrap(), issuer, ..Plan::default() };
    let life = on_stage(plan(|acme| acme.profile = "fast".into()), |stage| async move {
        assert!(stage.reaches(1, HOUR).await);
        let leaf = pki::leaf(&stage.chain()).unwrap();
        leaf.not_after.since(leaf.not_before)
    });
    assert_eq!(life + Duration::from_secs(1), 6 * DAY);
    on_stage(plan(|acme| acme.profile = "slow".into()), |stage| async move {
        assert!(!stage.reaches(1, Duration::from_secs(600)).await);
        let order = stage.orders().pop().unwrap();
        assert_eq!(order.status.state, State::Errored);
        assert_eq!(
            order.status.reason,
            "Failed to create Order: acme: certificate authority does not advertise a profile with name slow"
        );
        assert_eq!(stage.requests(Endpoint::NewOrder), 0, "the CA is not asked");
    });
}

fn with_ari(kept: bool) -> Plan {
    let features = Features { ari: true, ..V1_21.features };
    Plan {
        compat: Compat { features, renewal_info_kept: kept, ..V1_21 },
        ca: serde_json::from_str(PROFILES).unwrap(),
        issuer: |acme| acme.profile = "fast".into(),
        ..Plan::default()
    }
}

#[test]
fn the_cas_window_says_when_to_renew_and_the_new_order_names_what_it_replaces() {
    on_stage(with_ari(true), |stage| async move {
        assert!(stage.reaches(1, HOUR).await);
        stage.world.sleep(Duration::from_secs(60)).await;
        let status = stage.certificate().status;
        let ari = status.acme.unwrap().ari.unwrap();
        let window = ari.suggested_window.unwrap();
        let at = status.renewal_time.unwrap();
        assert!(window.start.unwrap() <= at && at <= window.end.unwrap());
        assert!(ari.next_check.unwrap() > ari.last_checked.unwrap());
        assert!(stage.reaches(2, 6 * DAY).await, "renewed");
        let orders = stage.orders();
        let renewal = orders.iter().max_by_key(|o| o.metadata.creation_timestamp).unwrap();
        let parts: Vec<_> = renewal.spec.replaces.split('.').collect();
        assert!(matches!(parts[..], [aki, serial] if !aki.is_empty() && !serial.is_empty()));
        assert_eq!(renewal.status.state, State::Valid);
        assert!(!stage.logged("ACME server rejected `replaces`"));
    });
}

#[test]
fn without_the_mending_switch_1_21_forgets_the_cas_instant_at_its_next_look() {
    on_stage(with_ari(false), |stage| async move {
        assert!(stage.reaches(1, HOUR).await);
        stage.world.sleep(Duration::from_secs(60)).await;
        let status = stage.certificate().status;
        assert!(status.acme.is_some_and(|acme| acme.ari.is_some()), "it was asked");
        let (start, end) = (status.not_before.unwrap().timestamp(), status.not_after.unwrap().timestamp());
        let third = (end - end.since(start) / 3).truncate_to_secs();
        assert_eq!(status.renewal_time.unwrap().timestamp(), third);
    });
}

/// The account's URI before and after its key was replaced in the Secret, and the requests to change the key.
fn replaced_key(changes: AccountKeyChange) -> (String, String, u64) {
    let plan = Plan { compat: Compat { account_key_change: changes, ..V1_21 }, ..Plan::default() };
    on_stage(plan, move |stage| async move {
        assert!(stage.reaches(1, HOUR).await);
        let account = |issuer: Issuer| issuer.status.acme.unwrap();
        let before = account(stage.issuer());
        let key = stage.world.keys("another").generate(KeyAlgorithm::Rsa(2048)).unwrap();
        let old = stage.store.get(Kind::Secret, &ObjectKey::new("shop", "letsencrypt-account")).unwrap();
        let Object::Secret(old) = old else { panic!("{old:?}") };
        let mut new = old.as_ref().clone();
        new.data.insert("tls.key".into(), key.to_traditional_pem().into());
        stage.store.update(Object::Secret(Arc::new(new))).unwrap();
        stage.world.sleep(Duration::from_secs(60)).await;
        let after = account(stage.issuer());
        assert_eq!(stage.issuer_ready().0, "ACMEAccountRegistered");
        let noticed = changes != AccountKeyChange::Unnoticed;
        assert_eq!(before.last_private_key_hash != after.last_private_key_hash, noticed);
        (before.uri, after.uri, stage.requests(Endpoint::KeyChange))
    })
}

#[test]
fn a_new_account_key_is_registered_rolled_over_or_not_noticed() {
    let (before, after, changes) = replaced_key(AccountKeyChange::Registered);
    assert!(before != after && changes == 0, "an account of its own");
    let (before, after, changes) = replaced_key(AccountKeyChange::RolledOver);
    assert_eq!((before == after, changes), (true, 1), "the same account");
    let (before, after, changes) = replaced_key(AccountKeyChange::Unnoticed);
    assert_eq!((before == after, changes), (true, 0));
}

/// The connection is lost when the challenge asks for its state: whether the Certificate is issued within a day, the
/// state of its Order, and what the log says of the error.
fn with_a_lost_connection(base: Compat, faults: serde_json::Value) -> (bool, State, Vec<String>) {
    let features = Features { wait_instead_of_self_check: true, ..base.features };
    let plan =
        Plan { compat: Compat { features, ..base }, ca: json!({ "faults": faults }), ..Plan::default() };
    on_stage(plan, |stage| async move {
        let issued = stage.reaches(1, DAY).await;
        let mut lines = stage.log.entries();
        lines.retain(|line| line.message.contains("non-ACME API error"));
        assert!(lines.iter().all(|l| l.severity == Severity::Error && l.error.clone().flatten().is_some()));
        let lines = lines.into_iter().map(|line| line.message).collect();
        (issued, stage.orders().pop().unwrap().status.state, lines)
    })
}

#[test]
fn one_lost_connection_wedges_an_order_of_1_16_for_good_and_none_of_1_21() {
    let lost = || json!(["authorization#2=dropConnection"]);
    let ended = vec!["unexpected non-ACME API error".to_owned()];
    assert_eq!(with_a_lost_connection(V1_16, lost()), (false, State::Pending, ended));
    let retried = vec!["transient non-ACME API error, will retry".to_owned()];
    assert_eq!(with_a_lost_connection(V1_21, lost()), (true, State::Valid, retried));
    // Without its cause the wedge goes, and in 1.7 it is an error like others.
    assert_eq!(with_a_lost_connection(V1_16, json!([])), (true, State::Valid, vec![]));
    assert_eq!(with_a_lost_connection(V1_7, lost()), (true, State::Valid, vec![]));
}
