//! A look at what a client asks for before anybody answers it: for proxies that pass TLS on by the name in it.

use std::io;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a client's first message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The name that it wants (SNI); `None` when it sent none, or an address.
    pub server_name: Option<String>,
    /// The application protocols that it offers (ALPN), in its order.
    pub protocols: Vec<Vec<u8>>,
    /// The bytes that were read: who answers it must see them again.
    pub bytes: Vec<u8>,
}

/// More than this is no first message of anybody.
const HELLO_MAX: usize = 64 * 1024;

/// Reads the ClientHello from a stream, and perhaps a little of what follows.
///
/// # Errors
/// When the stream ends, or what comes is no ClientHello.
pub async fn read_hello(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Hello> {
    let mut acceptor = Acceptor::default();
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while bytes.len() < HELLO_MAX {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut new = &chunk[..read];
        bytes.extend_from_slice(new);
        while !new.is_empty() {
            acceptor.read_tls(&mut new)?;
            match acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    return Ok(Hello {
                        server_name: hello.server_name().map(str::to_owned),
                        protocols: hello.alpn().into_iter().flatten().map(<[u8]>::to_vec).collect(),
                        bytes,
                    });
                }
                Err((error, _)) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::sim::{Config, run};
    use crate::tls::Connector;

    #[test]
    fn the_name_and_the_protocols_are_read_and_the_bytes_kept() {
        let seen = Arc::new(Mutex::new(None));
        let shown = seen.clone();
        run(Config::default(), move |world| async move {
            let net = world.sim_net().unwrap();
            net.add_host("server", ["10.0.0.1".parse().unwrap()]);
            net.add_host("client", ["10.0.0.2".parse().unwrap()]);
            let at: SocketAddr = "10.0.0.1:443".parse().unwrap();
            let mut listener = world.process("server").listen(at).await.unwrap();
            let client = world.process("client");
            let inside = client.clone();
            client.spawn("client", async move {
                let tls = Connector::unverified(&inside).unwrap().with_alpn(&["acme-tls/1"]);
                // Nobody answers.
                let _ = tls.dial(at, "a.test", std::time::Duration::from_secs(5)).await;
            });
            let (mut stream, _) = listener.accept().await.unwrap();
            *shown.lock().unwrap() = Some(read_hello(&mut stream).await.unwrap());
        })
        .unwrap();
        let hello = seen.lock().unwrap().take().unwrap();
        assert_eq!(hello.server_name.as_deref(), Some("a.test"));
        assert_eq!(hello.protocols, [b"acme-tls/1"]);
        assert_eq!(hello.bytes[0], 22, "a handshake record");
    }

    #[test]
    fn what_is_no_tls_is_an_error() {
        let read = |bytes: &'static [u8]| {
            let run = run(Config::default(), move |_| async move {
                let mut bytes = bytes;
                read_hello(&mut bytes).await.map_err(|error| error.kind())
            });
            run.unwrap().value
        };
        assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n"), Err(io::ErrorKind::InvalidData));
        assert_eq!(read(b""), Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(read(&[22, 3, 1]), Err(io::ErrorKind::UnexpectedEof));
    }
}
