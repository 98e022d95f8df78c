//! Trust Protection Platform: its WebSDK.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::super::backend::{Answer, Backend};
use super::client::{Look, VenafiError, Wanted, body, text};

/// What a session shows with each request.
#[derive(Default)]
pub(super) enum Session {
    /// Nothing yet.
    #[default]
    None,
    /// `x-venafi-api-key`, which servers up to 22.3 give for user and password.
    ApiKey(String),
    /// `Authorization`, as it is sent.
    Bearer(String),
}

/// A zone of a server, and the credentials for it.
pub(super) struct Tpp {
    pub(super) zone: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) client_id: String,
    pub(super) access_token: String,
    pub(super) session: Session,
    /// User and password are traded for a token at the authorization server, and tokens are verified there.
    pub(super) oauth: bool,
}

/// What went wrong while logging in: whether a server has answered, and what.
struct Refused(bool, String);

impl Tpp {
    async fn ask(
        &self,
        backend: &Backend,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let mut headers = vec![("cache-control", "no-cache")];
        match &self.session {
            Session::None => {}
            Session::ApiKey(key) => headers.push(("x-venafi-api-key", key)),
            Session::Bearer(token) => headers.push(("authorization", token)),
        }
        backend.ask(method, path, &headers, body).await
    }

    pub(super) async fn log_in(&mut self, backend: &Backend) -> Result<(), VenafiError> {
        let has_password = !self.user.is_empty() && !self.password.is_empty();
        let in_words = |call: &str, Refused(answered, why): Refused| {
            let text = format!("{call}: {why}");
            if answered { VenafiError::Credentials(text) } else { VenafiError::Other(text) }
        };
        if self.oauth {
            if !self.access_token.is_empty() {
                self.session = Session::Bearer(format!("Bearer {}", self.access_token));
                return self.verify(backend).await.map_err(|e| in_words("tppClient.VerifyAccessToken", e));
            }
            if !has_password {
                return Err(VenafiError::Credentials("no TPP credentials configured".to_owned()));
            }
            let data = json!({
                "client_id": self.client_id,
                "username": self.user,
                "password": self.password,
                "scope": "certificate:manage",
            });
            let token = self.trade(backend, "vedauth/authorize/oauth", &data, "/access_token").await;
            let token = token.map_err(|e| in_words("tppClient.GetRefreshToken", e))?;
            self.session = Session::Bearer(format!("Bearer {token}"));
            return Ok(());
        }
        if has_password {
            let data = json!({ "Username": self.user, "Password": self.password });
            let key = self.trade(backend, "vedsdk/authorize/", &data, "/APIKey").await;
            self.session = Session::ApiKey(key.map_err(|Refused(_, why)| VenafiError::Other(why))?);
            return Ok(());
        }
        if self.access_token.is_empty() {
            let text = "failed to authenticate: can't determine valid credentials set";
            return Err(VenafiError::Other(text.to_owned()));
        }
        self.session = Session::Bearer(format!("Bearer {}", self.access_token));
        Ok(())
    }

    async fn verify(&self, backend: &Backend) -> Result<(), Refused> {
        let answer = self.ask(backend, &Method::GET, "vedauth/authorize/verify", None).await;
        let answer = answer.map_err(|why| Refused(false, why))?;
        if answer.status == http::StatusCode::OK {
            return Ok(());
        }
        Err(Refused(true, format!("failed to verify token. Message: {}", answer.status)))
    }

    async fn trade(
        &self,
        backend: &Backend,
        path: &str,
        data: &Value,
        member: &str,
    ) -> Result<String, Refused> {
        let answer = self.ask(backend, &Method::POST, path, Some(data)).await;
        let answer = answer.map_err(|why| Refused(false, why))?;
        if answer.status != http::StatusCode::OK {
            let text = format!("unexpected status code on TPP Authorize. Status: {}", answer.status);
            return Err(Refused(true, text));
        }
        let json = answer.json().map_err(|why| Refused(true, why))?;
        Ok(text(&json, member))
    }

    pub(super) async fn ping(&self, backend: &Backend) -> Result<(), String> {
        let answer = self.ask(backend, &Method::GET, "vedsdk/", None).await?;
        if answer.status == http::StatusCode::OK { Ok(()) } else { Err(answer.status.to_string()) }
    }

