//! A CA that goes on where another process has stopped.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "support/directory.rs"]
mod directory;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Acme, Page, Stage, body, simulated, text};
use directory::TempDir;
use http::Method;
use mock_ca::config::Config;
use mock_ca::{Ca, StateDir};
use serde_json::{Value, json};
use world::http::Client;
use world::resolver::Resolver;
use world::tls::Connector;
use world::{KeyAlgorithm, World};

/// What a client remembers of an order that it was told of.
#[derive(Clone, Debug, PartialEq)]
struct Remembered {
    account: String,
    order: String,
    object: Value,
    chain: String,
}

/// From an account to a certificate.
async fn issue(stage: &Stage, client: &mut Acme, name: &str) -> Remembered {
    let (order, ready) = client.ready_order(stage, &[name]).await;
    let csr = client.csr(&[name]);
    let reply = client.post(ready["finalize"].as_str().unwrap(), &csr).await;
    assert_eq!(reply.status, 200, "{}", text(&reply));
    let object = client.wait(&order).await;
    let chain = client.post(object["certificate"].as_str().unwrap(), "").await;
    let account = client.kid.clone().unwrap();
    Remembered { account, order, object, chain: text(&chain) }
}

/// Runs twice on one directory, with the same seed.
fn twice<A: Send + 'static, F, G>(
    first: impl FnOnce(World, StateDir) -> F,
    second: impl FnOnce(World, StateDir, A) -> G,
) where
    F: Future<Output = A> + Send + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    let dir = TempDir::new();
    let state = StateDir::new(dir.path().join("new").join("state"));
    let before = simulated(|world| first(world, state.clone())).value;
    simulated(|world| second(world, state, before));
}

#[test]
fn everything_is_there_after_a_restart() {
    twice(
        async |world, state| {
            let stage = Stage::with_state(&world, Some(&state), |_| {}).await;
            let mut client = stage.client("one").await;
            let issued = issue(&stage, &mut client, "example.com").await;
            (issued, stage.ca.web_root(), stage.ca.issuer_roots())
        },
        async |world, state, (before, web_root, roots)| {
            let stage = Stage::with_state(&world, Some(&state), |_| {}).await;
            assert_eq!((stage.ca.web_root(), stage.ca.issuer_roots()), (web_root, roots));
            let mut client = stage.stranger("one", KeyAlgorithm::EcdsaP256);
            let reply = client.new_account(json!({ "onlyReturnExisting": true })).await;
            assert_eq!(reply.header("location"), Some(before.account.as_str()), "{}", text(&reply));
            assert_eq!(client.get(&before.order).await, before.object);
            let chain = client.post(before.object["certificate"].as_str().unwrap(), "").await;
            assert_eq!(text(&chain), before.chain);
            // The valid authorization is used again, and nothing else repeats.
            let reply = client.new_order(&["example.com"]).await;
            let order = body(&reply);
            assert_eq!(order["status"], "ready");
            assert_eq!(order["authorizations"], before.object["authorizations"]);
            let url = reply.header("location").unwrap().to_owned();
            assert_ne!(url, before.order);
            let csr = client.csr(&["example.com"]);
            client.post(order["finalize"].as_str().unwrap(), &csr).await;
            let again = client.wait(&url).await;
            assert_ne!(again["certificate"], before.object["certificate"]);
            assert_eq!(stage.ca.issued().len(), 2);
            let renewed = issue(&stage, &mut client, "www.example.com").await;
            assert_ne!(renewed.object["certificate"], again["certificate"]);
        },
    );
}

