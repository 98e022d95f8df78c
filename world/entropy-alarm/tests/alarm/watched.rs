//! The alarm itself, and the world that it watches.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test, which asks the system on purpose to see the alarm ring"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::Method;
use mock_dns::{Config, Dns, Record, RecordType, Zone};
use ring::rand::{SecureRandom as _, SystemRandom};
use world::http::{Client, Url};
use world::net::LinkRule;
use world::resolver::Resolver;
use world::tls::{Acceptor, Connector};
use world::{KeyAlgorithm, Tape, Timestamp, WallClock, World};

use crate::interposed::{Calls, counting};

const NAME: &str = "www.example.test";
const REQUESTS: u64 = 100;
/// Requests of the replay that are not the CA's: self-checks and validations, most of them over two hops.
const SELF_CHECKS: u64 = 28;
/// hyper's date cache and, with a new connection for each request, the base of its timers.
const READS_PER_REQUEST_MAX: u64 = 4;

/// That the alarm hears each of the ways to ask.
fn rings() {
    let heard = |what: &str, ask: &dyn Fn(), entropy: bool| {
        let ((), calls) = counting(ask);
        let count = if entropy { calls.entropy } else { calls.clock };
        assert!(count > 0, "the alarm is deaf to {what}: {calls:?}");
    };
    heard(
        "a hash map's seed",
        &|| drop(std::thread::spawn(|| black_box(HashMap::<u8, u8>::new())).join()),
        true,
    );
    heard("ring", &|| SystemRandom::new().fill(&mut [0; 16]).unwrap(), true);
    heard("the wall clock", &|| _ = black_box(SystemTime::now()), false);
    heard("the monotonic clock", &|| _ = black_box(Instant::now()), false);
}

/// Runs `main` in a simulated world on a thread of its own.
fn watch<F>(name: &str, seed: u64, main: impl FnOnce(World) -> F + Send + 'static) -> (String, Calls)
where
    F: Future<Output = ()> + Send + 'static,
{
    let wall = WallClock { start: Timestamp::from_unix_secs(1_651_930_771), ..WallClock::default() };
    let config = move || world::sim::Config { seed, tape: Tape::seeded(seed), wall, ..Default::default() };
    let watched = std::thread::spawn(move || {
        counting(|| match world::sim::run(config(), main) {
            Ok(finished) => finished.trace.fingerprint(),
            Err(stopped) => panic!("{stopped}"),
        })
    });
    let (fingerprint, calls) = watched.join().unwrap();
    println!("entropy alarm: {name}: {} entropy calls, {} clock reads", calls.entropy, calls.clock);
    (fingerprint, calls)
}

fn hosts(world: &World) {
    let net = world.sim_net().unwrap();
    for (host, address) in [("main", "10.0.0.9"), ("ns1", "10.0.0.53"), ("www", "10.0.0.80")] {
        net.add_host(host, [address.parse().unwrap()]);
    }
    net.add_rule(LinkRule { latency: Duration::from_millis(1), ..LinkRule::default() });
}

async fn resolver(world: &World) -> Resolver {
    let records = vec![Record::new("www", RecordType::A, "10.0.0.80")];
    let config = Config { zones: vec![Zone::new("example.test", records)], ..Config::default() };
    let dns = Dns::new(world.process("ns1"), config).unwrap();
    Resolver::new(world, vec![dns.serve("10.0.0.53:53".parse().unwrap()).await.unwrap()])
}

/// Names, keys, signatures, randomness and timers: all but HTTP and TLS.
async fn without_http(world: World) {
    hosts(&world);
    let resolver = resolver(&world).await;
    for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa(2048)] {
        let key = world.keys("key").generate(algorithm).unwrap();
        world.record("key", "log", &key.sign(b"message"));
    }
    for _ in 0..REQUESTS {
        assert_eq!(resolver.addresses(NAME).await.unwrap().len(), 1);
        world.sleep(Duration::from_secs(3600)).await;
        world.record("reading", "log", world.reading().go_string().as_bytes());
    }
}

/// The same name, asked for over HTTPS, half of the time on a new connection.
async fn with_http(world: World) {
    hosts(&world);
    let resolver = resolver(&world).await;
    let key = world.keys("www").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.serial_number = Some(1u64.into());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    let www = world.process("www");
    let listener = www.listen("10.0.0.80:443".parse().unwrap()).await.unwrap();
    let acceptor = Acceptor::new(&www, vec![certificate.clone()], &key).unwrap();
    let router = Router::new().route("/", post(|body: Bytes| async move { body }));
    www.spawn("server", world::http::serve(www.clone(), listener, Some(acceptor), router));
    let kept = Client::new(&world, resolver).with_tls(Connector::new(&world, &[certificate]).unwrap());
    let url: Url = format!("https://{NAME}/").parse().unwrap();
    for n in 0..REQUESTS {
        let client = if n % 2 == 0 { kept.clone() } else { kept.clone().without_keep_alive() };
        let answer = client.request(Method::POST, &url, &[], Bytes::from_static(b"body")).await.unwrap();
        assert_eq!(&*answer.body, b"body");
    }
}

/// The whole product: the document's renewal, engine, CA, DNS and cluster.
fn replay() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/library");
    let library = scenarios::library::Library::open(Some(&library)).unwrap();
    let loaded = library.load("rancher-renewal").unwrap();
    let run = move || counting(|| scenarios::runner::run(&loaded, 0, &[]).unwrap());
    let (record, calls) = std::thread::spawn(run).join().unwrap();
    println!("entropy alarm: rancher-renewal: {} entropy calls, {} clock reads", calls.entropy, calls.clock);
    assert_eq!(record.outcome, reports::Outcome::Passed);
    assert!(calls.entropy <= 1, "{calls:?}");
    // Nothing but HTTP connections reads the clock (see `without_http`), and what they read goes nowhere: the
    // fingerprint is that of every other run.
    let requests: u64 = record.counts.ca_requests.values().sum();
    assert!(calls.clock <= READS_PER_REQUEST_MAX * (requests + SELF_CHECKS) + 1, "{calls:?}");
}

pub(crate) fn main() {
    rings();
    replay();
    let (_, calls) = watch("names, keys and timers", 1, without_http);
    // A thread's first hash map is seeded by the system; nobody here looks at its order.
    assert!(calls.entropy <= 1, "{calls:?}");
    assert_eq!(calls.clock, 0);
    let (first, calls) = watch("HTTPS", 1, with_http);
    assert!(calls.entropy <= 1, "{calls:?}");
    // hyper looks up the date for a header that it then does not send; and the process has one base for
    // the differences that hyper's timers are made of.
    assert!(calls.clock <= 2 * REQUESTS + 1, "{calls:?}");
    let (second, calls_again) = watch("HTTPS again", 1, with_http);
    assert!(calls_again.clock <= calls.clock);
    assert_eq!(first, second, "the same world has another fingerprint");
    assert_ne!(first, watch("HTTPS, another seed", 2, with_http).0);
}
