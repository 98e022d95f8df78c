//! What all objects carry: metadata, references and conditions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ObjectKey;
use super::managed::ManagedFieldsEntry;
use super::scalar::{Ignored, Time, resource_version};
use super::serial::omit;

/// The metadata of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectMeta {
    /// Its name, unique in kind and namespace.
    #[serde(skip_serializing_if = "omit")]
    pub name: String,
    /// A prefix from which the API server makes a name.
    #[serde(skip_serializing_if = "omit")]
    pub generate_name: String,
    /// Its namespace; empty for cluster-scoped kinds.
    #[serde(skip_serializing_if = "omit")]
    pub namespace: String,
    /// Unique in time and space; set by the API server.
    #[serde(skip_serializing_if = "omit")]
    pub uid: String,
    /// Which write made this version; 0: not yet stored. A string in JSON.
    #[serde(skip_serializing_if = "omit", with = "resource_version")]
    pub resource_version: u64,
    /// Counts the changes of the specification.
    #[serde(skip_serializing_if = "omit")]
    pub generation: i64,
    /// When it was created.
    #[serde(skip_serializing_if = "omit")]
    pub creation_timestamp: Option<Time>,
    /// When its deletion was asked for; it stays while there are finalizers.
    #[serde(skip_serializing_if = "omit")]
    pub deletion_timestamp: Option<Time>,
    /// How long it may take to end.
    #[serde(skip_serializing_if = "omit")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// To select by.
    #[serde(skip_serializing_if = "omit")]
    pub labels: BTreeMap<String, String>,
    /// For tools and people.
    #[serde(skip_serializing_if = "omit")]
    pub annotations: BTreeMap<String, String>,
    /// The objects it goes with.
    #[serde(skip_serializing_if = "omit")]
    pub owner_references: Vec<OwnerReference>,
    /// Who must let it go before it is deleted.
    #[serde(skip_serializing_if = "omit")]
    pub finalizers: Vec<String>,
    /// Who set which field by server-side apply.
    #[serde(skip_serializing_if = "omit")]
    pub managed_fields: Vec<ManagedFieldsEntry>,
    /// Read and dropped: the URL of the object, up to Kubernetes 1.19.
    #[serde(skip_serializing)]
    pub self_link: Ignored,
}

/// An object that this object goes with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OwnerReference {
    /// Group and version of the owner.
    pub api_version: String,
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: String,
    /// Whether the owner is the one that manages it.
    #[serde(skip_serializing_if = "omit")]
    pub controller: Option<bool>,
    /// Whether the owner waits for it in a foreground deletion.
    #[serde(skip_serializing_if = "omit")]
    pub block_owner_deletion: Option<bool>,
}

/// An object in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalObjectReference {
    /// Its name.
    pub name: String,
}

/// A key of a Secret in the same (or the cluster resource) namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretKeySelector {
    /// The Secret.
    pub name: String,
    /// The key; empty: the default of the field that refers to it.
    #[serde(skip_serializing_if = "omit")]
    pub key: String,
}

/// An issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectReference {
    /// Its name.
    pub name: String,
    /// Its kind; empty: [`ObjectReference::kind_or_default`].
    #[serde(skip_serializing_if = "omit")]
    pub kind: String,
    /// Its group; empty: [`ObjectReference::group_or_default`].
    #[serde(skip_serializing_if = "omit")]
    pub group: String,
}

/// An observation on an object, with the time since when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Condition {
    /// Which observation.
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// When `status` changed.
    #[serde(skip_serializing_if = "omit")]
    pub last_transition_time: Option<Time>,
    /// One word, for machines.
    #[serde(skip_serializing_if = "omit")]
    pub reason: String,
    /// One sentence, for people.
    #[serde(skip_serializing_if = "omit")]
    pub message: String,
    /// The generation it was made on.
    #[serde(skip_serializing_if = "omit")]
    pub observed_generation: i64,
}
impl ObjectReference {
    /// The kind, `Issuer` when none is given.
    pub fn kind_or_default(&self) -> &str {
        if self.kind.is_empty() { "Issuer" } else { &self.kind }
    }

    /// The group, `cert-manager.io` when none is given.
    pub fn group_or_default(&self) -> &str {
        if self.group.is_empty() { "cert-manager.io" } else { &self.group }
    }
}

impl ObjectMeta {
    /// Of an object with this key, and nothing more.
    pub fn named(key: &ObjectKey) -> Self {
        ObjectMeta {
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            ..ObjectMeta::default()
        }
    }

    /// The owner that manages this object.
    pub fn controller(&self) -> Option<&OwnerReference> {
        self.owner_references.iter().find(|owner| owner.controller == Some(true))
    }

    /// Whether the object with this uid manages this one.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|owner| owner.uid == uid)
    }
}

string_enum! {
    /// Whether a condition holds.
    #[derive(Default)]
    pub enum ConditionStatus {
        /// It holds.
        True = "True",
        /// It does not.
        False = "False",
        /// Nobody knows.
        #[default]
        Unknown = "Unknown",
    }
}
