//! The integration tests of `mock-dns`, as one program: one link instead of one per file.

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
