//! What a script can do and expect, and what it is told when it asks for what cannot be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::PathBuf;

use reports::Outcome;
use scenarios::{scenario, template};

use crate::common::library;

/// A folder of its own with this script, whose base is the library's `healthy-http01`.
fn folder(name: &str, script: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("scripts").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let head = "title: t\nsource: s\ncause: c\nbase: healthy-http01\n";
    std::fs::write(folder.join("scenario.yaml"), format!("{head}{script}")).unwrap();
    folder
}

fn outcome(name: &str, script: &str) -> Result<Outcome, String> {
    let loaded = library().load(folder(name, script).to_str().unwrap()).map_err(|e| format!("{e:?}"))?;
    Ok(scenarios::runner::run(&loaded, 0, &[]).unwrap().outcome)
}

/// Each is refused before anything runs, with the place and what there is instead.
#[test]
fn what_cannot_be_is_refused() {
    let cases = [
        ("base: no-such", "there is no scenario \"no-such\""),
        ("until: 2026-03-01T08:00:00Z", "the end is before the start"),
        ("ca: { config: { fault: [] } }", "did you mean `faults`?"),
        ("timeline: [{ at: 5m, do: [] }]", "a step has to do something"),
        ("timeline: [{ do: [{ delete: Secret shop/x }] }]", "a step needs a time"),
        ("timeline: [{ at: 3h, do: [{ delete: Secret shop/x }] }]", "is after the end of the run"),
        (
            "timeline: [{ at: 2020-01-01T00:00:00Z, do: [{ delete: Secret shop/x }] }]",
            "before the start of the run",
        ),
        ("timeline: [{ at: 5m, do: [{ delete: Secrets shop/x }] }]", "did you mean \"Secret\"?"),
        (
            "timeline: [{ when: { object: Certificat shop/x }, do: [{ renew: shop/x }] }]",
            "did you mean \"Certificate\"?",
        ),
        (
            "timeline: [{ at: 5m, do: [{ records: { name: a.example.org, type: A } }] }]",
            "no zone for the name \"a.example.org\"",
        ),
        ("timeline: [{ at: 5m, do: [{ links: [{ to: acme-v2 }] }] }]", "did you mean \"acme-v02\"?"),
        ("timeline: [{ at: 5m, do: [{ apply: 'kind: x' }] }]", "error validating data: apiVersion not set"),
        ("expect: { checks: [{ log: a, ca: newOrder }] }", "a check counts one of"),
        ("expect: { checks: [{ count: 3 }] }", "a check counts one of"),
        ("expect: { checks: [{ ca: newOrders }] }", "did you mean \"newOrder\"?"),
        ("expect: { checks: [{ log: a, status: 429 }] }", "`status` and `problem` are of requests"),
        ("expect: { checks: [{ log: a, count: 3-5 }] }", "is neither end of"),
        ("expect: { checks: [{ object: Secrt a/b }] }", "did you mean \"Secret\"?"),
        ("expect: { breaks: [renewed-in-tim] }", "did you mean \"renewed-in-time\"?"),
        ("ablations: [{ without: x, set: ['ca.config.fault=[]'] }]", "did you mean \"ca.config.faults\"?"),
    ];
    for (n, (script, why)) in cases.into_iter().enumerate() {
        let script = script.replace("base:", "#\n");
        let error = if why.contains("no-such") {
            let folder = folder("base", "");
            let text = std::fs::read_to_string(folder.join("scenario.yaml")).unwrap();
            std::fs::write(folder.join("scenario.yaml"), text.replace("healthy-http01", "no-such")).unwrap();
            format!("{:?}", library().load(folder.to_str().unwrap()).unwrap_err())
        } else {
            outcome(&n.to_string(), &script).expect_err(&script)
        };
        let error = error.replace("\\\"", "\"");
        assert!(error.contains(why), "{script}\n{error}");
        assert!(error.contains("scenario.yaml"), "{script}: the place is told\n{error}");
    }
}

/// What the timeline does is done at its time, and what is refused that should not be is told.
#[test]
fn people_act_and_are_refused() {
    let script = "
timeline:
  - at: 1m
    do:
      - apply: |
          apiVersion: cert-manager.io/v1
          kind: Certificate
          metadata: { name: blog, namespace: shop }
          spec: { secretName: blog-tls, dnsNames: [www.shop.example.com], issuerRef: { name: letsencrypt } }
  - when: { object: Certificate shop/blog, is: { status.conditions.Ready.status: 'True' } }
    after: 1m
    do:
      - delete: Secret shop/blog-tls
  - at: 5m
    refused: is invalid
    do:
      - patch: { object: Certificate shop/blog, with: { spec: { secretName: '' } } }
  - at: 6m
    do:
      - patch: { object: Certificate shop/blog, with: { spec: { secretName: '' } } }
      - delete: Secret shop/none
expect:
  checks:
    - { object: Certificate shop/blog, first: 1m..1m1s, count: 1 }
    - { object: Secret shop/blog-tls, count: 2, left: 1 }
    - { ca: finalize, count: 3 }
";
    let Outcome::Differs { differences } = outcome("people", script).unwrap() else {
        panic!("two steps fail")
    };
    let told: Vec<_> = differences.iter().map(|d| (d.what.as_str(), d.actual.as_deref().unwrap())).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].0 == "timeline[3].do[0]" && told[0].1.contains("is invalid"), "{told:?}");
    assert!(told[1].1.contains("not found"), "{told:?}");
}

/// A check that does not hold says what it is about, what was wanted and what came.
#[test]
fn checks_say_what_came() {
    let script = "
expect:
  checks:
    - { object: Certificate shop/shop, is: { status.conditions.Ready.status: 'True' }, first: 1s..2s, left: 0 }
    - { ca: newOrder, count: 2.. }
    - { log: 'no such line' }
    - { ca: '*', problem: rateLimited, count: 0 }
  breaks: [renewed-in-time]
";
    let Outcome::Differs { differences } = outcome("checks", script).unwrap() else {
        panic!("they do not hold")
    };
    let told: Vec<String> =
        differences.iter().map(|d| format!("{}: {:?} {:?}", d.what, d.expected, d.actual)).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn the_template_passes_and_nothing_is_written_over() {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("new");
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).unwrap();
    let made = template::new(&place, "my-outage").unwrap();
    scenario(&made).run().unwrap();
    let failed = scenario(&made).set("ca.config.faults=[]").run().unwrap_err();
    assert!(format!("{failed:?}").contains("how often"), "{failed:?}");
    let again = template::new(&place, "my-outage").unwrap_err();
    assert!(again.to_string().ends_with("my-outage is there already"), "{again}");
    assert!(template::new(&place, "../x").is_err() && template::new(&place, "").is_err());
}

/// The page that teaches the language shows a scenario of the library.
#[test]
fn the_page_shows_a_scenario_that_there_is() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenarios.md")).unwrap();
    let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let path = library().folder().join("ca-down-for-ten-minutes/scenario.yaml");
    let value = |text: &str| engine::manifest::yaml::from_str::<serde_json::Value>("", text).unwrap();
    assert_eq!(value(example), value(&std::fs::read_to_string(path).unwrap()));
}

/// The README has the table that `rehearse list --long` prints.
#[test]
fn the_readme_lists_the_library() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let shown =
        readme.split("<!-- rehearse list --long -->\n").nth(1).unwrap().split("<!-- end -->").next().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(["list", "--long", "--library", library().folder().to_str().unwrap()])
        .output()
        .unwrap();
    let hint = "scripts/list-library puts it in";
    assert_eq!(shown.trim(), String::from_utf8(output.stdout).unwrap().trim(), "{hint}");
}
