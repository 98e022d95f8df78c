//! dns-01, dns-account-01, dns-persist-01, and how names are looked up.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::TXT;
use mock_ca::Config;
use mock_ca::db::ChallengeKind::{self, Dns01, DnsAccount01, DnsPersist01};
use mock_ca::va::dns01::account_label;

use super::{Shown, boulder, outcome, pebble, stage, validate};
use crate::support::{Answers, Stage, simulated};

fn host(kind: ChallengeKind, shown: &Shown) -> String {
    match kind {
        DnsAccount01 => format!("{}._acme-challenge.example.com", account_label(&shown.account_url)),
        DnsPersist01 => "_validation-persist.example.com".to_owned(),
        _ => "_acme-challenge.example.com".to_owned(),
    }
}

/// What comes of a challenge of `name` when its TXT name has what `zone` makes of the good text.
fn outcome_of(
    dialect: fn(&mut Config),
    name: &'static str,
    kind: ChallengeKind,
    zone: impl FnOnce(&str, String) -> Option<Answers> + Send + 'static,
) -> String {
    let run = simulated(move |world| async move {
        let (stage, mut client) = stage(&world, dialect).await;
        let serve = async |shown: &Shown| {
            let good = match kind {
                DnsPersist01 => format!(
                    "{}; accounturi={}; policy=wildcard",
                    stage.ca.config().caa_identities[0],
                    shown.account_url
                ),
                _ => shown.txt(),
            };
            let host = host(kind, shown);
            if let Some(answers) = zone(&host, good) {
                stage.name(&host, answers);
            }
        };
        let label = account_label(client.kid.as_ref().unwrap());
        let challenge = validate(&mut client, ("dns", name), kind, serve).await;
        outcome(&challenge).replace(&label, "_LABEL")
    });
    run.value
}

const KINDS: [(ChallengeKind, &str); 3] = [
    (Dns01, "_acme-challenge.example.com"),
    (DnsAccount01, "_LABEL._acme-challenge.example.com"),
    (DnsPersist01, "_validation-persist.example.com"),
];

#[test]
fn the_right_record_among_others_is_enough_for_names_and_wildcards() {
    for dialect in [boulder as fn(&mut Config), pebble] {
        for (kind, _) in KINDS {
            for name in ["example.com", "*.example.com"] {
                let zone = |_: &str, good| Some(Answers::Texts(vec!["other".into(), good]));
                assert_eq!(outcome_of(dialect, name, kind, zone), "valid", "{kind:?} {name}");
            }
        }
    }
}

#[test]
fn every_failure() {
    type Zone = fn(&str, String) -> Option<Answers>;
    let table: [(Zone, bool, &str); 7] = [
        (|_, _| Some(Answers::Texts(vec![])), false, "No TXT record found at HOST"),
        (
            |_, _| Some(Answers::Texts(vec!["old".into()])),
            false,
            "Incorrect TXT record \"old\" found at HOST",
        ),
        (
            |_, good| Some(Answers::Texts(vec!["old".into(), format!("x{good}")])),
            false,
            "Incorrect TXT record \"old\" (and 1 more) found at HOST",
        ),
        (
            |_, _| None,
            true,
            "DNS problem: NXDOMAIN looking up TXT for HOST - check that a DNS record exists for this domain",
        ),
        (
            |_, _| Some(Answers::Failure(ResponseCode::ServFail)),
            true,
            "DNS problem: SERVFAIL looking up TXT for HOST - the domain's nameservers may be malfunctioning",
        ),
        (
            |_, _| Some(Answers::Failure(ResponseCode::Refused)),
            true,
            "DNS problem: REFUSED looking up TXT for HOST",
        ),
        (|_, _| Some(Answers::Silence), true, "DNS problem: query timed out looking up TXT for HOST"),
    ];
    for (zone, lookup, text) in table {
        for (kind, host) in KINDS {
            for (dialect, boulders) in [(boulder as fn(&mut Config), true), (pebble, false)] {
                let kind_of_problem = if lookup && boulders { "dns 400" } else { "unauthorized 403" };
                let expected = format!("{kind_of_problem}: {}", text.replace("HOST", host));
                assert_eq!(outcome_of(dialect, "example.com", kind, zone), expected);
            }
        }
    }
}

