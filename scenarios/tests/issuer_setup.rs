//! What the set-up of an ACME issuer does when its server, its key, its account or its specification is not as it should
//! be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::Duration;

use crate::common::live::{Live, live, script};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::api::{AcmeIssuer, AcmeIssuerStatus, Issuer, Kind, ObjectKey, Secret};
use mock_ca::Ca;
use mock_ca::dialect::Endpoint;
use scenarios::script::{Scenario, apply};
use serde_json::json;
use world::KeyAlgorithm;
use world::keys::pem_encode;

const SERVER: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org";

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// An ACME Issuer with other fields of `acme` (YAML, each after a comma).
fn issuer(name: &str, server: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{ name: {name}, namespace: shop }}\nspec: {{ acme: {{ \
         server: '{server}', privateKeySecretRef: {{ name: {name}-key }}, solvers: [{{ http01: {{ ingress: {{ class: \
         nginx }} }} }}]{rest} }} }}\n"
    )
}

fn secret(name: &str, entry: &str, data: &str) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = name.to_owned();
    secret.metadata.namespace = "shop".to_owned();
    secret.data.insert(entry.to_owned(), data.into());
    secret
}

fn with(scenario: &Scenario, overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|o| (*o).to_owned()).collect();
    apply(scenario, &overrides).unwrap()
}

/// A script whose CA has these faults.
fn faulty(compat: &str, faults: &[&str]) -> Scenario {
    let mut scenario = script(compat);
    scenario.ca.config.faults = serde_json::from_value(json!(faults)).unwrap();
    scenario
}

/// A script in which the staging server has a name and a host, but does not run.
fn with_staging(compat: &str) -> Scenario {
    let records = "dns.zones.1.records=[{name: acme-v02.api, type: A, value: 198.51.100.10}, \
                   {name: acme-staging-v02.api, type: A, value: 198.51.100.20}]";
    let mut scenario = with(&script(compat), &[records]);
    scenario.hosts.insert("staging".to_owned(), vec!["198.51.100.20".parse().unwrap()]);
    scenario
}

/// Starts the staging server.
fn staging(live: &Live) -> Ca {
    let process = live.world.process("staging");
    let ca =
        Ca::new(process.clone(), serde_json::from_value(json!({ "baseUrl": STAGING })).unwrap()).unwrap();
    let (server, at) = (ca.clone(), "198.51.100.20:443".parse().unwrap());
    process.spawn("acme server", async move { drop(server.serve(at).await) });
    ca
}

/// Reason and message of an issuer's Ready condition; empty without one.
fn told(live: &Live, name: &str) -> (String, String) {
    let conditions = live.get::<Issuer>(name).unwrap().status.conditions;
    conditions.first().map(|c| (c.reason.clone(), c.message.clone())).unwrap_or_default()
}

fn account(live: &Live, name: &str) -> AcmeIssuerStatus {
    live.get::<Issuer>(name).unwrap().status.acme.unwrap()
}

fn asked(ca: &Ca, endpoint: Endpoint) -> u64 {
    ca.journal().counters().endpoints.get(&endpoint).copied().unwrap_or_default()
}

fn registrations(live: &Live) -> u64 {
    asked(live.remains.ca.as_ref().unwrap(), Endpoint::NewAccount)
}

/// Changes an issuer's specification, as a user does.
fn change(live: &Live, name: &str, how: impl FnOnce(&mut AcmeIssuer)) {
    let mut issuer = live.get::<Issuer>(name).unwrap();
    how(issuer.spec.acme.as_mut().unwrap());
    live.put(issuer);
}

const REGISTERED: &str = "ACMEAccountRegistered";

async fn registers(live: &Live, name: &str, longest: u64) -> bool {
    live.wait(longest, |live| told(live, name).0 == REGISTERED).await
}

