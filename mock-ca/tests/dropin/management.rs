//! The management API of the running program.

use instant_acme::RevocationRequest;
use serde_json::{Value, json};

use super::issue::issue;
use super::program::{Program, command, config, file, text, with_client};

/// Every challenge passes at once, and nothing is refused by chance.
const CALM: &[(&str, &str)] = &[
    ("PEBBLE_VA_ALWAYS_VALID", "1"),
    ("PEBBLE_VA_NOSLEEP", "1"),
    ("PEBBLE_WFE_NONCEREJECT", "0"),
    ("PEBBLE_AUTHZREUSE", "0"),
];

#[test]
fn the_life_of_a_certificate() {
    let mut program = Program::with(&config("life.json", json!({})), CALM);
    let (directory, base) = (program.directory(), program.management(""));
    let serial = with_client(|world, ask| async move {
        let (account, chain) = issue(&world, directory.clone(), "a.test").await;
        let (_, pem) = x509_parser::pem::parse_x509_pem(chain.as_bytes()).unwrap();
        let leaf = pem.parse_x509().unwrap();
        let serial = world::hex(leaf.raw_serial());
        let status = format!("{base}/cert-status-by-serial/{}", serial.to_uppercase());

        let valid = ask.get(&status).await;
        assert_eq!(valid.header("content-type"), Some("application/json; charset=utf-8"));
        let valid: Value = serde_json::from_slice(&valid.body).unwrap();
        let keys: Vec<&String> = valid.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["Status", "Serial", "Certificate"]);
        assert_eq!((&valid["Status"], &valid["Serial"]), (&json!("Valid"), &json!(serial)));
        let certificate = valid["Certificate"].as_str().unwrap();
        assert!(chain.starts_with(certificate));

        // What is set is served as it is, even if it is none.
        let set = json!({ "certificate": certificate, "ariResponse": "{\"suggestedWindow\": 5" }).to_string();
        let url = format!("{base}/set-renewal-info/");
        assert_eq!(ask.send("POST", &url, &set).await.status, 200);
        assert_eq!(ask.get(&url).await.status, 405);
        for (bad, code) in [
            ("", 400),
            ("{}", 400),
            ("{\"Certificate\": \"no PEM\"}", 400),
            (&json!({ "Certificate": chain.split("\n\n").nth(1).unwrap() }).to_string(), 404),
        ] {
            assert_eq!(ask.send("POST", &url, bad).await.status, code, "{bad}");
        }
        let renewal = ask.json("GET", &directory, "").await["renewalInfo"].as_str().unwrap().to_owned();
        let id = mock_ca::ra::renewal::identifier(&pem.contents).unwrap();
        let served = ask.get(&format!("{renewal}/{id}")).await;
        assert_eq!((served.status.as_u16(), text(&served)), (200, "{\"suggestedWindow\": 5".to_owned()));

        let der = pem.contents.clone().into();
        let request = RevocationRequest {
            certificate: &der,
            reason: Some(instant_acme::RevocationReason::KeyCompromise),
        };
        account.revoke(&request).await.unwrap();
        let revoked = ask.json("GET", &status, "").await;
        assert_eq!((&revoked["Status"], &revoked["Reason"]), (&json!("Revoked"), &json!(1)));
        let at = revoked["RevokedAt"].as_str().unwrap();
        assert!(at.ends_with(" +0000 UTC") && at.len() >= "2026-11-22 05:17:50 +0000 UTC".len(), "{at}");

        let state = ask.json("GET", &format!("{base}/rehearse/state"), "").await;
        assert_eq!(state["certificates"], json!({ "total": 1, "revoked": 1 }));
        assert_eq!(state["orders"], json!({ "total": 1, "valid": 1 }));
        assert_eq!(state["accounts"], json!({ "total": 1, "valid": 1 }));
        serial
    });
    let line = program.next_line();
    assert!(line.starts_with(&format!("Issued certificate serial {serial} for order ")), "{line}");
}

#[test]
fn pages_of_pebble() {
    let program = Program::with(&config("pages.json", json!({})), &[]);
    assert!(program.told("Root CA certificate available at: ").ends_with("/roots/0"));
    let pages = with_client(|_, ask| async move {
        let mut pages = Vec::new();
        for (method, path) in [
            ("GET", "/roots/0"),
            ("POST", "/roots/0"),
            ("GET", "/roots/1"),
            ("GET", "/roots/"),
            ("GET", "/roots/x"),
            ("GET", "/roots"),
            ("GET", "/intermediates/0"),
            ("GET", "/intermediates/1"),
            ("GET", "/root-keys/0"),
            ("GET", "/intermediate-keys/0"),
            ("GET", "/cert-status-by-serial/12ab"),
            ("GET", "/cert-status-by-serial/zz"),
            ("GET", "/cert-status-by-serial/"),
            ("GET", "/"),
            ("GET", "/dir"),
        ] {
            let reply = ask.send(method, &program.management(path), "").await;
            assert!(reply.header("date").is_some());
            let kind = reply.header("content-type").unwrap_or("-");
            let begin = text(&reply).lines().next().unwrap_or_default().to_owned();
            pages.push(format!("{method} {path}: {} {kind} {begin}", reply.status.as_u16()));
        }
        pages
    });
    insta::assert_snapshot!(pages.join("\n"));
}

