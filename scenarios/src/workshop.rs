//! Many runs at once. Each is a world of its own on one thread, so what comes out does not depend on how many there are.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// How many processors there are.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Does `job` for each of `items`, on so many threads at once. Whenever one is done, `take` hears how many are, and gets
/// the results that are next in the order of the items: none while an earlier one is still under way.
pub fn in_turn<T: Sync, R: Send>(
    workers: usize,
    items: &[T],
    job: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(usize, Vec<R>),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, items.len().max(1)) {
            let (sender, next, job) = (sender.clone(), &next, &job);
            scope.spawn(move || {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(n) else { return };
                    // Who takes them has gone: there is nobody to work for.
                    if sender.send((n, job(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut early, mut due) = (BTreeMap::new(), 0);
        for (done, (n, result)) in results.into_iter().enumerate() {
            early.insert(n, result);
            let mut ready = Vec::new();
            while let Some(result) = early.remove(&due) {
                ready.push(result);
                due += 1;
            }
            take(done + 1, ready);
        }
    });
}

/// Does `job` for each of `items`, on so many threads at once; what it says of each, in their order.
pub fn on_processors<T: Sync, R: Send>(workers: usize, items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let mut all = Vec::new();
    in_turn(workers, items, job, |_, ready| all.extend(ready));
    all
}

/// The same, on all processors.
pub fn on_all_processors<T: Sync, R: Send>(items: &[T], job: impl Fn(&T) -> R + Sync) -> Vec<R> {
    on_processors(processors(), items, job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_items() {
        let items: Vec<u32> = (0..100).collect();
        for workers in [0, 1, 3, 200] {
            assert_eq!(on_processors(workers, &items, |n| n * 2), (0..200).step_by(2).collect::<Vec<u32>>());
        }
        assert_eq!(on_processors(4, &[], |n: &u32| *n), [] as [u32; 0]);
    }

    #[test]
    fn a_result_is_taken_as_soon_as_all_before_it_are_there() {
        // The first waits until the second has been taken; on one thread it would wait for ever.
        let (sender, receiver) = mpsc::channel::<()>();
        let receiver = std::sync::Mutex::new(receiver);
        let mut heard = Vec::new();
        let job = |n: &u32| {
            if *n == 0 {
                drop(receiver.lock().map(|receiver| receiver.recv()));
            }
        };
        in_turn(2, &[0, 1], job, |done, ready| {
            heard.push((done, ready.len()));
            let _ = sender.send(());
        });
        assert_eq!(heard, [(1, 0), (2, 2)]);
    }
}
