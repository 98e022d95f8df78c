//! certificates-readiness: says whether the stored certificate is good, and when it is renewed.

use std::sync::Arc;

use world::Timestamp;

use super::policies::{Input, is_not_ready};
use super::renewal_info::RenewalInfos;
use super::{CONDITION_READY, Caches, TLS_CRT, begin, data, renewal_time, requests_of, target_secret};
use crate::acme::AcmeClients;
use crate::api::{Certificate, Condition, ConditionStatus, Kind, ObjectKey, Time};
use crate::client::would_change;
use crate::conditions::{self, put, transition};
use crate::controller::{self, Context, Reconcile, SyncResult};
use crate::pki;

const NAME: &str = "certificates-readiness";

struct Readiness {
    context: Context,
    caches: Caches,
    renewal_infos: RenewalInfos,
}

pub(crate) fn start(context: &Context, clients: &AcmeClients) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    controller::watch_named_secrets(&context, NAME, &queue, "spec.secretName", |c| Some(&c.spec.secret_name));
    let renewal_infos = RenewalInfos::new(&context, clients, NAME, &queue);
    let readiness = Readiness { context: context.clone(), caches, renewal_infos };
    controller::start(&context, NAME, &queue, Arc::new(readiness));
}

/// The times of the stored certificate: start, end, renewal (the CA's instant, if it has suggested one).
fn times(
    certificate: &Certificate,
    leaf: Option<&pki::Leaf>,
    suggested: Option<Timestamp>,
) -> [Option<Time>; 3] {
    let Some(leaf) = leaf else { return [None; 3] };
    let renewal = suggested
        .unwrap_or_else(|| renewal_time(leaf.not_before, leaf.not_after, certificate.spec.renew_before));
    [leaf.not_before, leaf.not_after, renewal].map(|t| Some(Time::new(t)))
}

impl Reconcile for Readiness {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificates.get(key) else { return Ok(()) };
        let secret = target_secret(&self.caches.secrets, &certificate);
        let current =
            certificate.status.revision.map(|r| requests_of(&self.caches.requests, &certificate, r));
        let current = current.and_then(|requests| requests.into_iter().next());
        let input = Input {
            certificate: &certificate,
            secret: secret.as_deref(),
            current_request: current.as_deref(),
            now: self.context.world.now(),
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
        let wanted = Condition { observed_generation: certificate.metadata.generation, ..wanted };
        let (world, log) = (&self.context.world, &self.context.log);
        let condition = transition(world, log, certificate.as_ref(), wanted).await;
        let leaf = secret.as_deref().and_then(|s| pki::leaf(data(s, TLS_CRT)).ok());
        let look = self.renewal_infos.look(&certificate, secret.as_deref(), leaf.as_ref());
        let suggestion = Box::pin(look).await;
        let times = times(&certificate, leaf.as_ref(), suggestion.renewal);
        let change = |c: &mut Certificate| {
            c.status.acme.clone_from(&suggestion.acme);
            [c.status.not_before, c.status.not_after, c.status.renewal_time] = times;
            put(c, &condition);
        };
        if would_change(certificate.as_ref(), change) {
            self.context.client.update_status(certificate.as_ref(), change).await?;
        }
        Ok(())
    }
}
