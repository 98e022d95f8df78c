//! Between a write and what a controller knows of it: caches and handlers with their lags, the client's rate limit,
//! server-side apply, and the waits of a work queue. All in virtual time.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use engine::api::{Certificate, Kind, Object, ObjectKey, ObjectMeta, Secret};
use engine::client::{Call, CallTiming, Client, NoDelay, Timing};
use engine::compat::{Backoff, V1_7};
use engine::informer::Informers;
use engine::queue::WorkQueue;
use engine::store::{ApiError, Change, ChangeType, Names, Store};
use world::World;
use world::sim::{self, Config};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(World, Store) -> F) {
    sim::run(Config::default(), |world| {
        let store = Store::new(&world, Names::new(world.rng("names"), BTreeMap::new()), 0);
        test(world, store)
    })
    .unwrap();
}

fn key() -> ObjectKey {
    ObjectKey::new("ns", "a")
}

fn certificate(secret: &str) -> Certificate {
    let mut c = Certificate { metadata: ObjectMeta::named(&key()), ..Certificate::default() };
    c.spec.secret_name = secret.into();
    c
}

fn secret_name(object: &Object) -> String {
    object.get::<Certificate>().unwrap().spec.secret_name.clone()
}

/// Lags by what the change made of the specification; without one, none.
#[derive(Default)]
struct Lags {
    lister: BTreeMap<&'static str, u64>,
    handler: BTreeMap<&'static str, u64>,
}

impl Timing for Lags {
    fn call(&self, _: &Call<'_>) -> CallTiming {
        CallTiming::default()
    }
    fn lister_lag(&self, change: &Change) -> Duration {
        ms(self.lister.get(secret_name(&change.object).as_str()).copied().unwrap_or_default())
    }
    fn handler_lag(&self, change: &Change, _: &str) -> Duration {
        ms(self.handler.get(secret_name(&change.object).as_str()).copied().unwrap_or_default())
    }
}

/// What a handler saw: when, which change, and what the cache said just then.
type Seen = Arc<Mutex<Vec<(u64, String, String)>>>;

fn millis(world: &World) -> u64 {
    world.monotonic().nanos() / 1_000_000
}

/// Informers with a handler of Certificates that notes what it sees.
fn watched(world: &World, store: &Store, lags: Lags) -> (engine::informer::Lister<Certificate>, Seen) {
    let informers = Informers::new(world, store, Arc::new(lags));
    let lister = informers.lister::<Certificate>();
    let seen = Seen::default();
    let (inside, cache, notes) = (world.clone(), lister.clone(), seen.clone());
    informers.on(Kind::Certificate, "test", move |notice| {
        let cached = cache.get(&key()).map_or("gone".to_owned(), |c| c.spec.secret_name.clone());
        let what = format!("{:?} {}", notice.change.type_, secret_name(&notice.change.object));
        notes.lock().unwrap().push((millis(&inside), what, cached));
    });
    informers.start();
    (lister, seen)
}

fn seen(notes: &Seen) -> Vec<(u64, String, String)> {
    std::mem::take(&mut *notes.lock().unwrap())
}

fn saw(at: u64, what: &str, cached: &str) -> (u64, String, String) {
    (at, what.to_owned(), cached.to_owned())
}

#[test]
fn the_cache_lags_and_the_handler_lags_behind_it() {
    run(|world, store| async move {
        let lags = Lags { lister: [("new", 10)].into(), handler: [("new", 50)].into() };
        store.create(certificate("old").into()).unwrap();
        let (lister, notes) = watched(&world, &store, lags);
        let cached = || lister.get(&key()).unwrap().spec.secret_name.clone();
        world.sleep(ms(100)).await;
        assert_eq!(seen(&notes), [saw(0, "Added old", "old")], "all that is there, at the start");
        store.update(certificate("new").into()).unwrap();
        world.sleep(ms(9)).await;
        assert_eq!((cached().as_str(), seen(&notes).len()), ("old", 0), "a stale read");
        world.sleep(ms(2)).await;
        assert_eq!((cached().as_str(), seen(&notes).len()), ("new", 0), "read, before anybody was told");
        world.sleep(ms(100)).await;
        assert_eq!(seen(&notes), [saw(150, "Modified new", "new")]);
    });
}

