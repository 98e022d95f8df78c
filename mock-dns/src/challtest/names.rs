//! Names as keys, so that one look-up has no memory to ask for: domain names in wire form and lower case
//! (RFC 1035 section 3.1), hosts of HTTP and TLS as lower-case text.

use std::fmt::Write as _;
use std::net::IpAddr;

/// Longest name in wire form (RFC 1035 section 3.1).
pub(crate) const NAME_MAX: usize = 255;
/// Longest label.
const LABEL_MAX: usize = 63;

/// A domain name in wire form, in the case that it was written in. Its final dot may be left out; there
/// are no escapes. `None` when it is no name.
pub(crate) fn wire(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut wire = Vec::with_capacity(text.len() + 2);
    if !text.is_empty() {
        for label in text.split('.') {
            let length = u8::try_from(label.len()).ok()?;
            if length == 0 || usize::from(length) > LABEL_MAX {
                return None;
            }
            wire.push(length);
            wire.extend_from_slice(label.as_bytes());
        }
    }
    wire.push(0);
    (wire.len() <= NAME_MAX).then_some(wire)
}

/// The same in lower case: what names are compared by.
pub(crate) fn key(text: &str) -> Option<Box<[u8]>> {
    let mut wire = wire(text)?;
    // Lengths of labels are below the letters.
    wire.make_ascii_lowercase();
    Some(wire.into())
}

/// A name in wire form as text with its final dot, escaped as zone files are (RFC 1035 section 5.1).
pub(crate) fn text(wire: &[u8]) -> String {
    let mut out = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((length, tail)) = rest.split_first() {
        let Some((label, tail)) = tail.split_at_checked(usize::from(*length)).filter(|(l, _)| !l.is_empty())
        else {
            break;
        };
        for byte in label {
            match byte {
                b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' | b' ' => {
                    out.push('\\');
                    out.push(char::from(*byte));
                }
                0x21..=0x7e => out.push(char::from(*byte)),
                // Writing to a string does not fail.
                _ => drop(write!(out, "\\{byte:03}")),
            }
        }
        out.push('.');
        rest = tail;
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

/// What hosts of requests are compared by: no port, no brackets, no final dot, lower case.
pub(crate) fn host_key(host: &str) -> String {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((inside, _)) => inside,
        None => match host.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        },
    };
    bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase()
}

/// What the names of TLS clients are compared by: as [`host_key`], with an address in the form that it has
/// in a client's message (RFC 8738 section 6).
pub(crate) fn server_name_key(host: &str) -> String {
    let bare = host.trim_matches(['[', ']']);
    match bare.parse() {
        Ok(ip) => reverse(ip),
        Err(_) => bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase(),
    }
}

/// The name of an address under `in-addr.arpa` or `ip6.arpa`.
pub(crate) fn reverse(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(ip) => {
            let nibbles = ip.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
            let mut name = nibbles.fold(String::new(), |name, nibble| name + &format!("{nibble:x}."));
            name.push_str("ip6.arpa");
            name
        }
    }
}

/// The address whose [`reverse`] name this is.
pub(crate) fn address_of(name: &str) -> Option<IpAddr> {
    if let Some(octets) = name.strip_suffix(".in-addr.arpa") {
        let parts: Vec<&str> = octets.rsplit('.').collect();
        return parts.join(".").parse().ok().map(IpAddr::V4);
    }
    let nibbles: Vec<&str> = name.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    if nibbles.len() != 32 || nibbles.iter().any(|nibble| nibble.len() != 1) {
        return None;
    }
    let groups: Vec<String> = nibbles.chunks(4).map(|group| group.concat()).collect();
    groups.join(":").parse().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_keys_and_text_again() {
        assert_eq!(&*key("A.exAmple.").unwrap(), b"\x01a\x07example\x00");
        assert_eq!(wire("A.b").unwrap(), b"\x01A\x01b\x00");
        assert_eq!(text(&wire("_acme-challenge.Example.test").unwrap()), "_acme-challenge.Example.test.");
        assert_eq!(text(b"\x03a.\xff\x00"), "a\\.\\255.");
        assert_eq!((text(b"\0"), text(b""), text(b"\x05ab")), (".".into(), ".".into(), ".".into()));
        assert_eq!(wire("."), Some(vec![0]));
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for bad in ["a..b", ".a", &"a".repeat(64), &long] {
            assert_eq!(wire(bad), None, "{bad}");
        }
    }

    #[test]
    fn hosts_lose_what_does_not_tell_them_apart() {
        for (host, key) in [
            ("Foo.example:5002", "foo.example"),
            ("foo.example.", "foo.example"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("[::1]:5002", "::1"),
            ("[::1]", "::1"),
            ("::1", "::1"),
        ] {
            assert_eq!(host_key(host), key);
        }
    }

    #[test]
    fn addresses_have_names() {
        for (ip, name) in [
            ("127.0.0.1", "1.0.0.127.in-addr.arpa"),
            ("::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa"),
        ] {
            assert_eq!(server_name_key(ip), name);
            assert_eq!(server_name_key(&format!("{}.", name.to_ascii_uppercase())), name);
            assert_eq!(address_of(name), Some(ip.parse().unwrap()));
        }
        for other in ["in-addr.arpa", "0.127.in-addr.arpa", "x.0.0.127.in-addr.arpa", "1.ip6.arpa", "a.test"]
        {
            assert_eq!(address_of(other), None);
        }
    }
}
