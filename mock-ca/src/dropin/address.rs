//! Addresses as the command lines and configuration files of Go programs have them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use world::net::{BadListen, parse_listen};

/// A text that is no address of a nameserver.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no nameserver: {why} (want HOST:PORT or [IPV6]:PORT)")]
pub struct BadServer {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

/// Where to listen: `127.0.0.1:P`, `[::1]:P`, `localhost:P`; `:P` is every address of this machine.
///
/// # Errors
/// [`BadListen`] for anything else, a list included.
pub fn listen_address(text: &str) -> Result<SocketAddr, BadListen> {
    match parse_listen(text)?.as_slice() {
        [one] => Ok(*one),
        other => {
            let why = if other.is_empty() { "nothing is there" } else { "only one address can be there" };
            Err(BadListen { text: text.to_owned(), why })
        }
    }
}

/// Whom to ask for names: an address, `localhost` (of either family), or a name that `look_up` knows, with a
/// port. Without a host it is this machine. An empty text is nobody.
///
/// # Errors
/// [`BadServer`] for a text of another form and for a name that is not found.
pub fn nameservers(
    text: &str,
    look_up: impl FnOnce(&str, u16) -> io::Result<Vec<SocketAddr>>,
) -> Result<Vec<SocketAddr>, BadServer> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bad = |why: String| BadServer { text: text.to_owned(), why };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| bad("the port is missing".to_owned()))?;
    if matches!(host, "" | "localhost") {
        // Not of one family: who serves there may have chosen either.
        let port = port.parse().map_err(|_| bad("the port is no number up to 65535".to_owned()))?;
        let here = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Ok(here.map(|ip| SocketAddr::new(ip, port)).to_vec());
    }
    let wrong = match listen_address(text) {
        Ok(at) => return Ok(vec![at]),
        Err(wrong) => bad(wrong.why.to_owned()),
    };
    let Some(port) = port.parse().ok().filter(|_| !host.contains([':', '[', ','])) else { return Err(wrong) };
    match look_up(host, port) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(bad(format!("{host:?} has no address"))),
        Err(error) => Err(bad(format!("{host:?} cannot be looked up: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_to_listen() {
        for (text, expected) in
            [("0.0.0.0:14000", "0.0.0.0:14000"), (":14000", "[::]:14000"), ("[::1]:0", "[::1]:0")]
        {
            assert_eq!(listen_address(text).unwrap().to_string(), expected);
        }
        for (text, why) in
            [("", "nothing is there"), (":1,:2", "only one address can be there"), ("\"\"", "missing port")]
        {
            assert_eq!(listen_address(text).unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn whom_to_ask() {
        let found = |host: &str, port| match host {
            "dns" => Ok(vec![SocketAddr::from(([10, 0, 0, 53], port))]),
            "empty" => Ok(Vec::new()),
            _ => Err(io::Error::other("no such host")),
        };
        let texts = |text: &str| -> Result<Vec<String>, String> {
            let servers = nameservers(text, found).map_err(|bad| bad.to_string())?;
            Ok(servers.iter().map(ToString::to_string).collect())
        };
        assert_eq!(texts("").unwrap(), Vec::<String>::new());
        assert_eq!(texts("127.53.53.53:53").unwrap(), ["127.53.53.53:53"]);
        assert_eq!(texts("[::1]:5").unwrap(), ["[::1]:5"]);
        assert_eq!(texts("localhost:8553").unwrap(), ["127.0.0.1:8553", "[::1]:8553"]);
        assert_eq!(texts(":8053").unwrap(), ["127.0.0.1:8053", "[::1]:8053"]);
        assert_eq!(texts("dns:8053").unwrap(), ["10.0.0.53:8053"]);
        for (text, why) in [
            ("8.8.8.8", "the port is missing"),
            ("::1:53", "an IPv6 address needs brackets"),
            ("dns:domain", "the port is no number up to 65535"),
            (":x", "the port is no number up to 65535"),
            ("x:1", "\"x\" cannot be looked up: no such host"),
            ("empty:1", "\"empty\" has no address"),
        ] {
            assert_eq!(nameservers(text, found).unwrap_err().why, why, "{text}");
        }
    }
}
