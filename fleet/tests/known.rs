//! Answers that can be computed by hand.

use std::time::Duration;

use fleet::plan::{Certificate, Distribution};
use fleet::{LIFETIMES, What, compare};
use mock_ca::limits::LimitName;

use crate::common::{DAY, HOUR, issued, named, refused, run, times, with, with_list, year};

#[test]
fn one_certificate_of_90_days_is_renewed_every_60_days() {
    let plan = with_list(year(90 * 24), [named("a.example.com")]);
    let outcome = run(&plan);
    let (due, made) = (
        times(&outcome, "a.example.com", |what| *what == What::Due),
        times(&outcome, "a.example.com", issued),
    );
    assert_eq!((outcome.first_issuances, outcome.renewals, made.len()), (1, 6, 7));
    assert_eq!(due[0], plan.window.from);
    for (n, made) in made.iter().enumerate() {
        assert_eq!(made.since(due[n]), Duration::from_secs(8), "the engine's own check of the challenge");
        // Two thirds of 90 days less a second, from an hour before the issuance on.
        if let Some(next) = due.get(n + 1) {
            assert_eq!(next.since(*made), DAY * 60 - HOUR - Duration::from_secs(1));
        }
    }
    assert!(outcome.is_clean());
    let left = outcome.tightest.unwrap().left_secs;
    assert_eq!(left, 30 * 86_400 - 8, "a third of the life, less the time of the order");
}

#[test]
fn certificates_of_6_days_are_renewed_82_times_a_year_within_the_limits() {
    let outcome = run(&with_list(year(160), [named("a.example.com")]));
    // 380,399 s from an issuance to the next, and 8 s for the order.
    assert_eq!((outcome.renewals, outcome.refusals.total), (82, 0));
    assert_eq!(outcome.orders, 83);
}

#[test]
fn a_renewal_before_the_end_and_in_a_window_is_where_the_engine_has_it() {
    let mut plan = year(45 * 24);
    plan.policy.renew_before_percentage = Some(20);
    let before = Certificate { renew_before: Some(DAY * 10), ..named("b.example.com") };
    plan = with_list(plan, [named("a.example.com"), before]);
    let outcome = run(&plan);
    let first = |name: &str| {
        let made = times(&outcome, name, issued);
        let due = times(&outcome, name, |what| *what == What::Due);
        due[1].since(made[0])
    };
    assert_eq!(first("a.example.com"), DAY * 36 - HOUR - Duration::from_secs(1));
    assert_eq!(first("b.example.com"), DAY * 35 - HOUR - Duration::from_secs(1));
    let window = r#"{"windows": [{"cron": "0 2 * * SUN", "windowDuration": "1h"}]}"#;
    plan.policy.renewal = Some(serde_json::from_str(window).unwrap());
    let outcome = run(&plan);
    for due in &times(&outcome, "a.example.com", |what| *what == What::Due)[1..] {
        assert_eq!(due.unix_secs() % 86_400, 2 * 3600, "{due}");
    }
}

/// Six certificates for the same names in an hour: the last has to wait until a token is back, 33.6 hours later, and
/// the engine tries after 1, 3, 7, 15, 31 and 63 hours, or, up to 1.7, every hour.
#[test]
fn the_sixth_certificate_of_a_week_for_the_same_names_is_refused_until_the_back_off_meets_a_token() {
    for (release, refusals, waited) in [("v1_21", 6, 32), ("v1_7", 33, 1)] {
        let mut plan = year(90 * 24);
        plan.policy.release = release.to_owned();
        plan.window.until = plan.window.from + DAY * 7;
        plan = with_list(
            plan.clone(),
            (0..6).map(|n| Certificate {
                names: vec!["a.example.com".to_owned(), "b.example.com".to_owned()],
                issued: Some(plan.window.from + Duration::from_secs(600 * n)),
                ..named(&format!("c{n}"))
            }),
        );
        let outcome = run(&plan);
        let last = times(&outcome, "c5", refused);
        assert_eq!(last.len(), refusals, "{release}");
        assert_eq!(outcome.refusals.total, refusals as u64, "{release}");
        let limit = LimitName::NewCertificatesPerExactSetOfIdentifiers;
        assert_eq!(outcome.refusals.by_limit[&limit], refusals as u64, "{release}");
        assert_eq!(outcome.refusals.top[0].bucket.key(), "a.example.com,b.example.com");
        let made = times(&outcome, "c5", issued);
        assert_eq!(
            (made.len(), made[0].since(last[refusals - 1]).as_secs() / 3600),
            (1, waited),
            "{release}"
        );
        assert!(!outcome.is_clean() && outcome.expiries.is_empty());
    }
}

