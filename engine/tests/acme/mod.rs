//! An ACME server that lies: whatever it answers, the engine does not panic, loses no key, puts no pair that does not
//! belong together into the Secret, and gets its certificate once the server is honest.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod drip;
mod server;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use drip::{Part, Patience};
use engine::EngineConfig;
use engine::api::{
    AcmeChallengeSolver, AcmeChallengeSolverHttp01, AcmeChallengeSolverHttp01Ingress, AcmeIssuer,
    Certificate, Issuer, Kind, Object, ObjectKey, PrivateKeyAlgorithm, Secret,
};
use engine::client::NoDelay;
use engine::compat::V1_21;
use engine::log::Memory;
use engine::pki;
use engine::store::{ChangeType, Names, Store};
use proptest::prelude::*;
use serde_json::{Value, json};
use server::{BASE, Chain, How, Lie, NAME, Server};
use world::sim::{self, Config};
use world::{KeyAlgorithm, PrivateKey, Timestamp, WallClock, World};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const ENGINE: &str = "cert-manager";

/// What it took until the new certificate was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Recovery {
    /// Nothing: the engine tried again.
    Alone,
    /// Somebody deleted the CertificateRequest, as the release asks for when an Order is stuck.
    Operator,
    /// The process was started again: it had learnt something wrong.
    Restart,
}

fn account_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let make =
            |world: World| async move { world.keys("account").generate(KeyAlgorithm::Rsa(2048)).unwrap() };
        sim::run(Config::default(), make).unwrap().value.to_traditional_pem()
    })
}

fn secret(name: &str, entries: &[(&str, &str)]) -> Object {
    let mut secret = Secret::default();
    secret.metadata.name = name.to_owned();
    secret.metadata.namespace = "d".to_owned();
    for (key, text) in entries {
        secret.data.insert((*key).to_owned(), (*text).into());
    }
    Object::Secret(Arc::new(secret))
}

/// Issuer, Certificate, the account's key, and a good pair that is due for renewal.
fn objects(world: &World, server: &Server) -> Vec<Object> {
    let mut issuer = Issuer::default();
    issuer.metadata.name = "ca".to_owned();
    issuer.metadata.namespace = "d".to_owned();
    let ingress = Some(AcmeChallengeSolverHttp01Ingress::default());
    let http01 = Some(AcmeChallengeSolverHttp01 { ingress, ..AcmeChallengeSolverHttp01::default() });
    let wait_instead_of_self_check = Some(Duration::from_secs(1).into());
    let mut acme = AcmeIssuer {
        server: format!("{BASE}/directory"),
        email: "ops@example.com".to_owned(),
        solvers: vec![AcmeChallengeSolver {
            http01,
            wait_instead_of_self_check,
            ..AcmeChallengeSolver::default()
        }],
        ..AcmeIssuer::default()
    };
    acme.private_key_secret_ref.name = "account".to_owned();
    issuer.spec.acme = Some(acme);
    let mut certificate = Certificate::default();
    certificate.metadata.name = "c".to_owned();
    certificate.metadata.namespace = "d".to_owned();
    certificate.spec.secret_name = "tls".to_owned();
    certificate.spec.dns_names = vec![NAME.to_owned()];
    certificate.spec.issuer_ref.name = "ca".to_owned();
    let private_key = engine::api::CertificatePrivateKey {
        algorithm: Some(PrivateKeyAlgorithm::Ecdsa),
        ..engine::api::CertificatePrivateKey::default()
    };
    certificate.spec.private_key = Some(private_key);
    let key = world.keys("old").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let params = rcgen::CertificateParams::new([NAME.to_owned()]).unwrap();
    let old = server.certify(params, &key, world.now() - DAY * 80);
    vec![
        secret("account", &[("tls.key", account_key())]),
        secret("tls", &[("tls.key", &key.to_traditional_pem()), ("tls.crt", &old)]),
        Object::Issuer(Arc::new(issuer)),
        Object::Certificate(Arc::new(certificate)),
    ]
}

fn start(world: &World, store: &Store) {
    let config = EngineConfig { compat: V1_21, ..EngineConfig::default() };
    let process = world.process(ENGINE);
    engine::start(&process, store, Arc::new(NoDelay), Arc::new(Memory::default()), config).unwrap();
}

fn get(store: &Store, name: &str) -> Option<Arc<Secret>> {
    match store.get(Kind::Secret, &ObjectKey::new("d", name))? {
        Object::Secret(secret) => Some(secret),
        _ => None,
    }
}

fn certificate(store: &Store) -> Arc<Certificate> {
    match store.get(Kind::Certificate, &ObjectKey::new("d", "c")) {
        Some(Object::Certificate(certificate)) => certificate,
        other => panic!("{other:?}"),
    }
}

