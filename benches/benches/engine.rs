//! What the engine does for Certificates that are ready (its start, and the syncs after one of them was touched), where
//! neither the API server nor a message takes time; and for one that is not: a whole simulated issuance with CA and DNS, as
//! the library's scenarios have it.
//!
//! `cargo bench -p benches -- engine/`

use std::sync::Arc;
use std::time::Duration;

use benches::cluster::{self, Cluster};
use criterion::{BenchmarkId, Criterion};
use engine::api::{Object, PrivateKeyAlgorithm};
use scenarios::runner;
use scenarios::script::Loaded;

use crate::check::{holds, must, simulated};
use crate::replay::library;

/// How many Certificates are ready.
const READY: usize = 100;
/// One of them.
const ONE: &str = "c000050";

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("engine");
    group.sample_size(20);
    let issued = must("issued", cluster::issued(PrivateKeyAlgorithm::Ecdsa));
    let objects: Arc<[Object]> = cluster::ready(&issued, READY).into();
    group.bench_function(BenchmarkId::new("start", READY), |b| {
        b.iter_custom(|times| {
            let one = |_| {
                let objects = objects.clone();
                simulated("start", cluster::config(), |world| async move {
                    Cluster::start(&world, objects.to_vec()).await.map(|(_, started)| started.spent)
                })
            };
            (0..times).map(one).sum()
        });
    });
    group.bench_function(BenchmarkId::new("reconcile", "one of 100"), |b| {
        b.iter_custom(|times| {
            let objects = objects.clone();
            simulated("reconcile", cluster::config(), |world| async move {
                let (cluster, _) = Cluster::start(&world, objects.to_vec()).await?;
                let mut spent = Duration::ZERO;
                for n in 0..times {
                    spent += cluster.touch(ONE, n).await?;
                }
                Ok(spent)
            })
        });
    });
    for name in ["healthy-http01", "healthy-dns01"] {
        let loaded = must(name, library().load(name));
        must(name, issuance(&loaded));
        group.bench_function(BenchmarkId::new("issuance", name), |b| {
            b.iter(|| must(name, issuance(&loaded)));
        });
    }
    group.finish();
}

/// Runs a scenario in which a certificate is issued, and all is as expected.
fn issuance(loaded: &Loaded) -> Result<(), String> {
    let record = runner::run(loaded, 0, &[]).map_err(|error| error.to_string())?;
    let so = record.outcome == reports::Outcome::Passed && record.counts.certificates == 1;
    holds(so, || format!("{} certificates, {:?}", record.counts.certificates, record.outcome))
}