#[test]
fn a_fleet_that_has_run_for_long_renews_evenly() {
    let plan = with(year(45 * 24), Distribution { count: 3000, per_domain: 100, ..Distribution::default() });
    let outcome = run(&plan);
    assert!(outcome.is_clean());
    assert_eq!(outcome.first_issuances, 0);
    // 365 days and 30 days less an hour between two.
    let each = 365.0 / (30.0 - 3600.0 / 86_400.0);
    assert!((outcome.renewals as f64 / 3000.0 - each).abs() < 0.05, "{}", outcome.renewals);
    let days = &outcome.days.renewals;
    assert!(days.iter().all(|n| (60..145).contains(n)), "{days:?}");
    assert_eq!(days.iter().map(|n| u64::from(*n)).sum::<u64>(), outcome.renewals);
}

#[test]
fn shorter_lives_are_more_renewals_side_by_side() {
    let mut plan = with(year(1000), Distribution { count: 200, ..Distribution::default() });
    plan.events = false;
    let outcomes = compare(&plan, &LIFETIMES).unwrap();
    let renewals: Vec<u64> = outcomes.iter().map(|(_, outcome)| outcome.renewals / 200).collect();
    assert_eq!(renewals, [6, 8, 12, 82]);
    let labels: Vec<&str> = outcomes.iter().map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["90 days", "64 days", "45 days", "6 days"]);
}

#[test]
fn the_presets_own_lifetimes_shorten_during_the_year() {
    let mut plan = with_list(year(1), [named("a.example.com")]);
    plan.ca.lifetimes.clear();
    let outcome = run(&plan);
    let ends = outcome.events.iter().filter_map(|event| match event.what {
        What::Issued { not_after } => Some((not_after.since(event.at) + HOUR).as_secs().div_ceil(86_400)),
        _ => None,
    });
    // 2027-02-10 is in the first of them.
    assert_eq!(ends.collect::<Vec<_>>(), [90, 64, 64, 64, 64, 64, 64, 64, 64]);
}

#[test]
fn one_that_exists_is_renewed_at_its_time_and_one_that_is_over_is_told_of() {
    let plan = year(90 * 24);
    let from = plan.window.from;
    let exists = |name: &str, issued, lifetime| Certificate { issued: Some(issued), lifetime, ..named(name) };
    let plan = with_list(
        plan,
        [
            exists("half", from - DAY * 30, None),
            exists("due", from - DAY * 70, None),
            exists("over", from - DAY * 100, None),
            exists("short", from - DAY * 3, Some(DAY * 6)),
            Certificate { not_after: Some(from + DAY), lifetime: Some(DAY * 9), ..named("ends") },
        ],
    );
    let outcome = run(&plan);
    let due = |name: &str| times(&outcome, name, |what| *what == What::Due)[0].since(from).as_secs();
    assert_eq!(due("half"), 30 * 86_400 - 3601);
    assert_eq!((due("due"), due("over"), due("ends")), (0, 0, 0));
    assert_eq!(due("short"), 86_400 - 3601);
    assert_eq!(outcome.expiries.len(), 1);
    let expiry = &outcome.expiries[0];
    assert_eq!((expiry.certificate.as_ref(), expiry.at), ("over", from - DAY * 10 - HOUR));
    assert_eq!(expiry.until, Some(from + Duration::from_secs(8)));
    assert_eq!(outcome.first_issuances, 0);
}
