//! What a call does to the records, once it is let in.

use hickory_proto::rr::RecordType;

use super::api::{ApiError, Call, Given, Provider, Row, Task, Write};
use super::config::{Adds, Deletes, Operation, Outcome};
use super::ids::Key;
use crate::catalog::lock;
use crate::config::Record;
use crate::rdata::full_name;
use crate::server::flat;

/// What stands for the values of a name and type, so that a writer can say which it has seen.
pub(super) fn tag(rows: &[Row]) -> String {
    let mut values: Vec<String> = rows.iter().map(|row| format!("{} {}\n", row.ttl, row.value)).collect();
    values.sort();
    // FNV-1a.
    let hash = values.concat().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

impl Provider {
    pub(super) async fn carry_out(
        &self,
        call: &Call,
        zones: &[String],
        write: bool,
    ) -> Result<Given, ApiError> {
        let mine = |name: &str| zones.is_empty() || zones.iter().any(|zone| same_zone(zone, name));
        if call.operation == Operation::ListZones {
            let hidden = self.missing_zones();
            let names: Vec<String> = self
                .0
                .dns
                .zones()
                .into_iter()
                .filter(|z| mine(z) && !hidden.iter().any(|h| same_zone(h, z)))
                .collect();
            let mut ids = lock(&self.0.ids);
            return Ok(Given::Zones(names.into_iter().map(|name| (ids.zone(&name), name)).collect()));
        }
        let name = self.zone_name(&call.zone);
        let served = self.0.dns.zones().into_iter().find(|zone| same_zone(zone, &name) && mine(zone));
        let Some(name) = served else { return Err(ApiError::ZoneMissing(call.zone.clone())) };
        let zone = (lock(&self.0.ids).zone(&name), name);
        let rows = match &call.task {
            Task::Zone => return Ok(Given::Done { zone }),
            Task::Records { name, kind } => {
                let wanted = match name {
                    Some(name) => Some(full(&zone.1, name)?),
                    None => None,
                };
                let rows = self.rows(&zone.1, true);
                let fits = |row: &Row| {
                    wanted.as_ref().is_none_or(|full| row.full.eq_ignore_ascii_case(full))
                        && kind.is_none_or(|kind| row.kind == kind)
                };
                rows.into_iter().filter(fits).collect()
            }
            Task::Record(id) => {
                let row = self.rows(&zone.1, true).into_iter().find(|row| row.id == *id);
                vec![row.ok_or(ApiError::RecordMissing)?]
            }
            Task::Set { name, kind } => {
                let rows = self.set_rows(&zone.1, name, *kind, true)?;
                if rows.is_empty() {
                    return Err(ApiError::RecordMissing);
                }
                rows
            }
            Task::Create(record) => self.create(&zone.1, record, write).await?,
            Task::Update(id, record) => self.update(&zone.1, *id, record, write).await?,
            Task::Delete(id) => {
                self.delete(&zone.1, *id, write).await?;
                return Ok(Given::Done { zone });
            }
            Task::PutSet(record, seen) => {
                self.precondition(&zone.1, &record.name, record.kind, seen.as_deref())?;
                if write {
                    let values: Vec<&str> = record.values.iter().map(String::as_str).collect();
                    self.0.dns.set(&full(&zone.1, &record.name)?, record.kind, record.ttl, &values)?;
                }
                self.set_rows(&zone.1, &record.name, record.kind, false)?
            }
            Task::DeleteSet { name, kind, tag } => {
                self.precondition(&zone.1, name, *kind, tag.as_deref())?;
                let name = full(&zone.1, name)?;
                let there = if write {
                    self.0.dns.remove(&name, *kind)?
                } else {
                    !self.0.dns.values(&name, *kind)?.is_empty()
                };
                return if there { Ok(Given::Done { zone }) } else { Err(ApiError::RecordMissing) };
            }
        };
        Ok(Given::Rows { zone, rows })
    }

    /// Zones that a rule hides from lists now.
    fn missing_zones(&self) -> Vec<String> {
        let since = self.0.dns.now().since(*lock(&self.0.start));
        let rules = lock(&self.0.rules);
        let hidden = rules.iter().filter(|(rule, _)| {
            rule.outcome == Outcome::ZoneMissing
                && rule.occasions.in_window(since)
                && rule.when.accounts.is_empty()
        });
        hidden.flat_map(|(rule, _)| rule.when.zones.clone()).collect()
    }

    fn precondition(
        &self,
        zone: &str,
        name: &str,
        kind: RecordType,
        seen: Option<&str>,
    ) -> Result<(), ApiError> {
        let Some(seen) = seen else { return Ok(()) };
        let now = self.set_rows(zone, name, kind, false)?;
        if tag(&now) == seen { Ok(()) } else { Err(ApiError::Changed) }
    }

    /// All records but the start of authority, by their numbers; as of a while ago when lists lag.
    fn rows(&self, zone: &str, lagging: bool) -> Vec<Row> {
        let Some(live) = self.0.dns.zone(zone) else { return Vec::new() };
        let records = {
            let mut state = live.state();
            if lagging { flat(state.seen_by(self.0.lists, self.0.dns.now())) } else { flat(state.primary()) }
        };
        let mut ids = lock(&self.0.ids);
        let row = |record: Record| {
            let key: Key = (zone.to_owned(), record.name.clone(), record.kind, record.value.clone());
            let name = relative(&record.name, zone);
            let Record { name: full, kind, ttl, value } = record;
            Row { id: ids.of(&key), full, name, kind, ttl, value }
        };
        let records = records.into_iter().filter(|record| record.kind != RecordType::SOA);
        let mut rows: Vec<Row> = records.map(row).collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    fn set_rows(
        &self,
        zone: &str,
        name: &str,
        kind: RecordType,
        lagging: bool,
    ) -> Result<Vec<Row>, ApiError> {
        let full = full(zone, name)?;
        let rows = self.rows(zone, lagging).into_iter();
        Ok(rows.filter(|row| row.kind == kind && row.full.eq_ignore_ascii_case(&full)).collect())
    }

    async fn create(&self, zone: &str, record: &Write, write: bool) -> Result<Vec<Row>, ApiError> {
        let full = full(zone, &record.name)?;
        let [value] = record.values.as_slice() else {
            return Err(ApiError::Bad("expected one value".to_owned()));
        };
        let before = self.0.dns.values(&full, record.kind)?;
        let canonical = self.canonical(zone, record, value)?;
        if before.contains(&canonical) {
            return Err(ApiError::Exists);
        }
        let key: Key = (zone.to_owned(), full.to_ascii_lowercase(), record.kind, canonical.clone());
        let id = lock(&self.0.ids).renew(key);
        if write {
            self.rewrite(&full, record.kind, record.ttl, before, Some(&canonical), None).await?;
        }
        let Write { kind, ttl, .. } = *record;
        Ok(vec![Row { id, name: relative(&full, zone), full, kind, ttl, value: canonical }])
    }

    async fn update(&self, zone: &str, id: u64, record: &Write, write: bool) -> Result<Vec<Row>, ApiError> {
        let old =
            self.rows(zone, false).into_iter().find(|row| row.id == id).ok_or(ApiError::RecordMissing)?;
        let full = full(zone, &record.name)?;
        let [value] = record.values.as_slice() else {
            return Err(ApiError::Bad("expected one value".to_owned()));
        };
        let canonical = self.canonical(zone, record, value)?;
        let same_set = old.kind == record.kind && old.full.eq_ignore_ascii_case(&full);
        if write {
            if !same_set {
                self.0.dns.remove_value(&old.full, old.kind, &old.value)?;
            }
            let before = self.0.dns.values(&full, record.kind)?;
            let gone = same_set.then_some(old.value.as_str());
            self.rewrite(&full, record.kind, record.ttl, before, Some(&canonical), gone).await?;
            let key: Key = (zone.to_owned(), full.to_ascii_lowercase(), record.kind, canonical.clone());
            lock(&self.0.ids).rename(id, key);
        }
        let Write { kind, ttl, .. } = *record;
        Ok(vec![Row { id, name: relative(&full, zone), full, kind, ttl, value: canonical }])
    }

    async fn delete(&self, zone: &str, id: u64, write: bool) -> Result<(), ApiError> {
        let row =
            self.rows(zone, false).into_iter().find(|row| row.id == id).ok_or(ApiError::RecordMissing)?;
        if !write {
            return Ok(());
        }
        match self.0.config.deletes {
            Deletes::Set => {
                self.0.dns.remove(&row.full, row.kind)?;
                Ok(())
            }
            Deletes::Value => {
                let before = self.0.dns.values(&row.full, row.kind)?;
                self.rewrite(&row.full, row.kind, row.ttl, before, None, Some(&row.value)).await
            }
        }
    }

    /// Adds a value to a set and takes one away: as one step each, or by reading and writing the whole set
    /// with time in between, as the configuration says.
    async fn rewrite(
        &self,
        full: &str,
        kind: RecordType,
        ttl: u32,
        before: Vec<String>,
        add: Option<&str>,
        remove: Option<&str>,
    ) -> Result<(), ApiError> {
        let dns = &self.0.dns;
        let replaces = self.0.config.adds == Adds::Replace && add.is_some() && remove.is_none();
        let takes = self.0.config.write_time;
        if !takes.is_zero() || replaces {
            if !takes.is_zero() {
                self.world().sleep(takes).await;
            }
            let kept = before.iter().map(String::as_str).filter(|v| !replaces && Some(*v) != remove);
            let values: Vec<&str> = kept.chain(add).collect();
            return Ok(dns.set(full, kind, ttl, &values)?);
        }
        if let Some(value) = remove
            && remove != add
        {
            dns.remove_value(full, kind, value)?;
        }
        if let Some(value) = add {
            dns.add(full, kind, ttl, value)?;
        }
        Ok(())
    }

    /// A value as the server writes it.
    fn canonical(&self, zone: &str, record: &Write, value: &str) -> Result<String, ApiError> {
        let origin = full_name(zone).ok_or_else(|| ApiError::ZoneMissing(zone.to_owned()))?;
        let data = crate::rdata::value(&origin, &record.name, record.kind, value)?;
        Ok(crate::rdata::value_text(&data))
    }
}

pub(super) fn same_zone(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}

/// A full name of one that is relative to `zone`, `@`, or full within it.
fn full(zone: &str, name: &str) -> Result<String, ApiError> {
    let origin = full_name(zone).ok_or_else(|| ApiError::ZoneMissing(zone.to_owned()))?;
    let name = if name.is_empty() { "@" } else { name };
    Ok(crate::rdata::owner(&origin, name, RecordType::ANY)
        .map_err(|_| ApiError::Bad(format!("{name:?} is no name within {zone}")))?
        .to_string())
}

/// A full name as it is called within its zone.
pub(super) fn relative(full: &str, zone: &str) -> String {
    let full = full.trim_end_matches('.');
    let (zone, lower) = (zone.to_ascii_lowercase(), full.to_ascii_lowercase());
    if lower == zone {
        return "@".to_owned();
    }
    let suffix = format!(".{zone}");
    full.get(..full.len().saturating_sub(suffix.len()))
        .filter(|_| lower.ends_with(&suffix))
        .unwrap_or(full)
        .to_owned()
}
