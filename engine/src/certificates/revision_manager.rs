//! certificates-revision-manager: deletes the oldest requests beyond the history limit.

use std::sync::Arc;

use super::{CONDITION_READY, Caches, begin, revision_of};
use crate::api::{CertificateRequest, Kind, ObjectKey, Resource as _};
use crate::compat::Checks;
use crate::conditions::is_true;
use crate::controller::{self, Context, Reconcile, SyncResult};
use crate::log::catalogue as msg;
use crate::store::ApiError;

pub(super) const NAME: &str = "certificates-revision-manager";

struct RevisionManager {
    context: Context,
    caches: Caches,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::CertificateRequest]);
    let manager = RevisionManager { context: context.clone(), caches };
    controller::start(&context, NAME, &queue, Arc::new(manager));
}

/// Number and key of the oldest revisions that are too many; requests without a revision do not count.
fn too_old(mut requests: Vec<(u64, ObjectKey)>, limit: usize) -> Vec<(u64, ObjectKey)> {
    requests.sort();
    let surplus = requests.len().saturating_sub(limit);
    requests.truncate(surplus);
    requests
}

impl Reconcile for RevisionManager {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificate(key) else { return Ok(()) };
        let default = self.context.compat.revision_history_default.map(|n| n as usize);
        let limit = certificate.spec.revision_history_limit.and_then(|n| usize::try_from(n).ok()).or(default);
        let (Some(limit), true) = (limit, is_true(certificate.as_ref(), CONDITION_READY)) else {
            return Ok(());
        };
        let owned = self.caches.requests.owned_by(key.namespace(), &certificate.metadata.uid);
        let by_revision: Vec<_> = owned.iter().filter_map(|r| Some((revision_of(r)?, r.key()))).collect();
        let log = self.context.log.with_key(key).with_resource(certificate.as_ref());
        let message = match self.context.compat.checks {
            Checks::Initial => &msg::REVISION_COLLECTED_1_7,
            Checks::Extended => &msg::REVISION_COLLECTED,
        };
        for (revision, request) in too_old(by_revision, limit) {
            let related = [
                ("related_resource_name", request.name().into()),
                ("related_resource_namespace", request.namespace().into()),
                ("related_resource_kind", Kind::CertificateRequest.as_str().into()),
                ("revision", revision.into()),
            ];
            log.info(message, &related);
            match self.context.client.delete::<CertificateRequest>(&request).await {
                // Somebody else was faster.
                Ok(()) | Err(ApiError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_revisions_go_first_and_by_number() {
        let requests = [9, 10, 2].map(|n| (n, ObjectKey::new("ns", format!("cr-{n}")))).to_vec();
        assert_eq!(
            too_old(requests.clone(), 1),
            [(2, ObjectKey::new("ns", "cr-2")), (9, ObjectKey::new("ns", "cr-9"))]
        );
        assert!(too_old(requests, 3).is_empty());
    }
}
