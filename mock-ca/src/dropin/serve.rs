//! The two servers: ACME and management, over HTTPS with one identity.

use std::net::SocketAddr;
use std::path::PathBuf;

use world::http::ALPN;
use world::net::BadListen;
use world::tls::{Acceptor, BadTls, Identity};
use world::{Listener, TaskGroup, Timestamp, World};

use super::address::listen_address;
use super::settings::Settings;
use crate::dialect::Endpoint;
use crate::journal::Entry;
use crate::management;
use crate::{Ca, CaError};

/// Why the servers do not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// An address to listen on is none.
    #[error(transparent)]
    Address(#[from] BadListen),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}: {source}")]
    Listen {
        /// The address, as it was written.
        address: String,
        /// Which server.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the HTTPS identity cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The HTTPS identity cannot be used.
    #[error("{} with the key {}: {source}", certificate.display(), key.display())]
    Identity {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        source: BadTls,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] BadTls),
}

/// The servers, until this is dropped.
#[derive(Debug)]
pub struct Running {
    /// The CA behind them.
    pub ca: Ca,
    /// Where ACME is served.
    pub acme: SocketAddr,
    /// Where management is served, if it is.
    pub management: Option<SocketAddr>,
    /// What to tell people: the lines that Pebble has for it.
    pub lines: Vec<String>,
    _servers: TaskGroup,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ca.stop();
    }
}

async fn listen(world: &World, address: &str, what: &'static str) -> Result<Listener, StartError> {
    let at = listen_address(address)?;
    let failed = |source| StartError::Listen { address: address.to_owned(), what, source };
    world.listen(at).await.map_err(failed)
}

/// The address as it was written, with the port that was chosen when 0 was asked for.
fn shown(written: &str, local: SocketAddr) -> String {
    match written.rsplit_once(':') {
        Some((host, "0")) => format!("{host}:{}", local.port()),
        _ => written.to_owned(),
    }
}

/// What a URL to that address starts with.
fn url_of(shown: &str) -> String {
    let host = if shown.starts_with(':') { "localhost" } else { "" };
    format!("https://{host}{shown}")
}

fn acceptor(world: &World, settings: &Settings, ca: &Ca) -> Result<Acceptor, StartError> {
    let identity = match &settings.identity {
        None => Identity::new(world, vec![ca.web().leaf.clone()], &ca.web().key),
        Some((certificate, key)) => {
            let file = |path: &PathBuf| {
                std::fs::read(path).map_err(|source| StartError::File { path: path.clone(), source })
            };
            let read = Identity::from_pem(world, &file(certificate)?, &file(key)?);
            let failed =
                |source| StartError::Identity { certificate: certificate.clone(), key: key.clone(), source };
            read.map_err(failed)?
        }
    };
    Ok(Acceptor::with_identity(world, identity)?.with_alpn(&ALPN))
}

/// Starts what `settings` describe. `watch` sees every entry of the CA's journal.
///
/// # Errors
/// When an address cannot be listened on, or a configuration or a certificate cannot be used.
pub async fn start(
    world: &World,
    settings: &Settings,
    watch: impl Fn(&Ca, &Entry) + Send + Sync + 'static,
) -> Result<Running, StartError> {
    let listener = listen(world, &settings.listen, "ACME").await?;
    let beside = match &settings.management {
        Some(address) => Some((address, listen(world, address, "management").await?)),
        None => None,
    };
    let ca = Ca::open(world.clone(), settings.config.clone(), settings.state.as_ref())?;
    let acceptor = acceptor(world, settings, &ca)?;
    let seen = ca.clone();
    ca.journal().listen(move |entry| watch(&seen, entry));
    let servers = TaskGroup::new(world);
    let serve = |name: &'static str, listener, router| {
        let serving = world::http::serve(world.clone(), listener, Some(acceptor.clone()), router);
        servers.spawn(name, serving);
    };
    // What was promised before the process ended.
    ca.resume();
    let mut lines = Vec::new();
    let mut management = None;
    match beside {
        None => lines.push("Management interface is disabled".to_owned()),
        Some((address, listener)) => {
            let local = listener.local_addr();
            management = Some(local);
            let address = shown(address, local);
            lines.push(format!("Management interface listening on: {address}"));
            let url = url_of(&address);
            for n in 0..ca.issuer_roots().len() {
                let which = if n == 0 { "Root".to_owned() } else { format!("Alternate ({n}) root") };
                lines.push(format!("{which} CA certificate available at: {url}/roots/{n}"));
            }
            serve("management server", listener, management::router(&ca));
        }
    }
    let acme = listener.local_addr();
    let address = shown(&settings.listen, acme);
    let path = ca.dialect().path(Endpoint::Directory, &[]);
    lines.push(format!("Listening on: {address}"));
    lines.push(format!("ACME directory available at: {}{path}", url_of(&address)));
    serve("acme server", listener, ca.router());
    Ok(Running { ca, acme, management, lines, _servers: servers })
}

/// A moment as Go's `log` package writes it, in UTC: `2026/11/22 04:46:40`.
pub fn go_time(at: Timestamp) -> String {
    let text = at.rfc3339_secs();
    text.replace('-', "/").replace('T', " ").replace('Z', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_they_were_written() {
        let local: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        for (written, address, url) in [
            ("0.0.0.0:14000", "0.0.0.0:14000", "https://0.0.0.0:14000"),
            (":14000", ":14000", "https://localhost:14000"),
            ("localhost:0", "localhost:4711", "https://localhost:4711"),
            ("[::1]:0", "[::1]:4711", "https://[::1]:4711"),
        ] {
            assert_eq!(
                (shown(written, local).as_str(), url_of(&shown(written, local)).as_str()),
                (address, url)
            );
        }
        assert_eq!(go_time("2026-11-22T04:46:40.5Z".parse().unwrap()), "2026/11/22 04:46:40");
    }
}
