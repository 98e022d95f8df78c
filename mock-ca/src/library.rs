//! A running CA as a value, for tests: made in a line, gone when it is dropped.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;

use world::http::HyperConnector;
use world::keys::pem_encode;
use world::resolver::Resolver;
use world::tls::Connector;
use world::{TaskGroup, World};

use crate::{Ca, CaError, Config};

/// The host of a CA in a simulated world, unless another is chosen.
const HOST: &str = "acme";
/// Its address there.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1));
/// The address of the caller's host there, if it has none.
const CALLER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 255, 0, 2));

/// A CA that serves until it is dropped.
///
/// On a free port of the loopback interface, inside of any tokio test:
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// // #[tokio::test] async fn …
/// let ca = mock_ca::MockCa::builder().always_valid().spawn().await?;
/// println!("point your client at {}", ca.directory_url());
/// println!("and let it trust {}", ca.web_root_pem());
/// // … your client gets its certificate …
/// assert_eq!(ca.issued().len(), 0);
/// # Ok::<(), mock_ca::CaError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In memory and in virtual time, with a client that knows nothing of it, here `instant-acme` as it is
/// published. Ninety days of six-day certificates, renewed every four days, take some milliseconds:
///
/// ```
/// use hyper_util::{client::legacy::Client, rt::TokioExecutor};
/// use instant_acme::{Account, Identifier, NewAccount, NewOrder, RetryPolicy};
/// # use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let renewals = world::guest::run(world::sim::Config::default(), async |world| {
///     let ca = mock_ca::MockCa::builder().in_world(&world).always_valid().spawn().await?;
///     let http = Box::new(Client::builder(TokioExecutor::new()).build(ca.hyper_connector()?));
///     let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
///     let (account, _) = Account::builder_with_http(http).create(&new, ca.directory_url(), None).await?;
///     while world.monotonic().since(world::Instant::default()) < Duration::from_secs(90 * 86_400) {
///         let names = [Identifier::Dns("www.example.com".to_owned())];
///         let mut order = account.new_order(&NewOrder::new(&names).profile("shortlived")).await?;
///         let mut authorizations = order.authorizations();
///         while let Some(authorization) = authorizations.next().await {
///             let mut authorization = authorization?;
///             if let Some(mut challenge) = authorization.challenge(instant_acme::ChallengeType::Http01) {
///                 challenge.set_ready().await?;
///             }
///         }
///         order.poll_ready(&RetryPolicy::default()).await?;
///         order.finalize().await?;
///         order.poll_certificate(&RetryPolicy::default()).await?;
///         tokio::time::sleep(Duration::from_secs(4 * 86_400)).await;
///     }
///     Ok::<_, Box<dyn std::error::Error>>(ca.issued().len())
/// })??;
/// assert_eq!(renewals, 23);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MockCa {
    ca: Ca,
    world: World,
    address: SocketAddr,
    _server: TaskGroup,
}

impl MockCa {
    /// A CA like Pebble, without its chance.
    pub fn builder() -> Builder {
        Builder { config: Config::pebble(), seed: None, world: None, listen: None }
    }

    /// Where it listens for HTTPS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root of its HTTPS certificate, PEM.
    pub fn web_root_pem(&self) -> String {
        pem_encode("CERTIFICATE", &self.ca.web_root())
    }

    /// The roots that issued certificates chain to, PEM.
    pub fn issuer_roots_pem(&self) -> Vec<String> {
        self.ca.issuer_roots().iter().map(|root| pem_encode("CERTIFICATE", root)).collect()
    }

    /// What `hyper_util::client::legacy::Client` connects to it with, over the CA's world.
    ///
    /// # Errors
    /// When its root cannot be trusted.
    pub fn hyper_connector(&self) -> Result<HyperConnector, CaError> {
        let tls = Connector::new(&self.world, &[self.ca.web_root()])?;
        Ok(HyperConnector::new(&self.world, Resolver::new(&self.world, Vec::new()), tls))
    }
}

impl Deref for MockCa {
    type Target = Ca;

    fn deref(&self) -> &Ca {
        &self.ca
    }
}

impl Drop for MockCa {
    fn drop(&mut self) {
        self.ca.stop();
    }
}

/// What a CA is made from.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    seed: Option<u64>,
    world: Option<World>,
    listen: Option<SocketAddr>,
}

impl Builder {
    /// In place of the configuration so far.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// With changes to the configuration.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Every challenge passes without a look at anything.
    #[must_use]
    pub fn always_valid(self) -> Self {
        self.configure(|config| config.always_valid = true)
    }

    /// The nameservers that validation asks.
    #[must_use]
    pub fn resolvers(self, resolvers: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.configure(|config| config.resolvers = resolvers.into_iter().collect())
    }

    /// Makes keys, nonces, tokens and serial numbers repeat. A world that is given has its own seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Where to listen; port 0 is a free one. Otherwise it is a free port of 127.0.0.1, and in a simulated
    /// world port 443 of a host of its own.
    #[must_use]
    pub fn listen(mut self, at: SocketAddr) -> Self {
        self.listen = Some(at);
        self
    }

    /// In this world, instead of the real one. In a simulated one the CA is the host `acme`; it and the
    /// caller's own host are added to the network if they are not there yet.
    #[must_use]
    pub fn in_world(mut self, world: &World) -> Self {
        self.world = Some(world.clone());
        self
    }

    /// Starts to serve. In the real world this needs a tokio runtime around it.
    ///
    /// # Errors
    /// When the address cannot be bound or the configuration cannot be used.
    pub async fn spawn(self) -> Result<MockCa, CaError> {
        let world = match self.world {
            Some(world) => world,
            None => world::real::world(self.seed).map_err(std::io::Error::other)?,
        };
        let (process, usual) = match world.sim_net() {
            None => (world.process(HOST), SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)),
            Some(net) => {
                for (host, ip) in [(HOST, ADDRESS), (world.host(), CALLER)] {
                    if net.addresses(host).is_empty() {
                        net.add_host(host, [ip]);
                    }
                }
                let ip = net.addresses(HOST).first().copied().unwrap_or(ADDRESS);
                (world.process(HOST), SocketAddr::new(ip, 443))
            }
        };
        let listener = process.listen(self.listen.unwrap_or(usual)).await?;
        let address = listener.local_addr();
        let mut config = self.config;
        if config.base_url.is_empty() {
            config.base_url = match address.port() {
                443 => format!("https://{}", bracketed(address.ip())),
                _ => format!("https://{address}"),
            };
        }
        let ca = Ca::new(process.clone(), config)?;
        let server = TaskGroup::new(&process);
        let serving = ca.clone().serve_on(listener);
        server.spawn("mock-ca", async move {
            // It ends only when it is dropped: the identity that could fail is made from its own keys.
            drop(serving.await);
        });
        Ok(MockCa { ca, world, address, _server: server })
    }
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
