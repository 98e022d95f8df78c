//! The names of limits, and of the buckets that they count in.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::requests::EndpointClass;

/// What an identifier of an order is (RFC 8555 section 9.7.7, RFC 8738).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentifierKind {
    /// A DNS name, perhaps with `*.`.
    Dns,
    /// An IP address.
    Ip,
}

/// A limit, under the name that it has in Let's Encrypt's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitName {
    /// New accounts from one address.
    NewRegistrationsPerIpAddress,
    /// New accounts from one IPv6 range (/48).
    NewRegistrationsPerIpv6Range,
    /// New orders of one account.
    NewOrdersPerAccount,
    /// Certificates with a name in one registered domain, whoever asks.
    NewCertificatesPerRegisteredDomain,
    /// The same for one account: in place of the former where the account has an override.
    NewCertificatesPerRegisteredDomainPerAccount,
    /// Certificates for the same identifiers, whoever asks.
    NewCertificatesPerExactSetOfIdentifiers,
    /// Failed validations of one identifier by one account.
    AuthorizationFailuresPerIdentifierPerAccount,
    /// The same without a success in between, which ends in a pause.
    ConsecutiveAuthorizationFailuresPerIdentifierPerAccount,
    /// Requests of one address to one class of endpoints, which the load balancer counts.
    RequestsPerIpAddress,
}

/// One bucket: a limit and whom or what it counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum BucketId {
    /// An IPv4 address or a whole IPv6 address.
    NewRegistrationsPerIpAddress(IpAddr),
    /// The first 48 bits of an IPv6 address, the rest zero.
    NewRegistrationsPerIpv6Range(Ipv6Addr),
    /// An account.
    NewOrdersPerAccount(u64),
    /// A registered domain, an IPv4 address, or the first 64 bits of an IPv6 address.
    NewCertificatesPerRegisteredDomain(String),
    /// An account and one of those.
    NewCertificatesPerRegisteredDomainPerAccount(u64, String),
    /// The identifiers, sorted, each once, between commas.
    NewCertificatesPerExactSetOfIdentifiers(String),
    /// An account and an identifier as it is ordered: a wildcard has a bucket of its own.
    AuthorizationFailuresPerIdentifierPerAccount(u64, String),
    /// The same.
    ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(u64, String),
    /// A class of endpoints and an address.
    RequestsPerIpAddress(EndpointClass, IpAddr),
}

/// The form that a bucket has in JSON.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    limit: LimitName,
    key: String,
}

/// The text is no key of this limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is no key of the limit `{limit}`, such as `{}`", limit.sample())]
pub struct BadKey {
    /// The limit.
    pub limit: LimitName,
    /// The text.
    pub key: String,
}

impl LimitName {
    /// All of them, in the order in which they are read out.
    pub const ALL: [LimitName; 9] = [
        LimitName::NewRegistrationsPerIpAddress,
        LimitName::NewRegistrationsPerIpv6Range,
        LimitName::NewOrdersPerAccount,
        LimitName::NewCertificatesPerRegisteredDomain,
        LimitName::NewCertificatesPerRegisteredDomainPerAccount,
        LimitName::NewCertificatesPerExactSetOfIdentifiers,
        LimitName::AuthorizationFailuresPerIdentifierPerAccount,
        LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount,
        LimitName::RequestsPerIpAddress,
    ];

