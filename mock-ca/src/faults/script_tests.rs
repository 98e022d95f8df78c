//! Scripts as people write them, and as they get them wrong.

use super::*;
use crate::faults::{Action, DropAt, Phase};

fn one(text: &str) -> Rule {
    let script: Script = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    script.rules.into_iter().next().unwrap()
}

#[test]
fn all_forms_mean_the_same() {
    let line = one("newOrder[.example.com]#2..3@..10m=503,retryAfter:30s,dropConnection:midBody");
    let object = r#"{
        "when": {"endpoint": ["newOrder"], "identifier": ".example.com", "nth": "2..3", "until": "10m"},
        "do": [{"status": 503}, {"retryAfter": "30s"}, {"dropConnection": "midBody"}]
    }"#;
    assert_eq!(line, one(object));
    assert_eq!(line, one(&format!("[{object}]")));
    assert_eq!(line, one(&format!("{{\"rules\": [{object}]}}")));
    assert_eq!(
        line,
        one(&format!(
            "# a comment\n\n{}\n",
            "newOrder[.example.com] #2..3 @..10m = 503, retryAfter: 30s, dropConnection:midBody"
        ))
    );
    let mixed: Script = format!("[{object}, \"*=hang\"]").parse().unwrap();
    assert_eq!(mixed.rules.len(), 2);
}

#[test]
fn what_is_written_reads_back() {
    for text in [
        "*=hang",
        "newOrder|finalize[account:7,peer:10.0.0.0/8,method:POST,per:object,phase:after,id:x-1]#%5@1s..2m?0.25=delay:2s",
        "finalize[example.com]=stuckProcessing:10m",
        "finalize=stuckProcessing,wrongChain:otherLeaf,revoke:4,failIssuance",
        "finalize=failIssuance:caa",
        "*=429,header:Location,header:X-A=b=c,contentType:text/html,body:\"a, b\",cutBody:3,noNonce,reuseNonce",
        "authorization#3..@2022-05-07T13:39:31.5Z..=forgetObject,expireObject,deactivateAccount,forgetAccount,loseNonces",
        "*=problem:{\"type\":\"rateLimited\",\"detail\":\"too many\",\"retryAfter\":\"1h\",\"subproblems\":[{\"type\":\"caa\",\"identifier\":\"a.example\"}]}",
        "*=problem:urn:example:busy,emptyBody,rejectNonce",
    ] {
        let rule = one(text);
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(one(&json), rule, "{json}");
    }
}

#[test]
fn actions_have_their_defaults() {
    assert_eq!(one("*=dropConnection").actions, [Action::DropConnection(DropAt::BeforeAnswer)]);
    assert_eq!(
        one(r#"{"do": ["stuckProcessing", "hang"]}"#).actions,
        [Action::StuckProcessing(None), Action::Hang]
    );
    assert_eq!(one(r#"{"do": [{"hang": true}], "phase": "after"}"#).phase, Some(Phase::After));
    assert_eq!(one("*=body:12").actions, [Action::Body("12".to_owned())]);
}

#[test]
fn errors_say_where_and_what_was_meant() {
    let wrong = [
        "",
        "[]",
        "newOrdr=503",
        "newOrder",
        "newOrder=",
        "newOrder=99",
        "newOrder=delay",
        "newOrder=delay:soon",
        "newOrder=dropConection",
        "newOrder=dropConnection:beforeReading",
        "newOrder[example.com=503",
        "newOrder[acount:7]=503",
        "newOrder#0=503",
        "newOrder#%0=503",
        "newOrder@10m=503",
        "newOrder@2m..1m=503",
        "newOrder?2=503",
        "newOrder?x=503",
        "newOrder=body:\"open",
        "newOrder=503 x",
        "newOrder[phase:before]=wrongChain",
        "newOrder[phase:after]=dropConnection:beforeProcessing",
        "issuance=hang",
        "# fine\n*=hang\n  *[id:a b]=hang",
        "*=problem:ratelimited",
        "*=header:bad name=1",
        "{",
        "{\"do\": []}",
        "{\"when\": {\"endpont\": \"newOrder\"}, \"do\": [\"hang\"]}",
        "{\"rules\": [\n  {\"when\": {\"endpoint\": [\"newOrder\", \"finalise\"]}, \"do\": [\"hang\"]}\n]}",
        "{\"do\": [{\"status\": \"503\"}]}",
        "{\"do\": [{\"status\": 503, \"delay\": \"1s\"}]}",
        "{\"do\": [{\"delay\": \"1s\"}, {\"statsu\": 503}]}",
        "{\"do\": [{\"problem\": {\"type\": \"rateLimited\", \"retryafter\": \"1s\"}}]}",
        "{\"do\": [\"delay\"]}",
        "{\"do\": [{\"hang\": false}]}",
        "{\"do\": [\"hang\"]} x",
        "[\"*=hang\", \"newOrdr=hang\"]",
        "{\"rules\": [], \"more\": 1}",
    ];
    let shown = wrong.map(|text| match text.parse::<Script>() {
        Ok(script) => format!("{text:?}\n  {} rules", script.rules.len()),
        Err(error) => format!("{text:?}\n  {error}"),
    });
    insta::assert_snapshot!(shown.join("\n"));
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(text in "[-a-zA-Z0-9*|\\[\\]#@?=,:%.{}\" \\n\u{e9}]{0,60}") {
        drop(text.parse::<Script>());
    }

    /// Near a good line, where the branches are.
    #[test]
    fn a_line_that_was_cut_or_mixed_up_never_panics(cut in 0_usize..110, from in 0_usize..110, with in "\\PC{0,3}") {
        let line = "newOrder|finalize[.example.com,account:7]#2..4@1s..2m?0.25=503,header:A=b,body:\"x\",stuckProcessing:1m";
        let mixed: String = line.chars().take(cut).chain(with.chars()).chain(line.chars().skip(from)).collect();
        if let Ok(script) = mixed.parse::<Script>() {
            let json = serde_json::to_string(&script).unwrap();
            proptest::prop_assert_eq!(json.parse::<Script>().unwrap(), script);
        }
    }
}
