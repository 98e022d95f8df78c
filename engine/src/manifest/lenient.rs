//! Loading with a blind eye: what people get wrong is mended, and each repair is told.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::de::{Mismatch, Problem};
use super::document::{Found, Reader, TypeMeta, any, is_old_ingress, near_key, remove};
use super::error::ManifestError;
use super::mend::{self, Mended, Wrong};
use super::source::{Source, Span};
use super::suggest::nearest;
use super::tree::{Node, Value};
use super::{Options, mojibake};
use crate::api::convert::Version;
use crate::api::{FieldError, GoDuration, Kind, Object};

/// What was wrong, by kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepairKind {
    /// Bytes or characters of another code page.
    Encoding,
    /// A TAB in an indentation.
    Tab,
    /// A line at no level of the lines above.
    Indentation,
    /// An object of an older version.
    OldVersion,
    /// A kind under a group or version that it does not have.
    WrongGroup,
    /// A misspelt key, kind or word.
    Misspelt,
    /// A field that does not exist.
    UnknownField,
    /// A number or truth value where a text is expected.
    Unquoted,
    /// A blank in a name.
    Name,
    /// A namespace on a cluster-scoped object.
    Namespace,
    /// A duration in days.
    Duration,
    /// A text where base64 is expected.
    NotBase64,
    /// The URL of an ACME v1 server: a note.
    AcmeV1,
    /// Something that the API server refuses and that cannot be mended: the object is taken as it is.
    Invalid,
    /// An object of a kind that is not known here: it is left out.
    Skipped,
}

/// One mistake and what was made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What kind of mistake.
    pub kind: RepairKind,
    /// Its line, from 1.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    /// What was done, in one sentence.
    pub message: String,
}

/// `line:column: message`
impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// What a text came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Lenient {
    /// The objects, as `v1`.
    pub objects: Vec<Object>,
    /// What was mended, in the order of the text.
    pub repairs: Vec<Repair>,
}

/// Loads a manifest of any version and mends what can be: code page, TABs, indentation, old and wrong groups, misspelt
/// fields, blanks in names, durations in days. What cannot be mended and is only against the API server's rules is
/// let pass and told.
///
/// # Errors
/// What cannot be mended at all: text that is not YAML, a value of a wrong type, an object without a name.
pub fn load_lenient(source_name: &str, bytes: &[u8]) -> Result<Lenient, ManifestError> {
    let (text, mut repairs) = decode(bytes);
    let parsed = mend::parse(source_name, &text)?;
    repairs.extend(parsed.mended.iter().map(indented));
    let options = Options::default();
    let notes = Repairs { source: &parsed.source, mended: &parsed.mended, list: Vec::new() };
    let mut reader = Reader::new(&parsed.source, &options, Some(notes));
    for document in &parsed.documents {
        reader.document(document)?;
    }
    let (objects, notes) = reader.finish();
    repairs.extend(notes.map(|notes| notes.list).unwrap_or_default());
    repairs.sort_by_key(|repair| (repair.line, repair.column));
    repairs.dedup();
    Ok(Lenient { objects, repairs })
}

/// The text of a file in whatever code page.
fn decode(bytes: &[u8]) -> (String, Vec<Repair>) {
    let read = String::from_utf8_lossy(bytes);
    let (text, places) = mojibake::mend(&read);
    let source = Source::new("", &read);
    let at = |offset: usize, message: String| {
        let (line, column) = source.line_column(offset);
        Repair { kind: RepairKind::Encoding, line, column, message }
    };
    let mut repairs: Vec<Repair> = Vec::new();
    let mut last = 0;
    for place in places {
        let repair = at(place, "UTF-8 that was taken for Windows-1252 is read as UTF-8".to_owned());
        // Once a line is enough.
        if repair.line != last {
            last = repair.line;
            repairs.push(repair);
        }
    }
    let lost = read.matches('\u{fffd}').count();
    if let Some(first) = read.find('\u{fffd}') {
        repairs.push(at(first, format!("{lost} characters were lost in another code page before")));
    }
    (text, repairs)
}

fn indented(mended: &Mended) -> Repair {
    let (kind, why) = match mended.wrong {
        Wrong::Tab => (RepairKind::Tab, "a TAB in the indentation"),
        Wrong::Level => (RepairKind::Indentation, "an indentation between two levels"),
        Wrong::Continuation => (RepairKind::Indentation, "a text that goes on at the level of its key"),
    };
    let message = format!("{why}: the line is indented by {}", mended.after);
    Repair { kind, line: mended.line, column: 1, message }
}

/// The repairs of a text.
pub(super) struct Repairs<'s> {
    source: &'s Source,
    mended: &'s [Mended],
    list: Vec<Repair>,
}