    /// As configuration and read-outs write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            LimitName::NewRegistrationsPerIpAddress => "newRegistrationsPerIpAddress",
            LimitName::NewRegistrationsPerIpv6Range => "newRegistrationsPerIpv6Range",
            LimitName::NewOrdersPerAccount => "newOrdersPerAccount",
            LimitName::NewCertificatesPerRegisteredDomain => "newCertificatesPerRegisteredDomain",
            LimitName::NewCertificatesPerRegisteredDomainPerAccount => {
                "newCertificatesPerRegisteredDomainPerAccount"
            }
            LimitName::NewCertificatesPerExactSetOfIdentifiers => "newCertificatesPerExactSetOfIdentifiers",
            LimitName::AuthorizationFailuresPerIdentifierPerAccount => {
                "authorizationFailuresPerIdentifierPerAccount"
            }
            LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount => {
                "consecutiveAuthorizationFailuresPerIdentifierPerAccount"
            }
            LimitName::RequestsPerIpAddress => "requestsPerIpAddress",
        }
    }

    /// A key that it could have.
    const fn sample(self) -> &'static str {
        match self {
            LimitName::NewRegistrationsPerIpAddress => "192.0.2.1",
            LimitName::NewRegistrationsPerIpv6Range => "2001:db8:1::/48",
            LimitName::NewOrdersPerAccount => "12",
            LimitName::NewCertificatesPerRegisteredDomain => "example.com",
            LimitName::NewCertificatesPerExactSetOfIdentifiers => "example.com,www.example.com",
            LimitName::RequestsPerIpAddress => "newNonce/192.0.2.1",
            _ => "12/example.com",
        }
    }

    /// The bucket of this limit with this key, as [`BucketId::key`] writes it.
    ///
    /// # Errors
    /// When the text is no key of the limit.
    pub fn bucket(self, key: &str) -> Result<BucketId, BadKey> {
        let bad = || BadKey { limit: self, key: key.to_owned() };
        let text = || if key.is_empty() { Err(bad()) } else { Ok(key.to_owned()) };
        let of_account = || {
            let (account, rest) = key.split_once('/').filter(|(_, rest)| !rest.is_empty()).ok_or_else(bad)?;
            Ok((account.parse().map_err(|_| bad())?, rest.to_owned()))
        };
        Ok(match self {
            LimitName::NewRegistrationsPerIpAddress => {
                BucketId::NewRegistrationsPerIpAddress(key.parse().map_err(|_| bad())?)
            }
            LimitName::NewRegistrationsPerIpv6Range => {
                let start = key.strip_suffix("/48").and_then(|text| text.parse().ok()).ok_or_else(bad)?;
                BucketId::NewRegistrationsPerIpv6Range(prefix(start, 48))
            }
            LimitName::NewOrdersPerAccount => BucketId::NewOrdersPerAccount(key.parse().map_err(|_| bad())?),
            LimitName::NewCertificatesPerRegisteredDomain => {
                BucketId::NewCertificatesPerRegisteredDomain(text()?)
            }
            LimitName::NewCertificatesPerRegisteredDomainPerAccount => {
                let (account, domain) = of_account()?;
                BucketId::NewCertificatesPerRegisteredDomainPerAccount(account, domain)
            }
            LimitName::NewCertificatesPerExactSetOfIdentifiers => {
                BucketId::NewCertificatesPerExactSetOfIdentifiers(text()?)
            }
            LimitName::AuthorizationFailuresPerIdentifierPerAccount => {
                let (account, identifier) = of_account()?;
                BucketId::AuthorizationFailuresPerIdentifierPerAccount(account, identifier)
            }
            LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount => {
                let (account, identifier) = of_account()?;
                BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(account, identifier)
            }
            LimitName::RequestsPerIpAddress => {
                let (class, address) = key.split_once('/').ok_or_else(bad)?;
                let class = EndpointClass::named(class).ok_or_else(bad)?;
                BucketId::RequestsPerIpAddress(class, address.parse().map_err(|_| bad())?)
            }
        })
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl BucketId {
    /// The limit.
    pub const fn limit(&self) -> LimitName {
        match self {
            BucketId::NewRegistrationsPerIpAddress(_) => LimitName::NewRegistrationsPerIpAddress,
            BucketId::NewRegistrationsPerIpv6Range(_) => LimitName::NewRegistrationsPerIpv6Range,
            BucketId::NewOrdersPerAccount(_) => LimitName::NewOrdersPerAccount,
            BucketId::NewCertificatesPerRegisteredDomain(_) => LimitName::NewCertificatesPerRegisteredDomain,
            BucketId::NewCertificatesPerRegisteredDomainPerAccount(..) => {
                LimitName::NewCertificatesPerRegisteredDomainPerAccount
            }
            BucketId::NewCertificatesPerExactSetOfIdentifiers(_) => {
                LimitName::NewCertificatesPerExactSetOfIdentifiers
            }
            BucketId::AuthorizationFailuresPerIdentifierPerAccount(..) => {
                LimitName::AuthorizationFailuresPerIdentifierPerAccount
            }
            BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(..) => {
                LimitName::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount
            }
            BucketId::RequestsPerIpAddress(..) => LimitName::RequestsPerIpAddress,
        }
    }

    /// Whom or what it counts, as text.
    pub fn key(&self) -> String {
        match self {
            BucketId::NewRegistrationsPerIpAddress(address) => address.to_string(),
            BucketId::NewRegistrationsPerIpv6Range(start) => format!("{start}/48"),
            BucketId::NewOrdersPerAccount(account) => account.to_string(),
            BucketId::NewCertificatesPerRegisteredDomain(text)
            | BucketId::NewCertificatesPerExactSetOfIdentifiers(text) => text.clone(),
            BucketId::NewCertificatesPerRegisteredDomainPerAccount(account, text)
            | BucketId::AuthorizationFailuresPerIdentifierPerAccount(account, text)
            | BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(account, text) => {
                format!("{account}/{text}")
            }
            BucketId::RequestsPerIpAddress(class, address) => format!("{}/{address}", class.as_str()),
        }
    }

    /// The account that it counts for, if it counts for one.
    pub const fn account(&self) -> Option<u64> {
        match self {
            BucketId::NewOrdersPerAccount(account)
            | BucketId::NewCertificatesPerRegisteredDomainPerAccount(account, _)
            | BucketId::AuthorizationFailuresPerIdentifierPerAccount(account, _)
            | BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(account, _) => Some(*account),
            _ => None,
        }
    }

    /// What a text about it names: the domain, the identifier or the set, without the account.
    pub(super) fn subject(&self) -> String {
        match self {
            BucketId::NewCertificatesPerRegisteredDomainPerAccount(_, text)
            | BucketId::AuthorizationFailuresPerIdentifierPerAccount(_, text)
            | BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(_, text) => text.clone(),
            other => other.key(),
        }
    }
}

/// The limit and the key.
impl fmt::Display for BucketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.limit(), self.key())
    }
}

