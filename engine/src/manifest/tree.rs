//! A YAML document as a tree in which each key and value knows its place.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::error::ManifestError;
use super::scalar;
use super::source::{CharOffsets, Source, Span};

/// How deep collections may nest, aliases resolved.
const MAX_DEPTH: usize = 100;
/// How many nodes a text may have, aliases resolved.
const MAX_NODES: usize = 500_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is written. For an alias that is where its anchor is.
    pub span: Span,
    /// What it says.
    pub value: Value,
}

/// What a [`Node`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// An integer that fits an `i64`.
    Int(i64),
    /// An integer beyond `i64`.
    Uint(u64),
    /// Another number.
    Float(f64),
    /// A text.
    String(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in the order of the text, without duplicates.
    Mapping(Vec<Entry>),
}

/// A key of a mapping and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text, even when it would be a number elsewhere.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The entry of a mapping with this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The value of a mapping under this key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The name of its type in JSON Schema.
    pub fn type_name(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::Uint(_) => "integer",
            Value::Float(_) => "number",
            Value::String(_) => "string",
            Value::Sequence(_) => "array",
            Value::Mapping(_) => "object",
        }
    }

    /// Where a path such as `spec.acme.solvers[0].http01` or `metadata.labels[app]` leads: the value if it is a
    /// scalar, its key if it is a collection, and the deepest key on the way if the path ends early.
    pub fn locate(&self, path: &str) -> Span {
        let mut node = self;
        let mut place = self.first_place();
        for segment in segments(path) {
            let (span, next) = match (&node.value, segment) {
                (Value::Sequence(items), segment) => {
                    let Some(item) = segment.parse().ok().and_then(|at: usize| items.get(at)) else { break };
                    (item.first_place(), item)
                }
                (_, segment) => {
                    let Some(entry) = node.entry(segment) else { break };
                    (entry.key_span, &entry.value)
                }
            };
            (place, node) = (span, next);
        }
        match node.value {
            Value::Sequence(_) | Value::Mapping(_) | Value::Null => place,
            _ => node.span,
        }
    }

    /// A short span that stands for the whole: the first key of a mapping.
    pub(super) fn first_place(&self) -> Span {
        match &self.value {
            Value::Mapping(entries) => entries.first().map_or(self.span, |entry| entry.key_span),
            Value::Sequence(items) => items.first().map_or(self.span, Node::first_place),
            _ => self.span,
        }
    }
}

/// The parts of a path: names between dots, and whatever is between brackets.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        let (segment, after) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']').unwrap_or((inner, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        rest = after;
        Some(segment)
    })
}

/// The documents of a YAML stream; those without content are left out.
///
/// # Errors
/// When the text is not YAML, repeats a key, or expands to something unreasonably large.
pub fn parse(source: &Source) -> Result<Vec<Node>, ManifestError> {
    let mut builder = Builder {
        source,
        offsets: CharOffsets::new(source.text()),
        anchors: BTreeMap::new(),
        frames: Vec::new(),
        nodes: 0,
        documents: Vec::new(),
    };
    let mut parser = Parser::new_from_str(source.text());
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.syntax_error(&error))?;
        let span = builder.span(span.start, span.end);
        builder.event(event, span)?;
    }
    Ok(builder.documents)
}

/// Puts a tree together from the parser's events.
struct Builder<'s> {
    source: &'s Source,
    offsets: CharOffsets,
    /// Completed nodes with an anchor.
    anchors: BTreeMap<usize, Built>,
    /// The open collections, outermost first.
    frames: Vec<Frame>,
    /// How many nodes there are already.
    nodes: usize,
    documents: Vec<Node>,
}

/// A completed node with its measures.
#[derive(Clone)]
struct Built {
    node: Node,
    /// The text of a scalar, and whether it was plain.
    text: Option<(String, bool)>,
    size: usize,
    height: usize,
}

/// An open collection.
struct Frame {
    start: Span,
    anchor: usize,
    size: usize,
    height: usize,
    content: Content,
}

enum Content {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, seen: BTreeMap<String, Span>, merges: Vec<Node>, key: Option<Key> },
}

/// A key whose value is still to come.
struct Key {
    text: String,
    span: Span,
    merge: bool,
}