/// Roots besides the first have numbers of their own, and lead to each other.
#[test]
fn alternate_roots() {
    let environment = [("PEBBLE_ALTERNATE_ROOTS", "2"), ("PEBBLE_CHAIN_LENGTH", "2")];
    let program = Program::with(&config("roots.json", json!({})), &environment);
    assert!(program.told("Alternate (2) root CA certificate available at: ").ends_with("/roots/2"));
    with_client(|_, ask| async move {
        for part in ["roots", "intermediates", "root-keys", "intermediate-keys"] {
            let url = |n| program.management(&format!("/{part}/{n}"));
            let reply = ask.get(&url(1)).await;
            let links: Vec<&str> =
                reply.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
            let expected = [0, 2].map(|n| format!("<{}>;rel=\"alternate\"", url(n)));
            assert_eq!((reply.status.as_u16(), links), (200, expected.iter().map(String::as_str).collect()));
            assert_eq!(ask.get(&url(3)).await.status, 404);
        }
        let (first, second) =
            (program.management("/intermediates/0"), program.management("/intermediates/1"));
        assert_ne!(text(&ask.get(&first).await), text(&ask.get(&second).await));
        let (first, second) =
            (program.management("/intermediate-keys/0"), program.management("/intermediate-keys/1"));
        assert_eq!(text(&ask.get(&first).await), text(&ask.get(&second).await), "one key under all roots");
    });
}

#[test]
fn clock_limits_and_index() {
    let settings = file("limits.json", r#"{"limits": {"preset": "letsencrypt-prod", "jitter": false}}"#);
    let mut command = command();
    command.arg("-config").arg(config("clock.json", json!({}))).args(["-clock", "virtual", "-settings"]);
    let program = Program::start(command.arg(settings));
    with_client(|_, ask| async move {
        let url = |path: &str| program.management(path);
        let index = text(&ask.get(&url("/rehearse/")).await);
        for line in index.lines().filter(|line| line.contains("/rehearse/")) {
            let path = line.split_whitespace().nth(1).unwrap();
            assert_ne!(ask.get(&url(path)).await.status, 501, "{path}");
        }
        insta::assert_snapshot!("index", index);

        let clock = url("/rehearse/clock");
        let frozen = ask.json("POST", &clock, r#"{"freeze": true}"#).await;
        assert_eq!((&frozen["clock"], &frozen["frozen"]), (&json!("virtual"), &json!(true)));
        let set = ask.json("POST", &clock, r#"{"set": "2100-01-01T00:00:00Z", "advance": "36h"}"#).await;
        assert_eq!(set["now"], "2100-01-02T12:00:00Z");
        assert_eq!(ask.json("GET", &clock, "").await, set, "it stands still");
        let directory = ask.get(&program.directory()).await;
        assert_eq!(directory.header("date"), Some("Sat, 02 Jan 2100 12:00:00 GMT"));
        for (body, code) in [
            (r#"{"set": "2030-01-01T00:00:00Z"}"#, 409),
            (r#"{"advance": "soon"}"#, 400),
            (r#"{"forward": "1h"}"#, 400),
            ("{}", 400),
        ] {
            assert_eq!(ask.send("POST", &clock, body).await.status, code, "{body}");
        }

        let limits = url("/rehearse/limits");
        let bucket = r#""limit": "newOrdersPerAccount", "key": "7""#;
        let view = ask.json("PUT", &limits, &format!("{{{bucket}, \"remaining\": 2}}")).await;
        assert_eq!((&view["remaining"], &view["key"]), (&json!(2), &json!("7")));
        assert_eq!(ask.json("GET", &limits, "").await["buckets"][0], view);
        let reset = |query: &'static str| format!("{limits}?{query}");
        assert_eq!(ask.json("DELETE", &reset("limit=newOrdersPerAccount&key=8"), "").await["reset"], 0);
        let all = ask.json("DELETE", &limits, "").await;
        assert_eq!(all["reset"], 2, "that one, and the load balancer's for the request before");
        assert_eq!(ask.json("GET", &limits, "").await["buckets"], json!([]));
        let pausing = url("/rehearse/limits/paused");
        let paused = ask.json("PUT", &pausing, r#"{"account": 7, "identifier": "A.test"}"#).await;
        assert_eq!(paused["paused"], true);
        assert_eq!(ask.json("GET", &limits, "").await["paused"][0]["identifier"], "a.test");
        let freed = ask.json("DELETE", &url("/rehearse/limits/paused?account=7"), "").await;
        assert_eq!(freed, json!({ "account": 7, "count": 1, "more": false }));
        for (method, url, body, code) in [
            ("PUT", limits.clone(), "{}", 400),
            ("PUT", limits.clone(), r#"{"limit": "newOrdersPerAccount", "key": "x", "remaining": 1}"#, 400),
            ("PUT", limits.clone(), r#"{"limit": "no", "key": "x", "remaining": 1}"#, 400),
            ("DELETE", reset("limit=newOrdersPerAccount"), "", 400),
            ("DELETE", reset("what=1"), "", 400),
            ("DELETE", url("/rehearse/limits/paused"), "", 400),
            ("PATCH", limits.clone(), "", 405),
            ("GET", url("/rehearse/nothing"), "", 404),
        ] {
            assert_eq!(ask.send(method, &url, body).await.status, code, "{method} {url} {body}");
        }
    });
}

#[test]
fn the_systems_clock_stays() {
    let program = Program::with(&config("real-clock.json", json!({})), &[]);
    with_client(|_, ask| async move {
        let clock = program.management("/rehearse/clock");
        assert_eq!(ask.json("GET", &clock, "").await["clock"], "real");
        assert_eq!(ask.send("POST", &clock, r#"{"advance": "1h"}"#).await.status, 409);
    });
}
