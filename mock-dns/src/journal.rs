//! The log of queries.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use serde::{Deserialize, Serialize, Serializer};
use world::Timestamp;

use crate::rdata::type_text;
use crate::script::code_name;

/// How a query came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// As a datagram.
    Udp,
    /// Over a connection.
    Tcp,
    /// Over HTTPS (RFC 8484).
    Https,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Https => "https",
        })
    }
}

/// A query and how it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct QueryLogEntry {
    /// When it came.
    pub at: Timestamp,
    /// Which of the server's nameservers was asked.
    #[serde(serialize_with = "shared_text")]
    pub server: Arc<str>,
    /// Who asked.
    pub from: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// The name that was asked for, in lower case, with its final dot.
    pub name: String,
    /// The type that was asked for.
    #[serde(rename = "type", serialize_with = "kind_text")]
    pub kind: RecordType,
    /// The code of the answer.
    #[serde(with = "crate::script::code_text")]
    pub code: ResponseCode,
    /// How many records were in its answer section.
    pub answers: usize,
    /// Whether it was cut to fit a datagram.
    pub truncated: bool,
    /// Whether no answer was sent.
    pub dropped: bool,
    /// For an update, how many changes it made; then the name is the zone's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<usize>,
    /// The scripted rule that was applied.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shared_optional")]
    pub rule: Option<Arc<str>>,
}

impl QueryLogEntry {
    /// The type that was asked for: `TXT`.
    pub fn kind_name(&self) -> String {
        type_text(self.kind)
    }

    /// The code of the answer: `NOERROR`.
    pub fn code_name(&self) -> String {
        code_name(self.code)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn kind_text<S: Serializer>(kind: &RecordType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&type_text(*kind))
}

fn shared_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn shared_optional<S: Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref().serialize(serializer)
}

impl fmt::Display for QueryLogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueryLogEntry { from, transport, name, code, answers, .. } = self;
        let kind = type_text(self.kind);
        match self.changes {
            Some(changes) => write!(f, "{transport} {from} {name} update of {changes} ")?,
            None => write!(f, "{transport} {from} {name} {kind} ")?,
        }
        if self.dropped {
            f.write_str("dropped")?;
        } else {
            write!(f, "{} {answers}", code_name(*code))?;
        }
        if self.truncated {
            f.write_str(" truncated")?;
        }
        match &self.rule {
            Some(rule) => write!(f, " by {rule}"),
            None => Ok(()),
        }
    }
}

/// The last entries, oldest first.
#[derive(Debug)]
pub(crate) struct Bounded<T> {
    entries: VecDeque<T>,
    max: usize,
}

impl<T: Clone> Bounded<T> {
    /// Keeps the last `max`.
    pub(crate) fn new(max: usize) -> Self {
        Bounded { entries: VecDeque::new(), max }
    }

    pub(crate) fn push(&mut self, entry: T) {
        while !self.entries.is_empty() && self.entries.len() >= self.max {
            self.entries.pop_front();
        }
        if self.max > 0 {
            self.entries.push_back(entry);
        }
    }

    pub(crate) fn entries(&self) -> Vec<T> {
        self.entries.iter().cloned().collect()
    }

    pub(crate) fn filtered(&self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        self.entries.iter().filter(|entry| wanted(entry)).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}
