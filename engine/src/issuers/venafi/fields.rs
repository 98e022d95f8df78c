//! Custom fields: what the annotation `venafi.cert-manager.io/custom-fields` adds to a request.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct CustomField {
    /// Its type; empty: `Plain`, which is all that there is.
    #[serde(rename = "type")]
    pub(crate) type_: String,
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

/// The fields in an annotation.
///
/// # Errors
/// Why it is no list of fields.
pub(crate) fn parse(annotation: &str) -> Result<Vec<CustomField>, String> {
    serde_json::from_str(annotation).map_err(|error| error.to_string())
}

/// The issuer's fields with the request's in place of those of the same name, by name.
pub(crate) fn merge(issuer: Vec<CustomField>, request: Vec<CustomField>) -> Vec<CustomField> {
    let named = issuer.into_iter().chain(request).map(|field| (field.name.clone(), field));
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// The first type that is not known.
pub(super) fn unknown_type(fields: &[CustomField]) -> Option<&str> {
    fields.iter().map(|field| field.type_.as_str()).find(|type_| !matches!(*type_, "" | "Plain"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_requests_fields_take_the_place_of_the_issuers() {
        let of = |text: &str| parse(text).unwrap();
        let issuer = of(r#"[{"name":"b","value":"1"},{"name":"a","value":"1"}]"#);
        let merged = merge(issuer, of(r#"[{"name":"b","value":"2","type":"Plain"}]"#));
        let values: Vec<_> = merged.iter().map(|f| (f.name.as_str(), f.value.as_str())).collect();
        assert_eq!(values, [("a", "1"), ("b", "2")]);
        assert_eq!(unknown_type(&merged), None);
        assert_eq!(unknown_type(&of(r#"[{"name":"x","type":"Bool"}]"#)), Some("Bool"));
        assert!(parse("{").is_err());
    }
}
