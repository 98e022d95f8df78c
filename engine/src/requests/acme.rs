//! certificaterequests-issuer-acme: makes an Order for a request, and takes its certificate over.

use super::sync::{self, Issued, Report, Signed, Signer, log_error};
use crate::api::hash::compute_name;
use crate::api::{
    AcmeIssuer, ByteString, Certificate, CertificateRequest, Kind, ObjectKey, Order, OrderSpec,
    Resource as _, Secret, State,
};
use crate::certificates::{ANNOTATION_CERTIFICATE_NAME, controller_reference, renewal_info, target_secret};
use crate::controller::{self, Context, SyncError};
use crate::informer::Lister;
use crate::issuers::{FoundIssuer, IssuerType};
use crate::log::{Logger, catalogue as msg};
use crate::pki;
use crate::work::place;

struct AcmeSigner {
    context: Context,
    orders: Lister<Order>,
    certificates: Lister<Certificate>,
    secrets: Lister<Secret>,
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
        AcmeSigner {
            orders: context.informers.lister(),
            certificates: context.informers.lister(),
            secrets: context.informers.lister(),
            context: context.clone(),
        }
    });
}

impl Signer for AcmeSigner {
    const CONTROLLER: &'static str = "certificaterequests-issuer-acme";
    const TYPE: IssuerType = IssuerType::Acme;

    async fn sign(&self, log: &Logger, request: &CertificateRequest, issuer: &FoundIssuer) -> Signed {
        let acme = issuer.spec.acme.clone().unwrap_or_default();
        self.order(log, request, &acme).await.unwrap_or_else(Signed::retried)
    }
}

impl AcmeSigner {
    async fn order(
        &self,
        log: &Logger,
        request: &CertificateRequest,
        acme: &AcmeIssuer,
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
        let features = self.context.compat.features;
        let wanted = wanted_order(
            request,
            &csr.names,
            Wishes {
                with_duration: acme.enable_duration_feature,
                profile: if features.profiles { acme.profile.clone() } else { String::new() },
                replaces: self.replaces(request).filter(|_| features.ari).unwrap_or_default(),
            },
        );
        let key = wanted.key();
        let Some(order) = self.orders.get(&key) else {
            match self.context.client.create(wanted).await {
                Ok(_) => {}
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

    /// The identifier of the certificate that the request's Certificate has now (RFC 9773 section 5). Whatever is
    /// missing on the way to it: the order does without.
    fn replaces(&self, request: &CertificateRequest) -> Option<String> {
        let name = request.metadata.annotations.get(ANNOTATION_CERTIFICATE_NAME)?;
        let key = ObjectKey::new(request.metadata.namespace.as_str(), name.as_str());
        let secret = target_secret(&self.secrets, self.certificates.get(&key)?.as_ref())?;
        renewal_info::replaces(&secret)
    }

    /// What the state of the Order means for the request.
    async fn follow(&self, log: &Logger, order: &Order, csr: &pki::Request) -> Result<Signed, SyncError> {
        let log = log.with_related_resource(order);
        let (key, state) = (order.key(), order.status.state);
        if state.is_failure() {
            let text = format!(
                "Failed to wait for order resource {:?} to become ready: order is in {:?} state: {}",
                key.name(),
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

/// What an Order asks for besides names.
#[derive(Default)]
struct Wishes {
    with_duration: bool,
    profile: String,
    replaces: String,
}

/// The Order for a request. Its name is a function of both names and what is ordered, so that a second sync
/// finds the Order of the first. A name that is cut in it is in the hash instead.
fn wanted_order(request: &CertificateRequest, names: &pki::Names, wishes: Wishes) -> Order {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'a> {
        certificate_request_name: &'a str,
        spec: &'a OrderSpec,
    }
    let mut spec = OrderSpec {
        issuer_ref: request.spec.issuer_ref.clone(),
        common_name: names.common_name.clone(),
        dns_names: names.dns.clone(),
        ip_addresses: names.ips.clone(),
        duration: request.spec.duration.filter(|_| wishes.with_duration),
        profile: wishes.profile,
        replaces: wishes.replaces,
        ..OrderSpec::default()
    };
    let prefix = request.metadata.name.as_str();
    let name = if prefix.len() < 52 {
        compute_name(prefix, &spec)
    } else {
        compute_name(prefix, &Named { certificate_request_name: prefix, spec: &spec })
    };
    spec.request = request.spec.request.clone();
    let mut order = Order { spec, ..Order::default() };
    order.metadata.name = name;
    order.metadata.namespace.clone_from(&request.metadata.namespace);
    order.metadata.labels.clone_from(&request.metadata.labels);
    order.metadata.annotations.clone_from(&request.metadata.annotations);
    order.metadata.owner_references.push(controller_reference(request));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(request: &str, wishes: Wishes) -> String {
        let mut of = CertificateRequest::default();
        of.metadata.name = request.into();
        wanted_order(&of, &pki::Names::default(), wishes).metadata.name
    }

    #[test]
    fn the_orders_name_covers_what_is_ordered_and_a_name_that_is_cut() {
        let plain = name_of("a", Wishes::default());
        assert_ne!(plain, name_of("a", Wishes { profile: "p".into(), ..Wishes::default() }));
        assert_ne!(plain, name_of("a", Wishes { replaces: "x.y".into(), ..Wishes::default() }));
        let long = "a".repeat(52);
        let (one, two) =
            (name_of(&(long.clone() + "1"), Wishes::default()), name_of(&(long + "2"), Wishes::default()));
        assert_eq!(one.split('-').next(), two.split('-').next());
        assert_ne!(one, two);
    }
}
