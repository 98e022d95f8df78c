//! Where http-01 fetches from, and where a redirect leads.

use std::net::IpAddr;

use world::http::{Scheme, Url};

use super::View;
use crate::dialect::RedirectRules;
use crate::policy::BadName;

/// A longer path in a redirect is refused by those who look at it.
const PATH_MAX: usize = 2000;
/// The port of http.
const HTTP_PORT: u16 = 80;
/// The port of https redirects.
const HTTPS_PORT: u16 = 443;

/// Where to fetch from next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) scheme: Scheme,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl Target {
    /// Host and port as people write them: the scheme's own port is left out.
    pub(super) fn authority(&self) -> String {
        let default = if self.scheme == Scheme::Http { HTTP_PORT } else { HTTPS_PORT };
        let v6 = self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6());
        let host = if v6 { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }

    /// The whole URL.
    pub(super) fn url(&self) -> String {
        let scheme = if self.scheme == Scheme::Http { "http" } else { "https" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Whether a response with this status is a redirect; the error is said of one that is not followed.
pub(super) fn is_redirect(rules: RedirectRules, status: u16) -> Result<bool, &'static str> {
    match (status, rules) {
        (303, RedirectRules::PublicNames) => Err("received disallowed redirect status code"),
        (301 | 302 | 303 | 307 | 308, _) => Ok(true),
        _ => Ok(false),
    }
}

/// Where a redirect leads, if it is one that is followed. The error is what Boulder says of it.
pub(super) fn follow(view: &View, from: &Target, location: &str) -> Result<Target, String> {
    let absolute = match location.split_once("://") {
        Some(("http" | "https", _)) => location.to_owned(),
        Some((scheme, _)) => {
            return Err(format!(
                "Invalid protocol scheme in redirect target. Only \"http\" and \"https\" protocol schemes are supported, not {scheme:?}"
            ));
        }
        None => {
            let base = Target { path: String::new(), ..from.clone() }.url();
            let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if location.starts_with('/') {
                format!("{base}{location}")
            } else {
                format!("{base}{folder}/{location}")
            }
        }
    };
    let url: Url = absolute.parse().map_err(|_| "Invalid redirect target".to_owned())?;
    if url.host.is_empty() {
        return Err("Invalid empty hostname in redirect target".to_owned());
    }
    let target =
        Target { scheme: url.scheme, host: url.host.to_ascii_lowercase(), port: url.port, path: url.path };
    match view.rules.redirects {
        RedirectRules::Anywhere => Ok(target),
        RedirectRules::PublicNames => {
            let explicit =
                url.authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            public(view, target, explicit)
        }
    }
}

/// The target, if it is a name of the public on a port of a web server.
fn public(view: &View, target: Target, explicit_port: bool) -> Result<Target, String> {
    let Target { port, host, path, scheme } = &target;
    let port = match (explicit_port, scheme) {
        (true, _) if *port != view.http_port && *port != HTTPS_PORT => {
            return Err(format!(
                "Invalid port in redirect target. Only ports {} and {HTTPS_PORT} are supported, not {port}",
                view.http_port
            ));
        }
        (true, _) => *port,
        (false, Scheme::Http) => view.http_port,
        (false, Scheme::Https) => HTTPS_PORT,
    };
    let is_ip = host.parse::<IpAddr>().is_ok();
    match if is_ip { Err(BadName::IpAddress) } else { view.policy.check(host) } {
        Err(BadName::IpAddress) => {
            return Err(format!(
                "Invalid host in redirect target {host:?}. Only domain names are supported, not IP addresses"
            ));
        }
        Err(BadName::NonPublic | BadName::TooFewLabels) => {
            return Err("Invalid hostname in redirect target, must end in IANA registered TLD".to_owned());
        }
        _ => {}
    }
    if path.len() > PATH_MAX {
        return Err(format!("Invalid path in redirect target, must be {PATH_MAX} bytes or less"));
    }
    Ok(Target { port, ..target })
}
