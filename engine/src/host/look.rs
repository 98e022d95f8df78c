//! The self-checks of what a host has put up: what the CA would see, seen from here.

use std::net::SocketAddr;
use std::time::Duration;

use world::resolver::Resolver;
use world::tls::Connector;
use world::{World, sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::dns01::record_name;
use super::tls_alpn01::{PROTOCOL, server_name};
use crate::api::Challenge;
use crate::controller::{SyncError, SyncResult};

/// For connection and handshake.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// The extension acmeIdentifier (RFC 8737 section 6.1).
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";

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

    /// Whether the record is there, for those nameservers that the process asks.
    pub(crate) async fn dns01(&self, challenge: &Challenge) -> SyncResult {
        let name = record_name(challenge);
        let found = self.resolver.texts(&name).await;
        let found = found.map_err(|e| SyncError::Other(format!("lookup {name}: {e}")))?;
        if found.contains(&challenge.spec.key) {
            return Ok(());
        }
        Err(SyncError::Other(format!("DNS record for {:?} not yet propagated", challenge.spec.dns_name)))
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
                    if proves(&leaf, &challenge.spec.key) {
                        return Ok(());
                    }
                    last = failed(&"the certificate shown is not the challenge's");
                }
                Err(error) => last = failed(&error),
            }
        }
        Err(last)
    }
}

/// Whether a certificate has the digest of this key authorization.
fn proves(der: &[u8], key_authorization: &str) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return false };
    let digest = sha256(key_authorization.as_bytes());
    // An OCTET STRING of 32 bytes.
    let wanted = [&[0x04, 0x20][..], &digest].concat();
    certificate.extensions().iter().any(|e| e.oid.to_id_string() == ACME_IDENTIFIER && e.value == wanted)
}