/// What is wrong with a Secret that was written.
fn violation(secret: &Secret, gone: bool) -> Option<String> {
    let entry = |key: &str| secret.data.get(key).map(|d| d.as_slice()).unwrap_or_default();
    match secret.metadata.name.as_str() {
        "account" if gone || entry("tls.key") != account_key().as_bytes() => {
            Some("the account key is lost".to_owned())
        }
        "tls" if gone => Some("the target Secret is gone".to_owned()),
        "tls" => {
            let (key, leaf) = (PrivateKey::from_pem(entry("tls.key")), pki::leaf(entry("tls.crt")));
            let fits = matches!((&key, &leaf), (Ok(key), Ok(leaf)) if *key.public() == leaf.public_key);
            (!fits).then(|| format!("no pair: {:?} {:?}", key.err(), leaf.err()))
        }
        _ => None,
    }
}

/// Whether a good certificate by the honest server is there.
fn renewed(store: &Store, now: Timestamp) -> bool {
    let chain = get(store, "tls").and_then(|s| s.data.get("tls.crt").cloned());
    let leaf = chain.and_then(|chain| pki::leaf(chain.as_slice()).ok());
    leaf.is_some_and(|leaf| leaf.not_before > now - DAY * 10 && leaf.names.dns == [NAME])
}

async fn within(world: &World, store: &Store, limit: Duration) -> bool {
    for _ in 0..limit.as_secs() / 60 {
        if renewed(store, world.now()) {
            return true;
        }
        world.sleep(MINUTE).await;
    }
    false
}

/// How long the server lies: some retries of everything. A chain by the wrong key makes the release order again at
/// the speed of the API server, so that more of it costs time and shows nothing.
const LYING: Duration = Duration::from_secs(100);

/// The server lies for a while, then it is honest.
fn lied_to(lie: Lie) -> Recovery {
    lied_to_for(lie).0
}

/// Also how long the engine stayed for each answer that drips.
fn lied_to_for(lie: Lie) -> (Recovery, Vec<Duration>) {
    let what = format!("{lie:?}");
    let start_at = WallClock { start: Timestamp::from_unix_secs(1_780_000_000), ..WallClock::default() };
    let config = Config { wall: start_at, ..Config::default() };
    let run = sim::run(config, move |world| async move {
        let net = world.sim_net().unwrap();
        let at = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10));
        net.add_host(ENGINE, [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))]);
        net.add_host("ca", [at]);
        let process = world.process("ca");
        let server = Server::new(&process);
        let listener = process.listen(SocketAddr::new(at, 80)).await.unwrap();
        let patience = Patience::default();
        if lie.how.drips().is_some() {
            let behind = process.listen(SocketAddr::new(at, 8080)).await.unwrap();
            let there = behind.local_addr();
            process.spawn("ca", world::http::serve(process.clone(), behind, None, server.router()));
            let front = drip::front(process.clone(), listener, server.clone(), there, patience.clone());
            process.spawn("front", front);
        } else {
            process.spawn("ca", world::http::serve(process.clone(), listener, None, server.router()));
        }
        let store = Store::new(&world, Names::new(world.rng("names"), Default::default()), 1);
        for object in objects(&world, &server) {
            store.restore(object).unwrap();
        }
        let wrong: Arc<Mutex<Vec<String>>> = Arc::default();
        let (mut watch, seen) = (store.watch(Kind::Secret), wrong.clone());
        world.spawn("watch", async move {
            while let Some(change) = watch.next().await {
                if let Object::Secret(secret) = &change.object {
                    seen.lock().unwrap().extend(violation(secret, change.type_ == ChangeType::Deleted));
                }
            }
        });
        server.tell(Some(lie));
        start(&world, &store);
        world.sleep(LYING).await;
        if let Some(next) = &certificate(&store).status.next_private_key_secret_name {
            let kept =
                get(&store, next).and_then(|s| PrivateKey::from_pem(s.data["tls.key"].as_slice()).ok());
            assert!(kept.is_some(), "the next private key is lost");
        }
        server.tell(None);
        let recovery = if within(&world, &store, DAY).await {
            Recovery::Alone
        } else {
            for request in store.list(Kind::CertificateRequest) {
                store.delete(Kind::CertificateRequest, &request.key()).unwrap();
            }
            for order in store.list(Kind::Order) {
                drop(store.delete(Kind::Order, &order.key()));
            }
            if within(&world, &store, DAY).await {
                Recovery::Operator
            } else {
                world.crash(ENGINE);
                start(&world, &store);
                assert!(within(&world, &store, DAY * 3).await, "it never recovers");
                Recovery::Restart
            }
        };
        assert_eq!(*wrong.lock().unwrap(), Vec::<String>::new());
        let patience = patience.lock().unwrap().clone();
        (recovery, patience)
    });
    run.unwrap_or_else(|stopped| panic!("{what}: {stopped}")).value
}

/// The members of each endpoint's object.
const MEMBERS: &[(&str, &[&str])] = &[
    ("directory", &["/newNonce", "/newAccount", "/newOrder", "/meta"]),
    ("account", &["/status", "/contact"]),
    ("order", &["/status", "/identifiers", "/authorizations", "/finalize", "/certificate"]),
    ("authz", &["/status", "/identifier", "/identifier/value", "/challenges"]),
    ("chall", &["/type", "/url", "/token", "/status"]),
    ("finalize", &["/status", "/authorizations", "/certificate"]),
];

