//! CAA while validating, and again while finalizing.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RData;
use hickory_proto::rr::rdata::CAA;
use mock_ca::db::ChallengeKind::{Dns01, Http01};
use serde_json::Value;

use super::{Shown, boulder, order, outcome, pebble, respond, stage, validate};
use crate::support::{Acme, Answers, Stage, body, simulated};

fn caa(flags: u8, tag: &str, value: &str) -> RData {
    let mut caa = CAA::new_issue(flags & 0x80 != 0, None, Vec::new());
    caa.tag = tag.to_owned();
    caa.value = value.as_bytes().to_vec();
    RData::CAA(caa)
}

fn issue(value: &str) -> Answers {
    Answers::Records(vec![caa(0, "issue", value)])
}

const OTHERS: &str = "ca.example.net";
const OURS: &str = "letsencrypt.org";

/// What comes of a good dns-01 challenge of `name` with these records.
fn outcome_of(name: &'static str, records: Vec<(&'static str, Answers)>) -> String {
    simulated(move |world| async move {
        let (stage, mut client) = stage(&world, boulder).await;
        let serve = async |shown: &Shown| {
            let host = format!("_acme-challenge.{}", name.trim_start_matches("*."));
            stage.name(&host, Answers::Texts(vec![shown.txt()]));
            for (name, answers) in &records {
                let answers = match answers {
                    Answers::Records(list) => Answers::Records(
                        list.iter()
                            .cloned()
                            .map(|data| match data {
                                RData::CAA(mut caa) => {
                                    let text = String::from_utf8(caa.value)
                                        .unwrap()
                                        .replace("ACCOUNT", &shown.account_url);
                                    caa.value = text.into_bytes();
                                    RData::CAA(caa)
                                }
                                other => other,
                            })
                            .collect(),
                    ),
                    other => other.clone(),
                };
                stage.name(name, answers);
            }
        };
        outcome(&validate(&mut client, ("dns", name), Dns01, serve).await)
    })
    .value
}

#[test]
fn the_lowest_name_with_records_decides() {
    const NAME: &str = "a.www.example.com";
    let forbidden = |name: &str| format!("caa 403: CAA record for {name} prevents issuance");
    for (records, expected) in [
        (vec![], "valid".to_owned()),
        (vec![("a.www.example.com CAA", issue(OURS))], "valid".to_owned()),
        (vec![("a.www.example.com CAA", issue(OTHERS))], forbidden(NAME)),
        (vec![("www.example.com CAA", issue(OTHERS))], forbidden("www.example.com")),
        (vec![("com CAA", issue(OTHERS))], forbidden("com")),
        (vec![("www.example.com CAA", issue(OURS)), ("example.com CAA", issue(OTHERS))], "valid".to_owned()),
        (vec![("a.www.example.com CAA", issue(OTHERS)), ("com CAA", issue(OURS))], forbidden(NAME)),
        (vec![("www.example.com CAA", issue(";"))], forbidden("www.example.com")),
        (vec![("www.example.com CAA", issue("%%%%%"))], forbidden("www.example.com")),
        // A record that does not restrict still ends the climb.
        (
            vec![
                ("www.example.com CAA", Answers::Records(vec![caa(0, "iodef", "mailto:a@example.com")])),
                ("example.com CAA", issue(OTHERS)),
            ],
            "valid".to_owned(),
        ),
        (
            vec![("example.com CAA", Answers::Records(vec![caa(0, "issue", OURS), caa(128, "tbs", "x")]))],
            forbidden("example.com"),
        ),
        (vec![("example.com CAA", issue("letsencrypt.org; accounturi=ACCOUNT"))], "valid".to_owned()),
        (vec![("example.com CAA", issue("letsencrypt.org; accounturi=ACCOUNT0"))], forbidden("example.com")),
        (vec![("example.com CAA", issue("letsencrypt.org; validationmethods=dns-01"))], "valid".to_owned()),
        (
            vec![("example.com CAA", issue("letsencrypt.org; validationmethods=http-01"))],
            forbidden("example.com"),
        ),
        // An alias: the records of its target are those of the name, and those above the target are not.
        (
            vec![
                ("a.www.example.com CAA", Answers::Alias("x.cdn.net.".into())),
                ("x.cdn.net CAA", issue(OTHERS)),
            ],
            forbidden(NAME),
        ),
        (
            vec![
                ("a.www.example.com CAA", Answers::Alias("x.cdn.net.".into())),
                ("x.cdn.net", Answers::Records(vec![])),
                ("cdn.net CAA", issue(OTHERS)),
            ],
            "valid".to_owned(),
        ),
    ] {
        assert_eq!(outcome_of(NAME, records.clone()), expected, "{records:?}");
    }
}

