//! The issuers that are not ACME, from a Certificate to its Secret, and what happens on the way when something is
//! wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::common::bench::{Bench, release, simulate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::api::{Certificate, CertificateRequest, Kind, Object};
use engine::pki;
use scenarios::backends::vault::{self, Vault};
use scenarios::backends::venafi::{self, Flavour, Outcome, Venafi};
use scenarios::backends::{Fault, Faults};
use scenarios::cluster::external::{self, ExternalIssuer};
use world::{KeyAlgorithm, World};

const VAULT: &str = "10.43.0.20";
const VENAFI: &str = "10.43.0.30";
const RELEASES: [&str; 3] = ["v1_7", "v1_16", "v1_21"];

/// A Certificate in the namespace `app` that names an issuer there.
fn certificate(name: &str, issuer: &str) -> String {
    certificate_of(name, &format!("{{ name: {issuer}, kind: Issuer, group: cert-manager.io }}"))
}

fn certificate_of(name: &str, issuer_ref: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{ name: {name}, namespace: app }}\n\
         spec:\n  secretName: {name}-tls\n  commonName: {name}.example.com\n  dnsNames: [{name}.example.com]\n  \
         privateKey: {{ algorithm: ECDSA, size: 256 }}\n  issuerRef: {issuer_ref}\n"
    )
}

fn issuer(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{ name: {name}, namespace: app }}\nspec: {spec}\n"
    )
}

fn secret(name: &str, entries: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name}, namespace: app }}\nstringData: {{ {entries} }}\n"
    )
}

/// A SelfSigned issuer, a CA that it signs, and the CA issuer over it, in a namespace.
const AUTHORITY: &str = "
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: { name: self }
spec: { selfSigned: {} }
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: { name: ca, namespace: kube-system }
spec:
  secretName: ca-key-pair
  commonName: The CA
  isCA: true
  privateKey: { algorithm: ECDSA, size: 256 }
  issuerRef: { name: self, kind: ClusterIssuer, group: cert-manager.io }
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: { name: cluster-ca }
spec: { ca: { secretName: ca-key-pair, crlDistributionPoints: ['http://crl.test/ca.crl'] } }
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: { name: self, namespace: app }
spec: { selfSigned: {} }
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: { name: local-ca, namespace: app }
spec:
  secretName: local-ca-key-pair
  commonName: The local CA
  isCA: true
  privateKey: { algorithm: ECDSA, size: 256 }
  issuerRef: { name: self, kind: Issuer, group: cert-manager.io }
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: { name: local-ca, namespace: app }
spec: { ca: { secretName: local-ca-key-pair } }
";

#[test]
fn self_signed_and_ca_issuers_of_both_kinds_issue_in_every_release() {
    for compat in RELEASES {
        simulate(move |world| async move {
            let by_cluster =
                certificate_of("one", "{ name: cluster-ca, kind: ClusterIssuer, group: cert-manager.io }");
            let manifest = AUTHORITY.to_owned() + &by_cluster + &certificate("two", "local-ca");
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(60).await;
            assert_eq!(bench.issuer("", "self"), ("IsReady".into(), String::new()), "{compat}");
            let verified = ("KeyPairVerified".to_owned(), "Signing CA verified".to_owned());
            assert_eq!(bench.issuer("", "cluster-ca"), verified, "{compat}");
            assert_eq!(bench.issuer("app", "local-ca"), verified, "{compat}");
            for (namespace, ca, leaf) in
                [("kube-system", "ca-key-pair", "one"), ("app", "local-ca-key-pair", "two")]
            {
                assert!(bench.is_ready("app", leaf), "{compat} {leaf}");
                let root = bench.secret(namespace, ca, "tls.crt").unwrap();
                assert_eq!(bench.secret(namespace, ca, "ca.crt").as_ref(), Some(&root), "its own CA");
                let chain = bench.secret("app", &format!("{leaf}-tls"), "tls.crt").unwrap();
                assert_eq!(chain.matches("BEGIN").count(), 1, "the root is left out");
                let tls_ca = bench.secret("app", &format!("{leaf}-tls"), "ca.crt");
                assert_eq!(tls_ca, Some(root), "{compat}");
                let names = pki::leaf(chain.as_bytes()).unwrap().names;
                assert_eq!(names.dns, [format!("{leaf}.example.com")]);
            }
            let issued = bench.events("CertificateRequest");
            let fetched = "Certificate fetched from issuer successfully";
            assert_eq!(issued.iter().filter(|e| e.0 == "CertificateIssued" && e.1 == fetched).count(), 4);
        });
    }
}

