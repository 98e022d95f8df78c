//! certificates-key-manager: keeps the private key of a running issuance in a temporary Secret.

use std::sync::Arc;

use world::PrivateKey;

use super::{
    CONDITION_ISSUING, Caches, LABEL_NEXT_PRIVATE_KEY, TLS_KEY, begin, controller_reference, data,
    target_secret,
};
use crate::api::{Certificate, Kind, ObjectKey, PrivateKeyRotationPolicy, Resource as _, Secret};
use crate::conditions::is_true;
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::pki;
use crate::work::place;

const NAME: &str = "certificates-key-manager";

struct KeyManager {
    context: Context,
    caches: Caches,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::Secret]);
    controller::watch_named_secrets(&context, NAME, &queue, "spec.secretName", |c| Some(&c.spec.secret_name));
    let manager = KeyManager { context: context.clone(), caches };
    controller::start(&context, NAME, &queue, Arc::new(manager));
}

/// What is to be done about the temporary Secrets of a Certificate.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// All is as it should be.
    Nothing,
    /// No issuance is running: away with them, and with their name in the status.
    Finish { delete: Vec<ObjectKey>, clear_status: bool },
    /// There is none.
    Create,
    /// There is one that the status does not name.
    Adopt(String),
    /// These are not (or no longer) usable.
    Delete(Vec<ObjectKey>),
    /// The key does not fit the specification any more.
    Regenerate { delete: Vec<ObjectKey>, fields: String },
}

fn decide(certificate: &Certificate, owned: &[Arc<Secret>]) -> Decision {
    let keys = || owned.iter().map(|s| s.key()).collect::<Vec<_>>();
    let named = certificate.status.next_private_key_secret_name.as_deref();
    if !is_true(certificate, CONDITION_ISSUING) {
        return match (owned.is_empty(), named) {
            (true, None) => Decision::Nothing,
            (_, named) => Decision::Finish { delete: keys(), clear_status: named.is_some() },
        };
    }
    let [secret] = owned else {
        return if owned.is_empty() { Decision::Create } else { Decision::Delete(keys()) };
    };
    match named {
        None => return Decision::Adopt(secret.metadata.name.clone()),
        Some(named) if named != secret.metadata.name => return Decision::Delete(keys()),
        Some(_) => {}
    }
    match PrivateKey::from_pem(data(secret, TLS_KEY)) {
        Err(_) => Decision::Delete(keys()),
        Ok(key) => {
            let fields = pki::key_violations(key.public(), &certificate.spec).join(" ");
            if fields.is_empty() {
                Decision::Nothing
            } else {
                Decision::Regenerate { delete: keys(), fields }
            }
        }
    }
}

/// Where the key of the next issuance comes from.
enum NextKey {
    Reuse(PrivateKey),
    Generate,
    /// It may not be replaced and does not fit: the user has to act.
    Stop(String),
    /// It cannot be read, and is replaced.
    Unreadable(String),
}

fn next_key(certificate: &Certificate, target: Option<&Secret>) -> NextKey {
    let policy = certificate.spec.private_key.as_ref().and_then(|k| k.rotation_policy);
    let stored = target.map(|s| data(s, TLS_KEY)).unwrap_or_default();
    if policy == Some(PrivateKeyRotationPolicy::Always) || stored.is_empty() {
        return NextKey::Generate;
    }
    match PrivateKey::from_pem(stored) {
        Err(error) => NextKey::Unreadable(error.to_string()),
        Ok(key) => {
            let fields = pki::key_violations(key.public(), &certificate.spec).join(" ");
            if fields.is_empty() { NextKey::Reuse(key) } else { NextKey::Stop(fields) }
        }
    }
}

impl KeyManager {
    async fn delete(&self, keys: &[ObjectKey]) -> SyncResult {
        for key in keys {
            self.context.client.delete::<Secret>(key).await?;
        }
        Ok(())
    }

    async fn write_name(&self, certificate: &Certificate, name: Option<&str>) -> SyncResult {
        let name = name.map(str::to_owned);
        self.context
            .client
            .update_status(certificate, |c| c.status.next_private_key_secret_name.clone_from(&name))
            .await?;
        Ok(())
    }

