//! How many workers the controllers have, and how long a key waits that has failed.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::common::bench::{Bench, Between, objects, release, simulate};
use crate::triggering::{unreadable, web};
use engine::EngineConfig;
use engine::admission::{Admission, Approvers};
use engine::api::{Certificate, Issuer, Kind, Time};
use engine::compat::{Compat, LoggerNames};
use serde_json::json;

/// Every write of a status takes 10 s: how many objects each controller has begun with after 5 s, and after 15 s.
#[test]
fn each_controller_has_as_many_workers_as_the_release_says() {
    let begun = |compat: Compat| {
        simulate(|world| async move {
            let mut manifest = String::new();
            for n in 0..12 {
                manifest += &web("", "").replace("web", &format!("web{n}"));
                manifest += &unreadable(&format!("other{n}")).replace("kind: Certificate,", "kind: Robot,");
                manifest += &format!(
                    "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{ name: i{n}, namespace: app }}\n\
                     spec: {{ selfSigned: {{}} }}\n"
                );
            }
            let calls = json!({ "status": { "verb": "updateStatus", "takes": "10s" } });
            let bench =
                Bench::start_with(&world, compat, &manifest, Between { calls, ..Between::default() }).await;
            let begun = || {
                [
                    bench.lines("Certificate must be re-issued"),
                    bench.lines("condition \"Approved\""),
                    bench.lines("lastTransitionTime for Issuer"),
                ]
            };
            bench.wait(5).await;
            let first = begun();
            bench.wait(10).await;
            (first, begun())
        })
    };
    assert_eq!(begun(release("v1_7")), ([5; 3], [10; 3]));
    assert_eq!(begun(Compat { workers: 2, ..release("v1_7") }), ([2; 3], [4; 3]));
}

/// Seconds between the failures of a controller that always fails, on one key.
fn gaps(bench: &Bench, controller: &str, name: &str) -> Vec<u64> {
    let of = ("key".to_owned(), json!(format!("app/{name}")));
    let mut failed = bench.log.entries();
    failed.retain(|l| {
        let is_of = l.values.contains(&of) && l.logger.iter().any(|logger| logger == controller);
        is_of && l.message == "re-queuing item due to error processing"
    });
    failed.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_secs()).collect()
}

/// What cannot succeed: two requests of one revision, an approval that is not granted, an Issuer of no type, and an
/// Ingress whose Certificate the webhook refuses.
#[test]
fn failures_of_certificates_wait_1_to_30_seconds_and_of_requests_issuers_and_shims_5_seconds_to_5_minutes() {
    let ingress = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: shop, namespace: app, \
                   annotations: { cert-manager.io/issuer: some, cert-manager.io/duration: 2h, \
                   cert-manager.io/renew-before: 3h } }\nspec: { rules: [{ host: c.example.com }], tls: [{ hosts: \
                   [c.example.com], secretName: shop-tls }] }\n";
    let manifest = unreadable("web-a") + ingress;
    for name in ["v1_7", "v1_21"] {
        let manifest = manifest.clone();
        simulate(move |world| async move {
            // 1.21 does not say in its log whose line it is.
            let compat = Compat { logger_names: LoggerNames::Controller, ..release(name) };
            let admission = Admission::new(&compat).with_approvers(Approvers::Granted(Vec::new()));
            let between = Between { admission: Some(admission), ..Between::default() };
            let bench = Bench::start_with(&world, compat, &manifest, between).await;
            let mut issuer = Issuer::default();
            (issuer.metadata.namespace, issuer.metadata.name) = ("app".to_owned(), "none".to_owned());
            bench.store.restore(issuer.into()).unwrap();
            for object in objects(&web("", "")) {
                let mut web = object.get::<Certificate>().unwrap().as_ref().clone();
                web.status.revision = Some(1);
                // Held back, so that all is quiet when the second request comes.
                web.status.last_failure_time = Some(Time::new(world.now()));
                bench.store.restore(web.into()).unwrap();
            }
            bench.wait(60).await;
            bench.apply(&unreadable("web-b"));
            bench.wait(2000).await;
            let of = |controller, key| gaps(&bench, controller, key);
            assert_eq!(of("certificates-trigger", "web")[..7], [1, 2, 4, 8, 16, 30, 30], "{name}");
            let slow =
                [("certificaterequests-approver", "web-a"), ("issuers", "none"), ("ingress-shim", "shop")];
            for (controller, key) in slow {
                let gaps = of(controller, key);
                assert_eq!(gaps[..8], [5, 10, 20, 40, 80, 160, 300, 300], "{name} {controller}");
            }
        });
    }
}

/// Each item is told of at its beginning, and at its end unless it has failed, to who asks for level 4.
#[test]
fn items_are_told_at_their_beginning_and_end_at_level_4() {
    for name in ["v1_7", "v1_16", "v1_21"] {
        let counts = |verbosity| {
            simulate(move |world| async move {
                let engine = EngineConfig { verbosity, ..EngineConfig::default() };
                let between = Between { engine, ..Between::default() };
                let bench = Bench::start_with(&world, release(name), &unreadable("web-a"), between).await;
                bench.wait(60).await;
                ["\"syncing item\"", "\"finished processing work item\"", "\"re-queuing item due to"]
                    .map(|text| bench.lines(text))
            })
        };
        assert_eq!(counts(3)[..2], [0, 0], "{name}");
        let [begun, ended, failed] = counts(4);
        assert!(ended > 0 && begun == ended + failed, "{name}: {begun}, {ended}, {failed}");
    }
}

/// Who is left out does nothing, and the others go on without.
#[test]
fn controllers_that_are_left_out_do_not_run() {
    let outcome = |controllers: &'static [&'static str]| {
        simulate(move |world| async move {
            let list: Vec<String> = controllers.iter().map(|name| (*name).to_owned()).collect();
            let engine = EngineConfig { controllers: list.try_into().unwrap(), ..EngineConfig::default() };
            let between = Between { engine, ..Between::default() };
            let bench = Bench::start_with(&world, release("v1_21"), &web("", ""), between).await;
            bench.wait(60).await;
            let certificate = bench.get::<Certificate>("app", "web").unwrap();
            let is = |type_: &str| certificate.status.conditions.iter().any(|c| c.type_ == type_);
            let requests = bench.store.list(Kind::CertificateRequest).len();
            [is("Issuing"), is("Ready"), requests == 1, bench.lines("condition=\"Approved\"") == 1]
        })
    };
    assert_eq!(outcome(&["*"]), [true, true, true, true]);
    assert_eq!(outcome(&["*", "-certificaterequests-approver"]), [true, true, true, false]);
    assert_eq!(outcome(&["-certificates-key-manager"]), [true, true, false, false]);
    assert_eq!(outcome(&["-certificates-trigger"]), [false, true, false, false]);
    assert_eq!(outcome(&["certificates-trigger"]), [true, false, false, false]);
    assert_eq!(outcome(&["orders"]), [false; 4]);
}
