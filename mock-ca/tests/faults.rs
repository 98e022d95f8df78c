//! Fault scripts against a running server, in virtual time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::support::{Stage, body, kind, simulated, text};
use http::Method;
use mock_ca::faults::{Script, line};
use serde_json::json;
use world::http::{Client, HttpError};
use world::resolver::Resolver;

/// A stage with these rules, a line each.
async fn stage(world: &world::World, rules: &str) -> Stage {
    let faults: Script = rules.parse().unwrap();
    Stage::new(world, |config| config.faults = faults).await
}

fn add(stage: &Stage, rule: &str) {
    stage.ca.faults().add(vec![line::parse(rule).unwrap()]).unwrap();
}

const NEW_ORDER: &str = r#"{"identifiers": [{"type": "dns", "value": "example.com"}]}"#;

#[test]
fn the_third_order_is_refused_and_not_made() {
    simulated(|world| async move {
        let stage =
            stage(&world, "newOrder#2=503,retryAfter:30s,contentType:text/html,body:busy,noNonce").await;
        let mut client = stage.client("a").await;
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
        let refused = client.new_order(&["www.example.com"]).await;
        assert_eq!((refused.status.as_u16(), text(&refused).as_str()), (503, "busy"));
        assert_eq!(refused.header("retry-after"), Some("30"));
        assert_eq!(refused.header("content-type"), Some("text/html"));
        assert_eq!(refused.header("replay-nonce"), None);
        assert_eq!(stage.journaled("order created"), 1);
        assert_eq!(client.new_order(&["www.example.com"]).await.status, 201);
        assert_eq!(
            stage.journaled(r#""event":"fault","rule":"fault-1","call":2,"actions":["status","retryAfter""#),
            1
        );
    });
}

#[test]
fn an_answer_is_lost_after_its_request_took_effect() {
    simulated(|world| async move {
        let stage =
            stage(&world, "newOrder#1=dropConnection\nnewOrder#2=dropConnection:beforeProcessing").await;
        let mut client = stage.client("a").await;
        let url = client.url("/acme/new-order");
        let made = |stage: &Stage| stage.journaled("\"reason\":\"order created");
        for (orders, _) in [(1, "decided"), (1, "not decided")] {
            let nonce = client.nonce().await;
            let header = json!({ "nonce": nonce, "url": url, "kid": client.kid });
            let signed = client.sign(header, NEW_ORDER).to_string();
            let headers = [("content-type", "application/jose+json")];
            let lost =
                client.http.request(Method::POST, &url.parse().unwrap(), &headers, signed.into()).await;
            assert!(matches!(lost, Err(HttpError::Broken(_))), "{lost:?}");
            assert_eq!(made(&stage), orders);
        }
        // The same order again: the client finds what it has lost.
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
        assert_eq!(stage.journaled("the account has an open order"), 1);
    });
}

#[test]
fn a_body_can_be_cut_as_an_answer_and_as_a_connection() {
    simulated(|world| async move {
        let stage = stage(
            &world,
            "directory#1=cutBody:10\ndirectory#2=dropConnection:midBody\ndirectory#3=emptyBody",
        )
        .await;
        let client = stage.stranger("a", world::KeyAlgorithm::EcdsaP256);
        let url = client.url("/directory");
        assert_eq!(client.fetch(Method::GET, &url).await.body.len(), 10);
        assert!(client.http.get(&url.parse().unwrap()).await.is_err());
        let empty = client.fetch(Method::GET, &url).await;
        assert_eq!((empty.status.as_u16(), empty.body.len()), (200, 0));
        assert!(body(&client.fetch(Method::GET, &url).await)["newNonce"].is_string());
    });
}

/// The bytes on the wire: half of a body that promises to be whole, and not a byte at all.
#[test]
fn a_closed_connection_is_closed_where_the_script_says() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    simulated(|world| async move {
        let stage = stage(&world, "directory#1=dropConnection:midBody\ndirectory#2=dropConnection").await;
        let plain = stage.world.process("acme").listen("10.0.0.1:8080".parse().unwrap()).await.unwrap();
        let (server, router) = (stage.world.process("acme"), stage.ca.router());
        world
            .process("acme")
            .spawn("plain", async move { world::http::serve(server, plain, None, router).await });
        let host = world.process("client");
        let mut heard = Vec::new();
        for _ in 0..2 {
            let mut stream = host.connect("10.0.0.1:8080".parse().unwrap()).await.unwrap();
            stream.write_all(b"GET /directory HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            let mut bytes = Vec::new();
            drop(stream.read_to_end(&mut bytes).await);
            heard.push(String::from_utf8(bytes).unwrap());
        }
        let (head, half) = heard[0].split_once("\r\n\r\n").unwrap();
        let promised = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(half.len(), promised.parse::<usize>().unwrap() / 2);
        assert_eq!(heard[1], "");
    });
}

#[test]
fn delays_and_hangs_are_as_long_as_they_say() {
    simulated(|world| async move {
        let stage =
            stage(&world, "directory#1=delay:7s\ndirectory#2=hang\ndirectory[phase:after]#3=delay:2s").await;
        let client = stage.stranger("a", world::KeyAlgorithm::EcdsaP256);
        let url = client.url("/directory");
        for seconds in [Some(7), None, Some(2), Some(0)] {
            let start = world.monotonic();
            let asked = world.timeout(Duration::from_secs(60), client.fetch(Method::GET, &url)).await;
            assert_eq!(asked.ok().map(|_| world.monotonic().since(start).as_secs()), seconds);
        }
    });
}

#[test]
fn nonces_are_withheld_rejected_repeated_and_lost() {
    simulated(|world| async move {
        let stage = stage(&world, "").await;
        let mut client = stage.client("a").await;
        add(&stage, "newOrder#1=rejectNonce");
        let rejected = client.new_order(&["example.com"]).await;
        assert_eq!((rejected.status.as_u16(), kind(&rejected).as_str()), (400, "badNonce"));
        assert!(client.nonce.is_some());
        add(&stage, "newOrder#1=reuseNonce");
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
        assert_eq!(kind(&client.new_order(&["example.com"]).await), "badNonce");
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
        add(&stage, "newOrder#1=loseNonces");
        assert_eq!(kind(&client.new_order(&["example.com"]).await), "badNonce");
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
        add(&stage, "newNonce=reuseNonce");
        let head = client.url("/acme/new-nonce");
        let first = client.fetch(Method::HEAD, &head).await;
        let second = client.fetch(Method::HEAD, &head).await;
        assert_eq!(first.header("replay-nonce"), second.header("replay-nonce"));
    });
}

#[test]
fn an_order_is_stuck_for_a_time_or_for_ever() {
    simulated(|world| async move {
        let stage = stage(
            &world,
            "finalize[example.com]=stuckProcessing:10m\nfinalize[www.example.com]=stuckProcessing",
        )
        .await;
        for (name, ends) in [("example.com", Some(600)), ("www.example.com", None)] {
            let mut client = stage.client(name).await;
            let (url, order) = client.ready_order(&stage, &[name]).await;
            let csr = client.csr(&[name]);
            let start = world.monotonic();
            let answer = client.post(order["finalize"].as_str().unwrap(), &csr).await;
            assert_eq!(body(&answer)["status"], "processing");
            let mut ended = None;
            for _ in 0..2000 {
                world.sleep(Duration::from_secs(1)).await;
                if client.get(&url).await["status"] == "valid" {
                    ended = Some(world.monotonic().since(start).as_secs());
                    break;
                }
            }
            assert_eq!(ended.map(|secs| secs / 10), ends.map(|secs: u64| secs / 10), "{name}");
        }
    });
}

#[test]
fn a_validation_is_stuck() {
    simulated(|world| async move {
        let stage = stage(&world, "challenge[method:POST]#2=stuckProcessing:5m").await;
        let mut client = stage.client("a").await;
        let order = body(&client.new_order(&["example.com"]).await);
        let authorization = order["authorizations"][0].as_str().unwrap().to_owned();
        let challenge = client.challenge(&authorization, "http-01").await;
        stage.serve_challenge(&client, challenge["token"].as_str().unwrap());
        let url = challenge["url"].as_str().unwrap();
        client.post(url, "").await;
        client.post(url, "{}").await;
        world.sleep(Duration::from_secs(299)).await;
        assert_eq!(client.get(&authorization).await["status"], "pending");
        world.sleep(Duration::from_secs(3)).await;
        assert_eq!(client.get(&authorization).await["status"], "valid");
        add(&stage, "authorization#1=stuckProcessing");
        let seems = client.get(&authorization).await;
        assert_eq!(
            (&seems["status"], &seems["challenges"][0]["status"]),
            (&json!("pending"), &json!("pending"))
        );
        assert_eq!(client.get(&authorization).await["status"], "valid");
    });
}

#[test]
fn issuance_fails_chains_are_wrong_and_certificates_revoked() {
    simulated(|world| async move {
        let stage = stage(
            &world,
            "finalize#1=failIssuance:caa\nfinalize#2=revoke:4\nfinalize#3=wrongChain:otherLeaf",
        )
        .await;
        let mut client = stage.client("a").await;
        let (url, order) = client.ready_order(&stage, &["example.com"]).await;
        let csr = client.csr(&["example.com"]);
        let failed = client.post(order["finalize"].as_str().unwrap(), &csr).await;
        assert_eq!(failed.status, 500);
        let order = client.get(&url).await;
        assert_eq!(
            (&order["status"], order["error"]["type"].as_str().unwrap().ends_with(":caa")),
            (&json!("invalid"), true)
        );

        let mut chains = Vec::new();
        for _ in 0..2 {
            let order = body(&client.new_order(&["example.com"]).await);
            let done = client.post(order["finalize"].as_str().unwrap(), &csr).await;
            let certificate = body(&done)["certificate"].as_str().unwrap().to_owned();
            chains.push((certificate.clone(), text(&client.post(&certificate, "").await)));
        }
        assert_eq!(
            stage.ca.issued().iter().map(|i| i.revoked.map(|r| r.1)).collect::<Vec<_>>(),
            [Some(4), None]
        );
        assert_eq!(stage.journaled(r#""event":"revoked""#), 1);
        assert_eq!(chains[0].1, chains[1].1, "the chain of the other certificate");
        let begins = |text: &str| text.matches("BEGIN").count();
        add(&stage, "certificate#1=wrongChain:noIntermediate");
        assert_eq!(begins(&text(&client.post(&chains[0].0, "").await)), 1);
        assert_eq!(text(&client.post(&chains[0].0, "").await), chains[0].1);
        add(&stage, "certificate#1=wrongChain");
        let wrong = text(&client.post(&chains[0].0, "").await);
        assert!(begins(&wrong) == 2 && wrong != chains[0].1);
    });
}

#[test]
fn objects_and_accounts_go_away() {
    simulated(|world| async move {
        let stage = stage(&world, "").await;
        let mut client = stage.client("a").await;
        let made = client.new_order(&["example.com"]).await;
        let url = made.header("location").unwrap().to_owned();
        let authorization = body(&made)["authorizations"][0].as_str().unwrap().to_owned();
        add(&stage, "authorization#1=forgetObject");
        for _ in 0..2 {
            assert_eq!(client.post(&authorization, "").await.status, 404);
        }
        add(&stage, "order#1=expireObject");
        assert_eq!(client.post(&url, "").await.status, 404);
        add(&stage, "newOrder[account:1]#1=deactivateAccount");
        assert_eq!(kind(&client.new_order(&["example.com"]).await), "unauthorized");
        let mut other = stage.client("b").await;
        add(&stage, &format!("*[account:{}]#1=forgetAccount", other.key.public().thumbprint()));
        assert_eq!(kind(&other.new_order(&["example.com"]).await), "accountDoesNotExist");
        other.kid = None;
        assert_eq!(other.new_account(json!({ "onlyReturnExisting": true })).await.status, 400);
        assert_eq!(other.new_account(json!({ "termsOfServiceAgreed": true })).await.status, 201);
    });
}

#[test]
fn problems_are_as_the_script_has_them() {
    simulated(|world| async move {
        let stage = stage(
            &world,
            r#"[{"when": {"endpoint": "newOrder", "nth": 1}, "phase": "after", "do": [
                {"problem": {"type": "rateLimited", "detail": "later", "retryAfter": "90m",
                             "subproblems": [{"type": "caa", "detail": "no", "identifier": "example.com"}]}}]},
               "newAccount=header:Location"]"#,
        )
        .await;
        let mut client = stage.stranger("a", world::KeyAlgorithm::EcdsaP256);
        let account = client.new_account(json!({ "termsOfServiceAgreed": true })).await;
        assert_eq!((account.status.as_u16(), account.header("location")), (201, None));
        client.kid = Some(client.url("/acme/acct/1"));
        let limited = client.new_order(&["example.com"]).await;
        assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, Some("5400")));
        assert_eq!(
            (limited.header("location"), limited.header("content-type")),
            (None, Some("application/problem+json"))
        );
        assert!(limited.header("replay-nonce").is_some());
        insta::assert_snapshot!(text(&limited), @r#"
        {
          "type": "urn:ietf:params:acme:error:rateLimited",
          "detail": "later",
          "status": 429,
          "subproblems": [
            {
              "type": "urn:ietf:params:acme:error:caa",
              "detail": "no",
              "status": 403,
              "identifier": {
                "type": "dns",
                "value": "example.com"
              }
            }
          ]
        }
        "#);
        assert_eq!(client.new_order(&["example.com"]).await.status, 201);
        assert_eq!(stage.journaled("the account has an open order"), 1);
    });
}