#[test]
fn a_run_with_ca_issuers_repeats_to_the_byte() {
    let chain = || {
        simulate(|world| async move {
            let manifest = AUTHORITY.to_owned() + &certificate("two", "local-ca");
            let bench = Bench::start(&world, release("v1_21"), &manifest).await;
            bench.wait(60).await;
            bench.secret("app", "two-tls", "tls.crt").unwrap()
        })
    };
    assert_eq!(chain(), chain());
}

#[test]
fn a_ca_issuer_without_its_secret_waits_for_it_and_so_do_its_requests() {
    simulate(|world| async move {
        let late = issuer("late", "{ ca: { secretName: late-key-pair } }");
        let manifest = AUTHORITY.to_owned() + &late + &certificate("web", "late");
        let bench = Bench::start(&world, release("v1_7"), &manifest).await;
        bench.wait(120).await;
        let text = "Error getting keypair for CA issuer: secret \"late-key-pair\" not found";
        assert_eq!(bench.issuer("app", "late"), ("ErrGetKeyPair".into(), text.into()));
        let waits = "Referenced issuer does not have a Ready status condition";
        assert_eq!(bench.outcome("app", "web"), ("Pending".into(), waits.into()));
        let events = bench.events("Issuer");
        let reasons: Vec<_> = events.iter().map(|e| e.0.as_str()).collect();
        assert!(reasons.contains(&"ErrGetKeyPair") && reasons.contains(&"ErrInitIssuer"), "{reasons:?}");
        assert!(bench.lines("error getting signing CA TLS certificate") >= 4, "with back-off");
        let mut pair =
            bench.store.get(Kind::Secret, &engine::api::ObjectKey::new("app", "local-ca-key-pair"));
        if let Some(Object::Secret(found)) = pair.take() {
            let mut copy = found.as_ref().clone();
            copy.metadata = engine::api::ObjectMeta::default();
            copy.metadata.name = "late-key-pair".to_owned();
            copy.metadata.namespace = "app".to_owned();
            bench.store.restore(Object::from(copy)).unwrap();
        }
        bench.wait(10).await;
        assert_eq!(
            bench.issuer("app", "late").0,
            "KeyPairVerified",
            "by the Secret's event, not by back-off"
        );
        assert!(bench.is_ready("app", "web"));
    });
}

#[test]
fn a_certificate_that_is_not_of_a_ca_makes_no_ca_issuer() {
    simulate(|world| async move {
        let manifest = AUTHORITY.to_owned()
            + &certificate("leaf", "self")
            + &issuer("wrong", "{ ca: { secretName: leaf-tls } }");
        let bench = Bench::start(&world, release("v1_7"), &manifest).await;
        bench.wait(60).await;
        let text = "Error getting keypair for CA issuer: certificate is not a CA";
        assert_eq!(bench.issuer("app", "wrong"), ("ErrInvalidKeyPair".into(), text.into()));
        assert!(bench.events("Issuer").iter().any(|e| e.0 == "ErrInvalidKeyPair"));
    });
}

