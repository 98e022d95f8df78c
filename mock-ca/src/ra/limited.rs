//! Where accounts, orders and issuances meet the rate limits: their facts in the limits' terms.

use std::borrow::Cow;

use world::Timestamp;

use super::renewal;
use crate::config::Config;
use crate::db::Db;
use crate::limits::{Denied, IdentifierKind, Limits, OrderFacts, OrderKind, Receipt, Replaces};
use crate::policy::{Identifier, IdentifierType};

/// Identifiers as the limits take them.
struct Names<'a>(Vec<(IdentifierKind, Cow<'a, str>)>);

impl<'a> Names<'a> {
    fn of(identifiers: &'a [Identifier]) -> Self {
        let kind = |identifier: &Identifier| match identifier.kind() {
            IdentifierType::Dns => IdentifierKind::Dns,
            IdentifierType::Ip => IdentifierKind::Ip,
        };
        Names(identifiers.iter().map(|identifier| (kind(identifier), identifier.value())).collect())
    }

    fn list(&self) -> Vec<(IdentifierKind, &str)> {
        self.0.iter().map(|(kind, value)| (*kind, value.as_ref())).collect()
    }
}

/// What an order, or the issuance of one, is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Whose.
    pub account: u64,
    /// For what.
    pub identifiers: &'a [Identifier],
    /// The serial number of the certificate that it replaces.
    pub replaces: Option<&'a str>,
}

impl Subject<'_> {
    fn with_facts<T>(
        &self,
        db: &Db,
        config: &Config,
        now: Timestamp,
        f: impl FnOnce(&OrderFacts<'_>) -> T,
    ) -> T {
        let names = Names::of(self.identifiers);
        let replaces = self.replaces.and_then(|serial| db.certificates.get(serial)).map(|issued| {
            let window = renewal::window(&config.dialect.table().renewal, issued, now);
            Replaces { in_window: window.start <= now && now <= window.end }
        });
        let last_issued = db.last_issued(self.identifiers);
        f(&OrderFacts { account: self.account, identifiers: &names.list(), replaces, last_issued })
    }
}

/// Whether the account may order these identifiers at all.
///
/// # Errors
/// The refusal of a paused account.
pub fn check_paused(
    limits: &Limits,
    account: u64,
    identifiers: &[Identifier],
    now: Timestamp,
) -> Result<(), Box<Denied>> {
    limits.check_paused(now, account, &Names::of(identifiers).list())
}

/// Whether an order renews a certificate: by what it replaces, or since the same identifiers had one lately.
pub fn is_renewal(limits: &Limits, db: &Db, config: &Config, subject: Subject<'_>, now: Timestamp) -> bool {
    subject.with_facts(db, config, now, |facts| limits.kind(now, facts)) != OrderKind::New
}

/// Spends what a new order costs.
///
/// # Errors
/// The refusal of the limit that has to wait longest.
pub fn new_order(
    limits: &mut Limits,
    db: &Db,
    config: &Config,
    subject: Subject<'_>,
    now: Timestamp,
) -> Result<Receipt, Box<Denied>> {
    subject.with_facts(db, config, now, |facts| limits.new_order(now, facts))
}

/// Spends what a certificate costs. It must not be in the database yet.
pub fn issued(limits: &mut Limits, db: &Db, config: &Config, subject: Subject<'_>, now: Timestamp) {
    subject.with_facts(db, config, now, |facts| limits.issued(now, facts));
}
