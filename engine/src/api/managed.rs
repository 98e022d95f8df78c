//! Who set which fields by server-side apply: `metadata.managedFields`.

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
    pub fn names(&self, path: &[&str]) -> impl Iterator<Item = &str> {
        let mut at = self.fields_v1.value().as_object();
        for step in path {
            let below = |(key, next): (&'_ String, _)| (field(key)? == *step).then_some(next);
            at = at.and_then(|fields| fields.iter().find_map(below)).and_then(Value::as_object);
        }
        at.into_iter().flat_map(|fields| fields.keys()).filter_map(|key| field(key))
    }
}

/// The name in a key of the tree, if it is one of a field.
fn field(key: &str) -> Option<&str> {
    key.strip_prefix("f:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_kubernetes_writes_them() {
        let json = r#"{"manager":"m","operation":"Apply","apiVersion":"v1","time":"2022-05-07T12:40:38Z",
            "fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:a/b":{}}}}}"#;
        let entry: ManagedFieldsEntry = serde_json::from_str(json).unwrap();
        assert!(entry.names(&["metadata", "labels"]).eq(["a/b"]));
        assert!(entry.names(&["metadata"]).eq(["labels"]));
        assert_eq!(entry.names(&["metadata", "annotations"]).count(), 0);
        let again: ManagedFieldsEntry =
            serde_json::from_value(serde_json::to_value(&entry).unwrap()).unwrap();
        assert_eq!(again, entry);
    }
}
