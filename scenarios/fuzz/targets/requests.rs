//! Whole requests to a CA of each dialect: every answer is one, and every refusal says what was wrong.
#![no_main]

#[path = "../harness/requests.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|text: &str| {
    for dialect in harness::DIALECTS {
        if let Err(wrong) = harness::run(text, dialect) {
            panic!("{wrong}");
        }
    }
});
