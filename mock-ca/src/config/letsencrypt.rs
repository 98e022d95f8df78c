//! Let's Encrypt in 2026 and after, production and staging, as configurations: hierarchies, profiles, and
//! the days on which they change.

use std::collections::BTreeMap;
use std::time::Duration;

use world::Timestamp;

use super::{
    Authority, Change, Choice, Config, HierarchyConfig, KeyType, LeafKeys, Profile, Publication, Usage,
};
use crate::db::ChallengeKind;
use crate::limits::{LimitsConfig, Preset};
use crate::policy::IdentifierType;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Revocation lists of each issuer.
const SHARDS: u16 = 128;

/// A row of a hierarchy: name, organization, key, issuers (the preferred one first), leaves.
type Row = (&'static str, &'static str, KeyType, &'static [&'static str], Option<LeafKeys>);

const ISRG: &str = "Internet Security Research Group";
const LE: &str = "Let's Encrypt";
const RSA: Option<LeafKeys> = Some(LeafKeys::Rsa);
const ECDSA: Option<LeafKeys> = Some(LeafKeys::Ecdsa);

/// Let's Encrypt's RSA roots have 4096 bits. Such keys take seconds to make, so they have 2048 here.
const RSA_ROOT: KeyType = KeyType::Rsa2048;

/// Production. Issuers that sign nothing are in reserve.
const PRODUCTION: &[Row] = &[
    ("ISRG Root X1", ISRG, RSA_ROOT, &["ISRG Root X1"], None),
    ("ISRG Root X2", ISRG, KeyType::P384, &["ISRG Root X1", "ISRG Root X2"], None),
    ("Root YE", "ISRG", KeyType::P384, &["ISRG Root X2", "Root YE"], None),
    ("Root YR", "ISRG", RSA_ROOT, &["ISRG Root X1", "Root YR"], None),
    ("YE1", LE, KeyType::P384, &["Root YE"], ECDSA),
    ("YE2", LE, KeyType::P384, &["Root YE"], ECDSA),
    ("YE3", LE, KeyType::P384, &["Root YE"], None),
    ("YR1", LE, KeyType::Rsa2048, &["Root YR"], RSA),
    ("YR2", LE, KeyType::Rsa2048, &["Root YR"], RSA),
    ("YR3", LE, KeyType::Rsa2048, &["Root YR"], None),
];

const S_ISRG: &str = "(STAGING) Internet Security Research Group";
const S_LE: &str = "(STAGING) Let's Encrypt";
const PEAR: &str = "(STAGING) Pretend Pear X1";
const BROCCOLI: &str = "(STAGING) Bogus Broccoli X2";
const YUCCA: &str = "(STAGING) Yearning Yucca Root YE";
const YAM: &str = "(STAGING) Yonder Yam Root YR";

