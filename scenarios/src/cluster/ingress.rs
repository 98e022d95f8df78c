//! The ingress controller: routes from Ingresses and Endpoints, a proxy on port 80, and TLS on port 443, ended with the
//! certificates of the Ingresses or (nginx) passed on for Ingresses that ask for it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use engine::api::{Ingress, Kind, PathType, ServiceBackendPort};
use engine::store::Store;
use world::World;
use world::http::Client;
use world::resolver::Resolver;
use world::tls::Identity;

use super::Shared;
use super::access::AccessLog;
use super::proxy::{Proxy, Route, endpoints_of, in_order};
use super::secure;
use crate::script::{InTurn, IngressBehaviour, IngressController};

/// Where nginx ends TLS itself, behind what passes TLS on.
const TERMINATED: u16 = 442;

pub(super) async fn start(
    world: &World,
    store: &Store,
    config: &IngressController,
    log: &AccessLog,
) -> io::Result<()> {
    let inside = world.process(&config.host);
    let listener = inside.listen(SocketAddr::from(([0, 0, 0, 0], 80))).await?;
    let routes: Shared<Vec<Route>> = Arc::default();
    let client = Client::new(&inside, Resolver::new(&inside, Vec::new())).without_keep_alive();
    let proxy = Proxy {
        routes: routes.clone(),
        behaviour: config.behaviour,
        client,
        redirect: config.redirect_to_https,
        world: inside.clone(),
        log: log.clone(),
    };
    let secured = Proxy { redirect: false, ..proxy.clone() };
    inside.spawn("ingress proxy", world::http::serve(inside.clone(), listener, None, proxy.router()));
    let certificates: secure::Certificates = Arc::default();
    let passthrough: secure::Passthrough = Arc::default();
    serve_tls(&inside, secured, &certificates, &passthrough).await?;

    let (store, class, behaviour) = (store.clone(), config.class.clone(), config.behaviour);
    let delay = InTurn::new(config.sync_delay.clone());
    let mut changed = super::changes(
        &inside,
        &store,
        &[Kind::Ingress, Kind::Endpoints, Kind::Service, Kind::Secret],
        "ingress controller",
    );
    let world = inside.clone();
    inside.spawn("ingress controller", async move {
        while changed.recv().await.is_some() {
            world.sleep(delay.next()).await;
            let served = Served::of(&world, &store, &class, behaviour);
            *routes.lock().unwrap_or_else(PoisonError::into_inner) = served.routes;
            *certificates.lock().unwrap_or_else(PoisonError::into_inner) = served.certificates;
            *passthrough.lock().unwrap_or_else(PoisonError::into_inner) = served.passthrough;
        }
    });
    Ok(())
}

async fn serve_tls(
    world: &World,
    proxy: Proxy,
    certificates: &secure::Certificates,
    passthrough: &secure::Passthrough,
) -> io::Result<()> {
    let acceptor = secure::acceptor(world, certificates).map_err(io::Error::other)?;
    let edge = world.listen(SocketAddr::from(([0, 0, 0, 0], 443))).await?;
    let terminated = world.listen(SocketAddr::from(([0, 0, 0, 0], TERMINATED))).await?;
    let own = world.sim_net().and_then(|net| net.addresses(world.host()).first().copied());
    let own = own.ok_or(io::ErrorKind::AddrNotAvailable)?;
    let serve = world::http::serve(world.clone(), terminated, Some(acceptor), proxy.router());
    world.spawn("ingress tls", serve);
    let to = SocketAddr::new(own, TERMINATED);
    world.spawn("ingress tls edge", secure::pass_on(world.clone(), edge, passthrough.clone(), to));
    Ok(())
}

/// What the Ingresses of a class make the controller serve.
struct Served {
    routes: Vec<Route>,
    certificates: BTreeMap<String, Identity>,
    passthrough: BTreeMap<String, Vec<SocketAddr>>,
}

impl Served {
    fn of(world: &World, store: &Store, class: &str, behaviour: IngressBehaviour) -> Self {
        let (mut routes, mut certificates, mut passthrough) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for object in store.list(Kind::Ingress) {
            let Some(ingress) = object.get::<Ingress>().filter(|i| serves(i, class)) else { continue };
            let namespace = &ingress.metadata.namespace;
            let annotation = ingress.metadata.annotations.get("nginx.ingress.kubernetes.io/ssl-passthrough");
            let passed = behaviour == IngressBehaviour::Nginx && annotation.is_some_and(|v| v == "true");
            for rule in &ingress.spec.rules {
                for path in rule.http.iter().flat_map(|h| &h.paths) {
                    let route = Route {
                        host: rule.host.clone(),
                        path: path.path.clone(),
                        exact: path.path_type == Some(PathType::Exact),
                        endpoints: path.backend.service.as_ref().map_or_else(Vec::new, |backend| {
                            endpoints_of(store, namespace, &backend.name, &backend.port)
                        }),
                    };
                    if passed {
                        passthrough.insert(route.host, route.endpoints);
                    } else {
                        routes.push(route);
                    }
                }
            }
            for tls in &ingress.spec.tls {
                let Some(identity) = secure::identity(world, store, namespace, &tls.secret_name) else {
                    continue;
                };
                certificates.extend(tls.hosts.iter().map(|host| (host.clone(), identity.clone())));
            }
        }
        Served { routes: in_order(routes), certificates, passthrough }
    }
}

/// Whether an Ingress is of the class, by the annotation or, without one, by the field; one without a class is
/// everybody's.
fn serves(ingress: &Ingress, class: &str) -> bool {
    let annotation = ingress.metadata.annotations.get("kubernetes.io/ingress.class");
    let named = annotation.or(ingress.spec.ingress_class_name.as_ref());
    class.is_empty() || named.is_none_or(|named| named == class)
}

/// A port by its number.
pub(super) fn by_number(number: i32) -> ServiceBackendPort {
    ServiceBackendPort { number, ..ServiceBackendPort::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_goes_before_the_field_and_no_class_is_everybodys() {
        let mut ingress = Ingress::default();
        assert!(serves(&ingress, "nginx"));
        ingress.spec.ingress_class_name = Some("traefik".into());
        assert!(!serves(&ingress, "nginx") && serves(&ingress, ""));
        ingress.metadata.annotations.insert("kubernetes.io/ingress.class".into(), "nginx".into());
        assert!(serves(&ingress, "nginx") && !serves(&ingress, "traefik"));
    }
}
