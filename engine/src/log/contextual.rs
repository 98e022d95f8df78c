//! klog's contextual text, as the releases from 1.15 on write it: the message first, values in the order of the call.

use serde_json::Value;

use super::{Entry, header};

/// One line without its newline: `header "message" err="…" logger="…" key="value" …`.
///
/// A plain line has its text only, and an error that is null is left out.
pub(super) fn render(entry: &Entry, pid: u32) -> String {
    let mut line = header(entry, pid);
    if entry.logger.is_empty() {
        line.push_str(&entry.message);
        return line;
    }
    line.push_str(&quote(&entry.message));
    if let Some(Some(error)) = &entry.error {
        pair(&mut line, "err", &Value::from(error.as_str()));
    }
    pair(&mut line, "logger", &Value::from(entry.logger.join(".")));
    for (key, value) in &entry.values {
        pair(&mut line, key, value);
    }
    line
}

/// The values of a line: the logger's that the call does not give anew, then the call's. A key that the logger itself
/// has twice stays twice.
pub(super) fn merge(logger: Vec<(String, Value)>, call: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let mut all = logger;
    all.retain(|(key, _)| call.iter().all(|(k, _)| k != key));
    all.extend(call);
    all
}

/// ` key=value`. Text is quoted as Go does it; text of several lines is written as a block, `=<`, a tab before each
/// line, ` >`. All else is JSON.
fn pair(line: &mut String, key: &str, value: &Value) {
    line.push_str(&format!(" {key}="));
    match value {
        Value::String(text) if text.contains('\n') => {
            line.push_str("<\n");
            for one in text.lines() {
                line.push_str(&format!("\t{one}\n"));
            }
            line.push_str(" >");
        }
        Value::String(text) => line.push_str(&quote(text)),
        other => line.push_str(&escape_html(&other.to_string())),
    }
}

/// Go's `strconv.Quote`: control characters and what cannot be seen are escaped, other letters stay.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || c == '\u{feff}' || (c.is_whitespace() && c != ' ') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Go's JSON encoder escapes what HTML could trip over.
pub(super) fn escape_html(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_as_in_go() {
        for (text, quoted) in [
            ("a \"b\" \\", r#""a \"b\" \\""#),
            ("tab\tbell\u{7}nul\0", r#""tab\tbell\anul\x00""#),
            ("ä 证", r#""ä 证""#),
            ("\u{a0}\u{85}", r#""\u00a0\u0085""#),
            ("<&>", r#""<&>""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn the_call_takes_the_place_of_the_loggers_value_and_comes_last() {
        let pairs = |list: &[(&str, i32)]| -> Vec<(String, Value)> {
            list.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect()
        };
        let merged = merge(pairs(&[("b", 1), ("a", 2), ("b", 3)]), pairs(&[("a", 4)]));
        assert_eq!(merged, pairs(&[("b", 1), ("b", 3), ("a", 4)]));
    }

    #[test]
    fn values_of_several_lines_are_blocks_and_lists_are_json() {
        let mut line = String::new();
        pair(&mut line, "err", &"one\ntwo".into());
        pair(&mut line, "violations", &serde_json::json!(["spec.dnsNames", "<a>"]));
        assert_eq!(line, " err=<\n\tone\n\ttwo\n > violations=[\"spec.dnsNames\",\"\\u003ca\\u003e\"]");
    }
}
