//! The responder of a machine: a listener for HTTP-01, one for TLS-ALPN-01, and a hook for DNS-01.

use std::net::SocketAddr;

use world::World;

use super::dns01::{Action, Dns01Hook};
use super::http01::Http01;
use super::tls_alpn01::TlsAlpn01;
use super::{ListenError, Ports, Responder, Work};
use crate::api::{AcmeChallengeType, Challenge};
use crate::controller::SyncError;

/// Where a machine answers challenges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Listens here for HTTP-01. The CA asks at port 80 of the name, wherever that leads.
    pub http01: SocketAddr,
    /// Listens here for TLS-ALPN-01; the CA connects to port 443.
    pub tls_alpn01: SocketAddr,
    /// Publishes records for DNS-01; `None`: the solver of the manifest does.
    pub dns01: Option<Dns01Hook>,
    /// Where the self-check looks; `None`: there is none.
    pub self_check: Option<Ports>,
}

/// Answers challenges on this machine. A listener is open while there is a challenge of its type.
#[derive(Debug)]
pub struct Listeners {
    world: World,
    http01: Http01,
    tls_alpn01: TlsAlpn01,
    dns01: Option<Dns01Hook>,
    self_check: Option<Ports>,
}

impl Listeners {
    /// Nothing listens yet.
    pub fn new(world: &World, config: ListenConfig) -> Self {
        Listeners {
            world: world.clone(),
            http01: Http01::new(world, config.http01),
            tls_alpn01: TlsAlpn01::new(world, config.tls_alpn01),
            dns01: config.dns01,
            self_check: config.self_check,
        }
    }

    /// Whether challenges of this type could be answered now.
    ///
    /// # Errors
    /// [`ListenError`] when the address is taken, or not to be had.
    pub async fn probe(&self, type_: AcmeChallengeType) -> Result<(), ListenError> {
        match type_ {
            AcmeChallengeType::Http01 => self.http01.probe().await,
            AcmeChallengeType::TlsAlpn01 => self.tls_alpn01.probe().await,
            AcmeChallengeType::Dns01 => Ok(()),
        }
    }
}

impl Responder for Listeners {
    fn answers(&self, challenge: &Challenge) -> bool {
        challenge.spec.type_ != AcmeChallengeType::Dns01 || self.dns01.is_some()
    }

    fn present<'a>(&'a self, challenge: &'a Challenge) -> Work<'a> {
        Box::pin(async move {
            match (challenge.spec.type_, &self.dns01) {
                (AcmeChallengeType::Http01, _) => {
                    self.http01.present(challenge).await.map_err(SyncError::other)
                }
                (AcmeChallengeType::TlsAlpn01, _) => self.tls_alpn01.present(challenge).await,
                (AcmeChallengeType::Dns01, Some(hook)) => {
                    hook.run(&self.world, Action::Present, challenge).await
                }
                (AcmeChallengeType::Dns01, None) => Ok(()),
            }
        })
    }

    fn clean_up<'a>(&'a self, challenge: &'a Challenge) -> Work<'a> {
        Box::pin(async move {
            match (challenge.spec.type_, &self.dns01) {
                (AcmeChallengeType::Http01, _) => self.http01.clean_up(challenge).await,
                (AcmeChallengeType::TlsAlpn01, _) => self.tls_alpn01.clean_up(challenge).await,
                (AcmeChallengeType::Dns01, Some(hook)) => {
                    hook.run(&self.world, Action::Cleanup, challenge).await?;
                }
                (AcmeChallengeType::Dns01, None) => {}
            }
            Ok(())
        })
    }

    fn self_check(&self) -> Option<Ports> {
        self.self_check
    }
}

#[cfg(test)]
mod tests {
    use super::super::Look;
    use super::*;
    use world::http::Client;
    use world::resolver::Resolver;
    use world::sim;

    fn challenge(type_: AcmeChallengeType, token: &str) -> Challenge {
        let mut challenge = Challenge::default();
        challenge.spec.type_ = type_;
        challenge.spec.dns_name = "10.0.0.1".into();
        challenge.spec.token = token.into();
        challenge.spec.key = format!("{token}.thumbprint");
        challenge
    }

