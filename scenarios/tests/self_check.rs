//! The self-check and what it meets: web servers that are not the solver's, nameservers that keep silent, and objects
//! that are not the challenge's alone.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::live::{Live, certificate, issuer, live, script};
use engine::api::{Challenge, Ingress, Kind, ObjectKey, Pod, Service};
use mock_ca::dialect::Endpoint;
use mock_ca::journal::Event;
use mock_dns::{QueryLogEntry, RecordType, Transport};
use scenarios::runner::{self, Options, Remains};
use scenarios::script::Scenario;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::http::{Client, Scheme, Url};
use world::resolver::Resolver;
use world::{Stream, Timestamp};

const ENGINE: &str = "10.42.0.5";
const SITE: &str = "203.0.113.90";
const AWAITING: &str = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
const READING: &str = "failed to read response body: context deadline exceeded (Client.Timeout or context \
                       cancellation while reading body)";

fn manifests() -> String {
    let names = "dnsNames: [shop.example.com]";
    issuer("http01: { ingress: { class: nginx } }") + &certificate("{}", names)
}

/// What the web server of the name does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// It answers with the key.
    Answers,
    /// It takes the request and says nothing.
    Silent,
    /// It sends this, and then a byte a second, for ever.
    Drips(&'static str),
}

const DRIPS_HEAD: Site = Site::Drips("HTTP/1.1 200 OK\r\nx-drip: ");
const DRIPS_BODY: Site = Site::Drips("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");

/// A connection of the engine's.
#[derive(Clone, Debug)]
struct Visit {
    came: Timestamp,
    head: String,
    /// How long the visitor stayed.
    stayed: Option<Duration>,
}

type Visits = Arc<Mutex<Vec<Visit>>>;

/// The script with the name at a web server of its own.
fn with_site(compat: &str) -> Scenario {
    let mut scenario = script(compat);
    scenario.hosts.insert("site".into(), vec![SITE.parse().unwrap()]);
    for record in &mut scenario.dns.zones[0].records {
        if record.value == "203.0.113.80" {
            SITE.clone_into(&mut record.value);
        }
    }
    scenario
}

/// Opens the web server: who visits it.
async fn open(live: &Live, site: Site) -> Visits {
    let visits = Visits::default();
    let world = live.world.process("site");
    let mut listener = world.listen(SocketAddr::new(SITE.parse().unwrap(), 80)).await.unwrap();
    let (live, seen) = (live.clone(), visits.clone());
    world.clone().spawn("site", async move {
        while let Ok((stream, from)) = listener.accept().await {
            let seen = if from.ip().to_string() == ENGINE { seen.clone() } else { Visits::default() };
            world.spawn("visit", receive(live.clone(), site, stream, seen));
        }
    });
    visits
}

async fn receive(live: Live, site: Site, mut stream: Stream, visits: Visits) {
    let (mut head, mut buffer) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => head.extend(&buffer[..n]),
            _ => return,
        }
    }
    let (came, start) = (live.world.now(), live.world.monotonic());
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let number = {
        let mut visits = visits.lock().unwrap();
        visits.push(Visit { came, head: head.clone(), stayed: None });
        visits.len() - 1
    };
    match site {
        Site::Answers => {
            let named =
                |c: &Challenge| head.contains(&format!("/{} http", c.spec.token.to_ascii_lowercase()));
            let key = live.all::<Challenge>().into_iter().find(named).unwrap().spec.key;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{key}", key.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Site::Silent => while matches!(stream.read(&mut buffer).await, Ok(n) if n > 0) {},
        Site::Drips(begin) => {
            let mut next = begin.as_bytes();
            while stream.write_all(next).await.is_ok() {
                next = b"x";
                live.world.sleep(Duration::from_secs(1)).await;
            }
        }
    }
    visits.lock().unwrap()[number].stayed = Some(live.world.monotonic().since(start));
}

fn reason(live: &Live) -> String {
    live.all::<Challenge>()[0].status.reason.clone()
}

/// `TEXT`, as the reason of a challenge has what went wrong with its request.
fn get_failed(live: &Live, text: &str) -> String {
    let url = format!(
        "http://shop.example.com/.well-known/acme-challenge/{}",
        live.all::<Challenge>()[0].spec.token
    );
    format!("failed to perform self check GET request '{url}': Get \"{url}\": {text}")
}

