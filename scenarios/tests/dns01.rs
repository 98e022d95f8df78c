//! DNS-01 from a Certificate to the CA's verdict: records at a provider, nameservers that lag, aliases, dynamic
//! updates, DNS over HTTPS.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use crate::common::load;
use engine::api::{Challenge, Event, Kind};
use engine::dns01::{AcmeDns, Provider as _, TxtRecord};
use engine::log::render;
use mock_dns::provider::{AuditEntry, Operation};
use mock_dns::{QueryLogEntry, Record, RecordType, Transport, TsigKey, Zone};
use scenarios::runner::{self, Options, Remains};
use scenarios::script::{Doh, Expect, Loaded, Plugin, ProviderApi, Webhook};
use world::Timestamp;

const NAME: &str = "dnspod-wildcard";
const RECORD: &str = "_acme-challenge.ewhisper.cn";
const ENGINE: &str = "10.42.0.5";
const SECRET: &str = "c2VjcmV0IG9mIHRoZSBrZXk=";
/// The node abroad keeps up, so that the first order succeeds.
const KEEPS_UP: &str = "dns.nameservers.2.publishDelay=[20s]";
const SOON: &str = "until=2022-05-08T10:06:00Z";

fn run(loaded: &Loaded, overrides: &[&str]) -> Remains {
    let overrides = overrides.iter().map(|s| (*s).to_owned()).collect();
    runner::remains(loaded, &Options { overrides, ..Options::default() })
        .unwrap_or_else(|why| panic!("{why}"))
}

/// The scenario with another DNS-01 solver in its issuer, and more manifests.
fn with_solver(dns01: &str, more: &str) -> Loaded {
    let mut loaded = load(NAME);
    loaded.objects.retain(|object| object.kind() == Kind::Certificate);
    let issuer = format!(
        r#"{{"apiVersion": "cert-manager.io/v1", "kind": "ClusterIssuer", "metadata": {{"name": "dnspod"}},
             "spec": {{"acme": {{"server": "https://acme-v02.api.letsencrypt.org/directory",
               "email": "admin@ewhisper.cn", "privateKeySecretRef": {{"name": "account"}},
               "solvers": [{{"dns01": {dns01}}}]}}}}}}"#
    );
    for text in [issuer.as_str(), more] {
        loaded.objects.extend(engine::manifest::load("test.yaml", text).unwrap());
    }
    loaded.scenario.expect = Expect::default();
    loaded
}

/// The published records in order: value, and when it came and went.
fn records(remains: &Remains) -> Vec<(String, Timestamp, Option<Timestamp>)> {
    let audit = remains.providers[0].audit_where(|entry| entry.result == "ok");
    let of = |entry: &&AuditEntry, what| entry.operation == what;
    let created = audit.iter().filter(|entry| of(entry, Operation::CreateRecord));
    created
        .map(|entry| {
            let deleted = |e: &&AuditEntry| of(e, Operation::DeleteRecord) && e.value == entry.value;
            (entry.value.clone(), entry.at, audit.iter().find(deleted).map(|e| e.at))
        })
        .collect()
}

fn lives(remains: &Remains) -> Vec<f64> {
    let lives = records(remains).into_iter();
    lives.map(|(_, came, went)| went.unwrap().since(came).as_secs_f64()).collect()
}

/// How many lines of the log contain all these texts.
fn lines(remains: &Remains, texts: &[&str]) -> usize {
    let rendered = remains.log.entries().into_iter().map(|entry| render(&entry, 1));
    rendered.filter(|line| texts.iter().all(|text| line.contains(text))).count()
}

fn certificates(remains: &Remains) -> usize {
    remains.ca.as_ref().unwrap().issued().len()
}

fn queries(remains: &Remains, wanted: impl Fn(&QueryLogEntry) -> bool) -> Vec<QueryLogEntry> {
    remains.dns.as_ref().unwrap().log_where(wanted)
}

/// The TXT values that are still there.
fn left(remains: &Remains, name: &str) -> Vec<String> {
    remains.dns.as_ref().unwrap().values(name, RecordType::TXT).unwrap()
}

