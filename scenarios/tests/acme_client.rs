//! The ACME client against a server that refuses nonces, is slow, or does not answer: what is sent again, when, and when
//! it is given up.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::live::{Live, certificate, issuer, live, script};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use engine::api::{Certificate, Issuer, Order, Secret, State};
use mock_ca::dialect::Endpoint;
use mock_ca::journal::Event;
use scenarios::script::{CallRule, Scenario};
use serde_json::{Value, json};
use world::Timestamp;
use world::net::{LinkRule, Verdict};

fn manifests() -> String {
    let names = "dnsNames: [shop.example.com]";
    issuer("http01: { ingress: { class: nginx } }") + &certificate("{}", names)
}

/// The script with a CA that has faults: rules in one line each, or as JSON.
fn with_faults(compat: &str, faults: Value) -> Scenario {
    let mut scenario = script(compat);
    scenario.ca.config.faults = serde_json::from_value(faults).unwrap();
    scenario
}

/// When requests for a resource came, and which status they got.
fn requests(live: &Live, wanted: Endpoint) -> Vec<(Timestamp, u16)> {
    let entries = live.remains.ca.as_ref().unwrap().journal().entries().into_iter();
    let requests = entries.filter_map(|entry| match entry.event {
        Event::Request { endpoint: Some(endpoint), received, status, .. } if endpoint == wanted => {
            Some((received, status))
        }
        _ => None,
    });
    let mut requests: Vec<_> = requests.collect();
    requests.sort();
    requests
}

fn gaps(requests: &[(Timestamp, u16)]) -> Vec<f64> {
    requests.windows(2).map(|pair| pair[1].0.since(pair[0].0).as_secs_f64()).collect()
}

fn order(live: &Live) -> Order {
    live.all::<Order>().pop().unwrap_or_default()
}

/// Message of the issuer's Ready condition.
fn issuer_says(live: &Live) -> String {
    let conditions = live.get::<Issuer>("letsencrypt").unwrap().status.conditions;
    conditions.into_iter().find(|c| c.type_ == "Ready").map(|c| c.message).unwrap_or_default()
}

#[test]
fn a_bad_nonce_is_replaced_five_times_after_one_two_and_three_seconds() {
    live(with_faults("v1_21", json!(["newOrder=rejectNonce"])), &manifests(), |live| async move {
        assert!(live.wait(60, |l| order(l).status.state == State::Errored).await);
        let sent = requests(&live, Endpoint::NewOrder);
        let gaps = gaps(&sent);
        assert_eq!(gaps.len(), 5, "{gaps:?}");
        for (gap, least) in gaps.iter().zip([1.0, 2.0, 3.0, 3.0, 3.0]) {
            // The jitter, as far as the longest wait lets it, and the way there and back.
            let most = f64::min(least + 1.0, 3.0) + 0.3;
            assert!((least..most).contains(gap), "{gaps:?}");
        }
        let why = "Failed to create Order: 400 urn:ietf:params:acme:error:badNonce: JWS has an invalid anti-replay nonce";
        assert_eq!(order(&live).status.reason, why);
    });
}

#[test]
fn in_1_7_the_call_is_over_before_the_fifth_time() {
    live(with_faults("v1_7", json!(["newOrder=rejectNonce"])), &manifests(), |live| async move {
        assert!(live.wait(60, |l| order(l).status.state == State::Errored).await);
        let sent = requests(&live, Endpoint::NewOrder);
        let lasted = sent.last().unwrap().0.since(sent[0].0).as_secs_f64();
        assert!((4..=5).contains(&sent.len()) && lasted < 10.0, "{sent:?}");
        assert!(order(&live).status.reason.contains("badNonce"), "{:?}", order(&live).status);
    });
}

/// The whole stock may have gone bad with one: a front end was replaced.
#[test]
fn after_a_bad_nonce_the_stock_is_thrown_away_and_a_new_one_is_asked_for() {
    let news = |faults: Value| {
        live(with_faults("v1_21", faults), &manifests(), |live| async move {
            assert!(live.ready("shop", 120).await);
            (requests(&live, Endpoint::NewNonce).len(), requests(&live, Endpoint::NewOrder).len())
        })
    };
    let (usual, orders) = news(json!([]));
    assert_eq!(orders, 1);
    // Once each client, of which there are two: all other nonces come with answers.
    assert_eq!(usual, 2);
    // An answer without a nonce leaves the next request without one.
    assert_eq!(news(json!(["newOrder=noNonce"])), (usual + 1, 1));
    assert_eq!(news(json!(["newOrder#1=rejectNonce"])), (usual + 1, 2));
    assert_eq!(news(json!(["newOrder#1..2=rejectNonce"])), (usual + 2, 3));
    assert_eq!(news(json!(["newOrder#1=loseNonces"])), (usual + 1, 2));
}

