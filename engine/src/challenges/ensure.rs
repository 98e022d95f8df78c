//! Solver objects: finding the ones of a challenge, making what is missing, deleting. What exists is read from the
//! caches, so that an object that was made a moment ago may be made again.

use std::sync::Arc;

use super::objects;
use super::words::{Kinds, Words};
use crate::api::{Challenge, Ingress, Pod, Resource, Service};
use crate::controller::{Context, SyncError, SyncResult};
use crate::informer::Lister;
use crate::log::Logger;
use crate::work::place;

/// The objects of one challenge type.
pub(super) struct Objects {
    pub(super) context: Context,
    pub(super) kinds: &'static Kinds,
    pub(super) pods: Lister<Pod>,
    pub(super) services: Lister<Service>,
    pub(super) ingresses: Lister<Ingress>,
}

const SERVICE_CHANGED: &str =
    "service name changed, existing challenge solver ingresses found and cleaned up. retrying challenge sync";

/// Several errors as one, in the words of the release's aggregate: a single one stays as it is, equal ones count once.
pub(super) fn aggregate(errors: impl IntoIterator<Item = SyncError>) -> SyncResult {
    let mut different: Vec<SyncError> = Vec::new();
    for error in errors {
        if !different.contains(&error) {
            different.push(error);
        }
    }
    match different.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        several => {
            let texts: Vec<_> = several.iter().map(ToString::to_string).collect();
            Err(SyncError::Other(format!("[{}]", texts.join(", "))))
        }
    }
}

impl Objects {
    pub(super) fn new(context: &Context, kinds: &'static Kinds) -> Self {
        Objects {
            pods: context.informers.lister(),
            services: context.informers.lister(),
            ingresses: context.informers.lister(),
            kinds,
            context: context.clone(),
        }
    }

    /// The pod and the service: what went wrong with the pod, and the service's name. An error with the pod does not
    /// keep from the service.
    pub(super) async fn pod_and_service(
        &self,
        log: &Logger,
        challenge: &Challenge,
    ) -> (Option<SyncError>, Result<String, SyncError>) {
        let (kinds, compat) = (self.kinds, self.context.compat.as_ref());
        let make = || kinds.shape.pod(challenge, compat);
        let pod = self.ensure(log, &kinds.pod, &self.pods, challenge, |_| true, make).await;
        let make = || kinds.shape.service(challenge);
        let service = self.ensure(log, &kinds.service, &self.services, challenge, |_| true, make).await;
        (pod.err(), service.map(|service| service.metadata.name.clone()))
    }

    /// Finds the one object of a kind that belongs to the challenge, or makes it. Several are one too many:
    /// all go, and the sync starts over.
    async fn ensure<R: Resource>(
        &self,
        log: &Logger,
        words: &Words,
        lister: &Lister<R>,
        challenge: &Challenge,
        fits: impl Fn(&R) -> bool,
        make: impl FnOnce() -> R,
    ) -> Result<Arc<R>, SyncError> {
        let log = log.with_name(words.logger);
        // Where the n-th look spends its time is for the scenario to say.
        self.context.world.work(place(&format!("challenges/{}", words.logger))).await;
        let mut found = self.existing(&log, words, lister, challenge);
        match (found.pop(), found.is_empty()) {
            (Some(only), true) if !fits(&only) => {
                if let Some(changed) = words.changed {
                    log.info(changed, &[]);
                }
                self.delete_all(&log, words, lister, challenge).await?;
                Err(SyncError::other(SERVICE_CHANGED))
            }
            (Some(only), true) => {
                log.with_related_resource(only.as_ref()).info(words.found, &[]);
                Ok(only)
            }
            (Some(_), false) => {
                log.info(words.multiple, &[]);
                self.delete_all(&log, words, lister, challenge).await?;
                Err(SyncError::other(words.multiple_error))
            }
            (None, _) => {
                log.info(words.create, &[]);
                Ok(self.context.client.create(make()).await?)
            }
        }
    }

