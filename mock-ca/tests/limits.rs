//! Let's Encrypt's rate limits from the outside: what a client meets, and when it may go on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::support::both::*;
use crate::support::{Acme, Stage, body, simulated, text};
use http::Method;
use mock_ca::dialect::{DialectName, Endpoint as E};
use mock_ca::limits::{EndpointClass, ExemptionRule, LimitName, LimitsConfig, Preset, Quota, TextVersion};
use serde_json::json;
use world::KeyAlgorithm::EcdsaP256;
use world::World;
use world::http::Response;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LIMITED: &str = "rateLimited 429";

/// Boulder with these limits and without those of its load balancer.
async fn stage(world: &World, preset: Preset, change: impl FnOnce(&mut LimitsConfig)) -> Stage {
    stage_of(world, DialectName::Boulder, |config| {
        let requests = EndpointClass::ALL.into_iter().map(|class| (class, None)).collect();
        config.limits = LimitsConfig { preset, requests, jitter: false, ..LimitsConfig::default() };
        change(&mut config.limits);
    })
    .await
}

/// A refusal with all that belongs to it; the seconds that it bids to wait.
#[track_caller]
fn refused(reply: &Response, phrase: &str, anchor: &str) -> u64 {
    expect(reply, LIMITED);
    let detail = detail(reply);
    assert!(detail.contains(phrase), "{detail}");
    let page = format!(": see https://letsencrypt.org/docs/rate-limits/#{anchor}");
    assert!(detail.ends_with(&page), "{detail}");
    let help = "<https://letsencrypt.org/docs/rate-limits>;rel=\"help\"".to_owned();
    assert!(links(reply).contains(&help), "{:?}", links(reply));
    assert!(reply.header("replay-nonce").is_some());
    reply.header("retry-after").unwrap().parse().unwrap()
}

/// The moment that a refusal names.
fn named(reply: &Response) -> String {
    let detail = detail(reply);
    let (_, rest) = detail.split_once("retry after ").unwrap();
    rest.split(" UTC").next().unwrap().to_owned()
}

/// An order whose challenge fails.
async fn fail(client: &mut Acme, name: &str) -> Response {
    let reply = client.new_order(&[name]).await;
    if reply.status == 201 {
        let url = body(&reply)["authorizations"][0].as_str().unwrap().to_owned();
        let challenge = client.challenge(&url, "http-01").await;
        client.post(challenge["url"].as_str().unwrap(), "{}").await;
        assert_eq!(client.wait(&url).await["status"], "invalid");
    }
    reply
}

const DUPLICATES: &str = "new-certificates-per-exact-set-of-identifiers";

#[test]
fn five_duplicates_and_after_33_hours_and_36_minutes_one_more() {
    simulated(|world| async move {
        let stage = stage(&world, Preset::LetsencryptProd, |_| {}).await;
        let mut client = stage.client("one").await;
        let names = ["example.com", "www.example.com"];
        let began = world.now();
        for _ in 0..5 {
            client.issue(&stage, &names).await;
        }
        let sixth = client.new_order(&names).await;
        let phrase = "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after 2022-05-08 23:15:";
        let wait = refused(&sixth, phrase, DUPLICATES);
        let passed = world.now().since(began).as_secs();
        assert!(wait <= 120_960 && wait + passed + 1 >= 120_960, "{wait} {passed}");
        // Asking again and again does not make it longer.
        for _ in 0..20 {
            let again = client.new_order(&names).await;
            assert_eq!(named(&again), named(&sixth));
        }
        // It is the set that counts, whoever asks; another set of the same domain is free.
        let mut other = stage.client("two").await;
        refused(&other.new_order(&["www.example.com", "EXAMPLE.com"]).await, "(5)", DUPLICATES);
        expect(&client.new_order(&names[..1]).await, "201");
        world.sleep(Duration::from_secs(wait + 1)).await;
        client.issue(&stage, &names).await;
        refused(&client.new_order(&names).await, "(5)", DUPLICATES);
        assert_eq!(stage.ca.issued().len(), 6);
    });
}

