//! An authoritative DNS server for tests.
//!
//! It answers for zones that are given as data, over UDP and TCP, on the simulated network of a
//! [`world::World`] or on real sockets, and it keeps a log of every query. Wire format, EDNS and the
//! sections of an answer are hickory-server's; which records a name has, wildcards, empty non-terminals
//! and delegations are answered by this crate's own zones (RFC 1034, RFC 4592).
//!
//! ```
//! use mock_dns::{Config, Dns, Record, RecordType, Zone};
//! use world::resolver::Resolver;
//!
//! let run = world::sim::run(world::sim::Config::default(), |world| async move {
//!     let net = world.sim_net().unwrap().clone();
//!     net.add_host("ns1", ["10.0.0.53".parse().unwrap()]);
//!     net.add_host("main", ["10.0.0.9".parse().unwrap()]);
//!     let zone = Zone::new("example.test", vec![Record::new("www", RecordType::A, "10.0.0.80")]);
//!     let dns = Dns::new(world.process("ns1"), Config { zones: vec![zone], ..Config::default() }).unwrap();
//!     let at = dns.serve("10.0.0.53:53".parse().unwrap()).await.unwrap();
//!     Resolver::new(&world, vec![at]).addresses("www.example.test").await.unwrap()
//! });
//! assert_eq!(run.unwrap().value, ["10.0.0.80".parse::<std::net::IpAddr>().unwrap()]);
//! ```

mod catalog;
mod config;
mod error;
mod journal;
mod rdata;
mod server;
mod zone;

pub use hickory_proto::op::ResponseCode;
pub use hickory_proto::rr::RecordType;

pub use crate::config::{Config, Record, Soa, Zone};
pub use crate::error::ZoneError;
pub use crate::journal::{QueryLogEntry, Transport};
pub use crate::server::Dns;
