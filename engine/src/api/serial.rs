//! How fields become JSON: Go's `omitempty`, and enumerations that are strings.

use serde::{Serialize, Serializer};

use super::scalar::ByteString;

/// Whether Go's `omitempty` leaves the value out (and, for nested structures, whether there is nothing to say).
pub(crate) fn omit<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A Go `[]byte` without `omitempty`: `null` when it was never set.
pub(crate) fn null_if_empty<S: Serializer>(bytes: &ByteString, serializer: S) -> Result<S::Ok, S::Error> {
    if bytes.is_empty() { serializer.serialize_none() } else { bytes.serialize(serializer) }
}

/// Declares an enumeration whose JSON form is one of some strings.
macro_rules! string_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize,
        )]
        pub enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $text)] $variant, )+
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [$name] = &[ $( $name::$variant, )+ ];

            /// The text in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $( $name::$variant => $text, )+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
