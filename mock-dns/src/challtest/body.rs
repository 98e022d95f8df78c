//! Request bodies of the management interface: JSON objects whose keys are compared without regard to
//! case, as Go reads them.

use serde_json::{Map, Value};

/// Why a request is refused with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadBody {
    #[error("expected a JSON object as the request body, it was empty")]
    Empty,
    #[error("expected a JSON object as the request body: {0}")]
    NoJson(String),
    #[error("expected a JSON object, found {0}")]
    NoObject(&'static str),
    #[error("{field}: expected {expected}, found {found}")]
    Type { field: String, expected: &'static str, found: &'static str },
    #[error("{0}: expected a value that is not empty")]
    Missing(&'static str),
    #[error("{field}: expected {expected}, found {found:?}")]
    Value { field: &'static str, expected: &'static str, found: String },
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// An object of a request.
#[derive(Debug, Default)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    /// Reads a request body. `null` is an object without fields, as in Go.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BadBody> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(BadBody::Empty);
        }
        match serde_json::from_slice(bytes).map_err(|e| BadBody::NoJson(e.to_string()))? {
            Value::Object(fields) => Ok(Body(fields)),
            Value::Null => Ok(Body::default()),
            other => Err(BadBody::NoObject(kind(&other))),
        }
    }

    /// The value of a field; `None` when it is absent or null. Of two spellings the last one counts.
    fn get(&self, field: &str) -> Option<&Value> {
        let found = self.0.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(field));
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    }

    fn wrong(field: &str, expected: &'static str, found: &Value) -> BadBody {
        BadBody::Type { field: field.to_owned(), expected, found: kind(found) }
    }

    /// A text, or `None`.
    pub(crate) fn optional(&self, field: &str) -> Result<Option<&str>, BadBody> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Self::wrong(field, "a string", other)),
        }
    }

    /// A text; empty when it is absent.
    pub(crate) fn text(&self, field: &str) -> Result<&str, BadBody> {
        self.optional(field).map(Option::unwrap_or_default)
    }

    /// A text that must be there and not be empty.
    pub(crate) fn required(&self, field: &'static str) -> Result<&str, BadBody> {
        self.text(field)
            .and_then(|text| if text.is_empty() { Err(BadBody::Missing(field)) } else { Ok(text) })
    }

    /// A list of texts that must be there and not be empty.
    pub(crate) fn texts(&self, field: &'static str) -> Result<Vec<&str>, BadBody> {
        let texts = self.list(field)?.iter().map(|value| match value {
            Value::String(text) => Ok(text.as_str()),
            other => Err(Self::wrong(field, "a list of strings", other)),
        });
        texts.collect()
    }

    /// A list of objects that must be there and not be empty.
    pub(crate) fn objects(&self, field: &'static str) -> Result<Vec<Body>, BadBody> {
        let objects = self.list(field)?.iter().map(|value| match value {
            Value::Object(fields) => Ok(Body(fields.clone())),
            other => Err(Self::wrong(field, "a list of objects", other)),
        });
        objects.collect()
    }

    fn list(&self, field: &'static str) -> Result<&[Value], BadBody> {
        match self.get(field) {
            None => Err(BadBody::Missing(field)),
            Some(Value::Array(list)) if list.is_empty() => Err(BadBody::Missing(field)),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(Self::wrong(field, "a list", other)),
        }
    }

    /// A whole number, or `None`.
    pub(crate) fn number(&self, field: &str) -> Result<Option<u64>, BadBody> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| Self::wrong(field, "a whole number", value))
    }

    /// A boolean; false when it is absent.
    pub(crate) fn flag(&self, field: &str) -> Result<bool, BadBody> {
        let Some(value) = self.get(field) else { return Ok(false) };
        value.as_bool().ok_or_else(|| Self::wrong(field, "a boolean", value))
    }

    /// What `read` makes of a text, or `None` when it is absent.
    pub(crate) fn parsed<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, BadBody> {
        let Some(text) = self.optional(field)? else { return Ok(None) };
        let bad = || BadBody::Value { field, expected, found: text.to_owned() };
        read(text).map(Some).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_no_case() {
        let body =
            Body::read(br#"{"HOST": "a", "Value": null, "targetURL": "u", "n": 3, "yes": true}"#).unwrap();
        assert_eq!((body.required("host"), body.text("value")), (Ok("a"), Ok("")));
        assert_eq!(body.text("targeturl"), Ok("u"));
        assert_eq!((body.number("N"), body.flag("YES"), body.flag("no")), (Ok(Some(3)), Ok(true), Ok(false)));
        assert_eq!(Body::read(br#"{"host": "a", "Host": "b"}"#).unwrap().text("host"), Ok("b"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |bytes: &[u8]| Body::read(bytes).unwrap_err().to_string();
        assert_eq!(said(b" "), "expected a JSON object as the request body, it was empty");
        assert_eq!(said(b"[]"), "expected a JSON object, found a list");
        assert!(said(b"{} x").starts_with("expected a JSON object as the request body: trailing"));
        let body = Body::read(br#"{"host": 5, "addresses": [], "policies": [1], "list": ["x"]}"#).unwrap();
        assert_eq!(body.text("host").unwrap_err().to_string(), "host: expected a string, found a number");
        assert_eq!(body.texts("addresses"), Err(BadBody::Missing("addresses")));
        assert!(body.objects("policies").is_err() && body.texts("policies").is_err());
        assert_eq!(body.texts("list"), Ok(vec!["x"]));
        assert_eq!(Body::read(b"null").unwrap().required("host"), Err(BadBody::Missing("host")));
    }
}
