//! The gateway controller: routes from the HTTPRoutes that attach to the Gateways of its class.
//!
//! It serves HTTP listeners on port 80 and HTTPS listeners on port 443, which it ends with the certificates that they
//! refer to. TLS listeners and filters are left alone.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use engine::api::{FromNamespaces, Gateway, HTTPRoute, Kind, Listener, ParentReference, PathMatchType};
use engine::store::Store;
use world::World;
use world::http::Client;
use world::resolver::Resolver;
use world::tls::Identity;

use super::access::AccessLog;
use super::ingress::by_number;
use super::proxy::{Proxy, Route, endpoints_of, host_fits, in_order};
use super::{Shared, secure};
use crate::script::{GatewayController, InTurn, IngressBehaviour};

pub(super) async fn start(
    world: &World,
    store: &Store,
    config: &GatewayController,
    log: &AccessLog,
) -> io::Result<()> {
    let inside = world.process(&config.host);
    let plain = inside.listen(SocketAddr::from(([0, 0, 0, 0], 80))).await?;
    let secured = inside.listen(SocketAddr::from(([0, 0, 0, 0], 443))).await?;
    let client = Client::new(&inside, Resolver::new(&inside, Vec::new())).without_keep_alive();
    let (http, https): (Shared<Vec<Route>>, Shared<Vec<Route>>) = Default::default();
    let proxy = |routes: &Shared<Vec<Route>>| Proxy {
        routes: routes.clone(),
        behaviour: IngressBehaviour::Nginx,
        client: client.clone(),
        redirect: false,
        world: inside.clone(),
        log: log.clone(),
    };
    let certificates: secure::Certificates = Arc::default();
    let acceptor = secure::acceptor(&inside, &certificates).map_err(io::Error::other)?;
    let serve = world::http::serve(inside.clone(), plain, None, proxy(&http).router());
    inside.spawn("gateway http", serve);
    let serve = world::http::serve(inside.clone(), secured, Some(acceptor), proxy(&https).router());
    inside.spawn("gateway https", serve);

    let (store, class) = (store.clone(), config.class.clone());
    let delay = InTurn::new(config.sync_delay.clone());
    let kinds = [Kind::Gateway, Kind::HTTPRoute, Kind::Endpoints, Kind::Service, Kind::Secret];
    let mut changed = super::changes(&inside, &store, &kinds, "gateway controller");
    let world = inside.clone();
    inside.spawn("gateway controller", async move {
        while changed.recv().await.is_some() {
            world.sleep(delay.next()).await;
            *http.lock().unwrap_or_else(PoisonError::into_inner) = routes(&store, &class, "HTTP", 80);
            *https.lock().unwrap_or_else(PoisonError::into_inner) = routes(&store, &class, "HTTPS", 443);
            *certificates.lock().unwrap_or_else(PoisonError::into_inner) =
                certificates_of(&world, &store, &class);
        }
    });
    Ok(())
}

/// The listeners of the Gateways of a class, with their Gateways.
fn listeners(store: &Store, class: &str) -> Vec<(Arc<Gateway>, Listener)> {
    let gateways = store.list(Kind::Gateway);
    let own = gateways.iter().filter_map(|o| o.get::<Gateway>());
    let own = own.filter(|g| class.is_empty() || g.spec.gateway_class_name == class);
    own.flat_map(|g| g.spec.listeners.iter().map(|l| (g.clone(), l.clone()))).collect()
}

fn certificates_of(world: &World, store: &Store, class: &str) -> BTreeMap<String, Identity> {
    let mut all = BTreeMap::new();
    for (gateway, listener) in listeners(store, class) {
        for secret in listener.tls.iter().flat_map(|tls| &tls.certificate_refs) {
            if let Some(found) = secure::identity(world, store, &gateway.metadata.namespace, &secret.name) {
                all.insert(listener.hostname.clone().unwrap_or_default(), found);
            }
        }
    }
    all
}

/// The routes of one protocol and port.
fn routes(store: &Store, class: &str, protocol: &str, port: i32) -> Vec<Route> {
    let objects = store.list(Kind::HTTPRoute);
    let mut all = Vec::new();
    for (gateway, listener) in listeners(store, class) {
        if listener.protocol != protocol || listener.port != port {
            continue;
        }
        for route in objects.iter().filter_map(|o| o.get::<HTTPRoute>()) {
            if attaches(route, &gateway, &listener) {
                for host in hosts(&listener, route) {
                    all.extend(rules(store, route, &host));
                }
            }
        }
    }
    in_order(all)
}

