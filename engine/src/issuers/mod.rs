//! issuers and clusterissuers: makes an issuer ready to be used.

mod acme;
mod reference;

use std::sync::Arc;

use crate::acme::AcmeClients;
use crate::api::{
    ClusterIssuer, Condition, ConditionStatus, Issuer, IssuerSpec, IssuerStatus, Kind, Object, ObjectKey,
    Resource, Secret,
};
use crate::client::would_change;
use crate::conditions::{self, Conditioned, put, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult, not_in_cache};
use crate::informer::Lister;
use crate::log::{Message, catalogue as msg};

pub(crate) use reference::{IssuerListers, watch_issuers_of};

/// What Issuer and ClusterIssuer have in common.
pub(crate) trait AnyIssuer: Resource + Conditioned {
    /// Name of the controller.
    const CONTROLLER: &'static str;
    /// The line for one that is gone.
    const GONE: &'static Message;
    fn spec(&self) -> &IssuerSpec;
    fn status(&self) -> &IssuerStatus;
    fn status_mut(&mut self) -> &mut IssuerStatus;
}

impl AnyIssuer for Issuer {
    const CONTROLLER: &'static str = "issuers";
    const GONE: &'static Message = &msg::ISSUER_GONE;
    fn spec(&self) -> &IssuerSpec {
        &self.spec
    }
    fn status(&self) -> &IssuerStatus {
        &self.status
    }
    fn status_mut(&mut self) -> &mut IssuerStatus {
        &mut self.status
    }
}

impl AnyIssuer for ClusterIssuer {
    const CONTROLLER: &'static str = "clusterissuers";
    const GONE: &'static Message = &msg::CLUSTER_ISSUER_GONE;
    fn spec(&self) -> &IssuerSpec {
        &self.spec
    }
    fn status(&self) -> &IssuerStatus {
        &self.status
    }
    fn status_mut(&mut self) -> &mut IssuerStatus {
        &mut self.status
    }
}

struct Issuers<R> {
    context: Context,
    clients: AcmeClients,
    issuers: Lister<R>,
    secrets: Lister<Secret>,
    resource_namespace: String,
}

/// Starts both controllers. `resource_namespace` has the Secrets of ClusterIssuers.
pub(crate) fn start(context: &Context, clients: &AcmeClients, resource_namespace: &str) {
    start_one::<Issuer>(context, clients, resource_namespace);
    start_one::<ClusterIssuer>(context, clients, resource_namespace);
}

fn start_one<R: AnyIssuer>(context: &Context, clients: &AcmeClients, resource_namespace: &str) {
    let context = context.named(R::CONTROLLER);
    let queue = context.queue(R::CONTROLLER, context.compat.backoff_requests);
    controller::watch_self(&context, R::CONTROLLER, R::KIND, &queue);
    let (issuers, namespace) = (context.informers.lister::<R>(), resource_namespace.to_owned());
    controller::watch(&context, R::CONTROLLER, Kind::Secret, &queue, move |secret: &Object| {
        let meta = secret.meta();
        let names = |issuer: &R| {
            let key = issuer.spec().acme.as_ref().map(|a| &a.private_key_secret_ref.name);
            key == Some(&meta.name) && secret_namespace(issuer, &namespace) == meta.namespace
        };
        issuers.list(names).iter().map(|issuer| issuer.key()).collect()
    });
    let controller = Issuers {
        issuers: context.informers.lister::<R>(),
        secrets: context.informers.lister(),
        clients: clients.clone(),
        resource_namespace: resource_namespace.to_owned(),
        context: context.clone(),
    };
    controller::start(&context, R::CONTROLLER, &queue, Arc::new(controller));
}

fn secret_namespace<'a, R: Resource>(issuer: &'a R, resource_namespace: &'a str) -> &'a str {
    if R::KIND.is_namespaced() { &issuer.meta().namespace } else { resource_namespace }
}

/// What set-up found: the Ready condition, the account, and whether to try again.
pub(crate) struct Setup {
    pub(crate) condition: Condition,
    pub(crate) account: Option<crate::api::AcmeIssuerStatus>,
    pub(crate) retry: Option<SyncError>,
}

impl Setup {
    pub(crate) fn not_ready(reason: &str, message: impl Into<String>) -> Self {
        let condition = conditions::new("Ready", ConditionStatus::False, reason, message);
        Setup { condition, account: None, retry: None }
    }

    pub(crate) fn retried(self, why: impl std::fmt::Display) -> Self {
        Setup { retry: Some(SyncError::other(why)), ..self }
    }
}

impl<R: AnyIssuer> Issuers<R> {
    async fn set_up(&self, log: &crate::log::Logger, issuer: &R) -> Setup {
        let Some(acme) = &issuer.spec().acme else {
            // Other types of issuer are set up by an engine that knows them; saying so beats silence.
            return Setup::not_ready("ErrInitIssuer", "only ACME issuers are known to this engine");
        };
        let namespace = secret_namespace(issuer, &self.resource_namespace);
        acme::set_up(&self.context, &self.clients, &self.secrets, log, issuer, acme, namespace).await
    }
}

impl<R: AnyIssuer> Reconcile for Issuers<R> {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(issuer) = self.issuers.get(key) else {
            self.clients.forget(R::KIND.as_str(), key);
            self.context.log.error(R::GONE, Some(&not_in_cache(R::KIND, key)), &[]);
            return Ok(());
        };
        let log = self.context.log.with_resource(issuer.as_ref());
        let limit = self.context.compat.issuer_setup_limit;
        let setup = match self.context.world.timeout(limit, self.set_up(&log, issuer.as_ref())).await {
            Ok(setup) => setup,
            Err(_) => {
                let text = "Failed to register ACME account: context deadline exceeded";
                Setup::not_ready("ErrRegisterACMEAccount", text).retried("context deadline exceeded")
            }
        };
        if let Some(error) = &setup.retry {
            log.error(&msg::ISSUER_SETUP_FAILED, Some(&error.to_string()), &[]);
            let text = format!("Error initializing issuer: {error}");
            self.context.recorder.warning(issuer.as_ref(), "ErrInitIssuer", &text);
        }
        let observed_generation = issuer.meta().generation;
        let wanted = Condition { observed_generation, ..setup.condition };
        let condition = transition(&self.context.world, &log, issuer.as_ref(), wanted).await;
        let change = |i: &mut R| {
            if setup.account.is_some() {
                i.status_mut().acme.clone_from(&setup.account);
            }
            put(i, &condition);
        };
        if would_change(issuer.as_ref(), change) {
            self.context.client.update_status(issuer.as_ref(), change).await?;
        }
        setup.retry.map_or(Ok(()), Err)
    }
}
