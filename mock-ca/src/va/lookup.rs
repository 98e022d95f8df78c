//! Questions to nameservers: those of one validation, over one socket.
//!
//! All questions are sent at once and answered in any order ([`Lookup::ask`], [`Lookup::answer`]); each is
//! repeated on its own clock, and asked over TCP when its answer was cut.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{Datagrams, Instant};

use super::View;
use crate::journal::Event;

/// Each server is asked for so long, as resolv.conf does by default,
const TRY_MAX: Duration = Duration::from_secs(5);
/// and the whole list so many times.
const ROUNDS: usize = 2;
/// Longest chain of aliases that is followed, as recursive resolvers limit it.
const ALIASES_MAX: usize = 11;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupError {
    /// It is an error.
    Code(ResponseCode),
    /// Nobody answered in time.
    Timeout,
    /// Nobody could be asked.
    Network,
    /// What came was no DNS message.
    Malformed,
    /// The name is none.
    BadName,
    /// One alias leads to another, and so on.
    TooManyAliases,
}

impl LookupError {
    /// What Boulder says of it.
    pub(super) fn text(self, host: &str, kind: RecordType) -> String {
        let (what, hint) = match self {
            LookupError::Code(ResponseCode::NXDomain) => {
                ("NXDOMAIN", " - check that a DNS record exists for this domain")
            }
            LookupError::Code(ResponseCode::ServFail) => {
                ("SERVFAIL", " - the domain's nameservers may be malfunctioning")
            }
            LookupError::Code(ResponseCode::Refused) => ("REFUSED", ""),
            LookupError::Code(_) => ("server failure at resolver", ""),
            LookupError::Timeout => ("query timed out", ""),
            LookupError::TooManyAliases => ("too many aliases", ""),
            LookupError::Network | LookupError::Malformed | LookupError::BadName => ("networking error", ""),
        };
        format!("DNS problem: {what} looking up {kind} for {host}{hint}")
    }
}

/// A positive or empty answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// The records of the type that was asked for, behind the aliases.
    pub(super) data: Vec<RData>,
    /// Where an alias leads, when the answer has nothing else.
    alias: Option<String>,
    /// Whether the name is there at all.
    pub(super) exists: bool,
    /// The zone that a nameserver which is its authority has named, in lower case without a final dot.
    pub(super) zone: Option<String>,
}

#[derive(Debug)]
struct Question {
    name: Name,
    kind: RecordType,
    id: u16,
    tries: usize,
    due: Instant,
    outcome: Option<Result<Answer, LookupError>>,
}

