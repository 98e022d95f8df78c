//! What the CA does for one request: the JWS, the nonce, newOrder and finalize, all in the real world, whose keys sign
//! by ring as the server's do; and how long a CA takes to start.
//!
//! `cargo bench -p benches -- ca/`

use std::collections::VecDeque;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};
use http::{Request, Response};
use http_body_util::Full;
use mock_ca::ca::Hierarchy;
use mock_ca::ca::csr::Csr;
use mock_ca::config::{HierarchyConfig, KeyType};
use mock_ca::dialect::{DialectName, Endpoint};
use mock_ca::issuance::Plan;
use mock_ca::problem::Problem;
use mock_ca::wfe::jwk::Jwk;
use mock_ca::wfe::jws::{Jws, Payload};
use mock_ca::wfe::nonce::Nonces;
use mock_ca::{Ca, CaError, Config};
use serde_json::json;
use tokio::runtime::Runtime;
use world::keys::{SectionKind, pem_sections};
use world::real::Stopwatch;
use world::{KeyAlgorithm, PrivateKey, Rng, sim};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::acme::{Acme, Order, csr, expected, json_of, jws, nonce_of, order_for, text};
use crate::check::{each, holds, must, real_world, simulated};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const BASE: &str = "https://acme.test";

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("ca");
    request(&mut group, KeyAlgorithm::EcdsaP256);
    request(&mut group, KeyAlgorithm::Rsa(2048));
    for outstanding in [1, 60_000] {
        nonce(&mut group, outstanding);
    }
    new_nonce(&mut group);
    for names in [1, 10] {
        new_order(&mut group, names);
    }
    csr_check(&mut group);
    for issuer in [KeyType::P256, KeyType::Rsa2048] {
        sign(&mut group, issuer);
        finalize(&mut group, issuer);
    }
    // A start with RSA keys looks for primes, about a second long.
    group.sample_size(10);
    start(&mut group);
    group.finish();
}

fn key(label: &str, algorithm: KeyAlgorithm) -> PrivateKey {
    must(label, real_world().keys(label).generate(algorithm))
}

/// All that is checked of a request but its nonce.
fn checked(body: &[u8], key: &Jwk, url: &str) -> Result<Payload, Problem> {
    let jws = Jws::parse(body, DialectName::Boulder.table())?;
    jws.verify_signature(key)?;
    jws.check_url(url)?;
    jws.payload()
}

/// One newOrder request of an account, read and verified.
fn request(group: &mut Group<'_>, algorithm: KeyAlgorithm) {
    let key = key("account", algorithm);
    let what = format!("a request with {}", key.jws_algorithm());
    let url = format!("{BASE}/acme/new-order");
    let payload = order_for(&["www.example.com".to_owned()]);
    let header = json!({ "kid": format!("{BASE}/acme/acct/1"), "nonce": "a".repeat(51), "url": url });
    let (body, public) = (jws(&key, header.clone(), &payload), Jwk::of(key.public()));
    let seen = must(&what, checked(&body, &public, &url));
    let name = seen.member("identifiers").and_then(|list| list.pointer("/0/value"));
    must(
        &what,
        holds(name == Some(&json!("www.example.com")), || format!("another payload: {}", seen.json())),
    );
    let foreign = jws(&self::key("somebody else's", algorithm), header, &payload);
    must(
        &what,
        holds(checked(&foreign, &public, &url).is_err(), || "anybody's signature is good".to_owned()),
    );
    group.bench_function(BenchmarkId::new("jws", key.jws_algorithm()), |b| {
        b.iter(|| must(&what, checked(black_box(&body), &public, &url)));
    });
}

/// A nonce is issued and another redeemed, while so many are outstanding.
fn nonce(group: &mut Group<'_>, outstanding: usize) {
    let dialect = DialectName::Boulder.table();
    let window = Config::default().nonce_window;
    let mut nonces = Nonces::new(Rng::from_seed(1), window, dialect.nonce_prefix, dialect.nonce_bytes);
    let mut out: VecDeque<String> = (1..outstanding).map(|_| nonces.issue()).collect();
    let spent = nonces.issue();
    let once = nonces.consume(&spent) && !nonces.consume(&spent);
    must("nonce", holds(once, || "a nonce is not good once".to_owned()));
    group.bench_function(BenchmarkId::new("nonce", outstanding), |b| {
        b.iter(|| {
            out.push_back(nonces.issue());
            let good = out.pop_front().is_some_and(|oldest| nonces.consume(&oldest));
            must("nonce", holds(good, || "a nonce of ours is refused".to_owned()));
        });
    });
}

