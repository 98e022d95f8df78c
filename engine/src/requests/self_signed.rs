//! certificaterequests-issuer-selfsigned: signs with the key that is certified, from the Secret that the request
//! names.

use super::sync::{self, Issued, Report, Signed, Signer, log_error};
use crate::api::{CertificateRequest, Kind, ObjectKey, Resource as _};
use crate::certificates::ANNOTATION_PRIVATE_KEY_SECRET;
use crate::controller::{self, Context};
use crate::issuers::{FoundIssuer, IssuerListers, IssuerOptions, IssuerType};
use crate::log::{Logger, Message, catalogue as msg};
use crate::pki::PkiError;
use crate::queue::WorkQueue;
use crate::signing::{SecretError, Template, key_of};

const EMPTY_ISSUER: &str = "Certificate will be issued with an empty Issuer DN, which contravenes RFC 5280 and could \
                            break some strict clients";

struct SelfSigner {
    context: Context,
    options: IssuerOptions,
    serials: world::Rng,
}

pub(super) fn start(context: &Context, options: &IssuerOptions) {
    sync::start(context, |context, queue| {
        if context.compat.other_issuers.self_signed_watches_secrets {
            watch_key_secrets(context, queue);
        }
        SelfSigner {
            options: options.clone(),
            serials: context.world.rng("serial numbers of SelfSigned issuers"),
            context: context.clone(),
        }
    });
}

/// A request waits for its Secret: whose change brings the request back.
fn watch_key_secrets(context: &Context, queue: &WorkQueue) {
    let requests = context.informers.lister::<CertificateRequest>();
    requests.index(ANNOTATION_PRIVATE_KEY_SECRET, |request: &CertificateRequest| {
        let meta = &request.metadata;
        let name = meta.annotations.get(ANNOTATION_PRIVATE_KEY_SECRET)?;
        Some(ObjectKey::new(meta.namespace.as_str(), name.as_str()).to_string())
    });
    let issuers = IssuerListers::new(&context.informers);
    controller::watch(context, SelfSigner::CONTROLLER, Kind::Secret, queue, move |notice| {
        let mut waiting = requests.indexed(ANNOTATION_PRIVATE_KEY_SECRET, notice.change.key.as_str());
        waiting.retain(|request| {
            // The release compares the group as it is written, so an empty one does not count.
            request.spec.issuer_ref.group == "cert-manager.io" && {
                let issuer = issuers.find(&request.spec.issuer_ref, &request.metadata.namespace);
                issuer.is_some_and(|issuer| IssuerType::of(&issuer.spec) == Some(IssuerType::SelfSigned))
            }
        });
        waiting.into_iter().map(|request| request.key())
    });
}

/// A failure for good.
fn failed(
    log: &Logger,
    line: &Message,
    event: &'static str,
    text: &str,
    error: &impl std::fmt::Display,
) -> Signed {
    log_error(log, line, error, text);
    Report::failed(event, format!("{text}: {error}")).into()
}

impl Signer for SelfSigner {
    const CONTROLLER: &'static str = "certificaterequests-issuer-selfsigned";
    const TYPE: IssuerType = IssuerType::SelfSigned;

    async fn sign(&self, log: &Logger, request: &CertificateRequest, issuer: &FoundIssuer) -> Signed {
        let Some(self_signed) = &issuer.spec.self_signed else { return Signed::NOTHING };
        let annotation = request.metadata.annotations.get(ANNOTATION_PRIVATE_KEY_SECRET);
        let Some(name) = annotation.filter(|name| !name.is_empty()) else {
            let text = format!("Annotation {ANNOTATION_PRIVATE_KEY_SECRET:?} missing or reference empty");
            let line = &msg::SELF_SIGNED_NO_ANNOTATION;
            return failed(log, line, "MissingAnnotation", &text, &"secret name missing");
        };
        let key = ObjectKey::new(request.metadata.namespace.as_str(), name.as_str());
        let private = match key_of(self.options.secrets.get(&key).as_deref(), &key) {
            Ok(private) => private,
            Err(error) => {
                let (line, event, text) = match &error {
                    SecretError::NotFound(_) => {
                        let text = format!("Referenced secret {key} not found");
                        (&msg::SELF_SIGNED_SECRET_MISSING, "MissingSecret", text)
                    }
                    SecretError::Invalid(_) => {
                        let by = ANNOTATION_PRIVATE_KEY_SECRET;
                        let text = format!("Failed to get key {name:?} referenced in annotation {by:?}");
                        (&msg::SELF_SIGNED_KEY_INVALID, "ErrorParsingKey", text)
                    }
                };
                log_error(log, line, &error, &text);
                return Report::pending(event, format!("{text}: {error}")).into();
            }
        };
        let compared = self.context.compat.other_issuers.csr_usages_compared;
        let text = "Error generating certificate template";
        let mut template = match Template::of_request(&request.spec, compared) {
            Ok(template) => template,
            Err(e) => return failed(log, &msg::SELF_SIGNED_TEMPLATE_FAILED, "ErrorGenerating", text, &e),
        };
        template.crl_distribution_points.clone_from(&self_signed.crl_distribution_points);
        if template.has_empty_subject() {
            self.context.recorder.warning(request, "BadConfig", EMPTY_ISSUER);
        }
        if template.public_key != *private.public() {
            let why = PkiError("CSR not signed by referenced private key".to_owned());
            return failed(log, &msg::SELF_SIGNED_KEY_DIFFERS, "ErrorKeyMatch", text, &why);
        }
        let now = self.context.world.now();
        let pem = template.self_signed(self.serials.bytes(), now, &private);
        Report::issued(Issued { certificate: pem.clone().into(), ca: pem.into() }).into()
    }
}
