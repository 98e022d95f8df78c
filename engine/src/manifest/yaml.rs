//! Reading any structure from YAML, with the errors of the manifest loader.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Server { port: u16 }
//!
//! let server: Server = engine::manifest::yaml::from_str("server.yaml", "port: 53").unwrap();
//! assert_eq!(server.port, 53);
//!
//! let error = engine::manifest::yaml::from_str::<Server>("server.yaml", "prot: 53").err().unwrap();
//! assert_eq!(error.to_string(), r#"strict decoding error: unknown field "prot""#);
//! assert_eq!(error.advice(), Some("did you mean `port`?"));
//! ```

use serde::de::DeserializeOwned;

use super::de::{DeError, NodeDeserializer, Problem};
use super::error::ManifestError;
use super::source::{Source, Span};
use super::suggest::{advice, nearest};
use super::tree::{self, Node};

/// Reads the only document of a text.
///
/// # Errors
/// When the text is not YAML, has no or several documents, or does not fit `T`.
pub fn from_str<T: DeserializeOwned>(source_name: &str, text: &str) -> Result<T, ManifestError> {
    let source = Source::new(source_name, text);
    match tree::parse(&source)?.as_slice() {
        [document] => from_tree(&source, document),
        [] => Err(source.error(Span::default(), "the document is empty")),
        [_, second, ..] => {
            let message = "expected one document, but there is another one";
            Err(source.error(second.first_place(), message).with_label("starts here"))
        }
    }
}

/// Reads a node of a text.
///
/// # Errors
/// When it does not fit `T`.
pub fn from_tree<T: DeserializeOwned>(source: &Source, node: &Node) -> Result<T, ManifestError> {
    T::deserialize(NodeDeserializer::new(node)).map_err(|error| explain(source, node, error))
}

/// The error in the words of the Kubernetes API server.
pub(super) fn explain(source: &Source, node: &Node, error: DeError) -> ManifestError {
    let mismatch = error.into_mismatch();
    let span = mismatch.span.unwrap_or_else(|| node.first_place());
    let path = mismatch.path();
    let found = mismatch.found.as_deref();
    match &mismatch.problem {
        Problem::UnknownField { field, known } => source
            .error(span, format!("strict decoding error: unknown field {:?}", join(&path, field)))
            .with_label("unknown field")
            .with_help_if(advice(field, known)),
        Problem::MissingField(field) => source
            .error(span, format!("{}: Required value", join(&path, field)))
            .with_label(format!("`{field}` is missing here")),
        Problem::WrongType { found: type_name, expected } => source
            .error(
                span,
                invalid(&path, Some(&format!("{type_name:?}")), &{
                    let place = if path.is_empty() { "the document" } else { &path };
                    format!("{place} in body must be of type {expected}: {type_name:?}")
                }),
            )
            .with_label(format!("{}, but {} is expected", with_article(type_name), with_article(expected)))
            .with_help_if(type_advice(source, span, type_name, expected)),
        Problem::UnknownVariant { known } => {
            let quoted: Vec<String> = known.iter().map(|known| format!("{known:?}")).collect();
            let value = found.unwrap_or("null");
            let near = nearest(value.trim_matches('"'), known);
            source
                .error(
                    span,
                    prefixed(
                        &path,
                        &format!("Unsupported value: {value}: supported values: {}", quoted.join(", ")),
                    ),
                )
                .with_label("not supported")
                .with_help_if(near.map(|near| format!("did you mean `{near}`?")))
        }
        Problem::Other(message) => source
            .error(span, invalid(&path, found, message))
            .with_label("invalid")
            .with_help_if(other_advice(message)),
    }
}

/// `path: Invalid value: found: message`
fn invalid(path: &str, found: Option<&str>, message: &str) -> String {
    match found {
        Some(found) => prefixed(path, &format!("Invalid value: {found}: {message}")),
        None => prefixed(path, &format!("Invalid value: {message}")),
    }
}

