//! Reading manifests as `kubectl apply` does, with strict validation.
//!
//! [`load`] takes the text of a file with any number of documents and lists and gives the objects, or one error
//! that points at its cause. The texts of errors are those of `kubectl` and the API server. [`load_with`] reads what
//! the API server of another release serves; [`load_lenient`] mends what people get wrong and says what it did. The
//! same machinery reads any other structure: see [`yaml`].

mod de;
mod document;
mod error;
mod lenient;
mod mend;
mod mojibake;
mod scalar;
mod source;
pub(crate) mod suggest;
mod syntax;
pub mod tree;
pub mod yaml;

pub use error::ManifestError;
pub use lenient::{Lenient, Repair, RepairKind, load_lenient};
pub use source::{Source, Span};

use crate::api::{Object, Rules};
use crate::compat::{Compat, Served};

/// What an API server serves, and how strict it and its client are.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The versions and kinds of cert-manager's API.
    pub served: Served,
    /// Older versions of it are converted even when they are not served.
    pub convert: bool,
    /// Unknown fields are dropped without a word in `v1`, too: a client before `kubectl` 1.25.
    pub prune: bool,
    /// What cert-manager's webhook refuses.
    pub rules: Option<Rules>,
}

impl Default for Options {
    /// A server of `v1` alone, and a strict client.
    fn default() -> Self {
        Options { served: Served::V1_7, convert: false, prune: false, rules: Some(Rules::V1_7) }
    }
}

impl Options {
    /// The API server of a release.
    pub fn of(compat: &Compat) -> Self {
        Options { served: compat.served, rules: compat.rules, ..Options::default() }
    }
}

/// The objects of a manifest, in the order of the text, decoded strictly and validated.
///
/// As with `kubectl`, an object without a namespace goes to `default`, and the namespace of a cluster-scoped
/// object is ignored.
///
/// # Errors
/// The first thing that is wrong: syntax, an unknown kind or field, a value of the wrong type, or all that the API
/// server's validation says about one object.
pub fn load(source_name: &str, text: &str) -> Result<Vec<Object>, ManifestError> {
    load_with(source_name, text, &Options::default())
}

/// The objects of a manifest as an API server with these options takes them. Objects of older versions come out as
/// `v1`.
///
/// # Errors
/// As [`load`].
pub fn load_with(source_name: &str, text: &str, options: &Options) -> Result<Vec<Object>, ManifestError> {
    let source = Source::new(source_name, text);
    let mut reader = document::Reader::new(&source, options, None);
    for document in tree::parse(&source)? {
        reader.document(&document)?;
    }
    Ok(reader.objects)
}
