//! The key stores of a target Secret: passwords from where the specification says, files by [`crate::pki::keystore`].

use std::collections::BTreeMap;

use super::secret::SecretData;
use super::{Caches, data};
use crate::api::{
    ByteString, Certificate, JksKeystore, ObjectKey, Pkcs12Keystore, Pkcs12Profile, SecretKeySelector,
};
use crate::compat::{Checks, SecretCare};
use crate::controller::{Context, SyncError};
use crate::pki;
use crate::pki::keystore::{Contents, jks, pkcs12};

/// The alias of the key in a Java key store that names none.
const ALIAS: &str = "certificate";

/// The entries of the Secret's data that hold key stores.
///
/// # Errors
/// When a password is not there, or a store cannot be made of the certificate.
pub(super) fn make(
    context: &Context,
    caches: &Caches,
    certificate: &Certificate,
    content: &SecretData,
) -> Result<BTreeMap<String, ByteString>, SyncError> {
    let mut stores = BTreeMap::new();
    let Some(wanted) = &certificate.spec.keystores else { return Ok(stores) };
    let wrap = |what: &str| {
        let what = what.to_owned();
        move |error: pki::PkiError| {
            SyncError::Other(format!("failed to add keystores to Secret: error encoding {what}: {error}"))
        }
    };
    let asked = Asked { context, caches, certificate };
    let label = format!("keystores {} {}", certificate.metadata.uid, context.world.monotonic().nanos());
    let rng = context.world.rng(&label);
    let encoding = wrap("keystore bundle");
    let key = pki::private_key(content.private_key.as_slice()).map_err(&encoding)?;
    let chain = pki::chain(content.certificate.as_slice()).map_err(&encoding)?;
    let cas = match content.ca.is_empty() {
        true => Vec::new(),
        false => pki::chain(content.ca.as_slice()).map_err(&encoding)?,
    };
    // Up to 1.7 only the first CA is trusted.
    let trusted = match context.compat.checks {
        Checks::Initial => cas.get(..1).unwrap_or_default(),
        Checks::Extended => cas.as_slice(),
    };
    if let Some(store) = wanted.pkcs12.as_ref().filter(|store| store.create) {
        let Pkcs12Keystore { password_secret_ref, password, profile, .. } = store;
        let password = asked.password("PKCS12", "PKCS#12", password_secret_ref, password.as_deref())?;
        let password = String::from_utf8_lossy(&password);
        let profile = profile.filter(|_| context.compat.features.keystore_options);
        let profile = profile.unwrap_or(Pkcs12Profile::LegacyRc2);
        let contents = Contents { key: &key, chain: &chain, cas: &cas };
        let made = pkcs12::keystore(profile, &password, contents, &rng).map_err(wrap("PKCS12 bundle"))?;
        stores.insert("keystore.p12".to_owned(), made.into());
        if !cas.is_empty() {
            let made = pkcs12::truststore(profile, &password, trusted, &rng);
            stores
                .insert("truststore.p12".to_owned(), made.map_err(wrap("PKCS12 trust store bundle"))?.into());
        }
    }
    if let Some(store) = wanted.jks.as_ref().filter(|store| store.create) {
        let JksKeystore { password_secret_ref, password, alias, .. } = store;
        let password = asked.password("JKS", "JKS", password_secret_ref, password.as_deref())?;
        let alias = alias.as_deref().filter(|_| context.compat.features.keystore_options).unwrap_or(ALIAS);
        let contents = Contents { key: &key, chain: &chain, cas: trusted };
        let now = context.world.now();
        let made = jks::keystore(alias, &password, contents, now, &rng).map_err(wrap("JKS bundle"))?;
        stores.insert("keystore.jks".to_owned(), made.into());
        if !cas.is_empty() {
            let made = jks::truststore(&password, trusted, now, &rng);
            stores.insert("truststore.jks".to_owned(), made.map_err(wrap("JKS trust store bundle"))?.into());
        }
    }
    Ok(stores)
}

struct Asked<'a> {
    context: &'a Context,
    caches: &'a Caches,
    certificate: &'a Certificate,
}

impl Asked<'_> {
    /// The password of a key store: from the Secret that is named, else from the specification itself.
    fn password(
        &self,
        kind: &str,
        long: &str,
        from: &SecretKeySelector,
        clear: Option<&str>,
    ) -> Result<Vec<u8>, SyncError> {
        let failed =
            |text: String| Err(SyncError::Other(format!("failed to add keystores to Secret: {text}")));
        if from.name.is_empty() && self.context.compat.features.keystore_passwords {
            return match clear {
                Some("") => failed(format!("{kind} literal password cannot be empty")),
                Some(password) => Ok(password.as_bytes().to_vec()),
                None => {
                    failed(format!("either passwordSecretRef or password must be set for {long} keystore"))
                }
            };
        }
        let key = ObjectKey::new(self.certificate.metadata.namespace.as_str(), from.name.as_str());
        let Some(secret) = self.caches.secrets.get(&key) else {
            if self.context.compat.secret_care == SecretCare::Everything {
                let text = format!("{kind} keystore password Secret {:?} not found", from.name);
                self.context.recorder.warning(self.certificate, "KeystorePasswordSecretNotFound", &text);
            }
            let name = &from.name;
            return failed(format!(
                "fetching {kind} keystore password from Secret: secret {name:?} not found"
            ));
        };
        match data(&secret, &from.key) {
            [] => failed(format!("{kind} keystore password Secret contains no data for key {:?}", from.key)),
            password => Ok(password.to_vec()),
        }
    }
}
