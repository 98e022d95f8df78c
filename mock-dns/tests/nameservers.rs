//! Several nameservers, each with its own lag; views; rules.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::Message;
use mock_dns::{
    Action, Asker, Condition, Config, Dns, Nameserver, Occasions, Record, RecordType, ResponseCode, Rule,
    View, Zone,
};
use proptest::prelude::*;
use tokio::io::AsyncReadExt as _;
use world::World;
use world::resolver::{LookupError, ResolveError, Resolver};

const NAME: &str = "_acme-challenge.example.test";
const SERVERS: [(&str, &str); 3] = [("ns1", "10.0.0.51"), ("ns2", "10.0.0.52"), ("ns3", "10.0.0.53")];

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(server: usize) -> SocketAddr {
    SocketAddr::new(SERVERS[server].1.parse().unwrap(), 53)
}

fn zone() -> Zone {
    Zone::new("example.test", vec![Record::new("www", RecordType::A, "10.0.0.80")])
}

/// Runs `body` with a server that has been started in a network of nameservers and askers.
fn run<T: Send + 'static, F>(config: Config, body: impl FnOnce(World, Dns) -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let net = world.sim_net().unwrap().clone();
        for (name, ip) in
            SERVERS.into_iter().chain([("main", "10.0.0.9"), ("va-1", "10.1.0.1"), ("va-2", "10.2.0.1")])
        {
            net.add_host(name, [ip.parse().unwrap()]);
        }
        let dns = Dns::new(world.process("ns1"), config).unwrap();
        dns.serve_nameservers().await.unwrap();
        body(world, dns).await
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value
}

fn three(delays: [Vec<Duration>; 3]) -> Config {
    SERVERS.into_iter().zip(delays).fold(Config::new(vec![zone()]), |config, ((name, _), publish_delay)| {
        let server = Nameserver { publish_delay, ..Nameserver::new(name, Duration::ZERO) };
        config.with_nameserver(server.on_host(name))
    })
}

fn texts(answer: &Message) -> Vec<String> {
    answer.answers.iter().map(|r| r.data.to_string().trim_matches('"').to_owned()).collect()
}

async fn txt(world: &World, server: usize) -> Vec<String> {
    texts(&Resolver::new(world, vec![at(server)]).query(NAME, RecordType::TXT).await.unwrap())
}

#[test]
fn a_change_is_seen_at_each_nameserver_when_its_time_has_come() {
    run(three([vec![], vec![secs(5)], vec![secs(20), secs(1)]]), |world, dns| async move {
        dns.add(NAME, RecordType::TXT, 60, "one").unwrap();
        let seen = async |server| txt(&world, server).await.join(",");
        assert_eq!([seen(0).await, seen(1).await, seen(2).await], ["one", "", ""]);
        world.sleep(secs(5)).await;
        assert_eq!([seen(0).await, seen(1).await, seen(2).await], ["one", "one", ""]);
        // The second change is faster on its way to ns3, and overtakes the first.
        dns.add(NAME, RecordType::TXT, 60, "two").unwrap();
        world.sleep(secs(1)).await;
        assert_eq!([seen(0).await, seen(1).await, seen(2).await], ["one,two", "one", "two"]);
        assert_eq!(dns.values_at("ns3", NAME, RecordType::TXT).unwrap(), ["two"]);
        world.sleep(secs(14)).await;
        assert_eq!([seen(0).await, seen(1).await, seen(2).await], ["one,two", "one,two", "one,two"]);
        // A removal takes as long.
        assert!(dns.remove_value(NAME, RecordType::TXT, "one").unwrap());
        assert!(!dns.remove_value(NAME, RecordType::TXT, "one").unwrap());
        assert_eq!([seen(0).await, seen(1).await], ["two", "one,two"]);
        world.sleep(secs(5)).await;
        assert_eq!(seen(1).await, "two");
        // A handle that publishes later delays all.
        dns.published_after(secs(3)).remove(NAME, RecordType::TXT).unwrap();
        assert_eq!(dns.values(NAME, RecordType::TXT).unwrap(), [""; 0]);
        assert_eq!(seen(0).await, "two");
        world.sleep(secs(3)).await;
        assert_eq!([seen(0).await, seen(1).await], ["", "two"]);
        let servers: Vec<String> = dns.log().iter().rev().take(2).map(|e| e.server.to_string()).collect();
        assert_eq!(servers, ["ns2", "ns1"]);
    });
}

