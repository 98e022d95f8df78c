//! The scenario runs, and the program, as one program: one link instead of one per file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod acme;
mod acme_client;
mod acme_requests;
mod ceilings;
mod challenges;
mod clean_up;
mod cli;
mod common;
mod determinism;
mod dns01;
mod fault_scripts;
mod first_issuance;
mod fleet;
mod http01;
mod issue;
mod issue_bed;
mod issuer_backends;
mod issuer_setup;
mod issuers;
mod issuing;
mod legacy;
mod library;
mod manifests;
mod orders;
mod processes;
mod rancher_renewal;
mod requests;
mod schema;
mod scripts;
mod self_check;
mod shims;
mod throughput;
mod tls_alpn01;
mod triggering;
mod workers;