#[test]
fn a_silent_ca_uses_up_the_time_of_1_7s_set_up_so_that_the_issuer_shows_nothing() {
    live(faulty("v1_7", &["directory=hang"]), &issuer("le", SERVER, ""), |live| async move {
        live.after(secs(9)).await;
        assert!(live.events("ErrInitIssuer").is_empty());
        live.after(secs(3)).await;
        assert_eq!(live.events("ErrInitIssuer"), ["Error initializing issuer: context deadline exceeded"]);
        assert_eq!(told(&live, "le"), Default::default(), "the write of the status has the same limit");
        let requeued = live.log("client rate limiter Wait returned an error");
        let both = "[client rate limiter Wait returned an error: context deadline exceeded, context deadline exceeded]";
        assert!(requeued.len() == 1 && requeued[0].contains(both), "{requeued:?}");
        live.after(secs(60)).await;
        assert!(live.log("failed to register an ACME account").len() >= 3, "with back-off");
    });
}

#[test]
fn in_1_21_a_request_has_90_seconds_and_the_set_up_two_minutes() {
    live(faulty("v1_21", &["directory=hang"]), &issuer("le", SERVER, ""), |live| async move {
        live.after(secs(89)).await;
        assert_eq!(told(&live, "le"), Default::default());
        live.after(secs(3)).await;
        let text = format!(
            "Failed to register ACME account: Get {SERVER:?}: context deadline exceeded (Client.Timeout exceeded while \
             awaiting headers)"
        );
        assert_eq!(told(&live, "le"), ("ErrRegisterACMEAccount".into(), text));
    });
    let slow = faulty("v1_21", &["newNonce=delay:80s", "newAccount=delay:80s"]);
    live(slow, &issuer("le", SERVER, ""), |live| async move {
        live.after(secs(119)).await;
        assert!(live.events("ErrInitIssuer").is_empty());
        live.after(secs(3)).await;
        assert_eq!(live.events("ErrInitIssuer"), ["Error initializing issuer: context deadline exceeded"]);
        assert_eq!(told(&live, "le"), Default::default());
    });
}

#[test]
fn five_issuers_are_set_up_at_a_time_or_as_many_as_there_are_workers() {
    for (compat, set, first) in
        [("v1_7", None, 5), ("v1_21", None, 5), ("v1_21", Some("engine.switches.workers=2"), 2)]
    {
        let all: String = (0..7).map(|n| issuer(&format!("le{n}"), SERVER, "")).collect();
        let set: Vec<&str> = set.into_iter().collect();
        live(with(&faulty(compat, &["directory=delay:5s"]), &set), &all, move |live| async move {
            let struck = |live: &Live| {
                let ca = live.remains.ca.clone().unwrap();
                ca.journal().counters().events.get("fault").copied().unwrap_or_default()
            };
            live.after(secs(4)).await;
            assert_eq!(struck(&live), first, "{compat}");
            live.after(secs(6)).await;
            assert_eq!(struck(&live), (2 * first).min(7), "{compat}: each worker has taken its next one");
        });
    }
}

#[test]
fn an_issuer_that_is_gone_leaves_a_line_in_older_releases() {
    let cluster = "---\napiVersion: cert-manager.io/v1\nkind: ClusterIssuer\nmetadata: { name: self }\nspec: { selfSigned: {} }\n";
    for (compat, lines) in [("v1_7", 1), ("v1_16", 1), ("v1_21", 0)] {
        live(script(compat), &(issuer("le", SERVER, "") + cluster), move |live| async move {
            assert!(registers(&live, "le", 10).await, "{compat}");
            live.remains.store.delete(Kind::Issuer, &ObjectKey::new("shop", "le")).unwrap();
            live.remains.store.delete(Kind::ClusterIssuer, &ObjectKey::new("", "self")).unwrap();
            live.after(secs(5)).await;
            let gone = live.log("issuer in work queue no longer exists");
            let own = |name: &str| gone.iter().filter(|line| line.contains(name)).count();
            assert_eq!((own("\"le\\\" not found"), own("\"self\\\" not found")), (lines, lines), "{gone:?}");
        });
    }
}

