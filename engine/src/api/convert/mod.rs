//! Conversion between the versions of cert-manager's API.
//!
//! The engine works on `v1`. An object of an older version is converted as its release would have done, field by field
//! (`moves`); what the older version did not have is not understood (`unknown`). The old way to configure ACME of
//! `certmanager.k8s.io/v1alpha1` has a module of its own (`v1alpha1`). Conversion works on trees of text, so that
//! errors about a converted object still point at what its author wrote.

mod ingress;
mod moves;
mod node;
mod unknown;
mod v1alpha1;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value as Json;

use super::{Kind, Object};
use crate::manifest::tree::Node;

pub use ingress::{OLD_INGRESS_VERSIONS, ingress_to_v1};
pub use v1alpha1::{
    AcmeConfig, AcmeIssuerConfig, CONVERSION_DATA, DomainConfig, acme_config, acme_issuer_config,
    offer_solvers,
};

/// A version of cert-manager's API, in the order of their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `certmanager.k8s.io/v1alpha1`, up to 0.10.
    V1Alpha1,
    /// `cert-manager.io/v1alpha2`, 0.11 to 1.6.
    V1Alpha2,
    /// `cert-manager.io/v1alpha3`, 0.15 to 1.6.
    V1Alpha3,
    /// `cert-manager.io/v1beta1`, 0.16 to 1.6.
    V1Beta1,
    /// `cert-manager.io/v1`, 1.0 on.
    V1,
}

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Version; 5] =
        [Version::V1Alpha1, Version::V1Alpha2, Version::V1Alpha3, Version::V1Beta1, Version::V1];

    /// The name: `v1alpha2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::V1Alpha1 => "v1alpha1",
            Version::V1Alpha2 => "v1alpha2",
            Version::V1Alpha3 => "v1alpha3",
            Version::V1Beta1 => "v1beta1",
            Version::V1 => "v1",
        }
    }

    /// The `apiVersion` of a kind of cert-manager in this version. The oldest has one group for all kinds.
    pub fn api_version(self, kind: Kind) -> String {
        match self {
            Version::V1Alpha1 => "certmanager.k8s.io/v1alpha1".to_owned(),
            _ => format!("{}/{}", kind.group(), self.as_str()),
        }
    }

    /// The version of a kind under this `apiVersion`; nothing for kinds that are not cert-manager's.
    pub fn of(kind: Kind, api_version: &str) -> Option<Version> {
        is_cert_managers(kind)
            .then(|| Version::ALL.into_iter().find(|version| version.api_version(kind) == api_version))?
    }

    /// Whether the API server drops what it does not know, as those do whose clients were not strict yet.
    pub fn drops_unknown_fields(self) -> bool {
        self != Version::V1
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a kind is one of cert-manager's.
pub fn is_cert_managers(kind: Kind) -> bool {
    matches!(kind.group(), "cert-manager.io" | "acme.cert-manager.io")
}

/// Turns an object of an older version into `v1`. Fields that the version does not have stay where they are.
pub(crate) fn to_v1(kind: Kind, version: Version, object: &mut Node) {
    if version == Version::V1Alpha1 {
        v1alpha1::to_v1(kind, object);
    }
    moves::forward(kind, version, object);
}

/// Takes out the fields of `v1` that the version does not have: their names there mean nothing. To be called before
/// [`to_v1`]. Returns their paths.
pub(crate) fn drop_unknown(kind: Kind, version: Version, object: &mut Node) -> Vec<String> {
    unknown::drop(kind, version, object)
}

/// An object in an older version.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// The object.
    pub json: Json,
    /// The fields that the version cannot say.
    pub lost: Vec<String>,
}

/// The object in another version; kinds that are not cert-manager's stay as they are.
pub fn from_v1(object: &Object, version: Version) -> Converted {
    let kind = object.kind();
    let json = object.to_json();
    if !is_cert_managers(kind) || version == Version::V1 {
        return Converted { json, lost: Vec::new() };
    }
    let mut node = node::from_json(&json);
    let lost = unknown::drop_newer(kind, version, &mut node);
    moves::backward(kind, version, &mut node);
    if version == Version::V1Alpha1 {
        v1alpha1::from_v1(kind, &mut node);
    }
    node::set_text(&mut node, "apiVersion", &version.api_version(kind));
    Converted { json: node::to_json(&node), lost }
}