#[test]
fn the_51st_certificate_of_a_registered_domain() {
    simulated(|world| async move {
        let stage = stage(&world, Preset::LetsencryptProd, |_| {}).await;
        let mut client = stage.client("one").await;
        for n in 0..50 {
            client.issue(&stage, &[&format!("n{n}.example.co.uk")]).await;
        }
        let more = client.new_order(&["more.example.co.uk"]).await;
        let phrase = "too many certificates (50) already issued for \"example.co.uk\" in the last 168h0m0s";
        let wait = refused(&more, phrase, "new-certificates-per-registered-domain");
        assert!(wait <= 12_096, "{wait}");
        // A renewal of the same identifiers is not counted; another registered domain is another bucket.
        client.issue(&stage, &["n0.example.co.uk"]).await;
        expect(&client.new_order(&["more.other.co.uk"]).await, "201");
        world.sleep(Duration::from_secs(wait + 1)).await;
        client.issue(&stage, &["more.example.co.uk"]).await;
        expect(&client.new_order(&["yet.more.example.co.uk"]).await, LIMITED);
    });
}

#[test]
fn five_failures_and_after_twelve_minutes_a_success() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Boulder, |config| {
            let requests = EndpointClass::ALL.into_iter().map(|class| (class, None)).collect();
            let preset = Preset::LetsencryptProd;
            config.limits = LimitsConfig { preset, requests, jitter: false, ..LimitsConfig::default() };
            config.always_valid = false;
        })
        .await;
        let mut client = stage.client("one").await;
        for _ in 0..5 {
            expect(&fail(&mut client, "example.com").await, "201");
        }
        let sixth = fail(&mut client, "example.com").await;
        let phrase = "too many failed authorizations (5) for \"example.com\" in the last 1h0m0s";
        let anchor = "authorization-failures-per-identifier-per-account";
        let wait = refused(&sixth, phrase, anchor);
        assert!(wait <= 720, "{wait}");
        // With another name beside it, the order is refused too; the other name alone and another account are not.
        expect(&client.new_order(&["example.com", "www.example.com"]).await, LIMITED);
        expect(&client.new_order(&["www.example.com"]).await, "201");
        expect(&stage.client("two").await.new_order(&["example.com"]).await, "201");
        world.sleep(Duration::from_secs(wait + 1)).await;
        let (_, order) = client.ready_order(&stage, &["example.com"]).await;
        assert_eq!(order["status"], "ready");
    });
}

#[test]
fn a_pending_authorization_that_is_given_up_is_a_failure() {
    simulated(|world| async move {
        let stage = stage(&world, Preset::LetsencryptProd, |_| {}).await;
        let mut client = stage.client("one").await;
        for _ in 0..5 {
            let order = body(&client.new_order(&["example.com"]).await);
            let url = order["authorizations"][0].as_str().unwrap();
            expect(&client.post(url, r#"{"status":"deactivated"}"#).await, "200");
        }
        expect(&client.new_order(&["example.com"]).await, LIMITED);
    });
}

#[test]
fn an_account_is_paused_until_somebody_visits_the_page() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Boulder, |config| {
            config.limits.jitter = false;
            let quota = Quota::per(1, DAY).with_burst(3);
            let name = LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount;
            config.limits.limits = [(name, Some(quota))].into();
            config.always_valid = false;
        })
        .await;
        let mut client = stage.client("one").await;
        for _ in 0..4 {
            expect(&fail(&mut client, "example.com").await, "201");
        }
        let paused = client.new_order(&["example.com", "www.example.com"]).await;
        expect(&paused, LIMITED);
        assert_eq!(paused.header("retry-after"), None);
        let told = detail(&paused);
        assert!(told.contains("example.com") && told.contains("and possibly others"), "{told}");
        let (_, token) = told.split_once("?jwt=").unwrap();
        let end = token.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let token = token[..end.unwrap_or(token.len())].trim_end_matches('.').to_owned();
        // Others may, and it may order other names. No time ends it.
        expect(&client.new_order(&["www.example.com"]).await, "201");
        expect(&stage.client("two").await.new_order(&["example.com"]).await, "201");
        world.sleep(3 * DAY).await;
        expect(&client.new_order(&["example.com"]).await, LIMITED);
        assert!(stage.ca.unpause_by_token("x.y.z").is_err());
        assert_eq!(stage.ca.unpause_by_token(&token).unwrap().count, 1);
        let (_, order) = client.ready_order(&stage, &["example.com"]).await;
        assert_eq!(order["status"], "ready");
    });
}

