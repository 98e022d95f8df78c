//! Which release of cert-manager is reproduced: one row of constants and behaviours each.
//!
//! Nothing in the controllers asks for a version; they ask for a value of this table. Source: the constants of
//! each release, collected in one place.

mod releases;
pub mod switches;

use std::time::Duration;

use crate::api::convert::Version;
use crate::api::{Kind, PrivateKeyRotationPolicy, Rules};
use crate::log::places::Edition;

pub use releases::{RELEASES, V0_2, V0_5, V1_7, V1_16, V1_21};

/// The constants and behaviours of one release.
#[derive(Clone, Debug, PartialEq)]
pub struct Compat {
    /// The release.
    pub release: &'static str,
    /// Which controllers there are.
    pub design: Design,
    /// How log lines are written (`--logging-format`).
    pub log_format: LogFormat,
    /// In which release's source the log lines have their places.
    pub log_edition: Edition,
    /// What the loggers of controllers are called.
    pub logger_names: LoggerNames,
    /// Who reports events.
    pub event_source: EventComponent,
    /// `User-Agent` of HTTP requests to ACME servers, and of what else the process asks.
    pub user_agent: &'static str,
    /// What the ACME package that the release is built with adds to the `User-Agent`; empty: nothing.
    pub acme_package: &'static str,
    /// `User-Agent` of the HTTP-01 self-check.
    pub self_check_user_agent: &'static str,

    // The framework.
    /// Workers per controller.
    pub workers: usize,
    /// Requests per second to the API server, after the burst.
    pub client_qps: f64,
    /// Requests to the API server that may be sent at once.
    pub client_burst: f64,
    /// All clients of a process share one rate limit; before, that for cert-manager's own kinds and that for the
    /// others had one each (1.8).
    pub shared_rate_limit: bool,
    /// Every controller writes its events in turn, not one writer for all; with a shared rate limit that gives
    /// events more turns (1.8).
    pub recorder_per_controller: bool,
    /// Back-off of the certificates-* controllers.
    pub backoff_certificates: Backoff,
    /// Back-off of the CertificateRequest, issuer and ingress-shim controllers.
    pub backoff_requests: Backoff,
    /// Back-off of the ACME controllers (orders, challenges).
    pub backoff_acme: Backoff,
    /// How long a key that was marked dirty while it was worked on waits after that (client-go: not at all).
    pub rerun_delay: Duration,
    /// Status writes by server-side apply of a controller's own fields, instead of whole objects guarded by a
    /// resourceVersion (feature gate `ServerSideApply`).
    pub server_side_apply: bool,
    /// The API of cert-manager that the API server serves.
    pub served: Served,
    /// What cert-manager's webhook refuses; without it, the release has no webhook.
    pub rules: Option<Rules>,
    /// Kind and group of an `issuerRef` that has none are filled in when it is stored (1.17 on).
    pub issuer_ref_defaults: bool,
    /// Lease, renewal deadline and retry period of the leader election.
    pub leader_election: LeaderElection,