#[test]
fn a_handler_never_runs_before_its_cache_shows_the_change() {
    run(|world, store| async move {
        let lags = Lags { lister: [("a", 30)].into(), handler: [("a", 1)].into() };
        let (lister, notes) = watched(&world, &store, lags);
        store.create(certificate("a").into()).unwrap();
        world.sleep(ms(29)).await;
        assert!(lister.get(&key()).is_none());
        world.sleep(ms(10)).await;
        store.delete(Kind::Certificate, &key()).unwrap();
        world.sleep(ms(100)).await;
        assert_eq!(seen(&notes), [saw(30, "Added a", "a"), saw(69, "Deleted a", "gone")]);
    });
}

#[test]
fn a_short_lag_does_not_overtake_a_long_one() {
    run(|world, store| async move {
        let lags = Lags { lister: [("b", 40)].into(), handler: [("b", 40), ("c", 90), ("d", 5)].into() };
        let (_, notes) = watched(&world, &store, lags);
        store.create(certificate("a").into()).unwrap();
        for secret in ["b", "c", "d"] {
            world.sleep(ms(1)).await;
            store.update(certificate(secret).into()).unwrap();
        }
        world.sleep(ms(200)).await;
        assert_eq!(
            seen(&notes),
            [
                saw(0, "Added a", "a"),
                saw(41, "Modified b", "d"),
                saw(92, "Modified c", "d"),
                saw(92, "Modified d", "d"),
            ]
        );
    });
}

#[test]
fn all_caches_are_full_and_every_object_is_an_added_notice_when_a_process_starts() {
    run(|world, store| async move {
        for n in 0..5 {
            let mut c = certificate("s");
            c.metadata.name = format!("c{n}");
            store.create(c.into()).unwrap();
        }
        store.create(Secret::default().into()).unwrap_err();
        let informers = Informers::new(&world, &store, Arc::new(NoDelay));
        let lister = informers.lister::<Certificate>();
        let added = Arc::new(Mutex::new([0, 0]));
        for controller in 0..2 {
            let added = added.clone();
            informers.on(Kind::Certificate, &format!("controller {controller}"), move |notice| {
                assert_eq!(notice.change.type_, ChangeType::Added);
                added.lock().unwrap()[controller] += 1;
            });
        }
        informers.start();
        assert_eq!(lister.list(|_| true).len(), 5, "at once");
        world.sleep(ms(1)).await;
        assert_eq!(*added.lock().unwrap(), [5, 5]);
    });
}

#[test]
fn after_a_burst_of_50_calls_there_are_20_a_second() {
    run(|world, store| async move {
        let client = Client::new(&world, &store, Arc::new(NoDelay), "test");
        let client = client.with_rate_limit(V1_7.client_qps, V1_7.client_burst, true);
        // One limit for the whole process, whoever calls.
        let other = client.as_actor("other");
        let mut at = Vec::new();
        for n in 0..170 {
            if n == 60 {
                world.sleep(ms(60_000)).await;
            }
            let mut secret = Secret::default();
            (secret.metadata.namespace, secret.metadata.name) = ("ns".into(), format!("s{n}"));
            (if n % 2 == 0 { &client } else { &other }).create(secret).await.unwrap();
            at.push(millis(&world));
        }
        assert_eq!((at[49], at[50], at[51], at[59]), (0, 50, 100, 500));
        // However long the rest, a burst has 50.
        assert_eq!((at[60], at[109], at[110], at[169]), (60_500, 60_500, 60_550, 63_500));
    });
}

/// Two controllers read the same version; each wants another field of the status.
async fn two_status_writes(world: &World, store: &Store, apply: bool) -> (Result<(), ApiError>, Certificate) {
    let client = Client::new(world, store, Arc::new(NoDelay), "test").with_server_side_apply(apply);
    let read = client.create(certificate("s")).await.unwrap();
    client.update_status(read.as_ref(), |c| c.status.revision = Some(7)).await.unwrap();
    let named = |c: &mut Certificate| c.status.next_private_key_secret_name = Some("next".into());
    let second = client.update_status(read.as_ref(), named).await.map(drop);
    let stored = store.get(Kind::Certificate, &key()).unwrap();
    (second, stored.get::<Certificate>().unwrap().as_ref().clone())
}