impl Repairs<'_> {
    /// Notes a repair; the column is that of the text before its indentation was mended.
    fn note(&mut self, kind: RepairKind, span: Span, message: String) {
        let (line, mut column) = self.source.line_column(span.start);
        if let Some(mended) = self.mended.iter().find(|mended| mended.line == line) {
            column = (column + mended.before).saturating_sub(mended.after).max(1);
        }
        let message = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let repair = Repair { kind, line, column, message };
        if !self.list.contains(&repair) {
            self.list.push(repair);
        }
    }

    /// The document with `apiVersion` and `kind` as they are spelt.
    pub(super) fn type_meta(&mut self, node: &Node) -> Node {
        let mut node = node.clone();
        for key in ["apiVersion", "kind"] {
            let Some(span) = near_key(&node, key).filter(|_| node.entry(key).is_none()) else { continue };
            self.rename(&mut node, span, key);
        }
        node
    }

    fn rename(&mut self, node: &mut Node, span: Span, key: &str) -> bool {
        let written = self.source.slice(span).to_owned();
        let renamed = rename(node, span, key);
        if renamed {
            self.note(RepairKind::Misspelt, span, format!("`{written}` is read as `{key}`"));
        }
        renamed
    }

    /// What an object is meant to be; nothing when it is left out.
    pub(super) fn kind(&mut self, api_version: &TypeMeta<'_>, kind: &TypeMeta<'_>) -> Option<Found> {
        let names: Vec<&str> = Kind::ALL.iter().map(|known| known.as_str()).collect();
        let exact = names.iter().copied().find(|name| *name == kind.text);
        let Some(name) = exact.or_else(|| nearest(kind.text, &names)) else {
            let message = format!("a {} of {} is left out", kind.text, api_version.text);
            self.note(RepairKind::Skipped, kind.span, message);
            return None;
        };
        let known: Kind = name.parse().ok()?;
        if exact.is_none() {
            self.note(RepairKind::Misspelt, kind.span, format!("`{}` is read as `{name}`", kind.text));
        }
        let right = known.api_version();
        if api_version.text == right {
            return Some(Found::plain(known));
        }
        let (repair, what, found) = match Version::of(known, api_version.text) {
            Some(version) => (RepairKind::OldVersion, "is converted", Found::of_version(known, version)),
            None if is_old_ingress(known, api_version.text) => {
                (RepairKind::OldVersion, "is converted", Found::old_ingress())
            }
            None => (RepairKind::WrongGroup, "is read as", Found::plain(known)),
        };
        let to = if what == "is converted" { " to" } else { "" };
        let message = format!("{known} in version {} {what}{to} {right}", api_version.text);
        self.note(repair, api_version.span, message);
        Some(found)
    }

    /// Fields of newer versions in an object of an older one.
    pub(super) fn unknown_in_version(&mut self, written: &Node, version: Version, paths: &[String]) {
        for path in paths {
            let path = path.replace("[]", "[0]");
            let message = format!("{version} has no `{path}`: it is left out");
            self.note(RepairKind::UnknownField, written.locate(&path), message);
        }
    }

    /// Mends what does not fit in what was written; says whether that was possible.
    pub(super) fn mismatch(&mut self, mismatch: &Mismatch, written: &mut Node) -> bool {
        let Some(span) = mismatch.span else { return false };
        match &mismatch.problem {
            Problem::UnknownField { field, known } => {
                let near = nearest(field, known).filter(|near| !has_sibling(written, span, near));
                match near {
                    Some(near) => self.rename(written, span, near),
                    None => {
                        let removed = remove(written, span, field);
                        if removed {
                            let message = format!("unknown field `{field}` is left out");
                            self.note(RepairKind::UnknownField, span, message);
                        }
                        removed
                    }
                }
            }
            Problem::WrongType { found: "boolean" | "integer" | "number", expected }
                if expected == "string" =>
            {
                let text = self.source.slice(span).to_owned();
                let mended = replace(written, span, &text);
                if mended {
                    self.note(RepairKind::Unquoted, span, format!("{text} is read as a text"));
                }
                mended
            }
            Problem::UnknownVariant { known } => {
                let found = mismatch.found.as_deref().unwrap_or_default().trim_matches('"').to_owned();
                let Some(near) = nearest(&found, known) else { return false };
                let mended = replace(written, span, near);
                if mended {
                    self.note(RepairKind::Misspelt, span, format!("`{found}` is read as `{near}`"));
                }
                mended
            }
            Problem::Other(message) if message.starts_with("time: unknown unit \"d\"") => {
                let Some(text) = string_at(written, span) else { return false };
                let Some(hours) = days(&text) else { return false };
                let mended = replace(written, span, &hours);
                if mended {
                    self.note(RepairKind::Duration, span, format!("{text} is read as {hours}"));
                }
                mended
            }
            Problem::Other(message) if message.starts_with("illegal base64 data") => {
                let Some(text) = string_at(written, span) else { return false };
                let mended = replace(written, span, &STANDARD.encode(text.as_bytes()));
                if mended {
                    let message = "a text that is not base64 is taken as the bytes themselves".to_owned();
                    self.note(RepairKind::NotBase64, span, message);
                }
                mended
            }
            _ => false,
        }
    }

    /// Mends the name, and tells of a namespace that has no meaning and of servers that are no more.
    pub(super) fn metadata(&mut self, node: &Node, object: Object) -> Object {
        let meta = object.meta();
        if !object.kind().is_namespaced() && !meta.namespace.is_empty() {
            let message = format!("{} has no namespace: it is left out", object.kind());
            self.note(RepairKind::Namespace, node.locate("metadata.namespace"), message);
        }
        let acme = match &object {
            Object::Issuer(issuer) => issuer.spec.acme.as_ref(),
            Object::ClusterIssuer(issuer) => issuer.spec.acme.as_ref(),
            _ => None,
        };
        if let Some(acme) = acme.filter(|acme| ACME_V1.iter().any(|host| acme.server.contains(host))) {
            let message = format!("{} is an ACME v1 server, which was closed in 2021", acme.server);
            self.note(RepairKind::AcmeV1, node.locate("spec.acme.server"), message);
        }
        if !meta.name.contains(char::is_whitespace) {
            return object;
        }
        let name: String = meta.name.split_whitespace().collect();
        let message = format!("a name has no blanks: {:?} is read as `{name}`", meta.name);
        self.note(RepairKind::Name, node.locate("metadata.name"), message);
        object.with_meta(|meta| meta.name = name)
    }

    /// Tells of what the API server would have refused.
    pub(super) fn invalid(&mut self, node: &Node, errors: &[FieldError]) {
        for error in errors {
            self.note(RepairKind::Invalid, node.locate(&error.path), format!("let pass: {error}"));
        }
    }
}