#[test]
fn the_serial_number_shows_what_has_arrived() {
    run(three([vec![], vec![secs(5)], vec![secs(9)]]), |world, dns| async move {
        for text in ["one", "two"] {
            dns.add(NAME, RecordType::TXT, 60, text).unwrap();
            world.sleep(secs(4)).await;
        }
        let mut serials = Vec::new();
        for server in 0..3 {
            let resolver = Resolver::new(&world, vec![at(server)]);
            let answer = resolver.query("example.test", RecordType::SOA).await.unwrap();
            serials.push(answer.answers[0].data.to_string().split(' ').nth(2).unwrap().to_owned());
        }
        assert_eq!(serials, ["3", "2", "1"]);
    });
}

#[test]
fn a_nameserver_without_the_zone_is_lame_and_delays_can_change() {
    let mut config = three([vec![], vec![], vec![]]);
    config.nameservers[1].zones = vec!["other.test".to_owned()];
    run(config, |world, dns| async move {
        let lame = Resolver::new(&world, vec![at(1)]).addresses("www.example.test").await;
        assert!(
            matches!(
                lame,
                Err(LookupError { source: ResolveError::ServerFailure(ResponseCode::Refused), .. })
            ),
            "{lame:?}"
        );
        assert!(dns.set_publish_delay("ns3", vec![secs(7)]));
        assert!(!dns.set_publish_delay("ns4", vec![secs(7)]));
        assert_eq!(dns.nameservers()[2].publish_delay, [secs(7)]);
        dns.set(NAME, RecordType::TXT, 60, &["x"]).unwrap();
        assert_eq!((txt(&world, 0).await, txt(&world, 2).await), (vec!["x".to_owned()], vec![]));
    });
}

#[test]
fn each_asker_sees_its_own_view() {
    let inside = Zone::new("example.test", vec![Record::new("www", RecordType::A, "192.168.0.80")]);
    let corner = Zone::new("corner.example.test", vec![Record::new("@", RecordType::A, "192.168.0.1")]);
    let config =
        Config::new(vec![zone(), Zone::new("other.test", vec![Record::new("@", RecordType::A, "10.0.0.1")])])
            .with_view(View::new("corner", vec!["va-2".parse().unwrap()], vec![corner]))
            .with_view(View::new("inside", vec!["10.1.0.0/16".parse().unwrap()], vec![inside]));
    run(config, |world, dns| async move {
        let ask = async |host: &str, name: &str| {
            let resolver = Resolver::new(&world.process(host), vec![at(0)]);
            resolver.addresses(name).await.map_or_else(|e| e.to_string(), |ips| ips[0].to_string())
        };
        assert_eq!(ask("main", "www.example.test").await, "10.0.0.80");
        assert_eq!(ask("va-1", "www.example.test").await, "192.168.0.80");
        assert_eq!(ask("va-2", "www.example.test").await, "10.0.0.80");
        assert_eq!(ask("va-2", "corner.example.test").await, "192.168.0.1");
        assert_eq!(
            ask("main", "corner.example.test").await,
            "lookup corner.example.test on 10.0.0.51:53: no such host"
        );
        assert_eq!(ask("va-1", "other.test").await, "10.0.0.1");
        let inside = dns.in_view("inside").unwrap();
        inside.set("www.example.test", RecordType::A, 60, &["192.168.0.81"]).unwrap();
        assert_eq!(ask("va-1", "www.example.test").await, "192.168.0.81");
        assert_eq!(ask("main", "www.example.test").await, "10.0.0.80");
        assert_eq!(
            dns.in_view("corner").unwrap().zones(),
            ["example.test", "corner.example.test", "other.test"]
        );
        let unknown = dns.in_view("attic").unwrap_err().to_string();
        assert_eq!(unknown, "view \"attic\": expected one of the views of this server: corner, inside");
    });
}

/// What `main` gets for `www.example.test A`, in a word.
async fn word(world: &World, server: usize) -> String {
    let resolver = Resolver::new(world, vec![at(server)]).with_timeout(secs(1));
    match resolver.query("www.example.test", RecordType::A).await {
        Ok(answer) => match answer.answers.first() {
            Some(record) => record.data.to_string(),
            None => format!("{:?}", answer.metadata.response_code),
        },
        Err(error) => error.to_string(),
    }
}

fn rule(name: &str, when: Condition, action: Action) -> Rule {
    Rule { when, ..Rule::new(name, action) }
}