/// A request that somebody made by hand, for a SelfSigned issuer.
fn by_hand(world: &World, name: &str, annotation: Option<&str>) -> (Object, String) {
    let key = world.keys(name).generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut certificate = Certificate::default();
    certificate.spec.dns_names = vec!["hand.example.com".to_owned()];
    let mut request = CertificateRequest::default();
    request.metadata.name = name.to_owned();
    request.metadata.namespace = "app".to_owned();
    request.spec.request =
        pki::make_request(&certificate, &key, &engine::compat::V1_21.features).unwrap().into();
    request.spec.issuer_ref.name = "self".to_owned();
    request.spec.issuer_ref.kind = "Issuer".to_owned();
    request.spec.issuer_ref.group = "cert-manager.io".to_owned();
    if let Some(secret) = annotation {
        let name = "cert-manager.io/private-key-secret-name".to_owned();
        request.metadata.annotations.insert(name, secret.to_owned());
    }
    (Object::from(request), key.to_pkcs8_pem())
}

fn key_secret(name: &str, pem: &str) -> String {
    secret(name, &format!("tls.key: \"{}\"", pem.replace('\n', "\\n")))
}

#[test]
fn a_self_signed_request_needs_the_key_in_the_secret_that_it_names() {
    for (compat, issued_late) in [("v1_7", false), ("v1_21", true)] {
        simulate(move |world| async move {
            let bench = Bench::start(&world, release(compat), &issuer("self", "{ selfSigned: {} }")).await;
            bench.wait(5).await;
            let (bare, _) = by_hand(&world, "bare", None);
            let (lost, lost_key) = by_hand(&world, "lost", Some("lost-key"));
            let (other, _) = by_hand(&world, "other", Some("stranger-key"));
            let (broken, _) = by_hand(&world, "broken", Some("broken-key"));
            let stranger = by_hand(&world, "stranger", None).1;
            bench.apply(&key_secret("stranger-key", &stranger));
            bench.apply(&secret("broken-key", "tls.key: no key"));
            for object in [bare, lost, other, broken] {
                bench.store.restore(object).unwrap();
            }
            bench.wait(10).await;
            let says = |name: &str| bench.outcome("app", name);
            let annotation = "\"cert-manager.io/private-key-secret-name\"";
            let text = format!("Annotation {annotation} missing or reference empty: secret name missing");
            assert_eq!(says("bare"), ("Failed".into(), text));
            let text = "Referenced secret app/lost-key not found: secret \"lost-key\" not found";
            assert_eq!(says("lost"), ("Pending".into(), text.into()));
            let text = "Error generating certificate template: CSR not signed by referenced private key";
            assert_eq!(says("other"), ("Failed".into(), text.into()));
            let text = format!(
                "Failed to get key \"broken-key\" referenced in annotation {annotation}: error decoding private key \
                 PEM block"
            );
            assert_eq!(says("broken"), ("Pending".into(), text));
            let events = bench.events("CertificateRequest");
            for reason in
                ["MissingAnnotation", "MissingSecret", "ErrorKeyMatch", "ErrorParsingKey", "BadConfig"]
            {
                assert!(events.iter().any(|e| e.0 == reason), "{reason} in {events:?}");
            }
            bench.apply(&key_secret("lost-key", &lost_key));
            bench.wait(60).await;
            let late = says("lost").0;
            assert_eq!(late, if issued_late { "Issued" } else { "Pending" }, "{compat}");
            assert!(bench.request("app", "bare").status.failure_time.is_some());
        });
    }
}

fn vault_config() -> vault::Config {
    let mut config = vault::Config { host: "vault".to_owned(), ..vault::Config::default() };
    config.token = "root-token".to_owned();
    config.app_roles.insert("role".to_owned(), "secret-id".to_owned());
    config.kubernetes_roles.insert("issuer".to_owned(), "app/vault-issuer".to_owned());
    config.service_account_tokens.insert("a-jwt".to_owned(), "app/vault-issuer".to_owned());
    config
}

async fn vault_of(world: &World, config: &vault::Config) -> Vault {
    let net = world.sim_net().unwrap();
    net.add_host("vault", [VAULT.parse().unwrap()]);
    Vault::start(&world.process("vault"), config, VAULT.parse().unwrap()).await.unwrap()
}

