//! Addresses to listen on, as the command lines of Go programs have them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A text that is no list of addresses to listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen on {text:?}: {why} (want HOST:PORT, :PORT or [IPV6]:PORT)")]
pub struct BadListen {
    /// The address, as it was written.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Reads addresses to listen on, separated by commas; an empty text is none.
///
/// `HOST:PORT` has an IPv4 address, an IPv6 address in brackets, or `localhost` (127.0.0.1). Without a host it
/// is every address of this machine, of both families: `[::]`, on which [`crate::World::listen`] takes IPv4
/// as well.
///
/// # Errors
/// [`BadListen`] for the first address that is none. Other names are not looked up.
pub fn parse_listen(list: &str) -> Result<Vec<SocketAddr>, BadListen> {
    if list.trim().is_empty() {
        return Ok(Vec::new());
    }
    list.split(',').map(|text| parse_one(text.trim())).collect()
}

fn parse_one(text: &str) -> Result<SocketAddr, BadListen> {
    let bad = |why| BadListen { text: text.to_owned(), why };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("missing port"))?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port =
        port.parse().ok().filter(|_| digits).ok_or_else(|| bad("the port is no number up to 65535"))?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let ip = match (host, bracketed) {
        ("", _) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        (_, Some(inner)) => {
            inner.parse().map(IpAddr::V6).map_err(|_| bad("no IPv6 address in the brackets"))?
        }
        (host, None) if host.contains(':') => return Err(bad("an IPv6 address needs brackets")),
        (host, None) if host.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (host, None) => host.parse().map(IpAddr::V4).map_err(|_| bad("the host is no address"))?,
    };
    Ok(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        let good = [
            ("", vec![]),
            (":8055", vec!["[::]:8055"]),
            ("0.0.0.0:14000", vec!["0.0.0.0:14000"]),
            ("127.0.0.53:53", vec!["127.0.0.53:53"]),
            ("localhost:0", vec!["127.0.0.1:0"]),
            ("[::1]:53", vec!["[::1]:53"]),
            ("[::]:53", vec!["[::]:53"]),
            (":1, [::1]:2,localhost:3", vec!["[::]:1", "[::1]:2", "127.0.0.1:3"]),
        ];
        for (text, addresses) in good {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            assert_eq!(parse_listen(text), Ok(addresses), "{text}");
        }
        for (text, why) in [
            ("\"\"", "missing port"),
            ("8055", "missing port"),
            (":", "the port is no number up to 65535"),
            (":+1", "the port is no number up to 65535"),
            (":65536", "the port is no number up to 65535"),
            (":1,,:2", "missing port"),
            ("::1:53", "an IPv6 address needs brackets"),
            ("[127.0.0.1]:53", "no IPv6 address in the brackets"),
            ("example.com:53", "the host is no address"),
        ] {
            assert_eq!(parse_listen(text).unwrap_err().why, why, "{text}");
        }
    }
}
