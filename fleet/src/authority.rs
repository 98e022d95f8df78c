//! The CA's part: what [`mock_ca`] decides about an order and a certificate, without the wire, names' rules and keys.
//!
//! Limits are [`Limits`] themselves; lifetimes, authorizations that serve again and suggested windows are computed by
//! the functions that the server computes them by. The requests of the load balancer's limits are not sent here,
//! since the engine's pace is not kept either.

use std::net::IpAddr;

use mock_ca::Config;
use mock_ca::config::{Change, Profile, Terms};
use mock_ca::limits::{
    BadLimits, BucketId, IdentifierKind, Limits, LimitsConfig, OrderFacts, Preset, Replaces,
};
use mock_ca::ra;
use mock_ca::ra::renewal::{self, Window as Suggested};
use world::{Rng, Timestamp};

use crate::error::PlanError;
use crate::plan::{Ca, Lifetime, Outage, OutageKind};
use crate::population::Set;

/// The name of the profile of a preset that has none.
const OWN_PROFILE: &str = "fleet";

/// The configuration and the profile that a plan's CA is.
pub(crate) fn config(ca: &Ca) -> Result<(Config, String), PlanError> {
    let mut config = match ca.preset {
        Preset::None => Config::default(),
        Preset::LetsencryptProd => Config::letsencrypt_prod(),
        Preset::LetsencryptStaging => Config::letsencrypt_staging(),
    };
    if config.profiles.is_empty() {
        config.profiles.insert(OWN_PROFILE.to_owned(), Profile::default());
        config.default_profile = OWN_PROFILE.to_owned();
    }
    let name = ca.profile.clone().unwrap_or_else(|| config.default_profile.clone());
    let known = || config.profiles.keys().cloned().collect();
    let Some(profile) = config.profiles.get(&name) else {
        return Err(PlanError::Profile { known: known(), name });
    };
    let profile = with_lifetimes(profile.clone(), &ca.lifetimes);
    config.profiles.insert(name.clone(), profile);
    config.backdate = ca.backdate.unwrap_or(config.backdate);
    if let Some(limits) = &ca.limits {
        config.limits = limits.clone();
    }
    Ok((config, name))
}

/// The profile with these lifetimes in place of its own. What else changes on its days still does.
fn with_lifetimes(mut profile: Profile, lifetimes: &[Lifetime]) -> Profile {
    if lifetimes.is_empty() {
        return profile;
    }
    let takes_authorizations = lifetimes.iter().any(|l| l.authorizations.is_some());
    for change in &mut profile.changes {
        change.validity = None;
        if takes_authorizations {
            change.valid_authz_lifetime = None;
        }
    }
    for lifetime in lifetimes {
        match lifetime.from {
            None => {
                profile.validity = Some(lifetime.lifetime);
                profile.valid_authz_lifetime = lifetime.authorizations.or(profile.valid_authz_lifetime);
            }
            Some(from) => profile.changes.push(Change {
                from,
                validity: Some(lifetime.lifetime),
                valid_authz_lifetime: lifetime.authorizations,
                ..Change::default()
            }),
        }
    }
    profile.changes.sort_by_key(|change| change.from);
    profile
}

/// An order as the CA sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordered<'a> {
    /// Whose.
    pub(crate) account: u64,
    /// For what.
    pub(crate) set: &'a Set,
    /// The span of validity of the certificate that it replaces (RFC 9773 section 5).
    pub(crate) replaces: Option<(Timestamp, Timestamp)>,
}

/// What is found when an order comes to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A certificate, from and until when it is valid.
    Issued(Timestamp, Timestamp),
    /// Its validation has failed.
    Invalid,
    /// It has lived too long.
    Expired,
}

/// The CA.
#[derive(Debug)]
pub(crate) struct Authority {
    config: Config,
    profile: String,
    limits: Limits,
    rng: Rng,
    /// Until when each name is validated, for the accounts that have.
    authorizations: Vec<Vec<(u64, Timestamp)>>,
    /// When each set of names was last issued for.
    last_issued: Vec<Option<Timestamp>>,
}

