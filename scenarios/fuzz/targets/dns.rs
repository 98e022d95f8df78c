//! DNS messages to the authoritative server: whatever comes is answered or ignored.
#![no_main]

#[path = "../harness/dns.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
