//! The servers behind issuers that are not ACME: what a Vault is asked, and who its client shows itself as; and a CA
//! issuer that loses its key pair.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use crate::common::bench::{Bench, release, simulate};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::api::{
    Certificate, CertificateRequest, ConditionStatus, GoDuration, Kind, Object, ObjectKey, ObjectMeta, Secret,
};
use engine::{conditions, pki};
use scenarios::backends::Authority;
use scenarios::backends::vault::{self, Vault};
use serde_json::json;
use world::keys::{SectionKind, pem_encode, pem_sections};
use world::{KeyAlgorithm, World};

const VAULT: &str = "10.43.0.20";

fn issuer(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {{ name: {name}, namespace: app }}\nspec: {spec}\n"
    )
}

fn certificate(name: &str, issuer: &str, rest: &str) -> String {
    format!(
        "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {{ name: {name}, namespace: app }}\nspec: {{ \
         secretName: {name}-tls, commonName: {name}.example.com, privateKey: {{ algorithm: ECDSA, size: 256 }}, \
         issuerRef: {{ name: {issuer}, kind: Issuer, group: cert-manager.io }}{rest} }}\n"
    )
}

fn secret(name: &str, entries: &[(&str, &str)]) -> Object {
    let mut secret = Secret::default();
    secret.metadata.name = name.to_owned();
    secret.metadata.namespace = "app".to_owned();
    secret.data.extend(entries.iter().map(|(entry, data)| ((*entry).to_owned(), (*data).into())));
    secret.into()
}

async fn vault_of(world: &World, config: &vault::Config) -> Vault {
    let net = world.sim_net().unwrap();
    net.add_host("vault", [VAULT.parse().unwrap()]);
    Vault::start(&world.process("vault"), config, VAULT.parse().unwrap()).await.unwrap()
}

fn vault_config() -> vault::Config {
    vault::Config { host: "vault".to_owned(), token: "root-token".to_owned(), ..vault::Config::default() }
}

#[test]
fn vault_is_asked_for_the_names_and_the_lifetime_of_the_request() {
    for compat in ["v1_7", "v1_21"] {
        simulate(move |world| async move {
            let vault = vault_of(&world, &vault_config()).await;
            let names = ", duration: 48h, renewBefore: 12h, dnsNames: [a.example.com, b.example.com], ipAddresses: \
                         [192.0.2.7, '2001:db8::7'], uris: ['spiffe://example.com/a']";
            let auth = "{ tokenSecretRef: { name: vault-token } }";
            let spec = format!(
                "{{ vault: {{ server: 'http://{VAULT}:8200', path: pki/sign/example, auth: {auth} }} }}"
            );
            let manifest = issuer("vault", &spec) + &certificate("web", "vault", names);
            let bench = Bench::start(&world, release(compat), &manifest).await;
            bench.store.restore(secret("vault-token", &[("token", "root-token")])).unwrap();
            bench.wait(60).await;
            assert!(bench.is_ready("app", "web"), "{compat}");
            let csr = bench.request("app", "web").spec.request.as_str().unwrap().to_owned();
            let expected = json!({
                "common_name": "web.example.com",
                "alt_names": "a.example.com,b.example.com",
                "ip_sans": "192.0.2.7,2001:db8::7",
                "uri_sans": "spiffe://example.com/a",
                "ttl": "48h0m0s",
                "csr": csr,
                "exclude_cn_from_sans": "true",
            });
            assert_eq!(vault.requests(), [expected], "{compat}");
        });
    }
}

/// A client's certificate and key, PEM.
fn client(world: &World, authority: &Authority, name: &str) -> (String, String) {
    let key = world.keys(name).generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut wanted = Certificate::default();
    wanted.spec.common_name = name.to_owned();
    let csr = pki::make_request(&wanted, &key, &engine::compat::V1_21.features).unwrap();
    (authority.sign(csr.as_bytes(), Duration::from_secs(3600)).unwrap(), key.to_pkcs8_pem())
}

