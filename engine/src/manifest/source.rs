//! A text with a name, and places in it.

use std::sync::Arc;

use super::error::ManifestError;

/// A range of bytes in a [`Source`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last one.
    pub end: usize,
}

impl Span {
    /// From its ends; the end is never before the start.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start, end: end.max(start) }
    }

    /// From the start of this one to the end of the other.
    #[must_use]
    pub fn to(self, other: Span) -> Self {
        Span::new(self.start, other.end)
    }

    /// Its number of bytes.
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether it has no bytes: a place between two.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// A text and the name that errors give it.
#[derive(Debug, Clone)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    /// A text with the name of its file.
    pub fn new(name: &str, text: &str) -> Self {
        Source { name: name.into(), text: text.into() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text, shared.
    pub(super) fn shared_text(&self) -> Arc<str> {
        Arc::clone(&self.text)
    }

    /// The part of the text at the span, empty if it lies outside.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    /// Line and column, both from 1, the column in characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// An error at a place.
    pub fn error(&self, span: Span, message: impl Into<String>) -> ManifestError {
        ManifestError::new(self, span, message.into())
    }
}

/// Turns positions counted in characters into bytes.
#[derive(Debug)]
pub(super) struct CharOffsets {
    /// The byte of each character; absent when all are ASCII and the two counts agree.
    bytes: Option<Vec<usize>>,
    len: usize,
}

impl CharOffsets {
    pub(super) fn new(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        CharOffsets { bytes, len: text.len() }
    }

    /// The byte at which the n-th character starts, or the end of the text.
    pub(super) fn byte(&self, index: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(index).copied().unwrap_or(self.len),
            None => index.min(self.len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let source = Source::new("a.yaml", "a\n\u{fffd}\u{e9}x\n");
        let x = source.text().find('x').unwrap();
        assert_eq!(source.line_column(x), (2, 3));
        assert_eq!(CharOffsets::new(source.text()).byte(4), x);
        assert_eq!(source.line_column(999), (3, 1));
        assert_eq!(source.line_column(0), (1, 1));
    }
}
