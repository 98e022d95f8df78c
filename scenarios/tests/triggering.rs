//! What begins an issuance and what holds it back, and the key that it is for.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use crate::common::bench::{Bench, Between, objects, release, simulate};
use engine::api::{Certificate, ConditionStatus, Kind, Object, ObjectKey, Secret, Time};
use engine::compat::Compat;
use engine::log::render;
use engine::{conditions, pki};
use serde_json::json;
use world::KeyAlgorithm;

const HOUR: u64 = 3600;

/// Somebody else signs: nobody, unless a test does.
const NOBODY: &str = "issuerRef: { name: nobody, kind: Nobody, group: example.test }";

/// A Certificate `web` with these further fields.
pub(crate) fn web(metadata: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{ name: web, namespace: app, uid: web-uid, \
         {metadata} }}\nspec: {{ secretName: web-tls, dnsNames: [a.example.com], {NOBODY}, privateKey: {{ algorithm: \
         ECDSA, size: 256, rotationPolicy: Never }}, {spec} }}\n"
    )
}

/// A request of `web` for its revision 1 that nobody can read.
pub(crate) fn unreadable(name: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: CertificateRequest\nmetadata: {{ name: {name}, namespace: app, \
         annotations: {{ cert-manager.io/certificate-name: web, cert-manager.io/certificate-revision: '1' }}, \
         ownerReferences: [{{ apiVersion: cert-manager.io/v1, kind: Certificate, name: web, uid: web-uid, controller: \
         true, blockOwnerDeletion: true }}] }}\nspec: {{ request: eA==, {NOBODY} }}\n"
    )
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("app", name)
}

fn certificate(bench: &Bench) -> Certificate {
    bench.get::<Certificate>("app", "web").unwrap().as_ref().clone()
}

/// Whether an issuance is running, and why or why not.
fn issuing(bench: &Bench) -> Option<(bool, String)> {
    let status = certificate(bench).status;
    let found = status.conditions.into_iter().find(|c| c.type_ == "Issuing")?;
    Some((found.status == ConditionStatus::True, found.reason))
}

fn is_issuing(bench: &Bench) -> bool {
    issuing(bench).is_some_and(|(running, _)| running)
}

/// The user changes the Certificate.
fn edit(bench: &Bench, change: impl FnOnce(&mut Certificate)) {
    let mut web = certificate(bench);
    change(&mut web);
    bench.store.update(web.into()).unwrap();
}

/// The issuer says that it cannot.
fn refuse(bench: &Bench) {
    let mut request = bench.request("app", "web").as_ref().clone();
    request.status.failure_time = Some(Time::new(bench.world.now()));
    request.status.conditions.push(conditions::new("Ready", ConditionStatus::False, "Failed", "no"));
    bench.store.update_status(request.into()).unwrap();
}

/// How many lines there are about the Certificate's key, whoever works on it.
fn lines_about(bench: &Bench) -> usize {
    let of = ("key".to_owned(), json!("app/web"));
    bench.log.entries().iter().filter(|entry| entry.values.contains(&of)).count()
}

/// Messages of the Certificate's events with this reason.
fn events(bench: &Bench, reason: &str) -> Vec<String> {
    let all = bench.events("Certificate").into_iter();
    all.filter(|(r, ..)| r == reason).map(|(_, message, _)| message).collect()
}

/// The temporary Secrets with their keys.
fn next_keys(bench: &Bench) -> Vec<Arc<Secret>> {
    let all = bench.store.list(Kind::Secret);
    let all = all.iter().filter_map(|o| o.get::<Secret>().cloned());
    all.filter(|s| s.metadata.labels.contains_key("cert-manager.io/next-private-key")).collect()
}

fn pem(secret: &Secret) -> &str {
    secret.data["tls.key"].as_str().unwrap()
}

