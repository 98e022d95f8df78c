//! One client: one key, one server, one account.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use world::http::{Client as HttpClient, Response};
use world::{PrivateKey, World};

use super::call::{Call, CallLimits, POLL_PAUSE, Result, parse};
use super::chain;
use super::error::AcmeError;
use super::jws::{self, ExternalAccount, Identity};
use super::renewal_info::RenewalInfo;
use super::types::{Account, Authorization, Challenge, Directory, Identifier, Order};
use crate::api::State;

/// A client. Clones share key, nonces, directory and account URL.
#[derive(Clone, Debug)]
pub struct AcmeClient {
    pub(super) world: World,
    pub(super) http: HttpClient,
    pub(super) directory_url: String,
    pub(super) limits: CallLimits,
    state: Arc<Mutex<Session>>,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: PrivateKey,
    pub(super) directory: Option<Directory>,
    pub(super) nonces: Vec<String>,
    pub(super) account: Option<String>,
    pub(super) backoffs: u64,
}

/// What is ordered (RFC 8555 section 7.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewOrder {
    /// For whom.
    pub identifiers: Vec<Identifier>,
    /// The end of validity that is asked for, RFC 3339; empty: the server's choice.
    pub not_after: String,
    /// The profile; empty: the server's choice.
    pub profile: String,
    /// The certificate that is replaced (RFC 9773 section 5); empty: none.
    pub replaces: String,
}

impl AcmeClient {
    /// A client for the directory at `directory_url`. Nothing is sent yet.
    pub fn new(
        world: &World,
        http: HttpClient,
        directory_url: &str,
        key: PrivateKey,
        limits: CallLimits,
    ) -> Self {
        let session = Session { key, directory: None, nonces: Vec::new(), account: None, backoffs: 0 };
        AcmeClient {
            world: world.clone(),
            http,
            directory_url: directory_url.to_owned(),
            limits,
            state: Arc::new(Mutex::new(session)),
        }
    }

    pub(super) fn session(&self) -> std::sync::MutexGuard<'_, Session> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account's key.
    pub fn key(&self) -> PrivateKey {
        self.session().key.clone()
    }

    /// The directory that it was made for.
    pub fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// What is published for a challenge: `token.thumbprint` (RFC 8555 section 8.1).
    pub fn key_authorization(&self, token: &str) -> String {
        format!("{token}.{}", self.key().public().thumbprint())
    }

