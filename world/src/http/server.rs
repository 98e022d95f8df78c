//! Serving a router.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};

use super::hyper_timer;
use crate::net::Listener;
use crate::tls::Acceptor;
use crate::world::World;

/// The address that a request came from: an extension of every request that [`serve`] hands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Pause after a connection that could not be accepted, so that a lasting error does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until the task is dropped, with TLS when an acceptor is given. Each
/// connection is a task of its own; a connection that fails ends alone.
pub async fn serve(world: World, mut listener: Listener, tls: Option<Acceptor>, router: Router) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // The peer has gone already, or descriptors have run out: that passes.
            world.sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (world, tls) = (world.clone(), tls.clone());
        let router = router.clone().layer(axum::Extension(Peer(peer)));
        let task = world.clone();
        task.spawn(&format!("http server connection {}", listener.local_addr()), async move {
            match tls {
                None => connection(&world, stream, router).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(&world, stream, router).await;
                    }
                }
            }
        });
    }
}

async fn connection<S>(world: &World, stream: S, router: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // hyper's own Date header reads the system clock; servers that want one set it from the world.
    let served = hyper::server::conn::http1::Builder::new()
        .timer(hyper_timer(world))
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await;
    // A peer that hangs up in the middle of a request is its own affair.
    drop(served);
}
