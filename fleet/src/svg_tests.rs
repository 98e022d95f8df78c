use std::time::Duration;

use super::*;
use crate::plan::{Distribution, Outage, OutageKind, Plan};

fn plan() -> Plan {
    let mut plan = Plan::default();
    plan.certificates.distributions = vec![Distribution { count: 300, ..Distribution::default() }];
    let from = plan.window.from + Duration::from_secs(86_400) * 50;
    let until = from + Duration::from_secs(86_400) * 3;
    plan.outages = vec![Outage { from, until, kind: OutageKind::Unavailable }];
    plan
}

/// Every element that is opened is closed, in turn.
fn is_well_formed(svg: &str) -> bool {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                return false;
            }
        } else if !tag.ends_with('/') {
            open.extend(tag.split_whitespace().next());
        }
    }
    open.is_empty()
}

#[test]
fn plots_are_whole_have_words_for_screen_readers_and_no_colour_of_their_own() {
    let outcomes = crate::compare(&plan(), &crate::LIFETIMES).unwrap();
    let drain = &outcomes[0].1.drains[0];
    for svg in [renewals_per_day(&outcomes), remaining_life(&outcomes), around_outage(drain)] {
        assert!(is_well_formed(&svg), "{svg}");
        assert!(svg.contains("role=\"img\"") && svg.contains("<title id=") && svg.contains("<desc id="));
        assert!(!svg.contains('#') && !svg.contains("rgb(") && !svg.contains("style="));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("http").count(), 1, "only the name of the format");
    }
    let svg = renewals_per_day(&outcomes);
    assert!(outcomes.iter().all(|(label, _)| svg.contains(&format!(">{label}: "))));
    assert!(svg.contains(">2027-01<") && svg.contains(">2027-11<"));
    assert!(around_outage(drain).contains(">dashed: the end of the outage<"));
    assert!(around_outage(drain).contains(">+180 min<"));
}

#[test]
fn plots_of_nothing_are_plots() {
    for svg in [renewals_per_day(&[]), remaining_life(&[])] {
        assert!(is_well_formed(&svg) && !svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn what_is_written_in_a_plot_cannot_be_markup() {
    let outcome = crate::run(&plan()).unwrap();
    let svg = renewals_per_day(&[("<b> & \"c\"".to_owned(), outcome)]);
    assert!(svg.contains("&lt;b&gt; &amp; &quot;c&quot;") && is_well_formed(&svg));
}
