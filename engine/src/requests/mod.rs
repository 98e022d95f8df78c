//! The controllers of the CertificateRequest: approval, and signing by an ACME issuer.

mod acme;
mod approver;

use crate::controller::Context;

/// Starts all of them.
pub(crate) fn start(context: &Context) {
    approver::start(context);
    acme::start(context);
}
