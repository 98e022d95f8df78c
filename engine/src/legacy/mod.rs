//! The one controller of 0.2 and 0.5: it does for a Certificate all that later releases part into steps, without
//! CertificateRequest, Order or Challenge objects.
//!
//! A sync goes from the Secret to the certificate and back: is it there, does it fit, is it near its end; if need be,
//! prove every name ([`order`] in 0.5, [`authorizations`] in 0.2), have the certificate signed, store it. 0.2 spoke the
//! ACME of before RFC 8555, which no server speaks any more; the same steps go over RFC 8555 here. Only HTTP-01 is done.

mod authorizations;
mod http01;
mod issue;
mod log;
mod objects;
mod order;

use std::sync::Arc;
use std::time::Duration;

use world::Timestamp;
use world::http::Client as HttpClient;

use crate::acme::{AcmeClient, AcmeClients};
use crate::api::{
    Certificate, Condition, ConditionStatus, Ingress, IssuerSpec, Kind, LegacyAcmeConfig, LegacyAcmeStatus,
    ObjectKey, Pod, Resource as _, Secret, Service, Time, convert,
};
use crate::compat::OneController;
use crate::conditions::{self, put};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::informer::Lister;
use crate::issuers::IssuerListers;
use crate::pki::{self, Leaf, Names};
use crate::queue::{ScheduledQueue, WorkQueue};
use crate::recorder::EventType;
use crate::store::ChangeType;
use log::Log;

/// A certificate is renewed so long before its end (`--renew-before-expiry-duration`).
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Starts the controller.
pub(crate) fn start(context: &Context, clients: &AcmeClients, which: OneController) {
    let name = "certificates";
    let context = context.named(name);
    let queue = context.queue(name, context.compat.backoff_certificates);
    controller::watch_self(&context, name, Kind::Certificate, &queue);
    watch_deleted_secrets(&context, name, &queue);
    let http = HttpClient::new(&context.world, clients.resolver()).without_keep_alive();
    let legacy = Legacy {
        log: Log { logger: context.log.clone(), which },
        clients: clients.clone(),
        which,
        scheduled: ScheduledQueue::new(&context.world, name, &queue),
        certificates: context.informers.lister(),
        secrets: context.informers.lister(),
        issuers: IssuerListers::new(&context.informers),
        pods: context.informers.lister(),
        services: context.informers.lister(),
        ingresses: context.informers.lister(),
        // net/http's own.
        http: http.with_user_agent("Go-http-client/1.1"),
        context: context.clone(),
    };
    controller::start(&context, name, &queue, Arc::new(Controller(Arc::new(legacy))));
}

/// A Secret that is gone brings the Certificates back that name it.
fn watch_deleted_secrets(context: &Context, name: &str, queue: &WorkQueue) {
    let certificates = context.informers.lister::<Certificate>();
    let queue = queue.clone();
    context.informers.on(Kind::Secret, name, move |notice| {
        if notice.change.type_ != ChangeType::Deleted {
            return;
        }
        let gone = &notice.change.key;
        let names =
            |c: &Certificate| c.metadata.namespace == gone.namespace() && c.spec.secret_name == gone.name();
        for certificate in certificates.list(names) {
            queue.add_rate_limited(certificate.key());
        }
    });
}

struct Controller(Arc<Legacy>);

struct Legacy {
    context: Context,
    log: Log,
    clients: AcmeClients,
    which: OneController,
    scheduled: ScheduledQueue,
    certificates: Lister<Certificate>,
    secrets: Lister<Secret>,
    issuers: IssuerListers,
    pods: Lister<Pod>,
    services: Lister<Service>,
    ingresses: Lister<Ingress>,
    http: HttpClient,
}

/// What a Certificate needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// There is no certificate, or it is for other names.
    Issue,
    /// It is near its end.
    Renew,
}

/// Decides by the names and the end of the stored certificate.
fn need(stored: Option<(&Names, Timestamp)>, common_name: &str, names: &[String], now: Timestamp) -> Need {
    let Some((of, not_after)) = stored else { return Need::Issue };
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    if of.common_name != common_name || sorted(&of.dns) != sorted(names) {
        Need::Issue
    } else if not_after - RENEW_BEFORE <= now {
        Need::Renew
    } else {
        Need::Nothing
    }
}

/// Reads `spec.acme` out of what the conversion to `v1` has kept of it. HTTP-01 is there only if the issuer has it.
fn configure(certificate: &mut Certificate, issuer: &IssuerSpec) {
    if certificate.spec.acme.is_none() {
        let kept = convert::acme_config(&certificate.metadata);
        certificate.spec.acme = kept.map(|kept| Box::new(LegacyAcmeConfig::from(kept)));
    }
    // `http01: {}` of the issuer has become a solver.
    let solvers = issuer.acme.iter().flat_map(|acme| &acme.solvers);
    if !solvers.into_iter().any(|solver| solver.http01.is_some())
        && let Some(acme) = &mut certificate.spec.acme
    {
        acme.config.iter_mut().for_each(|domains| domains.http01 = None);
    }
}