#[test]
fn a_server_of_acme_v1_is_told_and_not_tried_again() {
    let v1 = "https://acme-v01.api.letsencrypt.org/directory";
    let staging = "https://acme-staging.api.letsencrypt.org/directory";
    for compat in ["v1_7", "v1_21"] {
        let manifest =
            issuer("one", v1, "") + &issuer("two", &format!("{v1}/"), "") + &issuer("three", staging, "");
        live(script(compat), &manifest, move |live| async move {
            live.after(secs(3600)).await;
            for (name, used, wanted) in [
                ("one", v1.to_owned(), "https://acme-v02.api.letsencrypt.org/directory"),
                ("two", format!("{v1}/"), "https://acme-v02.api.letsencrypt.org/directory"),
                ("three", staging.to_owned(), "https://acme-staging-v02.api.letsencrypt.org/directory"),
            ] {
                let text = format!(
                    "Your ACME server URL is set to a v1 endpoint ({used}). You should update the spec.acme.server field \
                     to {wanted:?}"
                );
                assert_eq!(told(&live, name), ("InvalidConfig".into(), text), "{compat}");
                assert_eq!(live.get::<Secret>(&format!("{name}-key")), None, "before anything is done");
            }
            assert!(live.events("ErrInitIssuer").is_empty() && registrations(&live) == 0);
            change(&live, "one", |acme| acme.server = SERVER.to_owned());
            assert!(registers(&live, "one", 10).await);
        });
    }
}

/// Document 3's issuer of 2018: `srver` is dropped, and the client of 0.2 has a server of its own.
#[test]
fn without_a_server_0_2_asks_lets_encrypt_v01() {
    let url = "https://acme-v01.api.letsencrypt.org";
    let mut scenario =
        with(&script("v0_2"), &["dns.zones.1.records=[{name: acme-v01.api, type: A, value: 198.51.100.10}]"]);
    scenario.ca.config.base_url = url.to_owned();
    let manifest = "apiVersion: certmanager.k8s.io/v1alpha1\nkind: Issuer\nmetadata: { name: le, namespace: shop }\nspec:\n  \
                    acme:\n    srver: https://ca.example.com/directory\n    email: ops@example.com\n    \
                    privateKeySecretRef: { name: le-key }\n    http01: {}\n";
    live(scenario, manifest, move |live| async move {
        assert!(registers(&live, "le", 10).await, "{:?}", told(&live, "le"));
        assert!(account(&live, "le").uri.starts_with(url));
    });
}

#[test]
fn a_key_that_is_not_there_and_may_not_be_made_is_waited_for() {
    for compat in ["v1_7", "v1_21"] {
        let manifest = issuer("le", SERVER, ", disableAccountKeyGeneration: true");
        live(script(compat), &manifest, move |live| async move {
            live.after(secs(60)).await;
            let text = "Failed to verify ACME account: the ACME issuer config has 'disableAccountKeyGeneration' set to true, \
                        but the secret was not found: secret \"le-key\" not found";
            assert_eq!(told(&live, "le"), ("ErrVerifyACMEAccount".into(), text.into()), "{compat}");
            assert!(live.log("Error initializing issuer").len() >= 3, "with back-off");
            assert_eq!(live.get::<Secret>("le-key"), None);
            let key = live.world.keys("mine").generate(KeyAlgorithm::Rsa(2048)).unwrap();
            live.remains.store.create(secret("le-key", "tls.key", &key.to_traditional_pem()).into()).unwrap();
            assert!(registers(&live, "le", 2).await, "by the Secret's event");
        });
    }
}

#[test]
fn a_key_that_cannot_be_used_is_told_until_its_secret_changes() {
    let names = ["ec", "text", "other"];
    let manifest: String = names.map(|name| issuer(name, SERVER, "")).concat();
    live(script("v1_7"), "", move |live| async move {
        let ec = live.world.keys("ec").generate(KeyAlgorithm::EcdsaP256).unwrap();
        let store = live.remains.store.clone();
        store.create(secret("ec-key", "tls.key", &ec.to_traditional_pem()).into()).unwrap();
        store.create(secret("text-key", "tls.key", "no key").into()).unwrap();
        store.create(secret("other-key", "key.pem", "no key").into()).unwrap();
        live.after(secs(1)).await;
        live.create(&manifest);
        live.after(secs(600)).await;
        let reason = || "ErrVerifyACMEAccount".to_owned();
        assert_eq!(told(&live, "ec"), (reason(), "ACME private key in \"ec-key\" is not of type RSA".into()));
        let text = "Account private key is invalid: error decoding private key PEM block";
        assert_eq!(told(&live, "text"), (reason(), text.into()));
        let text = "Account private key is invalid: no data for \"tls.key\" in secret 'shop/other-key'";
        assert_eq!(told(&live, "other"), (reason(), text.into()));
        assert!(live.events("ErrInitIssuer").is_empty(), "none is tried again");
        let good = live.world.keys("good").generate(KeyAlgorithm::Rsa(2048)).unwrap();
        let mut mended = live.get::<Secret>("ec-key").unwrap();
        mended.data.insert("tls.key".into(), good.to_pkcs8_pem().as_str().into());
        live.put(mended);
        assert!(registers(&live, "ec", 2).await);
    });
}

