//! Certificate profiles (draft-ietf-acme-profiles): what an order can choose, and how it changes with time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use world::{Timestamp, duration};

use super::Config;
use crate::policy::IdentifierType;

/// A profile. What it leaves out is as in the configuration around it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Profile {
    /// For people: the directory shows it.
    pub description: String,
    /// From a certificate's notBefore to one second after its notAfter.
    #[serde(with = "duration::optional")]
    pub validity: Option<Duration>,
    /// Life of an order.
    #[serde(with = "duration::optional")]
    pub order_lifetime: Option<Duration>,
    /// Life of an authorization until it is decided.
    #[serde(with = "duration::optional")]
    pub pending_authz_lifetime: Option<Duration>,
    /// Life of a valid authorization.
    #[serde(with = "duration::optional")]
    pub valid_authz_lifetime: Option<Duration>,
    /// The most names in one order.
    pub names_max: Option<usize>,
    /// Types of identifiers that an order may have.
    pub identifier_types: Option<Vec<IdentifierType>>,
    /// Whether the subject has a common name.
    pub common_name: Option<bool>,
    /// Whether certificates with RSA keys may be used for key encipherment.
    pub key_encipherment: Option<bool>,
    /// Whether certificates name their key (subject key identifier).
    pub subject_key_id: Option<bool>,
    /// Whether certificates may be used by TLS clients too.
    pub client_auth: Option<bool>,
    /// Whether certificates say where their revocation is published.
    pub crl_url: Option<bool>,
    /// The accounts that may use it, by number; `null` is everybody.
    pub accounts: Option<Vec<u64>>,
    /// What holds from a day on, in the order of the days.
    pub changes: Vec<Change>,
}

/// What changes in a profile.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Change {
    /// From when on.
    pub from: Timestamp,
    /// Validity of certificates.
    #[serde(default, with = "duration::optional")]
    pub validity: Option<Duration>,
    /// Life of a valid authorization.
    #[serde(default, with = "duration::optional")]
    pub valid_authz_lifetime: Option<Duration>,
    /// Life of an authorization until it is decided.
    #[serde(default, with = "duration::optional")]
    pub pending_authz_lifetime: Option<Duration>,
    /// Life of an order.
    #[serde(default, with = "duration::optional")]
    pub order_lifetime: Option<Duration>,
    /// Whether certificates may be used by TLS clients too.
    #[serde(default)]
    pub client_auth: Option<bool>,
}

/// What holds for an order at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// From a certificate's notBefore to one second after its notAfter.
    pub validity: Duration,
    /// Life of an order.
    pub order_lifetime: Duration,
    /// Life of an authorization until it is decided.
    pub pending_authz_lifetime: Duration,
    /// Life of a valid authorization.
    pub valid_authz_lifetime: Duration,
    /// The most names in one order.
    pub names_max: usize,
    /// Types of identifiers that an order may have.
    pub identifier_types: Vec<IdentifierType>,
    /// Whether the subject has a common name.
    pub common_name: bool,
    /// Whether certificates with RSA keys may be used for key encipherment.
    pub key_encipherment: bool,
    /// Whether certificates name their key.
    pub subject_key_id: bool,
    /// Whether certificates may be used by TLS clients too.
    pub client_auth: bool,
    /// Whether certificates say where their revocation is published.
    pub crl_url: bool,
}

impl Terms {
    /// The last second in which a certificate is valid that begins at `not_before`.
    pub fn valid_until(&self, not_before: Timestamp) -> Timestamp {
        not_before + self.validity - Duration::from_secs(1)
    }
}

impl Config {
    /// When a certificate begins that is issued at `at`.
    pub fn valid_from(&self, at: Timestamp) -> Timestamp {
        at.truncate_to_secs() - self.backdate
    }

    /// What holds at `now` for orders of this profile; without a name, or with one that is not there, what
    /// the configuration says of all.
    pub fn terms(&self, profile: Option<&str>, now: Timestamp) -> Terms {
        let none = Profile::default();
        let p = profile.and_then(|name| self.profiles.get(name)).unwrap_or(&none);
        let mut terms = Terms {
            validity: p.validity.unwrap_or(self.validity),
            order_lifetime: p.order_lifetime.unwrap_or(self.order_lifetime),
            pending_authz_lifetime: p.pending_authz_lifetime.unwrap_or(self.pending_authz_lifetime),
            valid_authz_lifetime: p.valid_authz_lifetime.unwrap_or(self.valid_authz_lifetime),
            names_max: p.names_max.unwrap_or(self.names_max),
            identifier_types: p.identifier_types.clone().unwrap_or_else(|| self.identifier_types.clone()),
            common_name: p.common_name.unwrap_or(self.common_name),
            key_encipherment: p.key_encipherment.unwrap_or(true),
            subject_key_id: p.subject_key_id.unwrap_or(self.subject_key_id),
            client_auth: p.client_auth.unwrap_or(self.client_auth),
            crl_url: p.crl_url.unwrap_or(self.crl_url),
        };
        for change in p.changes.iter().filter(|change| change.from <= now) {
            terms.validity = change.validity.unwrap_or(terms.validity);
            terms.valid_authz_lifetime = change.valid_authz_lifetime.unwrap_or(terms.valid_authz_lifetime);
            terms.pending_authz_lifetime =
                change.pending_authz_lifetime.unwrap_or(terms.pending_authz_lifetime);
            terms.order_lifetime = change.order_lifetime.unwrap_or(terms.order_lifetime);
            terms.client_auth = change.client_auth.unwrap_or(terms.client_auth);
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_overrides_and_changes_on_its_days() {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let from: Timestamp = "2027-02-10T00:00:00Z".parse().unwrap();
        let change = Change { from, validity: Some(days(64)), ..Change::default() };
        let profile = Profile { names_max: Some(25), changes: vec![change], ..Profile::default() };
        let config = Config { profiles: [("classic".to_owned(), profile)].into(), ..Config::default() };
        let terms = |at| config.terms(Some("classic"), at);
        assert_eq!((terms(from - days(1)).validity, terms(from).validity), (days(90), days(64)));
        assert_eq!((terms(from).names_max, config.terms(None, from).names_max), (25, 100));
    }
}
