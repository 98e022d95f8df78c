//! The Kubernetes API types that the engine works on: cert-manager's, ACME's, and the few core ones that
//! HTTP-01 solving needs.
//!
//! Their JSON is that of Kubernetes: same names, same order of fields, empty ones left out where Go leaves them
//! out. Unknown fields are errors. `apiVersion` and `kind` belong to [`Object`], not to the types.

#[macro_use]
mod serial;

mod acme;
mod certmanager;
pub mod convert;
mod coordination;
mod core;
pub mod defaults;
mod gateway;
pub mod hash;
mod issuer;
mod legacy;
mod managed;
mod meta;
mod networking;
mod object;
mod pod;
mod scalar;
mod solver;
mod validation;

pub use acme::*;
pub use certmanager::*;
pub use coordination::*;
pub use core::*;
pub use gateway::*;
pub use issuer::*;
pub use legacy::*;
pub use managed::ManagedFieldsEntry;
pub use meta::*;
pub use networking::*;
pub use object::{Kind, Object, ObjectKey, Resource, UnknownKind};
pub use pod::*;
pub use scalar::{BadDuration, ByteString, GoDuration, Ignored, IntOrString, Quantity, RawJson, Time};
pub use solver::*;
pub use validation::{FieldError, Rules, validate, validate_by, validate_core, validate_update};
