//! The two servers of a run: their configuration, start, readiness and end.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::children::{Folder, LOOK, Process, START, StartError, free_ports, local};
use load::{Protocol, Publish, Target, Trust, Watched};

/// The directory's path, of Pebble and of what takes its place.
const DIRECTORY: &str = "/dir";

/// Whose servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `mock-ca` and `mock-dns`.
    Mock,
    /// `pebble` and `pebble-challtestsrv`.
    Pebble,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Mock => "mock",
            Kind::Pebble => "pebble",
        })
    }
}

/// What to start. Both pairs take Pebble's flags and configuration file.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The ACME server.
    pub server: PathBuf,
    /// The challenge test server.
    pub responder: PathBuf,
    /// Where the servers' output goes; `None` throws it away.
    pub log: Option<PathBuf>,
}

/// A running ACME server with its challenge test server, both ended when this is dropped.
pub struct Servers {
    server: Process,
    responder: Process,
    target: Target,
    publish: Publish,
    _folder: Folder,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Servers {
    /// Starts both on free ports of the loopback interface and waits until they answer. Sleep before validation and
    /// random refusal of nonces are off.
    ///
    /// # Errors
    /// When one of them does not come up.
    pub async fn start(binaries: &Binaries, protocol: Protocol) -> Result<Self, StartError> {
        let [acme, http, unused, dns, management] = free_ports()?;
        let folder = Folder::new("issuance-load", acme)?;
        let failed = |e: rcgen::Error| StartError::Preparation(e.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let names = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let certificate =
            CertificateParams::new(names).and_then(|params| params.self_signed(&key)).map_err(failed)?;
        let certificate_path = folder.write("cert.pem", &certificate.pem())?;
        let key_path = folder.write("key.pem", &key.serialize_pem())?;
        let config = json!({ "pebble": {
            "listenAddress": local(acme),
            "managementListenAddress": "",
            "certificate": certificate_path,
            "privateKey": key_path,
            "httpPort": http,
            "tlsPort": unused,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            // Releases that do not know it sign with RSA-2048.
            "keyAlgorithm": "ecdsa",
        }});
        let config_path = folder.write("config.json", &config.to_string())?;

        let log = binaries.log.as_deref();
        let mut command = Command::new(&binaries.responder);
        command.args(["-dns01", &local(dns).to_string(), "-http01", &local(http).to_string()]);
        command.args(["-management", &local(management).to_string()]);
        command.args(["-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        let responder = Process::start("responder", log, &mut command)?;
        let mut command = Command::new(&binaries.server);
        command.arg("-config").arg(&config_path).args(["-dnsserver", &local(dns).to_string()]);
        command.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")]);
        let server = Process::start("server", log, &mut command)?;

        let target = Target {
            directory: format!("https://{}{DIRECTORY}", local(acme)),
            trust: Trust::Roots(vec![certificate.der().clone()]),
            protocol,
            external_account: None,
            contact: None,
        };
        let publish = Publish::Challtestsrv(format!("http://{}", local(management)));
        let mut servers = Servers { server, responder, target, publish, _folder: folder };
        servers.wait([local(http), local(management)]).await?;
        Ok(servers)
    }

    /// Until the directory answers 200, and the challenge test server takes connections.
    async fn wait(&mut self, addresses: [SocketAddr; 2]) -> Result<(), StartError> {
        for address in addresses {
            self.responder.listens(address).await?;
        }
        let begun = Instant::now();
        while load::answers(&self.target, START).await.is_err() {
            self.server.check()?;
            if begun.elapsed() > START {
                return Err(self.server.silent(&self.target.directory));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// How challenges are answered.
    pub fn publish(&self) -> &Publish {
        &self.publish
    }

    /// Where they answer.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Their process ids.
    pub fn watched(&self) -> Watched {
        Watched { server: Some(self.server.id()), responder: Some(self.responder.id()) }
    }
}
