//! Set-up of an ACME issuer: its key, its account, its client.

pub(super) mod secrets;
mod url;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use world::keys::SectionKind;
use world::{KeyAlgorithm, PrivateKey};

use super::{AnyIssuer, Setup};
use crate::acme::{Account, AcmeClient, AcmeClients, AcmeError};
use crate::api::{AcmeIssuer, AcmeIssuerStatus, ConditionStatus, ObjectKey, ObjectMeta, Secret};
use crate::compat::AccountKeyChange;
use crate::conditions::{self, is_true};
use crate::controller::Context;
use crate::informer::Lister;
use crate::log::{Logger, catalogue as msg};
use crate::signing;

/// Let's Encrypt's servers for ACME v1, and what replaced them.
const V1_SERVERS: &[(&str, &str)] = &[
    ("https://acme-v01.api.letsencrypt.org/directory", "https://acme-v02.api.letsencrypt.org/directory"),
    (
        "https://acme-staging.api.letsencrypt.org/directory",
        "https://acme-staging-v02.api.letsencrypt.org/directory",
    ),
];

const NOT_VERIFIED: &str = "ErrVerifyACMEAccount";
const NOT_REGISTERED: &str = "ErrRegisterACMEAccount";
const NOT_UPDATED: &str = "ErrUpdateACMEAccount";
const INVALID_URL: &str = "InvalidURL";

pub(super) async fn set_up<R: AnyIssuer>(
    context: &Context,
    clients: &AcmeClients,
    secrets: &Lister<Secret>,
    log: &Logger,
    issuer: &R,
    acme: &AcmeIssuer,
    namespace: &str,
) -> Setup {
    let mut acme = Cow::Borrowed(acme);
    if acme.server.is_empty() && context.compat.acme_v1 {
        V1_SERVERS[0].0.clone_into(&mut acme.to_mut().server);
    }
    let this = SetUp { context, clients, secrets, log, issuer, acme: &acme, namespace };
    let mut known = issuer.status().acme.clone();
    // Either way it is what becomes of the issuer; an error is a way out.
    let setup = Box::pin(this.run(&mut known)).await.unwrap_or_else(|setup| *setup);
    // A way out leaves what is known of the account, too: with a new key or a new server that is no account.
    Setup { account: setup.account.or(known), ..setup }
}

/// The time limit of the set-up passed while the CA was asked.
pub(super) fn out_of_time(log: &Logger) -> Setup {
    let error = "context deadline exceeded";
    log.error(&msg::ACCOUNT_REGISTRATION_FAILED, Some(error), &[]);
    Setup::not_ready(NOT_REGISTERED, format!("Failed to register ACME account: {error}")).retried(error)
}

/// One set-up.
struct SetUp<'a, R> {
    context: &'a Context,
    clients: &'a AcmeClients,
    secrets: &'a Lister<Secret>,
    log: &'a Logger,
    issuer: &'a R,
    acme: &'a AcmeIssuer,
    namespace: &'a str,
}

type Done = Result<Setup, Box<Setup>>;

fn not_ready<T>(reason: &str, text: String) -> Result<T, Box<Setup>> {
    Err(Box::new(Setup::not_ready(reason, text)))
}

