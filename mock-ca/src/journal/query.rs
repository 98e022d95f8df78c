//! Asking the journal: which of its entries.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use world::Timestamp;

use super::Entry;
use crate::dialect::Endpoint;
use crate::faults::Identifier;

/// What entries must be to be given; nothing said is all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Query {
    /// Entries with a higher number than this.
    pub since: Option<u64>,
    /// Requests to this resource.
    pub endpoint: Option<Endpoint>,
    /// About this account.
    pub account: Option<u64>,
    /// About this name, or with a point in front a name below it.
    pub identifier: Option<Identifier>,
    /// With this name of the event.
    pub event: Option<String>,
    /// Answers with this status.
    pub status: Option<u16>,
    /// With this type of problem.
    pub problem: Option<String>,
    /// At this time or later.
    pub after: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// So many at most, the oldest first.
    pub limit: Option<usize>,
}

/// The entries that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// What to ask for as `since` to get what comes after.
    pub next: u64,
    /// How many entries are not in memory any more, of all that there ever were.
    pub dropped: u64,
}

impl Query {
    /// Whether an entry is asked for, its number apart.
    fn fits(&self, entry: &Entry) -> bool {
        let event = &entry.event;
        self.event.as_ref().is_none_or(|name| name == event.name())
            && self.endpoint.is_none_or(|endpoint| event.endpoint() == Some(endpoint))
            && self.account.is_none_or(|account| event.account() == Some(account))
            && self.status.is_none_or(|status| event.status() == Some(status))
            && self.problem.as_ref().is_none_or(|problem| event.problem() == Some(problem))
            && self.after.is_none_or(|after| after <= entry.at)
            && self.until.is_none_or(|until| entry.at < until)
            && self
                .identifier
                .as_ref()
                .is_none_or(|wanted| event.names().iter().any(|name| wanted.fits(name)))
    }

    /// The entries of `all`, whose numbers have no gaps, that are asked for.
    pub(super) fn page(&self, all: &VecDeque<Entry>, dropped: u64) -> Page {
        let since = self.since.unwrap_or(0);
        let first = all.front().map_or(1, |entry| entry.seq);
        let skipped = usize::try_from(since.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let limit = self.limit.unwrap_or(usize::MAX);
        let mut page = Page { entries: Vec::new(), next: since, dropped };
        for entry in all.iter().skip(skipped) {
            if page.entries.len() >= limit {
                break;
            }
            page.next = entry.seq;
            if self.fits(entry) {
                page.entries.push(entry.clone());
            }
        }
        page
    }
}