    /// Runs `body` on another host of a network in which the responder is at 10.0.0.1.
    fn with_listeners<F: Future<Output = ()> + Send + 'static>(
        body: impl FnOnce(World, Listeners) -> F + Send + 'static,
    ) {
        let run = sim::run(sim::Config::default(), |world| async move {
            let net = world.sim_net().unwrap();
            net.add_host("host", ["10.0.0.1".parse().unwrap()]);
            net.add_host("ca", ["10.0.0.2".parse().unwrap()]);
            let config = ListenConfig {
                http01: "10.0.0.1:80".parse().unwrap(),
                tls_alpn01: "10.0.0.1:443".parse().unwrap(),
                dns01: None,
                self_check: None,
            };
            body(world.process("ca"), Listeners::new(&world.process("host"), config)).await;
        });
        run.unwrap();
    }

    #[test]
    fn http_01_is_answered_by_token_while_there_is_one() {
        with_listeners(|world, listeners| async move {
            let client = Client::new(&world, Resolver::new(&world, Vec::new())).without_keep_alive();
            let get = |token: &str| {
                let url = format!("http://10.0.0.1/.well-known/acme-challenge/{token}").parse().unwrap();
                let client = client.clone();
                async move {
                    let reply = client.get(&url).await.ok()?;
                    Some((reply.status.as_u16(), String::from_utf8(reply.body.to_vec()).unwrap()))
                }
            };
            let [a, b] = ["a", "b"].map(|token| challenge(AcmeChallengeType::Http01, token));
            assert_eq!(get("a").await, None, "nothing listens yet");
            // Twice is as good as once.
            for c in [&a, &a, &b] {
                listeners.present(c).await.unwrap();
            }
            assert_eq!(get("a").await, Some((200, "a.thumbprint".into())));
            assert_eq!(get("c").await.unwrap().0, 404);
            listeners.clean_up(&a).await.unwrap();
            assert_eq!(get("a").await.unwrap().0, 404);
            assert_eq!(get("b").await.unwrap().0, 200);
            listeners.clean_up(&b).await.unwrap();
            assert_eq!(get("b").await, None, "nothing listens any more");
            listeners.present(&a).await.unwrap();
            assert_eq!(get("a").await.unwrap().0, 200, "and again");
        });
    }

    #[test]
    fn tls_alpn_01_is_proved_to_who_speaks_its_protocol() {
        with_listeners(|world, listeners| async move {
            let look = Look::new(&world, Resolver::new(&world, Vec::new()));
            let mut a = challenge(AcmeChallengeType::TlsAlpn01, "a");
            listeners.present(&a).await.unwrap();
            look.tls_alpn01(&a, 443).await.unwrap();
            // Another key authorization is not proved.
            a.spec.key.push('x');
            let error = look.tls_alpn01(&a, 443).await.unwrap_err().to_string();
            assert!(error.contains("is not that of this challenge"), "{error}");
            // Its clean-up leaves the other's certificate alone.
            listeners.clean_up(&a).await.unwrap();
            a.spec.key.pop();
            look.tls_alpn01(&a, 443).await.unwrap();
            let plain = world::tls::Connector::unverified(&world).unwrap();
            let at = "10.0.0.1:443".parse().unwrap();
            let name = world::tls::reverse_name("10.0.0.1".parse().unwrap());
            let dialled = plain.dial(at, &name, std::time::Duration::from_secs(10)).await;
            assert!(dialled.is_err(), "no other protocol");
            listeners.clean_up(&a).await.unwrap();
            let error = look.tls_alpn01(&a, 443).await.unwrap_err().to_string();
            assert!(error.contains("connection refused"), "{error}");
        });
    }

    #[test]
    fn an_address_that_is_taken_is_said_so() {
        with_listeners(|world, listeners| async move {
            let _other = world.process("host").listen("10.0.0.1:80".parse().unwrap()).await.unwrap();
            let error = listeners.probe(AcmeChallengeType::Http01).await.unwrap_err().to_string();
            assert!(error.starts_with("cannot listen on 10.0.0.1:80 for HTTP-01: "), "{error}");
            listeners.probe(AcmeChallengeType::TlsAlpn01).await.unwrap();
            let refused = listeners.present(&challenge(AcmeChallengeType::Http01, "a")).await;
            assert!(refused.unwrap_err().to_string().starts_with("cannot listen on"));
        });
    }

    #[test]
    fn dns_01_without_a_hook_is_left_to_the_manifest() {
        with_listeners(|_, listeners| async move {
            assert!(!listeners.answers(&challenge(AcmeChallengeType::Dns01, "a")));
            assert!(listeners.answers(&challenge(AcmeChallengeType::Http01, "a")));
        });
    }
}