    // Certificates.
    /// How long a failed issuance waits before the next: the n-th failure in a row.
    pub failed_issuance: Backoff,
    /// CertificateRequests are named `<certificate>-<revision>` instead of by `generateName`.
    pub stable_request_names: bool,
    /// How long request-manager waits for its CertificateRequest to show in the cache, and how often it looks.
    /// Without it, it does not wait.
    pub request_visible_wait: Option<(Duration, Duration)>,
    /// Time limit of one sync of certificates-issuing.
    pub issuing_limit: Duration,
    /// A denied or invalid request fails the issuance.
    pub refused_requests_fail: bool,
    /// Of several Certificates with one `secretName` only the owner issues; the others look again this often.
    pub secret_ownership: Option<Duration>,
    /// The rotation policy of a Certificate that has none.
    pub rotation_default: PrivateKeyRotationPolicy,
    /// How many CertificateRequests a Certificate keeps that does not say.
    pub revision_history_default: Option<u32>,
    /// The policy chains, their texts, and the order and names of the fields that are compared.
    pub checks: Checks,
    /// Failures in a row are counted in `status.failedIssuanceAttempts` (1.8), and the back-off has its newer text.
    pub counts_failures: bool,
    /// An issued certificate that cannot be used (unreadable, for another key, expired) fails the issuance (1.21).
    /// Before, the sync fails and is repeated.
    pub checks_issued: bool,
    /// key-manager asks the API server, not its cache, for the name of the next key's Secret, takes one that is there
    /// already, and of several keeps the one that the status names (1.21).
    pub live_next_key: bool,
    /// A key that may not be replaced and does not fit gives an event of its own, `CannotRegenerateKey` (1.8).
    pub cannot_regenerate_event: bool,
    /// What certificates-issuing writes into a Secret besides key and chain, and keeps true afterwards.
    pub secret_care: SecretCare,
    /// Certificates that are being deleted are left alone (1.17).
    pub skips_deleted: bool,

    // ACME.
    /// Time limit of one ACME call (`None`: none of its own).
    pub acme_call_limit: Option<Duration>,
    /// Time limit of waiting for an authorization after a challenge was accepted.
    pub authorization_wait_limit: Option<Duration>,
    /// Time limit of one HTTP request to an ACME server.
    pub acme_http_limit: Duration,
    /// How often, and after which waits, a request with a bad nonce is sent again. All other refusals surface at
    /// once, 429 and 5xx too.
    pub nonce_retry: NonceRetry,
    /// Time limit of an issuer's set-up, with the write of its status.
    pub issuer_setup_limit: Duration,
    /// An ACME issuer without a server has Let's Encrypt's of ACME v1, and a server of ACME v1 is one like others (0.2).
    /// Later, such an issuer is told to change it.
    pub acme_v1: bool,
    /// What a new account key in the Secret of a registered issuer does.
    pub account_key_change: AccountKeyChange,
    /// An account key that the engine makes gets the label `app.kubernetes.io/managed-by` (1.21).
    pub account_key_labelled: bool,
    /// `externalAccountBinding.keyAlgorithm` counts. No release here looks at it: HS256 is used whatever it says.
    pub eab_key_algorithm: bool,
    /// An issuer is not ready before the Secrets of its DNS-01 solvers are there (1.21).
    pub solver_secrets_checked: bool,
    /// What an error that is no problem document (network, time limit, nonsense) does to a Challenge.
    pub transient_error: TransientError,
    /// A common name that is an address is ordered as an address, and one that is no name at all not (1.21).
    /// Otherwise it is ordered as a DNS name.
    pub common_name_by_type: bool,
    /// How the chain that an issuer prefers is found.
    pub preferred_chain: PreferredChain,
    /// A server's 5xx at finalize is logged, with the names of the order (1.21).
    pub server_errors_logged: bool,
    /// The CA's instant of renewal holds until it is asked again. 1.21.1 forgets it at its next look at the
    /// Certificate, which puts the time of `renewBefore` in its place: a defect, which `true` mends.
    pub renewal_info_kept: bool,
    /// When the orders controller asks the CA for the order.
    pub order_polls: OrderPolls,
    /// How long an order waits for the CA when all its challenges are final and the CA says pending.
    pub order_recheck: Duration,
    /// Whether the hash in a Challenge's name covers its key authorization.
    pub challenge_name_covers_key: bool,
    /// Finalizer of Challenges.
    pub finalizer: Finalizer,
    /// What becomes of a Challenge whose clean-up failed.
    pub clean_up: CleanUp,
    /// A Challenge that waits instead of checking tells of the whole wait in its reason. 1.21.1 tells of the rest to
    /// the nanosecond: each write of it starts the next look, which has another rest to write, at the speed of the
    /// API server for the whole wait. A defect, which `true` mends.
    pub stable_wait_reason: bool,
    /// A Challenge that is gone when its status is written is no error.
    pub lost_challenges_ignored: bool,
    /// Lines about a Challenge that newer releases do not write.
    pub challenge_lines: ChallengeLines,
    /// The challenge scheduler: period, starts per period, challenges at once.
    pub scheduler: Scheduler,
    /// How long after a failed self-check the next one comes (`--dns01-check-retry-period`, both types).
    pub challenge_recheck: Duration,

