//! Questions to nameservers: over UDP, over TCP when an answer was cut or did not come, or over HTTPS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::World;
use world::http::{Client as HttpClient, Url};
use world::resolver::{LookupError, Resolver};

use crate::compat::NameserverTries;
use crate::log::{Logger, catalogue as msg};

/// Time limit of each step of an exchange.
const STEP_MAX: Duration = Duration::from_secs(10);
/// The largest datagram that is taken (EDNS).
const PAYLOAD: u16 = 4096;
/// The media type of a message (RFC 8484).
const MESSAGE_TYPE: &str = "application/dns-message";
/// How a nameserver is written that is asked over HTTPS.
pub(super) const HTTPS: &str = "https://";

/// Why there is no answer, in the words of Go's network.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// No datagram came.
    #[error("read udp {local}->{server}: i/o timeout")]
    Silence { local: SocketAddr, server: SocketAddr },
    /// No connection was made in time.
    #[error("dial tcp {0}: i/o timeout")]
    DialTimeout(SocketAddr),
    /// A connection was made, and nothing came in time.
    #[error("read tcp {0}: i/o timeout")]
    ReadTimeout(SocketAddr),
    /// No connection.
    #[error("dial tcp {server}: {}", io_text(.source))]
    Dial { server: SocketAddr, source: io::Error },
    /// The exchange broke.
    #[error("{}", io_text(.0))]
    Io(#[from] io::Error),
    /// The nameserver's address is none.
    #[error("dial udp: address {0}: missing port in address")]
    BadAddress(String),
    /// The nameserver's own name has no address.
    #[error("dial udp: {0}")]
    Lookup(LookupError),
    /// The name or the answer is none.
    #[error("{0}")]
    Message(String),
    /// There is nobody to ask.
    #[error("no nameserver to ask")]
    Nobody,
}

fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        _ => error.to_string(),
    }
}

/// Asks.
#[derive(Clone, Debug)]
pub(super) struct Questions {
    pub(super) world: World,
    pub(super) resolver: Resolver,
    pub(super) http: HttpClient,
    pub(super) tries: NameserverTries,
    /// Whether nameservers may be `https://` URLs.
    pub(super) https: bool,
}

/// The order in which `count` nameservers are tried.
fn order(tries: NameserverTries, count: usize) -> Vec<usize> {
    match tries {
        NameserverTries::OneMore => (1..=count + 1).filter_map(|n| n.checked_rem(count)).collect(),
        NameserverTries::EachOnce => (0..count).collect(),
    }
}

impl Questions {
    /// The first answer of `nameservers` to a question. Any code is an answer.
    pub(super) async fn ask(
        &self,
        log: &Logger,
        name: &str,
        kind: RecordType,
        nameservers: &[String],
    ) -> Result<Message, QueryError> {
        let (id, wire) = self.question(name, kind)?;
        let mut last = QueryError::Nobody;
        for n in order(self.tries, nameservers.len()) {
            let Some(nameserver) = nameservers.get(n) else { continue };
            let asked = if self.https && nameserver.starts_with(HTTPS) {
                self.over_https(&wire, nameserver).await
            } else {
                self.over_udp(log, id, &wire, nameserver).await
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn question(&self, name: &str, kind: RecordType) -> Result<(u16, Vec<u8>), QueryError> {
        let bad = |why: &dyn std::fmt::Display| QueryError::Message(format!("dns: bad name {name:?}: {why}"));
        let mut fqdn = Name::from_ascii(name).map_err(|error| bad(&error))?;
        fqdn.set_fqdn(true);
        let id = self.id(&format!("{name} {kind}"));
        let mut question = Message::new(id, MessageType::Query, OpCode::Query);
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(fqdn, kind));
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD);
        question.set_edns(edns);
        Ok((id, question.to_vec().map_err(|error| bad(&error))?))
    }

    /// A message id that nobody can guess.
    pub(super) fn id(&self, what: &str) -> u16 {
        let now = self.world.monotonic().nanos();
        let label = format!("dns01 id {} {now} {what}", self.world.host());
        u16::from_be_bytes(self.world.rng(&label).bytes())
    }

    async fn over_udp(
        &self,
        log: &Logger,
        id: u16,
        wire: &[u8],
        nameserver: &str,
    ) -> Result<Message, QueryError> {
        let server = self.address(nameserver).await?;
        let answer = match udp(&self.world, server, wire, id, STEP_MAX).await {
            Ok(answer) => match read(&answer)? {
                whole if !whole.metadata.truncation => return Ok(whole),
                _ => None,
            },
            Err(silence @ QueryError::Silence { .. }) => Some(silence),
            Err(error) => return Err(error),
        };
        let why = answer.map_or_else(|| "<nil>".to_owned(), |silence| silence.to_string());
        log.plain(&msg::DNS_TCP, format!("UDP dns lookup failed, retrying with TCP: {why}"));
        read(&tcp(&self.world, server, wire, STEP_MAX).await?)
    }

    async fn over_https(&self, wire: &[u8], nameserver: &str) -> Result<Message, QueryError> {
        let failed = |why: &dyn std::fmt::Display| QueryError::Message(format!("Post {nameserver:?}: {why}"));
        let url: Url = nameserver.parse().map_err(|error| failed(&error))?;
        let headers = [("content-type", MESSAGE_TYPE), ("accept", MESSAGE_TYPE)];
        let body = Bytes::copy_from_slice(wire);
        let request = self.http.request(Method::POST, &url, &headers, body);
        let answer = match self.world.timeout(STEP_MAX, request).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failed(&error)),
            Err(_) => {
                let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
                return Err(failed(&text));
            }
        };
        if answer.status != 200 {
            let (code, text) = (answer.status.as_u16(), answer.status);
            let text = format!("dns: server returned HTTP {code} error: {:?}", text.to_string());
            return Err(QueryError::Message(text));
        }
        let media = answer.header("content-type").unwrap_or_default();
        if media != MESSAGE_TYPE {
            let text = format!("dns: unexpected Content-Type {media:?}; expected {MESSAGE_TYPE:?}");
            return Err(QueryError::Message(text));
        }
        read(&answer.body)
    }

    /// Where a nameserver is: `HOST:PORT`, whose host may be a name.
    pub(super) async fn address(&self, nameserver: &str) -> Result<SocketAddr, QueryError> {
        if let Ok(address) = nameserver.parse() {
            return Ok(address);
        }
        let bad = || QueryError::BadAddress(nameserver.to_owned());
        let (host, port) = nameserver.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let addresses = self.resolver.addresses(host).await.map_err(QueryError::Lookup)?;
        let first = addresses.first().ok_or(QueryError::Nobody)?;
        Ok(SocketAddr::new(*first, port))
    }
}

