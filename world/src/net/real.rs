//! The system's sockets.
#![expect(clippy::disallowed_types, reason = "this is the way out of the world")]

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Larger than any datagram.
const DATAGRAM_MAX: usize = 65_536;

#[derive(Debug)]
pub(crate) struct Tcp(TcpStream);

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }
    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

pub(crate) async fn connect(to: SocketAddr) -> io::Result<Tcp> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(Tcp(stream))
}

#[derive(Debug)]
pub(crate) struct Tcps {
    listener: TcpListener,
    local: SocketAddr,
}

pub(crate) async fn listen(at: SocketAddr) -> io::Result<Tcps> {
    let listener = TcpListener::bind(at).await?;
    let local = listener.local_addr()?;
    Ok(Tcps { listener, local })
}

impl Tcps {
    pub(crate) async fn accept(&mut self) -> io::Result<(Tcp, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Tcp(stream), peer))
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

#[derive(Debug)]
pub(crate) struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
}

pub(crate) async fn bind(at: SocketAddr) -> io::Result<Udp> {
    let socket = UdpSocket::bind(at).await?;
    let local = socket.local_addr()?;
    Ok(Udp { socket, local })
}

impl Udp {
    pub(crate) async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(data, to).await.map(|_| ())
    }

    pub(crate) async fn recv_from(&self) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; DATAGRAM_MAX];
        let (n, from) = self.socket.recv_from(&mut buffer).await?;
        buffer.truncate(n);
        Ok((buffer, from))
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }
}
