//! Certificate signing requests, DER: what is read names somebody, what is not says why.
#![no_main]

#[path = "../harness/csr.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
