//! certificates-readiness: says whether the stored certificate is good, and when it is renewed.

use std::sync::Arc;

use super::policies::{Input, is_not_ready};
use super::{CONDITION_READY, Caches, TLS_CRT, begin, data, renewal_time, requests_of, target_secret};
use crate::api::{Certificate, Condition, ConditionStatus, Kind, ObjectKey, Secret, Time};
use crate::client::would_change;
use crate::conditions::{self, put, transition};
use crate::controller::{self, Context, Reconcile, SyncResult};
use crate::pki;

const NAME: &str = "certificates-readiness";

struct Readiness {
    context: Context,
    caches: Caches,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    controller::watch_named_secrets(&context, NAME, &queue, "spec.secretName", |c| Some(&c.spec.secret_name));
    let readiness = Readiness { context: context.clone(), caches };
    controller::start(&context, NAME, &queue, Arc::new(readiness));
}

/// The times of the stored certificate: start, end, renewal.
fn times(certificate: &Certificate, secret: Option<&Secret>) -> [Option<Time>; 3] {
    let Some(leaf) = secret.and_then(|s| pki::leaf(data(s, TLS_CRT)).ok()) else { return [None; 3] };
    let renewal = renewal_time(leaf.not_before, leaf.not_after, certificate.spec.renew_before);
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
        let times = times(&certificate, secret.as_deref());
        let (world, log) = (&self.context.world, &self.context.log);
        let condition = transition(world, log, certificate.as_ref(), wanted).await;
        let change = |c: &mut Certificate| {
            [c.status.not_before, c.status.not_after, c.status.renewal_time] = times;
            put(c, &condition);
        };
        if would_change(certificate.as_ref(), change) {
            self.context.client.update_status(certificate.as_ref(), change).await?;
        }
        Ok(())
    }
}
