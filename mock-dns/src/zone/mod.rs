//! A zone's records, and the changes that are made to them. Plain data, without I/O.

mod config;
mod copy;
mod file;
mod find;

use std::collections::BTreeMap;
use std::sync::Arc;

use hickory_proto::rr::{LowerName, Name, RData, RecordType};

use crate::error::ZoneError;
use crate::rdata::{type_text, zone_file_text, zone_text};

pub(crate) use copy::Copy;
pub(crate) use file::read as read_file;
pub(crate) use find::Found;

/// The records of one name and type. They share their TTL (RFC 2181 section 5.2).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Set {
    /// Whose they are, in lower case.
    pub(crate) name: Name,
    pub(crate) kind: RecordType,
    pub(crate) ttl: u32,
    pub(crate) values: Vec<RData>,
}

type Node = BTreeMap<RecordType, Arc<Set>>;

/// The records of a zone. A clone shares the sets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Records {
    pub(crate) origin: LowerName,
    /// In canonical order, so that what is below a name follows it.
    nodes: BTreeMap<LowerName, Node>,
}

/// One edit of a zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Edit {
    /// Adds a value; all values of the name and type get this TTL.
    Add { name: LowerName, ttl: u32, data: RData },
    /// Replaces the values of one name and type; none removes them.
    Set { name: LowerName, kind: RecordType, ttl: u32, values: Vec<RData> },
    /// Removes one value.
    Remove { name: LowerName, data: RData },
}

/// An edit, and the serial number that the zone has from then on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Change {
    pub(crate) edit: Edit,
    pub(crate) serial: u32,
}

impl Records {
    pub(crate) fn new(origin: LowerName) -> Self {
        Records { origin, nodes: BTreeMap::new() }
    }

    /// Adds a value while the zone is put together: what does not fit is refused, a value that is there is
    /// not added again, and the first TTL of a name and type counts.
    pub(crate) fn add(&mut self, name: &LowerName, ttl: u32, data: RData) -> Result<(), ZoneError> {
        let ttl = self.get(name, data.record_type()).map_or(ttl, |set| set.ttl);
        let edit = Edit::Add { name: name.clone(), ttl, data };
        self.check(&edit)?;
        self.apply(&edit);
        Ok(())
    }

    /// Whether an edit fits: a CNAME has its name for itself. Says whether it would change anything; what
    /// sets or adds counts as a change even when all is there, as nameservers count it.
    pub(crate) fn check(&self, edit: &Edit) -> Result<bool, ZoneError> {
        match edit {
            Edit::Add { name, data, .. } => {
                let kind = data.record_type();
                self.check_alias(name, kind)?;
                let other = self.get(name, kind).is_some_and(|set| !set.values.contains(data));
                if kind == RecordType::CNAME && other {
                    return Err(self.not_alone(name, kind));
                }
                Ok(true)
            }
            Edit::Set { name, kind, values, .. } if values.is_empty() => Ok(self.get(name, *kind).is_some()),
            Edit::Set { name, kind, values, .. } => {
                self.check_alias(name, *kind)?;
                if *kind == RecordType::CNAME && values.len() > 1 {
                    return Err(self.not_alone(name, *kind));
                }
                Ok(true)
            }
            Edit::Remove { name, data } => {
                Ok(self.get(name, data.record_type()).is_some_and(|set| set.values.contains(data)))
            }
        }
    }

    fn check_alias(&self, name: &LowerName, kind: RecordType) -> Result<(), ZoneError> {
        let mut others = self.nodes.get(name).into_iter().flatten().map(|(k, _)| *k).filter(|k| *k != kind);
        let clash = match kind {
            RecordType::CNAME => others.next().is_some(),
            _ => others.any(|k| k == RecordType::CNAME),
        };
        if clash { Err(self.not_alone(name, kind)) } else { Ok(()) }
    }

    fn not_alone(&self, name: &LowerName, kind: RecordType) -> ZoneError {
        ZoneError::CnameNotAlone { zone: zone_text(&self.origin), name: zone_text(name), kind }
    }

