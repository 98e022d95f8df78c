//! What `pebble-challtestsrv` is: responders for challenges, a DNS server that knows every name, and a
//! management interface that says what they answer.
//!
//! ```
//! use mock_dns::challtest::{ChallTest, Config};
//! use world::http::Client;
//! use world::resolver::Resolver;
//!
//! let run = world::sim::run(world::sim::Config::default(), |world| async move {
//!     let net = world.sim_net().unwrap().clone();
//!     net.add_host("responder", ["10.0.0.5".parse().unwrap()]);
//!     net.add_host("main", ["10.0.0.9".parse().unwrap()]);
//!     let mut config = Config::at("10.0.0.5".parse().unwrap());
//!     config.default_ipv4 = "10.0.0.5".parse().ok();
//!     let responder = ChallTest::new(world.process("responder"), config).unwrap();
//!     responder.serve().await;
//!
//!     // The management interface, called in the process; over HTTP it is at 10.0.0.5:8055.
//!     assert_eq!(responder.manage("/add-http01", br#"{"token": "t", "content": "t.key"}"#).status, 200);
//!     let dns = Resolver::new(&world, vec!["10.0.0.5:8053".parse().unwrap()]);
//!     let url = "http://any.example.test:5002/.well-known/acme-challenge/t".parse().unwrap();
//!     Client::new(&world, dns).get(&url).await.unwrap().body
//! });
//! assert_eq!(run.unwrap().value, "t.key");
//! ```

mod answer;
mod body;
mod bounded;
mod config;
mod dns;
mod history;
mod http01;
mod manage;
mod names;
mod question;
mod records;
mod rehearse;
mod tls_alpn;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::sync::Semaphore;
use world::tls::{Acceptor, Identity};
use world::{Listener, Stream, World};

pub use config::{BindError, Config, Limits, Service};
pub use manage::Reply;

use bounded::Bounded;
use history::History;
use records::Records;
use tls_alpn::{Challenge, TlsError};

/// How often a port is looked for that is free for both transports of DNS.
const PORT_TRIES: u32 = 16;
/// How many connections one listener serves at once; others wait.
const CONNECTIONS_MAX: usize = 4096;
/// Pause after a socket reported an error, so that a lasting one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// The servers and what they know. Clones are handles on the same one.
#[derive(Clone)]
pub struct ChallTest(Arc<Shared>);

struct Shared {
    world: World,
    config: Config,
    dns: Mutex<Records>,
    web: Mutex<http01::Web>,
    tls_alpn: Mutex<Bounded<String, Challenge>>,
    history: Mutex<History>,
    signer: tls_alpn::Signer,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for ChallTest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ChallTest on {}", self.0.world.host())
    }
}

/// What was bound, and what was not.
#[derive(Debug, Default)]
pub struct Serving {
    /// Each service that answers, and where.
    pub listening: Vec<(Service, SocketAddr)>,
    /// Each address that could not be bound. The other services are not touched by it.
    pub failed: Vec<(Service, BindError)>,
}

impl Serving {
    /// Where a service answers: at the first of its addresses.
    pub fn address(&self, service: Service) -> Option<SocketAddr> {
        self.listening.iter().find(|(other, _)| *other == service).map(|(_, at)| *at)
    }
}

impl ChallTest {
    /// The servers on the host of `world`. They answer once [`ChallTest::serve`] has bound them.
    ///
    /// # Errors
    /// When the key of its certificates cannot be made.
    pub fn new(world: World, config: Config) -> Result<Self, TlsError> {
        let limits = config.limits;
        let mut records = Records::new(limits.entries, limits.values);
        (records.default_a, records.default_aaaa) = (config.default_ipv4, config.default_ipv6);
        Ok(ChallTest(Arc::new(Shared {
            dns: Mutex::new(records),
            web: Mutex::new(http01::Web::new(limits.entries)),
            tls_alpn: Mutex::new(Bounded::new(limits.entries)),
            history: Mutex::new(History::new(limits.history)),
            signer: tls_alpn::Signer::new(&world)?,
            world,
            config,
        })))
    }

    /// Binds every service and starts to answer. What cannot be bound is in the result, and everything
    /// else answers all the same.
    pub async fn serve(&self) -> Serving {
        let mut serving = Serving::default();
        for service in Service::all() {
            for (_, text) in self.0.config.bind.iter().filter(|(other, _)| *other == service) {
                match self.start(service, text).await {
                    Ok(bound) => serving.listening.extend(bound.into_iter().map(|at| (service, at))),
                    Err(error) => serving.failed.push((service, error)),
                }
            }
        }
        serving
    }

