//! What a machine knows about names: the nameservers of its `resolv.conf`, and its file of hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where DNS is served.
const PORT: u16 = 53;
/// As many nameservers are read, as by the system's own resolver.
const SERVERS_MAX: usize = 3;

/// The nameservers in the text of a `resolv.conf` (resolv.conf(5)); without any, the one on this machine.
pub fn nameservers(text: &str) -> Vec<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        let word = words.next().filter(|word| *word == "nameserver").and(words.next())?;
        // A link-local address may have its interface behind a percent sign.
        let ip: IpAddr = word.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, PORT))
    };
    let mut found: Vec<_> = text.lines().filter_map(server).take(SERVERS_MAX).collect();
    if found.is_empty() {
        found.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT));
    }
    found
}

/// The addresses by name, in lower case, in the text of a file of hosts (hosts(5)).
pub fn hosts(text: &str) -> BTreeMap<String, Vec<IpAddr>> {
    let mut found: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(ip) = words.next().and_then(|word| word.parse().ok()) else { continue };
        for name in words {
            found.entry(name.to_ascii_lowercase()).or_default().push(ip);
        }
    }
    found
}

/// What this machine's own files say; a file that cannot be read says nothing.
pub fn read() -> (Vec<SocketAddr>, BTreeMap<String, Vec<IpAddr>>) {
    let text = |path| std::fs::read_to_string(path).unwrap_or_default();
    (nameservers(&text("/etc/resolv.conf")), hosts(&text("/etc/hosts")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameservers_of_a_resolv_conf() {
        let text = "# by hand\nsearch example.com\nnameserver 127.0.0.11\nnameserver\t fe80::1%eth0 # x\n\
                    nameserver bad\n;nameserver 9.9.9.9\nnameserver 2606:4700::1\nnameserver 8.8.8.8\n";
        let texts: Vec<_> = nameservers(text).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["127.0.0.11:53", "[fe80::1]:53", "[2606:4700::1]:53"]);
        assert_eq!(nameservers("options edns0")[0].to_string(), "127.0.0.1:53");
    }

    #[test]
    fn names_of_a_file_of_hosts() {
        let found = hosts("127.0.0.1 localhost Box # me\n::1\tlocalhost\n\nbad name\n# 1.2.3.4 no\n");
        let of =
            |name: &str| found.get(name).map(|ips| ips.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of("localhost").unwrap(), ["127.0.0.1", "::1"]);
        assert_eq!(of("box").unwrap(), ["127.0.0.1"]);
        assert_eq!((of("me"), of("no"), of("name")), (None, None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC{0,200}") {
            let _ = (nameservers(&text), hosts(&text));
        }
    }
}
