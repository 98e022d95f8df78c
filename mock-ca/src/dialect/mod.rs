//! What differs between ACME servers, as data: paths, content types, statuses, and a few habits.
//!
//! The code asks a [`Dialect`] and never its name, so another server is another table.

mod boulder;
mod pebble;
mod routes;
mod validation;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::policy::NameRules;
use crate::problem::ProblemKind;
pub use routes::{Endpoint, Route, Signer};
pub use validation::{AddressChoice, RedirectRules, VaRules};

/// Which server is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DialectName {
    /// Boulder, which Let's Encrypt runs.
    #[default]
    Boulder,
    /// Pebble, the small server for client tests.
    Pebble,
}

impl DialectName {
    /// The table of this dialect.
    pub const fn table(self) -> &'static Dialect {
        match self {
            DialectName::Boulder => &boulder::TABLE,
            DialectName::Pebble => &pebble::TABLE,
        }
    }
}

/// Type and status of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its type.
    pub kind: ProblemKind,
    /// Its status.
    pub status: u16,
}

const fn answer(kind: ProblemKind, status: u16) -> Answer {
    Answer { kind, status }
}

/// The problems of situations that servers see differently.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// A POST with another content type than `application/jose+json`.
    pub wrong_content_type: Answer,
    /// A body that is too long.
    pub body_too_long: Answer,
    /// The algorithm is known, and is not the key's.
    pub algorithm_of_another_key: Answer,
    /// newAccount without agreement to the terms of service.
    pub terms_not_agreed: Answer,
    /// A key change to a key that an account has.
    pub key_in_use: Answer,
    /// An order of another account.
    pub order_of_another: Answer,
    /// Finalization of an order of another account.
    pub finalize_of_another: Answer,
    /// A challenge or an update for an authorization that is expired.
    pub authorization_expired: Answer,
    /// A CSR whose key is an account's.
    pub csr_has_account_key: Answer,
    /// `replaces` names a certificate that is not there.
    pub replaces_unknown: Answer,
    /// `replaces` names a certificate without a common identifier.
    pub replaces_foreign: Answer,
    /// Revocation of a certificate that is not there.
    pub revoke_unknown: Answer,
    /// A name could not be looked up while validating.
    pub validation_dns: Answer,
    /// tls-alpn-01: no connection.
    pub tls_alpn_connection: Answer,
    /// tls-alpn-01: no handshake.
    pub tls_alpn_handshake: Answer,
}

/// What is asked of account keys.
#[derive(Clone, Copy, Debug)]
pub struct KeyRules {
    /// JWS algorithms that are taken.
    pub algorithms: &'static [&'static str],
    /// Whether keys must be as strong as Let's Encrypt wants them; P-521 is not taken then.
    pub strength: bool,
}

/// What is asked of certificate requests.
#[derive(Clone, Copy, Debug)]
pub struct CsrRules {
    /// Whether keys must be of the kinds and qualities that Let's Encrypt signs; otherwise P-521 and
    /// Ed25519 are good too.
    pub strength: bool,
    /// Whether a common name must be among the names.
    pub common_name_listed: bool,
    /// Whether must-staple (RFC 7633) is copied; otherwise it is refused.
    pub must_staple: bool,
    /// Whether the key of any account is refused; otherwise that of the order's account.
    pub any_account_key: bool,
}

/// How the window of renewal information is made.
#[derive(Clone, Copy, Debug)]
pub struct RenewalRules {
    /// Half of the window's width around the ideal moment, a third of the validity before its end; `None`
    /// is a hundredth of the validity.
    pub half_width: Option<Duration>,
    /// Certificates that are valid for less than this have their ideal moment at the half.
    pub short_lived: Duration,
    /// Whether the window is cut to what is left: from now, until the end of validity.
    pub clamped: bool,
    /// Whether the window of a revoked certificate starts an hour before now, or before the revocation.
    pub revoked_from_now: bool,
    /// Length of the window of a revoked certificate.
    pub revoked_length: Duration,
    /// `Retry-After`.
    pub retry_after: Duration,
    /// Whether `Retry-After` is up to a fifth shorter or longer, by chance.
    pub jitter: bool,
    /// Where to read why a window is in the past.
    pub explanation: Option<&'static str>,
}

impl RenewalRules {
    /// `Retry-After` of one answer; `draw` gives a number below another.
    pub fn ask_again(&self, draw: impl FnOnce(u64) -> u64) -> Duration {
        if !self.jitter {
            return self.retry_after;
        }
        let part = self.retry_after.as_secs() / 5;
        let shift = draw(2 * part + 1);
        self.retry_after.saturating_sub(Duration::from_secs(part)) + Duration::from_secs(shift)
    }
}

/// How identifiers of objects are made and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdStyle {
    /// 1, 2, 3, …
    Decimal,
    /// Drawn, in 16 hexadecimal digits.
    Hex,
}

impl IdStyle {
    /// As it stands in a URL.
    pub fn text(self, id: u64) -> String {
        match self {
            IdStyle::Decimal => id.to_string(),
            IdStyle::Hex => format!("{id:016x}"),
        }
    }

    /// What stands in a URL, if it is one.
    pub fn parse(self, text: &str) -> Option<u64> {
        match self {
            IdStyle::Decimal => text.parse().ok(),
            IdStyle::Hex if text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                u64::from_str_radix(text, 16).ok()
            }
            IdStyle::Hex => None,
        }
    }
}

