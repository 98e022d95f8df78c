//! Why a manifest (or any other text in its language) was refused, and where.

use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::sync::Arc;

use super::source::{Source, Span};

/// Why a manifest was refused: one sentence, the place, and what to do about it.
///
/// As a [`Diagnostic`] it is drawn with the lines of the source.
#[derive(Debug, Clone)]
pub struct ManifestError(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    message: String,
    source_name: String,
    source: NamedSource<Arc<str>>,
    line: usize,
    column: usize,
    labels: Vec<LabeledSpan>,
    help: Option<String>,
}

impl ManifestError {
    /// An error at a place, still without a label.
    pub(super) fn new(source: &Source, span: Span, message: String) -> Self {
        let (line, column) = source.line_column(span.start);
        ManifestError(Box::new(Details {
            message: one_line(&message),
            source_name: source.name().to_owned(),
            source: NamedSource::new(source.name(), source.shared_text()),
            line,
            column,
            labels: vec![LabeledSpan::new_primary_with_span(None, (span.start, span.len()))],
            help: None,
        }))
    }

    /// With a text at the place itself.
    #[must_use]
    pub fn with_label(mut self, text: impl Into<String>) -> Self {
        if let Some(primary) = self.0.labels.first_mut() {
            primary.set_label(Some(text.into()));
        }
        self
    }

    /// With a further place.
    #[must_use]
    pub fn with_place(mut self, span: Span, text: impl Into<String>) -> Self {
        self.0.labels.push(LabeledSpan::new_with_span(Some(text.into()), (span.start, span.len())));
        self
    }

    /// With advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// With advice, if there is any.
    #[must_use]
    pub(super) fn with_help_if(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.with_help(help),
            None => self,
        }
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// File, line and column, both from 1.
    pub fn location(&self) -> (&str, usize, usize) {
        (&self.0.source_name, self.0.line, self.0.column)
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

/// The text without line breaks and other control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ManifestError {}

impl Diagnostic for ManifestError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.0.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.0.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.0.labels.iter().cloned()))
    }
}