/// Why the challenges are not done.
fn reasons(remains: &Remains) -> Vec<String> {
    let challenges = remains.store.list(Kind::Challenge);
    let reasons = challenges.iter().filter_map(|o| o.get::<Challenge>()).map(|c| c.status.reason.clone());
    reasons.filter(|reason| !reason.is_empty()).collect()
}

fn events(remains: &Remains, reason: &str) -> Vec<String> {
    let events = remains.store.list(Kind::Event);
    let fitting = events.iter().filter_map(|o| o.get::<Event>()).filter(|e| e.reason == reason);
    fitting.map(|e| e.message.clone()).collect()
}

#[test]
fn the_records_come_and_go_as_in_the_audit_log_of_document_002() {
    let remains = run(&load(NAME), &[]);
    let records = records(&remains);
    // The pair that the document does not show, A, B and C.
    let [first, a, b, c] = records.as_slice() else { panic!("{records:?}") };
    for life in lives(&remains) {
        assert!((72.0..74.0).contains(&life), "{life}");
    }
    // One name and type at a time: the next starts within two ticks of the scheduler.
    for (before, after) in [(first, a), (b, c)] {
        let gap = after.1.since(before.2.unwrap()).as_secs_f64();
        assert!((0.0..2.0).contains(&gap), "{gap}");
    }
    // The hour is counted from the failure of the first challenge's order, not from the second's.
    let between = b.1.since(a.1).as_secs_f64();
    assert!((3600.0..3610.0).contains(&between), "{between}");
    assert!(b.1.since(a.2.unwrap()).as_secs() < 3600);
    assert!(
        lines(&remains, &["Not re-issuing certificate as an attempt has been made in the last hour"]) > 0
    );
    // Orders of one Certificate have one hash, the document's.
    let presented = "presenting DNS01 challenge for domain";
    assert_eq!(lines(&remains, &["dns.go:88", presented]), 4);
    assert_eq!(lines(&remains, &["dns.go:88", presented, "-2449993249-"]), 4);
    assert_eq!((certificates(&remains), left(&remains, RECORD)), (1, vec![]));
}

#[test]
fn the_check_passes_where_it_looks_and_the_ca_refuses_where_that_looks() {
    let remains = run(&load(NAME), &["until=2022-05-08T10:05:00Z"]);
    let refused = "DNS problem: NXDOMAIN looking up TXT for _acme-challenge.ewhisper.cn";
    assert_eq!(lines(&remains, &["sync.go:386", refused]), 2);
    let first = queries(&remains, |q| q.kind == RecordType::TXT && &*q.server == "abroad");
    assert!(first.iter().all(|q| q.answers == 0), "{first:?}");
    for server in ["f1g1ns1", "f1g1ns2"] {
        let asked = queries(&remains, |q| q.kind == RecordType::TXT && &*q.server == server);
        assert!(asked.iter().any(|q| q.answers == 1), "{server}");
        assert!(asked.iter().all(|q| q.from.ip().to_string() == ENGINE), "{server}");
    }
    assert_eq!((certificates(&remains), left(&remains, RECORD)), (0, vec![]));
}

#[test]
fn with_a_node_abroad_that_keeps_up_the_first_order_succeeds() {
    let remains = run(&load(NAME), &[KEEPS_UP, SOON]);
    assert_eq!((records(&remains).len(), certificates(&remains)), (2, 1));
    assert_eq!(lines(&remains, &["sync.go:386"]), 0);
    let verified = events(&remains, "DomainVerified");
    assert_eq!(verified.len(), 2, "{verified:?}");
    assert!(verified.iter().all(|text| text == "Domain \"ewhisper.cn\" verified with \"DNS-01\" validation"));
    let presented = events(&remains, "Presented");
    assert!(presented.iter().all(|text| text == "Presented challenge using DNS-01 challenge mechanism"));
}

