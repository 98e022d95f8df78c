//! The integration tests of `engine`, as one program: one link instead of one per file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod acme;
mod admission;
mod certificates;
mod coverage;
mod informer;
mod lenient;
mod log;
mod manifests;
mod persist;
mod store;