/// A Vault with TLS that lets a client in by its certificate, and the Secrets of that client and of others.
async fn stage(world: &World, change: fn(&mut vault::Config)) -> (Vault, Vec<Object>) {
    let clients = Authority::new(world, "clients").unwrap();
    let (known, key) = client(world, &clients, "known");
    let (stranger, other_key) = client(world, &clients, "stranger");
    let mut config = vault_config();
    config.tls = true;
    config.cert_roles.insert("web".to_owned(), known.clone());
    change(&mut config);
    let secrets = vec![
        secret("known", &[("tls.crt", &known), ("tls.key", &key)]),
        secret("halves", &[("certificate", &known), ("key", &key)]),
        secret("stranger", &[("tls.crt", &stranger), ("tls.key", &other_key)]),
        secret("torn", &[("tls.crt", &known), ("tls.key", &other_key)]),
        secret("half", &[("tls.crt", &known)]),
        secret("vault-token", &[("token", "root-token")]),
    ];
    (vault_of(world, &config).await, secrets)
}

fn vault_issuer(vault: &Vault, name: &str, auth: &str, rest: &str) -> String {
    let bundle = STANDARD.encode(vault.authority().root_pem());
    let server = format!("https://{VAULT}:8200");
    issuer(
        name,
        &format!(
            "{{ vault: {{ server: '{server}', path: pki/sign/example, caBundle: {bundle}, auth: {auth}{rest} }} }}"
        ),
    )
}

async fn bench_of(world: &World, compat: &str, secrets: Vec<Object>, manifest: &str) -> Bench {
    let bench = Bench::start(world, release(compat), "").await;
    for object in secrets {
        bench.store.restore(object).unwrap();
    }
    bench.wait(1).await;
    bench.apply(manifest);
    bench
}

const SHOWN: &str = ", clientCertSecretRef: { name: known }, clientKeySecretRef: { name: known }";

#[test]
fn vault_lets_in_who_shows_the_certificate_of_a_role() {
    for compat in ["v1_16", "v1_21"] {
        simulate(move |world| async move {
            let (vault, secrets) = stage(&world, |_| {}).await;
            let role = "{ clientCertificate: { name: web } }";
            let good = [
                ("named", "{ clientCertificate: { name: web, secretName: known } }", ""),
                ("any-role", "{ clientCertificate: { secretName: known } }", ""),
                ("elsewhere", "{ clientCertificate: { mountPath: /v1/auth/tls, secretName: known } }", ""),
                ("shown-anyway", role, SHOWN),
                (
                    "by-entries",
                    role,
                    ", clientCertSecretRef: { name: halves, key: certificate }, clientKeySecretRef: { name: halves, key: key }",
                ),
            ];
            let client = "Failed to initialize Vault client: ";
            let refused = |mount: &str, why: &str| {
                format!(
                    "{client}error calling Vault server: Error making API request.\n\nURL: POST \
                     https://{VAULT}:8200/v1/auth/{mount}/login\nCode: 400. Errors:\n\n* {why}"
                )
            };
            let bad = [
                ("nobody", role, "", refused("cert", "client certificate must be supplied")),
                (
                    "stranger",
                    "{ clientCertificate: { name: web, secretName: stranger } }",
                    "",
                    refused("cert", "invalid certificate or no client certificate supplied"),
                ),
                (
                    "other-role",
                    "{ clientCertificate: { name: db, secretName: known } }",
                    "",
                    refused("cert", "invalid certificate or no client certificate supplied"),
                ),
                (
                    "torn",
                    "{ clientCertificate: { secretName: torn } }",
                    "",
                    format!(
                        "{client}error reading client certificate: tls: private key does not match public key"
                    ),
                ),
                (
                    "half",
                    "{ clientCertificate: { secretName: half } }",
                    "",
                    format!("{client}no data for tls.key in secret 'app/half'"),
                ),
                (
                    "missing",
                    "{ clientCertificate: { secretName: nowhere } }",
                    "",
                    format!("{client}secret \"nowhere\" not found"),
                ),
                (
                    "torn-shown",
                    role,
                    ", clientCertSecretRef: { name: known }, clientKeySecretRef: { name: stranger }",
                    format!(
                        "{client}failed to load vault client certificate: could not parse the TLS certificate from Secrets \
                         'app/known'(cert) and 'app/stranger'(key): tls: private key does not match public key"
                    ),
                ),
                (
                    "missing-shown",
                    role,
                    ", clientCertSecretRef: { name: nowhere }, clientKeySecretRef: { name: known }",
                    format!(
                        "{client}failed to load vault client certificate: could not access Secret 'app/nowhere': secret \
                         \"nowhere\" not found"
                    ),
                ),
            ];
            let mut manifest = String::new();
            for (name, auth, rest) in &good {
                manifest += &vault_issuer(&vault, name, auth, rest);
                manifest += &certificate(&format!("by-{name}"), name, "");
            }
            for (name, auth, rest, _) in &bad {
                manifest += &vault_issuer(&vault, name, auth, rest);
            }
            let bench = bench_of(&world, compat, secrets, &manifest).await;
            bench.wait(90).await;
            for (name, ..) in good {
                assert_eq!(
                    bench.issuer("app", name).0,
                    "VaultVerified",
                    "{compat} {name}: {:?}",
                    bench.issuer("app", name)
                );
                assert!(bench.is_ready("app", &format!("by-{name}")), "{compat} {name}");
            }
            for (name, _, _, text) in bad {
                assert_eq!(bench.issuer("app", name), ("VaultError".into(), text), "{compat} {name}");
            }
            assert_eq!(vault.journal().count("sign"), 5);
        });
    }
}

