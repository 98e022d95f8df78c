//! How a benchmark is held against what it says that it measures, and what ends one that is not it.

use std::fmt::Display;
use std::hint::black_box;
use std::time::Duration;

use criterion::Bencher;
use world::World;
use world::real::Stopwatch;
use world::sim;

/// The value. Without one the whole run ends: the figure of an error path would be taken for one of what is measured.
pub(crate) fn must<T, E: Display>(what: &str, result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            eprintln!("{what}: {error}");
            std::process::exit(1)
        }
    }
}

/// An error with this text, unless it is so.
pub(crate) fn holds(so: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if so { Ok(()) } else { Err(otherwise()) }
}

/// Measures `run` alone. What it takes is prepared before, and what it gives is checked after, each time anew: a nonce is
/// good once, and an order is finalized once. Looking at the clock adds some 50 ns.
pub(crate) fn each<I, O>(
    bencher: &mut Bencher<'_>,
    what: &str,
    mut prepare: impl FnMut() -> Result<I, String>,
    mut run: impl FnMut(I) -> O,
    mut check: impl FnMut(O) -> Result<(), String>,
) {
    bencher.iter_custom(|times| {
        let mut spent = Duration::ZERO;
        for _ in 0..times {
            let input = must(what, prepare());
            let watch = Stopwatch::start();
            let output = black_box(run(black_box(input)));
            spent += watch.elapsed();
            must(what, check(output));
        }
        spent
    });
}

/// What `main` gives in a simulated world of its own, which begins with this configuration.
pub(crate) fn simulated<T, F>(what: &str, config: sim::Config, main: impl FnOnce(World) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = Result<T, String>> + Send + 'static,
{
    must(what, must(what, sim::run(config, main)).value)
}

/// The real world, with keys that repeat.
pub(crate) fn real_world() -> World {
    must("the real world", world::real::world(Some(1)))
}