fn read(answer: &[u8]) -> Result<Message, QueryError> {
    Message::from_vec(answer).map_err(|error| QueryError::Message(format!("dns: {error}")))
}

/// The answer to a message over UDP.
pub(super) async fn udp(
    world: &World,
    server: SocketAddr,
    message: &[u8],
    id: u16,
    limit: Duration,
) -> Result<Vec<u8>, QueryError> {
    let any: SocketAddr = match server.ip() {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = world.bind_datagrams(any).await?;
    socket.send_to(message, server).await?;
    let answered = async {
        loop {
            let (answer, from) = socket.recv_from().await?;
            // What does not fit the question may come from anybody.
            if from == server && answer.get(..2) == Some(&id.to_be_bytes()[..]) {
                return Ok::<_, io::Error>(answer);
            }
        }
    };
    match world.timeout(limit, answered).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(QueryError::Silence { local: socket.local_addr(), server }),
    }
}

/// The answer to a message over TCP; the limit is for connecting, and again for the exchange.
pub(super) async fn tcp(
    world: &World,
    server: SocketAddr,
    message: &[u8],
    limit: Duration,
) -> Result<Vec<u8>, QueryError> {
    let mut stream = match world.timeout(limit, world.connect(server)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(source)) => return Err(QueryError::Dial { server, source }),
        Err(_) => return Err(QueryError::DialTimeout(server)),
    };
    let length = u16::try_from(message.len()).map_err(|_| QueryError::Message("dns: overflow".to_owned()))?;
    let exchange = async {
        stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    match world.timeout(limit, exchange).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(QueryError::ReadTimeout(server)),
    }
}

/// A code as DNS programs write it.
pub(super) fn code_text(code: ResponseCode) -> String {
    let text = match u16::from(code) {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        6 => "YXDOMAIN",
        7 => "YXRRSET",
        8 => "NXRRSET",
        9 => "NOTAUTH",
        10 => "NOTZONE",
        16 => "BADSIG",
        17 => "BADKEY",
        18 => "BADTIME",
        other => return format!("RCODE{other}"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameservers_are_tried_once_more_than_there_are_from_the_second_on_or_each_once() {
        assert_eq!(order(NameserverTries::OneMore, 1), [0, 0]);
        assert_eq!(order(NameserverTries::OneMore, 3), [1, 2, 0, 1]);
        assert_eq!(order(NameserverTries::EachOnce, 3), [0, 1, 2]);
        assert_eq!(order(NameserverTries::OneMore, 0), [] as [usize; 0]);
    }
}
