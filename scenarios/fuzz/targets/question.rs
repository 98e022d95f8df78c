//! Bytes to the DNS server of the challenge servers, as a datagram and as a connection: whatever comes back
//! are responses, and the next question is answered.
#![no_main]

#[path = "../harness/question.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
