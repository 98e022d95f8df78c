//! Certificates, keys and requests: what the controllers read, compare and write of X.509.

pub(crate) mod der;
mod extensions;
mod keys;
pub(crate) mod keystore;
mod leaf;
mod names;
mod request;
pub(crate) mod subject;
mod temporary;
pub(crate) mod usages;

pub use keys::{encode_key, family, key_algorithm, key_der, key_violations, private_key, public_half};
pub use leaf::{Leaf, certificate_violations, chain, leaf, leaf_alone};
pub(crate) use leaf::{leaf_above, readable};
pub use names::Names;
pub use request::{Request, make_request, request, request_violations};
pub use temporary::make_temporary;

/// Something of X.509 that cannot be read or made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PkiError(pub String);

fn failed(what: impl std::fmt::Display) -> PkiError {
    PkiError(what.to_string())
}
