//! What the API server does with Events: it forgets them (`--event-ttl`).

use std::collections::BTreeMap;
use std::time::Duration;

use engine::api::{Kind, ObjectKey};
use engine::store::{ChangeType, Store};
use world::{Instant, World};

/// Deletes each Event when `ttl` has passed since it was last written; zero keeps them.
pub(super) fn start(world: &World, store: &Store, ttl: Duration) {
    if ttl.is_zero() {
        return;
    }
    let (mut watch, store, clock) = (store.watch(Kind::Event), store.clone(), world.clone());
    world.spawn("event expiry", async move {
        let mut ends: BTreeMap<ObjectKey, Instant> = BTreeMap::new();
        let mut due: BTreeMap<(Instant, ObjectKey), ()> = BTreeMap::new();
        loop {
            let change = match due.first_key_value() {
                None => watch.next().await,
                Some(((at, _), ())) => {
                    let rest = at.since(clock.monotonic());
                    match clock.timeout(rest, watch.next()).await {
                        Ok(change) => change,
                        Err(_) => {
                            if let Some(((_, key), ())) = due.pop_first() {
                                ends.remove(&key);
                                // Somebody else may have been faster.
                                let _ = store.delete(Kind::Event, &key);
                            }
                            continue;
                        }
                    }
                }
            };
            let Some(change) = change else { return };
            let key = change.object.key();
            if let Some(at) = ends.remove(&key) {
                due.remove(&(at, key.clone()));
            }
            if change.type_ != ChangeType::Deleted {
                let at = change.at + ttl;
                ends.insert(key.clone(), at);
                due.insert((at, key), ());
            }
        }
    });
}
