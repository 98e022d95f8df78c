//! A zone's records, and which of them answer a question (RFC 1034 section 4.3.2, RFC 4592).
//!
//! hickory's own in-memory zone lets a wildcard answer for names that exist with other types and for
//! names below a closer encloser; both are wrong by RFC 4592, and both decide what an ACME client sees of
//! `_acme-challenge`. Hence the search here; it is plain data and a function, without I/O.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hickory_proto::rr::{LowerName, Name, RData, RecordSet, RecordType};

use crate::error::ZoneError;
use crate::rdata::zone_text;

type Node = BTreeMap<RecordType, Arc<RecordSet>>;

/// Longest chain of aliases that is followed within a zone.
const ALIASES_MAX: usize = 8;

/// What a zone says to a question.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// These record sets; a chain of aliases first.
    Records(Vec<Arc<RecordSet>>),
    /// The name is delegated: the nameservers to ask.
    Referral(Arc<RecordSet>),
    /// The name exists, without records of this type.
    NoData,
    /// The name does not exist.
    NxDomain,
}

/// The records of a zone.
#[derive(Debug)]
pub(crate) struct Records {
    origin: LowerName,
    /// In canonical order, so that what is below a name follows it.
    nodes: BTreeMap<LowerName, Node>,
}

impl Records {
    pub(crate) fn new(origin: LowerName) -> Self {
        Records { origin, nodes: BTreeMap::new() }
    }

    /// Adds a value; one that is already there is not added again.
    pub(crate) fn add(&mut self, name: &LowerName, ttl: u32, data: RData) -> Result<(), ZoneError> {
        let kind = data.record_type();
        self.check_alias(name, kind)?;
        let node = self.nodes.entry(name.clone()).or_default();
        let set = node.entry(kind).or_insert_with(|| Arc::new(RecordSet::with_ttl(name.into(), kind, ttl)));
        if set.records_without_rrsigs().any(|r| r.data == data) {
            return Ok(());
        }
        if kind == RecordType::CNAME && !set.is_empty() {
            return Err(self.not_alone(name, kind));
        }
        Arc::make_mut(set).add_rdata(data);
        Ok(())
    }

    /// Replaces the values of one name and type; none removes them.
    pub(crate) fn set(
        &mut self,
        name: &LowerName,
        kind: RecordType,
        ttl: u32,
        values: Vec<RData>,
    ) -> Result<(), ZoneError> {
        if !values.is_empty() {
            self.check_alias(name, kind)?;
            if kind == RecordType::CNAME && values.len() > 1 {
                return Err(self.not_alone(name, kind));
            }
        }
        self.remove(name, kind);
        for data in values {
            self.add(name, ttl, data)?;
        }
        Ok(())
    }

    /// Removes the values of one name and type; whether there were any.
    pub(crate) fn remove(&mut self, name: &LowerName, kind: RecordType) -> bool {
        let Some(node) = self.nodes.get_mut(name) else { return false };
        let removed = node.remove(&kind).is_some();
        if node.is_empty() {
            self.nodes.remove(name);
        }
        removed
    }

    /// Adds one to the serial number, as every change does.
    pub(crate) fn changed(&mut self) {
        let soa = self.nodes.get_mut(&self.origin).and_then(|node| node.get_mut(&RecordType::SOA));
        if let Some(set) = soa
            && let Some(record) = set.record().cloned()
            && let RData::SOA(mut soa) = record.data
        {
            soa.serial = soa.serial.wrapping_add(1);
            let mut next = RecordSet::with_ttl(record.name, RecordType::SOA, record.ttl);
            next.add_rdata(RData::SOA(soa));
            *set = Arc::new(next);
        }
    }

    pub(crate) fn get(&self, name: &LowerName, kind: RecordType) -> Option<&Arc<RecordSet>> {
        self.nodes.get(name)?.get(&kind)
    }

