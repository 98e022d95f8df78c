//! Where a CA that validates finds what proves control of a name.

mod challtestsrv;
mod hook;
mod listener;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;

use crate::client::{Dialer, Failure, Protocol, Trust};
use crate::target::{BadUrl, Origin, split};
use challtestsrv::Challtestsrv;
use listener::Listener;

/// How control of a name is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeType {
    /// RFC 8555 section 8.3.
    Http01,
    /// RFC 8555 section 8.4.
    Dns01,
    /// RFC 8737.
    TlsAlpn01,
}

impl ChallengeType {
    /// As it is called in ACME.
    pub fn name(self) -> &'static str {
        match self {
            ChallengeType::Http01 => "http-01",
            ChallengeType::Dns01 => "dns-01",
            ChallengeType::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// Who answers the CA.
#[derive(Clone, Debug)]
pub enum Publish {
    /// A challenge test server (mock-dns, pebble-challtestsrv), told through its management API at this URL.
    Challtestsrv(String),
    /// This process, at this address: for http-01 and tls-alpn-01.
    Listen(SocketAddr),
    /// A command for dns-01, called as lego's `exec` provider is: `CMD present FQDN VALUE`, `CMD cleanup FQDN VALUE`.
    Hook(String),
}

/// Why nothing can be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The URL of the management API.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// The address is taken, or not to be had.
    #[error("cannot listen on {at} for {}: {source}", challenge.name())]
    Listen {
        /// What for.
        challenge: ChallengeType,
        /// Where.
        at: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// These two do not go together.
    #[error("{with} does not answer {}", challenge.name())]
    Unable {
        /// What was asked for.
        challenge: ChallengeType,
        /// Who was to answer.
        with: &'static str,
    },
}

/// One challenge.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// The name that is proved.
    pub(crate) name: String,
    pub(crate) token: String,
    /// RFC 8555 section 8.1.
    pub(crate) key_authorization: String,
}

impl Proof {
    fn digest(&self) -> digest::Digest {
        digest::digest(&digest::SHA256, self.key_authorization.as_bytes())
    }

    /// What dns-01 has in its record.
    fn record(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.digest())
    }

    /// Where it has it.
    fn record_name(&self) -> String {
        format!("_acme-challenge.{}.", self.name)
    }
}

/// What all workers publish by.
#[derive(Clone)]
pub(crate) enum Publishing {
    Challtestsrv { url: String, dialer: Dialer, challenge: ChallengeType },
    Listener(Arc<Listener>),
    Hook(Arc<str>),
}

/// What one worker publishes by.
pub(crate) enum Publisher {
    Challtestsrv(Box<Challtestsrv>),
    Listener(Arc<Listener>),
    Hook(Arc<str>),
}

impl Publishing {
    /// Ready to publish; a listener listens.
    pub(crate) async fn start(publish: &Publish, challenge: ChallengeType) -> Result<Self, PublishError> {
        match publish {
            Publish::Challtestsrv(url) => {
                Origin::parse(split(url)?.0)?;
                // Any certificate is good on such a machine; usually there is none.
                let dialer = Dialer::new(&Trust::Any, Protocol::Http1)
                    .map_err(|_| BadUrl { url: url.clone(), why: "TLS is not to be had" })?;
                Ok(Publishing::Challtestsrv { url: url.clone(), dialer, challenge })
            }
            Publish::Listen(at) => Ok(Publishing::Listener(Arc::new(Listener::start(*at, challenge).await?))),
            Publish::Hook(command) if challenge == ChallengeType::Dns01 => {
                Ok(Publishing::Hook(command.as_str().into()))
            }
            Publish::Hook(_) => Err(PublishError::Unable { challenge, with: "a DNS hook" }),
        }
    }

    pub(crate) fn publisher(&self, deadline: Duration) -> Result<Publisher, PublishError> {
        Ok(match self {
            Publishing::Challtestsrv { url, dialer, challenge } => {
                Publisher::Challtestsrv(Box::new(Challtestsrv::new(url, dialer, *challenge, deadline)?))
            }
            Publishing::Listener(listener) => Publisher::Listener(listener.clone()),
            Publishing::Hook(command) => Publisher::Hook(command.clone()),
        })
    }
}

impl Publisher {
    /// Shows a proof.
    pub(crate) async fn present(&mut self, proof: &Proof) -> Result<(), Failure> {
        match self {
            Publisher::Challtestsrv(server) => server.present(proof).await,
            Publisher::Listener(listener) => listener.present(proof),
            Publisher::Hook(command) => hook::run(command, "present", proof).await,
        }
    }

    /// Takes it back.
    pub(crate) async fn clean_up(&mut self, proof: &Proof) -> Result<(), Failure> {
        match self {
            Publisher::Challtestsrv(server) => server.clean_up(proof).await,
            Publisher::Listener(listener) => {
                listener.clean_up(proof);
                Ok(())
            }
            Publisher::Hook(command) => hook::run(command, "cleanup", proof).await,
        }
    }
}
