//! The HTTP-01 solver: a pod that answers, a service and an Ingress or HTTPRoute that lead to it, and the self-check.

mod check;
mod ingress;
mod route;

use std::net::SocketAddr;
use std::time::Duration;

use world::http::Client as HttpClient;
use world::resolver::Resolver;
use world::tls::Connector;

use super::ensure::{Objects, aggregate};
use super::words;
use crate::api::{Challenge, HTTPRoute, Ingress, Kind, ObjectKey};
use crate::controller::{Context, SyncError, SyncResult, not_in_cache};
use crate::engine::EngineConfig;
use crate::informer::Lister;
use crate::log::{Logger, catalogue as msg};
use crate::store::ApiError;

/// How long one of the solver's own nameservers is waited for.
const OWN_NAMESERVER_LIMIT: Duration = Duration::from_secs(3);

/// Presents, checks and cleans up.
pub(super) struct Solver {
    objects: Objects,
    routes: Lister<HTTPRoute>,
    http: HttpClient,
    gateway_api: bool,
}

impl Solver {
    pub(super) fn new(context: &Context, process: Resolver, config: &EngineConfig) -> Self {
        let resolver = self_check_resolver(context, process, &config.http01_nameservers);
        let http = HttpClient::new(&context.world, resolver).without_keep_alive();
        // Redirects to https may lead to hosts whose certificate is what this is about.
        let http = match Connector::unverified(&context.world) {
            Ok(tls) => http.with_tls(tls),
            Err(_) => http,
        };
        Solver {
            objects: Objects::new(context, &words::HTTP01),
            routes: context.informers.lister(),
            http: http.with_user_agent(context.compat.self_check_user_agent),
            gateway_api: config.gateway_api,
        }
    }

    /// Makes what is missing. An error with the service leaves the ingress for the next time.
    pub(super) async fn present(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let (pod, service) = self.objects.pod_and_service(log, challenge).await;
        let led = match service {
            Err(error) => Err(error),
            Ok(service) => self.lead(log, challenge, &service).await,
        };
        aggregate(pod.into_iter().chain(led.err()))
    }

    /// Leads requests to `service`, the way that the issuer says.
    async fn lead(&self, log: &Logger, challenge: &Challenge, service: &str) -> SyncResult {
        let cannot = |why: &str| {
            let key = ObjectKey::of(&challenge.metadata);
            SyncError::Other(format!("couldn't Present challenge {key}: {why}"))
        };
        if ingress::config(challenge).is_some() {
            return match ingress::edited_in_place(challenge) {
                Some(name) => self.add_path(log, challenge, name, service).await,
                None => {
                    let compat = self.objects.context.compat.as_ref();
                    let make = || ingress::ingress(challenge, service, compat);
                    self.objects.ensure_ingress(log, challenge, service, make).await
                }
            };
        }
        match route::config(challenge) {
            Some(_) if !self.gateway_api => Err(cannot("gateway api is not enabled")),
            Some(config) => self.ensure_route(log, challenge, config, service).await,
            None => Err(cannot("no Ingress nor Gateway HTTP01 solvers were specified")),
        }
    }

    /// An ingress of the user's own gets the path in front of its others.
    async fn add_path(&self, log: &Logger, challenge: &Challenge, name: &str, service: &str) -> SyncResult {
        log.with_name(words::HTTP01.ingress.logger).info(&msg::INGRESS_EDIT, &[]);
        let key = ObjectKey::new(challenge.metadata.namespace.as_str(), name);
        let missing = || SyncError::Other(not_in_cache(Kind::Ingress, &key));
        let ingress = self.objects.ingresses.get(&key).ok_or_else(missing)?;
        let context = &self.objects.context;
        if let Some(edited) = ingress::with_path(&ingress, challenge, service, &context.compat) {
            context.client.update(edited).await?;
        }
        Ok(())
    }

    /// Removes what was made: pods, services, ingresses, in this order.
    pub(super) async fn clean_up(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let mut errors = self.objects.delete_pods_and_services(log, challenge).await;
        let ingresses = match ingress::edited_in_place(challenge) {
            Some(name) => self.remove_path(log, challenge, name).await,
            None if ingress::config(challenge).is_some() => {
                self.objects.delete_ingresses(log, challenge).await
            }
            None => Ok(()),
        };
        errors.extend(ingresses.err());
        aggregate(errors)
    }

    /// Puts the user's ingress back. It is read from the API server: of several challenges that share it each would
    /// write over what the one before has put back, if it went by the cache.
    async fn remove_path(&self, log: &Logger, challenge: &Challenge, name: &str) -> SyncResult {
        let client = &self.objects.context.client;
        let key = ObjectKey::new(challenge.metadata.namespace.as_str(), name);
        let ingress = match client.get::<Ingress>(&key).await {
            Err(error @ ApiError::NotFound { .. }) => {
                log.error(&msg::NAMED_INGRESS_GONE, Some(&error.to_string()), &[]);
                return Ok(());
            }
            found => found?,
        };
        client.update(ingress::without_path(&ingress, challenge)).await?;
        Ok(())
    }
}

/// The solver's own nameservers, if it has some, or those of the process.
fn self_check_resolver(context: &Context, process: Resolver, own: &[SocketAddr]) -> Resolver {
    if own.is_empty() {
        process
    } else {
        Resolver::new(&context.world, own.to_vec()).with_timeout(OWN_NAMESERVER_LIMIT)
    }
}
