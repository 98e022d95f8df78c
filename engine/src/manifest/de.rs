//! A serde deserializer over the tree, whose errors know their place and their path.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Expected, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::source::Span;
use super::tree::{Entry, Node, Value};

/// What does not fit, where.
#[derive(Debug)]
pub(super) struct DeError(Box<Mismatch>);

/// What does not fit, where.
#[derive(Debug)]
pub(super) struct Mismatch {
    pub(super) problem: Problem,
    pub(super) span: Option<Span>,
    /// The innermost segment first.
    path: Vec<Segment>,
    /// The scalar that does not fit, as JSON.
    pub(super) found: Option<String>,
    /// It is a whole collection (or nothing at all) that does not fit: its key is the better place.
    whole: bool,
}

/// What does not fit.
#[derive(Debug)]
pub(super) enum Problem {
    UnknownField { field: String, known: &'static [&'static str] },
    MissingField(&'static str),
    WrongType { found: &'static str, expected: String },
    UnknownVariant { known: &'static [&'static str] },
    Other(String),
}

#[derive(Debug)]
enum Segment {
    Field(String),
    Key(String),
    Index(usize),
}

impl DeError {
    fn new(problem: Problem) -> Self {
        DeError(Box::new(Mismatch { problem, span: None, path: Vec::new(), found: None, whole: false }))
    }

    pub(super) fn into_mismatch(self) -> Mismatch {
        *self.0
    }

    pub(super) fn mismatch(&self) -> &Mismatch {
        &self.0
    }

    /// Gives the error a place unless it has a better one already.
    fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Gives the error the value that it is about, unless it is about a part of it.
    fn of(mut self, node: &Node) -> Self {
        if self.0.span.is_none() {
            self.0.span = Some(node.first_place());
            self.0.found = match &node.value {
                Value::Null => Some("null".to_owned()),
                Value::Bool(value) => Some(value.to_string()),
                Value::Int(value) => Some(value.to_string()),
                Value::Uint(value) => Some(value.to_string()),
                Value::Float(value) => Some(value.to_string()),
                Value::String(text) => Some(format!("{text:?}")),
                Value::Sequence(_) | Value::Mapping(_) => None,
            };
            self.0.whole = matches!(node.value, Value::Null | Value::Sequence(_) | Value::Mapping(_));
        }
        self
    }

    fn below(mut self, segment: Segment) -> Self {
        self.0.whole = false;
        self.0.path.push(segment);
        self
    }

    /// The error comes from the value of a key.
    fn below_key(self, key_span: Span, node: &Node, segment: Segment) -> Self {
        let mut error = self.of(node);
        if error.0.whole {
            error.0.span = Some(key_span);
        }
        error.below(segment)
    }
}

impl Mismatch {
    /// The path in Kubernetes' notation: `spec.solvers[0].name`; empty at the root.
    pub(super) fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.path.iter().rev() {
            match segment {
                Segment::Field(name) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(name);
                }
                Segment::Key(key) => path.push_str(&format!("[{key}]")),
                Segment::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        path
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.problem)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        DeError::new(Problem::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "integer",
            Unexpected::Float(_) => "number",
            Unexpected::Unit | Unexpected::Option => "null",
            Unexpected::Seq => "array",
            Unexpected::Map
            | Unexpected::Enum
            | Unexpected::NewtypeVariant
            | Unexpected::TupleVariant
            | Unexpected::StructVariant => "object",
            _ => "string",
        };
        let expected = expected.to_string();
        let expected = match expected.as_str() {
            "a sequence" => "array".to_owned(),
            "a string" | "string" | "str" => "string".to_owned(),
            "a boolean" => "boolean".to_owned(),
            "a map" => "object".to_owned(),
            "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => {
                "integer".to_owned()
            }
            "f32" | "f64" => "number".to_owned(),
            other if other.starts_with("struct ") => "object".to_owned(),
            _ => expected,
        };
        DeError::new(Problem::WrongType { found, expected })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        DeError::new(Problem::Other(match (expected.strip_prefix('i'), expected.strip_prefix('u')) {
            (Some(bits @ ("8" | "16" | "32" | "64")), _) => format!("must be an integer of {bits} bits"),
            (_, Some(bits @ ("8" | "16" | "32" | "64"))) => {
                format!("must be an integer of {bits} bits, not negative")
            }
            _ => format!("expected {expected}"),
        }))
    }

    fn unknown_variant(_: &str, known: &'static [&'static str]) -> Self {
        DeError::new(Problem::UnknownVariant { known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        DeError::new(Problem::UnknownField { field: field.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        DeError::new(Problem::MissingField(field))
    }
}

/// Reads from a node.
#[derive(Clone, Copy)]
pub(super) struct NodeDeserializer<'de> {
    node: &'de Node,
    /// Keys of this mapping (not of those below) that are passed over.
    skip: &'static [&'static str],
}

impl<'de> NodeDeserializer<'de> {
    pub(super) fn new(node: &'de Node) -> Self {
        NodeDeserializer { node, skip: &[] }
    }

    pub(super) fn without(node: &'de Node, skip: &'static [&'static str]) -> Self {
        NodeDeserializer { node, skip }
    }

    fn visit<V: Visitor<'de>>(
        self,
        fields: Option<&'static [&'static str]>,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Uint(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Sequence(items) => visitor.visit_seq(Items { items: items.iter().enumerate() }),
            Value::Mapping(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None, fields, skip: self.skip })
            }
        }
        .map_err(|error| error.of(self.node))
    }
}