#[test]
fn two_requests_of_one_revision_stop_the_trigger_until_there_is_one() {
    for (name, which, revision) in
        [("v1_7", "next", None), ("v1_21", "next", None), ("v1_21", "current", Some(1))]
    {
        simulate(move |world| async move {
            let manifest = web("", "") + &unreadable("web-a") + &unreadable("web-b");
            let bench = Bench::start(&world, release(name), "").await;
            for object in objects(&manifest) {
                let object = match object {
                    Object::Certificate(mut web) => {
                        Arc::make_mut(&mut web).status.revision = revision;
                        Object::Certificate(web)
                    }
                    other => other,
                };
                bench.store.restore(object).unwrap();
            }
            bench.wait(HOUR).await;
            assert_eq!(issuing(&bench), None);
            let error = format!(
                "multiple CertificateRequests were found for the '{which}' revision 1, issuance is skipped until there \
                 are no more duplicates"
            );
            let lines = bench.log.entries();
            let failed = lines.iter().filter(|l| l.error == Some(Some(error.clone()))).count();
            assert!(failed > 100, "{name} {failed}");
            bench.store.delete(Kind::CertificateRequest, &key("web-b")).unwrap();
            bench.wait(1).await;
            assert!(is_issuing(&bench), "at once, not at the next try");
        });
    }
}

#[test]
fn a_changed_specification_lifts_the_wait_after_a_failure() {
    for name in ["v1_7", "v1_21"] {
        simulate(move |world| async move {
            let bench = Bench::start(&world, release(name), &web("", "")).await;
            bench.wait(10).await;
            let failed = bench.request("app", "web");
            refuse(&bench);
            bench.wait(600).await;
            assert_eq!(issuing(&bench), Some((false, "Failed".to_owned())), "{name}");
            edit(&bench, |web| web.spec.revision_history_limit = Some(3));
            bench.wait(5).await;
            assert!(!is_issuing(&bench), "a change that the request does not show");
            edit(&bench, |web| web.spec.dns_names.push("b.example.com".to_owned()));
            bench.wait(5).await;
            assert!(is_issuing(&bench), "{name}");
            let next = bench.request("app", "web");
            assert_ne!(next.metadata.uid, failed.metadata.uid);
            let names = pki::request(next.spec.request.as_slice()).unwrap().names;
            assert_eq!(names.dns, ["a.example.com", "b.example.com"]);
        });
    }
}

/// Without its next request, and with one that cannot be read, ten minutes after a failure.
#[test]
fn what_is_missing_of_the_next_request_is_told() {
    for name in ["v1_7", "v1_21"] {
        for request in [None, Some(unreadable("web-a"))] {
            simulate(move |world| async move {
                let bench = Bench::start(&world, release(name), "").await;
                bench.wait(1000).await;
                let failed = bench.world.now() - Duration::from_secs(600);
                for object in objects(&web("", "")) {
                    let mut web = object.get::<Certificate>().unwrap().as_ref().clone();
                    web.status.last_failure_time = Some(Time::new(failed));
                    bench.store.restore(web.into()).unwrap();
                }
                bench.apply(request.as_deref().unwrap_or_default());
                bench.wait(1).await;
                let skipped = "skipping checking if Certificate matches the CertificateRequest";
                let missing = bench.lines(&format!("next CertificateRequest not available, {skipped}"));
                let nonsense = bench.lines(&format!("next CertificateRequest cannot be decoded, {skipped}"));
                let held =
                    bench.lines("Not re-issuing certificate") + bench.lines("Backing off from issuance");
                if request.is_none() {
                    assert!(missing > 0 && (nonsense, held, is_issuing(&bench)) == (0, missing, false));
                } else {
                    assert!(nonsense > 0 && (missing, held, is_issuing(&bench)) == (0, 0, true));
                }
            });
        }
    }
}

