//! The provider's front ends, the management router, and what goes wrong at providers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::time::Duration;

use mock_dns::provider::{
    Account, Adds, ApiCondition, ApiRule, Deletes, Operation, Outcome, Provider, ProviderConfig, Throttle,
};
use mock_dns::{Config, Dns, Nameserver, Occasions, Record, RecordType, Zone};
use serde_json::{Value, json};
use world::World;
use world::http::{Client, Response, Url, serve};
use world::resolver::Resolver;

const TXT: RecordType = RecordType::TXT;
const NAME: &str = "_acme-challenge.example.test";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A server with two nameservers, a provider in front of it, and a client that calls all of it.
#[derive(Clone)]
struct Net {
    world: World,
    dns: Dns,
    provider: Provider,
    client: Client,
}

const SERVERS: [&str; 4] = ["10.0.0.60:80", "10.0.0.60:81", "10.0.0.60:82", "10.0.0.60:83"];
const REST: usize = 0;
const DNSPOD: usize = 1;
const MANAGE: usize = 2;
const TENCENT: usize = 3;

fn run<T: Send + 'static, F>(config: ProviderConfig, body: impl FnOnce(Net) -> F + Send + 'static) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let net = world.sim_net().unwrap().clone();
        for (host, ip) in
            [("main", "10.0.0.9"), ("ns1", "10.0.0.51"), ("ns2", "10.0.0.52"), ("api", "10.0.0.60")]
        {
            net.add_host(host, [ip.parse().unwrap()]);
        }
        let zones = vec![
            Zone::new("example.test", vec![Record::new("www", RecordType::A, "10.0.0.80")]),
            Zone::new("other.test", vec![]),
        ];
        let dns_config = Config::new(zones)
            .with_nameserver(Nameserver::new("ns1", secs(0)).on_host("ns1"))
            .with_nameserver(Nameserver::new("ns2", secs(30)).on_host("ns2"));
        let dns = Dns::new(world.process("ns1"), dns_config).unwrap();
        dns.serve_nameservers().await.unwrap();
        let provider = Provider::new(&dns, config).unwrap();
        let api = world.process("api");
        let managed = dns.router().merge(provider.router());
        for (at, router) in
            SERVERS.into_iter().zip([provider.rest(), provider.dnspod(), managed, provider.tencent()])
        {
            let listener = api.listen(at.parse().unwrap()).await.unwrap();
            world.spawn("http", serve(api.clone(), listener, None, router));
        }
        let client = Client::new(&world, Resolver::new(&world, vec![]));
        body(Net { world, dns, provider, client }).await
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value
}

