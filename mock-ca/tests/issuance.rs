//! A whole issuance by http-01, with what goes wrong on the way, in virtual time and on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::support::{Answers, Page, Stage, body, kind, simulated, text};
use mock_ca::config::Perspective;
use mock_ca::dialect::Endpoint;
use serde_json::json;
use world::World;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// One body for both arms: from a new account to the chain, and the requests that clients send too often.
async fn issue_and_repeat(world: World) -> String {
    let stage = Stage::new(&world, |_| {}).await;
    let mut client = stage.client("one").await;

    let reply = client.new_order(&["www.example.com", "Example.com"]).await;
    assert_eq!(reply.status, 201);
    let order_url = reply.header("location").unwrap().to_owned();
    let order = body(&reply);
    assert_eq!(order["status"], "pending");
    assert_eq!(order["identifiers"][0]["value"], "example.com");

    let mut challenges = Vec::new();
    for authorization in order["authorizations"].as_array().unwrap() {
        let authorization = authorization.as_str().unwrap();
        let challenge = client.challenge(authorization, "http-01").await;
        stage.serve_challenge(&client, challenge["token"].as_str().unwrap());
        let url = challenge["url"].as_str().unwrap().to_owned();
        let reply = client.post(&url, "{}").await;
        assert_eq!(reply.status, 200);
        // Boulder does not show that it is at work.
        assert_eq!(body(&reply)["status"], "pending");
        let links: Vec<_> = reply.headers.get_all("link").iter().map(|l| l.to_str().unwrap()).collect();
        assert!(links.contains(&format!("<{authorization}>;rel=\"up\"").as_str()), "{links:?}");
        let authorization = client.wait(authorization).await;
        assert_eq!(authorization["status"], "valid", "{authorization:#}");
        assert_eq!(authorization["challenges"].as_array().unwrap().len(), 1, "the other one is gone");
        challenges.push(url);
    }

    // A challenge that is answered again is valid still, and nothing happens.
    let before = stage.journaled("validationStarted");
    let again = client.post(&challenges[0], "{}").await;
    assert_eq!((again.status.as_u16(), body(&again)["status"].as_str()), (200, Some("valid")));
    assert_eq!(stage.journaled("validationStarted"), before);

    let order = client.get(&order_url).await;
    assert_eq!(order["status"], "ready");
    let finalize = order["finalize"].as_str().unwrap();
    let csr = client.csr(&["example.com", "www.example.com"]);
    let reply = client.post(finalize, &csr).await;
    assert_eq!(reply.status, 200, "{}", text(&reply));
    assert_eq!(reply.header("location"), Some(order_url.as_str()));
    let order = body(&reply);
    assert_eq!(order["status"], "valid");

    let second = client.post(finalize, &csr).await;
    assert_eq!((second.status.as_u16(), kind(&second).as_str()), (403, "orderNotReady"));
    assert!(text(&second).contains(r#"Order's status (\"valid\") is not acceptable for finalization"#));

    let chain = client.post(order["certificate"].as_str().unwrap(), "").await;
    assert_eq!(chain.header("content-type"), Some("application/pem-certificate-chain"));
    check_chain(&stage, &text(&chain));
    stage.ca.journal().to_json_lines()
}

fn check_chain(stage: &Stage, pem: &str) {
    let certificates: Vec<_> =
        x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).map(|pem| pem.unwrap().contents).collect();
    assert_eq!(certificates.len(), 2);
    let root = stage.ca.issuer_roots().remove(0);
    let (_, root) = X509Certificate::from_der(&root).unwrap();
    let (_, leaf) = X509Certificate::from_der(&certificates[0]).unwrap();
    let (_, intermediate) = X509Certificate::from_der(&certificates[1]).unwrap();
    leaf.verify_signature(Some(intermediate.public_key())).unwrap();
    intermediate.verify_signature(Some(root.public_key())).unwrap();
    root.verify_signature(None).unwrap();
    assert_eq!(intermediate.subject().to_string(), "C=US, O=Let's Encrypt, CN=R3");
    assert_eq!(leaf.issuer(), intermediate.subject());

    let issued = stage.ca.issued();
    assert_eq!(issued.len(), 1);
    assert_eq!(stage.ca.chain_pem(&issued[0], 0).as_deref(), Some(pem));
    assert_eq!(issued[0].names(), ["example.com", "www.example.com"]);
    assert_eq!(issued[0].not_before, issued[0].at.truncate_to_secs() - Duration::from_secs(3600));
    let days = Duration::from_secs(90 * 24 * 3600 - 1);
    assert_eq!(issued[0].not_after, issued[0].not_before + days);
    assert_eq!(leaf.validity().not_before.timestamp(), issued[0].not_before.unix_secs());
    assert_eq!(world::hex(leaf.raw_serial()), *issued[0].serial);
    assert_eq!(issued[0].serial.len(), 36);
}

#[test]
fn in_virtual_time() {
    simulated(issue_and_repeat);
}

#[test]
fn on_real_sockets() {
    world::real::run(Some(1), issue_and_repeat).unwrap();
}

#[test]
fn the_same_run_twice_is_the_same_to_the_byte() {
    let (first, second) = (simulated(issue_and_repeat), simulated(issue_and_repeat));
    assert_eq!(first.value, second.value);
    assert_eq!(first.trace.first_divergence(&second.trace), None);
    assert_eq!(first.trace.fingerprint(), second.trace.fingerprint());
    insta::assert_snapshot!(first.value);
}

#[test]
fn a_slow_perspective_leaves_the_challenge_pending() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| {
            let queue = vec![Duration::from_secs(12), Duration::from_secs(1), Duration::ZERO];
            config.perspectives[0].queue = queue;
        })
        .await;
        let mut client = stage.client("one").await;
        let order = body(&client.new_order(&["example.com"]).await);
        let authorization = order["authorizations"][0].as_str().unwrap().to_owned();
        let challenge = client.challenge(&authorization, "http-01").await;
        stage.serve_challenge(&client, challenge["token"].as_str().unwrap());
        let url = challenge["url"].as_str().unwrap();
        let began = world.monotonic();
        assert_eq!(body(&client.post(url, "{}").await)["status"], "pending");
        world.sleep_until(began + Duration::from_millis(10_900)).await;
        assert_eq!(client.get(&authorization).await["status"], "pending");
        // Answered again while the first validation waits: a second one starts, and is done first.
        assert_eq!(body(&client.post(url, "{}").await)["status"], "pending");
        world.sleep_until(began + Duration::from_millis(11_899)).await;
        assert_eq!(client.get(&authorization).await["status"], "pending");
        world.sleep_until(began + Duration::from_millis(11_901)).await;
        assert_eq!(client.get(&authorization).await["status"], "valid");
        world.sleep_until(began + Duration::from_secs(13)).await;
        assert_eq!(stage.journaled("\"attempt\":1,\"status\":\"valid\",\"reason\":\"decided before"), 1);
        assert_eq!(client.get(&authorization).await["status"], "valid");
    });
}

