//! The store against a small model: who wins, which versions and events come of it, and that a watch loses nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use engine::api::{Certificate, Kind, Object, ObjectKey};
use engine::store::{ApiError, Change, ChangeType, Names, Store, Watch};
use proptest::prelude::*;
use world::World;
use world::sim::{self, Config};

const KIND: Kind = Kind::Certificate;
const FINALIZER: &str = "test/finalizer";
const START: u64 = 100;

/// Which resourceVersion a write carries.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Guard {
    Fresh,
    Stale,
    /// None at all: the write is not guarded.
    Absent,
}

#[derive(Debug, Clone)]
enum Op {
    Create {
        n: u8,
        value: u8,
        held: bool,
    },
    Update {
        n: u8,
        guard: Guard,
        value: u8,
        held: bool,
    },
    UpdateStatus {
        n: u8,
        guard: Guard,
        status: u64,
    },
    Apply {
        n: u8,
        value: u8,
    },
    Delete {
        n: u8,
    },
    /// From here on a second watch looks on.
    Watch,
}

fn op() -> impl Strategy<Value = Op> {
    let guard = prop_oneof![3 => Just(Guard::Fresh), 1 => Just(Guard::Stale), 1 => Just(Guard::Absent)];
    let (n, value) = (0..3_u8, 0..3_u8);
    prop_oneof![
        2 => (n.clone(), value.clone(), any::<bool>()).prop_map(|(n, value, held)| Op::Create { n, value, held }),
        3 => (n.clone(), guard.clone(), value.clone(), any::<bool>())
            .prop_map(|(n, guard, value, held)| Op::Update { n, guard, value, held }),
        3 => (n.clone(), guard, 0..3_u64).prop_map(|(n, guard, status)| Op::UpdateStatus { n, guard, status }),
        1 => (n.clone(), value).prop_map(|(n, value)| Op::Apply { n, value }),
        2 => n.prop_map(|n| Op::Delete { n }),
        1 => Just(Op::Watch),
    ]
}

/// What the model knows of an object.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    version: u64,
    value: u8,
    status: u64,
    held: bool,
    deleting: bool,
}

impl Known {
    fn of(object: &Object) -> Self {
        let c = object.get::<Certificate>().unwrap();
        Known {
            version: c.metadata.resource_version,
            value: c.spec.secret_name.parse().unwrap(),
            status: c.status.revision.unwrap_or_default(),
            held: !c.metadata.finalizers.is_empty(),
            deleting: c.metadata.deletion_timestamp.is_some(),
        }
    }
}

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Verdict {
    Fine,
    Conflict,
    NotFound,
    AlreadyExists,
}

fn verdict(result: &Result<Object, ApiError>) -> Verdict {
    match result {
        Ok(_) => Verdict::Fine,
        Err(ApiError::Conflict { .. }) => Verdict::Conflict,
        Err(ApiError::NotFound { .. }) => Verdict::NotFound,
        Err(ApiError::AlreadyExists { .. }) => Verdict::AlreadyExists,
        Err(other) => panic!("{other}"),
    }
}

type Event = (ChangeType, u8, Known);

#[derive(Default)]
struct Model {
    objects: BTreeMap<u8, Known>,
    version: u64,
    events: Vec<Event>,
}

impl Model {
    fn step(&mut self, op: &Op) -> Verdict {
        match *op {
            Op::Watch => Verdict::Fine,
            Op::Create { n, value, held } => {
                if self.objects.contains_key(&n) {
                    return Verdict::AlreadyExists;
                }
                self.commit(n, Known { version: 0, value, status: 0, held, deleting: false });
                Verdict::Fine
            }
            Op::Apply { n, value } => {
                let new = self.objects.get(&n).cloned();
                let new = new.unwrap_or(Known { version: 0, value, status: 0, held: false, deleting: false });
                self.replace(n, Known { value, ..new });
                Verdict::Fine
            }
            Op::Update { n, guard, value, held } => {
                self.guarded(n, guard, |old| Known { value, held, ..old.clone() })
            }
            Op::UpdateStatus { n, guard, status } => {
                self.guarded(n, guard, |old| Known { status, ..old.clone() })
            }
            Op::Delete { n } => {
                let Some(old) = self.objects.get(&n).cloned() else { return Verdict::NotFound };
                if old.held {
                    self.replace(n, Known { deleting: true, ..old });
                } else {
                    self.remove(n, old);
                }
                Verdict::Fine
            }
        }
    }

    fn guarded(&mut self, n: u8, guard: Guard, change: impl FnOnce(&Known) -> Known) -> Verdict {
        let Some(old) = self.objects.get(&n) else { return Verdict::NotFound };
        if guard == Guard::Stale {
            return Verdict::Conflict;
        }
        let new = change(old);
        self.replace(n, new);
        Verdict::Fine
    }

    /// What changes nothing is no write; what is being deleted and held no more goes.
    fn replace(&mut self, n: u8, new: Known) {
        if self.objects.get(&n) == Some(&new) {
            return;
        }
        if new.deleting && !new.held {
            self.remove(n, new);
        } else {
            self.commit(n, new);
        }
    }