    async fn create(&self, certificate: &Certificate) -> SyncResult {
        let target = target_secret(&self.caches.secrets, certificate);
        let recorder = &self.context.recorder;
        // Reading or making a key takes the process a while.
        self.context.world.work(place("certificates-key-manager/key")).await;
        let (key, reused) = match next_key(certificate, target.as_deref()) {
            NextKey::Reuse(key) => (key, true),
            NextKey::Generate => (self.generate(certificate)?, false),
            NextKey::Unreadable(error) => {
                let text = format!(
                    "Failed to decode private key stored in Secret {:?} - generating new key: {error}",
                    certificate.spec.secret_name
                );
                recorder.warning(certificate, "DecodeFailed", &text);
                (self.generate(certificate)?, false)
            }
            NextKey::Stop(fields) => {
                let text = format!(
                    "Existing private key in Secret {:?} does not match requirements on Certificate resource, \
                     mismatching fields: [{fields}]",
                    certificate.spec.secret_name
                );
                recorder.warning(certificate, "DecodeFailed", &text);
                return Ok(());
            }
        };
        let mut secret = Secret::default();
        let meta = &mut secret.metadata;
        meta.namespace.clone_from(&certificate.metadata.namespace);
        match &certificate.status.next_private_key_secret_name {
            Some(name) => meta.name.clone_from(name),
            None => meta.generate_name = format!("{}-", certificate.metadata.name),
        }
        meta.labels.insert(LABEL_NEXT_PRIVATE_KEY.into(), "true".into());
        meta.owner_references.push(controller_reference(certificate));
        secret.type_ = "Opaque".into();
        secret.data.insert(TLS_KEY.into(), key.to_pkcs8_pem().into());
        let secret = self.context.client.create(secret).await?;
        if reused {
            let text = format!(
                "Reusing private key stored in existing Secret resource {:?}",
                certificate.spec.secret_name
            );
            recorder.normal(certificate, "Reused", &text);
        } else {
            let text =
                format!("Stored new private key in temporary Secret resource {:?}", secret.metadata.name);
            recorder.normal(certificate, "Generated", &text);
        }
        self.write_name(certificate, Some(&secret.metadata.name)).await
    }

    fn generate(&self, certificate: &Certificate) -> Result<PrivateKey, SyncError> {
        let algorithm = pki::key_algorithm(&certificate.spec).map_err(SyncError::other)?;
        let now = self.context.world.monotonic().nanos();
        let label = format!("certificate key {} {now}", certificate.key());
        self.context.world.keys(&label).generate(algorithm).map_err(SyncError::other)
    }
}

impl Reconcile for KeyManager {
    async fn sync(&self, key: &ObjectKey) -> SyncResult {
        let Some(certificate) = self.caches.certificates.get(key) else { return Ok(()) };
        let mut owned =
            self.caches.secrets.owned_by(&certificate.metadata.namespace, &certificate.metadata.uid);
        owned.retain(|s| s.metadata.labels.get(LABEL_NEXT_PRIVATE_KEY).is_some_and(|v| v == "true"));
        let client = &self.context.client;
        match decide(&certificate, &owned) {
            Decision::Nothing => Ok(()),
            Decision::Create => self.create(&certificate).await,
            Decision::Adopt(name) => self.write_name(&certificate, Some(&name)).await,
            Decision::Delete(keys) => self.delete(&keys).await,
            Decision::Regenerate { delete, fields } => {
                let text = format!("Regenerating private key due to change in fields: [{fields}]");
                self.context.recorder.normal(certificate.as_ref(), "Deleted", &text);
                self.delete(&delete).await
            }
            Decision::Finish { delete, clear_status } => {
                self.delete(&delete).await?;
                if clear_status {
                    client
                        .update_status(certificate.as_ref(), |c| c.status.next_private_key_secret_name = None)
                        .await?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ConditionStatus;
    use crate::conditions;

    fn certificate(issuing: bool, named: Option<&str>) -> Certificate {
        let mut c = Certificate::default();
        if issuing {
            conditions::put(&mut c, &conditions::new("Issuing", ConditionStatus::True, "Renewing", ""));
        }
        c.status.next_private_key_secret_name = named.map(str::to_owned);
        c
    }

    fn secret(name: &str, pem: &str) -> Arc<Secret> {
        let mut s = Secret::default();
        s.metadata.name = name.into();
        s.data.insert(TLS_KEY.into(), pem.into());
        Arc::new(s)
    }

    #[test]
    fn decisions() {
        let key = |name: &str| ObjectKey::new("", name);
        let a = secret("a", "no key");
        for (issuing, named, owned, want) in [
            (false, None, vec![], Decision::Nothing),
            (false, Some("a"), vec![], Decision::Finish { delete: vec![], clear_status: true }),
            (false, None, vec![a.clone()], Decision::Finish { delete: vec![key("a")], clear_status: false }),
            (true, None, vec![], Decision::Create),
            (true, Some("a"), vec![], Decision::Create),
            // The stale read of line 3 of the document's log: the Secret is there, its name is not yet.
            (true, None, vec![a.clone()], Decision::Adopt("a".into())),
            (true, Some("b"), vec![a.clone()], Decision::Delete(vec![key("a")])),
            (true, Some("a"), vec![a.clone()], Decision::Delete(vec![key("a")])),
            (true, None, vec![a.clone(), secret("b", "")], Decision::Delete(vec![key("a"), key("b")])),
        ] {
            assert_eq!(decide(&certificate(issuing, named), &owned), want);
        }
    }
}
