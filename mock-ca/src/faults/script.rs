//! Fault scripts as text: JSON, or one rule in a line in the form of the command line ([`super::line`]).

use std::fmt;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::line;
use super::rule::Rule;

/// Rules in the order in which they are asked.
///
/// As JSON: one rule, a list of rules, or an object whose one key `rules` has the list. As text: a rule in
/// a line, empty lines, and lines that begin with `#`, which say nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The rules.
    pub rules: Vec<Rule>,
}

impl Serialize for Script {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.rules.serialize(s)
    }
}

/// Inside of other documents, a script is a list of rules, each an object or a line.
impl<'de> Deserialize<'de> for Script {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let rules = Vec::<Written>::deserialize(d)?;
        Ok(Script { rules: rules.into_iter().map(|written| written.0).collect() })
    }
}

/// A rule as an object or a line.
struct Written(Rule);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rule: an object with `when` and `do`, or a line")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Written, E> {
                line::parse(text).map(Written).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Written, A::Error> {
                Rule::deserialize(MapAccessDeserializer::new(map)).map(Written)
            }
        }
        d.deserialize_any(Reader)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    rules: Script,
}

/// What is wrong with a script, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ScriptError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The key, as a path (`rules[0].when.nth`); empty when the text is none that has keys.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// The good word that is nearest to a bad one.
    pub nearest: Option<String>,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl FromStr for Script {
    type Err = ScriptError;

    fn from_str(text: &str) -> Result<Self, ScriptError> {
        match text.trim_start().bytes().next() {
            Some(b'[') => json(text),
            Some(b'{') => {
                let value: serde_json::Value = json(text)?;
                if value.get("rules").is_some() {
                    json::<Wrapped>(text).map(|wrapped| wrapped.rules)
                } else {
                    json(text).map(|rule| Script { rules: vec![rule] })
                }
            }
            _ => lines(text),
        }
    }
}

fn lines(text: &str) -> Result<Script, ScriptError> {
    let mut rules = Vec::new();
    for (index, row) in text.lines().enumerate() {
        let row = row.trim_end();
        if row.trim_start().is_empty() || row.trim_start().starts_with('#') {
            continue;
        }
        rules.push(line::parse(row).map_err(|error| ScriptError { line: index + 1, ..error })?);
    }
    Ok(Script { rules })
}

/// Reads JSON, with the path of what is wrong.
fn json<T: DeserializeOwned>(text: &str) -> Result<T, ScriptError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let key = error.path().to_string();
        let (line, column) = (error.inner().line(), error.inner().column());
        let message = error.inner().to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(text, _)| text);
        explain(line, column, if matches!(key.as_str(), "." | "?") { "" } else { &key }, message)
    })?;
    match reader.end() {
        Ok(()) => Ok(read),
        Err(error) => Err(explain(error.line(), error.column(), "", "there is more after the end")),
    }
}

/// An error with this message of serde's, which is shortened to what helps.
pub(crate) fn explain(line: usize, column: usize, key: &str, message: &str) -> ScriptError {
    let mut words = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown ");
    let wrong = words.next().filter(|_| unknown);
    let nearest = wrong.and_then(|wrong| nearest(wrong, words)).map(str::to_owned);
    // The list of all good words is long; the nearest one says enough.
    let message = match nearest {
        Some(_) => message.split(", expected").next().unwrap_or(message),
        None => message,
    };
    // An error in the first place of a text has the column 0 in some readers.
    ScriptError {
        line: line.max(1),
        column: column.max(1),
        key: key.to_owned(),
        message: message.to_owned(),
        nearest,
    }
}

/// The good word that is meant, probably.
fn nearest<'w>(wrong: &str, good: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let lower = wrong.to_lowercase();
    let near = good.map(|word| (strsim::damerau_levenshtein(&lower, &word.to_lowercase()), word));
    let (distance, word) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (wrong.len().min(word.len()) / 3).max(1)).then_some(word)
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;
