//! Rate limits: Let's Encrypt's, with its numbers, its arithmetic and its words.
//!
//! [`Limits`] is a state machine: it takes what happens and the time, and says yes or why not. Each moment
//! in the life of an account or an order has its function, which builds one transaction over all buckets that
//! the moment counts in:
//!
//! | moment | function | on refusal |
//! |---|---|---|
//! | a request arrives | [`Limits::request`] | 503 of the load balancer |
//! | newAccount | [`Limits::new_account`] | 429; [`Limits::refund`] when the account is not made |
//! | newOrder, before `replaces` is looked at | [`Limits::check_paused`] | 429 without `Retry-After` |
//! | newOrder, after the profile, before orders are reused | [`Limits::new_order`] | 429; refund when the order is not made |
//! | a validation fails | [`Limits::validation_failed`] | (never refuses) |
//! | a pending authorization is deactivated | [`Limits::authorization_deactivated`] | (never refuses) |
//! | a validation succeeds | [`Limits::validation_succeeded`] | (never refuses) |
//! | a certificate is issued | [`Limits::issued`] | (never refuses) |
//!
//! ```
//! use mock_ca::limits::{IdentifierKind, Limits, LimitsConfig, OrderFacts, Preset};
//! use world::{Rng, Timestamp};
//!
//! let config = LimitsConfig { preset: Preset::LetsencryptProd, jitter: false, ..Default::default() };
//! let mut limits = Limits::new(config, &Rng::from_seed(1)).unwrap();
//! let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
//! let identifiers = [(IdentifierKind::Dns, "example.com"), (IdentifierKind::Dns, "*.example.com")];
//! let order = OrderFacts { account: 7, identifiers: &identifiers, replaces: None, last_issued: None };
//! for _ in 0..5 {
//!     assert!(limits.new_order(now, &order).is_ok());
//!     limits.issued(now, &order);
//! }
//! let denied = limits.new_order(now, &order).unwrap_err();
//! assert_eq!((denied.problem.status, denied.headers[0].clone()), (429, ("retry-after", "120960".into())));
//! assert_eq!(
//!     denied.reason(),
//!     "limit newCertificatesPerExactSetOfIdentifiers *.example.com,example.com is used up; retry in 33h36m0s"
//! );
//! ```
//!
//! **Invariants:** what is refused has cost nothing, so hammering does not make the wait longer. The same
//! calls at the same times give the same answers; the only chance is in the jitter, which comes from the
//! [`Rng`] and can be switched off. Identifiers are in lower case; a wildcard is itself, `*.` included.

mod bucket;
mod buckets;
mod config;
mod gcra;
mod pause;
mod presets;
mod readout;
mod requests;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

pub use public_suffix::{icann_suffix, is_public_suffix, registered_domain};
use world::{Rng, Timestamp};

pub use self::bucket::{BadKey, BucketId, IdentifierKind, LimitName};
use self::buckets::{Buckets, Mode, Part};
use self::config::Table;
pub use self::config::{BadLimits, ExemptionRule, LimitsConfig, Override};
pub use self::gcra::{BadQuota, Decision, Quota, Rate};
use self::pause::Pauses;
pub use self::pause::{BadToken, UNPAUSED_MAX, Unpaused};
pub use self::presets::Preset;
pub use self::readout::{BucketView, Level, Paused, Saved};
pub use self::requests::{EndpointClass, RequestRate};
pub use self::text::{Denied, TextVersion};

/// How long after an issuance another one for the same identifiers is a renewal.
const RENEWAL_WINDOW: Duration = Duration::from_secs(120 * 24 * 3600);

/// A wait is told longer by less than this many millionths: 3 %.
const JITTER_MAX: u64 = 30_000;

/// A certificate that an order replaces (RFC 9773 section 5): one of the same account, with an identifier in
/// common, that was not replaced before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// Whether it is now in its suggested window.
    pub in_window: bool,
}

/// What an order or an issuance is judged by.
#[derive(Clone, Copy, Debug)]
pub struct OrderFacts<'a> {
    /// Whose.
    pub account: u64,
    /// For which identifiers.
    pub identifiers: &'a [(IdentifierKind, &'a str)],
    /// The certificate that it replaces.
    pub replaces: Option<Replaces>,
    /// When the last certificate for just these identifiers was issued, to whomever; before this one.
    pub last_issued: Option<Timestamp>,
}

/// What an order is to the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// A new one: all limits.
    New,
    /// A renewal of the same identifiers: not counted as an order, nor for its registered domains.
    SetRenewal,
    /// A renewal by `replaces`: no limits.
    AriRenewal,
}

impl OrderKind {
    /// In words, for the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            OrderKind::New => "new",
            OrderKind::SetRenewal => "renewal of the same identifiers",
            OrderKind::AriRenewal => "renewal by replaces",
        }
    }
}

/// What a moment has cost, for whoever has to give it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "give it back with `Limits::refund` when what it was spent for fails"]
pub struct Receipt(Vec<(BucketId, u64)>);