/// The questions of one validation.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    view: &'a View,
    /// Servers of another family take another socket: what the old one still waits for is asked again.
    socket: Option<Datagrams>,
    questions: Vec<Question>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(view: &'a View) -> Self {
        Lookup { view, socket: None, questions: Vec::new() }
    }

    /// Sends a question. Its number is for [`Lookup::answer`].
    pub(super) async fn ask(&mut self, name: &str, kind: RecordType) -> usize {
        let parsed = Name::from_ascii(name).ok().filter(|_| !name.is_empty());
        let id = self.view.query_ids.bytes::<2>();
        let mut question = Question {
            id: u16::from_be_bytes(id),
            outcome: parsed.is_none().then_some(Err(LookupError::BadName)),
            name: parsed.unwrap_or_default(),
            kind,
            tries: 0,
            due: self.view.world.monotonic(),
        };
        question.name.set_fqdn(true);
        self.questions.push(question);
        let number = self.questions.len() - 1;
        self.send(number, LookupError::Timeout).await;
        number
    }

    /// The answer to a question. An alias without anything behind it is followed.
    pub(super) async fn answer(&mut self, number: usize) -> Result<Answer, LookupError> {
        let mut number = number;
        for _ in 0..ALIASES_MAX {
            let answer = self.wait(number).await?;
            let Some(alias) = answer.alias else { return Ok(answer) };
            let Some(kind) = self.questions.get(number).map(|q| q.kind) else { break };
            number = self.ask(&alias, kind).await;
        }
        Err(LookupError::TooManyAliases)
    }

    /// As [`Lookup::answer`], where a name that is not there is an error. The error is Boulder's text.
    pub(super) async fn data(&mut self, number: usize, host: &str) -> Result<Vec<RData>, String> {
        let kind = self.questions.get(number).map_or(RecordType::ANY, |question| question.kind);
        match self.answer(number).await {
            Ok(Answer { exists: false, .. }) => {
                Err(LookupError::Code(ResponseCode::NXDomain).text(host, kind))
            }
            Ok(answer) => Ok(answer.data),
            Err(error) => Err(error.text(host, kind)),
        }
    }

    async fn wait(&mut self, number: usize) -> Result<Answer, LookupError> {
        loop {
            let now = self.view.world.monotonic();
            let mut next: Option<Instant> = None;
            for other in 0..self.questions.len() {
                if self.questions.get(other).is_some_and(|q| q.outcome.is_none() && q.due <= now) {
                    self.send(other, LookupError::Timeout).await;
                }
                let due = self.questions.get(other).filter(|q| q.outcome.is_none()).map(|q| q.due);
                next = [next, due].into_iter().flatten().min();
            }
            if let Some(outcome) = self.questions.get(number).and_then(|q| q.outcome.clone()) {
                return outcome;
            }
            let (Some(due), Some(socket)) = (next, &self.socket) else { return Err(LookupError::Network) };
            let received = self.view.world.timeout(due.since(now), socket.recv_from()).await;
            match received {
                Ok(Ok((bytes, from))) => self.take(&bytes, from).await,
                Ok(Err(_)) => {
                    self.socket = None;
                    self.send(number, LookupError::Network).await;
                }
                Err(world::Elapsed) => {}
            }
        }
    }

    /// Sends a question to its next server; when there is none left, `error` is its outcome.
    async fn send(&mut self, number: usize, mut error: LookupError) {
        let view = self.view;
        loop {
            let Some(question) = self.questions.get_mut(number).filter(|q| q.outcome.is_none()) else {
                return;
            };
            let tries = question.tries;
            if tries >= ROUNDS * view.servers.len() {
                question.outcome = Some(Err(error));
                let rcode = match error {
                    LookupError::Timeout => "timeout",
                    LookupError::Malformed => "malformed",
                    _ => "unreachable",
                };
                let (name, kind) = (question.name.clone(), question.kind);
                if let Some(server) = view.servers.last() {
                    self.note(&name, kind, *server, rcode.to_owned(), Vec::new());
                }
                return;
            }
            let Some(server) = view.servers.get(tries % view.servers.len()).copied() else { return };
            question.tries += 1;
            question.due = view.world.monotonic() + TRY_MAX;
            let Ok(wire) = wire(question) else {
                question.outcome = Some(Err(LookupError::BadName));
                return;
            };
            if self.send_datagram(&wire, server).await.is_ok() {
                return;
            }
            error = LookupError::Network;
        }
    }

    async fn send_datagram(&mut self, wire: &[u8], server: SocketAddr) -> std::io::Result<()> {
        let fits = |socket: &Datagrams| socket.local_addr().is_ipv4() == server.is_ipv4();
        if let Some(socket) = self.socket.as_ref().filter(|socket| fits(socket)) {
            return socket.send_to(wire, server).await;
        }
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let socket = self.view.world.bind_datagrams(SocketAddr::new(any, 0)).await?;
        socket.send_to(wire, server).await?;
        self.socket = Some(socket);
        Ok(())
    }

    /// A datagram has come. What does not fit any question may be from anybody, and is nothing.
    async fn take(&mut self, bytes: &[u8], from: SocketAddr) {
        let view = self.view;
        let Some(id) = bytes.first_chunk::<2>().map(|id| u16::from_be_bytes(*id)) else { return };
        let asked = |q: &Question| {
            let last = q.tries.saturating_sub(1) % view.servers.len().max(1);
            q.id == id && q.outcome.is_none() && view.servers.get(last) == Some(&from)
        };
        let Some(number) = self.questions.iter().position(asked) else { return };
        let mut read = Message::from_vec(bytes).map_err(|_| LookupError::Malformed);
        if let (Ok(message), Some(question)) = (&read, self.questions.get(number)) {
            let echoed =
                |query: &Query| *query.name() == question.name && query.query_type() == question.kind;
            if !message.queries.iter().all(echoed) {
                return;
            }
            if message.metadata.truncation {
                let left = question.due.since(view.world.monotonic());
                let whole = view.world.timeout(left, ask_tcp(view, question, from)).await;
                read = whole.unwrap_or(Err(LookupError::Timeout));
            }
        }
        match read {
            Ok(message) => self.settle(number, from, message),
            Err(error) => self.send(number, error).await,
        }
    }

    fn settle(&mut self, number: usize, server: SocketAddr, message: Message) {
        let Some(question) = self.questions.get_mut(number) else { return };
        let (name, kind) = (question.name.clone(), question.kind);
        let code = message.metadata.response_code;
        let texts = message.answers.iter().map(|record| record.data.to_string()).collect();
        question.outcome = Some(match code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(read(message, kind)),
            other => Err(LookupError::Code(other)),
        });
        self.note(&name, kind, server, rcode(code), texts);
    }

    fn note(&self, name: &Name, kind: RecordType, server: SocketAddr, rcode: String, answers: Vec<String>) {
        let view = self.view;
        let event = Event::DnsQuery {
            perspective: view.world.host().to_owned(),
            name: text(name),
            kind: kind.to_string(),
            server,
            rcode,
            answers,
        };
        view.journal.add(&view.world, event);
    }
}

