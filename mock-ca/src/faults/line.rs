//! A rule in one line, for command lines.
//!
//! ```text
//! rule    = target [filters] [calls] [window] [chance] "=" action {"," action}
//! target  = "*" | endpoint {"|" endpoint}                newOrder   order|authorization
//! filters = "[" filter {"," filter} "]"                  [example.com]   [.example.com,account:7]
//! filter  = identifier | key ":" value                   account, identifier, peer, method, per, phase, id
//! calls   = "#" (N | N..M | N.. | ..M | "%" N)           #3   #2..4   #%5 is each fifth
//! window  = "@" [moment] ".." [moment]                   @..10m   @30s..1m
//! chance  = "?" probability                              ?0.05
//! action  = status | name [":" value]                    503   delay:2s   problem:rateLimited
//! ```
//!
//! A value goes to the next comma, or is JSON when it begins with `"`, `{` or `[`. `header:Name=value` sets a
//! header, `header:Name` takes it away.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::calls::Calls;
use super::rule::{Action, Form, Rule, When};
use super::script::{ScriptError, explain};
use super::select::Endpoints;

/// Reads a rule.
///
/// # Errors
/// What is wrong, in which column of line 1.
pub fn parse(text: &str) -> Result<Rule, ScriptError> {
    Reader { text, at: 0 }.rule()
}

/// What ends a target, a count, a window or a chance.
const MARKS: &[char] = &['[', '#', '@', '?', '='];

