//! The table: a row per release. A row says what differs from the one it starts from.

use std::time::Duration;

use super::{
    AccountKeyChange, Backoff, ChallengeLines, Checks, CleanUp, Compat, Design, EventComponent, Features,
    Finalizer, FinalizerAdded, LeaderElection, LogFormat, LoggerNames, NameserverTries, NonceRetry,
    OneController, OrderPolls, OtherIssuers, PreferredChain, Scheduler, SecretCare, SelfCheck, Served,
    ShimAnnotations, Shims, TransientError, VaultRules, VenafiRules, ZoneCache,
};
use crate::api::{PrivateKeyRotationPolicy, Rules};
use crate::log::places::Edition;

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const HOUR: Duration = secs(3600);

/// cert-manager 1.7.1 (2022-02-02).
pub const V1_7: Compat = Compat {
    release: "v1.7.1",
    design: Design::Steps,
    log_format: LogFormat::Serialize,
    log_edition: Edition::V1_7,
    logger_names: LoggerNames::Controller,
    event_source: EventComponent::Process,
    user_agent: "cert-manager/v1.7.1",
    acme_package: "golang.org/x/crypto/acme",
    self_check_user_agent: "cert-manager/v1.7.1",
    workers: 5,
    client_qps: 20.0,
    client_burst: 50.0,
    shared_rate_limit: false,
    recorder_per_controller: false,
    backoff_certificates: Backoff { base: secs(1), max: secs(30) },
    backoff_requests: Backoff { base: secs(5), max: secs(300) },
    backoff_acme: Backoff { base: secs(5), max: secs(1800) },
    rerun_delay: Duration::ZERO,
    server_side_apply: false,
    served: Served::V1_7,
    rules: Some(Rules::V1_7),
    issuer_ref_defaults: false,
    leader_election: LeaderElection { lease: secs(60), renew_deadline: secs(40), retry: secs(15) },
    failed_issuance: Backoff { base: HOUR, max: HOUR },
    stable_request_names: false,
    request_visible_wait: Some((secs(5), Duration::from_millis(100))),
    issuing_limit: secs(10),
    refused_requests_fail: false,
    secret_ownership: None,
    rotation_default: PrivateKeyRotationPolicy::Never,
    revision_history_default: None,
    checks: Checks::Initial,
    counts_failures: false,
    checks_issued: false,
    live_next_key: false,
    cannot_regenerate_event: false,
    secret_care: SecretCare::Template,
    skips_deleted: false,
    acme_call_limit: Some(secs(10)),
    authorization_wait_limit: None,
    acme_http_limit: secs(30),
    nonce_retry: NonceRetry { retries: 5, least_jitter: Duration::from_millis(1), longest: secs(3) },
    issuer_setup_limit: secs(10),
    acme_v1: false,
    account_key_change: AccountKeyChange::Unnoticed,
    account_key_labelled: false,
    eab_key_algorithm: false,
    solver_secrets_checked: false,
    transient_error: TransientError::Retried,
    common_name_by_type: false,
    preferred_chain: PreferredChain::AnyOfAlternates,
    server_errors_logged: false,
    renewal_info_kept: false,
    order_polls: OrderPolls::EveryEvent,
    order_recheck: secs(5),
    challenge_name_covers_key: true,
    finalizer: Finalizer { name: "finalizer.acme.cert-manager.io", added: FinalizerAdded::AtCreation },
    clean_up: CleanUp::Forgotten,
    stable_wait_reason: false,
    lost_challenges_ignored: false,
    challenge_lines: ChallengeLines { gone: true, check_failed: true },
    scheduler: Scheduler { period: secs(1), starts: 20, concurrent: 60 },
    challenge_recheck: secs(10),
    self_check: SelfCheck {
        passes: 5,
        pause: secs(2),
        pause_after_last: true,
        request_limit: secs(10),
        limit: secs(900),
    },
    solver_image: "quay.io/jetstack/cert-manager-acmesolver:v1.7.1",
    hardened_solver: false,
    solver_path_exact: false,
    dns01_settle: secs(60),
    nameserver_tries: NameserverTries::OneMore,
    zone_cache: ZoneCache::ForEver,
    stable_reasons: false,
    other_issuers: OtherIssuers {
        invalid_requests_are_left: false,
        deleted_are_left: false,
        approval_is_awaited_aloud: false,
        decode_error_has_hint: false,
        csr_usages_compared: false,
        issuing_urls: false,
        self_signed_watches_secrets: false,
        vault: VaultRules {
            retries_login: false,
            newer_auth: false,
            server_name: false,
            auth_required: "Vault tokenSecretRef, appRole, or kubernetes is required",
            unhealthy: None,
            kubernetes_failed: None,
            bad_bundle: "error loading Vault CA bundle",
            no_auth: "error initializing Vault client: tokenSecretRef, appRoleSecretRef, or Kubernetes auth role \
                      not set",
        },
        venafi: VenafiRules {
            oauth: false,
            names_bad_credentials: false,
            issuer_fields: false,
            creating: "error creating Venafi client",
            pinging: "error pinging Venafi API",
            setup_failed: "Failed to setup Venafi issuer",
            verified: "Verified issuer with Venafi server",
            started: "Venafi issuer started",
            init_failed: "Failed to initialise venafi client for signing",
            requested: "Venafi certificate is requested",
            request_failed: "Failed to request venafi certificate",
            pending: "Venafi certificate still in a pending state, the request will be retried",
            retrieve_failed: "Failed to obtain venafi certificate",
            field_type: "certificate request contains an invalid Venafi custom fields type",
        },
    },
    shims: Shims {
        annotations: ShimAnnotations::Few,
        addresses: false,
        skips_deleted: false,
        solver_overrides: false,
        selects_listeners: false,
        copies_with_care: false,
        logs_gone: true,
    },
    features: Features {
        ca_bundle: false,
        ingress_class_name: false,
        solver_pod_security: false,
        solver_pod_resources: false,
        dns_over_https: false,
        literal_subject: false,
        other_names: false,
        name_constraints: false,
        additional_output_formats: true,
        renew_before_percentage: false,
        profiles: false,
        renewal_windows: false,
        signature_algorithm: false,
        keystore_options: false,
        keystore_passwords: false,
        basic_constraints_in_request: false,
        wait_instead_of_self_check: false,
        ari: false,
    },
};