#[test]
fn what_was_promised_is_done_after_a_restart() {
    let slow = |config: &mut Config| {
        config.async_finalize = true;
        config.service_time =
            BTreeMap::from([(mock_ca::dialect::Endpoint::Issuance, vec![Duration::from_secs(3600)])]);
    };
    twice(
        async move |world, state| {
            let stage = Stage::with_state(&world, Some(&state), slow).await;
            let mut client = stage.client("one").await;
            let (order, ready) = client.ready_order(&stage, &["example.com"]).await;
            let csr = client.csr(&["example.com"]);
            let reply = client.post(ready["finalize"].as_str().unwrap(), &csr).await;
            assert_eq!(body(&reply)["status"], "processing");
            // And a validation that gets no answer before the end.
            let reply = client.new_order(&["www.example.com"]).await;
            let authorization = body(&reply)["authorizations"][0].as_str().unwrap().to_owned();
            let challenge = client.challenge(&authorization, "http-01").await;
            let token = challenge["token"].as_str().unwrap().to_owned();
            stage.page(&format!("/.well-known/acme-challenge/{token}"), Page::Hang);
            assert_eq!(client.post(challenge["url"].as_str().unwrap(), "{}").await.status, 200);
            (client.kid.clone(), order, authorization, token)
        },
        async |world, state, (kid, order, authorization, token)| {
            let stage = Stage::with_state(&world, Some(&state), |_| {}).await;
            let mut client = stage.stranger("one", KeyAlgorithm::EcdsaP256);
            client.kid = kid;
            stage.serve_challenge(&client, &token);
            assert_eq!(client.wait(&order).await["status"], "valid");
            assert_eq!(client.wait(&authorization).await["status"], "valid");
            assert_eq!(stage.ca.issued().len(), 1);
        },
    );
}

/// Where the child finds its directory.
const CHILD: &str = "MOCK_CA_STATE_TEST_DIR";

/// The server that is killed: this test binary once more. Without a directory it is no child.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    world::real::run(Some(7), |world| async move {
        let config =
            Config { base_url: String::new(), always_valid: true, async_finalize: true, ..Config::default() };
        let ca = Ca::open(world.clone(), config, Some(&StateDir::new(dir))).unwrap();
        let listener = world.listen("127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).await.unwrap();
        let roots = json!([ca.web_root(), ca.issuer_roots()]);
        println!("\nserving {} {roots}", listener.local_addr());
        ca.serve_on(listener).await.unwrap();
    })
    .unwrap();
}

struct Server {
    child: Child,
    base: String,
    roots: Value,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["state::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.find_map(|line| Some(line.unwrap().strip_prefix("serving ")?.to_owned())).unwrap();
        let (address, roots) = line.split_once(' ').unwrap();
        Server { child, base: format!("https://{address}"), roots: serde_json::from_str(roots).unwrap() }
    }

