//! Who set which fields by server-side apply: `metadata.managedFields`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scalar::{RawJson, Time};
use super::serial::omit;

/// The fields that one manager has set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ManagedFieldsEntry {
    /// Who.
    pub manager: String,
    /// `Apply` or `Update`.
    #[serde(skip_serializing_if = "omit")]
    pub operation: String,
    /// The version that the paths are of.
    #[serde(skip_serializing_if = "omit")]
    pub api_version: String,
    /// When.
    #[serde(skip_serializing_if = "omit")]
    pub time: Option<Time>,
    /// `FieldsV1`.
    #[serde(skip_serializing_if = "omit")]
    pub fields_type: String,
    /// The paths, as a tree of `f:name` keys.
    #[serde(skip_serializing_if = "omit")]
    pub fields_v1: RawJson,
    /// The subresource that was written.
    #[serde(skip_serializing_if = "omit")]
    pub subresource: String,
}

impl ManagedFieldsEntry {
    /// What `manager` has applied.
    pub fn applied(manager: &str, api_version: &str, fields: Value) -> Self {
        ManagedFieldsEntry {
            manager: manager.to_owned(),
            operation: "Apply".to_owned(),
            api_version: api_version.to_owned(),
            fields_type: "FieldsV1".to_owned(),
            fields_v1: RawJson::new(fields),
            ..ManagedFieldsEntry::default()
        }
    }

    /// The names of the fields below `path`.
    pub fn names(&self, path: &[&str]) -> BTreeSet<String> {
        let mut at = self.fields_v1.value();
        for step in path {
            match at.get(format!("f:{step}")) {
                Some(next) => at = next,
                None => return BTreeSet::new(),
            }
        }
        let keys = at.as_object().into_iter().flat_map(|fields| fields.keys());
        keys.filter_map(|key| key.strip_prefix("f:")).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_kubernetes_writes_them() {
        let json = r#"{"manager":"m","operation":"Apply","apiVersion":"v1","time":"2022-05-07T12:40:38Z",
            "fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:a/b":{}}}}}"#;
        let entry: ManagedFieldsEntry = serde_json::from_str(json).unwrap();
        assert_eq!(entry.names(&["metadata", "labels"]), BTreeSet::from(["a/b".to_owned()]));
        assert!(entry.names(&["metadata", "annotations"]).is_empty());
        let again: ManagedFieldsEntry =
            serde_json::from_value(serde_json::to_value(&entry).unwrap()).unwrap();
        assert_eq!(again, entry);
    }
}
