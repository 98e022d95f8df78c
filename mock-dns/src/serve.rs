//! Nameservers on sockets: what comes in is read, decided, answered and logged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, LowerName, RecordType};
use world::{Datagrams, Listener, Stream, World};

use crate::answer::{Answer, Reader};
use crate::catalog::lock;
use crate::journal::{QueryLogEntry, Transport};
use crate::script::{Action, Asked, Decision, code_name};
use crate::server::Dns;
use crate::stream::Messages;
use crate::update::Asked as Update;
use crate::wire::{HEADER, Manner, encode, form_error, is_query, is_update};

/// Pause after a socket reported an error, so that a lasting one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// How often a port is looked for that is free for both transports.
const PORT_TRIES: u32 = 16;
/// The port of nameservers.
const PORT: u16 = 53;
/// What a garbled answer consists of: shorter than a header.
const GARBAGE: &[u8] = b"\xff\xff\xff";

/// What becomes of a query.
enum Reply {
    /// These bytes, after this time.
    Send(Vec<u8>, Duration),
    /// Nothing.
    Silence,
    /// Nothing, and a connection ends.
    Close,
}

impl Dns {
    /// Binds `at` for datagrams and for connections, starts to answer there as the first nameserver, and
    /// returns where it is bound.
    ///
    /// # Errors
    /// As [`World::listen`] and [`World::bind_datagrams`].
    pub async fn serve(&self, at: SocketAddr) -> io::Result<SocketAddr> {
        self.serve_on(self.world().clone(), 0, at).await
    }

    /// As [`Dns::serve`], as the nameserver of this name. It runs on its own host, if it has one.
    ///
    /// # Errors
    /// As [`Dns::serve`], and `NotFound` when there is no nameserver of this name.
    pub async fn serve_as(&self, nameserver: &str, at: SocketAddr) -> io::Result<SocketAddr> {
        let not_found = || {
            let known: Vec<&str> = self.shared.nameservers.iter().map(|ns| &*ns.name).collect();
            let text = format!("nameserver {nameserver:?}: expected one of {}", known.join(", "));
            io::Error::new(io::ErrorKind::NotFound, text)
        };
        let index = self.nameserver(nameserver).ok_or_else(not_found)?;
        let host = self.shared.nameservers.get(index).and_then(|ns| ns.host.as_deref());
        let world = host.map_or_else(|| self.world().clone(), |host| self.world().process(host));
        self.serve_on(world, index, at).await
    }

    /// Starts every nameserver that has an address, or a host of the simulated network with one, and
    /// returns where each is bound.
    ///
    /// # Errors
    /// As [`Dns::serve`], for the first one that cannot be bound.
    pub async fn serve_nameservers(&self) -> io::Result<Vec<(String, SocketAddr)>> {
        let mut bound = Vec::new();
        for nameserver in &self.shared.nameservers {
            let host = nameserver.host.as_deref().unwrap_or(self.world().host());
            let of_host =
                || self.world().sim_net()?.addresses(host).first().map(|ip| SocketAddr::new(*ip, PORT));
            if let Some(at) = nameserver.listen.or_else(of_host) {
                bound.push((nameserver.name.to_string(), self.serve_as(&nameserver.name, at).await?));
            }
        }
        Ok(bound)
    }

