//! Who asked for what, and when.

use std::net::SocketAddr;

use serde::Serialize;
use world::Timestamp;

use super::bounded::Recent;
use super::names;
use crate::journal::Transport;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    Udp,
    Tcp,
    Https,
}

impl Via {
    /// What the authoritative server makes of it: only datagrams are short.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Via::Udp => Transport::Udp,
            Via::Tcp => Transport::Tcp,
            Via::Https => Transport::Https,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Via::Udp => "udp",
            Via::Tcp => "tcp",
            Via::Https => "https",
        }
    }
}

/// A request to the http-01 or https-01 responder.
#[derive(Debug, Clone)]
pub(crate) struct HttpEvent {
    pub(crate) at: Timestamp,
    pub(crate) from: SocketAddr,
    pub(crate) url: String,
    /// The Host header as it came.
    pub(crate) host: String,
    /// The name of the TLS handshake; `None` without TLS.
    pub(crate) tls: Option<String>,
    pub(crate) user_agent: String,
    pub(crate) status: Option<u16>,
}

/// A question to the DNS server.
#[derive(Debug, Clone)]
pub(crate) struct DnsEvent {
    pub(crate) at: Timestamp,
    pub(crate) from: SocketAddr,
    pub(crate) via: Via,
    /// In wire form, as it was asked for.
    pub(crate) name: Box<[u8]>,
    pub(crate) kind: u16,
    pub(crate) class: u16,
    /// Of a question over HTTPS.
    pub(crate) user_agent: String,
    /// Its answer's code; `None` when it was left without.
    pub(crate) code: Option<u8>,
}

/// A handshake with the tls-alpn-01 responder.
#[derive(Debug, Clone)]
pub(crate) struct TlsAlpnEvent {
    pub(crate) at: Timestamp,
    pub(crate) server_name: String,
    /// What the client offered; `None` when it offered nothing.
    pub(crate) protocols: Option<Vec<String>>,
}

/// The three histories.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) http: Recent<HttpEvent>,
    pub(crate) dns: Recent<DnsEvent>,
    pub(crate) tls_alpn: Recent<TlsAlpnEvent>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    Http,
    Dns,
    TlsAlpn,
}

impl EventKind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "http" => EventKind::Http,
            "dns" => EventKind::Dns,
            "tlsalpn" => EventKind::TlsAlpn,
            _ => return None,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct HttpJson<'e> {
    #[serde(rename = "URL")]
    url: &'e str,
    host: &'e str,
    #[serde(rename = "HTTPS")]
    https: bool,
    server_name: &'e str,
    user_agent: &'e str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<More>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct DnsJson<'e> {
    question: QuestionJson,
    user_agent: &'e str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<More>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QuestionJson {
    name: String,
    qtype: u16,
    qclass: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TlsAlpnJson<'e> {
    server_name: &'e str,
    supported_protos: Option<&'e [String]>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    more: Option<More>,
}

/// What challtestsrv's histories lack.
#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
struct More {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcode: Option<u8>,
}

impl HttpEvent {
    fn json(&self, more: bool) -> impl Serialize + '_ {
        let more = more.then(|| More {
            time: self.at.to_string(),
            from: Some(self.from),
            status: self.status,
            ..More::default()
        });
        HttpJson {
            url: &self.url,
            host: &self.host,
            https: self.tls.is_some(),
            server_name: self.tls.as_deref().unwrap_or_default(),
            user_agent: &self.user_agent,
            more,
        }
    }
}

impl DnsEvent {
    fn json(&self, more: bool) -> impl Serialize + '_ {
        let more = more.then(|| More {
            time: self.at.to_string(),
            from: Some(self.from),
            transport: Some(self.via.name()),
            rcode: self.code,
            ..More::default()
        });
        let question = QuestionJson { name: names::text(&self.name), qtype: self.kind, qclass: self.class };
        DnsJson { question, user_agent: &self.user_agent, more }
    }
}

impl TlsAlpnEvent {
    fn json(&self, more: bool) -> impl Serialize + '_ {
        let more = more.then(|| More { time: self.at.to_string(), ..More::default() });
        TlsAlpnJson { server_name: &self.server_name, supported_protos: self.protocols.as_deref(), more }
    }
}

impl History {
    pub(crate) fn new(max: usize) -> Self {
        History { http: Recent::new(max), dns: Recent::new(max), tls_alpn: Recent::new(max) }
    }

    /// The entries of a host (of all hosts without one), as JSON; `more` adds what challtestsrv does not
    /// say.
    pub(crate) fn json(&self, kind: EventKind, host: Option<&str>, more: bool) -> String {
        match kind {
            EventKind::Http => {
                let key = host.map(names::host_key);
                let of = |e: &&HttpEvent| key.as_ref().is_none_or(|key| names::host_key(&e.host) == *key);
                list(self.http.iter().filter(of).map(|e| e.json(more)))
            }
            EventKind::Dns => {
                let key = host.map(|host| names::key(host).unwrap_or_default());
                let of = |e: &&DnsEvent| key.as_ref().is_none_or(|key| e.name.eq_ignore_ascii_case(key));
                list(self.dns.iter().filter(of).map(|e| e.json(more)))
            }
            EventKind::TlsAlpn => {
                let key = host.map(names::server_name_key);
                let of = |e: &&TlsAlpnEvent| {
                    key.as_ref().is_none_or(|key| names::server_name_key(&e.server_name) == *key)
                };
                list(self.tls_alpn.iter().filter(of).map(|e| e.json(more)))
            }
        }
    }

    /// Forgets the entries of a host.
    pub(crate) fn clear(&mut self, kind: EventKind, host: &str) {
        match kind {
            EventKind::Http => {
                let key = names::host_key(host);
                self.http.retain(|e| names::host_key(&e.host) != key);
            }
            EventKind::Dns => {
                let key = names::key(host).unwrap_or_default();
                self.dns.retain(|e| !e.name.eq_ignore_ascii_case(&key));
            }
            EventKind::TlsAlpn => {
                let key = names::server_name_key(host);
                self.tls_alpn.retain(|e| names::server_name_key(&e.server_name) != key);
            }
        }
    }

    pub(crate) fn clear_all(&mut self) {
        self.http.clear();
        self.dns.clear();
        self.tls_alpn.clear();
    }
}

/// A JSON list, indented as challtestsrv indents it.
fn list<E: Serialize>(entries: impl Iterator<Item = E>) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    // Strings and numbers are always written.
    let _ = serde::Serializer::collect_seq(&mut serializer, entries);
    String::from_utf8_lossy(&out).into_owned()
}
