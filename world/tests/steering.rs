//! The steered clock on a real runtime: who sleeps by it is woken by it, and only by it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::time::Duration;

use world::real::{Clock, Options};
use world::{BackInTime, Raced, Steering, Timestamp, World, race};

const DAY: Duration = Duration::from_secs(86_400);
/// Far longer than any of this takes.
const LONG: Duration = Duration::from_secs(60);

fn steered<F: Future<Output = ()>>(body: impl FnOnce(World, Steering) -> F) {
    let options = Options { clock: Clock::Steered, seed: Some(1) };
    world::real::run(options, |world| {
        let steering = world.steering().unwrap();
        body(world, steering)
    })
    .unwrap();
}

/// Whether a sleep of `d` is done at once.
async fn done(world: &World, sleep: &mut world::Sleep) -> bool {
    matches!(race(sleep, world.sleep(Duration::from_millis(20))).await, Raced::First(()))
}

#[test]
fn now_follows_and_the_network_does_not() {
    steered(|world, steering| async move {
        let (start, mono) = (world.now(), world.monotonic());
        assert!(start.unix_secs() > 1_700_000_000, "it starts as the system's");
        steering.advance(90 * DAY);
        let passed = world.now().since(start);
        assert!(passed >= 90 * DAY && passed < 90 * DAY + LONG);
        assert!(world.monotonic().since(mono) < LONG);
        // A time limit is not over because a date was moved.
        let mut limit = world.sleep(LONG);
        steering.advance(DAY);
        assert!(!done(&world, &mut limit).await);
    });
}

#[test]
fn a_frozen_clock_moves_by_hand_only() {
    steered(|world, steering| async move {
        let start = steering.freeze();
        assert!(steering.is_frozen());
        world.sleep(Duration::from_millis(5)).await;
        assert_eq!(world.now(), start);
        assert_eq!(steering.advance(DAY), start + DAY);
        let date = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
        assert_eq!(steering.set(date), Ok(date));
        assert_eq!(steering.set(start), Err(BackInTime { now: date, asked: start }));
        assert_eq!(world.now(), date);
        assert_eq!(steering.resume(), date);
        world.sleep(Duration::from_millis(5)).await;
        assert!(!steering.is_frozen() && world.now() > date);
    });
}

#[test]
fn sleepers_are_woken_by_the_clock() {
    steered(|world, steering| async move {
        let mut tomorrow = world.sleep_wall(DAY);
        let mut later = world.sleep_wall(2 * DAY);
        assert!(!done(&world, &mut tomorrow).await);
        steering.advance(DAY);
        assert!(done(&world, &mut tomorrow).await && !done(&world, &mut later).await);
        let date = world.now() + DAY;
        steering.set(date).unwrap();
        assert!(done(&world, &mut later).await);
        // One that another task waits for.
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sleeper = world.clone();
        world.spawn("sleeper", async move {
            sleeper.sleep_wall(DAY).await;
            let _ = sender.send(());
        });
        world.sleep(Duration::from_millis(20)).await;
        steering.advance(DAY);
        world.timeout(LONG, receiver).await.unwrap().unwrap();
        // A clock that goes reaches a time by itself; a frozen one does not.
        world.sleep_wall(Duration::from_millis(30)).await;
        let mut soon = world.sleep_wall(Duration::from_millis(30));
        steering.freeze();
        world.sleep(Duration::from_millis(60)).await;
        assert!(!done(&world, &mut soon).await);
        steering.resume();
        world.timeout(LONG, soon).await.unwrap();
    });
}

#[test]
fn elsewhere_it_is_a_sleep_like_any_other() {
    world::real::run(None, |world| async move {
        assert!(world.steering().is_none());
        let start = world.monotonic();
        world.sleep_wall(Duration::from_millis(20)).await;
        assert!(world.monotonic().since(start) >= Duration::from_millis(20));
    })
    .unwrap();
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        assert!(world.steering().is_none());
        world.sleep_wall(DAY).await;
    });
    assert_eq!(run.unwrap().elapsed, DAY);
}
