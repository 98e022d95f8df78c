//! The simulated network: hosts with addresses, listeners, and the rules of the links between them.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::datagram::{SharedMailbox, SimDatagrams};
use super::stream::{Cut, SimStream, pair};
use crate::world::World;

/// What a link does with what is sent over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It arrives.
    #[default]
    Pass,
    /// Connections are refused; datagrams vanish.
    Refuse,
    /// Nothing arrives and nothing answers.
    BlackHole,
    /// A connection is reset as soon as its opener has sent this many bytes, which still arrive;
    /// datagrams pass.
    ResetAfter(u64),
    /// A connection is closed in order as soon as its opener has sent this many bytes; what goes beyond them
    /// is read by nobody. Datagrams pass.
    CloseAfter(u64),
}

/// A rule for a link. The first rule that fits a packet decides it; without one it passes at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRule {
    /// The host that opens the connection or sends the datagram; `None` is any.
    pub from: Option<String>,
    /// The host that is addressed; `None` is any.
    pub to: Option<String>,
    /// The port that is addressed; `None` is any.
    pub port: Option<u16>,
    /// Time from one end to the other.
    pub latency: Duration,
    /// Of 1000 datagrams, how many are lost: drawn from the tape, so none on the all-zero tape.
    pub loss_permille: u32,
    /// What happens.
    pub verdict: Verdict,
}

/// A handle on the simulated network of one world.
#[derive(Clone, Debug, Default)]
pub struct SimNet(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    hosts: BTreeMap<String, Vec<IpAddr>>,
    rules: Vec<LinkRule>,
    listeners: BTreeMap<SocketAddr, SharedBacklog>,
    mailboxes: BTreeMap<SocketAddr, SharedMailbox>,
    ephemeral: BTreeMap<IpAddr, u16>,
}

#[derive(Debug, Default)]
struct Backlog {
    pending: VecDeque<(SimStream, SocketAddr)>,
    acceptor: Option<Waker>,
}

type SharedBacklog = Arc<Mutex<Backlog>>;

/// First port that a client without a wish gets.
const EPHEMERAL_FIRST: u16 = 32_768;

impl Inner {
    fn host_of(&self, ip: IpAddr) -> Option<&str> {
        self.hosts.iter().find(|(_, ips)| ips.contains(&ip)).map(|(name, _)| name.as_str())
    }

    /// The address that `host` has for talking to `peer`.
    fn address_towards(&self, host: &str, peer: IpAddr) -> Option<IpAddr> {
        let ips = self.hosts.get(host)?;
        ips.iter().find(|ip| ip.is_ipv4() == peer.is_ipv4()).copied()
    }

    fn rule(&self, from: &str, to: SocketAddr) -> LinkRule {
        let to_host = self.host_of(to.ip());
        let fits = |rule: &&LinkRule| {
            rule.from.as_deref().is_none_or(|f| f == from)
                && rule.to.as_deref().is_none_or(|t| Some(t) == to_host)
                && rule.port.is_none_or(|p| p == to.port())
        };
        self.rules.iter().find(fits).cloned().unwrap_or_default()
    }

    fn ephemeral_port(&mut self, ip: IpAddr) -> u16 {
        let next = self.ephemeral.entry(ip).or_insert(EPHEMERAL_FIRST);
        let mut port = *next;
        // Once round at most: with every port taken it is the binding that fails.
        for _ in EPHEMERAL_FIRST..=u16::MAX {
            port = *next;
            *next = next.checked_add(1).unwrap_or(EPHEMERAL_FIRST);
            let address = SocketAddr::new(ip, port);
            if !self.listeners.contains_key(&address) && !self.mailboxes.contains_key(&address) {
                break;
            }
        }
        port
    }
}

impl SimNet {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a host its addresses; a known host gets these instead of what it had.
    pub fn add_host(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        self.lock().hosts.insert(name.to_owned(), addresses.into_iter().collect());
    }

    /// The addresses of a host; empty when it is not known.
    pub fn addresses(&self, host: &str) -> Vec<IpAddr> {
        self.lock().hosts.get(host).cloned().unwrap_or_default()
    }

    /// Puts `rule` in front of all others.
    pub fn add_rule(&self, rule: LinkRule) {
        self.lock().rules.insert(0, rule);
    }

    /// Replaces all rules; the first that fits decides.
    pub fn set_rules(&self, rules: Vec<LinkRule>) {
        self.lock().rules = rules;
    }