impl Authority {
    /// The CA of a plan, for so many sets of so many names.
    pub(crate) fn new(ca: &Ca, sets: usize, names: usize, rng: &Rng) -> Result<Self, PlanError> {
        let (config, profile) = config(ca)?;
        let bad = |why| PlanError::Limits { place: "ca.limits".to_owned(), why };
        Ok(Authority {
            limits: Limits::new(config.limits.clone(), rng).map_err(bad)?,
            profile,
            rng: rng.clone(),
            authorizations: vec![Vec::new(); names],
            last_issued: vec![None; sets],
            config,
        })
    }

    /// What holds at a moment.
    pub(crate) fn terms(&self, at: Timestamp) -> Terms {
        self.config.terms(Some(&self.profile), at)
    }

    /// From and until when a certificate is valid that is issued at `at`.
    pub(crate) fn validity(&self, at: Timestamp) -> (Timestamp, Timestamp) {
        let not_before = self.config.valid_from(at);
        (not_before, self.terms(at).valid_until(not_before))
    }

    /// The window that the CA suggests.
    pub(crate) fn suggested(&self, valid: (Timestamp, Timestamp), now: Timestamp) -> Suggested {
        renewal::suggested(&self.config.dialect.table().renewal, valid.0, valid.1, now)
    }

    /// How long until the next question, as the answer to one says.
    pub(crate) fn ask_again(&self, rng: &Rng) -> std::time::Duration {
        self.config.dialect.table().renewal.ask_again(|n| rng.below(n))
    }

    /// newAccount.
    pub(crate) fn register(&mut self, now: Timestamp, address: IpAddr) -> Result<(), BucketId> {
        self.limits.new_account(now, address).map(drop).map_err(|denied| denied.bucket)
    }

    /// newOrder. Whether a name has to be validated.
    pub(crate) fn order(
        &mut self,
        now: Timestamp,
        order: Ordered<'_>,
        names: &[Box<str>],
    ) -> Result<bool, BucketId> {
        let identifiers = order.set.identifiers(names);
        self.limits.check_paused(now, order.account, &identifiers).map_err(|denied| denied.bucket)?;
        let facts = self.facts(now, order, &identifiers);
        // What it has cost stays spent: the names are known to be good.
        drop(self.limits.new_order(now, &facts).map_err(|denied| denied.bucket)?);
        Ok(self.open(now, order).next().is_some())
    }

    /// The end of an order that was made at `ordered`: validation of what is open, and the certificate.
    pub(crate) fn finish(
        &mut self,
        now: Timestamp,
        ordered: Timestamp,
        order: Ordered<'_>,
        names: &[Box<str>],
        validation_fails: bool,
    ) -> Ended {
        if now >= (ordered + self.terms(ordered).order_lifetime).truncate_to_secs() {
            return Ended::Expired;
        }
        let identifiers = order.set.identifiers(names);
        let open: Vec<(u32, &str)> = self
            .open(ordered, order)
            .filter_map(|at| Some((*order.set.names.get(at)?, identifiers.get(at)?.1)))
            .collect();
        if validation_fails && !open.is_empty() {
            for (_, name) in open {
                self.limits.validation_failed(now, order.account, name);
            }
            return Ended::Invalid;
        }
        let terms = self.terms(now);
        for (number, name) in open {
            self.limits.validation_succeeded(order.account, name);
            let expires = (now + terms.valid_authz_lifetime).truncate_to_secs();
            self.authorize(order.account, number, expires);
        }
        let facts = self.facts(now, order, &identifiers);
        self.limits.issued(now, &facts);
        self.note_issued(order.set, now);
        let (not_before, not_after) = self.validity(now);
        Ended::Issued(not_before, not_after)
    }

    /// A certificate that there is already was issued at `at`, with validated names.
    pub(crate) fn knows(&mut self, at: Timestamp, order: Ordered<'_>) {
        let expires = (at + self.terms(at).valid_authz_lifetime).truncate_to_secs();
        for name in &order.set.names {
            let known = self.authorization(order.account, *name).unwrap_or(expires);
            self.authorize(order.account, *name, expires.max(known));
        }
        if self.last_issued(order.set).is_none_or(|last| last < at) {
            self.note_issued(order.set, at);
        }
    }

    /// The limits become others; what was counted stays.
    pub(crate) fn limit(&mut self, now: Timestamp, config: &LimitsConfig) -> Result<(), BadLimits> {
        let mut limits = Limits::new(config.clone(), &self.rng)?;
        limits.restore(self.limits.save(now), now);
        self.limits = limits;
        Ok(())
    }

