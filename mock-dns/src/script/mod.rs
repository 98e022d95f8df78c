//! Scripted answers: rules as data, of which the first that fits a query decides what becomes of it.

mod asker;
mod codes;
mod occasions;

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, Name, RecordType};
use serde::{Deserialize, Serialize};
use world::{Instant, World};

pub use asker::Asker;
pub(crate) use codes::{code_name, text as code_text};
pub use occasions::Occasions;
pub(crate) use occasions::Turns;

use crate::answer::{Answer, Part};
use crate::config::{Record, kinds};
use crate::error::{RuleError, ZoneError};
use crate::journal::Transport;
use crate::rdata::{full_name, owner, value};
use crate::zone::Set;

/// A rule: which queries it fits, on which occasions, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rule {
    /// Its name, which the log has where it was applied; no two rules share one.
    pub name: String,
    /// The queries that it fits; without any condition, all.
    #[serde(default)]
    pub when: Condition,
    /// On which of those it is applied; without any limit, on all.
    #[serde(default)]
    pub occasions: Occasions,
    /// How long the answer is held back, on top of what every answer takes.
    #[serde(default, with = "world::duration::one")]
    pub delay: Duration,
    /// What is answered.
    #[serde(default)]
    pub action: Action,
}

impl Rule {
    /// A rule for every query.
    pub fn new(name: &str, action: Action) -> Self {
        Rule {
            name: name.to_owned(),
            when: Condition::default(),
            occasions: Occasions::default(),
            delay: Duration::ZERO,
            action,
        }
    }
}

/// Which queries a rule fits. All that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Condition {
    /// Exactly this name.
    pub name: Option<String>,
    /// This name, and all names below it.
    pub suffix: Option<String>,
    /// One of these types; without any, every type.
    #[serde(with = "kinds")]
    pub types: Vec<RecordType>,
    /// One of these nameservers, by name; without any, every one.
    pub servers: Vec<String>,
    /// One of these askers; without any, everybody.
    pub askers: Vec<Asker>,
    /// Over this transport; without one, over any.
    pub transport: Option<Transport>,
}

/// What is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub enum Action {
    /// What the zones say. With a delay it is a slow answer; before other rules it is an exception to them.
    #[default]
    Answer,
    /// This code, without records. NXDOMAIN and NOERROR carry the start of authority of the name's zone, as
    /// true negative answers do, so that resolvers keep them.
    Code(#[serde(with = "codes::text")] ResponseCode),
    /// Nothing: the client waits in vain, on a connection too.
    Drop,
    /// Nothing, and the connection is closed. A datagram is dropped.
    Close,
    /// The mark that the answer did not fit (TC), without records; over TCP what the zones say.
    Truncate,
    /// REFUSED, as from a server that does not serve the zone: a lame delegation.
    Refuse,
    /// What the zones say, without the mark that it is authoritative (AA): another lame delegation.
    NotAuthoritative,
    /// These records, whatever the zones say; their names are full names or `@` for the name asked for.
    Records(Vec<Record>),
    /// SERVFAIL, as from a resolver that validates, when the signatures do not hold: with the extended error
    /// 6 (RFC 8914) to clients with EDNS; a query with CD gets the answer.
    Bogus,
    /// What the zones say, the records of every section last to first.
    Reverse,
    /// Bytes that are no DNS message.
    Garbage,
    /// What the zones say, under another id: as a forged answer, which a client has to ignore.
    WrongId,
}

/// A query, as rules see it.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) name: &'a LowerName,
    pub(crate) kind: RecordType,
    pub(crate) server: &'a str,
    pub(crate) from: std::net::IpAddr,
    pub(crate) transport: Transport,
}

/// A rule in use.
#[derive(Debug)]
struct Armed {
    rule: Arc<Rule>,
    name: Option<LowerName>,
    suffix: Option<LowerName>,
    records: Arc<[Scripted]>,
    turns: Turns,
}

/// A record of a rule, and whether it is to be the record of the name that is asked for.
#[derive(Debug)]
struct Scripted {
    set: Arc<Set>,
    of_asked: bool,
}

fn scripted(record: &Record) -> Result<Scripted, ZoneError> {
    let root = Name::root();
    let of_asked = record.name == "@";
    let name = if of_asked { "." } else { record.name.trim_end_matches('.') };
    let name = if of_asked { name.to_owned() } else { format!("{name}.") };
    let name = Name::from(owner(&root, &name, record.kind)?);
    let data = value(&root, &record.name, record.kind, &record.value)?;
    let set = Set { name, kind: record.kind, ttl: record.ttl, values: vec![data] };
    Ok(Scripted { set: Arc::new(set), of_asked })
}

