//! What a server decides by chance, as Pebble does to keep clients from relying on what the protocol does
//! not promise. Every draw comes from the world's seed and stands in the journal.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::duration;

/// The knobs. The default draws nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Randomness {
    /// How many of a hundred good nonces are refused.
    pub nonce_reject_percent: u8,
    /// How many of a hundred valid authorizations are used again; `null` is all, where `authzReuse` is on.
    pub authz_reuse_percent: Option<u8>,
    /// A validation waits for whole seconds below this before it starts.
    #[serde(with = "duration::one")]
    pub validation_sleep: Duration,
    /// Whether identifiers, authorizations and challenges of an order are in any order.
    pub shuffle: bool,
    /// Whether an order that names no profile gets any.
    pub profile: bool,
    /// Whether every other `Retry-After`, by chance, is a date.
    pub retry_after_date: bool,
}
