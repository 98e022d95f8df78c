//! Why a plan cannot be run.

use engine::compat::switches::SwitchError;
use mock_ca::limits::BadLimits;
use world::Timestamp;

/// Why a plan cannot be run. Each names the key that is wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A span of time that ends before it begins.
    #[error("{place}: ends at {until}, which is not after its beginning, {from}")]
    Window {
        /// The key.
        place: String,
        /// Its beginning.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// Nothing to do.
    #[error("certificates: there are none")]
    NoCertificates,
    /// More than can be numbered.
    #[error("certificates: more than {} of them", u32::MAX)]
    TooMany,
    /// A number that must be 1 at least.
    #[error("{0}: must be 1 at least")]
    Zero(String),
    /// A duration that must be longer.
    #[error("{place}: must be {least} at least")]
    TooShort {
        /// The key.
        place: String,
        /// The least.
        least: &'static str,
    },
    /// A certificate with two beginnings.
    #[error("certificate {0:?}: has both `issued` and `notAfter`")]
    TwoTimes(String),
    /// A certificate without a name.
    #[error("certificates.list[{0}]: needs a `name`, and no empty one among its `names`")]
    Nameless(usize),
    /// The CA would not take the order.
    #[error("certificate {name:?}: has {count} names, and the CA takes {max}")]
    Names {
        /// Which certificate.
        name: String,
        /// How many it has.
        count: usize,
        /// The most that an order may have.
        max: usize,
    },
    /// There is no such release.
    #[error("policy.release: there is no {name:?}; there are {}", known.join(", "))]
    Release {
        /// What was asked for.
        name: String,
        /// Those that can be run.
        known: Vec<&'static str>,
    },
    /// A switch of the release.
    #[error("policy.switches: {0}")]
    Switch(#[from] SwitchError),
    /// A failed issuance would be repeated without end, in no time.
    #[error("policy.switches: without `failedIssuanceBase`, nothing holds back what has failed")]
    NoBackoff,
    /// There is no such profile.
    #[error("ca.profile: there is no {name:?}; there are {}", known.join(", "))]
    Profile {
        /// What was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Limits that cannot be counted with.
    #[error("{place}: {why}")]
    Limits {
        /// The key.
        place: String,
        /// Why.
        why: BadLimits,
    },
}
