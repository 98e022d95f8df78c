//! How 0.2 gets the right to a certificate: all names at the same time, each in a task that waits for its self-check.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::http01::Made;
use super::order::{challenge_of, identifiers};
use super::{Legacy, aggregate, dns_names, log, status};
use crate::acme::{AcmeClient, AcmeError, NewOrder, Order};
use crate::api::{Certificate, LegacyAuthorization, LegacyChallenge, State};
use crate::controller::{SyncError, SyncResult};

/// After a failed self-check.
pub(super) const CHECK_AGAIN: Duration = Duration::from_secs(5);

/// What became of one name.
type Outcome = (LegacyChallenge, SyncResult);

impl Legacy {
    /// Obtains the authorizations that are missing.
    pub(super) async fn prepare_authorizations(
        self: &Arc<Self>,
        certificate: &mut Certificate,
        account: &str,
    ) -> SyncResult {
        let Some(config) = certificate.spec.acme.clone() else {
            let text = "certificate.spec.acme must be specified";
            self.not_ready(certificate, "ErrInvalidConfig", text.to_owned(), false);
            return Err(SyncError::other(text));
        };
        let client = match self.client(certificate) {
            Ok(client) => client,
            Err(error) => {
                let text = format!("Error getting ACME account: {error}");
                self.not_ready(certificate, "ErrGetACMEAccount", text.clone(), false);
                return Err(SyncError::Other(text));
            }
        };
        let missing = self.missing(certificate, &client, account).await;
        let missing = self.checked(certificate, missing)?;
        if missing.is_empty() {
            return Ok(());
        }
        let order = self.order(certificate, &client).await;
        let order = self.checked(certificate, order)?;
        let remaining = self.remaining(&client, &order).await;
        let remaining = self.checked(certificate, remaining)?;

        let (mut errors, mut challenges) = (Vec::new(), Vec::new());
        for (url, authorization) in remaining {
            match challenge_of(&client, &config, &url, &authorization) {
                Ok(challenge) => challenges.push(challenge),
                Err(why) => {
                    let domain = &authorization.identifier.value;
                    errors.push(SyncError::Other(format!(
                        "error picking challenge type to use for domain '{domain}': {why}"
                    )));
                }
            }
        }
        for (challenge, result) in self.authorize_all(certificate, &client, challenges).await {
            match result {
                Ok(()) => {
                    let saved = LegacyAuthorization {
                        domain: challenge.domain,
                        uri: challenge.authorization_url,
                        account: account.to_owned(),
                    };
                    let authorizations = &mut status(certificate).authorizations;
                    authorizations.retain(|a| a.domain != saved.domain);
                    authorizations.push(saved);
                }
                Err(error) => errors.push(error),
            }
        }
        let result = aggregate(errors);
        self.checked(certificate, result)
    }

    /// An error of the preparation goes into the condition.
    fn checked<T>(
        &self,
        certificate: &mut Certificate,
        result: Result<T, SyncError>,
    ) -> Result<T, SyncError> {
        if let Err(error) = &result {
            let text = format!("Error checking ACME domain validation: {error}");
            self.not_ready(certificate, "ErrCheckAuthorization", text, false);
        }
        result
    }

    /// The names whose saved authorization is of another account, gone, or not valid.
    async fn missing(
        &self,
        certificate: &mut Certificate,
        client: &AcmeClient,
        account: &str,
    ) -> Result<Vec<String>, SyncError> {
        let mut missing = Vec::new();
        for name in dns_names(certificate) {
            let saved = status(certificate).authorizations.iter().find(|a| a.domain == name).cloned();
            let saved = saved.unwrap_or_default();
            self.log.say(log::COMPARE, format!("Compare {:?} with {account:?}", saved.account));
            let valid = saved.account == account
                && !saved.uri.is_empty()
                && match client.get_authorization(&saved.uri).await {
                    Ok(authorization) => authorization.status == State::Valid,
                    Err(AcmeError::Problem(problem)) if problem.status == 404 => false,
                    Err(error) => {
                        let text = format!("error checking authorization status for {name}: {error}");
                        return Err(SyncError::Other(text));
                    }
                };
            if !valid {
                missing.push(name);
            }
        }
        Ok(missing)
    }