    /// The ingress that leads to `service`. One that leads to another goes, and the sync starts over.
    pub(super) async fn ensure_ingress(
        &self,
        log: &Logger,
        challenge: &Challenge,
        service: &str,
        make: impl FnOnce() -> Ingress,
    ) -> SyncResult {
        let fits = |ingress: &Ingress| service_of(ingress) == Some(service);
        self.ensure(log, &self.kinds.ingress, &self.ingresses, challenge, fits, make).await.map(drop)
    }

    /// The cached objects with the challenge's labels that it controls.
    fn existing<R: Resource>(
        &self,
        log: &Logger,
        words: &Words,
        lister: &Lister<R>,
        challenge: &Challenge,
    ) -> Vec<Arc<R>> {
        let (own, foreign): (Vec<_>, Vec<_>) = labelled(lister, self.kinds.shape, challenge)
            .into_iter()
            .partition(|o| o.meta().is_controlled_by(&challenge.metadata.uid));
        for object in foreign {
            log.with_related_resource(object.as_ref()).info(words.foreign, &[]);
        }
        own
    }

    async fn delete_all<R: Resource>(
        &self,
        log: &Logger,
        words: &Words,
        lister: &Lister<R>,
        challenge: &Challenge,
    ) -> SyncResult {
        let mut errors = Vec::new();
        for object in self.existing(log, words, lister, challenge) {
            errors.extend(self.context.client.delete::<R>(&object.key()).await.err());
        }
        aggregate(errors.into_iter().map(SyncError::from))
    }

    /// Deletes the pods and the services, in this order, and returns what went wrong.
    pub(super) async fn delete_pods_and_services(
        &self,
        log: &Logger,
        challenge: &Challenge,
    ) -> Vec<SyncError> {
        let pods = self.delete_all(log, &self.kinds.pod, &self.pods, challenge).await;
        let services = self.delete_all(log, &self.kinds.service, &self.services, challenge).await;
        [pods.err(), services.err()].into_iter().flatten().collect()
    }

    /// Deletes the ingresses that were made for the challenge.
    pub(super) async fn delete_ingresses(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        self.delete_all(log, &self.kinds.ingress, &self.ingresses, challenge).await
    }
}

/// The cached objects with the labels of the challenge, in its namespace.
pub(super) fn labelled<R: Resource>(
    lister: &Lister<R>,
    shape: &objects::Shape,
    challenge: &Challenge,
) -> Vec<Arc<R>> {
    let labels = shape.labels(challenge);
    lister.list(|o| {
        o.meta().namespace == challenge.metadata.namespace
            && labels.iter().all(|(key, value)| o.meta().labels.get(key) == Some(value))
    })
}

/// The service that the first path of a solver ingress leads to.
fn service_of(ingress: &Ingress) -> Option<&str> {
    let path = ingress.spec.rules.first()?.http.as_ref()?.paths.first()?;
    Some(path.backend.service.as_ref()?.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_error_stays_and_several_are_a_list_of_different_ones() {
        let error = |text: &str| SyncError::other(text);
        assert_eq!(aggregate([]), Ok(()));
        assert_eq!(aggregate([error("a")]), Err(error("a")));
        assert_eq!(aggregate([error("a"), error("a")]), Err(error("a")));
        assert_eq!(aggregate([error("a"), error("b")]), Err(error("[a, b]")));
    }

    #[test]
    fn a_solver_ingress_is_known_by_the_service_of_its_first_path() {
        let ingress = serde_json::json!({"spec": {"rules": [
            {"http": {"paths": [{"path": "/x", "backend": {"service": {"name": "solver"}}}]}}
        ]}});
        let ingress: Ingress = serde_json::from_value(ingress).unwrap();
        assert_eq!(service_of(&ingress), Some("solver"));
        assert_eq!(service_of(&Ingress::default()), None);
    }
}