    async fn start(&self, service: Service, text: &str) -> Result<Vec<SocketAddr>, BindError> {
        let addresses = config::addresses(text)?;
        let refused = |source| BindError::Socket { address: text.to_owned(), source };
        if service == Service::Dns {
            return self.start_dns(&addresses).await.map_err(refused);
        }
        let world = self.0.world.clone();
        let broken = |error: &dyn std::fmt::Display| BindError::Identity(error.to_string());
        let tls = match service {
            Service::Management | Service::Http01 | Service::Dns => None,
            Service::Https01 => Some(self.0.signer.responder(&world).map_err(|e| broken(&e))?),
            Service::TlsAlpn01 => Some(self.tls_alpn_acceptor().map_err(|e| broken(&e))?),
            Service::Doh => {
                let identity: Identity = self.0.config.doh_identity.clone().ok_or(BindError::NoIdentity)?;
                let acceptor = Acceptor::with_identity(&world, identity).map_err(|e| broken(&e))?;
                Some(acceptor.with_alpn(&world::http::ALPN))
            }
        };
        let listener = self.listen(&addresses).await.map_err(refused)?;
        let at = listener.local_addr();
        let name = format!("mock-dns {} {at}", service.flag());
        let own = self.clone();
        match (service, tls) {
            (Service::Http01 | Service::Https01, tls) => {
                world.spawn(&name, async move { own.serve_http01(listener, tls).await })
            }
            (Service::TlsAlpn01, Some(tls)) => {
                world.spawn(&name, async move { own.serve_tls_alpn(listener, tls).await })
            }
            (service, tls) => {
                let router = match service {
                    Service::Doh => Router::new().fallback(move |request| own.clone().answer_https(request)),
                    _ => {
                        let more = self.0.config.management.clone();
                        more.fallback(move |request| own.clone().answer_management(request))
                    }
                };
                world.spawn(&name, world::http::serve(world.clone(), listener, tls, router))
            }
        };
        Ok(vec![at])
    }

    /// Serves each connection in a task of its own, so many at once.
    async fn serve_connections<F>(
        self,
        mut listener: Listener,
        name: &'static str,
        serve: impl Fn(ChallTest, Stream, SocketAddr) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let world = self.0.world.clone();
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // Nobody closes the semaphore.
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, from)) => {
                    let connection = serve(self.clone(), stream, from);
                    world.spawn(name, async move {
                        connection.await;
                        drop(slot);
                    });
                }
                // The peer has gone already, or descriptors have run out: that passes.
                Err(_) => world.sleep(ERROR_PAUSE).await,
            }
        }
    }

    /// Listens at the first of `addresses` that can be bound.
    async fn listen(&self, addresses: &[SocketAddr]) -> Result<Listener, std::io::Error> {
        let mut failed = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for (n, at) in addresses.iter().enumerate() {
            match self.0.world.listen(*at).await {
                Ok(listener) => return Ok(listener),
                // What was wrong with the best one is what a person wants to know.
                Err(error) if n == 0 => failed = error,
                Err(_) => {}
            }
        }
        Err(failed)
    }

    /// Starts DNS at the first of `addresses` that can be bound, both transports at one port.
    async fn start_dns(&self, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, std::io::Error> {
        let world = &self.0.world;
        let mut tries = 1;
        loop {
            let listener = self.listen(addresses).await?;
            let at = listener.local_addr();
            // A simulated socket on `::` takes one family only.
            let families = addresses.iter().filter(|a| a.ip() == at.ip() || world.is_virtual());
            let mut datagrams = Vec::new();
            let mut failed = None;
            for address in families {
                match world.bind_datagrams(SocketAddr::new(address.ip(), at.port())).await {
                    Ok(socket) => datagrams.push(socket),
                    Err(error) => failed = Some(error),
                }
            }
            if datagrams.is_empty() && addresses.iter().all(|a| a.port() == 0) && tries < PORT_TRIES {
                tries += 1;
                continue;
            }
            if datagrams.is_empty()
                && let Some(error) = failed
            {
                return Err(error);
            }
            for socket in datagrams {
                let own = self.clone();
                world.spawn(&format!("mock-dns udp {at}"), async move { own.serve_datagrams(socket).await });
            }
            let own = self.clone();
            world.spawn(&format!("mock-dns tcp {at}"), async move { own.serve_streams(listener).await });
            return Ok(vec![at]);
        }
    }
}