impl Receipt {
    /// Buckets and tokens.
    pub fn spent(&self) -> &[(BucketId, u64)] {
        &self.0
    }
}

/// All limits and what is left of them.
#[derive(Debug)]
pub struct Limits {
    config: LimitsConfig,
    table: Table,
    buckets: Buckets,
    pauses: Pauses,
    jitter: Rng,
}

impl Limits {
    /// Full buckets for this configuration.
    ///
    /// # Errors
    /// When a quota cannot be counted with, or an override is for nobody.
    pub fn new(config: LimitsConfig, rng: &Rng) -> Result<Self, BadLimits> {
        Ok(Limits {
            table: Table::new(&config)?,
            config,
            buckets: Buckets::default(),
            pauses: Pauses::new(&rng.fork("limits/unpause")),
            jitter: rng.fork("limits/jitter"),
        })
    }

    /// What it was made of.
    pub fn config(&self) -> &LimitsConfig {
        &self.config
    }

    /// The load balancer lets a request through to an endpoint of this class.
    ///
    /// # Errors
    /// The 503 that it answers with instead.
    pub fn request(
        &mut self,
        now: Timestamp,
        class: EndpointClass,
        address: IpAddr,
    ) -> Result<(), Box<Denied>> {
        let bucket = BucketId::RequestsPerIpAddress(class, address.to_canonical());
        let parts = self.parts([bucket], Mode::CheckAndSpend);
        match self.buckets.transact(now, parts) {
            Ok(_) => Ok(()),
            Err(denial) => Err(Box::new(Denied::busy(denial.bucket, denial.decision.retry_in))),
        }
    }

    /// An account is about to be made for a client at `address`.
    ///
    /// # Errors
    /// The 429 that the client gets.
    pub fn new_account(&mut self, now: Timestamp, address: IpAddr) -> Result<Receipt, Box<Denied>> {
        let parts = self.parts(bucket::registrations(address), Mode::CheckAndSpend);
        self.transact(now, parts)
    }

    /// Whether an account may order these identifiers at all.
    ///
    /// # Errors
    /// The 429 of an account that is paused, with the page that ends it.
    pub fn check_paused(
        &self,
        now: Timestamp,
        account: u64,
        identifiers: &[(IdentifierKind, &str)],
    ) -> Result<(), Box<Denied>> {
        let paused = self.pauses.among(account, identifiers.iter().map(|(_, value)| *value));
        if paused.is_empty() {
            return Ok(());
        }
        let token = self.pauses.token(account, &paused, now);
        let url = format!("{}?jwt={token}", self.config.unpause_url);
        Err(Box::new(Denied::paused(account, &paused, &url)))
    }

    /// What the limits take an order for.
    pub fn kind(&self, now: Timestamp, order: &OrderFacts<'_>) -> OrderKind {
        let by_replaces = match (order.replaces, self.config.exemption) {
            (None, _) => false,
            (Some(_), ExemptionRule::Docs) => true,
            (Some(replaces), ExemptionRule::Code) => replaces.in_window,
        };
        let same_set = order.last_issued.is_some_and(|at| now.since(at) <= RENEWAL_WINDOW);
        match (by_replaces, same_set) {
            (true, _) => OrderKind::AriRenewal,
            (false, true) => OrderKind::SetRenewal,
            (false, false) => OrderKind::New,
        }
    }

    /// An order is about to be made, or an open one to be found: both cost the same.
    ///
    /// # Errors
    /// The 429 that the client gets.
    pub fn new_order(&mut self, now: Timestamp, order: &OrderFacts<'_>) -> Result<Receipt, Box<Denied>> {
        let kind = self.kind(now, order);
        if kind == OrderKind::AriRenewal {
            return Ok(Receipt::default());
        }
        let account = order.account;
        let mut parts = Vec::with_capacity(2 + 2 * order.identifiers.len());
        if kind == OrderKind::New {
            parts.extend(self.parts([BucketId::NewOrdersPerAccount(account)], Mode::CheckAndSpend));
        }
        let failures = order.identifiers.iter().map(|(_, value)| {
            BucketId::AuthorizationFailuresPerIdentifierPerAccount(account, (*value).to_owned())
        });
        parts.extend(self.parts(failures, Mode::CheckOnly));
        if kind == OrderKind::New {
            let mine = self.table.counts_domains_of(account);
            let domains = domains(order).into_iter().map(|domain| match mine {
                true => BucketId::NewCertificatesPerRegisteredDomainPerAccount(account, domain),
                false => BucketId::NewCertificatesPerRegisteredDomain(domain),
            });
            parts.extend(self.parts(domains, Mode::CheckOnly));
        }
        let set = BucketId::NewCertificatesPerExactSetOfIdentifiers(bucket::exact_set(order.identifiers));
        parts.extend(self.parts([set], Mode::CheckOnly));
        self.transact(now, parts)
    }

