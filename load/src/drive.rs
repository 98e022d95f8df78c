//! A run: accounts, workers, the warm-up, the orders that count, and the readings around them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use crate::client::{CertificateKeys, Dialer, Failure, Laps, Session, Shared, Worker};
use crate::figures::{Outcome, Tally, Usage, Window};
use crate::pace::Pace;
use crate::publish::{ChallengeType, Publish, PublishError, Publishing};
use crate::target::Target;

/// How much of what to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// Orders that count.
    pub orders: u64,
    /// Orders before them that do not.
    pub warm_up: u64,
    /// What makes an order begin.
    pub pace: Pace,
    /// Workers: so many orders are under way at any time, in an open loop at most.
    pub in_flight: u64,
    /// How control of names is proved.
    pub challenge: ChallengeType,
    /// Names in an order.
    pub names: u64,
    /// What all names end with.
    pub domain: String,
    /// Accounts, used in turn by the workers.
    pub accounts: u64,
    /// Certificate keys made before the run; 0 for a new one in each order.
    pub keys: usize,
    /// The pause before an order's first poll; each further one is half as long again.
    pub poll: Duration,
    /// How long an answer, or a change of an order's state, may take: beyond it the server hangs.
    pub deadline: Duration,
    /// Certificates in a [`Window`]; 0 for none.
    pub window: u64,
}

impl Default for Load {
    /// 100 certificates for one name each by http-01, ten at a time.
    fn default() -> Self {
        Load {
            orders: 100,
            warm_up: 0,
            pace: Pace::Closed,
            in_flight: 10,
            challenge: ChallengeType::Http01,
            names: 1,
            domain: "load.test".to_owned(),
            accounts: 1,
            keys: 0,
            poll: Duration::from_millis(10),
            deadline: Duration::from_secs(30),
            window: 0,
        }
    }
}

/// The processes whose use is read; what is not known is not told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// Process id of the ACME server.
    pub server: Option<u32>,
    /// Process id of the challenge test server.
    pub responder: Option<u32>,
}

/// How soon somebody who waits for an order to be due hears that there will be none.
const HEARING: Duration = Duration::from_millis(100);

/// How far a run is; it can be told to end.
#[derive(Debug, Default)]
pub struct Progress {
    issued: AtomicU64,
    failed: AtomicU64,
    stopped: AtomicBool,
}

