//! Authorization before an order (RFC 8555 section 7.4.1).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::support::both::*;
use crate::support::{Acme, body, simulated};
use mock_ca::dialect::{DialectName, Endpoint as E};
use serde_json::{Value, json};
use world::http::Response;

async fn ask(client: &mut Acme, kind: &str, value: &str) -> Response {
    client.to(E::NewAuthz, &json!({ "identifier": { "type": kind, "value": value } })).await
}

#[test]
fn a_later_order_uses_it_and_it_alone() {
    simulated(|world| async move {
        // Even where nothing else is used again.
        let stage = stage_of(&world, DialectName::Pebble, |config| {
            config.authz_reuse = false;
            config.profiles.clear();
        })
        .await;
        let mut client = stage.client("one").await;
        let made = ask(&mut client, "dns", "Example.com").await;
        expect(&made, "201");
        let url = made.header("location").unwrap().to_owned();
        let object = body(&made);
        assert_eq!(object["identifier"], json!({ "type": "dns", "value": "example.com" }));
        assert_eq!((&object["status"], &object["wildcard"]), (&json!("pending"), &Value::Null));
        client.post(object["challenges"][0]["url"].as_str().unwrap(), "{}").await;
        assert_eq!(client.wait(&url).await["status"], "valid");
        // Asked for again, it is the same; ordered, it is there, and the other name is not.
        let again = ask(&mut client, "dns", "example.com").await;
        assert_eq!((outcome(&again).as_str(), again.header("location")), ("200", Some(&*url)));
        let ready = body(&client.new_order(&["example.com"]).await);
        assert_eq!((&ready["status"], &ready["authorizations"]), (&json!("ready"), &json!([url])));
        let two = client.new_order(&["example.com", "www.example.com"]).await;
        assert_eq!(body(&two)["status"], "pending");
        assert!(body(&two)["authorizations"].as_array().unwrap().contains(&json!(url)));
        let (order, _) = client.finish(&stage, &two).await;
        assert_eq!(order["status"], "valid");
        // It is nobody else's, and ends as others do.
        let mut other = stage.client("two").await;
        assert_eq!(body(&other.new_order(&["example.com"]).await)["status"], "pending");
        expect(&other.post(&url, "").await, "unauthorized 403");
        let done = client.post(&url, r#"{"status":"deactivated"}"#).await;
        assert_eq!(body(&done)["status"], "deactivated");
        assert_eq!(body(&client.new_order(&["example.com"]).await)["status"], "pending");
        let fresh = ask(&mut client, "dns", "example.com").await;
        expect(&fresh, "201");
        world.sleep(Duration::from_secs(2 * 3600)).await;
        assert_eq!(client.get(fresh.header("location").unwrap()).await["status"], "expired");
    });
}

#[test]
fn an_address_can_be_authorized_and_a_wildcard_cannot() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Pebble, |c| c.blocklist = vec!["blocked.com".into()]).await;
        let mut client = stage.client("one").await;
        expect(&ask(&mut client, "ip", "10.0.0.1").await, "201");
        for (kind, value, wanted) in [
            ("dns", "*.example.com", "malformed 400"),
            ("dns", "a_b.com", "malformed 400"),
            ("dns", "a.blocked.com", "rejectedIdentifier 400"),
            ("tel", "1", "malformed 400"),
            ("ip", "1.2.3", "malformed 400"),
        ] {
            let reply = ask(&mut client, kind, value).await;
            assert_eq!(outcome(&reply), wanted, "{kind} {value}");
        }
        for bad in [json!({}), json!({ "identifier": 1 }), json!({ "identifier": [] })] {
            expect(&client.to(E::NewAuthz, &bad).await, "malformed 400");
        }
        let stage = stage_of(&world, DialectName::Pebble, |config| config.pre_authorization = false).await;
        let mut client = stage.client("one").await;
        expect(&ask(&mut client, "dns", "example.com").await, "404");
        let directory = body(&client.fetch(http::Method::GET, &stage.ca.directory_url()).await);
        assert_eq!(directory["newAuthz"], Value::Null);
    });
}
