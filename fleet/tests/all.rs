//! Tests of runs: known answers, limits, outages, renewal information, and properties of any plan.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod accounts;
mod common;
mod known;
mod outages;
mod plans;
mod properties;
mod renewal_info;
