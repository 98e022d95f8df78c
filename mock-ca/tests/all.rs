//! The integration tests of `mock-ca`, as one program: one link instead of one per file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod accounts;
mod bounds;
mod csr;
mod dialects;
mod dropin;
mod external_accounts;
mod faults;
mod hierarchy;
mod instant_acme;
mod issuance;
mod limits;
mod orders;
mod pre_authorization;
mod protocol;
mod publication;
mod redirects;
mod renewal_info;
mod requests;
mod seeds;
mod state;
mod support;
mod validation;