/// The common name: the one given, or the first name.
fn common_name(certificate: &Certificate) -> String {
    match certificate.spec.common_name.as_str() {
        "" => certificate.spec.dns_names.first().cloned().unwrap_or_default(),
        given => given.to_owned(),
    }
}

/// All names, the given common name first, each once.
fn dns_names(certificate: &Certificate) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let given = Some(&certificate.spec.common_name).filter(|cn| !cn.is_empty());
    for name in given.into_iter().chain(&certificate.spec.dns_names) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Several errors in one text, as Kubernetes' aggregate prints them.
fn aggregate(errors: Vec<SyncError>) -> SyncResult {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match (errors.into_iter().next(), texts.as_slice()) {
        (None, _) => Ok(()),
        (Some(only), [_]) => Err(only),
        _ => Err(SyncError::Other(format!("[{}]", texts.join(", ")))),
    }
}

impl Reconcile for Controller {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let log = &self.0.log;
        log.say(log::SYNCING, format!("certificates controller: syncing item '{key}'"));
        let result = Arc::clone(&self.0).process(key).await;
        match &result {
            Ok(()) => {
                log.say(
                    log::FINISHED,
                    format!("certificates controller: Finished processing work item \"{key}\""),
                );
            }
            Err(error) => log.say(
                log::REQUEUED,
                format!(
                    "certificates controller: Re-queuing item \"{key}\" due to error processing: {error}"
                ),
            ),
        }
        result
    }
}

impl Legacy {
    async fn process(self: Arc<Self>, key: &ObjectKey) -> SyncResult {
        let Some(stored) = self.certificates.get(key) else {
            self.log.say(log::GONE, format!("certificate '{key}' in work queue no longer exists"));
            return Ok(());
        };
        let mut certificate = stored.as_ref().clone();
        let result = self.step(&mut certificate).await;
        if certificate.status == stored.status {
            return result;
        }
        let status = &certificate.status;
        let write = self.context.client.update_status(stored.as_ref(), |c| c.status.clone_from(status)).await;
        let saved = write.map(drop).map_err(SyncError::from);
        aggregate(saved.err().into_iter().chain(result.err()).collect())
    }

    /// Whether the issuer is ready; if it is, what the certificate needs is done.
    async fn step(self: &Arc<Self>, certificate: &mut Certificate) -> SyncResult {
        let reference = certificate.spec.issuer_ref.clone();
        let namespace = certificate.metadata.namespace.clone();
        let Some((issuer, status)) = self.issuers.get(&reference, &namespace) else {
            let kind = reference.kind_or_default().to_lowercase();
            let error = format!("{kind}.certmanager.k8s.io {:?} not found", reference.name);
            let text = format!("Issuer {error} does not exist");
            self.tell(certificate, EventType::Warning, "IssuerNotFound", "ErrorIssuerNotFound", &text);
            self.log.say(log::ISSUER_NOT_FOUND, text);
            return Err(SyncError::Other(error));
        };
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        if ready.is_none_or(|c| c.status != ConditionStatus::True) {
            let text = format!("Issuer {} not ready", reference.name);
            self.tell(certificate, EventType::Warning, "IssuerNotReady", "ErrorIssuerNotReady", &text);
            self.log.say(log::ISSUER_NOT_READY, text.clone());
            return Err(SyncError::Other(text));
        }
        configure(certificate, &issuer);
        let (common_name, names) = (common_name(certificate), dns_names(certificate));
        if names.is_empty() {
            return Err(SyncError::other("certificate must specify at least one of dnsNames or commonName"));
        }
        let leaf = self.stored_leaf(certificate);
        if let (Err(error), OneController::V0_2) = (&leaf, self.which) {
            let text = format!("Error checking existing TLS certificate: {error}");
            self.context.recorder.warning(certificate, "ErrorCheckCertificate", &text);
            self.log.say(log::CHECK_CERTIFICATE, text);
        }
        let account = status.acme.map(|acme| acme.uri).unwrap_or_default();
        let stored = leaf.as_ref().ok().map(|leaf| (&leaf.names, leaf.not_after));
        let result = match need(stored, &common_name, &names, self.context.world.now()) {
            Need::Nothing => Ok(()),
            Need::Issue => self.issue(certificate, &account, false).await,
            Need::Renew => self.issue(certificate, &account, true).await,
        };
        self.schedule_renewal(certificate);
        result
    }

    /// The certificate in the Secret, as the cache has it.
    fn stored_leaf(&self, certificate: &Certificate) -> Result<Leaf, SyncError> {
        let key = crate::certificates::target_key(certificate);
        let missing = || SyncError::Other(format!("secret {:?} not found", key.name()));
        let secret = self.secrets.get(&key).ok_or_else(missing)?;
        pki::leaf(crate::certificates::data(&secret, crate::certificates::TLS_CRT)).map_err(SyncError::other)
    }