#[test]
fn wildcards_have_a_tag_of_their_own() {
    let both = || Answers::Records(vec![caa(0, "issue", OURS), caa(0, "issuewild", OTHERS)]);
    assert_eq!(outcome_of("example.com", vec![("example.com CAA", both())]), "valid");
    let forbidden = "caa 403: CAA record for example.com prevents issuance";
    assert_eq!(outcome_of("*.example.com", vec![("example.com CAA", both())]), forbidden);
}

#[test]
fn what_cannot_be_looked_up_prevents_issuance_too() {
    const NAME: &str = "www.example.com";
    for (at, failure, expected) in [
        (
            "www.example.com",
            Answers::Failure(ResponseCode::ServFail),
            "SERVFAIL looking up CAA for www.example.com - the domain's nameservers may be malfunctioning",
        ),
        (
            "example.com",
            Answers::Failure(ResponseCode::ServFail),
            "SERVFAIL looking up CAA for example.com - the domain's nameservers may be malfunctioning",
        ),
        ("com", Answers::Failure(ResponseCode::NotImp), "server failure at resolver looking up CAA for com"),
        ("com", Answers::Failure(ResponseCode::Refused), "REFUSED looking up CAA for com"),
        ("example.com", Answers::Silence, "query timed out looking up CAA for example.com"),
    ] {
        let name: &'static str = Box::leak(format!("{at} CAA").into_boxed_str());
        let got = outcome_of(NAME, vec![(name, failure)]);
        assert_eq!(got, format!("dns 400: DNS problem: {expected}"));
    }
    // What is above the lowest name with records does not matter.
    let records = vec![
        ("www.example.com CAA", issue(OURS)),
        ("example.com CAA", Answers::Failure(ResponseCode::ServFail)),
    ];
    assert_eq!(outcome_of(NAME, records), "valid");
}

/// A server of the zone alone, asked as if it were a resolver, refuses `com`: that is no failure.
#[test]
fn an_authority_that_is_asked_instead_of_a_resolver_ends_the_climb_at_its_zone() {
    for (zone, expected) in
        [("example.com", "valid"), ("com", "dns 400: DNS problem: REFUSED looking up CAA for com")]
    {
        let got = simulated(move |world| async move {
            let refused: crate::support::Zone = Arc::default();
            let at =
                authority(&world.process("dns"), "10.0.0.53".parse().unwrap(), zone, refused.clone()).await;
            let (_stage, mut client) = stage(&world, |config| {
                boulder(config);
                config.resolvers = vec![at];
            })
            .await;
            let serve = async |shown: &Shown| {
                let texts = Answers::Texts(vec![shown.txt()]);
                refused.lock().unwrap().insert("_acme-challenge.www.example.com".into(), texts);
            };
            outcome(&validate(&mut client, ("dns", "www.example.com"), Dns01, serve).await)
        });
        assert_eq!(got.value, expected);
    }
}

