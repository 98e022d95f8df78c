//! One document of a manifest: what it is, its conversion, its decoding, its validation.

use super::de::{NodeDeserializer, Problem};
use super::error::ManifestError;
use super::lenient::Repairs;
use super::source::{Source, Span};
use super::tree::{Node, Value};
use super::{Options, suggest, yaml};
use crate::api::convert::{self, OLD_INGRESS_VERSIONS, Version};
use crate::api::{FieldError, Kind, Object, validate_by, validate_core};

/// The namespace of objects that name none.
const DEFAULT_NAMESPACE: &str = "default";
/// The keys that say what an object is.
const TYPE_META: &[&str] = &["apiVersion", "kind"];
/// How many unknown fields of one object are dropped before it is refused.
const MAX_UNKNOWN: usize = 1000;

/// How an object becomes one of the kinds as the engine knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conversion {
    /// It is one.
    None,
    /// From an older version of cert-manager's API.
    From(Version),
    /// From an Ingress before `networking.k8s.io/v1`.
    OldIngress,
}

/// Reads documents into objects.
pub(super) struct Reader<'s> {
    source: &'s Source,
    options: &'s Options,
    /// What was mended, when mistakes are mended.
    repairs: Option<Repairs<'s>>,
    pub(super) objects: Vec<Object>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s Source, options: &'s Options, repairs: Option<Repairs<'s>>) -> Self {
        Reader { source, options, repairs, objects: Vec::new() }
    }

    /// Objects and repairs.
    pub(super) fn finish(self) -> (Vec<Object>, Option<Repairs<'s>>) {
        (self.objects, self.repairs)
    }

    /// The objects of one document: itself, or the items of a list.
    pub(super) fn document(&mut self, node: &Node) -> Result<(), ManifestError> {
        if !matches!(node.value, Value::Mapping(_)) {
            let message = format!("a manifest must be of type object: {:?}", node.type_name());
            return Err(self.source.error(node.first_place(), message).with_label("not an object"));
        }
        let mended = self.repairs.as_mut().map(|repairs| repairs.type_meta(node));
        let node = mended.as_ref().unwrap_or(node);
        let api_version = type_meta(self.source, node, "apiVersion")?;
        let kind = type_meta(self.source, node, "kind")?;
        if kind.text == "List" && api_version.text == "v1" {
            return self.list(node);
        }
        let found = match &mut self.repairs {
            Some(repairs) => match repairs.kind(&api_version, &kind) {
                Some(found) => found,
                None => return Ok(()),
            },
            None => find_kind(self.source, self.options, &api_version, &kind)?,
        };
        self.object(node, found)
    }

    /// The objects of a `v1` List.
    fn list(&mut self, node: &Node) -> Result<(), ManifestError> {
        const KNOWN: &[&str] = &["apiVersion", "kind", "metadata", "items"];
        if let Value::Mapping(entries) = &node.value
            && let Some(entry) = entries.iter().find(|entry| !KNOWN.contains(&entry.key.as_str()))
        {
            return Err(self
                .source
                .error(entry.key_span, format!("strict decoding error: unknown field {:?}", entry.key))
                .with_label("unknown field")
                .with_help_if(suggest::advice(&entry.key, KNOWN)));
        }
        match node.entry("items").map(|entry| (entry.key_span, &entry.value.value)) {
            None | Some((_, Value::Null)) => {}
            Some((_, Value::Sequence(items))) => {
                for item in items {
                    self.document(item)?;
                }
            }
            Some((span, _)) => {
                return Err(self.source.error(span, "items: must be of type array").with_label("not a list"));
            }
        }
        Ok(())
    }

    fn object(&mut self, node: &Node, found: Found) -> Result<(), ManifestError> {
        let Found { kind, .. } = found;
        let (node, object) = self.decode(node, found)?;
        let object = match &mut self.repairs {
            Some(repairs) => repairs.metadata(&node, object),
            None => object,
        };
        let object = object.with_meta(|meta| match (kind.is_namespaced(), meta.namespace.is_empty()) {
            (true, true) => meta.namespace = DEFAULT_NAMESPACE.to_owned(),
            (false, false) => meta.namespace.clear(),
            _ => {}
        });
        if object.meta().name.is_empty() && object.meta().generate_name.is_empty() {
            return Err(self
                .source
                .error(node.locate("metadata.name"), "resource name may not be empty")
                .with_label("`metadata.name` is missing here"));
        }
        let errors = match &self.options.rules {
            Some(rules) => validate_by(rules, &object),
            None => validate_core(&object),
        };
        match (errors.as_slice(), &mut self.repairs) {
            ([], _) => {}
            (errors, Some(repairs)) => repairs.invalid(&node, errors),
            (errors, None) => return Err(invalid(self.source, &node, &object, errors)),
        }
        self.objects.push(object);
        Ok(())
    }

    /// Converts and decodes; returns the tree that was decoded. Each mistake that is mended, or unknown field that is
    /// dropped, is taken out of what the author wrote, and then all begins anew.
    fn decode(&mut self, node: &Node, found: Found) -> Result<(Node, Object), ManifestError> {
        let mut written = node.clone();
        for _ in 0..MAX_UNKNOWN {
            let mut converted = written.clone();
            let drops = match found.conversion {
                Conversion::None => self.options.prune,
                Conversion::OldIngress => {
                    convert::ingress_to_v1(&mut converted);
                    false
                }
                Conversion::From(version) => {
                    let unknown = convert::drop_unknown(found.kind, version, &mut converted);
                    convert::to_v1(found.kind, version, &mut converted);
                    if let Some(repairs) = &mut self.repairs {
                        repairs.unknown_in_version(&written, version, &unknown);
                    }
                    version.drops_unknown_fields()
                }
            };
            let decoder = NodeDeserializer::without(&converted, TYPE_META);
            let error = match Object::deserialize_as(found.kind, decoder) {
                Ok(object) => return Ok((converted, object)),
                Err(error) => error,
            };
            let go_on = match &mut self.repairs {
                Some(repairs) => repairs.mismatch(error.mismatch(), &mut written),
                None => match &error.mismatch().problem {
                    Problem::UnknownField { field, .. } if drops => {
                        error.mismatch().span.is_some_and(|span| remove(&mut written, span, field))
                    }
                    _ => false,
                },
            };
            if !go_on {
                return Err(yaml::explain(self.source, &converted, error));
            }
        }
        Err(self.source.error(node.first_place(), "there are too many mistakes").with_label("in this object"))
    }
}

