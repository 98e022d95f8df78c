//! The issuance engine: cert-manager's controllers, over a store with resourceVersions.
//!
//! | room | what happens there |
//! |---|---|
//! | [`api`], [`manifest`] | the objects, and how they are read from YAML |
//! | [`store`] | the API server's state: optimistic locking, watches, generated names |
//! | [`admission`] | what the API server fills in and refuses before it stores |
//! | [`client`], [`informer`] | the way there and back, with what each way costs: call times, rate limit, two lags |
//! | [`queue`], [`controller`] | work queues, workers, requeues |
//! | `certificates`, `requests`, `orders`, `challenges`, `issuers`, `shims` | the controllers |
//! | `legacy` | the one controller of 0.2 and 0.5 |
//! | [`acme`], `pki`, `signing` | the ACME client, X.509, and signing in the process itself |
//! | [`leader`] | which of several processes works |
//! | [`host`] | challenges that are answered without a cluster |
//! | [`log`], [`recorder`], [`conditions`] | what people see: klog lines, events, conditions |
//! | [`compat`], [`work`] | what differs between releases, and where computing takes time, as data |
//!
//! A controller looks at its caches, decides by a pure function what is to be done, and does that one thing;
//! [`start`] runs them all. Time, network, randomness and keys come from [`world`] alone, so that the
//! engine does not know whether they are real.

pub mod acme;
pub mod admission;
pub mod api;
mod certificates;
mod challenges;
pub mod client;
pub mod compat;
pub mod conditions;
pub mod controller;
mod controllers;
pub mod describe;
mod engine;
pub mod host;
pub mod informer;
mod issuers;
mod keyed;
pub mod leader;
mod legacy;
pub mod log;
pub mod manifest;
mod orders;
pub mod pki;
pub mod queue;
pub mod recorder;
mod requests;
mod shims;
mod signing;
pub mod store;
pub mod work;

pub use certificates::renew;
/// When certificates are issued anew, as functions of times: for whoever computes with many of them.
pub mod schedule {
    pub use crate::certificates::renewal::{WindowError, opened, renewal_time};
    pub use crate::certificates::renewal_info::{asks, instant};
    pub use crate::certificates::trigger::held_until;
}
pub use challenges::dns01;
pub use controllers::{Controllers, UnknownController};
pub use engine::{EngineConfig, start};
pub use shims::ShimConfig;
