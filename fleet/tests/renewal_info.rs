//! Renewal by the CA's suggestion (RFC 9773).

use std::time::Duration;

use fleet::plan::{Distribution, OutageKind, Plan};
use fleet::{Outcome, What};
use mock_ca::limits::LimitName;
use serde_json::json;

use crate::common::{DAY, HOUR, issued, outage, run, times, with, year};

const SET: LimitName = LimitName::NewCertificatesPerExactSetOfIdentifiers;

fn fleet(hours: u32, count: u32) -> Plan {
    let mut plan = with(year(hours), Distribution { count, existing: false, ..Distribution::default() });
    plan.certificates.distributions[0].spread = Some(DAY * 10);
    plan.policy.switches = [("ari".to_owned(), json!(true))].into();
    plan
}

#[test]
fn a_certificate_is_renewed_soon_after_its_window_opens() {
    let plan = fleet(45 * 24, 40);
    let outcome = run(&plan);
    assert!(outcome.expiries.is_empty());
    for n in 0..40 {
        let name = format!("c{n:06}");
        let made = times(&outcome, &name, issued);
        let due = times(&outcome, &name, |what| *what == What::Due);
        // A third before the end, less a hundredth, and the CA is asked every six hours, give or take.
        let window = (HOUR * 45 * 24 * 2 / 3 - HOUR * 45 * 24 / 100).as_secs() - 3600;
        let after = due[1].since(made[0]).as_secs();
        assert!((window - 60..window + 8 * 3600).contains(&after), "{name}: {after} {window}");
    }
}

#[test]
fn short_lived_certificates_are_suggested_at_their_half_and_without_the_switch_after_two_thirds() {
    let plan = fleet(160, 20);
    let of = |plan: &Plan| {
        let outcome = run(plan);
        let (made, due) =
            (times(&outcome, "c000000", issued), times(&outcome, "c000000", |what| *what == What::Due));
        due[1].since(made[0]).as_secs() / 3600
    };
    let by_suggestion = of(&plan);
    assert!((76..86).contains(&by_suggestion), "{by_suggestion}");
    let mut without = plan.clone();
    without.policy.switches.clear();
    assert_eq!(of(&without), 105);
    let mut not_offered = plan;
    not_offered.ca.renewal_info = false;
    assert_eq!(of(&not_offered), 105);
}

#[test]
fn a_ca_that_is_down_is_asked_again_and_the_specification_holds_until_it_answers() {
    let mut plan = fleet(45 * 24, 5);
    plan.outages = vec![outage(&plan, 0, 24 * 40, OutageKind::Unavailable)];
    plan.certificates.distributions[0].existing = true;
    plan.certificates.distributions[0].spread = Some(HOUR);
    let outcome = run(&plan);
    for n in 0..5 {
        let due = times(&outcome, &format!("c{n:06}"), |what| *what == What::Due);
        let days = due[0].since(plan.window.from).as_secs_f64() / 86_400.0;
        assert!((29.9..30.0).contains(&days), "{days}");
    }
}

/// 1.21.1 takes what it knows for news of the new certificate when it has asked within the hour before the issuance,
/// by which the CA dates certificates back; and a window that began after that date renews the new certificate, too.
#[test]
fn a_window_that_opened_within_the_hour_renews_again_and_again_until_a_limit_refuses() {
    let mut plan = fleet(45 * 24, 100);
    let outcome = run(&plan);
    assert_eq!(outcome.refusals.by_limit.keys().copied().collect::<Vec<_>>(), [SET]);
    let bursts = |outcome: &Outcome| {
        let names = (0..100).map(|n| times(outcome, &format!("c{n:06}"), issued));
        names
            .flat_map(|made| made.windows(2).map(|w| w[1].since(w[0])).collect::<Vec<_>>())
            .filter(|d| *d < HOUR)
            .count()
    };
    let all = outcome.renewals as usize;
    // The CA is asked every six hours: one in six meets the first hour of its window, and five certificates are let
    // through.
    let again = bursts(&outcome);
    assert!((all / 4..all / 2).contains(&again), "{again} of {all}");
    plan.ca.backdate = Some(Duration::ZERO);
    let outcome = run(&plan);
    assert_eq!((outcome.refusals.total, bursts(&outcome)), (0, 0), "without the hour");
}
