//! certificates-issuing: takes the result of a request into the Secret, or the failure into the status.

use std::sync::Arc;

use world::{PrivateKey, Timestamp};

use super::policies::{Input, has_no_pair};
use super::secret::SecretData;
use super::upkeep::Upkeep;
use super::{
    ANNOTATION_TEMPORARY, CONDITION_DENIED, CONDITION_INVALID_REQUEST, CONDITION_ISSUING, CONDITION_READY,
    Caches, NextKey, begin, keystores, next_revision, requests_of, secret, target_key, target_secret, upkeep,
    watch_target_secrets,
};
use crate::api::{
    Certificate, CertificateRequest, Condition, ConditionStatus, Kind, ObjectKey, Secret, Time,
};
use crate::compat::{Compat, SecretCare};
use crate::conditions::{self, condition, is_true, put, remove, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::log::{Logger, catalogue as msg};
use crate::pki;

pub(super) const NAME: &str = "certificates-issuing";

struct Issuing {
    context: Context,
    caches: Caches,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    let next_key = "status.nextPrivateKeySecretName";
    controller::watch_named_secrets(&context, NAME, &queue, next_key, |c| {
        c.status.next_private_key_secret_name.as_deref()
    });
    watch_target_secrets(&context, NAME, &queue);
    let issuing = Issuing { context: context.clone(), caches };
    controller::start(&context, NAME, &queue, Arc::new(issuing));
}

/// What a request means for its Certificate.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Nobody has begun with it.
    Untouched,
    /// It is still under way.
    Pending,
    /// It failed before this issuance began: request-manager will delete it.
    FailedEarlier,
    /// It failed or was denied: reason and message.
    Failed { reason: String, message: String },
    /// The certificate is there.
    Issued,
}

/// The releases before 1.12 take a request that is not ready for denied only while nobody has begun with it, and do
/// not know of invalid ones.
fn outcome(request: &CertificateRequest, certificate: &Certificate, compat: &Compat) -> Outcome {
    let ready = condition(request, CONDITION_READY);
    let started = condition(certificate, CONDITION_ISSUING).and_then(|c| c.last_transition_time);
    let earlier = matches!((request.status.failure_time, started), (Some(f), Some(s)) if f < s);
    if earlier && ready.is_some_and(|c| c.reason == "Failed") {
        return Outcome::FailedEarlier;
    }
    let is_true = |type_: &str| condition(request, type_).filter(|c| c.status == ConditionStatus::True);
    let refused = match (compat.refused_requests_fail, ready) {
        (true, _) => is_true(CONDITION_DENIED).or_else(|| is_true(CONDITION_INVALID_REQUEST)),
        (false, None) => is_true(CONDITION_DENIED),
        (false, Some(_)) => None,
    };
    let failed = refused.or_else(|| ready.filter(|c| c.reason == "Failed"));
    match (failed, ready) {
        (Some(c), _) => Outcome::Failed { reason: c.reason.clone(), message: c.message.clone() },
        (None, Some(ready)) if ready.reason == "Issued" => Outcome::Issued,
        (None, Some(_)) => Outcome::Pending,
        (None, None) => Outcome::Untouched,
    }
}

/// Why an issued certificate cannot be used, in the words of 1.21.
fn unusable(request: &CertificateRequest, key: &PrivateKey, now: Timestamp) -> Option<String> {
    let leaf = match pki::leaf(request.status.certificate.as_slice()) {
        Ok(leaf) => leaf,
        Err(error) => {
            return Some(format!("Issuer returned an invalid certificate: failed to decode: {error}"));
        }
    };
    if leaf.public_key != *key.public() {
        let text = "Issuer returned a certificate with a public key that does not match the CSR. This usually \
                    indicates a misconfigured issuer.";
        return Some(text.to_owned());
    }
    (now > leaf.not_after).then(|| {
        format!(
            "Issuer returned an already expired certificate (notAfter: {}). This usually indicates an expired CA \
             certificate in the issuer.",
            leaf.not_after.rfc3339_secs()
        )
    })
}

