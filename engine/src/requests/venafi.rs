//! certificaterequests-issuer-venafi: puts a request in, and comes back for the certificate.

use super::sync::{self, Issued, Report, Signed, Signer, log_error};
use crate::api::CertificateRequest;
use crate::compat::VenafiRules;
use crate::controller::{Context, SyncError};
use crate::issuers::venafi::{CustomField, RetrieveError, VenafiClient, VenafiError, merge, parse};
use crate::issuers::{FoundIssuer, IssuerOptions, IssuerType};
use crate::log::{Logger, Message, catalogue as msg};
use crate::signing::bundle_of_pem;

const CUSTOM_FIELDS: &str = "venafi.cert-manager.io/custom-fields";
const PICKUP_ID: &str = "venafi.cert-manager.io/pickup-id";

struct VenafiSigner {
    context: Context,
    options: IssuerOptions,
}

pub(super) fn start(context: &Context, options: &IssuerOptions) {
    sync::start(context, |context, _| VenafiSigner { options: options.clone(), context: context.clone() });
}

/// A failure for good that is returned all the same, as the release does.
fn failed(
    log: &Logger,
    line: &Message,
    event: &'static str,
    text: &str,
    error: &impl std::fmt::Display,
) -> Signed {
    log_error(log, line, error, text);
    Signed::from(Report::failed(event, format!("{text}: {error}"))).and_retried(SyncError::other(error))
}

/// The custom fields of request and issuer, or what is wrong with them: message and cause.
fn custom_fields(
    request: &CertificateRequest,
    issuer: &FoundIssuer,
    rules: &VenafiRules,
) -> Result<Vec<CustomField>, (String, String)> {
    let read = |meta: &crate::api::ObjectMeta| {
        let annotation = meta.annotations.get(CUSTOM_FIELDS).filter(|text| !text.is_empty());
        let whose = if rules.issuer_fields { format!("{} ", meta.name) } else { String::new() };
        let parsed = annotation.map(|text| parse(text)).transpose();
        parsed
            .map(Option::unwrap_or_default)
            .map_err(|error| (format!("Failed to parse {whose}{CUSTOM_FIELDS:?} annotation"), error))
    };
    let of_issuer = if rules.issuer_fields { read(&issuer.meta)? } else { Vec::new() };
    let of_request = read(&request.metadata)?;
    Ok(if rules.issuer_fields { merge(of_issuer, of_request) } else { of_request })
}

impl VenafiSigner {
    async fn request(
        &self,
        log: &Logger,
        client: &VenafiClient,
        csr: &[u8],
        fields: &[CustomField],
    ) -> Signed {
        let rules = &self.context.compat.other_issuers.venafi;
        match client.request(csr, fields).await {
            Ok(id) => Signed {
                // Written without the condition: an annotation and a status are two calls, and only one is made.
                report: Some(Report::pending("IssuancePending", rules.requested)),
                annotation: Some((PICKUP_ID, id)),
                retry: None,
            },
            Err(VenafiError::Fields(text)) => {
                log_error(log, &msg::VENAFI_FIELD_TYPE, &text, &text);
                Report::failed("CustomFieldsError", format!("{text}: {text}")).into()
            }
            Err(error) => {
                failed(log, &msg::VENAFI_REQUEST_FAILED, "RequestError", rules.request_failed, &error)
            }
        }
    }

    async fn retrieve(
        &self,
        log: &Logger,
        client: &VenafiClient,
        pickup_id: &str,
        csr: &[u8],
        fields: &[CustomField],
    ) -> Signed {
        let rules = &self.context.compat.other_issuers.venafi;
        let pem = match client.retrieve(pickup_id, csr, fields).await {
            Ok(pem) => pem,
            Err(error @ RetrieveError::Timeout(_)) => {
                log_error(log, &msg::VENAFI_PENDING, &error, rules.pending);
                let report = Report::pending("IssuancePending", format!("{}: {error}", rules.pending));
                return Signed::from(report).and_retried(SyncError::other(error));
            }
            Err(error) => {
                let (line, text) = (&msg::VENAFI_RETRIEVE_FAILED, rules.retrieve_failed);
                return failed(log, line, "RetrieveError", text, &error);
            }
        };
        match bundle_of_pem(&pem) {
            Ok(bundle) => Report::issued(Issued { certificate: bundle.chain, ca: bundle.ca }).into(),
            Err(error) => {
                let text = "Failed to parse returned certificate bundle";
                failed(log, &msg::VENAFI_BUNDLE_INVALID, "ParseError", text, &error)
            }
        }
    }
}

impl Signer for VenafiSigner {
    const CONTROLLER: &'static str = "certificaterequests-issuer-venafi";
    const TYPE: IssuerType = IssuerType::Venafi;

    async fn sign(&self, log: &Logger, request: &CertificateRequest, issuer: &FoundIssuer) -> Signed {
        let Some(venafi) = &issuer.spec.venafi else { return Signed::NOTHING };
        let rules = &self.context.compat.other_issuers.venafi;
        let log = issuer.relate(log);
        let client = match VenafiClient::build(&self.context, &self.options, issuer, venafi).await {
            Ok(client) => client,
            Err(error @ VenafiError::NotFound(_)) => {
                let text = "Required secret resource not found";
                log_error(&log, &msg::VENAFI_SECRET_MISSING, &error, text);
                return Report::pending("SecretMissing", format!("{text}: {error}")).into();
            }
            Err(error) => {
                log_error(&log, &msg::VENAFI_INIT_FAILED, &error, rules.init_failed);
                let report = Report::pending("VenafiInitError", format!("{}: {error}", rules.init_failed));
                return Signed::from(report).and_retried(SyncError::other(error));
            }
        };
        let fields = match custom_fields(request, issuer, rules) {
            Ok(fields) => fields,
            Err((text, error)) => {
                log_error(&log, &msg::VENAFI_FIELDS_INVALID, &error, &text);
                return Report::failed("CustomFieldsError", format!("{text}: {error}")).into();
            }
        };
        let csr = request.spec.request.as_slice();
        match request.metadata.annotations.get(PICKUP_ID).filter(|id| !id.is_empty()) {
            None => self.request(&log, &client, csr, &fields).await,
            Some(id) => self.retrieve(&log, &client, id, csr, &fields).await,
        }
    }
}
