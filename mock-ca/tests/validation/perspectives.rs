//! Several perspectives: their own names, their own records, and how often each looks.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::CAA;
use mock_ca::Config;
use mock_ca::config::{Perspective, Region};
use mock_ca::db::ChallengeKind::Dns01;
use world::World;

use super::{Shown, boulder, outcome, pebble, stage, validate};
use crate::support::{Answers, Zone, serve_dns, simulated};

/// A primary with everybody's names and two remotes, each with its own nameserver and the given region.
async fn three(world: &World, regions: [Option<Region>; 2]) -> (Vec<Perspective>, [Zone; 2]) {
    let zones: [Zone; 2] = [Arc::default(), Arc::default()];
    let primary = Perspective { name: "primary".to_owned(), ..Perspective::default() };
    let mut list = vec![primary];
    for (n, zone) in zones.iter().enumerate() {
        let ip: IpAddr = world.sim_net().unwrap().addresses("dns")[0];
        let at = serve_dns(&world.process("dns"), ip, zone.clone()).await;
        list.push(Perspective {
            name: format!("remote-{}", n + 1),
            resolvers: vec![at],
            region: regions[n],
            ..Perspective::default()
        });
    }
    (list, zones)
}

const HOST: &str = "_acme-challenge.example.com";

/// What comes of dns-01 when the remotes that are said to see the record do.
fn outcome_of(regions: [Option<Region>; 2], see: [bool; 2], failures: Option<usize>, forbid: bool) -> String {
    let run = simulated(move |world| async move {
        let (perspectives, zones) = three(&world, regions).await;
        let (stage, mut client) = stage(&world, |config| {
            boulder(config);
            config.perspectives = perspectives;
            config.remote_failures_max = failures;
        })
        .await;
        let serve = async |shown: &Shown| {
            let good = Answers::Texts(vec![shown.txt()]);
            stage.name(HOST, good.clone());
            for (zone, sees) in zones.iter().zip(see) {
                let mut zone = zone.lock().unwrap();
                zone.insert(HOST.to_owned(), if sees { good.clone() } else { Answers::Texts(Vec::new()) });
                if forbid {
                    let caa = RData::CAA(CAA::new_issue(false, None, Vec::new()));
                    zone.insert("example.com".to_owned(), Answers::Records(vec![caa]));
                }
            }
        };
        let challenge = validate(&mut client, ("dns", "example.com"), Dns01, serve).await;
        assert_eq!(stage.journaled("validationDone"), 3);
        outcome(&challenge)
    });
    run.value
}

#[test]
fn each_has_names_of_its_own_and_few_may_fail() {
    let absent =
        "unauthorized 403: During secondary validation: No TXT record found at _acme-challenge.example.com";
    for (see, failures, expected) in [
        ([true, true], None, "valid"),
        ([true, false], None, "valid"),
        ([false, false], None, absent),
        ([true, false], Some(0), absent),
        ([false, false], Some(2), "valid"),
    ] {
        assert_eq!(outcome_of([None, None], see, failures, false), expected, "{see:?} {failures:?}");
    }
}

#[test]
fn those_that_pass_must_not_all_be_in_one_region() {
    let regions = [Some(Region::Arin), Some(Region::Ripe)];
    assert_eq!(outcome_of(regions, [true, true], None, false), "valid");
    let got = outcome_of(regions, [true, false], None, false);
    assert!(got.starts_with("unauthorized 403: During secondary validation: No TXT record found"), "{got}");
}

#[test]
fn each_looks_at_caa() {
    let got = outcome_of([None, None], [true, true], None, true);
    assert_eq!(got, "caa 403: During secondary validation: CAA record for example.com prevents issuance");
}

/// Pebble looks three times from one place, and all three must pass.
#[test]
fn attempts_of_one_perspective() {
    fn once(config: &mut Config) {
        pebble(config);
        config.validation_attempts = NonZeroUsize::new(1);
        config.perspectives.clear();
    }
    fn as_pebble(config: &mut Config) {
        pebble(config);
        config.validation_attempts = None;
    }
    for (change, attempts) in [(as_pebble as fn(&mut Config), 3), (pebble, 1), (boulder, 1), (once, 1)] {
        simulated(move |world| async move {
            let (stage, mut client) = stage(&world, change).await;
            let serve = async |shown: &Shown| stage.name(HOST, Answers::Texts(vec![shown.txt()]));
            assert_eq!(outcome(&validate(&mut client, ("dns", "example.com"), Dns01, serve).await), "valid");
            assert_eq!(stage.journaled("validationDone"), attempts);
        });
    }
}

/// A perspective whose host goes down does not report, and that is a failure.
#[test]
fn a_perspective_that_crashes() {
    for (crashed, expected) in [
        ("primary", "serverInternal 500: Secondary validation RPC failed"),
        ("remote-1", "serverInternal 500: During secondary validation: Secondary validation RPC failed"),
    ] {
        let got = simulated(move |world| async move {
            let (perspectives, zones) = three(&world, [None, None]).await;
            let (stage, mut client) = stage(&world, |config| {
                boulder(config);
                config.perspectives = perspectives;
                config.remote_failures_max = Some(0);
            })
            .await;
            for name in [HOST, "example.com"] {
                stage.name(name, Answers::Silence);
                zones
                    .iter()
                    .for_each(|zone| drop(zone.lock().unwrap().insert(name.to_owned(), Answers::Silence)));
            }
            let down = world.clone();
            world.spawn("fault", async move {
                down.sleep(std::time::Duration::from_secs(1)).await;
                down.crash(crashed);
            });
            let zones = zones.clone();
            let serve = async |shown: &Shown| {
                let good = Answers::Texts(vec![shown.txt()]);
                if crashed != "primary" {
                    stage.name(HOST, good.clone());
                    stage.name("example.com", Answers::Records(Vec::new()));
                    zones[1].lock().unwrap().insert(HOST.to_owned(), good);
                    zones[1].lock().unwrap().insert("example.com".to_owned(), Answers::Records(Vec::new()));
                }
            };
            outcome(&validate(&mut client, ("dns", "example.com"), Dns01, serve).await)
        });
        assert_eq!(got.value, expected);
    }
}
