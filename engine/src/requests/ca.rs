//! certificaterequests-issuer-ca: signs with the key pair in the issuer's Secret.

use super::sync::{self, Issued, Report, Signed, Signer, log_error};
use crate::api::{CertificateRequest, ObjectKey};
use crate::controller::Context;
use crate::issuers::{FoundIssuer, IssuerOptions, IssuerType};
use crate::log::{Logger, catalogue as msg};
use crate::signing::{Authority, SecretError, Template, bundle, key_pair_and_ca};
use crate::work::place;

struct CaSigner {
    context: Context,
    options: IssuerOptions,
    serials: world::Rng,
}

pub(super) fn start(context: &Context, options: &IssuerOptions) {
    sync::start(context, |context, _| CaSigner {
        options: options.clone(),
        serials: context.world.rng("serial numbers of CA issuers"),
        context: context.clone(),
    });
}

impl Signer for CaSigner {
    const CONTROLLER: &'static str = "certificaterequests-issuer-ca";
    const TYPE: IssuerType = IssuerType::Ca;

    async fn sign(&self, log: &Logger, request: &CertificateRequest, issuer: &FoundIssuer) -> Signed {
        let Some(ca) = &issuer.spec.ca else { return Signed::NOTHING };
        let namespace = issuer.secret_namespace(&self.options.resource_namespace);
        let key = ObjectKey::new(namespace, ca.secret_name.as_str());
        let secret = self.options.secrets.get(&key);
        let (chain, private) = match key_pair_and_ca(secret.as_deref(), &key) {
            Ok(pair) => pair,
            Err(error) => {
                let (line, event, text) = match &error {
                    SecretError::NotFound(_) => (
                        &msg::CA_SECRET_MISSING,
                        "SecretMissing",
                        format!("Referenced secret {key} not found"),
                    ),
                    SecretError::Invalid(_) => {
                        let text = format!("Failed to parse signing CA keypair from secret {key}");
                        (&msg::CA_SECRET_INVALID, "SecretInvalidData", text)
                    }
                };
                log_error(log, line, &error, &text);
                return Report::pending(event, format!("{text}: {error}")).into();
            }
        };
        let rules = &self.context.compat.other_issuers;
        let mut template = match Template::of_request(&request.spec, rules.csr_usages_compared) {
            Ok(template) => template,
            Err(error) => {
                let text = "Error generating certificate template";
                log_error(log, &msg::CA_TEMPLATE_FAILED, &error, text);
                return Report::failed("SigningError", format!("{text}: {error}")).into();
            }
        };
        template.crl_distribution_points.clone_from(&ca.crl_distribution_points);
        template.ocsp_servers.clone_from(&ca.ocsp_servers);
        if rules.issuing_urls {
            template.issuing_certificate_urls.clone_from(&ca.issuing_certificate_urls);
        }
        self.context.world.work(place("certificaterequests-issuer-ca/sign")).await;
        let now = self.context.world.now();
        let authority = chain.first().map(|first| Authority::of_certificate(first)).transpose();
        let signed = authority.and_then(|authority| {
            let authority = authority.ok_or_else(|| {
                crate::pki::PkiError("no CA certificates given to sign CSR template".to_owned())
            })?;
            let mut all = chain;
            all.push(template.signed(self.serials.bytes(), now, &authority, &private));
            bundle(all)
        });
        match signed {
            Ok(bundle) => Report::issued(Issued { certificate: bundle.chain, ca: bundle.ca }).into(),
            Err(error) => {
                let text = "Error signing certificate";
                log_error(log, &msg::CA_SIGNING_FAILED, &error, text);
                let report = Report::failed("SigningError", format!("{text}: {error}"));
                Signed::from(report).and_retried(crate::controller::SyncError::other(error))
            }
        }
    }
}
