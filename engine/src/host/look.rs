//! The self-check of the certificates that a host shows: what the CA would see, seen from here.

use std::net::SocketAddr;
use std::time::Duration;

use world::World;
use world::resolver::Resolver;
use world::tls::Connector;

use super::tls_alpn01::server_name;
use crate::acme::tls_alpn::{self, PROTOCOL};
use crate::api::Challenge;
use crate::controller::{SyncError, SyncResult};

/// For connection and handshake.
const DIAL_MAX: Duration = Duration::from_secs(10);

/// Looks by the resolver of the process.
#[derive(Debug)]
pub(crate) struct Look {
    world: World,
    resolver: Resolver,
}

impl Look {
    pub(crate) fn new(world: &World, resolver: Resolver) -> Self {
        Look { world: world.clone(), resolver }
    }

    /// Whether a handshake shows the certificate of the challenge.
    pub(crate) async fn tls_alpn01(&self, challenge: &Challenge, port: u16) -> SyncResult {
        let name = &challenge.spec.dns_name;
        let failed =
            |why: &dyn std::fmt::Display| SyncError::Other(format!("TLS handshake with {name}: {why}"));
        let addresses = self.resolver.addresses(name).await.map_err(|e| failed(&e))?;
        let connector = Connector::unverified(&self.world).map_err(|e| failed(&e))?.with_alpn(&[PROTOCOL]);
        let mut last = failed(&"no address");
        for ip in addresses {
            let to = SocketAddr::new(ip, port);
            match connector.dial(to, &server_name(challenge), DIAL_MAX).await {
                Ok(stream) => {
                    let leaf = stream.peer_certificates().first().copied().unwrap_or_default().to_vec();
                    match tls_alpn::check(&leaf, name, &challenge.spec.key) {
                        Ok(()) => return Ok(()),
                        Err(flaw) => last = failed(&flaw),
                    }
                }
                Err(error) => last = failed(&error),
            }
        }
        Err(last)
    }
}
