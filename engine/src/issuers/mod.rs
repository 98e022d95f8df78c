//! issuers and clusterissuers: makes an issuer ready to be used.

mod acme;
mod backend;
mod ca;
mod reference;
mod self_signed;
pub(crate) mod vault;
pub(crate) mod venafi;

use std::sync::Arc;

use crate::acme::{AcmeClients, ClientConfig};
use crate::api::{
    ClusterIssuer, Condition, ConditionStatus, Issuer, IssuerSpec, IssuerStatus, Kind, ObjectKey, Resource,
    Secret,
};
use crate::client::would_change;
use crate::conditions::{self, Conditioned, put, transition};
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult, not_in_cache};
use crate::informer::Lister;
use crate::log::{Logger, Message, catalogue as msg};

pub(crate) use reference::{FoundIssuer, IssuerListers, IssuerType, watch_issuers_of};

/// What Issuer and ClusterIssuer have in common.
pub(crate) trait AnyIssuer: Resource + Conditioned {
    /// Name of the controller.
    const CONTROLLER: &'static str;
    /// The line for one whose set-up failed.
    const SETUP_FAILED: &'static Message;
    /// The line for one that is gone.
    const GONE: &'static Message;
    fn spec(&self) -> &IssuerSpec;
    fn status(&self) -> &IssuerStatus;
    fn status_mut(&mut self) -> &mut IssuerStatus;
}

