//! A map that knows which of its rows have changed, so that a store can write just those.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::RangeBounds;

/// A `BTreeMap` whose every way to change a row notes it. Whoever changes an object cannot forget to say so.
///
/// Nothing is noted, nor costs anything, until [`Table::note_changes`]. Values are boxed: the half-empty nodes
/// of a map that grows at its end waste pointers instead of objects.
#[derive(Clone, Debug)]
pub struct Table<K, V> {
    rows: BTreeMap<K, Box<V>>,
    changes: Option<Changes<K, V>>,
}

/// What was touched since the last look.
#[derive(Clone, Debug)]
struct Changes<K, V> {
    /// Rows as they were; `None` for those that were not there.
    before: BTreeMap<K, Option<Box<V>>>,
    /// The keys of those that were not there, in the order of their coming.
    added: Vec<K>,
}

/// The keys of rows that are not what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<K> {
    /// All of them, in order. A key without a row is that of a row that is gone.
    pub keys: Vec<K>,
    /// Those that are new, in the order of their coming.
    pub added: Vec<K>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Table { rows: BTreeMap::new(), changes: None }
    }
}

impl<K, V> Default for Changes<K, V> {
    fn default() -> Self {
        Changes { before: BTreeMap::new(), added: Vec::new() }
    }
}

impl<K: Ord, V> Table<K, V> {
    /// The row of this key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.rows.get(key).map(Box::as_ref)
    }

    /// Whether there is such a row.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.rows.contains_key(key)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All rows, by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter(self.rows.iter())
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> {
        self.rows.keys()
    }

    /// All rows without their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.rows.values().map(Box::as_ref)
    }

    /// The rows of these keys.
    pub fn range<Q: Ord + ?Sized>(
        &self,
        keys: impl RangeBounds<Q>,
    ) -> impl DoubleEndedIterator<Item = (&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.rows.range(keys).map(|(key, row)| (key, row.as_ref()))
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> Table<K, V> {
    /// The row of this key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        if let Some(changes) = &mut self.changes
            && let Some((key, row)) = self.rows.get_key_value(key)
        {
            changes.before.entry(key.clone()).or_insert_with(|| Some(row.clone()));
        }
        self.rows.get_mut(key).map(Box::as_mut)
    }

    /// Puts a row in the place of the one that has this key, if there is one.
    pub fn insert(&mut self, key: K, row: V) -> Option<V> {
        let Some(changes) = &mut self.changes else {
            return self.rows.insert(key, Box::new(row)).map(|b| *b);
        };
        let old = self.rows.insert(key.clone(), Box::new(row));
        if let btree_map::Entry::Vacant(entry) = changes.before.entry(key) {
            if old.is_none() {
                changes.added.push(entry.key().clone());
            }
            entry.insert(old.clone());
        }
        old.map(|row| *row)
    }

    /// Takes a row out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (key, row) = self.rows.remove_entry(key)?;
        if let Some(changes) = &mut self.changes {
            changes.before.entry(key).or_insert_with(|| Some(row.clone()));
        }
        Some(*row)
    }

    /// From now on, notes what changes.
    pub fn note_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// Whether changes are noted.
    pub fn notes_changes(&self) -> bool {
        self.changes.is_some()
    }

    /// What is not what it was at the last call. Rows that were only lent out, or are back to what they were,
    /// are not among it.
    pub fn take_changes(&mut self) -> Changed<K> {
        let mut changed = Changed { keys: Vec::new(), added: Vec::new() };
        let Some(changes) = self.changes.as_mut().filter(|changes| !changes.before.is_empty()) else {
            return changed;
        };
        let Changes { before, added } = std::mem::take(changes);
        changed.added = added.into_iter().filter(|key| self.rows.contains_key(key)).collect();
        changed.keys = before
            .into_iter()
            .filter(|(key, old)| self.rows.get(key) != old.as_ref())
            .map(|(k, _)| k)
            .collect();
        changed
    }
}

/// The rows of a table, by key.
#[derive(Debug)]
pub struct Iter<'a, K, V>(btree_map::Iter<'a, K, Box<V>>);

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, row)| (key, row.as_ref()))
    }
}

impl<'a, K: Ord, V> IntoIterator for &'a Table<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_that_was_only_looked_at_has_not_changed() {
        let mut table = Table::default();
        table.insert(1, 'a');
        assert!(!table.notes_changes());
        table.note_changes();
        table.insert(2, 'b');
        assert_eq!(table.take_changes(), Changed { keys: vec![2], added: vec![2] });
        *table.get_mut(&2).unwrap() = 'c';
        *table.get_mut(&2).unwrap() = 'b';
        assert_eq!(table.get_mut(&1), Some(&mut 'a'));
        assert_eq!(table.take_changes(), Changed { keys: vec![], added: vec![] });
    }

    #[test]
    fn new_rows_are_told_in_the_order_of_their_coming() {
        let mut table = Table::default();
        table.note_changes();
        for key in [5, 3, 9] {
            table.insert(key, ());
        }
        table.remove(&3);
        assert_eq!(table.take_changes(), Changed { keys: vec![5, 9], added: vec![5, 9] });
    }

    proptest! {
        /// A copy that is given the changed rows only is the same map, and none of them is told in vain.
        #[test]
        fn changes_are_all_and_only_what_differs(
            steps in prop::collection::vec((0_u8..4, 0_u8..6, 0_u8..3), 0..60),
        ) {
            let mut table: Table<u8, u8> = Table::default();
            let mut copy: BTreeMap<u8, u8> = BTreeMap::new();
            table.note_changes();
            for (step, key, value) in steps {
                match step {
                    0 => drop(table.insert(key, value)),
                    1 => drop(table.get_mut(&key).map(|row| *row = value)),
                    2 => drop(table.remove(&key)),
                    _ => {
                        let changed = table.take_changes();
                        for key in &changed.keys {
                            prop_assert_eq!(changed.added.contains(key), !copy.contains_key(key) );
                            let old = match table.get(key) {
                                Some(row) => copy.insert(*key, *row),
                                None => copy.remove(key),
                            };
                            prop_assert_ne!(old.as_ref(), table.get(key));
                        }
                        prop_assert!(changed.added.iter().all(|key| changed.keys.contains(key)));
                        let rows: BTreeMap<u8, u8> = table.iter().map(|(k, v)| (*k, *v)).collect();
                        prop_assert_eq!(&rows, &copy);
                    }
                }
            }
        }
    }
}