fn vault_issuer(name: &str, auth: &str) -> String {
    let server = format!("http://{VAULT}:8200");
    issuer(name, &format!("{{ vault: {{ server: '{server}', path: pki/sign/example, auth: {auth} }} }}"))
}

const TOKEN: &str = "{ tokenSecretRef: { name: vault-token } }";

fn vault_secrets() -> String {
    secret("vault-token", "token: root-token")
        + &secret("app-role", "id: secret-id")
        + &secret("sa-token", "token: a-jwt")
}

#[test]
fn vault_signs_after_each_kind_of_login_in_every_release() {
    for compat in RELEASES {
        simulate(move |world| async move {
            let vault = vault_of(&world, &vault_config()).await;
            let role = "{ appRole: { path: approle, roleId: role, secretRef: { name: app-role, key: id } } }";
            let jwt = "{ kubernetes: { role: issuer, secretRef: { name: sa-token } } }";
            let account = "{ kubernetes: { role: issuer, serviceAccountRef: { name: vault-issuer } } }";
            let mut manifest = vault_secrets();
            let mut auths = vec![("token", TOKEN), ("role", role), ("jwt", jwt)];
            if compat != "v1_7" {
                auths.push(("account", account));
            }
            for (name, auth) in &auths {
                manifest += &(vault_issuer(name, auth) + &certificate(&format!("by-{name}"), name));
            }
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(60).await;
            for (name, _) in &auths {
                let ready = ("VaultVerified".to_owned(), "Vault verified".to_owned());
                assert_eq!(bench.issuer("app", name), ready, "{compat} {name}");
                assert!(bench.is_ready("app", &format!("by-{name}")), "{compat} {name}");
                let secret = format!("by-{name}-tls");
                let root = vault.authority().root_pem();
                assert_eq!(bench.secret("app", &secret, "ca.crt"), Some(root));
                let chain = bench.secret("app", &secret, "tls.crt").unwrap();
                assert!(chain.ends_with(&vault.authority().issuing_pem()), "leaf, then the issuing CA");
            }
            assert_eq!(vault.journal().count("sign"), auths.len());
        });
    }
}

#[test]
fn vault_is_reached_by_tls_with_a_bundle_and_within_its_namespace() {
    simulate(|world| async move {
        let mut config = vault_config();
        (config.tls, config.namespace) = (true, "team".to_owned());
        let vault = vault_of(&world, &config).await;
        let bundle = STANDARD.encode(vault.authority().root_pem());
        let spec = |rest: &str| {
            format!(
                "{{ vault: {{ server: 'https://{VAULT}:8200', path: pki/sign/example, namespace: team, auth: {TOKEN}{rest} }} }}"
            )
        };
        let manifest = vault_secrets()
            + &secret("roots", &format!("ca.crt: \"{}\"", vault.authority().root_pem().replace('\n', "\\n")))
            + &issuer("inline", &spec(&format!(", caBundle: {bundle}")))
            + &issuer("by-secret", &spec(", caBundleSecretRef: { name: roots }"))
            + &issuer("blind", &spec(""))
            + &secret("no-roots", "ca.crt: no PEM")
            // Admission refuses such a bundle in the issuer itself; in a Secret nobody looks before.
            + &issuer("bad", &spec(", caBundleSecretRef: { name: no-roots }"))
            + &certificate("web", "inline")
            + &certificate("other", "by-secret");
        let bench = Bench::start(&world, release("v1_21"), &manifest).await;
        bench.wait(60).await;
        assert!(bench.is_ready("app", "web") && bench.is_ready("app", "other"));
        let (reason, message) = bench.issuer("app", "blind");
        assert_eq!(reason, "VaultError");
        assert!(message.contains("tls: "), "{message}");
        let text = "Failed to initialize Vault client: no Vault CA bundles loaded, check bundle contents";
        assert_eq!(bench.issuer("app", "bad").1, text);
        let entries = vault.journal().entries();
        let signed = entries.iter().find(|e| e.endpoint == "sign").unwrap();
        assert_eq!(signed.namespace.as_deref(), Some("team"));
        let health = entries.iter().find(|e| e.endpoint == "health").unwrap();
        assert_eq!(health.namespace, None, "health is outside of all namespaces");
    });
}

