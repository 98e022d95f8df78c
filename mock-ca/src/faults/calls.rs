//! Which calls of a row: `3`, `2..4`, `3..`, `..2`, or a list of these.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Numbers of calls, from 1: ranges with both ends in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calls(Vec<Range>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: u64,
    /// `None` is for ever.
    to: Option<u64>,
}

/// The text is no range of calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no calls: 3, 2..4, 3.. and ..2 do, counted from 1")]
pub struct BadCalls(String);

impl Calls {
    /// Whether call number `n` is one of them.
    pub fn contain(&self, n: u64) -> bool {
        self.0.iter().any(|range| range.from <= n && range.to.is_none_or(|to| n <= to))
    }
}

impl FromStr for Range {
    type Err = BadCalls;

    fn from_str(text: &str) -> Result<Self, BadCalls> {
        let bad = || BadCalls(text.to_owned());
        let number = |part: &str| part.parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(bad);
        let range = match text.split_once("..") {
            None => number(text).map(|n| Range { from: n, to: Some(n) })?,
            Some(("", "")) => return Err(bad()),
            Some(("", to)) => Range { from: 1, to: Some(number(to)?) },
            Some((from, "")) => Range { from: number(from)?, to: None },
            Some((from, to)) => Range { from: number(from)?, to: Some(number(to)?) },
        };
        if range.to.is_some_and(|to| to < range.from) { Err(bad()) } else { Ok(range) }
    }
}

impl FromStr for Calls {
    type Err = BadCalls;

    fn from_str(text: &str) -> Result<Self, BadCalls> {
        Ok(Calls(vec![text.parse()?]))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) if to == self.from => write!(f, "{to}"),
            Some(to) => write!(f, "{}..{to}", self.from),
            None => write!(f, "{}..", self.from),
        }
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.to == Some(self.from) { s.serialize_u64(self.from) } else { s.collect_str(self) }
    }
}

impl Serialize for Calls {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(s),
            list => list.serialize(s),
        }
    }
}

/// Reads one range, or a list when `list` is set.
struct Reader {
    list: bool,
}

impl<'de> Visitor<'de> for Reader {
    type Value = Vec<Range>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call number from 1, a range such as \"2..4\", or a list of these")
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<Self::Value, E> {
        self.visit_str(&n.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(|range| vec![range]).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if !self.list {
            return Err(de::Error::invalid_type(de::Unexpected::Seq, &self));
        }
        let mut all = Vec::new();
        while let Some(range) = seq.next_element::<Range>()? {
            all.push(range);
        }
        if all.is_empty() {
            return Err(de::Error::invalid_length(0, &self));
        }
        Ok(all)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let read = d.deserialize_any(Reader { list: false })?;
        read.into_iter().next().ok_or_else(|| de::Error::custom("no call"))
    }
}

impl<'de> Deserialize<'de> for Calls {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader { list: true }).map(Calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(text: &str) -> Vec<u64> {
        let calls: Calls = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::from_str::<Calls>(&serde_json::to_string(&calls).unwrap()).unwrap(), calls);
        (0..=6).filter(|n| calls.contain(*n)).collect()
    }

    #[test]
    fn ranges_have_both_ends_in_them() {
        assert_eq!(hit("3"), [3]);
        assert_eq!(hit("\"2..4\""), [2, 3, 4]);
        assert_eq!(hit("\"5..\""), [5, 6]);
        assert_eq!(hit("\"..2\""), [1, 2]);
        assert_eq!(hit("[1, \"3..4\", 6]"), [1, 3, 4, 6]);
    }

    #[test]
    fn what_names_no_call_is_refused() {
        for text in ["0", "-1", "\"\"", "\"..\"", "\"4..2\"", "\"0..2\"", "\"a\"", "[]", "[[1]]", "1.5", "{}"]
        {
            assert!(serde_json::from_str::<Calls>(text).is_err(), "{text}");
        }
    }
}
