//! certificates-key-manager: keeps the private key of a running issuance in a temporary Secret.

use std::sync::Arc;

use world::PrivateKey;

use super::{
    CONDITION_ISSUING, Caches, LABEL_NEXT_PRIVATE_KEY, LABEL_PART_OF, TLS_KEY, begin, controller_reference,
    data, target_secret, watch_target_secrets,
};
use crate::api::{Certificate, Kind, ObjectKey, PrivateKeyRotationPolicy, Resource as _, Secret};
use crate::compat::{Compat, SecretCare};
use crate::conditions::is_true;
use crate::controller::{self, Context, Reconcile, SyncError, SyncResult};
use crate::log::catalogue as msg;
use crate::pki;
use crate::store::ApiError;
use crate::work::place;

pub(super) const NAME: &str = "certificates-key-manager";

struct KeyManager {
    context: Context,
    caches: Caches,
}

pub(crate) fn start(context: &Context) {
    let (context, caches, queue) = begin(context, NAME, &[Kind::Secret]);
    watch_target_secrets(&context, NAME, &queue);
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
    /// The key cannot be read, which is worth an error line.
    DeleteUnreadable { delete: Vec<ObjectKey>, error: String },
    /// The key does not fit the specification any more.
    Regenerate { delete: Vec<ObjectKey>, fields: String },
}