#[test]
fn rate_limits_and_errors_of_the_server_are_given_up_at_once() {
    for compat in ["v1_7", "v1_21"] {
        live(
            with_faults(compat, json!(["newOrder=problem:rateLimited"])),
            &manifests(),
            move |live| async move {
                live.after(Duration::from_secs(60)).await;
                assert_eq!(requests(&live, Endpoint::NewOrder).len(), 1, "{compat}");
                let status = order(&live).status;
                assert_eq!(status.state, State::Errored);
                let why = "Failed to create Order: 429 urn:ietf:params:acme:error:rateLimited: ";
                assert!(status.reason.starts_with(why), "{}", status.reason);
            },
        );
        live(with_faults(compat, json!(["newOrder#1..2=503"])), &manifests(), move |live| async move {
            assert!(live.ready("shop", 120).await, "{compat}");
            // The client does nothing: it is the queue that comes back, after 5 and 10 s.
            let sent = requests(&live, Endpoint::NewOrder);
            let statuses: Vec<_> = sent.iter().map(|(_, status)| *status).collect();
            assert_eq!(statuses, [503, 503, 201], "{compat}");
            let gaps = gaps(&sent);
            assert!((5.0..6.0).contains(&gaps[0]) && (10.0..11.0).contains(&gaps[1]), "{compat} {gaps:?}");
        });
    }
}

#[test]
fn an_authorization_is_asked_for_again_after_retry_after_or_a_second() {
    let polls = |told: Option<u64>| {
        let mut scenario = with_faults("v1_21", json!(["challenge=stuckProcessing:7s"]));
        scenario.ca.config.retry_after.authz = told.map(Duration::from_secs);
        live(scenario, &manifests(), |live| async move {
            assert!(live.ready("shop", 120).await);
            let told = requests(&live, Endpoint::Challenge)[0].0;
            let polls = requests(&live, Endpoint::Authorization);
            gaps(&polls.into_iter().filter(|(at, _)| *at > told).collect::<Vec<_>>())
        })
    };
    for (told, least, count) in [(None, 1.0, 6..9), (Some(3), 3.0, 2..4), (Some(5), 5.0, 1..3)] {
        let gaps = polls(told);
        assert!(gaps.iter().all(|gap| (least..least + 0.2).contains(gap)), "{told:?} {gaps:?}");
        assert!(count.contains(&gaps.len()), "{told:?} {gaps:?}");
    }
}

#[test]
fn an_authorization_is_waited_for_as_long_as_the_release_has_patience() {
    for (compat, limit) in [("v1_7", 10.0), ("v1_16", 20.0), ("v1_21", 120.0)] {
        let scenario = with_faults(compat, json!(["challenge=stuckProcessing:10m"]));
        live(scenario, &manifests(), move |live| async move {
            assert!(live.wait(60, |l| !requests(l, Endpoint::Challenge).is_empty()).await);
            live.after(Duration::from_secs_f64(limit + 4.0)).await;
            let told = requests(&live, Endpoint::Challenge)[0].0;
            let polls = requests(&live, Endpoint::Authorization);
            let last = polls.last().unwrap().0.since(told).as_secs_f64();
            assert!((limit - 1.2..limit + 0.1).contains(&last), "{compat} {last}");
            assert!(!live.log("context deadline exceeded").is_empty(), "{compat}");
        });
    }
}

