//! The controllers of the Certificate: who decides that it must be issued, who makes the key, who asks, who
//! stores the result, who says whether it is ready.
//!
//! They share no state but the Certificate itself, each reads it from a cache and writes it whole. Their
//! conflicts are the price.

mod issuing;
mod key_manager;
mod policies;
mod readiness;
pub(crate) mod renewal_info;
mod request_manager;
mod revision_manager;
mod trigger;

use std::sync::Arc;

use world::{PrivateKey, Timestamp};

use crate::acme::AcmeClients;
use crate::api::{
    Certificate, CertificateRequest, GoDuration, Kind, ObjectKey, OwnerReference, Resource, Secret,
};
use crate::controller::{self, Context};
use crate::informer::Lister;
use crate::pki;
use crate::queue::WorkQueue;

/// Starts all of them.
pub(crate) fn start(context: &Context, clients: &AcmeClients) {
    trigger::start(context);
    issuing::start(context);
    key_manager::start(context);
    request_manager::start(context);
    readiness::start(context, clients);
    revision_manager::start(context);
}

/// The caches that these controllers read.
struct Caches {
    certificates: Lister<Certificate>,
    requests: Lister<CertificateRequest>,
    secrets: Lister<Secret>,
}

impl Caches {
    /// The temporary Secret of a running issuance and the key in it, if it is there, named by the status, can be
    /// read, and fits the specification.
    fn next_private_key(&self, certificate: &Certificate) -> Option<(Arc<Secret>, PrivateKey)> {
        let name = certificate.status.next_private_key_secret_name.as_deref()?;
        let secret = self.secrets.get(&ObjectKey::new(certificate.metadata.namespace.as_str(), name))?;
        let key = PrivateKey::from_pem(data(&secret, TLS_KEY)).ok()?;
        pki::key_violations(key.public(), &certificate.spec).is_empty().then_some((secret, key))
    }
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
    };
    (context, caches, queue)
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

/// When a certificate is renewed: `renewBefore` (a third of its life unless the specification names a shorter
/// time than its life) before its end, in whole seconds.
pub(crate) fn renewal_time(
    not_before: Timestamp,
    not_after: Timestamp,
    renew_before: Option<GoDuration>,
) -> Timestamp {
    let life = not_after.since(not_before);
    let before = renew_before.map(std::time::Duration::from).filter(|d| *d < life);
    (not_after - before.unwrap_or(life / 3)).truncate_to_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed certificate of document 002: L = 7775999 s.
    #[test]
    fn renewal_is_a_third_of_the_life_before_the_end() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let (start, end) = (at("2022-05-07T12:40:38Z"), at("2022-08-05T12:40:37Z"));
        assert_eq!(renewal_time(start, end, None), at("2022-07-06T12:40:37Z"));
        let day = std::time::Duration::from_secs(86_400);
        assert_eq!(renewal_time(start, end, Some(day.into())), at("2022-08-04T12:40:37Z"));
        assert_eq!(renewal_time(start, end, Some((day * 400).into())), at("2022-07-06T12:40:37Z"));
    }
}
