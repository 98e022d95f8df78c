//! `--set path=value`: any knob of a script, by its path.
//!
//! The known paths are those of the script with all its defaults written out; elements of lists go by number.

use serde_json::Value;

use super::Scenario;
use super::load::nearest;

/// Why an override cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum OverrideError {
    /// It has no `=`.
    #[error("--set {0}: expected path=value")]
    Form(String),
    /// There is no such knob.
    #[error("--set {path}: there is no {path:?}")]
    #[diagnostic(help("{help}"))]
    Unknown {
        /// The path that was given.
        path: String,
        /// The nearest that there is.
        help: String,
    },
    /// The value does not fit.
    #[error("--set {path}={value}: {why}")]
    Value {
        /// Path.
        path: String,
        /// Value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Applies `path=value` overrides in order.
///
/// # Errors
/// [`OverrideError`] for the first that cannot be made.
pub fn apply(scenario: &Scenario, overrides: &[String]) -> Result<Scenario, OverrideError> {
    let mut scenario = scenario.clone();
    for text in overrides {
        scenario = apply_one(&scenario, text)?;
    }
    Ok(scenario)
}

fn apply_one(scenario: &Scenario, text: &str) -> Result<Scenario, OverrideError> {
    let (path, value) = text.split_once('=').ok_or_else(|| OverrideError::Form(text.to_owned()))?;
    let fails = |why: String| OverrideError::Value { path: path.to_owned(), value: value.to_owned(), why };
    let mut json = serde_json::to_value(scenario).map_err(|e| fails(e.to_string()))?;
    *slot(&mut json, path)? = parse(value).map_err(&fails)?;
    serde_json::from_value(json).map_err(|e| fails(e.to_string()))
}

/// The place that `path` names.
fn slot<'a>(root: &'a mut Value, path: &str) -> Result<&'a mut Value, OverrideError> {
    let mut known = Vec::new();
    paths(root, String::new(), &mut known);
    let mut at = root;
    for part in path.split('.') {
        let next = match at {
            Value::Object(members) => members.get_mut(part),
            Value::Array(items) => part.parse::<usize>().ok().and_then(|n| items.get_mut(n)),
            _ => None,
        };
        at = next.ok_or_else(|| {
            let near = nearest(path, known.iter().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean {near:?}?"),
                None => "`rehearse show NAME` prints all there is".to_owned(),
            };
            OverrideError::Unknown { path: path.to_owned(), help }
        })?;
    }
    Ok(at)
}

/// All paths below `value`.
fn paths(value: &Value, prefix: String, out: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        paths(child, path.clone(), out);
        out.push(path);
    }
}

/// A value as YAML would read it: `true`, `3`, `[1s, 2s]`, else text.
fn parse(text: &str) -> Result<Value, String> {
    if text.is_empty() {
        return Ok(Value::String(String::new()));
    }
    engine::manifest::yaml::from_str::<Value>("--set", text).map_err(|e| e.message().to_owned())
}
