//! A load generator for ACME servers: it issues certificates over real sockets as fast as the server lets it, or at a
//! given rate, and measures what one costs.
//!
//! An order here is what a client does: newOrder, its authorizations, the key authorization published, the challenge
//! answered, the order polled until it is ready, finalize, polls, the download, the chain parsed. Nothing is retried but a
//! refused nonce, and nothing that goes wrong is left out of the count.
//!
//! ```text
//! Target (a directory's URL, trust) -+
//! Load   (how many, how, how fast)  -+-> drive -> Worker (one order at a time) -> Session (nonce, JWS) -> Connection
//! Publish (where tokens are shown)  -+                                         -> Publisher
//!                                          |
//!                                          +-> Tally (histograms by phase, failures by kind) -> Outcome
//! ```
//!
//! In a **closed loop** each of N workers begins its next order when the last one is done: a slow server is asked less, and
//! times say how long an order takes at that load. In an **open loop** orders begin at fixed times, whatever has become of
//! those before; an order's time counts from when it should have begun, so that what waits behind a slow one is not
//! forgotten (no coordinated omission).
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this measures real servers with a real clock over real sockets; nothing here runs in a simulated world"
)]

mod client;
mod command;
mod drive;
mod figures;
mod pace;
mod publish;
mod target;

pub use client::{Failure, Protocol, Trust};
pub use command::run;
pub use drive::{DriveError, Load, Progress, Watched, answers, drive};
pub use figures::{Outcome, Percentiles, Phase, Phases, ProcessError, Tally, Usage, Used, Window, text};
pub use pace::Pace;
pub use publish::{ChallengeType, Publish, PublishError};
pub use target::{BadUrl, ExternalAccount, Target};
