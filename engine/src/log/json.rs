//! `--logging-format=json`, as component-base writes it: one object per line, times in milliseconds.

use serde_json::Value;
use world::Timestamp;

use super::contextual::escape_html;
use super::{Entry, Severity};

/// Values that name an object: `namespace/name` in text, an object here.
const REFERENCES: [&str; 4] = ["key", "certificate", "certificateRequest", "issuer"];

/// One line without its newline. Errors have no `v`, and their `err` comes last.
pub(super) fn render(entry: &Entry) -> String {
    let mut line = format!(
        r#"{{"ts":{},"caller":{},"msg":{}"#,
        millis(entry.at),
        text(&entry.marker),
        text(&entry.message)
    );
    if entry.severity == Severity::Info {
        // klog does not hand the level of a plain line on.
        let level = if entry.logger.is_empty() { 0 } else { entry.verbosity };
        line.push_str(&format!(r#","v":{level}"#));
    }
    if !entry.logger.is_empty() {
        line.push_str(&format!(r#","logger":{}"#, text(&entry.logger.join("."))));
    }
    for (key, value) in &entry.values {
        line.push_str(&format!(",{}:{}", text(key), member(key, value)));
    }
    if let Some(Some(error)) = &entry.error {
        line.push_str(&format!(r#","err":{}"#, text(error)));
    }
    line.push('}');
    line
}

fn text(text: &str) -> String {
    escape_html(&Value::from(text).to_string())
}

/// Milliseconds since 1970 as Go's float64 has them: with a fraction, as far as the number's bits go.
fn millis(at: Timestamp) -> String {
    #[allow(clippy::cast_precision_loss, reason = "the loss is the release's own")]
    let nanos = at.unix_nanos() as f64;
    (nanos / 1e6).to_string()
}

/// A value in JSON: references are objects, and times that Go prints with its monotonic reading are numbers.
fn member(key: &str, value: &Value) -> String {
    let Value::String(string) = value else { return escape_html(&value.to_string()) };
    if REFERENCES.contains(&key) {
        return match string.split_once('/') {
            Some((namespace, name)) => {
                format!(r#"{{"name":{},"namespace":{}}}"#, text(name), text(namespace))
            }
            None => format!(r#"{{"name":{}}}"#, text(string)),
        };
    }
    match time(string) {
        Some(at) => millis(at),
        None => text(string),
    }
}

/// `2022-05-07 13:39:31.142484989 +0000 UTC m=+…`.
fn time(text: &str) -> Option<Timestamp> {
    let (wall, _) = text.split_once(" +0000 UTC m=")?;
    Timestamp::parse(&format!("{}Z", wall.replacen(' ', "T", 1))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds_with_what_a_float_keeps_of_the_rest() {
        let at = |text| millis(Timestamp::parse(text).unwrap());
        assert_eq!(at("1970-01-01T00:00:01Z"), "1000");
        assert_eq!(at("2022-05-07T13:39:31.1414025Z"), "1651930771141.4026");
        assert_eq!(at("2022-05-07T13:39:31.000000001Z"), "1651930771000");
    }

    #[test]
    fn references_and_times_are_not_text() {
        assert_eq!(member("key", &"ns/web".into()), r#"{"name":"web","namespace":"ns"}"#);
        assert_eq!(member("issuer", &"le".into()), r#"{"name":"le"}"#);
        assert_eq!(member("at", &"1970-01-01 00:00:01.5 +0000 UTC m=+0.1".into()), "1500");
        assert_eq!(member("reason", &"a <b>".into()), r#""a \u003cb\u003e""#);
    }
}