impl<R: AnyIssuer> SetUp<'_, R> {
    /// `known`: what the status says of the account, and is to say if nothing else becomes of it.
    async fn run(&self, known: &mut Option<AcmeIssuerStatus>) -> Done {
        let server = self.acme.server.as_str();
        let of_v1 = |(v1, _): &&(&str, &str)| *v1 == server.strip_suffix('/').unwrap_or(server);
        if let Some((_, v2)) = V1_SERVERS.iter().find(of_v1).filter(|_| !self.context.compat.acme_v1) {
            let text = format!(
                "Your ACME server URL is set to a v1 endpoint ({server}). You should update the spec.acme.server \
                 field to {v2:?}"
            );
            return not_ready("InvalidConfig", text);
        }
        let (key, made) = self.account_key().await?;
        if made {
            known.get_or_insert_default().uri.clear();
        }
        if self.context.compat.solver_secrets_checked {
            let missing = secrets::missing(self.secrets, self.acme, self.namespace);
            if !missing.is_empty() {
                return not_ready("InvalidSolver", missing.join("; "));
            }
        }
        let old = self.clients.forget(R::KIND.as_str(), &self.issuer.key());
        let client = match self.clients.make(self.acme, key.clone()) {
            Ok(client) => client,
            Err(error) => {
                return not_ready(NOT_REGISTERED, format!("Failed to register ACME account: {error}"));
            }
        };
        let server_host = self.host("server", server)?;
        let known = known.get_or_insert_default();
        let account_host = self.host("account", &known.uri)?;
        let same_host = server_host == account_host;
        let changes = self.context.compat.account_key_change;
        let hash = key_hash(&key);
        let same_key = changes == AccountKeyChange::Unnoticed || known.last_private_key_hash == hash;
        let same_email = known.last_registered_email == self.acme.email;
        let registered_before = !known.uri.is_empty() && same_host;
        if is_true(self.issuer, "Ready") && registered_before && same_email && same_key {
            self.log.info(&msg::ACCOUNT_CACHED, &[]);
            self.register(client);
            let ready = conditions::condition(self.issuer, "Ready").cloned().unwrap_or_default();
            return Ok(Setup { condition: ready, account: Some(known.clone()), retry: None });
        }
        if let Some(old) = old.filter(|old| {
            let of_account = same_host && old.directory_url() == server && old.key().public() != key.public();
            changes == AccountKeyChange::RolledOver && of_account && !made
        }) {
            return self
                .roll_over(old, &key, AcmeIssuerStatus { last_private_key_hash: hash, ..known.clone() })
                .await;
        }
        if !known.uri.is_empty() && !same_host {
            self.log.info(&msg::ACCOUNT_HOST_CHANGED, &[]);
            known.uri.clear();
        }
        let account = self.account(&client).await?;
        let (account, registered_email) = self.with_email(&client, account).await?;
        self.log.info(&msg::ACCOUNT_VERIFIED, &[]);
        self.register(client);
        let hash = if changes == AccountKeyChange::Unnoticed { String::new() } else { hash };
        Ok(registered(AcmeIssuerStatus {
            uri: account.url,
            last_registered_email: registered_email,
            last_private_key_hash: hash,
        }))
    }

    fn register(&self, client: AcmeClient) {
        self.clients.register(R::KIND.as_str(), &self.issuer.key(), client);
    }

    /// Host and port of a URL; empty in one that names none.
    fn host(&self, what: &str, url: &str) -> Result<String, Box<Setup>> {
        url::host(url).or_else(|error| {
            let text = format!("Failed to parse existing ACME {what} URI {url:?}: {error}");
            self.context.recorder.warning(self.issuer, INVALID_URL, &text);
            not_ready(INVALID_URL, text)
        })
    }

    /// Gives the account the new key. The old client knows the old one; it stays until that has worked.
    async fn roll_over(&self, old: AcmeClient, key: &PrivateKey, status: AcmeIssuerStatus) -> Done {
        let changed = old.change_key(key).await;
        self.register(old);
        match changed {
            Ok(()) => {
                self.log.info(&msg::ACCOUNT_KEY_CHANGED, &[]);
                Ok(registered(status))
            }
            Err(error) => {
                let text = format!("Failed to change the key of the ACME account: {error}");
                self.context.recorder.warning(self.issuer, NOT_UPDATED, &text);
                self.refused(NOT_UPDATED, text, error)
            }
        }
    }

    /// Registers the key, or finds its account.
    async fn account(&self, client: &AcmeClient) -> Result<Account, Box<Setup>> {
        let with_algorithm = self.context.compat.eab_key_algorithm;
        let binding = self.acme.external_account_binding.as_ref();
        let external = binding.map(|b| {
            secrets::external_account(self.secrets, b, self.namespace, with_algorithm).or_else(|error| {
                self.log.error(&msg::ACCOUNT_NOT_VERIFIED, Some(&error), &[]);
                let text = format!("Failed to register ACME account: {error}");
                self.context.recorder.warning(self.issuer, NOT_REGISTERED, &text);
                // It is set up again when the Secret changes.
                not_ready(NOT_REGISTERED, text)
            })
        });
        let external = external.transpose()?;
        match client.register(&contact(&self.acme.email), external.as_ref()).await {
            Ok(account) => Ok(account),
            Err(error) => {
                let text = format!("Failed to register ACME account: {error}");
                self.log.error(&msg::ACCOUNT_REGISTRATION_FAILED, Some(&error.to_string()), &[]);
                if error.is_bad_request() {
                    self.log.error(&msg::ACCOUNT_NOT_RETRIED, Some(&error.to_string()), &[]);
                }
                self.refused(NOT_REGISTERED, text, error)
            }
        }
    }

    /// Makes the account's contact the one that the issuer says, and tells the contact.
    async fn with_email(
        &self,
        client: &AcmeClient,
        account: Account,
    ) -> Result<(Account, String), Box<Setup>> {
        let first = account.contact.first().map(String::as_str).unwrap_or_default();
        let registered = first.replacen("mailto:", "", 1);
        if registered == self.acme.email {
            return Ok((account, registered));
        }
        match client.update_contact(&contact(&self.acme.email)).await {
            Ok(updated) => {
                // The account's URL is that of the registration: the answer to an update has none.
                Ok((Account { url: account.url, ..updated }, self.acme.email.clone()))
            }
            Err(error) => {
                let text = format!("Failed to update ACME account:{error}");
                self.log.error(&msg::ACCOUNT_UPDATE_FAILED, Some(&error.to_string()), &[]);
                self.context.recorder.warning(self.issuer, NOT_UPDATED, &text);
                if error.is_bad_request() {
                    self.log.error(&msg::ACCOUNT_UPDATE_NOT_RETRIED, Some(&error.to_string()), &[]);
                }
                self.refused(NOT_UPDATED, text, error)
            }
        }
    }

    /// Not ready; tried again unless the server says that the request is wrong.
    fn refused<T>(&self, reason: &str, text: String, error: AcmeError) -> Result<T, Box<Setup>> {
        let setup = Setup::not_ready(reason, text);
        Err(Box::new(if error.is_bad_request() { setup } else { setup.retried(error) }))
    }

    /// The account key from its Secret; made when it is not there and may be. Tells whether it was made.
    async fn account_key(&self) -> Result<(PrivateKey, bool), Box<Setup>> {
        let reference = &self.acme.private_key_secret_ref;
        let entry = if reference.key.is_empty() { "tls.key" } else { &reference.key };
        let secret_key = ObjectKey::new(self.namespace, reference.name.as_str());
        let Some(secret) = self.secrets.get(&secret_key) else {
            if self.acme.disable_account_key_generation {
                let text = format!(
                    "Failed to verify ACME account: the ACME issuer config has 'disableAccountKeyGeneration' set to \
                     true, but the secret was not found: secret {:?} not found",
                    reference.name
                );
                return Err(Box::new(Setup::not_ready(NOT_VERIFIED, text.clone()).retried(text)));
            }
            self.log.info(&msg::ACCOUNT_KEY_GENERATED, &[]);
            return Ok((self.make_key(secret_key, entry).await?, true));
        };
        let invalid = |why: String| not_ready(NOT_VERIFIED, format!("Account private key is invalid: {why}"));
        let Some(pem) = secret.data.get(entry) else {
            return invalid(format!("no data for {entry:?} in secret '{secret_key}'"));
        };
        match signing::private_key(pem.as_slice()) {
            Err(error) => invalid(error.to_string()),
            Ok(key) if matches!(key.algorithm(), KeyAlgorithm::Rsa(_)) => Ok((key, false)),
            Ok(_) => not_ready(
                NOT_VERIFIED,
                format!("ACME private key in {:?} is not of type RSA", reference.name),
            ),
        }
    }

    async fn make_key(&self, secret_key: ObjectKey, entry: &str) -> Result<PrivateKey, Box<Setup>> {
        let failed = |why: String| {
            let text = format!("Failed to register ACME account: {why}");
            Box::new(Setup::not_ready(NOT_REGISTERED, text.clone()).retried(text))
        };
        // A key that is lost is not made again.
        let now = self.context.world.monotonic().nanos();
        let keys = self.context.world.keys(&format!("acme account key {secret_key} {now}"));
        let key = keys.generate(KeyAlgorithm::Rsa(2048)).map_err(|e| failed(e.to_string()))?;
        let mut secret = Secret { metadata: ObjectMeta::named(&secret_key), ..Secret::default() };
        if self.context.compat.account_key_labelled {
            let label = ("app.kubernetes.io/managed-by".to_owned(), "cert-manager".to_owned());
            secret.metadata.labels.extend([label]);
        }
        secret.type_ = "Opaque".into();
        secret.data.insert(entry.to_owned(), key.to_traditional_pem().into());
        self.context.client.create(secret).await.map_err(|e| failed(e.to_string()))?;
        Ok(key)
    }
}

fn registered(account: AcmeIssuerStatus) -> Setup {
    let text = "The ACME account was registered with the ACME server";
    let condition = conditions::new("Ready", ConditionStatus::True, "ACMEAccountRegistered", text);
    Setup { condition, account: Some(account), retry: None }
}

fn contact(email: &str) -> Vec<String> {
    Some(email)
        .filter(|e| !e.is_empty())
        .map(|e| format!("mailto:{}", e.to_lowercase()))
        .into_iter()
        .collect()
}

/// SHA-256 of the key's PKCS#1 form, base64.
fn key_hash(key: &PrivateKey) -> String {
    let pem = key.to_traditional_pem();
    let der = world::keys::pem_sections(pem.as_bytes(), SectionKind::RsaPrivateKey);
    STANDARD.encode(world::sha256(der.first().map(Vec::as_slice).unwrap_or_default()))
}
