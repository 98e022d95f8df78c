//! Durations as configuration writes them: `250ms`, `1.5s`, `12.345678901s`, `1m30s`, `90d`.
//!
//! Reading is exact to the nanosecond: a text that names a finer time is refused, not rounded. Writing
//! gives the shortest text of the same form that reads back as the same duration.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units, largest first, in nanoseconds.
const UNITS: [(&str, u128); 8] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("ns", 1),
];

/// Digits after the point that can still name a whole number of nanoseconds (of a day).
const FRACTION_DIGITS_MAX: usize = 14;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDuration {
    /// It is not a row of numbers with units.
    #[error("`{0}` is not a duration such as 250ms, 1.5s or 1m30s")]
    Form(String),
    /// It names a part of a nanosecond.
    #[error("`{0}` is finer than a nanosecond")]
    TooFine(String),
    /// It is longer than 584 years.
    #[error("`{0}` is too long")]
    TooLong(String),
}

/// A duration with the text form of configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = BadDuration;

    fn from_str(text: &str) -> Result<Self, BadDuration> {
        let form = || BadDuration::Form(text.to_owned());
        if text == "0" {
            return Ok(Span(Duration::ZERO));
        }
        let mut total: u128 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(form)?;
            let (number, tail) = rest.split_at(number_end);
            let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(form)?;
            total = total
                .checked_add(scaled(text, number, *nanos)?)
                .ok_or_else(|| BadDuration::TooLong(text.to_owned()))?;
            rest = tail;
        }
        if text.is_empty() {
            return Err(form());
        }
        let nanos = u64::try_from(total).map_err(|_| BadDuration::TooLong(text.to_owned()))?;
        Ok(Span(Duration::from_nanos(nanos)))
    }
}

/// `number` (digits, perhaps with a point) times `unit`, exactly.
fn scaled(text: &str, number: &str, unit: u128) -> Result<u128, BadDuration> {
    let form = || BadDuration::Form(text.to_owned());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || fraction.len() > FRACTION_DIGITS_MAX {
        let too_fine = !whole.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
        return Err(if too_fine { BadDuration::TooFine(text.to_owned()) } else { form() });
    }
    let too_long = |_| BadDuration::TooLong(text.to_owned());
    let whole = whole.parse::<u64>().map_err(too_long)?;
    let mut sum = u128::from(whole) * unit;
    if !fraction.is_empty() {
        let parts = fraction.parse::<u128>().map_err(|_| form())? * unit;
        let scale = 10_u128.pow(fraction.len() as u32);
        if !parts.is_multiple_of(scale) {
            return Err(BadDuration::TooFine(text.to_owned()));
        }
        sum += parts / scale;
    }
    Ok(sum)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if secs == 0 && nanos > 0 && nanos.is_multiple_of(1_000_000) {
            return write!(f, "{}ms", nanos / 1_000_000);
        }
        let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        if nanos > 0 {
            let fraction = format!("{nanos:09}");
            return write!(f, "{seconds}.{}s", fraction.trim_end_matches('0'));
        }
        if seconds > 0 || secs == 0 { write!(f, "{seconds}s") } else { Ok(()) }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One duration, for `#[serde(with)]`.
pub mod one {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Span};

    /// Writes the text form.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(d: &Duration, s: S) -> Result<S::Ok, S::Error> {
        Span(*d).serialize(s)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        Span::deserialize(d).map(|span| span.0)
    }
}

/// A duration or `null`, for `#[serde(with)]`.
pub mod optional {
    use super::{Deserialize, Deserializer, Duration, Serialize, Serializer, Span};

    /// Writes the text form or `null`.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        d.map(Span).serialize(s)
    }

    /// Reads the text form or `null`.
    ///
    /// # Errors
    /// When the text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        Option::<Span>::deserialize(d).map(|span| span.map(|s| s.0))
    }
}

/// A list of durations, for `#[serde(with)]`.
pub mod list {
    use super::{Deserialize, Deserializer, Duration, Serializer, Span};

    /// Writes the text forms.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(list: &[Duration], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(list.iter().map(|d| Span(*d)))
    }

    /// Reads the text forms.
    ///
    /// # Errors
    /// When a text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Duration>, D::Error> {
        Ok(Vec::<Span>::deserialize(d)?.into_iter().map(|span| span.0).collect())
    }
}

/// Lists of durations by key, for `#[serde(with)]`.
pub mod table {
    use super::{BTreeMap, Deserialize, Deserializer, Duration, Serialize, Serializer, Span};

    /// Writes the text forms.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer, K: Serialize + Ord>(
        table: &BTreeMap<K, Vec<Duration>>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_map(table.iter().map(|(k, list)| (k, list.iter().map(|d| Span(*d)).collect::<Vec<_>>())))
    }

    /// Reads the text forms.
    ///
    /// # Errors
    /// When a text is no duration.
    pub fn deserialize<'de, D: Deserializer<'de>, K: Deserialize<'de> + Ord>(
        d: D,
    ) -> Result<BTreeMap<K, Vec<Duration>>, D::Error> {
        let table = BTreeMap::<K, Vec<Span>>::deserialize(d)?;
        Ok(table.into_iter().map(|(k, list)| (k, list.into_iter().map(|span| span.0).collect())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_exactly() {
        for (text, nanos) in [
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("12.345678901s", 12_345_678_901),
            ("1m30s", 90_000_000_000),
            ("90d", 7_776_000_000_000_000),
            ("2160h", 7_776_000_000_000_000),
            ("0.5us", 500),
            ("7ns", 7),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_nanos(nanos))), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        for text in ["", "1", "s", "1x", "-1s", "1.s.s", "1.2.3s", ".5s", "1 s", "1..5s", "1é"] {
            assert!(matches!(text.parse::<Span>(), Err(BadDuration::Form(_))), "{text}");
        }
        for text in ["0.5ns", "1.0000000001s", "0.000000000000000000001s"] {
            assert!(matches!(text.parse::<Span>(), Err(BadDuration::TooFine(_))), "{text}");
        }
        assert!(matches!("99999999d".parse::<Span>(), Err(BadDuration::TooLong(_))));
        assert!(matches!("99999999999999999999999s".parse::<Span>(), Err(BadDuration::TooLong(_))));
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(nanos: u64) {
            let span = Span(Duration::from_nanos(nanos));
            proptest::prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<Span>();
        }
    }
}
