//! A fleet: any number of Certificates of one issuer, made in code instead of written down. For benchmarks, and for
//! tests of what limits an engine.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::api::{
    AcmeChallengeSolver, AcmeChallengeSolverDns01, AcmeChallengeSolverHttp01,
    AcmeChallengeSolverHttp01Ingress, AcmeIssuer, Certificate, CertificatePrivateKey, ClusterIssuer,
    Dns01Rfc2136, Object, ObjectKey, ObjectReference, PrivateKeyAlgorithm, Resource, Secret,
    SecretKeySelector,
};
use engine::manifest::{ManifestError, yaml};

use crate::script::{Loaded, Scenario};

/// The namespace of all its Certificates.
pub const NAMESPACE: &str = "fleet";

/// A scenario of `certificates` Certificates with one name each, ECDSA P-256 keys, and a new account: everything is
/// applied at the start.
///
/// # Errors
/// None that a test would not have found: the world's script is part of the program.
pub fn new(certificates: usize) -> Result<Loaded, ManifestError> {
    let scenario: Scenario = yaml::from_str("fleet", include_str!("fleet/world.yaml"))?;
    let ingress = AcmeChallengeSolverHttp01Ingress {
        class: Some("nginx".to_owned()),
        ..AcmeChallengeSolverHttp01Ingress::default()
    };
    let http01 = AcmeChallengeSolverHttp01 { ingress: Some(ingress), ..AcmeChallengeSolverHttp01::default() };
    let mut objects =
        vec![issuer(AcmeChallengeSolver { http01: Some(http01), ..AcmeChallengeSolver::default() })];
    objects.extend((0..certificates).map(certificate));
    Ok(Loaded {
        name: "fleet".to_owned(),
        folder: PathBuf::new(),
        scenario,
        objects,
        expected_log: None,
        repairs: Vec::new(),
    })
}

/// The same with DNS-01: the issuer publishes its records by signed updates of the zone.
///
/// # Errors
/// As [`new`].
pub fn with_dns01(certificates: usize) -> Result<Loaded, ManifestError> {
    let mut loaded = new(certificates)?;
    let key = "fleet";
    let secret = STANDARD.encode("a secret of the fleet");
    let zones = vec!["example.com".to_owned()];
    let updates = &mut loaded.scenario.dns.updates;
    updates.keys.push(mock_dns::TsigKey {
        name: key.to_owned(),
        algorithm: "hmac-sha256".to_owned(),
        secret: secret.clone(),
        zones,
    });
    let mut data = Secret::default();
    (data.metadata.namespace, data.metadata.name) = ("kube-system".to_owned(), key.to_owned());
    data.data.insert("secret".to_owned(), secret.into());
    let rfc2136 = Dns01Rfc2136 {
        nameserver: "10.43.0.10".to_owned(),
        tsig_key_name: key.to_owned(),
        tsig_algorithm: "HMACSHA256".to_owned(),
        tsig_secret_secret_ref: SecretKeySelector { name: key.to_owned(), key: "secret".to_owned() },
        ..Dns01Rfc2136::default()
    };
    let dns01 = AcmeChallengeSolverDns01 { rfc2136: Some(rfc2136), ..AcmeChallengeSolverDns01::default() };
    loaded.objects[0] = issuer(AcmeChallengeSolver { dns01: Some(dns01), ..AcmeChallengeSolver::default() });
    loaded.objects.push(Object::from(data));
    Ok(loaded)
}

fn issuer(solver: AcmeChallengeSolver) -> Object {
    let mut issuer = ClusterIssuer::default();
    issuer.metadata.name = "letsencrypt".to_owned();
    issuer.spec.acme = Some(AcmeIssuer {
        email: "ops@example.com".to_owned(),
        server: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        private_key_secret_ref: SecretKeySelector {
            name: "letsencrypt-account".to_owned(),
            ..SecretKeySelector::default()
        },
        solvers: vec![solver],
        ..AcmeIssuer::default()
    });
    Object::from(issuer)
}

fn certificate(n: usize) -> Object {
    let mut certificate = Certificate::default();
    let name = format!("c{n:06}");
    certificate.metadata.namespace = NAMESPACE.to_owned();
    certificate.spec.secret_name = format!("{name}-tls");
    certificate.spec.dns_names = vec![format!("{name}.example.com")];
    certificate.spec.issuer_ref = ObjectReference {
        name: "letsencrypt".to_owned(),
        kind: "ClusterIssuer".to_owned(),
        group: "cert-manager.io".to_owned(),
    };
    certificate.spec.private_key = Some(CertificatePrivateKey {
        algorithm: Some(PrivateKeyAlgorithm::Ecdsa),
        ..CertificatePrivateKey::default()
    });
    certificate.metadata.name = name;
    Object::from(certificate)
}

/// The end of a run of one Certificate, `copies` times: every object of the fleet's namespace with names and uids of
/// its own, as if each had been issued. All have the names and the key of the first, which costs an engine that looks
/// at them the same.
pub fn multiply(ended: &[Object], copies: usize) -> Vec<Object> {
    let mut all: Vec<Object> = ended.iter().filter(|o| o.meta().namespace != NAMESPACE).cloned().collect();
    let fleet: Vec<&Object> = ended.iter().filter(|o| o.meta().namespace == NAMESPACE).collect();
    for n in 0..copies {
        all.extend(fleet.iter().map(|object| copy(object, n)));
    }
    all
}

/// The n-th copy: whatever names the first Certificate names the n-th instead.
fn copy(object: &Object, n: usize) -> Object {
    let (first, own) = ("c000000", format!("c{n:06}"));
    let renamed = |text: &mut String| *text = text.replace(first, &own);
    let numbered = |uid: &mut String| uid.push_str(&format!("-{n}"));
    let object = object.clone().with_meta(|meta| {
        renamed(&mut meta.name);
        numbered(&mut meta.uid);
        for owner in &mut meta.owner_references {
            renamed(&mut owner.name);
            numbered(&mut owner.uid);
        }
        // Names of objects, not the DNS names of the certificate, which stay.
        let of_object = |value: &&mut String| value.starts_with(first) && !value.contains('.');
        meta.annotations.values_mut().filter(of_object).for_each(renamed);
    });
    match object {
        Object::Certificate(certificate) => {
            let mut certificate = certificate;
            renamed(&mut Arc::make_mut(&mut certificate).spec.secret_name);
            Object::Certificate(certificate)
        }
        other => other,
    }
}

/// The Certificates among these objects that are ready.
pub fn ready(objects: &[Object]) -> Vec<ObjectKey> {
    let is_ready = |certificate: &&Arc<Certificate>| {
        certificate.status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == "Ready")
    };
    objects.iter().filter_map(|o| o.get::<Certificate>()).filter(is_ready).map(|c| c.key()).collect()
}
