//! acme-dns: a nameserver of its own for nothing but challenges, to which `_acme-challenge` is an alias.
//!
//! The API is that of <https://github.com/joohoi/acme-dns>: a POST to `/update` replaces the older of the two
//! values that a subdomain has. There is no call that removes one.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use world::http::{Client as HttpClient, Url};

use super::provider::{Answer, Provider, ProviderError, TxtRecord};

/// An acme-dns server with the accounts of some names.
pub struct AcmeDns {
    http: HttpClient,
    host: String,
    accounts: BTreeMap<String, Account>,
}

impl std::fmt::Debug for AcmeDns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the accounts' passwords.
        write!(f, "AcmeDns({})", self.host)
    }
}

/// What a registration gave.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Account {
    username: String,
    password: String,
    subdomain: String,
}

#[derive(Serialize)]
struct Update<'a> {
    subdomain: &'a str,
    txt: &'a str,
}

impl AcmeDns {
    /// The server at `host` (a URL), with the accounts in `json`: by name, as registration gave them.
    ///
    /// # Errors
    /// [`ProviderError`] when the accounts cannot be read.
    pub fn new(http: &HttpClient, host: &str, json: &str) -> Result<Self, ProviderError> {
        let accounts = serde_json::from_str(json)
            .map_err(|error| ProviderError(format!("Error unmarshalling accountJSON: {error}")))?;
        Ok(AcmeDns { http: http.clone(), host: host.trim_end_matches('/').to_owned(), accounts })
    }

    async fn update(&self, record: &TxtRecord) -> Result<(), ProviderError> {
        let missing = || format!("account credentials not found for domain {}", record.dns_name);
        let account = self.accounts.get(&record.dns_name).ok_or_else(|| ProviderError(missing()))?;
        let url = format!("{}/update", self.host);
        let failed =
            |why: &dyn std::fmt::Display| ProviderError(format!("failed to update txt record: {why}"));
        let target: Url = url.parse().map_err(|error| failed(&error))?;
        let update = Update { subdomain: &account.subdomain, txt: &record.value };
        let body = serde_json::to_vec(&update).map_err(|error| failed(&error))?;
        let headers = [
            ("content-type", "application/json"),
            ("x-api-user", account.username.as_str()),
            ("x-api-key", account.password.as_str()),
        ];
        let answer = self.http.request(Method::POST, &target, &headers, Bytes::from(body)).await;
        let answer = answer.map_err(|error| failed(&error))?;
        if answer.status == 200 {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body);
        Err(failed(&format!("{url} answered {}: {}", answer.status.as_u16(), body.trim())))
    }
}

impl Provider for AcmeDns {
    fn present<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a> {
        Box::pin(self.update(record))
    }

    fn clean_up<'a>(&'a self, _: &'a TxtRecord) -> Answer<'a> {
        // The value stays until two others have come.
        Box::pin(std::future::ready(Ok(())))
    }
}
