//! What is given: manifests, and how they meet what the store has of earlier runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use engine::api::convert::offer_solvers;
use engine::api::{
    AcmeChallengeType, Certificate, ClusterIssuer, Condition, ConditionStatus, Ingress, Issuer, IssuerSpec,
    Kind, Object, ObjectKey, Secret, Time, defaults,
};
use engine::compat::Compat;
use engine::manifest::{ManifestError, Options, load_lenient, load_with};
use engine::store::{ApiError, Store};
use world::Timestamp;

/// Annotations of an Ingress that ask for Certificates.
const ISSUER_ANNOTATIONS: [&str; 2] = ["cert-manager.io/issuer", "cert-manager.io/cluster-issuer"];

/// What is wrong with what was given.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum BadInput {
    /// A manifest says something wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifest(Box<ManifestError>),
    /// A file or folder cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder without manifests.
    #[error("{}: no .yaml or .yml file in this folder", path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// One object twice.
    #[error("{kind} {key} is given twice")]
    Twice {
        /// Its kind.
        kind: Kind,
        /// Its name.
        key: ObjectKey,
    },
    /// Nothing asks for a certificate.
    #[error("the manifests ask for no certificate")]
    #[diagnostic(help(
        "want a Certificate, or an Ingress with spec.tls and the annotation cert-manager.io/issuer"
    ))]
    NoCertificate,
    /// A Certificate of an issuer that is not there.
    #[error("Certificate {certificate} wants {kind} {issuer:?}, which is not in the manifests")]
    NoIssuer {
        /// The Certificate.
        certificate: ObjectKey,
        /// Issuer or ClusterIssuer.
        kind: String,
        /// Its name.
        issuer: String,
        /// Those that are there.
        #[help]
        help: Option<String>,
    },
    /// Two Secrets of one name.
    #[error("Secrets {first} and {second} would be written to one folder")]
    #[diagnostic(help("--by-namespace writes them to OUT/NAMESPACE/SECRET"))]
    Clash {
        /// One.
        first: ObjectKey,
        /// The other.
        second: ObjectKey,
    },
    /// The store does not take an object.
    #[error(transparent)]
    Refused(#[from] ApiError),
}

