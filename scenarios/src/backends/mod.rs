//! The servers behind issuers that are not ACME: a Vault, and Venafi in both its flavours.
//!
//! Each signs with an authority of its own, keeps a journal of what it was asked, and has knobs for how long its
//! endpoints take and for answers that a real one would not give.

mod authority;
mod server;
pub mod vault;
pub mod venafi;

pub use authority::{Authority, AuthorityError};
pub use server::{BackendError, Entry, Fault, Faults, Journal, Latency};
