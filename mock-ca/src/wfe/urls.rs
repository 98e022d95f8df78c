//! The URLs that the server gives away, and the parts of the paths that it is asked for.

use http::HeaderMap;

use crate::config::Config;
use crate::db::{Authorization, ChallengeKind, challenge_id};
use crate::dialect::{Dialect, DialectName, Endpoint};

/// What the URLs in one answer start with.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    dialect: &'static Dialect,
    base: String,
}

impl Urls {
    /// The URLs of a server: with its configured base, or else with the scheme and the host that the
    /// request was sent to.
    pub(crate) fn new(config: &Config, headers: &HeaderMap, host: Option<&str>) -> Self {
        let dialect = config.dialect.table();
        if !config.base_url.is_empty() {
            return Urls { dialect, base: config.base_url.clone() };
        }
        let scheme = headers.get("x-forwarded-proto").and_then(|v| v.to_str().ok()).unwrap_or("https");
        Urls { dialect, base: format!("{scheme}://{}", host.unwrap_or("localhost")) }
    }

    /// The base that is configured, for URLs outside of a request.
    pub(crate) fn configured(dialect: DialectName, base: &str) -> Self {
        Urls { dialect: dialect.table(), base: base.to_owned() }
    }

    /// The URL of a path.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The URL of a resource without identifiers, or with those texts.
    pub(crate) fn url(&self, endpoint: Endpoint, ids: &[&str]) -> String {
        self.at(&self.dialect.path(endpoint, ids))
    }

    pub(crate) fn account(&self, id: u64) -> String {
        self.url(Endpoint::Account, &[&self.dialect.ids.text(id)])
    }

    /// The identifiers in the URLs of an order: its own, after its account's where the path has both.
    fn order_ids(&self, endpoint: Endpoint, account: u64, id: u64) -> String {
        let (account, id) = (self.dialect.ids.text(account), self.dialect.ids.text(id));
        match self.dialect.route(endpoint) {
            Some(route) if route.path.contains("{account}") => self.url(endpoint, &[&account, &id]),
            _ => self.url(endpoint, &[&id]),
        }
    }

    pub(crate) fn order(&self, account: u64, id: u64) -> String {
        self.order_ids(Endpoint::Order, account, id)
    }

    pub(crate) fn finalize(&self, account: u64, id: u64) -> String {
        self.order_ids(Endpoint::Finalize, account, id)
    }

    pub(crate) fn authorization(&self, id: u64) -> String {
        self.url(Endpoint::Authorization, &[&self.dialect.ids.text(id)])
    }

    pub(crate) fn challenge(&self, id: u64, authorization: &Authorization, kind: ChallengeKind) -> String {
        let id = self.dialect.ids.text(id);
        if self.names_authorization() {
            let challenge = challenge_id(&authorization.token, kind);
            self.url(Endpoint::Challenge, &[&id, &challenge])
        } else {
            let index = ChallengeKind::ALL.iter().position(|other| *other == kind).unwrap_or_default();
            self.url(Endpoint::Challenge, &[&format!("{id}{index:x}")])
        }
    }

    /// Whether a challenge's path has the authorization's identifier in front of its own.
    pub(crate) fn names_authorization(&self) -> bool {
        self.dialect.route(Endpoint::Challenge).is_some_and(|route| route.path.contains("{authz}"))
    }
}

/// The authorization and the kind in a challenge's identifier that has both.
pub(crate) fn parse_challenge(dialect: &Dialect, text: &str) -> Option<(u64, ChallengeKind)> {
    let (id, index) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let index = usize::from_str_radix(index, 16).ok()?;
    Some((dialect.ids.parse(id)?, *ChallengeKind::ALL.get(index)?))
}
