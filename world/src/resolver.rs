//! A stub resolver: asks the nameservers that a host is configured with, over UDP, and over TCP when an
//! answer was cut.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::net::any_port_like;
use crate::world::World;

/// Why a name was not resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The name is none.
    #[error("{0:?} is not a domain name")]
    BadName(String),
    /// The name does not exist, or has no record of the type that was asked for.
    #[error("no such host")]
    NotFound,
    /// A nameserver answered with an error.
    #[error("server misbehaving")]
    ServerFailure(ResponseCode),
    /// No nameserver answered in time; from where the last one was asked.
    #[error("{}i/o timeout", .0.map(|(from, to)| format!("read udp {from}->{to}: ")).unwrap_or_default())]
    Timeout(Option<(SocketAddr, SocketAddr)>),
    /// No nameserver could be asked.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The answer was no DNS message.
    #[error("malformed answer")]
    Malformed,
}

/// Why the addresses of a name were not found, in the words of Go's `net.DNSError`.
#[derive(Debug, thiserror::Error)]
#[error("lookup {name}{}: {source}", server.map(|at| format!(" on {at}")).unwrap_or_default())]
pub struct LookupError {
    /// The name.
    pub name: String,
    /// The nameserver that was asked last.
    pub server: Option<SocketAddr>,
    /// What is wrong.
    pub source: ResolveError,
}

/// A nameserver, and what came of asking it.
type Asked<T> = (Option<SocketAddr>, Result<T, ResolveError>);

/// Where and how to ask.
#[derive(Clone, Debug)]
pub struct Resolver {
    world: World,
    servers: Vec<SocketAddr>,
    hosts: Arc<BTreeMap<String, Vec<IpAddr>>>,
    timeout: Duration,
    tries: u32,
}

/// Longest chain of aliases that is followed.
const ALIASES_MAX: usize = 8;

impl Resolver {
    /// Asks `servers` in order, each for 5 s, the whole list twice (as resolv.conf does by default).
    pub fn new(world: &World, servers: Vec<SocketAddr>) -> Self {
        Resolver {
            world: world.clone(),
            servers,
            hosts: Arc::default(),
            timeout: Duration::from_secs(5),
            tries: 2,
        }
    }

    /// Addresses of names that nobody is asked for: a file of hosts ([`crate::system::hosts`]).
    #[must_use]
    pub fn with_hosts(mut self, hosts: BTreeMap<String, Vec<IpAddr>>) -> Self {
        self.hosts = Arc::new(hosts);
        self
    }

    /// Another time limit per question.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The whole answer of the first server that gives one.
    ///
    /// # Errors
    /// [`ResolveError`]; a negative answer (NXDOMAIN) is an answer, not an error.
    pub async fn query(&self, name: &str, kind: RecordType) -> Result<Message, ResolveError> {
        self.asked(name, kind).await.1
    }

    /// The same, and who was asked last.
    async fn asked(&self, name: &str, kind: RecordType) -> Asked<Message> {
        let Ok(mut fqdn) = Name::from_ascii(name) else {
            return (None, Err(ResolveError::BadName(name.to_owned())));
        };
        fqdn.set_fqdn(true);
        let mut last = (None, Err(ResolveError::Timeout(None)));
        for _ in 0..self.tries {
            for server in &self.servers {
                last = (Some(*server), self.ask(*server, &fqdn, kind).await);
                if last.1.is_ok() {
                    return last;
                }
            }
        }
        last
    }

