//! certificaterequests-approver: approves every request that nobody has approved or denied.

use std::sync::Arc;

use crate::api::{CertificateRequest, ConditionStatus, Kind, ObjectKey};
use crate::certificates::{CONDITION_APPROVED, CONDITION_DENIED, CONDITION_READY};
use crate::conditions::{self, condition, is_true, put, transition};
use crate::controller::{self, Context, Reconcile, SyncResult};
use crate::informer::Lister;

const NAME: &str = "certificaterequests-approver";
const REASON: &str = "cert-manager.io";
const MESSAGE: &str = "Certificate request has been approved by cert-manager.io";

struct Approver {
    context: Context,
    requests: Lister<CertificateRequest>,
}

pub(crate) fn start(context: &Context) {
    if !context.runs(NAME) {
        return;
    }
    let context = context.named(NAME);
    let queue = context.queue(NAME, context.compat.backoff_requests);
    controller::watch_self(&context, NAME, Kind::CertificateRequest, &queue);
    let approver = Approver { requests: context.informers.lister(), context: context.clone() };
    controller::start(&context, NAME, &queue, Arc::new(approver));
}

impl Reconcile for Approver {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(request) = self.requests.get(key) else { return Ok(()) };
        let decided =
            [CONDITION_APPROVED, CONDITION_DENIED].iter().any(|type_| is_true(request.as_ref(), type_));
        // An issuer that does not wait for approval may be done before.
        let ready = condition(request.as_ref(), CONDITION_READY);
        if decided || ready.is_some_and(|c| c.reason == "Failed" || c.reason == "Issued") {
            return Ok(());
        }
        let wanted = conditions::new(CONDITION_APPROVED, ConditionStatus::True, REASON, MESSAGE);
        let (world, log) = (&self.context.world, &self.context.log);
        let condition = transition(world, log, request.as_ref(), wanted).await;
        self.context.client.update_status(request.as_ref(), |r| put(r, &condition)).await?;
        self.context.recorder.normal(request.as_ref(), REASON, MESSAGE);
        Ok(())
    }
}