/// When the CA was told that a challenge is ready.
fn accepted(live: &Live) -> Vec<Timestamp> {
    let entries = live.remains.ca.as_ref().unwrap().journal().entries().into_iter();
    let received = entries.filter_map(|entry| match entry.event {
        Event::Request { endpoint: Some(Endpoint::Challenge), received, .. } => Some(received),
        _ => None,
    });
    received.collect()
}

#[test]
fn a_site_that_keeps_silent_or_drips_has_ten_seconds_for_head_and_body() {
    for (compat, site) in [
        ("v1_7", Site::Silent),
        ("v1_7", DRIPS_BODY),
        ("v1_21", Site::Silent),
        ("v1_21", DRIPS_HEAD),
        ("v1_21", DRIPS_BODY),
    ] {
        live(with_site(compat), &manifests(), move |live| async move {
            let visits = open(&live, site).await;
            live.after(Duration::from_secs(60)).await;
            let why = if site == DRIPS_BODY { READING.to_owned() } else { get_failed(&live, AWAITING) };
            assert_eq!(reason(&live), format!("Waiting for HTTP-01 challenge propagation: {why}"));
            let visits = visits.lock().unwrap();
            let done: Vec<_> = visits.iter().filter_map(|visit| visit.stayed).collect();
            // Who drips sees that nobody reads when it writes next.
            assert!(
                done.iter().all(|stayed| (9.9..11.1).contains(&stayed.as_secs_f64())),
                "{site:?} {done:?}"
            );
            assert!(done.len() >= 3 && visits.len() - done.len() <= 1, "{site:?} {visits:?}");
            assert_eq!(accepted(&live), []);
        });
    }
}

#[test]
fn a_status_that_is_wrong_is_told_before_the_body_has_come() {
    live(with_site("v1_21"), &manifests(), |live| async move {
        let visits = open(&live, Site::Drips("HTTP/1.1 503 x\r\ncontent-length: 100000\r\n\r\n")).await;
        live.after(Duration::from_secs(20)).await;
        let why = "Waiting for HTTP-01 challenge propagation: wrong status code '503', expected '200'";
        assert_eq!(reason(&live), why);
        let visits = visits.lock().unwrap();
        assert!(visits.iter().all(|v| v.stayed.is_some_and(|stayed| stayed.as_secs() <= 1)), "{visits:?}");
    });
}

#[test]
fn five_requests_with_a_pause_of_two_seconds_and_in_1_7_one_more_pause() {
    for (compat, agent, last_pause) in [
        ("v1_7", "cert-manager/v1.7.1", true),
        (
            "v1_16",
            "cert-manager-challenges/v1.16.5 (linux/amd64) cert-manager/d8611e2714de158a2e70e0fb11bfc61348a2c624",
            false,
        ),
        (
            "v1_21",
            "cert-manager-challenges/v1.21.1 (linux/amd64) cert-manager/24e33194fb39488eff2bbf10c6dc640f407cad44",
            false,
        ),
    ] {
        live(with_site(compat), &manifests(), move |live| async move {
            let visits = open(&live, Site::Answers).await;
            assert!(live.ready("shop", 60).await, "{compat}");
            let visits = visits.lock().unwrap();
            assert_eq!(visits.len(), 5, "{compat}, each on a connection of its own");
            for pair in visits.windows(2) {
                let pause = pair[1].came.since(pair[0].came).as_secs_f64();
                assert!((2.0..2.1).contains(&pause), "{compat} {pause}");
            }
            for visit in visits.iter() {
                assert!(visit.head.contains(&format!("user-agent: {agent}\r\n")), "{}", visit.head);
                assert!(visit.head.contains("connection: close\r\n"), "{}", visit.head);
            }
            let told = accepted(&live)[0].since(visits[4].came).as_secs_f64();
            let expected = if last_pause { 2.0..2.3 } else { 0.0..0.3 };
            assert!(expected.contains(&told), "{compat} {told}");
        });
    }
}