#[test]
fn urls_that_cannot_be_read_are_told_and_one_without_its_scheme_is_asked_in_vain() {
    let broken = "https://acme.test:acme/directory";
    let bare = "acme-v02.api.letsencrypt.org/directory";
    let manifest = issuer("broken", broken, "") + &issuer("bare", bare, "") + &issuer("account", SERVER, "");
    live(script("v1_7"), &manifest, move |live| async move {
        assert!(registers(&live, "account", 10).await);
        live.after(secs(5)).await;
        let mut changed = live.get::<Issuer>("account").unwrap();
        "https://acme test/1".clone_into(&mut changed.status.acme.as_mut().unwrap().uri);
        live.remains.store.update_status(changed.into()).unwrap();
        live.after(secs(60)).await;
        let text = format!(
            "Failed to parse existing ACME server URI {broken:?}: parse {broken:?}: invalid port \":acme\" after host"
        );
        assert_eq!(told(&live, "broken"), ("InvalidURL".into(), text.clone()));
        let uri = "https://acme test/1";
        let other = format!(
            "Failed to parse existing ACME account URI {uri:?}: parse {uri:?}: invalid character \" \" in host name"
        );
        assert_eq!(told(&live, "account"), ("InvalidURL".into(), other.clone()));
        let mut events = live.events("InvalidURL");
        events.sort();
        assert_eq!(events, [other, text], "each once");
        let text = format!("Get {bare:?}: unsupported protocol scheme \"\"");
        let failed = format!("Failed to register ACME account: {text}");
        assert_eq!(told(&live, "bare"), ("ErrRegisterACMEAccount".into(), failed));
        assert_eq!(live.events("ErrInitIssuer"), [format!("Error initializing issuer: {text}")]);
    });
}

#[test]
fn another_server_makes_another_account_and_forgets_the_old_one_at_once() {
    for compat in ["v1_7", "v1_21"] {
        let manifest = issuer("le", SERVER, ", skipTLSVerify: true");
        live(with_staging(compat), &manifest, move |live| async move {
            assert!(registers(&live, "le", 10).await);
            let before = account(&live, "le").uri;
            change(&live, "le", |acme| acme.server = format!("{STAGING}/directory"));
            live.after(secs(2)).await;
            assert_eq!(told(&live, "le").0, "ErrRegisterACMEAccount", "nobody is there yet");
            assert_eq!(account(&live, "le").uri, "", "{compat}");
            let line = "ACME server URL host and ACME private key registration host differ. Re-checking ACME account \
                        registration";
            assert_eq!(live.log(line).len(), 1, "{compat}");
            let ca = staging(&live);
            assert!(registers(&live, "le", 60).await, "{compat}");
            let after = account(&live, "le").uri;
            assert!(after.starts_with(STAGING) && !before.starts_with(STAGING), "{before} {after}");
            assert!(asked(&ca, Endpoint::NewAccount) >= 1);
        });
    }
}

#[test]
fn a_registration_that_the_ca_refuses_is_not_tried_again() {
    for compat in ["v1_7", "v1_21"] {
        let manifest = issuer("le", SERVER, ", email: staging + me@domain.com");
        live(script(compat), &manifest, move |live| async move {
            live.after(secs(30)).await;
            // Its own key and its own status make it be set up again, and then nothing does.
            let tries = registrations(&live);
            live.after(secs(3600)).await;
            let (reason, message) = told(&live, "le");
            assert_eq!(reason, "ErrRegisterACMEAccount");
            let begin = "Failed to register ACME account: 400 urn:ietf:params:acme:error:invalidContact: ";
            assert!(message.starts_with(begin), "{message}");
            assert_eq!(registrations(&live), tries, "{compat}");
            assert!(live.events("ErrInitIssuer").is_empty());
            assert_eq!(live.log("failed to register an ACME account").len() as u64, tries);
            let line = "skipping retrying account registration as a BadRequest response was returned from the ACME server";
            assert_eq!(live.log(line).len() as u64, tries);
            change(&live, "le", |acme| acme.email = "me@domain.com".to_owned());
            assert!(registers(&live, "le", 10).await, "{compat}");
        });
    }
}

