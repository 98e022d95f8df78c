//! Set-up of an ACME issuer: its key, its account, its client.

use world::http::Url;
use world::{KeyAlgorithm, PrivateKey};

use super::{AnyIssuer, Setup};
use crate::acme::AcmeClients;
use crate::api::{AcmeIssuer, AcmeIssuerStatus, ConditionStatus, ObjectKey, Secret};
use crate::conditions::{self, is_true};
use crate::controller::Context;
use crate::informer::Lister;
use crate::log::{Logger, catalogue as msg};

/// Let's Encrypt's servers for ACME v1, and what replaced them.
const V1_SERVERS: &[(&str, &str)] = &[
    ("https://acme-v01.api.letsencrypt.org/directory", "https://acme-v02.api.letsencrypt.org/directory"),
    (
        "https://acme-staging.api.letsencrypt.org/directory",
        "https://acme-staging-v02.api.letsencrypt.org/directory",
    ),
];

pub(super) async fn set_up<R: AnyIssuer>(
    context: &Context,
    clients: &AcmeClients,
    secrets: &Lister<Secret>,
    log: &Logger,
    issuer: &R,
    acme: &AcmeIssuer,
    namespace: &str,
) -> Setup {
    let key = issuer.key();
    clients.forget(R::KIND.as_str(), &key);
    let server = acme.server.as_str();
    if let Some((_, v2)) = V1_SERVERS.iter().find(|(v1, _)| *v1 == server.trim_end_matches('/')) {
        let text = format!(
            "Your ACME server URL is set to a v1 endpoint ({server}). You should update the spec.acme.server \
             field to {v2:?}"
        );
        return Setup::not_ready("InvalidConfig", text);
    }
    let account_key = match account_key(context, secrets, log, acme, namespace).await {
        Ok(key) => key,
        Err(setup) => return *setup,
    };
    let server_url: Url = match server.parse() {
        Ok(url) => url,
        Err(error) => {
            let text = format!("Failed to parse existing ACME server URI {server:?}: {error}");
            context.recorder.warning(issuer, "InvalidURL", &text);
            return Setup::not_ready("InvalidURL", text);
        }
    };
    let known = issuer.status().acme.clone().unwrap_or_default();
    let client = clients.make(server, account_key);
    let same_host = known.uri.parse::<Url>().is_ok_and(|url| url.host == server_url.host);
    if is_true(issuer, "Ready") && same_host && known.last_registered_email == acme.email {
        log.info(&msg::ACCOUNT_CACHED, &[]);
        clients.register(R::KIND.as_str(), &key, client);
        let ready = conditions::condition(issuer, "Ready").cloned().unwrap_or_default();
        return Setup { condition: ready, account: Some(known), retry: None };
    }
    if !known.uri.is_empty() && !same_host {
        log.info(&msg::ACCOUNT_HOST_CHANGED, &[]);
    }
    let contact: Vec<String> =
        Some(&acme.email).filter(|e| !e.is_empty()).map(|e| format!("mailto:{e}")).into_iter().collect();
    let mut account = match client.register(&contact).await {
        Ok(account) => account,
        Err(error) => {
            let text = format!("Failed to register ACME account: {error}");
            log.error(&msg::ACCOUNT_REGISTRATION_FAILED, Some(&error.to_string()), &[]);
            context.recorder.warning(issuer, "ErrRegisterACMEAccount", &text);
            let setup = Setup::not_ready("ErrRegisterACMEAccount", text);
            if error.is_bad_request() {
                log.error(&msg::ACCOUNT_NOT_RETRIED, Some(&error.to_string()), &[]);
                return setup;
            }
            return setup.retried(error);
        }
    };
    if account.contact != contact && !contact.is_empty() {
        account = match client.update_contact(&contact).await {
            Ok(updated) => updated,
            Err(error) => {
                let text = format!("Failed to update ACME account: {error}");
                context.recorder.warning(issuer, "ErrUpdateACMEAccount", &text);
                let setup = Setup::not_ready("ErrUpdateACMEAccount", text);
                return if error.is_bad_request() { setup } else { setup.retried(error) };
            }
        };
    }
    log.info(&msg::ACCOUNT_VERIFIED, &[]);
    clients.register(R::KIND.as_str(), &key, client);
    let text = "The ACME account was registered with the ACME server";
    Setup {
        condition: conditions::new("Ready", ConditionStatus::True, "ACMEAccountRegistered", text),
        account: Some(AcmeIssuerStatus {
            uri: account.url,
            last_registered_email: acme.email.clone(),
            ..AcmeIssuerStatus::default()
        }),
        retry: None,
    }
}

/// The account key from its Secret; made when it is not there and may be.
async fn account_key(
    context: &Context,
    secrets: &Lister<Secret>,
    log: &Logger,
    acme: &AcmeIssuer,
    namespace: &str,
) -> Result<PrivateKey, Box<Setup>> {
    let reference = &acme.private_key_secret_ref;
    let entry = if reference.key.is_empty() { "tls.key" } else { &reference.key };
    let secret_key = ObjectKey::new(namespace, reference.name.as_str());
    let failed = |text: String| Box::new(Setup::not_ready("ErrVerifyACMEAccount", text));
    let Some(secret) = secrets.get(&secret_key) else {
        if acme.disable_account_key_generation {
            return Err(failed(format!(
                "the ACME issuer config has 'disableAccountKeyGeneration' set to true, but the secret was not \
                 found: secret {:?} not found",
                reference.name
            )));
        }
        log.info(&msg::ACCOUNT_KEY_GENERATED, &[]);
        let keys = context.world.keys(&format!("acme account key {secret_key}"));
        let key = keys.generate(KeyAlgorithm::Rsa(2048)).map_err(|e| failed(e.to_string()))?;
        let mut secret = Secret::default();
        secret.metadata.name = secret_key.name;
        secret.metadata.namespace = secret_key.namespace;
        secret.type_ = "Opaque".into();
        secret.data.insert(entry.to_owned(), key.to_traditional_pem().into());
        let created = context.client.create(secret).await;
        return created.map(|_| key).map_err(|e| Box::new(failed(e.to_string()).retried(e)));
    };
    let pem = crate::certificates::data(&secret, entry);
    let key =
        PrivateKey::from_pem(pem).map_err(|e| failed(format!("Account private key is invalid: {e}")))?;
    match key.algorithm() {
        KeyAlgorithm::Rsa(_) => Ok(key),
        _ => Err(failed(format!("ACME private key in {:?} is not of type RSA", reference.name))),
    }
}
