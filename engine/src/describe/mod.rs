//! An object and its events as `kubectl describe` prints them.
//!
//! kubectl knows some kinds by name and prints all others in one general form, field by field. Of those that it knows
//! only Secret is done as it does; pods, services and ingresses come in the general form here.

mod age;
mod labels;
mod tabs;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};
use world::Timestamp;

use crate::api::{Event, Object, ObjectMeta, Secret};

/// A longer annotation is put on a line of its own, and cut.
const ANNOTATION_MAX: usize = 140;
/// What `kubectl apply` remembers in is not shown.
const HIDDEN_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Metadata that the head shows, or nobody wants to see.
const HIDDEN_METADATA: [&str; 5] = ["managedFields", "name", "namespace", "labels", "annotations"];

/// Describes `object` at `now`. Of `events` those about it are shown.
pub fn describe<'a>(object: &Object, events: impl IntoIterator<Item = &'a Event>, now: Timestamp) -> String {
    let mut text = String::new();
    head(&mut text, object.meta());
    match object.get::<Secret>() {
        Some(secret) => data(&mut text, secret),
        None => {
            if let Value::Object(mut content) = object.to_json() {
                if let Some(Value::Object(metadata)) = content.get_mut("metadata") {
                    metadata.retain(|field, _| !HIDDEN_METADATA.contains(&field.as_str()));
                }
                fields(&mut text, 0, &content);
            }
            table(&mut text, object, events, now);
        }
    }
    tabs::align(&text)
}

/// Name, namespace, labels, annotations.
fn head(text: &mut String, meta: &ObjectMeta) {
    line(text, 0, &format!("Name:\t{}", meta.name));
    line(text, 0, &format!("Namespace:\t{}", meta.namespace));
    text.push_str("Labels:\t");
    let labels: Vec<_> = meta.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    list(text, &labels);
    text.push_str("Annotations:\t");
    let shown: BTreeMap<_, _> =
        meta.annotations.iter().filter(|(key, _)| *key != HIDDEN_ANNOTATION).collect();
    list(text, &shown.into_iter().map(|(key, value)| annotation(key, value)).collect::<Vec<_>>());
}

/// Entries below each other in the second column.
fn list(text: &mut String, entries: &[String]) {
    let all = if entries.is_empty() { "<none>".to_owned() } else { entries.join("\n\t") };
    line(text, 0, &all);
}

fn annotation(key: &str, value: &str) -> String {
    let value = value.strip_suffix('\n').unwrap_or(value);
    if value.len() + key.len() + 2 <= ANNOTATION_MAX && !value.contains('\n') {
        return format!("{key}: {value}");
    }
    let mut out = format!("{key}:");
    for one in value.split('\n') {
        let cut: String = one.chars().take(ANNOTATION_MAX - 2).collect();
        let more = if cut.len() < one.len() { "..." } else { "" };
        let _ = write!(out, "\n\t  {cut}{more}");
    }
    out
}

/// A Secret's data: names and sizes.
fn data(text: &mut String, secret: &Secret) {
    let type_ = if secret.type_.is_empty() { "Opaque" } else { &secret.type_ };
    line(text, 0, &format!("\nType:\t{type_}"));
    line(text, 0, "\nData\n====");
    for (key, value) in &secret.data {
        line(text, 0, &format!("{key}:\t{} bytes", value.as_slice().len()));
    }
}

/// Any object, field by field in the order of their names.
fn fields(text: &mut String, level: usize, content: &Map<String, Value>) {
    let sorted: BTreeMap<_, _> = content.iter().collect();
    for (field, value) in sorted {
        let label = labels::label(field);
        match value {
            Value::Object(inner) => {
                line(text, level, &format!("{label}:"));
                fields(text, level + 1, inner);
            }
            Value::Array(items) => {
                line(text, level, &format!("{label}:"));
                for item in items {
                    match item {
                        Value::Object(inner) => fields(text, level + 1, inner),
                        other => line(text, level + 1, &plain(other)),
                    }
                }
            }
            other => line(text, level, &format!("{label}:\t{}", plain(other))),
        }
    }
}

/// A value as Go's `%v` prints it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The table of events, oldest first.
fn table<'a>(
    text: &mut String,
    object: &Object,
    events: impl IntoIterator<Item = &'a Event>,
    now: Timestamp,
) {
    let (kind, meta) = (object.kind(), object.meta());
    let about = |event: &&Event| {
        let other = &event.involved_object;
        other.kind == kind.as_str()
            && other.name == meta.name
            && other.namespace == meta.namespace
            && other.uid == meta.uid
    };
    let mut events: Vec<&Event> = events.into_iter().filter(about).collect();
    if events.is_empty() {
        return line(text, 0, "Events:\t<none>");
    }
    events.sort_by_key(|event| event.last_timestamp.map(|t| t.timestamp()));
    // kubectl flushes its columns here.
    line(text, 0, "Events:\n  Type\tReason\tAge\tFrom\tMessage");
    line(text, 1, "----\t------\t----\t----\t-------");
    for event in events {
        let since = |t: Option<crate::api::Time>| {
            t.map_or_else(|| "<unknown>".to_owned(), |t| age::age(t.timestamp(), now))
        };
        let first = since(event.first_timestamp);
        let when = if event.count > 1 {
            format!("{} (x{} over {first})", since(event.last_timestamp), event.count)
        } else {
            first
        };
        let from = match event.source.component.as_str() {
            "" => &event.reporting_component,
            component => component,
        };
        let row = format!("{}\t{}\t{when}\t{from}\t{}", event.type_, event.reason, event.message.trim());
        line(text, 1, &row);
    }
}

fn line(text: &mut String, level: usize, content: &str) {
    text.push_str(&"  ".repeat(level));
    text.push_str(content);
    text.push('\n');
}

#[cfg(test)]
mod tests;
