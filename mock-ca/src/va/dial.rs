//! From a host to a connection: its addresses, which of them are tried, and why none was reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_proto::rr::{RData, RecordType};
use world::{Elapsed, Instant, Stream};

use super::View;
use super::lookup::Lookup;
use crate::dialect::AddressChoice;
use crate::problem::Problem;

/// The addresses of a host.
#[derive(Clone, Debug, Default)]
pub(super) struct Addresses {
    v6: Vec<IpAddr>,
    v4: Vec<IpAddr>,
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(all: I) -> Self {
        let (v4, v6) = all.into_iter().partition(IpAddr::is_ipv4);
        Addresses { v6, v4 }
    }
}

impl Addresses {
    pub(super) fn texts(&self) -> Vec<String> {
        self.v4.iter().chain(&self.v6).map(ToString::to_string).collect()
    }

    /// Those that are tried, in this order.
    pub(super) fn tried(&self, choice: AddressChoice, first_hop: bool) -> Vec<IpAddr> {
        let mut tried: Vec<_> = self.v6.first().into_iter().chain(self.v4.first()).copied().collect();
        if choice == AddressChoice::FirstOnly || !first_hop {
            tried.truncate(1);
        }
        tried
    }
}

/// Looks up both families at once; one that fails is forgiven when the other has addresses. An address is
/// its own.
pub(super) async fn addresses(
    view: &View,
    lookup: &mut Lookup<'_>,
    host: &str,
) -> Result<Addresses, Problem> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(Addresses::from_iter([ip]));
    }
    if let Some(known) = view.hosts.get(host) {
        return Ok(known.iter().copied().collect());
    }
    let a = lookup.ask(host, RecordType::A).await;
    let aaaa = lookup.ask(host, RecordType::AAAA).await;
    let v4 = family(lookup, a, host, RecordType::A).await;
    let v6 = family(lookup, aaaa, host, RecordType::AAAA).await;
    match (v4, v6) {
        (Err(a), Err(aaaa)) => Err(Problem::answer(view.answers.validation_dns, format!("{a}; {aaaa}"))),
        (v4, v6) => Ok(Addresses { v6: v6.unwrap_or_default(), v4: v4.unwrap_or_default() }),
    }
}

async fn family(
    lookup: &mut Lookup<'_>,
    question: usize,
    host: &str,
    kind: RecordType,
) -> Result<Vec<IpAddr>, String> {
    let address = |data: RData| match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    };
    let found: Vec<_> = lookup.data(question, host).await?.into_iter().filter_map(address).collect();
    if found.is_empty() { Err(format!("no valid {kind} records found for {host}")) } else { Ok(found) }
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum DialError {
    /// The system said so.
    Failed(io::Error),
    /// Nothing said anything.
    Timeout,
}

impl DialError {
    /// What Boulder says of it.
    pub(super) fn text(&self) -> &'static str {
        match self {
            DialError::Failed(error) => io_text(error.kind()),
            DialError::Timeout => "Timeout during connect (likely firewall problem)",
        }
    }
}

/// What Boulder says of a server that was reached and is silent.
pub(super) const SILENT: &str = "Timeout after connect (your server may be slow or overloaded)";

/// What Boulder says of a broken connection.
pub(super) fn io_text(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ConnectionRefused => "Connection refused",
        io::ErrorKind::ConnectionReset => "Connection reset by peer",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "Network unreachable",
        _ => "Error getting validation data",
    }
}

/// What is left of `limit` when a validation must be over at `deadline`.
pub(super) fn left(view: &View, limit: Duration, deadline: Instant) -> Duration {
    limit.min(deadline.since(view.world.monotonic()))
}

/// Connects.
pub(super) async fn dial(view: &View, to: SocketAddr, deadline: Instant) -> Result<Stream, DialError> {
    let limit = left(view, view.rules.dial, deadline);
    let dialled = view.world.timeout(limit, view.world.connect(to)).await;
    dialled.map_err(|Elapsed| DialError::Timeout)?.map_err(DialError::Failed)
}
