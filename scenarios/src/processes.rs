//! The engine's processes: starts them, starts them again when they have ended, and does to them what the script
//! says.

use std::sync::{Arc, PoisonError};

use engine::leader::Candidate;
use world::{Instant, Timestamp, World};

use crate::cluster::Shared;
use crate::script::{Engine, InTurn, Processes};

/// Where the lock of the leader election is.
const LOCK_NAMESPACE: &str = "kube-system";

/// When processes started and ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lives(Shared<Vec<Noted>>);

/// When, on which host, what.
type Noted = (Instant, String, &'static str);

/// What `Lives` has of a start.
const STARTS: &str = "starts";

impl Lives {
    fn note(&self, world: &World, host: &str, what: &'static str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((world.monotonic(), host.to_owned(), what));
    }

    /// How often one has started.
    pub(crate) fn starts(&self) -> u64 {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, _, what)| *what == STARTS).count() as u64
    }

    /// All until now, if the run began at `start`: when, on which host, what.
    pub(crate) fn all(&self, start: Timestamp) -> Vec<(Timestamp, String, &'static str)> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .map(|(at, host, what)| (start + at.since(Instant::default()), host.clone(), *what))
            .collect()
    }
}

/// Starts all processes, each in a world of its own and as a candidate if they are to elect a leader, and what befalls
/// them. Returns what becomes of them, which goes on.
///
/// # Errors
/// What `launch` says of a process that cannot be started.
pub(crate) fn start(
    world: &World,
    engine: &Engine,
    start: Timestamp,
    launch: impl Fn(&World, Option<Candidate>) -> Result<(), String> + Send + Sync + 'static,
) -> Result<Lives, String> {
    let lives = Lives::default();
    let counted = lives.clone();
    let launch = Arc::new(move |process: &World, candidate: Option<Candidate>| {
        counted.note(process, process.host(), STARTS);
        launch(process, candidate)
    });
    let script = &engine.processes;
    for host in std::iter::once(&engine.host).chain(&script.replicas) {
        let candidate = script
            .leader_election
            .then(|| Candidate { identity: host.clone(), namespace: LOCK_NAMESPACE.to_owned() });
        let mut crashed = Box::pin(world.crashed(host));
        launch(&world.process(host), candidate.clone())?;
        let (world, host, launch, lives) = (world.clone(), host.clone(), launch.clone(), lives.clone());
        let delays = InTurn::new(script.restart_delay.clone());
        world.clone().spawn("kubelet of the engine", async move {
            loop {
                crashed.as_mut().await;
                lives.note(&world, &host, "ends");
                world.sleep(delays.next()).await;
                crashed = Box::pin(world.crashed(&host));
                // It could be started once, with the same configuration.
                let _ = launch(&world.process(&host), candidate.clone());
            }
        });
    }
    befall(world, &engine.host, start, script);
    Ok(lives)
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