    /// Reads the policy of the zone; that there is one is all that matters here.
    pub(super) async fn zone(&self, backend: &Backend) -> Result<(), String> {
        if self.zone.is_empty() {
            return Err("empty zone".to_owned());
        }
        let asked = json!({ "PolicyDN": policy_dn(&self.zone) });
        let path = "vedsdk/certificates/checkpolicy";
        let answer = self.ask(backend, &Method::POST, path, Some(&asked)).await?;
        if answer.status == http::StatusCode::OK {
            return answer.json().map(drop);
        }
        let says = answer.json().map(|json| text(&json, "/Error")).unwrap_or_default();
        let unknown = says.contains("PolicyDN: ") && says.contains(" does not exist");
        if answer.status == http::StatusCode::BAD_REQUEST && unknown {
            return Err("vcert error: your data contains problems: zone not found".to_owned());
        }
        Err(format!("Invalid status: {} Server response: {}", answer.status, body(&answer)))
    }

    pub(super) async fn request(&self, backend: &Backend, wanted: &Wanted<'_>) -> Result<String, String> {
        let names = &wanted.names;
        let kinds = [(1, &names.emails), (2, &names.dns), (6, &names.uris), (7, &names.ips)];
        let alternative: Vec<Value> = kinds
            .iter()
            .flat_map(|(kind, names)| names.iter().map(move |name| json!({ "Type": kind, "Name": name })))
            .collect();
        let fields: Vec<Value> =
            wanted.fields.iter().map(|f| json!({ "Name": f.name, "Values": [f.value] })).collect();
        let asked = json!({
            "PolicyDN": policy_dn(&self.zone),
            "ObjectName": wanted.friendly_name,
            "SubjectAltNames": alternative,
            "CASpecificAttributes": [{ "Name": "Origin", "Value": "cert-manager" }],
            "Origin": "cert-manager",
            "PKCS10": String::from_utf8_lossy(wanted.csr),
            "DisableAutomaticRenewal": true,
            "CertificateType": "AUTO",
            "CustomFields": fields,
        });
        let answer = self.ask(backend, &Method::POST, "vedsdk/certificates/request", Some(&asked)).await?;
        if !matches!(answer.status.as_u16(), 200 | 201) {
            return Err(format!(
                "Unexpected status code on TPP Certificate Request.\n Status:\n {}. \n Body:\n {}\n",
                answer.status,
                body(&answer)
            ));
        }
        Ok(text(&answer.json()?, "/CertificateDN"))
    }

    pub(super) async fn look(&self, backend: &Backend, pickup_id: &str) -> Result<Look, String> {
        let asked = json!({ "CertificateDN": pickup_id, "Format": "base64", "IncludeChain": true });
        let path = "vedsdk/certificates/retrieve";
        let failed = |why: String| format!("unable to retrieve: {why}");
        let answer = self.ask(backend, &Method::POST, path, Some(&asked)).await.map_err(failed)?;
        if !matches!(answer.status.as_u16(), 200 | 202) {
            let status = answer.status;
            let text = format!("Unexpected status code on TPP Certificate Retrieval. Status: {status}");
            return Err(failed(text));
        }
        let data = text(&answer.json().map_err(failed)?, "/CertificateData");
        if data.is_empty() {
            return Ok(Look::Pending);
        }
        STANDARD.decode(data).map(Look::Found).map_err(|e| format!("failed to decode certificate data: {e}"))
    }
}

/// The distinguished name of a zone: `\VED\Policy\…`.
fn policy_dn(zone: &str) -> String {
    if zone.starts_with(r"\VED\Policy") {
        return zone.to_owned();
    }
    let slash = if zone.starts_with('\\') { "" } else { r"\" };
    format!(r"\VED\Policy{slash}{zone}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_path_below_the_policies() {
        assert_eq!(policy_dn(r"Team\App"), r"\VED\Policy\Team\App");
        assert_eq!(policy_dn(r"\Team"), r"\VED\Policy\Team");
        assert_eq!(policy_dn(r"\VED\Policy\Team"), r"\VED\Policy\Team");
    }
}
