//! Fault scripts: any text is rules or one error with a place; rules read back as they are written.
#![no_main]

use mock_ca::faults::Script;

libfuzzer_sys::fuzz_target!(|text: &str| {
    match text.parse::<Script>() {
        Ok(script) => {
            let json = serde_json::to_string(&script).unwrap_or_default();
            assert_eq!(json.parse::<Script>(), Ok(script));
        }
        Err(error) => assert!(error.line > 0 && error.column > 0),
    }
});
