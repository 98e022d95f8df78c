//! The engine's processes: starts them, starts them again when they have ended, and does to them what the script
//! says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::leader::Candidate;
use world::{Timestamp, World};

use crate::script::{Engine, InTurn, Processes};

/// Where the lock of the leader election is.
const LOCK_NAMESPACE: &str = "kube-system";

/// Starts all processes, each in a world of its own and as a candidate if they are to elect a leader, and what befalls
/// them. Returns the count of starts, which goes on.
///
/// # Errors
/// What `launch` says of a process that cannot be started.
pub(crate) fn start(
    world: &World,
    engine: &Engine,
    start: Timestamp,
    launch: impl Fn(&World, Option<Candidate>) -> Result<(), String> + Send + Sync + 'static,
) -> Result<Arc<AtomicU64>, String> {
    let starts: Arc<AtomicU64> = Arc::default();
    let counted = starts.clone();
    let launch = Arc::new(move |process: &World, candidate: Option<Candidate>| {
        counted.fetch_add(1, Ordering::Relaxed);
        launch(process, candidate)
    });
    let script = &engine.processes;
    for host in std::iter::once(&engine.host).chain(&script.replicas) {
        let candidate = script
            .leader_election
            .then(|| Candidate { identity: host.clone(), namespace: LOCK_NAMESPACE.to_owned() });
        let mut crashed = Box::pin(world.crashed(host));
        launch(&world.process(host), candidate.clone())?;
        if script.crashes.is_empty() && candidate.is_none() {
            continue;
        }
        let (world, host, launch) = (world.clone(), host.clone(), launch.clone());
        let delays = InTurn::new(script.restart_delay.clone());
        world.clone().spawn("kubelet of the engine", async move {
            loop {
                crashed.as_mut().await;
                world.sleep(delays.next()).await;
                crashed = Box::pin(world.crashed(&host));
                // It could be started once, with the same configuration.
                let _ = launch(&world.process(&host), candidate.clone());
            }
        });
    }
    befall(world, &engine.host, start, script);
    Ok(starts)
}

fn befall(world: &World, first: &str, start: Timestamp, script: &Processes) {
    for crash in script.crashes.iter().cloned() {
        let (world, host) = (world.clone(), crash.host.clone().unwrap_or_else(|| first.to_owned()));
        world.clone().spawn("crash", async move {
            if let Some(at) = crash.at {
                world.sleep(at.since(start)).await;
            }
            match crash.after_steps {
                Some(steps) => world.crash_after(&host, steps),
                None => world.crash(&host),
            }
        });
    }
    for suspension in script.suspensions.iter().cloned() {
        let (world, host) = (world.clone(), suspension.host.clone().unwrap_or_else(|| first.to_owned()));
        world.clone().spawn("suspension", async move {
            world.sleep(suspension.at.since(start)).await;
            world.suspend(&host);
            world.sleep(suspension.lasts.nth(0)).await;
            world.resume(&host);
        });
    }
}
