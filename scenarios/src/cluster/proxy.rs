//! The proxy of an ingress or gateway controller: routes, and what it answers by them.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::sync::PoisonError;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use axum::{Extension, Router};
use engine::api::{Endpoints, Kind, ObjectKey, Service, ServiceBackendPort};
use engine::store::Store;
use world::World;
use world::http::{Client, Peer, Scheme, Url};

use super::Shared;
use super::access::{Access, AccessLog};
use crate::script::IngressBehaviour;

/// Where requests for one host and path go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Exact, `*.` with one label for the star, or empty for all.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) exact: bool,
    pub(super) endpoints: Vec<SocketAddr>,
}

/// Whether a host is the one that is written, or one that the star stands for.
pub(super) fn host_fits(written: &str, host: &str) -> bool {
    match written.strip_prefix("*.") {
        _ if written.is_empty() || written == host => true,
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => false,
    }
}

/// An exact host goes before a star, a star before any host.
fn rank(written: &str) -> u8 {
    match written {
        "" => 0,
        star if star.starts_with("*.") => 1,
        _ => 2,
    }
}

impl Route {
    fn fits(&self, host: &str, path: &str) -> bool {
        let path_fits = if self.exact { self.path == path } else { path.starts_with(&self.path) };
        path_fits && host_fits(&self.host, host)
    }
}

/// Longest path first, an exact one before a prefix.
pub(super) fn in_order(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by_key(|route| Reverse((route.path.len(), route.exact)));
    routes
}

/// The route of a request. nginx looks for the host's server first, and only there for the path; Traefik takes the
/// longest rule, and has none for a service without a ready endpoint.
fn choose<'a>(routes: &'a [Route], behaviour: IngressBehaviour, host: &str, path: &str) -> Option<&'a Route> {
    match behaviour {
        // Envoy has a virtual host for each domain, and looks for the path there alone, as nginx does.
        IngressBehaviour::Nginx | IngressBehaviour::Envoy => {
            let server = routes.iter().filter(|r| host_fits(&r.host, host)).map(|r| rank(&r.host)).max()?;
            routes.iter().find(|r| rank(&r.host) == server && r.fits(host, path))
        }
        IngressBehaviour::Traefik => {
            let fitting = routes.iter().filter(|r| !r.endpoints.is_empty() && r.fits(host, path));
            // Of equals the first.
            fitting.rev().max_by_key(|r| r.host.len() + r.path.len())
        }
    }
}

