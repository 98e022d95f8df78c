//! The HTTP-01 solver: a pod that answers, a service and an ingress that lead to it, and the self-check.

mod check;
mod objects;

use std::sync::Arc;

use world::http::Client as HttpClient;
use world::resolver::Resolver;

use crate::api::{Challenge, Ingress, Kind, Pod, Resource, Service};
use crate::controller::{Context, SyncError, SyncResult, not_in_cache};
use crate::informer::Lister;
use crate::log::{Logger, Message, catalogue as msg};
use crate::store::ApiError;
use crate::work::place;

/// Presents, checks and cleans up. What exists it reads from the caches, so that an object that was made a moment
/// ago may be made again.
pub(super) struct Solver {
    context: Context,
    pods: Lister<Pod>,
    services: Lister<Service>,
    ingresses: Lister<Ingress>,
    http: HttpClient,
}

/// The words and lines of one kind of solver object.
struct Words {
    logger: &'static str,
    found: &'static Message,
    create: &'static Message,
    multiple: &'static Message,
    multiple_error: &'static str,
}

const POD: Words = Words {
    logger: "ensurePod",
    found: &msg::POD_FOUND,
    create: &msg::POD_CREATE,
    multiple: &msg::PODS_MULTIPLE,
    multiple_error: "multiple existing challenge solver pods found and cleaned up. retrying challenge sync",
};

const SERVICE: Words = Words {
    logger: "ensureService",
    found: &msg::SERVICE_FOUND,
    create: &msg::SERVICE_CREATE,
    multiple: &msg::SERVICES_MULTIPLE,
    multiple_error: "multiple existing challenge solver services found and cleaned up. retrying challenge sync",
};

const INGRESS: Words = Words {
    logger: "ensureIngress",
    found: &msg::INGRESS_FOUND,
    create: &msg::INGRESS_CREATE,
    multiple: &msg::INGRESSES_MULTIPLE,
    multiple_error: "multiple existing challenge solver ingresses found and cleaned up. retrying challenge sync",
};

impl Solver {
    pub(super) fn new(context: &Context, resolver: Resolver) -> Self {
        let http = HttpClient::new(&context.world, resolver).without_keep_alive();
        Solver {
            pods: context.informers.lister(),
            services: context.informers.lister(),
            ingresses: context.informers.lister(),
            http: http.with_user_agent(context.compat.user_agent),
            context: context.clone(),
        }
    }

    /// Makes what is missing. An error with the service leaves the ingress for the next time.
    pub(super) async fn present(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        let image = self.context.compat.solver_image;
        let pod = self.ensure(log, &POD, &self.pods, challenge, || objects::pod(challenge, image)).await;
        let service =
            self.ensure(log, &SERVICE, &self.services, challenge, || objects::service(challenge)).await;
        match (pod, service) {
            (Ok(_), Ok(service)) => self.ensure_ingress(log, challenge, &service.metadata.name).await,
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
            (Err(pod), Err(service)) => Err(SyncError::Other(format!("[{pod}, {service}]"))),
        }
    }

