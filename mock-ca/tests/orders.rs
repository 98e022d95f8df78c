//! Orders and authorizations (RFC 8555 sections 7.4 and 7.5): lists, dates, profiles, addresses, reuse, and
//! the bugs of Pebble that are not here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::both::*;
use crate::support::{body, simulated, text};
use mock_ca::config::Profile;
use mock_ca::dialect::{DialectName, Endpoint as E};
use mock_ca::policy::IdentifierType;
use serde_json::{Value, json};

const DAY: Duration = Duration::from_secs(86_400);

/// The URL behind `rel="next"`.
fn next(reply: &world::http::Response) -> Option<String> {
    let link = links(reply).into_iter().find(|link| link.ends_with("rel=\"next\""))?;
    Some(link.trim_start_matches('<').split('>').next().unwrap().to_owned())
}

#[test]
fn the_list_of_orders_comes_in_pages() {
    simulated(|world| async move {
        for (size, count, pages) in
            [(3, 0, vec![0]), (3, 3, vec![3]), (3, 7, vec![3, 3, 1]), (1, 2, vec![1, 1])]
        {
            let stage = stage_of(&world, DialectName::Pebble, |config| config.orders_per_page = size).await;
            let mut client = stage.client("one").await;
            let mut made = Vec::new();
            for n in 0..count {
                let reply = client.new_order(&[&format!("n{n}.example.com")]).await;
                made.push(reply.header("location").unwrap().to_owned());
            }
            let account = client.get(&client.kid.clone().unwrap()).await;
            let mut url = account["orders"].as_str().map(str::to_owned);
            let (mut listed, mut sizes) = (Vec::new(), Vec::new());
            while let Some(page) = url {
                let reply = client.post(&page, "").await;
                let orders = body(&reply)["orders"].as_array().unwrap().clone();
                sizes.push(orders.len());
                listed.extend(orders.iter().map(|order| order.as_str().unwrap().to_owned()));
                url = next(&reply);
            }
            assert_eq!((listed, sizes), (made, pages));
            let list = account["orders"].as_str().unwrap();
            for page in ["/page/99", "/page/0", "/page/x"] {
                expect(&client.post(&format!("{list}{page}"), "").await, "404");
            }
            let mut other = stage.client("two").await;
            expect(&other.post(list, "").await, "unauthorized 403");
            expect(&client.post(list, "{}").await, "malformed 400");
        }
    });
}

#[test]
fn dates_are_honoured_or_refused_when_they_are_asked_for() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Pebble, |_| {}).await;
        let mut client = stage.client("one").await;
        let dates = json!({ "notBefore": "2022-05-08T00:00:00Z", "notAfter": "2022-05-09T12:00:00+02:00" });
        let reply = client.order_with(&["example.com"], dates).await;
        let (order, issued) = client.finish(&stage, &reply).await;
        assert_eq!(order["notBefore"], "2022-05-08T00:00:00Z");
        assert_eq!(order["notAfter"], "2022-05-09T10:00:00Z");
        assert_eq!(issued.not_before, "2022-05-08T00:00:00Z".parse().unwrap());
        assert_eq!(issued.not_after, "2022-05-09T10:00:00Z".parse().unwrap());
        // Bug 3 of Pebble: such an order was made, and stayed processing.
        for bad in ["soon", "2022-13-01T00:00:00Z", "2022-05-09", "1652000000"] {
            for member in ["notBefore", "notAfter"] {
                let reply = client.order_with(&["example.com"], json!({ member: bad })).await;
                expect(&reply, "malformed 400");
                assert!(detail(&reply).contains(member) && detail(&reply).contains(bad), "{}", text(&reply));
            }
        }
        let stage = stage_of(&world, DialectName::Boulder, |_| {}).await;
        let mut client = stage.client("one").await;
        for member in ["notBefore", "notAfter"] {
            let reply = client.order_with(&["example.com"], json!({ member: "2022-05-08T00:00:00Z" })).await;
            expect(&reply, "malformed 400");
            assert_eq!(detail(&reply), "NotBefore and NotAfter are not supported");
        }
    });
}