#[test]
fn a_vault_that_is_sealed_or_away_is_tried_again_until_it_is_well() {
    for (compat, text) in [
        ("v1_7", "Vault is not initialized or is sealed"),
        ("v1_16", "Vault is sealed"),
        ("v1_21", "Failed to verify Vault is initialized and unsealed: Vault is sealed"),
    ] {
        simulate(move |world| async move {
            let mut config = vault_config();
            // Each try of the issuer makes three requests.
            let fault =
                Fault { endpoint: "health".into(), times: Some(6), status: Some(503), ..Fault::default() };
            config.faults = vec![fault];
            vault_of(&world, &config).await;
            let manifest = vault_secrets() + &vault_issuer("vault", TOKEN) + &certificate("web", "vault");
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(6).await;
            assert_eq!(bench.issuer("app", "vault"), ("VaultError".into(), text.into()), "{compat}");
            assert!(!bench.is_ready("app", "web"));
            bench.wait(60).await;
            assert_eq!(bench.issuer("app", "vault").0, "VaultVerified", "{compat}");
            assert!(bench.is_ready("app", "web"), "{compat}");
        });
    }
}

#[test]
fn a_vault_on_standby_is_well() {
    for status in [429, 472, 473] {
        simulate(move |world| async move {
            vault_of(&world, &vault::Config { health: status, ..vault_config() }).await;
            let manifest = vault_secrets() + &vault_issuer("vault", TOKEN);
            let bench = Bench::start(&world, release("v1_7"), &manifest).await;
            bench.wait(10).await;
            assert_eq!(bench.issuer("app", "vault").0, "VaultVerified", "{status}");
        });
    }
}

#[test]
fn a_token_that_vault_does_not_know_fails_the_request_with_vaults_words() {
    simulate(|world| async move {
        vault_of(&world, &vault_config()).await;
        let auth = "{ tokenSecretRef: { name: wrong-token } }";
        let manifest = secret("wrong-token", "token: wrong")
            + &vault_issuer("vault", auth)
            + &certificate("web", "vault");
        let bench = Bench::start(&world, release("v1_7"), &manifest).await;
        bench.wait(60).await;
        let text = format!(
            "Vault failed to sign certificate: failed to sign certificate by vault: Error making API request.\n\nURL: \
             POST http://{VAULT}:8200/v1/pki/sign/example\nCode: 403. Errors:\n\n* permission denied"
        );
        assert_eq!(bench.outcome("app", "web"), ("Failed".into(), text));
        assert!(bench.events("CertificateRequest").iter().any(|e| e.0 == "SigningError"));
        assert!(bench.lines("Vault failed to sign certificate") >= 1);
        assert_eq!(bench.secret("app", "web-tls", "tls.crt"), None);
    });
}

#[test]
fn a_secret_that_a_vault_issuer_lacks_is_named() {
    simulate(|world| async move {
        vault_of(&world, &vault_config()).await;
        let manifest = vault_issuer("vault", TOKEN) + &secret("empty", "other: x");
        let other = vault_issuer("keyless", "{ tokenSecretRef: { name: empty } }");
        let bench = Bench::start(&world, release("v1_7"), &(manifest + &other)).await;
        bench.wait(5).await;
        let text = "Failed to initialize Vault client: secret \"vault-token\" not found";
        assert_eq!(bench.issuer("app", "vault"), ("VaultError".into(), text.into()));
        assert!(bench.issuer("app", "keyless").1.contains("no data for \"token\" in secret"));
        bench.apply(&secret("vault-token", "token: root-token"));
        bench.wait(2).await;
        assert_eq!(bench.issuer("app", "vault").0, "VaultVerified", "by the Secret's event");
    });
}

