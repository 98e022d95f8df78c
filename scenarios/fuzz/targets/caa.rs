//! CAA records, one a line: flags, tag, value.
#![no_main]

#[path = "../harness/caa.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
