//! Metadata: names, namespaces, labels, annotations, owners.

use std::collections::BTreeMap;

use super::super::{Kind, ObjectMeta};
use super::field::{Errors, Path};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
    alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
    validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and \
    end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const ANNOTATIONS_BYTES: usize = 256 * 1024;

/// Checks the metadata of an object.
pub(super) fn object_meta(kind: Kind, meta: &ObjectMeta, errors: &mut Errors) {
    let path = Path::root("metadata");
    let name_error = if super::has_label_names(kind) { label_1035_error } else { subdomain_error };
    if !meta.generate_name.is_empty() {
        let stem = meta.generate_name.strip_suffix('-').unwrap_or(&meta.generate_name);
        if let Some(detail) = name_error(stem) {
            errors.invalid(path.child("generateName"), &meta.generate_name, detail);
        }
    }
    if meta.name.is_empty() {
        if meta.generate_name.is_empty() {
            errors.required(path.child("name"), "name or generateName is required");
        }
    } else if let Some(detail) = name_error(&meta.name) {
        errors.invalid(path.child("name"), &meta.name, detail);
    }
    match (kind.is_namespaced(), meta.namespace.as_str()) {
        (true, "") => errors.required(path.child("namespace"), ""),
        (true, namespace) => {
            if let Some(detail) = label_error(namespace) {
                errors.invalid(path.child("namespace"), namespace, detail);
            }
        }
        (false, "") => {}
        (false, _) => errors.forbidden(path.child("namespace"), "not allowed on this type"),
    }
    labels(&meta.labels, &path.child("labels"), errors);
    annotations(&meta.annotations, &path.child("annotations"), errors);
    owners(meta, &path.child("ownerReferences"), errors);
}

/// Checks labels.
pub(super) fn labels(labels: &BTreeMap<String, String>, path: &Path, errors: &mut Errors) {
    for (key, value) in labels {
        if let Some(detail) = qualified_name_error(key) {
            errors.invalid(path.key(key), key, detail);
        }
        if value.len() > 63 {
            errors.invalid(path.key(key), value, "must be no more than 63 characters");
        } else if !value.is_empty() && !is_name_part(value) {
            errors.invalid(path.key(key), value, LABEL_VALUE);
        }
    }
}

/// Checks annotations.
pub(super) fn annotations(annotations: &BTreeMap<String, String>, path: &Path, errors: &mut Errors) {
    for key in annotations.keys() {
        if let Some(detail) = qualified_name_error(&key.to_lowercase()) {
            errors.invalid(path.key(key), key, detail);
        }
    }
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size > ANNOTATIONS_BYTES {
        errors.invalid_value(path.clone(), size, "annotations may not be more than 262144 bytes in total");
    }
}

/// Checks owner references. That they have no uid is let pass: manifests taken from a cluster are often
/// published without theirs.
fn owners(meta: &ObjectMeta, path: &Path, errors: &mut Errors) {
    for (index, owner) in meta.owner_references.iter().enumerate() {
        let path = path.index(index);
        if owner.api_version.is_empty() {
            errors.invalid(path.child("apiVersion"), "", "version must not be empty");
        }
        if owner.kind.is_empty() {
            errors.invalid(path.child("kind"), "", "must not be empty");
        }
        if owner.name.is_empty() {
            errors.invalid(path.child("name"), "", "must not be empty");
        }
    }
    let mut controllers =
        meta.owner_references.iter().enumerate().filter(|(_, owner)| owner.controller == Some(true));
    if let (Some((_, first)), Some((index, second))) = (controllers.next(), controllers.next()) {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {} and {}",
            first.name, second.name
        );
        errors.invalid(path.index(index).child("controller"), "true", &detail);
    }
}

/// Why a text is not a DNS subdomain.
pub(super) fn subdomain_error(text: &str) -> Option<&'static str> {
    if text.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    (!text.split('.').all(is_label)).then_some(SUBDOMAIN)
}

/// Why a text is not a DNS label.
fn label_error(text: &str) -> Option<&'static str> {
    if text.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    (!is_label(text)).then_some(LABEL)
}

/// Why a text is not a DNS label that starts with a letter.
fn label_1035_error(text: &str) -> Option<&'static str> {
    if text.len() > 63 {
        return Some("must be no more than 63 characters");
    }
    (!is_label(text) || text.starts_with(|c: char| c.is_ascii_digit())).then_some(LABEL_1035)
}

/// Why a text is not a name with an optional prefix, such as `app.kubernetes.io/name`.
fn qualified_name_error(text: &str) -> Option<&'static str> {
    let name = match text.split_once('/') {
        Some(("", _)) => return Some("prefix part must be non-empty"),
        Some((prefix, name)) => {
            if let Some(detail) = subdomain_error(prefix) {
                return Some(detail);
            }
            name
        }
        None => text,
    };
    if name.is_empty() {
        return Some("name part must be non-empty");
    }
    if name.len() > 63 {
        return Some("name part must be no more than 63 characters");
    }
    (!is_name_part(name)).then_some(QUALIFIED_NAME)
}

/// `[a-z0-9]([-a-z0-9]*[a-z0-9])?`
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// `([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]`
fn is_name_part(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: char| c.is_ascii_alphanumeric();
    text.chars().all(inner) && text.starts_with(outer) && text.ends_with(outer)
}
