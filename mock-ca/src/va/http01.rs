//! http-01 (RFC 8555 section 8.3), for names and for addresses (RFC 8738): fetches the key authorization,
//! by way of redirects, over https with any certificate.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use world::http::Scheme;
use world::{Elapsed, Instant};

use super::dial::{self, Addresses, DialError, SILENT, dial, io_text, left};
use super::lookup::Lookup;
use super::redirect::{self, Target};
use super::{Finding, View};
use crate::db::ValidationRecord;
use crate::dialect::RedirectRules;
use crate::problem::{Problem, ProblemKind};
use crate::ra::Task;

/// As much of a wrong body is shown.
const SHOWN_MAX: usize = 128;

/// The part of a response that is looked at.
struct Fetched {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

/// Why nothing was fetched.
enum FetchError {
    /// No connection: another address may be better.
    Dial(DialError),
    /// A connection, and then silence.
    Timeout,
    /// A connection that broke, or answered in another language.
    Broken(hyper::Error),
    /// A connection, and no TLS over it.
    Tls(io::Error),
    /// No request can be written for it.
    Unwritable,
}

impl FetchError {
    /// What Boulder says of it.
    fn text(&self) -> &'static str {
        match self {
            FetchError::Dial(error) => error.text(),
            FetchError::Tls(error) => io_text(error.kind()),
            FetchError::Timeout => SILENT,
            FetchError::Broken(error) => {
                let source = std::error::Error::source(error).and_then(|s| s.downcast_ref::<io::Error>());
                source.map_or("Error getting validation data", |error| io_text(error.kind()))
            }
            FetchError::Unwritable => "Error getting validation data",
        }
    }
}

/// Fetches the key authorization and compares it.
pub(super) async fn validate(view: &View, lookup: &mut Lookup<'_>, task: &Task) -> Finding {
    let mut records = Vec::new();
    let problem = fetch_and_compare(view, lookup, task, &mut records).await.err();
    Finding { problem, records }
}

async fn fetch_and_compare(
    view: &View,
    lookup: &mut Lookup<'_>,
    task: &Task,
    records: &mut Vec<ValidationRecord>,
) -> Result<(), Problem> {
    let deadline = view.world.monotonic() + view.rules.total;
    let mut target = Target {
        scheme: Scheme::Http,
        host: task.name.clone(),
        port: view.http_port,
        path: format!("/.well-known/acme-challenge/{}", task.token),
    };
    let mut seen = Vec::new();
    loop {
        let found = dial::addresses(view, lookup, &target.host).await?;
        let (address, fetched) =
            fetch_from(view, &target, &found, seen.is_empty(), deadline, records).await?;
        let fetching = |url: &str, text: &str| {
            Problem::new(ProblemKind::Connection, format!("{address}: Fetching {url}: {text}"))
        };
        let status = fetched.status.as_u16();
        if status == 200 {
            return compare(view, &fetched.body, task, &target, address);
        }
        let redirects = redirect::is_redirect(view.rules.redirects, status);
        if !redirects.map_err(|text| fetching(&target.url(), text))? {
            let detail = format!("{address}: Invalid response from {}: {status}", target.url());
            return Err(Problem::unauthorized(detail));
        }
        if seen.len() >= view.rules.redirects_max {
            return Err(fetching(&target.url(), "Too many redirects"));
        }
        let location = fetched.location.unwrap_or_default();
        let next = redirect::follow(view, &target, &location).map_err(|text| fetching(&location, &text))?;
        seen.push(target);
        if view.rules.redirects == RedirectRules::PublicNames && seen.contains(&next) {
            return Err(fetching(&location, "Redirect loop detected"));
        }
        target = next;
    }
}