#[test]
fn another_email_is_an_update_of_the_account_which_the_ca_may_refuse() {
    for compat in ["v1_7", "v1_21"] {
        let manifest = issuer("le", SERVER, ", email: first@example.com");
        live(script(compat), &manifest, move |live| async move {
            assert!(registers(&live, "le", 10).await);
            live.after(secs(5)).await;
            let before = account(&live, "le");
            assert_eq!(before.last_registered_email, "first@example.com");
            let ca = live.remains.ca.clone().unwrap();
            let updates = asked(&ca, Endpoint::Account);
            change(&live, "le", |acme| acme.email = "second@example.com".to_owned());
            live.after(secs(5)).await;
            assert_eq!(told(&live, "le").0, REGISTERED);
            let after = account(&live, "le");
            assert_eq!(
                (after.uri, after.last_registered_email),
                (before.uri, "second@example.com".to_owned())
            );
            assert_eq!(asked(&ca, Endpoint::Account), updates + 1, "{compat}");
            change(&live, "le", |acme| acme.email = "no address".to_owned());
            live.after(secs(600)).await;
            let (reason, message) = told(&live, "le");
            assert_eq!(reason, "ErrUpdateACMEAccount");
            let begin = "Failed to update ACME account:400 urn:ietf:params:acme:error:invalidContact: ";
            assert!(message.starts_with(begin), "{message}");
            assert_eq!(live.events("ErrUpdateACMEAccount"), [message]);
            assert!(live.events("ErrInitIssuer").is_empty(), "not tried again");
            assert_eq!(account(&live, "le").last_registered_email, "second@example.com");
        });
    }
}

#[test]
fn in_1_21_an_issuer_waits_for_the_secrets_of_its_solvers() {
    let solver = ", email: ops@example.com";
    let manifest = issuer("le", SERVER, solver).replace(
        "http01: { ingress: { class: nginx } }",
        "dns01: { cloudflare: { apiTokenSecretRef: { name: cf, key: token } } }",
    );
    for (compat, waits) in [("v1_16", false), ("v1_21", true)] {
        let manifest = manifest.clone();
        live(script(compat), &manifest, move |live| async move {
            live.after(secs(600)).await;
            assert_eq!(told(&live, "le").0 != REGISTERED, waits, "{compat}");
            if waits {
                let text = "failed to get secret \"cf\": secrets \"cf\" not found";
                assert_eq!(told(&live, "le"), ("InvalidSolver".into(), text.into()));
                assert!(live.events("ErrInitIssuer").is_empty() && registrations(&live) == 0);
                live.remains.store.create(secret("cf", "key", "x").into()).unwrap();
                live.after(secs(2)).await;
                assert_eq!(told(&live, "le").1, "the secret \"cf\" does not have key \"token\"");
                let mut mended = live.get::<Secret>("cf").unwrap();
                mended.data.insert("token".into(), "x".into());
                live.put(mended);
                assert!(registers(&live, "le", 2).await, "by the Secret's event");
            }
        });
    }
}

#[test]
fn a_ca_of_ones_own_is_trusted_by_the_bundle_of_the_issuer() {
    for compat in ["v1_16", "v1_21"] {
        live(with_staging(compat), "", move |live| async move {
            let ca = staging(&live);
            let pem = STANDARD.encode(pem_encode("CERTIFICATE", &ca.web_root()));
            let server = format!("{STAGING}/directory");
            live.create(
                &(issuer("with", &server, &format!(", caBundle: {pem}")) + &issuer("without", &server, "")),
            );
            assert!(registers(&live, "with", 10).await, "{compat}: {:?}", told(&live, "with"));
            let (reason, message) = told(&live, "without");
            assert_eq!(reason, "ErrRegisterACMEAccount");
            assert!(message.contains(&format!("Get {server:?}: tls: ")), "{message}");
        });
    }
}
