//! Texts that somebody else writes: zone files and rules. The seeds of the fuzz targets (`scenarios/fuzz`,
//! targets `zone` and `rules`), damaged by chance, and zones against a model of RFC 4592.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::Name;
use mock_dns::{Config, Dns, Record, RecordType, Transport, Zone};
use proptest::prelude::*;

use crate::seeds::{harness, rules, zone};

fn texts(of: &str) -> Vec<String> {
    harness::of(of)
        .into_iter()
        .filter_map(|(_, bytes)| String::from_utf8(bytes).ok())
        .filter(|text| !text.is_empty())
        .collect()
}

fn run<T: Send + 'static, F>(body: impl FnOnce(world::World) -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    world::sim::run(world::sim::Config::default(), body).unwrap_or_else(|stopped| panic!("{stopped}")).value
}

fn damaged(of: &'static str) -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), "[ -~\n\u{e9}]{0,3}"), 1..5);
    (prop::sample::select(texts(of)), edits).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, put) in edits {
            let at = at.index(chars.len());
            chars.splice(at..=at, put.chars());
            if chars.is_empty() {
                chars.push('x');
            }
        }
        chars.into_iter().collect()
    })
}

/// Names of up to three labels out of few, so that they are often above, below and beside each other.
fn owner() -> impl Strategy<Value = Vec<&'static str>> {
    let label = prop::sample::select(vec!["a", "b", "*"]);
    prop::collection::vec(label, 1..4)
}

fn text(labels: &[&str]) -> String {
    labels.join(".")
}

/// RFC 4592 sections 2.2 and 3.3 over a set of names: found, found by which wildcard, empty, or not there.
fn model(names: &BTreeSet<Vec<&'static str>>, asked: &[&'static str]) -> &'static str {
    let exists = |name: &[&str]| name.is_empty() || names.iter().any(|n| n.ends_with(name));
    if names.iter().any(|n| n == asked) {
        return "data";
    }
    if exists(asked) {
        return "empty";
    }
    let encloser = (1..=asked.len()).map(|at| &asked[at..]).find(|name| exists(name)).unwrap();
    let source: Vec<&str> = std::iter::once("*").chain(encloser.iter().copied()).collect();
    match (names.iter().any(|n| *n == source), exists(&source)) {
        (true, _) => "data",
        (false, true) => "empty",
        (false, false) => "gone",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn damaged_zone_files(text in damaged("zone")) {
        zone::run(text.as_bytes());
    }

    #[test]
    fn damaged_rules(text in damaged("rules")) {
        rules::run(text.as_bytes());
    }

    #[test]
    fn wildcards_and_empty_non_terminals_are_those_of_the_model(
        names in prop::collection::btree_set(owner(), 0..7),
        asked in prop::collection::vec(owner(), 1..6),
    ) {
        let records = names.iter().map(|n| Record::new(&text(n), RecordType::TXT, "x")).collect();
        let expected: Vec<&str> = asked.iter().map(|name| model(&names, name)).collect();
        let questions = asked.clone();
        let found = run(move |world| async move {
            let dns = Dns::new(world, Config::new(vec![Zone::new("z.test", records)])).unwrap();
            let mut found = Vec::new();
            for name in questions {
                let mut query = Message::new(1, MessageType::Query, OpCode::Query);
                let name = Name::from_ascii(format!("{}.z.test.", text(&name))).unwrap();
                query.add_query(Query::query(name.clone(), RecordType::TXT));
                let from = "10.0.0.9:5353".parse().unwrap();
                let wire = dns.answer(query.to_vec().unwrap(), from, Transport::Udp).await.unwrap();
                let answer = Message::from_vec(&wire).unwrap();
                assert!(answer.answers.iter().all(|record| record.name == name));
                found.push(match (answer.metadata.response_code, answer.answers.len()) {
                    (ResponseCode::NoError, 1) => "data",
                    (ResponseCode::NoError, 0) => "empty",
                    (ResponseCode::NXDomain, 0) => "gone",
                    other => panic!("{other:?}"),
                });
            }
            found
        });
        prop_assert_eq!(found, expected, "{:?} {:?}", names, asked);
    }
}
