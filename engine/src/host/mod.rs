//! Challenges that are answered without a cluster: by listeners of this process, and by a command of the user's for
//! DNS.
//!
//! The manifests are those of a cluster. Whether a solver says `http01.ingress` or a Gateway, the key is served by
//! [`Listeners`]; the controllers do not know the difference. What has been presented is in memory and goes with
//! the process, so that a Challenge that an earlier process has presented is presented again; a record in DNS
//! stays.

mod dns01;
mod http01;
mod listeners;
mod look;
mod serving;
mod tls_alpn01;

use std::fmt;
use std::pin::Pin;

use crate::api::Challenge;
use crate::controller::SyncResult;
pub use dns01::Dns01Hook;
pub use listeners::{ListenConfig, Listeners};
pub(crate) use look::Look;
pub use serving::ListenError;

/// Work on one Challenge.
pub type Work<'a> = Pin<Box<dyn Future<Output = SyncResult> + Send + 'a>>;

/// The ports where the CA validates, which is where the self-check looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// For HTTP-01.
    pub http: u16,
    /// For TLS-ALPN-01.
    pub tls: u16,
}

impl Default for Ports {
    fn default() -> Self {
        Ports { http: 80, tls: 443 }
    }
}

/// Answers challenges in place of a cluster.
pub trait Responder: fmt::Debug + Send + Sync {
    /// Whether it answers this one; if not, the solver of the manifest does.
    fn answers(&self, challenge: &Challenge) -> bool;

    /// Puts up what the CA will look for. It may be there already.
    fn present<'a>(&'a self, challenge: &'a Challenge) -> Work<'a>;

    /// Takes it down. It may be gone already.
    fn clean_up<'a>(&'a self, challenge: &'a Challenge) -> Work<'a>;

    /// Where the self-check looks before the CA is asked to; `None`: it does not look.
    fn self_check(&self) -> Option<Ports>;
}
