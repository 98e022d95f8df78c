//! The body of an ACME request: it is read, or what is wrong with it is said.
#![no_main]

#[path = "../harness/jws.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