#[test]
fn whole_objects_conflict_and_server_side_apply_does_not() {
    run(|world, store| async move {
        let (second, stored) = two_status_writes(&world, &store, false).await;
        assert!(matches!(second, Err(ApiError::Conflict { .. })));
        assert_eq!((stored.status.revision, stored.status.next_private_key_secret_name), (Some(7), None));
    });
    run(|world, store| async move {
        let (second, stored) = two_status_writes(&world, &store, true).await;
        assert_eq!(second, Ok(()));
        let both = (stored.status.revision, stored.status.next_private_key_secret_name.as_deref());
        assert_eq!(both, (Some(7), Some("next")), "each has written its own field");
    });
}

#[test]
fn failures_of_a_key_wait_5_10_20_seconds_and_are_forgotten() {
    run(|world, _| async move {
        let queue = WorkQueue::start(&world, "test", V1_7.backoff_acme, Duration::ZERO);
        queue.add(key());
        let mut waits = Vec::new();
        let mut last = 0;
        for n in 0..14 {
            let key = queue.get().await;
            waits.push((millis(&world) - last) / 1000);
            last = millis(&world);
            if n == 11 {
                queue.forget(&key);
            }
            queue.add_rate_limited(key.clone());
            queue.done(&key);
        }
        assert_eq!(waits, [0, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800, 5, 10]);
    });
}

/// When the key comes, until nothing has come for an hour.
async fn comes_at(world: &World, queue: &WorkQueue) -> Vec<u64> {
    let mut at = Vec::new();
    while let Ok(key) = world.timeout(ms(3_600_000), queue.get()).await {
        at.push(millis(world));
        queue.done(&key);
    }
    at
}

fn queue(world: &World) -> WorkQueue {
    WorkQueue::start(world, "test", Backoff { base: ms(5), max: ms(5) }, Duration::ZERO)
}

#[test]
fn of_several_delays_the_earliest_counts_once() {
    run(|world, _| async move {
        let queue = queue(&world);
        for delay in [10_000, 3_000, 20_000] {
            queue.add_after(key(), ms(delay));
        }
        // Another key has its own time.
        queue.add_after(ObjectKey::new("ns", "b"), ms(4_000));
        assert_eq!(comes_at(&world, &queue).await, [3_000, 4_000]);
    });
}

#[test]
fn adding_a_key_at_once_does_not_cancel_its_delay() {
    run(|world, _| async move {
        let queue = queue(&world);
        queue.add_after(key(), ms(2_000));
        queue.add(key());
        queue.add(key());
        assert_eq!(comes_at(&world, &queue).await, [0, 2_000]);
    });
}

#[test]
fn a_delay_that_ends_during_the_work_on_its_key_comes_right_after_it() {
    run(|world, _| async move {
        let queue = queue(&world);
        queue.add(key());
        let working = queue.get().await;
        queue.add_after(key(), ms(100));
        let second_worker = world.timeout(ms(500), queue.get()).await;
        assert!(second_worker.is_err(), "nobody else works on it");
        queue.done(&working);
        assert_eq!(comes_at(&world, &queue).await, [500]);
    });
}

/// A write that changes nothing, and a resync that shows the same again, are no change.
#[test]
fn a_write_of_the_same_reaches_no_watch_and_no_handler() {
    run(|world, store| async move {
        let informers = Informers::new(&world, &store, Arc::new(NoDelay));
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = told.clone();
        informers.on(Kind::Certificate, "c", move |notice| {
            tell.lock().unwrap().push(secret_name(&notice.change.object))
        });
        informers.start();
        let made = store.create(Object::from(certificate("a"))).unwrap();
        let same = store.update(made.clone()).unwrap();
        assert_eq!(same.meta().resource_version, made.meta().resource_version);
        world.sleep(ms(1)).await;
        assert_eq!(*told.lock().unwrap(), ["a"]);
        let other = store
            .update(same.with_meta(|m| {
                m.labels.insert("l".into(), "v".into());
            }))
            .unwrap();
        assert!(other.meta().resource_version > made.meta().resource_version);
        world.sleep(ms(1)).await;
        assert_eq!(*told.lock().unwrap(), ["a", "a"]);
    });
}
