//! The writes to the API server, each as what it changed.

use std::collections::BTreeMap;

use engine::api::Kind;
use engine::store::ChangeType;
use reports::{Change, Write};
use serde_json::{Map, Value};

use super::{named, nanos};
use crate::evidence::Evidence;

/// All of them, by time.
pub(super) fn writes(evidence: &Evidence) -> Vec<Write> {
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    let changes = evidence.history.changes().filter(|(_, change)| change.object.kind() != Kind::Event);
    changes
        .map(|(time, change)| {
            let (kind, meta) = (change.object.kind(), change.object.meta());
            let object = named(kind.as_str(), &meta.namespace, &meta.name);
            let mut json = change.object.to_json();
            if kind == Kind::Secret {
                conceal(&mut json);
            }
            let (what, patch) = match (change.type_, last.get(&object)) {
                (ChangeType::Deleted, _) => {
                    last.remove(&object);
                    (Change::Deleted, Value::Null)
                }
                (_, Some(before)) => {
                    let patch = difference(before, &json).unwrap_or_else(|| Value::Object(Map::new()));
                    last.insert(object.clone(), json);
                    (Change::Modified, patch)
                }
                (_, None) => {
                    last.insert(object.clone(), json.clone());
                    (Change::Added, json)
                }
            };
            let at = nanos(time.since(evidence.start));
            Write { at, change: what, object, version: meta.resource_version, patch }
        })
        .collect()
}

/// Of what a Secret holds only how much it is.
fn conceal(secret: &mut Value) {
    let Some(Value::Object(data)) = secret.get_mut("data") else { return };
    for value in data.values_mut() {
        // Base64: three bytes in four letters.
        let text = value.as_str().unwrap_or_default().trim_end_matches('=');
        *value = format!("({} bytes)", text.len() * 3 / 4).into();
    }
}

/// The merge patch (RFC 7386) that makes `after` of `before`; nothing when they are equal.
fn difference(before: &Value, after: &Value) -> Option<Value> {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return (before != after).then(|| after.clone());
    };
    let mut patch = Map::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in new {
        match old.get(name) {
            None => drop(patch.insert(name.clone(), value.clone())),
            Some(before) => {
                if let Some(change) = difference(before, value) {
                    patch.insert(name.clone(), change);
                }
            }
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::actors::merge_patch;

    /// Objects of a few names, without null: a merge patch cannot set one.
    fn object() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![any::<u8>().prop_map(Value::from), Just(json!("x")), Just(json!([1, 2]))];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop::collection::btree_map("[abc]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect()))
        })
    }

    proptest! {
        #[test]
        fn a_patch_makes_the_one_of_the_other(before in object(), after in object()) {
            let mut patched = before.clone();
            if let Some(patch) = difference(&before, &after) {
                merge_patch(&mut patched, &patch);
            }
            prop_assert_eq!(patched, after);
        }
    }

    #[test]
    fn of_a_secret_there_are_only_sizes() {
        let mut secret =
            json!({ "data": { "tls.key": "QUJD", "tls.crt": "QUI=" }, "type": "kubernetes.io/tls" });
        conceal(&mut secret);
        assert_eq!(secret["data"], json!({ "tls.key": "(3 bytes)", "tls.crt": "(2 bytes)" }));
    }
}
