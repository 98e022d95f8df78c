//! Signing in the process itself: what CA and SelfSigned issuers do, and the reading of chains that others send.
//!
//! Certificates are written here, element by element in Go's order, because a request's subject and names go into
//! the certificate as the bytes that they are. Serial numbers come from the world's randomness, and signatures
//! repeat, so that a run does.

mod chain;
mod der;
mod key_pair;
mod template;
mod usages;

pub(crate) use chain::{Bundle, bundle, bundle_of_pem, certificate_matches};
pub(crate) use key_pair::{SecretError, certificate_of, key_of, key_pair_and_ca, private_key};
pub(crate) use template::{Authority, Template};