/// A CA and a client with an account, in one thread.
struct Desk {
    runtime: Runtime,
    acme: Acme,
}

impl Desk {
    fn open(config: Config) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let acme = runtime.block_on(async {
            let ca = Ca::new(real_world(), Config { base_url: BASE.to_owned(), ..config });
            let ca = ca.map_err(|error| error.to_string())?;
            let mut acme = Acme::new(&ca, key("account", KeyAlgorithm::EcdsaP256));
            acme.register().await.map(|()| acme)
        })?;
        Ok(Desk { runtime, acme })
    }

    fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
        self.runtime.block_on(self.acme.send(request))
    }

    /// Has a name authorized: from then on orders for it are ready as they come.
    fn authorize(&self, names: &[String]) -> Result<(), String> {
        self.runtime.block_on(async {
            for url in self.acme.order(names).await?.authorizations {
                let challenge = text(&self.acme.get(&url).await?, "/challenges/0/url")?;
                self.acme.ask(&challenge, "{}", 200).await?;
                // The validation is a task of the CA.
                tokio::task::yield_now().await;
                let status = text(&self.acme.get(&url).await?, "/status")?;
                holds(status == "valid", || format!("the authorization is {status}"))?;
            }
            Ok(())
        })
    }
}

/// newNonce: what every request costs, whatever it asks for.
fn new_nonce(group: &mut Group<'_>) {
    let what = "newNonce";
    let desk = must(what, Desk::open(Config::default()));
    group.bench_function("new-nonce", |b| {
        let check = |answer: Result<_, String>| nonce_of(&expected(200, answer?)?).map(drop);
        each(b, what, || desk.acme.new_nonce(), |request| desk.send(request), check);
    });
}

/// newOrder for names that were not ordered before, JWS and nonce included.
fn new_order(group: &mut Group<'_>, count: usize) {
    let what = format!("newOrder for {count}");
    let desk = must(&what, Desk::open(Config::default()));
    let url = desk.acme.url(Endpoint::NewOrder);
    let mut orders = 0;
    group.bench_function(BenchmarkId::new("new-order", count), |b| {
        let prepare = || {
            orders += 1;
            let names: Vec<_> = (0..count).map(|n| format!("n{n}.o{orders}.example.com")).collect();
            desk.runtime.block_on(desk.acme.signed(&url, &order_for(&names)))
        };
        let check = |answer: Result<Response<Bytes>, String>| {
            let order = Order::read(&json_of(&expected(201, answer?)?)?)?;
            let new = order.status == "pending" && order.authorizations.len() == count;
            holds(new, || format!("{} with {} authorizations", order.status, order.authorizations.len()))
        };
        each(b, &what, prepare, |request| desk.send(request), check);
    });
}

fn names() -> Vec<String> {
    vec!["example.com".to_owned(), "www.example.com".to_owned()]
}

/// What finalize brings: PKCS #10 for two names with a P-256 key.
fn request_bytes() -> Vec<u8> {
    must("CSR", csr(&names(), &key("certificate", KeyAlgorithm::EcdsaP256)))
}

/// A CSR, read and checked: its signature, its key, its names.
fn csr_check(group: &mut Group<'_>) {
    let (der, rules) = (request_bytes(), &DialectName::Boulder.table().csr);
    let read = must("CSR", Csr::parse(&der, rules, &[]));
    must("CSR", holds(read.identifiers.len() == 2, || format!("names: {:?}", read.identifiers)));
    let mut forged = der.clone();
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    let refused = Csr::parse(&forged, rules, &[]).is_err();
    must("CSR", holds(refused, || "a signature that is none is good".to_owned()));
    group.bench_function(BenchmarkId::new("csr", "P-256"), |b| {
        b.iter(|| must("CSR", Csr::parse(black_box(&der), rules, &[])));
    });
}

fn config_with(issuer: KeyType) -> Config {
    let hierarchy = HierarchyConfig { key_type: issuer, ..HierarchyConfig::default() };
    Config { base_url: BASE.to_owned(), always_valid: true, hierarchy, ..Config::default() }
}

/// How people call an issuer's key.
fn called(issuer: KeyType) -> &'static str {
    match issuer {
        KeyType::Rsa2048 => "RSA-2048",
        _ => "P-256",
    }
}