    // Solvers.
    /// HTTP-01 self-check: passes, the pause between two, and whether the pause follows the last one, too.
    pub self_check: SelfCheck,
    /// Image of the HTTP-01 solver pod.
    pub solver_image: &'static str,
    /// The HTTP-01 solver's pod is that of newer releases: security context, no service account token, node
    /// selector (1.12 to 1.15).
    pub hardened_solver: bool,
    /// The path of the HTTP-01 solver's Ingress has `pathType: Exact` (1.18).
    pub solver_path_exact: bool,
    /// How long a DNS-01 record settles after the check has passed, before the CA is asked.
    pub dns01_settle: Duration,
    /// How often the nameservers of a DNS-01 question are tried.
    pub nameserver_tries: NameserverTries,
    /// How long the zone of a name is remembered.
    pub zone_cache: ZoneCache,
    /// Parts of solver errors that differ from call to call (request ids) are taken out of a Challenge's reason.
    pub stable_reasons: bool,

    /// The requests and issuers of other types than ACME.
    pub other_issuers: OtherIssuers,

    /// What ingress-shim and gateway-shim make of their objects.
    pub shims: Shims,
    /// Fields and features that the release knows.
    pub features: Features,
}

/// The versions and kinds of cert-manager's API that an API server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Versions.
    pub versions: &'static [Version],
    /// Kinds.
    pub kinds: &'static [Kind],
}

impl Served {
    /// 0.2 to 0.5.
    pub const V0_2: Served = Served {
        versions: &[Version::V1Alpha1],
        kinds: &[Kind::Certificate, Kind::Issuer, Kind::ClusterIssuer],
    };
    /// 1.0 to 1.6: the old versions by conversion.
    pub const V1_0: Served = Served {
        versions: &[Version::V1Alpha2, Version::V1Alpha3, Version::V1Beta1, Version::V1],
        kinds: Served::ALL_KINDS,
    };
    /// 1.7 on.
    pub const V1_7: Served = Served { versions: &[Version::V1], kinds: Served::ALL_KINDS };

    const ALL_KINDS: &'static [Kind] = &[
        Kind::Certificate,
        Kind::CertificateRequest,
        Kind::Issuer,
        Kind::ClusterIssuer,
        Kind::Order,
        Kind::Challenge,
    ];
}

/// How a release handles requests in general, and the issuers that are not ACME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherIssuers {
    /// A request with the condition `InvalidRequest` is not signed (1.12).
    pub invalid_requests_are_left: bool,
    /// A request that is being deleted is not signed, an issuer that is being deleted not set up (1.18).
    pub deleted_are_left: bool,
    /// Each sync of a request without approval makes the event `WaitingForApproval` (1.11).
    pub approval_is_awaited_aloud: bool,
    /// A CA issuer's certificate that cannot be decoded fails with a hint at the Secret's name (1.20).
    pub decode_error_has_hint: bool,
    /// Usages and constraints that a CSR names must be those of its request, or signing fails (1.13).
    pub csr_usages_compared: bool,
    /// `issuer.spec.ca.issuingCertificateURLs` (1.15).
    pub issuing_urls: bool,
    /// A request to a SelfSigned issuer is looked at again when the Secret with its key changes (1.9).
    pub self_signed_watches_secrets: bool,
    /// Vault issuers.
    pub vault: VaultRules,
    /// Venafi issuers.
    pub venafi: VenafiRules,
}

