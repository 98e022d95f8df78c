//! The integration tests of `mock-dns`, as one program: one link instead of one per file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod answers;
mod arbitrary_bytes;
mod binary;
mod challtest;
mod challtest_binary;
mod configuration;
mod nameservers;
mod parsers;
mod protocol;
mod provider;
mod seeds;
mod updates;
