//! What a certificate is for: DNS names (RFC 8555 section 9.7.7) and IP addresses (RFC 8738).

use std::borrow::Cow;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A DNS name of an order or an authorization, in lower case, with `*.` when it is a wildcard.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(transparent)]
pub struct DnsName(Box<str>);

impl DnsName {
    /// A name as it is, without any check.
    pub fn unchecked(name: &str) -> Self {
        DnsName(name.into())
    }

    /// As it is ordered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without `*.`: what an authorization is for.
    pub fn base(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

/// A type of identifier, as ACME writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierType {
    /// RFC 8555.
    Dns,
    /// RFC 8738.
    Ip,
}

impl IdentifierType {
    /// As ACME writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            IdentifierType::Dns => "dns",
            IdentifierType::Ip => "ip",
        }
    }
}

/// What a certificate is for. Names sort before addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Identifier {
    /// A name, or a wildcard.
    Dns(DnsName),
    /// An address.
    Ip(IpAddr),
}

impl Identifier {
    /// Its type.
    pub const fn kind(&self) -> IdentifierType {
        match self {
            Identifier::Dns(_) => IdentifierType::Dns,
            Identifier::Ip(_) => IdentifierType::Ip,
        }
    }

    /// As it is ordered: a wildcard has its `*.`, an address its shortest form (RFC 5952).
    pub fn value(&self) -> Cow<'_, str> {
        match self {
            Identifier::Dns(name) => Cow::Borrowed(name.as_str()),
            Identifier::Ip(ip) => Cow::Owned(ip.to_string()),
        }
    }

    /// What an authorization is for: a wildcard's parent, or the identifier itself.
    pub fn base(&self) -> Cow<'_, str> {
        match self {
            Identifier::Dns(name) => Cow::Borrowed(name.base()),
            Identifier::Ip(_) => self.value(),
        }
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Identifier::Dns(name) if name.is_wildcard())
    }

    /// The identifier object of an order.
    pub fn to_json(&self) -> Value {
        json!({ "type": self.kind().as_str(), "value": self.value() })
    }
}