impl Net {
    async fn send(
        &self,
        server: usize,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Response {
        let url: Url = format!("http://{}{path}", SERVERS[server]).parse().unwrap();
        let method = method.parse().unwrap();
        self.client.request(method, &url, headers, body.into()).await.unwrap()
    }

    async fn rest(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response =
            self.send(REST, method, path, &[("authorization", "Bearer t")], body.to_string()).await;
        (response.status.as_u16(), serde_json::from_slice(&response.body).unwrap_or_default())
    }

    async fn create(&self, value: &str) -> (u16, Value) {
        let body = json!({"name": "_acme-challenge", "type": "TXT", "ttl": 60, "value": value});
        self.rest("POST", "/v1/zones/example.test/records", body).await
    }

    async fn dnspod(&self, action: &str, fields: &[(&str, &str)]) -> Value {
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
        let fields = [("login_token", "12345,secret"), ("format", "json")].iter().chain(fields);
        let body: Vec<String> = fields.map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let response = self.send(DNSPOD, "POST", &format!("/{action}"), &form, body.join("&")).await;
        assert_eq!(response.status, 200);
        serde_json::from_slice(&response.body).unwrap()
    }

    async fn tencent(&self, action: &str, body: Value) -> Value {
        let signed =
            "TC3-HMAC-SHA256 Credential=AKID1/2022-05-08/dnspod/tc3_request, SignedHeaders=host, Signature=s";
        let headers = [("authorization", signed), ("x-tc-action", action)];
        let response = self.send(TENCENT, "POST", "/", &headers, body.to_string()).await;
        assert_eq!(response.status, 200);
        serde_json::from_slice::<Value>(&response.body).unwrap()["Response"].clone()
    }

    async fn manage(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let response =
            self.send(MANAGE, method, &format!("/rehearse/dns{path}"), &[], body.to_string()).await;
        (response.status.as_u16(), serde_json::from_slice(&response.body).unwrap_or_default())
    }

    fn values(&self) -> Vec<String> {
        let mut values = self.dns.values(NAME, TXT).unwrap();
        values.sort();
        values
    }
}

fn code(answer: &Value) -> &str {
    answer["status"]["code"].as_str().unwrap()
}

#[test]
fn records_are_created_changed_listed_and_removed() {
    run(ProviderConfig::default(), |net| async move {
        let (status, zones) = net.rest("GET", "/v1/zones", Value::Null).await;
        assert_eq!((status, zones["total"].as_u64()), (200, Some(2)));
        let id = zones["zones"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(net.rest("GET", &format!("/v1/zones/{id}"), Value::Null).await.1["name"], "example.test");
        let (status, one) = net.create("one").await;
        assert_eq!(status, 201, "{one}");
        assert_eq!(net.create("one").await.0, 409);
        assert_eq!(net.create("two").await.0, 201);
        assert_eq!(net.values(), ["one", "two"]);
        let path = format!("/v1/zones/example.test/records/{}", one["id"].as_str().unwrap());
        assert_eq!(net.rest("GET", &path, Value::Null).await.1, one);
        let change = json!({"name": "_acme-challenge", "type": "TXT", "ttl": 30, "value": "three"});
        let (status, changed) = net.rest("PUT", &path, change).await;
        assert_eq!((status, &changed["id"]), (200, &one["id"]));
        assert_eq!(net.values(), ["three", "two"]);
        let (_, list) =
            net.rest("GET", "/v1/zones/example.test/records?name=_acme-challenge", Value::Null).await;
        let listed: Vec<&str> =
            list["records"].as_array().unwrap().iter().map(|r| r["value"].as_str().unwrap()).collect();
        assert_eq!(listed, ["three", "two"]);
        assert_eq!(net.rest("DELETE", &path, Value::Null).await.0, 204);
        assert_eq!(net.rest("DELETE", &path, Value::Null).await.0, 404);
        assert_eq!(net.values(), ["two"]);
        for (method, path, body, expected) in [
            ("GET", "/v1/zones/nowhere.test", Value::Null, 404),
            ("GET", "/v1/zones/example.test/records/x", Value::Null, 404),
            ("GET", "/v1/zones/example.test/records?type=X", Value::Null, 400),
            ("POST", "/v1/zones/example.test/records", json!({"name": "x"}), 400),
            ("POST", "/v1/zones/example.test/records", json!({"name": "x", "type": "A", "value": "y"}), 400),
            (
                "POST",
                "/v1/zones/example.test/records",
                json!({"name": "x.", "type": "A", "value": "10.0.0.1"}),
                400,
            ),
            (
                "POST",
                "/v1/zones/example.test/records",
                json!({"name": "www", "type": "CNAME", "value": "x"}),
                409,
            ),
        ] {
            let (status, answer) = net.rest(method, path, body).await;
            assert_eq!(status, expected, "{method} {path} {answer}");
            assert!(answer["error"]["message"].is_string(), "{answer}");
        }
        let nobody = net.send(REST, "GET", "/v1/zones", &[], String::new()).await;
        assert_eq!(nobody.status, 401);
        let audit = net.provider.audit();
        let create = audit.iter().find(|e| e.operation == Operation::CreateRecord).unwrap();
        assert_eq!(
            (create.name.as_str(), create.value.as_str(), create.result.as_str()),
            ("_acme-challenge", "one", "ok")
        );
        assert_eq!(create.record_id.unwrap().to_string(), one["id"].as_str().unwrap());
        assert_eq!(create.from, Some("10.0.0.9".parse().unwrap()));
    });
}

#[test]
fn lists_come_in_pages() {
    run(ProviderConfig { page_max: 50, ..ProviderConfig::default() }, |net| async move {
        for n in 0..120 {
            net.dns.add(NAME, TXT, 60, &format!("v{n}")).unwrap();
        }
        let (mut page, mut seen) = (Some(1), Vec::new());
        while let Some(number) = page {
            let path = format!("/v1/zones/example.test/records?type=TXT&perPage=1000&page={number}");
            let (_, list) = net.rest("GET", &path, Value::Null).await;
            let records = list["records"].as_array().unwrap();
            assert!(records.len() <= 50);
            seen.extend(records.iter().map(|r| r["id"].as_str().unwrap().to_owned()));
            page = list["next"].as_u64();
        }
        seen.dedup();
        assert_eq!(seen.len(), 120);
        // A client that does not ask for the next page does not find what is there.
        let first = net.dnspod("Record.List", &[("domain", "example.test")]).await;
        assert_eq!(first["records"].as_array().unwrap().len(), 50);
        assert_eq!(first["info"]["record_total"], "122");
        let rest = net
            .dnspod("Record.List", &[("domain", "example.test"), ("offset", "100"), ("length", "50")])
            .await;
        assert_eq!(rest["records"].as_array().unwrap().len(), 22);
    });
}

/// F11, F81: a PUT of the whole set loses what was written between its read and its write.
#[test]
fn a_put_without_precondition_loses_a_concurrent_write() {
    run(ProviderConfig::default(), |net| async move {
        let path = "/v1/zones/example.test/rrsets/_acme-challenge/TXT";
        assert_eq!(net.rest("GET", path, Value::Null).await.0, 404);
        assert_eq!(net.rest("PUT", path, json!({"values": ["one"]})).await.0, 200);
        // Two clients read, and then both write.
        assert_eq!(net.rest("PUT", path, json!({"values": ["one", "two"]})).await.0, 200);
        assert_eq!(net.rest("PUT", path, json!({"values": ["one", "three"]})).await.0, 200);
        assert_eq!(net.values(), ["one", "three"], "two is lost");
        // With a precondition the second one is told.
        let read = net.send(REST, "GET", path, &[("authorization", "Bearer t")], String::new()).await;
        let tag = read.header("etag").unwrap().to_owned();
        let put = async |values: Value| {
            let headers = [("authorization", "Bearer t"), ("if-match", tag.as_str())];
            let body = json!({"values": values}).to_string();
            net.send(REST, "PUT", path, &headers, body).await.status.as_u16()
        };
        assert_eq!(put(json!(["one", "three", "four"])).await, 200);
        assert_eq!(put(json!(["one", "three", "five"])).await, 412);
        assert_eq!(net.values(), ["four", "one", "three"]);
        assert_eq!(net.rest("DELETE", path, Value::Null).await.0, 204);
        assert_eq!(net.values(), [""; 0]);
    });
}

/// The same race inside of the provider: two calls that only add, and one value.
async fn two_at_once(net: &Net) -> Vec<String> {
    let (mut first, mut second) = (None, None);
    for (value, slot) in [("wildcard", &mut first), ("apex", &mut second)] {
        let (done, wait) = tokio::sync::oneshot::channel();
        let task = net.clone();
        net.world.spawn("client", async move {
            assert_eq!(task.create(value).await.0, 201);
            done.send(()).unwrap();
        });
        *slot = Some(wait);
    }
    for wait in [first, second] {
        wait.unwrap().await.unwrap();
    }
    net.values()
}

#[test]
fn a_provider_that_reads_and_writes_loses_one_of_two_values() {
    let slow = ProviderConfig { write_time: secs(1), ..ProviderConfig::default() };
    assert_eq!(run(slow, |net| async move { two_at_once(&net).await }).len(), 1);
    // With the cause gone, both are there.
    let both = run(ProviderConfig::default(), |net| async move { two_at_once(&net).await });
    assert_eq!(both, ["apex", "wildcard"]);
    let replaces = ProviderConfig { adds: Adds::Replace, ..ProviderConfig::default() };
    assert_eq!(run(replaces, |net| async move { two_at_once(&net).await }).len(), 1);
}

#[test]
fn removing_one_value_can_remove_all() {
    let left = |deletes| {
        run(ProviderConfig { deletes, ..ProviderConfig::default() }, |net| async move {
            let (_, one) = net.create("one").await;
            net.create("two").await;
            let path = format!("/v1/zones/example.test/records/{}", one["id"].as_str().unwrap());
            assert_eq!(net.rest("DELETE", &path, Value::Null).await.0, 204);
            net.values()
        })
    };
    assert_eq!(left(Deletes::Value), ["two"]);
    assert_eq!(left(Deletes::Set), [""; 0]);
}

/// F03: what was written is published later, and later still on a slow nameserver.
#[test]
fn a_write_is_published_after_a_while() {
    run(ProviderConfig { publish_delay: secs(10), ..ProviderConfig::default() }, |net| async move {
        net.create("one").await;
        let (_, list) = net.rest("GET", "/v1/zones/example.test/records?type=TXT", Value::Null).await;
        assert_eq!(list["total"], 1, "the provider itself has it at once");
        let mut seen = Vec::new();
        for _ in 0..5 {
            let at = |server| net.dns.values_at(server, NAME, TXT).unwrap().len();
            seen.push((at("ns1"), at("ns2")));
            net.world.sleep(secs(10)).await;
        }
        assert_eq!(seen, [(0, 0), (1, 0), (1, 0), (1, 0), (1, 1)]);
    });
}

#[test]
fn lists_can_lag_behind_the_writes() {
    run(ProviderConfig { stale: secs(5), ..ProviderConfig::default() }, |net| async move {
        let path = "/v1/zones/example.test/records?type=TXT";
        let total = async || net.rest("GET", path, Value::Null).await.1["total"].as_u64().unwrap();
        let (_, one) = net.create("one").await;
        assert_eq!(total().await, 0, "the list is of a moment ago");
        assert_eq!(net.create("one").await.0, 409, "the write is not");
        net.world.sleep(secs(5)).await;
        assert_eq!(total().await, 1);
        let record = format!("/v1/zones/example.test/records/{}", one["id"].as_str().unwrap());
        assert_eq!(net.rest("DELETE", &record, Value::Null).await.0, 204);
        assert_eq!(total().await, 1);
        assert_eq!(net.rest("DELETE", &record, Value::Null).await.0, 404);
        assert_eq!(net.rest("GET", &record, Value::Null).await, (200, one));
    });
}

/// F20: N clients in step against a limit; all get through, and the log counts what it cost.
#[test]
fn calls_beyond_the_limit_are_throttled() {
    let limit = Throttle { per_call: Duration::from_millis(200), burst: 5 };
    run(ProviderConfig { throttle: Some(limit), ..ProviderConfig::default() }, |net| async move {
        let mut waits = Vec::new();
        for n in 0..20 {
            let (done, wait) = tokio::sync::oneshot::channel();
            let task = net.clone();
            waits.push(wait);
            net.world.spawn("client", async move {
                let mut tries = 0;
                while {
                    tries += 1;
                    let (status, answer) = task.create(&format!("v{n}")).await;
                    assert!(
                        status == 201 || answer["error"]["message"] == "Throttling: Rate exceeded",
                        "{answer}"
                    );
                    status == 429
                } {
                    task.world.sleep(secs(1)).await;
                }
                done.send(tries).unwrap();
            });
        }
        let mut calls = 0;
        for wait in waits {
            calls += wait.await.unwrap();
        }
        assert_eq!(net.values().len(), 20);
        let refused = net.provider.audit().iter().filter(|e| e.result == "throttled").count();
        assert_eq!((calls, refused), (50, 30), "5 get through each second");
        assert_eq!(net.world.monotonic().nanos() / 1_000_000_000, 3);
        let response =
            net.send(REST, "GET", "/v1/zones", &[("authorization", "Bearer t")], String::new()).await;
        assert_eq!((response.status.as_u16(), response.header("retry-after")), (429, Some("1")));
        // DNSPod has its own way to say so; its account is another, with a bucket of its own.
        for _ in 0..5 {
            assert_eq!(code(&net.dnspod("Domain.List", &[]).await), "1");
        }
        let limited = net.dnspod("Domain.List", &[]).await;
        assert_eq!(
            (code(&limited), limited["status"]["message"].as_str()),
            ("-2", Some("API usage is limited"))
        );
    });
}

/// F19, F41, F82: calls that are denied, zones that are not there until later, errors as a provider says them.
#[test]
fn scripted_calls_fail_as_the_rules_say() {
    let on = |operations: &[Operation]| ApiCondition {
        operations: operations.to_vec(),
        ..ApiCondition::default()
    };
    let rules = vec![
        ApiRule {
            when: ApiCondition { zones: vec!["other.test".to_owned()], ..ApiCondition::default() },
            occasions: Occasions { until: Some(secs(60)), ..Occasions::default() },
            ..ApiRule::new("not yet", Outcome::ZoneMissing)
        },
        ApiRule {
            occasions: Occasions::nth(1),
            when: on(&[Operation::CreateRecord]),
            ..ApiRule::new("denied", Outcome::Denied)
        },
        ApiRule {
            occasions: Occasions::nth(1),
            when: on(&[Operation::CreateRecord]),
            ..ApiRule::new("lost", Outcome::Lost)
        },
        ApiRule {
            occasions: Occasions::nth(1),
            when: on(&[Operation::CreateRecord]),
            ..ApiRule::new("unheard", Outcome::Unheard)
        },
        ApiRule {
            when: on(&[Operation::GetZone]),
            delay: secs(2),
            ..ApiRule::new(
                "shape",
                Outcome::Error {
                    status: 400,
                    code: "1004".to_owned(),
                    message: "DNS Validation Error".to_owned(),
                },
            )
        },
        ApiRule { when: on(&[Operation::DeleteSet]), ..ApiRule::new("hang", Outcome::Hang) },
    ];
    run(ProviderConfig { rules, request_ids: true, ..ProviderConfig::default() }, |net| async move {
        let (status, denied) = net.create("one").await;
        assert_eq!((status, &denied["error"]["code"]), (403, &json!("accessDenied")));
        let text = denied["error"]["message"].as_str().unwrap();
        let id = denied["error"]["requestId"].as_str().unwrap();
        assert_eq!(text, format!("the account is not permitted to do this, request id: {id}"));
        assert_eq!(net.create("one").await.0, 201);
        assert_eq!(net.values(), [""; 0], "confirmed, and not made");
        assert_eq!(net.create("one").await.0, 500);
        assert_eq!(net.values(), ["one"], "made, and not confirmed");
        assert_eq!(net.create("one").await.0, 409);
        let start = net.world.monotonic();
        let (status, shape) = net.rest("GET", "/v1/zones/example.test", Value::Null).await;
        assert_eq!((status, &shape["error"]["code"]), (400, &json!("1004")));
        assert_eq!(net.world.monotonic().since(start), secs(2));
        let set = "/v1/zones/example.test/rrsets/_acme-challenge/TXT";
        let hangs = net.world.timeout(secs(60), net.rest("DELETE", set, Value::Null)).await;
        assert!(hangs.is_err());
        let results: Vec<_> = net
            .provider
            .audit()
            .iter()
            .map(|e| (e.rule.clone().unwrap_or_default(), e.result.clone()))
            .collect();
        let expected = [
            ("denied", "accessDenied"),
            ("lost", "ok"),
            ("unheard", "internalError"),
            ("", "recordExists"),
            ("shape", "1004"),
            ("hang", "hangs"),
        ];
        assert_eq!(results, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
        // The minute is over: the zone is there.
        assert_eq!(code(&net.dnspod("Record.List", &[("domain", "other.test")]).await), "1");
        net.provider.reset();
        assert!(net.provider.audit().is_empty());
        let missing = net.dnspod("Record.List", &[("domain", "other.test")]).await;
        assert_eq!(code(&missing), "6");
        let zones = net.dnspod("Domain.List", &[]).await;
        assert_eq!(zones["info"]["domain_total"], 1, "a zone that is not there is not in lists");
        assert_eq!(net.provider.rules()[0].applied, 1);
    });
}

#[test]
fn accounts_have_tokens_and_zones() {
    let account = |name: &str, token: &str, zones: &[&str]| Account {
        name: name.to_owned(),
        token: token.to_owned(),
        zones: zones.iter().map(|z| (*z).to_owned()).collect(),
    };
    let accounts = vec![account("all", "12345,secret", &[]), account("few", "t", &["other.test"])];
    assert!(!format!("{accounts:?}").contains("secret"));
    run(ProviderConfig { accounts, ..ProviderConfig::default() }, |net| async move {
        assert_eq!(net.dnspod("Domain.List", &[]).await["info"]["domain_total"], 2);
        assert_eq!(net.rest("GET", "/v1/zones", Value::Null).await.1["total"], 1);
        assert_eq!(net.create("one").await.0, 404);
        let wrong = net.dnspod("Domain.List", &[("login_token", "1,x")]).await;
        assert!(matches!(code(&wrong), "-1" | "6"), "{wrong}");
        let names: Vec<_> = net.provider.audit().iter().map(|e| e.account.clone()).collect();
        assert_eq!(names[..3], ["all", "few", "few"]);
    });
}

/// The calls of a DNS-01 plug-in for DNSPod, one after the other.
#[test]
fn dnspod_as_its_plug_ins_call_it() {
    run(ProviderConfig { first_record_id: 1_117_683_586, ..ProviderConfig::default() }, |net| async move {
        let domains = net.dnspod("Domain.List", &[]).await;
        assert_eq!(
            domains["status"],
            json!({"code": "1", "message": "Action completed successful", "created_at": "1970-01-01 08:00:00"})
        );
        let id = domains["domains"][0]["id"].to_string();
        assert_eq!(domains["domains"][0]["name"], "example.test");
        let sub = [("domain_id", id.as_str()), ("sub_domain", "_acme-challenge")];
        let none = net.dnspod("Record.List", &sub).await;
        assert_eq!((code(&none), none["status"]["message"].as_str()), ("10", Some("No records")));
        let record = |value| {
            let mut fields = sub.to_vec();
            fields.extend([
                ("record_type", "TXT"),
                ("record_line", "默认"),
                ("ttl", "600"),
                ("value", value),
            ]);
            fields
        };
        let created = net.dnspod("Record.Create", &record("key-1")).await;
        assert_eq!(
            created["record"],
            json!({"id": "1117683586", "name": "_acme-challenge", "status": "enable"})
        );
        assert_eq!(code(&net.dnspod("Record.Create", &record("key-1")).await), "104");
        assert_eq!(code(&net.dnspod("Record.Create", &record("key-2")).await), "1");
        let list = net.dnspod("Record.List", &sub).await;
        let values: Vec<_> =
            list["records"].as_array().unwrap().iter().map(|r| r["value"].as_str().unwrap()).collect();
        assert_eq!(values, ["key-1", "key-2"]);
        assert_eq!(list["records"][0]["ttl"], "600");
        let by_id = [("domain", "example.test"), ("record_id", "1117683586")];
        let info = net.dnspod("Record.Info", &by_id).await;
        assert_eq!(
            (&info["record"]["sub_domain"], &info["record"]["value"]),
            (&json!("_acme-challenge"), &json!("key-1"))
        );
        let mut modify = record("key-3");
        modify.push(("record_id", "1117683586"));
        assert_eq!(net.dnspod("Record.Modify", &modify).await["record"]["value"], "key-3");
        assert_eq!(code(&net.dnspod("Record.Remove", &by_id).await), "1");
        assert_eq!(code(&net.dnspod("Record.Remove", &by_id).await), "8");
        assert_eq!(net.values(), ["key-2"]);
        for (action, fields, expected) in [
            (
                "Record.Create",
                vec![("domain", "example.test"), ("record_type", "NOPE"), ("value", "x")],
                "27",
            ),
            ("Record.Create", vec![("domain", "example.test"), ("record_type", "A"), ("value", "x")], "34"),
            (
                "Record.Create",
                vec![
                    ("domain", "example.test"),
                    ("record_type", "A"),
                    ("value", "10.0.0.1"),
                    ("record_line", "联通"),
                ],
                "26",
            ),
            (
                "Record.Create",
                vec![("domain", "example.test"), ("record_type", "MX"), ("value", "m.test"), ("mx", "21")],
                "30",
            ),
            (
                "Record.Create",
                vec![("domain", "example.test"), ("record_type", "MX"), ("value", "m.test."), ("mx", "5")],
                "1",
            ),
            ("Record.List", vec![("domain", "nowhere.test")], "6"),
            ("Record.List", vec![("domain", "example.test"), ("offset", "x")], "7"),
            ("Record.List", vec![("domain", "example.test"), ("length", "x")], "8"),
            ("Record.Explode", vec![], "-7"),
            ("Info.Version", vec![], "1"),
        ] {
            let answer = net.dnspod(action, &fields).await;
            assert_eq!(code(&answer), expected, "{action} {fields:?} {answer}");
        }
        let get = net.send(DNSPOD, "GET", "/Domain.List", &[], String::new()).await;
        assert_eq!(code(&serde_json::from_slice(&get.body).unwrap()), "2");
        let audit = net.provider.audit();
        let removed = audit.iter().find(|e| e.operation == Operation::DeleteRecord).unwrap();
        assert_eq!(
            (removed.account.as_str(), removed.name.as_str(), removed.value.as_str()),
            ("12345", "_acme-challenge", "key-3")
        );
        assert!(!format!("{audit:?}").contains("secret"));
    });
}

/// The calls of the plug-in of document 002: look the zone up, create, list, remove.
#[test]
fn tencent_cloud_as_its_plug_ins_call_it() {
    run(ProviderConfig { request_ids: true, ..ProviderConfig::default() }, |net| async move {
        let domains = net.tencent("DescribeDomainList", json!({})).await;
        let id = domains["DomainList"][0]["DomainId"].clone();
        assert_eq!(domains["DomainList"][0]["Name"], "example.test");
        assert_eq!(domains["RequestId"].as_str().unwrap().len(), 36);
        let list = json!({"Domain": "example.test", "DomainId": id, "Subdomain": "_acme-challenge", "RecordType": "TXT"});
        let none = net.tencent("DescribeRecordList", list.clone()).await;
        assert_eq!(none["Error"]["Code"], "ResourceNotFound.NoDataOfRecord");
        let record = |value: &str| {
            json!({"Domain": "example.test", "DomainId": id, "SubDomain": "_acme-challenge", "RecordType": "TXT",
                "RecordLine": "默认", "Value": value, "TTL": 600})
        };
        let created = net.tencent("CreateRecord", record("key-1")).await;
        let number = created["RecordId"].as_u64().unwrap();
        assert_eq!(net.tencent("CreateTXTRecord", record("key-2")).await["RecordId"], number + 1);
        let again = net.tencent("CreateRecord", record("key-1")).await;
        assert_eq!(again["Error"]["Code"], "InvalidParameter.DomainRecordExist");
        assert!(
            again["Error"]["Message"]
                .as_str()
                .unwrap()
                .starts_with("the record exists already, request id: ")
        );
        let listed = net.tencent("DescribeRecordList", list).await;
        assert_eq!(listed["RecordList"][0]["Value"], "key-1");
        assert_eq!(listed["RecordCountInfo"]["TotalCount"], 2);
        let by_id = json!({"DomainId": id, "RecordId": number});
        assert_eq!(net.tencent("DescribeRecord", by_id.clone()).await["RecordInfo"]["Value"], "key-1");
        assert!(net.tencent("DeleteRecord", by_id.clone()).await["Error"].is_null());
        let gone = net.tencent("DeleteRecord", by_id).await;
        assert_eq!(gone["Error"]["Code"], "InvalidParameter.RecordIdInvalid");
        assert_eq!(net.values(), ["key-2"]);
        for (action, body, expected) in [
            (
                "CreateRecord",
                json!({"Domain": "cn", "RecordType": "A", "RecordLine": "默认", "Value": "10.0.0.1"}),
                "InvalidParameterValue.DomainNotExists",
            ),
            (
                "CreateRecord",
                json!({"Domain": "example.test", "RecordType": "A", "Value": "10.0.0.1"}),
                "MissingParameter",
            ),
            (
                "CreateRecord",
                json!({"Domain": "example.test", "RecordType": "A", "RecordLine": "默认", "Value": "x"}),
                "InvalidParameter.RecordValueInvalid",
            ),
            ("DescribeRecordList", json!({"Domain": 1}), "InvalidParameter"),
            ("Explode", json!({}), "InvalidAction"),
        ] {
            assert_eq!(net.tencent(action, body).await["Error"]["Code"], expected, "{action}");
        }
        assert_eq!(net.provider.audit()[0].account, "AKID1");
    });
}

#[test]
fn the_server_is_managed_over_http() {
    run(ProviderConfig::default(), |net| async move {
        let zone = json!({"name": "new.test", "records": [{"name": "@", "type": "A", "value": "10.0.0.1"}]});
        assert_eq!(net.manage("POST", "/zones", zone.clone()).await.0, 201);
        assert_eq!(net.manage("POST", "/zones", zone).await.0, 409);
        let file = "$TTL 60\n@ SOA ns1 h 1 1 1 1 1\nwww A 10.0.0.2\n".to_owned();
        let text = [("content-type", "text/dns")];
        let posted = net.send(MANAGE, "POST", "/rehearse/dns/zones?origin=file.test", &text, file).await;
        assert_eq!(posted.status, 201);
        let shown =
            net.send(MANAGE, "GET", "/rehearse/dns/zones/file.test?format=file", &[], String::new()).await;
        assert!(String::from_utf8_lossy(&shown.body).contains("www.file.test. 60 IN A 10.0.0.2\n"));
        let broken =
            net.send(MANAGE, "POST", "/rehearse/dns/zones?origin=x.test", &text, "\nx A y".to_owned()).await;
        assert!(String::from_utf8_lossy(&broken.body).contains("zone file: line 2: "));

        let record = json!({"name": NAME, "type": "TXT", "ttl": 5, "value": "one"});
        assert_eq!(net.manage("POST", "/records", record).await, (200, json!(["one"])));
        let more = json!({"name": NAME, "type": "TXT", "values": ["two"], "publishDelay": "7s"});
        assert_eq!(net.manage("POST", "/records", more).await.1, json!(["one", "two"]));
        let of = format!("/records?name={NAME}&type=TXT");
        assert_eq!(net.manage("GET", &format!("{of}&server=ns1"), Value::Null).await.1, json!(["one"]));
        net.world.sleep(secs(7)).await;
        assert_eq!(
            net.manage("GET", &format!("{of}&server=ns1"), Value::Null).await.1,
            json!(["one", "two"])
        );
        assert_eq!(net.manage("DELETE", &format!("{of}&value=one"), Value::Null).await.0, 204);
        assert_eq!(net.manage("DELETE", &format!("{of}&value=one"), Value::Null).await.0, 404);
        let set = json!({"name": NAME, "type": "TXT", "values": ["three"]});
        assert_eq!(net.manage("PUT", "/records", set).await.1, json!(["three"]));

        let rule = json!({"name": "x", "when": {"types": ["CAA"]}, "action": {"code": "SERVFAIL"}});
        assert_eq!(net.manage("POST", "/rules", rule.clone()).await.0, 201);
        assert_eq!(net.manage("POST", "/rules", rule.clone()).await.0, 409);
        let resolver = Resolver::new(&net.world, vec!["10.0.0.51:53".parse().unwrap()]);
        resolver.query(NAME, RecordType::CAA).await.unwrap();
        resolver.query(NAME, TXT).await.unwrap();
        assert_eq!(net.manage("GET", "/rules", Value::Null).await.1[0]["applied"], 1);
        let (_, log) = net.manage("GET", "/log?rule=x&suffix=example.test", Value::Null).await;
        let [entry] = log.as_array().unwrap().as_slice() else { panic!("{log}") };
        assert_eq!(
            (&entry["type"], &entry["code"], &entry["server"]),
            (&json!("CAA"), &json!("SERVFAIL"), &json!("ns1"))
        );
        assert_eq!(entry["at"], "1970-01-01T00:00:07Z");
        assert_eq!(net.manage("GET", "/log?since=1970-01-01T00:00:08Z", Value::Null).await.1, json!([]));
        assert_eq!(net.manage("PUT", "/rules", json!([rule])).await.1[0]["applied"], 0);
        assert_eq!(net.manage("DELETE", "/rules/x", Value::Null).await.0, 204);
        assert_eq!(net.manage("DELETE", "/rules/x", Value::Null).await.0, 404);

        assert_eq!(net.manage("PUT", "/nameservers/ns1", json!({"publishDelay": "3s"})).await.0, 204);
        assert_eq!(net.manage("GET", "/nameservers", Value::Null).await.1[0]["publishDelay"], json!(["3s"]));
        for (method, path, body, expected) in [
            ("PUT", "/nameservers/ns9", json!({"publishDelay": "3s"}), 404),
            ("GET", "/zones/nowhere.test", Value::Null, 404),
            ("GET", "/zones?view=attic", Value::Null, 404),
            ("GET", "/records?name=x", Value::Null, 400),
            ("POST", "/records", json!({"name": "x.nowhere", "type": "A", "value": "10.0.0.1"}), 404),
            ("POST", "/records", json!({"name": NAME, "type": "A", "colour": "red"}), 400),
            ("POST", "/rules", json!({"name": "y", "action": "explode"}), 400),
        ] {
            let (status, answer) = net.manage(method, path, body).await;
            assert_eq!(status, expected, "{method} {path}");
            assert!(answer["error"].is_string(), "{path} {answer}");
        }
        net.create("four").await;
        let (_, audit) =
            net.manage("GET", "/provider/audit?operation=createRecord&zone=example.test", Value::Null).await;
        assert_eq!((&audit[0]["value"], &audit[0]["result"]), (&json!("four"), &json!("ok")));
        assert_eq!(net.manage("GET", "/provider/audit?result=throttled", Value::Null).await.1, json!([]));
        let rule = json!({"name": "x", "when": {"operations": ["createRecord"]}, "outcome": "denied"});
        assert_eq!(net.manage("POST", "/provider/rules", rule.clone()).await.0, 201);
        assert_eq!(net.manage("POST", "/provider/rules", rule).await.0, 409);
        assert_eq!(net.create("five").await.0, 403);
        assert_eq!(net.manage("GET", "/provider/rules", Value::Null).await.1[0]["applied"], 1);
        assert_eq!(net.manage("DELETE", "/provider/rules/x", Value::Null).await.0, 204);
        assert_eq!(net.manage("DELETE", "/provider/rules/x", Value::Null).await.0, 404);
        assert_eq!(net.manage("POST", "/provider/reset", Value::Null).await.0, 204);
        assert_eq!(net.manage("GET", "/provider/audit", Value::Null).await.1, json!([]));

        assert_eq!(net.manage("POST", "/reset", Value::Null).await.0, 204);
        assert_eq!(net.manage("GET", "/zones", Value::Null).await.1, json!(["example.test", "other.test"]));
        assert_eq!(net.manage("GET", "/log", Value::Null).await.1, json!([]));
    });
}