/// How a release handles Venafi issuers: mostly what it calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VenafiRules {
    /// Credentials are verified on their own, and a password is traded for a token (1.12); before, it was for an
    /// API key, which servers from 22.4 on do not give. Also `caBundleSecretRef` (1.15).
    pub oauth: bool,
    /// Credentials that the server refuses are a reason of their own, `AuthFailed` (1.21).
    pub names_bad_credentials: bool,
    /// Custom fields in an annotation of the issuer, too (1.20).
    pub issuer_fields: bool,
    /// Before the error of making a client.
    pub creating: &'static str,
    /// Before the error of asking whether the server is there.
    pub pinging: &'static str,
    /// Before the error of a set-up.
    pub setup_failed: &'static str,
    /// The event of the first set-up that was good.
    pub verified: &'static str,
    /// Reason and message of a set-up that was good.
    pub started: &'static str,
    /// Before the error of making a client in order to sign.
    pub init_failed: &'static str,
    /// A request was put in.
    pub requested: &'static str,
    /// A request could not be put in.
    pub request_failed: &'static str,
    /// A certificate is not there yet.
    pub pending: &'static str,
    /// A certificate could not be fetched.
    pub retrieve_failed: &'static str,
    /// A custom field has an unknown type.
    pub field_type: &'static str,
}

/// How a release handles Vault issuers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultRules {
    /// A login that failed while signing is tried again with back-off; before, only an event of the issuer or
    /// the request did that (1.14).
    pub retries_login: bool,
    /// `caBundleSecretRef` (1.10), `serviceAccountRef` (1.12), `clientCertificate` (1.17), and the rules of which
    /// fields go together.
    pub newer_auth: bool,
    /// `serverName` (after 1.16).
    pub server_name: bool,
    /// What a Vault issuer without any way to log in is told.
    pub auth_required: &'static str,
    /// What is said before the cause when the health endpoint does not answer well. `None`: one sentence for all.
    pub unhealthy: Option<&'static str>,
    /// What is said before the cause when a login by service account failed. `None`: a sentence with the Secret's
    /// name, behind which a missing Secret is not seen as one.
    pub kubernetes_failed: Option<&'static str>,
    /// A CA bundle without a certificate.
    pub bad_bundle: &'static str,
    /// The client's own word for an issuer without any way to log in.
    pub no_auth: &'static str,
}

/// What ingress-shim and gateway-shim make of Ingresses and Gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shims {
    /// Which annotations become fields of a Certificate, and which fields of one are compared.
    pub annotations: ShimAnnotations,
    /// Hosts that are addresses become `ipAddresses` (1.15).
    pub addresses: bool,
    /// An object that is being deleted gets no Certificates any more (1.12).
    pub skips_deleted: bool,
    /// Annotations choose the `ingressClassName` and the parent references of the HTTP-01 solver, and an empty class
    /// chooses none (1.19 to 1.21).
    pub solver_overrides: bool,
    /// Of a Gateway's listeners those without TLS, with TLS passed through, or named by `ignore-tls-listeners` are
    /// passed over in silence (1.17 to 1.21).
    pub selects_listeners: bool,
    /// The label of an applyset stays with its object, and annotations that the configuration names are copied (1.17
    /// to 1.20).
    pub copies_with_care: bool,
    /// An object that is gone leaves a line (up to 1.17).
    pub logs_gone: bool,
}

/// Which annotations become fields of a Certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShimAnnotations {
    /// Common name, duration, renewal, usages.
    Few,
    /// Further ones for the subject, the private key, the history and the Secret (1.8 to 1.16).
    Many,
    /// Further names, too; and the lifetime is compared (1.17 to 1.21).
    All,
}

