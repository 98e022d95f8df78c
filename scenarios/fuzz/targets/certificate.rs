//! The certificate that a server shows for tls-alpn-01, DER.
#![no_main]

#[path = "../harness/certificate.rs"]
mod harness;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    harness::run(input);
});