#[test]
fn accounts_from_one_address() {
    simulated(|world| async move {
        for (preset, count, refill) in
            [(Preset::LetsencryptProd, 10, 1080), (Preset::LetsencryptStaging, 50, 216)]
        {
            let stage = stage(&world, preset, |_| {}).await;
            let agreed = json!({ "termsOfServiceAgreed": true });
            for n in 0..count {
                let mut client = stage.stranger(&format!("{n}"), EcdsaP256);
                expect(&client.new_account(agreed.clone()).await, "201");
            }
            let mut client = stage.stranger("last", EcdsaP256);
            let reply = client.new_account(agreed.clone()).await;
            let phrase =
                format!("too many new registrations ({count}) from this IP address in the last 3h0m0s");
            let wait = refused(&reply, &phrase, "new-registrations-per-ip-address");
            assert!(wait <= refill, "{wait}");
            // Who has an account is found, and is not counted.
            let mut known = stage.stranger("0", EcdsaP256);
            expect(&known.new_account(agreed.clone()).await, "200");
            world.sleep(Duration::from_secs(wait + 1)).await;
            expect(&client.new_account(agreed).await, "201");
        }
    });
}

#[test]
fn the_load_balancer_is_busy() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Boulder, |config| {
            config.limits = LimitsConfig { preset: Preset::LetsencryptProd, ..LimitsConfig::default() };
        })
        .await;
        let client = stage.stranger("one", EcdsaP256);
        let url = client.resource(E::NewNonce);
        let mut busy = None;
        for n in 0..200 {
            let reply = client.fetch(Method::GET, &url).await;
            if reply.status != 204 {
                assert!(n >= 10, "{n}: ten at once are good");
                busy = Some(reply);
                break;
            }
        }
        let busy = busy.expect("two hundred nonces in a moment are too many");
        assert_eq!(busy.status, 503);
        assert!(text(&busy).contains("rateLimited"), "{}", text(&busy));
        let wait: u64 = busy.header("retry-after").unwrap().parse().unwrap();
        assert!(wait >= 1);
        // The directory has a bucket of its own.
        assert_eq!(client.fetch(Method::GET, &stage.ca.directory_url()).await.status, 200);
        world.sleep(Duration::from_secs(wait)).await;
        assert_eq!(client.fetch(Method::GET, &url).await.status, 204);
    });
}

