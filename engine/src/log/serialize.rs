//! klog v2 text with klogr's serialized key/value pairs, as the 1.x releases up to 1.13 write it.

use serde_json::Value;

use super::{Entry, header};

/// One line without its newline.
///
/// A structured line has the logger's name, `"msg"=…`, `"error"=…` if it is an error, and the values as JSON;
/// of two values with one key the later one counts, in the place of the first.
pub(super) fn render(entry: &Entry, pid: u32) -> String {
    let mut line = header(entry, pid);
    if entry.logger.is_empty() {
        line.push_str(&entry.message);
        return line;
    }
    line.push_str(&entry.logger.join("/"));
    let mut pair = |key: &str, value: &Value| {
        // A JSON string or number cannot fail to be written.
        line.push_str(&format!(" {}={value}", Value::from(key)));
    };
    pair("msg", &Value::from(entry.message.as_str()));
    if let Some(error) = &entry.error {
        pair("error", &error.as_deref().map_or(Value::Null, Value::from));
    }
    for (i, (key, _)) in entry.values.iter().enumerate() {
        let first = entry.values.iter().position(|(k, _)| k == key) == Some(i);
        let last = entry.values.iter().rev().find(|(k, _)| k == key);
        if let (true, Some((_, value))) = (first, last) {
            pair(key, value);
        }
    }
    line
}

/// The values of a line: the logger's by key, then the call's by key.
pub(super) fn merge(
    mut logger: Vec<(String, Value)>,
    mut call: Vec<(String, Value)>,
) -> Vec<(String, Value)> {
    logger.sort_by(|(a, _), (b, _)| a.cmp(b));
    call.sort_by(|(a, _), (b, _)| a.cmp(b));
    logger.extend(call);
    logger
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::LogFormat;
    use crate::log::Severity;
    use world::Timestamp;

    fn entry() -> Entry {
        Entry {
            host: "".into(),
            source: "".into(),
            at: Timestamp::parse("2022-05-07T13:40:41.298717999Z").unwrap(),
            severity: Severity::Error,
            verbosity: 0,
            format: LogFormat::Serialize,
            marker: "sync.go:70".into(),
            logger: vec!["cert-manager".into(), "orders".into()],
            message: "failed to update status".into(),
            error: Some(None),
            values: vec![("a".into(), "x".into()), ("b".into(), "<\"&".into()), ("a".into(), 2.into())],
        }
    }

    #[test]
    fn a_structured_line_has_its_error_first_and_the_later_value_of_a_key() {
        assert_eq!(
            render(&entry(), 1),
            r#"E0507 13:40:41.298717       1 sync.go:70] cert-manager/orders "msg"="failed to update status" "error"=null "a"=2 "b"="<\"&""#
        );
    }

    #[test]
    fn a_plain_line_is_its_text() {
        let plain = Entry { logger: Vec::new(), message: "ingress 'a/b' gone".into(), ..entry() };
        assert_eq!(render(&plain, 1), "E0507 13:40:41.298717       1 sync.go:70] ingress 'a/b' gone");
    }
}
