//! What can be said of a plan before it is run.

use std::time::Duration;

use mock_ca::limits::Limits;
use world::Rng;

use crate::error::PlanError;
use crate::plan::{OutageKind, Plan};

/// The shortest lifetime that a CA can be given.
const LIFETIME_MIN: Duration = Duration::from_secs(2 * 3600);

/// Finds spans of time, lifetimes and limits that cannot be.
pub(crate) fn check(plan: &Plan) -> Result<(), PlanError> {
    let windows = plan.outages.iter().enumerate().map(|(n, o)| (format!("outages[{n}]"), o.window()));
    for (place, window) in std::iter::once(("window".to_owned(), plan.window)).chain(windows) {
        if window.until <= window.from {
            return Err(PlanError::Window { place, from: window.from, until: window.until });
        }
    }
    for (n, lifetime) in plan.ca.lifetimes.iter().enumerate() {
        if lifetime.lifetime < LIFETIME_MIN {
            let place = format!("ca.lifetimes[{n}].lifetime");
            return Err(PlanError::TooShort { place, least: "2h" });
        }
    }
    let rng = Rng::from_seed(plan.seed);
    for (n, outage) in plan.outages.iter().enumerate() {
        if let OutageKind::Limits(limits) = &outage.kind {
            let place = format!("outages[{n}].kind.limits");
            let limits = Limits::new(limits.as_ref().clone(), &rng);
            limits.map_err(|why| PlanError::Limits { place, why })?;
        }
    }
    Ok(())
}