/// cert-manager 1.16.5 (2025): known for ending a challenge at the first error of the network.
pub const V1_16: Compat = Compat {
    release: "v1.16.5",
    log_format: LogFormat::Contextual,
    log_edition: Edition::V1_16,
    logger_names: LoggerNames::Process,
    event_source: EventComponent::Controller,
    // Clients are made by the issuer controllers, in their name.
    user_agent: "cert-manager-issuers/v1.16.5 (linux/amd64) cert-manager/d8611e2714de158a2e70e0fb11bfc61348a2c624",
    acme_package: "golang.org/x/crypto/acme@v0.36.0",
    self_check_user_agent: "cert-manager-challenges/v1.16.5 (linux/amd64) \
                            cert-manager/d8611e2714de158a2e70e0fb11bfc61348a2c624",
    rules: Some(Rules::V1_16),
    shared_rate_limit: true,
    recorder_per_controller: true,
    failed_issuance: Backoff { base: HOUR, max: secs(32 * 3600) },
    stable_request_names: true,
    request_visible_wait: None,
    refused_requests_fail: true,
    secret_ownership: Some(secs(180)),
    checks: Checks::Extended,
    counts_failures: true,
    cannot_regenerate_event: true,
    secret_care: SecretCare::Everything,
    acme_call_limit: None,
    authorization_wait_limit: Some(secs(20)),
    acme_http_limit: secs(90),
    issuer_setup_limit: secs(120),
    account_key_change: AccountKeyChange::Registered,
    transient_error: TransientError::EndsChallenge,
    preferred_chain: PreferredChain::Topmost,
    lost_challenges_ignored: true,
    finalizer: Finalizer { added: FinalizerAdded::AtStartByUpdate, ..V1_7.finalizer },
    order_polls: OrderPolls::WhenDecided,
    challenge_name_covers_key: false,
    self_check: SelfCheck { pause_after_last: false, ..V1_7.self_check },
    nameserver_tries: NameserverTries::EachOnce,
    solver_image: "quay.io/jetstack/cert-manager-acmesolver:v1.16.5",
    other_issuers: OtherIssuers {
        invalid_requests_are_left: true,
        approval_is_awaited_aloud: true,
        csr_usages_compared: true,
        issuing_urls: true,
        self_signed_watches_secrets: true,
        vault: VaultRules {
            retries_login: true,
            newer_auth: true,
            server_name: false,
            auth_required: "Vault tokenSecretRef, appRole, clientCertificate, or kubernetes is required",
            unhealthy: Some(""),
            kubernetes_failed: Some("while requesting a Vault token using the Kubernetes auth"),
            bad_bundle: "no Vault CA bundles loaded, check bundle contents",
            no_auth: "error initializing Vault client: unable to load credentials. One of: tokenSecretRef, \
                      appRoleSecretRef, clientCertificate or Kubernetes auth must be set",
        },
        venafi: VenafiRules { oauth: true, ..V1_7.other_issuers.venafi },
        ..V1_7.other_issuers
    },
    hardened_solver: true,
    shims: Shims { annotations: ShimAnnotations::Many, addresses: true, skips_deleted: true, ..V1_7.shims },
    features: Features {
        ca_bundle: true,
        ingress_class_name: true,
        solver_pod_security: true,
        dns_over_https: true,
        literal_subject: true,
        other_names: true,
        name_constraints: true,
        renew_before_percentage: true,
        keystore_options: true,
        ..V1_7.features
    },
    ..V1_7
};

