//! What all certificaterequests-issuer-* controllers do alike: which request is whose to sign, and what is written
//! about the result.

use std::sync::Arc;

use crate::api::{
    ByteString, CertificateRequest, Condition, ConditionStatus, Kind, ObjectKey, ObjectReference, Time,
};
use crate::certificates::{CONDITION_APPROVED, CONDITION_DENIED, CONDITION_READY};
use crate::client::would_change;
use crate::compat::OtherIssuers;
use crate::conditions::{self, condition, is_true, put, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::informer::Lister;
use crate::issuers::{FoundIssuer, IssuerListers, IssuerType, watch_issuers_of};
use crate::log::{Logger, Message, catalogue as msg};
use crate::pki;
use crate::queue::WorkQueue;
use crate::recorder::EventType;

/// How one type of issuer signs.
pub(super) trait Signer: Send + Sync + 'static {
    /// Name of the controller.
    const CONTROLLER: &'static str;
    /// The type of issuer that it serves.
    const TYPE: IssuerType;

    /// Brings an approved request of a ready issuer a step further.
    fn sign(
        &self,
        log: &Logger,
        request: &CertificateRequest,
        issuer: &FoundIssuer,
    ) -> impl Future<Output = Signed> + Send;
}

/// What came of a sync: what is written about the request, and whether it is tried again. Both are possible.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Signed {
    /// Its Ready condition, a certificate, an event.
    pub(super) report: Option<Report>,
    /// An annotation to put on it. A write of annotations leaves the status as it was: the status is a
    /// subresource.
    pub(super) annotation: Option<(&'static str, String)>,
    /// The error for which the request is queued again, with back-off.
    pub(super) retry: Option<SyncError>,
}

impl Signed {
    /// Nothing to say: the request waits for an event.
    pub(super) const NOTHING: Signed = Signed { report: None, annotation: None, retry: None };

    /// Queued again without a word in the status.
    pub(super) fn retried(error: impl Into<SyncError>) -> Self {
        Signed { retry: Some(error.into()), ..Signed::NOTHING }
    }

    /// And queued again.
    pub(super) fn and_retried(self, error: impl Into<SyncError>) -> Self {
        Signed { retry: Some(error.into()), ..self }
    }
}

impl From<Report> for Signed {
    fn from(report: Report) -> Self {
        Signed { report: Some(report), ..Signed::NOTHING }
    }
}

/// A certificate and who signed it, as an issuer gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Issued {
    /// The chain without its root, PEM.
    pub(super) certificate: ByteString,
    /// The top of the chain, PEM; empty when the issuer does not tell.
    pub(super) ca: ByteString,
}

/// What is said about a request in its Ready condition and by an event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    status: ConditionStatus,
    pub(super) reason: &'static str,
    pub(super) message: String,
    pub(super) event: Option<(EventType, &'static str)>,
    failed: bool,
    issued: Option<Issued>,
}

impl Report {
    /// It waits.
    pub(super) fn pending(event: &'static str, message: impl Into<String>) -> Self {
        Report {
            status: ConditionStatus::False,
            reason: "Pending",
            message: message.into(),
            event: Some((EventType::Normal, event)),
            failed: false,
            issued: None,
        }
    }

    /// It has failed for good.
    pub(super) fn failed(event: &'static str, message: impl Into<String>) -> Self {
        let event = Some((EventType::Warning, event));
        Report { reason: "Failed", event, failed: true, ..Report::pending("", message) }
    }

    /// Here is the certificate.
    pub(super) fn issued(issued: Issued) -> Self {
        Report {
            status: ConditionStatus::True,
            reason: "Issued",
            event: Some((EventType::Normal, "CertificateIssued")),
            issued: Some(issued),
            ..Report::pending("", "Certificate fetched from issuer successfully")
        }
    }

    fn denied() -> Self {
        let message = "The CertificateRequest was denied by an approval controller";
        Report { reason: "Denied", event: None, ..Report::failed("", message) }
    }
}

/// Logs an error with its own words, as a signer does for everything that it reports.
pub(super) fn log_error(log: &Logger, place: &Message, error: &impl std::fmt::Display, message: &str) {
    log.error_text(place, Some(&error.to_string()), message);
}