    fn check_alias(&self, name: &LowerName, kind: RecordType) -> Result<(), ZoneError> {
        let others = self.nodes.get(name).map(|node| node.keys().copied().filter(|k| *k != kind));
        let mut others = others.into_iter().flatten();
        let clash = match kind {
            RecordType::CNAME => others.next().is_some(),
            _ => others.any(|k| k == RecordType::CNAME),
        };
        if clash { Err(self.not_alone(name, kind)) } else { Ok(()) }
    }

    fn not_alone(&self, name: &LowerName, kind: RecordType) -> ZoneError {
        let zone = zone_text(&Name::from(&self.origin));
        ZoneError::CnameNotAlone { zone, name: zone_text(&Name::from(name)), kind }
    }

    /// What to answer when `kind` of `name`, a name within this zone, is asked for.
    pub(crate) fn find(&self, name: &LowerName, kind: RecordType) -> Found {
        let mut chain = Vec::new();
        let mut name = name.clone();
        loop {
            let found = self.find_once(&name, kind);
            let Found::Records(sets) = found else {
                // A chain that ends outside of the zone, or nowhere, is an answer as far as it goes.
                return if chain.is_empty() { found } else { Found::Records(chain) };
            };
            let alias = match sets.first().and_then(|set| set.record()).map(|r| &r.data) {
                Some(RData::CNAME(target)) if !matches!(kind, RecordType::CNAME | RecordType::ANY) => {
                    Some(LowerName::new(&target.0))
                }
                _ => None,
            };
            chain.extend(sets);
            match alias {
                Some(target) if self.origin.zone_of(&target) && chain.len() <= ALIASES_MAX => name = target,
                _ => return Found::Records(chain),
            }
        }
    }

    /// [`Records::find`] without following an alias.
    fn find_once(&self, name: &LowerName, kind: RecordType) -> Found {
        if let Some(cut) = self.delegation(name, kind) {
            return if kind == RecordType::NS && cut.name() == &**name {
                Found::Records(vec![cut])
            } else {
                Found::Referral(cut)
            };
        }
        if self.exists(name) {
            return self.nodes.get(name).map_or(Found::NoData, |node| select(node, kind));
        }
        let Some(source) = self.source_of_synthesis(name) else { return Found::NxDomain };
        let found = self.nodes.get(&source).map_or(Found::NoData, |node| select(node, kind));
        match found {
            Found::Records(sets) => Found::Records(sets.iter().map(|set| renamed(set, name)).collect()),
            other => other,
        }
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
    fn delegation(&self, name: &LowerName, kind: RecordType) -> Option<Arc<RecordSet>> {
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

    /// Addresses of the hosts that `sets` name, for the additional section.
    pub(crate) fn additionals(&self, sets: &[Arc<RecordSet>]) -> Vec<Arc<RecordSet>> {
        let mut found: Vec<Arc<RecordSet>> = Vec::new();
        for record in sets.iter().flat_map(|set| set.records_without_rrsigs()) {
            let host = match &record.data {
                RData::NS(ns) => &ns.0,
                RData::MX(mx) => &mx.exchange,
                RData::SRV(srv) => &srv.target,
                _ => continue,
            };
            for kind in [RecordType::A, RecordType::AAAA] {
                let addresses = self.get(&LowerName::new(host), kind);
                found.extend(addresses.filter(|set| !found.contains(set)).cloned());
            }
        }
        found
    }
}

/// What a name's records answer to a type.
fn select(node: &Node, kind: RecordType) -> Found {
    if kind == RecordType::ANY {
        return Found::Records(node.values().cloned().collect());
    }
    match node.get(&kind).or(node.get(&RecordType::CNAME)) {
        Some(set) => Found::Records(vec![set.clone()]),
        None => Found::NoData,
    }
}

/// A wildcard's records as records of the name that was asked for.
fn renamed(set: &RecordSet, name: &LowerName) -> Arc<RecordSet> {
    let mut renamed = RecordSet::with_ttl(name.into(), set.record_type(), set.ttl());
    for record in set.records_without_rrsigs() {
        renamed.add_rdata(record.data.clone());
    }
    Arc::new(renamed)
}
