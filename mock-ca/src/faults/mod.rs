//! Faults on demand: rules that say which calls go wrong, and how.
//!
//! [`Faults`] is a pure machine: it is shown each call ([`Facts`]) and gives what is to be done
//! ([`Effects`]); who asks it does the waiting, the closing and the answering (`apply`). It counts, and
//! draws only for rules with a `chance`, from a stream of the rule's own.
//!
//! **Every rule sees every call**, in the order of the script, and counts those that fit it, so a rule
//! means the same with and without others beside it. All rules that strike have their effect: delays add up,
//! and where two rules want the same part of an answer (its status and problem, its body, one header,
//! the closing), the one that comes first in the script has it.

pub(crate) mod apply;
mod calls;
mod chain;
mod cut;
mod effects;
pub(crate) mod facts;
mod form;
pub mod line;
mod manage;
mod rule;
mod script;
mod select;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use world::{Rng, Timestamp};

pub use calls::{BadCalls, Calls};
pub use effects::{Answer, Draw, Effects, Hit, Issuance, Nonce, ObjectFault};
pub use form::BadRule;
pub use manage::{SharedFaults, routes};
pub use rule::{
    Action, DropAt, FaultProblem, FaultSubproblem, Per, Phase, ProblemType, Rule, When, WrongChain,
};
pub(crate) use script::explain;
pub use script::{Script, ScriptError};
pub use select::{BadMoment, BadPeer, Endpoints, Identifier, Moment, PeerRange};

use crate::dialect::Endpoint;

/// A call, as rules look at it. What it claims is not verified yet.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The resource, if the path is one.
    pub endpoint: Option<Endpoint>,
    /// HTTP method.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Where it comes from.
    pub peer: Option<IpAddr>,
    /// The last part of the account's URL.
    pub account: Option<&'a str>,
    /// Thumbprint of the account's key.
    pub thumbprint: Option<&'a str>,
    /// The names that it is about.
    pub identifiers: &'a [String],
    /// When.
    pub now: Timestamp,
}

/// Probabilities are compared with a number below this.
const CHANCES: u64 = 1 << 53;

/// The rules, and how often each has struck.
#[derive(Debug)]
pub struct Faults {
    start: Timestamp,
    rng: Rng,
    armed: Vec<Armed>,
    named: u64,
}

#[derive(Debug)]
struct Armed {
    id: String,
    rule: Rule,
    rng: Rng,
    seen: u64,
    seen_per: BTreeMap<String, u64>,
    hits: u64,
}

/// A rule with its counts, for lists.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Listed {
    /// Its name.
    pub id: String,
    /// Calls that have fitted, whether they were struck or not.
    pub seen: u64,
    /// Calls that were struck.
    pub hits: u64,
    /// The rule.
    pub rule: Rule,
}

/// There is a rule of this name already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is a rule `{0}` already")]
pub struct IdTaken(pub String);

impl Faults {
    /// Rules for a server that starts at `start`.
    ///
    /// # Errors
    /// [`IdTaken`] when two rules have one name.
    pub fn new(rules: Vec<Rule>, rng: Rng, start: Timestamp) -> Result<Self, IdTaken> {
        let mut faults = Faults { start, rng, armed: Vec::new(), named: 0 };
        faults.add(rules)?;
        Ok(faults)
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.armed.is_empty()
    }

    /// Adds rules at the end, all of them or, with an error, none. Gives their names.
    ///
    /// # Errors
    /// [`IdTaken`] when a name is there already.
    pub fn add(&mut self, rules: Vec<Rule>) -> Result<Vec<String>, IdTaken> {
        let old = self.armed.len();
        for rule in rules {
            let id = match &rule.id {
                Some(id) => id.clone(),
                None => self.name(),
            };
            if self.armed.iter().any(|armed| armed.id == id) {
                self.armed.truncate(old);
                return Err(IdTaken(id));
            }
            let rng = self.rng.fork(&id);
            self.armed.push(Armed { id, rule, rng, seen: 0, seen_per: BTreeMap::new(), hits: 0 });
        }
        Ok(self.armed.iter().skip(old).map(|armed| armed.id.clone()).collect())
    }

