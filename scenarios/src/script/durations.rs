//! Durations of a script: one, or one for each time in turn.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use world::duration::Span;

/// `5ms`, or `[5ms, 40ms]`: the n-th time takes the n-th, and the last one repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(Vec<Duration>);

impl Durations {
    /// The n-th, counted from 0; zero when there is none.
    pub fn nth(&self, n: usize) -> Duration {
        self.0.get(n).or(self.0.last()).copied().unwrap_or_default()
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<Duration> {
        self.0.clone()
    }

    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Durations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.collect_str(&Span(*one)),
            all => serializer.collect_seq(all.iter().map(|d| Span(*d).to_string())),
        }
    }
}

impl<'de> Deserialize<'de> for Durations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Durations;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a duration such as 5ms, or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Durations, E> {
                text.parse::<Span>().map(|s| Durations(vec![s.0])).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Durations, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_u64<E: de::Error>(self, n: u64) -> Result<Durations, E> {
                self.visit_str(&n.to_string())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Durations, A::Error> {
                let mut all = Vec::new();
                while let Some(Span(d)) = seq.next_element()? {
                    all.push(d);
                }
                Ok(Durations(all))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// Durations with a count of how often they were asked for.
#[derive(Debug, Default)]
pub struct InTurn {
    durations: Durations,
    asked: AtomicUsize,
}

impl InTurn {
    /// From the first one on.
    pub fn new(durations: Durations) -> Self {
        InTurn { durations, asked: AtomicUsize::new(0) }
    }

    /// The next one.
    pub fn next(&self) -> Duration {
        self.durations.nth(self.asked.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_repeats() {
        let durations: Durations = serde_json::from_str(r#"["1ms", "2ms"]"#).unwrap();
        let turn = InTurn::new(durations);
        let taken: Vec<_> = (0..4).map(|_| turn.next().as_millis()).collect();
        assert_eq!(taken, [1, 2, 2, 2]);
        assert_eq!(InTurn::default().next(), Duration::ZERO);
    }
}
