//! The garbage collector: what an object controls goes with it.

use engine::api::Kind;
use engine::store::{ChangeType, Store};
use world::World;

pub(crate) fn start(world: &World, store: &Store) {
    for kind in Kind::ALL {
        let (mut watch, store) = (store.watch(*kind), store.clone());
        world.spawn(&format!("garbage collector of {kind}"), async move {
            while let Some(change) = watch.next().await {
                if change.type_ != ChangeType::Deleted {
                    continue;
                }
                let owner = &change.object.meta().uid;
                for object in store.all() {
                    if object.meta().owner_references.iter().any(|o| o.uid == *owner) {
                        // Somebody else may have been faster.
                        let _ = store.delete(object.kind(), &object.key());
                    }
                }
            }
        });
    }
}
