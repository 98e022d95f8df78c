//! The host of a URL, as Go's `net/url` finds it: it takes nearly everything, and what it does not take has its text.

/// What Go has besides letters and digits in a host: these as they are, everything else with `%`.
const IN_HOSTS: &str = "-_.~!$&'()*+,;=:[]<>\"%";

/// Host and port of a URL as they are written; empty when it has none, as without a scheme.
///
/// # Errors
/// Go's text of why it is no URL.
pub(super) fn host(url: &str) -> Result<String, String> {
    find(url).map_err(|why| format!("parse {url:?}: {why}"))
}

fn find(url: &str) -> Result<String, String> {
    if url.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let text = url.split('#').next().unwrap_or_default();
    let (scheme, rest) = scheme(text)?;
    let rest = rest.split('?').next().unwrap_or_default();
    if !rest.starts_with('/') {
        let first = rest.split('/').next().unwrap_or_default();
        if scheme.is_empty() && first.contains(':') {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
        return Ok(String::new());
    }
    let Some(authority) = rest.strip_prefix("//").filter(|rest| !scheme.is_empty() || !rest.starts_with('/'))
    else {
        return Ok(String::new());
    };
    let authority = authority.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    check(host)?;
    Ok(host.to_owned())
}

/// The scheme, if there is one, and what follows.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    match text.split_once(':') {
        Some(("", _)) => Err("missing protocol scheme".to_owned()),
        Some((scheme, rest)) if is_scheme(scheme) => Ok((scheme, rest)),
        _ => Ok(("", text)),
    }
}

fn check(host: &str) -> Result<(), String> {
    let port = if host.starts_with('[') {
        let (_, after) = host.rsplit_once(']').ok_or("missing ']' in host")?;
        after
    } else {
        host.rfind(':').and_then(|colon| host.get(colon..)).unwrap_or_default()
    };
    let digits = port.strip_prefix(':').unwrap_or(if port.is_empty() { "" } else { "none" });
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("invalid port {port:?} after host"));
    }
    match host.chars().find(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && !IN_HOSTS.contains(*c)) {
        Some(bad) => Err(format!("invalid character {:?} in host name", bad.to_string())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_where_go_finds_them() {
        for (url, expected) in [
            ("https://acme.test/directory", "acme.test"),
            ("https://acme.test:14000/dir?x#y", "acme.test:14000"),
            ("https://me@acme.test:/", "acme.test:"),
            ("https://[::1]:443/d", "[::1]:443"),
            ("acme.test/directory", ""),
            ("acme.test:443/directory", ""),
            ("", ""),
            ("mailto:me@acme.test", ""),
            ("/directory", ""),
            ("///directory", ""),
        ] {
            assert_eq!(host(url).as_deref(), Ok(expected), "{url}");
        }
    }

    #[test]
    fn what_go_does_not_take_has_its_text() {
        for (url, why) in [
            ("https://acme.test:acme/", "invalid port \":acme\" after host"),
            ("https://[::1/", "missing ']' in host"),
            ("https://[::1]x/", "invalid port \"x\" after host"),
            ("https://acme test/", "invalid character \" \" in host name"),
            ("10.0.0.1:443/directory", "first path segment in URL cannot contain colon"),
            ("://acme.test", "missing protocol scheme"),
            ("https://a\n.test/", "net/url: invalid control character in URL"),
        ] {
            assert_eq!(host(url), Err(format!("parse {url:?}: {why}")));
        }
    }
}