#[test]
fn a_wrong_body_ends_authorization_and_order() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let reply = client.new_order(&["example.com"]).await;
        let (order, url) = (body(&reply), reply.header("location").unwrap().to_owned());
        let authorization = order["authorizations"][0].as_str().unwrap();
        let challenge = client.challenge(authorization, "http-01").await;
        let token = challenge["token"].as_str().unwrap();
        stage.page(&format!("/.well-known/acme-challenge/{token}"), Page::Text("nonsense".to_owned()));
        client.post(challenge["url"].as_str().unwrap(), "{}").await;
        let authorization = client.wait(authorization).await;
        assert_eq!(authorization["status"], "invalid");
        let error = &authorization["challenges"][0]["error"];
        assert_eq!(error["type"], "urn:ietf:params:acme:error:unauthorized");
        assert_eq!(error["status"], 403);
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.starts_with("10.0.0.80: The key authorization file from the server"), "{detail}");
        assert!(detail.ends_with("(got \"nonsense\")"), "{detail}");
        assert_eq!(client.get(&url).await["status"], "invalid");

        let again = client.post(challenge["url"].as_str().unwrap(), "{}").await;
        assert_eq!((again.status.as_u16(), kind(&again).as_str()), (400, "malformed"));
        assert!(text(&again).contains("Unable to update challenge :: authorization must be pending"));
        let finalize = client.post(order["finalize"].as_str().unwrap(), &client.csr(&["example.com"])).await;
        assert_eq!((finalize.status.as_u16(), kind(&finalize).as_str()), (403, "orderNotReady"));
        // Nothing of it is used again.
        let next = client.new_order(&["example.com"]).await;
        assert_ne!(next.header("location"), Some(url.as_str()));
    });
}

