//! How 0.5 gets the right to a certificate: one order at a time, its URL in the status, names one after the other.

use std::sync::Arc;
use std::time::Duration;

use world::Timestamp;

use super::{Legacy, aggregate, dns_names, log, status};
use crate::acme::{AcmeClient, AcmeError, Authorization, Identifier, NewOrder, Order, identifier_type};
use crate::api::{
    Certificate, ConditionStatus, LegacyAcmeConfig, LegacyChallenge, LegacyHttp01, Resource as _, State, Time,
};
use crate::compat::OneController;
use crate::controller::{SyncError, SyncResult};

/// What to do about the order of the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It goes on.
    Continue,
    /// It is no use: a new one.
    New,
    /// It failed a short time ago: a new one later.
    Wait(Duration),
}

/// Whether the order is of use for `names`; if it failed, `period` after that another one is made.
pub(super) fn attempt(
    order: &Order,
    for_names: &[String],
    names: &[String],
    failed_at: Option<Timestamp>,
    now: Timestamp,
    period: Duration,
) -> Result<Attempt, String> {
    if for_names != names {
        return Ok(Attempt::New);
    }
    match order.status {
        State::Pending | State::Processing | State::Valid | State::Ready => Ok(Attempt::Continue),
        State::Expired | State::Unknown => Ok(Attempt::New),
        State::Invalid => {
            let again = failed_at.unwrap_or(now) + period;
            Ok(if again > now { Attempt::Wait(again.since(now)) } else { Attempt::New })
        }
        other => Err(format!("unrecognised existing acme order status: {:?}", other.as_str())),
    }
}

/// The configuration of a name.
pub(super) fn solver_of(config: &LegacyAcmeConfig, domain: &str) -> Result<LegacyHttp01, String> {
    let named = config.config.iter().find(|c| c.domains.iter().any(|d| d == domain));
    let Some(named) = named else {
        return Err(format!(
            "solver configuration for domain {domain:?} not found. Ensure you have configured a challenge \
             mechanism using the certificate.spec.acme.config field"
        ));
    };
    named.http01.clone().ok_or_else(|| {
        format!(
            "ACME server does not allow selected challenge type or no provider is configured for domain {domain:?}"
        )
    })
}

/// The challenge of an authorization, with what it takes to solve it.
pub(super) fn challenge_of(
    client: &AcmeClient,
    config: &LegacyAcmeConfig,
    url: &str,
    authorization: &Authorization,
) -> Result<LegacyChallenge, String> {
    let value = &authorization.identifier.value;
    let domain = if authorization.wildcard { format!("*.{value}") } else { value.clone() };
    let http01 = solver_of(config, &domain)?;
    let offered = authorization.challenges.iter().find(|c| c.type_ == "http-01");
    let offered = offered.ok_or_else(|| {
        format!(
            "ACME server does not allow selected challenge type or no provider is configured for domain {value:?}"
        )
    })?;
    Ok(LegacyChallenge {
        url: offered.url.clone(),
        authorization_url: url.to_owned(),
        type_: offered.type_.clone(),
        domain: value.clone(),
        token: offered.token.clone(),
        key: client.key_authorization(&offered.token),
        http01,
    })
}

pub(super) fn identifiers(names: &[String]) -> Vec<Identifier> {
    let one = |name: &String| Identifier { type_: identifier_type(name).to_owned(), value: name.clone() };
    names.iter().map(one).collect()
}

impl Legacy {
    /// Proves every name, or fails and is called again after the queue's back-off.
    pub(super) async fn prepare_order(self: &Arc<Self>, certificate: &mut Certificate) -> SyncResult {
        debug_assert!(self.which == OneController::V0_5);
        let Some(config) = certificate.spec.acme.clone() else {
            self.not_ready(certificate, "InvalidConfig", "spec.acme must be specified".to_owned(), false);
            let key = certificate.key();
            return Err(SyncError::Other(format!("spec.acme not specified on certificate {key}")));
        };
        let client = match self.client(certificate) {
            Ok(client) => client,
            Err(error) => {
                let text = format!("Failed to get ACME client: {error}");
                self.not_ready(certificate, "ValidateError", text, false);
                return Err(error);
            }
        };
        let (wait, order) = match self.existing_order(certificate, &client).await {
            Ok(found) => found,
            Err(error) => {
                let text = format!("Failed to determine order status: {error}");
                self.not_ready(certificate, "ValidateError", text, false);
                return Err(error);
            }
        };
        if order.is_none() {
            self.clean_up_last_order(certificate).await?;
        }
        if !wait.is_zero() {
            let shown = crate::api::GoDuration::from(wait);
            let text = format!("Backing off {shown} until attempting re-validation");
            self.not_ready(certificate, "Backoff", text, false);
            let at = (self.context.world.now() + wait).rfc3339_secs();
            return Err(SyncError::Other(format!("not attempting acme validation until {at}")));
        }
        let order = match order {
            Some(order) => order,
            None => self.create_order(certificate, &client).await?,
        };
        self.present_order(certificate, &client, &config, &order).await
    }

