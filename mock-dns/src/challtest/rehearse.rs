//! What the management interface has beyond challtestsrv, all of it under `/rehearse/`.
//!
//! | path | fields | does |
//! |---|---|---|
//! | `del-txt` | host, value | removes one value; answers how many |
//! | `add-record` | host, type, values, ttl? | adds records of any type, values as in a zone file |
//! | `del-record` | host, type, value? | removes one value, or all; answers how many |
//! | `set-dns-fault` | host, type?, rcode?, drop?, truncate?, delay?, times? | answers wrongly |
//! | `clear-dns-fault` | host, type? | no longer does |
//! | `set-http-fault` | token or path, status?, body?, delay?, pause?, drop?, times? | the same for http-01 |
//! | `clear-http-fault` | token or path | no longer does |
//! | `history` | type (http, dns, tlsalpn), host? | the requests with times, peers and outcomes |
//! | `reset` | none (`{}`) | forgets everything but the default addresses |

use std::str::FromStr as _;
use std::time::Duration;

use axum::http::StatusCode;
use hickory_proto::rr::RecordType;
use world::duration::Span;

use super::body::{BadBody, Body};
use super::config::Service;
use super::history::EventKind;
use super::http01::{HttpFault, TOKENS};
use super::manage::{Call, Called, Reply, host};
use super::records::{self, CNAME, Fault, TXT};
use super::{ChallTest, lock};

const DNS: &[Service] = &[Service::Dns, Service::Doh];
const HTTP: &[Service] = &[Service::Http01, Service::Https01];

pub(super) const CALLS: &[Call] = &[
    ("/rehearse/del-txt", DNS, |own, body| {
        let value = records::txt(body.required("value")?);
        Ok(removed(lock(&own.0.dns).remove(&host(body)?, TXT, Some(&value))))
    }),
    ("/rehearse/add-record", DNS, add_record),
    ("/rehearse/del-record", DNS, |own, body| {
        let (key, kind) = (host(body)?, kind(body)?.ok_or(BadBody::Missing("type"))?);
        let value = body.parsed("value", "a value of this type", |text| records::value(kind, text))?;
        Ok(removed(lock(&own.0.dns).remove(&key, kind.into(), value.as_deref())))
    }),
    ("/rehearse/set-dns-fault", DNS, |own, body| {
        let fault = Fault {
            kind: kind(body)?.map(u16::from),
            code: body.parsed("rcode", "a code such as NXDOMAIN, or its number", code)?,
            drop: body.flag("drop")?,
            truncate: body.flag("truncate")?,
            delay: duration(body, "delay")?,
            times: times(body)?,
        };
        lock(&own.0.dns).set_fault(host(body)?, fault);
        Ok(Reply::done())
    }),
    ("/rehearse/clear-dns-fault", DNS, |own, body| {
        let cleared = lock(&own.0.dns).clear_fault(&host(body)?, kind(body)?.map(u16::from));
        Ok(removed(usize::from(cleared)))
    }),
    ("/rehearse/set-http-fault", HTTP, |own, body| {
        let status = body.number("status")?.map(|number| {
            let status = u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok());
            let bad = || BadBody::Value {
                field: "status",
                expected: "an HTTP status, 200 to 599",
                found: number.to_string(),
            };
            status.filter(|status| (200..600).contains(&status.as_u16())).ok_or_else(bad)
        });
        let fault = HttpFault {
            status: status.transpose()?,
            body: body.optional("body")?.map(str::to_owned),
            delay: duration(body, "delay")?,
            pause: duration(body, "pause")?,
            drop: body.flag("drop")?,
            times: times(body)?,
        };
        lock(&own.0.web).faults.insert(path(body)?, fault);
        Ok(Reply::done())
    }),
    ("/rehearse/clear-http-fault", HTTP, |own, body| {
        let cleared = lock(&own.0.web).faults.remove(&path(body)?);
        Ok(removed(usize::from(cleared.is_some())))
    }),
    ("/rehearse/history", &[], |own, body| {
        let kind = body.parsed("type", "http, dns or tlsalpn", EventKind::named)?;
        let host = body.optional("host")?.filter(|host| !host.is_empty());
        let kind = kind.ok_or(BadBody::Missing("type"))?;
        Ok(Reply::json(lock(&own.0.history).json(kind, host, true)))
    }),
    ("/rehearse/reset", &[], |own, _| {
        lock(&own.0.dns).clear();
        lock(&own.0.web).clear();
        lock(&own.0.tls_alpn).clear();
        lock(&own.0.history).clear_all();
        Ok(Reply::done())
    }),
];

fn add_record(own: &ChallTest, body: &Body) -> Called {
    let (key, kind) = (host(body)?, kind(body)?.ok_or(BadBody::Missing("type"))?);
    let ttl = body.number("ttl")?.unwrap_or_default();
    let ttl = u32::try_from(ttl).map_err(|_| BadBody::Value {
        field: "ttl",
        expected: "seconds, below 2^32",
        found: ttl.to_string(),
    })?;
    let mut values = Vec::new();
    for text in body.texts("values")? {
        let bad = || BadBody::Value {
            field: "values",
            expected: "values of this type, as in a zone file",
            found: text.to_owned(),
        };
        values.push(records::value(kind, text).ok_or_else(bad)?);
    }
    let mut dns = lock(&own.0.dns);
    match u16::from(kind) {
        // A name has one alias: the last.
        CNAME => dns.set_alias(key, values.pop().map(|target| (ttl, target))),
        kind => dns.add(key, kind, ttl, values),
    }
    Ok(Reply::done())
}

fn removed(count: usize) -> Reply {
    Reply::json(format!("{{\"removed\": {count}}}"))
}

fn kind(body: &Body) -> Result<Option<RecordType>, BadBody> {
    body.parsed("type", "a record type such as TXT", |text| {
        RecordType::from_str(&text.to_ascii_uppercase()).ok()
    })
}

fn times(body: &Body) -> Result<Option<u64>, BadBody> {
    match body.number("times")? {
        Some(0) => Err(BadBody::Value { field: "times", expected: "1 or more", found: "0".to_owned() }),
        times => Ok(times),
    }
}

fn duration(body: &Body, field: &'static str) -> Result<Duration, BadBody> {
    let read = |text: &str| text.parse().ok().map(|Span(duration)| duration);
    Ok(body.parsed(field, "a duration such as 250ms", read)?.unwrap_or_default())
}

/// The path that a fault is for: given as such, or by token.
fn path(body: &Body) -> Result<String, BadBody> {
    match body.text("path")? {
        "" => Ok(format!("{TOKENS}{}", body.required("token")?)),
        path => Ok(path.to_owned()),
    }
}

/// Response codes by name.
const CODES: [(&str, u8); 11] = [
    ("NOERROR", 0),
    ("FORMERR", 1),
    ("SERVFAIL", 2),
    ("NXDOMAIN", 3),
    ("NOTIMP", 4),
    ("REFUSED", 5),
    ("YXDOMAIN", 6),
    ("YXRRSET", 7),
    ("NXRRSET", 8),
    ("NOTAUTH", 9),
    ("NOTZONE", 10),
];

fn code(text: &str) -> Option<u8> {
    let named = CODES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, code)| *code);
    named.or_else(|| text.parse().ok().filter(|code| *code < 16))
}
