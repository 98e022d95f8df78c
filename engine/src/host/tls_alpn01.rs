//! TLS-ALPN-01 (RFC 8737, and RFC 8738 for addresses): a certificate with the digest of the key authorization, shown
//! to clients that speak `acme-tls/1` and nothing else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use world::tls::{Acceptor, Identity};
use world::{Listener, TaskGroup, World};

use super::serving::{ListenError, Serving};
use crate::acme::tls_alpn::{self, PROTOCOL};
use crate::api::{AcmeChallengeType, Challenge};
use crate::controller::SyncError;

/// A handshake takes at most this long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Pause after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is shown to who asks for a name, and the key authorization that it proves.
type Shown = BTreeMap<String, (String, Identity)>;

#[derive(Debug)]
pub(super) struct TlsAlpn01 {
    world: World,
    shown: Arc<Mutex<Shown>>,
    serving: Serving,
}

fn lock(shown: &Mutex<Shown>) -> MutexGuard<'_, Shown> {
    shown.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a validator asks for (SNI): the name itself, or the reverse name of an address.
pub(super) fn server_name(challenge: &Challenge) -> String {
    tls_alpn::server_name(&challenge.spec.dns_name.to_ascii_lowercase())
}

impl TlsAlpn01 {
    pub(super) fn new(world: &World, at: SocketAddr) -> Self {
        let serving = Serving::new(world, AcmeChallengeType::TlsAlpn01, at);
        TlsAlpn01 { world: world.clone(), shown: Arc::default(), serving }
    }

    pub(super) async fn probe(&self) -> Result<(), ListenError> {
        self.serving.probe().await
    }

    pub(super) async fn present(&self, challenge: &Challenge) -> Result<(), SyncError> {
        let (name, key) = (server_name(challenge), &challenge.spec.key);
        let known = lock(&self.shown).get(&name).is_some_and(|(known, _)| known == key);
        if !known {
            let identity = tls_alpn::identity(&self.world, &challenge.spec.dns_name, key);
            let identity = identity.map_err(SyncError::other)?;
            lock(&self.shown).insert(name, (key.clone(), identity));
        }
        let shown = self.shown.clone();
        let acceptor = Acceptor::resolving(&self.world, move |name, protocols| match protocols {
            // RFC 8737 section 3: that protocol, and no other.
            [only] if *only == PROTOCOL.as_bytes() => lock(&shown).get(name?).map(|(_, i)| i.clone()),
            _ => None,
        });
        let acceptor = acceptor.map_err(SyncError::other)?.with_alpn(&[PROTOCOL]);
        let serve = |listener| serve(self.world.clone(), listener, acceptor);
        self.serving.open(serve).await.map_err(SyncError::other)
    }

    pub(super) async fn clean_up(&self, challenge: &Challenge) {
        let name = server_name(challenge);
        {
            let mut shown = lock(&self.shown);
            if shown.get(&name).is_some_and(|(key, _)| *key == challenge.spec.key) {
                shown.remove(&name);
            }
        }
        self.serving.close_if(|| lock(&self.shown).is_empty()).await;
    }
}

/// Does handshakes; there is nothing to say after them.
async fn serve(world: World, mut listener: Listener, acceptor: Acceptor) {
    let connections = TaskGroup::new(&world);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The peer has gone already, or descriptors have run out: that passes.
            world.sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (acceptor, clock) = (acceptor.clone(), world.clone());
        connections.spawn("tls-alpn-01 connection", async move {
            let handshake = async {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                // The validator hangs up when it has seen the certificate.
                drop(stream.read(&mut [0; 64]).await);
            };
            let _ = clock.timeout(HANDSHAKE_MAX, handshake).await;
        });
    }
}
