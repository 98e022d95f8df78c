//! Mending the indentation of a text that is not YAML: TABs, lines between two levels, texts that go on in the next line.

use std::collections::BTreeMap;

use super::error::ManifestError;
use super::source::Source;
use super::tree::{self, Node};

/// How many lines of a text are mended.
const MAX_MENDED: usize = 200;

/// What was wrong with a line's indentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It had TABs in it.
    Tab,
    /// No line above was indented like that.
    Level,
    /// A text went on in it, at the level of its key.
    Continuation,
}

/// A line that was indented anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mended {
    /// Its number, from 1.
    pub(super) line: usize,
    pub(super) wrong: Wrong,
    /// How many characters of indentation it had, and has.
    pub(super) before: usize,
    pub(super) after: usize,
}

/// The documents of a text, and the text and lines as mended.
pub(super) struct Parsed {
    pub(super) source: Source,
    pub(super) documents: Vec<Node>,
    pub(super) mended: Vec<Mended>,
}

/// Parses a text; as long as it is not YAML, the line that the parser stumbles on is indented anew.
///
/// # Errors
/// What is wrong with the text where no other indentation helps.
pub(super) fn parse(name: &str, text: &str) -> Result<Parsed, ManifestError> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    // A line that is mended twice is not understood.
    let mut mended: BTreeMap<usize, Mended> = BTreeMap::new();
    loop {
        let source = Source::new(name, &lines.join("\n"));
        let error = match tree::parse(&source) {
            Ok(documents) => {
                return Ok(Parsed { source, documents, mended: mended.into_values().collect() });
            }
            Err(error) => error,
        };
        let at = culprit(&lines, error.location().1 - 1, error.message());
        let known = mended.contains_key(&at) || mended.len() >= MAX_MENDED;
        let fitting = if known { None } else { indentation(&lines, at, error.message()) };
        let (Some((wrong, after)), Some(line)) = (fitting, lines.get_mut(at)) else { return Err(error) };
        let content = line.trim_start().to_owned();
        let before = line.chars().count() - content.chars().count();
        *line = format!("{}{content}", " ".repeat(after));
        mended.insert(at, Mended { line: at + 1, wrong, before, after });
    }
}

const TAB: &str = "found character that cannot start any token";

/// The line that an error is about: a TAB is noticed while the text of the line above is read.
fn culprit(lines: &[String], at: usize, message: &str) -> usize {
    if !message.ends_with(TAB) {
        return at;
    }
    let has_tab = |line: &String| line[..indent(line)].contains('\t');
    lines.iter().skip(at).position(has_tab).map_or(at, |further| at + further)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Content without the comment and blanks at its end.
fn content(line: &str) -> &str {
    let content = line.trim();
    match content.find(" #") {
        Some(at) => content[..at].trim_end(),
        None => content,
    }
}

/// What is wrong with the indentation of a line, and what would fit; nothing when it is not that.
fn indentation(lines: &[String], at: usize, message: &str) -> Option<(Wrong, usize)> {
    let line = lines.get(at)?;
    let own = indent(line);
    if line.trim().is_empty() {
        return None;
    }
    let above: Vec<&str> = lines
        .get(..at)?
        .iter()
        .rev()
        .map(String::as_str)
        .take_while(|line| !line.starts_with("---"))
        .filter(|line| !content(line).is_empty() && !line.trim_start().starts_with('#'))
        .collect();
    let previous = *above.first()?;
    let (wrong, fitting) = if message.ends_with(TAB) {
        if !line[..own].contains('\t') {
            return None;
        }
        (Wrong::Tab, beside(line, previous))
    } else if message.ends_with("could not find expected ':'") {
        let goes_on = !previous.contains(':');
        (Wrong::Continuation, if goes_on { indent(previous) } else { indent(previous) + 2 })
    } else if message.contains("did not find expected") || message.contains("mapping values are not allowed")
    {
        if content(previous).ends_with(':') {
            (Wrong::Level, indent(previous) + 2)
        } else {
            (Wrong::Level, nearest_level(&above, own)?)
        }
    } else {
        return None;
    };
    (fitting != own || line[..own].contains('\t')).then_some((wrong, fitting))
}

/// The level that a line has after another one: below it if that opens a mapping or a list, else beside it.
fn beside(line: &str, previous: &str) -> usize {
    let item = |line: &str| line.trim_start().starts_with("- ");
    let opens = content(previous).ends_with(':');
    match (item(line), item(previous)) {
        (true, true) => indent(previous),
        _ if opens => indent(previous) + 2,
        // Behind the first key of an item.
        (false, true) => indent(previous) + 2,
        _ => indent(previous),
    }
}

/// The open level that is nearest to an indentation, the deeper of two.
fn nearest_level(above: &[&str], own: usize) -> Option<usize> {
    let mut open: Vec<usize> = Vec::new();
    for line in above {
        let level = indent(line);
        if open.last().is_none_or(|inner| level < *inner) {
            open.push(level);
        }
    }
    open.into_iter().min_by_key(|level| level.abs_diff(own))
}
