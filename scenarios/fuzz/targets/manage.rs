//! Calls of the management interface of the challenge servers: the path in the first line, then the body.
#![no_main]

#[path = "../harness/manage.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
