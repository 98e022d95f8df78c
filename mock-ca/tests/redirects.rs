//! Redirects of http-01 validation: to another host, and to https with a certificate that nobody trusts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::net::SocketAddr;
use std::time::Duration;

use crate::support::{Acme, Page, Stage, body, simulated};
use serde_json::Value;
use world::tls::Acceptor;
use world::{KeyAlgorithm, PrivateKey, World};

/// Validates `example.com`, whose challenge is answered at `/moved`, by way of a redirect to `location`.
async fn validate(stage: &Stage, client: &mut Acme, location: &str) -> Value {
    let order = body(&client.new_order(&["example.com"]).await);
    let authorization = order["authorizations"][0].as_str().unwrap();
    let challenge = client.challenge(authorization, "http-01").await;
    let token = challenge["token"].as_str().unwrap();
    let path = format!("/.well-known/acme-challenge/{token}");
    stage.page(&path, Page::Redirect(301, location.to_owned()));
    stage.page("/moved", Page::Text(format!("{token}.{}", client.key.public().thumbprint())));
    client.post(challenge["url"].as_str().unwrap(), "{}").await;
    client.wait(authorization).await
}

fn key(world: &World, label: &str) -> PrivateKey {
    world.keys(label).generate(KeyAlgorithm::EcdsaP256).unwrap()
}

/// A server with a certificate of its own making, for another name and long out of date.
fn outdated(world: &World, certified: &PrivateKey, signing: &PrivateKey) -> Acceptor {
    let mut params = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let certificate = params.self_signed(certified).unwrap().der().to_vec();
    Acceptor::new(&world.process("site"), vec![certificate], signing).unwrap()
}

#[test]
fn a_redirect_is_followed_and_recorded() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let authorization = validate(&stage, &mut client, "http://www.example.com/moved").await;
        assert_eq!(authorization["status"], "valid");
        let records = authorization["challenges"][0]["validationRecord"].as_array().unwrap().clone();
        let hosts: Vec<_> = records.iter().map(|r| r["hostname"].as_str().unwrap()).collect();
        assert_eq!(hosts, ["example.com", "www.example.com"]);
        assert_eq!(records[1]["addressUsed"], "10.0.0.80");
    });
}

#[test]
fn a_redirect_to_https_is_followed_whatever_the_certificate() {
    let run = || {
        simulated(|world| async move {
            let stage = Stage::new(&world, |_| {}).await;
            let own = key(&world, "site");
            stage.serve_443(Some(outdated(&world, &own, &own))).await;
            let mut client = stage.client("one").await;
            let authorization = validate(&stage, &mut client, "https://www.example.com/moved").await;
            assert_eq!(authorization["status"], "valid", "{authorization:#}");
            let record = &authorization["challenges"][0]["validationRecord"][1];
            assert_eq!(record["url"], "https://www.example.com/moved");
            assert_eq!(record["port"], "443");
            assert_eq!(record["addressUsed"], "10.0.0.80");
        })
    };
    assert_eq!(run().trace.fingerprint(), run().trace.fingerprint());
}

/// What listens on port 443 when https is asked for in vain.
#[derive(Clone, Copy)]
enum Port443 {
    Closed,
    Http,
    Silent,
    OtherKey,
}

#[test]
fn https_that_does_not_come_about_fails_the_challenge() {
    for (port, expected) in [
        (Port443::Closed, "Connection refused"),
        (Port443::Http, "Error getting validation data"),
        (Port443::Silent, "Timeout after connect (your server may be slow or overloaded)"),
        (Port443::OtherKey, "Error getting validation data"),
    ] {
        simulated(|world| async move {
            let stage = Stage::new(&world, |_| {}).await;
            let _silent = match port {
                Port443::Closed => None,
                Port443::Http => {
                    stage.serve_443(None).await;
                    None
                }
                Port443::Silent => {
                    let at = SocketAddr::new(stage.site.ip(), 443);
                    Some(world.process("site").listen(at).await.unwrap())
                }
                Port443::OtherKey => {
                    let (own, other) = (key(&world, "site"), key(&world, "other"));
                    stage.serve_443(Some(outdated(&world, &own, &other))).await;
                    None
                }
            };
            let mut client = stage.client("one").await;
            let started = world.monotonic();
            let authorization = validate(&stage, &mut client, "https://www.example.com/moved").await;
            let error = &authorization["challenges"][0]["error"];
            assert_eq!(error["type"], "urn:ietf:params:acme:error:connection");
            let detail = format!("10.0.0.80: Fetching https://www.example.com/moved: {expected}");
            assert_eq!(error["detail"], detail);
            let limit = Duration::from_secs(11);
            assert!(world.monotonic().since(started) < limit, "the handshake has 10 s of the 20");
        });
    }
}