#[test]
fn all_requests_of_a_check_together_have_fifteen_minutes() {
    let mut scenario = with_site("v1_21");
    // Five of them are done long before.
    scenario.engine.switches.insert("selfCheckPasses".into(), json!(1000));
    live(scenario, &manifests(), |live| async move {
        let visits = open(&live, Site::Answers).await;
        assert!(live.wait(60, |_| !visits.lock().unwrap().is_empty()).await);
        live.after(Duration::from_secs(895)).await;
        assert_eq!(reason(&live), "");
        live.after(Duration::from_secs(10)).await;
        let why = get_failed(&live, "context deadline exceeded");
        assert_eq!(reason(&live), format!("Waiting for HTTP-01 challenge propagation: {why}"));
    });
}

#[test]
fn the_solver_answers_probes_and_forbids_caching() {
    live(script("v1_7"), &manifests(), |live| async move {
        assert!(live.wait(20, |l| l.all::<Pod>().iter().any(|p| !p.status.pod_ip.is_empty())).await);
        let (pod, challenge) = (live.all::<Pod>().remove(0), live.all::<Challenge>().remove(0));
        let process = live.world.process("nginx");
        let client = Client::new(&process, Resolver::new(&process, vec![]));
        let get = async |host: &str, path: &str| {
            let (host, path) = (host.to_owned(), path.to_owned());
            let ip = pod.status.pod_ip.clone();
            let url = Url { scheme: Scheme::Http, host: ip, port: 8089, path, authority: host };
            client.get(&url).await.unwrap()
        };
        for path in ["/", "/healthz"] {
            assert_eq!(get("10.42.0.10:8089", path).await.status, 200, "{path}");
        }
        let path = format!("/.well-known/acme-challenge/{}", challenge.spec.token);
        let answer = get("shop.example.com", &path).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_ref()), (200, challenge.spec.key.as_bytes()));
        assert_eq!(answer.header("cache-control"), Some("no-cache, no-store, must-revalidate"));
        assert_eq!(get("www.shop.example.com", &path).await.status, 404);
        assert_eq!(get("shop.example.com", &format!("{path}x")).await.status, 404);
    });
}

#[test]
fn several_services_go_and_the_ingress_has_to_wait() {
    let mut scenario = script("v1_7");
    scenario.engine.verbosity = 4;
    live(scenario, &manifests(), |live| async move {
        assert!(live.wait(20, |l| l.all::<Ingress>().len() == 1).await);
        // The first checks have failed: what is done here is found by the next.
        live.after(Duration::from_secs(1)).await;
        let mut twin = live.all::<Service>().remove(0);
        twin.metadata.name = "twin".into();
        twin.metadata.uid.clear();
        twin.metadata.resource_version = 0;
        live.remains.store.create(twin.into()).unwrap();
        let ingress = live.all::<Ingress>().remove(0).metadata.name;
        live.remains.store.delete(Kind::Ingress, &ObjectKey::new("shop", ingress.as_str())).unwrap();
        assert!(live.ready("shop", 120).await);
        let texts = [
            "creating HTTP01 challenge solver service",
            "creating HTTP01 challenge solver ingress",
            "multiple challenge solver services found for challenge. cleaning up all existing services.",
            "multiple existing challenge solver services found and cleaned up. retrying challenge sync",
        ];
        let happened = live.log("").into_iter();
        let happened: Vec<_> = happened.filter_map(|l| texts.iter().position(|t| l.contains(t))).collect();
        // With the service that is one too many no ingress is made: it comes with the next service.
        let from = happened.iter().position(|n| *n == 2).unwrap();
        assert_eq!(happened[..from].iter().filter(|n| **n == 1).count(), 1, "{happened:?}");
        let after: Vec<_> = happened[from..].iter().copied().filter(|n| *n < 2).collect();
        assert_eq!(after, [0, 1], "{happened:?}");
        assert!(happened.contains(&3));
        assert!(live.wait(10, |l| l.solver_objects().is_empty()).await, "{:?}", live.solver_objects());
        assert!(live.get::<Service>("twin").is_none());
    });
}

