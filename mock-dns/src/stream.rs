//! Messages over a connection (RFC 1035 section 4.2.2), read and written as many at a time as there are.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{Stream, World};

/// A connection on which nothing was asked for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Room for what usually comes at once.
const USUAL: usize = 4096;
/// Answers that wait for more are sent when they are this many bytes.
const WAITING_MAX: usize = 16 * 1024;
/// Length of a message's length.
const LENGTH: usize = 2;

/// The messages of one connection.
pub(crate) struct Messages {
    stream: Stream,
    input: Vec<u8>,
    /// Up to here it was handed out.
    read: usize,
    /// Answers to what came together, which leave together (RFC 7766 section 6.2.1.1).
    output: Vec<u8>,
}

impl Messages {
    pub(crate) fn new(stream: Stream) -> Self {
        Messages { stream, input: Vec::with_capacity(USUAL), read: 0, output: Vec::new() }
    }

    /// Where the next message is in what has come, if it has come whole.
    fn whole(&self) -> Option<std::ops::Range<usize>> {
        let rest = self.input.get(self.read..)?;
        let length = usize::from(u16::from_be_bytes(*rest.first_chunk::<LENGTH>()?));
        let begin = self.read + LENGTH;
        (rest.len() - LENGTH >= length).then_some(begin..begin + length)
    }

    /// The next message; `None` when the client has ended. Answers that wait are sent before this waits.
    ///
    /// # Errors
    /// What the connection reports, and when nothing came for too long.
    pub(crate) async fn next(&mut self, world: &World) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(place) = self.whole() {
                self.read = place.end;
                return Ok(self.input.get(place).map(<[u8]>::to_vec));
            }
            self.flush().await?;
            self.input.drain(..self.read);
            self.read = 0;
            let read = world.timeout(IDLE_MAX, self.stream.read_buf(&mut self.input)).await;
            if read.map_err(io::Error::other)?? == 0 {
                return Ok(None);
            }
        }
    }

    /// Sends an answer, now or with those that follow at once.
    ///
    /// # Errors
    /// When it is longer than a message may be, and what the connection reports.
    pub(crate) async fn answer(&mut self, answer: &[u8]) -> io::Result<()> {
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(answer);
        if self.output.len() >= WAITING_MAX { self.flush().await } else { Ok(()) }
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// What the connection reports.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.output).await?;
        self.output.clear();
        self.stream.flush().await
    }
}
