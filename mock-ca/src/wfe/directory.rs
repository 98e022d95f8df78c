//! The directory (RFC 8555 section 7.1.1) and new nonces (section 7.2).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Map, Value, json};

use super::Call;
use super::reply::Reply;
use crate::dialect::Endpoint;

/// What the value of the random key leads to.
const EXPLANATION: &str = "https://community.letsencrypt.org/t/adding-random-entries-to-the-directory/33417";

/// The directory, its keys sorted as Go sorts a map's.
pub(super) fn directory(call: &mut Call<'_>) -> Reply {
    let (config, dialect) = (call.ca.config(), call.dialect());
    let mut entries = BTreeMap::new();
    for route in dialect.routes {
        let Some(key) = route.directory_key else { continue };
        if route.endpoint == Endpoint::NewAuthz && !config.pre_authorization {
            continue;
        }
        entries.insert(key.to_owned(), json!(call.urls().at(route.path)));
    }
    let mut meta = json!({
        "caaIdentities": config.caa_identities,
        "termsOfService": config.terms_of_service,
    });
    if dialect.directory_website {
        meta["website"] = json!(config.website);
    }
    if dialect.directory_external_accounts || config.external_accounts.required {
        meta["externalAccountRequired"] = json!(config.external_accounts.required);
    }
    if !config.profiles.is_empty() {
        let described =
            config.profiles.iter().map(|(name, profile)| (name.clone(), json!(profile.description)));
        meta["profiles"] = Value::Object(described.collect());
    }
    entries.insert("meta".to_owned(), meta);
    if dialect.directory_random_key {
        entries.insert(URL_SAFE_NO_PAD.encode(call.state.rng.bytes::<8>()), json!(EXPLANATION));
    }
    let object: Map<String, Value> = entries.into_iter().collect();
    Reply::json(200, &Value::Object(object), dialect, "the directory")
}

/// A new nonce: 200 to HEAD, 204 to GET.
pub(super) fn new_nonce(call: &Call<'_>) -> Reply {
    let status = match call.incoming.method {
        Method::HEAD => 200,
        Method::GET => 204,
        _ => call.dialect().post_nonce_status,
    };
    Reply::empty(status, "a new nonce")
}