impl Issuing {
    async fn reconcile(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificate(key) else { return Ok(()) };
        if !is_true(certificate.as_ref(), CONDITION_ISSUING) {
            return self.keep(key, &certificate).await;
        }
        // On the heap, where it is needed: most Certificates are not being issued.
        Box::pin(self.proceed(key, &certificate)).await
    }

    /// Takes an issuance a step further.
    async fn proceed(&self, key: &ObjectKey, certificate: &Certificate) -> SyncResult {
        let compat = &self.context.compat;
        let log = self.context.log.with_key(key).with_resource(certificate);
        let Some((secret, private_key)) = self.fitting_key(&log, certificate) else { return Ok(()) };
        let requests = requests_of(&self.caches.requests, certificate, next_revision(certificate));
        let [request] = requests.as_slice() else { return Ok(()) };
        let asked = self.caches.readings.request(request);
        let csr = asked.as_ref().as_ref().map_err(SyncError::other)?;
        let fields = pki::request_violations(&request.spec, csr, &certificate.spec, compat);
        if !fields.map_err(SyncError::other)?.is_empty() {
            return Ok(());
        }
        let log = log.with_resource(request.as_ref());
        let outcome = outcome(request, certificate, compat);
        let counts = matches!(outcome, Outcome::Issued | Outcome::Pending);
        if counts && csr.public_key != *private_key.public() {
            let log = log.with_resource(secret.as_ref());
            log.info(&msg::NEXT_KEY_OF_ANOTHER_REQUEST, &[]);
            return Ok(());
        }
        match outcome {
            Outcome::Untouched => Ok(()),
            Outcome::Pending => self.issue_temporary(certificate, &private_key).await,
            Outcome::FailedEarlier => {
                log.info(&msg::FAILED_REQUEST_FROM_PREVIOUS_ISSUANCE, &[]);
                Ok(())
            }
            Outcome::Failed { reason, message } => self.fail(certificate, &reason, &message).await,
            Outcome::Issued => match unusable(request, &private_key, self.context.world.now()) {
                None => self.issue(certificate, request, &private_key).await,
                Some(why) if compat.checks_issued => self.fail(certificate, "InvalidCertificate", &why).await,
                // A good pair is never replaced by a bad one, in no release.
                Some(why) => Err(SyncError::Other(why)),
            },
        }
    }

    /// The key of the issuance, if it is there, can be read and fits the specification. Where it is not, key-manager has
    /// to do something first.
    fn fitting_key(&self, log: &Logger, certificate: &Certificate) -> Option<(Arc<Secret>, PrivateKey)> {
        let of = |secret: &Arc<Secret>| log.with_resource(secret.as_ref());
        match self.caches.next_private_key(certificate) {
            NextKey::Missing => {}
            NextKey::Empty(secret) => of(&secret).info(&msg::NEXT_KEY_EMPTY, &[]),
            NextKey::Unreadable(secret, why) => of(&secret).error(&msg::NEXT_KEY_NOT_PARSED, Some(&why), &[]),
            NextKey::Here(secret, key) => {
                let checks = self.context.compat.checks;
                let fields = pki::key_violations(key.public(), &certificate.spec, checks);
                if fields.is_empty() {
                    return Some((secret, key));
                }
                of(&secret).info(&msg::NEXT_KEY_DOES_NOT_FIT, &[("violations", fields.into())]);
            }
        }
        None
    }

    async fn fail(&self, certificate: &Certificate, reason: &str, message: &str) -> SyncResult {
        let now = Time::new(self.context.world.now());
        let message =
            format!("The certificate request has failed to complete and will be retried: {message}");
        let wanted = conditions::new(CONDITION_ISSUING, ConditionStatus::False, reason, message.clone());
        let wanted = Condition { observed_generation: certificate.metadata.generation, ..wanted };
        let condition = transition(&self.context.world, &self.context.log, certificate, wanted).await;
        let counts = self.context.compat.counts_failures;
        let change = |c: &mut Certificate| {
            c.status.last_failure_time = Some(now);
            if counts {
                let before = certificate.status.failed_issuance_attempts.unwrap_or_default();
                c.status.failed_issuance_attempts = Some(before.saturating_add(1));
            }
            put(c, &condition);
        };
        self.context.client.update_status(certificate, change).await?;
        self.context.recorder.warning(certificate, reason, &message);
        Ok(())
    }