/// The client that logs in with the certificate of a Secret is made anew, without the namespace.
#[test]
fn a_login_by_the_certificate_of_a_secret_is_outside_of_the_namespace() {
    simulate(|world| async move {
        let (vault, secrets) = stage(&world, |config| config.namespace = "team".to_owned()).await;
        let of_secret = "{ clientCertificate: { name: web, secretName: known } }";
        let manifest = vault_issuer(&vault, "of-secret", of_secret, ", namespace: team")
            + &vault_issuer(
                &vault,
                "shown",
                "{ clientCertificate: { name: web } }",
                &format!("{SHOWN}, namespace: team"),
            );
        let bench = bench_of(&world, "v1_21", secrets, &manifest).await;
        bench.wait(30).await;
        assert_eq!(bench.issuer("app", "shown").0, "VaultVerified");
        let (reason, message) = bench.issuer("app", "of-secret");
        assert!(reason == "VaultError" && message.ends_with("* no handler for route"), "{message}");
        let logins = vault.journal().entries().into_iter().filter(|entry| entry.endpoint == "login");
        let mut seen: Vec<_> = logins.map(|entry| (entry.namespace, entry.status)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, [(None, 404), (Some("team".to_owned()), 200)]);
    });
}

#[test]
fn the_certificate_of_the_server_may_be_for_another_name_that_the_issuer_says() {
    for (compat, known) in [("v1_16", false), ("v1_21", true)] {
        simulate(move |world| async move {
            let (vault, secrets) =
                stage(&world, |config| config.server_name = "vault.internal".to_owned()).await;
            let auth = "{ tokenSecretRef: { name: vault-token } }";
            let manifest = vault_issuer(&vault, "named", auth, ", serverName: vault.internal")
                + &vault_issuer(&vault, "misnamed", auth, ", serverName: other.internal")
                + &vault_issuer(&vault, "unnamed", auth, "");
            let bench = bench_of(&world, compat, secrets, &manifest).await;
            bench.wait(30).await;
            let ready = |name: &str| bench.issuer("app", name).0 == "VaultVerified";
            assert_eq!(
                (ready("named"), ready("misnamed"), ready("unnamed")),
                (known, false, false),
                "{compat}"
            );
        });
    }
}

/// A SelfSigned issuer, a CA that it signs, and a CA issuer over a copy of its key pair.
const AUTHORITY: &str = "
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: { name: self, namespace: app }
spec: { selfSigned: {} }
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: { name: ca, namespace: app }
spec:
  secretName: ca-key-pair
  commonName: The CA
  isCA: true
  privateKey: { algorithm: ECDSA, size: 256 }
  issuerRef: { name: self, kind: Issuer, group: cert-manager.io }
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: { name: ca, namespace: app }
spec: { ca: { secretName: copy } }
";

/// The Secret `copy` with this certificate, or the CA's.
fn copy(bench: &Bench, certificate: Option<&str>) -> Object {
    let mut copy = bench.get::<Secret>("app", "ca-key-pair").unwrap().as_ref().clone();
    copy.metadata = ObjectMeta { name: "copy".into(), namespace: "app".into(), ..ObjectMeta::default() };
    if let Some(pem) = certificate {
        copy.data.insert("tls.crt".into(), pem.into());
    }
    copy.into()
}

