//! What is served where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use world::tls::Identity;

use crate::server::Dns;

/// A kind of server among those of [`super::ChallTest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The management interface, HTTP.
    Management,
    /// DNS over UDP and TCP.
    Dns,
    /// Challenges http-01, HTTP.
    Http01,
    /// Challenges http-01 after a redirect to HTTPS.
    Https01,
    /// Challenges tls-alpn-01.
    TlsAlpn01,
    /// DNS over HTTPS.
    Doh,
}

/// A row of [`Service::ALL`]: the service, the flag of its bind addresses, their default, and its name.
pub(crate) type ServiceRow = (Service, &'static str, &'static str, &'static str);

impl Service {
    /// Every service with its flag, its default bind address and its name in messages.
    pub(crate) const ALL: [ServiceRow; 6] = [
        (Service::Management, "management", ":8055", "management interface"),
        (Service::Dns, "dnsserver", ":8053", "DNS"),
        (Service::Http01, "http01", ":5002", "HTTP-01 challenges"),
        (Service::Https01, "https01", ":5003", "HTTPS HTTP-01 challenges"),
        (Service::TlsAlpn01, "tlsalpn01", ":5001", "TLS-ALPN-01 challenges"),
        (Service::Doh, "doh", ":8443", "DNS over HTTPS"),
    ];

    fn row(self) -> ServiceRow {
        // Every service is in the table; a test says so.
        Service::ALL.into_iter().find(|row| row.0 == self).unwrap_or(Service::ALL[0])
    }

    /// Every service, in the order in which they are bound.
    pub fn all() -> impl Iterator<Item = Service> {
        Service::ALL.into_iter().map(|row| row.0)
    }

    /// The command line flag of its bind addresses.
    pub fn flag(self) -> &'static str {
        self.row().1
    }

    /// Its bind addresses when the flag is not given: `:PORT`, all interfaces.
    pub fn default_bind(self) -> &'static str {
        self.row().2
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.row().3)
    }
}

/// How much is kept and taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of each request history; the oldest are dropped.
    pub history: usize,
    /// Names, tokens, paths and hosts in each table; the oldest are dropped.
    pub entries: usize,
    /// Values of one name and type; the oldest are dropped.
    pub values: usize,
    /// Bytes of a request body of the management interface.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { history: 50_000, entries: 200_000, values: 500, body: 1024 * 1024 }
    }
}

/// What [`super::ChallTest`] serves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Bind addresses of each service, as Go writes them: `:8055` (all interfaces), `127.0.0.1:0`,
    /// `[::1]:53`, `localhost:53`. A service without any does not exist; one whose addresses cannot be
    /// bound does, and so do its management calls.
    pub bind: Vec<(Service, String)>,
    /// The address of every name that has none of its own.
    pub default_ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub default_ipv6: Option<Ipv6Addr>,
    /// Whom DNS over HTTPS shows itself as; it is not served without.
    pub doh_identity: Option<Identity>,
    /// Zones that this authoritative server answers for instead.
    pub zones: Option<Dns>,
    /// How long answers for names within these zones take.
    pub zones_delay: Duration,
    /// More paths of the management interface.
    pub management: Router,
    /// How much is kept and taken.
    pub limits: Limits,
}