    /// How long to wait before a new order, and the order that goes on.
    async fn existing_order(
        &self,
        certificate: &mut Certificate,
        client: &AcmeClient,
    ) -> Result<(Duration, Option<Order>), SyncError> {
        let names = dns_names(certificate);
        let legacy = status(certificate).clone();
        if legacy.order_url.is_empty() {
            return Ok((Duration::ZERO, None));
        }
        let order = match client.get_order(&legacy.order_url).await {
            Ok(order) => order,
            // The account is another one by now, or the order is very old.
            Err(AcmeError::Problem(problem)) if (400..500).contains(&problem.status) => {
                return Ok((Duration::ZERO, None));
            }
            Err(error) => return Err(SyncError::other(error)),
        };
        let now = self.context.world.now();
        if order.status == State::Invalid && legacy.failed_at.is_none() {
            let extra = order.error.as_ref().map(|e| format!(": {e}")).unwrap_or_default();
            let text = format!("Order status is invalid{extra}");
            status(certificate).failed_at = Some(Time::new(now));
            self.condition(certificate, "ValidationFailed", ConditionStatus::True, "OrderFailed", text, true);
        }
        let failed_at = status(certificate).failed_at.map(|t| t.timestamp());
        let period = self.context.compat.failed_issuance.base;
        match attempt(&order, &legacy.order_names, &names, failed_at, now, period) {
            Ok(Attempt::Continue) => Ok((Duration::ZERO, Some(order))),
            Ok(Attempt::New) => Ok((Duration::ZERO, None)),
            Ok(Attempt::Wait(rest)) => Ok((rest, None)),
            Err(why) => Err(SyncError::Other(why)),
        }
    }

    /// The URL of an order that failed stays while it is waited for, so that the next sync knows.
    async fn clean_up_last_order(&self, certificate: &mut Certificate) -> SyncResult {
        let key = certificate.key();
        self.log.say(log::LAST_ORDER_CLEANED, format!("Cleaning up previous order for certificate {key}"));
        self.clean_up_but(certificate, &[]).await?;
        status(certificate).challenges.clear();
        Ok(())
    }

    /// Takes down the challenges of the status that are not among `keep`.
    async fn clean_up_but(&self, certificate: &mut Certificate, keep: &[LegacyChallenge]) -> SyncResult {
        let key = certificate.key();
        let text = format!("Cleaning up old/expired challenges for Certificate {key}");
        self.log.say(log::CHALLENGES_CLEANED, text);
        for challenge in status(certificate).challenges.clone().iter().filter(|c| !keep.contains(c)) {
            self.clean_up_one(certificate, challenge).await?;
        }
        Ok(())
    }

    async fn clean_up_one(&self, certificate: &Certificate, challenge: &LegacyChallenge) -> SyncResult {
        let (domain, key) = (&challenge.domain, certificate.key());
        let text = format!("Cleaning up challenge for domain {domain:?} as part of Certificate {key}");
        self.log.say(log::CHALLENGE_CLEANED, text);
        self.clean_up(certificate, challenge).await
    }

    async fn create_order(
        &self,
        certificate: &mut Certificate,
        client: &AcmeClient,
    ) -> Result<Order, SyncError> {
        let names = dns_names(certificate);
        match client.new_order(&NewOrder { identifiers: identifiers(&names), ..NewOrder::default() }).await {
            Ok(order) => {
                let legacy = status(certificate);
                legacy.order_url.clone_from(&order.url);
                legacy.order_names = names;
                legacy.failed_at = None;
                let text = "Created new ACME order, attempting validation...";
                self.context.recorder.normal(certificate, "CreateOrder", text);
                Ok(order)
            }
            Err(error) => {
                let text = format!("Failed to create new order: {error}");
                self.not_ready(certificate, "ValidateError", text, false);
                Err(SyncError::other(error))
            }
        }
    }

