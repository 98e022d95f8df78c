//! certificaterequests-issuer-acme: makes an Order for a request, and takes its certificate over.

use std::sync::Arc;

use crate::api::hash::compute_name;
use crate::api::{
    ByteString, CertificateRequest, ConditionStatus, Kind, ObjectKey, Order, OrderSpec, Resource as _, State,
    Time,
};
use crate::certificates::{CONDITION_APPROVED, CONDITION_DENIED, CONDITION_READY, controller_reference};
use crate::client::would_change;
use crate::conditions::{self, condition, is_true, put, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::informer::Lister;
use crate::issuers::{IssuerListers, watch_issuers_of};
use crate::log::{Logger, catalogue as msg};
use crate::pki;
use crate::recorder::EventType;
use crate::store::ApiError;
use crate::work::place;

const NAME: &str = "certificaterequests-issuer-acme";

struct AcmeRequests {
    context: Context,
    requests: Lister<CertificateRequest>,
    orders: Lister<Order>,
    issuers: IssuerListers,
}

pub(crate) fn start(context: &Context) {
    let context = context.named(NAME);
    let queue = context.queue(NAME, context.compat.backoff_requests);
    controller::watch_self(&context, NAME, Kind::CertificateRequest, &queue);
    controller::watch_owned(&context, NAME, Kind::Order, Kind::CertificateRequest, &queue);
    watch_issuers_of::<CertificateRequest>(&context, NAME, &queue, |r| &r.spec.issuer_ref);
    let controller = AcmeRequests {
        requests: context.informers.lister(),
        orders: context.informers.lister(),
        issuers: IssuerListers::new(&context.informers),
        context: context.clone(),
    };
    controller::start(&context, NAME, &queue, Arc::new(controller));
}

/// What becomes of the request in this sync: its Ready condition, a certificate, an event.
struct Report {
    status: ConditionStatus,
    reason: &'static str,
    message: String,
    event: Option<(EventType, &'static str)>,
    failed: bool,
    certificate: Option<ByteString>,
}

impl Report {
    fn pending(event: &'static str, message: String) -> Self {
        let event = Some((EventType::Normal, event));
        let status = ConditionStatus::False;
        Report { status, reason: "Pending", message, event, failed: false, certificate: None }
    }

    fn failed(event: &'static str, message: String) -> Self {
        let event = Some((EventType::Warning, event));
        let status = ConditionStatus::False;
        Report { status, reason: "Failed", message, event, failed: true, certificate: None }
    }

    fn issued(certificate: ByteString) -> Self {
        Report {
            status: ConditionStatus::True,
            reason: "Issued",
            message: "Certificate fetched from issuer successfully".to_owned(),
            event: Some((EventType::Normal, "CertificateIssued")),
            failed: false,
            certificate: Some(certificate),
        }
    }
}

impl AcmeRequests {
    async fn process(&self, log: &Logger, request: &CertificateRequest) -> Result<Option<Report>, SyncError> {
        let issuer_ref = &request.spec.issuer_ref;
        if issuer_ref.group_or_default() != "cert-manager.io" {
            return Ok(None);
        }
        let ready = condition(request, CONDITION_READY);
        if is_true(request, CONDITION_DENIED) {
            let done = ready.is_some_and(|c| c.reason == "Denied");
            let message = "The CertificateRequest was denied by an approval controller".to_owned();
            let denied = Report { reason: "Denied", event: None, ..Report::failed("", message) };
            return Ok((!done).then_some(denied));
        }
        let decided = ready.is_some_and(|c| matches!(c.reason.as_str(), "Failed" | "Issued"));
        if !is_true(request, CONDITION_APPROVED) || decided {
            return Ok(None);
        }
        let Some((spec, status)) = self.issuers.get(issuer_ref, &request.metadata.namespace) else {
            let kind = issuer_ref.kind_or_default();
            let text = format!(
                "Referenced {kind:?} not found: {} {:?} not found",
                issuer_resource(kind),
                issuer_ref.name
            );
            return Ok(Some(Report::pending("IssuerNotFound", text)));
        };
        if spec.acme.is_none() {
            return Ok(None);
        }
        let issuer_ready =
            status.conditions.iter().any(|c| c.type_ == "Ready" && c.status == ConditionStatus::True);
        if !issuer_ready {
            let text = "Referenced issuer does not have a Ready status condition".to_owned();
            return Ok(Some(Report::pending("IssuerNotReady", text)));
        }
        if !request.status.certificate.is_empty() {
            return Ok(None);
        }
        let duration = spec.acme.as_ref().is_some_and(|a| a.enable_duration_feature);
        let signed = self.sign(&log.with_name("sign"), request, duration).await;
        if let Err(error) = &signed {
            log.error(&msg::REQUEST_SIGN_ERROR, Some(&error.to_string()), &[]);
        }
        signed
    }

    async fn sign(
        &self,
        log: &Logger,
        request: &CertificateRequest,
        with_duration: bool,
    ) -> Result<Option<Report>, SyncError> {
        let csr = match pki::request(request.spec.request.as_slice()) {
            Ok(csr) => csr,
            Err(error) => {
                let text = format!("Failed to decode CSR in spec.request: {error}");
                log.error(&msg::REQUEST_INVALID, Some(&text), &[]);
                return Ok(Some(Report::failed("RequestParsingError", text)));
            }
        };
        let cn = &csr.names.common_name;
        if !cn.is_empty() && !csr.names.dns.contains(cn) && !csr.names.ips.contains(cn) {
            let text = format!(
                "The CSR PEM requests a commonName that is not present in the list of dnsNames or ipAddresses. \
                 If a commonName is set, ACME requires that the value is also present in the list of dnsNames or \
                 ipAddresses: {cn:?} does not exist in [{}] or [{}]",
                csr.names.dns.join(" "),
                csr.names.ips.join(" ")
            );
            return Ok(Some(Report::failed("InvalidOrder", text)));
        }
        let wanted = wanted_order(request, &csr.names, with_duration);
        let key = wanted.key();
        let Some(order) = self.orders.get(&key) else {
            match self.context.client.create(wanted).await {
                Ok(_) | Err(ApiError::AlreadyExists { .. }) => {}
                Err(error) => {
                    let text = format!("Failed create new order resource {key}: {error}");
                    return Ok(Some(Report::pending("OrderCreatingError", text)));
                }
            }
            let text = format!("Created Order resource {key}");
            return Ok(Some(Report::pending("OrderCreated", text)));
        };
        if !order.metadata.is_controlled_by(&request.metadata.uid) {
            return Err(SyncError::other(
                "found Order resource not owned by this CertificateRequest, retrying",
            ));
        }
        self.follow(log, &order, &csr).await
    }

    /// What the state of the Order means for the request.
    async fn follow(
        &self,
        log: &Logger,
        order: &Order,
        csr: &pki::Request,
    ) -> Result<Option<Report>, SyncError> {
        let log = log.with_related_resource(order);
        let (key, state) = (order.key(), order.status.state);
        if state.is_failure() {
            let text = format!(
                "Failed to wait for order resource {:?} to become ready: order is in {:?} state: {}",
                key.name,
                state.as_str(),
                order.status.reason
            );
            return Ok(Some(Report::failed("OrderFailed", text)));
        }
        if state != State::Valid {
            let text = format!("Waiting on certificate issuance from order {key}: {:?}", state.as_str());
            return Ok(Some(Report::pending("OrderPending", text)));
        }
        if order.status.certificate.is_empty() {
            let text = format!("Waiting for order-controller to add certificate data to Order {key}");
            return Ok(Some(Report::pending("OrderPending", text)));
        }
        match pki::leaf(order.status.certificate.as_slice()) {
            Ok(leaf) if leaf.public_key == csr.public_key => {}
            unusable => {
                // It is made anew, with a certificate that fits.
                let why = unusable.err().map_or("public key does not match".to_owned(), |e| e.to_string());
                log.error(&msg::ORDER_CERTIFICATE_UNUSABLE, Some(&why), &[]);
                self.context.client.delete::<Order>(&key).await?;
                return Ok(None);
            }
        }
        log.info(&msg::CERTIFICATE_ISSUED, &[]);
        self.context.world.work(place("certificaterequests-issuer-acme/issued")).await;
        Ok(Some(Report::issued(order.status.certificate.clone())))
    }

    async fn write(&self, log: &Logger, request: &CertificateRequest, report: Report) -> SyncResult {
        let was_pending = condition(request, CONDITION_READY).is_some_and(|c| c.reason == report.reason);
        let wanted = conditions::new(CONDITION_READY, report.status, report.reason, report.message.clone());
        let condition = transition(&self.context.world, log, request, wanted).await;
        let failure_time = report.failed.then(|| Time::new(self.context.world.now()));
        let change = |r: &mut CertificateRequest| {
            if failure_time.is_some() {
                r.status.failure_time = failure_time;
            }
            if let Some(certificate) = &report.certificate {
                r.status.certificate.clone_from(certificate);
            }
            put(r, &condition);
        };
        if !would_change(request, change) {
            return Ok(());
        }
        if let Some((type_, reason)) = report.event.filter(|_| !(was_pending && report.reason == "Pending")) {
            self.context.recorder.event(request, type_, reason, &report.message);
        }
        self.context.client.update_status(request, change).await?;
        Ok(())
    }
}

fn issuer_resource(kind: &str) -> &'static str {
    if kind == "ClusterIssuer" { "clusterissuer.cert-manager.io" } else { "issuer.cert-manager.io" }
}

/// The Order for a request. Its name is a function of both names and what is ordered, so that a second sync
/// finds the Order of the first.
fn wanted_order(request: &CertificateRequest, names: &pki::Names, with_duration: bool) -> Order {
    let mut spec = OrderSpec {
        issuer_ref: request.spec.issuer_ref.clone(),
        common_name: names.common_name.clone(),
        dns_names: names.dns.clone(),
        ip_addresses: names.ips.clone(),
        duration: request.spec.duration.filter(|_| with_duration),
        ..OrderSpec::default()
    };
    let name = compute_name(&request.metadata.name, &spec);
    spec.request = request.spec.request.clone();
    let mut order = Order { spec, ..Order::default() };
    order.metadata.name = name;
    order.metadata.namespace.clone_from(&request.metadata.namespace);
    order.metadata.labels.clone_from(&request.metadata.labels);
    order.metadata.annotations.clone_from(&request.metadata.annotations);
    order.metadata.owner_references.push(controller_reference(request));
    order
}

impl Reconcile for AcmeRequests {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let log = self.context.log.with_resource(request.as_ref());
        match self.process(&log, &request).await? {
            None => Ok(()),
            Some(report) => self.write(&log, &request, report).await,
        }
    }
}
