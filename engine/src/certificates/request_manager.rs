//! certificates-request-manager: makes the CertificateRequest of the next revision.

use std::sync::Arc;

use world::PrivateKey;

use super::readings::Readings;
use super::{
    ANNOTATION_CERTIFICATE_NAME, ANNOTATION_PRIVATE_KEY_SECRET, ANNOTATION_REVISION, CONDITION_ISSUING,
    CONDITION_READY, Caches, NextKey, begin, controller_reference, next_revision, revision_of,
};
use crate::api::hash::{shorten, shorten_to_52};
use crate::api::{Certificate, CertificateRequest, Kind, ObjectKey, Resource as _, Secret};
use crate::compat::Compat;
use crate::conditions::{condition, is_true};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::log::catalogue as msg;
use crate::pki;
use crate::work::place;

pub(super) const NAME: &str = "certificates-request-manager";

/// Annotations of the Certificate that are not copied: `kubectl`'s and those of deployment tools.
const NOT_COPIED: &[&str] = &["kubectl.kubernetes.io/", "fluxcd.io/", "argocd.argoproj.io/"];

struct RequestManager {
    context: Context,
    caches: Caches,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest, Kind::Secret]);
    let manager = RequestManager { context: context.clone(), caches };
    controller::start(&context, NAME, &queue, Arc::new(manager));
}

/// What is to become of an existing request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Keep,
    /// It has no revision, or it failed in an earlier issuance, or it is for another key.
    Delete,
    /// It does not fit the specification.
    DeleteMismatch(Vec<&'static str>),
    /// It cannot be compared with the specification.
    DeleteUnreadable(String),
    /// It is of another revision.
    Ignore,
}

fn judge(
    request: &CertificateRequest,
    certificate: &Certificate,
    key: &PrivateKey,
    readings: &Readings,
    compat: &Compat,
) -> Verdict {
    match revision_of(request) {
        None => return Verdict::Delete,
        Some(revision) if revision != next_revision(certificate) => return Verdict::Ignore,
        Some(_) => {}
    }
    let asked = readings.request(request);
    let csr = match asked.as_ref() {
        Err(error) => return Verdict::DeleteUnreadable(error.0.clone()),
        Ok(csr) => csr,
    };
    match pki::request_violations(&request.spec, csr, &certificate.spec, compat) {
        Err(error) => return Verdict::DeleteUnreadable(error.0),
        Ok(fields) if !fields.is_empty() => return Verdict::DeleteMismatch(fields),
        Ok(_) => {}
    }
    if csr.public_key != *key.public() {
        return Verdict::Delete;
    }
    let started = condition(certificate, CONDITION_ISSUING).and_then(|c| c.last_transition_time);
    let failed = condition(request, CONDITION_READY).is_some_and(|c| c.reason == "Failed");
    let earlier = matches!((request.status.failure_time, started), (Some(f), Some(s)) if f < s);
    if failed && earlier { Verdict::Delete } else { Verdict::Keep }
}

/// How the request of a revision is called: by generated name, or by the Certificate's own. A long one is cut, and a
/// hash of it keeps it apart from others.
fn name(certificate: &str, revision: u64, compat: &Compat) -> RequestName {
    const LONGEST: usize = 233;
    const HASH: usize = 64;
    if !compat.stable_request_names {
        return RequestName::Generated(format!("{}-", shorten_to_52(certificate)));
    }
    if certificate.len() <= LONGEST {
        return RequestName::Fixed(format!("{certificate}-{revision}"));
    }
    let hash = world::hex(&world::sha256(certificate.as_bytes()));
    let prefix = shorten(certificate, LONGEST - HASH - 1);
    let separator = if prefix.is_empty() { "" } else { "-" };
    RequestName::Fixed(format!("{prefix}{separator}{hash}-{revision}"))
}

#[derive(Debug, PartialEq, Eq)]
enum RequestName {
    /// The server adds a suffix to this.
    Generated(String),
    Fixed(String),
}

impl RequestManager {
    async fn delete(&self, request: &CertificateRequest) -> SyncResult {
        self.context.client.delete::<CertificateRequest>(&request.key()).await?;
        Ok(())
    }

