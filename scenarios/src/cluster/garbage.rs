//! The garbage collector: what all owners of are gone goes, too.
//!
//! As Kubernetes': an owner is known by its uid, so that a new object of the same name does not own what the old one
//! did; an object with another owner left only loses the reference; and an object that is created for an owner that has
//! gone meanwhile (by a controller whose cache is behind) is collected as well. Owners of kinds that are not served
//! here are taken to be there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use engine::api::{Kind, Object, ObjectKey, OwnerReference};
use engine::store::{Change, ChangeType, Store};
use world::World;

use crate::script::Durations;

/// The objects that name the owner of a uid.
type Dependents = BTreeMap<String, BTreeSet<(Kind, ObjectKey)>>;

/// Follows all changes from now on, and looks at all that is there. What is due is collected so much later.
pub(crate) fn start(world: &World, store: &Store, delay: &Durations) {
    let dependents = Arc::new(Mutex::new(Dependents::new()));
    let delay = delay.nth(0);
    for kind in Kind::ALL {
        let (mut watch, store, dependents) = (store.watch(*kind), store.clone(), dependents.clone());
        let world = world.clone();
        world.clone().spawn(&format!("garbage collector of {kind}"), async move {
            while let Some(change) = watch.next().await {
                let due = note(&mut dependents.lock().unwrap_or_else(PoisonError::into_inner), &change);
                if !due.is_empty() {
                    world.sleep_until(change.at + delay).await;
                }
                for (kind, key) in due {
                    collect(&store, kind, &key);
                }
            }
        });
    }
}

/// Collects what a process that ended meanwhile has left.
pub(crate) fn sweep(store: &Store) {
    let owned = |o: &Object| !o.meta().owner_references.is_empty();
    while store.all().iter().filter(|o| owned(o)).filter(|o| collect(store, o.kind(), &o.key())).count() > 0 {
    }
}

/// Remembers who names whom. What is to be looked at now: the object itself, or what named it.
fn note(dependents: &mut Dependents, change: &Change) -> Vec<(Kind, ObjectKey)> {
    let meta = change.object.meta();
    let own = (change.object.kind(), ObjectKey::of(meta));
    if change.type_ != ChangeType::Deleted {
        for owner in &meta.owner_references {
            dependents.entry(owner.uid.clone()).or_default().insert(own.clone());
        }
        return if meta.owner_references.is_empty() { Vec::new() } else { vec![own] };
    }
    for owner in &meta.owner_references {
        let Some(others) = dependents.get_mut(&owner.uid) else { continue };
        others.remove(&own);
        if others.is_empty() {
            dependents.remove(&owner.uid);
        }
    }
    dependents.remove(&meta.uid).unwrap_or_default().into_iter().collect()
}

/// Deletes the object if all its owners are gone, and else its references to those that are. Says whether it did.
fn collect(store: &Store, kind: Kind, key: &ObjectKey) -> bool {
    let Some(object) = store.get(kind, key) else { return false };
    let owners = &object.meta().owner_references;
    let left: Vec<_> = owners.iter().filter(|owner| is_there(store, &object, owner)).cloned().collect();
    if left.len() == owners.len() || object.meta().deletion_timestamp.is_some() {
        return false;
    }
    // Somebody else may have been faster; then there is another change to look at.
    if left.is_empty() {
        store.delete(kind, key).is_ok()
    } else {
        store.update(object.with_meta(|meta| meta.owner_references = left)).is_ok()
    }
}

fn is_there(store: &Store, object: &Object, owner: &OwnerReference) -> bool {
    let Some(kind) = Kind::ALL.iter().find(|kind| kind.as_str() == owner.kind) else { return true };
    let namespace = if kind.is_namespaced() { object.meta().namespace.as_str() } else { "" };
    let found = store.get(*kind, &ObjectKey::new(namespace, owner.name.as_str()));
    found.is_some_and(|found| found.meta().uid == owner.uid)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use engine::api::{CertificateRequest, Order};
    use engine::store::Names;

    use super::*;

    /// A request of this name, and how an object refers to it.
    fn request(store: &Store, name: &str) -> OwnerReference {
        let mut request = CertificateRequest::default();
        (request.metadata.namespace, request.metadata.name) = ("default".into(), name.into());
        let made = store.create(request.into()).unwrap();
        OwnerReference {
            kind: "CertificateRequest".into(),
            name: name.into(),
            uid: made.meta().uid.clone(),
            ..OwnerReference::default()
        }
    }

    /// What is left of an Order that a stale controller makes for these owners.
    fn left_of(
        owners: impl FnOnce(&Store) -> Vec<OwnerReference> + Send + 'static,
    ) -> Option<Vec<OwnerReference>> {
        let run = world::sim::run(world::sim::Config::default(), |world| async move {
            let store = Store::new(&world, Names::new(world.rng("names"), BTreeMap::new()), 1);
            start(&world, &store, &Durations::default());
            let mut order = Order::default();
            (order.metadata.namespace, order.metadata.name) = ("default".into(), "order".into());
            order.metadata.owner_references = owners(&store);
            store.create(order.into()).unwrap();
            world.sleep(Duration::from_secs(1)).await;
            let order = store.get(Kind::Order, &ObjectKey::new("default", "order"));
            order.map(|order| order.meta().owner_references.clone())
        });
        run.unwrap().value
    }

    /// A request that was there.
    fn gone(store: &Store, name: &str) -> OwnerReference {
        let owner = request(store, name);
        store.delete(Kind::CertificateRequest, &ObjectKey::new("default", name)).unwrap();
        owner
    }

    #[test]
    fn what_is_made_for_an_owner_that_is_gone_goes() {
        assert_eq!(left_of(|store| vec![gone(store, "a")]), None);
        let of_another = |store: &Store| {
            let owner = gone(store, "a");
            request(store, "a");
            vec![owner]
        };
        assert_eq!(left_of(of_another), None, "the name alone makes no owner");
        let one_left = left_of(|store| vec![gone(store, "a"), request(store, "b")]).unwrap();
        assert_eq!(one_left.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["b"]);
        let unknown = || vec![OwnerReference { kind: "Deployment".into(), ..OwnerReference::default() }];
        assert_eq!(left_of(move |_| unknown()), Some(unknown()));
    }
}
