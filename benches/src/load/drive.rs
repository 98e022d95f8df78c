//! A run: accounts, workers, the warm-up, the orders that count, and the readings around them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::connection::{Endpoint, Protocol, Trust};
use super::csr::CertificateKeys;
use super::failure::Failure;
use super::order::{Shared, Worker};
use super::process::Usage;
use super::report::Outcome;
use super::responder::Responder;
use super::session::Session;
use super::tally::{Tally, Window};

/// How much of what to do.
#[derive(Clone, Debug)]
pub struct Load {
    /// Orders that count.
    pub orders: u64,
    /// Orders before them that do not.
    pub warm_up: u64,
    /// Orders under way at any time.
    pub in_flight: u64,
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

/// The servers.
#[derive(Clone, Debug)]
pub struct Target {
    /// ACME, HTTPS.
    pub acme: SocketAddr,
    /// The directory's path.
    pub directory: String,
    /// Management API of the challenge test server, HTTP.
    pub management: SocketAddr,
    /// Which certificate the ACME server may have.
    pub trust: Trust,
    /// What to speak with it.
    pub protocol: Protocol,
}

/// The processes whose use is read; what is not known is not told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// Process id of the ACME server.
    pub server: Option<u32>,
    /// Process id of the challenge test server.
    pub responder: Option<u32>,
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

/// What the workers of one phase share.
struct Phase {
    /// What the names end with: the phase and the run are in it, so that no name is asked for twice.
    domain: String,
    orders: u64,
    names: u64,
    window: u64,
    watched: Watched,
    next: AtomicU64,
    issued: AtomicU64,
    /// One for every `window` certificates, after that of the beginning; the last is that of the last certificate.
    readings: Mutex<Vec<Reading>>,
    last: Mutex<Option<Instant>>,
}

impl Phase {
    fn new(label: &str, orders: u64, load: &Load, watched: Watched) -> Arc<Self> {
        Arc::new(Phase {
            domain: format!("{label}.{}", load.domain),
            orders,
            names: load.names,
            window: load.window,
            watched,
            next: AtomicU64::new(0),
            issued: AtomicU64::new(0),
            readings: Mutex::new(vec![Reading::take(watched)]),
            last: Mutex::new(None),
        })
    }

    /// The names of the next order, while there is one.
    fn next(&self) -> Option<Vec<String>> {
        let order = self.next.fetch_add(1, Ordering::Relaxed);
        let name = |k| format!("n{k}.o{order}.{}", self.domain);
        (order < self.orders).then(|| (0..self.names).map(name).collect())
    }

    fn count_issued(&self) {
        let issued = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        if self.window > 0 && issued.is_multiple_of(self.window) {
            let reading = Reading::take(self.watched);
            self.readings.lock().unwrap_or_else(PoisonError::into_inner).push(reading);
        }
    }

    /// Takes orders until there are no more, or somebody met a hang.
    async fn work(self: Arc<Self>, mut worker: Worker) -> (Worker, Tally) {
        let mut tally = Tally::default();
        let before = (worker.session.connection.requests, worker.session.connection.made);
        let (polls, bad_nonces) = (worker.polls, worker.session.bad_nonces);
        while !worker.shared.hung.load(Ordering::Relaxed) {
            let Some(names) = self.next() else { break };
            let mut tokens = Vec::new();
            let begun = Instant::now();
            match worker.issue(&names, &mut tokens).await {
                Ok(()) => {
                    tally.issued(begun.elapsed());
                    self.count_issued();
                }
                Err(failure) => {
                    worker.shared.hung.fetch_or(failure.is_hang(), Ordering::Relaxed);
                    tally.failed(&failure);
                }
            }
            if let Err(failure) = worker.clean_up(&tokens).await {
                worker.shared.hung.fetch_or(failure.is_hang(), Ordering::Relaxed);
                tally.failed(&failure);
            }
        }
        tally.requests = worker.session.connection.requests - before.0;
        tally.connections = worker.session.connection.made - before.1;
        tally.polls = worker.polls - polls;
        tally.bad_nonces = worker.session.bad_nonces - bad_nonces;
        (worker, tally)
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

/// Drives `load` against `target`.
///
/// # Errors
/// When it cannot begin: no directory, no account, no keys. What fails later is in the outcome.
pub async fn drive(load: &Load, target: &Target, watched: Watched) -> Result<Outcome, Failure> {
    let endpoint = Endpoint::tls(target.acme, &target.trust, target.protocol)?;
    let mut first = Session::new(endpoint.clone(), load.deadline);
    let directory = first.directory(&target.directory).await?;
    let mut accounts = Vec::new();
    for _ in 0..load.accounts.max(1) {
        accounts.push(first.register(&directory).await?);
    }
    let shared = Arc::new(Shared {
        directory,
        keys: CertificateKeys::prepare(load.keys)?,
        poll: load.poll,
        patience: load.deadline,
        hung: AtomicBool::new(false),
    });
    let workers = accounts.iter().cycle().zip(0..load.in_flight).map(|(account, _)| Worker {
        shared: shared.clone(),
        account: account.clone(),
        session: Session::new(endpoint.clone(), load.deadline),
        responder: Responder::new(target.management, load.deadline),
        polls: 0,
    });

    // A server that outlives the run has not heard of its names.
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let label = |phase: char| format!("{phase}{:x}", begun.as_micros());
    let warm_up = Phase::new(&label('w'), load.warm_up, load, Watched::default());
    let (workers, warm_tally) = warm_up.run(workers.collect()).await?;
    let phase = Phase::new(&label('m'), load.orders, load, watched);
    let before = Reading::take(watched);
    let (_workers, tally) = phase.run(workers).await?;
    let after = Reading::take(watched);

    // A run that hung ended with its last certificate, not with the wait for the next.
    let last = *phase.last.lock().unwrap_or_else(PoisonError::into_inner);
    let elapsed = last.map_or(Duration::ZERO, |last| last - before.at);
    let used = |from: Option<Usage>, to: Option<Usage>| from.zip(to).map(|(from, to)| to.since(from));
    let mut outcome = Outcome::new(load, tally, elapsed);
    outcome.set_used(
        used(before.server, after.server),
        used(before.responder, after.responder),
        used(before.client, after.client),
    );
    outcome.windows = phase.windows();
    outcome.set_warm_up(&warm_tally);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_has_names_of_its_own() {
        let load = Load {
            orders: 2,
            warm_up: 0,
            in_flight: 1,
            names: 2,
            domain: "load.test".to_owned(),
            accounts: 1,
            keys: 0,
            poll: Duration::ZERO,
            deadline: Duration::ZERO,
            window: 0,
        };
        let phase = Phase::new("m", load.orders, &load, Watched::default());
        let mut names: Vec<String> = phase.next().into_iter().chain(phase.next()).flatten().collect();
        assert_eq!(names.len(), 4);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 4);
        assert_eq!(phase.next(), None);
    }
}