    async fn serve_on(&self, world: World, nameserver: usize, at: SocketAddr) -> io::Result<SocketAddr> {
        let mut tries = 1;
        let (listener, datagrams) = loop {
            let listener = world.listen(at).await?;
            // Port 0 means a free port, the same one for both.
            match world.bind_datagrams(SocketAddr::new(at.ip(), listener.local_addr().port())).await {
                Ok(datagrams) => break (listener, datagrams),
                Err(_) if at.port() == 0 && tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        };
        self.remember();
        let bound = listener.local_addr();
        let (udp, tcp) = (self.clone(), self.clone());
        let task = world.clone();
        world.spawn(&format!("mock-dns udp {bound}"), udp.serve_datagrams(task, nameserver, datagrams));
        let task = world.clone();
        world.spawn(&format!("mock-dns tcp {bound}"), tcp.serve_connections(task, nameserver, listener));
        Ok(bound)
    }

    async fn serve_datagrams(self, world: World, nameserver: usize, socket: Datagrams) {
        let socket = Arc::new(socket);
        loop {
            let Ok((query, from)) = socket.recv_from().await else {
                world.sleep(ERROR_PAUSE).await;
                continue;
            };
            match self.reply(nameserver, &query, from, Transport::Udp) {
                // The client asks again when it gets nothing.
                Reply::Send(answer, delay) if delay.is_zero() => drop(socket.send_to(&answer, from).await),
                Reply::Send(answer, delay) => {
                    let (later, socket) = (world.clone(), socket.clone());
                    world.spawn("mock-dns answer", async move {
                        later.sleep(delay).await;
                        drop(socket.send_to(&answer, from).await);
                    });
                }
                Reply::Silence | Reply::Close => {}
            }
        }
    }

    async fn serve_connections(self, world: World, nameserver: usize, mut listener: Listener) {
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                world.sleep(ERROR_PAUSE).await;
                continue;
            };
            let (dns, task) = (self.clone(), world.clone());
            world.spawn("mock-dns connection", async move {
                // A client that hangs up is its own affair.
                drop(dns.serve_connection(&task, nameserver, stream, from).await);
            });
        }
    }

    /// Answers one query after the other (RFC 7766) until the client ends, or is idle for too long.
    async fn serve_connection(
        &self,
        world: &World,
        nameserver: usize,
        stream: Stream,
        from: SocketAddr,
    ) -> io::Result<()> {
        let mut messages = Messages::new(stream);
        while let Some(query) = messages.next(world).await? {
            match self.reply(nameserver, &query, from, Transport::Tcp) {
                Reply::Send(answer, delay) => {
                    if !delay.is_zero() {
                        messages.flush().await?;
                        world.sleep(delay).await;
                    }
                    messages.answer(&answer).await?;
                }
                Reply::Silence => {}
                Reply::Close => return messages.flush().await,
            }
        }
        Ok(())
    }

    /// The answer of the first nameserver to a message in wire form, after the delay that a rule gives it.
    /// What is no query (too short, or a response) gets none, nor does what a rule drops; what cannot be
    /// read gets FORMERR.
    pub async fn answer(&self, query: Vec<u8>, from: SocketAddr, transport: Transport) -> Option<Vec<u8>> {
        self.answer_after(self.shared.delay, query, from, transport).await
    }

    /// As [`Dns::answer`]; the caller has waited for `waited` of the delay.
    pub(crate) async fn answer_after(
        &self,
        waited: Duration,
        query: Vec<u8>,
        from: SocketAddr,
        transport: Transport,
    ) -> Option<Vec<u8>> {
        match self.reply(0, &query, from, transport) {
            Reply::Send(answer, delay) => {
                let left = delay.saturating_sub(waited);
                if !left.is_zero() {
                    self.world().sleep(left).await;
                }
                Some(answer)
            }
            Reply::Silence | Reply::Close => None,
        }
    }

    fn reply(&self, nameserver: usize, query: &[u8], from: SocketAddr, transport: Transport) -> Reply {
        let Some(header) = query.first_chunk::<HEADER>().copied() else { return Reply::Close };
        if header[2] & 0x80 != 0 {
            return Reply::Close;
        }
        let Ok(request) = Message::from_vec(query) else {
            let line = format!("{transport} {from} unreadable {}", code_name(ResponseCode::FormErr));
            self.world().record("mock-dns", "journal", line.as_bytes());
            return Reply::Send(form_error(header), self.shared.delay);
        };
        let Ok(proof) = self.shared.writers.check(query, self.world().now()) else {
            return Reply::Send(form_error(header), self.shared.delay);
        };
        let asked = request.queries.first();
        let name = asked.map_or_else(LowerName::default, |q| LowerName::new(q.name()));
        let kind = asked.map_or(RecordType::ZERO, Query::query_type);
        let mut done = Done {
            answer: Answer::of(ResponseCode::NoError),
            manner: Manner::default(),
            sent: true,
            decision: None,
            changes: None,
        };
        match proof.refusal().or_else(|| refusal(&request)) {
            Some(code) => done.answer = Answer::of(code),
            None if is_update(&request) => {
                let update = Update { request: &request, key: proof.key(), from: from.ip() };
                let outcome = self.update(&update);
                done.answer = Answer::of(outcome.err().unwrap_or(ResponseCode::NoError));
                done.changes = Some(outcome.unwrap_or(0));
            }
            None => self.decide(nameserver, &request, &name, kind, from, transport, &mut done),
        }
        let Done { answer, manner, sent, decision, changes } = done;
        let rule = decision.as_ref().map(|decision| &decision.rule);
        let (payload, signature) = (self.shared.payload_max, proof.signature_bytes());
        let wire = encode(&request, &answer, manner, transport, payload, signature);
        let (mut bytes, answers, truncated, code) = match wire {
            Ok(wire) => (wire.bytes, wire.answers, wire.truncated, answer.code),
            // More questions than an answer has room for.
            Err(_) => (form_error(header), 0, false, ResponseCode::FormErr),
        };
        let entry = QueryLogEntry {
            at: self.world().now(),
            server: self.shared.nameservers.get(nameserver).map_or_else(|| "".into(), |ns| ns.name.clone()),
            from,
            transport,
            name: asked.map_or_else(String::new, |_| name.to_string()),
            kind,
            code,
            answers: usize::from(answers),
            truncated,
            dropped: !sent,
            changes,
            rule: rule.map(|rule| rule.name.as_str().into()),
        };
        // A trace is of simulated worlds only.
        if self.world().is_virtual() {
            self.world().record("mock-dns", "journal", entry.to_string().as_bytes());
        }
        lock(&self.shared.journal).push(entry);
        bytes = proof.sign(bytes, self.world().now());
        match rule.map(|rule| &rule.action) {
            Some(Action::Drop) => return Reply::Silence,
            Some(Action::Close) => return Reply::Close,
            Some(Action::Garbage) => bytes = GARBAGE.to_vec(),
            Some(Action::WrongId) => {
                for byte in bytes.iter_mut().take(2) {
                    *byte = !*byte;
                }
            }
            _ => {}
        }
        Reply::Send(bytes, self.shared.delay + rule.map_or(Duration::ZERO, |rule| rule.delay))
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one query")]
    fn decide(
        &self,
        nameserver: usize,
        request: &Message,
        name: &LowerName,
        kind: RecordType,
        from: SocketAddr,
        transport: Transport,
        done: &mut Done,
    ) {
        let (Some(query), Some(served)) = (request.queries.first(), self.shared.nameservers.get(nameserver))
        else {
            return;
        };
        let asked = Asked { name, kind, server: &served.name, from: from.ip(), transport };
        done.decision = lock(&self.shared.script).decide(&asked, self.world());
        let catalog = lock(&self.shared.catalog).clone();
        let reader = Reader {
            catalog: &catalog,
            nameserver,
            view: self.view_of(from.ip()),
            now: self.now(),
            served: served.served.as_deref(),
        };
        let checks = !request.metadata.checking_disabled;
        done.answer = match done.decision.as_ref().map(|decision| (decision, &decision.rule.action)) {
            Some((_, Action::Code(code @ (ResponseCode::NoError | ResponseCode::NXDomain)))) => {
                reader.negative(query.name(), kind, *code)
            }
            Some((_, Action::Code(code))) => Answer::of(*code),
            Some((_, Action::Refuse)) => Answer::of(ResponseCode::Refused),
            Some((_, Action::Bogus)) if checks => {
                done.manner.bogus = true;
                Answer::of(ResponseCode::ServFail)
            }
            Some((decision, Action::Records(_))) => decision.answer(query.name()),
            Some((_, Action::Drop | Action::Close)) => {
                done.sent = false;
                Answer::of(ResponseCode::NoError)
            }
            action => {
                let answer = reader.answer(query.name(), kind);
                match action.map(|(_, action)| action) {
                    Some(Action::NotAuthoritative) => Answer { authoritative: false, ..answer },
                    Some(Action::Truncate) => {
                        done.manner.truncate = true;
                        answer
                    }
                    Some(Action::Reverse) => {
                        done.manner.reverse = true;
                        answer
                    }
                    _ => answer,
                }
            }
        };
    }
}

/// What a query leads to.
struct Done {
    answer: Answer,
    manner: Manner,
    sent: bool,
    decision: Option<Decision>,
    /// For an update, how many changes it made.
    changes: Option<usize>,
}

/// The code for a message that is no question this server answers.
fn refusal(request: &Message) -> Option<ResponseCode> {
    if request.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Some(ResponseCode::BADVERS);
    }
    if is_update(request) {
        return None;
    }
    if !is_query(request) {
        return Some(ResponseCode::NotImp);
    }
    // One question (RFC 9619).
    let [query] = request.queries.as_slice() else { return Some(ResponseCode::FormErr) };
    let refused = !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY)
        || matches!(query.query_type(), RecordType::AXFR | RecordType::IXFR);
    refused.then_some(ResponseCode::Refused)
}