#[test]
fn rules_decide_by_name_type_server_asker_and_transport() {
    let suffix = |text: &str| Condition { suffix: Some(text.to_owned()), ..Condition::default() };
    let rules = [
        rule(
            "a only",
            Condition { types: vec![RecordType::AAAA], ..suffix(".") },
            Action::Code(ResponseCode::NotImp),
        ),
        rule(
            "va",
            Condition { askers: vec![Asker::Host("va-1".to_owned())], ..suffix("example.test") },
            Action::Bogus,
        ),
        rule("ns2", Condition { servers: vec!["ns2".to_owned()], ..suffix("example.test") }, Action::Refuse),
        rule(
            "name",
            Condition { name: Some("gone.Example.test.".to_owned()), ..Condition::default() },
            Action::Code(ResponseCode::NXDomain),
        ),
        rule(
            "below",
            suffix("www.example.test"),
            Action::Records(vec![Record::new("@", RecordType::A, "6.6.6.6")]),
        ),
    ];
    let config = rules.into_iter().fold(three([vec![], vec![], vec![]]), Config::with_rule);
    run(config, |world, dns| async move {
        let code = async |host: &str, server, name: &str, kind| {
            let resolver = Resolver::new(&world.process(host), vec![at(server)]);
            resolver.query(name, kind).await.unwrap()
        };
        let www = "www.example.test";
        let answer = code("main", 0, www, RecordType::AAAA).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NotImp);
        assert_eq!(code("va-1", 0, www, RecordType::A).await.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(code("main", 1, www, RecordType::A).await.metadata.response_code, ResponseCode::Refused);
        assert_eq!(word(&world, 0).await, "6.6.6.6");
        let gone = code("main", 0, "gone.example.test", RecordType::A).await;
        assert_eq!((gone.metadata.response_code, gone.authorities.len()), (ResponseCode::NXDomain, 1));
        let applied: Vec<_> = dns.log().iter().map(|e| e.rule.as_deref().unwrap_or("").to_owned()).collect();
        assert_eq!(applied, ["a only", "va", "ns2", "below", "name"]);
        assert!(dns.log()[1].to_string().ends_with("www.example.test. A SERVFAIL 0 by va"));
        assert!(dns.remove_rule("below") && !dns.remove_rule("below"));
        assert_eq!(word(&world, 0).await, "10.0.0.80");
        let counts: Vec<_> = dns.rules().iter().map(|r| (r.rule.name.clone(), r.fitted, r.applied)).collect();
        assert_eq!(counts[1], ("va".to_owned(), 1, 1));
    });
}

#[test]
fn the_first_rule_that_is_applied_counts_and_only_it() {
    let config = Config::new(vec![zone()])
        .with_rule(Rule {
            occasions: Occasions { skip: 1, times: Some(1), ..Occasions::default() },
            ..Rule::new("second", Action::Code(ResponseCode::ServFail))
        })
        .with_rule(Rule {
            occasions: Occasions { from: secs(10), until: Some(secs(20)), ..Occasions::default() },
            ..Rule::new("window", Action::Refuse)
        })
        .with_rule(Rule { delay: secs(3), ..Rule::new("slow", Action::Answer) });
    run(config, |world, dns| async move {
        let resolver = Resolver::new(&world, vec![at(0)]);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let start = world.monotonic();
            let answer = resolver.query("www.example.test", RecordType::A).await.unwrap();
            seen.push((answer.metadata.response_code, world.monotonic().since(start).as_secs()));
            world.sleep(secs(4)).await;
        }
        let (good, bad, lame) = (ResponseCode::NoError, ResponseCode::ServFail, ResponseCode::Refused);
        assert_eq!(seen, [(good, 3), (bad, 0), (lame, 0), (lame, 0)]);
        let rules: Vec<_> = dns.log().iter().map(|e| e.rule.as_deref().unwrap().to_owned()).collect();
        assert_eq!(rules, ["slow", "second", "window", "window"]);
        dns.reset();
        assert!(dns.log().is_empty());
        let again = resolver.query("www.example.test", RecordType::A).await.unwrap();
        assert_eq!(again.metadata.response_code, good, "the counts begin anew");
    });
}