#[test]
fn a_renewal_by_replaces_is_exempt_by_two_rules() {
    simulated(|world| async move {
        for (rule, outside) in [(ExemptionRule::Docs, "201"), (ExemptionRule::Code, LIMITED)] {
            let stage = stage_of(&world, DialectName::Boulder, |config| {
                let requests = EndpointClass::ALL.into_iter().map(|class| (class, None)).collect();
                let preset = Preset::LetsencryptProd;
                config.limits = LimitsConfig {
                    preset,
                    requests,
                    jitter: false,
                    exemption: rule,
                    ..LimitsConfig::default()
                };
                config.validity = 6 * DAY;
            })
            .await;
            let mut client = stage.client("one").await;
            let names = ["example.com"];
            let (_, first) = client.issue(&stage, &names).await;
            let (_, second) = client.issue(&stage, &names).await;
            for _ in 0..3 {
                client.issue(&stage, &names).await;
            }
            expect(&client.new_order(&names).await, LIMITED);
            let replaces = |issued| json!({ "replaces": certificate_id(issued) });
            // Long before the window of a six-day certificate, which is around its third day.
            expect(&client.order_with(&names, replaces(&first)).await, outside);
            let middle = second.not_after - 3 * DAY;
            world.sleep(middle.since(world.now())).await;
            while client.new_order(&names).await.status == 201 {
                client.issue(&stage, &names).await;
            }
            let reply = client.order_with(&names, replaces(&second)).await;
            expect(&reply, "201");
            client.finish(&stage, &reply).await;
            // It has cost what an issuance of this set costs: nothing is left for others still.
            expect(&client.new_order(&names).await, LIMITED);
        }
    });
}

#[test]
fn what_is_refused_costs_nothing_and_what_fails_is_given_back() {
    simulated(|world| async move {
        let stage = stage_of(&world, DialectName::Boulder, |config| {
            config.limits.jitter = false;
            config.limits.limits = [
                (LimitName::NewOrdersPerAccount, Some(Quota::per(3, 3 * HOUR))),
                (LimitName::NewCertificatesPerRegisteredDomain, Some(Quota::per(1, 7 * DAY))),
            ]
            .into();
            config.names_max = 2;
        })
        .await;
        let mut client = stage.client("one").await;
        client.issue(&stage, &["a.example.com"]).await;
        for _ in 0..5 {
            let refused = client.new_order(&["b.example.com"]).await;
            assert!(detail(&refused).contains("\"example.com\""), "{}", text(&refused));
            // A name that is no name, and more names than there may be.
            expect(&client.new_order(&["b_c.net"]).await, "rejectedIdentifier 400");
            expect(&client.new_order(&["b.net", "c.net", "d.net"]).await, "malformed 400");
        }
        expect(&client.new_order(&["b.net"]).await, "201");
        expect(&client.new_order(&["c.net"]).await, "201");
        let last = client.new_order(&["d.net"]).await;
        let wait = refused(
            &last,
            "too many new orders (3) from this account in the last 3h0m0s",
            "new-orders-per-account",
        );
        // A renewal of the same set is no new order. An open order that is given again is one.
        client.issue(&stage, &["a.example.com"]).await;
        expect(&client.new_order(&["c.net"]).await, LIMITED);
        world.sleep(Duration::from_secs(wait + 1)).await;
        expect(&client.new_order(&["c.net"]).await, "201");
        expect(&client.new_order(&["d.net"]).await, LIMITED);
    });
}

#[test]
fn staging_lets_duplicates_through() {
    simulated(|world| async move {
        let stage = stage(&world, Preset::LetsencryptStaging, |_| {}).await;
        let mut client = stage.client("one").await;
        for _ in 0..7 {
            client.issue(&stage, &["example.com"]).await;
        }
        assert_eq!(stage.ca.issued().len(), 7);
    });
}

#[test]
fn the_words_of_2021() {
    simulated(|world| async move {
        let stage = stage(&world, Preset::LetsencryptProd, |limits| limits.text = TextVersion::V2021).await;
        let mut client = stage.client("one").await;
        for _ in 0..5 {
            client.issue(&stage, &["example.com", "www.example.com"]).await;
        }
        let reply = client.new_order(&["example.com", "www.example.com"]).await;
        expect(&reply, LIMITED);
        let told = detail(&reply);
        assert!(
            told.starts_with("Error creating new order :: too many certificates (5) already issued for this exact set of domains in the last 168 hours: example.com,www.example.com"),
            "{told}"
        );
        assert!(told.ends_with("see https://letsencrypt.org/docs/duplicate-certificate-limit/"), "{told}");
    });
}
