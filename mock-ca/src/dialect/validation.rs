//! How servers validate: limits, redirects, addresses, and how exact they are.

use std::time::Duration;

/// Which of a host's addresses are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressChoice {
    /// The first IPv6 one, or the first IPv4 one when there is none of IPv6.
    FirstOnly,
    /// The first IPv6 one, and the first IPv4 one when that cannot be dialled.
    Ipv6ThenIpv4,
}

/// Where redirects of http-01 may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectRules {
    /// To any host and any port; every redirect status is followed. `http` without a port is port 80.
    Anywhere,
    /// To names that the public has, on the ports of http-01 and of https; not with status 303, not back
    /// to where it came from, and not to a long path.
    PublicNames,
}

/// How validation differs between servers.
#[derive(Clone, Copy, Debug)]
pub struct VaRules {
    /// How http-01 introduces itself.
    pub user_agent: &'static str,
    /// How many times a perspective validates at once; all must pass.
    pub attempts: usize,
    /// A perspective is done with a challenge after this.
    pub total: Duration,
    /// A connection stands after this.
    pub dial: Duration,
    /// TLS over it stands after this.
    pub handshake: Duration,
    /// Which addresses are tried.
    pub addresses: AddressChoice,
    /// Where redirects may lead.
    pub redirects: RedirectRules,
    /// How many of them are followed.
    pub redirects_max: usize,
    /// A body of this many bytes, or more, is no key authorization.
    pub body_max: usize,
    /// What may stand after a key authorization, apart from line ends and tabs: other white space.
    pub any_space_trimmed: bool,
    /// tls-alpn-01: whether the certificate must be signed by its own key, have no extension twice, and
    /// name its subject byte by byte as the identifier.
    pub exact_certificate: bool,
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Boulder's.
pub(super) const BOULDER: VaRules = VaRules {
    user_agent: "Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)",
    attempts: 1,
    total: seconds(20),
    dial: seconds(10),
    handshake: seconds(10),
    addresses: AddressChoice::Ipv6ThenIpv4,
    redirects: RedirectRules::PublicNames,
    redirects_max: 10,
    body_max: 128,
    any_space_trimmed: true,
    exact_certificate: true,
};

/// Pebble's.
pub(super) const PEBBLE: VaRules = VaRules {
    user_agent: "LetsEncrypt-Pebble-VA (mock-ca)",
    attempts: 3,
    total: seconds(15),
    dial: seconds(15),
    handshake: seconds(15),
    addresses: AddressChoice::FirstOnly,
    redirects: RedirectRules::Anywhere,
    redirects_max: 10,
    body_max: 1 << 16,
    any_space_trimmed: false,
    exact_certificate: false,
};
