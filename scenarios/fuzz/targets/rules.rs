//! Scripts of rules: whatever is accepted decides queries without a panic.
#![no_main]

#[path = "../harness/rules.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
