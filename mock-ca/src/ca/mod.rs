//! The certificate authority proper: its hierarchy, and the making of certificates and revocation lists.

mod authority;
mod crl;
pub mod csr;
mod der;
mod hierarchy;
mod leaf;
mod sct;
mod state;
mod strength;
mod web;
mod x509;

pub use crl::Revoked;
pub use hierarchy::{Hierarchy, Published};
pub use leaf::Signed;
pub use sct::Log;
pub use state::{AuthorityState, Der, Drawn, HierarchyState};
pub use strength::{WeakRsa, check_modulus};
pub use web::WebIdentity;

/// A hierarchy or a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A certificate that nobody can have, or that nobody can sign.
    #[error("certificate: {0}")]
    Certificate(String),
    /// A key could not be made or read.
    #[error(transparent)]
    Key(#[from] world::keys::KeyError),
    /// The configuration cannot be used.
    #[error("configuration: {0}")]
    Config(String),
    /// A socket could not be bound.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The HTTPS identity could not be used.
    #[error(transparent)]
    Tls(#[from] world::tls::BadTls),
    /// What was kept could not be read, or new keys could not be kept.
    #[error(transparent)]
    State(#[from] crate::StateError),
}