    fn schedule_renewal(&self, certificate: &Certificate) {
        let meta = &certificate.metadata;
        let leaf = match self.stored_leaf(certificate) {
            Ok(leaf) => leaf,
            Err(error) => {
                let (key, secret) = (certificate.key(), &certificate.spec.secret_name);
                let text = format!("[{key}] Error getting certificate '{secret}': {error}");
                return self.log.say(log::NO_CERTIFICATE, text);
            }
        };
        let now = self.context.world.now();
        let renewal = leaf.not_after - RENEW_BEFORE;
        let wait = if renewal > now { renewal.since(now) } else { Duration::ZERO };
        self.scheduled.add(certificate.key(), wait);
        let hours = wait.as_secs() / 3600;
        match self.which {
            OneController::V0_2 => {
                let text = format!("Certificate scheduled for renewal in {hours} hours");
                self.log.say(log::SCHEDULED, text.clone());
                self.context.recorder.normal(certificate, "RenewalScheduled", &text);
            }
            OneController::V0_5 => {
                let (namespace, name) = (&meta.namespace, &meta.name);
                let text = format!("Certificate {namespace}/{name} scheduled for renewal in {hours} hours");
                self.log.say(log::SCHEDULED, text);
            }
        }
    }

    /// An event whose reason differs between the two releases.
    fn tell(&self, about: &Certificate, type_: EventType, v0_5: &str, v0_2: &str, text: &str) {
        let reason = match self.which {
            OneController::V0_2 => v0_2,
            OneController::V0_5 => v0_5,
        };
        self.context.recorder.event(about, type_, reason, text);
    }

    fn client(&self, certificate: &Certificate) -> Result<AcmeClient, SyncError> {
        self.clients.get(&certificate.spec.issuer_ref, &certificate.metadata.namespace)
    }

    /// Sets a condition; its time is now when its status changes, or when `force` says so.
    fn condition(
        &self,
        certificate: &mut Certificate,
        type_: &str,
        status: ConditionStatus,
        reason: &str,
        message: impl Into<String>,
        force: bool,
    ) {
        let reading = self.context.world.reading();
        let (now, name) = (Some(Time::new(reading.wall)), certificate.metadata.name.clone());
        let mut new = conditions::new(type_, status, reason, message);
        match conditions::condition(certificate, type_) {
            None => {
                new.last_transition_time = now;
                let at = reading.go_string();
                let text = format!(
                    "Setting lastTransitionTime for Certificate {name:?} condition {type_:?} to {at}"
                );
                self.log.say(log::CONDITION_ADDED, text);
            }
            Some(Condition { status: old, .. }) if *old != status => {
                new.last_transition_time = now;
                let (old, status, at) = (old.as_str(), status.as_str(), reading.go_string());
                let text = format!(
                    "Found status change for Certificate {name:?} condition {type_:?}: {old:?} -> {status:?}; \
                     setting lastTransitionTime to {at}"
                );
                self.log.say(log::CONDITION_CHANGED, text);
            }
            Some(old) => new.last_transition_time = if force { now } else { old.last_transition_time },
        }
        put(certificate, &new);
    }

    /// Ready is false: `error` is why.
    fn not_ready(&self, certificate: &mut Certificate, reason: &str, error: String, force: bool) {
        self.condition(certificate, "Ready", ConditionStatus::False, reason, error, force);
    }
}

/// `status.acme`, made when it is missing.
fn status(certificate: &mut Certificate) -> &mut LegacyAcmeStatus {
    certificate.status.legacy.get_or_insert_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(common_name: &str, names: &[&str]) -> Certificate {
        let mut certificate = Certificate::default();
        certificate.spec.common_name = common_name.into();
        certificate.spec.dns_names = names.iter().map(|n| (*n).to_owned()).collect();
        certificate
    }

    #[test]
    fn the_first_name_is_the_common_name_unless_one_is_given() {
        for (given, names, cn, all) in [
            ("", &["a", "b"][..], "a", &["a", "b"][..]),
            ("b", &["a", "b"], "b", &["b", "a"]),
            ("c", &[], "c", &["c"]),
        ] {
            let certificate = certificate(given, names);
            assert_eq!(
                (common_name(&certificate).as_str(), dns_names(&certificate)),
                (cn, all.iter().map(|n| (*n).to_owned()).collect())
            );
        }
    }

    #[test]
    fn thirty_days_before_its_end_a_certificate_is_renewed() {
        let day = |n: i64| Timestamp::from_unix_secs(n * 86_400);
        let of = Names { common_name: "a".into(), dns: vec!["b".into(), "a".into()], ..Names::default() };
        let names = ["a".to_owned(), "b".to_owned()];
        let at = |now| need(Some((&of, day(90))), "a", &names, now);
        assert_eq!((at(day(59)), at(day(60))), (Need::Nothing, Need::Renew));
        assert_eq!(need(Some((&of, day(90))), "b", &names, day(1)), Need::Issue);
        assert_eq!(need(Some((&of, day(90))), "a", &names[..1], day(1)), Need::Issue);
        assert_eq!(need(None, "a", &names, day(1)), Need::Issue);
    }
}