    fn call(&self) -> Call<'_> {
        self.call_within(None)
    }

    /// A call in the release's time, or in `limit` if that is shorter.
    fn call_within(&self, limit: Option<Duration>) -> Call<'_> {
        let limit = self.limits.call.into_iter().chain(limit).min();
        Call { client: self, due: limit.map(|limit| self.world.monotonic() + limit) }
    }

    /// Registers the key, or finds the account that it has (section 7.3).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn register(&self, contact: &[String], external: Option<&ExternalAccount>) -> Result<Account> {
        let call = self.call();
        let directory = call.directory().await?;
        let mut payload = json!({});
        if !directory.meta.terms_of_service.is_empty() {
            payload["termsOfServiceAgreed"] = true.into();
        }
        if !contact.is_empty() {
            payload["contact"] = contact.into();
        }
        if let Some(external) = external {
            payload["externalAccountBinding"] =
                jws::bind(external, self.key().public(), &directory.new_account);
        }
        let url = &directory.new_account;
        let response = Box::pin(call.post_as(&Identity::Key, url, Some(&payload), &[200, 201])).await?;
        let account = call.account(&response)?;
        if response.status.as_u16() == 201 {
            return Ok(account);
        }
        // It was there: what it is is asked for in a call of its own.
        Box::pin(self.call().existing_account()).await
    }

    /// Changes the contacts of the account (section 7.3.2); none is no change.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn update_contact(&self, contact: &[String]) -> Result<Account> {
        let call = self.call();
        let Identity::Account(url) = call.identity().await else { return Err(AcmeError::NoAccount) };
        let payload = if contact.is_empty() { json!({}) } else { json!({ "contact": contact }) };
        let response = call.post(&url, Some(&payload), &[200]).await?;
        Ok(Account { url, ..parse(&response)? })
    }

    /// Gives the account another key (section 7.3.5), which this client and its clones sign with from then on.
    ///
    /// # Errors
    /// [`AcmeError`]; the old key is in use still.
    pub async fn change_key(&self, new: &PrivateKey) -> Result<()> {
        let call = self.call();
        let url = call.directory().await?.key_change;
        let Identity::Account(account) = call.identity().await else { return Err(AcmeError::NoAccount) };
        let old: Value = serde_json::from_str(&self.key().public().jwk())
            .map_err(|e| AcmeError::Malformed(format!("account key: {e}")))?;
        let change = json!({ "account": account, "oldKey": old });
        let inner = jws::sign(new, &url, Some(&change), &Identity::Key, None);
        call.post(&url, Some(&inner), &[200]).await?;
        self.session().key = new.clone();
        Ok(())
    }

    /// Orders a certificate (section 7.4). A profile that the directory does not have is not asked for, nor a
    /// replacement from a server without renewal information.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn new_order(&self, order: &NewOrder) -> Result<Order> {
        let call = self.call();
        let directory = call.directory().await?;
        let mut payload = json!({ "identifiers": order.identifiers });
        if !order.not_after.is_empty() {
            payload["notAfter"] = order.not_after.as_str().into();
        }
        if !order.profile.is_empty() {
            if directory.meta.profiles.is_empty() {
                return Err(AcmeError::NoProfiles);
            }
            if !directory.meta.profiles.contains_key(&order.profile) {
                return Err(AcmeError::UnknownProfile(order.profile.clone()));
            }
            payload["profile"] = order.profile.as_str().into();
        }
        if !order.replaces.is_empty() {
            if directory.renewal_info.is_empty() {
                return Err(AcmeError::NoRenewalInfo);
            }
            payload["replaces"] = order.replaces.as_str().into();
        }
        let response = call.post(&directory.new_order, Some(&payload), &[201]).await?;
        order_of(&response)
    }

    /// Reads an order. Its URL is the one that it was read from, unless the server says another (`Location`).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn get_order(&self, url: &str) -> Result<Order> {
        let order = order_of(&self.call().post(url, None, &[200]).await?)?;
        // Only the answer to newOrder says where the order is.
        Ok(Order { url: url.to_owned(), ..order })
    }

    /// Reads an authorization (section 7.5).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn get_authorization(&self, url: &str) -> Result<Authorization> {
        parse(&self.call().post(url, None, &[200, 202]).await?)
    }

    /// Says that a challenge is ready to be validated (section 7.5.1).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn accept(&self, challenge_url: &str) -> Result<Challenge> {
        parse(&self.call().post(challenge_url, Some(&json!({})), &[200, 202]).await?)
    }

    /// Asks for an authorization until it is valid: every `Retry-After`, or every second. An answer that cannot be
    /// read is no answer: it is asked again.
    ///
    /// # Errors
    /// [`AcmeError::Authorization`] when it became invalid, [`AcmeError::Deadline`] after `limit`, and others.
    pub async fn wait_authorization(&self, url: &str, limit: Option<Duration>) -> Result<Authorization> {
        let call = self.call_within(limit);
        loop {
            let response = match call.post(url, None, &[200, 202]).await {
                Err(AcmeError::Unread(_)) => {
                    call.sleep(POLL_PAUSE).await?;
                    continue;
                }
                answered => answered?,
            };
            match parse::<Authorization>(&response) {
                Ok(valid) if valid.status == State::Valid => return Ok(valid),
                Ok(invalid) if invalid.status == State::Invalid => {
                    let problems = invalid.challenges.into_iter().filter_map(|c| c.error).collect();
                    let identifier = invalid.identifier.value;
                    return Err(AcmeError::Authorization { identifier, problems });
                }
                _ => call.pause(&response).await?,
            }
        }
    }

    /// Sends the CSR, waits for the order to become valid and downloads the chain (section 7.4): DER, leaf
    /// first, and the URL that it came from.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn finalize(&self, finalize_url: &str, csr: &[u8]) -> Result<(Vec<Vec<u8>>, String)> {
        let call = self.call();
        let payload = json!({ "csr": URL_SAFE_NO_PAD.encode(csr) });
        let mut order = order_of(&call.post(finalize_url, Some(&payload), &[200]).await?)?;
        if order.status != State::Valid {
            order = wait_order(&call, &order.url).await?;
        }
        if order.status != State::Valid {
            return Err(AcmeError::Order { url: order.url, status: order.status, problem: order.error });
        }
        let response = call.post(&order.certificate, None, &[200]).await?;
        Ok((chain::read(&response.body)?, order.certificate))
    }

    /// Downloads a chain: DER, leaf first.
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn fetch_certificate(&self, url: &str) -> Result<Vec<Vec<u8>>> {
        chain::read(&self.call().post(url, None, &[200]).await?.body)
    }

    /// The URLs of a certificate's other chains (section 7.4.2).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn alternates(&self, url: &str) -> Result<Vec<String>> {
        let response = self.call().post(url, None, &[200]).await?;
        let links = response.headers.get_all("link");
        Ok(links.iter().filter_map(|l| l.to_str().ok()).flat_map(chain::alternates).collect())
    }

    /// What the CA says about the renewal of the certificate with this identifier (RFC 9773 section 4.1).
    ///
    /// # Errors
    /// [`AcmeError`].
    pub async fn renewal_info(&self, certificate_id: &str) -> Result<RenewalInfo> {
        let call = self.call();
        let base = call.directory().await?.renewal_info;
        if base.is_empty() {
            return Err(AcmeError::NoRenewalInfo);
        }
        let response = call.get(&format!("{}/{certificate_id}", base.trim_end_matches('/'))).await?;
        RenewalInfo::read(&response, self.world.now())
    }
}

/// The order in an answer; its URL is the `Location`, if there is one.
fn order_of(response: &Response) -> Result<Order> {
    let url = response.header("location").unwrap_or_default().to_owned();
    Ok(Order { url, ..parse(response)? })
}

/// Asks for an order until it is ready, valid or invalid. An answer that cannot be read is asked for again.
async fn wait_order(call: &Call<'_>, url: &str) -> Result<Order> {
    loop {
        let response = match call.post(url, None, &[200]).await {
            Err(AcmeError::Unread(_)) => {
                call.sleep(POLL_PAUSE).await?;
                continue;
            }
            answered => answered?,
        };
        match order_of(&response) {
            Ok(order) if matches!(order.status, State::Ready | State::Valid | State::Invalid) => {
                return Ok(Order { url: url.to_owned(), ..order });
            }
            _ => call.pause(&response).await?,
        }
    }
}
