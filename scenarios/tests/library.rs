//! Every scenario of the library passes, says where it comes from and why it happens, and does not pass without its cause.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::library;
use reports::{Outcome, RunRecord};
use scenarios::runner::{self, Options};
use scenarios::script::Loaded;
use scenarios::workshop::{on_all_processors, on_processors};

fn all() -> Vec<Loaded> {
    let library = library();
    library.names().iter().map(|name| library.load(name).unwrap()).collect()
}

/// With all that is in a record.
fn whole(loaded: &Loaded) -> RunRecord {
    let options = Options { whole_record: true, ..Options::default() };
    runner::run_whole(loaded, &options).unwrap().record
}

fn run(loaded: &Loaded, set: &[String]) -> RunRecord {
    runner::run(loaded, 0, set).unwrap()
}

/// Every scenario passes, and its story is the one in its folder: what changes in the engine, the CA or the cluster shows
/// there, and `cargo insta review` takes it over.
#[test]
fn every_scenario_passes_and_tells_its_story() {
    let all = all();
    let ran = on_all_processors(&all, |loaded| {
        let record = whole(loaded);
        let passed = record.outcome == Outcome::Passed;
        let failure = format!("{}\n{}{:?}", loaded.name, reports::differences(&record), record.outcome);
        ((!passed).then_some(failure), reports::story(&record))
    });
    let failed: Vec<&str> = ran.iter().filter_map(|(failure, ..)| failure.as_deref()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    for (loaded, (_, story)) in all.iter().zip(&ran) {
        let folder = loaded.folder.canonicalize().unwrap();
        insta::with_settings!({
            snapshot_path => folder,
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_snapshot!("story", story) });
    }
}

/// Each run is a world of its own: how many run beside it changes nothing of its record. Every fourth scenario shows it.
#[test]
fn a_record_is_the_same_however_many_run_at_once() {
    let some: Vec<Loaded> = all().into_iter().step_by(4).collect();
    let hash = |loaded: &Loaded| world::sha256(&serde_json::to_vec(&whole(loaded)).unwrap());
    let (alone, at_once) = (on_processors(1, &some, hash), on_processors(4, &some, hash));
    for (loaded, (alone, at_once)) in some.iter().zip(alone.iter().zip(&at_once)) {
        assert_eq!(alone, at_once, "{}", loaded.name);
    }
}

/// An ablation takes the cause away, and what it caused goes with it. A run that is stopped proves nothing.
#[test]
fn no_scenario_passes_without_its_cause() {
    let all = all();
    let ablations: Vec<_> =
        all.iter().flat_map(|l| l.scenario.ablations.iter().map(move |a| (l, a))).collect();
    let passed = on_all_processors(&ablations, |(loaded, ablation)| {
        let differs = matches!(run(loaded, &ablation.set).outcome, Outcome::Differs { .. });
        (!differs).then(|| format!("{} without {}", loaded.name, ablation.without))
    });
    assert_eq!(passed.into_iter().flatten().collect::<Vec<_>>(), [] as [String; 0]);
}

#[test]
fn every_scenario_says_where_it_comes_from_and_what_proves_its_cause() {
    // Their ablations are tests of their own, line by line; and of those where nothing is wrong, what would be.
    const ELSEWHERE: &[&str] = &["rancher-renewal", "first-issuance", "dnspod-wildcard"];
    for loaded in all() {
        let (name, script) = (&loaded.name, &loaded.scenario);
        assert!(!script.cause.is_empty() && !script.source.is_empty(), "{name}");
        assert!(!script.ablations.is_empty() || ELSEWHERE.contains(&name.as_str()), "{name} has no ablation");
        let known = |failure: &String| failure.strip_prefix('F').is_some_and(|n| n.parse::<u8>().is_ok());
        assert!(script.failures.iter().all(known), "{name}: {:?}", script.failures);
    }
}

/// An engine that comes back after its end to something that was changed meanwhile does something, and the invariant
/// says so: it can be broken.
#[test]
fn a_restart_that_changes_something_breaks_its_invariant() {
    let dead_from_the_fifth_minute = [
        "engine.processes.crashes=[{at: '2026-03-02T08:05:00Z'}]",
        "engine.processes.restartDelay=6m",
        "timeline=[{at: 6m, do: [{patch: {object: Certificate shop/shop, with: {spec: {dnsNames: [www.shop.example.com]}}}}]}]",
    ];
    let set = dead_from_the_fifth_minute.map(str::to_owned);
    let outcome = run(&library().load("healthy-http01").unwrap(), &set).outcome;
    let Outcome::Differs { differences } = outcome else { panic!("{outcome:?}") };
    let whats: Vec<_> = differences.iter().map(|d| d.what.as_str()).collect();
    assert_eq!(whats, ["invariant restart-is-a-no-op"]);
}
