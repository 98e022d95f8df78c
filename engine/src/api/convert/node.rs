//! Taking fields out of trees and putting them in.

use serde_json::Value as Json;

use crate::manifest::Span;
use crate::manifest::tree::{Entry, Node, Value};

/// The tree of a JSON value; its places mean nothing.
pub(super) fn from_json(json: &Json) -> Node {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::Uint(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Sequence(items.iter().map(from_json).collect()),
        Json::Object(fields) => Value::Mapping(
            fields
                .iter()
                .map(|(key, value)| Entry {
                    key: key.clone(),
                    key_span: Span::default(),
                    value: from_json(value),
                })
                .collect(),
        ),
    };
    Node { span: Span::default(), value }
}

/// The tree as JSON.
pub(super) fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Uint(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::String(text) => Json::String(text.clone()),
        Value::Sequence(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Mapping(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), to_json(&entry.value))).collect())
        }
    }
}

/// The entry of a mapping, to change.
pub(super) fn entry_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Entry> {
    match &mut node.value {
        Value::Mapping(entries) => entries.iter_mut().find(|entry| entry.key == key),
        _ => None,
    }
}

/// Does something with each node that a path leads to. A part that ends in `[]` stands for all items of a list.
pub(super) fn each(node: &mut Node, path: &str, act: &mut dyn FnMut(&mut Node)) {
    if path.is_empty() {
        return act(node);
    }
    let (part, rest) = path.split_once('.').unwrap_or((path, ""));
    let (key, items) = match part.strip_suffix("[]") {
        Some(key) => (key, true),
        None => (part, false),
    };
    let Some(entry) = entry_mut(node, key) else { return };
    match &mut entry.value.value {
        Value::Sequence(list) if items => list.iter_mut().for_each(|item| each(item, rest, act)),
        _ if items => {}
        _ => each(&mut entry.value, rest, act),
    }
}

/// Takes an entry out. A mapping that is empty after that goes, too.
pub(super) fn take(node: &mut Node, path: &str) -> Option<Entry> {
    let Some((key, rest)) = path.split_once('.') else {
        let Value::Mapping(entries) = &mut node.value else { return None };
        let at = entries.iter().position(|entry| entry.key == path)?;
        return Some(entries.remove(at));
    };
    let below = entry_mut(node, key)?;
    let taken = take(&mut below.value, rest)?;
    if matches!(&below.value.value, Value::Mapping(entries) if entries.is_empty()) {
        take(node, key);
    }
    Some(taken)
}

/// Puts a value in under a path; mappings on the way are made. What is there already is replaced. Where the way is
/// blocked by something else nothing happens.
pub(super) fn put(node: &mut Node, path: &str, entry: Entry) {
    let (key, rest) = path.split_once('.').unwrap_or((path, ""));
    if node.value == Value::Null {
        node.value = Value::Mapping(Vec::new());
    }
    let Value::Mapping(entries) = &mut node.value else { return };
    let (key_span, span) = (entry.key_span, entry.value.span);
    let at = match entries.iter().position(|other| other.key == key) {
        Some(at) => at,
        None => {
            let value = Node { span, value: Value::Null };
            entries.push(Entry { key: key.to_owned(), key_span, value });
            entries.len() - 1
        }
    };
    let Some(place) = entries.get_mut(at) else { return };
    if rest.is_empty() {
        (place.key_span, place.value) = (key_span, entry.value);
    } else {
        put(&mut place.value, rest, entry);
    }
}

/// A text under a key of a mapping.
pub(super) fn set_text(node: &mut Node, key: &str, text: &str) {
    let span = node.span;
    let value = Node { span, value: Value::String(text.to_owned()) };
    put(node, key, Entry { key: key.to_owned(), key_span: span, value });
}
