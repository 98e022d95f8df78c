//! The ways to prove control of a name, one per challenge type: which of them a Challenge needs is decided here.

use std::sync::Arc;

use super::{NAME, dns01, http01, tls_alpn01};
use crate::acme::AcmeClients;
use crate::api::{AcmeChallengeType, Challenge};
use crate::controller::{Context, SyncResult};
use crate::engine::EngineConfig;
use crate::host::{self, Responder};
use crate::log::Logger;

/// All solvers of a process.
pub(super) struct Solvers {
    /// It comes first: outside of a cluster the same manifests are answered by this process.
    host: Option<Arc<dyn Responder>>,
    look: host::Look,
    http01: http01::Solver,
    dns01: dns01::Solver,
    tls_alpn01: tls_alpn01::Solver,
    log: Logger,
}

impl Solvers {
    pub(super) fn new(context: &Context, clients: &AcmeClients, config: &EngineConfig) -> Self {
        Solvers {
            host: config.host.clone(),
            look: host::Look::new(&context.world, clients.resolver()),
            http01: http01::Solver::new(context, clients.resolver(), config),
            dns01: dns01::Solver::new(context, clients),
            tls_alpn01: tls_alpn01::Solver::new(context, clients.resolver()),
            log: context.named(NAME).log,
        }
    }

    fn host_of(&self, challenge: &Challenge) -> Option<&dyn Responder> {
        self.host.as_deref().filter(|host| host.answers(challenge))
    }

    /// Puts up what the CA will look for. Done again for a challenge that is presented already, it mends what is
    /// missing.
    pub(super) async fn present(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        if let Some(host) = self.host_of(challenge) {
            return host.present(challenge).await;
        }
        match challenge.spec.type_ {
            AcmeChallengeType::Http01 => self.http01.present(&log.with_name("http01"), challenge).await,
            AcmeChallengeType::Dns01 => self.dns01.present(log, challenge).await,
            AcmeChallengeType::TlsAlpn01 => {
                self.tls_alpn01.present(&log.with_name("tlsalpn01"), challenge).await
            }
        }
    }

    /// Looks for what was presented, as the CA will.
    pub(super) async fn check(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        if let Some(host) = self.host_of(challenge) {
            // What an earlier process had put up went with it, except for a record in DNS.
            if challenge.spec.type_ != AcmeChallengeType::Dns01 {
                host.present(challenge).await?;
            }
            return match (host.self_check(), challenge.spec.type_) {
                (None, _) => Ok(()),
                (Some(ports), AcmeChallengeType::Http01) => self.http01.look(challenge, ports.http).await,
                (Some(ports), AcmeChallengeType::TlsAlpn01) => {
                    self.look.tls_alpn01(challenge, ports.tls).await
                }
                (Some(_), AcmeChallengeType::Dns01) => self.dns01.check(log, challenge).await,
            };
        }
        match challenge.spec.type_ {
            AcmeChallengeType::Http01 => {
                self.http01.check(&log.with_name("http01").with_name("selfCheck"), challenge).await
            }
            AcmeChallengeType::Dns01 => self.dns01.check(log, challenge).await,
            AcmeChallengeType::TlsAlpn01 => {
                self.tls_alpn01.check(&log.with_name("tlsalpn01").with_name("selfCheck"), challenge).await
            }
        }
    }

    /// Takes down what was presented.
    pub(super) async fn clean_up(&self, challenge: &Challenge) -> SyncResult {
        if let Some(host) = self.host_of(challenge) {
            return host.clean_up(challenge).await;
        }
        let log = self.log.with_value("dnsName", challenge.spec.dns_name.clone());
        let log = log.with_value("type", challenge.spec.type_.as_str()).with_resource(challenge);
        match challenge.spec.type_ {
            AcmeChallengeType::Http01 => self.http01.clean_up(&log, challenge).await,
            AcmeChallengeType::Dns01 => self.dns01.clean_up(challenge).await,
            AcmeChallengeType::TlsAlpn01 => self.tls_alpn01.clean_up(&log, challenge).await,
        }
    }
}
