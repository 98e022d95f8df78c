//! What a write to the API server's store costs, admission included, and what each watcher adds to it. The store has a
//! thousand Certificates that were issued; it is in memory, and no call takes time of its own.
//!
//! `cargo bench -p benches -- store/`

use std::sync::Arc;

use benches::cluster::{filled, issued};
use criterion::{BenchmarkId, Criterion};
use engine::api::{Certificate, Kind, Object, ObjectKey, PrivateKeyAlgorithm};
use engine::store::{ApiError, ChangeType, Store, Watch};
use scenarios::fleet;

use crate::check::{each, holds, must, real_world};

const CERTIFICATES: usize = 1000;
const KIND: Kind = Kind::Certificate;

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    let issued = must("issued", issued(PrivateKeyAlgorithm::Ecdsa));
    let objects = fleet::multiply(&issued, CERTIFICATES);
    let store = filled(&real_world(), objects.clone());
    let store = must("store", store);
    let one = must("store", store.list(KIND).into_iter().nth(CERTIFICATES / 2).ok_or("it is empty"));
    let key = one.key();

    let mut created = 0;
    group.bench_function("create", |b| {
        let prepare = || {
            created += 1;
            let name = format!("new-{created}");
            Ok(one.clone().with_meta(|meta| (meta.name, meta.resource_version) = (name, 0)))
        };
        // So that the store stays as large as it is.
        let check = |made: Result<Object, ApiError>| {
            let made = made.map_err(|error| error.to_string())?;
            holds(made.meta().uid != one.meta().uid, || "it has somebody else's uid".to_owned())?;
            store.delete(KIND, &made.key()).map(drop).map_err(|error| error.to_string())
        };
        each(b, "create", prepare, |object| store.create(object), check);
    });
    let written = |before: u64| {
        move |result: Result<Object, ApiError>| {
            let version = result.map_err(|error| error.to_string())?.meta().resource_version;
            holds(version > before, || format!("nothing was written: {version}"))
        }
    };
    let first = one.meta().resource_version;
    group.bench_function("update", |b| {
        let prepare = || changed(&store, &key, |c| c.spec.secret_name = other(&c.spec.secret_name));
        each(b, "update", prepare, |object| store.update(object), written(first));
    });
    group.bench_function("update-status", |b| {
        let prepare = || changed(&store, &key, revised);
        each(b, "update-status", prepare, |object| store.update_status(object), written(first));
    });
    group.bench_function("patch", |b| {
        let mut n = 0;
        let prepare = || {
            n += 1;
            Ok(n.to_string())
        };
        let run = |value: String| {
            store.apply(KIND, &key, |stored| {
                let annotate = |stored: &Object| {
                    stored.clone().with_meta(|m| drop(m.annotations.insert("n".into(), value)))
                };
                stored.map(annotate)
            })
        };
        each(b, "patch", prepare, run, written(first));
    });
    group.finish();
    fan_out(c, &objects);
}

/// One write of a status, and its event at each of so many watchers.
fn fan_out(c: &mut Criterion, objects: &[Object]) {
    let mut group = c.benchmark_group("watch");
    for watchers in [1, 10, 100] {
        let store = must("watch", filled(&real_world(), objects.to_vec()));
        let key = must("watch", store.list(KIND).first().map(Object::key).ok_or("it is empty"));
        let mut watches: Vec<Watch> = (0..watchers).map(|_| store.watch(KIND)).collect();
        // What was there before is an event, too.
        for watch in &mut watches {
            while watch.try_next().is_some() {}
        }
        group.bench_function(BenchmarkId::new("fan-out", watchers), |b| {
            let run = |object| {
                let written = store.update_status(object).map_err(|error| error.to_string())?;
                let version = written.meta().resource_version;
                let mut heard = 0;
                for change in watches.iter_mut().filter_map(Watch::try_next) {
                    let same = change.object.meta().resource_version == version;
                    heard += usize::from(same && change.type_ == ChangeType::Modified);
                }
                Ok(heard)
            };
            let check = |heard: Result<usize, String>| {
                let heard = heard?;
                holds(heard == watchers, || format!("{heard} of {watchers} have heard of it"))
            };
            each(b, "watch", || changed(&store, &key, revised), run, check);
        });
    }
    group.finish();
}

/// The Certificate as a client has changed it that has just read it: an object of its own, with the version it had.
fn changed(store: &Store, key: &ObjectKey, change: impl FnOnce(&mut Certificate)) -> Result<Object, String> {
    let stored = store.get(KIND, key).ok_or_else(|| format!("no {key}"))?;
    let mut certificate = stored.get::<Certificate>().cloned().ok_or("another kind")?;
    change(Arc::make_mut(&mut certificate));
    Ok(Object::Certificate(certificate))
}

/// Another name, and the first one again after that.
fn other(name: &str) -> String {
    name.strip_suffix("-2").map_or_else(|| format!("{name}-2"), str::to_owned)
}

fn revised(certificate: &mut Certificate) {
    certificate.status.revision = Some(certificate.status.revision.unwrap_or_default() + 1);
}