/// A nameserver that refuses `com`, and says in its other empty answers that it is the authority of `zone`.
async fn authority(
    world: &world::World,
    ip: IpAddr,
    zone: &'static str,
    records: crate::support::Zone,
) -> std::net::SocketAddr {
    use hickory_proto::op::{Message, MessageType, OpCode};
    use hickory_proto::rr::rdata::{SOA, TXT};
    use hickory_proto::rr::{Name, Record};
    let socket = world.bind_datagrams((ip, 0).into()).await.unwrap();
    let at = socket.local_addr();
    world.clone().spawn("authority", async move {
        while let Ok((bytes, from)) = socket.recv_from().await {
            let question = Message::from_vec(&bytes).unwrap();
            let query = question.queries[0].clone();
            let mut answer = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            answer.add_query(query.clone());
            answer.metadata.authoritative = true;
            let name = query.name().to_ascii();
            match records.lock().unwrap().get(name.trim_end_matches('.')) {
                Some(Answers::Texts(texts)) => {
                    let txt = RData::TXT(TXT::new(texts.clone()));
                    answer.add_answer(Record::from_rdata(query.name().clone(), 60, txt));
                }
                _ if name == "com." => {
                    answer.metadata.authoritative = false;
                    answer.metadata.response_code = ResponseCode::Refused;
                }
                _ => {
                    let soa = SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 1);
                    let apex: Name = format!("{zone}.").parse().unwrap();
                    answer.authorities.push(Record::from_rdata(apex, 60, RData::SOA(soa)));
                }
            }
            socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    at
}

#[test]
fn pebble_and_those_who_say_so_do_not_look() {
    let without = |config: &mut mock_ca::Config| {
        boulder(config);
        config.caa = false;
    };
    for change in [pebble as fn(&mut mock_ca::Config), without] {
        simulated(move |world| async move {
            let (stage, mut client) = stage(&world, change).await;
            stage.name("example.com CAA", issue(OTHERS));
            let serve = async |shown: &Shown| {
                stage.name("_acme-challenge.example.com", Answers::Texts(vec![shown.txt()]));
            };
            assert_eq!(outcome(&validate(&mut client, ("dns", "example.com"), Dns01, serve).await), "valid");
            assert_eq!(stage.journaled(r#""type":"CAA""#), 0);
        });
    }
}

/// A ready order for these names, whose authorizations become `age` old.
async fn aged(stage: &Stage, client: &mut Acme, names: &[&str], age: Duration) -> Value {
    let identifiers: Vec<_> = names.iter().map(|name| ("dns", *name)).collect();
    let (url, created) = order(client, &identifiers).await;
    for authorization in created["authorizations"].as_array().unwrap() {
        let serve = async |shown: &Shown| {
            let text = crate::support::Page::Text(shown.key_authorization.clone());
            stage.page(&shown.path(), text);
        };
        respond(client, authorization.as_str().unwrap(), Http01, serve).await;
    }
    stage.world.sleep(age).await;
    client.nonce = None;
    let order = client.get(&url).await;
    assert_eq!(order["status"], "ready");
    order
}

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn after_seven_hours_finalize_looks_again() {
    // Names that forbid meanwhile, the age, and what finalize says.
    let one = "403 caa: Error finalizing order :: Rechecking CAA: While processing CAA for example.com: \
               CAA record for example.com prevents issuance []";
    let two = "403 caa: Error finalizing order :: Rechecking CAA for \"example.com\" and 1 more identifiers \
               failed. Refer to sub-problems for more information \
               [example.com caa: While processing CAA for example.com: CAA record for example.com prevents issuance] \
               [www.example.com dns: While processing CAA for www.example.com: DNS problem: SERVFAIL looking up \
               CAA for www.example.com - the domain's nameservers may be malfunctioning]";
    for (failing, age, expected) in
        [(1, 6 * HOUR, "200"), (0, 8 * HOUR, "200"), (1, 8 * HOUR, one), (2, 8 * HOUR, two)]
    {
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        simulated(move |world| async move {
            let (stage, mut client) = stage(&world, boulder).await;
            let names = ["example.com", "www.example.com"];
            let order = aged(&stage, &mut client, &names, age).await;
            // One name's own records, so that the other's climb does not come to them.
            stage.name("www.example.com CAA", issue(OURS));
            if failing > 0 {
                stage.name("example.com CAA", issue(OTHERS));
            }
            if failing > 1 {
                stage.name("www.example.com CAA", Answers::Failure(ResponseCode::ServFail));
            }
            let before = stage.journaled(r#""type":"CAA""#);
            let url = order["finalize"].as_str().unwrap();
            let csr = client.csr(&names);
            let reply = client.post(url, &csr).await;
            let looked = stage.journaled(r#""type":"CAA""#) - before;
            assert_eq!(looked > 0, age > 7 * HOUR);
            let problem = body(&reply);
            let short = |v: &Value| {
                v.as_str().unwrap_or_default().trim_start_matches(mock_ca::problem::NAMESPACE).to_owned()
            };
            let mut text = reply.status.as_u16().to_string();
            if text != "200" {
                let subs: Vec<_> = problem["subproblems"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|sub| {
                        format!(
                            "[{} {}: {}]",
                            short(&sub["identifier"]["value"]),
                            short(&sub["type"]),
                            short(&sub["detail"])
                        )
                    })
                    .collect();
                let subs = if subs.is_empty() { "[]".to_owned() } else { subs.join(" ") };
                text = format!("{text} {}: {} {subs}", short(&problem["type"]), short(&problem["detail"]));
                // The order is as it was; when the records are good again, it is finalized.
                stage.name("example.com CAA", issue(OURS));
                stage.name("www.example.com CAA", issue(OURS));
                let csr = client.csr(&names);
                assert_eq!(client.post(url, &csr).await.status, 200);
            }
            *heard.lock().unwrap() = text;
        });
        assert_eq!(*said.lock().unwrap(), expected);
    }
}

#[test]
fn a_good_recheck_is_remembered() {
    simulated(|world| async move {
        let (stage, mut client) = stage(&world, boulder).await;
        aged(&stage, &mut client, &["example.com"], 8 * HOUR).await;
        let (_, first) = order(&mut client, &[("dns", "example.com")]).await;
        // A CSR that is refused: the check was made all the same.
        let csr = client.csr(&["other.example.com"]);
        let refused = client.post(first["finalize"].as_str().unwrap(), &csr).await;
        assert_ne!(refused.status, 200);
        let before = stage.journaled(r#""type":"CAA""#);
        let csr = client.csr(&["example.com"]);
        assert_eq!(client.post(first["finalize"].as_str().unwrap(), &csr).await.status, 200);
        assert_eq!(stage.journaled(r#""type":"CAA""#), before);
    });
}
