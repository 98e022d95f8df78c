//! What a client sends, whole and damaged: the seeds of the fuzz targets (`scenarios/fuzz`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../scenarios/fuzz/harness/caa.rs"]
mod caa;
#[path = "../../scenarios/fuzz/harness/certificate.rs"]
mod certificate;
#[path = "../../scenarios/fuzz/harness/csr.rs"]
mod csr;
#[path = "../../scenarios/fuzz/harness/faults.rs"]
mod faults;
#[path = "../../scenarios/fuzz/harness/seeds.rs"]
mod harness;
#[path = "../../scenarios/fuzz/harness/jws.rs"]
mod jws;

#[test]
fn bodies() {
    harness::each("jws", 300, jws::run);
}

#[test]
fn signing_requests() {
    harness::each("csr", 150, csr::run);
}

#[test]
fn certificates_of_tls_alpn() {
    harness::each("certificate", 400, certificate::run);
}

#[test]
fn caa_records() {
    harness::each("caa", 1000, caa::run);
}

#[test]
fn fault_scripts() {
    harness::each("faults", 400, faults::run);
}