    async fn present_order(
        &self,
        certificate: &mut Certificate,
        client: &AcmeClient,
        config: &LegacyAcmeConfig,
        order: &Order,
    ) -> SyncResult {
        let remaining = match self.remaining(client, order).await {
            Ok(remaining) => remaining,
            Err(error) => {
                let text = format!("Failed to determine authorizations to obtain: {error}");
                self.not_ready(certificate, "ValidateError", text, false);
                return Err(error);
            }
        };
        let (mut challenges, mut errors) = (Vec::new(), Vec::new());
        for (url, authorization) in &remaining {
            match challenge_of(client, config, url, authorization) {
                Ok(challenge) => challenges.push(challenge),
                Err(why) => errors.push(SyncError::Other(why)),
            }
        }
        self.clean_up_but(certificate, &challenges).await?;
        if let Err(error) = aggregate(errors) {
            self.not_ready(certificate, "InvalidConfig", error.to_string(), false);
            return Err(error);
        }
        let (mut left, mut errors) = (Vec::new(), Vec::new());
        let mut presented: Vec<String> = Vec::new();
        for challenge in challenges {
            let domain = challenge.domain.clone();
            let done = if presented.contains(&domain) {
                // Two records of one name would get into each other's way.
                let text = format!("another authorization for domain {domain:?} is in progress");
                Err(SyncError::Other(text))
            } else {
                presented.push(domain);
                self.process_challenge(certificate, client, &challenge).await
            };
            if let Err(error) = done {
                left.push(challenge);
                errors.push(error);
            }
        }
        status(certificate).challenges = left;
        if let Err(error) = aggregate(errors) {
            // Forced, so that a user sees that the check goes on.
            self.not_ready(certificate, "ValidateError", error.to_string(), true);
            return Err(error);
        }
        let (type_, reason) = ("ValidationFailed", "OrderValidated");
        self.condition(certificate, type_, ConditionStatus::False, reason, "Order validated", true);
        Ok(())
    }

    /// The authorizations that are still to be obtained.
    pub(super) async fn remaining(
        &self,
        client: &AcmeClient,
        order: &Order,
    ) -> Result<Vec<(String, Authorization)>, SyncError> {
        let mut remaining = Vec::new();
        for url in &order.authorizations {
            let authorization = client.get_authorization(url).await.map_err(SyncError::other)?;
            match authorization.status {
                State::Pending => remaining.push((url.clone(), authorization)),
                State::Invalid => {
                    let domain = &authorization.identifier.value;
                    let text = format!("authorization for domain {domain:?} is in a failed state");
                    return Err(SyncError::Other(text));
                }
                _ => {}
            }
        }
        Ok(remaining)
    }

    /// Checks; if the check passes, has the CA look and takes it down, else presents it and fails for now.
    async fn process_challenge(
        &self,
        certificate: &Certificate,
        client: &AcmeClient,
        challenge: &LegacyChallenge,
    ) -> SyncResult {
        let (domain, type_) = (&challenge.domain, &challenge.type_);
        if !self.check(challenge).await {
            self.present(certificate, challenge).await?;
            return Err(SyncError::Other(format!("{type_} self check failed for domain {domain:?}")));
        }
        self.log.say(log::ACCEPTING, format!("Accepting challenge for domain {domain:?}"));
        client.accept(&challenge.url).await.map_err(SyncError::other)?;
        let text = format!("Waiting for authorization for domain {domain:?}");
        self.log.say(log::WAITING_FOR_AUTHORIZATION, text);
        client.wait_authorization(&challenge.authorization_url, None).await.map_err(SyncError::other)?;
        self.log.say(log::AUTHORIZED, format!("Successfully authorized domain {domain:?}"));
        let text = format!("Domain {domain:?} verified with {type_:?} validation");
        self.context.recorder.normal(certificate, "DomainVerified", &text);
        self.clean_up_one(certificate, challenge).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LegacyDomainConfig;

    fn order(status: State) -> Order {
        Order {
            url: String::new(),
            status,
            authorizations: Vec::new(),
            finalize: String::new(),
            certificate: String::new(),
            error: None,
        }
    }

    #[test]
    fn a_failed_order_is_followed_by_another_five_minutes_later() {
        let at = Timestamp::from_unix_secs;
        let names = ["a".to_owned()];
        let period = Duration::from_secs(300);
        let of =
            |status, now| attempt(&order(status), &names, &names, Some(at(1000)), at(now), period).unwrap();
        assert_eq!(of(State::Pending, 1000), Attempt::Continue);
        assert_eq!(of(State::Valid, 1000), Attempt::Continue);
        assert_eq!(of(State::Invalid, 1100), Attempt::Wait(Duration::from_secs(200)));
        assert_eq!(of(State::Invalid, 1300), Attempt::New);
        let other = ["b".to_owned()];
        let changed = attempt(&order(State::Pending), &names, &other, None, at(0), period);
        assert_eq!(changed, Ok(Attempt::New));
    }

    #[test]
    fn a_name_without_configuration_is_told() {
        let one = LegacyDomainConfig {
            domains: vec!["a.test".into()],
            http01: Some(LegacyHttp01::default()),
            dns01: None,
        };
        let config = LegacyAcmeConfig { config: vec![one] };
        assert!(solver_of(&config, "a.test").is_ok());
        let error = solver_of(&config, "b.test").unwrap_err();
        assert!(error.starts_with("solver configuration for domain \"b.test\" not found."), "{error}");
    }
}
