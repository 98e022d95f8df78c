//! What a script says must come out of its run, beyond whole logs and objects at the end.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use mock_ca::faults::Moment;
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use world::duration::Span;

/// Something that happens so often, at such times. One of `log`, `object`, `ca`, `validation`, `limit`, `provider`
/// and `access` says what is counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Check {
    /// Lines of the engine's log that have this text; `*` in it is anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Objects (`Kind namespace/name`, `*` at the end of the name): each time one comes to be as `is` says. An Event counts
    /// each time it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Field paths and values of `object`, as in a step's `when`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub is: BTreeMap<String, Value>,
    /// Requests to the CA at this endpoint; `*` is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Of those, the ones with this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Of those, the ones with a problem of this type (`rateLimited`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Of what a CA does, only that of the CA on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Authorizations that the CA decides, by their status: `valid` or `invalid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// Requests that this limit of the CA refuses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Calls to DNS providers, by the word of their audit log; `*` in it is anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Lines of the access logs of ingress and gateway controllers that have this text; `*` in it is anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<String>,
    /// Only what happens from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Moment>,
    /// Only what happens before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// How often: `3`, `3..`, `..5`, `3..5`; `1..` when nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<Bounds<u64>>,
    /// When it happens first, after the start: `10s`, `10s..20s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Bounds<Span>>,
    /// When it happens last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Bounds<Span>>,
    /// How many objects are so at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<Bounds<u64>>,
}

/// A number, or what it lies between; both ends count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    /// The least.
    pub least: Option<T>,
    /// The most.
    pub most: Option<T>,
}

impl<T: Copy + PartialOrd> Bounds<T> {
    /// Whether it lies between them.
    pub fn contain(&self, value: T) -> bool {
        self.least.is_none_or(|least| value >= least) && self.most.is_none_or(|most| value <= most)
    }
}

impl<T: FromStr> FromStr for Bounds<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = |text: &str| {
            let bad = || format!("{text:?} is neither end of `3`, `3..`, `..5` or `3..5`");
            if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| bad()) }
        };
        match text.split_once("..") {
            Some((least, most)) => Ok(Bounds { least: end(least.trim())?, most: end(most.trim())? }),
            None if text.is_empty() => Err("a number, or two with `..` between them, is expected".to_owned()),
            None => Ok(Bounds { least: end(text)?, most: end(text)? }),
        }
    }
}

impl<T: std::fmt::Display + PartialEq> std::fmt::Display for Bounds<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.least, &self.most) {
            (Some(least), Some(most)) if least == most => write!(f, "{least}"),
            (least, most) => {
                least.iter().try_for_each(|least| write!(f, "{least}"))?;
                f.write_str("..")?;
                most.iter().try_for_each(|most| write!(f, "{most}"))
            }
        }
    }
}

impl<T: std::fmt::Display + PartialEq> Serialize for Bounds<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Bounds<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<T: FromStr> Visitor<'_> for Reader<T> {
            type Value = Bounds<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("one value, or two with `..` between them, of which one may be missing")
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Bounds<T>, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bounds<T>, E> {
                self.visit_str(&number.to_string())
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bounds<T>, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl Bounds<Span> {
    /// Whether the time lies between them.
    pub fn contain_time(&self, time: Duration) -> bool {
        self.least.is_none_or(|least| time >= least.0) && self.most.is_none_or(|most| time <= most.0)
    }
}

/// The scenario without its cause: with this set, something that it expects does not come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ablation {
    /// What is taken away, in words.
    pub without: String,
    /// How: `path=value`, as by `--set`.
    pub set: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_and_written() {
        for (text, least, most) in [
            ("3", Some(3), Some(3)),
            ("3..", Some(3), None),
            ("..5", None, Some(5)),
            ("3..5", Some(3), Some(5)),
        ] {
            let bounds: Bounds<u64> = text.parse().unwrap();
            assert_eq!(bounds, Bounds { least, most });
            assert_eq!(bounds.to_string(), text);
        }
        for bad in ["", "a", "3..b", "-1"] {
            assert!(bad.parse::<Bounds<u64>>().is_err(), "{bad}");
        }
        let window: Bounds<Span> = "10s..1m30s".parse().unwrap();
        assert!(
            window.contain_time(Duration::from_secs(90)) && !window.contain_time(Duration::from_secs(91))
        );
        let one: Bounds<u64> = serde_json::from_str("4").unwrap();
        assert!(one.contain(4) && !one.contain(5) && !one.contain(3));
    }
}