#[test]
fn the_line_of_1_21_says_when_the_next_attempt_is() {
    simulate(|world| async move {
        let start = world.now();
        let bench = Bench::start(&world, release("v1_21"), &web("", "")).await;
        bench.wait(10).await;
        refuse(&bench);
        bench.wait(60).await;
        let failed = certificate(&bench).status.last_failure_time.unwrap().timestamp();
        let at = failed + Duration::from_secs(HOUR);
        let m = at.since(start);
        let text = format!(
            "] \"Backing off from issuance due to previously failed issuance(s). Issuance will next be attempted at {} \
             m=+{}.{:09}\" ",
            at.go_string(),
            m.as_secs(),
            m.subsec_nanos()
        );
        let lines: Vec<_> = bench.log.entries().iter().map(|entry| render(entry, 1)).collect();
        assert!(lines.iter().any(|line| line.contains(&text)), "{text}{lines:#?}");
        assert_eq!(bench.lines("Backing off"), bench.lines(&text), "always the same time");
    });
}

/// What the log says of a Certificate in two hours that begin a minute after a failure: when one is over, the next
/// attempt is due.
fn lines_after_a_failure(name: &'static str, deleted: bool) -> usize {
    simulate(move |world| async move {
        let bench = Bench::start(&world, release(name), &web("", "")).await;
        bench.wait(10).await;
        refuse(&bench);
        bench.wait(60).await;
        let before = lines_about(&bench);
        if deleted {
            bench.store.delete(Kind::Certificate, &key("web")).unwrap();
        }
        bench.wait(2 * HOUR).await;
        lines_about(&bench) - before
    })
}

#[test]
fn a_certificate_that_is_gone_when_its_time_comes_is_dropped_without_a_word() {
    for name in ["v1_7", "v1_21"] {
        assert!(lines_after_a_failure(name, false) > 0, "{name}");
        assert_eq!(lines_after_a_failure(name, true), 0, "{name}");
    }
}

#[test]
fn a_certificate_that_is_being_deleted_is_issued_by_1_7_and_left_alone_by_1_21() {
    let issued = |compat: Compat| {
        simulate(|world| async move {
            let bench = Bench::start(&world, compat, "").await;
            for object in objects(&web("finalizers: [example.test/hold]", "")) {
                bench
                    .store
                    .restore(object.with_meta(|m| m.deletion_timestamp = Some(Time::new(world.now()))))
                    .unwrap();
            }
            bench.wait(60).await;
            (is_issuing(&bench), next_keys(&bench).len())
        })
    };
    assert_eq!(issued(release("v1_7")), (true, 1));
    assert_eq!(issued(release("v1_21")), (false, 0));
    assert_eq!(issued(Compat { skips_deleted: false, ..release("v1_21") }), (true, 1), "that is why");
}

/// The private key in the Secret is none, and the policy is to keep it.
#[test]
fn a_key_to_keep_that_cannot_be_read_is_told_and_replaced() {
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: { name: web-tls, namespace: app }\nstringData: { \
                  tls.key: none, tls.crt: none }\n";
    for name in ["v1_7", "v1_21"] {
        simulate(move |world| async move {
            let bench = Bench::start(&world, release(name), &(web("", "") + secret)).await;
            bench.wait(10).await;
            let text = "Failed to decode private key stored in Secret \"web-tls\" - generating new key";
            assert_eq!(events(&bench, "DecodeFailed"), [text], "{name}");
            let keys = next_keys(&bench);
            assert_eq!(keys.len(), 1);
            let name = &keys[0].metadata.name;
            assert_eq!(certificate(&bench).status.next_private_key_secret_name.as_ref(), Some(name));
            let text = format!("Stored new private key in temporary Secret resource {name:?}");
            assert_eq!(events(&bench, "Generated"), [text]);
            // Whatever the encoding of the Certificate's own Secret.
            assert!(pem(&keys[0]).starts_with("-----BEGIN PRIVATE KEY-----\n"));
            let key = pki::private_key(pem(&keys[0]).as_bytes()).unwrap();
            let request = bench.request("app", "web");
            assert_eq!(pki::request(request.spec.request.as_slice()).unwrap().public_key, *key.public());
        });
    }
}