#[test]
fn a_login_that_fails_while_signing_is_tried_again_by_new_releases_only() {
    for (compat, recovers) in [("v1_7", false), ("v1_16", true), ("v1_21", true)] {
        simulate(move |world| async move {
            vault_of(&world, &vault_config()).await;
            let role = "{ appRole: { path: approle, roleId: role, secretRef: { name: app-role, key: id } } }";
            let manifest = vault_secrets() + &vault_issuer("vault", role);
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(10).await;
            assert_eq!(bench.issuer("app", "vault").0, "VaultVerified");
            world.crash("vault");
            bench.apply(&certificate("web", "vault"));
            bench.wait(10).await;
            let (reason, message) = bench.outcome("app", "web");
            assert_eq!(reason, "Pending");
            let begin =
                "Failed to initialise vault client for signing: error logging in to Vault server: Post ";
            assert!(message.starts_with(begin) && message.ends_with("connection refused"), "{message}");
            vault_of(&world, &vault_config()).await;
            bench.wait(600).await;
            assert_eq!(bench.is_ready("app", "web"), recovers, "{compat}");
        });
    }
}

#[test]
fn a_vault_that_lies_fails_requests_and_harms_nobody() {
    let bodies =
        ["", "null", "[]", "{\"data\":{\"certificate\":1}}", "{\"data\":{\"ca_chain\":[3]}}", "<html>"];
    for body in bodies {
        simulate(move |world| async move {
            let mut config = vault_config();
            let fault =
                Fault { endpoint: "sign".into(), status: Some(200), body: body.into(), ..Fault::default() };
            config.faults = Faults::from([fault]);
            vault_of(&world, &config).await;
            let manifest = vault_secrets() + &vault_issuer("vault", TOKEN) + &certificate("web", "vault");
            let bench = Bench::start(&world, release("v1_21"), &manifest).await;
            bench.wait(30).await;
            let (reason, message) = bench.outcome("app", "web");
            assert_eq!(reason, "Failed", "{body}: {message}");
            assert!(message.starts_with("Vault failed to sign certificate: failed to "), "{body}: {message}");
            assert_eq!(bench.secret("app", "web-tls", "tls.crt"), None);
        });
    }
}

fn venafi_config() -> venafi::Config {
    venafi::Config {
        host: "venafi".to_owned(),
        zone: r"Team\App".to_owned(),
        user: "user".to_owned(),
        password: "password".to_owned(),
        access_token: "access".to_owned(),
        api_key: "key".to_owned(),
        ..venafi::Config::default()
    }
}

async fn venafi_of(world: &World, config: &venafi::Config) -> Venafi {
    let net = world.sim_net().unwrap();
    net.add_host("venafi", [VENAFI.parse().unwrap()]);
    Venafi::start(&world.process("venafi"), config, VENAFI.parse().unwrap()).await.unwrap()
}

fn tpp(name: &str, secret: &str) -> String {
    let url = format!("http://{VENAFI}/vedsdk");
    let spec = format!(r"zone: 'Team\App', tpp: {{ url: '{url}', credentialsRef: {{ name: {secret} }} }}");
    issuer(name, &format!("{{ venafi: {{ {spec} }} }}"))
}

fn cloud(name: &str) -> String {
    let spec = format!(
        r"zone: 'Team\App', cloud: {{ url: 'http://{VENAFI}', apiTokenSecretRef: {{ name: api, key: token }} }}"
    );
    issuer(name, &format!("{{ venafi: {{ {spec} }} }}"))
}

fn venafi_secrets() -> String {
    secret("login", "username: user, password: password")
        + &secret("token", "access-token: access")
        + &secret("api", "token: key")
        + &secret("wrong", "access-token: nobody")
}

