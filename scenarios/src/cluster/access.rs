//! The access logs of ingress and gateway controllers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::time::Duration;

use world::{Instant, Timestamp};

use super::Shared;
use crate::script::IngressBehaviour;

/// All of them, in the order in which requests were answered.
#[derive(Debug, Clone, Default)]
pub struct AccessLog(Shared<Vec<Access>>);

impl AccessLog {
    pub(super) fn add(&self, access: Access) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(access);
    }

    /// All until now.
    pub(crate) fn all(&self) -> Vec<Access> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A request that was answered.
#[derive(Debug, Clone)]
pub struct Access {
    /// When it came.
    pub(crate) at: Instant,
    /// What the wall clock showed then.
    pub(crate) wall: Timestamp,
    /// The controller's host.
    pub(crate) host: String,
    /// Who asked.
    pub(crate) peer: Option<IpAddr>,
    /// Method.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    /// The Host header.
    pub(crate) authority: String,
    /// The User-Agent header.
    pub(crate) user_agent: String,
    /// What Envoy gives to each request (`x-request-id`).
    pub(crate) id: [u8; 16],
    /// Status of the answer.
    pub(crate) status: u16,
    /// Bytes of its body.
    pub(crate) bytes: usize,
    /// Envoy's response flag.
    pub(crate) flag: &'static str,
    /// Who was asked for the answer.
    pub(crate) upstream: Option<SocketAddr>,
    /// How long it took.
    pub(crate) took: Duration,
    /// Whose log it is.
    pub(crate) behaviour: IngressBehaviour,
}

impl Access {
    /// Why the proxy answered itself, as far as it says.
    pub(crate) fn why(&self) -> Option<&'static str> {
        match (self.flag, self.status) {
            ("UH", _) => Some("no healthy upstream"),
            ("NR", _) => Some("no route"),
            ("UF", _) => Some("upstream connection failure"),
            (_, 404) if self.upstream.is_none() => Some("no route"),
            (_, 503) if self.upstream.is_none() => Some("no endpoint"),
            (_, 502) => Some("the endpoint does not answer"),
            _ => None,
        }
    }
}

/// A line of the access log: Istio's format of 2018 for Envoy, the combined log format and the host for the others.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Access { method, path, authority, user_agent, status, bytes, .. } = self;
        let peer = self.peer.map_or_else(|| "-".to_owned(), |ip| ip.to_string());
        if self.behaviour != IngressBehaviour::Envoy {
            let at = self.wall.rfc3339_secs();
            return write!(
                f,
                "{peer} - - [{at}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{user_agent}\" \"{authority}\""
            );
        }
        let (flag, took) = (self.flag, self.took.as_millis());
        let upstream = self.upstream.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let served = if self.upstream.is_some() { took.to_string() } else { "-".to_owned() };
        let at = millis(self.wall);
        let id = Uuid(self.id);
        write!(
            f,
            "[{at}] \"{method} {path} HTTP/1.1\" {status} {flag} 0 {bytes} {took} {served} \"{peer}\" \"{user_agent}\" \"{id}\" \"{authority}\" \"{upstream}\""
        )
    }
}

/// `2018-01-23T21:01:53.341Z`.
fn millis(at: Timestamp) -> String {
    let (secs, millis) = (at.rfc3339_secs(), at.unix_nanos().rem_euclid(1_000_000_000) / 1_000_000);
    format!("{}.{millis:03}Z", secs.trim_end_matches('Z'))
}

/// A UUID of version 4 out of random bytes (RFC 9562 section 5.4).
struct Uuid([u8; 16]);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let byte = match n {
                6 => byte & 0x0f | 0x40,
                8 => byte & 0x3f | 0x80,
                _ => *byte,
            };
            let dash = if [4, 6, 8, 10].contains(&n) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Document 003's line, with what it leaves out put in.
    #[test]
    fn envoys_line_is_that_of_the_document() {
        let access = Access {
            at: Instant::default(),
            wall: Timestamp::parse("2018-01-23T21:01:53.341Z").unwrap(),
            host: "istio-ingress".into(),
            peer: Some([10, 20, 5, 1].into()),
            method: "GET".into(),
            path: "/.well-known/acme-challenge/xxxxxxx".into(),
            authority: "www.domain.com".into(),
            user_agent: "Go-http-client/1.1".into(),
            id: [0; 16],
            status: 503,
            bytes: "no healthy upstream".len(),
            flag: "UH",
            upstream: None,
            took: Duration::ZERO,
            behaviour: IngressBehaviour::Envoy,
        };
        assert_eq!(
            access.to_string(),
            "[2018-01-23T21:01:53.341Z] \"GET /.well-known/acme-challenge/xxxxxxx HTTP/1.1\" 503 UH 0 19 0 - \"10.20.5.1\" \"Go-http-client/1.1\" \"00000000-0000-4000-8000-000000000000\" \"www.domain.com\" \"-\""
        );
    }
}
