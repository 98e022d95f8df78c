//! UPDATE messages to the authoritative server: whatever comes, the zone can still be served.
#![no_main]

#[path = "../harness/update.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
