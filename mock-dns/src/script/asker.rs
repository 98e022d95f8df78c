//! Who asks: an address, a network, or a host of the simulated network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use world::World;

/// Somebody who asks, written `10.0.0.9`, `10.0.0.0/8`, `fd00::/64`, or as the name of a simulated host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asker {
    /// Every address that has these first bits.
    Network(IpAddr, u8),
    /// Every address of a simulated host, at the time of the query.
    Host(String),
}

/// A text that names no asker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no asker: expected an address, a network such as 10.0.0.0/8, or the name of a host")]
pub struct BadAsker(String);

impl FromStr for Asker {
    type Err = BadAsker;

    fn from_str(text: &str) -> Result<Self, BadAsker> {
        let bad = || BadAsker(text.to_owned());
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Asker::Network(ip, bits(ip)));
        }
        if let Some((ip, prefix)) = text.split_once('/') {
            let ip: IpAddr = ip.parse().map_err(|_| bad())?;
            let prefix: u8 = prefix.parse().map_err(|_| bad())?;
            return if prefix <= bits(ip) { Ok(Asker::Network(ip, prefix)) } else { Err(bad()) };
        }
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == ':') {
            return Err(bad());
        }
        Ok(Asker::Host(text.to_owned()))
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

impl Asker {
    /// Whether `ip` is this asker.
    pub(crate) fn is(&self, ip: IpAddr, world: &World) -> bool {
        let same = |a: u128, b: u128, prefix: u8, bits: u8| {
            let rest = u32::from(bits - prefix);
            a.checked_shr(rest).unwrap_or(0) == b.checked_shr(rest).unwrap_or(0)
        };
        match (self, ip.to_canonical()) {
            (Asker::Network(IpAddr::V4(net), prefix), IpAddr::V4(ip)) => {
                same(u32::from(*net).into(), u32::from(ip).into(), *prefix, 32)
            }
            (Asker::Network(IpAddr::V6(net), prefix), IpAddr::V6(ip)) => {
                same((*net).into(), ip.into(), *prefix, 128)
            }
            (Asker::Network(..), _) => false,
            (Asker::Host(name), ip) => world.sim_net().is_some_and(|net| net.addresses(name).contains(&ip)),
        }
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asker::Network(ip, prefix) if *prefix == bits(*ip) => write!(f, "{ip}"),
            Asker::Network(ip, prefix) => write!(f, "{ip}/{prefix}"),
            Asker::Host(name) => f.write_str(name),
        }
    }
}

impl Serialize for Asker {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Asker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn askers_are_addresses_networks_and_hosts() {
        let run = world::sim::run(world::sim::Config::default(), |world| async move {
            world
                .sim_net()
                .unwrap()
                .add_host("va-1", ["10.1.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]);
            for (asker, ip, expected) in [
                ("10.0.0.9", "10.0.0.9", true),
                ("10.0.0.9", "10.0.0.8", false),
                ("10.0.0.0/8", "10.255.0.1", true),
                ("10.0.0.0/8", "11.0.0.1", false),
                ("0.0.0.0/0", "1.2.3.4", true),
                ("0.0.0.0/0", "fd00::1", false),
                ("10.0.0.0/8", "::ffff:10.0.0.1", true),
                ("::/0", "fd00::1", true),
                ("fd00::/64", "fd00:0:0:1::1", false),
                ("va-1", "10.1.0.1", true),
                ("va-1", "fd00::1", true),
                ("va-2", "10.1.0.1", false),
            ] {
                let read: Asker = asker.parse().unwrap();
                assert_eq!(read.is(ip.parse().unwrap(), &world), expected, "{asker} {ip}");
                assert_eq!(read.to_string(), asker);
            }
        });
        run.unwrap();
        for text in ["", "10.0.0.0/33", "10.0.0/8", "a b", "fd00::/x", "1:2"] {
            assert!(text.parse::<Asker>().is_err(), "{text}");
        }
    }
}