    /// IPv4 and then IPv6 addresses of `name`, which may be an address itself. Aliases are followed.
    ///
    /// # Errors
    /// [`LookupError`], of [`ResolveError::NotFound`] when there are none.
    pub async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        if let Ok(ip) = name.trim_matches(['[', ']']).parse() {
            return Ok(vec![ip]);
        }
        let known = self.hosts.get(&name.trim_end_matches('.').to_ascii_lowercase());
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let (mut found, mut last) = (Vec::new(), None);
        let failed = |server, source| LookupError { name: name.to_owned(), server, source };
        for kind in [RecordType::A, RecordType::AAAA] {
            let (server, of_kind) = self.of_kind(name, kind).await;
            found.extend(of_kind.map_err(|source| failed(server, source))?);
            last = server;
        }
        if found.is_empty() { Err(failed(last, ResolveError::NotFound)) } else { Ok(found) }
    }

    /// The addresses of one family; empty when the name has none.
    ///
    /// # Errors
    /// As [`Resolver::query`], and [`ResolveError::ServerFailure`] for any answer but NOERROR and NXDOMAIN.
    pub async fn addresses_of_kind(&self, name: &str, kind: RecordType) -> Result<Vec<IpAddr>, ResolveError> {
        self.of_kind(name, kind).await.1
    }

    async fn of_kind(&self, name: &str, kind: RecordType) -> Asked<Vec<IpAddr>> {
        let (mut name, mut last) = (name.to_owned(), None);
        for _ in 0..ALIASES_MAX {
            let (server, answer) = self.asked(&name, kind).await;
            last = server;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return (last, Err(error)),
            };
            match answer.metadata.response_code {
                ResponseCode::NoError | ResponseCode::NXDomain => {}
                other => return (last, Err(ResolveError::ServerFailure(other))),
            }
            let mut alias = None;
            let mut found = Vec::new();
            for record in &answer.answers {
                match &record.data {
                    RData::A(a) => found.push(IpAddr::V4(a.0)),
                    RData::AAAA(a) => found.push(IpAddr::V6(a.0)),
                    RData::CNAME(target) => alias = Some(target.0.to_ascii()),
                    _ => {}
                }
            }
            match alias {
                Some(target) if found.is_empty() && target != name => name = target,
                _ => return (last, Ok(found)),
            }
        }
        (last, Err(ResolveError::NotFound))
    }

    /// The TXT records of `name`, each put together from its parts. What is not UTF-8 is replaced. Aliases are
    /// for the nameserver to follow.
    ///
    /// # Errors
    /// As [`Resolver::addresses_of_kind`]; a name without such records has none.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, ResolveError> {
        let answer = self.query(name, RecordType::TXT).await?;
        match answer.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            other => return Err(ResolveError::ServerFailure(other)),
        }
        let texts = answer.answers.iter().filter_map(|record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(texts.collect())
    }

    async fn ask(&self, server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, ResolveError> {
        let label = format!("dns id {} {} {name} {kind}", self.world.host(), self.world.monotonic().nanos());
        let id = u16::from_be_bytes(self.world.rng(&label).bytes());
        let mut question = Message::new(id, MessageType::Query, OpCode::Query);
        question.metadata.recursion_desired = true;
        question.add_query(Query::query(name.clone(), kind));
        let wire = question.to_vec().map_err(|_| ResolveError::Malformed)?;
        let socket = self.world.bind_datagrams(any_port_like(server.ip())).await?;
        let over = ResolveError::Timeout(Some((socket.local_addr(), server)));
        let exchange = async {
            socket.send_to(&wire, server).await?;
            loop {
                let (answer, from) = socket.recv_from().await?;
                // What does not fit the question may come from anybody: keep waiting.
                let Ok(answer) = Message::from_vec(&answer) else { continue };
                if from != server || answer.metadata.id != id {
                    continue;
                }
                return if answer.metadata.truncation {
                    self.ask_tcp(server, &wire).await
                } else {
                    Ok(answer)
                };
            }
        };
        self.world.timeout(self.timeout, exchange).await.unwrap_or(Err(over))
    }

    async fn ask_tcp(&self, server: SocketAddr, wire: &[u8]) -> Result<Message, ResolveError> {
        let mut stream = self.world.connect(server).await?;
        let length = u16::try_from(wire.len()).map_err(|_| ResolveError::Malformed)?;
        stream.write_all(&[&length.to_be_bytes(), wire].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Message::from_vec(&answer).map_err(|_| ResolveError::Malformed)
    }
}
