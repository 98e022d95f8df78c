//! The integration tests of `world`, as one program: one link instead of one per file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;
mod guest;
mod hosts;
mod http_serve;
mod http_tls;
mod net;
mod real;
mod sim;
mod steering;
mod tls;
