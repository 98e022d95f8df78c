//! Programs of this machine. Only a real world has any.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use crate::world::World;

/// A program, its arguments, and what is added to its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// A path, or a name that is looked for in `PATH`.
    pub program: OsString,
    /// Arguments.
    pub arguments: Vec<OsString>,
    /// Variables beside those that this process has.
    pub environment: Vec<(String, String)>,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

impl World {
    /// Runs a program to its end, with nothing on its standard input. One that takes longer than `limit` is killed,
    /// as is one whose future is dropped.
    ///
    /// # Errors
    /// `Unsupported` in a simulated world, `TimedOut`, and what the system reports of a program that cannot be
    /// started.
    pub async fn run(&self, command: &Command, limit: Duration) -> io::Result<Ended> {
        if self.is_virtual() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a simulated world runs no programs"));
        }
        let mut process = tokio::process::Command::new(&command.program);
        process.args(&command.arguments).envs(command.environment.iter().map(|(name, value)| (name, value)));
        process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let ended = self.timeout(limit, process.spawn()?.wait_with_output()).await;
        let output = ended.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it took too long"))??;
        Ok(Ended { status: output.status, stdout: output.stdout, stderr: output.stderr })
    }
}