impl From<ManifestError> for BadInput {
    fn from(error: ManifestError) -> Self {
        BadInput::Manifest(Box::new(error))
    }
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> BadInput {
    move |source| BadInput::Unreadable { path: path.to_owned(), source }
}

/// The files that a path stands for: itself, or the manifests in a folder, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, BadInput> {
    if !std::fs::metadata(path).map_err(unreadable(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(unreadable(path))?;
    let mut found =
        entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable(path))?;
    found.retain(|p| p.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    found.sort();
    if found.is_empty() {
        return Err(BadInput::Empty { path: path.to_owned() });
    }
    Ok(found)
}

/// What the manifests came to.
#[derive(Debug)]
pub(super) struct Given {
    /// The objects of all manifests, in their order.
    pub(super) objects: Vec<Object>,
    /// What was mended: `FILE:LINE:COLUMN: MESSAGE`.
    pub(super) repairs: Vec<String>,
}

/// Loads all manifests as the API server of a release takes them, or leniently, as it would not.
///
/// # Errors
/// [`BadInput`].
pub(super) fn load(paths: &[PathBuf], compat: &Compat, lenient: bool) -> Result<Given, BadInput> {
    let (mut objects, mut repairs): (Vec<Object>, Vec<String>) = Default::default();
    for path in paths {
        for file in files(path)? {
            let shown = file.display().to_string();
            if lenient {
                let loaded = load_lenient(&shown, &std::fs::read(&file).map_err(unreadable(&file))?)?;
                repairs.extend(loaded.repairs.iter().map(|repair| format!("{shown}:{repair}")));
                objects.extend(loaded.objects);
            } else {
                let text = std::fs::read_to_string(&file).map_err(unreadable(&file))?;
                objects.extend(load_with(&shown, &text, &Options::of(compat))?);
            }
        }
    }
    // An old Certificate says itself how its domains are solved; those of v1 find it at their issuer.
    offer_solvers(&mut objects);
    let mut seen = BTreeSet::new();
    for object in &objects {
        if !seen.insert((object.kind(), object.key())) {
            return Err(BadInput::Twice { kind: object.kind(), key: object.key() });
        }
    }
    Ok(Given { objects, repairs })
}

/// The Certificates that the manifests ask for, by themselves or for an Ingress.
///
/// # Errors
/// [`BadInput::NoCertificate`].
pub(super) fn wanted(objects: &[Object]) -> Result<BTreeSet<ObjectKey>, BadInput> {
    let mut wanted = BTreeSet::new();
    for object in objects {
        if object.kind() == Kind::Certificate {
            wanted.insert(object.key());
        }
        let Some(ingress) = object.get::<Ingress>() else { continue };
        let annotations = &ingress.metadata.annotations;
        if ISSUER_ANNOTATIONS.iter().any(|name| annotations.contains_key(*name)) {
            // ingress-shim names the Certificate as its Secret.
            let named =
                ingress.spec.tls.iter().filter(|tls| !tls.secret_name.is_empty() && !tls.hosts.is_empty());
            wanted
                .extend(named.map(|tls| {
                    ObjectKey::new(ingress.metadata.namespace.as_str(), tls.secret_name.as_str())
                }));
        }
    }
    if wanted.is_empty() { Err(BadInput::NoCertificate) } else { Ok(wanted) }
}

/// Whether the Certificates of the manifests have their issuers, there or in the store, and no two Secrets one
/// folder.
///
/// # Errors
/// [`BadInput`].
pub(super) fn check(store: &Store, given: &[Object], by_namespace: bool) -> Result<(), BadInput> {
    let all = |kind: Kind| {
        let own = given.iter().filter(move |o| o.kind() == kind).cloned();
        let mut all: BTreeMap<ObjectKey, Object> =
            store.list(kind).into_iter().map(|o| (o.key(), o)).collect();
        all.extend(own.map(|o| (o.key(), o)));
        all
    };
    let (issuers, cluster_issuers) = (all(Kind::Issuer), all(Kind::ClusterIssuer));
    for certificate in given.iter().filter_map(|o| o.get::<Certificate>()) {
        let (key, reference) = (ObjectKey::of(&certificate.metadata), &certificate.spec.issuer_ref);
        let kind = reference.kind_or_default();
        let found = match kind {
            "ClusterIssuer" => cluster_issuers.contains_key(&ObjectKey::new("", reference.name.as_str())),
            _ => issuers.contains_key(&ObjectKey::new(key.namespace(), reference.name.as_str())),
        };
        if found || reference.group_or_default() != "cert-manager.io" {
            continue;
        }
        let known = issuers.values().chain(cluster_issuers.values());
        let known: Vec<String> = known.map(|o| format!("{} {}", o.kind(), o.key())).collect();
        let help = (!known.is_empty()).then(|| format!("there are: {}", known.join(", ")));
        let (kind, issuer) = (kind.to_owned(), reference.name.clone());
        return Err(BadInput::NoIssuer { certificate: key, kind, issuer, help });
    }
    let mut folders: BTreeMap<String, ObjectKey> = BTreeMap::new();
    for (key, object) in all(Kind::Certificate) {
        let Some(certificate) = object.get::<Certificate>() else { continue };
        let secret = ObjectKey::new(key.namespace(), certificate.spec.secret_name.as_str());
        if !by_namespace
            && let Some(first) = folders.insert(secret.name().to_owned(), secret.clone())
            && first != secret
        {
            return Err(BadInput::Clash { first, second: secret });
        }
    }
    Ok(())
}

/// Whether any issuer in the store has a solver for challenges of this type.
pub(super) fn has_solver(store: &Store, type_: AcmeChallengeType) -> bool {
    let issuers = store.list(Kind::Issuer).into_iter().chain(store.list(Kind::ClusterIssuer));
    let spec = |object: &Object| -> Option<IssuerSpec> {
        let issuer = object.get::<Issuer>().map(|i| i.spec.clone());
        issuer.or_else(|| object.get::<ClusterIssuer>().map(|i| i.spec.clone()))
    };
    let solvers = issuers.filter_map(|object| spec(&object)?.acme).flat_map(|acme| acme.solvers);
    solvers.into_iter().any(|solver| match type_ {
        AcmeChallengeType::Http01 => solver.http01.is_some(),
        AcmeChallengeType::Dns01 => solver.dns01.is_some(),
        AcmeChallengeType::TlsAlpn01 => solver.tls_alpn01.is_some(),
    })
}

/// Brings what the manifests say into the store, as `kubectl apply` does: what is new is created, what has another
/// specification is changed, labels, annotations and entries of Secrets that others have added stay, and what the
/// manifests do not name is left alone.
///
/// # Errors
/// [`BadInput::Refused`].
pub(super) fn apply(store: &Store, objects: &[Object]) -> Result<(), BadInput> {
    for object in objects {
        let object = defaults::set_defaults(object.clone());
        match store.get(object.kind(), &object.key()) {
            None => store.create(object)?,
            Some(stored) => store.update(merged(&stored, &object))?,
        };
    }
    Ok(())
}

fn merged(stored: &Object, given: &Object) -> Object {
    let object = given.clone().with_meta(|meta| {
        let given = std::mem::replace(meta, stored.meta().clone());
        meta.labels.extend(given.labels);
        meta.annotations.extend(given.annotations);
    });
    let (Some(old), Some(new)) = (stored.get::<Secret>(), object.get::<Secret>()) else { return object };
    let mut secret = new.as_ref().clone();
    secret.type_.clone_from(&old.type_);
    secret.data = old.data.clone();
    secret.data.extend(new.data.clone());
    secret.into()
}

/// Starts the issuance of Certificates anew whose last one has failed, as `cmctl renew` does: who runs the command
/// again has mended something, and does not want to wait for the back-off.
///
/// # Errors
/// [`BadInput::Refused`].
pub(super) fn retry_failed(
    store: &Store,
    wanted: &BTreeSet<ObjectKey>,
    now: Timestamp,
) -> Result<(), BadInput> {
    for key in wanted {
        let Some(object) = store.get(Kind::Certificate, key) else { continue };
        let Some(certificate) = object.get::<Certificate>() else { continue };
        let issuing = certificate.status.conditions.iter().find(|c| c.type_ == "Issuing");
        if certificate.status.last_failure_time.is_none()
            || issuing.is_some_and(|c| c.status == ConditionStatus::True)
        {
            continue;
        }
        let mut certificate = certificate.as_ref().clone();
        certificate.status.conditions.retain(|c| c.type_ != "Issuing");
        certificate.status.conditions.push(Condition {
            type_: "Issuing".to_owned(),
            status: ConditionStatus::True,
            reason: "ManuallyTriggered".to_owned(),
            message: "Certificate re-issuance manually triggered".to_owned(),
            last_transition_time: Some(Time::new(now)),
            observed_generation: certificate.metadata.generation,
        });
        store.update_status(certificate.into())?;
    }
    Ok(())
}