/// The addresses behind a port of a service.
pub(super) fn endpoints_of(
    store: &Store,
    namespace: &str,
    service: &str,
    port: &ServiceBackendPort,
) -> Vec<SocketAddr> {
    let key = ObjectKey::new(namespace, service);
    let service = store.get(Kind::Service, &key);
    let Some(service) = service.as_ref().and_then(|o| o.get::<Service>()) else { return Vec::new() };
    let by_port = |p: &&engine::api::ServicePort| {
        p.port == port.number || (!port.name.is_empty() && p.name == port.name)
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

/// The host of a Host header: without port and brackets.
pub(super) fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// Answers by the routes of a moment.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) world: World,
    pub(super) routes: Shared<Vec<Route>>,
    pub(super) behaviour: IngressBehaviour,
    pub(super) client: Client,
    /// Send everybody to https.
    pub(super) redirect: bool,
    pub(super) log: AccessLog,
}

/// An answer that the proxy gives itself, and Envoy's flag for why.
struct Own(StatusCode, &'static str, &'static str);

impl Proxy {
    pub(super) fn router(self) -> Router {
        Router::new().fallback(
            move |peer: Option<Extension<Peer>>, method: Method, uri: Uri, headers: HeaderMap| {
                let proxy = self.clone();
                async move {
                    let (began, arrived) = (proxy.world.now(), proxy.world.monotonic());
                    let answer = proxy.answer(&uri, &headers).await;
                    let header =
                        |name| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
                    let id: [u8; 16] = proxy
                        .world
                        .rng(&format!("request {} {}", proxy.world.host(), arrived.nanos()))
                        .bytes();
                    proxy.log.add(Access {
                        at: arrived,
                        wall: began,
                        host: proxy.world.host().to_owned(),
                        peer: peer.map(|Extension(Peer(address))| address.ip()),
                        method: method.to_string(),
                        path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
                        authority: header(header::HOST),
                        user_agent: header(header::USER_AGENT),
                        id,
                        status: answer.status.as_u16(),
                        bytes: answer.body.len(),
                        flag: answer.flag,
                        upstream: answer.upstream,
                        took: proxy.world.monotonic().since(arrived),
                        behaviour: proxy.behaviour,
                    });
                    (answer.status, answer.headers, answer.body).into_response()
                }
            },
        )
    }

    async fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Proxied {
        let authority =
            headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default().to_owned();
        let host = host_of(&authority);
        let path_and_query = uri.path_and_query().map_or("/", |p| p.as_str());
        if self.redirect {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let location = HeaderValue::from_str(&format!("https://{host}{path_and_query}"));
            let own = Proxied::of(Own(StatusCode::PERMANENT_REDIRECT, "", "-"));
            // What came in a header fits into one.
            let headers = location.into_iter().map(|location| (header::LOCATION, location)).collect();
            return Proxied { headers, ..own };
        }
        let route = {
            let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            choose(&routes, self.behaviour, host, uri.path()).cloned()
        };
        let Some(route) = route else {
            return Proxied::of(match self.behaviour {
                IngressBehaviour::Traefik => Own(StatusCode::NOT_FOUND, "404 page not found\n", "-"),
                IngressBehaviour::Nginx => Own(StatusCode::NOT_FOUND, "default backend - 404", "-"),
                IngressBehaviour::Envoy => Own(StatusCode::NOT_FOUND, "", "NR"),
            });
        };
        let Some(endpoint) = route.endpoints.first() else {
            return Proxied::of(match self.behaviour {
                IngressBehaviour::Envoy => Own(StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream", "UH"),
                _ => Own(StatusCode::SERVICE_UNAVAILABLE, "503 Service Temporarily Unavailable", "-"),
            });
        };
        let url = Url {
            scheme: Scheme::Http,
            host: endpoint.ip().to_string(),
            port: endpoint.port(),
            path: path_and_query.to_owned(),
            authority,
        };
        let upstream = Some(*endpoint);
        match self.client.get(&url).await {
            Ok(answer) => Proxied {
                status: answer.status,
                headers: HeaderMap::new(),
                body: answer.body,
                flag: "-",
                upstream,
            },
            Err(_) => Proxied {
                upstream,
                ..Proxied::of(match self.behaviour {
                    IngressBehaviour::Envoy => Own(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "upstream connect error or disconnect/reset before headers",
                        "UF",
                    ),
                    _ => Own(StatusCode::BAD_GATEWAY, "Bad Gateway", "-"),
                })
            },
        }
    }
}

/// What a request is answered with.
struct Proxied {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    flag: &'static str,
    upstream: Option<SocketAddr>,
}

impl Proxied {
    fn of(Own(status, body, flag): Own) -> Self {
        Proxied {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            flag,
            upstream: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: &str, path: &str, exact: bool, ready: bool) -> Route {
        let endpoints = if ready { vec![SocketAddr::from(([10, 0, 0, 1], 80))] } else { Vec::new() };
        Route { host: host.into(), path: path.into(), exact, endpoints }
    }

    #[test]
    fn a_route_fits_by_host_and_prefix_or_exactly() {
        assert!(route("x.test", "/a", false, true).fits("x.test", "/a/b"));
        assert!(!route("x.test", "/a", true, true).fits("x.test", "/a/b"));
        assert!(!route("x.test", "/a", false, true).fits("y.test", "/a"));
        assert!(route("", "/a", true, true).fits("y.test", "/a"));
        assert!(route("*.test", "/a", true, true).fits("y.test", "/a"));
        assert!(!route("*.test", "/a", true, true).fits("z.y.test", "/a"), "one label");
    }

    #[test]
    fn nginx_looks_in_the_hosts_server_alone_and_traefik_in_all_that_are_ready() {
        let routes = in_order(vec![
            route("", "/long/path", false, true),
            route("a.test", "/", false, true),
            route("a.test", "/x", false, false),
            route("a.test", "/x", true, true),
        ]);
        let path = |behaviour, host, path| {
            choose(&routes, behaviour, host, path).map(|r| (r.host.as_str(), r.path.as_str(), r.exact))
        };
        let (nginx, traefik) = (IngressBehaviour::Nginx, IngressBehaviour::Traefik);
        assert_eq!(path(nginx, "a.test", "/long/path"), Some(("a.test", "/", false)));
        assert_eq!(path(traefik, "a.test", "/long/path"), Some(("", "/long/path", false)));
        assert_eq!(path(nginx, "b.test", "/long/path"), Some(("", "/long/path", false)));
        assert_eq!(path(nginx, "b.test", "/"), None);
        assert_eq!(path(nginx, "a.test", "/x"), Some(("a.test", "/x", true)), "exact first");
        assert_eq!(path(nginx, "a.test", "/x/y"), Some(("a.test", "/x", false)));
        assert_eq!(path(traefik, "a.test", "/x/y"), Some(("a.test", "/", false)), "no endpoint, no route");
    }

    #[test]
    fn the_host_of_a_header_has_neither_port_nor_brackets() {
        for (authority, host) in
            [("a.test", "a.test"), ("a.test:80", "a.test"), ("[::1]:80", "::1"), ("[::1]", "::1")]
        {
            assert_eq!(host_of(authority), host);
        }
    }
}