/// Whether one of them is; unlike [`Iterator::any`], it goes through all.
pub(super) fn any(all: impl Iterator<Item = bool>) -> bool {
    all.filter(|one| *one).count() > 0
}

/// Takes the entries out that are written at a place; says whether there are any.
pub(super) fn remove(node: &mut Node, place: Span, key: &str) -> bool {
    match &mut node.value {
        Value::Sequence(items) => any(items.iter_mut().map(|item| remove(item, place, key))),
        Value::Mapping(entries) => {
            let before = entries.len();
            entries.retain(|entry| entry.key_span != place || entry.key != key);
            let removed = entries.len() < before;
            any(entries.iter_mut().map(|entry| remove(&mut entry.value, place, key))) || removed
        }
        _ => false,
    }
}

/// A text that says what an object is.
pub(super) struct TypeMeta<'t> {
    pub(super) text: &'t str,
    pub(super) span: Span,
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
pub(super) fn near_key(node: &Node, key: &str) -> Option<Span> {
    let Value::Mapping(entries) = &node.value else { return None };
    let misspelt = entries.iter().find(|entry| suggest::nearest(&entry.key, &[key]).is_some())?;
    Some(misspelt.key_span)
}

/// What an object is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    conversion: Conversion,
}

impl Found {
    pub(super) fn plain(kind: Kind) -> Self {
        Found { kind, conversion: Conversion::None }
    }

    pub(super) fn of_version(kind: Kind, version: Version) -> Self {
        let conversion = if version == Version::V1 { Conversion::None } else { Conversion::From(version) };
        Found { kind, conversion }
    }

    pub(super) fn old_ingress() -> Self {
        Found { kind: Kind::Ingress, conversion: Conversion::OldIngress }
    }
}

/// Whether this is how Ingresses were written once.
pub(super) fn is_old_ingress(kind: Kind, api_version: &str) -> bool {
    kind == Kind::Ingress && OLD_INGRESS_VERSIONS.contains(&api_version)
}

/// The kind that an object says it is of.
fn find_kind(
    source: &Source,
    options: &Options,
    api_version: &TypeMeta<'_>,
    kind: &TypeMeta<'_>,
) -> Result<Found, ManifestError> {
    let by_name = Kind::ALL.iter().copied().find(|known| known.as_str() == kind.text);
    if let Some(known) = by_name {
        match Version::of(known, api_version.text) {
            Some(version) => {
                let served =
                    options.served.versions.contains(&version) && options.served.kinds.contains(&known);
                if served || options.convert {
                    return Ok(Found::of_version(known, version));
                }
            }
            None if !convert::is_cert_managers(known) && known.api_version() == api_version.text => {
                return Ok(Found::plain(known));
            }
            None if options.convert && is_old_ingress(known, api_version.text) => {
                return Ok(Found::old_ingress());
            }
            None => {}
        }
    }
    let message = format!("no matches for kind {:?} in version {:?}", kind.text, api_version.text);
    let (span, label, help) = match by_name {
        Some(known) => (api_version.span, "not served", Some(served_as(options, known))),
        None => {
            let names: Vec<&str> = Kind::ALL.iter().map(|known| known.as_str()).collect();
            let near = suggest::nearest(kind.text, &names).map(|near| format!("did you mean `{near}`?"));
            (kind.span, "unknown kind", near.or_else(|| served(api_version.text)))
        }
    };
    Err(source.error(span, message).with_label(label).with_help_if(help))
}

/// Under which versions a kind can be had.
fn served_as(options: &Options, kind: Kind) -> String {
    if !convert::is_cert_managers(kind) {
        return format!("{kind} is served as {}", kind.api_version());
    }
    if !options.served.kinds.contains(&kind) {
        return format!("this release has no {kind}");
    }
    let versions: Vec<String> =
        options.served.versions.iter().map(|version| version.api_version(kind)).collect();
    format!("{kind} is served as {}", versions.join(", "))
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