impl Progress {
    /// Certificates so far, those of the warm-up included, and orders that failed.
    pub fn so_far(&self) -> (u64, u64) {
        (self.issued.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    /// Whether it was told to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// No further order begins; those under way end.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// A reading of clock and processes.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    server: Option<Usage>,
    responder: Option<Usage>,
    client: Option<Usage>,
}

impl Reading {
    fn take(watched: Watched) -> Self {
        let usage = |process: Option<u32>| process.and_then(|id| Usage::of(id).ok());
        Reading {
            at: Instant::now(),
            server: usage(watched.server),
            responder: usage(watched.responder),
            client: Usage::own().ok(),
        }
    }
}

/// What the workers of one stretch of a run share: of the warm-up, or of what counts.
struct Stretch {
    /// What the names end with: the stretch and the run are in it, so that no name is asked for twice.
    domain: String,
    orders: u64,
    names: u64,
    pace: Pace,
    window: u64,
    watched: Watched,
    progress: Arc<Progress>,
    begun: Instant,
    tally: Mutex<Tally>,
    /// One for every `window` certificates, after that of the beginning; the last is that of the last certificate.
    readings: Mutex<Vec<Reading>>,
    last: Mutex<Option<Instant>>,
}

impl Stretch {
    fn new(
        domain: String,
        orders: u64,
        load: &Load,
        watched: Watched,
        progress: &Arc<Progress>,
    ) -> Arc<Self> {
        Arc::new(Stretch {
            domain,
            orders,
            names: load.names,
            pace: load.pace,
            window: load.window,
            watched,
            progress: progress.clone(),
            begun: Instant::now(),
            tally: Mutex::default(),
            readings: Mutex::new(vec![Reading::take(watched)]),
            last: Mutex::new(None),
        })
    }

    fn names_of(&self, order: u64) -> Vec<String> {
        (0..self.names).map(|k| format!("n{k}.o{order}.{}", self.domain)).collect()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What comes with the certificate that has this number.
    fn count_issued(&self, issued: u64) {
        self.progress.issued.fetch_add(1, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if self.window > 0 && issued.is_multiple_of(self.window) {
            let reading = Reading::take(self.watched);
            self.readings.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
        }
    }

    /// Whether orders are still to begin.
    fn goes_on(&self, shared: &Shared) -> bool {
        !self.progress.is_stopped() && !shared.hung.load(Ordering::Relaxed)
    }

    /// Waits until an order is due, as long as orders are to begin.
    async fn wait(&self, due: Option<Instant>, shared: &Shared) {
        while let Some(left) = due.and_then(|due| due.checked_duration_since(Instant::now()))
            && !left.is_zero()
            && self.goes_on(shared)
        {
            tokio::time::sleep(left.min(HEARING)).await;
        }
    }

    /// One order, and what is counted of it.
    async fn work(&self, worker: &mut Worker, order: u64, due: Option<Instant>) {
        let waited = due.map(|due| due.elapsed());
        let (before, polls, bad_nonces) = (worker.session.sent(), worker.polls, worker.session.bad_nonces);
        let (mut published, mut laps, begun) = (Vec::new(), Laps::start(), Instant::now());
        match worker.issue(&self.names_of(order), &mut published, &mut laps).await {
            Ok(()) => {
                let issued = {
                    let mut tally = self.tally();
                    tally.issued(waited, &laps.phases, begun.elapsed());
                    tally.issued_count()
                };
                self.count_issued(issued);
            }
            Err(failure) => self.failed(&failure, worker),
        }
        if let Err(failure) = worker.clean_up(&published).await {
            self.failed(&failure, worker);
        }
        let (after, mut tally) = (worker.session.sent(), self.tally());
        tally.requests += after.0 - before.0;
        tally.connections += after.1 - before.1;
        tally.polls += worker.polls - polls;
        tally.bad_nonces += worker.session.bad_nonces - bad_nonces;
    }

    fn failed(&self, failure: &Failure, worker: &Worker) {
        self.progress.failed.fetch_add(1, Ordering::Relaxed);
        worker.shared.hung.fetch_or(failure.is_hang(), Ordering::Relaxed);
        self.tally().failed(failure);
    }

    /// Gives orders to workers until there are no more, or somebody met a hang. Who was the last to be done is the first to get
    /// an order: its connection is there, and others are made only when they are needed.
    async fn run(self: &Arc<Self>, workers: Vec<Worker>, shared: &Shared) -> Vec<Worker> {
        let (mut idle, (done, mut back)) = (workers, mpsc::unbounded_channel());
        for order in 0..self.orders {
            let due = self.pace.due(self.begun, order);
            self.wait(due, shared).await;
            while let Ok(worker) = back.try_recv() {
                idle.push(worker);
            }
            self.tally().late += u64::from(due.is_some() && idle.is_empty());
            if idle.is_empty() {
                idle.extend(back.recv().await);
            }
            // What came to an end meanwhile is known now.
            let Some(mut worker) = idle.pop().filter(|_| self.goes_on(shared)) else { break };
            let (stretch, done) = (self.clone(), done.clone());
            tokio::spawn(async move {
                stretch.work(&mut worker, order, due).await;
                // Who waits for it waits for all.
                let _ = done.send(worker);
            });
        }
        drop(done);
        while let Some(worker) = back.recv().await {
            idle.push(worker);
        }
        idle
    }

    fn windows(&self) -> Vec<Window> {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let window = |(n, pair): (u64, &[Reading])| {
            let [from, to] = pair else { return None };
            let used = from.server.zip(to.server).map(|(from, to)| to.since(from));
            Some(Window {
                certificates: n * self.window,
                per_second: self.window as f64 / (to.at - from.at).as_secs_f64(),
                server_ms: used.map(|used| used.cpu_ms as f64 / self.window as f64),
                server_kib: to.server.map(|server| server.resident_kib),
            })
        };
        (1..).zip(readings.windows(2)).filter_map(window).collect()
    }
}

/// Why a run did not begin.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The server: no directory, no account.
    #[error("{directory}: {failure}")]
    Server {
        /// Its directory.
        directory: String,
        /// What it did.
        failure: Failure,
    },
    /// There is nobody to answer its challenges.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The system has no threads or signals for it.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// Told to end a second time.
    #[error("interrupted before the orders under way were done")]
    Interrupted,
}

/// Asks for the directory once.
///
/// # Errors
/// When it is not there within this time.
pub async fn answers(target: &Target, within: Duration) -> Result<(), Failure> {
    let dialer = Dialer::new(&target.trust, target.protocol)?;
    Session::new(dialer, within).directory(&target.directory).await.map(drop)
}

/// Drives `load` against `target`, whose challenges are answered through `publish`.
///
/// # Errors
/// When it cannot begin: no directory, no account, no keys. What fails later is in the outcome.
pub async fn drive(
    load: &Load,
    target: &Target,
    publish: &Publish,
    watched: Watched,
    progress: &Arc<Progress>,
) -> Result<Outcome, DriveError> {
    let server = |failure| DriveError::Server { directory: target.directory.clone(), failure };
    let dialer = Dialer::new(&target.trust, target.protocol).map_err(server)?;
    let publishing = Publishing::start(publish, load.challenge).await?;
    let mut first = Session::new(dialer.clone(), load.deadline);
    let directory = first.directory(&target.directory).await.map_err(server)?;
    let mut accounts = Vec::new();
    for _ in 0..load.accounts.max(1) {
        accounts.push(first.register(&directory, target).await.map_err(server)?);
    }
    let shared = Arc::new(Shared {
        directory,
        keys: CertificateKeys::prepare(load.keys).map_err(server)?,
        challenge: load.challenge,
        poll: load.poll,
        patience: load.deadline,
        hung: AtomicBool::new(false),
    });
    let workers = accounts.iter().cycle().zip(0..load.in_flight.max(1)).map(|(account, _)| {
        Ok(Worker {
            shared: shared.clone(),
            account: account.clone(),
            session: Session::new(dialer.clone(), load.deadline),
            publisher: publishing.publisher(load.deadline)?,
            polls: 0,
        })
    });
    let workers = workers.collect::<Result<Vec<_>, PublishError>>()?;

    // A server that outlives the run has not heard of its names.
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let domain = |stretch: char| format!("{stretch}{:x}.{}", begun.as_micros(), load.domain);
    let warm_up = Stretch::new(domain('w'), load.warm_up, load, Watched::default(), progress);
    let workers = warm_up.run(workers, &shared).await;
    let before = Reading::take(watched);
    let stretch = Stretch::new(domain('m'), load.orders, load, watched, progress);
    drop(stretch.run(workers, &shared).await);
    let after = Reading::take(watched);

    // A run that hung ended with its last certificate, not with the wait for the next.
    let last = *stretch.last.lock().unwrap_or_else(PoisonError::into_inner);
    let elapsed = last.map_or(Duration::ZERO, |last| last - before.at);
    let used = |from: Option<Usage>, to: Option<Usage>| from.zip(to).map(|(from, to)| to.since(from));
    let mut outcome = Outcome::new(load, &stretch.tally(), elapsed);
    outcome.set_used(
        used(before.server, after.server),
        used(before.responder, after.responder),
        used(before.client, after.client),
    );
    outcome.windows = stretch.windows();
    outcome.set_warm_up(&warm_up.tally());
    outcome.stopped = progress.is_stopped();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_names_of_its_own() {
        let load = Load { orders: 2, names: 2, ..Load::default() };
        let stretch = Stretch::new("m".to_owned(), 2, &load, Watched::default(), &Arc::default());
        let mut names = [stretch.names_of(0), stretch.names_of(1)].concat();
        assert_eq!(names, ["n0.o0.m", "n1.o0.m", "n0.o1.m", "n1.o1.m"]);
        names.dedup();
        assert_eq!(names.len(), 4);
    }
}
