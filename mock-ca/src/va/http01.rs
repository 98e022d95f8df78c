//! http-01 (RFC 8555 section 8.3) as Boulder fetches it: IPv6 before IPv4, ten redirects at most, to ports
//! 80 and 443 of names only, https with any certificate, and a body that is short.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use world::http::{Scheme, Url};
use world::{Elapsed, Instant, World};

use super::dns::{self, Addresses};
use super::{Finding, View};
use crate::db::ValidationRecord;
use crate::policy::BadName;
use crate::problem::{Problem, ProblemKind};
use crate::ra::Task;

/// The words with which the validation server of Let's Encrypt introduces itself.
const USER_AGENT: &str =
    "Mozilla/5.0 (compatible; Let's Encrypt validation server; +https://www.letsencrypt.org)";
/// A connection must stand after this.
const DIAL_MAX: Duration = Duration::from_secs(10);
/// And TLS over it after this.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A perspective must be done after this.
const TOTAL_MAX: Duration = Duration::from_secs(20);
/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// A body of as many bytes is not a key authorization, which has about 87.
const BODY_MAX: usize = 128;
/// A longer path in a redirect is refused.
const PATH_MAX: usize = 2000;
/// The port of https redirects.
const HTTPS_PORT: u16 = 443;

/// Where to fetch from next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    /// As people write it: the scheme's own port is left out.
    fn url(&self) -> String {
        let (scheme, default) = match self.scheme {
            Scheme::Http => ("http", 80),
            Scheme::Https => ("https", HTTPS_PORT),
        };
        let port = if self.port == default { String::new() } else { format!(":{}", self.port) };
        format!("{scheme}://{}{port}{}", self.host, self.path)
    }
}

/// The part of a response that is looked at.
struct Fetched {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
}

/// Why nothing was fetched.
enum FetchError {
    /// No connection: another address may be better.
    Dial(io::Error),
    DialTimeout,
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
            FetchError::Dial(error) | FetchError::Tls(error) => io_text(error.kind()),
            FetchError::DialTimeout => "Timeout during connect (likely firewall problem)",
            FetchError::Timeout => "Timeout after connect (your server may be slow or overloaded)",
            FetchError::Broken(error) => {
                let source = std::error::Error::source(error).and_then(|s| s.downcast_ref::<io::Error>());
                source.map_or("Error getting validation data", |error| io_text(error.kind()))
            }
            FetchError::Unwritable => "Error getting validation data",
        }
    }

    fn is_dial(&self) -> bool {
        matches!(self, FetchError::Dial(_) | FetchError::DialTimeout)
    }
}

fn io_text(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "Connection refused",
        io::ErrorKind::ConnectionReset => "Connection reset by peer",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "Network unreachable",
        _ => "Error getting validation data",
    }
}

/// Fetches the key authorization and compares it.
pub(super) async fn validate(view: &View, task: &Task) -> Finding {
    let mut records = Vec::new();
    let problem = fetch_and_compare(view, task, &mut records).await.err();
    Finding { problem, records }
}

async fn fetch_and_compare(
    view: &View,
    task: &Task,
    records: &mut Vec<ValidationRecord>,
) -> Result<(), Problem> {
    let deadline = view.world.monotonic() + TOTAL_MAX;
    let mut target = Target {
        scheme: Scheme::Http,
        host: task.name.clone(),
        port: view.http_port,
        path: format!("/.well-known/acme-challenge/{}", task.token),
    };
    let mut seen = Vec::new();
    loop {
        let found = dns::addresses(view, &target.host).await?;
        let (address, fetched) =
            fetch_from(view, &target, &found, seen.is_empty(), deadline, records).await?;
        let failed = |kind, text: &str| Problem::new(kind, format!("{address}: {text}"));
        let fetching =
            |text: &str| failed(ProblemKind::Connection, &format!("Fetching {}: {text}", target.url()));
        match fetched.status.as_u16() {
            200 => return compare(&fetched.body, task, &target, address),
            301 | 302 | 307 | 308 => {
                if seen.len() >= REDIRECTS_MAX {
                    return Err(fetching("Too many redirects"));
                }
                let location = fetched.location.unwrap_or_default();
                let next = redirect(view, &target, &location).map_err(|text| {
                    Problem::new(ProblemKind::Connection, format!("{address}: Fetching {location}: {text}"))
                })?;
                seen.push(target);
                if seen.contains(&next) {
                    return Err(Problem::new(
                        ProblemKind::Connection,
                        format!("{address}: Fetching {location}: Redirect loop detected"),
                    ));
                }
                target = next;
            }
            303 => return Err(fetching("received disallowed redirect status code")),
            status => {
                let text = format!("Invalid response from {}: {status}", target.url());
                return Err(failed(ProblemKind::Unauthorized, &text));
            }
        }
    }
}

