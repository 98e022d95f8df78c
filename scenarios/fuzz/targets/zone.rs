//! Zone files: whatever is read is written, read back as the same, and served.
#![no_main]

#[path = "../harness/zone.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
