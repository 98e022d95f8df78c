//! An ACME server (RFC 8555) for tests, rehearsals and simulations.
//!
//! One server that behaves as Boulder does, on simulated sockets in virtual time or on real ones. What it
//! decides depends on its requests, its [`Config`] and the seed of its world, and on nothing else; what it
//! decided, and why, is in its [`Journal`].
//!
//! The rooms have the names that ACME people know: [`wfe`] (the wire), [`ra`] over [`protocol`] (accounts,
//! orders, authorizations), [`policy`] (names), [`va`] (validation), [`ca`] (signing), [`db`] (memory).
//!
//! ```
//! use std::net::SocketAddr;
//!
//! let run = world::sim::run(world::sim::Config::default(), |world| async move {
//!     world.sim_net().unwrap().add_host("acme", ["10.0.0.1".parse().unwrap()]);
//!     let host = world.process("acme");
//!     let config = mock_ca::Config { base_url: "https://10.0.0.1".into(), ..Default::default() };
//!     let ca = mock_ca::Ca::new(host.clone(), config).unwrap();
//!     let listener = host.listen("10.0.0.1:443".parse::<SocketAddr>().unwrap()).await.unwrap();
//!     let server = ca.clone();
//!     host.spawn("server", async move { server.serve_on(listener).await.unwrap() });
//!
//!     let roots = world::tls::Connector::new(&host, &[ca.web_root()]).unwrap();
//!     let resolver = world::resolver::Resolver::new(&host, Vec::new());
//!     let client = world::http::Client::new(&host, resolver).with_tls(roots);
//!     let directory = client.get(&ca.directory_url().parse().unwrap()).await.unwrap();
//!     assert_eq!(directory.status, 200);
//!     ca.journal().to_json_lines()
//! });
//! assert!(run.unwrap().value.contains(r#""endpoint":"directory""#));
//! ```
//!
//! **Invariant:** two servers that get the same requests at the same times from worlds with the same seed
//! give the same answers and keep the same journal, byte for byte.

pub mod ca;
pub mod config;
pub mod db;
pub mod dialect;
pub mod draws;
pub mod dropin;
pub mod faults;
pub mod issuance;
pub mod journal;
mod library;
pub mod limits;
pub mod management;
pub mod policy;
pub mod problem;
pub mod protocol;
mod publish;
pub mod ra;
mod server;
pub mod state;
pub mod va;
pub mod wfe;

pub use crate::ca::CaError;
pub use crate::config::Config;
pub use crate::db::Issued;
pub use crate::journal::Journal;
pub use crate::library::{Builder, MockCa};
pub use crate::server::Ca;
pub use crate::state::{Durability, StateDir, StateError};
