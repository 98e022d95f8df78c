//! Bad requests: whatever is sent, the answer is one, and a refusal says what was wrong. The inputs are the
//! seeds of the fuzz target `requests`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../scenarios/fuzz/harness/requests.rs"]
mod harness;

use std::path::PathBuf;

use crate::support::both::*;
use crate::support::simulated;
use http::Method;
use mock_ca::dialect::Endpoint as E;
use serde_json::json;

#[test]
fn seeds_are_answered() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/fuzz/seeds/requests"));
    let mut seeds: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() > 20);
    for seed in seeds {
        let text = String::from_utf8_lossy(&std::fs::read(&seed).unwrap()).into_owned();
        for dialect in harness::DIALECTS {
            if let Err(wrong) = harness::run(&text, dialect) {
                panic!("{}, {dialect:?}: {wrong}", seed.display());
            }
        }
    }
}

/// What a refusal says names the member and the reason.
#[test]
fn a_refusal_says_what_was_wrong() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let deep = "[".repeat(500);
            for (endpoint, payload, said) in [
                (E::NewOrder, "7", "NewOrder request body: it is no JSON object"),
                (E::NewOrder, "{\"identifiers\":7}", "identifiers: invalid type: integer `7`"),
                (E::NewOrder, "{\"identifiers\":[{\"type\":1}]}", "identifiers[0].type: invalid type"),
                (E::NewOrder, "{\"identifiers\":[],\"profile\":{}}", "profile: invalid type: map"),
                (E::NewOrder, "{\"a\":1e999999}", "did not parse as JSON: number out of range"),
                (E::NewOrder, &deep, "did not parse as JSON: recursion limit exceeded"),
                (E::NewOrder, "{\"a\":", "did not parse as JSON: EOF"),
                (E::NewOrder, "{\"a\":\"\u{1}\"}", "did not parse as JSON: control character"),
                (E::RevokeCert, "{}", "revoke request: missing field `certificate`"),
                (
                    E::RevokeCert,
                    "{\"certificate\":\"\",\"reason\":1e30}",
                    "reason: invalid type: floating point",
                ),
                (E::KeyChange, "[]", "Parse error reading JWS: "),
            ] {
                let reply = client.post(&client.resource(endpoint), payload).await;
                expect(&reply, "malformed 400");
                assert!(detail(&reply).contains(said), "{dialect:?}: {payload}: {}", detail(&reply));
            }
            // What is repeated of a request is not all of it.
            let long = json!({ "identifiers": "a".repeat(20_000) });
            let reply = client.to(E::NewOrder, &long).await;
            assert!(detail(&reply).chars().count() < 300, "{}", detail(&reply));
            for (body, said) in [
                ("", "Parse error reading JWS: EOF"),
                ("[]", "Parse error reading JWS: "),
                ("{\"protected\":1}", "Parse error reading JWS: invalid type"),
                ("{\"protected\":\"+\"}", "\"protected\" is not base64url"),
                ("{\"protected\":\"e30\",\"payload\":\"+\"}", "\"payload\" is not base64url"),
                ("{\"protected\":\"AAAA\"}", "\"protected\" is no JWS header"),
                ("{\"protected\":\"e30\",\"protected\":\"e30\"}", "duplicate field `protected`"),
                ("{\"protected\":\"e30\"}", "JWS not signed"),
            ] {
                let url = client.resource(E::NewOrder);
                let reply = client.post_raw(&url, body.to_owned()).await;
                expect(&reply, "malformed 400");
                assert!(detail(&reply).contains(said), "{dialect:?}: {body}: {}", detail(&reply));
                assert!(reply.header("replay-nonce").is_some());
            }
            let good = client.fetch(Method::GET, &stage.ca.directory_url()).await;
            assert_eq!(good.status, 200);
        }
    });
}