/// Staging. The issuers of the generations before Y sign nothing any more.
const STAGING: &[Row] = &[
    (PEAR, S_ISRG, RSA_ROOT, &[PEAR], None),
    (BROCCOLI, S_ISRG, KeyType::P384, &[PEAR, BROCCOLI], None),
    (YUCCA, "ISRG", KeyType::P384, &[BROCCOLI, YUCCA], None),
    (YAM, "ISRG", RSA_ROOT, &[PEAR, YAM], None),
    ("(STAGING) Artificial Amaranth YE1", S_LE, KeyType::P384, &[YUCCA], ECDSA),
    ("(STAGING) Baloney Bulgur YE2", S_LE, KeyType::P384, &[YUCCA], ECDSA),
    ("(STAGING) Cad Corn YE3", S_LE, KeyType::P384, &[YUCCA], None),
    ("(STAGING) Dastardly Durum YR1", S_LE, KeyType::Rsa2048, &[YAM], RSA),
    ("(STAGING) Ersatz Emmer YR2", S_LE, KeyType::Rsa2048, &[YAM], RSA),
    ("(STAGING) Fake Farro YR3", S_LE, KeyType::Rsa2048, &[YAM], None),
    ("(STAGING) Pseudo Plum E5", S_LE, KeyType::P384, &[BROCCOLI], None),
    ("(STAGING) False Fennel E6", S_LE, KeyType::P384, &[BROCCOLI], None),
    ("(STAGING) Puzzling Parsnip E7", S_LE, KeyType::P384, &[BROCCOLI], None),
    ("(STAGING) Mysterious Mulberry E8", S_LE, KeyType::P384, &[BROCCOLI], None),
    ("(STAGING) Fake Fig E9", S_LE, KeyType::P384, &[BROCCOLI], None),
    ("(STAGING) Counterfeit Cashew R10", S_LE, KeyType::Rsa2048, &[PEAR], None),
    ("(STAGING) Wannabe Watercress R11", S_LE, KeyType::Rsa2048, &[PEAR], None),
    ("(STAGING) Riddling Rhubarb R12", S_LE, KeyType::Rsa2048, &[PEAR], None),
    ("(STAGING) Tenuous Tomato R13", S_LE, KeyType::Rsa2048, &[PEAR], None),
    ("(STAGING) Not Nectarine R14", S_LE, KeyType::Rsa2048, &[PEAR], None),
];

impl HierarchyConfig {
    /// Production: ECDSA leaves by YE1 or YE2, RSA leaves by YR1 or YR2.
    pub fn letsencrypt_prod() -> Self {
        of(PRODUCTION)
    }

    /// Staging, which is like production but for the names.
    pub fn letsencrypt_staging() -> Self {
        of(STAGING)
    }
}

fn of(rows: &[Row]) -> HierarchyConfig {
    let authority = |(name, organization, key_type, issuers, signs): &Row| {
        // Roots are above roots only: what is not above anybody is an intermediate.
        let intermediate = !rows.iter().any(|(_, _, _, issuers, _)| issuers.contains(name));
        Authority {
            name: (*name).to_owned(),
            organization: (*organization).to_owned(),
            key_type: *key_type,
            issuers: issuers.iter().map(|issuer| (*issuer).to_owned()).collect(),
            signs: *signs,
            usages: if intermediate { vec![Usage::ServerAuth] } else { Vec::new() },
            path_length: intermediate.then_some(0),
            ..Authority::default()
        }
    };
    HierarchyConfig {
        authorities: rows.iter().map(authority).collect(),
        choice: Choice::Drawn,
        publication: Publication {
            issuer_url: Publication::ISSUER_URL.to_owned(),
            shards: SHARDS,
            ..Publication::default()
        },
        ..HierarchyConfig::default()
    }
}

/// Midnight of a day, by its number from 1970-01-01 on.
const fn midnight(days: i64) -> Timestamp {
    Timestamp::from_unix_secs(days * 86_400)
}

/// 2026-02-11: TLS clients are out of profiles that had them.
const NO_CLIENTS: Timestamp = midnight(20_495);
/// 2026-05-13: 45 days for `tlsserver`.
const SHORTER_TLSSERVER: Timestamp = midnight(20_586);
/// 2027-02-10: 64 days for `classic`, authorizations for 10 days.
const SHORTER_CLASSIC: Timestamp = midnight(20_859);
/// 2028-02-16: 45 days for `classic`, authorizations for 7 hours.
const SHORTEST_CLASSIC: Timestamp = midnight(21_230);
/// Staging changes about a month before production. How many days is not announced: four weeks here.
const STAGING_AHEAD: Duration = Duration::from_secs(28 * 86_400);

