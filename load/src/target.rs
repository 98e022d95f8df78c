//! The ACME server that is loaded.

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use crate::client::{Protocol, Trust};

/// The server, and what it takes to be its client.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its directory (RFC 8555 section 7.1.1): an `https` or `http` URL.
    pub directory: String,
    /// Which HTTPS certificates are good.
    pub trust: Trust,
    /// What to speak with it.
    pub protocol: Protocol,
    /// An account of the CA's outside of ACME, for servers that ask for one.
    pub external_account: Option<ExternalAccount>,
    /// How the account's owner is reached: `mailto:ops@example.com`.
    pub contact: Option<String>,
}

/// A key that the CA gave out of band (RFC 8555 section 7.3.4).
#[derive(Clone)]
pub struct ExternalAccount {
    /// Its identifier.
    pub kid: String,
    key: Vec<u8>,
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccount").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl ExternalAccount {
    /// With the HMAC key as CAs give it, in base64url; `None` when it is not that.
    pub fn new(kid: impl Into<String>, key: &str) -> Option<Self> {
        let key = URL_SAFE_NO_PAD.decode(key).or_else(|_| URL_SAFE.decode(key)).ok()?;
        Some(ExternalAccount { kid: kid.into(), key })
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }
}

/// A URL that no request can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {why}")]
pub struct BadUrl {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Over TLS or not.
    pub(crate) tls: bool,
    /// A name or an address, an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The two parts of an absolute URL: `scheme://host:port`, and the rest.
pub(crate) fn split(url: &str) -> Result<(&str, &str), BadUrl> {
    let bad = |why| BadUrl { url: url.to_owned(), why };
    let authority = url.find("://").ok_or_else(|| bad("not an absolute URL: https://HOST[:PORT]/PATH"))? + 3;
    let rest = url.get(authority..).unwrap_or_default();
    match rest.find('/') {
        Some(path) => Ok(url.split_at(authority + path)),
        None => Ok((url, "/")),
    }
}

impl Origin {
    /// Reads `scheme://host:port`.
    pub(crate) fn parse(origin: &str) -> Result<Self, BadUrl> {
        let bad = |why| BadUrl { url: origin.to_owned(), why };
        let uri: http::Uri = origin.parse().map_err(|_| bad("not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("neither http nor https")),
        };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(bad("no host"));
        }
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Ok(Origin { tls, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart() {
        assert_eq!(split("https://ca.test:14000/dir?x").unwrap(), ("https://ca.test:14000", "/dir?x"));
        assert_eq!(split("http://ca.test").unwrap(), ("http://ca.test", "/"));
        let origin = |text| Origin::parse(text).unwrap();
        assert_eq!(origin("https://ca.test"), Origin { tls: true, host: "ca.test".into(), port: 443 });
        assert_eq!(origin("http://[::1]:81"), Origin { tls: false, host: "::1".into(), port: 81 });
        assert_eq!(
            split("/dir").unwrap_err().to_string(),
            "/dir: not an absolute URL: https://HOST[:PORT]/PATH"
        );
        for (bad, why) in [
            ("ftp://ca.test", "neither http nor https"),
            ("https://", "not a URL"),
            ("https://a b", "not a URL"),
        ] {
            assert_eq!(Origin::parse(bad).unwrap_err().why, why, "{bad}");
        }
    }

    #[test]
    fn the_key_of_an_external_account_is_base64url_and_stays_out_of_debug_output() {
        let account = ExternalAccount::new("kid-1", "c2VjcmV0").unwrap();
        assert_eq!(account.key(), b"secret");
        assert!(ExternalAccount::new("kid-1", "no base64!").is_none());
        assert_eq!(ExternalAccount::new("kid-1", "c2VjcmU=").unwrap().key(), b"secre");
        assert_eq!(format!("{account:?}"), "ExternalAccount { kid: \"kid-1\", .. }");
    }
}
