//! Venafi's cloud: its REST API.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::backend::{Answer, Backend};
use super::client::{Look, VenafiError, Wanted, body, text};

const ROOT: &str = "outagedetection/v1";

/// A zone (`application\template alias`), and the API key.
pub(super) struct Cloud {
    pub(super) zone: String,
    pub(super) api_key: String,
}

impl Cloud {
    async fn ask(
        &self,
        backend: &Backend,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        backend.ask(method, path, &[("tppl-api-key", &self.api_key)], body).await
    }

    pub(super) async fn log_in(&self, backend: &Backend) -> Result<(), VenafiError> {
        let in_words = |why: String| format!("cloudClient.Authenticate: {why}");
        let answer = self.ask(backend, &Method::GET, "v1/useraccounts", None).await;
        let answer = answer.map_err(|why| VenafiError::Other(in_words(why)))?;
        if answer.status == StatusCode::OK {
            return Ok(());
        }
        let why = unexpected("Unexpected status code on Venafi Cloud registration.", &answer);
        Err(VenafiError::Credentials(in_words(why)))
    }

    /// Application and template alias, ready for a path.
    fn parts(&self) -> Result<(String, String), String> {
        match self.zone.split('\\').collect::<Vec<_>>().as_slice() {
            [""] => Err("zone not specified".to_owned()),
            [application, alias] => Ok((escaped(application), escaped(alias))),
            _ => Err("invalid zone format".to_owned()),
        }
    }

    pub(super) async fn zone(&self, backend: &Backend) -> Result<(), String> {
        let (application, alias) = self.parts()?;
        let path = format!("{ROOT}/applications/{application}/certificateissuingtemplates/{alias}");
        let answer = self.ask(backend, &Method::GET, &path, None).await?;
        match answer.status {
            StatusCode::OK => answer.json().map(drop),
            StatusCode::BAD_REQUEST => {
                Err("vcert error: your data contains problems: zone not found".to_owned())
            }
            StatusCode::UNAUTHORIZED => {
                Err("vcert error: server error: unauthorized or expired access credentials".to_owned())
            }
            _ => Err(unexpected("Unexpected status code on Venafi Cloud zone read.", &answer)),
        }
    }

    pub(super) async fn request(&self, backend: &Backend, wanted: &Wanted<'_>) -> Result<String, String> {
        let (application, _) = self.parts()?;
        let path = format!("{ROOT}/applications/name/{application}");
        let answer = self.ask(backend, &Method::GET, &path, None).await?;
        if answer.status != StatusCode::OK {
            return Err(unexpected("unexpected status code on Venafi Cloud application read.", &answer));
        }
        let details = answer.json()?;
        let alias = self.zone.rsplit('\\').next().unwrap_or_default();
        let templates = details.get("certificateIssuingTemplateAliasIdMap");
        let template = templates.and_then(|map| map.get(alias)).and_then(Value::as_str).unwrap_or_default();
        let asked = json!({
            "certificateSigningRequest": String::from_utf8_lossy(wanted.csr),
            "applicationId": text(&details, "/id"),
            "certificateIssuingTemplateId": template,
            "apiClientInformation": { "type": "cert-manager", "identifier": "127.0.0.1" },
        });
        let path = format!("{ROOT}/certificaterequests");
        let answer = self.ask(backend, &Method::POST, &path, Some(&asked)).await?;
        if answer.status != StatusCode::CREATED {
            return Err(unexpected("Unexpected status code on Venafi Cloud zone read.", &answer));
        }
        let id = text(&answer.json()?, "/certificateRequests/0/id");
        if id.is_empty() {
            Err("vcert error: server error: no certificate request".to_owned())
        } else {
            Ok(id)
        }
    }

    pub(super) async fn look(&self, backend: &Backend, pickup_id: &str) -> Result<Look, String> {
        let path = format!("{ROOT}/certificaterequests/{}", escaped(pickup_id));
        let failed = |why: String| format!("unable to retrieve: {why}");
        let answer = self.ask(backend, &Method::GET, &path, None).await.map_err(failed)?;
        if answer.status != StatusCode::OK {
            return Err(failed(unexpected(
                "unexpected status code on Venafi Cloud certificate search.",
                &answer,
            )));
        }
        let status = answer
            .json()
            .map_err(|why| failed(format!("failed to parse certificate request status response: {why}")))?;
        match text(&status, "/status").as_str() {
            "ISSUED" => {}
            "FAILED" => {
                let why = text(&status, "/errorInformation/message");
                return Err(format!("failed to retrieve certificate. Status: FAILED {why}"));
            }
            _ => return Ok(Look::Pending),
        }
        let id = text(&status, "/certificateIds/0");
        let path = format!("{ROOT}/certificates/{}/contents?chainOrder=EE_FIRST&format=PEM", escaped(&id));
        let answer = self.ask(backend, &Method::GET, &path, None).await?;
        Ok(if answer.status == StatusCode::OK { Look::Found(answer.body.to_vec()) } else { Look::Pending })
    }
}

/// The text for an answer that should not be: its status, and the errors in it.
fn unexpected(what: &str, answer: &Answer) -> String {
    let mut out = format!("vcert error: server error: {what} Status: {}\n", answer.status);
    let json = answer.json().unwrap_or_default();
    match json.get("errors").and_then(Value::as_array) {
        Some(errors) => {
            for error in errors {
                let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
                out.push_str(&format!("Error Code: {code} Error: {}\n", text(error, "/message")));
            }
        }
        None => out.push_str(&body(answer)),
    }
    out
}

/// As a segment of a path.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_two_parts_that_are_fit_for_a_path() {
        let of = |zone: &str| Cloud { zone: zone.to_owned(), api_key: String::new() }.parts();
        assert_eq!(of(r"My App\Default"), Ok(("My%20App".to_owned(), "Default".to_owned())));
        assert_eq!(of("").unwrap_err(), "zone not specified");
        assert_eq!(of("one").unwrap_err(), "invalid zone format");
    }
}
