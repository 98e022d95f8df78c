//! The ACME client (RFC 8555, RFC 9773): what cert-manager's client does, call by call.
//!
//! Discovery, nonces and the account's URL are found when they are first needed; nonces of answers are kept
//! for the next request. Every method is one bounded call, as the release bounds it. Nothing that a server says is
//! taken for granted: bodies, chains and waits have bounds, and an answer of another form is an error.

mod call;
mod chain;
mod client;
mod error;
mod jws;
mod registry;
pub mod renewal_info;
pub mod tls_alpn;
mod types;

pub use call::CallLimits;
pub(crate) use chain::issuer_name;
pub use client::{AcmeClient, NewOrder};
pub use error::{AcmeError, Problem, SubProblem};
pub use jws::ExternalAccount;
pub use registry::{AcmeClients, ClientConfig};
pub use types::{Account, Authorization, Challenge, Directory, Identifier, Meta, Order, identifier_type};
