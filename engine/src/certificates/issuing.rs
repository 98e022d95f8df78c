//! certificates-issuing: takes the result of a request into the Secret, or the failure into the status.

use std::sync::Arc;

use world::PrivateKey;

use super::{
    ANNOTATION_CERTIFICATE_NAME, CA_CRT, CONDITION_DENIED, CONDITION_ISSUING, CONDITION_READY, Caches,
    TLS_CRT, TLS_KEY, begin, next_revision, requests_of, target_key, target_secret,
};
use crate::api::{Certificate, CertificateRequest, ConditionStatus, Kind, ObjectKey, Secret, Time};
use crate::conditions::{self, condition, is_true, put, remove, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::log::catalogue as msg;
use crate::pki;

const NAME: &str = "certificates-issuing";

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
    controller::watch_named_secrets(&context, NAME, &queue, "spec.secretName", |c| Some(&c.spec.secret_name));
    let issuing = Issuing { context: context.clone(), caches };
    controller::start(&context, NAME, &queue, Arc::new(issuing));
}

/// What a request means for its Certificate.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It is still under way.
    Pending,
    /// It failed before this issuance began: request-manager will delete it.
    FailedEarlier,
    /// It failed or was denied: reason and message.
    Failed { reason: String, message: String },
    /// The certificate is there.
    Issued,
}

fn outcome(request: &CertificateRequest, certificate: &Certificate) -> Outcome {
    let failed = |c: &crate::api::Condition| {
        let started = condition(certificate, CONDITION_ISSUING).and_then(|c| c.last_transition_time);
        match (request.status.failure_time, started) {
            (Some(failed), Some(started)) if failed < started => Outcome::FailedEarlier,
            _ => Outcome::Failed { reason: c.reason.clone(), message: c.message.clone() },
        }
    };
    match condition(request, CONDITION_READY) {
        Some(ready) if ready.reason == "Failed" => failed(ready),
        Some(ready) if ready.reason == "Issued" => Outcome::Issued,
        Some(_) => Outcome::Pending,
        None => match condition(request, CONDITION_DENIED) {
            Some(denied) if denied.status == ConditionStatus::True => failed(denied),
            _ => Outcome::Pending,
        },
    }
}

impl Issuing {
    async fn reconcile(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificates.get(key) else { return Ok(()) };
        if !is_true(certificate.as_ref(), CONDITION_ISSUING) {
            return self.keep_secret_labelled(&certificate).await;
        }
        let Some((_, private_key)) = self.caches.next_private_key(&certificate) else { return Ok(()) };
        let requests = requests_of(&self.caches.requests, &certificate, next_revision(&certificate));
        let [request] = requests.as_slice() else { return Ok(()) };
        if !pki::request_violations(&request.spec, &certificate.spec).is_ok_and(|v| v.is_empty()) {
            return Ok(());
        }
        match outcome(request, &certificate) {
            Outcome::Pending => Ok(()),
            Outcome::FailedEarlier => {
                let log = self.context.log.with_value("key", key.to_string());
                log.info(&msg::FAILED_REQUEST_FROM_PREVIOUS_ISSUANCE, &[]);
                Ok(())
            }
            Outcome::Failed { reason, message } => self.fail(&certificate, &reason, &message).await,
            Outcome::Issued => self.issue(&certificate, request, &private_key).await,
        }
    }