    /// The order of the status while it can be used, else a new one.
    pub(super) async fn order(
        &self,
        certificate: &mut Certificate,
        client: &AcmeClient,
    ) -> Result<Order, SyncError> {
        let names = dns_names(certificate);
        let legacy = status(certificate);
        if !legacy.order_url.is_empty()
            && legacy.order_names == names
            && let Ok(order) = client.get_order(&legacy.order_url).await
            && matches!(order.status, State::Pending | State::Ready)
        {
            return Ok(order);
        }
        let order = client
            .new_order(&NewOrder { identifiers: identifiers(&names), ..NewOrder::default() })
            .await
            .map_err(|error| {
                SyncError::Other(format!("error getting authorization for domains: [{error}]"))
            })?;
        let legacy = status(certificate);
        legacy.order_url.clone_from(&order.url);
        legacy.order_names = names;
        Ok(order)
    }

    /// A task for each name; what they make they make one after the other.
    async fn authorize_all(
        self: &Arc<Self>,
        certificate: &Certificate,
        client: &AcmeClient,
        challenges: Vec<LegacyChallenge>,
    ) -> Vec<Outcome> {
        let (sender, mut outcomes) = mpsc::unbounded_channel::<Outcome>();
        let presenting = Arc::new(Mutex::new(()));
        for challenge in challenges {
            let (legacy, client, sender) = (Arc::clone(self), client.clone(), sender.clone());
            let (certificate, presenting) = (certificate.clone(), Arc::clone(&presenting));
            let name = format!("authorize {}", challenge.domain);
            self.context.world.spawn(&name, async move {
                let result = legacy.authorize(&certificate, &client, &challenge, &presenting).await;
                // The receiver waits for all.
                let _ = sender.send((challenge, result));
            });
        }
        drop(sender);
        let mut all = Vec::new();
        while let Some(outcome) = outcomes.recv().await {
            all.push(outcome);
        }
        all
    }

    async fn authorize(
        &self,
        certificate: &Certificate,
        client: &AcmeClient,
        challenge: &LegacyChallenge,
        presenting: &Mutex<()>,
    ) -> SyncResult {
        let mut made = Made::default();
        let result = self.prove(certificate, client, challenge, presenting, &mut made).await;
        if let Err(error) = self.clean_up_made(certificate, challenge, &made).await {
            self.log.say(log::CLEAN_UP_FAILED, format!("Error cleaning up solver: {error}"));
        }
        result
    }

    async fn prove(
        &self,
        certificate: &Certificate,
        client: &AcmeClient,
        challenge: &LegacyChallenge,
        presenting: &Mutex<()>,
        made: &mut Made,
    ) -> SyncResult {
        let (domain, type_, recorder) = (&challenge.domain, &challenge.type_, &self.context.recorder);
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            SyncError::Other(format!("error {what} for domain {domain:?}: {error}"))
        };
        let text = format!("Presenting {type_} challenge for domain {domain}");
        recorder.normal(certificate, "PresentChallenge", &text);
        {
            let _turn = presenting.lock().await;
            let presented = self.present_anew(certificate, challenge, made).await;
            presented.map_err(|e| failed("presenting acme authorization", &e))?;
        }
        recorder.normal(certificate, "SelfCheck", &format!("Performing self-check for domain {domain}"));
        let reachable = self.wait_until_reachable(challenge).await;
        reachable.map_err(|e| failed("waiting for key to be available", &e))?;
        let accepted = client.accept(&challenge.url).await;
        accepted.map_err(|e| failed("accepting acme challenge", &e))?;
        let text = format!("waiting for authorization for domain {domain} ({})...", challenge.url);
        self.log.say(log::WAITING, text);
        let authorized = client.wait_authorization(&challenge.authorization_url, None).await;
        authorized.map_err(|e| failed("waiting for authorization", &e))?;
        let text = format!("Obtained authorization for domain {domain}");
        recorder.normal(certificate, "ObtainAuthorization", &text);
        Ok(())
    }
}
