//! Renewal information and replacement (RFC 9773).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::support::both::*;
use crate::support::{body, simulated};
use mock_ca::dialect::DialectName;
use serde_json::{Value, json};
use world::Timestamp;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn window(info: &Value) -> (Timestamp, Timestamp) {
    let at = |end: &str| info["suggestedWindow"][end].as_str().unwrap().parse().unwrap();
    (at("start"), at("end"))
}

#[test]
fn windows_to_the_second() {
    simulated(|world| async move {
        for (dialect, validity, share, half) in [
            (DialectName::Pebble, 90 * DAY, 3, DAY),
            (DialectName::Pebble, 6 * DAY, 3, DAY),
            (DialectName::Boulder, 90 * DAY, 3, 90 * DAY / 100),
            (DialectName::Boulder, 10 * DAY, 3, DAY / 10),
            // Below ten days the middle of a certificate's life is the time.
            (DialectName::Boulder, 6 * DAY, 2, 6 * DAY / 100),
        ] {
            let stage = stage_of(&world, dialect, |config| {
                config.validity = validity;
                config.profiles.clear();
            })
            .await;
            let mut client = stage.client("one").await;
            let (_, issued) = client.issue(&stage, &["example.com"]).await;
            assert_eq!(issued.not_after.since(issued.not_before), validity - Duration::from_secs(1));
            let reply = client.renewal_info(&certificate_id(&issued)).await;
            let info = body(&reply);
            let ideal = issued.not_after - validity / share;
            let whole = |at: Timestamp| at.truncate_to_secs();
            assert_eq!(window(&info), (whole(ideal - half), whole(ideal + half)), "{dialect:?} {validity:?}");
            assert_eq!(info["explanationURL"], Value::Null);
            let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
            match dialect {
                DialectName::Pebble => assert_eq!(wait, 21_600),
                DialectName::Boulder => assert!((17_280..=25_920).contains(&wait), "{wait}"),
            }
            // In the window Pebble's starts now; behind it, it ends with the certificate.
            world.sleep(whole(ideal).since(world.now())).await;
            let (start, end) = window(&body(&client.renewal_info(&certificate_id(&issued)).await));
            if dialect == DialectName::Pebble {
                assert!(start >= whole(ideal) && start <= whole(ideal) + Duration::from_secs(1));
                assert_eq!(end, whole(ideal + half));
                world.sleep(issued.not_after.since(world.now()) + DAY).await;
                let over = window(&body(&client.renewal_info(&certificate_id(&issued)).await));
                assert_eq!(over, (issued.not_after, issued.not_after));
            } else {
                assert_eq!((start, end), (whole(ideal - half), whole(ideal + half)));
            }
        }
    });
}

#[test]
fn a_revoked_certificate_is_to_be_renewed_now() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let (_, issued) = client.issue(&stage, &["example.com"]).await;
            expect(&client.revoke(&issued, None).await, "200");
            world.sleep(Duration::from_secs(100)).await;
            let before = world.now();
            let info = body(&client.renewal_info(&certificate_id(&issued)).await);
            let (start, end) = window(&info);
            let length = if dialect == DialectName::Pebble { Duration::from_secs(1) } else { HOUR * 3 / 2 };
            assert_eq!(end.since(start), length);
            assert!(start >= before.truncate_to_secs() - HOUR && start <= world.now() - HOUR);
            assert_eq!(info["explanationURL"].is_string(), dialect == DialectName::Boulder);
        }
    });
}

/// Bug 6 of Pebble: a replacement that failed kept the certificate replaced for ever.
#[test]
fn a_certificate_is_replaced_once_unless_the_order_comes_to_nothing() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let (_, issued) = client.issue(&stage, &["example.com"]).await;
            let replaces = json!({ "replaces": certificate_id(&issued) });
            // An open order that replaces nothing is not given instead.
            let plain = client.new_order(&["example.com", "www.example.com"]).await;
            let names = ["example.com", "www.example.com"];
            let first = client.order_with(&names, replaces.clone()).await;
            expect(&first, "201");
            assert_eq!(body(&first)["replaces"], replaces["replaces"]);
            assert_eq!(body(&plain)["replaces"], Value::Null);
            let again = client.order_with(&names, replaces.clone()).await;
            expect(&again, "alreadyReplaced 409");
            // The order ends, by the client's own hand.
            let authorization = body(&first)["authorizations"].as_array().unwrap().clone();
            for url in authorization {
                client.post(url.as_str().unwrap(), r#"{"status":"deactivated"}"#).await;
            }
            let second = client.order_with(&["example.com"], replaces.clone()).await;
            expect(&second, "201");
            // It expires.
            expect(&client.order_with(&["example.com"], replaces.clone()).await, "alreadyReplaced 409");
            world.sleep(8 * DAY).await;
            let third = client.order_with(&["example.com"], replaces.clone()).await;
            let (order, _) = client.finish(&stage, &third).await;
            assert_eq!(order["replaces"], replaces["replaces"]);
            // It is done: now it stays replaced.
            world.sleep(30 * DAY).await;
            let last = client.order_with(&["example.com"], replaces).await;
            expect(&last, "alreadyReplaced 409");
        }
    });
}