/// cert-manager 1.21.1 (2026-07-29).
pub const V1_21: Compat = Compat {
    release: "v1.21.1",
    log_edition: Edition::V1_21,
    // Clients are made by one registry, in the name of the process.
    user_agent: "cert-manager/v1.21.1 (linux/amd64) cert-manager/24e33194fb39488eff2bbf10c6dc640f407cad44",
    acme_package: "github.com/cert-manager/cert-manager/third_party/forked/acme",
    self_check_user_agent: "cert-manager-challenges/v1.21.1 (linux/amd64) \
                            cert-manager/24e33194fb39488eff2bbf10c6dc640f407cad44",
    rules: Some(Rules::V1_21),
    issuer_ref_defaults: true,
    rotation_default: PrivateKeyRotationPolicy::Always,
    revision_history_default: Some(1),
    checks_issued: true,
    live_next_key: true,
    skips_deleted: true,
    authorization_wait_limit: Some(secs(120)),
    nonce_retry: NonceRetry { least_jitter: Duration::from_nanos(1), ..V1_16.nonce_retry },
    account_key_labelled: true,
    solver_secrets_checked: true,
    transient_error: TransientError::NetworkRetried,
    common_name_by_type: true,
    server_errors_logged: true,
    finalizer: Finalizer { name: "acme.cert-manager.io/finalizer", added: FinalizerAdded::AtStartByApply },
    clean_up: CleanUp::Retried,
    challenge_lines: ChallengeLines { gone: false, check_failed: false },
    solver_image: "quay.io/jetstack/cert-manager-acmesolver:v1.21.1",
    solver_path_exact: true,
    zone_cache: ZoneCache::Ttl,
    stable_reasons: true,
    other_issuers: OtherIssuers {
        deleted_are_left: true,
        decode_error_has_hint: true,
        vault: VaultRules {
            auth_required: "Vault tokenSecretRef, appRole, clientCertificate, kubernetes, or aws is required",
            unhealthy: Some("Failed to verify Vault is initialized and unsealed: "),
            no_auth: "error initializing Vault client: unable to load credentials. One of: tokenSecretRef, \
                      appRoleSecretRef, clientCertificate, Kubernetes, or AWS auth must be set",
            server_name: true,
            ..V1_16.other_issuers.vault
        },
        venafi: VenafiRules {
            oauth: true,
            names_bad_credentials: true,
            issuer_fields: true,
            creating: "error creating vcert client",
            pinging: "error pinging Certificate Manager",
            setup_failed: "Failed to setup Certificate Manager issuer",
            verified: "Verified issuer with Certificate Manager server",
            started: "Certificate Manager issuer started",
            init_failed: "Failed to initialise Certificate Manager client for signing",
            requested: "certificate is requested",
            request_failed: "Failed to request certificate from Certificate Manager",
            pending: "certificate still in a pending state, the request will be retried",
            retrieve_failed: "Failed to obtain certificate from Certificate Manager",
            field_type: "certificate request contains an invalid custom fields type",
        },
        ..V1_16.other_issuers
    },
    shims: Shims {
        annotations: ShimAnnotations::All,
        solver_overrides: true,
        selects_listeners: true,
        copies_with_care: true,
        logs_gone: false,
        ..V1_16.shims
    },
    features: Features {
        solver_pod_resources: true,
        profiles: true,
        renewal_windows: true,
        signature_algorithm: true,
        keystore_passwords: true,
        wait_instead_of_self_check: true,
        ..V1_16.features
    },
    ..V1_16
};

