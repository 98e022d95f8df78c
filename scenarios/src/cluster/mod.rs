//! The simulated cluster around the engine: what an API server, a kubelet, ingress and gateway controllers and the
//! garbage collector do, and how long they take.

mod access;
mod endpoints;
mod events;
pub mod external;
mod garbage;
mod gateway;
mod ingress;
mod kubelet;
mod proxy;
mod secure;
mod timing;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;

use engine::store::Store;
use tokio::sync::mpsc;
use world::World;

use crate::script::Cluster;
pub use access::{Access, AccessLog};
pub(crate) use garbage::{start as collect_garbage, sweep as sweep_garbage};
pub(crate) use timing::pinned_names;
pub use timing::{ApiCounts, ClusterTiming};

/// Starts everything but the engine. All of it reads and writes `store` directly: it stands next to the API server.
///
/// `nameserver` is whom webhooks ask for the names of their providers. Returns the access logs of the controllers, which go on.
///
/// # Errors
/// When an ingress controller, the gateway controller or a webhook cannot listen.
pub async fn start(
    world: &World,
    store: &Store,
    cluster: &Cluster,
    nameserver: Option<SocketAddr>,
) -> std::io::Result<AccessLog> {
    let log = AccessLog::default();
    kubelet::start(world, store, &cluster.kubelet);
    endpoints::start(world, store, &cluster.endpoints_delay);
    garbage::start(world, store, &cluster.garbage_delay);
    events::start(world, store, cluster.api.event_ttl);
    let ingresses = [&cluster.ingress].into_iter().chain(&cluster.further_ingresses);
    for controller in ingresses.filter(|controller| !controller.host.is_empty()) {
        ingress::start(world, store, controller, &log).await?;
    }
    if !cluster.gateway.host.is_empty() {
        gateway::start(world, store, &cluster.gateway, &log).await?;
    }
    for config in &cluster.webhooks {
        webhook::start(world, store, config, nameserver).await?;
    }
    Ok(log)
}

/// Calls that `kinds` have changed, once for each burst of changes that had not been taken yet.
fn changes(world: &World, store: &Store, kinds: &[engine::api::Kind], who: &str) -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    for kind in kinds {
        let (mut watch, sender) = (store.watch(*kind), sender.clone());
        world.spawn(&format!("{who} watch of {kind}"), async move {
            while watch.next().await.is_some() {
                // Full: the change will be seen with the one that waits.
                if let Err(mpsc::error::TrySendError::Closed(())) = sender.try_send(()) {
                    return;
                }
            }
        });
    }
    receiver
}

/// A shared handle.
pub(crate) type Shared<T> = Arc<std::sync::Mutex<T>>;
