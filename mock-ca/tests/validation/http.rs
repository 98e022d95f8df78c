//! http-01: addresses, and what Pebble allows.

use mock_ca::Config;
use mock_ca::db::ChallengeKind::Http01;
use serde_json::Value;
use world::tls::Acceptor;
use world::{KeyAlgorithm, World};

use super::{Shown, boulder, outcome, pebble, stage, validate};
use crate::support::{Page, simulated};

#[test]
fn an_address_is_fetched_from_itself_without_a_look_at_names() {
    simulated(|world| async move {
        let (stage, mut client) = stage(&world, pebble).await;
        let serve =
            async |shown: &Shown| stage.page(&shown.path(), Page::Text(shown.key_authorization.clone()));
        assert_eq!(outcome(&validate(&mut client, ("ip", "10.0.0.80"), Http01, serve).await), "valid");
        assert_eq!(stage.journaled("dnsQuery"), 0);
        let serve = async |_: &Shown| {};
        let got = outcome(&validate(&mut client, ("ip", "2001:db8::7"), Http01, serve).await);
        assert!(got.starts_with("connection 400: 2001:db8::7: Fetching http://[2001:db8::7]:"), "{got}");
    });
}

fn redirected(dialect: fn(&mut Config), hops: usize, status: u16, last: &'static str) -> String {
    let run = simulated(move |world| async move {
        let (stage, mut client) = stage(&world, dialect).await;
        world.sim_net().unwrap().add_host("other", ["10.0.0.81".parse().unwrap()]);
        stage.serve_443(Some(self_signed(&world))).await;
        let at = stage.site.to_string();
        let serve = async |shown: &Shown| {
            let mut path = shown.path();
            for hop in 1..hops {
                stage.page(&path, Page::Redirect(status, format!("/hop/{hop}")));
                path = format!("/hop/{hop}");
            }
            stage.page(&path, Page::Redirect(status, last.replace("SITE", &at)));
            stage.page("/end", Page::Text(shown.key_authorization.clone()));
        };
        let challenge: Value = validate(&mut client, ("dns", "example.com"), Http01, serve).await;
        outcome(&challenge).replace(&stage.site.port().to_string(), "PORT")
    });
    run.value
}

fn self_signed(world: &World) -> Acceptor {
    let key = world.keys("site").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Acceptor::new(&world.process("site"), vec![der], &key).unwrap()
}

#[test]
fn pebble_follows_anywhere_and_boulder_to_public_names() {
    for (hops, status, last, pebbles, boulders) in [
        (
            1,
            302,
            "http://SITE/end",
            "valid",
            "connection 400: 10.0.0.80: Fetching http://10.0.0.80:PORT/end: Invalid host in redirect target \"10.0.0.80\". Only domain names are supported, not IP addresses",
        ),
        (1, 303, "/end", "valid", "connection 400: 10.0.0.80: Fetching http://example.com:PORT/.well-known/"),
        (
            1,
            308,
            "https://10.0.0.80/end",
            "valid",
            "connection 400: 10.0.0.80: Fetching https://10.0.0.80/end: Invalid host",
        ),
        (10, 301, "/end", "valid", "valid"),
        (
            11,
            301,
            "/end",
            "connection 400: 10.0.0.80: Fetching http://example.com:PORT/hop/10: Too many redirects",
            "connection 400: 10.0.0.80: Fetching http://example.com:PORT/hop/10: Too many redirects",
        ),
        (
            2,
            301,
            "/hop/1",
            "connection 400: 10.0.0.80: Fetching http://example.com:PORT/hop/1: Too many redirects",
            "connection 400: 10.0.0.80: Fetching /hop/1: Redirect loop detected",
        ),
        (
            1,
            301,
            "ftp://example.com/end",
            "connection 400: 10.0.0.80: Fetching ftp://example.com/end: Invalid protocol scheme",
            "connection 400: 10.0.0.80: Fetching ftp://example.com/end: Invalid protocol scheme",
        ),
        (
            1,
            301,
            "http://www.example.com:8080/end",
            "connection 400: 10.0.0.80: Fetching http://www.example.com:8080/end: Connection refused",
            "connection 400: 10.0.0.80: Fetching http://www.example.com:8080/end: Invalid port in redirect target",
        ),
        (
            1,
            301,
            "http://www.example.com/end",
            "connection 400: 10.0.0.80: Fetching http://www.example.com/end: Connection refused",
            "valid",
        ),
    ] {
        for (dialect, expected) in [(pebble as fn(&mut Config), pebbles), (boulder, boulders)] {
            let got = redirected(dialect, hops, status, last);
            assert!(got.starts_with(expected), "{last}: {got}");
        }
    }
}

#[test]
fn bodies_are_trimmed_and_bounded_as_each_server_does() {
    for (before, after, pebbles, boulders) in [
        ("", "\r\n\t\n", true, true),
        ("", " \n", false, true),
        ("\n", "", false, false),
        (
            "",
            "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n",
            true,
            false,
        ),
        ("", "x", false, false),
    ] {
        for (dialect, expected) in [(pebble as fn(&mut Config), pebbles), (boulder, boulders)] {
            let got = simulated(move |world| async move {
                let (stage, mut client) = stage(&world, dialect).await;
                let serve = async |shown: &Shown| {
                    stage.page(
                        &shown.path(),
                        Page::Text(format!("{before}{}{after}", shown.key_authorization)),
                    );
                };
                outcome(&validate(&mut client, ("dns", "example.com"), Http01, serve).await)
            });
            assert_eq!(got.value == "valid", expected, "{before:?} {after:?}: {}", got.value);
            assert!(expected || got.value.starts_with("unauthorized 403: 10.0.0.80: "), "{}", got.value);
        }
    }
}

/// The limits of a perspective: 15 s in Pebble, 20 s in Boulder.
#[test]
fn a_server_that_hangs() {
    for (dialect, seconds) in [(pebble as fn(&mut Config), 15), (boulder, 20)] {
        simulated(move |world| async move {
            let (stage, mut client) = stage(&world, dialect).await;
            let started = world.monotonic();
            let serve = async |shown: &Shown| stage.page(&shown.path(), Page::Hang);
            let got = outcome(&validate(&mut client, ("dns", "example.com"), Http01, serve).await);
            assert!(got.ends_with("Timeout after connect (your server may be slow or overloaded)"), "{got}");
            let took = world.monotonic().since(started).as_secs_f64();
            assert!((f64::from(seconds)..f64::from(seconds) + 0.5).contains(&took), "{took}");
        });
    }
}
