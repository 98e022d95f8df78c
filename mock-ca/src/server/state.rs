//! All that changes, behind its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use world::Rng;

use crate::db::{Db, PromiseKey};
use crate::dialect::{Dialect, Endpoint};
use crate::draws::Draws;
use crate::limits::Limits;
use crate::state::{Loaded, Store};
use crate::wfe::nonce::Nonces;
use crate::wfe::reply::Job;

/// All that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) db: Db,
    pub(crate) nonces: Nonces,
    pub(crate) draws: Draws,
    pub(crate) limits: Limits,
    pub(crate) rng: Rng,
    pub(super) visits: BTreeMap<Endpoint, usize>,
    pub(super) validations: usize,
    /// Promises that are being kept at this moment.
    pub(super) running: BTreeSet<PromiseKey>,
}

impl State {
    /// Remembers what an answer promises, where it must outlive the process.
    pub(crate) fn promise(&mut self, jobs: &[Job]) {
        if self.db.promises.notes_changes() {
            for job in jobs {
                let (key, promise) = job.promise();
                self.db.promises.insert(key, promise);
            }
        }
    }

    /// Goes back, or on, to what was kept.
    pub(super) fn restore(&mut self, loaded: Loaded, dialect: &Dialect, now: world::Timestamp) {
        self.db.restore(loaded.db, dialect.order_reuse);
        self.limits.restore(loaded.limits, now);
        // The first call has changes noted from here on.
        self.limits.take_dirty();
    }

    /// A promise is kept.
    pub(super) fn kept(&mut self, key: PromiseKey) {
        self.running.remove(&key);
        self.db.promises.remove(&key);
    }
}

/// The state, locked. What has changed is handed to the store before anybody else can see it.
#[derive(Debug)]
pub(crate) struct StateGuard<'a> {
    pub(super) state: MutexGuard<'a, State>,
    pub(super) store: Option<&'a Store>,
}

impl Deref for StateGuard<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        if let Some(store) = self.store {
            let state = &mut *self.state;
            store.submit(&mut state.db, &mut state.limits);
        }
    }
}