impl From<BucketId> for Written {
    fn from(bucket: BucketId) -> Self {
        Written { limit: bucket.limit(), key: bucket.key() }
    }
}

impl TryFrom<Written> for BucketId {
    type Error = BadKey;
    fn try_from(written: Written) -> Result<Self, BadKey> {
        written.limit.bucket(&written.key)
    }
}

/// The buckets that a new account from `address` counts in.
pub(super) fn registrations(address: IpAddr) -> Vec<BucketId> {
    let address = address.to_canonical();
    let mut buckets = vec![BucketId::NewRegistrationsPerIpAddress(address)];
    if let IpAddr::V6(v6) = address {
        buckets.push(BucketId::NewRegistrationsPerIpv6Range(prefix(v6, 48)));
    }
    buckets
}

/// What the limit on certificates per registered domain counts an identifier as: its registered domain (itself
/// when it is a public suffix), its IPv4 address, or the /64 that its IPv6 address is in.
pub(super) fn registered(kind: IdentifierKind, value: &str) -> String {
    match kind {
        IdentifierKind::Dns => {
            let base = value.strip_prefix("*.").unwrap_or(value);
            public_suffix::registered_domain(base).unwrap_or_else(|| base.to_owned())
        }
        IdentifierKind::Ip => match value.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(v4)) => v4.to_string(),
            Ok(IpAddr::V6(v6)) => format!("{}/64", prefix(v6, 64)),
            Err(_) => value.to_owned(),
        },
    }
}

/// The key of a set of identifiers.
pub(super) fn exact_set(identifiers: &[(IdentifierKind, &str)]) -> String {
    let mut values: Vec<&str> = identifiers.iter().map(|(_, value)| *value).collect();
    values.sort_unstable();
    values.dedup();
    values.join(",")
}

/// The first `bits` bits of an address, the others zero.
fn prefix(address: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_reads_back_from_its_text_and_its_name_is_serdes() {
        for limit in LimitName::ALL {
            let bucket = limit.bucket(limit.sample()).unwrap();
            assert_eq!((bucket.limit(), bucket.key()), (limit, limit.sample().to_owned()));
            let json = serde_json::to_string(&bucket).unwrap();
            assert_eq!(json, format!(r#"{{"limit":"{limit}","key":"{}"}}"#, limit.sample()));
            assert_eq!(serde_json::from_str::<BucketId>(&json).unwrap(), bucket);
        }
    }

    #[test]
    fn a_wrong_key_is_an_error_with_an_example() {
        for (limit, key) in [
            (LimitName::NewOrdersPerAccount, "x"),
            (LimitName::NewRegistrationsPerIpAddress, "10.0.0.0/8"),
            (LimitName::NewRegistrationsPerIpv6Range, "2001:db8::/64"),
            (LimitName::NewCertificatesPerRegisteredDomain, ""),
            (LimitName::AuthorizationFailuresPerIdentifierPerAccount, "12/"),
            (LimitName::AuthorizationFailuresPerIdentifierPerAccount, "example.com"),
            (LimitName::RequestsPerIpAddress, "nonce/10.0.0.1"),
        ] {
            assert_eq!(limit.bucket(key), Err(BadKey { limit, key: key.to_owned() }));
        }
        assert_eq!(
            LimitName::NewOrdersPerAccount.bucket("x").unwrap_err().to_string(),
            "`x` is no key of the limit `newOrdersPerAccount`, such as `12`"
        );
    }

    #[test]
    fn identifiers_are_counted_by_registered_domain_or_network() {
        for (kind, value, counted) in [
            (IdentifierKind::Dns, "a.b.example.co.uk", "example.co.uk"),
            (IdentifierKind::Dns, "*.example.com", "example.com"),
            (IdentifierKind::Dns, "a.me.github.io", "me.github.io"),
            (IdentifierKind::Dns, "github.io", "github.io"),
            (IdentifierKind::Dns, "a.b.test", "b.test"),
            (IdentifierKind::Ip, "192.0.2.7", "192.0.2.7"),
            (IdentifierKind::Ip, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            (IdentifierKind::Ip, "::ffff:192.0.2.7", "192.0.2.7"),
        ] {
            assert_eq!(registered(kind, value), counted, "{value}");
        }
    }

    #[test]
    fn an_ipv6_client_counts_as_itself_and_as_its_range() {
        let buckets = |text: &str| -> Vec<String> {
            registrations(text.parse().unwrap()).iter().map(BucketId::key).collect()
        };
        assert_eq!(buckets("192.0.2.1"), ["192.0.2.1"]);
        assert_eq!(buckets("::ffff:192.0.2.1"), ["192.0.2.1"]);
        assert_eq!(buckets("2001:db8:1:2::3"), ["2001:db8:1:2::3", "2001:db8:1::/48"]);
    }
}
