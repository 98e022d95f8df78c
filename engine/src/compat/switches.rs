//! Single values of the table by name, as scripts set them: `engine.switches: { ari: true, dns01Settle: 0s }`.
//!
//! A row a switch: its name, what it does, and how it is read and written. A switch changes one value of the release
//! that is reproduced; all others stay.

use std::time::Duration;

use serde_json::Value;
use world::duration::Span;

use super::{
    CleanUp, Compat, EventComponent, FinalizerAdded, LogFormat, LoggerNames, OrderPolls, TransientError,
    ZoneCache,
};
use crate::api::PrivateKeyRotationPolicy;

/// A value of the table that can be set alone.
#[derive(Debug)]
pub struct Switch {
    /// Its name in scripts.
    pub name: &'static str,
    /// What it takes.
    pub takes: &'static str,
    get: fn(&Compat) -> Value,
    set: fn(&mut Compat, &Value) -> bool,
}

/// Why a switch cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// There is none of this name.
    #[error("there is no switch {name:?}")]
    Unknown {
        /// The name.
        name: String,
        /// The nearest.
        nearest: Option<&'static str>,
    },
    /// The value is of another kind.
    #[error("switch {name:?} takes {takes}, not {value}")]
    Value {
        /// The name.
        name: &'static str,
        /// What it takes.
        takes: &'static str,
        /// What was given, as JSON.
        value: String,
    },
}

impl Switch {
    /// The value in `compat`, as a script would write it.
    pub fn get(&self, compat: &Compat) -> Value {
        (self.get)(compat)
    }
}

/// Sets the switch `name`.
///
/// # Errors
/// [`SwitchError`]; `compat` is as it was then.
pub fn set(compat: &mut Compat, name: &str, value: &Value) -> Result<(), SwitchError> {
    let Some(switch) = SWITCHES.iter().find(|s| s.name == name) else {
        let near = SWITCHES.iter().map(|s| (strsim::damerau_levenshtein(name, s.name), s.name)).min();
        let nearest = near.filter(|(distance, s)| *distance <= s.len() / 2).map(|(_, s)| s);
        return Err(SwitchError::Unknown { name: name.to_owned(), nearest });
    };
    if (switch.set)(compat, value) {
        return Ok(());
    }
    Err(SwitchError::Value { name: switch.name, takes: switch.takes, value: value.to_string() })
}

/// A type that switches have.
trait Setting: Sized {
    const TAKES: &'static str;
    fn read(value: &Value) -> Option<Self>;
    fn write(&self) -> Value;
}

impl Setting for bool {
    const TAKES: &'static str = "true or false";
    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }
    fn write(&self) -> Value {
        (*self).into()
    }
}

/// A whole number from 1 on.
macro_rules! counts {
    ($($type:ty),+) => { $(
        impl Setting for $type {
            const TAKES: &'static str = "a number from 1 on";
            fn read(value: &Value) -> Option<Self> {
                value.as_u64().filter(|n| *n > 0)?.try_into().ok()
            }
            fn write(&self) -> Value {
                (*self).into()
            }
        }
    )+ };
}
counts!(u32, usize);

