//! The management interface: challtestsrv's calls, in a table; those under `/rehearse/` are in
//! [`super::rehearse`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::body::{BadBody, Body};
use super::config::Service;
use super::history::EventKind;
use super::records::{self, A, AAAA, CAA, CNAME, TXT};
use super::tls_alpn::Challenge;
use super::{ChallTest, lock, names, rehearse};

/// What a call of the management interface answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status: 200, 400 for what cannot be done, 404 for an unknown path.
    pub status: u16,
    /// JSON, or what was wrong; empty when there is nothing to say.
    pub body: String,
    /// Whether the body is JSON.
    pub json: bool,
}

impl Reply {
    /// 200 without a body.
    pub(crate) fn done() -> Self {
        Reply { status: 200, body: String::new(), json: false }
    }

    /// 200 with JSON.
    pub(crate) fn json(body: String) -> Self {
        Reply { status: 200, body, json: true }
    }

    fn text(status: u16, body: String) -> Self {
        Reply { status, body, json: false }
    }
}

pub(crate) type Called = Result<Reply, BadBody>;
/// A row of the table: the path, the services of which one must be configured (any, when none is
/// named), and what is done.
pub(crate) type Call = (&'static str, &'static [Service], fn(&ChallTest, &Body) -> Called);

const ANY: &[Service] = &[];
const DNS: &[Service] = &[Service::Dns, Service::Doh];
const HTTP: &[Service] = &[Service::Http01, Service::Https01];
const ALPN: &[Service] = &[Service::TlsAlpn01];

const CALLS: &[Call] = &[
    ("/set-default-ipv4", DNS, |own, body| {
        lock(&own.0.dns).default_a = body.text("ip")?.parse().ok();
        Ok(Reply::done())
    }),
    ("/set-default-ipv6", DNS, |own, body| {
        lock(&own.0.dns).default_aaaa = body.text("ip")?.parse().ok();
        Ok(Reply::done())
    }),
    ("/set-txt", DNS, |own, body| {
        let (key, value) = (host(body)?, records::txt(body.required("value")?));
        lock(&own.0.dns).add(key, TXT, 0, vec![value]);
        Ok(Reply::done())
    }),
    ("/clear-txt", DNS, |own, body| clear(own, body, TXT)),
    ("/add-a", DNS, |own, body| {
        add(own, body, A, |ip| ip.parse().ok().map(|ip: Ipv4Addr| ip.octets().to_vec().into()))
    }),
    ("/clear-a", DNS, |own, body| clear(own, body, A)),
    ("/add-aaaa", DNS, |own, body| {
        add(own, body, AAAA, |ip| ip.parse().ok().map(|ip: Ipv6Addr| ip.octets().to_vec().into()))
    }),
    ("/clear-aaaa", DNS, |own, body| clear(own, body, AAAA)),
    ("/add-caa", DNS, |own, body| {
        let key = host(body)?;
        let mut values = Vec::new();
        for policy in body.objects("policies")? {
            values.extend(records::caa(0, policy.text("tag")?, policy.text("value")?));
        }
        lock(&own.0.dns).add(key, CAA, 0, values);
        Ok(Reply::done())
    }),
    ("/clear-caa", DNS, |own, body| clear(own, body, CAA)),
    ("/set-cname", DNS, |own, body| {
        let (key, target) = (host(body)?, domain(body, "target")?);
        lock(&own.0.dns).set_alias(key, Some((0, target.into())));
        Ok(Reply::done())
    }),
    ("/clear-cname", DNS, |own, body| clear(own, body, CNAME)),
    ("/set-servfail", DNS, |own, body| {
        lock(&own.0.dns).set_servfail(host(body)?, true);
        Ok(Reply::done())
    }),
    ("/clear-servfail", DNS, |own, body| {
        lock(&own.0.dns).set_servfail(host(body)?, false);
        Ok(Reply::done())
    }),
    ("/add-http01", HTTP, |own, body| {
        let (token, content) = (body.required("token")?, body.required("content")?);
        lock(&own.0.web).tokens.insert(token.to_owned(), content.to_owned().into());
        Ok(Reply::done())
    }),
    ("/del-http01", HTTP, |own, body| {
        lock(&own.0.web).tokens.remove(body.required("token")?);
        Ok(Reply::done())
    }),
    ("/add-redirect", HTTP, |own, body| {
        let (path, target) = (body.required("path")?, body.required("targetURL")?);
        lock(&own.0.web).redirects.insert(path.to_owned(), target.to_owned());
        Ok(Reply::done())
    }),
    ("/del-redirect", HTTP, |own, body| {
        lock(&own.0.web).redirects.remove(body.required("path")?);
        Ok(Reply::done())
    }),
    ("/add-tlsalpn01", ALPN, |own, body| {
        let (host, content) = (names::server_name_key(body.required("host")?), body.required("content")?);
        lock(&own.0.tls_alpn).insert(host, Challenge::new(content));
        Ok(Reply::done())
    }),
    ("/del-tlsalpn01", ALPN, |own, body| {
        lock(&own.0.tls_alpn).remove(&names::server_name_key(body.required("host")?));
        Ok(Reply::done())
    }),
    ("/http-request-history", ANY, |own, body| history(own, body, EventKind::Http)),
    ("/dns-request-history", ANY, |own, body| history(own, body, EventKind::Dns)),
    ("/tlsalpn01-request-history", ANY, |own, body| history(own, body, EventKind::TlsAlpn)),
    ("/clear-request-history", ANY, |own, body| {
        let host = body.required("host")?;
        let kind = body.parsed("type", "http, dns or tlsalpn", EventKind::named)?;
        lock(&own.0.history).clear(kind.ok_or(BadBody::Missing("type"))?, host);
        Ok(Reply::done())
    }),
];