#[test]
fn a_profile_is_named_or_default_or_any() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |config| {
                let small = Profile {
                    names_max: Some(2),
                    validity: Some(6 * DAY),
                    identifier_types: Some(vec![IdentifierType::Dns]),
                    ..Profile::default()
                };
                let mine = Profile { accounts: Some(vec![1]), ..Profile::default() };
                let default = Profile::default();
                config.profiles = [("small", small), ("mine", mine), ("default", default)]
                    .map(|(n, p)| (n.to_owned(), p))
                    .into();
                config.default_profile = "default".to_owned();
            })
            .await;
            let mut client = stage.client("one").await;
            let small = json!({ "profile": "small" });
            let reply = client.order_with(&["example.com"], small.clone()).await;
            let (order, issued) = client.finish(&stage, &reply).await;
            assert_eq!(order["profile"], "small");
            assert_eq!(issued.not_after.since(issued.not_before), 6 * DAY - Duration::from_secs(1));
            let three = client.order_with(&["a.com", "b.com", "c.com"], small.clone()).await;
            expect(&three, "malformed 400");
            let address =
                json!({ "profile": "small", "identifiers": [{ "type": "ip", "value": "8.8.8.8" }] });
            expect(&client.to(E::NewOrder, &address).await, "rejectedIdentifier 400");
            expect(&client.order_with(&["a.com"], json!({ "profile": "large" })).await, "invalidProfile 400");
            let mine = client.order_with(&["a.com"], json!({ "profile": "mine" })).await;
            // Account 1 is Boulder's first; Pebble draws its numbers.
            expect(&mine, if dialect == DialectName::Boulder { "201" } else { "unauthorized 403" });
            assert_eq!(body(&client.new_order(&["b.com"]).await)["profile"], "default");
            let directory = body(&client.fetch(http::Method::GET, &stage.ca.directory_url()).await);
            assert_eq!(directory["meta"]["profiles"].as_object().unwrap().len(), 3);
        }
        // Pebble's own way: any.
        let stage = stage_of(&world, DialectName::Pebble, |config| config.randomness.profile = true).await;
        let mut client = stage.client("one").await;
        let mut drawn = BTreeSet::new();
        for n in 0..20 {
            let order = body(&client.new_order(&[&format!("n{n}.com")]).await);
            drawn.insert(order["profile"].as_str().unwrap().to_owned());
        }
        assert_eq!(drawn, BTreeSet::from(["default".to_owned(), "shortlived".to_owned()]));
    });
}

/// RFC 8738.
#[test]
fn addresses_go_through_a_whole_order() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |config| {
                config.identifier_types = vec![IdentifierType::Dns, IdentifierType::Ip];
                config.challenges = mock_ca::db::ChallengeKind::ALL.to_vec();
            })
            .await;
            let mut client = stage.client("one").await;
            let ip = |value: &str| json!({ "type": "ip", "value": value });
            let list = json!([ip("2606:4700:0:0::1111"), ip("8.8.8.8"), { "type": "dns", "value": "A.com" }]);
            let reply = client.to(E::NewOrder, &json!({ "identifiers": list })).await;
            expect(&reply, "201");
            let values: BTreeSet<String> = body(&reply)["identifiers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| format!("{} {}", i["type"].as_str().unwrap(), i["value"].as_str().unwrap()))
                .collect();
            assert_eq!(
                values.iter().map(String::as_str).collect::<Vec<_>>(),
                ["dns a.com", "ip 2606:4700::1111", "ip 8.8.8.8"]
            );
            for url in body(&reply)["authorizations"].as_array().unwrap() {
                let authorization = client.get(url.as_str().unwrap()).await;
                let mut kinds: Vec<&str> = authorization["challenges"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|challenge| challenge["type"].as_str().unwrap())
                    .collect();
                kinds.sort_unstable();
                if authorization["identifier"]["type"] == "ip" {
                    assert_eq!(kinds, ["http-01", "tls-alpn-01"]);
                } else {
                    assert_eq!(kinds.len(), 5);
                }
            }
            let (order, issued) = client.finish(&stage, &reply).await;
            assert_eq!(order["status"], "valid");
            assert_eq!(issued.names(), ["a.com", "8.8.8.8", "2606:4700::1111"]);
            // Bug 12 of Pebble: what is no address is said.
            let bad = client.to(E::NewOrder, &json!({ "identifiers": [ip("1.2.3")] })).await;
            assert!(detail(&bad).contains("\"1.2.3\""), "{}", text(&bad));
            assert!(!text(&bad).contains("nil"));
        }
    });
}