#[test]
fn every_action_does_what_it_says() {
    run(Config::new(vec![zone()]), |world, dns| async move {
        let set = |action| dns.set_rules(vec![Rule::new("the", action)]).unwrap();
        for (action, expected) in [
            (Action::Answer, "10.0.0.80"),
            (Action::Drop, "i/o timeout"),
            (Action::Close, "i/o timeout"),
            (Action::WrongId, "i/o timeout"),
            (Action::Code(ResponseCode::NoError), "NoError"),
            (Action::NotAuthoritative, "10.0.0.80"),
            (Action::Truncate, "10.0.0.80"),
            (Action::Reverse, "10.0.0.80"),
            (Action::Bogus, "ServFail"),
        ] {
            set(action.clone());
            // A timeout tells both ends.
            let said = word(&world, 0).await;
            assert_eq!(said.rsplit(": ").next(), Some(expected), "{action:?}");
        }
        set(Action::Garbage);
        assert!(Resolver::new(&world, vec![at(0)]).query("www.example.test", RecordType::A).await.is_err());
        dns.clear_log();
        set(Action::Truncate);
        word(&world, 0).await;
        let log: Vec<_> = dns.log().iter().map(|e| (e.transport.to_string(), e.truncated)).collect();
        assert_eq!(log, [("udp".to_owned(), true), ("tcp".to_owned(), false)]);
        dns.set("www.example.test", RecordType::A, 60, &["10.0.0.1", "10.0.0.2"]).unwrap();
        set(Action::Reverse);
        let resolver = Resolver::new(&world, vec![at(0)]);
        let answer = resolver.query("www.example.test", RecordType::A).await.unwrap();
        assert_eq!(texts(&answer), ["10.0.0.2", "10.0.0.1"]);
        set(Action::NotAuthoritative);
        assert!(!resolver.query("www.example.test", RecordType::A).await.unwrap().metadata.authoritative);
        // On a connection: silence, or its end.
        for (action, ends) in [(Action::Drop, false), (Action::Close, true)] {
            set(action);
            let mut stream = world.connect(at(0)).await.unwrap();
            let query = b"\0\x1e\0\x07\0\0\0\x01\0\0\0\0\0\0\x07example\x04test\0\0\x01\0\x01";
            tokio::io::AsyncWriteExt::write_all(&mut stream, query).await.unwrap();
            let read = world.timeout(secs(5), stream.read(&mut [0])).await;
            assert_eq!(read.is_ok(), ends, "{read:?}");
        }
    });
}