impl AnyIssuer for Issuer {
    const CONTROLLER: &'static str = "issuers";
    const SETUP_FAILED: &'static Message = &msg::ISSUER_SETUP_FAILED;
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
    const SETUP_FAILED: &'static Message = &msg::CLUSTER_ISSUER_SETUP_FAILED;
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

/// What issuers need to know of their process.
#[derive(Clone, Debug)]
pub(crate) struct IssuerOptions {
    /// The namespace of the Secrets that ClusterIssuers name.
    pub(crate) resource_namespace: String,
    /// How servers are reached.
    pub(crate) http: ClientConfig,
    /// `User-Agent` of requests.
    pub(crate) user_agent: &'static str,
    /// The Secrets.
    pub(crate) secrets: Lister<Secret>,
}

struct Issuers<R> {
    context: Context,
    clients: AcmeClients,
    issuers: Lister<R>,
    options: IssuerOptions,
}

/// Starts both controllers.
pub(crate) fn start(context: &Context, clients: &AcmeClients, options: &IssuerOptions) {
    start_one::<Issuer>(context, clients, options);
    start_one::<ClusterIssuer>(context, clients, options);
}

fn start_one<R: AnyIssuer>(context: &Context, clients: &AcmeClients, options: &IssuerOptions) {
    if !context.runs(R::CONTROLLER) {
        return;
    }
    let context = context.named(R::CONTROLLER);
    let queue = context.queue(R::CONTROLLER, context.compat.backoff_requests);
    controller::watch_self(&context, R::CONTROLLER, R::KIND, &queue);
    let (issuers, namespace) = (context.informers.lister::<R>(), options.resource_namespace.clone());
    let bundles = context.compat.other_issuers.vault.newer_auth;
    let solvers = context.compat.solver_secrets_checked;
    controller::watch(&context, R::CONTROLLER, Kind::Secret, &queue, move |notice| {
        let meta = notice.change.object.meta();
        let names = |issuer: &R| {
            secret_namespace(issuer, &namespace) == meta.namespace
                && secrets_of(issuer.spec(), bundles, solvers).contains(&meta.name.as_str())
        };
        issuers.keys(names)
    });
    let controller = Issuers {
        issuers: context.informers.lister::<R>(),
        clients: clients.clone(),
        options: options.clone(),
        context: context.clone(),
    };
    controller::start(&context, R::CONTROLLER, &queue, Arc::new(controller));
}

/// The Secrets whose changes make an issuer be set up again; `bundles`: those with roots of trust, too.
fn secrets_of(spec: &IssuerSpec, bundles: bool, solvers: bool) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    if let Some(acme) = &spec.acme {
        names = acme::secrets::named(acme, solvers);
    } else if let Some(ca) = &spec.ca {
        names.push(&ca.secret_name);
    } else if let Some(venafi) = &spec.venafi {
        if let Some(tpp) = &venafi.tpp {
            names.push(&tpp.credentials_ref.name);
            names.extend(tpp.ca_bundle_secret_ref.iter().filter(|_| bundles).map(|r| r.name.as_str()));
        }
        names.extend(venafi.cloud.iter().map(|cloud| cloud.api_token_secret_ref.name.as_str()));
    } else if let Some(vault) = &spec.vault {
        let auth = &vault.auth;
        names.extend(auth.token_secret_ref.iter().map(|r| r.name.as_str()));
        names.extend(auth.app_role.iter().map(|role| role.secret_ref.name.as_str()));
        names.extend(auth.kubernetes.iter().map(|kubernetes| kubernetes.secret_ref.name.as_str()));
        names.extend(vault.ca_bundle_secret_ref.iter().filter(|_| bundles).map(|r| r.name.as_str()));
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The error of the status write, and that of the set-up if it had one: in one text, as Kubernetes' aggregate has them.
fn both(write: &str, setup: Option<SyncError>) -> SyncError {
    SyncError::Other(setup.map_or_else(|| write.to_owned(), |error| format!("[{write}, {error}]")))
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
    async fn set_up(&self, log: &Logger, issuer: &R) -> Setup {
        let (context, options, spec) = (&self.context, &self.options, issuer.spec());
        let namespace = secret_namespace(issuer, &options.resource_namespace);
        if let Some(acme) = &spec.acme {
            let work = acme::set_up(context, &self.clients, &options.secrets, log, issuer, acme, namespace);
            let limited = context.world.timeout(context.compat.issuer_setup_limit, work).await;
            return limited.unwrap_or_else(|_| acme::out_of_time(log));
        }
        // The clients of the other types have time limits of their own.
        if let Some(ca) = &spec.ca {
            ca::set_up(context, &options.secrets, log, issuer, ca, namespace)
        } else if let Some(vault) = &spec.vault {
            vault::set_up(context, options, issuer, vault).await
        } else if let (None, Some(venafi)) = (&spec.self_signed, &spec.venafi) {
            venafi::set_up(context, options, issuer, venafi).await
        } else {
            self_signed::set_up()
        }
    }

    fn tell_failure(&self, log: &Logger, issuer: &R, error: &SyncError) {
        let text = format!("Error initializing issuer: {error}");
        if R::KIND.is_namespaced() {
            log.info_text(R::SETUP_FAILED, &text, &[]);
        } else {
            log.error(R::SETUP_FAILED, Some(&error.to_string()), &[]);
        }
        self.context.recorder.warning(issuer, "ErrInitIssuer", &text);
    }
}

impl<R: AnyIssuer> Reconcile for Issuers<R> {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(issuer) = self.issuers.get(key) else {
            self.clients.forget(R::KIND.as_str(), key);
            self.context.log.error(R::GONE, Some(&not_in_cache(R::KIND, key)), &[]);
            return Ok(());
        };
        let rules = &self.context.compat.other_issuers;
        if rules.deleted_are_left && issuer.meta().deletion_timestamp.is_some() {
            return Ok(());
        }
        if IssuerType::of(issuer.spec()).is_none() {
            let name = FoundIssuer::of(issuer.as_ref()).namespaced_name();
            return Err(SyncError::Other(format!("no issuer specified for Issuer '{name}'")));
        }
        let log = self.context.log.with_resource(issuer.as_ref());
        let due = self.context.world.monotonic() + self.context.compat.issuer_setup_limit;
        let setup = Box::pin(self.set_up(&log, issuer.as_ref())).await;
        let observed_generation = issuer.meta().generation;
        let wanted = Condition { observed_generation, ..setup.condition };
        let condition = transition(&self.context.world, &log, issuer.as_ref(), wanted).await;
        if let Some(error) = &setup.retry {
            self.tell_failure(&log, issuer.as_ref(), error);
        }
        let change = |i: &mut R| {
            if setup.account.is_some() {
                i.status_mut().acme.clone_from(&setup.account);
            }
            put(i, &condition);
        };
        if would_change(issuer.as_ref(), change) {
            // The time limit is that of the sync: when set-up has used it up, nothing is left for the write, and the
            // issuer shows nothing of what went wrong.
            if self.context.world.monotonic() >= due {
                return Err(both(
                    "client rate limiter Wait returned an error: context deadline exceeded",
                    setup.retry,
                ));
            }
            self.context.client.update_status(issuer.as_ref(), change).await?;
        }
        setup.retry.map_or(Ok(()), Err)
    }
}
