//! A front of the lying server that answers byte by byte, for ever: the head of an answer, or its body.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{Listener, Raced, Stream, World, race};

use super::server::{Lie, Server};

/// From one byte to the next: no two are so far apart that a limit for silence would do.
const PACE: Duration = Duration::from_secs(5);

/// What comes byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Head,
    Body,
}

impl Part {
    /// What comes before it, at once.
    fn begin(self) -> &'static [u8] {
        match self {
            Part::Head => b"HTTP/1.1 200 OK\r\nx-drip: ",
            Part::Body => b"HTTP/1.1 200 OK\r\nreplay-nonce: n\r\ncontent-length: 1000000\r\n\r\n",
        }
    }
}

/// How long clients have stayed for answers that drip.
pub(crate) type Patience = Arc<Mutex<Vec<Duration>>>;

/// Takes connections and hands them on to the server, with its answers; those that are to drip it gives itself. The
/// request has its effect all the same.
pub(crate) async fn front(
    world: World,
    mut listener: Listener,
    server: Server,
    behind: SocketAddr,
    patience: Patience,
) {
    while let Ok((client, _)) = listener.accept().await {
        let inner = world.connect(behind).await.unwrap();
        let pass = pass(world.clone(), server.clone(), client, inner, patience.clone());
        world.spawn("front", pass);
    }
}

async fn pass(world: World, server: Server, mut client: Stream, mut inner: Stream, patience: Patience) {
    let (mut asked, mut told) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        match race(client.read(&mut asked), inner.read(&mut told)).await {
            Raced::First(Ok(n)) if n > 0 => {
                inner.write_all(&asked[..n]).await.unwrap();
                if let Some(part) = drips(&server, &asked[..n]) {
                    let start = world.monotonic();
                    let mut next = part.begin();
                    // That nobody reads any more shows at the next byte.
                    while client.write_all(next).await.is_ok() {
                        next = b"x";
                        world.sleep(PACE).await;
                    }
                    patience.lock().unwrap().push(world.monotonic().since(start));
                    return;
                }
            }
            Raced::Second(Ok(n)) if n > 0 => {
                if client.write_all(&told[..n]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// Whether the answer to a request is to drip. A client writes a request as one, so that its path is at the start.
fn drips(server: &Server, request: &[u8]) -> Option<Part> {
    let Lie { endpoint, how } = server.lie()?;
    let request = String::from_utf8_lossy(request);
    let path = request.split(' ').nth(1).filter(|path| path.starts_with('/'))?;
    how.drips().filter(|_| path.split('/').nth(1) == Some(endpoint))
}