    pub(crate) async fn connect(&self, world: &World, to: SocketAddr) -> io::Result<(SimStream, SocketAddr)> {
        let (rule, from) = {
            let mut inner = self.lock();
            let rule = inner.rule(world.host(), to);
            let ip = inner.address_towards(world.host(), to.ip());
            let ip = ip.ok_or(io::ErrorKind::NetworkUnreachable)?;
            if inner.host_of(to.ip()).is_none() {
                return Err(io::ErrorKind::HostUnreachable.into());
            }
            let port = inner.ephemeral_port(ip);
            (rule, SocketAddr::new(ip, port))
        };
        if rule.verdict == Verdict::BlackHole {
            std::future::pending::<()>().await;
        }
        // SYN there, SYN-ACK back; the listener has the connection when the SYN arrives.
        world.sleep(rule.latency).await;
        let backlog = self.lock().listeners.get(&to).cloned();
        let (Some(backlog), false) = (backlog, rule.verdict == Verdict::Refuse) else {
            world.sleep(rule.latency).await;
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        let cut = match rule.verdict {
            Verdict::ResetAfter(budget) => Some(Cut { budget, in_order: false }),
            Verdict::CloseAfter(budget) => Some(Cut { budget, in_order: true }),
            _ => None,
        };
        let (client, server) = {
            let to_host = self.lock().host_of(to.ip()).unwrap_or("?").to_owned();
            let client = format!("{}:{}", world.host(), from.port());
            let server = format!("{to_host}:{}", to.port());
            pair(world, &client, &server, rule.latency, cut)
        };
        {
            let mut backlog = backlog.lock().unwrap_or_else(PoisonError::into_inner);
            backlog.pending.push_back((server, from));
            if let Some(acceptor) = backlog.acceptor.take() {
                acceptor.wake();
            }
        }
        world.sleep(rule.latency).await;
        Ok((client, from))
    }

    /// The addresses that binding `at` on `host` means.
    fn bindable(inner: &Inner, host: &str, at: SocketAddr) -> io::Result<Vec<SocketAddr>> {
        let own = inner.hosts.get(host).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let addresses: Vec<SocketAddr> = if at.ip().is_unspecified() {
            own.iter().map(|ip| SocketAddr::new(*ip, at.port())).collect()
        } else if own.contains(&at.ip()) {
            vec![at]
        } else {
            Vec::new()
        };
        if addresses.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(addresses) }
    }

    pub(crate) fn listen(&self, host: &str, at: SocketAddr) -> io::Result<SimListener> {
        let mut inner = self.lock();
        let mut addresses = Self::bindable(&inner, host, at)?;
        for address in &mut addresses {
            if address.port() == 0 {
                address.set_port(inner.ephemeral_port(address.ip()));
            }
            if inner.listeners.contains_key(address) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
        }
        let backlog = SharedBacklog::default();
        for address in &addresses {
            inner.listeners.insert(*address, backlog.clone());
        }
        Ok(SimListener { net: self.clone(), addresses, backlog })
    }

    pub(crate) fn bind(&self, world: &World, at: SocketAddr) -> io::Result<SimDatagrams> {
        let mut inner = self.lock();
        let mut local = *Self::bindable(&inner, world.host(), at)?
            .iter()
            .find(|a| a.is_ipv4() == at.is_ipv4())
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        if local.port() == 0 {
            local.set_port(inner.ephemeral_port(local.ip()));
        }
        if inner.mailboxes.contains_key(&local) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let mailbox = SharedMailbox::default();
        inner.mailboxes.insert(local, mailbox.clone());
        Ok(SimDatagrams { net: self.clone(), world: world.clone(), local, mailbox })
    }

    pub(crate) fn unbind(&self, local: SocketAddr) {
        self.lock().mailboxes.remove(&local);
    }

    pub(crate) fn send_datagram(&self, world: &World, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        world.record(&format!("{from}>{to}"), "udp", data);
        let (rule, mailbox) = {
            let inner = self.lock();
            let sender = inner.host_of(from.ip()).unwrap_or("?").to_owned();
            // The answer to a datagram takes the link of the question.
            let rule = inner.rule(&sender, to);
            let reverse = inner.host_of(to.ip()).map(|host| inner.rule(host, from));
            let rule = if rule == LinkRule::default() { reverse.unwrap_or(rule) } else { rule };
            (rule, inner.mailboxes.get(&to).cloned())
        };
        let lost = rule.loss_permille > 0
            && world.tape().choose(1000) >= 1000_u32.saturating_sub(rule.loss_permille);
        if lost || matches!(rule.verdict, Verdict::BlackHole | Verdict::Refuse) {
            return;
        }
        if let Some(mailbox) = mailbox {
            let due = world.monotonic() + rule.latency;
            mailbox.lock().unwrap_or_else(PoisonError::into_inner).deliver(due, data.to_vec(), from);
        }
    }
}

/// A bound simulated stream socket; dropping it frees its addresses.
#[derive(Debug)]
pub(crate) struct SimListener {
    net: SimNet,
    addresses: Vec<SocketAddr>,
    backlog: SharedBacklog,
}

impl SimListener {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.addresses[0]
    }

    pub(crate) async fn accept(&mut self) -> io::Result<(SimStream, SocketAddr)> {
        poll_fn(|cx| {
            let mut backlog = self.backlog.lock().unwrap_or_else(PoisonError::into_inner);
            match backlog.pending.pop_front() {
                Some(connection) => Poll::Ready(Ok(connection)),
                None => {
                    backlog.acceptor = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        let mut inner = self.net.lock();
        for address in &self.addresses {
            inner.listeners.remove(address);
        }
    }
}