#[test]
fn validation_fails_in_the_words_of_boulder() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| config.extra_suffixes = vec!["test".to_owned()]).await;
        let mut client = stage.client("one").await;
        let port = stage.site.port();
        let lost = "10.0.0.2".parse().unwrap();
        stage.name("refused.test", Answers::Address(lost));
        stage.name("failing.test", Answers::Failure(hickory_proto::op::ResponseCode::ServFail));
        stage.name("empty.test", Answers::Texts(Vec::new()));
        stage.name("alias.test", Answers::Alias("example.com".to_owned()));
        let moved = |to: &str| Some(Page::Redirect(302, to.to_owned()));
        let cases: [(&str, Option<Page>, &str, &str); 12] = [
            (
                "nowhere.test",
                None,
                "dns",
                "DNS problem: NXDOMAIN looking up A for nowhere.test - check that a DNS record exists for this domain; DNS problem: NXDOMAIN looking up AAAA",
            ),
            (
                "failing.test",
                None,
                "dns",
                "DNS problem: SERVFAIL looking up A for failing.test - the domain's nameservers may be malfunctioning",
            ),
            (
                "empty.test",
                None,
                "dns",
                "no valid A records found for empty.test; no valid AAAA records found for empty.test",
            ),
            (
                "refused.test",
                None,
                "connection",
                "10.0.0.2: Fetching http://refused.test:PORT/.well-known/acme-challenge/TOKEN: Connection refused",
            ),
            (
                "example.com",
                Some(Page::Status(503)),
                "unauthorized",
                "10.0.0.80: Invalid response from http://example.com:PORT/.well-known/acme-challenge/TOKEN: 503",
            ),
            (
                "example.com",
                Some(Page::Text("x".repeat(128))),
                "unauthorized",
                "10.0.0.80: Invalid response from http://example.com:PORT/.well-known/acme-challenge/TOKEN: \"xxx",
            ),
            (
                "example.com",
                Some(Page::Hang),
                "connection",
                "10.0.0.80: Fetching http://example.com:PORT/.well-known/acme-challenge/TOKEN: Timeout after connect (your server may be slow or overloaded)",
            ),
            (
                "example.com",
                moved("http://example.com:8080/"),
                "connection",
                "10.0.0.80: Fetching http://example.com:8080/: Invalid port in redirect target. Only ports PORT and 443 are supported, not 8080",
            ),
            (
                "example.com",
                moved("http://10.0.0.80/"),
                "connection",
                "10.0.0.80: Fetching http://10.0.0.80/: Invalid host in redirect target \"10.0.0.80\". Only domain names are supported, not IP addresses",
            ),
            (
                "example.com",
                moved("ftp://example.com/"),
                "connection",
                "Only \"http\" and \"https\" protocol schemes are supported, not \"ftp\"",
            ),
            ("example.com", moved("TOKEN"), "connection", "Redirect loop detected"),
            (
                "alias.test",
                Some(Page::Redirect(303, "/".to_owned())),
                "connection",
                "received disallowed redirect status code",
            ),
        ];
        for (name, page, expected, detail) in cases {
            let order = body(&client.new_order(&[name]).await);
            let authorization = order["authorizations"][0].as_str().unwrap();
            let challenge = client.challenge(authorization, "http-01").await;
            let token = challenge["token"].as_str().unwrap();
            if let Some(mut page) = page {
                if let Page::Redirect(_, to) = &mut page {
                    *to = to.replace("TOKEN", token);
                }
                stage.page(&format!("/.well-known/acme-challenge/{token}"), page);
            }
            client.post(challenge["url"].as_str().unwrap(), "{}").await;
            let error = client.wait(authorization).await["challenges"][0]["error"].clone();
            let detail = detail.replace("PORT", &port.to_string()).replace("TOKEN", token);
            assert_eq!(error["type"], format!("urn:ietf:params:acme:error:{expected}"), "{name}: {error:#}");
            assert!(error["detail"].as_str().unwrap().contains(&detail), "{detail}: {error:#}");
        }
    });
}

