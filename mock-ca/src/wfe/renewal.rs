//! When to renew (RFC 9773 section 4).

use serde_json::json;

use super::Call;
use super::reply::Reply;
use crate::problem::Problem;
use crate::ra::renewal;

/// GET of a certificate's renewal information.
pub(super) fn show(call: &mut Call<'_>) -> Result<Reply, Problem> {
    let dialect = call.dialect();
    let found = renewal::find(&call.state.db, &call.issuers(), call.text(0))?;
    let issued =
        found.ok_or_else(|| Problem::not_found("Certificate replaced by this order was not found"))?;
    let mut reply = match &issued.renewal_info {
        // Served as it was given, so that tests can serve what is none.
        Some(text) => {
            Reply::text(200, dialect.json_type, text.to_string(), "the renewal information that was set")
        }
        None => {
            let window = renewal::window(&dialect.renewal, issued, call.now);
            let mut object = json!({
                "suggestedWindow": { "start": window.start.rfc3339_secs(), "end": window.end.rfc3339_secs() },
            });
            if let (Some(url), true) = (dialect.renewal.explanation, issued.revoked.is_some()) {
                object["explanationURL"] = json!(url);
            }
            Reply::json(200, &object, dialect, "the suggested window")
        }
    };
    let wait = dialect.renewal.ask_again(|n| call.state.draws.below("jitter of renewal information", n));
    reply.header("retry-after", wait.as_secs().to_string());
    Ok(reply)
}