#[test]
fn a_request_without_an_answer_is_given_up_by_the_call_or_by_the_http_client() {
    let unlimited = |scenario: &mut Scenario| {
        scenario.engine.switches.insert("acmeCallLimit".into(), json!("none"));
    };
    for (compat, call_is_unlimited, limit) in
        [("v1_7", false, 10.0), ("v1_7", true, 30.0), ("v1_16", false, 90.0), ("v1_21", false, 90.0)]
    {
        let mut scenario = with_faults(compat, json!(["newOrder#1=hang"]));
        if call_is_unlimited {
            unlimited(&mut scenario);
        }
        live(scenario, &manifests(), move |live| async move {
            assert!(live.ready("shop", 180).await, "{compat}");
            // The second try is the queue's, 5 s after the first has ended. The limit began before its request.
            let tries: Vec<_> = gaps(&starts(&live));
            assert!((limit + 4.5..limit + 6.0).contains(&tries[0]), "{compat} {tries:?}");
            let url = "https://acme-v02.api.letsencrypt.org/acme/new-order";
            let told = if limit > 10.0 {
                format!(
                    "Post \\\"{url}\\\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                )
            } else {
                "context deadline exceeded".to_owned()
            };
            assert!(!live.log(&format!("error creating new order: {told}")).is_empty(), "{compat}");
        });
    }
}

/// When orders were asked for, also those requests that were never answered: their fault is in the journal.
fn starts(live: &Live) -> Vec<(Timestamp, u16)> {
    let entries = live.remains.ca.as_ref().unwrap().journal().entries().into_iter();
    let starts = entries.filter_map(|entry| match entry.event {
        Event::Fault { endpoint: Some(Endpoint::NewOrder), .. } => Some((entry.at, 0)),
        Event::Request { endpoint: Some(Endpoint::NewOrder), received, status, .. } => {
            Some((received, status))
        }
        _ => None,
    });
    starts.collect()
}

#[test]
fn a_set_up_of_an_issuer_has_a_limit_of_its_own() {
    for (compat, slow, limit) in [("v1_7", "8s", 10), ("v1_16", "80s", 120), ("v1_21", "80s", 120)] {
        // None of the requests is too slow.
        let faults = json!([format!("directory=delay:{slow}"), format!("newAccount=delay:{slow}")]);
        live(with_faults(compat, faults), &manifests(), move |live| async move {
            let start = live.world.monotonic();
            assert!(live.wait(200, |l| !l.events("ErrInitIssuer").is_empty()).await, "{compat}");
            let text = "Error initializing issuer: context deadline exceeded";
            assert_eq!(live.events("ErrInitIssuer"), [text], "{compat}");
            let lasted = live.world.monotonic().since(start).as_secs_f64();
            assert_eq!(issuer_says(&live), "", "the time is up for the write, too");
            let limit = f64::from(limit);
            assert!((limit..limit + 1.0).contains(&lasted), "{compat} {lasted}");
        });
    }
}

#[test]
fn thirty_seconds_are_for_a_connection_and_ten_for_the_handshake() {
    // No packet arrives.
    live(script("v1_21"), &manifests(), |live| async move {
        let net = live.world.sim_net().unwrap();
        let (to, verdict) = (Some("acme-v02".to_owned()), Verdict::BlackHole);
        net.add_rule(LinkRule { to, verdict, ..LinkRule::default() });
        assert!(live.wait(29, |l| issuer_says(l).is_empty()).await);
        live.after(Duration::from_secs(29)).await;
        assert_eq!(issuer_says(&live), "");
        live.after(Duration::from_secs(2)).await;
        let text = "Failed to register ACME account: Get \"https://acme-v02.api.letsencrypt.org/directory\": dial tcp \
                    198.51.100.10:443: i/o timeout";
        assert_eq!(issuer_says(&live), text);
    });
    // Somebody takes the connection and says nothing.
    for compat in ["v1_16", "v1_21"] {
        let mut scenario = script(compat);
        let mute = "203.0.113.99";
        scenario.hosts.insert("mute".into(), vec![mute.parse().unwrap()]);
        for record in &mut scenario.dns.zones[1].records {
            mute.clone_into(&mut record.value);
        }
        live(scenario, &manifests(), move |live| async move {
            let world = live.world.process("mute");
            let mut listener = world.listen(SocketAddr::new(mute.parse().unwrap(), 443)).await.unwrap();
            world.spawn("mute", async move {
                let mut held = Vec::new();
                while let Ok(connection) = listener.accept().await {
                    held.push(connection);
                }
            });
            live.after(Duration::from_millis(9900)).await;
            assert_eq!(issuer_says(&live), "", "{compat}");
            live.after(Duration::from_millis(1100)).await;
            let text = "Failed to register ACME account: Get \"https://acme-v02.api.letsencrypt.org/directory\": \
                        net/http: TLS handshake timeout";
            assert_eq!(issuer_says(&live), text, "{compat}");
        });
    }
}

/// A server that knows accounts only: what clients call themselves.
async fn meet(live: &Live, at: SocketAddr) -> Arc<Mutex<Vec<(String, String)>>> {
    let met: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let world = live.world.process("plain");
    let listener = world.listen(at).await.unwrap();
    let (seen, base) = (met.clone(), format!("http://{at}"));
    let router = axum::Router::new().fallback(move |request: Request| {
        let path = request.uri().path().to_owned();
        let agent = request.headers().get("user-agent").map(|v| v.to_str().unwrap().to_owned());
        seen.lock().unwrap().push((path.clone(), agent.unwrap_or_default()));
        let body = json!({ "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
            "newOrder": format!("{base}/order"), "status": "valid" });
        // Each nonce has to be asked for.
        let nonce = if path == "/nonce" { "replay-nonce" } else { "x-none" };
        let headers = [(nonce, "n"), ("location", "http://plain/1")];
        let response: Response = (headers, body.to_string()).into_response();
        async move { response }
    });
    world.spawn("plain", world::http::serve(world.clone(), listener, None, router));
    met
}

#[test]
fn each_request_to_the_ca_says_whose_it_is() {
    for (compat, agent) in [
        ("v1_7", "cert-manager/v1.7.1 golang.org/x/crypto/acme"),
        (
            "v1_16",
            "cert-manager-issuers/v1.16.5 (linux/amd64) cert-manager/d8611e2714de158a2e70e0fb11bfc61348a2c624 \
             golang.org/x/crypto/acme@v0.36.0",
        ),
        (
            "v1_21",
            "cert-manager/v1.21.1 (linux/amd64) cert-manager/24e33194fb39488eff2bbf10c6dc640f407cad44 \
             github.com/cert-manager/cert-manager/third_party/forked/acme",
        ),
    ] {
        let mut scenario = script(compat);
        let at: SocketAddr = "203.0.113.99:80".parse().unwrap();
        scenario.hosts.insert("plain".into(), vec![at.ip()]);
        let manifests = manifests()
            .replace("https://acme-v02.api.letsencrypt.org/directory", &format!("http://{at}/directory"));
        live(scenario, &manifests, move |live| async move {
            let met = meet(&live, at).await;
            live.after(Duration::from_secs(20)).await;
            let met = met.lock().unwrap();
            for path in ["/directory", "/nonce", "/account", "/order"] {
                assert!(met.iter().any(|(asked, _)| asked == path), "{compat} {path} {met:?}");
            }
            assert!(met.iter().all(|(_, by)| by == agent), "{compat} {met:?}");
        });
    }
}

#[test]
fn an_order_that_the_ca_finds_pending_with_all_names_proved_is_asked_for_every_five_seconds() {
    let faults = json!([
        { "when": { "endpoint": "order", "first": 8 }, "do": [{ "body": "{\"status\":\"pending\"}" }], "phase": "after" }
    ]);
    live(with_faults("v1_21", faults), &manifests(), |live| async move {
        assert!(live.ready("shop", 120).await);
        let gaps = gaps(&requests(&live, Endpoint::Order));
        // At first each change of the challenge makes it look; the first of the waits counts from one of these.
        let alone: Vec<_> = gaps.iter().skip_while(|gap| **gap < 1.0).skip(1).take(2).collect();
        assert!(alone.len() == 2 && alone.iter().all(|gap| (5.0..5.3).contains(*gap)), "{gaps:?}");
    });
}

#[test]
fn a_sync_of_the_issuing_controller_has_ten_seconds() {
    for compat in ["v1_7", "v1_21"] {
        let cut = |takes: u64| {
            let mut scenario = script(compat);
            let actor = Some("certificates-issuing".to_owned());
            let takes = serde_json::from_value(json!(format!("{takes}s"))).unwrap();
            let rule = CallRule { actor, takes, ..CallRule::default() };
            scenario.cluster.api.calls.insert("slow".into(), rule);
            live(scenario, &manifests(), |live| async move {
                live.after(Duration::from_secs(120)).await;
                let lines = live.log("context deadline exceeded").into_iter();
                let lines = lines.filter(|line| line.contains("re-queuing item due to error processing"));
                let revision = live.get::<Certificate>("shop").unwrap().status.revision;
                (live.get::<Secret>("shop-tls").is_some(), revision, lines.count())
            })
        };
        // The Secret is written in time, the status not, and the next sync begins with the Secret again.
        let (written, revision, lines) = cut(6);
        assert!(written && revision.is_none() && lines > 2, "{compat} {revision:?} {lines}");
        assert_eq!(cut(4), (true, Some(1), 0), "{compat}");
    }
}