#[test]
fn a_next_key_that_is_lost_is_made_anew_under_the_name_in_the_status() {
    for name in ["v1_7", "v1_21"] {
        simulate(move |world| async move {
            let bench = Bench::start(&world, release(name), &web("", "")).await;
            bench.wait(10).await;
            let [before] = <[_; 1]>::try_from(next_keys(&bench)).unwrap();
            bench.store.delete(Kind::Secret, &key(&before.metadata.name)).unwrap();
            bench.wait(10).await;
            let [after] = <[_; 1]>::try_from(next_keys(&bench)).unwrap();
            assert_eq!(after.metadata.name, before.metadata.name, "{name}");
            assert_ne!(pem(&after), pem(&before));
            assert!(is_issuing(&bench));
        });
    }
}

#[test]
fn a_next_key_that_fits_no_more_is_deleted_with_an_event_and_made_anew() {
    for (name, field) in [("v1_7", "spec.keySize"), ("v1_21", "spec.privateKey.size")] {
        simulate(move |world| async move {
            let bench = Bench::start(&world, release(name), &web("", "")).await;
            bench.wait(10).await;
            edit(&bench, |web| web.spec.private_key.as_mut().unwrap().size = 384);
            bench.wait(10).await;
            let text = format!("Regenerating private key due to change in fields: [{field}]");
            assert_eq!(events(&bench, "Deleted"), [text]);
            let keys = next_keys(&bench);
            let key = pki::private_key(pem(&keys[0]).as_bytes()).unwrap();
            assert_eq!((keys.len(), key.algorithm()), (1, KeyAlgorithm::EcdsaP384));
            let request = bench.request("app", "web");
            assert_eq!(pki::request(request.spec.request.as_slice()).unwrap().public_key, *key.public());
        });
    }
}

/// Caches are two seconds late, and while they are, an event makes the key manager look again: how many temporary
/// Secrets there are then, for how many names a key is said to be made, and how often a name was taken.
fn with_a_late_cache(name: &'static str) -> (usize, usize, usize) {
    simulate(move |world| async move {
        let between = Between { lister: json!({ "all": { "lag": "2s" } }), ..Between::default() };
        let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: { name: web-tls, namespace: app }\n";
        let bench = Bench::start_with(&world, release(name), secret, between).await;
        for object in objects(&web("", "")) {
            let mut web = object.get::<Certificate>().unwrap().as_ref().clone();
            // Held back, so that all is quiet when the user asks for an issuance.
            web.status.last_failure_time = Some(Time::new(world.now()));
            bench.store.restore(web.into()).unwrap();
        }
        bench.wait(60).await;
        let mut web = certificate(&bench);
        conditions::put(
            &mut web,
            &conditions::new("Issuing", ConditionStatus::True, "ManuallyTriggered", ""),
        );
        bench.store.update_status(web.into()).unwrap();
        world.sleep(Duration::from_millis(100)).await;
        let secret = bench.store.get(Kind::Secret, &key("web-tls")).unwrap();
        let touched = secret.with_meta(|m| drop(m.labels.insert("touched".into(), "yes".into())));
        bench.store.update(touched).unwrap();
        world.sleep(Duration::from_millis(2500)).await;
        let keys = next_keys(&bench);
        bench.wait(60).await;
        let mut made = events(&bench, "Generated");
        made.sort();
        made.dedup();
        (keys.len(), made.len(), bench.lines("already exists"))
    })
}

#[test]
fn behind_a_late_cache_1_7_makes_a_second_key_and_1_21_asks_for_the_first() {
    assert_eq!(with_a_late_cache("v1_21"), (1, 1, 0));
    let (at_once, names, _) = with_a_late_cache("v1_7");
    assert!(at_once == 2 && names >= 2, "{at_once} {names}");
}