/// A rule that is applied.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) rule: Arc<Rule>,
    records: Arc<[Scripted]>,
}

impl Decision {
    /// The answer of a rule that has records, to a question for `asked`.
    pub(crate) fn answer(&self, asked: &Name) -> Answer {
        let part = |record: &Scripted| Part {
            set: record.set.clone(),
            owner: record.of_asked.then(|| asked.clone()),
            ttl: None,
        };
        Answer { authoritative: true, answers: self.records.iter().map(part).collect(), ..Answer::default() }
    }
}

impl Armed {
    fn new(rule: Rule) -> Result<Self, RuleError> {
        if rule.name.is_empty() {
            return Err(RuleError::NoName);
        }
        let read = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match full_name(text) {
                Some(name) => Ok(Some(LowerName::new(&name))),
                None => Err(RuleError::BadName { rule: rule.name.clone(), name: text.clone() }),
            },
        };
        let (name, suffix) = (read(&rule.when.name)?, read(&rule.when.suffix)?);
        rule.occasions
            .check()
            .map_err(|message| RuleError::Occasions { rule: rule.name.clone(), message })?;
        let records = match &rule.action {
            Action::Records(records) => records.as_slice(),
            _ => &[],
        };
        let records: Result<Vec<_>, ZoneError> = records.iter().map(scripted).collect();
        let records =
            records.map_err(|e| RuleError::Record { rule: rule.name.clone(), source: Box::new(e) })?.into();
        Ok(Armed { rule: Arc::new(rule), name, suffix, records, turns: Turns::default() })
    }

    fn fits(&self, asked: &Asked<'_>, world: &World) -> bool {
        let Condition { types, servers, askers, transport, .. } = &self.rule.when;
        self.name.as_ref().is_none_or(|name| name == asked.name)
            && self.suffix.as_ref().is_none_or(|suffix| suffix.zone_of(asked.name))
            && (types.is_empty() || types.contains(&asked.kind))
            && (servers.is_empty() || servers.iter().any(|server| server == asked.server))
            && transport.is_none_or(|transport| transport == asked.transport)
            && (askers.is_empty() || askers.iter().any(|asker| asker.is(asked.from, world)))
    }
}

/// A rule and how often it came to be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleState {
    /// The rule.
    pub rule: Rule,
    /// How many queries fitted it, within its time window, that no rule before it was applied to.
    pub fitted: u64,
    /// How many of them it was applied to.
    pub applied: u64,
}

/// The rules of a server, in order.
#[derive(Debug)]
pub(crate) struct Script {
    rules: Vec<Armed>,
    /// What the time windows are counted from.
    start: Instant,
}

impl Script {
    pub(crate) fn new(rules: Vec<Rule>, start: Instant) -> Result<Self, RuleError> {
        let mut script = Script { rules: Vec::new(), start };
        for rule in rules {
            script.add(rule, None)?;
        }
        Ok(script)
    }

    /// Adds a rule at a place, or as the last one.
    pub(crate) fn add(&mut self, rule: Rule, at: Option<usize>) -> Result<(), RuleError> {
        if self.rules.iter().any(|armed| armed.rule.name == rule.name) {
            return Err(RuleError::Duplicate { rule: rule.name });
        }
        let at = at.unwrap_or(self.rules.len()).min(self.rules.len());
        self.rules.insert(at, Armed::new(rule)?);
        Ok(())
    }

    /// Removes a rule; whether it was there.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let before = self.rules.len();
        self.rules.retain(|armed| armed.rule.name != name);
        self.rules.len() < before
    }

    pub(crate) fn states(&self) -> Vec<RuleState> {
        let state = |armed: &Armed| RuleState {
            rule: (*armed.rule).clone(),
            fitted: armed.turns.fitted,
            applied: armed.turns.applied,
        };
        self.rules.iter().map(state).collect()
    }

    /// Puts other rules in the place of these, with the same start of the time windows.
    pub(crate) fn replace(&mut self, rules: Vec<Rule>) -> Result<(), RuleError> {
        *self = Script::new(rules, self.start)?;
        Ok(())
    }

    /// The first rule that is applied to a query, which counts as one of its occasions.
    pub(crate) fn decide(&mut self, asked: &Asked<'_>, world: &World) -> Option<Decision> {
        if self.rules.is_empty() {
            return None;
        }
        let since = world.monotonic().since(self.start);
        self.rules
            .iter_mut()
            .filter(|armed| armed.fits(asked, world))
            .find_map(|armed| armed.turns.take(&armed.rule.occasions, since).then_some(&*armed))
            .map(|armed| Decision { rule: armed.rule.clone(), records: armed.records.clone() })
    }
}