    async fn issue(
        &self,
        certificate: &Certificate,
        request: &CertificateRequest,
        key: &PrivateKey,
    ) -> SyncResult {
        let content = SecretData::issued(certificate, request, pki::encode_key(key, &certificate.spec));
        // The Secret first: a status that says "issued" must find the certificate there.
        self.write_secret(certificate, &content).await?;
        let revision = next_revision(certificate);
        let change = |c: &mut Certificate| {
            c.status.revision = Some(revision);
            c.status.last_failure_time = None;
            c.status.failed_issuance_attempts = None;
            remove(c, CONDITION_ISSUING);
        };
        self.context.client.update_status(certificate, change).await?;
        let text = "The certificate has been successfully issued";
        self.context.recorder.normal(certificate, "Issuing", text);
        Ok(())
    }

    /// A certificate to start with, if the Certificate wants one and the Secret has no usable pair.
    async fn issue_temporary(&self, certificate: &Certificate, key: &PrivateKey) -> SyncResult {
        if certificate.metadata.annotations.get(ANNOTATION_TEMPORARY).is_none_or(|value| value != "true") {
            return Ok(());
        }
        let (world, compat) = (&self.context.world, &self.context.compat);
        let secret = target_secret(&self.caches.secrets, certificate);
        let input = Input {
            compat,
            certificate,
            secret: secret.as_deref(),
            current_request: None,
            now: world.now(),
            readings: &self.caches.readings,
        };
        if !has_no_pair(&input) {
            return Ok(());
        }
        let made =
            pki::make_temporary(world, certificate, key, &compat.features).map_err(SyncError::other)?;
        let content = SecretData {
            private_key: pki::encode_key(key, &certificate.spec).into(),
            certificate: made.into(),
            certificate_name: certificate.metadata.name.clone(),
            ..SecretData::default()
        };
        self.write_secret(certificate, &content).await?;
        self.context.recorder.normal(certificate, "Issuing", "Issued temporary certificate");
        Ok(())
    }

    async fn write_secret(&self, certificate: &Certificate, content: &SecretData) -> SyncResult {
        let compat = &self.context.compat;
        let keystores = keystores::make(&self.context, &self.caches, certificate, content)?;
        let owner_ref = self.context.certificate_owner_ref;
        let wanted =
            secret::wanted(certificate, content, keystores, compat, owner_ref).map_err(SyncError::other)?;
        let manager = secret::field_manager(compat);
        let apply = |stored: Option<&Secret>| secret::apply(stored, &wanted, manager);
        self.context.client.apply(&target_key(certificate), apply).await?;
        Ok(())
    }

    /// What the specification asks of the Secret is kept true after the issuance, too.
    async fn keep(&self, key: &ObjectKey, certificate: &Certificate) -> SyncResult {
        let Some(secret) = target_secret(&self.caches.secrets, certificate) else { return Ok(()) };
        let compat = &self.context.compat;
        let log = || {
            let log = self.context.log.with_key(key).with_resource(certificate);
            log.with_value("secret", secret.metadata.name.clone())
        };
        match upkeep::judge(
            certificate,
            &secret,
            &self.caches.readings,
            compat,
            self.context.certificate_owner_ref,
        ) {
            Upkeep::Nothing => return Ok(()),
            Upkeep::Unreadable(why) => {
                log().error(&msg::SECRET_NOT_COMPARABLE, Some(&why), &[]);
                return Ok(());
            }
            Upkeep::Apply(why) => match compat.secret_care {
                SecretCare::Template => log().info(&msg::SECRET_TEMPLATE_APPLIED, &[]),
                SecretCare::Everything => log().info(&msg::SECRET_DATA_APPLIED, &[("message", why.into())]),
            },
        }
        Box::pin(self.write_secret(certificate, &SecretData::stored(&secret))).await
    }
}

impl Reconcile for Issuing {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let limit = self.context.compat.issuing_limit;
        let limited = self.context.world.timeout(limit, self.reconcile(key)).await;
        limited.unwrap_or_else(|_| Err(SyncError::other("context deadline exceeded")))
    }
}

#[cfg(test)]
#[path = "issuing_tests.rs"]
mod tests;
