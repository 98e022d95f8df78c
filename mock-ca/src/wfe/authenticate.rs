//! Who signed a request (RFC 8555 section 6.2): the checks before the resource itself is asked.

use std::sync::Arc;

use http::header;

use super::jwk::Jwk;
use super::jws::{Identity, Jws, Payload};
use super::{Incoming, NoBody};
use crate::Ca;
use crate::dialect::{Endpoint, Signer};
use crate::problem::{Problem, ProblemKind};
use crate::protocol::AccountState;
use crate::server::State;

/// Who signed a request, when that has been verified.
#[derive(Clone, Debug)]
pub(crate) enum Requester {
    /// Nobody: a plain GET.
    Nobody,
    /// A key that was shown.
    Key(Arc<Jwk>),
    /// An account.
    Account(u64),
}

/// A request whose signature is good.
pub(crate) struct Verified {
    jws: Jws,
    requester: Requester,
    key: Arc<Jwk>,
}

/// Checks that a POST is signed by whom the resource wants.
pub(crate) fn verify(ca: &Ca, incoming: &Incoming, signer: Signer) -> Result<Verified, Problem> {
    let dialect = ca.dialect();
    let content_type = incoming.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if content_type != Some("application/jose+json") {
        return Err(Problem::answer(
            dialect.answers.wrong_content_type,
            "Invalid Content-Type header on POST. Content-Type must be \"application/jose+json\"",
        ));
    }
    if incoming.headers.contains_key("replay-nonce") {
        return Err(Problem::malformed(
            "HTTP requests should NOT contain Replay-Nonce header. Use JWS nonce field",
        ));
    }
    let body = incoming.body.as_ref().map_err(|why| match why {
        NoBody::TooLong => Problem::answer(dialect.answers.body_too_long, "request body too large"),
        NoBody::NotWhole => Problem::malformed("request body is not whole: it broke off or came too slowly"),
    })?;
    let jws = Jws::parse(body, dialect)?;
    let (requester, key) = match (signer, jws.identity()?) {
        (Signer::Key | Signer::Either, Some(Identity::Key(key))) => {
            if dialect.account_keys.strength {
                let weak =
                    |weak: super::jwk::WeakKey| Problem::new(ProblemKind::BadPublicKey, weak.to_string());
                key.check_strength().map_err(weak)?;
            }
            let key = Arc::new(key);
            (Requester::Key(key.clone()), key)
        }
        (Signer::Account | Signer::Either, Some(Identity::Account(kid))) => {
            let (id, key) = account_of(ca, &ca.state(), incoming, &kid)?;
            (Requester::Account(id), key)
        }
        (Signer::Key, _) => return Err(Problem::malformed("No embedded JWK in JWS header")),
        (Signer::Account, _) => return Err(Problem::malformed("No Key ID in JWS header")),
        (Signer::Either, None) => {
            return Err(Problem::malformed("No Key ID or embedded JWK in JWS header"));
        }
    };
    jws.verify_signature(&key)?;
    Ok(Verified { jws, requester, key })
}

impl Verified {
    /// Spends the nonce and gives the payload. The account may have changed since its key was read.
    pub(crate) fn admit(
        self,
        ca: &Ca,
        state: &mut State,
        incoming: &Incoming,
        account: &mut Option<u64>,
    ) -> Result<(Requester, Payload), Problem> {
        let payload = self.jws.accept(&mut state.nonces, &incoming.urls.at(&incoming.path))?;
        if let Requester::Account(id) = self.requester {
            let unchanged = state.db.accounts.get(&id).is_some_and(|account| *account.key == *self.key);
            if !unchanged {
                return Err(Problem::malformed("JWS verification error"));
            }
            check_usable(state, id)?;
            *account = Some(id);
        }
        let percent = ca.config().randomness.nonce_reject_percent;
        if state.draws.percent("good nonce refused", percent) {
            return Err(Problem::new(
                ProblemKind::BadNonce,
                "JWS has an invalid anti-replay nonce: refused by chance",
            ));
        }
        let resource = payload.member("resource").and_then(serde_json::Value::as_str);
        if ca.config().strict && resource.is_some_and(|resource| !resource.is_empty()) {
            return Err(Problem::malformed(
                "The \"resource\" field is not allowed in the payload: it is of ACME drafts before RFC 8555",
            ));
        }
        Ok((self.requester, payload))
    }
}

fn account_of(ca: &Ca, state: &State, incoming: &Incoming, kid: &str) -> Result<(u64, Arc<Jwk>), Problem> {
    let prefix = incoming.urls.url(Endpoint::Account, &[""]);
    let Some(text) = kid.strip_prefix(&prefix) else {
        let detail = format!("KeyID header contained an invalid account URL: {kid:?}");
        return Err(Problem::malformed(detail));
    };
    let unknown = || Problem::new(ProblemKind::AccountDoesNotExist, format!("Account {kid:?} not found"));
    let malformed = || Problem::malformed(format!("Malformed account ID in KeyID header URL: {kid:?}"));
    let id = match (ca.dialect().ids, ca.dialect().ids.parse(text)) {
        (_, Some(id)) => id,
        (crate::dialect::IdStyle::Decimal, None) => return Err(malformed()),
        (crate::dialect::IdStyle::Hex, None) => return Err(unknown()),
    };
    let key = state.db.accounts.get(&id).ok_or_else(unknown)?.key.clone();
    check_usable(state, id)?;
    Ok((id, key))
}

fn check_usable(state: &State, id: u64) -> Result<(), Problem> {
    match state.db.accounts.get(&id).map(|account| account.status) {
        Some(AccountState::Valid) => Ok(()),
        status => {
            let status = status.map_or("gone", AccountState::as_str);
            Err(Problem::unauthorized(format!("Account is not valid, has status {status:?}")))
        }
    }
}
