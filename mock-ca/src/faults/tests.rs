//! The machine: counts, windows, draws, and what rules come to together.

use std::time::Duration;

use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use world::{Rng, Timestamp};

use super::*;

const START: i64 = 1_600_000_000;

fn faults(script: &str) -> Faults {
    let script: Script = script.parse().unwrap_or_else(|error| panic!("{script}: {error}"));
    Faults::new(script.rules, Rng::from_seed(1), Timestamp::from_unix_secs(START)).unwrap()
}

fn call(endpoint: Endpoint, secs: i64) -> Facts<'static> {
    Facts {
        endpoint: Some(endpoint),
        method: "POST",
        path: "/acme/new-order",
        peer: None,
        account: None,
        thumbprint: None,
        identifiers: &[],
        now: Timestamp::from_unix_secs(START + secs),
    }
}

/// Which of `n` calls to newOrder are struck.
fn struck(faults: &mut Faults, n: i64) -> Vec<i64> {
    (1..=n).filter(|_| !faults.on_request(&call(Endpoint::NewOrder, 0)).is_empty()).collect()
}

#[test]
fn calls_are_counted_from_one() {
    for (script, expected) in [
        ("newOrder#3=503", vec![3]),
        ("newOrder#2..4=503", vec![2, 3, 4]),
        ("newOrder#5..=503", vec![5, 6, 7]),
        ("newOrder#..2=503", vec![1, 2]),
        ("newOrder#%3=503", vec![3, 6]),
        ("*=503", vec![1, 2, 3, 4, 5, 6, 7]),
        ("finalize|order=503", vec![]),
        (
            r#"{"when": {"endpoint": "newOrder", "first": 5, "every": 2}, "do": [{"status": 503}]}"#,
            vec![2, 4],
        ),
        (r#"{"when": {"nth": [1, "6.."]}, "do": [{"status": 503}]}"#, vec![1, 6, 7]),
    ] {
        assert_eq!(struck(&mut faults(script), 7), expected, "{script}");
    }
}

#[test]
fn a_window_begins_with_its_start_and_ends_before_its_end() {
    let open = |script: &str| -> Vec<i64> {
        let mut faults = faults(script);
        (0..6).filter(|s| !faults.on_request(&call(Endpoint::Order, *s)).is_empty()).collect()
    };
    assert_eq!(open("order@2s..4s=hang"), [2, 3]);
    assert_eq!(open("order@..2s=hang"), [0, 1]);
    assert_eq!(open("order@4s..=hang"), [4, 5]);
    // 1,600,000,001 seconds after 1970.
    assert_eq!(open("order@2020-09-13T12:26:41Z..2020-09-13T12:26:43Z=hang"), [1, 2]);
    // Only calls within the window are counted.
    assert_eq!(open("order#2@2s..=hang"), [3]);
}

#[test]
fn calls_are_told_apart_by_who_and_what() {
    let names = ["www.example.com".to_owned()];
    let facts = Facts {
        account: Some("7"),
        thumbprint: Some("AbC"),
        peer: Some("10.1.2.3".parse().unwrap()),
        identifiers: &names,
        ..call(Endpoint::NewOrder, 0)
    };
    for (script, hit) in [
        ("*[www.example.com]=hang", true),
        ("*[.example.com]=hang", true),
        ("*[example.com]=hang", false),
        ("*[account:7]=hang", true),
        ("*[account:AbC]=hang", true),
        ("*[account:8]=hang", false),
        ("*[peer:10.0.0.0/8]=hang", true),
        ("*[peer:10.1.2.4]=hang", false),
        ("*[method:post]=hang", true),
        ("*[method:GET]=hang", false),
        ("*[.example.com,account:8]=hang", false),
    ] {
        assert_eq!(!faults(script).on_request(&facts).is_empty(), hit, "{script}");
    }
}

#[test]
fn each_object_can_have_its_own_count() {
    let mut faults = faults("order[per:object]#1=503");
    let ask = |path| Facts { path, ..call(Endpoint::Order, 0) };
    let hits: Vec<bool> =
        ["/1", "/2", "/1", "/3", "/2"].map(|path| !faults.on_request(&ask(path)).is_empty()).to_vec();
    assert_eq!(hits, [true, true, false, true, false]);
    assert_eq!((faults.list()[0].seen, faults.list()[0].hits), (5, 3));
}

#[test]
fn delays_add_up_and_the_first_has_the_answer() {
    let mut faults = faults(
        "*=delay:1s\nnewOrder=status:503,header:X-A=1\n*=problem:rateLimited,retryAfter:9s\n*=delay:500ms,header:X-A=2",
    );
    let effects = faults.on_request(&call(Endpoint::NewOrder, 0));
    assert_eq!(effects.delay_before, Duration::from_millis(1500));
    assert_eq!((effects.answer.status, &effects.answer.problem), (Some(503), &None));
    assert_eq!(
        effects.answer.headers,
        [("X-A".to_owned(), Some("1".to_owned())), ("Retry-After".to_owned(), Some("9".to_owned()))]
    );
    assert!(effects.replaced);
    assert_eq!(effects.hits.len(), 4);
}

#[test]
fn the_phase_says_whether_the_request_is_decided() {
    for (script, replaced) in [
        ("*=503", true),
        ("*[phase:after]=503", false),
        ("*=emptyBody", false),
        ("*[phase:before]=emptyBody", true),
        ("*=dropConnection", false),
        ("*=dropConnection:beforeProcessing", true),
        ("*[phase:before]=dropConnection", true),
        ("*=dropConnection:midBody", false),
        ("*=rejectNonce", true),
        ("*=loseNonces", false),
        ("*[phase:before]=delay:1s", false),
    ] {
        assert_eq!(faults(script).on_request(&call(Endpoint::NewOrder, 0)).replaced, replaced, "{script}");
    }
}

#[test]
fn rules_come_and_go_by_name() {
    let mut faults = faults("*[id:mine]=503\n*=hang");
    let add = |faults: &mut Faults, line: &str| faults.add(vec![line::parse(line).unwrap()]);
    assert_eq!(faults.list().iter().map(|l| l.id.as_str()).collect::<Vec<_>>(), ["mine", "fault-1"]);
    assert_eq!(add(&mut faults, "*[id:mine]=hang"), Err(IdTaken("mine".to_owned())));
    assert!(faults.remove("fault-1") && !faults.remove("fault-1"));
    assert_eq!(add(&mut faults, "*=hang").unwrap(), ["fault-2"]);
    assert_eq!(faults.clear(), ["mine", "fault-2"]);
    assert!(faults.is_empty());
}

#[test]
fn a_rule_that_clashes_takes_the_whole_script_with_it() {
    let mut faults = faults("*[id:a]=503");
    let script: Script = "*[id:b]=503\n*[id:a]=503".parse().unwrap();
    assert_eq!(faults.add(script.rules), Err(IdTaken("a".to_owned())));
    assert_eq!(faults.list().len(), 1);
}

#[test]
fn chance_is_drawn_from_the_seed_and_from_a_stream_of_its_own() {
    let alone = struck(&mut faults("newOrder[id:x]?0.3=503"), 1000);
    let mut both = faults("*[id:y]?0.5=delay:1s\nnewOrder[id:x]?0.3=503");
    let beside: Vec<i64> = (1..=1000)
        .filter(|_| both.on_request(&call(Endpoint::NewOrder, 0)).hits.iter().any(|hit| hit.rule == "x"))
        .collect();
    assert_eq!(alone, beside);
    assert!((250..350).contains(&alone.len()), "{}", alone.len());
    assert_eq!(struck(&mut faults("newOrder?0=503"), 50).len(), 0);
    assert_eq!(struck(&mut faults("newOrder?1=503"), 50).len(), 50);
}

proptest! {
    /// Against the plain statement of which calls a rule means.
    #[test]
    fn counting_is_what_it_says(
        from in 1_u64..9, length in 0_u64..9, first in prop::option::of(1_u64..9),
        every in prop::option::of(1_u64..5), fitting in prop::collection::vec(any::<bool>(), 0..40),
    ) {
        let nth = format!("{from}..{}", from + length);
        let when = When { endpoint: Endpoints(vec![Endpoint::NewOrder]), nth: nth.parse().ok(), first, every, ..When::default() };
        let rule = Rule { id: None, when, actions: vec![Action::Hang], phase: None };
        let mut faults = Faults::new(vec![rule], Rng::from_seed(1), Timestamp::from_unix_secs(START)).unwrap();
        let (mut n, mut hits) = (0, 0);
        for fits in fitting {
            let effects = faults.on_request(&call(if fits { Endpoint::NewOrder } else { Endpoint::Order }, 0));
            n += u64::from(fits);
            let meant = fits && (from..=from + length).contains(&n)
                && first.is_none_or(|first| n <= first) && every.is_none_or(|every| n % every == 0);
            hits += u64::from(meant);
            prop_assert_eq!(!effects.is_empty(), meant);
            prop_assert!(effects.hits.iter().all(|hit| hit.call == n));
        }
        prop_assert_eq!((faults.list()[0].seen, faults.list()[0].hits), (n, hits));
    }
}