/// The profiles of Let's Encrypt; those changes that were to come in August 2026 come `ahead` sooner.
fn profiles(ahead: Duration) -> BTreeMap<String, Profile> {
    let classic = Profile {
        description: "The profile that everybody gets by default".to_owned(),
        validity: Some(90 * DAY),
        order_lifetime: Some(7 * DAY),
        pending_authz_lifetime: Some(7 * DAY),
        valid_authz_lifetime: Some(30 * DAY),
        names_max: Some(100),
        identifier_types: Some(vec![IdentifierType::Dns]),
        common_name: Some(true),
        key_encipherment: Some(true),
        subject_key_id: Some(true),
        client_auth: Some(true),
        crl_url: Some(true),
        accounts: None,
        changes: vec![
            Change { from: NO_CLIENTS, client_auth: Some(false), ..Change::default() },
            Change {
                from: SHORTER_CLASSIC - ahead,
                validity: Some(64 * DAY),
                valid_authz_lifetime: Some(10 * DAY),
                ..Change::default()
            },
            Change {
                from: SHORTEST_CLASSIC - ahead,
                validity: Some(45 * DAY),
                valid_authz_lifetime: Some(7 * HOUR),
                ..Change::default()
            },
        ],
    };
    let tlsserver = Profile {
        description: "For TLS servers, without what the Baseline Requirements advise against".to_owned(),
        order_lifetime: Some(8 * HOUR),
        pending_authz_lifetime: Some(HOUR),
        valid_authz_lifetime: Some(7 * HOUR),
        names_max: Some(25),
        common_name: Some(false),
        key_encipherment: Some(false),
        subject_key_id: Some(false),
        client_auth: Some(false),
        changes: vec![Change { from: SHORTER_TLSSERVER, validity: Some(45 * DAY), ..Change::default() }],
        ..classic.clone()
    };
    let shortlived = Profile {
        description: "For TLS servers that renew every few days, on names or addresses".to_owned(),
        validity: Some(160 * HOUR),
        identifier_types: Some(vec![IdentifierType::Dns, IdentifierType::Ip]),
        crl_url: Some(false),
        changes: Vec::new(),
        ..tlsserver.clone()
    };
    [("classic", classic), ("tlsserver", tlsserver), ("shortlived", shortlived)]
        .map(|(name, profile)| (name.to_owned(), profile))
        .into()
}

impl Profile {
    /// The longest lives that the CA/Browser Forum allows public CAs (Baseline Requirements, ballot SC-081):
    /// certificates of 398, 200, 100 and in the end 47 days, and authorizations that end at 10 days.
    pub fn longest_allowed() -> Self {
        /// 2026-03-15, 2027-03-15 and 2029-03-15, with the days of certificates and authorizations.
        const STEPS: [(Timestamp, u32, u32); 3] =
            [(midnight(20_527), 200, 200), (midnight(20_892), 100, 100), (midnight(21_623), 47, 10)];
        let change = |(from, certificate, authorization): (Timestamp, u32, u32)| Change {
            from,
            validity: Some(certificate * DAY),
            valid_authz_lifetime: Some(authorization * DAY),
            ..Change::default()
        };
        Profile {
            description: "As long as public CAs may certify".to_owned(),
            validity: Some(398 * DAY),
            valid_authz_lifetime: Some(398 * DAY),
            changes: STEPS.map(change).to_vec(),
            ..Profile::default()
        }
    }
}

impl Config {
    /// Let's Encrypt's production: `https://acme-v02.api.letsencrypt.org/directory`.
    pub fn letsencrypt_prod() -> Self {
        Config {
            hierarchy: HierarchyConfig::letsencrypt_prod(),
            timestamps: 2,
            profiles: profiles(Duration::ZERO),
            default_profile: "classic".to_owned(),
            limits: LimitsConfig { preset: Preset::LetsencryptProd, ..LimitsConfig::default() },
            identifier_types: vec![IdentifierType::Dns, IdentifierType::Ip],
            challenges: vec![ChallengeKind::Http01, ChallengeKind::Dns01, ChallengeKind::TlsAlpn01],
            ..Config::default()
        }
    }