    fn client(&self, world: &World, label: &str) -> Acme {
        let root: Vec<u8> = serde_json::from_value(self.roots[0].clone()).unwrap();
        let tls = Connector::new(world, &[root]).unwrap();
        let http = Client::new(world, Resolver::new(world, Vec::new())).with_tls(tls);
        let key = world.keys(&format!("client {label}")).generate(KeyAlgorithm::EcdsaP256).unwrap();
        let dialect = mock_ca::dialect::DialectName::Boulder.table();
        let (base, world) = (self.base.clone(), world.clone());
        Acme { base, dialect, world, http, key, kid: None, nonce: None }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the server has said, in the order in which it did: a URL's path and the last object under it.
type Said = Arc<Mutex<Vec<(String, Value)>>>;

/// POSTs until the server is gone; `None` when it is.
async fn post(client: &mut Acme, path: &str, payload: &str) -> Option<world::http::Response> {
    let url = client.url(path);
    if client.nonce.is_none() {
        let url = client.url("/acme/new-nonce").parse().unwrap();
        let head = client.http.request(Method::HEAD, &url, &[], bytes::Bytes::new()).await;
        client.nonce = Some(head.ok()?.header("replay-nonce")?.to_owned());
    }
    let mut header = json!({ "nonce": client.nonce.take(), "url": url });
    match &client.kid {
        Some(kid) => header["kid"] = json!(format!("{}{kid}", client.base)),
        None => header["jwk"] = serde_json::from_str(&client.key.public().jwk()).unwrap(),
    }
    let signed = client.sign(header, payload).to_string();
    let headers = [("content-type", "application/jose+json")];
    let reply =
        client.http.request(Method::POST, &url.parse().unwrap(), &headers, signed.into()).await.ok()?;
    client.nonce = reply.header("replay-nonce").map(str::to_owned);
    assert!(reply.status.as_u16() < 400, "{path}: {}", text(&reply));
    Some(reply)
}

fn path_of(client: &Acme, url: &str) -> String {
    url.strip_prefix(&client.base).unwrap().to_owned()
}

/// Orders and certificates, one after another, until the server is gone.
async fn burst(mut client: Acme, label: String, said: Said) -> Option<()> {
    let reply = post(&mut client, "/acme/new-acct", r#"{"termsOfServiceAgreed":true}"#).await?;
    let account = path_of(&client, reply.header("location")?);
    client.kid = Some(account.clone());
    let note = |path: &str, value: Value| said.lock().unwrap().push((path.to_owned(), value));
    note(&account, json!({ "account": label }));
    for n in 0.. {
        let name = format!("n{n}.{label}.example.com");
        let identifiers = json!({ "identifiers": [{ "type": "dns", "value": name }] });
        let reply = post(&mut client, "/acme/new-order", &identifiers.to_string()).await?;
        let order = path_of(&client, reply.header("location")?);
        let mut object = body(&reply);
        note(&order, object.clone());
        let authorization = path_of(&client, object["authorizations"][0].as_str()?);
        let reply = post(&mut client, &authorization, "").await?;
        let challenge = path_of(&client, body(&reply)["challenges"][0]["url"].as_str()?);
        post(&mut client, &challenge, "{}").await?;
        let finalize = path_of(&client, object["finalize"].as_str()?);
        let csr = client.csr(&[&name]);
        while object["status"] != "valid" {
            object = match object["status"].as_str()? {
                "ready" => body(&post(&mut client, &finalize, &csr).await?),
                _ => body(&post(&mut client, &order, "").await?),
            };
            note(&order, object.clone());
        }
        let certificate = path_of(&client, object["certificate"].as_str()?);
        let chain = text(&post(&mut client, &certificate, "").await?);
        note(&certificate, json!(chain));
    }
    Some(())
}

/// How far an order is.
fn rank(status: &Value) -> usize {
    ["pending", "ready", "processing", "valid"].iter().position(|known| status == known).unwrap()
}

#[test]
fn kill_9_loses_nothing_that_was_answered() {
    let dir = TempDir::new();
    let state = dir.path().join("state");
    world::real::run(Some(1), |world| async move {
        let mut roots = Value::Null;
        for round in 0..3 {
            let said = Said::default();
            let mut server = Server::start(&state);
            if round > 0 {
                assert_eq!(server.roots, roots, "the roots stay");
            }
            roots = server.roots.clone();
            for n in 0..8 {
                let label = format!("c{n}.r{round}");
                let client = server.client(&world, &label);
                let said = said.clone();
                world.spawn("client", async move {
                    // It ends when the server does.
                    let _ = burst(client, label, said).await;
                });
            }
            while said.lock().unwrap().len() < 150 {
                world.sleep(Duration::from_millis(5)).await;
            }
            server.kill();
            let said = said.lock().unwrap().clone();

            let server = Server::start(&state);
            let mut clients = BTreeMap::new();
            for (path, value) in &said {
                if let Some(label) = value["account"].as_str() {
                    let mut client = server.client(&world, label);
                    let reply =
                        post(&mut client, "/acme/new-acct", r#"{"onlyReturnExisting":true}"#).await.unwrap();
                    assert_eq!(path_of(&client, reply.header("location").unwrap()), *path);
                    client.kid = Some(path.clone());
                    clients.insert(path.rsplit('/').next().unwrap().to_owned(), client);
                }
            }
            let mut serials = 0;
            let last: BTreeMap<&String, &Value> = said.iter().map(|(path, value)| (path, value)).collect();
            for (path, value) in last {
                if let Some(chain) = value.as_str() {
                    serials += 1;
                    let client = clients.values_mut().next().unwrap();
                    let url = client.url(path).parse().unwrap();
                    let reply =
                        client.http.request(Method::GET, &url, &[], bytes::Bytes::new()).await.unwrap();
                    assert_eq!(text(&reply), *chain);
                } else if value.get("status").is_some() {
                    let account = path.split('/').nth_back(1).unwrap();
                    let client = clients.get_mut(account).unwrap();
                    let mut now = body(&post(client, path, "").await.unwrap());
                    assert!(rank(&now["status"]) >= rank(&value["status"]), "{value} became {now}");
                    // What was promised is done.
                    while now["status"] == "processing" {
                        now = body(&post(client, path, "").await.unwrap());
                    }
                }
            }
            assert!(serials > 5, "{serials}");
        }
    })
    .unwrap();
}
