//! The limits of Let's Encrypt's two environments, as data.
//!
//! Figures: letsencrypt.org/docs/rate-limits and /docs/staging-environment as of August 2026, and Boulder's
//! production defaults for the pause.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::bucket::LimitName::{self, *};
use super::gcra::Quota;
use super::requests::EndpointClass::{self, *};
use super::requests::RequestRate;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const HOURS_3: Duration = Duration::from_secs(3 * 3600);
const HOURS_6: Duration = Duration::from_secs(6 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whose limits are the ones that configuration then changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Preset {
    /// No limit at all, as Pebble.
    #[default]
    #[serde(rename = "none")]
    None,
    /// Let's Encrypt's production.
    #[serde(rename = "letsencrypt-prod")]
    LetsencryptProd,
    /// Let's Encrypt's staging.
    #[serde(rename = "letsencrypt-staging")]
    LetsencryptStaging,
}

/// A preset's tables.
pub(super) struct Tables {
    pub(super) limits: &'static [(LimitName, Quota)],
    pub(super) requests: &'static [(EndpointClass, RequestRate)],
}

impl Preset {
    /// Its tables.
    pub(super) const fn tables(self) -> &'static Tables {
        match self {
            Preset::None => &Tables { limits: &[], requests: &[] },
            Preset::LetsencryptProd => &PROD,
            Preset::LetsencryptStaging => &STAGING,
        }
    }
}

const fn rate(per_second: u64, burst: u64) -> RequestRate {
    RequestRate { per_second, burst }
}

static PROD: Tables = Tables {
    limits: &[
        (NewRegistrationsPerIpAddress, Quota::per(10, HOURS_3)),
        (NewRegistrationsPerIpv6Range, Quota::per(500, HOURS_3)),
        (NewOrdersPerAccount, Quota::per(300, HOURS_3)),
        (NewCertificatesPerRegisteredDomain, Quota::per(50, WEEK)),
        (NewCertificatesPerExactSetOfIdentifiers, Quota::per(5, WEEK)),
        (AuthorizationFailuresPerIdentifierPerAccount, Quota::per(5, HOUR)),
        (ConsecutiveAuthorizationFailuresPerIdentifierPerAccount, Quota::per(1, DAY).with_burst(1152)),
    ],
    requests: &[
        (NewNonce, rate(20, 10)),
        (NewAccount, rate(5, 15)),
        (NewOrder, rate(300, 200)),
        (RevokeCert, rate(10, 100)),
        (RenewalInfo, rate(1000, 100)),
        (Acme, rate(250, 125)),
        (Directory, rate(40, 40)),
    ],
};

static STAGING: Tables = Tables {
    limits: &[
        (NewRegistrationsPerIpAddress, Quota::per(50, HOURS_3)),
        (NewRegistrationsPerIpv6Range, Quota::per(500, HOURS_3)),
        (NewOrdersPerAccount, Quota::per(1500, HOURS_3)),
        (NewCertificatesPerRegisteredDomain, Quota::per(30_000, Duration::from_secs(1))),
        (NewCertificatesPerExactSetOfIdentifiers, Quota::per(30_000, WEEK)),
        (AuthorizationFailuresPerIdentifierPerAccount, Quota::per(200, HOUR)),
        (ConsecutiveAuthorizationFailuresPerIdentifierPerAccount, Quota::per(3600, HOURS_6)),
    ],
    requests: &[
        (NewNonce, rate(20, 10)),
        (NewAccount, rate(5, 15)),
        (NewOrder, rate(20, 40)),
        (RevokeCert, rate(10, 100)),
        (RenewalInfo, rate(1000, 100)),
        (Acme, rate(20, 20)),
        (Directory, rate(40, 40)),
    ],
};

#[cfg(test)]
mod tests {
    use super::super::gcra::Rate;
    use super::*;

    #[test]
    fn tokens_come_back_as_the_documentation_says() {
        let refill = |preset: Preset| -> Vec<f64> {
            let limits = preset.tables().limits.iter();
            limits.map(|(_, quota)| Rate::new(*quota).unwrap().interval().as_secs_f64()).collect()
        };
        assert_eq!(
            refill(Preset::LetsencryptProd),
            [1080.0, 21.6, 36.0, 12_096.0, 120_960.0, 720.0, 86_400.0]
        );
        assert_eq!(refill(Preset::LetsencryptStaging), [216.0, 21.6, 7.2, 0.000_033_333, 20.16, 18.0, 6.0]);
    }
}