    async fn fail(&self, certificate: &Certificate, reason: &str, message: &str) -> SyncResult {
        let now = Time::new(self.context.world.now());
        let message =
            format!("The certificate request has failed to complete and will be retried: {message}");
        let wanted = conditions::new(CONDITION_ISSUING, ConditionStatus::False, reason, message.clone());
        let condition = transition(&self.context.world, &self.context.log, certificate, wanted).await;
        let change = |c: &mut Certificate| {
            c.status.last_failure_time = Some(now);
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
        let leaf = pki::leaf(request.status.certificate.as_slice()).map_err(SyncError::other)?;
        if leaf.public_key != *key.public() {
            return Err(SyncError::other(
                "the issued certificate's public key does not match the next private key",
            ));
        }
        // The Secret first: a status that says "issued" must find the certificate there.
        self.write_secret(certificate, request, key, &leaf).await?;
        let revision = next_revision(certificate);
        let change = |c: &mut Certificate| {
            c.status.revision = Some(revision);
            c.status.last_failure_time = None;
            remove(c, CONDITION_ISSUING);
        };
        self.context.client.update_status(certificate, change).await?;
        let text = "The certificate has been successfully issued";
        self.context.recorder.normal(certificate, "Issuing", text);
        Ok(())
    }

    async fn write_secret(
        &self,
        certificate: &Certificate,
        request: &CertificateRequest,
        key: &PrivateKey,
        leaf: &pki::Leaf,
    ) -> SyncResult {
        let target = target_key(certificate);
        let apply = |stored: Option<&Secret>| {
            let mut secret = stored.cloned().unwrap_or_default();
            secret.metadata.namespace.clone_from(&target.namespace);
            secret.metadata.name.clone_from(&target.name);
            if secret.type_.is_empty() {
                secret.type_ = "kubernetes.io/tls".into();
            }
            secret.data.insert(TLS_KEY.into(), pki::encode_key(key, &certificate.spec).into());
            secret.data.insert(TLS_CRT.into(), request.status.certificate.clone());
            if !request.status.ca.is_empty() {
                secret.data.insert(CA_CRT.into(), request.status.ca.clone());
            }
            set_annotations(&mut secret, certificate, leaf);
            secret
        };
        self.context.client.apply(&target, apply).await?;
        Ok(())
    }

    /// What the specification's `secretTemplate` asks for is kept true after the issuance, too.
    async fn keep_secret_labelled(&self, certificate: &Certificate) -> SyncResult {
        let Some(template) = &certificate.spec.secret_template else { return Ok(()) };
        let Some(secret) = target_secret(&self.caches.secrets, certificate) else { return Ok(()) };
        let labelled = |stored: &Secret| {
            let mut secret = stored.clone();
            secret.metadata.labels.extend(template.labels.clone());
            secret.metadata.annotations.extend(template.annotations.clone());
            secret
        };
        if labelled(&secret) == *secret {
            return Ok(());
        }
        let apply = |stored: Option<&Secret>| labelled(stored.unwrap_or(&secret));
        self.context.client.apply(&target_key(certificate), apply).await?;
        Ok(())
    }
}

fn set_annotations(secret: &mut Secret, certificate: &Certificate, leaf: &pki::Leaf) {
    let issuer = &certificate.spec.issuer_ref;
    let template = certificate.spec.secret_template.clone().unwrap_or_default();
    secret.metadata.labels.extend(template.labels);
    secret.metadata.annotations.extend(template.annotations);
    let own = [
        (ANNOTATION_CERTIFICATE_NAME, certificate.metadata.name.clone()),
        ("cert-manager.io/issuer-name", issuer.name.clone()),
        ("cert-manager.io/issuer-kind", issuer.kind_or_default().to_owned()),
        ("cert-manager.io/issuer-group", issuer.group.clone()),
        ("cert-manager.io/common-name", leaf.names.common_name.clone()),
        ("cert-manager.io/alt-names", leaf.names.dns.join(",")),
        ("cert-manager.io/ip-sans", leaf.names.ips.join(",")),
        ("cert-manager.io/uri-sans", leaf.names.uris.join(",")),
    ];
    secret.metadata.annotations.extend(own.map(|(key, value)| (key.to_owned(), value)));
}

impl Reconcile for Issuing {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let limit = self.context.compat.issuing_limit;
        let limited = self.context.world.timeout(limit, self.reconcile(key)).await;
        limited.unwrap_or_else(|_| Err(SyncError::other("context deadline exceeded")))
    }
}