#[test]
fn aliases_are_followed_and_do_not_go_round() {
    simulated(|world| async move {
        let (stage, mut client) = stage(&world, boulder).await;
        let serve = async |shown: &Shown| {
            stage.name("_acme-challenge.example.com", Answers::Alias("a.example.org.".into()));
            stage.name("a.example.org", Answers::Alias("b.example.org.".into()));
            stage.name("b.example.org", Answers::Texts(vec![shown.txt()]));
        };
        assert_eq!(outcome(&validate(&mut client, ("dns", "example.com"), Dns01, serve).await), "valid");
        let serve = async |_: &Shown| {
            stage.name(
                "_acme-challenge.www.example.com",
                Answers::Alias("_acme-challenge.www.example.com.".into()),
            );
        };
        let expected =
            "dns 400: DNS problem: too many aliases looking up TXT for _acme-challenge.www.example.com";
        assert_eq!(outcome(&validate(&mut client, ("dns", "www.example.com"), Dns01, serve).await), expected);
    });
}

async fn a_cut_answer(world: world::World) {
    let (stage, mut client) = stage(&world, boulder).await;
    let serve = async |shown: &Shown| {
        let good = RData::TXT(TXT::new(vec![shown.txt()]));
        let other = RData::TXT(TXT::new(vec!["x".repeat(255)]));
        let long = [vec![other; 8], vec![good]].concat();
        stage.name("_acme-challenge.example.com", Answers::Long(long));
    };
    assert_eq!(outcome(&validate(&mut client, ("dns", "example.com"), Dns01, serve).await), "valid");
}

#[test]
fn a_cut_answer_is_asked_for_over_tcp() {
    simulated(a_cut_answer);
    world::real::run(Some(1), a_cut_answer).unwrap();
}

/// Twice 5 s for each of the two servers, when both are silent; one that answers late is asked again.
#[test]
fn a_silent_nameserver_is_passed_over() {
    simulated(|world| async move {
        let silent = world.process("dns").bind_datagrams("10.0.0.53:99".parse().unwrap()).await.unwrap();
        let dead = silent.local_addr();
        let (stage, mut client) = stage(&world, |config| {
            boulder(config);
            config.resolvers.insert(0, dead);
        })
        .await;
        let started = world.monotonic();
        let serve = async |shown: &Shown| {
            stage.name("_acme-challenge.example.com", Answers::Texts(vec![shown.txt()]));
        };
        assert_eq!(outcome(&validate(&mut client, ("dns", "example.com"), Dns01, serve).await), "valid");
        let took = world.monotonic().since(started);
        assert!((5..6).contains(&took.as_secs()), "{took:?}");
        assert_eq!(stage.journaled("dnsQuery"), 3, "CAA of example.com and of com, and TXT");
        drop(silent);
    });
}

/// Boulder and Pebble give up differently early.
#[test]
fn nobody_answers() {
    let times = [boulder as fn(&mut Config), pebble].map(|dialect| {
        simulated(move |world| async move {
            let (stage, mut client) = stage(&world, dialect).await;
            stage.name("example.com", Answers::Silence);
            let started = world.monotonic();
            let serve = async |_: &Shown| {};
            let got =
                outcome(&validate(&mut client, ("dns", "example.com"), ChallengeKind::Http01, serve).await);
            assert!(
                got.ends_with(
                    "DNS problem: query timed out looking up A for example.com; \
                 DNS problem: query timed out looking up AAAA for example.com"
                ),
                "{got}"
            );
            world.monotonic().since(started)
        })
        .value
    });
    assert!(times.iter().all(|time| (10..11).contains(&time.as_secs())), "{times:?}");
}

#[test]
fn two_runs_are_the_same_to_the_byte() {
    let run = || {
        simulated(|world| async move {
            let (stage, mut client): (Stage, _) = stage(&world, boulder).await;
            for (kind, name) in [(Dns01, "example.com"), (DnsAccount01, "www.example.com")] {
                let serve = async |shown: &Shown| {
                    let host = host(kind, shown).replace("example.com", name);
                    stage.name(&host, Answers::Texts(vec![shown.txt()]));
                };
                let challenge = validate(&mut client, ("dns", name), kind, serve).await;
                assert_eq!(outcome(&challenge), "valid");
                world.sleep(Duration::from_secs(1)).await;
            }
        })
    };
    assert_eq!(run().trace.fingerprint(), run().trace.fingerprint());
}