fn decide(certificate: &Certificate, owned: &[Arc<Secret>], compat: &Compat) -> Decision {
    let keys = || owned.iter().map(|s| s.key()).collect::<Vec<_>>();
    let named = certificate.status.next_private_key_secret_name.as_deref();
    if !is_true(certificate, CONDITION_ISSUING) {
        return match (owned.is_empty(), named) {
            (true, None) => Decision::Nothing,
            (_, named) => Decision::Finish { delete: keys(), clear_status: named.is_some() },
        };
    }
    let [secret] = owned else {
        if owned.is_empty() {
            return Decision::Create;
        }
        let kept = named.filter(|_| compat.live_next_key);
        return Decision::Delete(keys().into_iter().filter(|key| Some(key.name()) != kept).collect());
    };
    match named {
        None => return Decision::Adopt(secret.metadata.name.clone()),
        Some(named) if named != secret.metadata.name => return Decision::Delete(keys()),
        Some(_) => {}
    }
    let stored = data(secret, TLS_KEY);
    match pki::private_key(stored) {
        Err(_) if stored.is_empty() => Decision::Delete(keys()),
        Err(error) => Decision::DeleteUnreadable { delete: keys(), error: error.0 },
        Ok(key) => {
            let fields = pki::key_violations(key.public(), &certificate.spec, compat.checks).join(" ");
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
    Unreadable,
}

fn next_key(certificate: &Certificate, target: Option<&Secret>, compat: &Compat) -> NextKey {
    let policy = certificate.spec.private_key.as_ref().and_then(|k| k.rotation_policy);
    let policy = policy.unwrap_or(compat.rotation_default);
    let stored = target.map(|s| data(s, TLS_KEY)).unwrap_or_default();
    if policy == PrivateKeyRotationPolicy::Always || stored.is_empty() {
        return NextKey::Generate;
    }
    match pki::private_key(stored) {
        Err(_) => NextKey::Unreadable,
        Ok(key) => {
            let fields = pki::key_violations(key.public(), &certificate.spec, compat.checks).join(" ");
            if fields.is_empty() { NextKey::Reuse(key) } else { NextKey::Stop(fields) }
        }
    }
}

/// The event when a key may not be replaced: its reason and text.
fn cannot_regenerate(secret: &str, fields: &str, compat: &Compat) -> (&'static str, String) {
    if compat.cannot_regenerate_event {
        let text = format!(
            "User intervention required: existing private key in Secret {secret:?} does not match requirements on \
             Certificate resource, mismatching fields: [{fields}], but cert-manager cannot create new private key as \
             the Certificate's .spec.privateKey.rotationPolicy is unset or set to Never. To allow cert-manager to \
             create a new private key you can set .spec.privateKey.rotationPolicy to 'Always' (this will result in \
             the private key being regenerated every time a cert is renewed) "
        );
        return ("CannotRegenerateKey", text);
    }
    let text = format!(
        "Existing private key in Secret {secret:?} does not match requirements on Certificate resource, mismatching \
         fields: [{fields}]"
    );
    ("DecodeFailed", text)
}

impl KeyManager {
    async fn delete(&self, keys: &[ObjectKey]) -> SyncResult {
        for key in keys {
            self.context.client.delete::<Secret>(key).await?;
        }
        Ok(())
    }

    async fn write_name(&self, certificate: &Certificate, name: Option<&str>) -> SyncResult {
        if certificate.status.next_private_key_secret_name.as_deref() == name {
            return Ok(());
        }
        let name = name.map(str::to_owned);
        self.context
            .client
            .update_status(certificate, |c| c.status.next_private_key_secret_name.clone_from(&name))
            .await?;
        Ok(())
    }

    async fn create(&self, certificate: &Certificate) -> SyncResult {
        let target = target_secret(&self.caches.secrets, certificate);
        let (recorder, name) = (&self.context.recorder, &certificate.spec.secret_name);
        // Reading or making a key takes the process a while.
        self.context.world.work(place("certificates-key-manager/key")).await;
        let (key, reused) = match next_key(certificate, target.as_deref(), &self.context.compat) {
            NextKey::Reuse(key) => (key, true),
            NextKey::Generate => (self.generate(certificate)?, false),
            NextKey::Unreadable => {
                let text =
                    format!("Failed to decode private key stored in Secret {name:?} - generating new key");
                recorder.warning(certificate, "DecodeFailed", &text);
                (self.generate(certificate)?, false)
            }
            NextKey::Stop(fields) => {
                let (reason, text) = cannot_regenerate(name, &fields, &self.context.compat);
                recorder.warning(certificate, reason, &text);
                return Ok(());
            }
        };
        let secret = self.store(certificate, &key).await?;
        if reused {
            let text = format!("Reusing private key stored in existing Secret resource {name:?}");
            recorder.normal(certificate, "Reused", &text);
        } else {
            let text =
                format!("Stored new private key in temporary Secret resource {:?}", secret.metadata.name);
            recorder.normal(certificate, "Generated", &text);
        }
        self.write_name(certificate, Some(&secret.metadata.name)).await
    }

    /// Creates the temporary Secret. 1.21 asks the server for its name, since the cache may lag behind what the last
    /// sync wrote, and takes the Secret of that name if it is there.
    async fn store(&self, certificate: &Certificate, key: &PrivateKey) -> Result<Arc<Secret>, SyncError> {
        let (client, compat) = (&self.context.client, &self.context.compat);
        let named = if compat.live_next_key {
            client.get::<Certificate>(&certificate.key()).await?.status.next_private_key_secret_name.clone()
        } else {
            certificate.status.next_private_key_secret_name.clone()
        };
        let mut secret = Secret::default();
        let meta = &mut secret.metadata;
        meta.namespace.clone_from(&certificate.metadata.namespace);
        match &named {
            Some(name) => meta.name.clone_from(name),
            None => meta.generate_name = format!("{}-", certificate.metadata.name),
        }
        meta.labels.insert(LABEL_NEXT_PRIVATE_KEY.into(), "true".into());
        if compat.secret_care == SecretCare::Everything {
            meta.labels.insert(LABEL_PART_OF.into(), "true".into());
        }
        meta.owner_references.push(controller_reference(certificate));
        secret.type_ = "Opaque".into();
        secret.data.insert(TLS_KEY.into(), key.to_pkcs8_pem().into());
        let at = secret.key();
        match client.create(secret).await {
            Err(ApiError::AlreadyExists { .. }) if compat.live_next_key && named.is_some() => {
                Ok(client.get(&at).await?)
            }
            created => Ok(created?),
        }
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
        let Some(certificate) = self.caches.certificate(key) else { return Ok(()) };
        let mut owned =
            self.caches.secrets.owned_by(&certificate.metadata.namespace, &certificate.metadata.uid);
        owned.retain(|s| s.metadata.labels.get(LABEL_NEXT_PRIVATE_KEY).is_some_and(|v| v == "true"));
        let client = &self.context.client;
        match decide(&certificate, &owned, &self.context.compat) {
            Decision::Nothing => Ok(()),
            Decision::Create => self.create(&certificate).await,
            Decision::Adopt(name) => self.write_name(&certificate, Some(&name)).await,
            Decision::Delete(keys) => self.delete(&keys).await,
            Decision::DeleteUnreadable { delete, error } => {
                let log = self.context.log.with_key(key);
                let secret = owned.first().map(AsRef::as_ref);
                let log = secret.map_or(log.clone(), |secret| log.with_related_resource(secret));
                log.error(&msg::NEXT_KEY_UNREADABLE, Some(&error), &[]);
                self.delete(&delete).await
            }
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
    use crate::api::{CertificatePrivateKey, ConditionStatus, PrivateKeyAlgorithm};
    use crate::compat::{V1_7, V1_21};
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
        let unreadable = |name: &str| Decision::DeleteUnreadable {
            delete: vec![key(name)],
            error: "error decoding private key PEM block".into(),
        };
        let both = vec![a.clone(), secret("b", "")];
        for (issuing, named, owned, want) in [
            (false, None, vec![], Decision::Nothing),
            (false, Some("a"), vec![], Decision::Finish { delete: vec![], clear_status: true }),
            (false, None, vec![a.clone()], Decision::Finish { delete: vec![key("a")], clear_status: false }),
            (true, None, vec![], Decision::Create),
            (true, Some("a"), vec![], Decision::Create),
            // The stale read of line 3 of the document's log: the Secret is there, its name is not yet.
            (true, None, vec![a.clone()], Decision::Adopt("a".into())),
            (true, Some("b"), vec![a.clone()], Decision::Delete(vec![key("a")])),
            (true, Some("a"), vec![a.clone()], unreadable("a")),
            (true, Some("b"), vec![secret("b", "")], Decision::Delete(vec![key("b")])),
            (true, Some("a"), both.clone(), Decision::Delete(vec![key("a"), key("b")])),
        ] {
            assert_eq!(decide(&certificate(issuing, named), &owned, &V1_7), want);
        }
        let newer = |named| decide(&certificate(true, named), &both, &V1_21);
        assert_eq!(newer(Some("a")), Decision::Delete(vec![key("b")]), "the named one is kept");
        assert_eq!(newer(None), Decision::Delete(vec![key("a"), key("b")]));
    }

    /// A certificate's specification with this policy, and a Secret with an Ed25519 key.
    fn next(policy: Option<PrivateKeyRotationPolicy>, fits: bool, pem: &str, compat: &Compat) -> NextKey {
        let algorithm = fits.then_some(PrivateKeyAlgorithm::Ed25519);
        let mut certificate = Certificate::default();
        certificate.spec.private_key =
            Some(CertificatePrivateKey { rotation_policy: policy, algorithm, ..Default::default() });
        next_key(&certificate, Some(secret("s", pem).as_ref()), compat)
    }

    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

    #[test]
    fn the_rotation_policy_decides_and_its_default_is_the_releases() {
        let never = Some(PrivateKeyRotationPolicy::Never);
        let always = Some(PrivateKeyRotationPolicy::Always);
        assert!(matches!(next(never, true, ED25519, &V1_21), NextKey::Reuse(_)));
        assert!(matches!(next(None, true, ED25519, &V1_7), NextKey::Reuse(_)));
        assert!(matches!(next(None, true, ED25519, &V1_21), NextKey::Generate), "Always since 1.18");
        assert!(matches!(next(always, true, ED25519, &V1_7), NextKey::Generate));
        assert!(matches!(next(never, true, "", &V1_7), NextKey::Generate), "nothing to use again");
        assert!(matches!(next(never, true, "x", &V1_7), NextKey::Unreadable));
        let NextKey::Stop(fields) = next(never, false, ED25519, &V1_21) else { panic!() };
        assert_eq!(fields, "spec.privateKey.algorithm");
    }

    #[test]
    fn a_key_that_may_not_be_replaced_has_the_event_of_the_release() {
        let (reason, text) = cannot_regenerate("s", "spec.keySize", &V1_7);
        assert_eq!(reason, "DecodeFailed");
        assert!(text.ends_with("on Certificate resource, mismatching fields: [spec.keySize]"), "{text}");
        let (reason, text) = cannot_regenerate("s", "spec.privateKey.size", &V1_21);
        assert_eq!(reason, "CannotRegenerateKey");
        assert!(text.starts_with("User intervention required: existing private key in Secret \"s\""));
    }
}