/// Servers of Let's Encrypt's ACME v1.
const ACME_V1: [&str; 2] = ["acme-v01.api.letsencrypt.org", "acme-staging.api.letsencrypt.org"];

/// `90d` as `2160h0m0s`.
fn days(text: &str) -> Option<String> {
    let days: u64 = text.trim().strip_suffix('d')?.parse().ok()?;
    let hours = GoDuration::parse(&format!("{}h", days.checked_mul(24)?)).ok()?;
    Some(hours.to_string())
}

/// Gives the key at a place another name.
fn rename(node: &mut Node, place: Span, key: &str) -> bool {
    match &mut node.value {
        Value::Sequence(items) => any(items.iter_mut().map(|item| rename(item, place, key))),
        Value::Mapping(entries) => {
            let mut renamed = false;
            for entry in entries {
                if entry.key_span == place && entry.key != key {
                    key.clone_into(&mut entry.key);
                    renamed = true;
                }
                renamed |= rename(&mut entry.value, place, key);
            }
            renamed
        }
        _ => false,
    }
}

/// Whether the mapping with the key at a place has another key of this name.
fn has_sibling(node: &Node, place: Span, key: &str) -> bool {
    match &node.value {
        Value::Sequence(items) => items.iter().any(|item| has_sibling(item, place, key)),
        Value::Mapping(entries) => {
            let here = entries.iter().any(|entry| entry.key_span == place);
            (here && entries.iter().any(|entry| entry.key == key))
                || entries.iter().any(|entry| has_sibling(&entry.value, place, key))
        }
        _ => false,
    }
}

/// The text at a place.
fn string_at(node: &Node, place: Span) -> Option<String> {
    match &node.value {
        Value::Sequence(items) => items.iter().find_map(|item| string_at(item, place)),
        Value::Mapping(entries) => entries.iter().find_map(|entry| string_at(&entry.value, place)),
        Value::String(text) if node.span == place => Some(text.clone()),
        _ => None,
    }
}

/// Puts a text in the place of a scalar; says whether that changes anything.
fn replace(node: &mut Node, place: Span, text: &str) -> bool {
    match &mut node.value {
        Value::Sequence(items) => any(items.iter_mut().map(|item| replace(item, place, text))),
        Value::Mapping(entries) => {
            any(entries.iter_mut().map(|entry| replace(&mut entry.value, place, text)))
        }
        value if node.span == place => {
            let text = Value::String(text.to_owned());
            let changes = *value != text;
            *value = text;
            changes
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_hours() {
        assert_eq!(days("90d").as_deref(), Some("2160h0m0s"));
        for wrong in ["d", "1.5d", "99999999999999999999d", "999999999999999d", "1d2h"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }
}