#[test]
fn venafi_issues_with_a_password_a_token_and_an_api_key() {
    for (compat, started) in
        [("v1_7", "Venafi issuer started"), ("v1_21", "Certificate Manager issuer started")]
    {
        simulate(move |world| async move {
            let venafi = venafi_of(&world, &venafi_config()).await;
            let manifest = venafi_secrets()
                + &tpp("by-login", "login")
                + &tpp("by-token", "token")
                + &certificate("one", "by-login")
                + &certificate("two", "by-token");
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(60).await;
            for (issuer, leaf) in [("by-login", "one"), ("by-token", "two")] {
                assert_eq!(bench.issuer("app", issuer), (started.into(), started.into()), "{compat}");
                assert!(bench.is_ready("app", leaf), "{compat} {issuer}");
                let request = bench.request("app", leaf);
                let pickup = request.metadata.annotations.get("venafi.cert-manager.io/pickup-id").unwrap();
                assert_eq!(*pickup, format!(r"\VED\Policy\Team\App\{leaf}.example.com"));
                let root = venafi.authority().root_pem();
                assert_eq!(bench.secret("app", &format!("{leaf}-tls"), "ca.crt"), Some(root));
            }
        });
        simulate(move |world| async move {
            let config = venafi::Config { flavour: Flavour::Cloud, ..venafi_config() };
            venafi_of(&world, &config).await;
            let manifest = venafi_secrets() + &cloud("cloud") + &certificate("web", "cloud");
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(60).await;
            assert!(bench.is_ready("app", "web"), "{compat}: {:?}", bench.outcome("app", "web"));
        });
    }
}

#[test]
fn a_certificate_that_venafi_has_not_yet_is_fetched_with_back_off() {
    for flavour in [Flavour::Tpp, Flavour::Cloud] {
        simulate(move |world| async move {
            let pending = Some(engine::api::GoDuration(std::time::Duration::from_secs(40)));
            let venafi = venafi_of(&world, &venafi::Config { flavour, pending, ..venafi_config() }).await;
            let own = if flavour == Flavour::Tpp { tpp("venafi", "token") } else { cloud("venafi") };
            let manifest = venafi_secrets() + &own + &certificate("web", "venafi");
            let bench = Bench::start(&world, release("v1_7"), &manifest).await;
            bench.wait(20).await;
            let (reason, message) = bench.outcome("app", "web");
            assert_eq!(reason, "Pending");
            let text = "Venafi certificate still in a pending state, the request will be retried: Operation timed \
                        out. You may try retrieving the certificate later using Pickup ID: ";
            assert!(message.starts_with(text), "{message}");
            bench.wait(60).await;
            assert!(bench.is_ready("app", "web"));
            assert_eq!(venafi.requests().len(), 1, "it is put in once");
            assert!(bench.lines("still in a pending state") >= 2);
        });
    }
}

#[test]
fn what_venafi_refuses_fails_the_request_or_the_issuer() {
    for outcome in [Outcome::Reject, Outcome::WrongKey] {
        simulate(move |world| async move {
            venafi_of(&world, &venafi::Config { outcome, ..venafi_config() }).await;
            let manifest = venafi_secrets() + &tpp("venafi", "token") + &certificate("web", "venafi");
            let bench = Bench::start(&world, release("v1_7"), &manifest).await;
            bench.wait(30).await;
            let (reason, message) = bench.outcome("app", "web");
            assert_eq!(reason, "Failed");
            assert!(message.starts_with("Failed to obtain venafi certificate: "), "{message}");
            assert!(bench.events("CertificateRequest").iter().any(|e| e.0 == "RetrieveError"));
            assert_eq!(bench.secret("app", "web-tls", "tls.crt"), None);
        });
    }
    for (compat, reason) in [("v1_16", "ErrorSetup"), ("v1_21", "AuthFailed")] {
        simulate(move |world| async move {
            venafi_of(&world, &venafi_config()).await;
            let manifest = venafi_secrets() + &tpp("venafi", "wrong") + &tpp("lost", "nowhere");
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.wait(10).await;
            let found = bench.issuer("app", "venafi");
            assert_eq!(found.0, reason);
            let why = "tppClient.VerifyAccessToken: failed to verify token. Message: 401 Unauthorized";
            assert!(found.1.ends_with(why), "{}", found.1);
            let lost = bench.issuer("app", "lost");
            assert_eq!(lost.0, "ErrorSetup");
            assert!(lost.1.ends_with("error building client: secret \"nowhere\" not found"), "{}", lost.1);
        });
    }
}