    /// The limits that hold while these outages do: those of the last one that has some.
    pub(crate) fn limits_during<'a>(&'a self, outages: impl Iterator<Item = &'a Outage>) -> &'a LimitsConfig {
        let of = |outage: &'a Outage| match &outage.kind {
            OutageKind::Limits(limits) => Some(limits.as_ref()),
            OutageKind::Unavailable | OutageKind::Validation => None,
        };
        outages.filter_map(of).last().unwrap_or(&self.config.limits)
    }

    fn authorization(&self, account: u64, name: u32) -> Option<Timestamp> {
        let of_name = self.authorizations.get(name as usize)?;
        of_name.iter().find(|(whose, _)| *whose == account).map(|(_, expires)| *expires)
    }

    fn authorize(&mut self, account: u64, name: u32, expires: Timestamp) {
        let Some(of_name) = self.authorizations.get_mut(name as usize) else { return };
        match of_name.iter_mut().find(|(whose, _)| *whose == account) {
            Some((_, known)) => *known = expires,
            None => of_name.push((account, expires)),
        }
    }

    fn last_issued(&self, set: &Set) -> Option<Timestamp> {
        self.last_issued.get(set.number).copied().flatten()
    }

    fn note_issued(&mut self, set: &Set, at: Timestamp) {
        if let Some(last) = self.last_issued.get_mut(set.number) {
            *last = Some(at);
        }
    }

    /// The places of the names that have to be validated for an order of this moment.
    fn open(&self, at: Timestamp, order: Ordered<'_>) -> impl Iterator<Item = usize> {
        let terms = self.terms(at);
        let serves = move |name: &u32| {
            let expires = self.authorization(order.account, *name);
            self.config.authz_reuse && expires.is_some_and(|e| ra::serves_again(&self.config, &terms, e, at))
        };
        order.set.names.iter().enumerate().filter(move |(_, name)| !serves(name)).map(|(at, _)| at)
    }

    fn facts<'a>(
        &self,
        now: Timestamp,
        order: Ordered<'_>,
        identifiers: &'a [(IdentifierKind, &'a str)],
    ) -> OrderFacts<'a> {
        let replaces = order.replaces.map(|valid| {
            let window = self.suggested(valid, now);
            Replaces { in_window: window.start <= now && now <= window.end }
        });
        OrderFacts { account: order.account, identifiers, replaces, last_issued: self.last_issued(order.set) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn days(ca: &Ca, at: &str) -> (u64, u64) {
        let (config, profile) = config(ca).unwrap();
        let terms = config.terms(Some(&profile), at.parse().unwrap());
        (terms.validity.as_secs() / 86_400, terms.valid_authz_lifetime.as_secs() / 3600)
    }

    #[test]
    fn lifetimes_are_the_profiles_unless_the_plan_has_its_own() {
        let mut ca = Ca::default();
        assert_eq!(days(&ca, "2027-01-01T00:00:00Z"), (90, 720));
        assert_eq!(days(&ca, "2027-03-01T00:00:00Z"), (64, 240));
        let lifetime = |from: Option<&str>, days: u32, authorizations| Lifetime {
            from: from.map(|text| text.parse().unwrap()),
            lifetime: DAY * days,
            authorizations,
        };
        ca.lifetimes = vec![lifetime(None, 80, None), lifetime(Some("2027-02-01T00:00:00Z"), 47, None)];
        assert_eq!(days(&ca, "2027-01-01T00:00:00Z"), (80, 720));
        assert_eq!(days(&ca, "2027-02-01T00:00:00Z"), (47, 720));
        assert_eq!(days(&ca, "2027-03-01T00:00:00Z"), (47, 240), "what else the profile changes still comes");
        ca.lifetimes = vec![lifetime(None, 45, Some(Duration::from_secs(7 * 3600)))];
        assert_eq!(days(&ca, "2027-03-01T00:00:00Z"), (45, 7));
        ca = Ca { preset: Preset::None, ..Ca::default() };
        assert_eq!(days(&ca, "2027-03-01T00:00:00Z"), (90, 720));
    }

    #[test]
    fn a_profile_that_is_not_there_is_an_error_with_those_that_are() {
        let ca = Ca { profile: Some("classy".to_owned()), ..Ca::default() };
        let error = config(&ca).unwrap_err().to_string();
        assert_eq!(error, r#"ca.profile: there is no "classy"; there are classic, shortlived, tlsserver"#);
    }
}
