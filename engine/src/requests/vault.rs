//! certificaterequests-issuer-vault: has a Vault server sign.

use super::sync::{self, Issued, Report, Signed, Signer, log_error};
use crate::api::{CertificateRequest, defaults};
use crate::controller::{Context, SyncError};
use crate::issuers::vault::{VaultClient, VaultError};
use crate::issuers::{FoundIssuer, IssuerOptions, IssuerType};
use crate::log::{Logger, catalogue as msg};

struct VaultSigner {
    context: Context,
    options: IssuerOptions,
}

pub(super) fn start(context: &Context, options: &IssuerOptions) {
    sync::start(context, |context, _| VaultSigner { options: options.clone(), context: context.clone() });
}

impl VaultSigner {
    fn not_logged_in(&self, log: &Logger, error: &VaultError) -> Signed {
        if let VaultError::NotFound(_) = error {
            let text = "Required secret resource not found";
            log_error(log, &msg::VAULT_SECRET_MISSING, error, text);
            return Report::pending("SecretMissing", format!("{text}: {error}")).into();
        }
        let text = "Failed to initialise vault client for signing";
        log_error(log, &msg::VAULT_INIT_FAILED, error, text);
        let signed = Signed::from(Report::pending("VaultInitError", format!("{text}: {error}")));
        let hopeless = matches!(error, VaultError::Invalid(_));
        if hopeless || !self.context.compat.other_issuers.vault.retries_login {
            return signed;
        }
        signed.and_retried(SyncError::other(error))
    }
}

impl Signer for VaultSigner {
    const CONTROLLER: &'static str = "certificaterequests-issuer-vault";
    const TYPE: IssuerType = IssuerType::Vault;

    async fn sign(&self, log: &Logger, request: &CertificateRequest, issuer: &FoundIssuer) -> Signed {
        let Some(vault) = &issuer.spec.vault else { return Signed::NOTHING };
        let log = issuer.relate(log);
        let client = match VaultClient::log_in(&self.context, &self.options, issuer, vault).await {
            Ok(client) => client,
            Err(error) => return self.not_logged_in(&log, &error),
        };
        let duration = request.spec.duration.map_or(defaults::CERTIFICATE_DURATION, |d| d.0);
        match client.sign(request.spec.request.as_slice(), duration).await {
            Ok(bundle) => Report::issued(Issued { certificate: bundle.chain, ca: bundle.ca }).into(),
            Err(error) => {
                let text = "Vault failed to sign certificate";
                log_error(&log, &msg::VAULT_SIGNING_FAILED, &error, text);
                Report::failed("SigningError", format!("{text}: {error}")).into()
            }
        }
    }
}