impl Setting for f64 {
    const TAKES: &'static str = "a number above 0";
    fn read(value: &Value) -> Option<Self> {
        value.as_f64().filter(|n| n.is_finite() && *n > 0.0)
    }
    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Setting for Duration {
    const TAKES: &'static str = "a duration such as 10s";
    fn read(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        text.parse::<Span>().ok().map(|span| span.0)
    }
    fn write(&self) -> Value {
        Span(*self).to_string().into()
    }
}

impl Setting for Option<Duration> {
    const TAKES: &'static str = "a duration such as 10s, or none";
    fn read(value: &Value) -> Option<Self> {
        if value == "none" { Some(None) } else { Duration::read(value).map(Some) }
    }
    fn write(&self) -> Value {
        self.as_ref().map_or_else(|| "none".into(), Setting::write)
    }
}

impl Setting for Option<u32> {
    const TAKES: &'static str = "a number from 1 on, or none";
    fn read(value: &Value) -> Option<Self> {
        if value == "none" { Some(None) } else { u32::read(value).map(Some) }
    }
    fn write(&self) -> Value {
        self.map_or_else(|| "none".into(), Value::from)
    }
}

/// One of several words.
macro_rules! words {
    ($type:ident: $takes:literal, $($word:literal => $variant:ident),+) => {
        impl Setting for $type {
            const TAKES: &'static str = $takes;
            fn read(value: &Value) -> Option<Self> {
                match value.as_str()? {
                    $($word => Some($type::$variant),)+
                    _ => None,
                }
            }
            fn write(&self) -> Value {
                match self { $($type::$variant => $word.into(),)+ }
            }
        }
    };
}
words!(LogFormat: "plain, serialize, contextual or json",
    "plain" => Plain, "serialize" => Serialize, "contextual" => Contextual, "json" => Json);
words!(LoggerNames: "controller or process", "controller" => Controller, "process" => Process);
words!(EventComponent: "controller or process", "controller" => Controller, "process" => Process);
words!(TransientError: "retried, endsChallenge or networkRetried",
    "retried" => Retried, "endsChallenge" => EndsChallenge, "networkRetried" => NetworkRetried);
words!(FinalizerAdded: "atCreation, atStartByUpdate or atStartByApply",
    "atCreation" => AtCreation, "atStartByUpdate" => AtStartByUpdate, "atStartByApply" => AtStartByApply);
words!(OrderPolls: "everyEvent or whenDecided", "everyEvent" => EveryEvent, "whenDecided" => WhenDecided);
words!(CleanUp: "forgotten or retried", "forgotten" => Forgotten, "retried" => Retried);
words!(ZoneCache: "forEver or ttl", "forEver" => ForEver, "ttl" => Ttl);
words!(PrivateKeyRotationPolicy: "Never or Always", "Never" => Never, "Always" => Always);

/// The type of a field, by the function that finds it.
const fn takes<T: Setting>(_: fn(&Compat) -> &T) -> &'static str {
    T::TAKES
}

macro_rules! switches {
    ( $( $name:literal $($field:ident).+; )+ ) => {
        /// Every switch, in the order of the table of releases.
        pub const SWITCHES: &[Switch] = &[ $(
            Switch {
                name: $name,
                takes: takes(|compat| &compat.$($field).+),
                get: |compat| Setting::write(&compat.$($field).+),
                set: |compat, value| match Setting::read(value) {
                    Some(read) => { compat.$($field).+ = read; true }
                    None => false,
                },
            },
        )+ ];
    };
}

