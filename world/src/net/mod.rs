//! The network: byte streams and datagrams between socket addresses.
//!
//! The same calls reach an in-memory network ([`SimNet`]) or the system's sockets. A name is never an
//! address here: who has a name asks a [`crate::resolver::Resolver`] first, as on a real host.

mod address;
mod datagram;
mod real;
mod sim;
mod stream;

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub use address::{BadListen, parse_listen};
pub use sim::{LinkRule, SimNet, Verdict};

use crate::world::World;
use datagram::SimDatagrams;
use stream::SimStream;

/// The network behind a world.
pub(crate) enum Net {
    Sim(SimNet),
    Real,
}

/// A connected byte stream.
#[derive(Debug)]
pub struct Stream(StreamKind, SocketAddr);

impl Stream {
    /// The address of this end; of one that was accepted, the one that its listener is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.1
    }
}

#[derive(Debug)]
enum StreamKind {
    Sim(SimStream),
    Real(real::Tcp),
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            StreamKind::Sim(s) => Pin::new(s).poll_read(cx, buf),
            StreamKind::Real(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            StreamKind::Sim(s) => Pin::new(s).poll_write(cx, data),
            StreamKind::Real(s) => Pin::new(s).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            StreamKind::Sim(s) => Pin::new(s).poll_write_vectored(cx, parts),
            StreamKind::Real(s) => Pin::new(s).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            StreamKind::Sim(s) => Pin::new(s).poll_flush(cx),
            StreamKind::Real(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            StreamKind::Sim(s) => Pin::new(s).poll_shutdown(cx),
            StreamKind::Real(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}

/// A bound stream socket.
#[derive(Debug)]
pub struct Listener(ListenerKind);

#[derive(Debug)]
enum ListenerKind {
    Sim(sim::SimListener),
    Real(real::Tcps),
}

impl Listener {
    /// The next connection and the address of its peer.
    ///
    /// # Errors
    /// What the system reports; a simulated listener reports none.
    pub async fn accept(&mut self) -> io::Result<(Stream, SocketAddr)> {
        let local = self.local_addr();
        let (kind, peer) = match &mut self.0 {
            ListenerKind::Sim(l) => l.accept().await.map(|(s, a)| (StreamKind::Sim(s), a)),
            ListenerKind::Real(l) => l.accept().await.map(|(s, a)| (StreamKind::Real(s), a)),
        }?;
        Ok((Stream(kind, local), peer))
    }

    /// The address that it is bound to, with the port that was chosen when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        match &self.0 {
            ListenerKind::Sim(l) => l.local_addr(),
            ListenerKind::Real(l) => l.local_addr(),
        }
    }
}

/// A bound datagram socket.
#[derive(Debug)]
pub struct Datagrams(DatagramsKind);

#[derive(Debug)]
enum DatagramsKind {
    Sim(SimDatagrams),
    Real(real::Udp),
}

impl Datagrams {
    /// Sends one datagram. That it was sent says nothing about its arrival.
    ///
    /// # Errors
    /// What the system reports.
    pub async fn send_to(&self, data: &[u8], to: SocketAddr) -> io::Result<()> {
        match &self.0 {
            DatagramsKind::Sim(d) => {
                d.send_to(data, to);
                Ok(())
            }
            DatagramsKind::Real(d) => d.send_to(data, to).await,
        }
    }

    /// The next datagram and its sender.
    ///
    /// # Errors
    /// What the system reports.
    pub async fn recv_from(&self) -> io::Result<(Vec<u8>, SocketAddr)> {
        match &self.0 {
            DatagramsKind::Sim(d) => Ok(d.recv_from().await),
            DatagramsKind::Real(d) => d.recv_from().await,
        }
    }

    /// The address that it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        match &self.0 {
            DatagramsKind::Sim(d) => d.local_addr(),
            DatagramsKind::Real(d) => d.local_addr(),
        }
    }
}

impl World {
    /// Opens a stream to `to`.
    ///
    /// # Errors
    /// `ConnectionRefused` when nothing listens there, `HostUnreachable` when no host of a simulation has
    /// the address, and what else the system reports. A black hole answers never: give it a
    /// [`World::timeout`].
    pub async fn connect(&self, to: SocketAddr) -> io::Result<Stream> {
        match &self.shared.net {
            Net::Sim(net) => net.connect(self, to).await.map(|(s, local)| Stream(StreamKind::Sim(s), local)),
            Net::Real => real::connect(to).await.map(|(s, local)| Stream(StreamKind::Real(s), local)),
        }
    }

    /// Binds a stream socket. In a simulation an unspecified address stands for every address of this host.
    /// On a real machine `0.0.0.0` stands for all its IPv4 addresses and `[::]` for all of both families
    /// (where it has no IPv6, for the IPv4 ones); the address of a peer that came by IPv4 is an IPv4 address.
    ///
    /// # Errors
    /// `AddrInUse` when it is taken; `AddrNotAvailable` when it is not this host's.
    pub async fn listen(&self, at: SocketAddr) -> io::Result<Listener> {
        match &self.shared.net {
            Net::Sim(net) => net.listen(self.host(), at).map(|l| Listener(ListenerKind::Sim(l))),
            Net::Real => real::listen(at).map(|l| Listener(ListenerKind::Real(l))),
        }
    }

    /// Binds a datagram socket; port 0 takes a free one.
    ///
    /// # Errors
    /// As [`World::listen`].
    pub async fn bind_datagrams(&self, at: SocketAddr) -> io::Result<Datagrams> {
        match &self.shared.net {
            Net::Sim(net) => net.bind(self, at).map(|d| Datagrams(DatagramsKind::Sim(d))),
            Net::Real => real::bind(at).map(|d| Datagrams(DatagramsKind::Real(d))),
        }
    }
}

/// The unspecified address of the same family, with port 0: where a client binds.
pub(crate) fn any_port_like(ip: IpAddr) -> SocketAddr {
    match ip {
        IpAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0u16; 8], 0)),
    }
}