    fn commit(&mut self, n: u8, new: Known) {
        self.version += 1;
        let new = Known { version: self.version, ..new };
        let type_ = if self.objects.contains_key(&n) { ChangeType::Modified } else { ChangeType::Added };
        self.events.push((type_, n, new.clone()));
        self.objects.insert(n, new);
    }

    fn remove(&mut self, n: u8, last: Known) {
        self.version += 1;
        self.objects.remove(&n);
        self.events.push((ChangeType::Deleted, n, Known { version: self.version, ..last }));
    }
}

fn key(n: u8) -> ObjectKey {
    ObjectKey::new("ns", n.to_string())
}

fn certificate(n: u8, value: u8, held: bool) -> Certificate {
    let mut c = Certificate::default();
    (c.metadata.namespace, c.metadata.name) = ("ns".into(), n.to_string());
    c.spec.secret_name = value.to_string();
    if held {
        c.metadata.finalizers.push(FINALIZER.into());
    }
    c
}

fn new_store(world: &World) -> Store {
    Store::new(world, Names::new(world.rng("names"), BTreeMap::new()), START)
}

/// Does it to the store. What a call may not write (the status by an update, all else by a status write) it
/// tries to write all the same.
fn act(store: &Store, op: &Op) -> Result<Object, ApiError> {
    let guarded = |n: u8, guard: Guard, change: &dyn Fn(&mut Certificate)| {
        let stored = store.get(KIND, &key(n)).and_then(|o| o.get::<Certificate>().cloned());
        let mut c = stored.map_or_else(|| certificate(n, 0, false), |c| c.as_ref().clone());
        change(&mut c);
        c.metadata.resource_version = match guard {
            Guard::Fresh => c.metadata.resource_version,
            Guard::Stale => c.metadata.resource_version.saturating_sub(1),
            Guard::Absent => 0,
        };
        Object::from(c)
    };
    match *op {
        Op::Watch => unreachable!("it is no call"),
        Op::Create { n, value, held } => {
            let mut c = certificate(n, value, held);
            c.status.revision = Some(9);
            store.create(Object::from(c))
        }
        Op::Update { n, guard, value, held } => store.update(guarded(n, guard, &|c| {
            c.spec.secret_name = value.to_string();
            c.metadata.finalizers = certificate(n, value, held).metadata.finalizers;
            c.metadata.deletion_timestamp = None;
            c.status.revision = Some(9);
        })),
        Op::UpdateStatus { n, guard, status } => store.update_status(guarded(n, guard, &|c| {
            c.status.revision = Some(status).filter(|s| *s > 0);
            c.spec.secret_name = "9".into();
            c.metadata.finalizers.push("test/other".into());
        })),
        Op::Apply { n, value } => store.apply(KIND, &key(n), |stored| {
            let stored = stored.and_then(|o| o.get::<Certificate>());
            let mut c = stored.map_or_else(|| certificate(n, value, false), |c| c.as_ref().clone());
            c.spec.secret_name = value.to_string();
            Some(Object::from(c))
        }),
        Op::Delete { n } => store.delete(KIND, &key(n)),
    }
}

/// The next `count` events; then there must be none.
async fn drain(world: &World, watch: &mut Watch, count: usize) -> Result<Vec<Change>, TestCaseError> {
    let mut changes = Vec::new();
    while let Ok(Some(change)) = world.timeout(Duration::from_secs(1), watch.next()).await {
        changes.push(change);
    }
    prop_assert_eq!(changes.len(), count);
    Ok(changes)
}

fn events(changes: &[Change]) -> Vec<Event> {
    let number = |c: &Change| c.object.meta().name.parse().unwrap();
    changes.iter().map(|c| (c.type_, number(c), Known::of(&c.object))).collect()
}

/// The objects that somebody has who only watched.
fn replay(changes: &[Change]) -> BTreeMap<ObjectKey, Object> {
    let mut objects = BTreeMap::new();
    for change in changes {
        match change.type_ {
            ChangeType::Deleted => objects.remove(&change.object.key()),
            _ => objects.insert(change.object.key(), change.object.clone()),
        };
    }
    objects
}