fn compare(view: &View, body: &[u8], task: &Task, target: &Target, address: IpAddr) -> Result<(), Problem> {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes.get(..SHOWN_MAX).unwrap_or(bytes)).into_owned();
    if body.len() >= view.rules.body_max {
        let detail = format!("{address}: Invalid response from {}: {:?}", target.url(), shown(body));
        return Err(Problem::unauthorized(detail));
    }
    let text = String::from_utf8_lossy(body);
    let got = text.trim_end_matches(|c: char| {
        matches!(c, '\t' | '\r' | '\n') || (view.rules.any_space_trimmed && c.is_whitespace())
    });
    if got == task.key_authorization {
        return Ok(());
    }
    Err(Problem::unauthorized(format!(
        "{address}: The key authorization file from the server did not match this challenge. \
         Expected {:?} (got {:?})",
        task.key_authorization,
        shown(got.as_bytes())
    )))
}

/// Fetches from the first address; on the first hop IPv4 is asked when IPv6 cannot be dialled, where the
/// dialect does.
async fn fetch_from(
    view: &View,
    target: &Target,
    found: &Addresses,
    first_hop: bool,
    deadline: Instant,
    records: &mut Vec<ValidationRecord>,
) -> Result<(IpAddr, Fetched), Problem> {
    let mut last = None;
    for address in found.tried(view.rules.addresses, first_hop) {
        records.push(ValidationRecord {
            url: target.url(),
            hostname: target.host.clone(),
            port: target.port.to_string(),
            addresses_resolved: found.texts(),
            address_used: address.to_string(),
        });
        match fetch(view, target, address, deadline).await {
            Ok(fetched) => return Ok((address, fetched)),
            Err(error) => {
                let detail = format!("{address}: Fetching {}: {}", target.url(), error.text());
                last = Some(Problem::new(ProblemKind::Connection, detail));
                if !matches!(error, FetchError::Dial(_)) {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Problem::internal("no address to fetch from")))
}

async fn fetch(
    view: &View,
    target: &Target,
    address: IpAddr,
    deadline: Instant,
) -> Result<Fetched, FetchError> {
    let world = &view.world;
    let stream = dial(view, SocketAddr::new(address, target.port), deadline).await;
    let stream = stream.map_err(FetchError::Dial)?;
    let late = |Elapsed| FetchError::Timeout;
    let stream = match target.scheme {
        Scheme::Http => {
            let limit = left(view, view.rules.total, deadline);
            return world.timeout(limit, exchange(view, target, stream)).await.map_err(late)?;
        }
        Scheme::Https => {
            let handshake = view.tls.connect(&target.host, stream);
            world.timeout(left(view, view.rules.handshake, deadline), handshake).await.map_err(late)?
        }
    };
    let exchange = exchange(view, target, stream.map_err(FetchError::Tls)?);
    world.timeout(left(view, view.rules.total, deadline), exchange).await.map_err(late)?
}

async fn exchange<S>(view: &View, target: &Target, stream: S) -> Result<Fetched, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(FetchError::Broken)?;
    let request = Request::get(&target.path)
        .header(header::HOST, target.authority())
        .header(header::USER_AGENT, view.rules.user_agent)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Unwritable)?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(FetchError::Broken)?;
        let (parts, mut incoming) = response.into_parts();
        let mut body = Vec::new();
        while body.len() < view.rules.body_max {
            let Some(frame) = incoming.frame().await else { break };
            if let Ok(data) = frame.map_err(FetchError::Broken)?.into_data() {
                body.extend_from_slice(&data);
            }
        }
        let location = parts.headers.get(header::LOCATION).and_then(|v| v.to_str().ok());
        Ok(Fetched { status: parts.status, location: location.map(str::to_owned), body })
    };
    along(answer, connection).await
}

/// Waits for `main`, and works on `side` as long as that takes. A task of its own would cost more.
async fn along<T>(main: impl Future<Output = T>, side: impl Future) -> T {
    let (mut main, mut side) = (pin!(main), pin!(side));
    let mut side_done = false;
    poll_fn(|cx| {
        if let Poll::Ready(done) = main.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        // Its end, in error or not, shows on the request.
        side_done = side_done || side.as_mut().poll(cx).is_ready();
        main.as_mut().poll(cx)
    })
    .await
}