    /// Finds the one object of a kind that belongs to the challenge, or makes it. Several are one too many:
    /// all go, and the sync starts over.
    async fn ensure<R: Resource>(
        &self,
        log: &Logger,
        words: &Words,
        lister: &Lister<R>,
        challenge: &Challenge,
        make: impl FnOnce() -> R,
    ) -> Result<Arc<R>, SyncError> {
        let log = log.with_name(words.logger);
        // Where the n-th look spends its time is for the scenario to say.
        self.context.world.work(place(&format!("challenges/{}", words.logger))).await;
        let mut found = self.existing(&log, lister, challenge);
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => {
                log.with_related_resource(only.as_ref()).info(words.found, &[]);
                Ok(only)
            }
            (Some(_), false) => {
                log.info(words.multiple, &[]);
                self.delete_all(lister, challenge).await?;
                Err(SyncError::other(words.multiple_error))
            }
            (None, _) => {
                log.info(words.create, &[]);
                Ok(self.context.client.create(make()).await?)
            }
        }
    }

    async fn ensure_ingress(&self, log: &Logger, challenge: &Challenge, service: &str) -> SyncResult {
        let named = objects::ingress_config(challenge).map(|i| i.name.clone()).filter(|n| !n.is_empty());
        if let Some(name) = named {
            return self.add_path(challenge, &name, service).await;
        }
        let make = || objects::ingress(challenge, service);
        let ingress = self.ensure(log, &INGRESS, &self.ingresses, challenge, make).await?;
        if objects::leads_to(&ingress, service) {
            return Ok(());
        }
        self.delete_all(&self.ingresses, challenge).await?;
        Err(SyncError::other(
            "service name changed, existing challenge solver ingresses found and cleaned up. retrying challenge sync",
        ))
    }

    /// An ingress of the user's own gets the path in front of its others.
    async fn add_path(&self, challenge: &Challenge, name: &str, service: &str) -> SyncResult {
        let key = crate::api::ObjectKey::new(challenge.metadata.namespace.as_str(), name);
        let missing = || SyncError::Other(not_in_cache(Kind::Ingress, &key));
        let ingress = self.ingresses.get(&key).ok_or_else(missing)?;
        if let Some(edited) = objects::with_path(&ingress, challenge, service) {
            self.context.client.update(edited).await?;
        }
        Ok(())
    }

    /// The cached objects with the challenge's labels that it controls.
    fn existing<R: Resource>(&self, log: &Logger, lister: &Lister<R>, challenge: &Challenge) -> Vec<Arc<R>> {
        let labels = objects::labels(challenge);
        let labelled = lister.list(|o| {
            o.meta().namespace == challenge.metadata.namespace
                && labels.iter().all(|(key, value)| o.meta().labels.get(key) == Some(value))
        });
        let (own, foreign): (Vec<_>, Vec<_>) =
            labelled.into_iter().partition(|o| o.meta().is_controlled_by(&challenge.metadata.uid));
        for object in foreign {
            log.with_related_resource(object.as_ref()).info(&msg::FOREIGN_SOLVER_OBJECT, &[]);
        }
        own
    }

    async fn delete_all<R: Resource>(&self, lister: &Lister<R>, challenge: &Challenge) -> SyncResult {
        let uid = &challenge.metadata.uid;
        let labels = objects::labels(challenge);
        let own = lister.list(|o| {
            o.meta().is_controlled_by(uid)
                && labels.iter().all(|(key, value)| o.meta().labels.get(key) == Some(value))
        });
        for object in own {
            match self.context.client.delete::<R>(&object.key()).await {
                Ok(()) | Err(ApiError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Removes what was made: pods, services, ingresses, in this order.
    pub(super) async fn clean_up(&self, challenge: &Challenge) -> SyncResult {
        let mut errors = Vec::new();
        errors.extend(self.delete_all(&self.pods, challenge).await.err());
        errors.extend(self.delete_all(&self.services, challenge).await.err());
        errors.extend(self.clean_up_ingresses(challenge).await.err());
        match errors.as_slice() {
            [] => Ok(()),
            [only] => Err(only.clone()),
            several => {
                let texts: Vec<_> = several.iter().map(ToString::to_string).collect();
                Err(SyncError::Other(format!("[{}]", texts.join(", "))))
            }
        }
    }

    async fn clean_up_ingresses(&self, challenge: &Challenge) -> SyncResult {
        let named = objects::ingress_config(challenge).map(|i| i.name.clone()).filter(|n| !n.is_empty());
        let Some(name) = named else { return self.delete_all(&self.ingresses, challenge).await };
        let key = crate::api::ObjectKey::new(challenge.metadata.namespace.as_str(), name);
        let Some(ingress) = self.ingresses.get(&key) else { return Ok(()) };
        if let Some(edited) = objects::without_path(&ingress, challenge) {
            self.context.client.update(edited).await?;
        }
        Ok(())
    }
}
