//! TLS-ALPN-01 (RFC 8737, and RFC 8738 for addresses): a certificate with the digest of the key authorization, shown
//! to clients that speak `acme-tls/1` and nothing else.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, SanType, SerialNumber};
use tokio::io::AsyncReadExt as _;
use world::tls::{Acceptor, Identity, reverse_name};
use world::{KeyAlgorithm, Listener, TaskGroup, World, sha256};

use super::serving::{ListenError, Serving};
use crate::api::{AcmeChallengeType, Challenge};
use crate::controller::SyncError;

/// The protocol of the challenge.
pub(super) const PROTOCOL: &str = "acme-tls/1";
/// How long before now a certificate begins, so that clocks may differ.
const BEFORE: Duration = Duration::from_secs(3600);
/// Its life from now on: longer than any challenge's.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
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
    let name = &challenge.spec.dns_name;
    name.parse().map_or_else(|_| name.to_ascii_lowercase(), reverse_name)
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
            let identity = certificate(&self.world, &challenge.spec.dns_name, key)?;
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

/// The certificate of RFC 8737 section 3: one name, and the digest in a critical extension.
fn certificate(world: &World, name: &str, key_authorization: &str) -> Result<Identity, SyncError> {
    let label = format!("tls-alpn-01 {name} {key_authorization}");
    let key = world.keys(&label).generate(KeyAlgorithm::EcdsaP256).map_err(SyncError::other)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![match name.parse::<IpAddr>() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) => SanType::DnsName(name.to_owned().try_into().map_err(SyncError::other)?),
    }];
    let digest = sha256(key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let now = world.now();
    params.not_before = (now - BEFORE).to_offset_date_time();
    params.not_after = (now + LIFE).to_offset_date_time();
    let mut serial = sha256(format!("{label} {}", now.unix_nanos()).as_bytes());
    // Positive, and without a leading zero.
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial[..16]));
    let certificate = params.self_signed(&key).map_err(SyncError::other)?;
    Ok(Identity::new(world, vec![certificate.der().to_vec()], &key))
}
