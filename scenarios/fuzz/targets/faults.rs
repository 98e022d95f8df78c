//! Fault scripts: any text is rules or one error with a place; rules read back as they are written.
#![no_main]

#[path = "../harness/faults.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
