//! An authoritative DNS server for tests.
//!
//! It answers for zones that are given as data, over UDP and TCP, on the simulated network of a
//! [`world::World`] or on real sockets, and it keeps a log of every query. The codec of messages and
//! records is hickory-proto's; zones, answers, nameservers that lag, views and scripts are this crate's own
//! (RFC 1034, 2308, 4592, 6604).
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

mod answer;
mod catalog;
pub mod challtest;
mod config;
mod doh;
mod error;
mod journal;
mod manage;
pub mod provider;
mod rdata;
mod script;
mod serve;
mod server;
mod stream;
mod update;
mod wire;
mod zone;

pub use hickory_proto::op::ResponseCode;
pub use hickory_proto::rr::RecordType;

pub use crate::config::{Config, Nameserver, Record, Soa, TsigKey, Updates, View, Zone};
pub use crate::error::{RuleError, ZoneError};
pub use crate::journal::{QueryLogEntry, Transport};
pub use crate::script::{Action, Asker, Condition, Occasions, Rule, RuleState};
pub use crate::server::Dns;
