//! certificates-readiness: says whether the stored certificate is good, and when it is renewed.

use std::sync::Arc;

use world::Timestamp;

use super::policies::{Input, WINDOW_ERROR, is_not_ready};
use super::renewal::renewal_time;
use super::renewal_info::RenewalInfos;
use super::{CONDITION_READY, Caches, begin, requests_of, target_secret, watch_target_secrets};
use crate::acme::AcmeClients;
use crate::api::{Certificate, Condition, ConditionStatus, Kind, ObjectKey, Time};
use crate::compat::Features;
use crate::conditions::{self, put, transition};
use crate::controller::{self, Context, Reconcile, SyncResult};
use crate::pki;

pub(super) const NAME: &str = "certificates-readiness";

struct Readiness {
    context: Context,
    caches: Caches,
    renewal_infos: RenewalInfos,
}

pub(crate) fn start(context: &Context, clients: &AcmeClients) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    watch_target_secrets(&context, NAME, &queue);
    let renewal_infos = RenewalInfos::new(&context, clients, NAME, &queue);
    let readiness = Readiness { context: context.clone(), caches, renewal_infos };
    controller::start(&context, NAME, &queue, Arc::new(readiness));
}

/// The times of the stored certificate: start, end, renewal (by the CA's instant, if it has suggested one); and why the
/// renewal windows cannot be kept.
fn times(
    certificate: &Certificate,
    leaf: Option<&pki::Leaf>,
    suggested: Option<Timestamp>,
    features: &Features,
) -> ([Option<Time>; 3], Option<String>) {
    let Some(leaf) = leaf else { return ([None; 3], None) };
    let renewal = renewal_time(leaf.not_before, leaf.not_after, &certificate.spec, features, suggested);
    let (renewal, error) = match renewal {
        Ok(renewal) => (renewal, None),
        Err(error) => (Some(error.desired), Some(error.message)),
    };
    let times = [Some(leaf.not_before), Some(leaf.not_after), renewal].map(|t| t.map(Time::new));
    (times, error)
}

impl Reconcile for Readiness {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificate(key) else { return Ok(()) };
        let secret = target_secret(&self.caches.secrets, &certificate);
        let current =
            certificate.status.revision.map(|r| requests_of(&self.caches.requests, &certificate, r));
        let current = current.and_then(|requests| requests.into_iter().next());
        let compat = &self.context.compat;
        let input = Input {
            compat,
            certificate: &certificate,
            secret: secret.as_deref(),
            current_request: current.as_deref(),
            now: self.context.world.now(),
            readings: &self.caches.readings,
        };
        let wanted = match is_not_ready(&input) {
            Some(v) => conditions::new(CONDITION_READY, ConditionStatus::False, v.reason, v.message),
            None => conditions::new(
                CONDITION_READY,
                ConditionStatus::True,
                "Ready",
                "Certificate is up to date and has not expired",
            ),
        };
        let pair = secret.as_deref().map(|secret| self.caches.readings.pair(secret));
        let leaf = pair.as_ref().and_then(|pair| pair.leaf.as_ref().ok());
        let look = self.renewal_infos.look(&certificate, secret.as_deref(), leaf);
        let suggestion = Box::pin(look).await;
        let (times, window_error) = times(&certificate, leaf, suggestion.renewal, &compat.features);
        let wanted = match window_error {
            None => wanted,
            Some(error) => {
                let text = format!("Could not calculate renewal time: {error}");
                self.context.recorder.warning(certificate.as_ref(), WINDOW_ERROR, &text);
                conditions::new(CONDITION_READY, ConditionStatus::False, WINDOW_ERROR, text)
            }
        };
        let wanted = Condition { observed_generation: certificate.metadata.generation, ..wanted };
        let (world, log) = (&self.context.world, &self.context.log);
        let condition = transition(world, log, certificate.as_ref(), wanted).await;
        let status = &certificate.status;
        if status.acme == suggestion.acme
            && [status.not_before, status.not_after, status.renewal_time] == times
            && conditions::condition(certificate.as_ref(), CONDITION_READY) == Some(&condition)
        {
            return Ok(());
        }
        let change = |c: &mut Certificate| {
            c.status.acme.clone_from(&suggestion.acme);
            [c.status.not_before, c.status.not_after, c.status.renewal_time] = times;
            put(c, &condition);
        };
        self.context.client.update_status(certificate.as_ref(), change).await?;
        Ok(())
    }
}