    async fn create(&self, certificate: &Certificate, secret: &Secret, key: &PrivateKey) -> SyncResult {
        self.context.world.work(place("certificates-request-manager/csr")).await;
        let features = &self.context.compat.features;
        let csr = match pki::make_request(certificate, key, features) {
            Ok(csr) => csr,
            Err(error) => {
                let log = self.context.log.with_key(&certificate.key());
                log.error(&msg::CSR_NOT_MADE, Some(&error.0), &[]);
                return Ok(());
            }
        };
        let mut request = CertificateRequest::default();
        let meta = &mut request.metadata;
        meta.namespace.clone_from(&certificate.metadata.namespace);
        match name(&certificate.metadata.name, next_revision(certificate), &self.context.compat) {
            RequestName::Generated(prefix) => meta.generate_name = prefix,
            RequestName::Fixed(name) => meta.name = name,
        }
        meta.labels.clone_from(&certificate.metadata.labels);
        for (name, value) in &certificate.metadata.annotations {
            if !NOT_COPIED.iter().any(|prefix| name.starts_with(prefix)) {
                meta.annotations.insert(name.clone(), value.clone());
            }
        }
        meta.annotations.insert(ANNOTATION_REVISION.into(), next_revision(certificate).to_string());
        meta.annotations.insert(ANNOTATION_PRIVATE_KEY_SECRET.into(), secret.metadata.name.clone());
        meta.annotations.insert(ANNOTATION_CERTIFICATE_NAME.into(), certificate.metadata.name.clone());
        meta.owner_references.push(controller_reference(certificate));
        request.spec.request = csr.into();
        request.spec.duration = certificate.spec.duration;
        request.spec.issuer_ref = certificate.spec.issuer_ref.clone();
        request.spec.is_ca = certificate.spec.is_ca;
        request.spec.usages.clone_from(&certificate.spec.usages);
        let created = match self.context.client.create(request).await {
            Ok(created) => created,
            Err(error) => {
                let text = format!("Failed to create CertificateRequest: {error}");
                self.context.recorder.warning(certificate, "RequestFailed", &text);
                return Err(error.into());
            }
        };
        let text = format!("Created new CertificateRequest resource {:?}", created.metadata.name);
        self.context.recorder.normal(certificate, "Requested", &text);
        self.wait_until_visible(&created.key()).await
    }

    /// The next sync must see what this one made, or it would make another: a cache that lags for longer than
    /// this wait is how requests run away.
    async fn wait_until_visible(&self, key: &ObjectKey) -> SyncResult {
        let Some((limit, interval)) = self.context.compat.request_visible_wait else { return Ok(()) };
        let world = &self.context.world;
        let deadline = world.monotonic() + limit;
        while world.monotonic() < deadline {
            world.sleep(interval).await;
            if self.caches.requests.get(key).is_some() {
                return Ok(());
            }
        }
        Err(SyncError::other(
            "failed whilst waiting for CertificateRequest to exist - this may indicate an apiserver running \
             slowly. Request will be retried",
        ))
    }
}

impl Reconcile for RequestManager {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificate(key) else { return Ok(()) };
        if !is_true(certificate.as_ref(), CONDITION_ISSUING) {
            return Ok(());
        }
        let log = self.context.log.with_key(key);
        // A key that does not fit the specification is none of this controller's business: key-manager makes another,
        // and the request for the old one is deleted then.
        let (secret, private_key) = match self.caches.next_private_key(&certificate) {
            NextKey::Missing | NextKey::Empty(_) => return Ok(()),
            NextKey::Unreadable(_, why) => {
                log.error(&msg::NEXT_KEY_NOT_DECODED, Some(&why), &[]);
                return Ok(());
            }
            NextKey::Here(secret, key) => (secret, key),
        };
        let mut kept = 0;
        for request in self.caches.requests.owned_by(key.namespace(), &certificate.metadata.uid) {
            let readings = &self.caches.readings;
            match judge(&request, &certificate, &private_key, readings, &self.context.compat) {
                Verdict::Ignore => {}
                Verdict::Keep => kept += 1,
                Verdict::Delete => self.delete(&request).await?,
                Verdict::DeleteMismatch(fields) => {
                    let log = log.with_related_resource(request.as_ref());
                    log.info(&msg::REQUEST_DOES_NOT_MATCH, &[("violations", fields.into())]);
                    self.delete(&request).await?;
                }
                Verdict::DeleteUnreadable(error) => {
                    let log = log.with_related_resource(request.as_ref());
                    log.error(&msg::REQUEST_NOT_COMPARABLE, Some(&error), &[]);
                    self.delete(&request).await?;
                }
            }
        }
        match kept {
            0 => self.create(&certificate, &secret, &private_key).await,
            1 => Ok(()),
            _ => {
                log.info(&msg::TOO_MANY_REQUESTS, &[]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[path = "request_manager_tests.rs"]
mod tests;