#[test]
fn rules_are_data() {
    let text = r#"{"name": "x", "when": {"suffix": "example.test", "types": ["CAA"], "askers": ["10.0.0.0/8", "va-1"],
        "transport": "udp"}, "occasions": {"from": "10s", "until": "1m", "skip": 2, "every": 3, "times": 4},
        "delay": "1.5s", "action": {"code": "SERVFAIL"}}"#;
    let rule: Rule = serde_json::from_str(text).unwrap();
    let back = serde_json::to_string(&rule).unwrap();
    assert_eq!(serde_json::from_str::<Rule>(&back).unwrap(), rule);
    let records =
        r#"{"name": "y", "action": {"records": [{"name": "@", "type": "A", "value": "10.0.0.1"}]}}"#;
    let action = serde_json::from_str::<Rule>(records).unwrap().action;
    assert_eq!(action, Action::Records(vec![Record::new("@", RecordType::A, "10.0.0.1")]));
    let refused = |text: &str| serde_json::from_str::<Rule>(text).unwrap_err().to_string();
    assert!(refused(r#"{"name": "x", "action": "explode"}"#).contains("unknown variant `explode`"));
    assert!(refused(r#"{"name": "x", "action": {"code": "OOPS"}}"#).contains("`OOPS` is no response code"));
    assert!(refused(r#"{"name": "x", "when": {"type": "A"}}"#).contains("unknown field `type`"));
    run(Config::new(vec![zone()]), |_, dns| async move {
        let refused = |rule: Rule| dns.add_rule(rule, None).unwrap_err().to_string();
        dns.add_rule(Rule::new("x", Action::Drop), None).unwrap();
        assert_eq!(
            refused(Rule::new("x", Action::Drop)),
            "rule x: expected one rule of this name, there are two"
        );
        assert_eq!(refused(Rule::new("", Action::Drop)), "rule: expected a name");
        let zero = Occasions { every: 0, ..Occasions::default() };
        let zero = Rule { occasions: zero, ..Rule::new("z", Action::Drop) };
        assert_eq!(refused(zero), "rule z: expected `every` to be 1 or more");
        let records = Action::Records(vec![Record::new("@", RecordType::A, "x")]);
        assert!(refused(Rule::new("r", records)).contains("expected an IPv4 address"));
        dns.add_rule(Rule::new("first", Action::Answer), Some(0)).unwrap();
        assert_eq!(dns.rules()[0].rule.name, "first");
    });
}

#[test]
fn a_configuration_is_data() {
    let text = r#"{"zones": [{"name": "a.test"}], "delay": "1ms", "logMax": 2, "payloadMax": 4096,
        "nameservers": [{"name": "ns1", "publishDelay": "5s"},
            {"name": "ns2", "listen": "127.0.0.1:0", "publishDelay": ["1s", "2s"], "zones": ["a.test"]}],
        "views": [{"name": "inside", "askers": ["10.0.0.0/8"], "zones": [{"name": "a.test"}]}],
        "rules": [{"name": "x", "action": "drop"}]}"#;
    let config: Config = serde_json::from_str(text).unwrap();
    assert_eq!(config.nameservers[0].publish_delay, [secs(5)]);
    assert_eq!(config.nameservers[1].publish_delay, [secs(1), secs(2)]);
    let back = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&back).unwrap(), config);
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let new = |config: Config| Dns::new(world.clone(), config).map(|_| ()).map_err(|e| e.to_string());
        let twice = Config::default()
            .with_nameserver(Nameserver::new("a", secs(0)))
            .with_nameserver(Nameserver::new("a", secs(0)));
        assert_eq!(new(twice).unwrap_err(), "nameserver \"a\": expected a name that no other nameserver has");
        let unnamed = Config::default().with_view(View::default());
        assert_eq!(new(unnamed).unwrap_err(), "view \"\": expected a name that no other view has");
        assert!(new(Config::default().with_rule(Rule::new("", Action::Drop))).is_err());
        let dns = Dns::new(world.clone(), config).unwrap();
        for _ in 0..5 {
            let query = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x06\0\x01".to_vec();
            dns.answer(query, "10.0.0.1:5".parse().unwrap(), mock_dns::Transport::Udp).await;
        }
        assert_eq!(dns.log().len(), 2, "the log is bounded");
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}"));
}

/// A change of the model: a value that is there from then on, or no more.
#[derive(Debug, Clone)]
struct Step {
    pause: u64,
    value: u8,
    add: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0u64..4, 0u8..4, any::<bool>()).prop_map(|(pause, value, add)| Step { pause, value, add });
    prop::collection::vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    /// What a nameserver has at t is what the changes make of the zone that are older than its delay.
    #[test]
    fn a_nameserver_has_the_changes_that_are_older_than_their_delay(
        steps in steps(),
        delays in prop::collection::vec(0u64..9, 1..5),
    ) {
        let config = three([vec![], delays.iter().map(|d| secs(*d)).collect(), vec![secs(4)]]);
        run(config, move |world, dns| async move {
            let mut made: Vec<(u64, Step)> = Vec::new();
            let mut now = 0;
            let expected = |made: &[(u64, Step)], now: u64, delay: &dyn Fn(usize) -> u64| {
                let mut values: Vec<String> = Vec::new();
                for (n, (at, step)) in made.iter().enumerate() {
                    if at + delay(n) > now {
                        continue;
                    }
                    let value = step.value.to_string();
                    values.retain(|v| *v != value || step.add);
                    if step.add && !values.contains(&value) {
                        values.push(value);
                    }
                }
                values
            };
            for step in steps {
                for _ in 0..step.pause {
                    world.sleep(secs(1)).await;
                    now += 1;
                    let listed = |n: usize| *delays.get(n).or(delays.last()).unwrap();
                    let at_ns = |server| dns.values_at(server, NAME, RecordType::TXT).unwrap();
                    assert_eq!(at_ns("ns1"), expected(&made, now, &|_| 0));
                    assert_eq!(at_ns("ns2"), expected(&made, now, &listed));
                    assert_eq!(at_ns("ns3"), expected(&made, now, &|_| 4));
                }
                let value = step.value.to_string();
                if step.add {
                    dns.add(NAME, RecordType::TXT, 60, &value).unwrap();
                    made.push((now, step));
                } else if dns.remove_value(NAME, RecordType::TXT, &value).unwrap() {
                    // What changes nothing is no change, and takes no delay of the list.
                    made.push((now, step));
                }
            }
        });
    }
}
