//! Roots and intermediates as Pebble's paths ask for them: by the number of the chain.

use world::keys::pem_encode;

use crate::Ca;

/// What is shown of a hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Roots,
    RootKeys,
    Intermediates,
    IntermediateKeys,
}

impl Part {
    /// How many there are.
    pub(super) fn count(self, ca: &Ca) -> usize {
        ca.issuer_roots().len()
    }

    /// The n-th, PEM.
    pub(super) fn pem(self, ca: &Ca, n: usize) -> Option<String> {
        match self {
            Part::Roots => ca.issuer_roots().get(n).map(|root| pem_encode("CERTIFICATE", root)),
            Part::Intermediates => {
                ca.hierarchy().intermediates().get(n).map(|issuer| pem_encode("CERTIFICATE", issuer))
            }
            Part::RootKeys => ca.hierarchy().root_keys_pem(n),
            Part::IntermediateKeys => ca.hierarchy().intermediate_keys_pem(n),
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Part::Roots | Part::Intermediates => "application/pem-certificate-chain; charset=utf-8",
            Part::RootKeys | Part::IntermediateKeys => "application/x-pem-file; charset=utf-8",
        }
    }
}