/// cert-manager 0.5.2 (2018-11-16): one controller, no CertificateRequest, Order or Challenge.
///
/// Known for: a Certificate whose order failed waits 5 min, however often that happens.
pub const V0_5: Compat = Compat {
    release: "v0.5.2",
    design: Design::OneController(OneController::V0_5),
    log_format: LogFormat::Plain,
    log_edition: Edition::Legacy,
    user_agent: "jetstack-cert-manager/v0.5.2",
    acme_package: "",
    self_check_user_agent: "jetstack-cert-manager/v0.5.2",
    // It sets neither, and client-go's own values are these.
    client_qps: 5.0,
    client_burst: 10.0,
    backoff_certificates: Backoff { base: secs(2), max: secs(60) },
    backoff_requests: Backoff { base: secs(5), max: secs(60) },
    failed_issuance: Backoff { base: secs(300), max: secs(300) },
    acme_call_limit: None,
    acme_http_limit: secs(90),
    // No limit of its own but that of the dialer.
    self_check: SelfCheck { request_limit: secs(30), ..V1_7.self_check },
    solver_image: "quay.io/jetstack/cert-manager-acmesolver:v0.5.2",
    features: Features { additional_output_formats: false, ..V1_7.features },
    served: Served::V0_2,
    rules: None,
    ..V1_7
};

/// cert-manager 0.2.3 (2018-01-15).
///
/// Known for: a self-check that waits inside of the sync, 5 s after each failure and up to 15 min; solver objects whose
/// names it remembers in memory only, so that a restart leaves them behind; a sync that writes the Certificate whether
/// or not it changed.
pub const V0_2: Compat = Compat {
    release: "v0.2.3",
    design: Design::OneController(OneController::V0_2),
    // golang.org/x/crypto/acme and net/http, as they come.
    user_agent: "Go-http-client/1.1",
    self_check_user_agent: "Go-http-client/1.1",
    // client-go's DefaultControllerRateLimiter (its bucket of 10 per second over all keys is not reproduced).
    backoff_certificates: Backoff { base: Duration::from_millis(5), max: secs(1000) },
    backoff_requests: Backoff { base: Duration::from_millis(5), max: secs(1000) },
    leader_election: LeaderElection { lease: secs(15), renew_deadline: secs(10), retry: secs(2) },
    // It orders again at once: what holds it back is the queue.
    failed_issuance: Backoff { base: Duration::ZERO, max: Duration::ZERO },
    self_check: SelfCheck { pause_after_last: false, ..V0_5.self_check },
    solver_image: "quay.io/jetstack/cert-manager-acmesolver:v0.2.3",
    acme_v1: true,
    ..V0_5
};

/// Every release that can be chosen, by the name that scenarios use.
pub const RELEASES: &[(&str, &Compat)] =
    &[("v0_2", &V0_2), ("v0_5", &V0_5), ("v1_7", &V1_7), ("v1_16", &V1_16), ("v1_21", &V1_21)];