fn prefixed(path: &str, message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") }
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

/// `a string`, `an array`; a phrase that has its article already stays as it is.
fn with_article(noun: &str) -> String {
    let article = match noun {
        "null" => "",
        noun if noun.contains(' ') => "",
        noun if noun.starts_with(['a', 'e', 'i', 'o', 'u']) => "an ",
        _ => "a ",
    };
    format!("{article}{noun}")
}

/// How to write a value so that it has the right type.
fn type_advice(source: &Source, span: Span, found: &str, expected: &str) -> Option<String> {
    let text = source.slice(span);
    match (found, expected) {
        ("boolean" | "integer" | "number", "string") => Some(format!("put it in quotes: \"{text}\"")),
        ("string", "integer" | "number" | "boolean") => {
            let bare = text.trim_matches(['"', '\'']);
            let fits = match expected {
                "boolean" => matches!(bare, "true" | "false"),
                _ => bare.parse::<f64>().is_ok(),
            };
            fits.then(|| format!("write it without quotes: {bare}"))
        }
        ("string" | "integer" | "boolean" | "number", "array") => {
            Some(format!("write it as a list: [{text}]"))
        }
        _ => None,
    }
}

/// How to avoid some well-known mistakes.
fn other_advice(message: &str) -> Option<String> {
    message
        .starts_with("time: unknown unit")
        .then(|| "the units are ns, us, ms, s, m and h: 90 days are 2160h".to_owned())
        .or_else(|| {
            message.starts_with("time: missing unit").then(|| "add a unit: ns, us, ms, s, m or h".to_owned())
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Script {
        name: String,
        #[serde(default)]
        ratio: Option<f64>,
        steps: Vec<Step>,
        #[serde(default)]
        knobs: BTreeMap<String, serde_json::Value>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    enum Step {
        Restart,
        Wait(String),
        Fault {
            host: String,
            #[serde(default)]
            times: u8,
        },
    }

    fn read(text: &str) -> Result<Script, String> {
        from_str("script.yaml", text).map_err(|error| {
            let (_, line, column) = error.location();
            format!("{line}:{column}: {error}")
        })
    }

    #[test]
    fn structures_and_variants_are_read() {
        let text = "name: demo\nratio: 1\nsteps: [restart, {wait: 5s}, fault: {host: ca}]\nknobs: {a: [1, x, {b: ~}]}";
        let script = read(text).unwrap();
        assert_eq!(script.ratio, Some(1.0));
        let fault = Step::Fault { host: "ca".into(), times: 0 };
        assert_eq!(script.steps, [Step::Restart, Step::Wait("5s".into()), fault]);
        assert_eq!(script.knobs["a"].to_string(), r#"[1,"x",{"b":null}]"#);
    }

    #[test]
    fn errors_name_the_path_and_the_place() {
        for (steps, error) in [
            ("- fault: {hots: ca}", r#"2:11: strict decoding error: unknown field "steps[0].fault.hots""#),
            ("- fault: {times: 1}", "2:3: steps[0].fault.host: Required value"),
            (
                "- fault: {host: a, times: 300}",
                "2:27: steps[0].fault.times: Invalid value: 300: must be an integer of 8 bits, not negative",
            ),
            (
                "- restrat",
                r#"2:3: steps[0]: Unsupported value: "restrat": supported values: "restart", "wait", "fault""#,
            ),
            (
                "- pause: 1",
                r#"2:3: steps[0]: Unsupported value: "pause": supported values: "restart", "wait", "fault""#,
            ),
            ("- {restart: 1}", "2:13: steps[0].restart: Invalid value: 1: takes no value"),
            (
                "- wait: [5s]",
                r#"2:3: steps[0].wait: Invalid value: "array": steps[0].wait in body must be of type string: "array""#,
            ),
            (
                "- fault",
                r#"2:3: steps[0]: Invalid value: "string": steps[0] in body must be of type an object with one key: "string""#,
            ),
            (
                "- 7",
                r#"2:3: steps[0]: Invalid value: "integer": steps[0] in body must be of type string: "integer""#,
            ),
            (
                "- {restart: ~, wait: x}",
                "2:4: steps[0]: Invalid value: invalid length 2, expected exactly one key",
            ),
        ] {
            assert_eq!(read(&format!("steps:\n{steps}\nname: demo")), Err(error.to_owned()), "{steps}");
        }
    }

    #[test]
    fn a_text_has_one_document() {
        assert_eq!(read(""), Err("1:1: the document is empty".to_owned()));
        assert_eq!(
            read("a: 1\n---\nb: 1"),
            Err("3:1: expected one document, but there is another one".to_owned())
        );
        assert_eq!(read("steps: []"), Err("1:1: name: Required value".to_owned()));
        let error = r#"1:1: Invalid value: "string": the document in body must be of type object: "string""#;
        assert_eq!(read("text"), Err(error.to_owned()));
    }
}