#[test]
fn challenges_are_offered_by_identifier() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Pebble, |_| {}).await;
        let mut client = stage.client("one").await;
        let order = body(&client.new_order(&["*.example.com"]).await);
        let authorization = client.get(order["authorizations"][0].as_str().unwrap()).await;
        assert_eq!(authorization["identifier"], json!({ "type": "dns", "value": "example.com" }));
        assert_eq!(authorization["wildcard"], json!(true));
        let challenges = authorization["challenges"].as_array().unwrap();
        let kinds: Vec<_> = challenges.iter().map(|c| c["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["dns-01", "dns-account-01", "dns-persist-01"]);
        let persist = &challenges[2];
        assert_eq!(persist["token"], Value::Null);
        assert_eq!(persist["issuer-domain-names"], json!(["pebble.letsencrypt.org"]));
        assert_eq!(persist["accounturi"], json!(client.kid));
        assert!(challenges[0]["token"].is_string());
    });
}

/// Lives of orders and authorizations, and which authorization is used again.
#[test]
fn authorizations_are_used_again_as_long_as_each_server_does() {
    simulated(|world| async move {
        for (dialect, order_life, pending_life, last_reuse) in [
            (DialectName::Pebble, DAY, DAY / 24, DAY / 24 - Duration::from_secs(2)),
            // Boulder wants an eighth of the order's seven days to be left.
            (DialectName::Boulder, 7 * DAY, 7 * DAY, 29 * DAY + 3 * DAY / 24),
        ] {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let now = world.now().truncate_to_secs();
            let reply = client.new_order(&["example.com"]).await;
            let order = body(&reply);
            let time = |value: &Value| value.as_str().unwrap().parse::<world::Timestamp>().unwrap();
            assert_eq!(time(&order["expires"]).since(now), order_life);
            let authorization = client.get(order["authorizations"][0].as_str().unwrap()).await;
            assert_eq!(time(&authorization["expires"]).since(now), pending_life);
            client.finish(&stage, &reply).await;
            let valid = client.get(order["authorizations"][0].as_str().unwrap()).await;
            let left = time(&valid["expires"]).since(world.now());
            let days = if dialect == DialectName::Pebble { DAY / 24 } else { 30 * DAY };
            assert!(left <= days && left > days - Duration::from_secs(5), "{left:?}");
            world.sleep(last_reuse - Duration::from_secs(5)).await;
            let again = body(&client.new_order(&["example.com"]).await);
            assert_eq!(
                (&again["status"], &again["authorizations"]),
                (&json!("ready"), &order["authorizations"])
            );
            world.sleep(DAY).await;
            let late = body(&client.new_order(&["example.com"]).await);
            assert_eq!(late["status"], "pending");
            // The order before has lost its authorization, or has come to its end.
            let old = client.post(again["finalize"].as_str().unwrap(), &client.csr(&["example.com"])).await;
            assert!(
                ["orderNotReady 403", "malformed 404", "200"].contains(&&*outcome(&old)),
                "{}",
                text(&old)
            );
        }
    });
}

/// A record that persists is looked at for every order in Boulder.
#[test]
fn what_a_persistent_record_made_valid_is_used_again_in_pebble_only() {
    simulated(|world| async move {
        for (dialect, wanted) in [(DialectName::Pebble, "ready"), (DialectName::Boulder, "pending")] {
            let stage = stage_of(&world, dialect, |config| {
                config.challenges = vec![mock_ca::db::ChallengeKind::DnsPersist01];
            })
            .await;
            let mut client = stage.client("one").await;
            client.issue(&stage, &["example.com"]).await;
            assert_eq!(body(&client.new_order(&["example.com"]).await)["status"], wanted);
        }
    });
}

