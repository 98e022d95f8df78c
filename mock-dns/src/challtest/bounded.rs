//! Collections that forget their oldest entries, so that a server that runs for weeks does not grow.

use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};

/// A map of at most so many keys; the key that was added first goes first.
#[derive(Debug)]
pub(crate) struct Bounded<K, V> {
    max: usize,
    next: u64,
    entries: BTreeMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
}

impl<K: Ord + Clone, V> Bounded<K, V> {
    pub(crate) fn new(max: usize) -> Self {
        Bounded { max: max.max(1), next: 0, entries: BTreeMap::new(), order: BTreeMap::new() }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// The value of `key`, made when it is not there.
    pub(crate) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if !self.entries.contains_key(&key) {
            if self.entries.len() >= self.max
                && let Some((_, oldest)) = self.order.pop_first()
            {
                self.entries.remove(&oldest);
            }
            self.order.insert(self.next, key.clone());
            self.next += 1;
        }
        let age = self.next - 1;
        &mut self.entries.entry(key).or_insert_with(|| (age, make())).1
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        self.entry(key, || value);
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (age, value) = self.entries.remove(key)?;
        self.order.remove(&age);
        Some(value)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.order.clear();
    }
}

/// A row of at most so many entries, oldest first.
#[derive(Debug)]
pub(crate) struct Recent<E> {
    max: usize,
    entries: VecDeque<E>,
}

impl<E> Recent<E> {
    pub(crate) fn new(max: usize) -> Self {
        Recent { max, entries: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, entry: E) {
        self.entries.push_back(entry);
        while self.entries.len() > self.max {
            self.entries.pop_front();
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &E> {
        self.entries.iter()
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&E) -> bool) {
        self.entries.retain(keep);
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list of pairs.
        #[test]
        fn a_map_forgets_its_oldest_key(steps in prop::collection::vec((0u8..8, any::<u8>(), 0u8..3), 0..60)) {
            let mut map = Bounded::new(4);
            let mut model: Vec<(u8, u8)> = Vec::new();
            for (key, value, what) in steps {
                let there = model.iter().position(|(k, _)| *k == key);
                match what {
                    0 => {
                        *map.entry(key, || value) = value;
                        match there {
                            Some(at) => model[at].1 = value,
                            None => model.push((key, value)),
                        }
                    }
                    1 => {
                        map.insert(key, value);
                        there.map(|at| model.remove(at));
                        model.push((key, value));
                    }
                    _ => {
                        let removed = map.remove(&key);
                        prop_assert_eq!(removed, there.map(|at| model.remove(at).1));
                    }
                }
                if model.len() > 4 {
                    model.remove(0);
                }
                for key in 0..8 {
                    let expected = model.iter().find(|(k, _)| *k == key).map(|(_, v)| v);
                    prop_assert_eq!(map.get(&key), expected);
                }
                prop_assert_eq!(map.order.len(), map.entries.len());
            }
        }
    }

    #[test]
    fn a_row_forgets_its_oldest_entries() {
        let mut row = Recent::new(2);
        (0..5).for_each(|n| row.push(n));
        assert_eq!(row.iter().copied().collect::<Vec<_>>(), [3, 4]);
        let mut none = Recent::new(0);
        none.push(1);
        assert_eq!(none.iter().count(), 0);
    }
}
