//! Programs that are started to be measured: ports, folders, and an end with their owner.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
pub(crate) const START: Duration = Duration::from_secs(20);
/// Between two looks whether it does.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

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
    #[error("{}: no answer at {at} within {} s", program.display(), START.as_secs())]
    Silent {
        /// Its path.
        program: PathBuf,
        /// Where an answer was looked for.
        at: String,
    },
}

/// A process that ends with its owner.
pub(crate) struct Process {
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
    /// Starts `command`; its output goes into files of this folder, or nowhere.
    pub(crate) fn start(name: &str, log: Option<&Path>, command: &mut Command) -> Result<Self, StartError> {
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
        let program = PathBuf::from(command.get_program());
        match command.spawn() {
            Ok(child) => Ok(Process { program, child }),
            Err(source) => Err(StartError::Program { program, source }),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub(crate) fn check(&mut self) -> Result<(), StartError> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(StartError::Ended { program: self.program.clone(), status }),
            _ => Ok(()),
        }
    }

    pub(crate) fn silent(&self, at: impl ToString) -> StartError {
        StartError::Silent { program: self.program.clone(), at: at.to_string() }
    }

    /// Waits until it takes connections there.
    pub(crate) async fn listens(&mut self, at: SocketAddr) -> Result<(), StartError> {
        let begun = Instant::now();
        while TcpStream::connect(at).is_err() {
            self.check()?;
            if begun.elapsed() > START {
                return Err(self.silent(at));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// A folder that is removed with its owner.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    /// A new one, which no other run has.
    pub(crate) fn new(name: &str, port: u16) -> Result<Self, StartError> {
        let path = std::env::temp_dir().join(format!("{name}-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|source| StartError::File { path: path.clone(), source })?;
        Ok(Folder(path))
    }

    /// Writes a file into it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf, StartError> {
        let path = self.0.join(name);
        match std::fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(StartError::File { path, source }),
        }
    }
}

/// Loopback ports that were free, for TCP and UDP, a moment ago.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], StartError> {
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

pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The program of this name in the folders of PATH, or where Debian has daemons.
pub(crate) fn installed(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The program `name` of the same build as this one.
pub fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().ok();
    own.and_then(|own| Some(own.parent()?.join(name))).unwrap_or_else(|| name.into())
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

    #[test]
    fn programs_are_found_where_they_are() {
        assert!(installed("sh").is_some());
        assert_eq!(installed("no-such-program-here"), None);
    }
}
