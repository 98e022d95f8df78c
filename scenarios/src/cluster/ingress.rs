//! The ingress controller: routes from Ingresses and Endpoints, and a proxy on port 80.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use engine::api::{Endpoints, HttpIngressPath, Ingress, Kind, ObjectKey, PathType, Service};
use engine::store::Store;
use world::World;
use world::http::{Client, Scheme, Url};
use world::resolver::Resolver;

use super::Shared;
use crate::script::{InTurn, IngressBehaviour, IngressController};

/// Where requests for one host and path go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Route {
    host: String,
    path: String,
    exact: bool,
    endpoints: Vec<SocketAddr>,
}

impl Route {
    fn fits(&self, host: &str, path: &str) -> bool {
        let host_fits = self.host.is_empty() || self.host == host;
        host_fits && if self.exact { self.path == path } else { path.starts_with(&self.path) }
    }
}

pub(super) async fn start(world: &World, store: &Store, config: &IngressController) -> std::io::Result<()> {
    let inside = world.process(&config.host);
    let listener = inside.listen(SocketAddr::from(([0, 0, 0, 0], 80))).await?;
    let routes: Shared<Vec<Route>> = Arc::default();
    let client = Client::new(&inside, Resolver::new(&inside, Vec::new())).without_keep_alive();
    let proxy = Proxy { routes: routes.clone(), behaviour: config.behaviour, client };
    inside.spawn("ingress proxy", world::http::serve(inside.clone(), listener, None, proxy.router()));

    let (store, class) = (store.clone(), config.class.clone());
    let delay = InTurn::new(config.sync_delay.clone());
    let mut changed = super::changes(
        &inside,
        &store,
        &[Kind::Ingress, Kind::Endpoints, Kind::Service],
        "ingress controller",
    );
    let world = inside.clone();
    inside.spawn("ingress controller", async move {
        while changed.recv().await.is_some() {
            world.sleep(delay.next()).await;
            let new = routes_of(&store, &class);
            *routes.lock().unwrap_or_else(PoisonError::into_inner) = new;
        }
    });
    Ok(())
}

/// All routes of the Ingresses of `class`, longest path first.
fn routes_of(store: &Store, class: &str) -> Vec<Route> {
    let mut routes = Vec::new();
    for object in store.list(Kind::Ingress) {
        let Some(ingress) = object.get::<Ingress>() else { continue };
        let annotation = ingress.metadata.annotations.get("kubernetes.io/ingress.class");
        let named = annotation.or(ingress.spec.ingress_class_name.as_ref());
        if !class.is_empty() && named.is_some_and(|n| n != class) {
            continue;
        }
        for rule in &ingress.spec.rules {
            for path in rule.http.iter().flat_map(|h| &h.paths) {
                routes.push(Route {
                    host: rule.host.clone(),
                    path: path.path.clone(),
                    exact: path.path_type == Some(PathType::Exact),
                    endpoints: endpoints_of(store, &ingress.metadata.namespace, path),
                });
            }
        }
    }
    routes.sort_by_key(|r| std::cmp::Reverse(r.path.len()));
    routes
}

fn endpoints_of(store: &Store, namespace: &str, path: &HttpIngressPath) -> Vec<SocketAddr> {
    let Some(backend) = &path.backend.service else { return Vec::new() };
    let key = ObjectKey::new(namespace, backend.name.as_str());
    let service = store.get(Kind::Service, &key);
    let Some(service) = service.as_ref().and_then(|o| o.get::<Service>()) else { return Vec::new() };
    let by_port = |p: &&engine::api::ServicePort| {
        p.port == backend.port.number || (!backend.port.name.is_empty() && p.name == backend.port.name)
    };
    let Some(port) = service.spec.ports.iter().find(by_port) else { return Vec::new() };
    let endpoints = store.get(Kind::Endpoints, &key);
    let Some(endpoints) = endpoints.as_ref().and_then(|o| o.get::<Endpoints>()) else { return Vec::new() };
    let mut all = Vec::new();
    for subset in &endpoints.subsets {
        let number =
            subset.ports.iter().find(|p| p.name == port.name).and_then(|p| u16::try_from(p.port).ok());
        for address in &subset.addresses {
            if let (Some(port), Ok(ip)) = (number, address.ip.parse()) {
                all.push(SocketAddr::new(ip, port));
            }
        }
    }
    all
}

#[derive(Clone)]
struct Proxy {
    routes: Shared<Vec<Route>>,
    behaviour: IngressBehaviour,
    client: Client,
}

impl Proxy {
    fn router(self) -> Router {
        Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
            let proxy = self.clone();
            async move { proxy.answer(uri, headers).await }
        })
    }

    fn route(&self, host: &str, path: &str) -> Option<Route> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        // Traefik has no route for a service without a ready endpoint.
        let usable = |r: &&Route| self.behaviour == IngressBehaviour::Nginx || !r.endpoints.is_empty();
        routes.iter().filter(usable).find(|r| r.fits(host, path)).cloned()
    }

    async fn answer(&self, uri: Uri, headers: HeaderMap) -> Response {
        let authority =
            headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default().to_owned();
        let host = authority.split(':').next().unwrap_or_default();
        let Some(route) = self.route(host, uri.path()) else {
            return match self.behaviour {
                IngressBehaviour::Traefik => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
                IngressBehaviour::Nginx => (StatusCode::NOT_FOUND, "default backend - 404").into_response(),
            };
        };
        let Some(endpoint) = route.endpoints.first() else {
            return (StatusCode::SERVICE_UNAVAILABLE, "503 Service Temporarily Unavailable").into_response();
        };
        let url = Url {
            scheme: Scheme::Http,
            host: endpoint.ip().to_string(),
            port: endpoint.port(),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
            authority,
        };
        match self.client.get(&url).await {
            Ok(answer) => (answer.status, answer.body).into_response(),
            Err(_) => (StatusCode::BAD_GATEWAY, "Bad Gateway").into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_fits_by_host_and_prefix_or_exactly() {
        let route =
            |host: &str, exact| Route { host: host.into(), path: "/a".into(), exact, endpoints: Vec::new() };
        assert!(route("x.test", false).fits("x.test", "/a/b"));
        assert!(!route("x.test", true).fits("x.test", "/a/b"));
        assert!(!route("x.test", false).fits("y.test", "/a"));
        assert!(route("", true).fits("y.test", "/a"));
    }
}
