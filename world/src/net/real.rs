//! The system's sockets.
#![expect(clippy::disallowed_types, reason = "this is the way out of the world")]

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use socket2::{Domain, Protocol, Socket, Type};
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

pub(crate) async fn connect(to: SocketAddr) -> io::Result<(Tcp, SocketAddr)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    Ok((Tcp(stream), local))
}

#[derive(Debug)]
pub(crate) struct Tcps {
    listener: TcpListener,
    local: SocketAddr,
}

/// Connections that may wait to be accepted; the system may have a lower limit.
const BACKLOG: i32 = 4096;

/// A bound socket of this kind. `[::]` takes both families; where there is no IPv6 it is `0.0.0.0`.
fn bound(at: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    match bound_exactly(at, kind, protocol) {
        Err(error) if at.is_ipv6() && at.ip().is_unspecified() && lacks_ipv6(&error) => {
            let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), at.port());
            bound_exactly(any, kind, protocol)
        }
        socket => socket,
    }
}

fn bound_exactly(at: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind, Some(protocol))?;
    if at.is_ipv6() {
        socket.set_only_v6(!at.ip().is_unspecified())?;
    }
    // On Windows this would let two programs have one port.
    if cfg!(unix) && kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    Ok(socket)
}

fn lacks_ipv6(error: &io::Error) -> bool {
    // A kernel without IPv6 knows no such socket; one that has it switched off knows no such address.
    // EAFNOSUPPORT, which std has no kind for, of Linux, macOS and Windows.
    const NO_SUCH_FAMILY: [i32; 3] = [97, 47, 10047];
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error().is_some_and(|code| NO_SUCH_FAMILY.contains(&code))
}

/// The address of a peer, without the disguise that IPv4 has on a socket of both families.
fn undisguised(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

pub(crate) fn listen(at: SocketAddr) -> io::Result<Tcps> {
    let socket = bound(at, Type::STREAM, Protocol::TCP)?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let local = listener.local_addr()?;
    Ok(Tcps { listener, local })
}

impl Tcps {
    pub(crate) async fn accept(&mut self) -> io::Result<(Tcp, SocketAddr)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((Tcp(stream), undisguised(peer)))
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

#[derive(Debug)]
pub(crate) struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
    /// Where datagrams arrive. As large as one may be, and therefore not made anew for each.
    arriving: Mutex<Box<[u8]>>,
}

pub(crate) fn bind(at: SocketAddr) -> io::Result<Udp> {
    let socket = UdpSocket::from_std(bound(at, Type::DGRAM, Protocol::UDP)?.into())?;
    let local = socket.local_addr()?;
    Ok(Udp { socket, local, arriving: Mutex::new(vec![0; DATAGRAM_MAX].into()) })
}

impl Udp {
    pub(crate) async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        let to = match (self.local, to) {
            (SocketAddr::V6(_), SocketAddr::V4(v4)) => {
                SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port())
            }
            _ => to,
        };
        self.socket.send_to(data, to).await.map(|_| ())
    }

    pub(crate) async fn recv_from(&self) -> io::Result<(Vec<u8>, SocketAddr)> {
        loop {
            self.socket.readable().await?;
            let mut arriving = self.arriving.lock().unwrap_or_else(PoisonError::into_inner);
            match self.socket.try_recv_from(&mut arriving) {
                Ok((n, from)) => return Ok((arriving[..n].to_vec(), undisguised(from))),
                // Somebody else was quicker.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.local
    }
}
