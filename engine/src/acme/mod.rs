//! The ACME client (RFC 8555): what cert-manager's client does, call by call.
//!
//! Discovery, nonces and the account's URL are found when they are first needed; nonces of answers are kept
//! for the next request. Every method is one bounded call, as the release bounds it.

mod client;
mod error;
mod registry;
mod types;

pub use client::AcmeClient;
pub use error::{AcmeError, Problem};
pub use registry::{AcmeClients, ClientConfig};
pub use types::{Account, Authorization, Challenge, Directory, Identifier, Order, identifier_type};
