//! Pebble, as test suites of ACME clients expect it, without the bugs that nobody relies on. What is beyond
//! it: pre-authorization, EdDSA keys, and a bound for the length of bodies.

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
        route(E::Directory, "/dir", ACCOUNT, true, None),
        route(E::NewNonce, "/nonce-plz", ACCOUNT, true, Some("newNonce")),
        route(E::NewAccount, "/sign-me-up", KEY, false, Some("newAccount")),
        route(E::Account, "/my-account/{account}", ACCOUNT, false, None),
        route(E::OrdersList, "/list-orderz/{account}", ACCOUNT, false, None),
        route(E::OrdersList, "/list-orderz/{account}/page/{page}", ACCOUNT, false, None),
        route(E::NewOrder, "/order-plz", ACCOUNT, false, Some("newOrder")),
        route(E::Order, "/my-order/{order}", ACCOUNT, false, None),
        route(E::Finalize, "/finalize-order/{order}", ACCOUNT, false, None),
        route(E::NewAuthz, "/authz-plz", ACCOUNT, false, Some("newAuthz")),
        route(E::Authorization, "/authZ/{authz}", ACCOUNT, false, None),
        route(E::Challenge, "/chalZ/{challenge}", ACCOUNT, false, None),
        route(E::Certificate, "/certZ/{serial}", ACCOUNT, false, None),
        route(E::Certificate, "/certZ/{serial}/alternate/{chain}", ACCOUNT, false, None),
        route(E::RenewalInfo, "/draft-ietf-acme-ari-03/renewalInfo/{certificate}", None, true, None),
        route(E::RenewalInfo, "/draft-ietf-acme-ari-03/renewalInfo", None, false, Some("renewalInfo")),
        route(E::RevokeCert, "/revoke-cert", EITHER, false, Some("revokeCert")),
        route(E::KeyChange, "/rollover-account-key", ACCOUNT, false, Some("keyChange")),
    ],
    json_type: "application/json; charset=utf-8",
    problem_type: "application/problem+json; charset=utf-8",
    chain_type: "application/pem-certificate-chain; charset=utf-8",
    indent: 3,
    answers: Answers {
        wrong_content_type: answer(P::Malformed, 415),
        body_too_long: answer(P::Unauthorized, 403),
        algorithm_of_another_key: answer(P::BadSignatureAlgorithm, 400),
        terms_not_agreed: answer(P::UserActionRequired, 403),
        key_in_use: answer(P::Conflict, 409),
        order_of_another: answer(P::Unauthorized, 403),
        finalize_of_another: answer(P::Unauthorized, 403),
        authorization_expired: answer(P::Malformed, 400),
        csr_has_account_key: answer(P::BadCsr, 400),
        replaces_unknown: answer(P::ServerInternal, 500),
        replaces_foreign: answer(P::ServerInternal, 500),
        revoke_unknown: answer(P::Malformed, 400),
        validation_dns: answer(P::Unauthorized, 403),
        tls_alpn_connection: answer(P::Unauthorized, 403),
        tls_alpn_handshake: answer(P::Unauthorized, 403),
    },
    names: NameRules {
        public: false,
        overlap_refused: false,
        syntax_malformed: true,
        lists_single: true,
        unknown_type: P::Malformed,
    },
    account_keys: KeyRules { algorithms: &["RS256", "ES256", "ES384", "ES512", "EdDSA"], strength: false },
    csr: CsrRules { strength: false, common_name_listed: false, must_staple: true, any_account_key: true },
    renewal: RenewalRules {
        half_width: Some(Duration::from_secs(86_400)),
        short_lived: Duration::ZERO,
        clamped: true,
        revoked_from_now: true,
        revoked_length: Duration::from_secs(1),
        retry_after: Duration::from_secs(21_600),
        jitter: false,
        explanation: None,
    },
    validation: validation::PEBBLE,
    ids: IdStyle::Hex,
    user_agent_required: true,
    body_max: 1 << 20,
    post_nonce_status: 204,
    missing_has_document: false,
    key_in_use_has_document: false,
    empty_account_update_refused: true,
    account_has_orders: true,
    contacts_max: Some(2),
    challenge_shows_processing: true,
    challenges_stay: true,
    validation_records: false,
    valid_challenge_again: false,
    key_authorization_refused: true,
    order_dates: true,
    order_reuse: false,
    requester_header: None,
    exposed_headers: "Link, Replay-Nonce, Location",
    directory_random_key: false,
    directory_website: false,
    directory_external_accounts: true,
    nonce_prefix: false,
    nonce_bytes: 16,
    internal_error_retry_after: None,
    revocation_reasons: &[0, 1, 2, 3, 4, 5, 6, 8, 9, 10],
    revokes_expired: true,
    key_shows_compromise: false,
    serial_bytes: 8,
};
