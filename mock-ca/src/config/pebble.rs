//! What Pebble is like, as a configuration.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use super::{Config, HierarchyConfig, Profile, Randomness, RetryAfter, Usage};
use crate::db::ChallengeKind;
use crate::dialect::DialectName;
use crate::policy::IdentifierType;

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// What stands where a CA has its terms of service.
const TERMS: &str = "data:text/plain,Do%20what%20thou%20wilt";

impl Config {
    /// Pebble with the ports of its sample configuration, and with everything that it leaves to chance
    /// decided: no nonce is refused, validation starts at once, valid authorizations are used again.
    pub fn pebble() -> Self {
        let profile = |description: &str, validity| {
            let description = description.to_owned();
            Profile { description, validity: Some(validity), ..Profile::default() }
        };
        Config {
            base_url: String::new(),
            dialect: DialectName::Pebble,
            validity: 90 * DAY,
            backdate: Duration::ZERO,
            http_port: 5002,
            tls_port: 5001,
            retry_after: RetryAfter { order: None, authz: None },
            caa: false,
            // Three looks from one place tell no more than one; they only cost three times as much.
            validation_attempts: Some(NonZeroUsize::MIN),
            async_finalize: true,
            hierarchy: HierarchyConfig::pebble(),
            order_lifetime: DAY,
            pending_authz_lifetime: HOUR,
            valid_authz_lifetime: HOUR,
            profiles: BTreeMap::from([
                ("default".to_owned(), profile("The profile you know and love", 90 * DAY)),
                (
                    "shortlived".to_owned(),
                    profile("A short-lived cert profile, without actual enforcement", 6 * DAY),
                ),
            ]),
            default_profile: "default".to_owned(),
            identifier_types: vec![IdentifierType::Dns, IdentifierType::Ip],
            common_name: false,
            subject_key_id: true,
            client_auth: false,
            policies: false,
            challenges: ChallengeKind::ALL.to_vec(),
            orders_per_page: 3,
            names_max: 10_000,
            terms_of_service: TERMS.to_owned(),
            website: String::new(),
            caa_identities: vec!["pebble.letsencrypt.org".to_owned()],
            ..Config::default()
        }
    }
}

impl HierarchyConfig {
    /// Pebble's, with keys of `keyAlgorithm` `ecdsa`, as in its sample configuration.
    pub fn pebble() -> Self {
        HierarchyConfig {
            root: "Pebble Root CA".to_owned(),
            intermediate: "Pebble Intermediate CA".to_owned(),
            root_organization: String::new(),
            intermediate_organization: String::new(),
            country: String::new(),
            name_digits: 6,
            root_usages: vec![Usage::ServerAuth],
            intermediate_usages: vec![Usage::ServerAuth],
            path_length: None,
            ..HierarchyConfig::default()
        }
    }
}

impl Randomness {
    /// What Pebble leaves to chance unless its environment says otherwise.
    pub fn pebble() -> Self {
        Randomness {
            nonce_reject_percent: 5,
            authz_reuse_percent: Some(50),
            validation_sleep: Duration::from_secs(5),
            shuffle: true,
            profile: true,
            retry_after_date: true,
        }
    }
}
