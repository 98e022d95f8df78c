//! challenges: proves control of one name, step by step: scheduled, presented, self-checked, accepted.

pub mod dns01;
mod ensure;
mod http01;
mod objects;
mod scheduler;
mod solvers;
mod sync;
mod tls_alpn01;
mod words;

use std::sync::Arc;

use crate::acme::AcmeClients;
use crate::api::Kind;
use crate::controller::{self, Context};
use crate::engine::EngineConfig;

const NAME: &str = "challenges";

/// Finalizer of a Challenge: what was presented is cleaned up before it goes. Every release takes both for its own,
/// whichever it puts on ([`crate::compat::Finalizer`]).
const LEGACY_FINALIZER: &str = "finalizer.acme.cert-manager.io";
/// Its name with the domain before the slash.
const QUALIFIED_FINALIZER: &str = "acme.cert-manager.io/finalizer";

/// Starts the controller and its scheduler. It watches Challenges only: pods, services and ingresses are read
/// from their caches, but no event of theirs wakes it.
pub(crate) fn start(context: &Context, clients: &AcmeClients, config: &EngineConfig) {
    if !context.runs(NAME) {
        return;
    }
    let context = context.named(NAME);
    let queue = context.queue(NAME, context.compat.backoff_acme);
    controller::watch_self(&context, NAME, Kind::Challenge, &queue);
    scheduler::start(&context);
    let controller = sync::Challenges::new(&context, clients, &queue, config);
    controller::start(&context, NAME, &queue, Arc::new(controller));
}
