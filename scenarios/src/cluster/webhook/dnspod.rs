//! cert-manager-webhook-dnspod, the plug-in of document 002: TXT records over Tencent Cloud's API.
//!
//! A record is created without a look at what is there, and cleaned up by its value among the TXT records of the
//! zone, of which the API gives one page.

use bytes::Bytes;
use engine::api::SecretKeySelector;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use world::http::Url;

use super::{Challenge, Failure, Program, read};

/// The line that every asker is on.
const LINE: &str = "默认";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    ttl: u64,
    record_line: String,
    /// The caller, in the plug-in's first releases.
    secret_id: String,
    /// The caller, in the later ones.
    secret_id_ref: SecretKeySelector,
    secret_key_ref: SecretKeySelector,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            ttl: 600,
            record_line: LINE.to_owned(),
            secret_id: String::new(),
            secret_id_ref: SecretKeySelector::default(),
            secret_key_ref: SecretKeySelector::default(),
        }
    }
}

/// Who calls.
struct Caller<'a> {
    program: &'a Program,
    id: String,
    key: String,
}

pub(super) async fn act(program: &Program, challenge: &Challenge, present: bool) -> Result<(), Failure> {
    let config: Config = read(&challenge.config)?;
    let id = match config.secret_id.is_empty() {
        true => program.secret(challenge, &config.secret_id_ref)?,
        false => config.secret_id.clone(),
    };
    let key = program.secret(challenge, &config.secret_key_ref)?;
    let caller = Caller { program, id, key };
    if present { create(&caller, challenge, &config).await } else { delete(&caller, challenge).await }
}

async fn create(caller: &Caller<'_>, challenge: &Challenge, config: &Config) -> Result<(), Failure> {
    let record = json!({"Domain": challenge.zone(), "SubDomain": challenge.name(), "Value": challenge.key,
        "RecordLine": config.record_line, "TTL": config.ttl});
    caller.call("CreateTXTRecord", &record).await.map(drop).map_err(|(_, text)| text)
}

async fn delete(caller: &Caller<'_>, challenge: &Challenge) -> Result<(), Failure> {
    let zone = challenge.zone();
    let list = json!({"Domain": zone, "RecordType": "TXT"});
    let listed = match caller.call("DescribeRecordList", &list).await {
        Ok(listed) => listed,
        Err((code, _)) if code == "ResourceNotFound.NoDataOfRecord" => return Ok(()),
        Err((_, text)) => return Err(format!("failed to list txt records for zone {zone}: {text}")),
    };
    let records = listed["RecordList"].as_array().map_or(&[][..], Vec::as_slice);
    for record in records.iter().filter(|record| record["Value"] == challenge.key.as_str()) {
        let (id, value) = (&record["RecordId"], &challenge.key);
        let deleted = caller.call("DeleteRecord", &json!({"Domain": zone, "RecordId": id})).await;
        let failed =
            |text| format!("failed to delete txt record (value:{value} id:{id}) in zone {zone}: {text}");
        deleted.map_err(|(_, text)| failed(text))?;
    }
    Ok(())
}

impl Caller<'_> {
    /// An action's response, or its error: code and text as the SDK writes it.
    async fn call(&self, action: &str, parameters: &Value) -> Result<Value, (String, String)> {
        let failed = |why: &dyn std::fmt::Display| {
            let text = format!("[TencentCloudSDKError] Code=ClientError.NetworkError, Message={why}");
            ("ClientError.NetworkError".to_owned(), text)
        };
        let url: Url = self.program.config.api.parse().map_err(|error| failed(&error))?;
        let body = parameters.to_string();
        // The API looks at who it is, not at the signature; this one depends on the key, the action and the body.
        let signature = world::sha256(format!("{} {action} {body}", self.key).as_bytes());
        let signed = format!(
            "TC3-HMAC-SHA256 Credential={}/dnspod/tc3_request, SignedHeaders=content-type;host, Signature={}",
            self.id,
            world::hex(&signature)
        );
        let headers = [
            ("content-type", "application/json"),
            ("authorization", signed.as_str()),
            ("x-tc-action", action),
            ("x-tc-version", "2021-03-23"),
        ];
        let request = self.program.client.request(Method::POST, &url, &headers, Bytes::from(body));
        let answer = request.await.map_err(|error| failed(&error))?;
        let mut answer: Value = serde_json::from_slice(&answer.body).map_err(|error| failed(&error))?;
        let response = answer["Response"].take();
        let Some(error) = response.get("Error") else { return Ok(response) };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (code, message) = (text(&error["Code"]), text(&error["Message"]));
        let id = text(&response["RequestId"]);
        let told = format!("[TencentCloudSDKError] Code={code}, Message={message}, RequestId={id}");
        Err((code, told))
    }
}
