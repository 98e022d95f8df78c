//! The log of queries.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use world::Timestamp;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// Over a connection.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        })
    }
}

/// A query and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLogEntry {
    /// When it came.
    pub at: Timestamp,
    /// Who asked.
    pub from: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The name that was asked for, in lower case, with its final dot.
    pub name: String,
    /// The type that was asked for.
    pub kind: RecordType,
    /// The code of the answer.
    pub code: ResponseCode,
    /// How many records were in its answer section.
    pub answers: usize,
    /// Whether it was cut to fit a datagram.
    pub truncated: bool,
}

impl fmt::Display for QueryLogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueryLogEntry { from, transport, name, kind, code, answers, .. } = self;
        let cut = if self.truncated { " truncated" } else { "" };
        write!(f, "{transport} {from} {name} {kind} {} {answers}{cut}", code_name(*code))
    }
}

/// The mnemonic that `dig` prints.
pub(crate) fn code_name(code: ResponseCode) -> String {
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

/// How many entries are kept.
const ENTRIES_MAX: usize = 10_000;

/// The last entries, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Journal(VecDeque<QueryLogEntry>);

impl Journal {
    pub(crate) fn push(&mut self, entry: QueryLogEntry) {
        if self.0.len() == ENTRIES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    pub(crate) fn entries(&self) -> Vec<QueryLogEntry> {
        self.0.iter().cloned().collect()
    }
}