async fn check(world: World, ops: Vec<Op>) -> Result<(), TestCaseError> {
    let store = new_store(&world);
    let mut model = Model { version: START, ..Model::default() };
    let mut other_kind = store.watch(Kind::Secret);
    let mut first = store.watch(KIND);
    let mut second = None;
    for op in &ops {
        world.sleep(Duration::from_millis(1)).await;
        if let Op::Watch = op {
            let there: Vec<Event> =
                model.objects.iter().map(|(n, k)| (ChangeType::Added, *n, k.clone())).collect();
            second.get_or_insert_with(|| (store.watch(KIND), there, model.events.len()));
            continue;
        }
        let before = store.get(KIND, &key(0)).map(|o| o.meta().uid.clone());
        let result = act(&store, op);
        prop_assert_eq!(verdict(&result), model.step(op), "{:?}", op);
        if let Ok(object) = &result {
            prop_assert!(object.meta().resource_version <= model.version);
            prop_assert!(!object.meta().uid.is_empty() && object.meta().creation_timestamp.is_some());
        }
        if let (Some(before), Some(now)) = (before, store.get(KIND, &key(0))) {
            prop_assert_eq!(&before, &now.meta().uid, "an object keeps its uid for life");
        }
        let stored: Vec<Known> = store.list(KIND).iter().map(Known::of).collect();
        prop_assert_eq!(stored, model.objects.values().cloned().collect::<Vec<_>>());
    }
    let changes = drain(&world, &mut first, model.events.len()).await?;
    prop_assert_eq!(&events(&changes), &model.events);
    let versions: Vec<_> = changes.iter().map(|c| c.object.meta().resource_version).collect();
    prop_assert!(versions.iter().all(|v| *v > START) && versions.is_sorted_by(|a, b| a < b));
    prop_assert!(changes.is_sorted_by_key(|c| c.at));
    let stored: BTreeMap<_, _> = store.list(KIND).into_iter().map(|o| (o.key(), o)).collect();
    prop_assert_eq!(&replay(&changes), &stored);
    if let Some((mut watch, mut expected, from)) = second {
        expected.extend_from_slice(&model.events[from..]);
        let changes = drain(&world, &mut watch, expected.len()).await?;
        prop_assert_eq!(events(&changes), expected);
        prop_assert_eq!(replay(&changes), stored);
    }
    drain(&world, &mut other_kind, 0).await.map(drop)
}

proptest! {
    #[test]
    fn the_store_agrees_with_its_model(ops in prop::collection::vec(op(), 0..60)) {
        sim::run(Config::default(), |world| check(world, ops)).unwrap().value?;
    }
}

fn in_store(test: impl FnOnce(Store) + Send + 'static) {
    sim::run(Config::default(), |world| async move { test(new_store(&world)) }).unwrap();
}

#[test]
fn two_writers_of_one_version_one_loses_in_the_api_servers_words() {
    in_store(|store| {
        let read = store.create(certificate(1, 0, false).into()).unwrap();
        let write = |status| {
            let mut c = read.get::<Certificate>().unwrap().as_ref().clone();
            c.status.revision = Some(status);
            store.update_status(c.into())
        };
        assert!(write(1).is_ok());
        assert_eq!(
            write(2).unwrap_err().to_string(),
            "Operation cannot be fulfilled on certificates.cert-manager.io \"1\": the object has been modified; \
             please apply your changes to the latest version and try again"
        );
        assert_eq!(Known::of(&store.get(KIND, &key(1)).unwrap()).status, 1);
    });
}

#[test]
fn an_object_with_finalizers_goes_when_the_last_one_does() {
    in_store(|store| {
        store.create(certificate(1, 0, true).into()).unwrap();
        let marked = store.delete(KIND, &key(1)).unwrap();
        assert!(marked.meta().deletion_timestamp.is_some());
        assert_eq!(store.delete(KIND, &key(1)).unwrap(), marked, "the second deletion changes nothing");
        let name_is_taken = store.create(certificate(1, 0, true).into()).unwrap_err();
        assert!(matches!(name_is_taken, ApiError::AlreadyExists { .. }));
        let gone = store.update(marked.clone().with_meta(|m| m.finalizers.clear())).unwrap();
        assert!(gone.meta().resource_version > marked.meta().resource_version);
        assert_eq!(store.get(KIND, &key(1)), None);
        let anew = store.create(certificate(1, 0, false).into()).unwrap();
        assert_ne!(anew.meta().uid, gone.meta().uid);
    });
}

#[test]
fn generation_counts_changes_of_the_specification_alone() {
    in_store(|store| {
        let created = store.create(certificate(1, 0, false).into()).unwrap();
        let labelled = created.clone().with_meta(|m| drop(m.labels.insert("a".into(), "b".into())));
        let labelled = store.update(labelled).unwrap();
        assert_eq!((created.meta().generation, labelled.meta().generation), (1, 1));
        let mut changed = labelled.get::<Certificate>().unwrap().as_ref().clone();
        changed.spec.secret_name = "1".into();
        assert_eq!(store.update(changed.into()).unwrap().meta().generation, 2);
    });
}

#[test]
fn generated_names_are_the_pinned_ones_and_then_any() {
    sim::run(Config::default(), |world| async move {
        let pinned = BTreeMap::from([(KIND, vec!["aaaaa".to_owned()])]);
        let store = Store::new(&world, Names::new(world.rng("names"), pinned), START);
        let create = || {
            let mut c = certificate(1, 0, false);
            (c.metadata.name, c.metadata.generate_name) = (String::new(), "web-".into());
            store.create(c.into()).unwrap().meta().name.clone()
        };
        let names = [create(), create(), create()];
        assert_eq!(names[0], "web-aaaaa");
        assert!(names[1] != names[2] && names[1].len() == 9 && names[1].starts_with("web-"));
        let nameless = store.create(Certificate::default().into()).unwrap_err();
        assert!(matches!(nameless, ApiError::Invalid { .. }), "{nameless}");
    })
    .unwrap();
}
