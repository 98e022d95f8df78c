//! Fault scripts: any text is rules or one error with a place; rules read back as they are written.

use mock_ca::faults::Script;

/// Whether it is a script.
pub(crate) fn run(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    match text.parse::<Script>() {
        Ok(script) => {
            let json = serde_json::to_string(&script).unwrap_or_default();
            assert_eq!(json.parse::<Script>(), Ok(script));
            true
        }
        Err(error) => {
            assert!(error.line > 0 && error.column > 0 && !error.to_string().is_empty());
            false
        }
    }
}
