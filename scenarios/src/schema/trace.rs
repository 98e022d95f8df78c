//! What a type reads, learnt from its `Deserialize`: a deserializer that offers nothing and writes down what is asked for.
//!
//! A type is deserialized again and again, since each time ends at the first value that it does not like (an empty text is
//! no duration). Each pass goes past what is known already, until there is nothing new.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// What is read at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    Integer,
    Number,
    Text,
    /// Several forms, in the words of the type.
    Any(String),
    /// Items are at `path/*`.
    List,
    /// Values are at `path/*`.
    Map,
    /// Fields are at `path/field`.
    Struct(&'static [&'static str]),
    /// What a variant holds is at `path/variant`; nothing is there for one that is only its name.
    Enum(&'static [&'static str]),
}

/// All places of a type, by path.
pub(super) type Shapes = BTreeMap<String, Shape>;

#[derive(Default)]
struct Notes {
    shapes: RefCell<Shapes>,
    /// Places that need not be asked for again.
    done: RefCell<BTreeSet<String>>,
}

/// Why a pass ended.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// There is more to learn below.
    Again,
    /// The type did not like what it got; there is nothing more to learn.
    Refused,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the trace ends here")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop::Refused
    }
}

/// More passes than any type here needs.
const PASSES_MAX: usize = 100_000;

/// The places of `T`.
pub(super) fn shapes<T: DeserializeOwned>() -> Shapes {
    let notes = Notes::default();
    for _ in 0..PASSES_MAX {
        if T::deserialize(Tracer { notes: &notes, path: String::new() }).err() != Some(Stop::Again) {
            break;
        }
    }
    notes.shapes.into_inner()
}

#[derive(Clone)]
struct Tracer<'n> {
    notes: &'n Notes,
    path: String,
}

impl Tracer<'_> {
    fn note(&self, shape: Shape) {
        self.notes.shapes.borrow_mut().insert(self.path.clone(), shape);
    }

    fn below(&self, name: &str) -> Self {
        Tracer { notes: self.notes, path: format!("{}/{name}", self.path) }
    }

    fn is_done(&self) -> bool {
        self.notes.done.borrow().contains(&self.path)
    }

    /// Traces this place. `Again` afterwards either way: the one who asks can go on only anew.
    fn trace<'de, S: DeserializeSeed<'de>>(&self, seed: S) -> Result<S::Value, Stop> {
        if seed.deserialize(self.clone()).err() != Some(Stop::Again) {
            self.notes.done.borrow_mut().insert(self.path.clone());
        }
        Err(Stop::Again)
    }
}

/// Notes the shape, and offers a value of it.
macro_rules! scalars {
    ($($method:ident $shape:ident $visit:ident $value:expr;)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.note(Shape::$shape);
            visitor.$visit($value)
        })+
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Stop;

    scalars! {
        deserialize_bool Bool visit_bool false;
        deserialize_i8 Integer visit_i8 0;
        deserialize_i16 Integer visit_i16 0;
        deserialize_i32 Integer visit_i32 0;
        deserialize_i64 Integer visit_i64 0;
        deserialize_u8 Integer visit_u8 0;
        deserialize_u16 Integer visit_u16 0;
        deserialize_u32 Integer visit_u32 0;
        deserialize_u64 Integer visit_u64 0;
        deserialize_f32 Number visit_f32 0.0;
        deserialize_f64 Number visit_f64 0.0;
        deserialize_char Text visit_str "";
        deserialize_str Text visit_str "";
        deserialize_string Text visit_str "";
        deserialize_bytes Text visit_str "";
        deserialize_byte_buf Text visit_str "";
        deserialize_identifier Text visit_str "";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let words = format!("{}", Expected(&visitor));
        self.note(Shape::Any(words));
        Err(Stop::Refused)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Shape::List);
        visitor.visit_seq(One { tracer: self.below("*"), key: None })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.note(Shape::Map);
        visitor.visit_map(One { tracer: self.below("*"), key: Some("key") })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.note(Shape::Struct(fields));
        match fields.iter().find(|field| !self.below(field).is_done()) {
            Some(field) => visitor.visit_map(One { tracer: self.below(field), key: Some(field) }),
            None => Err(Stop::Refused),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.note(Shape::Enum(variants));
        match variants.iter().find(|variant| !self.below(variant).is_done()) {
            Some(variant) => visitor.visit_enum(Variant { tracer: self.below(variant), name: variant }),
            None => Err(Stop::Refused),
        }
    }
}

/// What a visitor expects, in its own words.
struct Expected<'v, V>(&'v V);

impl<'de, V: Visitor<'de>> fmt::Display for Expected<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

/// One item of a list, or one entry of a map.
struct One<'n> {
    tracer: Tracer<'n>,
    key: Option<&'n str>,
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.tracer.is_done() { Ok(None) } else { self.tracer.trace(seed).map(Some) }
    }
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Stop> {
        if self.tracer.is_done() {
            return Ok(None);
        }
        let Some(key) = self.key.take() else { return Ok(None) };
        match seed.deserialize(Key(key)) {
            Ok(key) => Ok(Some(key)),
            // A key that nobody can guess: its values stay unknown.
            Err(_) => {
                self.tracer.notes.done.borrow_mut().insert(self.tracer.path.clone());
                Err(Stop::Again)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.trace(seed)
    }
}

/// A key: the text, or where an enumeration is asked for, the first of its variants.
struct Key<'k>(&'k str);

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_str(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let first = variants.first().copied().unwrap_or_default();
        let first: StrDeserializer<'_, Stop> = first.into_deserializer();
        visitor.visit_enum(first)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// One variant of an enumeration.
struct Variant<'n> {
    tracer: Tracer<'n>,
    name: &'static str,
}

impl<'de, 'n> EnumAccess<'de> for Variant<'n> {
    type Error = Stop;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Stop> {
        let name: StrDeserializer<'_, Stop> = self.name.into_deserializer();
        let value = seed.deserialize(name)?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.tracer.notes.done.borrow_mut().insert(self.tracer.path.clone());
        Err(Stop::Again)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Stop> {
        self.tracer.trace(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Stop> {
        self.finish(|tracer| tracer.deserialize_seq(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.finish(|tracer| tracer.deserialize_struct("", fields, visitor))
    }
}

impl<'n> Variant<'n> {
    fn finish<T>(self, trace: impl FnOnce(Tracer<'n>) -> Result<T, Stop>) -> Result<T, Stop> {
        let tracer = self.tracer;
        if trace(tracer.clone()).err() != Some(Stop::Again) {
            tracer.notes.done.borrow_mut().insert(tracer.path.clone());
        }
        Err(Stop::Again)
    }
}