/// In lower case, without the final dot.
fn text(name: &Name) -> String {
    let mut text = name.to_ascii().to_ascii_lowercase();
    text.truncate(text.trim_end_matches('.').len());
    text
}

/// As dig writes it.
fn rcode(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        other => format!("RCODE{}", u16::from(other)),
    }
}

fn wire(question: &Question) -> Result<Vec<u8>, LookupError> {
    let mut message = Message::new(question.id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(question.name.clone(), question.kind));
    message.to_vec().map_err(|_| LookupError::BadName)
}

fn read(message: Message, kind: RecordType) -> Answer {
    let exists = message.metadata.response_code == ResponseCode::NoError;
    let authority = message.authorities.iter().find(|record| record.record_type() == RecordType::SOA);
    let zone = authority.filter(|_| message.metadata.authoritative).map(|soa| text(&soa.name));
    let mut answer = Answer { exists, zone, ..Answer::default() };
    for record in message.answers {
        match record.data {
            RData::CNAME(target) => answer.alias = Some(text(&target.0)),
            data if data.record_type() == kind => answer.data.push(data),
            _ => {}
        }
    }
    // Nothing is behind an alias to a name that is not there.
    if !answer.data.is_empty() || !exists {
        answer.alias = None;
    }
    answer
}

async fn ask_tcp(view: &View, question: &Question, server: SocketAddr) -> Result<Message, LookupError> {
    let wire = wire(question)?;
    let length = u16::try_from(wire.len()).map_err(|_| LookupError::BadName)?;
    let exchange = async {
        let mut stream = view.world.connect(server).await?;
        stream.write_all(&[&length.to_be_bytes(), wire.as_slice()].concat()).await?;
        let length = stream.read_u16().await?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = exchange.await.map_err(|_| LookupError::Network)?;
    let message = Message::from_vec(&answer).map_err(|_| LookupError::Malformed)?;
    if message.metadata.id == question.id { Ok(message) } else { Err(LookupError::Malformed) }
}