#[test]
fn venafi_wants_a_subject_a_zone_and_fields_of_a_known_type() {
    simulate(|world| async move {
        let venafi = venafi_of(&world, &venafi_config()).await;
        let nameless = certificate("nameless", "venafi").replace("  commonName: nameless.example.com\n", "");
        let note = |name: &str, json: &str| {
            let with = format!(
                "namespace: app, annotations: {{ venafi.cert-manager.io/custom-fields: '{json}' }} }}"
            );
            certificate(name, "venafi").replace("namespace: app }", &with)
        };
        let elsewhere = tpp("elsewhere", "token").replace(r"Team\App", "Nowhere");
        let manifest = venafi_secrets()
            + &tpp("venafi", "token")
            + &elsewhere
            + &nameless
            + &certificate("zoneless", "elsewhere")
            + &note("good", r#"[{"name":"env","value":"prod"}]"#)
            + &note("odd", r#"[{"name":"env","value":"prod","type":"Bool"}]"#)
            + &note("broken", "[");
        let bench = Bench::start(&world, release("v1_7"), &manifest).await;
        bench.wait(30).await;
        let says = |name: &str| bench.outcome("app", name).1;
        assert!(says("nameless").contains("must have the 'commonName' field"), "{}", says("nameless"));
        assert!(says("zoneless").ends_with("zone not found"), "{}", says("zoneless"));
        let odd = "certificate request contains an invalid Venafi custom fields type: \"Bool\"";
        assert_eq!(says("odd"), format!("{odd}: {odd}"));
        let begin = "Failed to parse \"venafi.cert-manager.io/custom-fields\" annotation: ";
        assert!(says("broken").starts_with(begin), "{}", says("broken"));
        assert!(bench.is_ready("app", "good"));
        let asked = &venafi.requests()[r"\VED\Policy\Team\App\good.example.com"];
        assert_eq!(asked["CustomFields"][0]["Values"][0], "prod");
    });
}

#[test]
fn an_external_issuer_does_what_no_controller_of_the_engine_touches() {
    for (outcome, reason) in [
        (external::Outcome::Issue, "Issued"),
        (external::Outcome::Fail, "Failed"),
        (external::Outcome::Never, "Pending"),
        (external::Outcome::Deny, "Denied"),
    ] {
        simulate(move |world| async move {
            let group = "{ name: x, kind: Thing, group: issuers.example.com }";
            let bench = Bench::start(&world, release("v1_21"), "").await;
            let delay = serde_json::from_value(serde_json::json!("30s")).unwrap();
            let actor = ExternalIssuer { group: "issuers.example.com".to_owned(), delay, outcome };
            external::start(&world, &bench.store, &actor).unwrap();
            bench.apply(&certificate_of("web", group));
            bench.wait(20).await;
            let before = bench.outcome("app", "web").0;
            assert_eq!(before, if outcome == external::Outcome::Deny { "Denied" } else { "Pending" });
            bench.wait(30).await;
            assert_eq!(bench.outcome("app", "web").0, reason);
            assert_eq!(bench.is_ready("app", "web"), outcome == external::Outcome::Issue);
            assert_eq!(bench.lines("IssuerNotFound"), 0);
        });
    }
}

#[test]
fn an_issuer_that_is_not_there_is_waited_for() {
    simulate(|world| async move {
        let bench = Bench::start(&world, release("v1_7"), &certificate("web", "self")).await;
        bench.wait(20).await;
        let text = "Referenced \"Issuer\" not found: issuer.cert-manager.io \"self\" not found";
        assert_eq!(bench.outcome("app", "web"), ("Pending".into(), text.into()));
        bench.apply(&issuer("self", "{ selfSigned: {} }"));
        bench.wait(20).await;
        assert!(bench.is_ready("app", "web"));
    });
}
