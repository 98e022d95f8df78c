//! What a Vault issuer logs in with: a token, or something that is traded for one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use world::KeyAlgorithm;
use world::tls::{BadTls, Identity};

use super::super::{FoundIssuer, IssuerOptions};
use super::client::{VaultError, join};
use crate::api::{
    ObjectKey, Secret, SecretKeySelector, ServiceAccountRef, VaultAppRole, VaultClientCertificateAuth,
    VaultIssuer, VaultKubernetesAuth,
};
use crate::controller::Context;

/// The label of the key that signs the tokens of service accounts, in the world's keys.
pub(crate) const TOKEN_KEY: &str = "service account token issuer";
/// How long a token that was asked for lasts: the least that Kubernetes gives.
const TOKEN_SECONDS: i64 = 600;

/// How to get a token.
pub(super) enum Login {
    /// It is there.
    Token(String),
    /// By a POST of `body` to `path`.
    Trade {
        path: String,
        body: Value,
        /// The words before the error of a call that failed.
        calling: &'static str,
        /// The words around any error.
        wrapped: Option<String>,
        /// Whom the client shows itself as for this one request.
        shown: Option<Identity>,
    },
}

/// What Go says of a certificate and a key that are no pair.
fn key_pair_text(error: &BadTls) -> String {
    match error {
        BadTls::NoCertificate => "tls: failed to find any PEM data in certificate input".to_owned(),
        BadTls::OtherKey => "tls: private key does not match public key".to_owned(),
        BadTls::Key(error) => format!("tls: failed to parse private key: {error}"),
        BadTls::Refused(error) => error.to_string(),
    }
}

/// Where the credentials are looked for.
pub(super) struct Credentials<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a IssuerOptions,
    pub(super) issuer: &'a FoundIssuer,
    pub(super) vault: &'a VaultIssuer,
}

type Result<T> = std::result::Result<T, VaultError>;

