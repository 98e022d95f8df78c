//! The controllers of the CertificateRequest: approval, and signing by each type of issuer.

mod acme;
mod approver;
mod ca;
mod self_signed;
mod sync;
mod vault;
mod venafi;

use crate::controller::Context;
use crate::issuers::IssuerOptions;

/// Starts all of them.
pub(crate) fn start(context: &Context, options: &IssuerOptions) {
    approver::start(context);
    acme::start(context);
    ca::start(context, options);
    self_signed::start(context, options);
    vault::start(context, options);
    venafi::start(context, options);
}