impl<'de> Deserializer<'de> for NodeDeserializer<'de> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.visit(None, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
        .map_err(|error| error.of(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self).map_err(|error| error.of(self.node))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.node.value {
            // serde would take a sequence for the fields in their order.
            Value::Sequence(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.visit(Some(fields), visitor),
        }
        .map_err(|error: DeError| error.of(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.node.value {
            Value::String(name) => {
                visitor.visit_enum(Variant { name, name_span: self.node.span, value: None })
            }
            Value::Mapping(entries) => match entries.as_slice() {
                [Entry { key, key_span, value }] => {
                    visitor.visit_enum(Variant { name: key, name_span: *key_span, value: Some(value) })
                }
                _ => Err(de::Error::invalid_length(entries.len(), &"exactly one key")),
            },
            Value::Null => Err(de::Error::invalid_type(Unexpected::Unit, &"string")),
            Value::Bool(value) => Err(de::Error::invalid_type(Unexpected::Bool(*value), &"string")),
            Value::Int(value) => Err(de::Error::invalid_type(Unexpected::Signed(*value), &"string")),
            Value::Uint(value) => Err(de::Error::invalid_type(Unexpected::Unsigned(*value), &"string")),
            Value::Float(value) => Err(de::Error::invalid_type(Unexpected::Float(*value), &"string")),
            Value::Sequence(_) => Err(de::Error::invalid_type(Unexpected::Seq, &"string")),
        }
        .map_err(|error: DeError| error.of(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The items of a sequence.
struct Items<'de> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = DeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DeError> {
        let Some((index, node)) = self.items.next() else { return Ok(None) };
        seed.deserialize(NodeDeserializer::new(node))
            .map(Some)
            .map_err(|error| error.of(node).below(Segment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a mapping.
struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    value: Option<&'de Entry>,
    /// The fields of the structure that is read, if it is one.
    fields: Option<&'static [&'static str]>,
    skip: &'static [&'static str],
}

impl Entries<'_> {
    /// A field that is `null` is the same as one that is absent, as in Go.
    fn is_passed_over(&self, entry: &Entry) -> bool {
        let key = entry.key.as_str();
        self.skip.contains(&key)
            || (entry.value.value == Value::Null && self.fields.is_some_and(|fields| fields.contains(&key)))
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = DeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, DeError> {
        let entry = loop {
            match self.entries.next() {
                Some(entry) if self.is_passed_over(entry) => {}
                Some(entry) => break entry,
                None => return Ok(None),
            }
        };
        self.value = Some(entry);
        let key: StrDeserializer<'_, DeError> = de::IntoDeserializer::into_deserializer(entry.key.as_str());
        seed.deserialize(key).map(Some).map_err(|error| error.at(entry.key_span))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, DeError> {
        let Some(entry) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(NodeDeserializer::new(&entry.value)).map_err(|error| {
            let key = entry.key.clone();
            let segment = if self.fields.is_some() { Segment::Field(key) } else { Segment::Key(key) };
            error.below_key(entry.key_span, &entry.value, segment)
        })
    }
}

/// One variant of an enumeration, with the value of its key if it has one.
struct Variant<'de> {
    name: &'de str,
    name_span: Span,
    value: Option<&'de Node>,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = DeError;
    type Variant = Variant<'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), DeError> {
        let name: StrDeserializer<'_, DeError> = de::IntoDeserializer::into_deserializer(self.name);
        let variant = seed.deserialize(name).map_err(|mut error| {
            error.0.found = Some(format!("{:?}", self.name));
            error.at(self.name_span)
        })?;
        Ok((variant, self))
    }
}

impl<'de> Variant<'de> {
    fn content(&self, expected: &dyn Expected) -> Result<&'de Node, DeError> {
        self.value.ok_or_else(|| {
            <DeError as de::Error>::invalid_type(Unexpected::Str(self.name), expected).at(self.name_span)
        })
    }

    /// The content with this reader, errors told at the variant's name where that is the better place.
    fn read<T>(self, read: impl FnOnce(NodeDeserializer<'de>) -> Result<T, DeError>) -> Result<T, DeError> {
        let node = self.content(&"an object with one key")?;
        read(NodeDeserializer::new(node))
            .map_err(|error| error.below_key(self.name_span, node, Segment::Field(self.name.to_owned())))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = DeError;

    fn unit_variant(self) -> Result<(), DeError> {
        match self.value {
            None => Ok(()),
            Some(node) if node.value == Value::Null => Ok(()),
            Some(_) => self.read(|_| Err(de::Error::custom("takes no value"))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, DeError> {
        self.read(|content| seed.deserialize(content))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, DeError> {
        self.read(|content| content.deserialize_any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        self.read(|content| content.deserialize_struct("", fields, visitor))
    }
}
