//! Why there is no response, in the words of a Go client, as the logs of cert-manager have them.

use std::io;
use std::net::SocketAddr;

use crate::resolver::LookupError;

/// The two ends of a connection: ours and theirs.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL is no absolute http or https URL.
    #[error("{}", url_text(.0))]
    BadUrl(String),
    /// The host's name was not resolved.
    #[error("dial tcp: {0}")]
    Resolve(Box<LookupError>),
    /// No connection.
    #[error("dial tcp {address}: {}", dial_text(source))]
    Dial {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[error("{text}")]
    Tls {
        /// The words that a Go client has for it.
        text: String,
        /// Why.
        source: io::Error,
    },
    /// The TLS handshake took longer than [`ClientLimits::handshake`](super::ClientLimits::handshake).
    #[error("net/http: TLS handshake timeout")]
    HandshakeTimeout,
    /// The body was longer than [`ClientLimits::body`](super::ClientLimits::body).
    #[error("the body is longer than {0} bytes")]
    TooLong(usize),
    /// An https URL, and no roots were given.
    #[error("no TLS configuration for https")]
    NoTls,
    /// The connection broke, or what came over it was no HTTP.
    #[error("{0}")]
    Broken(String),
}

/// What a Go client says of a URL that it cannot ask.
fn url_text(url: &str) -> String {
    match url.split_once("://") {
        Some(("http" | "https", _)) => format!("unsupported URL {url:?}"),
        found => format!("unsupported protocol scheme {:?}", found.map_or("", |(scheme, _)| scheme)),
    }
}

fn dial_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

fn reset_text(ends: Ends) -> String {
    format!("read tcp {}->{}: read: connection reset by peer", ends.0, ends.1)
}

/// What a Go client says of a handshake that failed on the connection between these `ends` (Go 1.20 and later; before, a
/// certificate that is not trusted had no prefix).
pub(super) fn tls_text(error: &io::Error, ends: Ends) -> String {
    use rustls::pki_types::ServerName;
    use rustls::{CertificateError, Error};
    let date = |time: &rustls::pki_types::UnixTime| {
        let nanos = i64::try_from(time.as_secs()).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        crate::Timestamp::from_unix_nanos(nanos).rfc3339_secs()
    };
    let outdated = |now, relation, limit| {
        let (now, limit) = (date(now), date(limit));
        format!("certificate has expired or is not yet valid: current time {now} is {relation} {limit}")
    };
    let refused = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(refused)) => refused,
        Some(other) => return format!("tls: {other}"),
        None => {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
                io::ErrorKind::ConnectionReset => reset_text(ends),
                _ => error.to_string(),
            };
        }
    };
    let why = match refused {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::ExpiredContext { time, not_after } => outdated(time, "after", not_after),
        CertificateError::NotValidYetContext { time, not_before } => outdated(time, "before", not_before),
        CertificateError::NotValidForNameContext { expected: ServerName::IpAddress(_), presented }
            if !presented.iter().any(|name| name.starts_with("IpAddress")) =>
        {
            let ip = ends.1.ip();
            format!("cannot validate certificate for {ip} because it doesn't contain any IP SANs")
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            // `DnsName("a.example.com")`, as rustls-webpki has it.
            let names = presented.iter().map(|name| name.split('"').nth(1).unwrap_or(name));
            let names = names.collect::<Vec<_>>().join(", ");
            format!("certificate is valid for {names}, not {}", expected.to_str())
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}

/// hyper's error in the words that a Go client has for the cases that people meet, on the connection between these `ends`.
pub(super) fn broken_text(error: &hyper::Error, ends: Ends) -> String {
    if error.is_incomplete_message() {
        return "EOF".to_owned();
    }
    let source = std::error::Error::source(error).and_then(|s| s.downcast_ref::<io::Error>());
    match source.map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionReset) => reset_text(ends),
        _ => error.to_string(),
    }
}