/// What a controller does with a request before it asks an issuer.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// It is somebody else's, or done.
    Leave,
    /// It is not approved yet.
    AwaitApproval,
    /// This is to be written.
    Report(Box<Report>),
    /// It is to be signed.
    Sign,
}

/// Which of the states that do not need the issuer the request is in.
fn judge(request: &CertificateRequest, knows_invalid: bool) -> Option<Verdict> {
    let ready = condition(request, CONDITION_READY);
    let has_reason = |reason: &str| ready.is_some_and(|c| c.reason == reason);
    if request.spec.issuer_ref.group_or_default() != "cert-manager.io" {
        return Some(Verdict::Leave);
    }
    if knows_invalid && condition(request, "InvalidRequest").is_some() {
        return Some(Verdict::Leave);
    }
    if is_true(request, CONDITION_DENIED) {
        let denied = Verdict::Report(Box::new(Report::denied()));
        return Some(if has_reason("Denied") { Verdict::Leave } else { denied });
    }
    if !is_true(request, CONDITION_APPROVED) {
        return Some(Verdict::AwaitApproval);
    }
    (has_reason("Failed") || has_reason("Issued")).then_some(Verdict::Leave)
}

/// The same with the issuer at hand.
fn judge_issuer(request: &CertificateRequest, issuer: Option<&FoundIssuer>, mine: IssuerType) -> Verdict {
    let report = |event, text: String| Verdict::Report(Box::new(Report::pending(event, text)));
    let reference = &request.spec.issuer_ref;
    let Some(issuer) = issuer else { return report("IssuerNotFound", not_found(reference)) };
    let Some(type_) = IssuerType::of(&issuer.spec) else {
        let text = format!("no issuer specified for Issuer '{}'", issuer.namespaced_name());
        return report("IssuerTypeMissing", format!("Missing issuer type: {text}"));
    };
    if type_ != mine {
        return Verdict::Leave;
    }
    if !issuer.is_ready() {
        let text = "Referenced issuer does not have a Ready status condition";
        return report("IssuerNotReady", text.to_owned());
    }
    if request.status.certificate.is_empty() { Verdict::Sign } else { Verdict::Leave }
}

fn not_found(reference: &ObjectReference) -> String {
    let kind = reference.kind_or_default();
    let resource = kind.to_lowercase();
    format!("Referenced {kind:?} not found: {resource}.cert-manager.io {:?} not found", reference.name)
}

/// An issuer's certificate must be one; where it is not, the request has failed.
fn checked(report: Report, mine: IssuerType, rules: &OtherIssuers) -> Report {
    let Some(issued) = &report.issued else { return report };
    let Err(error) = pki::leaf(issued.certificate.as_slice()) else { return report };
    let hint = match mine {
        IssuerType::Ca if rules.decode_error_has_hint => {
            ": with CA issuers, ensure the Certificate's secretName is different from the CA issuer's secretName to \
             avoid overwriting the CA secret"
        }
        _ => "",
    };
    Report::failed("DecodeError", format!("Failed to decode returned certificate{hint}: {error}"))
}

struct Requests<S> {
    context: Context,
    requests: Lister<CertificateRequest>,
    issuers: IssuerListers,
    signer: S,
}

/// Starts the controller of one type of issuer. `make` makes its signer, and watches what only this one needs.
pub(super) fn start<S: Signer>(context: &Context, make: impl FnOnce(&Context, &WorkQueue) -> S) {
    if !context.runs(S::CONTROLLER) {
        return;
    }
    let context = context.named(S::CONTROLLER);
    let queue = context.queue(S::CONTROLLER, context.compat.backoff_requests);
    controller::watch_self(&context, S::CONTROLLER, Kind::CertificateRequest, &queue);
    let signer = make(&context, &queue);
    watch_issuers_of::<CertificateRequest>(&context, S::CONTROLLER, &queue, |r| &r.spec.issuer_ref);
    let controller = Requests {
        requests: context.informers.lister(),
        issuers: IssuerListers::new(&context.informers),
        signer,
        context: context.clone(),
    };
    controller::start(&context, S::CONTROLLER, &queue, Arc::new(controller));
}

