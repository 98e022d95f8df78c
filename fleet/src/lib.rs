//! A what-if over a year: any number of certificates, one CA with its limits, a policy of renewal, outages.
//!
//! A scenario runs the whole engine, which costs milliseconds a certificate; a fleet asks the same code only when,
//! and whether: [`run`] is a queue of events in virtual time over a small state for each certificate, and cost grows
//! with the number of renewals.
//!
//! | what | decided by |
//! |---|---|
//! | when a certificate is renewed: `renewBefore`, a third, windows, the CA's suggestion | [`engine::schedule`] |
//! | how long a failed issuance is held back, how often an order is repeated | [`engine::schedule`], [`engine::compat`] |
//! | limits and pauses | [`mock_ca::limits::Limits`] |
//! | lifetimes, backdating, authorizations that serve again, suggested windows | [`mock_ca::Config`], [`mock_ca::ra`] |
//!
//! ```
//! use fleet::plan::{Distribution, Plan};
//!
//! let mut plan = Plan::default();
//! plan.certificates.distributions = vec![Distribution { count: 100, ..Distribution::default() }];
//! let outcome = fleet::run(&plan).unwrap();
//! assert!(outcome.is_clean());
//! println!("{}", fleet::text::summary(&outcome));
//! for (lifetime, outcome) in fleet::compare(&plan, &fleet::LIFETIMES).unwrap() {
//!     println!("{lifetime}: {} renewals", outcome.renewals);
//! }
//! ```
//!
//! **What becomes of an order**, as in the engine: one that a limit refuses (429) ends, its request fails, and the
//! Certificate waits for its back-off, whatever `Retry-After` says; one that the CA cannot take (503) is sent again
//! by the back-off of the queue of orders, for as long as it takes; one whose validation fails is as one that is
//! refused. An account that the CA refuses by a limit is not registered again, and its certificates wait for ever.
//!
//! **What is left out:**
//! - signatures and sockets, and so every delay but that of the engine's own check of a challenge
//!   ([`plan::Policy::order_time`]);
//! - the pace of the engine (workers, requests per second to the API server, challenges at a time): what is due at
//!   one moment is ordered at that moment. With it go the load balancer's limits on requests;
//! - the CA's policy for names and CAA records;
//! - what keeps a challenge from the CA: checks of the engine itself that fail (the order waits until they pass), and
//!   errors of the network that end one (1.16);
//! - the single controller of 0.2 and 0.5, issuers that are not ACME, revocation;
//! - a restart of the engine, which would ask at once what its queues hold back;
//! - with the switch `ari`, the very numbers that a whole engine draws: its times are met in distribution.
//!
//! **Invariant:** an outcome is a function of its plan.

mod authority;
mod check;
mod compare;
mod error;
mod event;
pub mod input;
mod outcome;
pub mod page;
pub mod plan;
mod policy;
mod population;
mod queue;
mod renewal_info;
mod run;
pub mod svg;
mod tally;
pub mod text;
mod words;

pub use compare::{LIFETIMES, Variant, compare};
pub use error::PlanError;
pub use event::{Event, Failure, What};
pub use outcome::{
    Days, Drain, Expiry, MINUTES_AFTER, MINUTES_BEFORE, Outcome, Peak, Refusals, Refusing, TOP, Tightest,
};
pub use plan::Plan;
pub use run::run;