    /// Let's Encrypt's staging: `https://acme-staging-v02.api.letsencrypt.org/directory`.
    pub fn letsencrypt_staging() -> Self {
        Config {
            base_url: "https://acme-staging-v02.api.letsencrypt.org".to_owned(),
            hierarchy: HierarchyConfig::letsencrypt_staging(),
            profiles: profiles(STAGING_AHEAD),
            limits: LimitsConfig { preset: Preset::LetsencryptStaging, ..LimitsConfig::default() },
            website: "https://letsencrypt.org/docs/staging-environment/".to_owned(),
            ..Config::letsencrypt_prod()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What holds before and from each announced day on: days of validity, hours of authorizations, and
    /// whether TLS clients are named.
    #[test]
    fn profiles_change_on_the_announced_days() {
        let cases: [(&str, &str, u64, u64, bool); 12] = [
            ("classic", "2026-02-10T23:59:59Z", 90 * 24, 720, true),
            ("classic", "2026-02-11T00:00:00Z", 90 * 24, 720, false),
            ("classic", "2027-02-09T23:59:59Z", 90 * 24, 720, false),
            ("classic", "2027-02-10T00:00:00Z", 64 * 24, 240, false),
            ("classic", "2028-02-15T23:59:59Z", 64 * 24, 240, false),
            ("classic", "2028-02-16T00:00:00Z", 45 * 24, 7, false),
            ("tlsserver", "2026-05-12T23:59:59Z", 90 * 24, 7, false),
            ("tlsserver", "2026-05-13T00:00:00Z", 45 * 24, 7, false),
            ("tlsserver", "2028-05-13T00:00:00Z", 45 * 24, 7, false),
            ("shortlived", "2026-01-01T00:00:00Z", 160, 7, false),
            ("shortlived", "2029-01-01T00:00:00Z", 160, 7, false),
            ("none", "2026-01-01T00:00:00Z", 90 * 24, 720, true),
        ];
        let config = Config::letsencrypt_prod();
        for (profile, at, validity, authorization, client_auth) in cases {
            let terms = config.terms(Some(profile), at.parse().unwrap());
            let hours = |d: Duration| d.as_secs() / 3600;
            assert_eq!(
                (hours(terms.validity), hours(terms.valid_authz_lifetime), terms.client_auth),
                (validity, authorization, client_auth),
                "{profile} at {at}"
            );
        }
    }

    #[test]
    fn staging_is_ahead_with_what_is_to_come() {
        let staging = Config::letsencrypt_staging();
        let validity = |at: &str| staging.terms(Some("classic"), at.parse().unwrap()).validity;
        assert_eq!(validity("2027-01-12T23:59:59Z"), 90 * DAY);
        assert_eq!(validity("2027-01-13T00:00:00Z"), 64 * DAY);
        assert_eq!(validity("2028-01-19T00:00:00Z"), 45 * DAY);
    }

    #[test]
    fn public_cas_may_certify_for_ever_shorter_times() {
        let profiles = [("longest".to_owned(), Profile::longest_allowed())].into();
        let config = Config { profiles, ..Config::default() };
        for (at, days, authorization) in [
            ("2026-03-14T23:59:59Z", 398, 398),
            ("2026-03-15T00:00:00Z", 200, 200),
            ("2027-03-15T00:00:00Z", 100, 100),
            ("2029-03-14T23:59:59Z", 100, 100),
            ("2029-03-15T00:00:00Z", 47, 10),
        ] {
            let terms = config.terms(Some("longest"), at.parse().unwrap());
            assert_eq!(
                (terms.validity, terms.valid_authz_lifetime),
                (days * DAY, authorization * DAY),
                "{at}"
            );
        }
    }

    #[test]
    fn presets_are_written_and_read_like_any_configuration() {
        for config in [Config::letsencrypt_prod(), Config::letsencrypt_staging(), Config::pebble()] {
            let text = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
        }
    }
}
