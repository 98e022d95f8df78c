//! HTTP-01 as 0.2 and 0.5 did it: present, self-check, clean up.

use world::http::Url;

use super::{Legacy, aggregate, log, objects};
use crate::api::{Certificate, Ingress, LegacyChallenge, ObjectKey, Pod, Resource, Service};
use crate::compat::OneController;
use crate::controller::{SyncError, SyncResult};
use crate::informer::Lister;
use crate::store::ApiError;
use objects::Shape;

/// Redirects that net/http follows.
const REDIRECTS_MAX: usize = 10;

/// What a request for the key brought.
pub(super) enum Reached {
    /// The key.
    Key,
    /// Another status than 200.
    Status(u16),
    /// Another body.
    Body(String),
    /// No answer.
    Nothing(String),
}

/// The objects that 0.2 has made for a name; it knows them by no other way.
#[derive(Default)]
pub(super) struct Made {
    pod: Option<String>,
    service: Option<String>,
    ingress: Option<String>,
}

impl Legacy {
    /// Asks for the key as the CA will.
    pub(super) async fn reach(&self, challenge: &LegacyChallenge) -> Reached {
        let mut url = format!("http://{}/.well-known/acme-challenge/{}", challenge.domain, challenge.token);
        let limit = self.context.compat.self_check.request_limit;
        for _ in 0..REDIRECTS_MAX {
            let parsed: Url = match url.parse() {
                Ok(parsed) => parsed,
                Err(error) => return Reached::Nothing(format!("{error}")),
            };
            let answer = match self.context.world.timeout(limit, self.http.get(&parsed)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Reached::Nothing(error.to_string()),
                Err(_) => return Reached::Nothing("i/o timeout".to_owned()),
            };
            let status = answer.status.as_u16();
            if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, answer.header("location")) {
                url = if location.starts_with('/') {
                    Url { path: location.to_owned(), ..parsed }.to_string()
                } else {
                    location.to_owned()
                };
                continue;
            }
            if status != 200 {
                return Reached::Status(status);
            }
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return if body == challenge.key { Reached::Key } else { Reached::Body(body) };
        }
        Reached::Nothing("stopped after 10 redirects".to_owned())
    }

    /// 0.5: five passes, each with its pause; any failure is a no.
    pub(super) async fn check(&self, challenge: &LegacyChallenge) -> bool {
        let compat = self.context.compat.self_check;
        for pass in 1..=compat.passes {
            match self.reach(challenge).await {
                Reached::Key => {}
                Reached::Status(status) => {
                    self.log.say(log::WRONG_STATUS, format!("wrong status code '{status}'"));
                    return false;
                }
                Reached::Body(body) => {
                    let text = format!("presented key ({body}) did not match expected ({})", challenge.key);
                    self.log.say(log::WRONG_KEY, text);
                    return false;
                }
                // Errors of the client are absorbed.
                Reached::Nothing(_) => return false,
            }
            if pass < compat.passes || compat.pause_after_last {
                self.context.world.sleep(compat.pause).await;
            }
        }
        true
    }

    fn shape<'a>(&self, certificate: &'a Certificate, challenge: &'a LegacyChallenge) -> Shape<'a> {
        let labels = objects::labels_v0_5(challenge);
        Shape { which: OneController::V0_5, certificate, challenge, labels, name: String::new() }
    }

    /// 0.5: makes what the caches do not show; found by its labels and owner.
    pub(super) async fn present(&self, certificate: &Certificate, challenge: &LegacyChallenge) -> SyncResult {
        let shape = self.shape(certificate, challenge);
        let key = certificate.key();
        let said = |what| {
            format!(
                "No existing HTTP01 challenge solver {what} found for Certificate \"{key}\". One will be created."
            )
        };
        let mut errors = Vec::new();
        match self.existing(&self.pods, &shape, "pods").await {
            Ok(Some(_)) => {}
            Ok(None) => {
                self.log.say(log::NO_POD, said("pod"));
                let pod = shape.pod(self.context.compat.solver_image);
                errors.extend(self.context.client.create(pod).await.err().map(SyncError::from));
            }
            Err(error) => errors.push(error),
        }
        let service = match self.existing(&self.services, &shape, "services").await {
            Ok(Some(service)) => Ok(service.metadata.name.clone()),
            Ok(None) => {
                self.log.say(log::NO_SERVICE, said("service"));
                let created = self.context.client.create(shape.service()).await;
                created.map(|s| s.metadata.name.clone()).map_err(SyncError::from)
            }
            Err(error) => Err(error),
        };
        match service {
            Err(error) => errors.push(error),
            Ok(service) => errors.extend(self.present_ingress(&shape, &service, &said).await.err()),
        }
        aggregate(errors)
    }

    async fn present_ingress(
        &self,
        shape: &Shape<'_>,
        service: &str,
        said: &impl Fn(&'static str) -> String,
    ) -> SyncResult {
        let named = &shape.challenge.http01.ingress;
        if !named.is_empty() {
            return self.add_path(shape, named, service).await;
        }
        let selector: Vec<_> = shape.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        self.log
            .say(log::INGRESS_LOOKUP, format!("Looking up Ingresses for selector {}", selector.join(",")));
        if self.existing(&self.ingresses, shape, "ingresses").await?.is_none() {
            self.log.say(log::NO_INGRESS, said("ingress"));
            self.context.client.create(shape.ingress(service)).await?;
        }
        Ok(())
    }

    async fn add_path(&self, shape: &Shape<'_>, name: &str, service: &str) -> SyncResult {
        let key = ObjectKey::new(shape.certificate.metadata.namespace.as_str(), name);
        let missing = || SyncError::Other(format!("ingress.extensions {name:?} not found"));
        let ingress = self.ingresses.get(&key).ok_or_else(missing)?;
        if let Some(edited) = shape.with_path(&ingress, service) {
            self.context.client.update(edited).await?;
        }
        Ok(())
    }

    fn own<R: Resource>(&self, lister: &Lister<R>, shape: &Shape<'_>) -> Vec<std::sync::Arc<R>> {
        let meta = &shape.certificate.metadata;
        let mut own = lister.owned_by(&meta.namespace, &meta.uid);
        own.retain(|o| shape.labels.iter().all(|(key, value)| o.meta().labels.get(key) == Some(value)));
        own
    }

    /// The one object; several are one too many, and all go.
    async fn existing<R: Resource>(
        &self,
        lister: &Lister<R>,
        shape: &Shape<'_>,
        what: &str,
    ) -> Result<Option<std::sync::Arc<R>>, SyncError> {
        let own = self.own(lister, shape);
        if own.len() > 1 {
            self.delete_own(lister, shape).await?;
            return Err(SyncError::Other(format!(
                "multiple challenge solver {what} found for certificate '{}'. Cleaning up existing {}.",
                shape.certificate.key(),
                // Of ingresses it says the same as of pods.
                if what == "services" { "services" } else { "pods" },
            )));
        }
        Ok(own.into_iter().next())
    }

    async fn delete_own<R: Resource>(&self, lister: &Lister<R>, shape: &Shape<'_>) -> SyncResult {
        let mut errors = Vec::new();
        for object in self.own(lister, shape) {
            errors.extend(self.context.client.delete::<R>(&object.key()).await.err().map(SyncError::from));
        }
        aggregate(errors)
    }

    /// 0.5: takes down what was presented.
    pub(super) async fn clean_up(
        &self,
        certificate: &Certificate,
        challenge: &LegacyChallenge,
    ) -> SyncResult {
        let shape = self.shape(certificate, challenge);
        let mut errors = Vec::new();
        errors.extend(self.delete_own(&self.pods, &shape).await.err());
        errors.extend(self.delete_own(&self.services, &shape).await.err());
        if challenge.http01.ingress.is_empty() {
            errors.extend(self.delete_own(&self.ingresses, &shape).await.err());
        } else {
            errors.extend(self.remove_path(&shape).await.err());
        }
        aggregate(errors)
    }

    async fn remove_path(&self, shape: &Shape<'_>) -> SyncResult {
        let namespace = shape.certificate.metadata.namespace.as_str();
        let key = ObjectKey::new(namespace, shape.challenge.http01.ingress.as_str());
        let Some(ingress) = self.ingresses.get(&key) else { return Ok(()) };
        self.context.client.update(shape.without_path(&ingress)).await?;
        Ok(())
    }

    /// 0.2: makes service, ingress and pod under names of its own, whatever there is.
    pub(super) async fn present_anew(
        &self,
        certificate: &Certificate,
        challenge: &LegacyChallenge,
        made: &mut Made,
    ) -> SyncResult {
        let rng = self.context.world.rng(&format!("legacy names {}", challenge.token));
        let (name, domain) = (&certificate.metadata.name, &challenge.domain);
        let labels = objects::labels_v0_2(&rng, name, domain);
        let mut shape =
            Shape { which: OneController::V0_2, certificate, challenge, labels, name: String::new() };
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            SyncError::Other(format!("error ensuring http01 challenge {what}: {error}"))
        };
        shape.name = objects::name(&rng, name);
        let service = self.context.client.create(shape.service()).await.map_err(|e| failed("service", &e))?;
        let service = service.metadata.name.clone();
        made.service = Some(service.clone());
        let named = challenge.http01.ingress.as_str();
        if named.is_empty() {
            shape.name = objects::name(&rng, name);
            let created = self.context.client.create(shape.ingress(&service)).await;
            made.ingress = Some(created.map_err(|e| failed("ingress", &e))?.metadata.name.clone());
        } else {
            self.add_path(&shape, named, &service).await.map_err(|e| failed("ingress", &e))?;
        }
        shape.name = objects::name(&rng, name);
        let pod = shape.pod(self.context.compat.solver_image);
        made.pod = Some(shape.name.clone());
        self.context.client.create(pod).await.map_err(|e| failed("pod", &e))?;
        Ok(())
    }

    /// 0.2: asks until five passes in a row see the key; after a failure, 5 s later, from the first.
    pub(super) async fn wait_until_reachable(&self, challenge: &LegacyChallenge) -> SyncResult {
        let (compat, domain) = (self.context.compat.self_check, &challenge.domain);
        let passes = async {
            let mut passed = 0;
            loop {
                let why = match self.reach(challenge).await {
                    Reached::Key => {
                        passed += 1;
                        let text = format!(
                            "ACME HTTP01 self check for {domain:?} passed ({passed}/{})",
                            compat.passes
                        );
                        self.log.say(log::CHECK_PASSED, text);
                        if passed >= compat.passes {
                            return;
                        }
                        self.context.world.sleep(compat.pause).await;
                        continue;
                    }
                    Reached::Status(status) => format!("wrong status code '{status}'"),
                    Reached::Body(body) => {
                        format!("presented key ({body}) did not match expected ({})", challenge.key)
                    }
                    Reached::Nothing(why) => why,
                };
                passed = 0;
                let text = format!("ACME HTTP01 self check failed for domain {domain:?}, waiting 5s: {why}");
                self.log.say(log::CHECK_FAILED, text);
                self.context.world.sleep(super::authorizations::CHECK_AGAIN).await;
            }
        };
        let waited = self.context.world.timeout(compat.limit, passes).await;
        waited.map_err(|_| SyncError::other("context deadline exceeded"))
    }

    /// 0.2: deletes the objects that it remembers.
    pub(super) async fn clean_up_made(
        &self,
        certificate: &Certificate,
        challenge: &LegacyChallenge,
        made: &Made,
    ) -> SyncResult {
        let mut errors = Vec::new();
        let key = |name: &String| ObjectKey::new(certificate.metadata.namespace.as_str(), name.as_str());
        if let Some(service) = &made.service {
            errors.extend(self.delete_made::<Service>(&key(service)).await.err());
        }
        if let Some(ingress) = &made.ingress {
            errors.extend(self.delete_made::<Ingress>(&key(ingress)).await.err());
        } else if !challenge.http01.ingress.is_empty() {
            errors.extend(self.remove_path(&self.shape(certificate, challenge)).await.err());
        }
        if let Some(pod) = &made.pod {
            errors.extend(self.delete_made::<Pod>(&key(pod)).await.err());
        }
        aggregate(errors)
    }

    async fn delete_made<R: Resource>(&self, key: &ObjectKey) -> SyncResult {
        match self.context.client.delete::<R>(key).await {
            Ok(()) | Err(ApiError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