#[test]
fn a_foreign_service_and_ingress_are_passed_over_and_stay() {
    live(script("v1_7"), &manifests(), |live| async move {
        assert!(live.wait(20, |l| l.all::<Ingress>().len() == 1).await);
        let (mut service, mut ingress) = (live.all::<Service>().remove(0), live.all::<Ingress>().remove(0));
        for meta in [&mut service.metadata, &mut ingress.metadata] {
            meta.name = "foreign".into();
            meta.uid.clear();
            meta.resource_version = 0;
            meta.owner_references.clear();
        }
        live.remains.store.create(service.into()).unwrap();
        live.remains.store.create(ingress.into()).unwrap();
        assert!(live.ready("shop", 120).await);
        live.after(Duration::from_secs(5)).await;
        let passed_over =
            "for this challenge resource, however it does not have an appropriate OwnerReference";
        // The release says pod where it means a service.
        for (place, what) in [("service.go:82", "solver pod"), ("ingress.go:68", "solver ingress")] {
            let lines = live.log(&format!("found existing {what} {passed_over}")).into_iter();
            let lines: Vec<_> = lines.filter(|line| line.contains(place)).collect();
            assert!(
                !lines.is_empty() && lines.iter().all(|l| l.contains("\"foreign\"")),
                "{place} {lines:?}"
            );
        }
        assert_eq!(live.all::<Service>().iter().map(|s| &*s.metadata.name).collect::<Vec<_>>(), ["foreign"]);
        assert_eq!(live.all::<Ingress>().iter().map(|i| &*i.metadata.name).collect::<Vec<_>>(), ["foreign"]);
    });
}

/// The DNS-01 scenario with a rule for the zone's nameservers, up to the end of its first order, which succeeds.
fn over_dns(rule: &str) -> Remains {
    let mut loaded = crate::common::load("dnspod-wildcard");
    loaded.scenario.expect = scenarios::script::Expect::default();
    let overrides = [
        "dns.nameservers.2.publishDelay=[20s]",
        "until=2022-05-08T10:08:00Z",
        "engine.verbosity=4",
        &format!("dns.rules=[{{name: it, when: {{types: [TXT], servers: [f1g1ns1, f1g1ns2] {rule}}}]"),
    ];
    let overrides = overrides.map(str::to_owned).to_vec();
    runner::remains(&loaded, &Options { overrides, ..Options::default() }).unwrap()
}

/// The questions for TXT records of the engine.
fn of_engine(remains: &Remains) -> Vec<QueryLogEntry> {
    let asked = |q: &QueryLogEntry| q.kind == RecordType::TXT && q.from.ip().to_string() == ENGINE;
    remains.dns.as_ref().unwrap().log_where(asked)
}

fn is_logged(remains: &Remains, text: &str) -> bool {
    remains.log.entries().iter().any(|entry| engine::log::render(entry, 1).contains(text))
}

#[test]
fn an_answer_that_does_not_fit_a_datagram_is_asked_for_again_over_tcp() {
    let remains = over_dns(", transport: udp}, action: truncate");
    let asked = of_engine(&remains);
    let over = |transport| asked.iter().filter(move |q| q.transport == transport);
    assert!(over(Transport::Udp).count() > 0 && over(Transport::Udp).count() == over(Transport::Tcp).count());
    assert!(over(Transport::Udp).all(|q| q.answers == 0) && over(Transport::Tcp).any(|q| q.answers == 1));
    assert!(is_logged(&remains, "UDP dns lookup failed, retrying with TCP: <nil>"));
    assert_eq!(remains.ca.as_ref().unwrap().issued().len(), 1);
}

#[test]
fn a_nameserver_has_ten_seconds_over_udp_and_ten_over_tcp() {
    let remains = over_dns("}, occasions: {times: 4}, action: drop");
    let asked = of_engine(&remains);
    let first: Vec<_> = asked.iter().filter(|q| q.name.starts_with("_acme")).take(4).collect();
    assert!(first.iter().all(|q| q.dropped), "{first:?}");
    let how = first.iter().map(|q| q.transport).collect::<Vec<_>>();
    assert_eq!(how, [Transport::Udp, Transport::Tcp, Transport::Udp, Transport::Tcp]);
    for pair in first.windows(2) {
        let waited = pair[1].at.since(pair[0].at).as_secs_f64();
        assert!((10.0..10.2).contains(&waited), "{waited}");
    }
    assert_eq!(remains.ca.as_ref().unwrap().issued().len(), 1);
}
