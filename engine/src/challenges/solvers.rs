//! The ways to prove control of a name, one per challenge type: which of them a Challenge needs is decided here.

use super::{dns01, http01};
use crate::acme::AcmeClients;
use crate::api::{AcmeChallengeType, Challenge};
use crate::controller::{Context, SyncError, SyncResult};
use crate::log::Logger;

/// All solvers of a process.
pub(super) struct Solvers {
    http01: http01::Solver,
    dns01: dns01::Solver,
}

fn unsolved(type_: AcmeChallengeType) -> SyncResult {
    Err(SyncError::Other(format!("no solver for {type_} in this engine yet")))
}

impl Solvers {
    pub(super) fn new(context: &Context, clients: &AcmeClients) -> Self {
        Solvers {
            http01: http01::Solver::new(context, clients.resolver()),
            dns01: dns01::Solver::new(context, clients),
        }
    }

    /// Puts up what the CA will look for. Done again for a challenge that is presented already, it mends what is
    /// missing.
    pub(super) async fn present(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        match challenge.spec.type_ {
            AcmeChallengeType::Http01 => self.http01.present(&log.with_name("http01"), challenge).await,
            AcmeChallengeType::Dns01 => self.dns01.present(log, challenge).await,
            other => unsolved(other),
        }
    }

    /// Looks for what was presented, as the CA will.
    pub(super) async fn check(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        match challenge.spec.type_ {
            AcmeChallengeType::Http01 => {
                self.http01.check(&log.with_name("http01").with_name("selfCheck"), challenge).await
            }
            AcmeChallengeType::Dns01 => self.dns01.check(log, challenge).await,
            other => unsolved(other),
        }
    }

    /// Takes down what was presented.
    pub(super) async fn clean_up(&self, challenge: &Challenge) -> SyncResult {
        match challenge.spec.type_ {
            AcmeChallengeType::Http01 => self.http01.clean_up(challenge).await,
            AcmeChallengeType::Dns01 => self.dns01.clean_up(challenge).await,
            other => unsolved(other),
        }
    }
}
