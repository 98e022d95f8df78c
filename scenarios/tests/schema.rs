//! The JSON Schema in the repository is the one of the types, and takes every script of the library.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use crate::common::library;
use scenarios::runner::{self, Options};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scenario.schema.json");

fn schema() -> Value {
    serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap()
}

#[test]
fn the_file_is_the_schema_of_the_types() {
    let hint = "rehearse schema > scenarios/scenario.schema.json";
    assert_eq!(
        std::fs::read_to_string(FILE).unwrap(),
        format!("{:#}\n", scenarios::schema::scenario()),
        "{hint}"
    );
}

/// The schema of records is the one of the types, and takes a record.
#[test]
fn the_schema_of_records_takes_them() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../reports/record.schema.json");
    let hint = "rehearse schema record > reports/record.schema.json";
    let text = std::fs::read_to_string(file).unwrap();
    assert_eq!(text, format!("{:#}\n", scenarios::schema::record()), "{hint}");
    let schema: Value = serde_json::from_str(&text).unwrap();
    let options = Options { whole_record: true, ..Options::default() };
    for name in ["healthy-http01", "txt-record-late-on-one-nameserver"] {
        let record = runner::run_whole(&library().load(name).unwrap(), &options).unwrap().record;
        assert!(record.events.len() > 20 && record.writes.len() > 20 && record.story.len() > 5, "{name}");
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(violation(&schema, &json, ""), None);
        let mut wrong = json.clone();
        wrong["events"][3]["lane"] = json!(true);
        assert!(violation(&schema, &wrong, "").is_some(), "the schema says something");
    }
}

/// What of the schema a value breaks, by the keywords that the schema has.
fn violation(schema: &Value, value: &Value, path: &str) -> Option<String> {
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |type_: &&str| match value {
        Value::Null => *type_ == "null",
        Value::Bool(_) => *type_ == "boolean",
        Value::Number(n) => *type_ == "number" || *type_ == "integer" && !n.is_f64(),
        Value::String(_) => *type_ == "string",
        Value::Array(_) => *type_ == "array",
        Value::Object(_) => *type_ == "object",
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Some(format!("{path}: {value} is none of {types:?}"));
    }
    if let Some(wanted) = schema.get("const").filter(|wanted| *wanted != value) {
        return Some(format!("{path}: {value} is not {wanted}"));
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| !values.contains(value)) {
        return Some(format!("{path}: {value} is none of {values:?}"));
    }
    if let Some(forms) = schema["anyOf"].as_array() {
        let broken: Vec<String> = forms.iter().filter_map(|form| violation(form, value, path)).collect();
        if broken.len() == forms.len() {
            return Some(broken.join("; "));
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.filter(|_| value.is_object()).find(|name| value.get(name).is_none()) {
        return Some(format!("{path}: {missing} is missing"));
    }
    if let Value::Array(items) = value {
        let broken = |(n, item)| violation(&schema["items"], item, &format!("{path}[{n}]"));
        return items.iter().enumerate().find_map(broken);
    }
    let Value::Object(fields) = value else { return None };
    fields.iter().find_map(|(name, field)| {
        let path = format!("{path}.{name}");
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => Some(format!("{path}: is not known")),
            (Value::Null, other) => violation(other, field, &path),
            (known, _) => violation(known, field, &path),
        }
    })
}

fn read(folder: &Path, name: &str) -> Value {
    let path = folder.join(name).join("scenario.yaml");
    engine::manifest::yaml::from_str(name, &std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_script_of_the_library_fits() {
    let (library, schema) = (library(), schema());
    let broken = |name: &String| {
        let why = violation(&schema, &read(library.folder(), name), "")?;
        Some(format!("{name}{why}"))
    };
    let broken: Vec<String> = library.names().iter().filter_map(broken).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn mistakes_do_not_fit() {
    let (library, schema) = (library(), schema());
    let good = read(library.folder(), "healthy-http01");
    assert_eq!(violation(&schema, &good, ""), None);
    for (path, wrong, why) in [
        ("/title", json!(["x"]), "title"),
        ("/cluster/ingress/hosts", json!("nginx"), "is not known"),
        ("/cluster/ingress/behaviour", json!("apache"), "is none of"),
        ("/links/0/port", json!("http"), "links[0].port"),
        ("/ca/config/caa", json!("yes"), "caa"),
        ("/expect/breaks", json!(["nothing"]), "breaks[0]"),
        ("/links/0/verdict", json!({ "resetsAfter": 3 }), "verdict"),
    ] {
        let mut bad = good.clone();
        let (parent, key) = path.rsplit_once('/').unwrap();
        bad.pointer_mut(parent).unwrap()[key] = wrong;
        let found = violation(&schema, &bad, "").unwrap_or_else(|| panic!("{path} fits"));
        assert!(found.contains(why), "{path}: {found}");
    }
    let mut without = good;
    without.as_object_mut().unwrap().remove("clock");
    assert!(violation(&schema, &without, "").is_some(), "without a base it has to say when");
}