/// Bug 4 of Pebble: a chance of nothing was one of a hundred.
#[test]
fn no_chance_is_no_chance() {
    simulated(|world| async move {
        for (percent, wanted) in [(0, 0), (100, 60)] {
            let stage = stage_of(&world, DialectName::Pebble, |config| {
                config.randomness.authz_reuse_percent = Some(percent);
            })
            .await;
            let mut client = stage.client("one").await;
            client.issue(&stage, &["example.com"]).await;
            let mut reused = 0;
            for _ in 0..60 {
                let order = body(&client.new_order(&["example.com"]).await);
                reused += usize::from(order["status"] == "ready");
            }
            assert_eq!(reused, wanted, "{percent} %");
        }
        // Bug 7: of nonces too. With 100 % every request is refused, and the nonce is gone.
        for (percent, wanted) in [(0, "200"), (100, "badNonce 400")] {
            let stage =
                stage_of(&world, DialectName::Pebble, |c| c.randomness.nonce_reject_percent = percent).await;
            let mut client = stage.stranger("one", world::KeyAlgorithm::EcdsaP256);
            for _ in 0..20 {
                let url = client.resource(E::NewAccount);
                let reply = client.post(&url, r#"{"termsOfServiceAgreed":true}"#).await;
                let made = if percent == 0 && client.kid.is_none() { "201" } else { wanted };
                if made == "201" {
                    expect(&reply, made);
                    client.kid = reply.header("location").map(str::to_owned);
                    let kid = client.kid.clone().unwrap();
                    expect(&client.post(&kid, "").await, "200");
                    break;
                }
                expect(&reply, made);
            }
        }
    });
}

/// Bug 1 of Pebble: the second challenge of an authorization that is valid and was fetched never answered.
#[test]
fn a_second_challenge_of_a_valid_authorization_is_answered_at_once() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let order = body(&client.new_order(&["example.com"]).await);
            let url = order["authorizations"][0].as_str().unwrap().to_owned();
            let challenges = client.get(&url).await["challenges"].as_array().unwrap().clone();
            client.post(challenges[0]["url"].as_str().unwrap(), "{}").await;
            let valid = client.wait(&url).await;
            assert_eq!(valid["status"], "valid");
            let before = world.monotonic();
            let second = client.post(challenges[1]["url"].as_str().unwrap(), "{}").await;
            // Pebble keeps the others and refuses; in Boulder they are gone.
            let pebble = dialect == DialectName::Pebble;
            expect(&second, if pebble { "malformed 400" } else { "malformed 404" });
            assert!(world.monotonic().since(before) < Duration::from_secs(1));
            assert_eq!(valid["challenges"].as_array().unwrap().len(), if pebble { 5 } else { 1 });
            assert_eq!(client.get(&url).await["status"], "valid");
        }
    });
}

/// Bug 11 of Pebble: the other challenges of an authorization that failed could be answered.
#[test]
fn an_invalid_authorization_is_the_end_of_its_order_and_its_challenges() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |config| config.always_valid = false).await;
            let mut client = stage.client("one").await;
            let reply = client.new_order(&["example.com"]).await;
            let order = body(&reply);
            let url = order["authorizations"][0].as_str().unwrap().to_owned();
            let challenges = client.get(&url).await["challenges"].as_array().unwrap().clone();
            let http = challenges.iter().find(|c| c["type"] == "http-01").unwrap();
            client.post(http["url"].as_str().unwrap(), "{}").await;
            let failed = client.wait(&url).await;
            assert_eq!(failed["status"], "invalid", "{failed:#}");
            for challenge in &challenges {
                let again = client.post(challenge["url"].as_str().unwrap(), "{}").await;
                let outcome = outcome(&again);
                assert!(outcome == "malformed 400" || outcome == "malformed 404", "{dialect:?}: {outcome}");
            }
            assert_eq!(client.get(&url).await["status"], "invalid");
            assert_eq!(client.get(reply.header("location").unwrap()).await["status"], "invalid");
            expect(&client.post(&url, r#"{"status":"deactivated"}"#).await, "malformed 400");
        }
    });
}

