use super::*;
use crate::plan::{Certificate, Distribution, Outage, OutageKind, Plan};

fn plan() -> Plan {
    let mut plan = Plan::default();
    plan.certificates.distributions = vec![Distribution { count: 1200, ..Distribution::default() }];
    plan
}

#[test]
fn a_summary_says_what_was_issued_and_that_nothing_went_wrong() {
    let text = summary(&crate::run(&plan()).unwrap());
    let starts: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(
        starts,
        ["fleet", "issued", "orders", "peak", "renewals", "tightest", "refused", "expired"],
        "{text}"
    );
    assert!(text.contains("1,200 certificates, 2027-01-01 to 2028-01-01"), "{text}");
    assert!(text.contains("refused   none\nexpired   none\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
}

#[test]
fn a_summary_says_who_was_refused_what_expired_and_how_an_outage_was_got_over() {
    let mut plan = plan();
    let from = plan.window.from;
    let outage = |first, days, kind| {
        let from = from + Duration::from_secs(86_400) * first;
        Outage { from, until: from + Duration::from_secs(86_400) * days, kind }
    };
    plan.outages = vec![outage(100, 40, OutageKind::Unavailable), outage(30, 1, OutageKind::Validation)];
    let same = |n: u32| Certificate {
        name: format!("same {n}"),
        names: vec!["same.example.com".to_owned()],
        issued: Some(from + Duration::from_secs(60) * n),
        ..Certificate::default()
    };
    plan.certificates.list = (0..7).map(same).collect();
    let text = summary(&crate::run(&plan).unwrap());
    for part in [
        "by newCertificatesPerExactSetOfIdentifiers",
        "newCertificatesPerExactSetOfIdentifiers same.example.com, 2027-01-01 00:05 to ",
        "orders: a validation failed",
        "after its end",
        "outage    the CA answers 503, 2027-04-11 00:00 to 2027-05-21 00:00: ",
        "waited, all issued ",
        "more\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn outcomes_stand_side_by_side_in_columns() {
    let outcomes = crate::compare(&plan(), &crate::LIFETIMES).unwrap();
    let text = side_by_side(&outcomes);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), ROWS.len() + 1);
    let ends = |line: &str| line.chars().count();
    assert!(lines.iter().all(|line| ends(line) == ends(lines[0])), "{text}");
    assert_eq!(lines[0].split("  ").filter(|cell| !cell.trim().is_empty()).count(), 4);
    assert!(lines[1].starts_with("renewals "), "{text}");
    assert_eq!(side_by_side(&[]).lines().count(), ROWS.len() + 1);
}

#[test]
fn bars_are_as_many_as_fit_and_show_the_most_of_their_days() {
    assert_eq!(bars(&[0, 1, 7, 0]), "▁▂█▁");
    assert_eq!(bars(&[0; 365]).chars().count(), 53);
    assert_eq!(bars(&[]), "");
}
