//! The client of a Vault server: login, health, signing.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::super::backend::{Answer, Backend};
use super::super::{FoundIssuer, IssuerOptions};
use super::credentials::{Credentials, Login};
use crate::api::{GoDuration, VaultIssuer};
use crate::controller::Context;
use crate::pki;
use crate::signing::{Bundle, bundle_of_pem};

/// Time limit of one request (the SDK's default).
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// How often a request is sent again that met no server or a server's error, and the wait before the first time;
/// the second is twice as long (the SDK's default, without its jitter).
const RETRIES: u32 = 2;
const RETRY_WAIT: Duration = Duration::from_secs(1);
/// Health answers of servers that are well but not the active one.
const STANDBY: [u16; 3] = [429, 472, 473];

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VaultError {
    /// A Secret is not there.
    #[error("{0}")]
    NotFound(String),
    /// The specification says nothing that could work.
    #[error("{0}")]
    Invalid(String),
    /// Anything that may pass: data of a Secret, the network, the server.
    #[error("{0}")]
    Other(String),
}

impl VaultError {
    /// The same within other words.
    pub(super) fn within(self, prefix: &str) -> Self {
        match self {
            VaultError::NotFound(text) => VaultError::NotFound(format!("{prefix}: {text}")),
            VaultError::Invalid(text) => VaultError::Invalid(format!("{prefix}: {text}")),
            VaultError::Other(text) => VaultError::Other(format!("{prefix}: {text}")),
        }
    }
}

/// A client that is logged in.
#[derive(Debug)]
pub(crate) struct VaultClient {
    backend: Backend,
    namespace: String,
    token: String,
    sign_path: String,
}

impl VaultClient {
    /// Reads the credentials that the issuer names, and trades them for a token.
    ///
    /// # Errors
    /// [`VaultError`].
    pub(crate) async fn log_in(
        context: &Context,
        options: &IssuerOptions,
        issuer: &FoundIssuer,
        vault: &VaultIssuer,
    ) -> Result<Self, VaultError> {
        let credentials = Credentials { context, options, issuer, vault };
        let bundle = credentials.ca_bundle()?;
        let rules = &context.compat.other_issuers.vault;
        let tls = Backend::trusting(&context.world, options, &bundle);
        let mut tls = tls.map_err(|_| VaultError::Other(rules.bad_bundle.to_owned()))?;
        if let Some(identity) = credentials.client_certificate()? {
            tls = tls.with_identity(identity);
        }
        if rules.server_name && !vault.server_name.is_empty() {
            tls = tls.with_server_name(&vault.server_name);
        }
        let over = |tls| Backend::over(&context.world, options, &vault.server, tls, REQUEST_LIMIT);
        let mut client = VaultClient {
            backend: over(tls.clone()),
            namespace: vault.namespace.clone(),
            token: String::new(),
            sign_path: join(&["v1", &vault.path]),
        };
        client.token = match credentials.login().await? {
            Login::Token(token) => token,
            Login::Trade { path, body, calling, wrapped, shown } => {
                let traded = match shown {
                    None => client.trade(&path, &body).await,
                    // The client that shows the certificate is another one. It is made of the first one's
                    // configuration, and the namespace is not in that.
                    Some(identity) => {
                        let backend = over(tls.with_identity(identity));
                        let (token, sign_path) = (String::new(), String::new());
                        let other = VaultClient { backend, namespace: String::new(), token, sign_path };
                        other.trade(&path, &body).await
                    }
                };
                let traded = traded.map_err(|(called, text)| {
                    VaultError::Other(if called { format!("{calling}: {text}") } else { text })
                });
                match wrapped {
                    Some(prefix) => traded.map_err(|error| error.within(&prefix))?,
                    None => traded?,
                }
            }
        };
        Ok(client)
    }

    /// Logs in. An error says whether the call itself failed.
    async fn trade(&self, path: &str, body: &Value) -> Result<String, (bool, String)> {
        let answer = self.send(&Method::POST, path, true, Some(body)).await.map_err(|e| (true, e))?;
        let json = answer.json().map_err(|e| (false, format!("unable to decode JSON payload: {e}")))?;
        match json.pointer("/auth/client_token").and_then(Value::as_str) {
            Some(token) if !token.is_empty() => Ok(token.to_owned()),
            _ => Err((false, "no token returned".to_owned())),
        }
    }