fn compare(body: &[u8], task: &Task, target: &Target, address: IpAddr) -> Result<(), Problem> {
    let text = String::from_utf8_lossy(body);
    if body.len() >= BODY_MAX {
        let cut = String::from_utf8_lossy(body.get(..BODY_MAX).unwrap_or(body)).into_owned();
        let detail = format!("{address}: Invalid response from {}: {cut:?}", target.url());
        return Err(Problem::unauthorized(detail));
    }
    let got = text.trim_end_matches([' ', '\t', '\r', '\n']);
    if got == task.key_authorization {
        return Ok(());
    }
    Err(Problem::unauthorized(format!(
        "{address}: The key authorization file from the server did not match this challenge. \
         Expected {:?} (got {got:?})",
        task.key_authorization
    )))
}

/// Fetches from the first address; on the first hop IPv4 is asked when IPv6 cannot be dialled.
async fn fetch_from(
    view: &View,
    target: &Target,
    found: &Addresses,
    first_hop: bool,
    deadline: Instant,
    records: &mut Vec<ValidationRecord>,
) -> Result<(IpAddr, Fetched), Problem> {
    let mut candidates: Vec<IpAddr> = found.v6.first().into_iter().chain(found.v4.first()).copied().collect();
    if !first_hop {
        candidates.truncate(1);
    }
    let mut last = None;
    for address in candidates {
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
                if !error.is_dial() {
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
    let left = |limit: Duration| limit.min(deadline.since(world.monotonic()));
    let dial = world.connect(SocketAddr::new(address, target.port));
    let stream = world.timeout(left(DIAL_MAX), dial).await;
    let stream = stream.map_err(|Elapsed| FetchError::DialTimeout)?.map_err(FetchError::Dial)?;
    let late = |Elapsed| FetchError::Timeout;
    match target.scheme {
        Scheme::Http => {
            world.timeout(left(TOTAL_MAX), exchange(world, target, stream)).await.map_err(late)?
        }
        Scheme::Https => {
            let handshake = view.tls.connect(&target.host, stream);
            let stream = world.timeout(left(HANDSHAKE_MAX), handshake).await.map_err(late)?;
            let exchange = exchange(world, target, stream.map_err(FetchError::Tls)?);
            world.timeout(left(TOTAL_MAX), exchange).await.map_err(late)?
        }
    }
}

async fn exchange<S>(world: &World, target: &Target, stream: S) -> Result<Fetched, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = opened.map_err(FetchError::Broken)?;
    world.spawn("validation connection", async move {
        // Its end, in error or not, shows on the request.
        drop(connection.await);
    });
    let default = if target.scheme == Scheme::Http { 80 } else { HTTPS_PORT };
    let host =
        if target.port == default { target.host.clone() } else { format!("{}:{}", target.host, target.port) };
    let request = Request::get(&target.path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Unwritable)?;
    let response = sender.send_request(request).await.map_err(FetchError::Broken)?;
    let (parts, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    while body.len() <= BODY_MAX {
        let Some(frame) = incoming.frame().await else { break };
        if let Ok(data) = frame.map_err(FetchError::Broken)?.into_data() {
            body.extend_from_slice(&data);
        }
    }
    let location = parts.headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
    Ok(Fetched { status: parts.status, location, body })
}

/// Where a redirect leads, if it is one that is followed. The error is what Boulder says of it.
fn redirect(view: &View, from: &Target, location: &str) -> Result<Target, String> {
    let absolute = match location.split_once("://") {
        Some(("http" | "https", _)) => location.to_owned(),
        Some((scheme, _)) => {
            return Err(format!(
                "Invalid protocol scheme in redirect target. Only \"http\" and \"https\" protocol schemes are supported, not {scheme:?}"
            ));
        }
        None => {
            let base = Target { path: String::new(), ..from.clone() }.url();
            let folder = from.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if location.starts_with('/') {
                format!("{base}{location}")
            } else {
                format!("{base}{folder}/{location}")
            }
        }
    };
    let url: Url = absolute.parse().map_err(|_| "Invalid redirect target".to_owned())?;
    let explicit = url.authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = match (explicit, url.scheme) {
        (true, _) if url.port != view.http_port && url.port != HTTPS_PORT => {
            return Err(format!(
                "Invalid port in redirect target. Only ports {} and {HTTPS_PORT} are supported, not {}",
                view.http_port, url.port
            ));
        }
        (true, _) => url.port,
        (false, Scheme::Http) => view.http_port,
        (false, Scheme::Https) => HTTPS_PORT,
    };
    let host = url.host.to_ascii_lowercase();
    match view.policy.check(&host) {
        Err(BadName::IpAddress) => {
            return Err(format!(
                "Invalid host in redirect target {host:?}. Only domain names are supported, not IP addresses"
            ));
        }
        Err(BadName::Empty) => return Err("Invalid empty hostname in redirect target".to_owned()),
        Err(BadName::NonPublic | BadName::TooFewLabels) => {
            return Err("Invalid hostname in redirect target, must end in IANA registered TLD".to_owned());
        }
        _ => {}
    }
    if url.path.len() > PATH_MAX {
        return Err(format!("Invalid path in redirect target, must be {PATH_MAX} bytes or less"));
    }
    Ok(Target { scheme: url.scheme, host, port, path: url.path })
}