/// The table of a server's differences.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// Resources.
    pub routes: &'static [Route],
    /// Content type of JSON objects.
    pub json_type: &'static str,
    /// Content type of problem documents (RFC 7807).
    pub problem_type: &'static str,
    /// Content type of certificate chains (RFC 8555 section 9.1).
    pub chain_type: &'static str,
    /// Blanks by which JSON is indented.
    pub indent: usize,
    /// Problems.
    pub answers: Answers,
    /// Rules for names.
    pub names: NameRules,
    /// Rules for account keys.
    pub account_keys: KeyRules,
    /// Rules for certificate requests.
    pub csr: CsrRules,
    /// When to renew.
    pub renewal: RenewalRules,
    /// How challenges are validated.
    pub validation: VaRules,
    /// How objects are named.
    pub ids: IdStyle,
    /// Whether a request without `User-Agent` is refused.
    pub user_agent_required: bool,
    /// Bodies beyond this many bytes are refused.
    pub body_max: usize,
    /// Status of a POST-as-GET to newNonce.
    pub post_nonce_status: u16,
    /// Whether a 404 for an object has a problem document.
    pub missing_has_document: bool,
    /// Whether a 409 of a key change has a problem document.
    pub key_in_use_has_document: bool,
    /// Whether an account update that changes nothing is refused.
    pub empty_account_update_refused: bool,
    /// Whether accounts show their list of orders, and when they were made otherwise.
    pub account_has_orders: bool,
    /// The most contacts of an account.
    pub contacts_max: Option<usize>,
    /// Whether a challenge shows `processing` while it is validated.
    pub challenge_shows_processing: bool,
    /// Whether the challenges of an authorization stay when one of them has decided it.
    pub challenges_stay: bool,
    /// Whether a challenge shows what validation fetched.
    pub validation_records: bool,
    /// Whether a challenge of a valid authorization may be posted to again.
    pub valid_challenge_again: bool,
    /// Whether a challenge response with a key authorization is refused.
    pub key_authorization_refused: bool,
    /// Whether `notBefore` and `notAfter` of orders are honoured; otherwise they are refused.
    pub order_dates: bool,
    /// Whether an account's open order for the same identifiers is given again.
    pub order_reuse: bool,
    /// Whether an order ends no later than the first of its authorizations.
    pub order_ends_with_authorizations: bool,
    /// Whether a valid authorization must live on for a part of an order's life to be used again; otherwise
    /// any moment will do.
    pub authorization_reuse_margin: bool,
    /// Whether an authorization that was made valid by dns-persist-01 is used again.
    pub persistent_reuse: bool,
    /// Whether a request without a `url` is refused before its nonce is looked at, and does not spend it.
    pub url_before_nonce: bool,
    /// The header that names the account of a request.
    pub requester_header: Option<&'static str>,
    /// Response headers that scripts of other origins may read.
    pub exposed_headers: &'static str,
    /// Whether the directory has a random key that a client must ignore.
    pub directory_random_key: bool,
    /// Whether the directory names the website of the CA.
    pub directory_website: bool,
    /// Whether the directory says if accounts must be bound to external ones.
    pub directory_external_accounts: bool,
    /// Whether every nonce starts with the name of the server that made it.
    pub nonce_prefix: bool,
    /// Random bytes of a nonce.
    pub nonce_bytes: usize,
    /// `Retry-After` of internal errors, seconds.
    pub internal_error_retry_after: Option<u32>,
    /// Reasons for which a subscriber may revoke (RFC 5280 section 5.3.1).
    pub revocation_reasons: &'static [u8],
    /// Whether an expired certificate can be revoked.
    pub revokes_expired: bool,
    /// Whether a revocation by the certificate's key is for key compromise, whatever it says.
    pub key_shows_compromise: bool,
    /// Bytes of a serial number, the first one being 3 when they are more than 8.
    pub serial_bytes: usize,
}

impl Dialect {
    /// The first route of `endpoint`, if the dialect has it.
    pub fn route(&self, endpoint: Endpoint) -> Option<&'static Route> {
        self.routes.iter().find(|route| route.endpoint == endpoint)
    }

    /// The path of `endpoint` with `ids` in its places: that of its routes that has as many.
    pub fn path(&self, endpoint: Endpoint, ids: &[&str]) -> String {
        let fits = |route: &&Route| {
            route.endpoint == endpoint && route.path.bytes().filter(|b| *b == b'{').count() == ids.len()
        };
        let template = self.routes.iter().find(fits).map_or("/", |route| route.path);
        let mut ids = ids.iter();
        let mut path = String::with_capacity(template.len() + 24);
        for segment in template.split('/').skip(1) {
            path.push('/');
            match segment.starts_with('{').then(|| ids.next()).flatten() {
                Some(id) => path.push_str(id),
                None => path.push_str(segment),
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_filled_in() {
        let table = DialectName::Boulder.table();
        assert_eq!(table.path(Endpoint::Order, &["7", "12"]), "/acme/order/7/12");
        assert_eq!(table.path(Endpoint::Directory, &[]), "/directory");
        assert_eq!(table.path(Endpoint::Challenge, &["9", "Ab-_09"]), "/acme/chall-v3/9/Ab-_09");
        let table = DialectName::Pebble.table();
        assert_eq!(table.path(Endpoint::Certificate, &["0f"]), "/certZ/0f");
        assert_eq!(table.path(Endpoint::Certificate, &["0f", "1"]), "/certZ/0f/alternate/1");
        assert_eq!(table.path(Endpoint::OrdersList, &["a", "2"]), "/list-orderz/a/page/2");
    }

    #[test]
    fn identifiers_read_back() {
        for style in [IdStyle::Decimal, IdStyle::Hex] {
            assert_eq!(style.parse(&style.text(533_412_086)), Some(533_412_086));
            assert_eq!(style.parse("x"), None);
        }
    }
}