/// Bug 2 of Pebble: an order for the last labels of a blocked name broke the connection.
#[test]
fn the_last_labels_of_a_blocked_name_are_a_name() {
    simulated(|world| async move {
        let blocked = vec!["blocked-domain.example".to_owned()];
        let stage = stage_of(&world, DialectName::Pebble, |config| config.blocklist = blocked).await;
        let mut client = stage.client("one").await;
        for (name, wanted) in [
            ("example", "201"),
            ("domain.example", "201"),
            ("xblocked-domain.example", "201"),
            ("blocked-domain.example", "rejectedIdentifier 400"),
            ("a.Blocked-Domain.example", "rejectedIdentifier 400"),
            ("*.blocked-domain.example", "rejectedIdentifier 400"),
        ] {
            assert_eq!(outcome(&client.new_order(&[name]).await), wanted, "{name}");
        }
    });
}

#[test]
fn a_deactivated_authorization_ends_its_order_in_both() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut client = stage.client("one").await;
            let reply = client.new_order(&["example.com", "www.example.com"]).await;
            let (url, order) = client.authorize(&reply).await;
            assert_eq!(order["status"], "ready");
            let authorization = order["authorizations"][1].as_str().unwrap();
            let done = client.post(authorization, r#"{"status":"deactivated"}"#).await;
            assert_eq!(body(&done)["status"], "deactivated");
            assert_eq!(client.get(&url).await["status"], "invalid");
            let csr = client.csr(&["example.com", "www.example.com"]);
            expect(&client.post(order["finalize"].as_str().unwrap(), &csr).await, "orderNotReady 403");
            // It is not used again; the other one is.
            let next = body(&client.new_order(&["example.com", "www.example.com"]).await);
            let urls = next["authorizations"].as_array().unwrap();
            assert!(!urls.contains(&json!(authorization)));
            assert!(urls.contains(&order["authorizations"][0]));
            assert_eq!(next["status"], "pending");
        }
    });
}

/// RFC 8555 section 7.6: its owner, whoever holds authorizations for all its names, its key.
#[test]
fn a_certificate_is_revoked_by_three_kinds_of_people() {
    simulated(|world| async move {
        for dialect in BOTH {
            let stage = stage_of(&world, dialect, |_| {}).await;
            let mut owner = stage.client("one").await;
            let mut holder = stage.client("two").await;
            let names = ["example.com", "www.example.com"];
            let (_, first) = owner.issue(&stage, &names).await;
            expect(&owner.revoke(&first, Some(4)).await, "200");
            expect(&owner.revoke(&first, Some(4)).await, "alreadyRevoked 400");

            let (_, second) = owner.issue(&stage, &names).await;
            holder.issue(&stage, &names[..1]).await;
            expect(&holder.revoke(&second, None).await, "unauthorized 403");
            let reply = holder.new_order(&names[1..]).await;
            holder.authorize(&reply).await;
            expect(&holder.revoke(&second, None).await, "200");

            let (_, third) = owner.issue(&stage, &["example.com"]).await;
            let mut finder = stage.stranger("finder", world::KeyAlgorithm::EcdsaP256);
            expect(&finder.revoke(&third, None).await, "unauthorized 403");
            finder.key = finder.world.keys("certificate").generate(world::KeyAlgorithm::EcdsaP256).unwrap();
            expect(&finder.revoke(&third, None).await, "200");
            let codes: Vec<_> = stage.ca.issued().iter().filter_map(|i| i.revoked.map(|r| r.1)).collect();
            // Who has the key has compromised it, says Boulder.
            assert_eq!(codes, [4, 0, if dialect == DialectName::Pebble { 0 } else { 1 }]);
            assert_eq!(stage.ca.issued().len(), 4);
        }
    });
}
