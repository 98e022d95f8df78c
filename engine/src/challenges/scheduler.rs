//! The challenge scheduler: once a second it lets some challenges start.
//!
//! Of several challenges for one name and type one runs at a time, so that `x` and `*.x` with DNS-01 follow each
//! other. The passes lie on a grid of periods since the start; between them, and while there is nothing to
//! start, the scheduler sleeps until a Challenge changes, which cannot be told from passing in vain.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::api::{AcmeChallengeType, Challenge, Kind, Resource as _};
use crate::compat;
use crate::controller::Context;
use crate::informer::Lister;
use crate::log::catalogue as msg;

pub(super) fn start(context: &Context) {
    let changed = Arc::new(Notify::new());
    let notify = changed.clone();
    context.informers.on(Kind::Challenge, "challenges-scheduler", move |_| notify.notify_one());
    let context = context.clone();
    let challenges: Lister<Challenge> = context.informers.lister();
    context.world.clone().spawn("challenges scheduler", async move {
        let began = context.world.monotonic();
        let period = context.compat.scheduler.period;
        loop {
            changed.notified().await;
            loop {
                let now = context.world.monotonic();
                let passed = now.since(began).as_nanos() / period.as_nanos();
                let next = u32::try_from(passed + 1).unwrap_or(u32::MAX);
                context.world.sleep_until(began + period * next).await;
                if !pass(&context, &challenges).await {
                    break;
                }
            }
        }
    });
}

/// One pass; says whether any challenge is left to start.
async fn pass(context: &Context, challenges: &Lister<Challenge>) -> bool {
    let all = challenges.list(|_| true);
    let chosen = choose(&all, context.compat.scheduler);
    for challenge in &chosen {
        let start = |c: &mut Challenge| c.status.processing = true;
        match context.client.update_status(challenge.as_ref(), start).await {
            Ok(_) => {
                let text = "Challenge scheduled for processing";
                context.recorder.normal(challenge.as_ref(), "Started", text);
            }
            Err(error) => {
                let log = context.log.with_resource(challenge.as_ref());
                log.error(&msg::CHALLENGE_NOT_SCHEDULED, Some(&error.to_string()), &[]);
                // The rest is for the next pass, too.
                return true;
            }
        }
    }
    challenges.list(waits).len() > chosen.len()
}

fn waits(challenge: &Challenge) -> bool {
    !challenge.status.processing && !challenge.status.state.is_final()
}

/// The challenges to start: oldest first, none whose name and type is already at work or chosen.
fn choose(all: &[Arc<Challenge>], limits: compat::Scheduler) -> Vec<Arc<Challenge>> {
    type Proof = (String, AcmeChallengeType);
    let proof = |c: &Challenge| -> Proof { (c.spec.dns_name.clone(), c.spec.type_) };
    let mut busy: BTreeSet<Proof> = all.iter().filter(|c| c.status.processing).map(|c| proof(c)).collect();
    let running = all.iter().filter(|c| c.status.processing).count();
    let free = limits.concurrent.saturating_sub(running).min(limits.starts);
    let mut waiting: Vec<_> = all.iter().filter(|c| waits(c)).cloned().collect();
    waiting.sort_by_key(|c| (c.metadata.creation_timestamp, c.key()));
    waiting.retain(|c| busy.insert(proof(c)));
    waiting.truncate(free);
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{State, Time};
    use crate::compat::V1_7;
    use world::Timestamp;

    fn challenge(n: i64, name: &str, change: impl FnOnce(&mut Challenge)) -> Arc<Challenge> {
        let mut c = Challenge::default();
        c.metadata.name = format!("c{n}");
        c.metadata.creation_timestamp = Some(Time::new(Timestamp::from_unix_secs(n)));
        c.spec.dns_name = name.into();
        change(&mut c);
        Arc::new(c)
    }

    fn names(chosen: &[Arc<Challenge>]) -> Vec<&str> {
        chosen.iter().map(|c| c.metadata.name.as_str()).collect()
    }

    #[test]
    fn one_name_and_type_runs_at_a_time_oldest_first() {
        let all = [
            challenge(3, "a.test", |_| {}),
            challenge(2, "a.test", |c| c.spec.wildcard = true),
            challenge(1, "b.test", |c| c.status.state = State::Valid),
            challenge(4, "c.test", |c| c.status.processing = true),
            challenge(5, "c.test", |_| {}),
        ];
        assert_eq!(names(&choose(&all, V1_7.scheduler)), ["c2"]);
    }

    #[test]
    fn starts_and_slots_are_limited() {
        let all: Vec<_> = (0..100).map(|n| challenge(n, &format!("{n}.test"), |_| {})).collect();
        assert_eq!(choose(&all, V1_7.scheduler).len(), 20);
        let busy = |c: &mut Challenge| c.status.processing = true;
        let most: Vec<_> = (0..58).map(|n| challenge(n, &format!("{n}.test"), busy)).collect();
        let all: Vec<_> = most.into_iter().chain(all.into_iter().skip(58)).collect();
        assert_eq!(choose(&all, V1_7.scheduler).len(), 2);
    }
}