/// Whether the route wants to be at this listener, and may be.
fn attaches(route: &HTTPRoute, gateway: &Gateway, listener: &Listener) -> bool {
    let namespace = &route.metadata.namespace;
    let wants = |parent: &ParentReference| {
        parent.name == gateway.metadata.name
            && *parent.namespace.as_ref().unwrap_or(namespace) == gateway.metadata.namespace
            && parent.kind.as_deref().is_none_or(|kind| kind == "Gateway")
            && parent.section_name.as_ref().is_none_or(|name| *name == listener.name)
            && parent.port.is_none_or(|port| port == listener.port)
    };
    let from = listener.allowed_routes.as_ref().and_then(|a| a.namespaces.as_ref()).and_then(|n| n.from);
    let may = match from.unwrap_or(FromNamespaces::Same) {
        FromNamespaces::All => true,
        FromNamespaces::Same => *namespace == gateway.metadata.namespace,
        // There are no Namespace objects here that could have labels.
        FromNamespaces::Selector | FromNamespaces::None => false,
    };
    may && route.spec.parent_refs.iter().any(wants)
}

/// The hosts that listener and route have in common.
fn hosts(listener: &Listener, route: &HTTPRoute) -> Vec<String> {
    let own = listener.hostname.as_deref().unwrap_or_default();
    if route.spec.hostnames.is_empty() {
        return vec![own.to_owned()];
    }
    let names = route.spec.hostnames.iter();
    names
        .filter_map(|name| match () {
            () if host_fits(own, name) => Some(name.clone()),
            () if host_fits(name, own) => Some(own.to_owned()),
            () => None,
        })
        .collect()
}

fn rules(store: &Store, route: &HTTPRoute, host: &str) -> Vec<Route> {
    let mut all = Vec::new();
    for rule in &route.spec.rules {
        let backends = rule.backend_refs.iter().flat_map(|backend| {
            let namespace = backend.namespace.as_ref().unwrap_or(&route.metadata.namespace);
            endpoints_of(store, namespace, &backend.name, &by_number(backend.port.unwrap_or_default()))
        });
        let endpoints: Vec<SocketAddr> = backends.collect();
        let mut paths: Vec<(String, bool)> = rule
            .matches
            .iter()
            .map(|m| {
                let path = m.path.clone().unwrap_or_default();
                let exact = path.type_ == Some(PathMatchType::Exact);
                (path.value.unwrap_or_else(|| "/".to_owned()), exact)
            })
            .collect();
        if paths.is_empty() {
            paths.push(("/".to_owned(), false));
        }
        all.extend(paths.into_iter().map(|(path, exact)| Route {
            host: host.to_owned(),
            path,
            exact,
            endpoints: endpoints.clone(),
        }));
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn gateway(listener: Value) -> Gateway {
        let mut listener = listener;
        listener["name"] = "http".into();
        listener["port"] = 80.into();
        listener["protocol"] = "HTTP".into();
        let json = json!({
            "metadata": {"name": "web", "namespace": "infra"},
            "spec": {"gatewayClassName": "x", "listeners": [listener]},
        });
        serde_json::from_value(json).unwrap()
    }

    fn route(namespace: &str, spec: Value) -> HTTPRoute {
        let json = json!({"metadata": {"name": "r", "namespace": namespace}, "spec": spec});
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_route_attaches_where_it_wants_to_and_may() {
        let all = json!({"allowedRoutes": {"namespaces": {"from": "All"}}});
        let ok = |listener: &Value, namespace: &str, parent: Value| {
            let gateway = gateway(listener.clone());
            attaches(&route(namespace, json!({"parentRefs": [parent]})), &gateway, &gateway.spec.listeners[0])
        };
        let there = json!({"name": "web", "namespace": "infra"});
        assert!(ok(&all, "shop", there.clone()));
        assert!(!ok(&json!({}), "shop", there.clone()), "from the same namespace only");
        assert!(ok(&json!({}), "infra", json!({"name": "web"})));
        assert!(!ok(&all, "shop", json!({"name": "web"})), "in its own namespace there is none");
        assert!(!ok(&all, "shop", json!({"name": "web", "namespace": "infra", "sectionName": "https"})));
        assert!(!ok(&all, "shop", json!({"name": "web", "namespace": "infra", "port": 443})));
        assert!(!ok(&all, "shop", json!({"name": "web", "namespace": "infra", "kind": "ListenerSet"})));
    }

    #[test]
    fn hosts_are_those_that_both_have() {
        let common = |listener: Value, names: Value| {
            let gateway = gateway(listener);
            hosts(&gateway.spec.listeners[0], &route("infra", json!({ "hostnames": names })))
        };
        assert_eq!(common(json!({}), json!(["a.test"])), ["a.test"]);
        assert_eq!(common(json!({"hostname": "*.test"}), json!(["a.test", "a.other"])), ["a.test"]);
        assert_eq!(common(json!({"hostname": "a.test"}), json!(["*.test"])), ["a.test"]);
        assert_eq!(common(json!({"hostname": "a.test"}), json!([])), ["a.test"]);
    }
}
