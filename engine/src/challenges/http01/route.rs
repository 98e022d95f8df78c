//! The HTTPRoute of an HTTP-01 challenge: how a Gateway comes to its solver. It is not cleaned up: it goes with the
//! Challenge, which owns it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Solver;
use super::ingress::challenge_path;
use crate::api::{
    AcmeChallengeSolverHttp01GatewayHttpRoute, Challenge, HTTPRoute, HttpBackendRef, HttpPathMatch,
    HttpRouteMatch, HttpRouteRule, HttpRouteSpec, PathMatchType, Resource as _,
};
use crate::challenges::ensure::labelled;
use crate::challenges::objects::HTTP01;
use crate::controller::{SyncError, SyncResult};
use crate::log::{Logger, catalogue as msg};
use crate::store::ApiError;
use crate::work::place;

/// The configuration of the gateway solver.
pub(super) fn config(challenge: &Challenge) -> Option<&AcmeChallengeSolverHttp01GatewayHttpRoute> {
    challenge.spec.solver.http01.as_ref()?.gateway_http_route.as_ref()
}

/// The route to `service`. An address has no host name here.
fn spec(
    challenge: &Challenge,
    config: &AcmeChallengeSolverHttp01GatewayHttpRoute,
    service: &str,
) -> HttpRouteSpec {
    let name = &challenge.spec.dns_name;
    HttpRouteSpec {
        parent_refs: config.parent_refs.clone(),
        hostnames: if name.parse::<IpAddr>().is_ok() { Vec::new() } else { vec![name.clone()] },
        rules: vec![HttpRouteRule {
            matches: vec![HttpRouteMatch {
                path: Some(HttpPathMatch {
                    type_: Some(PathMatchType::Exact),
                    value: Some(challenge_path(challenge)),
                }),
                ..HttpRouteMatch::default()
            }],
            backend_refs: vec![HttpBackendRef {
                group: Some(String::new()),
                kind: Some("Service".to_owned()),
                name: service.to_owned(),
                namespace: Some(challenge.metadata.namespace.clone()),
                port: Some(HTTP01.port),
                weight: Some(1),
                ..HttpBackendRef::default()
            }],
            ..HttpRouteRule::default()
        }],
    }
}

/// The labels by which it is found, and those that the issuer wants.
fn labels(
    challenge: &Challenge,
    config: &AcmeChallengeSolverHttp01GatewayHttpRoute,
) -> BTreeMap<String, String> {
    let mut labels = HTTP01.labels(challenge);
    labels.extend(config.labels.clone());
    labels
}

/// Between two tries of an update that lost (client-go's default back-off, without its jitter).
const CONFLICT_PAUSES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250)];

impl Solver {
    pub(super) async fn ensure_route(
        &self,
        log: &Logger,
        challenge: &Challenge,
        config: &AcmeChallengeSolverHttp01GatewayHttpRoute,
        service: &str,
    ) -> SyncResult {
        let log = log.with_name("ensureGatewayHTTPRoute");
        let client = &self.objects.context.client;
        self.objects.context.world.work(place("challenges/ensureGatewayHTTPRoute")).await;
        let (name, namespace) = (&challenge.metadata.name, &challenge.metadata.namespace);
        let own = [("name", name.as_str().into()), ("namespace", namespace.as_str().into())];
        let looking = log.with_name("getGatewayHTTPRoute");
        looking.info(&msg::ROUTES_GET, &own);
        let found = labelled(&self.routes, &HTTP01, challenge);
        let (spec, labels) = (spec(challenge, config, service), labels(challenge, config));
        match found.as_slice() {
            [] => {
                log.info(&msg::ROUTE_CREATE, &own);
                let mut metadata = HTTP01.meta(challenge);
                metadata.labels = labels;
                client.create(HTTPRoute { metadata, spec, ..HTTPRoute::default() }).await?;
                Ok(())
            }
            [only] => {
                log.info(&msg::ROUTE_FOUND, &own);
                if only.spec == spec && only.metadata.labels == labels {
                    return Ok(());
                }
                self.update_route(&log, only, spec, labels).await
            }
            [_, extra @ ..] => {
                for route in extra {
                    let values = [
                        ("name", route.metadata.name.as_str().into()),
                        ("namespace", route.metadata.namespace.as_str().into()),
                    ];
                    looking.info(&msg::ROUTE_EXTRA, &values);
                    client.delete::<HTTPRoute>(&route.key()).await?;
                }
                Err(SyncError::other("multiple HTTPRoutes found"))
            }
        }
    }

    /// Writes what it should be into what the API server has, a few times if somebody else is faster.
    async fn update_route(
        &self,
        log: &Logger,
        route: &Arc<HTTPRoute>,
        spec: HttpRouteSpec,
        labels: BTreeMap<String, String>,
    ) -> SyncResult {
        let values = [
            ("name", route.metadata.name.as_str().into()),
            ("namespace", route.metadata.namespace.as_str().into()),
        ];
        log.info(&msg::ROUTE_OUTDATED, &values);
        let client = &self.objects.context.client;
        let mut pauses = CONFLICT_PAUSES.into_iter();
        loop {
            let mut update = client.get::<HTTPRoute>(&route.key()).await?.as_ref().clone();
            update.spec.clone_from(&spec);
            update.metadata.labels.clone_from(&labels);
            match (client.update(update).await, pauses.next()) {
                (Err(ApiError::Conflict { .. }), Some(pause)) => {
                    self.objects.context.world.sleep(pause).await
                }
                (result, _) => return result.map(drop).map_err(SyncError::from),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn route(name: &str) -> Value {
        let mut c = Challenge::default();
        c.metadata.namespace = "shop".into();
        c.spec.dns_name = name.into();
        c.spec.token = "token".into();
        let solver = json!({"http01": {"gatewayHTTPRoute": {
            "labels": {"gateway": "web"},
            "parentRefs": [{"name": "web", "namespace": "infra"}],
        }}});
        c.spec.solver = serde_json::from_value(solver).unwrap();
        let config = config(&c).unwrap();
        assert_eq!(labels(&c, config).get("gateway").map(String::as_str), Some("web"));
        assert_eq!(labels(&c, config).len(), 4);
        serde_json::to_value(spec(&c, config, "solver")).unwrap()
    }

    #[test]
    fn a_route_leads_the_exact_path_of_the_host_from_its_parents_to_the_service() {
        assert_eq!(
            route("a.test"),
            json!({
                "parentRefs": [{"name": "web", "namespace": "infra"}],
                "hostnames": ["a.test"],
                "rules": [{
                    "matches": [{"path": {"type": "Exact", "value": "/.well-known/acme-challenge/token"}}],
                    "backendRefs": [{
                        "group": "",
                        "kind": "Service",
                        "name": "solver",
                        "namespace": "shop",
                        "port": 8089,
                        "weight": 1,
                    }],
                }],
            })
        );
    }

    #[test]
    fn the_route_of_an_address_has_no_host() {
        assert_eq!(route("10.0.0.1")["hostnames"], Value::Null);
    }
}
