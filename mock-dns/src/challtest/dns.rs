//! DNS over datagrams, connections and HTTPS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use world::{Datagrams, Listener, Stream};

use super::answer::{Answer, answer, refusal};
use super::history::{DnsEvent, Via};
use super::question::{Unreadable, read};
use super::{ChallTest, ERROR_PAUSE, lock, names};
use crate::doh;
use crate::stream::Messages;

/// The largest message over a connection.
const STREAM_MAX: usize = 65_535;

impl ChallTest {
    /// The answer to a query in wire form, and how much later to send it; `None` when nothing is sent.
    async fn answer_dns(
        &self,
        query: Vec<u8>,
        from: SocketAddr,
        via: Via,
        user_agent: &str,
    ) -> Option<(Vec<u8>, Duration)> {
        let shared = &self.0;
        let question = match read(&query) {
            Ok(question) => question,
            Err(Unreadable::Silence) => return None,
            Err(Unreadable::Code(code)) => return Some((refusal(&query, code)?, Duration::ZERO)),
        };
        let mut event = DnsEvent {
            at: shared.world.now(),
            from: SocketAddr::new(from.ip().to_canonical(), from.port()),
            via,
            name: question.name.into(),
            kind: question.kind,
            class: question.class,
            user_agent: user_agent.to_owned(),
            code: None,
        };
        if let Some(zones) = &shared.config.zones
            && zones.serves_wire(question.name)
        {
            let wire = zones.answer(query, from, via.transport()).await;
            event.code = wire.as_ref().and_then(|wire| wire.get(3)).map(|byte| byte & 0x0f);
            lock(&shared.history).dns.push(event);
            return wire.map(|wire| (wire, shared.config.zones_delay));
        }
        let datagram = via == Via::Udp;
        let max = if datagram { question.datagram_max() } else { STREAM_MAX };
        let Answer { wire, code, delay } = answer(&mut lock(&shared.dns), &question, max, datagram);
        event.code = wire.is_some().then_some(code);
        if shared.world.is_virtual() {
            let line =
                format!("{} {from} {} {} {code}", via.name(), names::text(question.name), question.kind);
            shared.world.record("mock-dns", "challtest", line.as_bytes());
        }
        lock(&shared.history).dns.push(event);
        wire.map(|wire| (wire, delay))
    }

    pub(super) async fn serve_datagrams(self, socket: Datagrams) {
        let socket = Arc::new(socket);
        let world = self.0.world.clone();
        loop {
            let Ok((query, from)) = socket.recv_from().await else {
                world.sleep(ERROR_PAUSE).await;
                continue;
            };
            let Some((answer, delay)) = self.answer_dns(query, from, Via::Udp, "").await else {
                continue;
            };
            if delay.is_zero() {
                // The client asks again when it gets nothing.
                drop(socket.send_to(&answer, from).await);
            } else {
                let (later, socket) = (world.clone(), socket.clone());
                world.spawn("mock-dns answer", async move {
                    later.sleep(delay).await;
                    drop(socket.send_to(&answer, from).await);
                });
            }
        }
    }

    pub(super) async fn serve_streams(self, listener: Listener) {
        let serve = |own: ChallTest, stream, from| async move {
            // A client that hangs up is its own affair.
            drop(own.serve_stream(stream, from).await);
        };
        self.serve_connections(listener, "mock-dns connection", serve).await;
    }

    /// Answers one query after the other (RFC 7766) until the client ends, or is idle for too long.
    async fn serve_stream(&self, stream: Stream, from: SocketAddr) -> std::io::Result<()> {
        let world = &self.0.world;
        let mut messages = Messages::new(stream);
        while let Some(query) = messages.next(world).await? {
            let Some((answer, delay)) = self.answer_dns(query, from, Via::Tcp, "").await else {
                return messages.flush().await;
            };
            if !delay.is_zero() {
                messages.flush().await?;
                world.sleep(delay).await;
            }
            messages.answer(&answer).await?;
        }
        Ok(())
    }

    /// A question over HTTPS (RFC 8484): the message is the body of a POST, or the parameter `dns`.
    pub(super) async fn answer_https(self, request: Request) -> Response {
        let agent = request.headers().get(header::USER_AGENT).and_then(|v| v.to_str().ok());
        let agent = agent.unwrap_or_default().to_owned();
        let from = doh::sender(&request);
        let query = match doh::message(request).await {
            Ok(query) => query,
            Err(status) => return status.into_response(),
        };
        let short = query.len() < super::question::HEADER;
        let answer = self.answer_dns(query, from, Via::Https, &agent).await;
        if let Some((_, delay)) = &answer
            && !delay.is_zero()
        {
            self.0.world.sleep(*delay).await;
        }
        doh::response(answer.map(|(answer, _)| answer), short)
    }
}
