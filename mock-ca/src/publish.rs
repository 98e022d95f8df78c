//! What the CA publishes for everybody: the certificates of its issuers, and what is revoked.

use crate::Ca;
use crate::ca::{CaError, Published, Revoked};

impl Ca {
    /// What there is at a path of the URLs that certificates give
    /// ([`Publication`](crate::config::Publication)): an issuer's certificate, or a revocation list that is
    /// made for the occasion. It is `None` for any other path.
    ///
    /// # Errors
    /// When the issuer has no key to sign a list with.
    pub fn published(&self, path: &str) -> Result<Option<Published>, CaError> {
        let now = self.world().now();
        let hierarchy = self.hierarchy();
        hierarchy.published(path, now, |issuer| {
            let state = self.state();
            let listed = |not_after| not_after + hierarchy.crl_lifetime() >= now;
            let of_issuer = state.db.certificates.values().filter(|issued| issued.issuer == issuer);
            of_issuer.filter(|issued| listed(issued.not_after)).filter_map(Revoked::of).collect()
        })
    }
}
