//! Fault scripts as part of a scenario's YAML.

use mock_ca::Config;
use mock_ca::faults::Script;

fn read(text: &str) -> Result<Config, String> {
    engine::manifest::yaml::from_str("scenario.yaml", text).map_err(|error| error.to_string())
}

#[test]
fn a_rule_is_a_line_or_an_object() {
    let text = "
faults:
- newOrder#3=503,retryAfter:30s
- id: busy
  when: {endpoint: [finalize, order], nth: 2..4, until: 10m}
  do:
  - hang
  - problem: {type: rateLimited, retryAfter: 1h}
  - header: {Location: null, X-A: b}
";
    let script: Script = "newOrder#3=503,retryAfter:30s\nfinalize|order[id:busy]#2..4@..10m=hang,\
        problem:{\"type\":\"rateLimited\",\"retryAfter\":\"1h\"},header:{\"Location\":null,\"X-A\":\"b\"}"
        .parse()
        .unwrap();
    assert_eq!(read(text).unwrap().faults, script);
}

#[test]
fn a_typo_in_a_rule_is_found() {
    for (wrong, word) in [("faults: [newOrdr=503]", "newOrder"), ("faults: [{do: [hnag]}]", "hnag")] {
        let error = read(wrong).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}
