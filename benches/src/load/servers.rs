//! The two servers of a run: their configuration, start, readiness and end.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::connection::{Endpoint, Protocol, Trust};
use super::drive::{Target, Watched};
use super::session::Session;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(20);
/// Between two looks whether it does.
const LOOK: Duration = Duration::from_millis(20);
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

/// Why servers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or folder could not be made.
    #[error("{}: {source}", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No free port, or no key.
    #[error("{0}")]
    Preparation(String),
    /// The program is not there, or cannot be run.
    #[error("{}: cannot be started: {source}", program.display())]
    Program {
        /// Its path.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It ended before it answered.
    #[error("{}: ended with {status} before it answered; see its output with --server-log", program.display())]
    Ended {
        /// Its path.
        program: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// It runs but does not answer.
    #[error("{}: no answer at {address} within {} s", program.display(), START.as_secs())]
    Silent {
        /// Its path.
        program: PathBuf,
        /// Where an answer was looked for.
        address: SocketAddr,
    },
}

/// A process that ends with its owner.
struct Process {
    program: PathBuf,
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; nobody is left to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(
        program: &Path,
        name: &str,
        log: Option<&Path>,
        command: &mut Command,
    ) -> Result<Self, StartError> {
        let output = |suffix: &str| match log {
            None => Ok(Stdio::null()),
            Some(folder) => {
                let path = folder.join(format!("{name}.{suffix}"));
                let file =
                    std::fs::File::create(&path).map_err(|source| StartError::File { path, source })?;
                Ok(Stdio::from(file))
            }
        };
        command.stdin(Stdio::null()).stdout(output("stdout")?).stderr(output("stderr")?);
        let program = program.to_owned();
        match command.spawn() {
            Ok(child) => Ok(Process { program, child }),
            Err(source) => Err(StartError::Program { program, source }),
        }
    }

    /// Whether it still runs.
    fn check(&mut self) -> Result<(), StartError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(StartError::Ended { program: self.program.clone(), status }),
            _ => Ok(()),
        }
    }
}

/// A folder that is removed with its owner.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running ACME server with its challenge test server, both ended when this is dropped.
pub struct Servers {
    server: Process,
    responder: Process,
    target: Target,
    _folder: Folder,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers").field("target", &self.target).finish_non_exhaustive()
    }
}

/// Loopback ports that were free, for TCP and UDP, a moment ago.
fn free_ports<const N: usize>() -> Result<[u16; N], StartError> {
    let failed = |e: std::io::Error| StartError::Preparation(format!("no free port: {e}"));
    let mut ports = [0; N];
    // Held until all are found, so that none is found twice.
    let mut held = Vec::new();
    for port in &mut ports {
        loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
            let address = tcp.local_addr().map_err(failed)?;
            if let Ok(udp) = UdpSocket::bind(address) {
                *port = address.port();
                held.push((tcp, udp));
                break;
            }
        }
    }
    Ok(ports)
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Writes a file into the run's folder.
fn write(path: PathBuf, text: &str) -> Result<PathBuf, StartError> {
    match std::fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(StartError::File { path, source }),
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
        let folder = std::env::temp_dir().join(format!("issuance-load-{}-{acme}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .map_err(|source| StartError::File { path: folder.clone(), source })?;
        let folder = Folder(folder);
        let failed = |e: rcgen::Error| StartError::Preparation(e.to_string());
        let key = KeyPair::generate().map_err(failed)?;
        let names = ["localhost".to_owned(), Ipv4Addr::LOCALHOST.to_string()];
        let certificate =
            CertificateParams::new(names).and_then(|params| params.self_signed(&key)).map_err(failed)?.pem();
        let certificate_path = write(folder.0.join("cert.pem"), &certificate)?;
        let key_path = write(folder.0.join("key.pem"), &key.serialize_pem())?;
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
        let config_path = write(folder.0.join("config.json"), &config.to_string())?;

        let log = binaries.log.as_deref();
        let mut command = Command::new(&binaries.responder);
        command.args(["-dns01", &local(dns).to_string(), "-http01", &local(http).to_string()]);
        command.args(["-management", &local(management).to_string()]);
        command.args(["-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]);
        let responder = Process::start(&binaries.responder, "responder", log, &mut command)?;
        let mut command = Command::new(&binaries.server);
        command.arg("-config").arg(&config_path).args(["-dnsserver", &local(dns).to_string()]);
        command.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")]);
        let server = Process::start(&binaries.server, "server", log, &mut command)?;

        let target = Target {
            acme: local(acme),
            directory: DIRECTORY.to_owned(),
            management: local(management),
            trust: Trust::Roots(certificate),
            protocol,
        };
        let mut servers = Servers { server, responder, target, _folder: folder };
        servers.wait(local(http)).await?;
        Ok(servers)
    }

    /// Until the directory answers 200, and the challenge test server takes connections.
    async fn wait(&mut self, http: SocketAddr) -> Result<(), StartError> {
        let begun = Instant::now();
        let silent =
            |program: &Process, address| StartError::Silent { program: program.program.clone(), address };
        for address in [http, self.target.management] {
            while TcpStream::connect(address).is_err() {
                self.responder.check()?;
                if begun.elapsed() > START {
                    return Err(silent(&self.responder, address));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        let endpoint = Endpoint::tls(self.target.acme, &self.target.trust, self.target.protocol)
            .map_err(|e| StartError::Preparation(e.to_string()))?;
        while Session::new(endpoint.clone(), START).directory(DIRECTORY).await.is_err() {
            self.server.check()?;
            if begun.elapsed() > START {
                return Err(silent(&self.server, self.target.acme));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Where they answer.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Their process ids.
    pub fn watched(&self) -> Watched {
        Watched { server: Some(self.server.child.id()), responder: Some(self.responder.child.id()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_free_and_differ() {
        let mut ports = free_ports::<8>().unwrap();
        ports.sort_unstable();
        assert!(ports.iter().all(|&port| port > 0));
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
