//! A DNS provider in front of the zones: the API that an ACME client's plug-in writes its TXT records with.
//!
//! It keeps no records of its own. What it writes goes to the zones of a [`Dns`](crate::Dns) and reaches
//! the nameservers after the provider's publish delay and each nameserver's own; what it lists comes from
//! there too. Three front ends speak for it: a plain REST one ([`Provider::rest`]), the form-encoded one of
//! DNSPod ([`Provider::dnspod`]), and the one of Tencent Cloud, to which DNSPod belongs ([`Provider::tencent`]).
//!
//! What goes wrong at real providers is a setting: throttling, lists that lag behind the writes, writes that
//! replace what they should add to, read-modify-write without a precondition, and scripted rules for single
//! calls. Every call is in the audit log.

mod api;
mod audit;
mod config;
mod dnspod;
mod ids;
mod manage;
mod records;
mod rest;
mod tencent;
mod throttle;

pub use api::Provider;
pub use audit::AuditEntry;
pub use config::{
    Account, Adds, ApiCondition, ApiRule, ApiRuleState, Deletes, Operation, Outcome, ProviderConfig, Throttle,
};
