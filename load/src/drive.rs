//! A run: accounts, workers, the warm-up, the orders that count, and the readings around them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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

/// Who takes an order this soon after it was due was free for it.
const PUNCTUAL: Duration = Duration::from_millis(10);

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
    next: AtomicU64,
    issued: AtomicU64,
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
            next: AtomicU64::new(0),
            issued: AtomicU64::new(0),
            readings: Mutex::new(vec![Reading::take(watched)]),
            last: Mutex::new(None),
        })
    }

    /// The next order while there is one: its names, and when it is due.
    fn next(&self) -> Option<(Vec<String>, Option<Instant>)> {
        if self.progress.is_stopped() {
            return None;
        }
        let order = self.next.fetch_add(1, Ordering::Relaxed);
        let name = |k| format!("n{k}.o{order}.{}", self.domain);
        let names = || (0..self.names).map(name).collect();
        (order < self.orders).then(|| (names(), self.pace.due(self.begun, order)))
    }

    fn count_issued(&self) {
        self.progress.issued.fetch_add(1, Ordering::Relaxed);
        let issued = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if self.window > 0 && issued.is_multiple_of(self.window) {
            let reading = Reading::take(self.watched);
            self.readings.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
        }
    }

    /// Until an order is due. What it has waited for a worker, unless the pace is that of the workers.
    async fn wait(due: Option<Instant>) -> Option<Duration> {
        let due = due?;
        tokio::time::sleep_until(due.into()).await;
        Some(due.elapsed())
    }

    /// Takes orders until there are no more, or somebody met a hang.
    async fn work(self: Arc<Self>, mut worker: Worker) -> (Worker, Tally) {
        let mut tally = Tally::default();
        let before = worker.session.sent();
        let (polls, bad_nonces) = (worker.polls, worker.session.bad_nonces);
        while !worker.shared.hung.load(Ordering::Relaxed) {
            let Some((names, due)) = self.next() else { break };
            let late = due.is_some_and(|due| due.elapsed() > PUNCTUAL);
            tally.late += u64::from(late);
            let waited = Self::wait(due).await;
            let (mut published, mut laps, begun) = (Vec::new(), Laps::start(), Instant::now());
            match worker.issue(&names, &mut published, &mut laps).await {
                Ok(()) => {
                    tally.issued(waited, &laps.phases, begun.elapsed());
                    self.count_issued();
                }
                Err(failure) => self.failed(&failure, &worker, &mut tally),
            }
            if let Err(failure) = worker.clean_up(&published).await {
                self.failed(&failure, &worker, &mut tally);
            }
        }
        let after = worker.session.sent();
        tally.requests = after.0 - before.0;
        tally.connections = after.1 - before.1;
        tally.polls = worker.polls - polls;
        tally.bad_nonces = worker.session.bad_nonces - bad_nonces;
        (worker, tally)
    }

    fn failed(&self, failure: &Failure, worker: &Worker, tally: &mut Tally) {
        self.progress.failed.fetch_add(1, Ordering::Relaxed);
        worker.shared.hung.fetch_or(failure.is_hang(), Ordering::Relaxed);
        tally.failed(failure);
    }

    /// One task for each worker.
    async fn run(self: &Arc<Self>, workers: Vec<Worker>) -> Result<(Vec<Worker>, Tally), Failure> {
        let tasks: Vec<_> =
            workers.into_iter().map(|worker| tokio::spawn(self.clone().work(worker))).collect();
        let (mut workers, mut tally) = (Vec::with_capacity(tasks.len()), Tally::default());
        for task in tasks {
            let (worker, counted) = task.await.map_err(|e| Failure::Client(e.to_string()))?;
            workers.push(worker);
            tally.add(counted);
        }
        Ok((workers, tally))
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
    let workers = accounts.iter().cycle().zip(0..load.in_flight).map(|(account, _)| {
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
    let (workers, warm_tally) = warm_up.run(workers).await.map_err(server)?;
    let before = Reading::take(watched);
    let stretch = Stretch::new(domain('m'), load.orders, load, watched, progress);
    let (_workers, tally) = stretch.run(workers).await.map_err(server)?;
    let after = Reading::take(watched);

    // A run that hung ended with its last certificate, not with the wait for the next.
    let last = *stretch.last.lock().unwrap_or_else(PoisonError::into_inner);
    let elapsed = last.map_or(Duration::ZERO, |last| last - before.at);
    let used = |from: Option<Usage>, to: Option<Usage>| from.zip(to).map(|(from, to)| to.since(from));
    let mut outcome = Outcome::new(load, tally, elapsed);
    outcome.set_used(
        used(before.server, after.server),
        used(before.responder, after.responder),
        used(before.client, after.client),
    );
    outcome.windows = stretch.windows();
    outcome.set_warm_up(&warm_tally);
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
        let next = || stretch.next().map(|(names, _)| names);
        let mut names: Vec<String> = next().into_iter().chain(next()).flatten().collect();
        assert_eq!(names.len(), 4);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 4);
        assert_eq!(next(), None);
    }

    #[test]
    fn who_is_told_to_stop_begins_no_order() {
        let (load, progress) = (Load::default(), Arc::new(Progress::default()));
        let stretch = Stretch::new("m".to_owned(), 2, &load, Watched::default(), &progress);
        assert!(stretch.next().is_some());
        progress.stop();
        assert_eq!(stretch.next(), None);
    }
}
