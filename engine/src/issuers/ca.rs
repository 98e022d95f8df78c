//! CA issuers: whether the Secret has a key pair that may sign.

use super::{AnyIssuer, Setup};
use crate::api::{CaIssuer, ConditionStatus, ObjectKey, Secret};
use crate::conditions;
use crate::controller::Context;
use crate::informer::Lister;
use crate::log::{Logger, Message, catalogue as msg};
use crate::signing::{Authority, SecretError, certificate_of, key_of};

/// What is wrong with the Secret of a CA issuer.
#[derive(Debug, PartialEq)]
enum Flaw {
    /// No certificate: the line for it, and why.
    Certificate(SecretError),
    /// No key.
    Key(SecretError),
    /// The certificate says that it is not one of a CA.
    NotCa,
}

fn examine(secret: Option<&Secret>, key: &ObjectKey) -> Result<(), Flaw> {
    let certificate = certificate_of(secret, key).map_err(Flaw::Certificate)?;
    key_of(secret, key).map_err(Flaw::Key)?;
    match Authority::of_certificate(&certificate) {
        Ok(authority) if authority.is_ca => Ok(()),
        Ok(_) => Err(Flaw::NotCa),
        Err(error) => Err(Flaw::Certificate(SecretError::Invalid(error.to_string()))),
    }
}

pub(super) fn set_up<R: AnyIssuer>(
    context: &Context,
    secrets: &Lister<Secret>,
    log: &Logger,
    issuer: &R,
    ca: &CaIssuer,
    namespace: &str,
) -> Setup {
    let key = ObjectKey::new(namespace, ca.secret_name.as_str());
    let secret = secrets.get(&key);
    let log = log.with_name("setup");
    let unusable = |line: &Message, error: SecretError| {
        log.error(line, Some(&error.to_string()), &[]);
        let text = format!("Error getting keypair for CA issuer: {error}");
        context.recorder.warning(issuer, "ErrGetKeyPair", &text);
        Setup::not_ready("ErrGetKeyPair", text).retried(error)
    };
    match examine(secret.as_deref(), &key) {
        Err(Flaw::Certificate(error)) => unusable(&msg::CA_CERTIFICATE_UNUSABLE, error),
        Err(Flaw::Key(error)) => unusable(&msg::CA_KEY_UNUSABLE, error),
        Err(Flaw::NotCa) => {
            log.error(&msg::CA_IS_NO_CA, None, &[]);
            let text = "Error getting keypair for CA issuer: certificate is not a CA";
            context.recorder.warning(issuer, "ErrInvalidKeyPair", text);
            // Only another Secret can change that, and its event comes back here.
            Setup::not_ready("ErrInvalidKeyPair", text)
        }
        Ok(()) => {
            let (reason, text) = ("KeyPairVerified", "Signing CA verified");
            context.recorder.normal(issuer, reason, text);
            let condition = conditions::new("Ready", ConditionStatus::True, reason, text);
            Setup { condition, account: None, retry: None }
        }
    }
}
