//! The orders controller's sync: does what [`super::decide`] decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use world::Timestamp;

use super::decide::{ChallengeStep, Comparison, Step, challenge_step, compare, needs_comparison, step};
use super::required::required;
use crate::acme::{self, AcmeClient, AcmeClients, AcmeError, Identifier, NewOrder, identifier_type};
use crate::api::{
    AcmeAuthorization, AcmeChallenge, AcmeIssuer, Challenge, Kind, ObjectKey, Order, OrderStatus,
    Resource as _, State, Time,
};
use crate::controller::{Context, Reconcile, SyncError, SyncResult, not_in_cache};
use crate::informer::Lister;
use crate::issuers::IssuerListers;
use crate::log::{Logger, Message, catalogue as msg};
use crate::queue::{ScheduledQueue, WorkQueue};
use crate::store::ApiError;
use crate::work::place;

pub(super) struct Orders {
    pub(super) context: Context,
    clients: AcmeClients,
    scheduled: ScheduledQueue,
    orders: Lister<Order>,
    challenges: Lister<Challenge>,
    issuers: IssuerListers,
}

impl Orders {
    pub(super) fn new(context: &Context, clients: &AcmeClients, queue: &WorkQueue) -> Self {
        Orders {
            clients: clients.clone(),
            // A later sync begins the wait anew, as the release's own timers do.
            scheduled: ScheduledQueue::new(&context.world, super::NAME, queue),
            orders: context.informers.lister(),
            challenges: context.informers.lister(),
            issuers: IssuerListers::new(&context.informers),
            context: context.clone(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.context.world.now()
    }

    pub(super) fn issuer(&self, order: &Order) -> Option<AcmeIssuer> {
        self.issuers.get(&order.spec.issuer_ref, &order.metadata.namespace)?.0.acme
    }

    async fn process(&self, log: &Logger, order: &Order, status: &mut OrderStatus) -> SyncResult {
        let owned = self.challenges.owned_by(&order.metadata.namespace, &order.metadata.uid);
        let next = step(order, &owned);
        if next == Step::Nothing {
            return Ok(());
        }
        let client = self.clients.get(&order.spec.issuer_ref, &order.metadata.namespace)?;
        match next {
            Step::Nothing => Ok(()),
            Step::CreateOrder => Box::pin(self.create(log, &client, order, status)).await,
            Step::FetchOrder => {
                self.fetch(log, &msg::ORDER_FETCH_BAD_REQUEST, &client, order, status).await?;
                Ok(())
            }
            Step::FetchAuthorizations => Box::pin(self.fetch_authorizations(log, &client, status)).await,
            Step::FetchCertificate => {
                let fetched = self.fetch(log, &msg::ORDER_FETCH_BAD_REQUEST, &client, order, status).await?;
                match fetched.filter(|at_ca| at_ca.status == State::Valid) {
                    Some(at_ca) => Box::pin(self.download(log, &client, order, &at_ca, status)).await,
                    None => Ok(()),
                }
            }
            Step::DeleteChallenges(keys) => self.delete(&keys).await,
            Step::Challenges => Box::pin(self.challenges(log, &client, order, &owned, status)).await,
        }
    }

    /// The CA's refusal ends the Order.
    pub(super) fn end(
        &self,
        log: &Logger,
        message: &Message,
        what: &str,
        status: &mut OrderStatus,
        error: &AcmeError,
    ) {
        log.error(message, Some(&error.to_string()), &[]);
        status.state = State::Errored;
        status.reason = format!("{what}: {error}");
        status.failure_time = Some(Time::new(self.now()));
    }

    /// Takes over the order as the CA has it; `None` when the CA's refusal has ended the Order.
    async fn fetch(
        &self,
        log: &Logger,
        message: &Message,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> Result<Option<acme::Order>, SyncError> {
        let fetched = self.ask(log, message, client, order, status).await?;
        if let Some(at_ca) = &fetched {
            copy_order(status, at_ca, self.now());
        }
        Ok(fetched)
    }

    /// The order as the CA has it; a refusal (4xx) ends the Order, any other error is for the requeue.
    async fn ask(
        &self,
        log: &Logger,
        message: &Message,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> Result<Option<acme::Order>, SyncError> {
        match client.get_order(&order.status.url).await {
            Ok(at_ca) => Ok(Some(at_ca)),
            Err(error) if error.is_bad_request() => {
                self.end(log, message, "Failed to retrieve Order resource", status, &error);
                Ok(None)
            }
            Err(error) => Err(SyncError::other(error)),
        }
    }

    /// Orders at the CA. A CA that does not want to hear of the certificate that is replaced is asked again, at once
    /// and without it.
    async fn create(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> SyncResult {
        let compat = &self.context.compat;
        let end = order.spec.duration.map(|d| (self.now() + std::time::Duration::from(d)).rfc3339_secs());
        let mut wanted = NewOrder {
            identifiers: identifiers(order, compat.common_name_by_type),
            not_after: end.unwrap_or_default(),
            profile: if compat.features.profiles { order.spec.profile.clone() } else { String::new() },
            replaces: if compat.features.ari { order.spec.replaces.clone() } else { String::new() },
        };
        let mut created = client.new_order(&wanted).await;
        if let Err(error) = &created
            && !wanted.replaces.is_empty()
            && error.refuses_replaces()
        {
            log.info(&msg::ORDER_REPLACES_REJECTED, &[("error", error.to_string().into())]);
            wanted.replaces.clear();
            created = client.new_order(&wanted).await;
        }
        match created {
            Ok(at_ca) => {
                status.url.clone_from(&at_ca.url);
                copy_order(status, &at_ca, self.now());
                Ok(())
            }
            Err(error) if error.refuses_order() => {
                self.end(log, &msg::ORDER_CREATE_BAD_REQUEST, "Failed to create Order", status, &error);
                Ok(())
            }
            Err(error) => Err(SyncError::Other(format!("error creating new order: {error}"))),
        }
    }

    /// Reads the authorizations that are not known yet; what was read stays, also when a later one is an error.
    async fn fetch_authorizations(
        &self,
        log: &Logger,
        client: &AcmeClient,
        status: &mut OrderStatus,
    ) -> SyncResult {
        for i in 0..status.authorizations.len() {
            if !status.authorizations[i].identifier.is_empty() {
                continue;
            }
            let at_ca = match client.get_authorization(&status.authorizations[i].url).await {
                Ok(at_ca) => at_ca,
                Err(error) if error.is_bad_request() => {
                    let text = "Failed to fetch authorization";
                    self.end(log, &msg::ORDER_AUTHORIZATION_BAD_REQUEST, text, status, &error);
                    return Ok(());
                }
                Err(error) => return Err(SyncError::other(error)),
            };
            let known = &mut status.authorizations[i];
            known.identifier = at_ca.identifier.value;
            known.wildcard = Some(at_ca.wildcard);
            known.initial_state = at_ca.status;
            let challenges = at_ca.challenges.into_iter();
            known.challenges =
                challenges.map(|c| AcmeChallenge { url: c.url, token: c.token, type_: c.type_ }).collect();
        }
        Ok(())
    }

    async fn challenges(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        owned: &[Arc<Challenge>],
        status: &mut OrderStatus,
    ) -> SyncResult {
        let solvers = self.issuer(order).map(|i| i.solvers).unwrap_or_default();
        let compat = &self.context.compat;
        let required = match required(order, &solvers, compat, |token| client.key_authorization(token)) {
            Ok(required) => required,
            Err(error) => {
                log.error(&msg::ORDER_NO_SOLVER, Some(&error.to_string()), &[]);
                let text = format!(
                    "Failed to determine a valid solver configuration for the set of domains on the Order: {error}"
                );
                self.context.recorder.warning(order, "Solver", &text);
                return Ok(());
            }
        };
        match challenge_step(order, owned, &required) {
            ChallengeStep::Create => self.create_challenges(order, required).await,
            ChallengeStep::Delete(keys) => self.delete(&keys).await,
            ChallengeStep::Finalize => Box::pin(self.finalize(log, client, order, status)).await,
            ChallengeStep::Compare if !needs_comparison(owned, compat.order_polls) => Ok(()),
            ChallengeStep::Compare => {
                let asked = self.ask(log, &msg::ORDER_GET_BAD_REQUEST, client, order, status).await?;
                let Some(at_ca) = asked else { return Ok(()) };
                match compare(owned, at_ca.status) {
                    Comparison::CopyState => copy_order(status, &at_ca, self.now()),
                    Comparison::WaitForCa => {
                        log.info(&msg::ORDER_WAITS_FOR_CA, &[]);
                        status.state = State::Pending;
                        self.scheduled.add(order.key(), compat.order_recheck);
                    }
                    Comparison::Nothing => {}
                }
                Ok(())
            }
        }
    }

    async fn create_challenges(&self, order: &Order, required: Vec<Challenge>) -> SyncResult {
        for challenge in required {
            let (name, domain) = (challenge.metadata.name.clone(), challenge.spec.dns_name.clone());
            match self.context.client.create(challenge).await {
                Ok(_) => {
                    let text = format!("Created Challenge resource {name:?} for domain {domain:?}");
                    self.context.recorder.normal(order, "Created", &text);
                }
                Err(ApiError::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn delete(&self, keys: &[ObjectKey]) -> SyncResult {
        for key in keys {
            self.context.client.delete::<Challenge>(key).await?;
        }
        Ok(())
    }
}

/// The sorted set of DNS names, then that of addresses. The common name is among the names, or, `by_type`, where it
/// belongs, if anywhere.
fn identifiers(order: &Order, by_type: bool) -> Vec<Identifier> {
    let mut names: BTreeSet<&str> = order.spec.dns_names.iter().map(String::as_str).collect();
    let mut ips: BTreeSet<&str> = order.spec.ip_addresses.iter().map(String::as_str).collect();
    let cn = order.spec.common_name.as_str();
    match (cn, by_type) {
        ("", _) => {}
        (cn, true) if identifier_type(cn) == "ip" => drop(ips.insert(cn)),
        (cn, true) if !is_qualified_name(cn) => {}
        (cn, _) => drop(names.insert(cn)),
    }
    let of = |type_: &str, value: &str| Identifier { type_: type_.to_owned(), value: value.to_owned() };
    names.into_iter().map(|n| of("dns", n)).chain(ips.into_iter().map(|ip| of("ip", ip))).collect()
}

/// Whether a text is a fully qualified DNS name as Kubernetes has it: two labels at least, of lower-case letters,
/// digits and inner hyphens.
fn is_qualified_name(text: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let ends = [bytes.first(), bytes.last()];
        let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        label.len() <= 63
            && ends.iter().all(|end| end.is_some_and(alphanumeric))
            && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    name.len() <= 253 && name.contains('.') && name.split('.').all(label)
}

/// Takes over what the CA says. Authorizations, once known, do not change.
pub(super) fn copy_order(status: &mut OrderStatus, at_ca: &acme::Order, now: Timestamp) {
    if !at_ca.url.is_empty() {
        status.url.clone_from(&at_ca.url);
    }
    status.finalize_url.clone_from(&at_ca.finalize);
    status.state = at_ca.status;
    if status.state.is_failure() {
        status.failure_time = Some(Time::new(now));
    }
    if status.authorizations.is_empty() {
        let urls = at_ca.authorizations.iter();
        status.authorizations =
            urls.map(|url| AcmeAuthorization { url: url.clone(), ..AcmeAuthorization::default() }).collect();
    }
}

impl Reconcile for Orders {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(order) = self.orders.get(key) else {
            self.context.log.error(&msg::ORDER_GONE, Some(&not_in_cache(Kind::Order, key)), &[]);
            return Ok(());
        };
        let log = self.context.log.with_resource(order.as_ref());
        let mut status = order.status.clone();
        let result = self.process(&log, &order, &mut status).await;
        if status == order.status {
            return result;
        }
        let write = self.context.client.update_status(order.as_ref(), |o| o.status.clone_from(&status)).await;
        let Err(lost) = write else { return result };
        // The release logs the error of the sync here, not that of the write: null when the sync had none.
        let sync_error = result.err().map(|e| e.to_string());
        log.error(&msg::ORDER_STATUS_WRITE_FAILED, sync_error.as_deref(), &[]);
        self.context.world.work(place("orders/status write failed")).await;
        match sync_error {
            None => Err(lost.into()),
            Some(first) => Err(SyncError::Other(format!("[{first}, {lost}]"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(order: &Order, by_type: bool) -> Vec<String> {
        let all = identifiers(order, by_type).into_iter();
        all.map(|i| format!("{}:{}", i.type_, i.value)).collect()
    }

    #[test]
    fn identifiers_are_a_sorted_set() {
        let mut order = Order::default();
        order.spec.dns_names = vec!["b.test".into(), "a.test".into(), "b.test".into()];
        order.spec.common_name = "a.test".into();
        order.spec.ip_addresses = vec!["10.0.0.1".into()];
        for by_type in [false, true] {
            assert_eq!(texts(&order, by_type), ["dns:a.test", "dns:b.test", "ip:10.0.0.1"]);
        }
    }

    #[test]
    fn a_common_name_is_ordered_as_what_it_is_or_as_a_dns_name() {
        let mut order = Order::default();
        order.spec.ip_addresses = vec!["10.0.0.1".into()];
        for (cn, by_type, plain) in [
            ("10.0.0.1", vec!["ip:10.0.0.1"], vec!["dns:10.0.0.1", "ip:10.0.0.1"]),
            ("My server", vec!["ip:10.0.0.1"], vec!["dns:My server", "ip:10.0.0.1"]),
            ("a.test", vec!["dns:a.test", "ip:10.0.0.1"], vec!["dns:a.test", "ip:10.0.0.1"]),
        ] {
            order.spec.common_name = cn.into();
            assert_eq!(texts(&order, true), by_type);
            assert_eq!(texts(&order, false), plain);
        }
    }

    #[test]
    fn what_the_ca_says_is_taken_over_and_a_failure_gets_its_time() {
        let now = Timestamp::from_unix_secs(7);
        let at_ca = |status, url: &str| acme::Order {
            url: url.into(),
            status,
            authorizations: vec!["a1".into()],
            finalize: "f".into(),
            certificate: String::new(),
            error: None,
        };
        let mut status = OrderStatus { url: "known".into(), ..OrderStatus::default() };
        copy_order(&mut status, &at_ca(State::Pending, ""), now);
        assert_eq!((status.url.as_str(), status.finalize_url.as_str()), ("known", "f"));
        assert_eq!((status.authorizations.len(), status.failure_time), (1, None));
        status.authorizations[0].identifier = "a.test".into();
        copy_order(&mut status, &at_ca(State::Invalid, "new"), now);
        assert_eq!((status.url.as_str(), status.state), ("new", State::Invalid));
        assert_eq!(status.authorizations[0].identifier, "a.test");
        assert_eq!(status.failure_time, Some(Time::new(now)));
    }
}
