//! Which records of a zone answer a question (RFC 1034 section 4.3.2, RFC 4592).
//!
//! A wildcard stands in only for names that do not exist, and only the one right below the closest encloser
//! does; a name with something below it exists. Both decide what an ACME client sees of `_acme-challenge`.

use std::ops::Bound;
use std::sync::Arc;

use hickory_proto::rr::{LowerName, Name, RData, RecordType};

use super::{Node, Records, Set};

/// What a zone says to a question, aliases not yet followed.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// These records, to be given as records of the name that was asked for.
    Records(Vec<Arc<Set>>),
    /// The name is an alias of this one.
    Alias(Arc<Set>, Name),
    /// The name is delegated: the nameservers to ask.
    Referral(Arc<Set>),
    /// The name exists, without records of this type.
    NoData,
    /// The name does not exist.
    NxDomain,
}

impl Records {
    /// What to answer when `kind` of `name`, a name within this zone, is asked for.
    pub(crate) fn find(&self, name: &LowerName, kind: RecordType) -> Found {
        if let Some(cut) = self.delegation(name, kind) {
            return Found::Referral(cut);
        }
        if let Some(node) = self.nodes.get(name) {
            return select(node, kind);
        }
        if self.exists(name) {
            return Found::NoData;
        }
        let Some(source) = self.source_of_synthesis(name) else { return Found::NxDomain };
        self.nodes.get(&source).map_or(Found::NoData, |node| select(node, kind))
    }

    /// Whether the name has records, or names below it do (an empty non-terminal).
    fn exists(&self, name: &LowerName) -> bool {
        let from = (Bound::Included(name), Bound::Unbounded);
        self.nodes.range::<LowerName, _>(from).next().is_some_and(|(next, _)| name.zone_of(next))
    }

    /// The wildcard that stands in for a name which does not exist: the one right below its closest
    /// encloser, and no other (RFC 4592 section 3.3.1).
    fn source_of_synthesis(&self, name: &LowerName) -> Option<LowerName> {
        let mut encloser = name.base_name();
        while encloser != self.origin && !encloser.is_root() && !self.exists(&encloser) {
            encloser = encloser.base_name();
        }
        let wildcard = Name::from(&encloser).prepend_label("*").ok()?;
        Some(LowerName::new(&wildcard)).filter(|wildcard| self.exists(wildcard))
    }

    /// The nameservers of the zone cut that `name` lies at or below, the highest one if there are more.
    fn delegation(&self, name: &LowerName, kind: RecordType) -> Option<Arc<Set>> {
        let mut cut = None;
        let mut at = name.clone();
        while at != self.origin && !at.is_root() {
            // The parent's side answers for DS at the cut itself.
            if !(kind == RecordType::DS && at == *name) {
                cut = self.get(&at, RecordType::NS).or(cut);
            }
            at = at.base_name();
        }
        cut.cloned()
    }

    /// Addresses of the hosts that `set` names, for the additional section.
    pub(crate) fn addresses_of(&self, set: &Set, found: &mut Vec<Arc<Set>>) {
        for data in &set.values {
            let host = match data {
                RData::NS(ns) => &ns.0,
                RData::MX(mx) => &mx.exchange,
                RData::SRV(srv) => &srv.target,
                _ => continue,
            };
            let host = LowerName::new(host);
            for kind in [RecordType::A, RecordType::AAAA] {
                let addresses = self.get(&host, kind);
                found.extend(addresses.filter(|set| !found.iter().any(|f| Arc::ptr_eq(f, set))).cloned());
            }
        }
    }
}

/// What a name's records answer to a type.
fn select(node: &Node, kind: RecordType) -> Found {
    if kind == RecordType::ANY {
        return Found::Records(node.values().cloned().collect());
    }
    if let Some(set) = node.get(&kind) {
        return Found::Records(vec![set.clone()]);
    }
    match node.get(&RecordType::CNAME) {
        Some(set) => match set.values.first() {
            Some(RData::CNAME(target)) => Found::Alias(set.clone(), target.0.clone()),
            _ => Found::NoData,
        },
        None => Found::NoData,
    }
}
