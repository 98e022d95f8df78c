//! Objects as rows of bytes: JSON under big-endian numbers, so that a file's order is the number's.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StateError;
use super::file::StateFile;
use crate::db::{Db, Issued, Kept, Table};
use crate::limits::{Limits, Saved};

macro_rules! tables {
    ($($Table:ident = $name:literal;)+) => {
        /// A table of the file.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum TableName { $($Table,)+ }

        impl TableName {
            /// Its name there.
            pub(super) const fn as_str(self) -> &'static str {
                match self { $(TableName::$Table => $name),+ }
            }
        }
    };
}

tables! {
    Facts = "facts";
    Secrets = "secrets";
    Accounts = "accounts";
    Orders = "orders";
    OrderSequence = "order-sequence";
    Authorizations = "authorizations";
    Certificates = "certificates";
    Issuance = "issuance";
    Promises = "promises";
    Buckets = "buckets";
    Pauses = "pauses";
}

/// Rows of one table: `None` is a row that goes.
type Rows = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Rows to be written together. Of two with one key the later is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch(BTreeMap<TableName, Rows>);

impl Batch {
    pub(super) fn of(table: TableName, key: &[u8], value: Vec<u8>) -> Self {
        let mut batch = Batch::default();
        batch.put(table, key.to_vec(), value);
        batch
    }

    pub(super) fn put(&mut self, table: TableName, key: Vec<u8>, value: Vec<u8>) {
        self.0.entry(table).or_default().insert(key, Some(value));
    }

    pub(super) fn delete(&mut self, table: TableName, key: Vec<u8>) {
        self.0.entry(table).or_default().insert(key, None);
    }

    /// Adds what came later.
    pub(super) fn append(&mut self, later: Batch) {
        for (table, rows) in later.0 {
            self.0.entry(table).or_default().extend(rows);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = (TableName, &Rows)> {
        self.0.iter().map(|(table, rows)| (*table, rows))
    }

    fn json(&mut self, table: TableName, key: Vec<u8>, value: &impl Serialize) {
        // Numbers, strings and lists of them have a JSON form: this cannot fail.
        self.put(table, key, serde_json::to_vec(value).unwrap_or_default());
    }

    /// Adds the rows of a table that have changed; the keys of the new ones, in the order of their coming.
    fn table<K: Ord + Clone, V: Clone + PartialEq + Serialize>(
        &mut self,
        name: TableName,
        table: &mut Table<K, V>,
        bytes: impl Fn(&K) -> Vec<u8>,
    ) -> Vec<K> {
        let changed = table.take_changes();
        for key in &changed.keys {
            match table.get(key) {
                Some(row) => self.json(name, bytes(key), row),
                None => self.delete(name, bytes(key)),
            }
        }
        changed.added
    }
}

/// The next places in the orders of coming.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    order: u64,
    certificate: u64,
}

fn number(id: &u64) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

/// What of the database has changed since the last call.
pub(super) fn of_db(db: &mut Db, places: &mut Places) -> Batch {
    let mut batch = Batch::default();
    batch.table(TableName::Accounts, &mut db.accounts, number);
    batch.table(TableName::Authorizations, &mut db.authorizations, number);
    for id in batch.table(TableName::Orders, &mut db.orders, number) {
        batch.put(TableName::OrderSequence, number(&places.order), number(&id));
        places.order += 1;
    }
    for serial in batch.table(TableName::Certificates, &mut db.certificates, |s| s.as_bytes().to_vec()) {
        batch.put(TableName::Issuance, number(&places.certificate), serial.as_bytes().to_vec());
        places.certificate += 1;
    }
    batch.table(TableName::Promises, &mut db.promises, |key| serde_json::to_vec(key).unwrap_or_default());
    batch
}

/// What of the rate limits has changed since the last call.
pub(super) fn of_limits(limits: &mut Limits, batch: &mut Batch) {
    let Saved { buckets, paused } = limits.take_dirty();
    for level in buckets {
        let key = level.bucket.to_string().into_bytes();
        match level.full_at {
            Some(_) => batch.json(TableName::Buckets, key, &level),
            None => batch.delete(TableName::Buckets, key),
        }
    }
    for pause in paused {
        let key = [&pause.account.to_be_bytes()[..], pause.identifier.as_bytes()].concat();
        match pause.since {
            Some(_) => batch.json(TableName::Pauses, key, &pause),
            None => batch.delete(TableName::Pauses, key),
        }
    }
}

/// All that a file has but secrets.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) db: Kept,
    pub(crate) limits: Saved,
}

/// Reads all objects of a file.
pub(super) fn load(file: &StateFile) -> Result<(Loaded, Places), StateError> {
    let mut kept = Kept::default();
    let mut limits = Saved::default();
    let mut places = Places::default();
    numbered(file, TableName::Accounts, &mut kept.accounts)?;
    numbered(file, TableName::Authorizations, &mut kept.authorizations)?;

    let mut sequence: BTreeMap<u64, u64> = BTreeMap::new();
    file.read(TableName::OrderSequence, |key, id| {
        let place = read_number(key)?;
        places.order = places.order.max(place.saturating_add(1));
        sequence.insert(read_number(id)?, place);
        Ok(())
    })?;
    numbered(file, TableName::Orders, &mut kept.orders)?;
    kept.orders.sort_by_key(|(id, _)| (sequence.get(id).copied().unwrap_or(u64::MAX), *id));

    let mut issuance: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    file.read(TableName::Issuance, |key, serial| {
        let place = read_number(key)?;
        places.certificate = places.certificate.max(place.saturating_add(1));
        issuance.insert(serial.to_vec(), place);
        Ok(())
    })?;
    file.read(TableName::Certificates, |_, value| {
        kept.certificates.push(read_json(value)?);
        Ok(())
    })?;
    let place = |issued: &Issued| issuance.get(issued.serial.as_bytes()).copied().unwrap_or(u64::MAX);
    kept.certificates.sort_by_cached_key(place);

    file.read(TableName::Promises, |key, value| {
        kept.promises.push((read_json(key)?, read_json(value)?));
        Ok(())
    })?;
    kept.promises.sort_by_key(|(key, _)| *key);
    file.read(TableName::Buckets, |_, value| {
        limits.buckets.push(read_json(value)?);
        Ok(())
    })?;
    file.read(TableName::Pauses, |_, value| {
        limits.paused.push(read_json(value)?);
        Ok(())
    })?;
    Ok((Loaded { db: kept, limits }, places))
}

/// Reads all secrets of a file.
pub(super) fn load_secrets(file: &StateFile) -> Result<BTreeMap<String, Vec<u8>>, StateError> {
    let mut secrets = BTreeMap::new();
    file.read(TableName::Secrets, |key, value| {
        let name = std::str::from_utf8(key).map_err(|_| "a name that is no text".to_owned())?;
        secrets.insert(name.to_owned(), value.to_vec());
        Ok(())
    })?;
    Ok(secrets)
}

fn numbered<V: DeserializeOwned>(
    file: &StateFile,
    name: TableName,
    into: &mut Vec<(u64, V)>,
) -> Result<(), StateError> {
    file.read(name, |key, value| {
        into.push((read_number(key)?, read_json(value)?));
        Ok(())
    })
}

fn read_number(bytes: &[u8]) -> Result<u64, String> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| "a key that is no number".to_owned())
}

/// What is wrong is said without what was read: it may be a secret's neighbour.
fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}
