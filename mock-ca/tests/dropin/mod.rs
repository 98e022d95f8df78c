//! The program `mock-ca` as a suite starts Pebble: flags, configuration file, environment, what it prints,
//! and its management API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod directory;
mod issue;
mod management;
mod program;
mod refusals;
