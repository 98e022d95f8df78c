//! What calls are selected by: resources, names, addresses, moments.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::de::value::StrDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use world::Timestamp;
use world::duration::Span;

use crate::dialect::Endpoint;

/// Resources; none of them is all, and what is no resource at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints(pub Vec<Endpoint>);

impl Endpoints {
    /// Whether every call fits.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a call to `endpoint` fits.
    pub fn contain(&self, endpoint: Option<Endpoint>) -> bool {
        self.is_any() || endpoint.is_some_and(|endpoint| self.0.contains(&endpoint))
    }
}

impl Serialize for Endpoints {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [] => s.serialize_str("*"),
            [one] => one.serialize(s),
            list => list.serialize(s),
        }
    }
}

/// One resource, which must be one that is asked.
struct Asked(Endpoint);

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        match Endpoint::deserialize(d)? {
            Endpoint::Issuance => Err(de::Error::custom("nobody asks for `issuance`: say `finalize`")),
            endpoint => Ok(Asked(endpoint)),
        }
    }
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Endpoints;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a resource, a list of them, or \"*\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Endpoints, E> {
                match text {
                    "*" => Ok(Endpoints::default()),
                    name => {
                        Asked::deserialize(StrDeserializer::new(name)).map(|asked| Endpoints(vec![asked.0]))
                    }
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Endpoints, A::Error> {
                let mut list = Vec::new();
                while let Some(Asked(endpoint)) = seq.next_element()? {
                    list.push(endpoint);
                }
                if list.is_empty() {
                    return Err(de::Error::invalid_length(0, &self));
                }
                Ok(Endpoints(list))
            }
        }
        d.deserialize_any(Reader)
    }
}

/// A name as a script has it: `example.com` is that name, `.example.com` is every name below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identifier(String);

impl Identifier {
    /// Whether `name` fits.
    pub fn fits(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let wanted = self.0.as_bytes();
        let tail = if wanted.starts_with(b".") {
            if name.len() <= wanted.len() {
                return false;
            }
            &name[name.len() - wanted.len()..]
        } else {
            name
        };
        tail.eq_ignore_ascii_case(wanted)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        if text.trim_start_matches('.').is_empty() || text.contains(char::is_whitespace) {
            return Err(de::Error::custom(format!(
                "`{text}` is no name, and no suffix such as .example.com"
            )));
        }
        Ok(Identifier(text))
    }
}

/// An address or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerRange {
    address: IpAddr,
    prefix: u32,
}

/// The text is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address, and no network such as 10.0.0.0/8")]
pub struct BadPeer(String);

impl PeerRange {
    /// Whether `peer` is in it. An IPv4 address in an IPv6 coat is an IPv4 address.
    pub fn contains(&self, peer: IpAddr) -> bool {
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32 - self.prefix),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128 - self.prefix),
            _ => false,
        }
    }
}

/// Whether two numbers are the same but for the last `rest` bits.
fn same(a: u128, b: u128, rest: u32) -> bool {
    (a ^ b).checked_shr(rest).unwrap_or(0) == 0
}

impl FromStr for PeerRange {
    type Err = BadPeer;

    fn from_str(text: &str) -> Result<Self, BadPeer> {
        let bad = || BadPeer(text.to_owned());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |p| p.parse().map_err(|_| bad()))?;
        if prefix > most { Err(bad()) } else { Ok(PeerRange { address, prefix }) }
    }
}

impl fmt::Display for PeerRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.address.is_ipv4() { 32 } else { 128 };
        match self.prefix {
            prefix if prefix == whole => write!(f, "{}", self.address),
            prefix => write!(f, "{}/{prefix}", self.address),
        }
    }
}

impl Serialize for PeerRange {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PeerRange {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A moment: so long after the server's start, or a time of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Since the start.
    Since(Duration),
    /// Absolute.
    At(Timestamp),
}

/// The text is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a duration since the start, such as 90s, nor a time such as 2022-05-07T13:39:31Z")]
pub struct BadMoment(String);

impl Moment {
    /// On the clock of a server that started at `start`.
    pub fn of(self, start: Timestamp) -> Timestamp {
        match self {
            Moment::Since(duration) => start + duration,
            Moment::At(time) => time,
        }
    }
}

impl FromStr for Moment {
    type Err = BadMoment;

    fn from_str(text: &str) -> Result<Self, BadMoment> {
        if let Ok(Span(duration)) = text.parse() {
            return Ok(Moment::Since(duration));
        }
        Timestamp::parse(text).map(Moment::At).map_err(|_| BadMoment(text.to_owned()))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Moment::Since(duration) => s.collect_str(&Span(*duration)),
            Moment::At(time) => s.collect_str(time),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_what_is_below_it() {
        let below = Identifier(".example.com".to_owned());
        assert!(below.fits("www.EXAMPLE.com") && below.fits("*.example.com"));
        assert!(!below.fits("example.com") && !below.fits("badexample.com") && !below.fits(".example.com"));
        let exact = Identifier("example.com".to_owned());
        assert!(exact.fits("Example.com") && !exact.fits("www.example.com"));
    }

    #[test]
    fn networks_hold_their_addresses() {
        let holds = |range: &str, ip: &str| range.parse::<PeerRange>().unwrap().contains(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.9.8.7") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.1", "::ffff:10.0.0.1") && !holds("10.0.0.1", "10.0.0.2"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "fe80::1") && holds("2001:db8::/32", "2001:db8:ffff::1"));
        for bad in ["", "10", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(bad.parse::<PeerRange>().is_err(), "{bad}");
        }
    }
}