#[test]
fn a_record_that_is_not_there_yet_is_looked_for_again_after_ten_seconds() {
    let remains = run(&load(NAME), &[KEEPS_UP, SOON]);
    let failed = ["sync.go:186", "DNS record for \\\"ewhisper.cn\\\" not yet propagated"];
    // Each challenge: once, and once more because the reason that is written wakes it.
    assert_eq!(lines(&remains, &failed), 4);
    // Without a delay at all the first check passes, and a record lives ten seconds less.
    let at_once = "dns.nameservers.0.publishDelay=[0s]";
    let remains = run(&load(NAME), &[KEEPS_UP, SOON, at_once, "dns.nameservers.1.publishDelay=[0s]"]);
    assert_eq!(lines(&remains, &failed), 0);
    for life in lives(&remains) {
        assert!((60.0..64.0).contains(&life), "{life}");
    }
}

#[test]
fn the_debug_lines_tell_of_the_search_and_of_the_settling_time() {
    let remains = run(&load(NAME), &[KEEPS_UP, SOON, "engine.verbosity=4"]);
    for (marker, text) in [
        ("dns.go:116", r#""checking DNS propagation""#),
        ("dns.go:128", r#""fqdn"="_acme-challenge.ewhisper.cn." "ttl"=60"#),
        ("dns.go:130", r#""ACME DNS01 validation record propagated""#),
        ("dns.go:146", r#""cleaning up DNS01 challenge""#),
        ("wait.go:141", r#"Looking up TXT records for "_acme-challenge.ewhisper.cn.""#),
        ("wait.go:298", "using seed nameservers [203.0.113.11:53]"),
        ("wait.go:316", "Returning authoritative nameservers [f1g1ns1.dnspod.net., f1g1ns2.dnspod.net.]"),
        ("wait.go:329", r#"Returning cached zone record "ewhisper.cn." for fqdn"#),
        ("wait.go:383", r#"Returning discovered zone record "ewhisper.cn." for fqdn"#),
        ("webhook.go:63", r#""Present call succeeded""#),
        ("webhook.go:99", r#""CleanUp call succeeded""#),
    ] {
        assert!(lines(&remains, &[marker, text]) > 0, "{marker} {text}");
    }
}

#[test]
fn recursive_only_asks_the_given_nameservers_instead_of_the_zones() {
    let abroad = r#"engine.dns01.nameservers=["198.51.100.53:53"]"#;
    let until = "until=2022-05-08T10:20:00Z";
    let remains = run(&load(NAME), &["engine.dns01.recursiveOnly=true", abroad, until]);
    // It waits for the node that the CA looks at, and nothing is refused.
    assert_eq!((certificates(&remains), lines(&remains, &["sync.go:386"])), (1, 0));
    for life in lives(&remains) {
        assert!((300.0..400.0).contains(&life), "{life}");
    }
    let txt = queries(&remains, |q| q.kind == RecordType::TXT);
    assert!(txt.iter().all(|q| &*q.server == "abroad"), "{txt:?}");
}

/// `_acme-challenge.ewhisper.cn` is an alias into a zone that is for challenges only.
fn with_alias(strategy: &str) -> Loaded {
    let webhook = r#"{"groupName": "acme.imroc.cc", "solverName": "dnspod", "config":
        {"secretIdRef": {"name": "dnspod", "key": "id"}, "secretKeyRef": {"name": "dnspod", "key": "key"}}}"#;
    let secret = r#"{"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "dnspod", "namespace": "kube-system"}, "data": {"id": "QUtJRA==", "key": "a2V5"}}"#;
    let dns01 = format!(r#"{{"cnameStrategy": "{strategy}", "webhook": {webhook}}}"#);
    let mut loaded = with_solver(&dns01, secret);
    let zones = &mut loaded.scenario.dns.zones;
    zones[0].records.push(Record::new("_acme-challenge", RecordType::CNAME, "ewhisper.challenges.net"));
    let ns = zones[0].ns.clone();
    zones.push(Zone { ns, ..Zone::new("challenges.net", vec![]) });
    loaded
}

#[test]
fn with_the_strategy_follow_the_record_goes_to_the_end_of_the_alias() {
    let remains = run(&with_alias("Follow"), &[KEEPS_UP, SOON]);
    assert_eq!(certificates(&remains), 1);
    let created = remains.providers[0].audit_where(|e| e.operation == Operation::CreateRecord);
    assert_eq!(created.len(), 2);
    assert!(created.iter().all(|e| e.zone == "challenges.net" && e.name == "ewhisper"), "{created:?}");
    assert!(created.iter().all(|e| e.account == "AKID"), "the Secret's id");
    assert_eq!(left(&remains, "ewhisper.challenges.net"), [] as [String; 0]);
}

#[test]
fn without_it_the_record_goes_to_the_alias_itself_and_the_provider_refuses() {
    let remains = run(&with_alias("None"), &[KEEPS_UP, SOON]);
    assert_eq!(certificates(&remains), 0);
    let reasons = reasons(&remains);
    let told = "[TencentCloudSDKError] Code=InvalidParameter.DomainRecordExist, Message=";
    assert!(reasons.iter().any(|reason| reason.starts_with(told)), "{reasons:?}");
    let events = events(&remains, "PresentError");
    let event = format!("Error presenting challenge: {told}");
    // Each has another request id, so that from the tenth on they are combined.
    let alike =
        |text: &String| text.trim_start_matches("(combined from similar events): ").starts_with(&event);
    assert!(!events.is_empty() && events.iter().all(alike), "{events:?}");
}

/// The issuer updates the zone itself, signed with a key.
fn with_updates(algorithm: &str, protocol: &str, secret: &str) -> Loaded {
    let dns01 = format!(
        r#"{{"rfc2136": {{"nameserver": "203.0.113.11", "tsigKeyName": "updater", "tsigAlgorithm": "{algorithm}",
            "tsigSecretSecretRef": {{"name": "tsig", "key": "secret"}} {protocol}}}}}"#
    );
    use base64::Engine as _;
    let data = base64::engine::general_purpose::STANDARD.encode(secret);
    let manifest = format!(
        r#"{{"apiVersion": "v1", "kind": "Secret",
            "metadata": {{"name": "tsig", "namespace": "kube-system"}}, "data": {{"secret": "{data}"}}}}"#
    );
    let mut loaded = with_solver(&dns01, &manifest);
    let algorithm = algorithm.replace("HMAC", "hmac-").to_ascii_lowercase();
    let zones = vec!["ewhisper.cn".to_owned()];
    let key = TsigKey { name: "updater".into(), algorithm, secret: SECRET.into(), zones };
    loaded.scenario.dns.updates.keys.push(key);
    loaded
}

#[test]
fn signed_updates_publish_the_record_and_take_it_away() {
    for (algorithm, protocol, transport) in
        [("HMACSHA512", "", Transport::Udp), ("HMACMD5", r#", "protocol": "TCP""#, Transport::Tcp)]
    {
        let remains = run(&with_updates(algorithm, protocol, SECRET), &[KEEPS_UP, SOON]);
        let updates = queries(&remains, |q| q.changes.is_some());
        assert_eq!(updates.len(), 4, "{algorithm} {updates:?}");
        assert!(updates.iter().all(|q| q.changes == Some(1) && q.name == "ewhisper.cn."), "{updates:?}");
        assert!(updates.iter().all(|q| q.transport == transport), "{updates:?}");
        assert_eq!((certificates(&remains), left(&remains, RECORD)), (1, vec![]), "{algorithm}");
    }
}

#[test]
fn an_update_with_another_secret_is_refused() {
    let remains = run(&with_updates("HMACSHA256", "", "b3RoZXI="), &[SOON]);
    assert_eq!((certificates(&remains), left(&remains, RECORD)), (0, vec![]));
    assert_eq!(reasons(&remains), ["DNS update failed: dns: bad signature"]);
}

#[test]
fn an_update_of_a_zone_that_is_not_the_keys_is_refused() {
    let mut loaded = with_updates("HMACSHA256", "", SECRET);
    loaded.scenario.dns.updates.keys[0].zones = vec!["other.cn".to_owned()];
    let remains = run(&loaded, &[SOON]);
    assert_eq!(reasons(&remains), ["DNS update failed. Server replied: REFUSED"]);
}

#[test]
fn nameservers_may_be_asked_over_https_where_the_release_can() {
    let mut loaded = load(NAME);
    loaded.scenario.expect = Expect::default();
    loaded.scenario.hosts.insert("doh".to_owned(), vec!["203.0.113.30".parse().unwrap()]);
    loaded.scenario.dns.doh = Some(Doh { host: "doh".to_owned(), name: "doh.dnspod.net".to_owned() });
    loaded.scenario.dns.zones[1].records.push(Record::new("doh", RecordType::A, "203.0.113.30"));
    loaded.scenario.engine.dns01.nameservers = vec!["https://doh.dnspod.net/dns-query".to_owned()];
    let remains = run(&loaded, &[KEEPS_UP, SOON, "engine.compat=v1_16"]);
    let asked = queries(&remains, |q| q.transport == Transport::Https);
    for kind in [RecordType::SOA, RecordType::CNAME, RecordType::NS] {
        assert!(asked.iter().any(|q| q.kind == kind), "{kind}");
    }
    assert_eq!((records(&remains).len(), certificates(&remains)), (2, 1));
    // 1.7 takes it for an address.
    let remains = run(&loaded, &[KEEPS_UP, SOON]);
    let why = "dial udp: address https://doh.dnspod.net/dns-query: missing port in address";
    assert_eq!(reasons(&remains), [why]);
}

#[test]
fn any_provider_with_the_plain_api_is_reached_by_the_webhook_rest() {
    let dns01 = r#"{"webhook": {"groupName": "dns.example.com", "solverName": "rest", "config":
        {"url": "http://api.dnspod.net", "tokenSecretRef": {"name": "dns", "key": "token"}, "ttl": 30}}}"#;
    let secret = r#"{"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "dns", "namespace": "kube-system"}, "data": {"token": "dG9rZW4="}}"#;
    let mut loaded = with_solver(dns01, secret);
    loaded.scenario.dns.zones[1].records.push(Record::new("api", RecordType::A, "203.0.113.20"));
    loaded.scenario.dns.providers[0].api = ProviderApi::Rest;
    let webhook = Webhook {
        host: "dnspod-webhook".to_owned(),
        group: "dns.example.com".to_owned(),
        plugin: Plugin::Rest,
        api: String::new(),
    };
    loaded.scenario.cluster.webhooks = vec![webhook];
    let remains = run(&loaded, &[KEEPS_UP, SOON]);
    assert_eq!((records(&remains).len(), certificates(&remains), left(&remains, RECORD)), (2, 1, vec![]));
    // A value that somebody else put there stays.
    let others = Record::new("_acme-challenge", RecordType::TXT, "somebody else's");
    loaded.scenario.dns.zones[0].records.push(others);
    let remains = run(&loaded, &[KEEPS_UP, SOON]);
    assert_eq!((certificates(&remains), left(&remains, RECORD)), (1, vec!["somebody else's".to_owned()]));
}

#[test]
fn a_group_that_nobody_serves_is_what_the_api_server_says_of_it() {
    let remains = run(&load(NAME), &[SOON, "cluster.webhooks=[]"]);
    let why = "the server could not find the requested resource (post dnspod.acme.imroc.cc)";
    assert_eq!(reasons(&remains), [why]);
    // 5 s, 10 s, 20 s, …: the order stays pending however long it takes.
    assert!(events(&remains, "PresentError").contains(&format!("Error presenting challenge: {why}")));
    assert_eq!(lines(&remains, &["sync.go:386"]), 0);
}

#[test]
fn a_missing_credential_is_the_webhooks_own_error() {
    let mut loaded = load(NAME);
    loaded.objects.retain(|object| object.kind() != Kind::Secret);
    let remains = run(&loaded, &[SOON]);
    assert_eq!(reasons(&remains), ["secrets \"dnspod-secret\" not found"]);
}

#[test]
fn a_clouds_own_api_is_said_not_to_be_offered() {
    let dns01 = r#"{"digitalocean": {"tokenSecretRef": {"name": "do", "key": "token"}}}"#;
    let remains = run(&with_solver(dns01, ""), &[SOON]);
    let why = "the DNS01 provider \"digitalocean\" is a cloud's own and is not offered here: use rfc2136, acmeDNS \
               or webhook";
    assert_eq!(reasons(&remains), [why]);
}

#[test]
fn a_zone_is_found_once_in_1_7_and_again_when_its_time_is_over_in_1_21() {
    let searches = |compat: &str| {
        let compat = format!("engine.compat={compat}");
        let remains = run(&load(NAME), &[KEEPS_UP, SOON, &compat]);
        queries(&remains, |q| q.kind == RecordType::SOA && q.name == "ewhisper.cn.").len()
    };
    assert_eq!(searches("v1_7"), 1);
    assert!(searches("v1_21") > 1);
}

#[test]
fn another_code_than_nxdomain_ends_the_search_for_the_zone() {
    let rule = "dns.rules=[{name: broken, when: {types: [SOA]}, action: {code: SERVFAIL}}]";
    let remains = run(&load(NAME), &[SOON, rule]);
    let why = "When querying the SOA record for the domain '_acme-challenge.ewhisper.cn.' using nameservers \
               [203.0.113.11:53], rcode was expected to be 'NOERROR' or 'NXDOMAIN', but got 'SERVFAIL'";
    assert_eq!(reasons(&remains), [why]);
}

#[test]
fn a_nameserver_that_is_silent_is_asked_over_tcp() {
    let rule = "dns.rules=[{name: silent, when: {types: [SOA], transport: udp}, action: drop}]";
    let remains = run(&load(NAME), &[KEEPS_UP, SOON, rule, "engine.verbosity=4"]);
    let text = "UDP dns lookup failed, retrying with TCP: read udp 10.42.0.5:";
    assert!(lines(&remains, &["wait.go:179", text, "->203.0.113.11:53: i/o timeout"]) > 0);
    assert_eq!(certificates(&remains), 1);
}

#[test]
fn acme_dns_gets_the_value_for_the_account_of_the_name() {
    use axum::extract::State;
    use axum::http::HeaderMap;
    type Seen = std::sync::Arc<std::sync::Mutex<Vec<BTreeMap<&'static str, String>>>>;
    async fn update(State(seen): State<Seen>, headers: HeaderMap, body: String) {
        let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
        let call = [("user", header("x-api-user")), ("key", header("x-api-key")), ("body", body)];
        seen.lock().unwrap().push(call.into());
    }
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        world.sim_net().unwrap().add_host("main", ["10.0.0.9".parse().unwrap()]);
        let seen = Seen::default();
        let router =
            axum::Router::new().route("/update", axum::routing::post(update)).with_state(seen.clone());
        let listener = world.listen("10.0.0.9:80".parse().unwrap()).await.unwrap();
        world.spawn("acme-dns", world::http::serve(world.clone(), listener, None, router));
        let http = world::http::Client::new(&world, world::resolver::Resolver::new(&world, vec![]));
        let accounts =
            r#"{"a.test": {"username": "u", "password": "p", "subdomain": "s", "fulldomain": "s.x"}}"#;
        let acme_dns = AcmeDns::new(&http, "http://10.0.0.9/", accounts).unwrap();
        let record =
            |name: &str| TxtRecord { dns_name: name.into(), value: "v".into(), ..TxtRecord::default() };
        let known = acme_dns.present(&record("a.test")).await;
        let unknown = acme_dns.present(&record("b.test")).await.unwrap_err().to_string();
        // There is nothing to take away.
        let cleaned = acme_dns.clean_up(&record("a.test")).await;
        let calls = seen.lock().unwrap().clone();
        (known, unknown, cleaned, calls, format!("{acme_dns:?}"))
    });
    let (known, unknown, cleaned, calls, shown) = run.unwrap().value;
    assert_eq!((known, cleaned), (Ok(()), Ok(())));
    assert_eq!(unknown, "account credentials not found for domain b.test");
    let call = [("user", "u"), ("key", "p"), ("body", r#"{"subdomain":"s","txt":"v"}"#)];
    assert_eq!(calls, [call.map(|(name, value)| (name, value.to_owned())).into()]);
    assert_eq!(shown, "AcmeDns(http://10.0.0.9)");
}
