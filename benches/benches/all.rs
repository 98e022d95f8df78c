//! The benchmarks, room by room: what one step of an issuance costs, and what a whole one does.
//!
//! `cargo build --release && cargo bench -p benches` runs all of them; `cargo bench -p benches -- ca/` those whose names
//! have this in them. Each one is held against what it says that it measures, before it begins, and where a turn changes
//! something, after every turn and outside of the time. Where it fails, the run ends with an error.

mod acme;
mod ca;
mod check;
mod dns;
mod engine;
mod replay;
mod store;
mod validation;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(50)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    ca::measure(&mut criterion);
    validation::measure(&mut criterion);
    dns::measure(&mut criterion);
    store::measure(&mut criterion);
    engine::measure(&mut criterion);
    replay::measure(&mut criterion);
    criterion.final_summary();
}
