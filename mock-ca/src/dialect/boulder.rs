//! Boulder as Let's Encrypt has run it since 2020.

use std::time::Duration;

use super::routes::route;
use super::validation;
use super::{Answers, CsrRules, Dialect, Endpoint as E, IdStyle, KeyRules, RenewalRules, Signer, answer};
use crate::policy::NameRules;
use crate::problem::ProblemKind as P;

const KEY: Option<Signer> = Some(Signer::Key);
const ACCOUNT: Option<Signer> = Some(Signer::Account);
const EITHER: Option<Signer> = Some(Signer::Either);

pub(super) const TABLE: Dialect = Dialect {
    routes: &[
        route(E::Directory, "/directory", ACCOUNT, true, None),
        route(E::NewNonce, "/acme/new-nonce", ACCOUNT, true, Some("newNonce")),
        route(E::NewAccount, "/acme/new-acct", KEY, false, Some("newAccount")),
        route(E::Account, "/acme/acct/{account}", ACCOUNT, false, None),
        route(E::NewOrder, "/acme/new-order", ACCOUNT, false, Some("newOrder")),
        route(E::Order, "/acme/order/{account}/{order}", ACCOUNT, true, None),
        route(E::Finalize, "/acme/finalize/{account}/{order}", ACCOUNT, false, None),
        route(E::Authorization, "/acme/authz-v3/{authz}", ACCOUNT, true, None),
        route(E::Challenge, "/acme/chall-v3/{authz}/{challenge}", ACCOUNT, true, None),
        route(E::Certificate, "/acme/cert/{serial}", ACCOUNT, true, None),
        route(E::Certificate, "/acme/cert/{serial}/{chain}", ACCOUNT, true, None),
        route(E::RenewalInfo, "/acme/renewal-info/{certificate}", None, true, None),
        route(E::RenewalInfo, "/acme/renewal-info", None, false, Some("renewalInfo")),
        route(E::RevokeCert, "/acme/revoke-cert", EITHER, false, Some("revokeCert")),
        route(E::KeyChange, "/acme/key-change", ACCOUNT, false, Some("keyChange")),
    ],
    json_type: "application/json",
    problem_type: "application/problem+json",
    chain_type: "application/pem-certificate-chain",
    indent: 2,
    answers: Answers {
        wrong_content_type: answer(P::Malformed, 400),
        body_too_long: answer(P::Unauthorized, 403),
        algorithm_of_another_key: answer(P::Malformed, 400),
        terms_not_agreed: answer(P::Malformed, 400),
        key_in_use: answer(P::Conflict, 409),
        order_of_another: answer(P::Malformed, 404),
        finalize_of_another: answer(P::Malformed, 400),
        authorization_expired: answer(P::Malformed, 404),
        csr_has_account_key: answer(P::Malformed, 400),
        replaces_unknown: answer(P::Malformed, 404),
        replaces_foreign: answer(P::Malformed, 400),
        revoke_unknown: answer(P::Malformed, 404),
        validation_dns: answer(P::Dns, 400),
        tls_alpn_connection: answer(P::Connection, 400),
        tls_alpn_handshake: answer(P::Tls, 400),
    },
    names: NameRules {
        public: true,
        overlap_refused: true,
        syntax_malformed: false,
        lists_single: false,
        unknown_type: P::UnsupportedIdentifier,
    },
    account_keys: KeyRules { algorithms: &["RS256", "ES256", "ES384", "ES512"], strength: true },
    csr: CsrRules { strength: true, common_name_listed: true, must_staple: false, any_account_key: false },
    renewal: RenewalRules {
        half_width: None,
        short_lived: Duration::from_secs(10 * 86_400),
        clamped: false,
        revoked_from_now: true,
        revoked_length: Duration::from_secs(5400),
        retry_after: Duration::from_secs(21_600),
        jitter: true,
        explanation: Some("https://letsencrypt.org/docs/revoking/"),
    },
    validation: validation::BOULDER,
    ids: IdStyle::Decimal,
    user_agent_required: false,
    body_max: 50_000,
    post_nonce_status: 200,
    missing_has_document: true,
    key_in_use_has_document: true,
    empty_account_update_refused: false,
    account_has_orders: false,
    contacts_max: Some(10),
    challenge_shows_processing: false,
    challenges_stay: false,
    validation_records: true,
    valid_challenge_again: true,
    key_authorization_refused: false,
    order_dates: false,
    order_reuse: true,
    requester_header: Some("boulder-requester"),
    exposed_headers: "Link, Location, Replay-Nonce, Retry-After",
    directory_random_key: true,
    directory_website: true,
    directory_external_accounts: false,
    nonce_prefix: true,
    nonce_bytes: 32,
    internal_error_retry_after: Some(60),
    revocation_reasons: &[0, 1, 4, 5],
    revokes_expired: false,
    key_shows_compromise: true,
    serial_bytes: 18,
};