/// What a release knows, beyond what all do. A field that a release does not know has no effect under it, as if
/// its CRD had dropped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `issuer.spec.acme.caBundle` (1.11).
    pub ca_bundle: bool,
    /// `http01.ingress.ingressClassName` (1.12).
    pub ingress_class_name: bool,
    /// `podTemplate.spec.imagePullSecrets` (1.13) and `securityContext` (1.16).
    pub solver_pod_security: bool,
    /// `podTemplate.spec.resources` (1.18).
    pub solver_pod_resources: bool,
    /// Nameservers for the DNS-01 check given as `https://` (1.13).
    pub dns_over_https: bool,
    /// `spec.literalSubject` (1.15).
    pub literal_subject: bool,
    /// `spec.otherNames` (1.15).
    pub other_names: bool,
    /// `spec.nameConstraints` (1.15).
    pub name_constraints: bool,
    /// `spec.additionalOutputFormats` (1.7, behind a gate up to 1.17).
    pub additional_output_formats: bool,
    /// `spec.renewBeforePercentage` (1.16).
    pub renew_before_percentage: bool,
    /// `issuer.spec.acme.profile` (1.18).
    pub profiles: bool,
    /// `spec.renewal` (1.21).
    pub renewal_windows: bool,
    /// `spec.signatureAlgorithm` (1.18).
    pub signature_algorithm: bool,
    /// `keystores.jks.alias` and `keystores.pkcs12.profile` (1.14).
    pub keystore_options: bool,
    /// `keystores.*.password` in clear (1.18).
    pub keystore_passwords: bool,
    /// Requests carry basic constraints (gate `UseCertificateRequestBasicConstraints`, off).
    pub basic_constraints_in_request: bool,
    /// `solvers[].waitInsteadOfSelfCheck` (1.21).
    pub wait_instead_of_self_check: bool,
    /// Renewal by the CA's suggestion, RFC 9773 (1.21, gate `ACMEUseARI`, off).
    pub ari: bool,
}

/// The checks of a Certificate's Secret and requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checks {
    /// Seven of them for the trigger, five for readiness (1.7).
    Initial,
    /// Nine for both, with other texts: whose Secret it is and which request its key belongs to are checked, too (1.8 to
    /// 1.12).
    Extended,
}

/// What certificates-issuing does for a Secret besides key and chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretCare {
    /// Labels and annotations of `secretTemplate` are kept true (1.7).
    Template,
    /// So are those of cert-manager itself, output formats, owner reference and key stores; annotations tell the
    /// whole subject (1.8 to 1.13).
    Everything,
}

/// Which controllers a release has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// One controller for Certificates that does it all, in its own words (up to 0.5).
    OneController(OneController),
    /// A controller per step, with CertificateRequest, Order and Challenge between them (0.16 on).
    Steps,
}

/// The two kinds of single controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OneController {
    /// 0.2: names are presented side by side, a failed self-check is made again each 5 s.
    V0_2,
    /// 0.3 to 0.5: one order at a time, at least 5 min between two.
    V0_5,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// glog: the message, with its values in the text.
    Plain,
    /// klogr's "serialize": `name "msg"="…" "key"="…"`, values by key.
    #[default]
    Serialize,
    /// klog's contextual text: `"message" logger="…" key="…"`, values in the order of the call.
    Contextual,
    /// One JSON object a line (`--logging-format=json`, 1.12).
    Json,
}

/// What the loggers of controllers are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoggerNames {
    /// `cert-manager/<controller>`; a failed key is named in its line.
    Controller,
    /// `cert-manager.controller`, whichever controller it is, and without the failed key: since 1.15 the loop does not
    /// hand its own logger to the sync.
    Process,
}

/// Who reports events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventComponent {
    /// `cert-manager`.
    Process,
    /// `cert-manager-<controller>` (1.8).
    Controller,
}

/// An exponential back-off per item: `base * 2^(n-1)`, at most `max`. One with `base == max` is flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first failure.
    pub base: Duration,
    /// Longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait after the `failures`-th failure in a row (1 is the first).
    pub fn wait(&self, failures: u32) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

/// Leader election (client-go's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// How long a lease holds that is not renewed.
    pub lease: Duration,
    /// How long the leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// Time between two tries.
    pub retry: Duration,
}