    /// A validation of `identifier` (as it was ordered) has failed. Whether the account is paused for it now.
    pub fn validation_failed(&mut self, now: Timestamp, account: u64, identifier: &str) -> bool {
        let name = || identifier.to_owned();
        let failures = BucketId::AuthorizationFailuresPerIdentifierPerAccount(account, name());
        self.spend(now, [failures]);
        let consecutive = BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(account, name());
        let parts = self.parts([consecutive], Mode::CheckAndSpend);
        self.buckets.transact(now, parts).is_err() && self.pauses.pause(account, identifier, now)
    }

    /// A client has deactivated an authorization that was pending, which counts as a failure. Whether the
    /// account is paused for its identifier now.
    pub fn authorization_deactivated(&mut self, now: Timestamp, account: u64, identifier: &str) -> bool {
        self.validation_failed(now, account, identifier)
    }

    /// A validation of `identifier` (as it was ordered) has succeeded: failures are not consecutive any more.
    pub fn validation_succeeded(&mut self, account: u64, identifier: &str) {
        let name = identifier.to_owned();
        self.buckets.reset(&BucketId::ConsecutiveAuthorizationFailuresPerIdentifierPerAccount(account, name));
    }

    /// A certificate is issued: spends what there is, and refuses nothing. `last_issued` is of the one before.
    pub fn issued(&mut self, now: Timestamp, order: &OrderFacts<'_>) {
        let mut buckets =
            vec![BucketId::NewCertificatesPerExactSetOfIdentifiers(bucket::exact_set(order.identifiers))];
        let same_set = OrderFacts { replaces: None, ..*order };
        if self.kind(now, &same_set) == OrderKind::New {
            let mine = self.table.counts_domains_of(order.account);
            for domain in domains(order) {
                if mine {
                    let domain = domain.clone();
                    buckets
                        .push(BucketId::NewCertificatesPerRegisteredDomainPerAccount(order.account, domain));
                }
                buckets.push(BucketId::NewCertificatesPerRegisteredDomain(domain));
            }
        }
        self.spend(now, buckets);
    }

    /// Gives back what was spent for something that then failed.
    pub fn refund(&mut self, now: Timestamp, receipt: Receipt) {
        for (bucket, cost) in receipt.0 {
            if let (Some(rate), Some(tat)) = (self.table.rate(&bucket), self.buckets.tat(&bucket)) {
                self.buckets.set(bucket, rate.refund(tat, now, cost), now);
            }
        }
    }

    /// Keeps an account from ordering an identifier, as enough failures do. Whether it could before.
    pub fn pause(&mut self, now: Timestamp, account: u64, identifier: &str) -> bool {
        self.pauses.pause(account, identifier, now)
    }

    /// Frees the identifiers of a paused account, [`UNPAUSED_MAX`] at a time. Failures stay counted: without
    /// a success, the next one pauses again.
    pub fn unpause(&mut self, account: u64) -> Unpaused {
        self.pauses.unpause(account)
    }

    /// The same for the account that a refusal's link is for.
    ///
    /// # Errors
    /// When the token is not one of ours, or too old.
    pub fn unpause_by_token(&mut self, now: Timestamp, token: &str) -> Result<Unpaused, BadToken> {
        let account = self.pauses.redeem(token, now)?;
        Ok(self.pauses.unpause(account))
    }

    /// One token of each of these buckets that something limits.
    fn parts(&self, buckets: impl IntoIterator<Item = BucketId>, mode: Mode) -> Vec<Part> {
        let limited = buckets.into_iter().filter_map(|bucket| {
            let rate = self.table.rate(&bucket)?;
            Some(Part { bucket, rate, cost: 1, mode })
        });
        limited.collect()
    }

    fn transact(&mut self, now: Timestamp, parts: Vec<Part>) -> Result<Receipt, Box<Denied>> {
        self.buckets.transact(now, parts).map(Receipt).map_err(|denial| {
            let wait = self.told(denial.decision.retry_in);
            Box::new(Denied::limited(self.config.text, denial.bucket, &denial.rate, now, wait))
        })
    }

    /// Takes a token of each of these buckets that has one.
    fn spend(&mut self, now: Timestamp, buckets: impl IntoIterator<Item = BucketId>) {
        let parts = self.parts(buckets, Mode::SpendOnly);
        // Nothing denies what is only spent.
        let _ = self.buckets.transact(now, parts);
    }

    /// The wait that a client is told.
    fn told(&self, wait: Duration) -> Duration {
        if !self.config.jitter {
            return wait;
        }
        let millionths = u128::from(self.jitter.below(JITTER_MAX + 1));
        let more = wait.as_nanos().saturating_mul(millionths) / 1_000_000;
        wait.saturating_add(Duration::from_nanos(u64::try_from(more).unwrap_or(u64::MAX)))
    }
}

/// What an order's identifiers are counted as, each once.
fn domains(order: &OrderFacts<'_>) -> BTreeSet<String> {
    order.identifiers.iter().map(|(kind, value)| bucket::registered(*kind, value)).collect()
}
