//! The JSON Schemas of `scenario.yaml` and of the record of a run, made from the types that read them: so that editors
//! complete and check scripts, and so that others can read records.

mod trace;

use reports::RunRecord;
use serde_json::{Map, Value, json};

use crate::invariants::INVARIANTS;
use crate::script::Scenario;
use trace::{Shape, Shapes};

/// The schema (2020-12). A script with a `base` needs neither `clock` nor `until`.
pub fn scenario() -> Value {
    let shapes = trace::shapes::<Scenario>();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rehearse: scenario.yaml",
        "required": ["title", "source", "cause"],
        "anyOf": [{ "required": ["base"] }, { "required": ["clock", "until"] }],
    });
    if let (Value::Object(schema), Value::Object(of_type)) = (&mut schema, of(&shapes, "")) {
        schema.extend(of_type);
    }
    let names: Vec<&str> = INVARIANTS.iter().map(|known| known.name).collect();
    if let Some(breaks) = schema.pointer_mut("/properties/expect/properties/breaks/items") {
        *breaks = json!({ "enum": names });
    }
    schema
}

/// The schema (2020-12) of the record of a run, of version [`reports::SCHEMA`].
pub fn record() -> Value {
    let shapes = trace::shapes::<RunRecord>();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rehearse: the record of a run",
    });
    if let (Value::Object(schema), Value::Object(of_type)) = (&mut schema, of(&shapes, "")) {
        schema.extend(of_type);
    }
    if let Some(version) = schema.pointer_mut("/properties/schema") {
        *version = json!({ "const": reports::SCHEMA });
    }
    // An enum with its tag inside is read as anything, and sorted out later.
    if let Some(outcome) = schema.pointer_mut("/properties/outcome") {
        let form = |kind: &str, name: &str, value: Value| {
            json!({
                "type": "object",
                "properties": { "kind": { "const": kind }, name: value },
                "required": ["kind", name],
                "additionalProperties": false,
            })
        };
        let text = || json!({ "type": ["string", "null"] });
        let difference = json!({
            "type": "object",
            "properties": { "what": { "type": "string" }, "expected": text(), "actual": text() },
            "required": ["what", "expected", "actual"],
            "additionalProperties": false,
        });
        *outcome = json!({ "anyOf": [
            { "type": "object", "properties": { "kind": { "const": "passed" } }, "required": ["kind"] },
            form("differs", "differences", json!({ "type": "array", "items": difference })),
            form("stopped", "report", json!({ "type": "string" })),
        ] });
    }
    schema
}

/// The schema of a place. Anything may be null, which is not there.
fn of(shapes: &Shapes, path: &str) -> Value {
    let Some(shape) = shapes.get(path) else { return json!({}) };
    let below = |name: &str| of(shapes, &format!("{path}/{name}"));
    match shape {
        Shape::Bool => json!({ "type": ["boolean", "null"] }),
        Shape::Integer => json!({ "type": ["integer", "null"] }),
        Shape::Number => json!({ "type": ["number", "null"] }),
        // A number without a unit is read where a text is expected, too: YAML has no quotes around it.
        Shape::Text => json!({ "type": ["string", "number", "null"] }),
        Shape::Any(words) => json!({ "description": words }),
        Shape::List => json!({ "type": ["array", "null"], "items": below("*") }),
        Shape::Map => json!({ "type": ["object", "null"], "additionalProperties": below("*") }),
        Shape::Struct(fields) => {
            let properties: Map<String, Value> =
                fields.iter().map(|field| ((*field).to_owned(), below(field))).collect();
            json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false })
        }
        Shape::Enum(variants) => {
            let has = |variant: &&&str| shapes.contains_key(&format!("{path}/{variant}"));
            let (with, alone): (Vec<&&str>, Vec<&&str>) = variants.iter().partition(has);
            let mut forms = Vec::new();
            if !alone.is_empty() {
                forms.push(json!({ "enum": alone }));
            }
            forms.extend(with.into_iter().map(|variant| {
                json!({
                    "type": "object",
                    "properties": { *variant: below(variant) },
                    "required": [variant],
                    "additionalProperties": false,
                })
            }));
            match forms.len() {
                1 => forms.remove(0),
                _ => json!({ "anyOf": forms }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Outer {
        number: u32,
        list: Vec<Inner>,
        map: BTreeMap<String, Option<bool>>,
        one: Choice,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape counts")]
    struct Inner {
        #[serde(with = "world::duration::one")]
        time: std::time::Duration,
        text: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its shape counts")]
    enum Choice {
        Plain,
        Other,
        Number(u64),
        With { text: String },
    }

    #[test]
    fn every_place_of_a_type_is_found_past_what_it_refuses() {
        let shapes = trace::shapes::<Outer>();
        let paths: Vec<&str> = shapes.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            [
                "",
                "/list",
                "/list/*",
                "/list/*/text",
                "/list/*/time",
                "/map",
                "/map/*",
                "/number",
                "/one",
                "/one/number",
                "/one/with",
                "/one/with/text"
            ]
        );
        assert_eq!(shapes["/one"], Shape::Enum(&["plain", "other", "number", "with"]));
        assert_eq!(of(&shapes, "/one")["anyOf"][0], json!({ "enum": ["plain", "other"] }));
    }
}