#[test]
fn two_runs_with_chance_are_one() {
    let run = || {
        simulated(|world| async move {
            let stage = stage(&world, "newOrder?0.5=503,noNonce\n*[method:HEAD]?0.1=delay:1s").await;
            let mut client = stage.client("a").await;
            for _ in 0..30 {
                client.new_order(&["example.com"]).await;
            }
            assert!((5..25).contains(&stage.journaled(r#""status":503"#)));
            assert!(stage.journaled(r#""event":"draw","what":"fault fault-1","value":"false""#) > 4);
            stage.ca.journal().to_json_lines()
        })
        .value
    };
    assert_eq!(run(), run());
}

#[test]
fn rules_are_managed_over_http() {
    simulated(|world| async move {
        let stage = stage(&world, "directory[id:old]#9=503").await;
        let at = "10.0.0.1:15000";
        let listener = stage.world.process("acme").listen(at.parse().unwrap()).await.unwrap();
        let (server, router) =
            (stage.world.process("acme"), mock_ca::faults::routes(stage.ca.faults().clone()));
        world
            .process("acme")
            .spawn("management", async move { world::http::serve(server, listener, None, router).await });
        let host = world.process("client");
        let http = Client::new(&host, Resolver::new(&host, Vec::new()));
        let ask = async |method: Method, path: &str, text: &str| {
            let url = format!("http://{at}/rehearse/faults{path}").parse().unwrap();
            let reply = http.request(method, &url, &[], text.to_owned().into()).await.unwrap();
            let value = serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap_or_default();
            (reply.status.as_u16(), value)
        };
        let (status, made) =
            ask(Method::POST, "", r#"{"when": {"endpoint": "directory"}, "do": [{"status": 500}]}"#).await;
        assert_eq!((status, &made["rules"][0]["id"]), (201, &json!("fault-1")));
        let client = stage.stranger("a", world::KeyAlgorithm::EcdsaP256);
        assert_eq!(client.fetch(Method::GET, &client.url("/directory")).await.status, 500);
        let (_, one) = ask(Method::GET, "/fault-1", "").await;
        assert_eq!((&one["seen"], &one["hits"]), (&json!(1), &json!(1)));
        let (_, all) = ask(Method::GET, "", "").await;
        assert_eq!(all["rules"].as_array().unwrap().len(), 2);
        assert_eq!(ask(Method::POST, "", "*[id:old]=hang").await.0, 409);
        let (status, wrong) = ask(Method::POST, "", r#"{"when": {"endpont": "x"}, "do": ["hang"]}"#).await;
        assert_eq!(
            (status, &wrong["key"], &wrong["nearest"]),
            (400, &json!("when.endpont"), &json!("endpoint"))
        );
        assert_eq!(ask(Method::DELETE, "/fault-1", "").await.0, 204);
        assert_eq!(ask(Method::DELETE, "/fault-1", "").await.0, 404);
        assert_eq!(client.fetch(Method::GET, &client.url("/directory")).await.status, 200);
        assert_eq!(ask(Method::DELETE, "", "").await.0, 204);
        assert_eq!(ask(Method::GET, "/old", "").await.0, 404);
        let changes: Vec<String> = stage
            .ca
            .journal()
            .to_json_lines()
            .lines()
            .filter_map(|l| l.split_once("faultsChanged\",").map(|(_, c)| c.to_owned()))
            .collect();
        assert_eq!(
            changes,
            [r#""added":["fault-1"]}"#, r#""removed":["fault-1"]}"#, r#""removed":["old"]}"#]
        );
    });
}

#[test]
fn the_journal_is_asked_over_http() {
    simulated(|world| async move {
        let stage = stage(&world, "newOrder#1=429").await;
        let mut client = stage.client("a").await;
        client.new_order(&["example.com"]).await;
        client.new_order(&["www.example.com"]).await;
        let at = "10.0.0.1:15000";
        let listener = stage.world.process("acme").listen(at.parse().unwrap()).await.unwrap();
        let (server, router) =
            (stage.world.process("acme"), mock_ca::journal::routes(stage.ca.journal().clone()));
        world
            .process("acme")
            .spawn("management", async move { world::http::serve(server, listener, None, router).await });
        let host = world.process("client");
        let http = Client::new(&host, Resolver::new(&host, Vec::new()));
        let get = async |path: &str| {
            http.get(&format!("http://{at}/rehearse/{path}").parse().unwrap()).await.unwrap()
        };
        let refused = body(&get("journal?endpoint=newOrder&event=request&status=429").await);
        assert_eq!(refused["entries"].as_array().unwrap().len(), 1);
        assert_eq!(refused["entries"][0]["identifiers"], json!(["example.com"]));
        let lines = get("journal?identifier=.example.com&format=lines").await;
        assert_eq!(
            (text(&lines).lines().count(), lines.header("content-type")),
            (1, Some("application/x-ndjson"))
        );
        let later = format!("journal?since={}&after=2022-05-07T13:39:31Z", refused["next"]);
        assert_eq!(body(&get(&later).await)["entries"], json!([]));
        assert_eq!(body(&get("counters").await)["faults"], json!({ "fault-1": 1 }));
        for wrong in
            ["journal?statsu=1", "journal?status=x", "journal?endpoint=newOrdr", "journal?format=xml"]
        {
            assert_eq!(get(wrong).await.status, 400, "{wrong}");
        }
    });
}