impl Credentials<'_> {
    fn namespace(&self) -> &str {
        self.issuer.secret_namespace(&self.options.resource_namespace)
    }

    /// An entry of a Secret; `fallback` is the entry's name where the reference has none.
    fn entry(&self, reference: &SecretKeySelector, fallback: &str) -> Result<Vec<u8>> {
        let name = reference.name.as_str();
        let key = ObjectKey::new(self.namespace(), name);
        let secret = self.options.secrets.get(&key);
        let secret = secret.ok_or_else(|| VaultError::NotFound(format!("secret {name:?} not found")))?;
        let entry = if reference.key.is_empty() { fallback } else { &reference.key };
        let missing = || VaultError::Other(format!("no data for {entry:?} in secret '{key}'"));
        secret.data.get(entry).map(|bytes| bytes.as_slice().to_vec()).ok_or_else(missing)
    }

    fn text(&self, reference: &SecretKeySelector, fallback: &str) -> Result<String> {
        let bytes = self.entry(reference, fallback)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// The roots to trust for the server; empty: those of the process.
    pub(super) fn ca_bundle(&self) -> Result<Vec<u8>> {
        if !self.vault.ca_bundle.is_empty() {
            return Ok(self.vault.ca_bundle.as_slice().to_vec());
        }
        let known = self.context.compat.other_issuers.vault.newer_auth;
        let Some(reference) = self.vault.ca_bundle_secret_ref.as_ref().filter(|_| known) else {
            return Ok(Vec::new());
        };
        let prefix = "failed to load vault CA bundle";
        self.entry(reference, "ca.crt").map_err(|error| match error {
            VaultError::NotFound(text) => VaultError::Other(format!(
                "{prefix}: could not access secret '{}/{}': {text}",
                self.namespace(),
                reference.name
            )),
            other => other.within(prefix),
        })
    }

    /// The first way that is set.
    pub(super) async fn login(&self) -> Result<Login> {
        let auth = &self.vault.auth;
        if let Some(reference) = &auth.token_secret_ref {
            return Ok(Login::Token(self.text(reference, "token")?));
        }
        if let Some(role) = &auth.app_role {
            return self.app_role(role);
        }
        if let Some(certificate) = auth.client_certificate.as_ref().filter(|_| self.newer()) {
            return self.certificate(certificate);
        }
        if let Some(kubernetes) = &auth.kubernetes {
            return self.kubernetes(kubernetes).await;
        }
        Err(VaultError::Invalid(self.context.compat.other_issuers.vault.no_auth.to_owned()))
    }

    /// Whom the client shows itself as to a server that asks; both halves from Secrets.
    pub(super) fn client_certificate(&self) -> Result<Option<Identity>> {
        let vault = self.vault;
        let (Some(certificate), Some(key)) = (&vault.client_cert_secret_ref, &vault.client_key_secret_ref)
        else {
            return Ok(None);
        };
        if !self.newer() {
            return Ok(None);
        }
        let within =
            |text: String| VaultError::Other(format!("failed to load vault client certificate: {text}"));
        let named = |reference: &SecretKeySelector| ObjectKey::new(self.namespace(), reference.name.as_str());
        let secret = |reference: &SecretKeySelector| {
            let (key, name) = (named(reference), &reference.name);
            let missing = || within(format!("could not access Secret '{key}': secret {name:?} not found"));
            self.options.secrets.get(&key).ok_or_else(missing)
        };
        let half = |secret: &Secret, reference: &SecretKeySelector, fallback: &str| {
            let entry = if reference.key.is_empty() { fallback } else { &reference.key };
            let missing = || within(format!("no data for {entry:?} in Secret '{}'", named(reference)));
            secret.data.get(entry).map(|bytes| bytes.as_slice().to_vec()).ok_or_else(missing)
        };
        let (of_certificate, of_key) = (secret(certificate)?, secret(key)?);
        let chain = half(&of_certificate, certificate, "tls.crt")?;
        let pem = half(&of_key, key, "tls.key")?;
        Identity::from_pem(&self.context.world, &chain, &pem).map(Some).map_err(|error| {
            within(format!(
                "could not parse the TLS certificate from Secrets '{}'(cert) and '{}'(key): {}",
                named(certificate),
                named(key),
                key_pair_text(&error)
            ))
        })
    }

    fn newer(&self) -> bool {
        self.context.compat.other_issuers.vault.newer_auth
    }

    /// By a certificate: that of the Secret, or the one that the client shows anyway.
    fn certificate(&self, auth: &VaultClientCertificateAuth) -> Result<Login> {
        let mut shown = None;
        if !auth.secret_name.is_empty() {
            let key = ObjectKey::new(self.namespace(), auth.secret_name.as_str());
            let missing = || VaultError::NotFound(format!("secret {:?} not found", auth.secret_name));
            let secret = self.options.secrets.get(&key).ok_or_else(missing)?;
            let half = |entry: &str| {
                let missing = || VaultError::Other(format!("no data for {entry} in secret '{key}'"));
                secret.data.get(entry).ok_or_else(missing)
            };
            let (chain, pem) = (half("tls.crt")?, half("tls.key")?);
            let identity = Identity::from_pem(&self.context.world, chain.as_slice(), pem.as_slice());
            shown = Some(identity.map_err(|error| {
                VaultError::Other(format!("error reading client certificate: {}", key_pair_text(&error)))
            })?);
        }
        let mount = if auth.mount_path.is_empty() { "/v1/auth/cert" } else { &auth.mount_path };
        Ok(Login::Trade {
            path: join(&[mount, "login"]),
            body: json!({ "name": auth.name }),
            calling: "error calling Vault server",
            wrapped: None,
            shown,
        })
    }

    fn app_role(&self, role: &VaultAppRole) -> Result<Login> {
        let secret_id = self.text(&role.secret_ref, "")?;
        let mount = if role.path.is_empty() { "approle" } else { &role.path };
        Ok(Login::Trade {
            path: join(&["v1", "auth", mount, "login"]),
            body: json!({ "role_id": role.role_id.trim(), "secret_id": secret_id }),
            calling: "error logging in to Vault server",
            wrapped: None,
            shown: None,
        })
    }

    async fn kubernetes(&self, auth: &VaultKubernetesAuth) -> Result<Login> {
        let rules = &self.context.compat.other_issuers.vault;
        let old = format!("error reading Kubernetes service account token from {}", auth.secret_ref.name);
        let around = rules.kubernetes_failed.map_or(old, str::to_owned);
        let jwt = match (&auth.service_account_ref, auth.secret_ref.name.is_empty()) {
            (Some(account), true) if rules.newer_auth => self.account_token(account).await,
            _ => self.entry(&auth.secret_ref, "token").map(|t| String::from_utf8_lossy(&t).into_owned()),
        };
        // The older text is made of text, so that a Secret that is missing is not seen as such any more.
        let jwt = jwt.map_err(|error| match (error, rules.kubernetes_failed) {
            (VaultError::NotFound(text), None) => VaultError::Other(format!("{around}: {text}")),
            (error, _) => error.within(&around),
        })?;
        let mount = if auth.mount_path.is_empty() { "/v1/auth/kubernetes" } else { &auth.mount_path };
        Ok(Login::Trade {
            path: join(&[mount, "login"]),
            body: json!({ "role": auth.role, "jwt": jwt }),
            calling: "error calling Vault server",
            wrapped: Some(around),
            shown: None,
        })
    }

    /// A token of a service account, as the API server's TokenRequest makes them: one call.
    async fn account_token(&self, account: &ServiceAccountRef) -> Result<String> {
        let (namespace, meta) = (self.namespace(), &self.issuer.meta);
        let own = if meta.namespace.is_empty() {
            format!("vault://{}", meta.name)
        } else {
            format!("vault://{}/{}", meta.namespace, meta.name)
        };
        let mut audiences = account.audiences.clone();
        audiences.extend([own, self.vault.server.clone()]);
        self.context.client.call_elsewhere().await;
        let now = self.context.world.now().unix_nanos() / 1_000_000_000;
        let claims = json!({
            "aud": audiences,
            "exp": now + TOKEN_SECONDS,
            "iat": now,
            "iss": "https://kubernetes.default.svc.cluster.local",
            "sub": format!("system:serviceaccount:{namespace}:{}", account.name),
        });
        let key = self.context.world.keys(TOKEN_KEY).generate(KeyAlgorithm::EcdsaP256);
        let key = key.map_err(|e| VaultError::Other(e.to_string()))?;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({ "alg": "ES256", "typ": "JWT" })), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode(key.sign_jws(signed.as_bytes()).signature);
        Ok(format!("{signed}.{signature}"))
    }
}