switches! {
    "logFormat" log_format;
    "loggerNames" logger_names;
    "eventSource" event_source;
    "workers" workers;
    "clientQps" client_qps;
    "clientBurst" client_burst;
    "backoffCertificatesBase" backoff_certificates.base;
    "backoffCertificatesMax" backoff_certificates.max;
    "backoffRequestsBase" backoff_requests.base;
    "backoffRequestsMax" backoff_requests.max;
    "backoffAcmeBase" backoff_acme.base;
    "backoffAcmeMax" backoff_acme.max;
    "rerunDelay" rerun_delay;
    "serverSideApply" server_side_apply;
    "leaseDuration" leader_election.lease;
    "leaseRenewDeadline" leader_election.renew_deadline;
    "leaseRetryPeriod" leader_election.retry;
    "failedIssuanceBase" failed_issuance.base;
    "failedIssuanceMax" failed_issuance.max;
    "stableRequestNames" stable_request_names;
    "issuingLimit" issuing_limit;
    "refusedRequestsFail" refused_requests_fail;
    "secretOwnership" secret_ownership;
    "rotationDefault" rotation_default;
    "revisionHistoryDefault" revision_history_default;
    "acmeCallLimit" acme_call_limit;
    "authorizationWaitLimit" authorization_wait_limit;
    "acmeHttpLimit" acme_http_limit;
    "issuerSetupLimit" issuer_setup_limit;
    "transientError" transient_error;
    "orderPolls" order_polls;
    "orderRecheck" order_recheck;
    "challengeNameCoversKey" challenge_name_covers_key;
    "finalizerAdded" finalizer.added;
    "cleanUp" clean_up;
    "schedulerPeriod" scheduler.period;
    "schedulerStarts" scheduler.starts;
    "schedulerConcurrent" scheduler.concurrent;
    "challengeRecheck" challenge_recheck;
    "selfCheckPasses" self_check.passes;
    "selfCheckPause" self_check.pause;
    "selfCheckPauseAfterLast" self_check.pause_after_last;
    "selfCheckRequestLimit" self_check.request_limit;
    "selfCheckLimit" self_check.limit;
    "hardenedSolver" hardened_solver;
    "dns01Settle" dns01_settle;
    "zoneCache" zone_cache;
    "stableReasons" stable_reasons;
    "stableWaitReason" stable_wait_reason;
    "caBundle" features.ca_bundle;
    "ingressClassName" features.ingress_class_name;
    "dnsOverHttps" features.dns_over_https;
    "literalSubject" features.literal_subject;
    "otherNames" features.other_names;
    "nameConstraints" features.name_constraints;
    "additionalOutputFormats" features.additional_output_formats;
    "renewBeforePercentage" features.renew_before_percentage;
    "profiles" features.profiles;
    "renewalWindows" features.renewal_windows;
    "waitInsteadOfSelfCheck" features.wait_instead_of_self_check;
    "ari" features.ari;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat::{RELEASES, V1_7, V1_21};
    use serde_json::json;

    #[test]
    fn every_switch_reads_what_it_writes_and_changes_nothing_else() {
        for (release, compat) in RELEASES {
            for switch in SWITCHES {
                let mut copy = (*compat).clone();
                let value = switch.get(compat);
                // 0.2 has no back-off of its own between orders; all else that is written is read again.
                set(&mut copy, switch.name, &value).unwrap();
                assert_eq!(copy, **compat, "{release} {}", switch.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_what_they_set_is_seen() {
        for (i, switch) in SWITCHES.iter().enumerate() {
            assert!(SWITCHES[..i].iter().all(|other| other.name != switch.name), "{}", switch.name);
        }
        let mut compat = V1_7;
        for (name, value) in [
            ("ari", json!(true)),
            ("serverSideApply", json!(true)),
            ("acmeCallLimit", json!("none")),
            ("revisionHistoryDefault", json!(3)),
            ("logFormat", json!("json")),
            ("failedIssuanceMax", json!("32h")),
            ("transientError", json!("endsChallenge")),
        ] {
            set(&mut compat, name, &value).unwrap();
            let switch = SWITCHES.iter().find(|s| s.name == name).unwrap();
            assert_eq!(switch.get(&compat), value, "{name}");
        }
        assert!(compat.features.ari && compat.acme_call_limit.is_none());
        assert_eq!(compat.log_format, LogFormat::Json);
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_and_a_wrong_value_what_it_takes() {
        let mut compat = V1_21;
        let error = set(&mut compat, "stableRequestName", &json!(true)).unwrap_err();
        let nearest = Some("stableRequestNames");
        assert_eq!(error, SwitchError::Unknown { name: "stableRequestName".into(), nearest });
        let error = |name, value: Value| set(&mut V1_21.clone(), name, &value).unwrap_err().to_string();
        assert_eq!(error("ari", json!("yes")), r#"switch "ari" takes true or false, not "yes""#);
        assert_eq!(error("workers", json!(0)), r#"switch "workers" takes a number from 1 on, not 0"#);
        assert_eq!(
            error("dns01Settle", json!("soon")),
            r#"switch "dns01Settle" takes a duration such as 10s, not "soon""#
        );
        assert_eq!(compat, V1_21);
    }
}