impl Default for Config {
    /// Every service at its usual port on all interfaces, the loopback addresses for every name.
    fn default() -> Self {
        let bind = Service::all().map(|service| (service, service.default_bind().to_owned()));
        Config {
            bind: bind.collect(),
            default_ipv4: Some(Ipv4Addr::LOCALHOST),
            default_ipv6: Some(Ipv6Addr::LOCALHOST),
            doh_identity: None,
            zones: None,
            zones_delay: Duration::ZERO,
            management: Router::new(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Every service on `ip`, at its usual port: for the simulated network.
    pub fn at(ip: IpAddr) -> Self {
        let at = |default: &str| match default.strip_prefix(':').and_then(|port| port.parse().ok()) {
            Some(port) => SocketAddr::new(ip, port).to_string(),
            None => default.to_owned(),
        };
        let bind = Service::all().map(|service| (service, at(service.default_bind())));
        Config { bind: bind.collect(), ..Config::default() }
    }

    /// Binds `service` to a comma-separated list of addresses instead of what it was bound to; to nothing
    /// when the list is empty.
    pub fn rebind(&mut self, service: Service, list: &str) {
        self.bind.retain(|(other, _)| *other != service);
        if !list.is_empty() {
            self.bind.extend(list.split(',').map(|text| (service, text.trim().to_owned())));
        }
    }

    pub(crate) fn has(&self, services: &[Service]) -> bool {
        self.bind.iter().any(|(service, _)| services.contains(service))
    }
}

/// Why a service is not served at an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The text has no port.
    #[error("address {0}: missing port in address")]
    NoPort(String),
    /// The port is no number up to 65535.
    #[error("address {0}: invalid port")]
    BadPort(String),
    /// The host is neither an address nor `localhost`.
    #[error("address {0}: expected an IP address or localhost as the host")]
    BadHost(String),
    /// DNS over HTTPS without a certificate.
    #[error("no certificate and key were given")]
    NoIdentity,
    /// The key or the certificate cannot be used.
    #[error("certificate: {0}")]
    Identity(String),
    /// The system does not give the socket.
    #[error("address {address}: {source}")]
    Socket {
        /// The address as it was given.
        address: String,
        /// Why.
        source: std::io::Error,
    },
}

/// The addresses to try for a bind address, best first.
pub(crate) fn addresses(text: &str) -> Result<Vec<SocketAddr>, BindError> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| BindError::NoPort(text.to_owned()))?;
    if host.starts_with('[') && !host.ends_with(']') {
        return Err(BindError::NoPort(text.to_owned()));
    }
    let port: u16 = port.parse().map_err(|_| BindError::BadPort(text.to_owned()))?;
    let any = [IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let ips = match (host, bracketed) {
        // A socket on `::` takes IPv4 too; a machine without IPv6 has none.
        ("" | "[::]", _) => any.to_vec(),
        ("localhost", _) => vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        (_, Some(v6)) => v6.parse().map(|ip| vec![IpAddr::V6(ip)]).unwrap_or_default(),
        (v4, None) => v4.parse().map(|ip| vec![IpAddr::V4(ip)]).unwrap_or_default(),
    };
    if ips.is_empty() {
        return Err(BindError::BadHost(text.to_owned()));
    }
    Ok(ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_service() {
        let all = [
            Service::Management,
            Service::Dns,
            Service::Http01,
            Service::Https01,
            Service::TlsAlpn01,
            Service::Doh,
        ];
        assert_eq!(Service::all().collect::<Vec<_>>(), all);
        assert!(all.into_iter().all(|service| service.row().0 == service));
    }

    #[test]
    fn bind_addresses_are_written_as_in_go() {
        for (text, expected) in [
            (":53", vec!["[::]:53", "0.0.0.0:53"]),
            ("[::]:53", vec!["[::]:53", "0.0.0.0:53"]),
            ("0.0.0.0:53", vec!["0.0.0.0:53"]),
            ("127.53.53.53:53", vec!["127.53.53.53:53"]),
            ("[::1]:0", vec!["[::1]:0"]),
            ("localhost:8553", vec!["127.0.0.1:8553", "[::1]:8553"]),
        ] {
            let found: Vec<String> = addresses(text).unwrap().iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{text}");
        }
        for (text, said) in [
            ("\"\"", "address \"\": missing port in address"),
            ("", "address : missing port in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("::1:53", "address ::1:53: expected an IP address or localhost as the host"),
            ("example.test:53", "address example.test:53: expected an IP address or localhost as the host"),
            (":dns", "address :dns: invalid port"),
            (":65536", "address :65536: invalid port"),
        ] {
            assert_eq!(addresses(text).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn lists_replace_what_was_bound() {
        let mut config = Config::default();
        config.rebind(Service::Dns, "127.0.0.1:1, [::1]:2");
        config.rebind(Service::Doh, "");
        let dns: Vec<&str> =
            config.bind.iter().filter(|b| b.0 == Service::Dns).map(|b| b.1.as_str()).collect();
        assert_eq!(dns, ["127.0.0.1:1", "[::1]:2"]);
        assert!(config.has(&[Service::Doh, Service::Dns]) && !config.has(&[Service::Doh]));
    }
}
