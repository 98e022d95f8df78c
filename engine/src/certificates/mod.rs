//! The controllers of the Certificate: who decides that it must be issued, who makes the key, who asks, who
//! stores the result, who says whether it is ready.
//!
//! They share no state but the Certificate itself, each reads it from a cache and writes it whole. Their
//! conflicts are the price.

mod issuing;
mod key_manager;
mod keystores;
mod ownership;
mod policies;
mod readiness;
pub(crate) mod readings;
pub(crate) mod renewal;
pub(crate) mod renewal_info;
mod renewals;
mod request_manager;
mod revision_manager;
mod secret;
pub(crate) mod trigger;
mod upkeep;

use std::sync::Arc;

use world::PrivateKey;

use readings::Readings;
pub use renewals::renew;

use crate::acme::AcmeClients;
use crate::api::{Certificate, CertificateRequest, Kind, ObjectKey, OwnerReference, Resource, Secret};
use crate::compat::Compat;
use crate::controller::{self, Context};
use crate::informer::Lister;
use crate::pki;
use crate::queue::WorkQueue;

/// Starts those of them that run in this process.
pub(crate) fn start(context: &Context, clients: &AcmeClients) {
    let with_clients = |context: &Context| readiness::start(context, clients);
    type Start<'a> = &'a dyn Fn(&Context);
    let all: [(&str, Start<'_>); 6] = [
        (trigger::NAME, &trigger::start),
        (issuing::NAME, &issuing::start),
        (key_manager::NAME, &key_manager::start),
        (request_manager::NAME, &request_manager::start),
        (readiness::NAME, &with_clients),
        (revision_manager::NAME, &revision_manager::start),
    ];
    for (_, start) in all.iter().filter(|(name, _)| context.runs(name)) {
        start(context);
    }
}

/// The caches that these controllers read.
struct Caches {
    certificates: Lister<Certificate>,
    requests: Lister<CertificateRequest>,
    secrets: Lister<Secret>,
    compat: Arc<Compat>,
    readings: Arc<Readings>,
}

impl Caches {
    /// The Certificate, unless it is gone or the release leaves it alone because it is going.
    fn certificate(&self, key: &ObjectKey) -> Option<Arc<Certificate>> {
        let certificate = self.certificates.get(key)?;
        let going = self.compat.skips_deleted && certificate.metadata.deletion_timestamp.is_some();
        (!going).then_some(certificate)
    }

    /// The key of a running issuance, in the temporary Secret that the status names.
    fn next_private_key(&self, certificate: &Certificate) -> NextKey {
        let name = certificate.status.next_private_key_secret_name.as_deref();
        let key = name.map(|name| ObjectKey::new(certificate.metadata.namespace.as_str(), name));
        let Some(secret) = key.and_then(|key| self.secrets.get(&key)) else { return NextKey::Missing };
        let pem = data(&secret, TLS_KEY);
        if pem.is_empty() {
            return NextKey::Empty(secret);
        }
        match pki::private_key(pem) {
            Ok(key) => NextKey::Here(secret, key),
            Err(error) => NextKey::Unreadable(secret, error.0),
        }
    }
}

/// What there is of the key of a running issuance.
enum NextKey {
    /// The status names no Secret, or one that is not there.
    Missing,
    /// The Secret has no key in it.
    Empty(Arc<Secret>),
    /// What is in it is no key, and why.
    Unreadable(Arc<Secret>, String),
    /// The key; whether it fits the specification is for the caller to see.
    Here(Arc<Secret>, PrivateKey),
}

/// What each of these controllers begins with: its context, its caches, and a queue that Certificates and the
/// objects of the kinds `owned` that they control come into.
fn begin(context: &Context, name: &str, owned: &[Kind]) -> (Context, Caches, WorkQueue) {
    let context = context.named(name);
    let queue = context.queue(name, context.compat.backoff_certificates);
    controller::watch_self(&context, name, Kind::Certificate, &queue);
    for kind in owned {
        controller::watch_owned(&context, name, *kind, Kind::Certificate, &queue);
    }
    let informers = &context.informers;
    let caches = Caches {
        certificates: informers.lister(),
        requests: informers.lister(),
        secrets: informers.lister(),
        compat: context.compat.clone(),
        readings: context.readings.clone(),
    };
    (context, caches, queue)
}

/// The index of Certificates by the Secret that they name.
const BY_TARGET: &str = "spec.secretName";

/// Puts the Certificates into the queue that name a changed Secret as their target; [`BY_TARGET`] finds them.
fn watch_target_secrets(context: &Context, controller: &str, queue: &WorkQueue) {
    controller::watch_named_secrets(context, controller, queue, BY_TARGET, |c| Some(&c.spec.secret_name));
}

pub(crate) const CONDITION_ISSUING: &str = "Issuing";
pub(crate) const CONDITION_READY: &str = "Ready";
pub(crate) const CONDITION_APPROVED: &str = "Approved";
pub(crate) const CONDITION_DENIED: &str = "Denied";

/// Annotation: the revision of the Certificate that a CertificateRequest is for.
pub(crate) const ANNOTATION_REVISION: &str = "cert-manager.io/certificate-revision";
/// Annotation: the Certificate's name.
pub(crate) const ANNOTATION_CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";
/// Annotation: the Secret with the private key of a request.
pub(crate) const ANNOTATION_PRIVATE_KEY_SECRET: &str = "cert-manager.io/private-key-secret-name";
/// Label of the temporary Secret that holds the next private key.
pub(crate) const LABEL_NEXT_PRIVATE_KEY: &str = "cert-manager.io/next-private-key";

/// Label of every Secret that cert-manager makes or fills (1.12).
pub(crate) const LABEL_PART_OF: &str = "controller.cert-manager.io/fao";
/// Condition of a CertificateRequest that can never be fulfilled.
pub(crate) const CONDITION_INVALID_REQUEST: &str = "InvalidRequest";
/// Annotation of a Certificate: a temporary certificate until the real one is there.
pub(crate) const ANNOTATION_TEMPORARY: &str = "cert-manager.io/issue-temporary-certificate";

/// Keys of a TLS Secret.
pub(crate) const TLS_KEY: &str = "tls.key";
/// The chain.
pub(crate) const TLS_CRT: &str = "tls.crt";
/// The issuer's certificate.
pub(crate) const CA_CRT: &str = "ca.crt";

/// A controller reference to `owner`.
pub(crate) fn controller_reference<R: Resource>(owner: &R) -> OwnerReference {
    OwnerReference {
        api_version: R::KIND.api_version(),
        kind: R::KIND.as_str().to_owned(),
        name: owner.meta().name.clone(),
        uid: owner.meta().uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// The entry of a Secret, empty when it is not there.
pub(crate) fn data<'a>(secret: &'a Secret, key: &str) -> &'a [u8] {
    secret.data.get(key).map_or(&[], |bytes| bytes.as_slice())
}

/// The revision that the next issuance will have.
pub(crate) fn next_revision(certificate: &Certificate) -> u64 {
    certificate.status.revision.map_or(1, |revision| revision + 1)
}

/// The revision that a request is for; `None` when the annotation is missing or no number.
pub(crate) fn revision_of(request: &CertificateRequest) -> Option<u64> {
    request.metadata.annotations.get(ANNOTATION_REVISION)?.parse().ok()
}

/// The requests of a Certificate for one revision.
pub(crate) fn requests_of(
    requests: &Lister<CertificateRequest>,
    certificate: &Certificate,
    revision: u64,
) -> Vec<Arc<CertificateRequest>> {
    let mut owned = requests.owned_by(&certificate.metadata.namespace, &certificate.metadata.uid);
    owned.retain(|request| revision_of(request) == Some(revision));
    owned
}

/// The Secret that the Certificate names.
pub(crate) fn target_key(certificate: &Certificate) -> ObjectKey {
    ObjectKey::new(certificate.metadata.namespace.as_str(), certificate.spec.secret_name.as_str())
}

/// The Secret that the Certificate names, if the cache has it.
pub(crate) fn target_secret(secrets: &Lister<Secret>, certificate: &Certificate) -> Option<Arc<Secret>> {
    secrets.get(&target_key(certificate))
}
