//! orders: keeps an Order resource and the order at the CA in step.

mod certificate;
mod decide;
mod overrides;
mod required;
mod solver;
mod sync;

use std::sync::Arc;

use crate::acme::AcmeClients;
use crate::api::{Kind, Order};
use crate::controller::{self, Context};
use crate::issuers::watch_issuers_of;

const NAME: &str = "orders";

pub(crate) fn start(context: &Context, clients: &AcmeClients) {
    if !context.runs(NAME) {
        return;
    }
    let context = context.named(NAME);
    let queue = context.queue(NAME, context.compat.backoff_acme);
    controller::watch_self(&context, NAME, Kind::Order, &queue);
    controller::watch_owned(&context, NAME, Kind::Challenge, Kind::Order, &queue);
    watch_issuers_of::<Order>(&context, NAME, &queue, |o| &o.spec.issuer_ref);
    let controller = sync::Orders::new(&context, clients, &queue);
    controller::start(&context, NAME, &queue, Arc::new(controller));
}
