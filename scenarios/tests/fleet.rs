//! A fleet and the whole engine come to the same: at fifty certificates what `fleet` says is what a run of the engine, the
//! CA and the cluster gives, certificate by certificate.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use fleet::What;
use fleet::plan::{Certificate, Lifetime, Outage, OutageKind, Plan, Window};
use mock_ca::journal::Event;
use scenarios::runner::{self, Options};
use world::Timestamp;

const FLEET: usize = 50;
const LIFETIME: Duration = Duration::from_secs(48 * 3600);
const LASTS: Duration = Duration::from_secs(70 * 3600);

/// What happens to a certificate, in words that both have.
type Happenings = BTreeMap<String, Vec<(&'static str, Timestamp)>>;

/// By the whole engine: what the CA's journal has.
fn by_the_engine(set: &[String]) -> Happenings {
    let loaded = scenarios::fleet::new(FLEET).unwrap();
    let start = loaded.scenario.clock.start;
    let until = start + LASTS;
    let mut overrides = vec![
        format!("until={until}"),
        "ca.config.validity=48h".to_owned(),
        "ca.config.limits.preset=letsencrypt-prod".to_owned(),
        "ca.config.limits.jitter=false".to_owned(),
    ];
    overrides.extend_from_slice(set);
    let remains = runner::remains(&loaded, &Options { overrides, ..Options::default() }).unwrap();
    let mut happenings = Happenings::new();
    for entry in remains.ca.unwrap().journal().entries() {
        let (names, what) = match &entry.event {
            Event::Issued { names, .. } => (names.clone(), "issued"),
            Event::Request {
                endpoint: Some(mock_ca::dialect::Endpoint::NewOrder),
                identifiers,
                status,
                ..
            } => (identifiers.clone(), if *status == 201 { "ordered" } else { "refused" }),
            _ => continue,
        };
        happenings.entry(names.join(",")).or_default().push((what, entry.at));
    }
    happenings
}

/// By the fleet.
fn by_the_fleet(change: impl FnOnce(&mut Plan)) -> Happenings {
    let loaded = scenarios::fleet::new(FLEET).unwrap();
    let from = loaded.scenario.clock.start;
    let mut plan = Plan { window: Window { from, until: from + LASTS }, events: true, ..Plan::default() };
    let certificate =
        |n: usize| Certificate { name: format!("c{n:06}.example.com"), ..Certificate::default() };
    plan.certificates.list = (0..FLEET).map(certificate).collect();
    plan.ca.lifetimes = vec![Lifetime { from: None, lifetime: LIFETIME, authorizations: None }];
    plan.ca.new_accounts = true;
    change(&mut plan);
    let mut happenings = Happenings::new();
    for event in fleet::run(&plan).unwrap().events {
        let what = match event.what {
            What::Issued { .. } => "issued",
            What::Ordered => "ordered",
            What::Refused { .. } | What::Unavailable => "refused",
            _ => continue,
        };
        happenings.entry(event.certificate.to_string()).or_default().push((what, event.at));
    }
    happenings
}

fn alike(engine: &Happenings, fleet: &Happenings) {
    assert_eq!(engine.keys().collect::<Vec<_>>(), fleet.keys().collect::<Vec<_>>());
    for (name, here) in engine {
        let there = &fleet[name];
        let words = |all: &[(&'static str, Timestamp)]| all.iter().map(|(what, _)| *what).collect::<Vec<_>>();
        assert_eq!(words(here), words(there), "{name}");
        for ((what, at), (_, fleet_at)) in here.iter().zip(there) {
            // The engine has fifty at once to do, at twenty calls a second.
            let apart = at.since(*fleet_at).max(fleet_at.since(*at));
            assert!(apart < Duration::from_secs(600), "{name} {what}: {at} and {fleet_at}");
        }
    }
}

#[test]
fn fifty_certificates_are_issued_and_renewed_as_by_the_whole_engine() {
    let (engine, fleet) = (by_the_engine(&[]), by_the_fleet(|_| {}));
    let issued = |all: &Happenings| all.values().flatten().filter(|(what, _)| *what == "issued").count();
    assert_eq!(
        (issued(&engine), issued(&fleet)),
        (3 * FLEET, 3 * FLEET),
        "at the start, after 31 and after 62 hours"
    );
    alike(&engine, &fleet);
}

/// The CA is away when all of them are due. Each order is tried again by the same back-off, and comes through in the same
/// try.
#[test]
fn an_outage_over_the_renewal_is_got_over_as_by_the_whole_engine() {
    let engine = by_the_engine(&["ca.config.faults=['*@30h..33h=503']".to_owned()]);
    let fleet = by_the_fleet(|plan| {
        let hours = |n: u64| plan.window.from + Duration::from_secs(n * 3600);
        plan.outages = vec![Outage { from: hours(30), until: hours(33), kind: OutageKind::Unavailable }];
    });
    let count =
        |all: &Happenings, word: &str| all.values().flatten().filter(|(what, _)| *what == word).count();
    assert!(count(&fleet, "refused") > FLEET, "more than one try each");
    // What the engine asks for first, a nonce, is refused already: of its tries the journal has no order.
    let without_refusals = |mut all: Happenings| {
        all.values_mut().for_each(|happenings| happenings.retain(|(what, _)| *what != "refused"));
        all
    };
    alike(&without_refusals(engine), &without_refusals(fleet));
}
