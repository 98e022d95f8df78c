//! The numbers that a provider gives to zones and records.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;

/// What a record is known by: zone, full name, type, value.
pub(super) type Key = (String, String, RecordType, String);

/// Numbers by record and back. A record that was removed keeps its number, for lists that lag behind; one
/// that is created anew gets another.
#[derive(Debug)]
pub(super) struct Ids {
    first: u64,
    /// The number of the next record that is created.
    next: u64,
    /// The number of the next record that is found, having been there before.
    found: u64,
    by_key: BTreeMap<Key, u64>,
    by_id: BTreeMap<u64, Key>,
    zones: BTreeMap<String, u64>,
}

/// The number of the first zone.
const FIRST_ZONE: u64 = 2_000_001;

impl Ids {
    pub(super) fn new(first: u64) -> Self {
        Ids {
            first,
            next: first,
            found: 1,
            by_key: BTreeMap::new(),
            by_id: BTreeMap::new(),
            zones: BTreeMap::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Ids::new(self.first);
    }

    /// The number of a record that is there.
    pub(super) fn of(&mut self, key: &Key) -> u64 {
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let id = self.found;
        self.found += 1;
        self.number(id, key.clone())
    }

    /// A new number for a record that is created.
    pub(super) fn renew(&mut self, key: Key) -> u64 {
        let id = self.next;
        self.next += 1;
        self.number(id, key)
    }

    fn number(&mut self, id: u64, key: Key) -> u64 {
        if let Some(old) = self.by_key.insert(key.clone(), id) {
            self.by_id.remove(&old);
        }
        self.by_id.insert(id, key);
        id
    }

    /// Gives the number of one record to another, which it has become.
    pub(super) fn rename(&mut self, id: u64, key: Key) {
        if let Some(old) = self.by_id.insert(id, key.clone()) {
            self.by_key.remove(&old);
        }
        if let Some(other) = self.by_key.insert(key, id).filter(|other| *other != id) {
            self.by_id.remove(&other);
        }
    }

    pub(super) fn key(&self, id: u64) -> Option<&Key> {
        self.by_id.get(&id)
    }

    /// The number of a zone.
    pub(super) fn zone(&mut self, name: &str) -> u64 {
        let next = FIRST_ZONE + self.zones.len() as u64;
        *self.zones.entry(name.to_owned()).or_insert(next)
    }

    pub(super) fn zone_name(&self, id: u64) -> Option<&str> {
        self.zones.iter().find(|(_, known)| **known == id).map(|(name, _)| name.as_str())
    }
}
