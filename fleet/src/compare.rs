//! The same fleet under other lifetimes, side by side.

use std::time::Duration;

use crate::error::PlanError;
use crate::outcome::Outcome;
use crate::plan::{Lifetime, Plan};
use crate::run::run;

/// A lifetime to compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What it is called.
    pub label: &'static str,
    /// How long certificates are valid.
    pub lifetime: Duration,
    /// For how long a validated name need not be validated again.
    pub authorizations: Duration,
}

const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// Let's Encrypt's steps: those of its default profile as they are announced, and its short-lived certificates, which
/// are valid for 160 hours.
pub const LIFETIMES: [Variant; 4] = [
    Variant { label: "90 days", lifetime: hours(90 * 24), authorizations: hours(30 * 24) },
    Variant { label: "64 days", lifetime: hours(64 * 24), authorizations: hours(10 * 24) },
    Variant { label: "45 days", lifetime: hours(45 * 24), authorizations: hours(7) },
    Variant { label: "6 days", lifetime: hours(160), authorizations: hours(7) },
];

/// The plan under each of these lifetimes, over all of its window and before it. A time to renew that is not shorter
/// than the lifetime is what the engine takes it for: a third of it.
///
/// # Errors
/// Why the plan cannot be run.
pub fn compare(plan: &Plan, lifetimes: &[Variant]) -> Result<Vec<(String, Outcome)>, PlanError> {
    let one = |variant: &Variant| {
        let mut plan = plan.clone();
        let Variant { lifetime, authorizations, .. } = *variant;
        plan.ca.lifetimes = vec![Lifetime { from: None, lifetime, authorizations: Some(authorizations) }];
        // What exists is as long as what is issued.
        for certificate in &mut plan.certificates.list {
            certificate.lifetime = None;
        }
        Ok((variant.label.to_owned(), run(&plan)?))
    };
    lifetimes.iter().map(one).collect()
}
