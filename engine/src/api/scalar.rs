//! Values that JSON knows as strings or numbers: times, durations, bytes, quantities, ports.

use std::fmt;
use std::time::Duration;

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use world::Timestamp;

/// A moment as Kubernetes stores it: whole seconds, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(Timestamp);

impl Time {
    /// The moment, its fraction of a second cut off.
    pub const fn new(moment: Timestamp) -> Self {
        Time(moment.truncate_to_secs())
    }

    /// As a point in time to compute with.
    pub const fn timestamp(self) -> Timestamp {
        self.0
    }
}

impl From<Timestamp> for Time {
    fn from(moment: Timestamp) -> Self {
        Time::new(moment)
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        time.0
    }
}

/// RFC 3339.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.rfc3339_secs())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Time::new)
    }
}

/// A duration in Go's text form: `2160h0m0s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GoDuration(pub Duration);

/// Why a text is not a duration, in the words of Go's `time.ParseDuration`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// Not a sequence of numbers with units, or too long.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// A number without its unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// A unit that Go does not know, such as `d`.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Below zero, which no field here allows.
    #[error("time: negative duration {0:?}")]
    Negative(String),
}

impl GoDuration {
    /// Reads Go's form: numbers with optional fractions, each with a unit of `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`.
    ///
    /// # Errors
    /// [`BadDuration`] when the text has another form, is negative, or does not fit 63 bits of nanoseconds.
    pub fn parse(text: &str) -> Result<Self, BadDuration> {
        let invalid = || BadDuration::Invalid(text.to_owned());
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        if unsigned == "0" {
            return Ok(GoDuration(Duration::ZERO));
        }
        if unsigned.is_empty() {
            return Err(invalid());
        }
        let mut total: u128 = 0;
        let mut rest = unsigned;
        while !rest.is_empty() {
            let (number, after) = split_at_first(rest, |c| !(c.is_ascii_digit() || c == '.'));
            let (unit, next) = split_at_first(after, |c| c.is_ascii_digit() || c == '.');
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
                return Err(invalid());
            }
            if unit.is_empty() {
                return Err(BadDuration::MissingUnit(text.to_owned()));
            }
            let nanos = unit_nanos(unit)
                .ok_or_else(|| BadDuration::UnknownUnit { unit: unit.to_owned(), text: text.to_owned() })?;
            total += decimal_times(whole, fraction, nanos).ok_or_else(invalid)?;
            if total > i64::MAX as u128 {
                return Err(invalid());
            }
            rest = next;
        }
        if text.starts_with('-') && total > 0 {
            return Err(BadDuration::Negative(text.to_owned()));
        }
        Ok(GoDuration(Duration::from_nanos(u64::try_from(total).map_err(|_| invalid())?)))
    }
}

/// Splits before the first character that fits.
fn split_at_first(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(fits).unwrap_or(text.len()))
}

/// The length of a unit in nanoseconds.
fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `whole.fraction` times `nanos`, rounded down; nothing when it does not fit 63 bits.
fn decimal_times(whole: &str, fraction: &str, nanos: u64) -> Option<u128> {
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // Digits below 10^-18 of a unit are below a nanosecond.
    let digits = fraction.get(..18).unwrap_or(fraction);
    let numerator: u128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let denominator = 10_u128.pow(u32::try_from(digits.len()).ok()?);
    let total = u128::from(whole) * u128::from(nanos) + numerator * u128::from(nanos) / denominator;
    (total <= i64::MAX as u128).then_some(total)
}

/// Go's `Duration.String`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (whole, fraction, width, unit) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => return write!(f, "{nanos}ns"),
            1_000..1_000_000 => (nanos / 1_000, nanos % 1_000, 3, "\u{b5}s"),
            1_000_000..1_000_000_000 => (nanos / 1_000_000, nanos % 1_000_000, 6, "ms"),
            _ => {
                let secs = nanos / 1_000_000_000;
                match (secs / 3600, secs / 60 % 60) {
                    (0, 0) => {}
                    (0, minutes) => write!(f, "{minutes}m")?,
                    (hours, minutes) => write!(f, "{hours}h{minutes}m")?,
                }
                (secs % 60, nanos % 1_000_000_000, 9, "s")
            }
        };
        write!(f, "{whole}")?;
        if fraction != 0 {
            let digits = format!("{fraction:0width$}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str(unit)
    }
}

impl From<Duration> for GoDuration {
    fn from(duration: Duration) -> Self {
        GoDuration(duration)
    }
}

impl From<GoDuration> for Duration {
    fn from(duration: GoDuration) -> Self {
        duration.0
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        GoDuration::parse(&text).map_err(de::Error::custom)
    }
}

/// Bytes, in JSON as base64 with padding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteString(pub Vec<u8>);