    /// A name that no rule has and none has had.
    fn name(&mut self) -> String {
        loop {
            self.named += 1;
            let id = format!("fault-{}", self.named);
            if self.armed.iter().all(|armed| armed.id != id) {
                return id;
            }
        }
    }

    /// Removes a rule. Says whether it was there.
    pub fn remove(&mut self, id: &str) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    /// Removes all rules. Gives their names.
    pub fn clear(&mut self) -> Vec<String> {
        std::mem::take(&mut self.armed).into_iter().map(|armed| armed.id).collect()
    }

    /// All rules in their order.
    pub fn list(&self) -> Vec<Listed> {
        self.armed.iter().map(Armed::listed).collect()
    }

    /// One rule.
    pub fn get(&self, id: &str) -> Option<Listed> {
        self.armed.iter().find(|armed| armed.id == id).map(Armed::listed)
    }

    /// What happens to a call. Counts it.
    pub fn on_request(&mut self, facts: &Facts<'_>) -> Effects {
        let mut effects = Effects::default();
        let start = self.start;
        for armed in &mut self.armed {
            if !fits(&armed.rule.when, facts, start) {
                continue;
            }
            let n = armed.count(facts);
            if !counted(&armed.rule.when, n) {
                continue;
            }
            if let Some(chance) = armed.rule.when.chance {
                let struck = (armed.rng.below(CHANCES) as f64) < chance * CHANCES as f64;
                effects.draws.push(Draw { rule: armed.id.clone(), struck });
                if !struck {
                    continue;
                }
            }
            armed.hits += 1;
            effects.add(&armed.id, n, &armed.rule);
        }
        effects
    }
}

impl Armed {
    fn listed(&self) -> Listed {
        Listed { id: self.id.clone(), seen: self.seen, hits: self.hits, rule: self.rule.clone() }
    }

    /// Which call this is, from 1, of those that the rule counts together.
    fn count(&mut self, facts: &Facts<'_>) -> u64 {
        self.seen += 1;
        let key = match self.rule.when.per {
            None => return self.seen,
            Some(Per::Account) => facts.account.or(facts.thumbprint).unwrap_or_default().to_owned(),
            Some(Per::Identifier) => facts.identifiers.join(" "),
            Some(Per::Peer) => facts.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            Some(Per::Object) => facts.path.to_owned(),
        };
        let seen = self.seen_per.entry(key).or_default();
        *seen += 1;
        *seen
    }
}

/// Whether a rule counts this call at all.
fn fits(when: &When, facts: &Facts<'_>, start: Timestamp) -> bool {
    let is_account = |wanted: &String| {
        [facts.account, facts.thumbprint].into_iter().flatten().any(|account| account == wanted)
    };
    when.endpoint.contain(facts.endpoint)
        && when.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(facts.method))
        && when.after.is_none_or(|after| after.of(start) <= facts.now)
        && when.until.is_none_or(|until| facts.now < until.of(start))
        && when.peer.is_none_or(|range| facts.peer.is_some_and(|peer| range.contains(peer)))
        && when.account.as_ref().is_none_or(is_account)
        && when
            .identifier
            .as_ref()
            .is_none_or(|wanted| facts.identifiers.iter().any(|name| wanted.fits(name)))
}

/// Whether the `n`-th of the calls that fit is one that the rule means.
fn counted(when: &When, n: u64) -> bool {
    when.nth.as_ref().is_none_or(|calls| calls.contain(n))
        && when.first.is_none_or(|first| n <= first)
        && when.every.is_none_or(|every| n.is_multiple_of(every))
}

#[cfg(test)]
mod tests;
