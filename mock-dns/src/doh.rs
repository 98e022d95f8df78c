//! Questions over HTTPS (RFC 8484): the message is the body of a POST, or the parameter `dns` of a GET.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::journal::Transport;
use crate::server::Dns;
use crate::wire::HEADER;

/// The largest message over a connection.
const MESSAGE_MAX: usize = 65_535;
/// The media type of a message.
pub(crate) const MESSAGE_TYPE: &str = "application/dns-message";

impl Dns {
    /// DNS over HTTPS at `/dns-query`, as the first nameserver answers; for a server with TLS.
    pub fn doh(&self) -> Router {
        Router::new().route("/dns-query", any(answer)).with_state(self.clone())
    }
}

async fn answer(State(dns): State<Dns>, request: Request) -> Response {
    let from = sender(&request);
    match message(request).await {
        Ok(query) => {
            let short = query.len() < HEADER;
            let answer = dns.answer_after(Duration::ZERO, query, from, Transport::Https).await;
            response(answer, short)
        }
        Err(status) => status.into_response(),
    }
}

/// Where a request came from.
pub(crate) fn sender(request: &Request) -> SocketAddr {
    let peer = request.extensions().get::<world::http::Peer>().map(|peer| peer.0);
    peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)))
}

/// The message of a request, or the status of its refusal.
pub(crate) async fn message(request: Request) -> Result<Vec<u8>, StatusCode> {
    match *request.method() {
        Method::POST => {
            let media = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
            if media.is_none_or(|media| !media.eq_ignore_ascii_case(MESSAGE_TYPE)) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let body = to_bytes(request.into_body(), MESSAGE_MAX).await;
            body.map(|bytes| bytes.to_vec()).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)
        }
        Method::GET => {
            let query = request.uri().query().unwrap_or_default();
            let value = query.split('&').find_map(|pair| pair.strip_prefix("dns="));
            let bytes = value.and_then(|value| URL_SAFE_NO_PAD.decode(value.trim_end_matches('=')).ok());
            bytes.ok_or(StatusCode::BAD_REQUEST)
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The response with an answer. What another transport leaves without one has to end here somehow; `short` is
/// whether the message was too short to be one.
pub(crate) fn response(answer: Option<Vec<u8>>, short: bool) -> Response {
    match answer {
        Some(answer) => ([(header::CONTENT_TYPE, MESSAGE_TYPE)], Body::from(answer)).into_response(),
        None if short => StatusCode::BAD_REQUEST.into_response(),
        None => StatusCode::GATEWAY_TIMEOUT.into_response(),
    }
}
