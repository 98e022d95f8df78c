//! Which release of cert-manager is reproduced: one row of constants and behaviours each.
//!
//! Nothing in the controllers asks for a version; they ask for a value of this table. Source: the constants of
//! each release, collected in one place.

use std::time::Duration;

/// The constants and behaviours of one release.
#[derive(Clone, Debug, PartialEq)]
pub struct Compat {
    /// The release.
    pub release: &'static str,
    /// Workers per controller.
    pub workers: usize,
    /// Requests per second to the API server, after the burst.
    pub client_qps: f64,
    /// Requests to the API server that may be sent at once.
    pub client_burst: f64,
    /// Back-off of the certificates-* controllers.
    pub backoff_certificates: Backoff,
    /// Back-off of the CertificateRequest, issuer and ingress-shim controllers.
    pub backoff_requests: Backoff,
    /// Back-off of the ACME controllers (orders, challenges).
    pub backoff_acme: Backoff,
    /// How long a failed issuance waits before the next.
    pub failed_issuance_wait: Duration,
    /// How long request-manager waits for its CertificateRequest to show in the cache, and how often it looks.
    pub request_visible_wait: (Duration, Duration),
    /// Time limit of one ACME call (`None`: none of its own).
    pub acme_call_limit: Option<Duration>,
    /// Time limit of an issuer's set-up.
    pub issuer_setup_limit: Duration,
    /// Time limit of one sync of certificates-issuing.
    pub issuing_limit: Duration,
    /// Self-check: passes, the pause between two, and whether the pause follows the last one, too.
    pub self_check: SelfCheck,
    /// How long after a failed self-check the next one comes (`--dns01-check-retry-period`, both types).
    pub challenge_recheck: Duration,
    /// How long an order waits for the CA when all its challenges are final and the CA says pending.
    pub order_recheck: Duration,
    /// The challenge scheduler: period, starts per period, challenges at once.
    pub scheduler: Scheduler,
    /// Status writes by server-side apply of a controller's own fields, instead of whole objects guarded by a
    /// resourceVersion.
    pub server_side_apply: bool,
    /// How long a key that was marked dirty while it was worked on waits after that (client-go: not at all).
    pub rerun_delay: Duration,
    /// `User-Agent` of HTTP requests.
    pub user_agent: &'static str,
    /// Image of the HTTP-01 solver pod.
    pub solver_image: &'static str,
}

/// An exponential back-off per item: `base * 2^(n-1)`, at most `max`.
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

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// cert-manager 1.7.1 (2022-02-02).
pub const V1_7: Compat = Compat {
    release: "v1.7.1",
    workers: 5,
    client_qps: 20.0,
    client_burst: 50.0,
    backoff_certificates: Backoff { base: secs(1), max: secs(30) },
    backoff_requests: Backoff { base: secs(5), max: secs(300) },
    backoff_acme: Backoff { base: secs(5), max: secs(1800) },
    failed_issuance_wait: secs(3600),
    request_visible_wait: (secs(5), Duration::from_millis(100)),
    acme_call_limit: Some(secs(10)),
    issuer_setup_limit: secs(10),
    issuing_limit: secs(10),
    self_check: SelfCheck {
        passes: 5,
        pause: secs(2),
        pause_after_last: true,
        request_limit: secs(10),
        limit: secs(900),
    },
    challenge_recheck: secs(10),
    order_recheck: secs(5),
    scheduler: Scheduler { period: secs(1), starts: 20, concurrent: 60 },
    server_side_apply: false,
    rerun_delay: Duration::ZERO,
    user_agent: "cert-manager/v1.7.1",
    solver_image: "quay.io/jetstack/cert-manager-acmesolver:v1.7.1",
};

/// Every release that can be chosen, by the name that scenarios use.
pub const RELEASES: &[(&str, &Compat)] = &[("v1_7", &V1_7)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<_> = (1..=4).map(|n| V1_7.backoff_acme.wait(n).as_secs()).collect();
        assert_eq!(waits, [5, 10, 20, 40]);
        assert_eq!(V1_7.backoff_acme.wait(10).as_secs(), 1800);
        assert_eq!(V1_7.backoff_certificates.wait(200).as_secs(), 30);
    }
}
