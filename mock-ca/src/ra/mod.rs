//! The registration authority: what requests and validations do to accounts, orders and authorizations.
//!
//! Pure steps over the [`Db`]: they take the time and give what comes of it; who calls them does the
//! waiting, the fetching and the signing.

mod authorizations;
pub mod limited;
mod orders;
pub mod renewal;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use world::Timestamp;

use crate::db::{Account, Db};
use crate::policy::{DnsName, Identifier};
use crate::protocol::{AccountState, AuthorizationState};
use crate::wfe::jwk::Jwk;
pub use authorizations::{Task, Verdict, decide, live_authorization, pre_authorize, respond};
pub use orders::{
    NewOrder, Request, begin_finalize, end_finalize, new_order, not_ready, serves_again, settle,
};

/// Makes an account.
pub fn new_account(
    db: &mut Db,
    key: Jwk,
    contacts: Vec<String>,
    external: Option<Value>,
    now: Timestamp,
) -> u64 {
    let created = now.truncate_to_secs();
    db.add_account(Account { key: Arc::new(key), contacts, status: AccountState::Valid, created, external })
}

/// Whether `account` has a valid authorization for every identifier: then it may revoke a certificate that
/// is not its own (RFC 8555 section 7.6).
pub fn controls_all(db: &Db, account: u64, identifiers: &[Identifier], now: Timestamp) -> bool {
    let first = (account, Identifier::Dns(DnsName::default()));
    let valid: BTreeSet<&Identifier> = db
        .latest_valid
        .range(first..)
        .take_while(|((owner, _), _)| *owner == account)
        .filter(|(_, id)| {
            db.authorizations
                .get(id)
                .is_some_and(|a| a.status == AuthorizationState::Valid && a.expires > now)
        })
        .map(|((_, identifier), _)| identifier)
        .collect();
    identifiers.iter().all(|identifier| valid.contains(identifier))
}
