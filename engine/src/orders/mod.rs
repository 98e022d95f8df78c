//! orders: keeps an Order resource and the order at the CA in step.

mod decide;
mod solver;
mod sync;

use std::sync::Arc;

use crate::acme::AcmeClients;
use crate::api::{Kind, Object, Order, Resource as _};
use crate::controller::{self, Context};

const NAME: &str = "orders";

pub(crate) fn start(context: &Context, clients: &AcmeClients) {
    let context = context.named(NAME);
    let queue = context.queue(NAME, context.compat.backoff_acme);
    controller::watch_self(&context, NAME, Kind::Order, &queue);
    controller::watch_owned(&context, NAME, Kind::Challenge, Kind::Order, &queue);
    for kind in [Kind::Issuer, Kind::ClusterIssuer] {
        let orders = context.informers.lister::<Order>();
        controller::watch(&context, NAME, kind, &queue, move |issuer: &Object| {
            let name = &issuer.meta().name;
            let refers = |o: &Order| {
                o.spec.issuer_ref.name == *name && o.spec.issuer_ref.kind_or_default() == kind.as_str()
            };
            orders.list(refers).iter().map(|o| o.key()).collect()
        });
    }
    let controller = sync::Orders::new(&context, clients, &queue);
    controller::start(&context, NAME, &queue, Arc::new(controller));
}