impl ByteString {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for ByteString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl AsRef<[u8]> for ByteString {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for ByteString {
    fn from(bytes: Vec<u8>) -> Self {
        ByteString(bytes)
    }
}

impl From<&[u8]> for ByteString {
    fn from(bytes: &[u8]) -> Self {
        ByteString(bytes.to_vec())
    }
}

impl From<String> for ByteString {
    fn from(text: String) -> Self {
        ByteString(text.into_bytes())
    }
}

impl From<&str> for ByteString {
    fn from(text: &str) -> Self {
        ByteString(text.as_bytes().to_vec())
    }
}

impl Serialize for ByteString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for ByteString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut text = String::deserialize(deserializer)?;
        text.retain(|c| c != '\n' && c != '\r');
        STANDARD.decode(&text).map(ByteString).map_err(|error| {
            let offset = match error {
                DecodeError::InvalidByte(offset, _) | DecodeError::InvalidLastSymbol { offset, .. } => offset,
                DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => text.len(),
            };
            de::Error::custom(format_args!("illegal base64 data at input byte {offset}"))
        })
    }
}

/// JSON of a form that is nobody's business here. Keys are sorted, as the API server stores them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct RawJson(serde_json::Value);

impl RawJson {
    /// Takes a value and sorts its keys.
    pub fn new(mut value: serde_json::Value) -> Self {
        value.sort_all_objects();
        RawJson(value)
    }

    /// The value.
    pub fn value(&self) -> &serde_json::Value {
        &self.0
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer).map(RawJson::new)
    }
}

/// A port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntOrString {
    /// A number.
    Int(i32),
    /// A name.
    String(String),
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrString::Int(number) => number.fmt(f),
            IntOrString::String(name) => name.fmt(f),
        }
    }
}

impl Serialize for IntOrString {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            IntOrString::Int(number) => serializer.serialize_i32(*number),
            IntOrString::String(name) => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for IntOrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntOrStringVisitor;
        impl Visitor<'_> for IntOrStringVisitor {
            type Value = IntOrString;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a string")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<IntOrString, E> {
                i32::try_from(number)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<IntOrString, E> {
                i32::try_from(number)
                    .map(IntOrString::Int)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<IntOrString, E> {
                Ok(IntOrString::String(name.to_owned()))
            }
        }
        deserializer.deserialize_any(IntOrStringVisitor)
    }
}

/// An amount of a resource in Kubernetes' notation, such as `10m` or `64Mi`; a plain number is taken as text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct QuantityVisitor;
        impl Visitor<'_> for QuantityVisitor {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
        }
        deserializer.deserialize_any(QuantityVisitor)
    }
}

/// A field that is read and forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        de::IgnoredAny::deserialize(deserializer).map(|_| Ignored)
    }
}

/// `resourceVersion`: a number here, a string in JSON.
pub(crate) mod resource_version {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(version: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(version)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(0);
        }
        text.parse()
            .map_err(|_| de::Error::custom(format_args!("invalid resource version {text:?}: not a number")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write_as_in_go() {
        for (text, canonical) in [
            ("2160h", "2160h0m0s"),
            ("2160h0m0s", "2160h0m0s"),
            ("90m", "1h30m0s"),
            ("1.5h", "1h30m0s"),
            (".5s", "500ms"),
            ("1h15m30.918273645s", "1h15m30.918273645s"),
            ("1us", "1\u{b5}s"),
            ("1500\u{3bc}s", "1.5ms"),
            ("7ns", "7ns"),
            ("0", "0s"),
            ("-0s", "0s"),
            ("+5m", "5m0s"),
            ("3.3333333333333333333333h", "3h19m59.999999999s"),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn durations_are_refused_in_the_words_of_go() {
        for (text, message) in [
            ("90d", r#"time: unknown unit "d" in duration "90d""#),
            ("3600", r#"time: missing unit in duration "3600""#),
            ("", r#"time: invalid duration """#),
            (".", r#"time: invalid duration ".""#),
            ("1..5h", r#"time: invalid duration "1..5h""#),
            ("h", r#"time: invalid duration "h""#),
            ("1h ", r#"time: unknown unit "h " in duration "1h ""#),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("99999999999999999999h", r#"time: invalid duration "99999999999999999999h""#),
            ("-1h", r#"time: negative duration "-1h""#),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn stored_times_have_whole_seconds() {
        let time = Time::new(Timestamp::parse("2022-05-07T13:39:31.142484989Z").unwrap());
        assert_eq!(serde_json::to_string(&time).unwrap(), r#""2022-05-07T13:39:31Z""#);
        assert_eq!(serde_json::from_str::<Time>(r#""2022-05-07T21:39:31.9+08:00""#).unwrap(), time);
    }

    #[test]
    fn base64_is_padded_and_may_be_folded() {
        assert_eq!(serde_json::from_str::<ByteString>(r#""aGVs\nbG8=""#).unwrap(), "hello".into());
        for (text, offset) in [("aGVs bG8=", 4), ("aGVsbG8", 7)] {
            let error = serde_json::from_value::<ByteString>(text.into()).unwrap_err();
            assert_eq!(error.to_string(), format!("illegal base64 data at input byte {offset}"));
        }
    }
}