impl Builder<'_> {
    /// A span in bytes, white space at its end cut off.
    fn span(&self, start: Marker, end: Marker) -> Span {
        let span = Span::new(self.offsets.byte(start.index()), self.offsets.byte(end.index()));
        Span::new(span.start, span.start + self.source.slice(span).trim_end().len())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = self.scalar(&text, plain, tag.as_deref(), span)?;
                let text = Some((text.into_owned(), plain));
                self.complete(Built { node: Node { span, value }, text, size: 1, height: 1 }, anchor)?;
            }
            Event::SequenceStart(anchor, _) => self.open(span, anchor, Content::Sequence(Vec::new()))?,
            Event::MappingStart(anchor, _) => {
                let content = Content::Mapping {
                    entries: Vec::new(),
                    seen: BTreeMap::new(),
                    merges: Vec::new(),
                    key: None,
                };
                self.open(span, anchor, content)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(anchor) => {
                let Some(built) = self.anchors.get(&anchor) else {
                    let open = self.frames.iter().any(|frame| frame.anchor == anchor);
                    let what = if open { "contains itself" } else { "is of another document" };
                    return Err(self
                        .source
                        .error(span, format!("yaml: anchor {what}"))
                        .with_label("used here"));
                };
                let built = built.clone();
                self.complete(built, 0)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// The value of a scalar, by its tag if it has one.
    fn scalar(&self, text: &str, plain: bool, tag: Option<&Tag>, span: Span) -> Result<Value, ManifestError> {
        let core_tag = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
        let value = match core_tag {
            Some("str" | "binary" | "timestamp") => return Ok(Value::String(text.to_owned())),
            Some(_) => scalar::resolve(text),
            None if plain && tag.is_none_or(|tag| !tag.suffix.is_empty()) => scalar::resolve(text),
            None => return Ok(Value::String(text.to_owned())),
        };
        let fits = match core_tag {
            Some("int") => matches!(value, Value::Int(_) | Value::Uint(_)),
            Some("float") => matches!(value, Value::Int(_) | Value::Uint(_) | Value::Float(_)),
            Some("bool") => matches!(value, Value::Bool(_)),
            Some("null") => value == Value::Null,
            _ => true,
        };
        if fits {
            return Ok(value);
        }
        let tag = core_tag.unwrap_or_default();
        Err(self
            .source
            .error(span, format!("yaml: cannot decode `{text}` as a !!{tag}"))
            .with_label("not one"))
    }

    fn open(&mut self, start: Span, anchor: usize, content: Content) -> Result<(), ManifestError> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(self.source.error(start, format!("yaml: exceeded max depth of {MAX_DEPTH}")));
        }
        self.frames.push(Frame { start, anchor, size: 1, height: 0, content });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), ManifestError> {
        let Some(Frame { start, anchor, size, height, content }) = self.frames.pop() else { return Ok(()) };
        let (value, last) = match content {
            Content::Sequence(items) => {
                let last = items.last().map(|item| item.span);
                (Value::Sequence(items), last)
            }
            Content::Mapping { mut entries, mut seen, merges, key: _ } => {
                let last = entries.last().map(|entry| entry.value.span);
                for merged in merges {
                    let Value::Mapping(merged) = merged.value else { continue };
                    for entry in merged {
                        if seen.insert(entry.key.clone(), entry.key_span).is_none() {
                            entries.push(entry);
                        }
                    }
                }
                (Value::Mapping(entries), last)
            }
        };
        // The end of a block collection is only noticed after blank lines and comments; an alias may point back.
        let flow = self.source.text()[start.start..].starts_with(['[', '{']);
        let end = if flow { end.end } else { last.map_or(start.end, |last| last.end) };
        let node = Node { span: Span::new(start.start, end), value };
        self.complete(Built { node, text: None, size, height: height + 1 }, anchor)
    }

    /// Puts a node where it belongs: an item, a key, a value, or a document.
    fn complete(&mut self, built: Built, anchor: usize) -> Result<(), ManifestError> {
        let source = self.source;
        self.nodes += if built.text.is_some() { 1 } else { built.size };
        if self.nodes > MAX_NODES || self.frames.len() + built.height > MAX_DEPTH + 1 {
            return Err(source
                .error(built.node.first_place(), "yaml: document contains excessive aliasing")
                .with_label("expands to too much"));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            if built.node.value != Value::Null {
                self.documents.push(built.node);
            }
            return Ok(());
        };
        frame.size += built.size;
        frame.height = frame.height.max(built.height);
        match &mut frame.content {
            Content::Sequence(items) => items.push(built.node),
            Content::Mapping { entries, seen, merges, key } => match key.take() {
                None => *key = Some(new_key(source, built, seen)?),
                Some(key) if key.merge => match built.node.value {
                    Value::Mapping(_) => merges.push(built.node),
                    Value::Sequence(items)
                        if items.iter().all(|item| matches!(item.value, Value::Mapping(_))) =>
                    {
                        merges.extend(items);
                    }
                    _ => {
                        let message = "yaml: map merge requires map or sequence of maps as the value";
                        return Err(source.error(built.node.span, message));
                    }
                },
                Some(key) => entries.push(Entry { key: key.text, key_span: key.span, value: built.node }),
            },
        }
        Ok(())
    }

    /// The parser's complaint, with what is known about its most common causes.
    fn syntax_error(&self, error: &ScanError) -> ManifestError {
        let at = self.offsets.byte(error.marker().index());
        super::syntax::explain(self.source, at, error.info())
    }
}

/// Takes a node as the key of a mapping.
fn new_key(source: &Source, built: Built, seen: &mut BTreeMap<String, Span>) -> Result<Key, ManifestError> {
    let span = built.node.span;
    let Some((text, plain)) = built.text else {
        let place = built.node.first_place();
        return Err(source.error(place, "yaml: invalid map key").with_label("a key must be a text"));
    };
    if text.is_empty() && plain {
        return Err(source.error(span, "yaml: empty map key").with_label("a key is missing here"));
    }
    if text == "<<" && plain {
        return Ok(Key { text, span, merge: true });
    }
    if let Some(first) = seen.insert(text.clone(), span) {
        let line = source.line_column(span.start).0;
        return Err(source
            .error(span, format!("yaml: line {line}: key {text:?} already set in map"))
            .with_label("set again here")
            .with_place(first, "set here"));
    }
    Ok(Key { text, span, merge: false })
}