impl<S: Signer> Requests<S> {
    async fn process(&self, log: &Logger, request: &CertificateRequest) -> Signed {
        let rules = &self.context.compat.other_issuers;
        let early = judge(request, rules.invalid_requests_are_left);
        let issuer = match early {
            Some(_) => None,
            None => self.issuers.find(&request.spec.issuer_ref, &request.metadata.namespace),
        };
        match early.unwrap_or_else(|| judge_issuer(request, issuer.as_ref(), S::TYPE)) {
            Verdict::Leave => Signed::NOTHING,
            Verdict::Report(report) => Signed::from(*report),
            Verdict::AwaitApproval => {
                if rules.approval_is_awaited_aloud {
                    let text = "Not signing CertificateRequest until it is Approved";
                    self.context.recorder.normal(request, "WaitingForApproval", text);
                }
                Signed::NOTHING
            }
            Verdict::Sign => {
                let Some(issuer) = issuer else { return Signed::NOTHING };
                let log_of_signer = log.with_name("sign");
                // On the heap, where it is needed: most syncs find that there is nothing to sign, and would carry along
                // what a call over TLS takes.
                let mut signed = Box::pin(self.signer.sign(&log_of_signer, request, &issuer)).await;
                signed.report = signed.report.map(|report| checked(report, S::TYPE, rules));
                if let Some(error) = &signed.retry {
                    let log = issuer.relate(log);
                    log.error(&msg::REQUEST_SIGN_ERROR, Some(&error.to_string()), &[]);
                }
                signed
            }
        }
    }

    /// Tells what was found: an event, the line of the condition, and one write.
    async fn write(&self, log: &Logger, request: &CertificateRequest, signed: &Signed) -> SyncResult {
        if signed.report.is_none() && signed.annotation.is_none() {
            return Ok(());
        }
        let mut wanted = None;
        if let Some(report) = &signed.report {
            let new = conditions::new(CONDITION_READY, report.status, report.reason, report.message.clone());
            wanted = Some(transition(&self.context.world, log, request, new).await);
            self.tell(request, report);
        }
        let now = Time::new(self.context.world.now());
        let change = |r: &mut CertificateRequest| apply(r, signed.report.as_ref(), wanted.as_ref(), now);
        if let Some((name, value)) = &signed.annotation {
            let mut annotated = request.clone();
            annotated.metadata.annotations.insert((*name).to_owned(), value.clone());
            self.context.client.update(annotated).await?;
        } else if would_change(request, change) {
            self.context.client.update_status(request, change).await?;
        }
        Ok(())
    }

    /// A request that was pending and still is makes no event.
    fn tell(&self, request: &CertificateRequest, report: &Report) {
        let was_pending = condition(request, CONDITION_READY).is_some_and(|c| c.reason == "Pending");
        let quiet = was_pending && report.reason == "Pending";
        if let Some((type_, reason)) = report.event.filter(|_| !quiet) {
            self.context.recorder.event(request, type_, reason, &report.message);
        }
    }
}

/// Puts what was found into the status. The time of the first failure stays.
fn apply(
    request: &mut CertificateRequest,
    report: Option<&Report>,
    condition: Option<&Condition>,
    now: Time,
) {
    if let Some(report) = report {
        if report.failed {
            request.status.failure_time.get_or_insert(now);
        }
        if let Some(issued) = &report.issued {
            request.status.certificate.clone_from(&issued.certificate);
            request.status.ca.clone_from(&issued.ca);
        }
    }
    if let Some(condition) = condition {
        put(request, condition);
    }
}

/// The error of a sync whose write and whose signing both failed, as Go joins errors.
fn joined(write: SyncResult, retry: Option<SyncError>) -> SyncResult {
    match (write, retry) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(error)) | (Err(error), None) => Err(error),
        (Err(write), Some(sign)) => Err(SyncError::other(format!("[{write}, {sign}]"))),
    }
}

impl<S: Signer> Reconcile for Requests<S> {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let rules = &self.context.compat.other_issuers;
        if rules.deleted_are_left && request.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let log = self.context.log.with_resource(request.as_ref());
        let signed = self.process(&log, &request).await;
        let write = self.write(&log, &request, &signed).await;
        joined(write, signed.retry)
    }
}

#[cfg(test)]
mod tests;
