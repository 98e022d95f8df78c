//! What a script expects, held against what came. Every difference is told, none is decided away.

mod checks;
pub(crate) mod paths;

use engine::api::{Object, ObjectKey};
use reports::Difference;
use serde_json::Value;

pub(crate) use checks::checks;

use crate::script::Expect;

/// One expected line, or the place of lines that were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Line(String),
    Gap,
}

/// A line without the padding that documents lose: runs of blanks are one blank.
fn collapsed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Holds the log's lines against the expectation file. Lines where the file has `...` are free, but for their
/// number.
pub fn log(expected: &str, elided: Option<usize>, actual: &[String]) -> Vec<Difference> {
    let wanted: Vec<Expected> = expected
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| if line.trim() == "..." { Expected::Gap } else { Expected::Line(collapsed(line)) })
        .collect();
    let came: Vec<String> = actual.iter().map(|line| collapsed(line)).collect();
    let pairs = matches(&wanted, &came);
    let mut differences = Vec::new();
    let (mut w, mut c, mut left_out) = (0, 0, 0);
    let ends = std::iter::once((wanted.len(), came.len()));
    for (next_w, next_c) in pairs.into_iter().chain(ends) {
        let gap = wanted[w..next_w].contains(&Expected::Gap);
        let missing = wanted[w..next_w].iter().filter_map(|e| match e {
            Expected::Line(line) => Some(line),
            Expected::Gap => None,
        });
        for line in missing {
            let expected = Some(line.clone());
            differences.push(Difference {
                what: "log line that did not come".into(),
                expected,
                actual: None,
            });
        }
        if gap {
            left_out += next_c - c;
        } else {
            for line in &came[c..next_c] {
                let actual = Some(line.clone());
                let what = "log line that was not expected".to_owned();
                differences.push(Difference { what, expected: None, actual });
            }
        }
        (w, c) = (next_w + 1, next_c + 1);
    }
    if let Some(elided) = elided.filter(|n| *n != left_out) {
        differences.push(Difference {
            what: "log lines that the document leaves out (`...`)".to_owned(),
            expected: Some(elided.to_string()),
            actual: Some(left_out.to_string()),
        });
    }
    differences
}

/// The longest common subsequence: pairs of indexes.
fn matches(wanted: &[Expected], came: &[String]) -> Vec<(usize, usize)> {
    let same = |w: usize, c: usize| matches!(&wanted[w], Expected::Line(line) if *line == came[c]);
    let mut best = vec![vec![0_usize; came.len() + 1]; wanted.len() + 1];
    for w in (0..wanted.len()).rev() {
        for c in (0..came.len()).rev() {
            best[w][c] = if same(w, c) { best[w + 1][c + 1] + 1 } else { best[w + 1][c].max(best[w][c + 1]) };
        }
    }
    let (mut w, mut c, mut pairs) = (0, 0, Vec::new());
    while w < wanted.len() && c < came.len() {
        if same(w, c) {
            pairs.push((w, c));
            (w, c) = (w + 1, c + 1);
        } else if best[w + 1][c] >= best[w][c + 1] {
            w += 1;
        } else {
            c += 1;
        }
    }
    pairs
}

/// Holds the objects at the end against the script's fields.
pub fn objects(expect: &Expect, get: impl Fn(&str, &ObjectKey) -> Option<Object>) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (subject, fields) in &expect.objects {
        let (kind, name) = subject.split_once(' ').unwrap_or((subject, ""));
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let json = get(kind, &ObjectKey::new(namespace, name)).map(|o| o.to_json());
        for (path, wanted) in fields {
            let found = json.as_ref().and_then(|json| paths::at(json, path));
            if !paths::fits(found, wanted) {
                differences.push(Difference {
                    what: format!("{subject} {path}"),
                    expected: Some(wanted.to_string()),
                    actual: Some(if json.is_none() {
                        "(no such object)".to_owned()
                    } else {
                        found.unwrap_or(&Value::Null).to_string()
                    }),
                });
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differences(
        expected: &str,
        elided: Option<usize>,
        actual: &[&str],
    ) -> Vec<(Option<String>, Option<String>)> {
        let actual: Vec<_> = actual.iter().map(|s| (*s).to_owned()).collect();
        log(expected, elided, &actual).into_iter().map(|d| (d.expected, d.actual)).collect()
    }

    #[test]
    fn padding_does_not_count_and_a_gap_is_free() {
        assert!(differences("a  b\n...\nc\n", Some(2), &["a b", "x", "y", "c"]).is_empty());
    }

    #[test]
    fn lines_missing_added_or_out_of_order_are_told() {
        let s = |t: &str| Some(t.to_owned());
        assert_eq!(differences("a\nb\nc", None, &["a", "c"]), [(s("b"), None)]);
        assert_eq!(differences("a\nc", None, &["a", "b", "c"]), [(None, s("b"))]);
        assert_eq!(differences("a\nb", None, &["b", "a"]), [(s("a"), None), (None, s("a"))]);
        assert_eq!(differences("a\n...\nb", Some(1), &["a", "b"]), [(s("1"), s("0"))]);
        assert_eq!(differences("a\n...\nb", None, &["x", "a", "b", "y"]), [(None, s("x")), (None, s("y"))]);
    }
}
