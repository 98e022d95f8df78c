//! TLS at the edge of the cluster: certificates out of Secrets, and passing TLS on by the name that a client wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use engine::api::{Kind, ObjectKey, Secret};
use engine::store::Store;
use rcgen::{CertificateParams, DistinguishedName, DnType, SerialNumber};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use world::tls::{Acceptor, BadTls, Identity, read_hello};
use world::{KeyAlgorithm, Listener, TaskGroup, World};

use super::Shared;
use super::proxy::host_fits;

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoTls {
    #[error(transparent)]
    Key(#[from] world::keys::KeyError),
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] BadTls),
}

/// Whom to show to which host.
pub(super) type Certificates = Shared<BTreeMap<String, Identity>>;

/// The certificate in a Secret, if there is one.
pub(super) fn identity(world: &World, store: &Store, namespace: &str, secret: &str) -> Option<Identity> {
    let secret = store.get(Kind::Secret, &ObjectKey::new(namespace, secret))?;
    let data = &secret.get::<Secret>()?.data;
    Identity::from_pem(world, data.get("tls.crt")?.as_slice(), data.get("tls.key")?.as_slice()).ok()
}

/// What nginx shows where it has nothing better.
fn fake(world: &World) -> Result<Identity, NoTls> {
    let key = world.keys(&format!("fake certificate {}", world.host())).generate(KeyAlgorithm::EcdsaP256)?;
    let mut params = CertificateParams::new(vec!["ingress.local".to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Kubernetes Ingress Controller Fake Certificate");
    params.not_before = world.now().to_offset_date_time();
    params.not_after = (world.now() + std::time::Duration::from_secs(365 * 24 * 3600)).to_offset_date_time();
    params.serial_number = Some(SerialNumber::from_slice(&[1]));
    let certificate = params.self_signed(&key)?;
    Ok(Identity::new(world, vec![certificate.der().to_vec()], &key))
}

/// Ends TLS with the certificate of the host that the client wants.
pub(super) fn acceptor(world: &World, certificates: &Certificates) -> Result<Acceptor, NoTls> {
    let (certificates, fake) = (certificates.clone(), fake(world)?);
    let acceptor = Acceptor::resolving(world, move |name, _| {
        let known = certificates.lock().unwrap_or_else(PoisonError::into_inner);
        let name = name.unwrap_or_default();
        let exact = known.get(name);
        let found = exact.or_else(|| known.iter().find(|(host, _)| host_fits(host, name)).map(|(_, i)| i));
        Some(found.unwrap_or(&fake).clone())
    })?;
    Ok(acceptor.with_alpn(&["http/1.1"]))
}

/// Where the TLS of a host is passed on to.
pub(super) type Passthrough = Shared<BTreeMap<String, Vec<SocketAddr>>>;

/// Looks at each connection's first message, and passes the whole of it on: to the service that wants the name's TLS, or
/// to `terminated`, where it ends. (ingress-nginx with `--enable-ssl-passthrough` does the same with a listener of its
/// own on the same host.)
pub(super) async fn pass_on(
    world: World,
    mut listener: Listener,
    passthrough: Passthrough,
    terminated: SocketAddr,
) {
    let connections = TaskGroup::new(&world);
    let world = Arc::new(world);
    while let Ok((mut stream, _)) = listener.accept().await {
        let (world, passthrough) = (world.clone(), passthrough.clone());
        connections.spawn("tls passthrough connection", async move {
            let Ok(hello) = read_hello(&mut stream).await else { return };
            let to = {
                let known = passthrough.lock().unwrap_or_else(PoisonError::into_inner);
                match known.get(hello.server_name.as_deref().unwrap_or_default()) {
                    None => Some(terminated),
                    // The name is there and its service has nobody: nobody answers.
                    Some(endpoints) => endpoints.first().copied(),
                }
            };
            let Some(to) = to else { return };
            let Ok(mut upstream) = world.connect(to).await else { return };
            if upstream.write_all(&hello.bytes).await.is_ok() {
                // Either end may break it off.
                let _ = copy_bidirectional(&mut stream, &mut upstream).await;
            }
        });
    }
}
