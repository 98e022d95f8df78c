//! Texts for what is not YAML at all: those of the YAML library in `kubectl` where they are known, and the cause
//! where it can be seen.

use super::error::ManifestError;
use super::source::{Source, Span};

/// The error for the parser's complaint at a byte, with advice for its most common causes.
pub(super) fn explain(source: &Source, at: usize, complaint: &str) -> ManifestError {
    if complaint.contains("tab") {
        return tab(source, at);
    }
    match complaint.split_once(", ") {
        Some((_, "did not find expected key")) => key(source, at),
        Some((_, what @ "did not find expected '-' indicator")) => {
            error(source, here(source, at), what).with_label("not an item of the list above")
        }
        Some((_, "found unknown anchor")) => error(source, here(source, at), "found unknown anchor")
            .with_label("`*` refers to an anchor")
            .with_help("a text that starts with `*` must be in quotes"),
        Some((context, what)) if context.starts_with("while ") => {
            error(source, here(source, at), what).with_label(context)
        }
        _ if complaint.starts_with("simple key expect") => colon(source, at),
        _ => error(source, here(source, at), complaint).with_label("here").with_help_if(advice(complaint)),
    }
}

/// What most often leads to a complaint.
fn advice(complaint: &str) -> Option<String> {
    let text = if complaint.starts_with("mapping values are not allowed") {
        "a text that contains `: ` must be in quotes"
    } else if complaint.starts_with("illegal placement of ':'") {
        "is a `[`, a `{` or a quote above still open?"
    } else {
        return None;
    };
    Some(text.to_owned())
}

fn error(source: &Source, span: Span, what: &str) -> ManifestError {
    let (line, _) = source.line_column(span.start);
    source.error(span, format!("yaml: line {line}: {what}"))
}

/// The character at a byte, or nothing at the end of a line.
fn here(source: &Source, at: usize) -> Span {
    let at = at.min(source.text().len());
    let next = source.text().get(at..).and_then(|rest| rest.chars().next()).filter(|c| !c.is_control());
    Span::new(at, at + next.map_or(0, char::len_utf8))
}

/// A line of the source, without its end.
#[derive(Clone, Copy)]
struct Line<'s> {
    start: usize,
    text: &'s str,
}

impl<'s> Line<'s> {
    /// The line that contains a byte.
    fn at(source: &'s Source, at: usize) -> Self {
        let before = source.text().get(..at).unwrap_or(source.text());
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let rest = &source.text()[start..];
        Line { start, text: rest.split('\n').next().unwrap_or_default().trim_end() }
    }

    fn indent(self) -> usize {
        self.text.len() - self.content().len()
    }

    fn content(self) -> &'s str {
        self.text.trim_start()
    }

    /// Where its content is.
    fn span(self) -> Span {
        Span::new(self.start + self.indent(), self.start + self.text.len())
    }

    /// The line before it that has content other than a comment.
    fn before(self, source: &'s Source) -> Option<Self> {
        let mut line = self;
        while line.start > 0 {
            line = Line::at(source, line.start - 1);
            if !line.content().is_empty() && !line.content().starts_with('#') {
                return Some(line);
            }
        }
        None
    }
}

/// A TAB where blanks must be.
fn tab(source: &Source, at: usize) -> ManifestError {
    let line = Line::at(source, at);
    // The parser notices it only behind a run of blanks; the first one is the cause.
    let tab = line.text.find('\t').map_or(at, |offset| line.start + offset);
    error(source, Span::new(tab, tab + 1), "found character that cannot start any token")
        .with_label("a TAB")
        .with_help("YAML is indented with blanks only")
}

/// A line that is not at the indentation of any mapping that is open.
fn key(source: &Source, at: usize) -> ManifestError {
    let line = Line::at(source, at);
    let mut open: Vec<usize> = Vec::new();
    let mut above = line.before(source);
    while let Some(other) = above {
        if other.content().starts_with("---") {
            break;
        }
        if open.last().is_none_or(|inner| other.indent() < *inner) {
            open.push(other.indent());
        }
        above = if other.indent() == 0 { None } else { other.before(source) };
    }
    let error = error(source, here(source, at), "did not find expected key");
    if open.is_empty() || open.contains(&line.indent()) {
        return error.with_label("not a key of the mapping above");
    }
    let levels: Vec<String> = open.iter().rev().map(ToString::to_string).collect();
    let help = format!(
        "the lines above are indented by {}; more than {} makes it part of the line above",
        levels.join(", "),
        open.first().copied().unwrap_or_default()
    );
    error.with_label(format!("indented by {}, which no line above is", line.indent())).with_help(help)
}

/// A line that should have been a key.
fn colon(source: &Source, at: usize) -> ManifestError {
    let line = Line::at(source, at);
    let guilty = match line.before(source) {
        Some(before) if !before.content().contains(':') => before,
        _ => line,
    };
    error(source, guilty.span(), "could not find expected ':'")
        .with_label("not `key: value`")
        .with_help("a text that goes on in the next line is indented deeper than its key")
}