    /// Whether the server is initialised and unsealed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) async fn health(&self) -> Result<(), String> {
        let path = "v1/sys/health";
        let answer = self.attempt(&Method::GET, path, false, None).await?;
        match answer.status.as_u16() {
            200..=299 => Ok(()),
            status if STANDBY.contains(&status) => Ok(()),
            501 => Err("Vault is not initialized".to_owned()),
            503 => Err("Vault is sealed".to_owned()),
            _ => Err(format!("error calling Vault /{path}: {}", self.refusal(&Method::GET, &answer, false))),
        }
    }

    /// Has a request (PEM) signed.
    ///
    /// # Errors
    /// The text for the request's condition.
    pub(crate) async fn sign(&self, csr: &[u8], duration: Duration) -> Result<Bundle, String> {
        let names = pki::request(csr).map_err(|e| format!("failed to decode CSR for signing: {e}"))?.names;
        let parameters = json!({
            "common_name": names.common_name,
            "alt_names": names.dns.join(","),
            "ip_sans": names.ips.join(","),
            "uri_sans": names.uris.join(","),
            "ttl": GoDuration(duration).to_string(),
            "csr": String::from_utf8_lossy(csr),
            "exclude_cn_from_sans": "true",
        });
        let answer = self.send(&Method::POST, &self.sign_path, true, Some(&parameters)).await;
        let answer = answer.map_err(|e| format!("failed to sign certificate by vault: {e}"))?;
        let json = answer.json().map_err(|e| format!("failed to decode response returned by vault: {e}"))?;
        chain(&json)
    }

    /// Sends a request; an answer that is no success is an error.
    async fn send(
        &self,
        method: &Method,
        path: &str,
        namespaced: bool,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let answer = self.attempt(method, path, namespaced, body).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(method, &answer, namespaced)) }
    }

    /// Sends a request, and again while the server cannot be reached or has an error of its own.
    async fn attempt(
        &self,
        method: &Method,
        path: &str,
        namespaced: bool,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut headers = vec![("x-vault-request", "true")];
        if !self.token.is_empty() {
            headers.push(("x-vault-token", &self.token));
        }
        if namespaced && !self.namespace.is_empty() {
            headers.push(("x-vault-namespace", &self.namespace));
        }
        let mut again = 0;
        loop {
            let answer = self.backend.ask(method, path, &headers, body).await;
            let passing = match &answer {
                Err(_) => true,
                Ok(answer) => answer.status.is_server_error() && answer.status.as_u16() != 501,
            };
            if !passing || again == RETRIES {
                return answer;
            }
            again += 1;
            self.backend.pause(RETRY_WAIT * again).await;
        }
    }

    /// The SDK's text for an answer that is an error.
    fn refusal(&self, method: &Method, answer: &Answer, namespaced: bool) -> String {
        let mut text = "Error making API request.\n\n".to_owned();
        if namespaced && !self.namespace.is_empty() {
            text.push_str(&format!("Namespace: {}\n", self.namespace));
        }
        text.push_str(&format!("URL: {method} {}\n", answer.url));
        let errors = answer.json().ok().and_then(|json| match json.get("errors") {
            Some(Value::Array(errors)) => {
                Some(errors.iter().map(|e| e.as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>())
            }
            _ => None,
        });
        match errors {
            Some(errors) => {
                text.push_str(&format!("Code: {}. Errors:\n\n", answer.status.as_u16()));
                text.extend(errors.iter().map(|error| format!("* {error}")));
            }
            None => {
                let raw = String::from_utf8_lossy(&answer.body);
                text.push_str(&format!("Code: {}. Raw Message:\n\n{raw}", answer.status.as_u16()));
            }
        }
        text
    }
}

/// `a/b`, without doubled slashes.
pub(super) fn join(parts: &[&str]) -> String {
    let segments = parts.iter().flat_map(|part| part.split('/')).filter(|segment| !segment.is_empty());
    segments.collect::<Vec<_>>().join("/")
}

/// The chain in an answer to signing.
fn chain(answer: &Value) -> Result<Bundle, String> {
    let data = answer.get("data").cloned().unwrap_or_default();
    let mut pem = String::new();
    let text = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("failed to decode response returned by vault: {name} is no text")),
    };
    match data.get("ca_chain") {
        Some(Value::Array(chain)) => {
            for certificate in chain {
                pem.push_str(&text(Some(certificate), "ca_chain")?);
                pem.push('\n');
            }
        }
        other => pem.push_str(&text(other, "ca_chain")?),
    }
    for name in ["issuing_ca", "certificate"] {
        pem.push('\n');
        pem.push_str(&text(data.get(name), name)?);
    }
    bundle_of_pem(pem.as_bytes()).map_err(|e| format!("failed to parse certificate chain from vault: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_like_paths() {
        assert_eq!(join(&["v1", "auth", "approle", "login"]), "v1/auth/approle/login");
        assert_eq!(join(&["/v1/auth/kubernetes/", "login"]), "v1/auth/kubernetes/login");
    }

    #[test]
    fn an_answer_that_lies_is_an_error_and_no_more() {
        let of = |answer: Value| chain(&answer).unwrap_err();
        let empty = "failed to parse certificate chain from vault: error decoding certificate PEM block";
        for answer in [json!(null), json!([]), json!({}), json!({ "data": 7 }), json!({ "data": {} })] {
            assert_eq!(of(answer), empty);
        }
        let wrong = of(json!({ "data": { "certificate": 7 } }));
        assert_eq!(wrong, "failed to decode response returned by vault: certificate is no text");
        let wrong = of(json!({ "data": { "ca_chain": [{}] } }));
        assert_eq!(wrong, "failed to decode response returned by vault: ca_chain is no text");
        let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let bad = of(json!({ "data": { "certificate": bad } }));
        assert!(bad.starts_with("failed to parse certificate chain from vault: error parsing TLS"), "{bad}");
    }
}
