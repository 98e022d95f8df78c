//! The client of either flavour: credentials, and a request in two phases.

use std::time::Duration;

use super::super::backend::{Answer, Backend};
use super::super::{FoundIssuer, IssuerOptions};
use super::cloud::Cloud;
use super::fields::{CustomField, unknown_type};
use super::tpp::Tpp;
use crate::api::{ByteString, ObjectKey, Secret, SecretKeySelector, VenafiIssuer};
use crate::controller::Context;
use crate::pki;
use crate::signing::{Template, certificate_matches};

/// Time limit of one request.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long one retrieval waits for the certificate, and how long between two looks.
const RETRIEVE_LIMIT: Duration = Duration::from_secs(10);
const RETRIEVE_PAUSE: Duration = Duration::from_secs(2);
const PUBLIC_CLOUD: &str = "https://api.venafi.cloud/";

/// Why there is no client, or no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum VenafiError {
    /// A Secret is not there.
    #[error("{0}")]
    NotFound(String),
    /// The server has refused the credentials.
    #[error("OAuth token request failed: {0}")]
    Credentials(String),
    /// The type of a custom field is not known.
    #[error("{0}")]
    Fields(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl VenafiError {
    /// The same within other words; refused credentials stay what they are.
    pub(super) fn within(self, prefix: &str) -> Self {
        match self {
            VenafiError::Credentials(text) => VenafiError::Credentials(text),
            other => VenafiError::Other(format!("{prefix}: {other}")),
        }
    }
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RetrieveError {
    /// It was not there within ten seconds.
    #[error("Operation timed out. You may try retrieving the certificate later using Pickup ID: {0}")]
    Timeout(String),
    /// It will not be.
    #[error("{0}")]
    Failed(String),
}

/// What a look for a certificate found.
pub(super) enum Look {
    /// Not there yet.
    Pending,
    /// PEM.
    Found(Vec<u8>),
}

/// What is asked for.
pub(super) struct Wanted<'a> {
    /// The CSR, PEM.
    pub(super) csr: &'a [u8],
    /// The names in it.
    pub(super) names: pki::Names,
    /// What the object is called at the server.
    pub(super) friendly_name: String,
    /// Custom fields.
    pub(super) fields: &'a [CustomField],
}

/// One of the two flavours.
enum Flavour {
    Tpp(Tpp),
    Cloud(Cloud),
}

/// A client that is logged in.
pub(crate) struct VenafiClient {
    backend: Backend,
    flavour: Flavour,
    /// The release's words for a field of unknown type.
    field_type: &'static str,
}

fn entry(secret: &Secret, name: &str) -> String {
    let bytes = secret.data.get(name).map(ByteString::as_slice).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

fn bundle(
    options: &IssuerOptions,
    namespace: &str,
    inline: &ByteString,
    reference: Option<&SecretKeySelector>,
) -> Result<Vec<u8>, VenafiError> {
    let (true, Some(reference)) = (inline.is_empty(), reference) else {
        return Ok(inline.as_slice().to_vec());
    };
    let key = ObjectKey::new(namespace, reference.name.as_str());
    let missing = || {
        let name = &reference.name;
        VenafiError::Other(format!("could not access secret '{key}': secret {name:?} not found"))
    };
    let secret = options.secrets.get(&key).ok_or_else(missing)?;
    let name = if reference.key.is_empty() { "ca.crt" } else { &reference.key };
    let none = || VenafiError::Other(format!("no data for {name:?} in secret '{key}'"));
    secret.data.get(name).map(|bytes| bytes.as_slice().to_vec()).ok_or_else(none)
}

impl VenafiClient {
    /// Reads the credentials that the issuer names, and logs in.
    ///
    /// # Errors
    /// [`VenafiError`].
    pub(crate) async fn build(
        context: &Context,
        options: &IssuerOptions,
        issuer: &FoundIssuer,
        venafi: &VenafiIssuer,
    ) -> Result<Self, VenafiError> {
        let rules = &context.compat.other_issuers.venafi;
        let namespace = issuer.secret_namespace(&options.resource_namespace);
        let secret = |name: &str| {
            let found = options.secrets.get(&ObjectKey::new(namespace, name));
            found.ok_or_else(|| VenafiError::NotFound(format!("secret {name:?} not found")))
        };
        let (base, roots, flavour) = match (&venafi.tpp, &venafi.cloud) {
            (Some(tpp), _) => {
                let credentials = secret(&tpp.credentials_ref.name)?;
                let reference = tpp.ca_bundle_secret_ref.as_ref().filter(|_| rules.oauth);
                let roots = bundle(options, namespace, &tpp.ca_bundle, reference)?;
                let flavour = Tpp {
                    zone: venafi.zone.clone(),
                    user: entry(&credentials, "username"),
                    password: entry(&credentials, "password"),
                    client_id: Some(entry(&credentials, "client-id"))
                        .filter(|id| !id.is_empty())
                        .unwrap_or_else(|| "cert-manager.io".to_owned()),
                    access_token: entry(&credentials, "access-token"),
                    session: Default::default(),
                    oauth: rules.oauth,
                };
                // The URL is given with or without the name of the SDK.
                let base = tpp.url.trim_end_matches('/').trim_end_matches("/vedsdk").to_owned();
                (base, roots, Flavour::Tpp(flavour))
            }
            (None, Some(cloud)) => {
                let reference = &cloud.api_token_secret_ref;
                let name = if reference.key.is_empty() { "api-key" } else { &reference.key };
                let api_key = entry(secret(&reference.name)?.as_ref(), name);
                let base = if cloud.url.is_empty() { PUBLIC_CLOUD } else { &cloud.url };
                let flavour = Cloud { zone: venafi.zone.clone(), api_key };
                (base.to_owned(), Vec::new(), Flavour::Cloud(flavour))
            }
            (None, None) => {
                return Err(VenafiError::Other("neither Venafi Cloud or TPP configuration found".to_owned()));
            }
        };
        let backend = Backend::new(&context.world, options, &base, &roots, REQUEST_LIMIT);
        let bad = |_| VenafiError::Other(format!("{}: failed to parse PEM trust bundle", rules.creating));
        let mut client =
            VenafiClient { backend: backend.map_err(bad)?, flavour, field_type: rules.field_type };
        match client.log_in().await {
            Err(error) if !rules.oauth => Err(VenafiError::Other(format!("{}: {error}", rules.creating))),
            other => other.map(|()| client),
        }
    }

    /// Shows the credentials to the server.
    ///
    /// # Errors
    /// [`VenafiError`].
    pub(super) async fn log_in(&mut self) -> Result<(), VenafiError> {
        match &mut self.flavour {
            Flavour::Tpp(tpp) => tpp.log_in(&self.backend).await,
            Flavour::Cloud(cloud) => cloud.log_in(&self.backend).await,
        }
    }

    /// Whether the server is there. The cloud always is.
    pub(super) async fn ping(&self) -> Result<(), String> {
        match &self.flavour {
            Flavour::Tpp(tpp) => tpp.ping(&self.backend).await,
            Flavour::Cloud(_) => Ok(()),
        }
    }

    /// Puts a request (PEM) in. Returns its pickup ID.
    ///
    /// # Errors
    /// [`VenafiError`].
    pub(crate) async fn request(&self, csr: &[u8], fields: &[CustomField]) -> Result<String, VenafiError> {
        let wanted = self.wanted(csr, fields).await?;
        let id = match &self.flavour {
            Flavour::Tpp(tpp) => tpp.request(&self.backend, &wanted).await,
            Flavour::Cloud(cloud) => cloud.request(&self.backend, &wanted).await,
        };
        id.map_err(VenafiError::Other)
    }

    /// Reads the zone, and checks the request against what must be true of every one.
    async fn wanted<'a>(&self, csr: &'a [u8], fields: &'a [CustomField]) -> Result<Wanted<'a>, VenafiError> {
        let zone = match &self.flavour {
            Flavour::Tpp(tpp) => tpp.zone(&self.backend).await,
            Flavour::Cloud(cloud) => cloud.zone(&self.backend).await,
        };
        zone.map_err(VenafiError::Other)?;
        let spec = crate::api::CertificateRequestSpec {
            request: csr.to_vec().into(),
            ..crate::api::CertificateRequestSpec::default()
        };
        let template =
            Template::of_request(&spec, false).map_err(|error| VenafiError::Other(error.to_string()))?;
        if template.has_empty_subject() {
            let text = "Certificate requests submitted to Venafi issuers must have the 'commonName' field or at \
                        least one other subject field set.";
            return Err(VenafiError::Other(text.to_owned()));
        }
        if let Some(type_) = unknown_type(fields) {
            return Err(VenafiError::Fields(format!("{}: {type_:?}", self.field_type)));
        }
        let names = pki::request(csr).map_err(|error| VenafiError::Other(error.to_string()))?.names;
        let lists = [&names.dns, &names.uris, &names.emails, &names.ips];
        let first = lists.iter().find_map(|list| list.first());
        let common = Some(&names.common_name).filter(|name| !name.is_empty());
        let friendly_name = common.or(first).cloned().ok_or_else(|| {
            let text = "certificate request contains no Common Name, DNS Name, nor URI SAN, at least one must be \
                        supplied to be used as the Venafi certificate objects name";
            VenafiError::Other(text.to_owned())
        })?;
        Ok(Wanted { csr, names, friendly_name, fields })
    }

    /// Fetches the certificate of an earlier request, waiting for it up to ten seconds. Returns the chain in PEM.
    ///
    /// # Errors
    /// [`RetrieveError`].
    pub(crate) async fn retrieve(
        &self,
        pickup_id: &str,
        csr: &[u8],
        fields: &[CustomField],
    ) -> Result<Vec<u8>, RetrieveError> {
        let failed = |error: String| RetrieveError::Failed(error);
        self.wanted(csr, fields).await.map_err(|error| failed(error.to_string()))?;
        let mut waited = Duration::ZERO;
        loop {
            let look = match &self.flavour {
                Flavour::Tpp(tpp) => tpp.look(&self.backend, pickup_id).await,
                Flavour::Cloud(cloud) => cloud.look(&self.backend, pickup_id).await,
            };
            match look.map_err(failed)? {
                Look::Found(pem) => {
                    certificate_matches(&pem, csr).map_err(|why| {
                        failed(format!(
                            "vcert error: your data contains problems: request doesn't match certificate: {why}"
                        ))
                    })?;
                    return Ok(pem);
                }
                Look::Pending if waited > RETRIEVE_LIMIT => {
                    return Err(RetrieveError::Timeout(pickup_id.to_owned()));
                }
                Look::Pending => {}
            }
            self.backend.pause(RETRIEVE_PAUSE).await;
            waited += RETRIEVE_PAUSE;
        }
    }
}

/// A text member of a JSON answer; a missing one is empty.
pub(super) fn text(value: &serde_json::Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

/// The body of an answer as text, for errors.
pub(super) fn body(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}
