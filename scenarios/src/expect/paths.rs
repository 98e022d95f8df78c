//! Fields of objects, by path, and whether they are as a script says.

use std::collections::BTreeMap;

use engine::api::{Kind, Object};
use serde_json::Value;

/// The value at `a.b.0.c`. An item of a list goes by its number, or by its `type` or `name`. A key with points in it is
/// found, too.
pub(crate) fn at<'a>(json: &'a Value, path: &str) -> Option<&'a Value> {
    let (part, rest) = path.split_once('.').map_or((path, None), |(part, rest)| (part, Some(rest)));
    if let (Value::Object(fields), Some(_)) = (json, rest)
        && let Some(value) = fields.get(path)
    {
        return Some(value);
    }
    let value = match json {
        Value::Array(items) => match part.parse::<usize>() {
            Ok(n) => items.get(n),
            Err(_) => {
                items.iter().find(|item| item.get("type").or(item.get("name")).is_some_and(|v| v == part))
            }
        },
        other => other.get(part),
    };
    match (value, rest) {
        (Some(value), Some(rest)) => at(value, rest),
        (value, None) => value,
        (None, Some(_)) => None,
    }
}

/// Whether a value is the wanted one: in a text, `*` is anything; null is what is not there.
pub(crate) fn fits(found: Option<&Value>, wanted: &Value) -> bool {
    match (found, wanted) {
        (None, Value::Null) => true,
        (Some(Value::String(found)), Value::String(wanted)) => text_fits(found, wanted),
        (Some(found), wanted) => found == wanted,
        (None, _) => false,
    }
}

/// Whether a text is the pattern, in which `*` is anything.
pub(crate) fn text_fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    let mut rest = rest;
    for part in middle {
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A kind, and a namespace and name, the latter perhaps with a `*` at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Subject {
    /// Reads `Kind namespace/name`; `None` when there is no such kind.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, "*"));
        let kind: Kind = kind.parse().ok()?;
        let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
        Some(Subject { kind, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    pub(crate) fn fits(&self, object: &Object) -> bool {
        let meta = object.meta();
        object.kind() == self.kind
            && text_fits(&meta.namespace, if self.namespace.is_empty() { "*" } else { &self.namespace })
            && text_fits(&meta.name, &self.name)
    }
}

/// Whether an object has all these fields.
pub(crate) fn is_so(object: &Object, is: &BTreeMap<String, Value>) -> bool {
    if is.is_empty() {
        return true;
    }
    let json = object.to_json();
    is.iter().all(|(path, wanted)| fits(at(&json, path), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_path() {
        let json: Value = serde_json::from_str(
            r#"{"a":[{"b":1}],"conditions":[{"type":"Ready","status":"True"}],"data":{"tls.crt":"x"}}"#,
        )
        .unwrap();
        assert_eq!(at(&json, "a.0.b"), Some(&Value::from(1)));
        assert_eq!(at(&json, "a.1.b"), None);
        assert_eq!(at(&json, "conditions.Ready.status"), Some(&Value::from("True")));
        assert_eq!(at(&json, "conditions.Issuing.status"), None);
        assert_eq!(at(&json, "data.tls.crt"), Some(&Value::from("x")));
    }

    #[test]
    fn a_star_is_anything() {
        for (text, pattern, fit) in [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "a*c", true),
            ("abcabc", "*b*b*", true),
            ("abc", "*b*b*", false),
            ("ab", "ab*b", false),
            ("", "*", true),
        ] {
            assert_eq!(text_fits(text, pattern), fit, "{text} {pattern}");
        }
    }
}
