//! Paths of fields, and errors about them in the form of the API server.

use std::fmt;

/// One refused field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `spec.acme.solvers[0].http01`.
    pub path: String,
    /// Why: `Required value: name must be specified`.
    pub message: String,
}

impl FieldError {
    /// The class of the error, such as `Required value`.
    pub fn class(&self) -> &str {
        self.message.split(':').next().unwrap_or_default()
    }
}

/// `path: message`
impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// The path of a field.
#[derive(Debug, Clone)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn root(name: &str) -> Self {
        Path(name.to_owned())
    }

    pub(super) fn child(&self, name: &str) -> Self {
        Path(format!("{}.{name}", self.0))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Path(format!("{}[{index}]", self.0))
    }

    pub(super) fn key(&self, key: &str) -> Self {
        Path(format!("{}[{key}]", self.0))
    }
}

/// Errors as they are found.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<FieldError>);

impl Errors {
    pub(super) fn into_vec(self) -> Vec<FieldError> {
        self.0
    }

    fn push(&mut self, path: Path, message: String) {
        self.0.push(FieldError { path: path.0, message });
    }

    /// A value is missing.
    pub(super) fn required(&mut self, path: Path, detail: &str) {
        let separator = if detail.is_empty() { "" } else { ": " };
        self.push(path, format!("Required value{separator}{detail}"));
    }

    /// A text is missing, if it is.
    pub(super) fn require(&mut self, text: &str, path: Path) {
        if text.is_empty() {
            self.required(path, "");
        }
    }

    /// A text is wrong.
    pub(super) fn invalid(&mut self, path: Path, value: &str, detail: &str) {
        self.push(path, format!("Invalid value: {value:?}: {detail}"));
    }

    /// A number or the like is wrong.
    pub(super) fn invalid_value(&mut self, path: Path, value: impl fmt::Display, detail: &str) {
        self.push(path, format!("Invalid value: {value}: {detail}"));
    }

    /// A value may not be given here.
    pub(super) fn forbidden(&mut self, path: Path, detail: &str) {
        self.push(path, format!("Forbidden: {detail}"));
    }

    /// A value is given twice.
    pub(super) fn duplicate(&mut self, path: Path, value: &str) {
        self.push(path, format!("Duplicate value: {value:?}"));
    }

    /// A value is not among the ones that are supported.
    pub(super) fn unsupported(&mut self, path: Path, value: impl fmt::Display, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|text| format!("{text:?}")).collect();
        self.push(path, format!("Unsupported value: {value}: supported values: {}", supported.join(", ")));
    }

    /// A text is too long, if it is.
    pub(super) fn limit(&mut self, text: &str, bytes: usize, path: Path) {
        if text.len() > bytes {
            self.push(path, format!("Too long: must have at most {bytes} bytes"));
        }
    }
}