/// The field `host` as a domain name.
pub(crate) fn host(body: &Body) -> Result<Box<[u8]>, BadBody> {
    domain(body, "host").map(|mut wire| {
        wire.make_ascii_lowercase();
        wire.into()
    })
}

/// A field that is a domain name, in wire form and the case that it was written in.
fn domain(body: &Body, field: &'static str) -> Result<Vec<u8>, BadBody> {
    body.required(field)?;
    let wire = body.parsed(field, "a domain name", names::wire)?;
    wire.ok_or(BadBody::Missing(field))
}

fn add(own: &ChallTest, body: &Body, kind: u16, read: fn(&str) -> Option<Box<[u8]>>) -> Called {
    let key = host(body)?;
    // As challtestsrv: what is no address is taken, and takes the place of the default.
    let values = body.texts("addresses")?.into_iter().filter_map(read).collect();
    lock(&own.0.dns).add(key, kind, 0, values);
    Ok(Reply::done())
}

fn clear(own: &ChallTest, body: &Body, kind: u16) -> Called {
    lock(&own.0.dns).remove(&host(body)?, kind, None);
    Ok(Reply::done())
}

fn history(own: &ChallTest, body: &Body, kind: EventKind) -> Called {
    let host = body.required("host")?;
    Ok(Reply::json(lock(&own.0.history).json(kind, Some(host), false)))
}

impl ChallTest {
    /// Does what the management interface does for a request to `path` with this body.
    pub fn manage(&self, path: &str, body: &[u8]) -> Reply {
        let mut calls = CALLS.iter().chain(rehearse::CALLS);
        let call =
            calls.find(|(known, needs, _)| *known == path && (needs.is_empty() || self.0.config.has(needs)));
        let Some((_, _, run)) = call else { return Reply::text(404, "404 page not found\n".to_owned()) };
        let done = Body::read(body).and_then(|body| run(self, &body));
        done.unwrap_or_else(|bad| Reply::text(400, format!("{bad}\n")))
    }

    pub(super) async fn answer_management(self, request: Request) -> Response {
        let path = request.uri().path().to_owned();
        let Ok(body) = to_bytes(request.into_body(), self.0.config.limits.body).await else {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        };
        let Reply { status, body, json } = self.manage(&path, &body);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if body.is_empty() {
            return status.into_response();
        }
        let media = if json { "application/json; charset=utf-8" } else { "text/plain; charset=utf-8" };
        (status, [(header::CONTENT_TYPE, media)], body).into_response()
    }

    /// The addresses that names without any of their own have.
    pub fn default_addresses(&self) -> Vec<IpAddr> {
        let records = lock(&self.0.dns);
        let v6 = records.default_aaaa.map(IpAddr::V6);
        records.default_a.map(IpAddr::V4).into_iter().chain(v6).collect()
    }
}