    /// Makes an edit. On a copy that has not yet seen an earlier change, a CNAME and another record can
    /// meet at one name: the later one stays.
    pub(crate) fn apply(&mut self, edit: &Edit) {
        let (name, kind, ttl) = match edit {
            Edit::Add { name, ttl, data } => (name, data.record_type(), *ttl),
            Edit::Set { name, kind, ttl, .. } => (name, *kind, *ttl),
            Edit::Remove { name, data } => (name, data.record_type(), 0),
        };
        let before = self.get(name, kind);
        let (ttl, values) = match edit {
            Edit::Add { data, .. } => {
                let mut values = before.map_or_else(Vec::new, |set| set.values.clone());
                if kind == RecordType::CNAME {
                    values.clear();
                }
                if !values.contains(data) {
                    values.push(data.clone());
                }
                (ttl, values)
            }
            Edit::Set { values, .. } => {
                let mut unique: Vec<RData> = Vec::with_capacity(values.len());
                for data in values {
                    if !unique.contains(data) {
                        unique.push(data.clone());
                    }
                }
                (ttl, unique)
            }
            Edit::Remove { data, .. } => {
                let Some(set) = before else { return };
                (set.ttl, set.values.iter().filter(|v| *v != data).cloned().collect())
            }
        };
        self.put(name, kind, ttl, values);
    }

    fn put(&mut self, name: &LowerName, kind: RecordType, ttl: u32, values: Vec<RData>) {
        if values.is_empty() {
            if let Some(node) = self.nodes.get_mut(name) {
                node.remove(&kind);
                if node.is_empty() {
                    self.nodes.remove(name);
                }
            }
            return;
        }
        let node = self.nodes.entry(name.clone()).or_default();
        match kind {
            RecordType::CNAME => node.retain(|k, _| *k == RecordType::CNAME),
            _ => {
                node.remove(&RecordType::CNAME);
            }
        }
        node.insert(kind, Arc::new(Set { name: Name::from(name), kind, ttl, values }));
    }

    /// Makes a change: the edit, and the serial number.
    pub(crate) fn change(&mut self, change: &Change) {
        self.apply(&change.edit);
        let Some((set, soa)) = self.soa().and_then(|set| match set.values.as_slice() {
            [RData::SOA(soa)] => Some((set, soa)),
            _ => None,
        }) else {
            return;
        };
        let (ttl, mut soa) = (set.ttl, soa.clone());
        soa.serial = change.serial;
        let origin = self.origin.clone();
        self.put(&origin, RecordType::SOA, ttl, vec![RData::SOA(soa)]);
    }

    /// The serial number.
    pub(crate) fn serial(&self) -> u32 {
        match self.soa().and_then(|set| set.values.first()) {
            Some(RData::SOA(soa)) => soa.serial,
            _ => 0,
        }
    }

    /// The start of authority.
    pub(crate) fn soa(&self) -> Option<&Arc<Set>> {
        self.get(&self.origin, RecordType::SOA)
    }

    pub(crate) fn get(&self, name: &LowerName, kind: RecordType) -> Option<&Arc<Set>> {
        self.nodes.get(name)?.get(&kind)
    }

    /// The sets of one name.
    pub(crate) fn sets_of(&self, name: &LowerName) -> impl Iterator<Item = &Arc<Set>> {
        self.nodes.get(name).into_iter().flat_map(BTreeMap::values)
    }

    /// Every set, in canonical order of the names.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &Arc<Set>> {
        self.nodes.values().flat_map(BTreeMap::values)
    }

    /// The zone as a zone file: the start of authority first, names in full.
    pub(crate) fn to_zone_file(&self) -> String {
        let is_soa = |set: &&Arc<Set>| set.kind == RecordType::SOA;
        let sets = self.sets().filter(is_soa).chain(self.sets().filter(|set| !is_soa(set)));
        let mut text = String::new();
        for set in sets {
            for data in &set.values {
                text.push_str(&format!(
                    "{} {} IN {} {}\n",
                    set.name,
                    set.ttl,
                    type_text(set.kind),
                    zone_file_text(data)
                ));
            }
        }
        text
    }
}