/// A request for the CA issuer that somebody has approved already.
fn approved(world: &World, name: &str, change: impl FnOnce(&mut CertificateRequest)) -> Object {
    let key = world.keys(name).generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut wanted = Certificate::default();
    wanted.spec.dns_names = vec!["hand.example.com".to_owned()];
    let mut request = CertificateRequest::default();
    request.metadata.name = name.to_owned();
    request.metadata.namespace = "app".to_owned();
    request.spec.request = pki::make_request(&wanted, &key, &engine::compat::V1_7.features).unwrap().into();
    request.spec.duration = Some(GoDuration(Duration::from_secs(3600)));
    (request.spec.issuer_ref.name, request.spec.issuer_ref.kind) = ("ca".to_owned(), "Issuer".to_owned());
    request.spec.issuer_ref.group = "cert-manager.io".to_owned();
    request.status.conditions = vec![conditions::new("Approved", ConditionStatus::True, "Policy", "by hand")];
    change(&mut request);
    Object::from(request)
}

/// The issuer is ready as far as anybody has heard when its Secret goes; the request comes before it is set up again.
#[test]
fn a_request_waits_when_its_issuer_has_lost_its_key_pair_meanwhile() {
    for compat in ["v1_7", "v1_21"] {
        for broken in [false, true] {
            simulate(move |world| async move {
                let bench = Bench::start(&world, release(compat), AUTHORITY).await;
                bench.wait(20).await;
                let good = copy(&bench, None);
                let kept = bench.store.restore(good.clone()).unwrap();
                bench.wait(10).await;
                assert_eq!(bench.issuer("app", "ca").0, "KeyPairVerified");
                if broken {
                    let mut secret = kept.get::<Secret>().unwrap().as_ref().clone();
                    secret.data.insert("tls.crt".into(), "no certificate".into());
                    bench.store.update(Object::Secret(Arc::new(secret))).unwrap();
                } else {
                    bench.store.delete(Kind::Secret, &ObjectKey::new("app", "copy")).unwrap();
                }
                world.sleep(Duration::from_millis(2)).await;
                bench.store.restore(approved(&world, "late", |_| {})).unwrap();
                bench.wait(5).await;
                let (reason, text) = if broken {
                    let text = "Failed to parse signing CA keypair from secret app/copy: error decoding certificate PEM block";
                    ("SecretInvalidData", text)
                } else {
                    ("SecretMissing", "Referenced secret app/copy not found: secret \"copy\" not found")
                };
                let events = bench.events("CertificateRequest");
                assert!(
                    events.iter().any(|e| (e.0.as_str(), e.1.as_str()) == (reason, text)),
                    "{compat}: {events:?}"
                );
                assert_eq!(bench.outcome("app", "late").0, "Pending");
                if broken {
                    bench.store.delete(Kind::Secret, &ObjectKey::new("app", "copy")).unwrap();
                }
                bench.store.restore(good).unwrap();
                bench.wait(10).await;
                assert_eq!(bench.outcome("app", "late").0, "Issued", "{compat}");
            });
        }
    }
}

#[test]
fn a_request_whose_signature_is_not_its_keys_fails_for_good() {
    for compat in ["v1_7", "v1_21"] {
        simulate(move |world| async move {
            let bench = Bench::start(&world, release(compat), AUTHORITY).await;
            bench.wait(20).await;
            bench.store.restore(copy(&bench, None)).unwrap();
            bench.wait(10).await;
            let forged = approved(&world, "forged", |request| {
                let mut der = pem_sections(request.spec.request.as_slice(), SectionKind::Csr).swap_remove(0);
                *der.last_mut().unwrap() ^= 1;
                request.spec.request = pem_encode("CERTIFICATE REQUEST", &der).as_str().into();
            });
            bench.store.restore(forged).unwrap();
            bench.wait(10).await;
            let (reason, message) = bench.outcome("app", "forged");
            let begin = "Error generating certificate template: ";
            assert!(reason == "Failed" && message.starts_with(begin), "{compat}: {reason} {message}");
            assert!(
                bench.events("CertificateRequest").iter().any(|e| e.0 == "SigningError" && e.1 == message)
            );
            assert!(bench.request("app", "forged").status.failure_time.is_some());
        });
    }
}