#[test]
fn a_remote_perspective_that_sees_nothing_is_outvoted_or_not() {
    for (tolerated, expected) in [(None, "valid"), (Some(0), "invalid")] {
        simulated(move |world| async move {
            let stage = Stage::new(&world, |config| {
                config.remote_failures_max = tolerated;
                config.perspectives = ["primary", "remote-1", "remote-2"]
                    .map(|name| Perspective { name: name.to_owned(), ..Perspective::default() })
                    .to_vec();
            })
            .await;
            world.sim_net().unwrap().add_rule(world::net::LinkRule {
                from: Some("remote-2".to_owned()),
                to: Some("site".to_owned()),
                verdict: world::net::Verdict::BlackHole,
                ..Default::default()
            });
            let mut client = stage.client("one").await;
            let order = body(&client.new_order(&["example.com"]).await);
            let authorization = order["authorizations"][0].as_str().unwrap();
            let challenge = client.challenge(authorization, "http-01").await;
            stage.serve_challenge(&client, challenge["token"].as_str().unwrap());
            let began = world.monotonic();
            client.post(challenge["url"].as_str().unwrap(), "{}").await;
            let authorization = client.wait(authorization).await;
            assert_eq!(authorization["status"], expected);
            assert_eq!(world.monotonic().since(began).as_secs(), 10, "decided when the last one is done");
            if expected == "invalid" {
                let error = &authorization["challenges"][0]["error"];
                let detail = error["detail"].as_str().unwrap();
                assert!(detail.starts_with("During secondary validation: 10.0.0.80: Fetching"), "{detail}");
                assert!(detail.ends_with("Timeout during connect (likely firewall problem)"), "{detail}");
            }
        });
    }
}

#[test]
fn a_wildcard_is_validated_by_its_txt_record() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let mut client = stage.client("one").await;
        let reply = client.new_order(&["*.example.com"]).await;
        let url = reply.header("location").unwrap().to_owned();
        let authorization = body(&reply)["authorizations"][0].as_str().unwrap().to_owned();
        let object = client.get(&authorization).await;
        assert_eq!(
            (object["wildcard"].as_bool(), object["identifier"]["value"].as_str()),
            (Some(true), Some("example.com"))
        );
        let challenge = client.challenge(&authorization, "dns-01").await;
        let key_authorization =
            format!("{}.{}", challenge["token"].as_str().unwrap(), client.key.public().thumbprint());
        let digest = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            world::sha256(key_authorization.as_bytes()),
        );
        stage.name("_acme-challenge.example.com", Answers::Texts(vec!["old".to_owned(), digest]));
        client.post(challenge["url"].as_str().unwrap(), "{}").await;
        assert_eq!(client.wait(&authorization).await["status"], "valid");
        assert_eq!(client.get(&url).await["status"], "ready");
    });
}

#[test]
fn an_asynchronous_finalize_is_processing_first() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| {
            config.async_finalize = true;
            config.service_time.insert(Endpoint::Issuance, vec![Duration::from_secs(5)]);
        })
        .await;
        let mut client = stage.client("one").await;
        let (url, order) = client.ready_order(&stage, &["example.com"]).await;
        let finalize = order["finalize"].as_str().unwrap();
        let reply = client.post(finalize, &client.csr(&["example.com"])).await;
        assert_eq!(body(&reply)["status"], "processing");
        assert_eq!(reply.header("retry-after"), Some("3"));
        let began = world.monotonic();
        assert_eq!(client.wait(&url).await["status"], "valid");
        assert_eq!(world.monotonic().since(began).as_secs(), 5);
        assert_eq!(stage.journaled("\"event\":\"issued\""), 1);
    });
}

#[test]
fn requests_take_as_long_as_they_are_told_to() {
    simulated(|world| async move {
        let stage = Stage::new(&world, |config| {
            let times = vec![Duration::from_millis(1500), Duration::from_nanos(1)];
            config.service_time.insert(Endpoint::Finalize, times);
        })
        .await;
        let mut client = stage.client("one").await;
        let (_, order) = client.ready_order(&stage, &["example.com"]).await;
        let finalize = order["finalize"].as_str().unwrap();
        let (began, at) = (world.monotonic(), world.now());
        client.post(finalize, &client.csr(&["example.com"])).await;
        assert_eq!(world.monotonic().since(began), Duration::from_millis(1500));
        assert_eq!(stage.ca.issued()[0].at, at + Duration::from_millis(1500));
        let began = world.monotonic();
        client.post(finalize, &json!({}).to_string()).await;
        assert_eq!(world.monotonic().since(began), Duration::from_nanos(1));
    });
}
