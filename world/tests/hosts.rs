//! What happens to whole hosts: crashes between two steps, and being held still.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use world::World;
use world::sim::{Config, run};

const SECOND: Duration = Duration::from_secs(1);

/// Counts the steps of a program that never ends.
fn steps(world: &World, host: &str) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let (process, counted) = (world.process(host), count.clone());
    process.clone().spawn("steps", async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            process.sleep(SECOND).await;
        }
    });
    count
}

#[test]
fn a_host_crashes_after_so_many_polls_and_who_waits_for_it_is_told() {
    let ended = run(Config::default(), |world| async move {
        let (a, b) = (steps(&world, "a"), steps(&world, "b"));
        world.crash_after("a", 3);
        world.crashed("a").await;
        let at = world.monotonic();
        world.sleep(10 * SECOND).await;
        (at.nanos(), a.load(Ordering::Relaxed), b.load(Ordering::Relaxed))
    });
    // Polled at 0, 1 and 2 s; the other host goes on until the run ends at 12 s.
    assert_eq!(ended.unwrap().value, (2_000_000_000, 3, 12));
}

#[test]
fn what_became_due_while_a_host_was_suspended_is_late() {
    let ended = run(Config::default(), |world| async move {
        let times: Arc<Mutex<Vec<u64>>> = Arc::default();
        let (process, noted) = (world.process("a"), times.clone());
        process.clone().spawn("timer", async move {
            for _ in 0..3 {
                process.sleep(SECOND).await;
                noted.lock().unwrap().push(process.monotonic().nanos() / 1_000_000);
            }
        });
        let b = steps(&world, "b");
        world.sleep(Duration::from_millis(1500)).await;
        world.suspend("a");
        world.sleep(5 * SECOND).await;
        world.resume("a");
        world.sleep(5 * SECOND).await;
        let times = times.lock().unwrap().clone();
        (times, b.load(Ordering::Relaxed))
    });
    assert_eq!(ended.unwrap().value, (vec![1000, 6500, 7500], 12));
}

#[test]
fn a_suspended_host_that_crashes_does_not_come_back() {
    let ended = run(Config::default(), |world| async move {
        let a = steps(&world, "a");
        world.sleep(SECOND / 2).await;
        world.suspend("a");
        world.sleep(SECOND).await;
        world.crash("a");
        world.resume("a");
        world.sleep(5 * SECOND).await;
        a.load(Ordering::Relaxed)
    });
    assert_eq!(ended.unwrap().value, 1);
}
