//! Maps and sets for the paths that every event takes: hashed, so that a look-up among a hundred thousand keys compares
//! one of them. They cannot be iterated over, so that no order of theirs can show.

#![expect(
    clippy::disallowed_types,
    reason = "their order does not come out, and the hash is the same in every process"
)]

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash};

/// SipHash with the same key in every process.
pub(crate) type Hasher = BuildHasherDefault<DefaultHasher>;

/// Values by key.
#[derive(Debug)]
pub(crate) struct Keyed<K, V>(HashMap<K, V, Hasher>);

impl<K, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Keyed(HashMap::default())
    }
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    /// The value of a key.
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of a key, to change.
    pub(crate) fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// The value of a key, which gets the default one if it has none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.0.entry(key).or_default()
    }

    /// Sets the value of a key, and returns the one that it had.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// Takes a key away, and returns its value.
    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Keys.
#[derive(Debug)]
pub(crate) struct KeySet<K>(HashSet<K, Hasher>);

impl<K> Default for KeySet<K> {
    fn default() -> Self {
        KeySet(HashSet::default())
    }
}

impl<K: Eq + Hash> KeySet<K> {
    /// Adds a key; whether it was not there.
    pub(crate) fn insert(&mut self, key: K) -> bool {
        self.0.insert(key)
    }

    /// Whether a key is there.
    pub(crate) fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains(key)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes a key away; whether it was there.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        self.0.remove(key)
    }
}
