//! Reading manifests as `kubectl apply` does, with strict validation.
//!
//! [`load`] takes the text of a file with any number of documents and lists and gives the objects, or one error
//! that points at its cause. The texts of errors are those of `kubectl` and the API server. The same machinery
//! reads any other structure: see [`yaml`].

mod de;
mod error;
mod scalar;
mod source;
mod suggest;
mod syntax;
pub mod tree;
pub mod yaml;

pub use error::ManifestError;
pub use source::{Source, Span};

use crate::api::{FieldError, Kind, Object, validate};
use de::NodeDeserializer;
use tree::{Node, Value};

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// The keys that say what an object is.
const TYPE_META: &[&str] = &["apiVersion", "kind"];

/// The objects of a manifest, in the order of the text, decoded strictly and validated.
///
/// As with `kubectl`, an object without a namespace goes to `default`, and the namespace of a cluster-scoped
/// object is ignored.
///
/// # Errors
/// The first thing that is wrong: syntax, an unknown kind or field, a value of the wrong type, or all that the API
/// server's validation says about one object.
pub fn load(source_name: &str, text: &str) -> Result<Vec<Object>, ManifestError> {
    let source = Source::new(source_name, text);
    let mut objects = Vec::new();
    for document in tree::parse(&source)? {
        load_document(&source, &document, &mut objects)?;
    }
    Ok(objects)
}

/// The objects of one document: itself, or the items of a list.
fn load_document(source: &Source, node: &Node, objects: &mut Vec<Object>) -> Result<(), ManifestError> {
    if !matches!(node.value, Value::Mapping(_)) {
        let message = format!("a manifest must be of type object: {:?}", node.type_name());
        return Err(source.error(node.first_place(), message).with_label("not an object"));
    }
    let api_version = type_meta(source, node, "apiVersion")?;
    let kind = type_meta(source, node, "kind")?;
    if kind.text == "List" && api_version.text == "v1" {
        return load_list(source, node, objects);
    }
    let kind = find_kind(source, &api_version, &kind)?;
    let object = Object::deserialize_as(kind, NodeDeserializer::without(node, TYPE_META))
        .map_err(|error| yaml::explain(source, node, error))?;
    let object = object.with_meta(|meta| match (kind.is_namespaced(), meta.namespace.is_empty()) {
        (true, true) => meta.namespace = DEFAULT_NAMESPACE.to_owned(),
        (false, false) => meta.namespace.clear(),
        _ => {}
    });
    if object.meta().name.is_empty() && object.meta().generate_name.is_empty() {
        return Err(source
            .error(node.locate("metadata.name"), "resource name may not be empty")
            .with_label("`metadata.name` is missing here"));
    }
    match validate(&object).as_slice() {
        [] => objects.push(object),
        errors => return Err(invalid(source, node, &object, errors)),
    }
    Ok(())
}

/// The objects of a `v1` List.
fn load_list(source: &Source, node: &Node, objects: &mut Vec<Object>) -> Result<(), ManifestError> {
    const KNOWN: &[&str] = &["apiVersion", "kind", "metadata", "items"];
    if let Value::Mapping(entries) = &node.value
        && let Some(entry) = entries.iter().find(|entry| !KNOWN.contains(&entry.key.as_str()))
    {
        return Err(source
            .error(entry.key_span, format!("strict decoding error: unknown field {:?}", entry.key))
            .with_label("unknown field")
            .with_help_if(suggest::advice(&entry.key, KNOWN)));
    }
    match node.entry("items").map(|entry| (entry.key_span, &entry.value.value)) {
        None | Some((_, Value::Null)) => {}
        Some((_, Value::Sequence(items))) => {
            for item in items {
                load_document(source, item, objects)?;
            }
        }
        Some((span, _)) => {
            return Err(source.error(span, "items: must be of type array").with_label("not a list"));
        }
    }
    Ok(())
}

/// A text that says what an object is.
struct TypeMeta<'t> {
    text: &'t str,
    span: Span,
}

/// `apiVersion` or `kind` of an object.
fn type_meta<'t>(source: &Source, node: &'t Node, key: &str) -> Result<TypeMeta<'t>, ManifestError> {
    let missing = |span| {
        let error = source.error(span, format!("error validating data: {key} not set"));
        error.with_label(format!("`{key}` is missing here"))
    };
    let Some(entry) = node.entry(key) else {
        return Err(match near_key(node, key) {
            Some(misspelt) => missing(misspelt).with_label("is this meant for it?"),
            None => missing(node.first_place()),
        });
    };
    match &entry.value.value {
        Value::String(text) if !text.is_empty() => Ok(TypeMeta { text, span: entry.value.span }),
        Value::String(_) | Value::Null => Err(missing(entry.key_span)),
        _ => Err(source
            .error(entry.value.first_place(), format!("error validating data: {key} must be of type string"))
            .with_label("not a string")),
    }
}

/// A key of the mapping that looks like a misspelt other one.
fn near_key(node: &Node, key: &str) -> Option<Span> {
    let Value::Mapping(entries) = &node.value else { return None };
    let misspelt = entries.iter().find(|entry| suggest::nearest(&entry.key, &[key]).is_some())?;
    Some(misspelt.key_span)
}

/// The kind that an object says it is of.
fn find_kind(
    source: &Source,
    api_version: &TypeMeta<'_>,
    kind: &TypeMeta<'_>,
) -> Result<Kind, ManifestError> {
    let by_name = Kind::ALL.iter().find(|known| known.as_str() == kind.text);
    match by_name {
        Some(known) if known.api_version() == api_version.text => Ok(*known),
        _ => {
            let message = format!("no matches for kind {:?} in version {:?}", kind.text, api_version.text);
            let (span, label, help) = match by_name {
                Some(known) => {
                    let served = known.api_version();
                    (api_version.span, "not served", Some(format!("{known} is served as {served}")))
                }
                None => {
                    let names: Vec<&str> = Kind::ALL.iter().map(|known| known.as_str()).collect();
                    let near =
                        suggest::nearest(kind.text, &names).map(|near| format!("did you mean `{near}`?"));
                    (kind.span, "unknown kind", near.or_else(|| served(api_version.text)))
                }
            };
            Err(source.error(span, message).with_label(label).with_help_if(help))
        }
    }
}

/// What a version has to offer.
fn served(api_version: &str) -> Option<String> {
    let kinds = Kind::ALL.iter().filter(|known| known.api_version() == api_version);
    let names: Vec<&str> = kinds.map(|known| known.as_str()).collect();
    (!names.is_empty()).then(|| format!("{api_version} has {}", names.join(", ")))
}

/// What the API server's validation says, in the words of `kubectl`.
fn invalid(source: &Source, node: &Node, object: &Object, errors: &[FieldError]) -> ManifestError {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let list = match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let name = &object.meta().name;
    let message = format!("The {} {name:?} is invalid: {list}", object.kind());
    // One label for each place, in the order of the errors.
    let mut places: Vec<(Span, Vec<String>)> = Vec::new();
    for error in errors {
        let (span, reason) = (node.locate(&error.path), error.class().to_lowercase());
        let label = format!("{}: {reason}", error.path);
        match places.iter_mut().find(|(other, _)| *other == span) {
            Some((_, labels)) => labels.push(label),
            None => places.push((span, vec![label])),
        }
    }
    let mut places = places.into_iter().map(|(span, labels)| (span, labels.join(", ")));
    let (span, label) = places.next().unwrap_or_else(|| (node.first_place(), "invalid".to_owned()));
    let error = source.error(span, message).with_label(label);
    places.fold(error, |error, (span, label)| error.with_place(span, label))
}