/// Waits before a request with a bad nonce is sent again: `2^(n-1)` seconds and a jitter, at most `longest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceRetry {
    /// How often.
    pub retries: u32,
    /// The least jitter; whole milliseconds up to 999 come on top.
    pub least_jitter: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// What a new account key in the Secret of a registered issuer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKeyChange {
    /// Nobody notices: the issuer stays ready, and the CA refuses what the new key signs. A defect of 1.7.
    Unnoticed,
    /// The new key gets an account of its own (`status.acme.lastPrivateKeyHash`, 1.12).
    Registered,
    /// The account gets the new key (RFC 8555 section 7.3.5) as long as the process still has the old one; otherwise
    /// as `Registered`. Rehearse's own: no release does this.
    RolledOver,
}

/// What an error that is no problem document does to a Challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransientError {
    /// It is tried again.
    Retried,
    /// It ends the Challenge as errored. The CA knows of no failure, so that its order stays pending, and with it the
    /// Order, for good: a defect of 1.16 to 1.20 (#7202, #7685, #8696, #8747).
    EndsChallenge,
    /// Errors of network and time are tried again, an answer that makes no sense ends the Challenge (1.21, #8760).
    NetworkRetried,
}

/// How the chain that an issuer prefers is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreferredChain {
    /// The first alternate in which any certificate was issued by the preferred name.
    AnyOfAlternates,
    /// The default chain, or the first alternate, whose topmost certificate was issued by the preferred name.
    Topmost,
}

/// Lines about a Challenge that newer releases do not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeLines {
    /// That one in the queue is gone (up to 1.17).
    pub gone: bool,
    /// That the check of its propagation failed (up to 1.20).
    pub check_failed: bool,
}

/// When the orders controller asks the CA for the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderPolls {
    /// On every event of a Challenge.
    EveryEvent,
    /// When a Challenge has failed or all are final (1.12).
    WhenDecided,
}

/// The finalizer of Challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finalizer {
    /// Its name.
    pub name: &'static str,
    /// When it is put on.
    pub added: FinalizerAdded,
}

/// When the finalizer is put on a Challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalizerAdded {
    /// With its creation.
    AtCreation,
    /// When processing starts, by a write of the object as it was read.
    AtStartByUpdate,
    /// When processing starts, by server-side apply (1.20).
    AtStartByApply,
}

/// What becomes of a Challenge whose clean-up failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanUp {
    /// When it is deleted it goes all the same, and what was presented stays behind.
    Forgotten,
    /// It stays until the clean-up has succeeded (1.20).
    Retried,
}

/// The HTTP-01 self-check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfCheck {
    /// How many requests must pass.
    pub passes: u32,
    /// Pause after a pass.
    pub pause: Duration,
    /// Whether the last pass is followed by a pause.
    pub pause_after_last: bool,
    /// Time limit of one request.
    pub request_limit: Duration,
    /// Time limit of all together.
    pub limit: Duration,
}

/// The challenge scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// Time between two passes.
    pub period: Duration,
    /// Challenges started in one pass.
    pub starts: usize,
    /// Challenges in progress.
    pub concurrent: usize,
}

/// How often the nameservers of a DNS-01 question are tried until one answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameserverTries {
    /// One more time than there are nameservers, beginning with the second.
    OneMore,
    /// Each one once, in order (1.13).
    EachOnce,
}

/// How long the zone of a name is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZoneCache {
    /// As long as the process lives.
    ForEver,
    /// As long as the SOA record's TTL (1.18).
    Ttl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = (1..=4).map(|n| V1_7.backoff_acme.wait(n).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40]);
        assert_eq!(V1_7.backoff_acme.wait(10).as_secs(), 1800);
        assert_eq!(V1_7.backoff_certificates.wait(200).as_secs(), 30);
        assert_eq!(V1_7.failed_issuance.wait(5).as_secs(), 3600);
        let hours: Vec<_> = (1..=7).map(|n| V1_21.failed_issuance.wait(n).as_secs() / 3600).collect();
        assert_eq!(hours, [1, 2, 4, 8, 16, 32, 32]);
    }
}
