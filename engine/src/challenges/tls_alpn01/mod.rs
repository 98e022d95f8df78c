//! The TLS-ALPN-01 solver (RFC 8737), which cert-manager does not have: a pod that shows the challenge's certificate
//! to who speaks `acme-tls/1`, a service, and an Ingress whose controller passes TLS through by the name that the
//! client asks for. An address is asked for, and so routed, by its reverse name (RFC 8738).

use std::net::{IpAddr, SocketAddr};

use world::resolver::Resolver;
use world::tls::Connector;

use super::ensure::{Objects, aggregate};
use super::objects::{TLS_ALPN01, dress};
use super::words;
use crate::acme::tls_alpn::{self, PROTOCOL};
use crate::api::{
    AcmeChallengeSolverTlsAlpn01Ingress, Challenge, HttpIngressPath, HttpIngressRuleValue, Ingress,
    IngressBackend, IngressRule, IngressServiceBackend, PathType, ServiceBackendPort,
};
use crate::compat::Compat;
use crate::controller::{Context, SyncError, SyncResult};
use crate::log::Logger;
use crate::work::place;

/// Where TLS is expected.
const PORT: u16 = 443;

/// Presents, checks and cleans up.
pub(super) struct Solver {
    objects: Objects,
    resolver: Resolver,
    /// Nothing, if no version of TLS could be offered.
    tls: Option<Connector>,
}

fn config(challenge: &Challenge) -> Option<&AcmeChallengeSolverTlsAlpn01Ingress> {
    challenge.spec.solver.tls_alpn01.as_ref()?.ingress.as_ref()
}

/// The Ingress that passes the TLS of the name on to `service`.
fn ingress(
    challenge: &Challenge,
    config: &AcmeChallengeSolverTlsAlpn01Ingress,
    service: &str,
    compat: &Compat,
) -> Ingress {
    let mut ingress = Ingress { metadata: TLS_ALPN01.meta(challenge), ..Ingress::default() };
    let passthrough = "nginx.ingress.kubernetes.io/ssl-passthrough";
    ingress.metadata.annotations.insert(passthrough.into(), "true".into());
    let path = HttpIngressPath {
        path: "/".into(),
        path_type: Some(PathType::Prefix),
        backend: IngressBackend {
            service: Some(IngressServiceBackend {
                name: service.to_owned(),
                port: ServiceBackendPort { number: TLS_ALPN01.port, ..ServiceBackendPort::default() },
            }),
            resource: None,
        },
    };
    ingress.spec.rules.push(IngressRule {
        host: tls_alpn::server_name(&challenge.spec.dns_name),
        http: Some(HttpIngressRuleValue { paths: vec![path] }),
    });
    let class = (config.class.as_ref(), config.ingress_class_name.as_ref());
    dress(&mut ingress, class, config.ingress_template.as_ref(), compat);
    ingress
}

impl Solver {
    pub(super) fn new(context: &Context, resolver: Resolver) -> Self {
        // The certificate is looked at here.
        let tls = Connector::unverified(&context.world).ok();
        Solver {
            objects: Objects::new(context, &words::TLS_ALPN01),
            resolver,
            tls: tls.map(|tls| tls.with_alpn(&[PROTOCOL])),
        }
    }

    /// Makes what is missing. An error with the service leaves the ingress for the next time.
    pub(super) async fn present(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let missing = || SyncError::other("no TLS-ALPN-01 ingress config provided");
        let config = config(challenge).ok_or_else(missing)?;
        let (pod, service) = self.objects.pod_and_service(log, challenge).await;
        let led = match service {
            Err(error) => Err(error),
            Ok(service) => {
                let compat = self.objects.context.compat.as_ref();
                let make = || ingress(challenge, config, &service, compat);
                self.objects.ensure_ingress(log, challenge, &service, make).await
            }
        };
        aggregate(pod.into_iter().chain(led.err()))
    }

    /// Presents again, then does what the CA will do: as often, and with the pauses, of the HTTP-01 check.
    pub(super) async fn check(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        self.present(log, challenge).await?;
        let world = &self.objects.context.world;
        let compat = self.objects.context.compat.self_check;
        let passes = async {
            for pass in 1..=compat.passes {
                self.handshake(challenge).await?;
                if pass < compat.passes || compat.pause_after_last {
                    world.sleep(compat.pause).await;
                }
            }
            Ok(())
        };
        let checked = world.timeout(compat.limit, passes).await;
        let checked = checked.unwrap_or_else(|_| Err(SyncError::other("context deadline exceeded")));
        if checked.is_err() {
            world.work(place("challenges/selfCheck")).await;
        }
        checked
    }

    /// One handshake with the first address that takes it, and a look at the certificate.
    async fn handshake(&self, challenge: &Challenge) -> SyncResult {
        let name = &challenge.spec.dns_name;
        let failed = |error: &dyn std::fmt::Display| {
            SyncError::Other(format!("failed to perform self check TLS handshake with '{name}': {error}"))
        };
        let tls = self.tls.as_ref().ok_or_else(|| failed(&"no TLS configuration"))?;
        let addresses: Vec<IpAddr> = match name.parse() {
            Ok(ip) => vec![ip],
            Err(_) => self.resolver.addresses(name).await.map_err(|error| failed(&error))?,
        };
        let limit = self.objects.context.compat.self_check.request_limit;
        let mut last = failed(&"no address");
        for ip in addresses {
            let to = SocketAddr::new(ip, PORT);
            let stream = match tls.dial(to, &tls_alpn::server_name(name), limit).await {
                Ok(stream) => stream,
                Err(error) => {
                    last = failed(&format_args!("{to}: {error}"));
                    continue;
                }
            };
            if stream.alpn() != Some(PROTOCOL.as_bytes()) {
                return Err(failed(&format_args!("{to}: the server does not speak {PROTOCOL:?}")));
            }
            let leaf = stream.peer_certificates().first().copied().unwrap_or_default().to_vec();
            return tls_alpn::check(&leaf, name, &challenge.spec.key)
                .map_err(|flaw| failed(&format_args!("{to}: {flaw}")));
        }
        Err(last)
    }

    /// Deletes what was made: pods, services, ingresses, in this order.
    pub(super) async fn clean_up(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let mut errors = self.objects.delete_pods_and_services(log, challenge).await;
        errors.extend(self.objects.delete_ingresses(log, challenge).await.err());
        aggregate(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::V1_21;
    use serde_json::json;

    #[test]
    fn the_ingress_passes_the_tls_of_the_name_through() {
        for (name, host) in [("a.test", "a.test"), ("203.0.113.80", "80.113.0.203.in-addr.arpa")] {
            let mut c = Challenge::default();
            c.spec.dns_name = name.into();
            let solver = json!({"tlsALPN01": {"ingress": {"ingressClassName": "nginx"}}});
            c.spec.solver = serde_json::from_value(solver).unwrap();
            let made = ingress(&c, config(&c).unwrap(), "solver", &V1_21);
            assert_eq!(made.metadata.annotations["nginx.ingress.kubernetes.io/ssl-passthrough"], "true");
            assert_eq!(made.spec.ingress_class_name.as_deref(), Some("nginx"));
            assert_eq!(made.spec.rules[0].host, host);
        }
    }

    #[test]
    fn the_pod_is_told_to_speak_tls() {
        let pod = TLS_ALPN01.pod(&Challenge::default(), &V1_21);
        let args = &pod.spec.containers[0].args;
        assert!(args.contains(&"--listen-port=8443".to_owned()) && args.contains(&"--tls-alpn".to_owned()));
    }
}
