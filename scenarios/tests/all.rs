//! The scenario runs, and the program, as one program: one link instead of one per file.

mod acme;
mod acme_client;
mod ceilings;
mod cli;
mod common;
mod determinism;
mod dns01;
mod fault_scripts;
mod first_issuance;
mod http01;
mod issue;
mod issue_bed;
mod issuers;
mod legacy;
mod library;
mod manifests;
mod processes;
mod rancher_renewal;
mod self_check;
mod shims;
mod throughput;
mod tls_alpn01;
mod triggering;
mod workers;
