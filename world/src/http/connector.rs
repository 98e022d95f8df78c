//! Connections of this world for somebody else's hyper client.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Url;
use crate::net::Stream;
use crate::resolver::Resolver;
use crate::tls::{Connector, TlsStream};
use crate::world::World;

/// Dials for `hyper_util::client::legacy::Client`, so that a client which is built on it, unmodified, talks
/// over this world's network. It needs a tokio runtime: a real world's, or that of [`crate::guest::run`].
#[derive(Clone, Debug)]
pub struct HyperConnector {
    world: World,
    resolver: Resolver,
    tls: Connector,
}

impl HyperConnector {
    /// Resolves with `resolver` and trusts what `tls` trusts.
    pub fn new(world: &World, resolver: Resolver, tls: Connector) -> Self {
        HyperConnector { world: world.clone(), resolver, tls }
    }

    async fn dial(self, uri: Uri) -> io::Result<TokioIo<Dialled>> {
        let url: Url = uri.to_string().parse().map_err(io::Error::other)?;
        let addresses = self.resolver.addresses(&url.host).await.map_err(io::Error::other)?;
        let mut last = io::Error::other("no address");
        for ip in addresses {
            match self.world.connect(SocketAddr::new(ip, url.port)).await {
                Ok(stream) if url.scheme == super::Scheme::Http => {
                    return Ok(TokioIo::new(Dialled::Plain(Box::new(stream))));
                }
                Ok(stream) => {
                    let stream = self.tls.connect(&url.host, stream).await?;
                    return Ok(TokioIo::new(Dialled::Tls(Box::new(stream))));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl tower::Service<Uri> for HyperConnector {
    type Response = TokioIo<Dialled>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Dialled>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().dial(uri))
    }
}

/// A connection, with TLS or without.
#[derive(Debug)]
pub enum Dialled {
    /// http.
    Plain(Box<Stream>),
    /// https.
    Tls(Box<TlsStream>),
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        match self {
            Dialled::Tls(stream) if stream.alpn() == Some(b"h2") => Connected::new().negotiated_h2(),
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for Dialled {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Dialled::Plain(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            Dialled::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Dialled::Plain(stream) => Pin::new(&mut **stream).poll_write(cx, data),
            Dialled::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Dialled::Plain(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Dialled::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Dialled::Plain(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Dialled::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
