//! Names: the addresses that http-01 fetches from, and dns-01 (RFC 8555 section 8.4).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use tokio::sync::oneshot;
use world::resolver::{ResolveError, Resolver};

use super::{Finding, View};
use crate::db::ValidationRecord;
use crate::problem::{Problem, ProblemKind};
use crate::ra::Task;

/// Longest chain of aliases that is followed, as recursive resolvers limit it.
const ALIASES_MAX: usize = 11;

/// The addresses of a host, IPv6 first: the order in which Boulder tries them.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    pub(super) v6: Vec<IpAddr>,
    pub(super) v4: Vec<IpAddr>,
}

impl Addresses {
    pub(super) fn texts(&self) -> Vec<String> {
        self.v4.iter().chain(&self.v6).map(ToString::to_string).collect()
    }
}

/// Looks up both families at once; one that fails is forgiven when the other has addresses.
pub(super) async fn addresses(view: &View, host: &str) -> Result<Addresses, Problem> {
    let (send, receive) = oneshot::channel();
    let (resolver, name) = (view.resolver.clone(), host.to_owned());
    view.world.spawn(&format!("lookup AAAA {host}"), async move {
        // The receiver is gone only when the validation is.
        let _ = send.send(family(&resolver, &name, RecordType::AAAA).await);
    });
    let v4 = family(&view.resolver, host, RecordType::A).await;
    let v6 = receive.await.unwrap_or_else(|_| Err(String::new()));
    match (v4, v6) {
        (Err(a), Err(aaaa)) => Err(Problem::new(ProblemKind::Dns, format!("{a}; {aaaa}"))),
        (v4, v6) => Ok(Addresses { v6: v6.unwrap_or_default(), v4: v4.unwrap_or_default() }),
    }
}

async fn family(resolver: &Resolver, host: &str, kind: RecordType) -> Result<Vec<IpAddr>, String> {
    let address = |data: RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    };
    let found: Vec<_> = chase(resolver, host, kind).await?.into_iter().filter_map(address).collect();
    if found.is_empty() { Err(format!("no valid {kind} records found for {host}")) } else { Ok(found) }
}

/// The records of a name, behind its aliases if it has any. The error is what Boulder says of it.
async fn chase(resolver: &Resolver, host: &str, kind: RecordType) -> Result<Vec<RData>, String> {
    let mut name = host.to_owned();
    for _ in 0..ALIASES_MAX {
        let answer = resolver.query(&name, kind).await.map_err(|error| trouble(&error, host, kind))?;
        if answer.metadata.response_code != ResponseCode::NoError {
            return Err(trouble(&ResolveError::ServerFailure(answer.metadata.response_code), host, kind));
        }
        let mut found = Vec::new();
        let mut alias = None;
        for record in answer.answers {
            match record.data {
                RData::CNAME(target) => alias = Some(target.0.to_ascii()),
                data if data.record_type() == kind => found.push(data),
                _ => {}
            }
        }
        match alias {
            Some(target) if found.is_empty() => name = target,
            _ => return Ok(found),
        }
    }
    Err(format!("DNS problem: too many aliases looking up {kind} for {host}"))
}

fn trouble(error: &ResolveError, host: &str, kind: RecordType) -> String {
    let what = match error {
        ResolveError::ServerFailure(ResponseCode::NXDomain) => "NXDOMAIN",
        ResolveError::ServerFailure(ResponseCode::ServFail) => "SERVFAIL",
        ResolveError::ServerFailure(ResponseCode::Refused) => "REFUSED",
        ResolveError::ServerFailure(_) => "server failure at resolver",
        ResolveError::Timeout => "query timed out",
        _ => "networking error",
    };
    let hint = match error {
        ResolveError::ServerFailure(ResponseCode::NXDomain) => {
            " - check that a DNS record exists for this domain"
        }
        ResolveError::ServerFailure(ResponseCode::ServFail) => {
            " - the domain's nameservers may be malfunctioning"
        }
        _ => "",
    };
    format!("DNS problem: {what} looking up {kind} for {host}{hint}")
}

/// Looks for the digest of the key authorization among the TXT records.
pub(super) async fn validate(view: &View, task: &Task) -> Finding {
    let host = format!("_acme-challenge.{}", task.name);
    let records = vec![ValidationRecord { hostname: task.name.clone(), ..ValidationRecord::default() }];
    let failed = |problem| Finding { problem: Some(problem), records: records.clone() };
    let expected = URL_SAFE_NO_PAD.encode(world::sha256(task.key_authorization.as_bytes()));
    let answer = match chase(&view.resolver, &host, RecordType::TXT).await {
        Ok(answer) => answer,
        Err(detail) => return failed(Problem::new(ProblemKind::Dns, detail)),
    };
    let texts: Vec<String> = answer
        .into_iter()
        .filter_map(|data| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .collect();
    if texts.contains(&expected) {
        return Finding { problem: None, records };
    }
    failed(Problem::unauthorized(match texts.as_slice() {
        [] => format!("No TXT record found at {host}"),
        [one] => format!("Incorrect TXT record {one:?} found at {host}"),
        [first, more @ ..] => {
            format!("Incorrect TXT record {first:?} (and {} more) found at {host}", more.len())
        }
    }))
}