struct Reader<'t> {
    text: &'t str,
    /// Bytes that were read.
    at: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, at: usize, key: &str, message: &str) -> ScriptError {
        let column = self.text.get(..at).unwrap_or(self.text).chars().count() + 1;
        explain(1, column, key, message)
    }

    /// Reads `mark`, if it is next.
    fn take(&mut self, mark: char) -> bool {
        let found = self.rest().starts_with(mark);
        if found {
            self.at += mark.len_utf8();
        }
        found
    }

    /// Reads up to one of `marks`, or the end: the text without the blanks around it, and where it begins.
    fn until(&mut self, marks: &[char]) -> (&'t str, usize) {
        let (rest, start) = (self.rest(), self.at);
        let text = rest.get(..rest.find(marks).unwrap_or(rest.len())).unwrap_or(rest);
        self.at += text.len();
        (text.trim(), start + (text.len() - text.trim_start().len()))
    }

    fn read<T: DeserializeOwned>(&self, at: usize, key: &str, value: Value) -> Result<T, ScriptError> {
        T::deserialize(value).map_err(|error| self.error(at, key, &error.to_string()))
    }

    fn rule(mut self) -> Result<Rule, ScriptError> {
        let mut form = Form { id: None, when: When::default(), actions: Vec::new(), phase: None };
        self.target(&mut form.when)?;
        if self.take('[') {
            self.filters(&mut form)?;
        }
        self.until(MARKS);
        if self.take('#') {
            self.calls(&mut form.when)?;
        }
        if self.take('@') {
            self.window(&mut form.when)?;
        }
        if self.take('?') {
            let (text, at) = self.until(MARKS);
            let chance = text.parse::<f64>().map_err(|_| self.error(at, "chance", "no probability"))?;
            form.when.chance = Some(chance);
        }
        if !self.take('=') {
            let message = match self.rest().chars().next() {
                None => "there is no `=` with what happens".to_owned(),
                Some(mark) => {
                    format!("`{mark}` is out of place: target [filters] #calls @window ?chance =actions")
                }
            };
            return Err(self.error(self.at, "", &message));
        }
        loop {
            let action = self.action()?;
            form.actions.push(action);
            if !self.take(',') {
                break;
            }
        }
        if !self.rest().trim().is_empty() {
            return Err(self.error(self.at, "", "there is more after the action"));
        }
        Rule::try_from(form).map_err(|error| self.error(0, "", &error.to_string()))
    }

    fn target(&mut self, when: &mut When) -> Result<(), ScriptError> {
        loop {
            let (name, at) = self.until(&['[', '#', '@', '?', '=', '|']);
            let Endpoints(found) = self.read(at, "endpoint", name.into())?;
            when.endpoint.0.extend(found);
            if !self.take('|') {
                return Ok(());
            }
        }
    }

    fn filters(&mut self, form: &mut Form) -> Result<(), ScriptError> {
        loop {
            let (text, at) = self.until(&[',', ']']);
            let known = ["account", "identifier", "peer", "method", "per", "phase", "id"];
            let (key, value) = match text.split_once(':') {
                Some((key, value)) => (key.trim(), value.trim()),
                None => ("identifier", text),
            };
            let json = Value::from(value);
            let when = &mut form.when;
            match key {
                "account" => when.account = Some(value.to_owned()),
                "identifier" => when.identifier = Some(self.read(at, key, json)?),
                "peer" => when.peer = Some(self.read(at, key, json)?),
                "method" => when.method = Some(value.to_owned()),
                "per" => when.per = Some(self.read(at, key, json)?),
                "phase" => form.phase = Some(self.read(at, key, json)?),
                "id" => form.id = Some(value.to_owned()),
                other => {
                    let good: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
                    let message = format!("unknown filter `{other}`, expected one of {}", good.join(", "));
                    return Err(self.error(at, "", &message));
                }
            }
            if self.take(']') {
                return Ok(());
            }
            if !self.take(',') {
                return Err(self.error(self.at, "", "the filters have no `]`"));
            }
        }
    }

    fn calls(&mut self, when: &mut When) -> Result<(), ScriptError> {
        let (text, at) = self.until(MARKS);
        match text.strip_prefix('%') {
            Some(each) => {
                let each = each.parse().map_err(|_| self.error(at, "every", "no number of calls"))?;
                when.every = Some(each);
            }
            None => {
                let calls = text.parse::<Calls>();
                when.nth = Some(calls.map_err(|error| self.error(at, "nth", &error.to_string()))?);
            }
        }
        Ok(())
    }

    fn window(&mut self, when: &mut When) -> Result<(), ScriptError> {
        let (text, at) = self.until(MARKS);
        let Some((after, until)) = text.split_once("..") else {
            return Err(self.error(at, "", &format!("`{text}` is no window such as 30s..1m or ..10m")));
        };
        for (key, text, place) in [("after", after, &mut when.after), ("until", until, &mut when.until)] {
            if !text.trim().is_empty() {
                *place = Some(self.read(at, key, text.trim().into())?);
            }
        }
        Ok(())
    }

    fn action(&mut self) -> Result<Action, ScriptError> {
        let (name, at) = self.until(&[':', ',']);
        if name.is_empty() {
            return Err(self.error(at, "", "there is no action here"));
        }
        if !self.take(':') {
            return match name.parse::<u16>() {
                Ok(status) => self.read(at, "status", json!({ "status": status })),
                Err(_) => self.read(at, "", name.into()),
            };
        }
        let rest = self.rest();
        let lead = rest.len() - rest.trim_start().len();
        if rest.trim_start().starts_with(['"', '{', '[']) {
            let start = self.at + lead;
            let mut values = serde_json::Deserializer::from_str(rest.trim_start()).into_iter::<Value>();
            let value = match values.next() {
                Some(Ok(value)) => value,
                _ => return Err(self.error(start, name, "the value begins as JSON and is none")),
            };
            self.at = start + values.byte_offset();
            self.until(&[',']);
            return self.read(at, name, json!({ name: value }));
        }
        let (text, value_at) = self.until(&[',']);
        if name == "header" {
            let (header, value) = text.split_once('=').map_or((text, Value::Null), |(n, v)| (n, v.into()));
            return self.read(value_at, name, json!({ "header": { header.trim(): value } }));
        }
        // A value is a text or a number, as the action wants it.
        let as_text = self.read(value_at, name, json!({ name: text }));
        match text.parse::<u64>() {
            Ok(number) => self.read(value_at, name, json!({ name: number })).or(as_text),
            Err(_) => as_text,
        }
    }
}