/// Other values: of other types, other URLs, and long.
fn values() -> Vec<Option<Value>> {
    vec![
        None,
        Some(json!(7)),
        Some(json!("")),
        Some(json!([null])),
        Some(json!(format!("{BASE}/nowhere"))),
        Some(json!("x".repeat(10_000))),
    ]
}

fn each(lies: impl IntoIterator<Item = Lie>) -> Vec<(Recovery, String)> {
    lies.into_iter()
        .map(|lie| (lied_to(lie.clone()), format!("{lie:?}").chars().take(120).collect()))
        .collect()
}

#[test]
fn the_server_is_honest_and_the_certificate_is_renewed() {
    assert_eq!(lied_to(Lie { endpoint: "none", how: How::Close }), Recovery::Alone);
}

#[test]
fn any_member_may_be_missing_or_wrong() {
    // Each member with two of the values, so that each value meets many members.
    let members = MEMBERS.iter().flat_map(|(endpoint, members)| members.iter().map(move |m| (endpoint, m)));
    let lies = members.enumerate().flat_map(|(n, (endpoint, member))| {
        let values = values();
        [n, n + 3].map(|n| Lie {
            endpoint,
            how: How::Member((*member).to_owned(), values[n % values.len()].clone()),
        })
    });
    let all = each(lies);
    let alone = all.iter().filter(|(recovery, _)| *recovery == Recovery::Alone).count();
    assert!(alone * 2 > all.len(), "most lies need nobody's help: {all:?}");
}

#[test]
fn any_answer_may_be_of_another_form() {
    let lies = ["directory", "nonce", "account", "order", "authz", "chall", "finalize", "cert"];
    let hows = || {
        let bodies: [&[u8]; 3] = [b"", b"{\"status\": \"val", &[0xff, 0xfe, 0]];
        let mut hows: Vec<How> = bodies.iter().map(|b| How::Body(b.to_vec())).collect();
        hows.push(How::Body(vec![b' '; 7 << 20]));
        hows.extend([204, 403, 404, 429, 503].map(How::Status));
        let headers =
            [("location", None), ("replay-nonce", None), ("content-type", Some("text/html".to_owned()))];
        hows.extend(headers.map(|(name, value)| How::Header(name, value)));
        hows.push(How::Header("retry-after", Some("99999999999".to_owned())));
        hows.extend([How::Silence, How::Close]);
        hows
    };
    // Each form meets some endpoints, and each endpoint some forms.
    let forms = hows();
    each(
        (0..24).map(|n| Lie {
            endpoint: lies[n % lies.len()],
            how: forms[(n + n / 8 * 3) % forms.len()].clone(),
        }),
    );
}

#[test]
fn a_chain_that_was_not_ordered_never_gets_beside_the_new_key() {
    let chains = [
        Chain::OtherKey,
        Chain::OtherNames,
        Chain::Expired,
        Chain::NoCertificate,
        Chain::PrivateKey,
        Chain::TooLong,
    ];
    each(chains.map(|chain| Lie { endpoint: "finalize", how: How::Chain(chain) }));
}

/// Each request has 90 s in 1.21, whatever arrives of its answer meanwhile.
#[test]
fn an_answer_that_drips_is_given_up_by_the_limit_of_a_request() {
    // Not "nonce": each answer of this server brings one, and none is asked for.
    let endpoints = ["directory", "account", "order", "authz", "chall", "finalize", "cert"];
    let parts = [Part::Head, Part::Body];
    let lies = endpoints.into_iter().flat_map(|endpoint| parts.map(|part| (endpoint, part)));
    for (endpoint, part) in lies {
        let (recovery, patience) = lied_to_for(Lie { endpoint, how: How::Drip(part) });
        let seconds: Vec<_> = patience.iter().map(|stayed| stayed.as_secs_f64()).collect();
        assert!(!seconds.is_empty(), "{endpoint} {part:?}");
        // It shows when the next byte is sent.
        assert!(seconds.iter().all(|s| (10.0..=95.5).contains(s)), "{endpoint} {part:?} {seconds:?}");
        assert!(seconds.iter().any(|s| *s >= 90.0), "{endpoint} {part:?} {seconds:?}");
        assert!(recovery <= Recovery::Operator, "{endpoint} {part:?} {recovery:?}");
        assert!(part == Part::Body || recovery == Recovery::Alone, "{endpoint} {part:?} {recovery:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        prop::sample::select(vec!["valid", "ready", "pending", "invalid", "processing", "revoked"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,12}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_it_says((endpoint, members) in prop::sample::select(MEMBERS), member in any::<prop::sample::Index>(),
                        value in prop::option::of(any_json())) {
        lied_to(Lie { endpoint, how: How::Member((*member.get(members)).to_owned(), value) });
    }
}
