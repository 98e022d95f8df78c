//! An ACME client (RFC 8555), as much of one as issuance needs.

mod account;
mod connection;
mod csr;
mod failure;
mod order;
mod session;

pub(crate) use connection::{Connection, Dialer};
pub use connection::{Protocol, Trust};
pub(crate) use csr::CertificateKeys;
pub use failure::Failure;
pub(crate) use order::{Laps, Shared, Worker};
pub(crate) use session::Session;
