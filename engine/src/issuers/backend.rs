//! HTTP to the servers of Vault and Venafi issuers: JSON in, JSON out, time limits, and no trust in what comes back.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;
use world::World;
use world::http::{Client as HttpClient, Url};
use world::keys::{SectionKind, pem_sections};
use world::resolver::Resolver;
use world::tls::Connector;

use super::IssuerOptions;

/// Headers of one request.
pub(super) type Headers<'a> = &'a [(&'a str, &'a str)];

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Backend {
    world: World,
    http: HttpClient,
    base: String,
    limit: Duration,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// The URL that was asked.
    pub(super) url: String,
    /// Its status.
    pub(super) status: StatusCode,
    /// Its body.
    pub(super) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }
}

impl Backend {
    /// A client of the server at `base`. It trusts the certificates of `ca_bundle`, or those of the process.
    ///
    /// # Errors
    /// When the bundle has no certificate in it, or one that is none.
    pub(super) fn new(
        world: &World,
        options: &IssuerOptions,
        base: &str,
        ca_bundle: &[u8],
        limit: Duration,
    ) -> Result<Self, BadBundle> {
        let tls = Self::trusting(world, options, ca_bundle)?;
        Ok(Self::over(world, options, base, tls, limit))
    }

    /// How a server is connected to: it trusts the certificates of `ca_bundle`, or those of the process.
    ///
    /// # Errors
    /// As [`Backend::new`].
    pub(super) fn trusting(
        world: &World,
        options: &IssuerOptions,
        ca_bundle: &[u8],
    ) -> Result<Connector, BadBundle> {
        let mut roots = options.http.roots.clone();
        if !ca_bundle.is_empty() {
            roots = pem_sections(ca_bundle, SectionKind::Certificate);
            if roots.is_empty() {
                return Err(BadBundle);
            }
        }
        Connector::new(world, &roots).map_err(|_| BadBundle)
    }

    /// A client of the server at `base` that connects in this way.
    pub(super) fn over(
        world: &World,
        options: &IssuerOptions,
        base: &str,
        tls: Connector,
        limit: Duration,
    ) -> Self {
        let resolver = Resolver::new(world, options.http.nameservers.clone());
        let http = HttpClient::new(world, resolver).with_tls(tls).with_user_agent(options.user_agent);
        let base = base.trim_end_matches('/').to_owned();
        Backend { world: world.clone(), http, base, limit }
    }

    /// Asks the server once.
    ///
    /// # Errors
    /// The text that a Go client has for it.
    pub(super) async fn ask(
        &self,
        method: &Method,
        path: &str,
        headers: Headers<'_>,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let text = format!("{}/{}", self.base, path.trim_start_matches('/'));
        let verb = title(method.as_str());
        let failed = |why: &dyn std::fmt::Display| format!("{verb} {text:?}: {why}");
        let url: Url = text.parse().map_err(|e: world::http::HttpError| failed(&e))?;
        let mut all = headers.to_vec();
        if body.is_some() {
            all.push(("content-type", "application/json"));
        }
        let bytes = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let call = self.http.request(method.clone(), &url, &all, bytes);
        match self.world.timeout(self.limit, call).await {
            Err(_) => {
                Err(failed(&"context deadline exceeded (Client.Timeout exceeded while awaiting headers)"))
            }
            Ok(Err(error)) => Err(failed(&error)),
            Ok(Ok(response)) => Ok(Answer { url: text, status: response.status, body: response.body }),
        }
    }

    /// Waits a while between two attempts.
    pub(super) async fn pause(&self, wait: Duration) {
        self.world.sleep(wait).await;
    }
}

/// A CA bundle without a usable certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadBundle;

/// `Post` for `POST`, as Go's errors have it.
fn title(method: &str) -> String {
    let mut letters = method.chars();
    letters.next().map_or_else(String::new, |first| format!("{first}{}", letters.as_str().to_lowercase()))
}
