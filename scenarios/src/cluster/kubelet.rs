//! The kubelet: a pod that was created is ready after a while; one that was deleted is gone at once.
//!
//! Every pod is a host of its own on the simulated network. The one program that it can run is the ACME
//! solver; any other container is ready and serves nothing.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use engine::acme::tls_alpn;
use engine::api::{
    ConditionStatus, Container, Kind, Object, ObjectKey, Pod, PodCondition, PodPhase, Resource as _, Time,
};
use engine::pki::PkiError;
use engine::store::{ChangeType, Store};
use world::World;
use world::tls::Acceptor;

use super::proxy::host_of;
use crate::script::{InTurn, Kubelet};

const FIRST_POD_IP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 42, 0, 10));

pub(super) fn start(world: &World, store: &Store, config: &Kubelet) {
    let (world, store) = (world.clone(), store.clone());
    let pod_start = Arc::new(InTurn::new(config.pod_start.clone()));
    let mut next_ip = config.first_pod_ip.unwrap_or(FIRST_POD_IP);
    let mut watch = store.watch(Kind::Pod);
    world.clone().spawn("kubelet", async move {
        while let Some(change) = watch.next().await {
            let Some(pod) = change.object.get::<Pod>().cloned() else { continue };
            let host = host_name(&pod.key());
            match change.type_ {
                ChangeType::Added if pod.status.pod_ip.is_empty() => {
                    let ip = next_ip;
                    next_ip = successor(ip);
                    let (inside, store, takes) = (world.process(&host), store.clone(), pod_start.next());
                    world.process(&host).spawn("pod start", async move {
                        inside.sleep(takes).await;
                        run(&inside, &store, &pod, ip).await;
                    });
                }
                ChangeType::Deleted => world.crash(&host),
                _ => {}
            }
        }
    });
}

fn successor(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits().wrapping_add(1)).into(),
        IpAddr::V6(ip) => std::net::Ipv6Addr::from_bits(ip.to_bits().wrapping_add(1)).into(),
    }
}

fn host_name(pod: &ObjectKey) -> String {
    format!("pod {pod}")
}

/// Starts the containers and says so in the pod's status.
async fn run(world: &World, store: &Store, pod: &Pod, ip: IpAddr) {
    let Some(net) = world.sim_net() else { return };
    net.add_host(world.host(), [ip]);
    for container in &pod.spec.containers {
        let Some(solver) = AcmeSolver::of(container) else { continue };
        // A container that cannot start is no reason for this pod to be the cluster's last.
        let Ok(tls) = solver.acceptor(world) else { continue };
        if let Ok(listener) = world.listen(SocketAddr::new(ip, solver.port)).await {
            let serve = world::http::serve(world.clone(), listener, tls, solver.router());
            world.spawn("acmesolver", serve);
        }
    }
    let Some(Object::Pod(current)) = store.get(Kind::Pod, &pod.key()) else { return };
    let mut ready = current.as_ref().clone();
    let now = Time::new(world.now());
    ready.status.phase = Some(PodPhase::Running);
    ready.status.pod_ip = ip.to_string();
    ready.status.start_time = Some(now);
    ready.status.conditions = vec![PodCondition {
        type_: "Ready".to_owned(),
        status: ConditionStatus::True,
        last_transition_time: Some(now),
        ..PodCondition::default()
    }];
    // It may have been deleted just now; then there is nothing to say.
    let _ = store.update_status(Object::from(ready));
}

/// cert-manager's acmesolver: it answers for one name and one token.
struct AcmeSolver {
    port: u16,
    domain: String,
    token: String,
    key: String,
    /// Shows the key in a TLS handshake instead of over HTTP.
    tls_alpn: bool,
    /// Knows that an IPv6 address stands in brackets in a Host header.
    knows_brackets: bool,
}

/// The solvers that do not.
const WITHOUT_BRACKETS: [&str; 2] = [":v1.7.1", ":v1.16.5"];

impl AcmeSolver {
    fn of(container: &Container) -> Option<Self> {
        if !container.image.contains("acmesolver") {
            return None;
        }
        let args: BTreeMap<&str, &str> =
            container.args.iter().filter_map(|a| a.strip_prefix("--")?.split_once('=')).collect();
        Some(AcmeSolver {
            port: args.get("listen-port")?.parse().ok()?,
            domain: (*args.get("domain")?).to_owned(),
            token: (*args.get("token")?).to_owned(),
            key: (*args.get("key")?).to_owned(),
            tls_alpn: container.args.iter().any(|arg| arg == "--tls-alpn"),
            knows_brackets: !WITHOUT_BRACKETS.iter().any(|tag| container.image.ends_with(tag)),
        })
    }

    /// The certificate of tls-alpn-01, for who speaks its protocol and no other (RFC 8737 section 3).
    fn acceptor(&self, world: &World) -> Result<Option<Acceptor>, PkiError> {
        if !self.tls_alpn {
            return Ok(None);
        }
        let identity = tls_alpn::identity(world, &self.domain, &self.key)?;
        let asked = tls_alpn::server_name(&self.domain);
        let acceptor = Acceptor::resolving(world, move |name, protocols| {
            let fits = name == Some(&asked) && protocols == [tls_alpn::PROTOCOL.as_bytes()];
            fits.then(|| identity.clone())
        });
        let acceptor = acceptor.map_err(|error| PkiError(error.to_string()))?;
        Ok(Some(acceptor.with_alpn(&[tls_alpn::PROTOCOL])))
    }

    fn router(self) -> Router {
        let solver = Arc::new(self);
        Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
            let answer = solver.answer(&uri, &headers);
            async move { answer }
        })
    }

    fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        if self.tls_alpn {
            // Nothing is said after the handshake.
            return StatusCode::NOT_FOUND.into_response();
        }
        if matches!(uri.path(), "/" | "/healthz") {
            return StatusCode::OK.into_response();
        }
        let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let host =
            if self.knows_brackets { host_of(host) } else { host.split(':').next().unwrap_or_default() };
        let token = uri.path().strip_prefix("/.well-known/acme-challenge/");
        if host != self.domain || token != Some(self.token.as_str()) {
            return StatusCode::NOT_FOUND.into_response();
        }
        ([(header::CACHE_CONTROL, "no-cache, no-store, must-revalidate")], self.key.clone()).into_response()
    }
}
