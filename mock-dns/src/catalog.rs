//! The zones of a server: which one answers for a name, and what each reader sees of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::rr::{LowerName, RecordType};
use world::Instant;

use crate::error::ZoneError;
use crate::zone::{Change, Copy, Edit, Records};

/// A mutex whose holder cannot leave it inconsistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The view of whoever no view is for.
pub(crate) const EVERYBODY: usize = 0;

/// The n-th change takes the n-th delay; the last one repeats, and none is no delay.
fn nth(delays: &[Duration], n: usize) -> Duration {
    delays.get(n).or(delays.last()).copied().unwrap_or_default()
}

/// A zone that can change while it is served.
#[derive(Debug)]
pub(crate) struct LiveZone {
    pub(crate) origin: LowerName,
    /// The view that it belongs to.
    pub(crate) view: usize,
    state: Mutex<State>,
}

/// The zone as it was written, and the copies that lag behind.
#[derive(Debug)]
pub(crate) struct State {
    primary: Records,
    /// By reader; who has none reads the primary.
    copies: Vec<Option<Copy>>,
    /// How many changes there were.
    changes: usize,
}

impl State {
    /// The zone as it was written.
    pub(crate) fn primary(&self) -> &Records {
        &self.primary
    }

    /// The zone as `reader` sees it at `now`.
    pub(crate) fn seen_by(&mut self, reader: usize, now: Instant) -> &Records {
        match self.copies.get_mut(reader) {
            Some(Some(copy)) => copy.at(now),
            _ => &self.primary,
        }
    }

    /// Makes an edit at `now`. Reader i sees it after the delay that `delays[i]` has for this change; the
    /// first `publish.0` of them, the nameservers, so much later. Whether anything changed.
    pub(crate) fn edit(
        &mut self,
        edit: Edit,
        now: Instant,
        publish: (usize, Duration),
        delays: &[Vec<Duration>],
    ) -> Result<bool, ZoneError> {
        if !self.primary.check(&edit)? {
            return Ok(false);
        }
        let change = Arc::new(Change { edit, serial: self.primary.serial().wrapping_add(1) });
        for (reader, delays) in delays.iter().enumerate() {
            let later = if reader < publish.0 { publish.1 } else { Duration::ZERO };
            let delay = later + nth(delays, self.changes);
            if self.copies.len() <= reader {
                self.copies.push(None);
            }
            if let Some(copy) = self.copies.get_mut(reader)
                && (copy.is_some() || !delay.is_zero())
            {
                copy.get_or_insert_with(|| Copy::new(self.primary.clone())).push(now + delay, change.clone());
            }
        }
        self.primary.change(&change);
        self.changes += 1;
        Ok(true)
    }
}

impl LiveZone {
    pub(crate) fn new(view: usize, records: Records) -> Self {
        let origin = records.origin.clone();
        LiveZone {
            origin,
            view,
            state: Mutex::new(State { primary: records, copies: Vec::new(), changes: 0 }),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// All zones, by name; those of one name differ by view.
#[derive(Debug, Clone, Default)]
pub(crate) struct Catalog {
    zones: BTreeMap<LowerName, Vec<Arc<LiveZone>>>,
}

impl Catalog {
    /// Whether there is no zone.
    pub(crate) fn is_empty(&self) -> bool {
        self.zones.is_empty()
    }

    /// Adds a zone; not when its view has one of this name.
    pub(crate) fn insert(&mut self, zone: Arc<LiveZone>) -> bool {
        let same_name = self.zones.entry(zone.origin.clone()).or_default();
        let free = same_name.iter().all(|other| other.view != zone.view);
        if free {
            same_name.push(zone);
        }
        free
    }

    /// Removes a zone; whether it was there.
    pub(crate) fn remove(&mut self, origin: &LowerName, view: usize) -> bool {
        let Some(same_name) = self.zones.get_mut(origin) else { return false };
        let before = same_name.len();
        same_name.retain(|zone| zone.view != view);
        let removed = same_name.len() < before;
        if same_name.is_empty() {
            self.zones.remove(origin);
        }
        removed
    }

    /// Every zone, in canonical order of the names.
    pub(crate) fn zones(&self) -> impl Iterator<Item = &Arc<LiveZone>> {
        self.zones.values().flatten()
    }

    /// The zone of this name, as `view` has it: its own, or else everybody's.
    pub(crate) fn get(&self, origin: &LowerName, view: usize) -> Option<&Arc<LiveZone>> {
        let same_name = self.zones.get(origin)?;
        let of = |view| same_name.iter().find(|zone| zone.view == view);
        of(view).or_else(|| of(EVERYBODY))
    }

    /// The zone closest to `name` that answers for it. The parent's zone answers for DS (RFC 4035 section
    /// 3.1.4.1), when it is here.
    pub(crate) fn zone_of(&self, name: &LowerName, kind: RecordType, view: usize) -> Option<&Arc<LiveZone>> {
        let mut at = name.clone();
        let mut child = None;
        loop {
            if let Some(zone) = self.get(&at, view) {
                if kind != RecordType::DS || at != *name || at.is_root() {
                    return Some(zone);
                }
                child = Some(zone);
            }
            if at.is_root() {
                return child;
            }
            at = at.base_name();
        }
    }
}
