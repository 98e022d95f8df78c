//! The orders controller's sync: does what [`super::decide`] decided.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use world::keys::SectionKind;

use super::decide::{ChallengeStep, Comparison, Step, challenge_step, compare, step};
use super::solver;
use crate::acme::{self, AcmeClient, AcmeClients, AcmeError, Identifier, identifier_type};
use crate::api::hash::compute_name;
use crate::api::{
    AcmeAuthorization, AcmeChallenge, AcmeChallengeType, AcmeIssuer, Challenge, ChallengeSpec, Kind,
    ObjectKey, Order, OrderStatus, Resource as _, State, Time,
};
use crate::certificates::controller_reference;
use crate::challenges::FINALIZER;
use crate::controller::{Context, Reconcile, SyncError, SyncResult, not_in_cache};
use crate::informer::Lister;
use crate::issuers::IssuerListers;
use crate::log::{Logger, Message, catalogue as msg};
use crate::queue::WorkQueue;
use crate::store::ApiError;
use crate::work::place;

pub(super) struct Orders {
    context: Context,
    clients: AcmeClients,
    queue: WorkQueue,
    orders: Lister<Order>,
    challenges: Lister<Challenge>,
    issuers: IssuerListers,
}

impl Orders {
    pub(super) fn new(context: &Context, clients: &AcmeClients, queue: &WorkQueue) -> Self {
        Orders {
            clients: clients.clone(),
            queue: queue.clone(),
            orders: context.informers.lister(),
            challenges: context.informers.lister(),
            issuers: IssuerListers::new(&context.informers),
            context: context.clone(),
        }
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
            Step::CreateOrder => self.create(log, &client, order, status).await,
            Step::FetchOrder => {
                if let Some(at_ca) = self.fetch(log, &client, order, status).await? {
                    copy_order(status, &at_ca);
                }
                Ok(())
            }
            Step::FetchAuthorizations => self.fetch_authorizations(log, &client, status).await,
            Step::FetchCertificate => {
                if let Some(at_ca) = self.fetch(log, &client, order, status).await? {
                    let chain =
                        client.fetch_certificate(&at_ca.certificate).await.map_err(SyncError::other)?;
                    self.store_certificate(order, status, chain);
                }
                Ok(())
            }
            Step::DeleteChallenges(keys) => self.delete(&keys).await,
            Step::Challenges => self.challenges(log, &client, order, &owned, status).await,
        }
    }

    /// A call that failed with a 4xx ends the Order; any other error is for the requeue.
    fn check<T>(
        &self,
        log: &Logger,
        message: &Message,
        what: &str,
        status: &mut OrderStatus,
        result: Result<T, AcmeError>,
    ) -> Result<Option<T>, SyncError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_bad_request() => {
                log.error(message, Some(&error.to_string()), &[]);
                status.state = State::Errored;
                status.reason = format!("{what}: {error}");
                status.failure_time.get_or_insert(Time::new(self.context.world.now()));
                Ok(None)
            }
            Err(error) => Err(SyncError::other(error)),
        }
    }

    /// The order as the CA has it; `None` when the CA's refusal has ended the Order.
    async fn fetch(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> Result<Option<acme::Order>, SyncError> {
        let fetched = client.get_order(&order.status.url).await;
        let text = "Failed to retrieve Order resource";
        self.check(log, &msg::ORDER_FETCH_BAD_REQUEST, text, status, fetched)
    }

    async fn create(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> SyncResult {
        let not_after = match (self.issuer(order), order.spec.duration) {
            (Some(issuer), Some(duration)) if issuer.enable_duration_feature => {
                let at = self.context.world.now() + std::time::Duration::from(duration);
                Some(at.rfc3339_secs())
            }
            _ => None,
        };
        let created = client.new_order(&identifiers(order), not_after).await;
        let created = match created {
            Err(error) if !error.is_bad_request() => {
                return Err(SyncError::Other(format!("error creating new order: {error}")));
            }
            other => other,
        };
        let text = "Failed to create Order";
        if let Some(at_ca) = self.check(log, &msg::ORDER_CREATE_BAD_REQUEST, text, status, created)? {
            status.url.clone_from(&at_ca.url);
            copy_order(status, &at_ca);
        }
        Ok(())
    }

    async fn fetch_authorizations(
        &self,
        log: &Logger,
        client: &AcmeClient,
        status: &mut OrderStatus,
    ) -> SyncResult {
        let mut fetched = Vec::new();
        for authorization in &status.authorizations.clone() {
            let text = "Failed to fetch authorization";
            let answer = client.get_authorization(&authorization.url).await;
            let Some(at_ca) = self.check(log, &msg::ORDER_AUTHORIZATION_BAD_REQUEST, text, status, answer)?
            else {
                return Ok(());
            };
            fetched.push(AcmeAuthorization {
                url: authorization.url.clone(),
                identifier: at_ca.identifier.value,
                wildcard: Some(at_ca.wildcard),
                initial_state: at_ca.status,
                challenges: at_ca
                    .challenges
                    .into_iter()
                    .map(|c| AcmeChallenge { url: c.url, token: c.token, type_: c.type_ })
                    .collect(),
            });
        }
        status.authorizations = fetched;
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
        let required = match self.required(client, order) {
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
            ChallengeStep::Finalize => self.finalize(log, client, order, status).await,
            ChallengeStep::Compare => {
                let Some(at_ca) = self.fetch(log, client, order, status).await? else { return Ok(()) };
                match compare(owned, at_ca.status) {
                    Comparison::CopyState => self.copy_state(status, &at_ca),
                    Comparison::WaitForCa => {
                        log.info(&msg::ORDER_WAITS_FOR_CA, &[]);
                        self.queue.add_after(order.key(), self.context.compat.order_recheck);
                    }
                    Comparison::Nothing => {}
                }
                Ok(())
            }
        }
    }

    fn issuer(&self, order: &Order) -> Option<AcmeIssuer> {
        self.issuers.get(&order.spec.issuer_ref, &order.metadata.namespace)?.0.acme
    }

    /// One Challenge per authorization that was not valid from the start.
    fn required(&self, client: &AcmeClient, order: &Order) -> Result<Vec<Challenge>, solver::NoSolver> {
        let solvers = self.issuer(order).map(|i| i.solvers).unwrap_or_default();
        let open = order.status.authorizations.iter().filter(|a| a.initial_state != State::Valid);
        open.map(|authorization| {
            let (solver, type_, challenge) = solver::choose(&solvers, authorization, &order.metadata.labels)?;
            let key = client.key_authorization(&challenge.token);
            let mut solver = solver.clone();
            override_ingress(&mut solver, order);
            let spec = ChallengeSpec {
                url: challenge.url.clone(),
                authorization_url: authorization.url.clone(),
                dns_name: authorization.identifier.clone(),
                wildcard: authorization.wildcard == Some(true),
                type_,
                token: challenge.token.clone(),
                key: match type_ {
                    AcmeChallengeType::Http01 | AcmeChallengeType::TlsAlpn01 => key,
                    AcmeChallengeType::Dns01 => URL_SAFE_NO_PAD.encode(world::sha256(key.as_bytes())),
                },
                solver,
                issuer_ref: order.spec.issuer_ref.clone(),
            };
            let mut challenge = Challenge { spec, ..Challenge::default() };
            challenge.metadata.name = compute_name(&order.metadata.name, &challenge.spec);
            challenge.metadata.namespace.clone_from(&order.metadata.namespace);
            challenge.metadata.labels.clone_from(&order.metadata.labels);
            challenge.metadata.finalizers.push(FINALIZER.to_owned());
            challenge.metadata.owner_references.push(controller_reference(order));
            Ok(challenge)
        })
        .collect()
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

    /// Sends the CSR. When the CA says that the order is not ready (403) it may be that an earlier sync
    /// has finalized it: then the certificate is there to be taken.
    async fn finalize(
        &self,
        log: &Logger,
        client: &AcmeClient,
        order: &Order,
        status: &mut OrderStatus,
    ) -> SyncResult {
        let csr = world::keys::pem_sections(order.spec.request.as_slice(), SectionKind::Csr);
        let Some(csr) = csr.first() else {
            return Err(SyncError::other("error decoding certificate request PEM block"));
        };
        let finalized = client.finalize(&order.status.finalize_url, csr).await;
        let chain = match finalized {
            Err(error) if error.problem().is_some_and(|p| p.status == 403) => {
                let at_ca = client.get_order(&order.status.url).await.map_err(SyncError::other)?;
                if at_ca.status == State::Valid {
                    client.fetch_certificate(&at_ca.certificate).await.map_err(SyncError::other)?
                } else {
                    return self.fail_finalize(log, status, error);
                }
            }
            Err(error) if error.is_bad_request() => return self.fail_finalize(log, status, error),
            Err(error) => return Err(SyncError::Other(format!("error finalizing order: {error}"))),
            Ok((chain, _)) => chain,
        };
        let at_ca = client.get_order(&order.status.url).await.map_err(SyncError::other)?;
        self.copy_state(status, &at_ca);
        self.store_certificate(order, status, chain);
        Ok(())
    }

    fn fail_finalize(&self, log: &Logger, status: &mut OrderStatus, error: AcmeError) -> SyncResult {
        let text = "Failed to finalize Order";
        self.check::<()>(log, &msg::ORDER_FINALIZE_BAD_REQUEST, text, status, Err(error)).map(drop)
    }

    fn store_certificate(&self, order: &Order, status: &mut OrderStatus, chain: Vec<u8>) {
        status.state = State::Valid;
        status.certificate = chain.into();
        self.context.recorder.normal(order, "Complete", "Order completed successfully");
    }

    fn copy_state(&self, status: &mut OrderStatus, at_ca: &acme::Order) {
        status.state = at_ca.status;
        if status.state.is_failure() && status.failure_time.is_none() {
            status.failure_time = Some(Time::new(self.context.world.now()));
        }
    }
}

/// The sorted set of DNS names and common name, then the sorted addresses.
fn identifiers(order: &Order) -> Vec<Identifier> {
    let mut names: BTreeSet<&String> = order.spec.dns_names.iter().collect();
    if !order.spec.common_name.is_empty() {
        names.insert(&order.spec.common_name);
    }
    let ips: BTreeSet<&String> = order.spec.ip_addresses.iter().collect();
    let names = names.into_iter().filter(|n| !ips.contains(n)).collect::<Vec<_>>();
    let all = names.into_iter().chain(ips);
    all.map(|v| Identifier { type_: identifier_type(v).to_owned(), value: v.clone() }).collect()
}

fn copy_order(status: &mut OrderStatus, at_ca: &acme::Order) {
    status.finalize_url.clone_from(&at_ca.finalize);
    status.state = at_ca.status;
    if status.authorizations.is_empty() {
        let urls = at_ca.authorizations.iter();
        status.authorizations =
            urls.map(|url| AcmeAuthorization { url: url.clone(), ..AcmeAuthorization::default() }).collect();
    }
}

/// Annotations of the Certificate that choose the ingress (copied down to the Order).
fn override_ingress(solver: &mut crate::api::AcmeChallengeSolver, order: &Order) {
    let Some(ingress) = solver.http01.as_mut().and_then(|h| h.ingress.as_mut()) else { return };
    let annotations = &order.metadata.annotations;
    if let Some(name) = annotations.get("acme.cert-manager.io/http01-override-ingress-name") {
        ingress.name.clone_from(name);
        ingress.class = None;
    }
    if let Some(class) = annotations.get("acme.cert-manager.io/http01-override-ingress-class") {
        ingress.class = Some(class.clone());
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

    #[test]
    fn identifiers_are_a_sorted_set() {
        let mut order = Order::default();
        order.spec.dns_names = vec!["b.test".into(), "a.test".into(), "b.test".into()];
        order.spec.common_name = "a.test".into();
        order.spec.ip_addresses = vec!["10.0.0.1".into()];
        let texts: Vec<_> =
            identifiers(&order).into_iter().map(|i| format!("{}:{}", i.type_, i.value)).collect();
        assert_eq!(texts, ["dns:a.test", "dns:b.test", "ip:10.0.0.1"]);
    }
}
