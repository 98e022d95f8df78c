//! What a validation costs, from the answer to the challenge up to the verdict, in a simulated world: the CA's
//! perspectives with their resolvers and HTTP, the CAA records, and what they ask, which is a nameserver and a web server of
//! `mock-dns` in the same thread. No socket is real, and each message takes no time.
//!
//! `cargo bench -p benches -- validation/`

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BenchmarkId, Criterion};
use mock_ca::config::Perspective;
use mock_ca::{Ca, Config};
use mock_dns::challtest::{self, ChallTest, Service};
use serde_json::{Value, json};
use world::real::Stopwatch;
use world::{KeyAlgorithm, World, sha256, sim};

use crate::acme::{Acme, text};
use crate::check::{holds, simulated};

const CA: &str = "acme";
const RESPONDER: &str = "responder";

/// Far more virtual time than it takes where messages take none.
const ENOUGH: Duration = Duration::from_secs(1);

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("validation");
    for (kind, perspectives) in [("http-01", 1), ("http-01", 5), ("dns-01", 1)] {
        let what = format!("{kind} from {perspectives}");
        group.bench_function(BenchmarkId::new(kind, perspectives), |b| {
            b.iter_custom(|times| {
                simulated(&what, sim::Config::default(), |world| async move {
                    let stage = Stage::set(&world, perspectives).await?;
                    let mut spent = Duration::ZERO;
                    for n in 0..times {
                        spent += stage.validate(kind, &format!("n{n}.example.com"), perspectives).await?;
                    }
                    Ok(spent)
                })
            });
        });
    }
    group.finish();
}

/// A CA, a client, and who answers challenges.
struct Stage {
    world: World,
    ca: Ca,
    acme: Acme,
    responder: ChallTest,
}

impl Stage {
    async fn set(world: &World, perspectives: u8) -> Result<Self, String> {
        let net = world.sim_net().ok_or("the world is real")?;
        let site = Ipv4Addr::new(10, 0, 0, 2);
        net.add_host(CA, [IpAddr::from([10, 0, 0, 1])]);
        net.add_host(RESPONDER, [IpAddr::V4(site)]);
        let places: Vec<String> = (0..perspectives).map(|n| format!("perspective-{n}")).collect();
        for (name, n) in places.iter().zip(1..) {
            net.add_host(name, [IpAddr::from([10, 1, 0, n])]);
        }
        let mut config = challtest::Config::at(site.into());
        config.bind.retain(|(service, _)| matches!(service, Service::Dns | Service::Http01));
        (config.default_ipv4, config.default_ipv6) = (Some(site), None);
        let responder =
            ChallTest::new(world.process(RESPONDER), config).map_err(|error| error.to_string())?;
        let serving = responder.serve().await;
        let at = |service| serving.address(service).ok_or_else(|| format!("{service} is not served"));
        let perspective = |name| Perspective { name, ..Perspective::default() };
        let config = Config {
            base_url: "https://10.0.0.1".to_owned(),
            http_port: at(Service::Http01)?.port(),
            resolvers: vec![at(Service::Dns)?],
            perspectives: places.into_iter().map(perspective).collect(),
            ..Config::default()
        };
        let ca = Ca::new(world.process(CA), config).map_err(|error| error.to_string())?;
        let key = world.keys("account").generate(KeyAlgorithm::EcdsaP256);
        let mut acme = Acme::new(&ca, key.map_err(|error| error.to_string())?);
        acme.register().await?;
        Ok(Stage { world: world.clone(), ca, acme, responder })
    }

    /// How often the CA's journal has this.
    fn journaled(&self, event: &str) -> u64 {
        self.ca.journal().counters().events.get(event).copied().unwrap_or_default()
    }

    fn publish(&self, path: &str, body: &Value) -> Result<(), String> {
        let reply = self.responder.manage(path, body.to_string().as_bytes());
        holds(reply.status == 200, || format!("{path}: {}", reply.status))
    }

    /// What the validation of a name's challenge takes.
    async fn validate(&self, kind: &str, name: &str, perspectives: u8) -> Result<Duration, String> {
        let order = self.acme.order(&[name.to_owned()]).await?;
        let url = order.authorizations.first().ok_or("an order without authorizations")?;
        let authorization = self.acme.get(url).await?;
        let challenges = authorization.get("challenges").and_then(Value::as_array).into_iter().flatten();
        let challenge = challenges.into_iter().find(|challenge| challenge["type"] == kind);
        let challenge = challenge.ok_or_else(|| format!("no challenge {kind}"))?;
        let token = text(challenge, "/token")?;
        let proof = self.acme.key_authorization(&token);
        match kind {
            "dns-01" => {
                let value = URL_SAFE_NO_PAD.encode(sha256(proof.as_bytes()));
                let host = format!("_acme-challenge.{name}.");
                self.publish("/set-txt", &json!({ "host": host, "value": value }))?;
            }
            _ => self.publish("/add-http01", &json!({ "token": token, "content": proof }))?,
        }
        let before = self.journaled("validationStarted");
        self.acme.ask(&text(challenge, "/url")?, "{}", 200).await?;
        holds(self.journaled("validationStarted") == before, || "it has begun already".to_owned())?;
        let watch = Stopwatch::start();
        // All that is ready runs before the clock moves.
        self.world.sleep(ENOUGH).await;
        let spent = watch.elapsed();
        let looks = self.journaled("validationStarted") - before;
        holds(looks == u64::from(perspectives), || format!("{looks} perspectives have looked"))?;
        let status = text(&self.acme.get(url).await?, "/status")?;
        holds(status == "valid", || format!("the authorization is {status}")).map(|()| spent)
    }
}