/// A certificate, composed and signed.
fn sign(group: &mut Group<'_>, issuer: KeyType) {
    let what = format!("a signature with {}", called(issuer));
    let (world, config) = (real_world(), config_with(issuer));
    let hierarchy = must(&what, Hierarchy::new(&world, &config));
    let csr = must(&what, Csr::parse(&request_bytes(), &config.dialect.table().csr, &[]));
    let plan = Plan {
        order: 1,
        account: 1,
        identifiers: csr.identifiers.iter().cloned().collect(),
        terms: config.terms(None, world.now()),
        not_before: None,
        not_after: None,
        at: world.now(),
    };
    let signed = must(&what, hierarchy.sign(&config, &plan, &csr));
    must(&what, is_for(&signed.leaf, 2));
    group.bench_function(BenchmarkId::new("sign", called(issuer)), |b| {
        b.iter(|| must(&what, hierarchy.sign(&config, black_box(&plan), &csr)));
    });
}

/// Whether this is a certificate for so many names.
fn is_for(leaf: &[u8], names: usize) -> Result<(), String> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|error| error.to_string())?;
    let found = leaf.subject_alternative_name().map_err(|error| error.to_string())?;
    let found = found.map_or(0, |extension| extension.value.general_names.len());
    holds(found == names, || format!("a certificate for {found} names"))
}

/// finalize of a ready order for two names: JWS, nonce, CSR, and the signature, up to the order that is valid.
fn finalize(group: &mut Group<'_>, issuer: KeyType) {
    let what = format!("finalize with {}", called(issuer));
    let desk = must(&what, Desk::open(config_with(issuer)));
    must(&what, desk.authorize(&names()));
    let payload = json!({ "csr": URL_SAFE_NO_PAD.encode(request_bytes()) }).to_string();
    let certificate = |answer| {
        let order = json_of(&expected(200, answer)?)?;
        let status = text(&order, "/status")?;
        holds(status == "valid", || format!("the order is {status}"))?;
        text(&order, "/certificate")
    };
    let prepare = || {
        desk.runtime.block_on(async {
            let order = desk.acme.order(&names()).await?;
            holds(order.status == "ready", || format!("the order is {}", order.status))?;
            desk.acme.signed(&order.finalize, &payload).await
        })
    };
    let url = must(&what, prepare().and_then(|request| desk.send(request)).and_then(certificate));
    let chain = must(&what, desk.runtime.block_on(desk.acme.ask(&url, "", 200)));
    let chain = pem_sections(chain.body(), SectionKind::Certificate);
    let leaf = must(&what, chain.first().ok_or("no certificate"));
    must(&what, is_for(leaf, names().len()));
    group.bench_function(BenchmarkId::new("finalize", called(issuer)), |b| {
        let check = |answer: Result<_, String>| answer.and_then(certificate).map(drop);
        each(b, &what, prepare, |request| desk.send(request), check);
    });
}

/// A CA made as a value, with its keys: hierarchy, web identity, and empty state.
fn start(group: &mut Group<'_>) {
    let whole = |ca: &Ca| {
        let roots = ca.issuer_roots();
        let root = roots.first().ok_or("a CA without a root")?;
        X509Certificate::from_der(root).map(drop).map_err(|error| error.to_string())
    };
    // RSA keys that a process has made once it has again in no time: each start has a seed of its own.
    let mut seed = 0;
    for (name, config) in [("P-256", Config::default()), ("letsencrypt-prod", Config::letsencrypt_prod())] {
        group.bench_function(BenchmarkId::new("start", name), |b| {
            let prepare = || {
                seed += 1;
                let world = world::real::world(Some(seed)).map_err(|error| error.to_string())?;
                Ok((world, config.clone()))
            };
            let check = |ca: Result<Ca, CaError>| whole(&ca.map_err(|error| error.to_string())?);
            each(b, "start", prepare, |(world, config)| Ca::new(world, config), check);
        });
    }
    group.bench_function(BenchmarkId::new("start", "P-256 in a simulation"), |b| {
        b.iter_custom(|times| {
            let one = |_| {
                simulated("start", sim::Config::default(), |world| async move {
                    let watch = Stopwatch::start();
                    let ca = Ca::new(world, Config::default()).map_err(|error| error.to_string())?;
                    let spent = watch.elapsed();
                    whole(&ca).map(|()| spent)
                })
            };
            (0..times).map(one).sum()
        });
    });
}
