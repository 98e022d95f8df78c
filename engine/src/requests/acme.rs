//! certificaterequests-issuer-acme: makes an Order for a request, and takes its certificate over.

use super::sync::{self, Issued, Report, Signed, Signer, log_error};
use crate::api::hash::compute_name;
use crate::api::{ByteString, CertificateRequest, Kind, Order, OrderSpec, Resource as _, State};
use crate::certificates::controller_reference;
use crate::controller::{self, Context, SyncError};
use crate::informer::Lister;
use crate::issuers::{FoundIssuer, IssuerType};
use crate::log::{Logger, catalogue as msg};
use crate::pki;
use crate::store::ApiError;
use crate::work::place;

struct AcmeSigner {
    context: Context,
    orders: Lister<Order>,
}

pub(super) fn start(context: &Context) {
    sync::start(context, |context, queue| {
        controller::watch_owned(
            context,
            AcmeSigner::CONTROLLER,
            Kind::Order,
            Kind::CertificateRequest,
            queue,
        );
        AcmeSigner { orders: context.informers.lister(), context: context.clone() }
    });
}

impl Signer for AcmeSigner {
    const CONTROLLER: &'static str = "certificaterequests-issuer-acme";
    const TYPE: IssuerType = IssuerType::Acme;

    async fn sign(&self, log: &Logger, request: &CertificateRequest, issuer: &FoundIssuer) -> Signed {
        let with_duration = issuer.spec.acme.as_ref().is_some_and(|a| a.enable_duration_feature);
        self.order(log, request, with_duration).await.unwrap_or_else(Signed::retried)
    }
}

impl AcmeSigner {
    async fn order(
        &self,
        log: &Logger,
        request: &CertificateRequest,
        with_duration: bool,
    ) -> Result<Signed, SyncError> {
        let csr = match pki::request(request.spec.request.as_slice()) {
            Ok(csr) => csr,
            Err(error) => {
                let text = format!("Failed to decode CSR in spec.request: {error}");
                log.error(&msg::REQUEST_INVALID, Some(&text), &[]);
                return Ok(Report::failed("RequestParsingError", text).into());
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
            return Ok(Report::failed("InvalidOrder", text).into());
        }
        let wanted = wanted_order(request, &csr.names, with_duration);
        let key = wanted.key();
        let Some(order) = self.orders.get(&key) else {
            match self.context.client.create(wanted).await {
                Ok(_) | Err(ApiError::AlreadyExists { .. }) => {}
                Err(error) => {
                    let text = format!("Failed create new order resource {key}: {error}");
                    log_error(log, &msg::ORDER_NOT_CREATED, &error, &text);
                    return Ok(Signed::from(Report::pending("OrderCreatingError", text)).and_retried(error));
                }
            }
            let text = format!("Created Order resource {key}");
            return Ok(Report::pending("OrderCreated", text).into());
        };
        if !order.metadata.is_controlled_by(&request.metadata.uid) {
            return Err(SyncError::other(
                "found Order resource not owned by this CertificateRequest, retrying",
            ));
        }
        self.follow(log, &order, &csr).await
    }

    /// What the state of the Order means for the request.
    async fn follow(&self, log: &Logger, order: &Order, csr: &pki::Request) -> Result<Signed, SyncError> {
        let log = log.with_related_resource(order);
        let (key, state) = (order.key(), order.status.state);
        if state.is_failure() {
            let text = format!(
                "Failed to wait for order resource {:?} to become ready: order is in {:?} state: {}",
                key.name,
                state.as_str(),
                order.status.reason
            );
            return Ok(Report::failed("OrderFailed", text).into());
        }
        if state != State::Valid {
            let text = format!("Waiting on certificate issuance from order {key}: {:?}", state.as_str());
            return Ok(Report::pending("OrderPending", text).into());
        }
        if order.status.certificate.is_empty() {
            let text = format!("Waiting for order-controller to add certificate data to Order {key}");
            return Ok(Report::pending("OrderPending", text).into());
        }
        match pki::leaf(order.status.certificate.as_slice()) {
            Ok(leaf) if leaf.public_key == csr.public_key => {}
            unusable => {
                // It is made anew, with a certificate that fits.
                match unusable {
                    Err(error) => log.error(&msg::ORDER_CERTIFICATE_UNUSABLE, Some(&error.to_string()), &[]),
                    Ok(_) => log.error(&msg::ORDER_KEY_DIFFERS, None, &[]),
                }
                self.context.client.delete::<Order>(&key).await?;
                return Ok(Signed::NOTHING);
            }
        }
        log.info(&msg::CERTIFICATE_ISSUED, &[]);
        self.context.world.work(place("certificaterequests-issuer-acme/issued")).await;
        let certificate = order.status.certificate.clone();
        Ok(Report::issued(Issued { certificate, ca: ByteString::default() }).into())
    }
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
