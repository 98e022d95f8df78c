//! Where, how and whether other releases than 1.7 log the messages of the catalogue.
//!
//! One row a message: what 1.16.5 and 1.21.1 do. A message without a row is logged by both, at a line of the same file
//! that is not known to us.

use std::borrow::Cow;

use super::{Message, Severity};

/// The release whose source the places are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edition {
    /// Before 0.11: none of the catalogue's messages (see `legacy`).
    Legacy,
    /// 1.7.1.
    V1_7,
    /// 1.16.5.
    V1_16,
    /// 1.21.1.
    V1_21,
}

/// A message in one release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File and line; with the file's folder where it is known.
    pub marker: Cow<'static, str>,
    /// Severity.
    pub severity: Severity,
    /// klog's `-v` level from which it is shown.
    pub verbosity: u8,
    /// The text.
    pub text: &'static str,
    /// A line about a condition has its values apart, instead of one sentence.
    pub structured: bool,
}

/// A cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// The same message at another line.
    At(&'static str),
    /// The same event in another text, with values of its own.
    Structured(&'static str, &'static str),
    /// The release does not say it.
    Gone,
}
use Cell::{At, Gone, Structured};

/// The message in the release.
pub fn of(message: &Message, edition: Edition) -> Option<Place> {
    let as_in_v1_7 = |marker: Cow<'static, str>| Place {
        marker,
        severity: message.severity,
        verbosity: message.verbosity,
        text: message.text,
        structured: false,
    };
    let row = ROWS.iter().find(|(name, ..)| *name == message.name);
    let cell = match edition {
        Edition::Legacy => return None,
        Edition::V1_7 => {
            let known = (!message.v1_7.is_empty()).then(|| as_in_v1_7(message.v1_7.into()));
            return known;
        }
        Edition::V1_16 => row.map(|(_, cell, _)| *cell),
        Edition::V1_21 => row.map(|(.., cell)| *cell),
    };
    match cell {
        Some(At(marker)) => Some(as_in_v1_7(marker.into())),
        Some(Structured(marker, text)) => Some(Place { text, structured: true, ..as_in_v1_7(marker.into()) }),
        Some(Gone) => None,
        None => {
            let file = message.v1_7.split(':').next().unwrap_or_default();
            Some(as_in_v1_7(format!("{file}:0").into()))
        }
    }
}

/// Message, 1.16.5, 1.21.1.
#[rustfmt::skip]
const ROWS: &[(&str, Cell, Cell)] = &[
    ("SYNCING_ITEM", At("controller/controller.go:144"), At("controller/controller.go:142")),
    ("ITEM_PROCESSED", At("controller/controller.go:164"), At("controller/controller.go:162")),
    ("REQUEUE_CONFLICT", At("controller/controller.go:152"), At("controller/controller.go:150")),
    ("REQUEUE_ERROR", At("controller/controller.go:157"), At("controller/controller.go:155")),

    ("CERTIFICATE_CONDITION_CHANGED", At("util/conditions.go:192"),
        Structured("util/conditions.go:201", "Found status change for Certificate condition; setting lastTransitionTime")),
    ("CERTIFICATE_CONDITION_ADDED", At("util/conditions.go:203"),
        Structured("util/conditions.go:217", "Setting lastTransitionTime for Certificate condition")),
    ("REQUEST_CONDITION_CHANGED", At("util/conditions.go:252"),
        Structured("util/conditions.go:269", "Found status change for CertificateRequest condition; setting lastTransitionTime")),
    ("REQUEST_CONDITION_ADDED", At("util/conditions.go:263"),
        Structured("util/conditions.go:285", "Setting lastTransitionTime for CertificateRequest condition")),
    ("ISSUER_CONDITION_CHANGED", At("util/conditions.go:85"),
        Structured("util/conditions.go:86", "Found status change for Issuer condition; setting lastTransitionTime")),
    ("ISSUER_CONDITION_ADDED", At("util/conditions.go:96"),
        Structured("util/conditions.go:102", "Setting lastTransitionTime for Issuer condition")),

    ("MUST_BE_REISSUED", At("trigger/trigger_controller.go:223"), At("trigger/trigger_controller.go:238")),
    // Since 1.8 the back-off grows, and the line says when it ends.
    ("NOT_REISSUING", Gone, Gone),
    ("BACKING_OFF", At("trigger/trigger_controller.go:202"), At("trigger/trigger_controller.go:212")),
    ("NEXT_REQUEST_NOT_AVAILABLE", At("trigger/trigger_controller.go:282"), At("trigger/trigger_controller.go:302")),
    ("REQUEST_DOES_NOT_MATCH", At("requestmanager/requestmanager_controller.go:331"),
        At("requestmanager/requestmanager_controller.go:340")),
    ("TOO_MANY_REQUESTS", At("requestmanager/requestmanager_controller.go:217"),
        At("requestmanager/requestmanager_controller.go:226")),
    ("REQUEST_NOT_COMPARABLE", At("requestmanager/requestmanager_controller.go:324"),
        At("requestmanager/requestmanager_controller.go:333")),
    ("NEXT_KEY_NOT_DECODED", At("requestmanager/requestmanager_controller.go:176"),
        At("requestmanager/requestmanager_controller.go:182")),
    ("CSR_NOT_MADE", At("requestmanager/requestmanager_controller.go:369"),
        At("requestmanager/requestmanager_controller.go:378")),
    ("NEXT_KEY_EMPTY", At("issuing/issuing_controller.go:213"), At("issuing/issuing_controller.go:225")),
    ("NEXT_KEY_NOT_PARSED", At("issuing/issuing_controller.go:219"), At("issuing/issuing_controller.go:231")),
    ("NEXT_KEY_DOES_NOT_FIT", At("issuing/issuing_controller.go:224"), At("issuing/issuing_controller.go:236")),
    ("NEXT_KEY_OF_ANOTHER_REQUEST", At("issuing/issuing_controller.go:332"), At("issuing/issuing_controller.go:344")),
    ("FAILED_REQUEST_FROM_PREVIOUS_ISSUANCE", At("issuing/issuing_controller.go:276"),
        At("issuing/issuing_controller.go:288")),

    ("REQUEST_SIGN_ERROR", At("certificaterequests/sync.go:143"), At("certificaterequests/sync.go:143")),
    ("CERTIFICATE_ISSUED", At("acme/acme.go:236"), At("acme/acme.go:256")),
    ("REQUEST_INVALID", At("acme/acme.go:127"), At("acme/acme.go:137")),
    ("ORDER_NOT_CREATED", At("acme/acme.go:164"), At("acme/acme.go:184")),
    ("ORDER_KEY_DIFFERS", At("acme/acme.go:232"), At("acme/acme.go:252")),
    ("ORDER_CERTIFICATE_UNUSABLE", At("acme/acme.go:227"), At("acme/acme.go:247")),

    ("ORDER_GONE", At("acmeorders/controller.go:171"), Gone),
    ("ORDER_STATUS_WRITE_FAILED", At("acmeorders/sync.go:75"), At("acmeorders/sync.go:76")),
    ("ORDER_CREATE_BAD_REQUEST", At("acmeorders/sync.go:287"), At("acmeorders/sync.go:332")),
    ("ORDER_AUTHORIZATION_BAD_REQUEST", At("acmeorders/sync.go:379"), At("acmeorders/sync.go:425")),
    ("ORDER_FINALIZE_BAD_REQUEST", At("acmeorders/sync.go:563"), At("acmeorders/sync.go:609")),
    ("ORDER_NO_SOLVER", At("acmeorders/sync.go:128"), At("acmeorders/sync.go:129")),
    ("ORDER_WAITS_FOR_CA", At("acmeorders/sync.go:227"), At("acmeorders/sync.go:228")),

    ("CHALLENGE_GONE", At("acmechallenges/controller.go:213"), Gone),
    ("CHALLENGE_NOT_SCHEDULED", At("acmechallenges/controller.go:194"), At("acmechallenges/controller.go:197")),
    // What 1.21 says instead is for -v=4; the error stays in the Challenge's reason.
    ("PROPAGATION_CHECK_FAILED", At("acmechallenges/sync.go:208"), Gone),
    ("CHALLENGE_NOT_READY", Gone, At("acmechallenges/sync.go:209")),
    ("ACCEPT_FAILED", At("acmechallenges/sync.go:387"), At("acmechallenges/sync.go:461")),
    ("WAIT_AUTHORIZATION_FAILED", At("acmechallenges/sync.go:403"), At("acmechallenges/sync.go:477")),
    ("CLEAN_UP_FAILED", At("acmechallenges/sync.go:132"), At("acmechallenges/sync.go:372")),

    ("POD_FOUND", At("http/pod.go:59"), At("http/pod.go:83")),
    ("POD_CREATE", At("http/pod.go:71"), At("http/pod.go:95")),
    ("PODS_MULTIPLE", At("http/pod.go:63"), At("http/pod.go:87")),
    ("SERVICE_FOUND", At("http/service.go:45"), At("http/service.go:46")),
    ("SERVICE_CREATE", At("http/service.go:57"), At("http/service.go:58")),
    ("SERVICES_MULTIPLE", At("http/service.go:49"), At("http/service.go:50")),
    ("INGRESS_FOUND", At("http/ingress.go:99"), At("http/ingress.go:102")),
    ("INGRESS_CREATE", At("http/ingress.go:119"), At("http/ingress.go:122")),
    ("INGRESSES_MULTIPLE", At("http/ingress.go:111"), At("http/ingress.go:114")),

    ("ISSUER_GONE", At("issuers/controller.go:139"), Gone),
    ("CLUSTER_ISSUER_GONE", At("clusterissuers/controller.go:146"), Gone),
    ("ACCOUNT_KEY_GENERATED", At("acme/setup.go:113"), At("acme/setup.go:125")),
    ("ACCOUNT_CACHED", At("acme/setup.go:208"), At("acme/setup.go:265")),
    ("ACCOUNT_HOST_CHANGED", At("acme/setup.go:225"), At("acme/setup.go:286")),
    ("ACCOUNT_VERIFIED", At("acme/setup.go:315"), At("acme/setup.go:420")),
    ("ACCOUNT_REGISTRATION_FAILED", At("acme/setup.go:265"), At("acme/setup.go:335")),
    ("ACCOUNT_NOT_RETRIED", At("acme/setup.go:277"), At("acme/setup.go:353")),

    ("INGRESS_GONE", At("ingresses/controller.go:104"), Gone),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::catalogue as msg;

    #[test]
    fn every_row_names_a_message_once() {
        for (i, (name, ..)) in ROWS.iter().enumerate() {
            assert!(msg::ALL.iter().any(|m| m.name == *name), "{name}");
            assert!(ROWS[..i].iter().all(|(other, ..)| other != name), "{name}");
        }
    }

    #[test]
    fn lines_come_and_go_with_the_releases() {
        let has = |message: &Message| {
            [Edition::Legacy, Edition::V1_7, Edition::V1_16, Edition::V1_21].map(|e| of(message, e).is_some())
        };
        assert_eq!(has(&msg::CHALLENGE_GONE), [false, true, true, false]);
        assert_eq!(has(&msg::INGRESS_GONE), [false, true, true, false]);
        assert_eq!(has(&msg::PROPAGATION_CHECK_FAILED), [false, true, true, false]);
        assert_eq!(has(&msg::CHALLENGE_NOT_READY), [false, false, false, true]);
        assert_eq!(has(&msg::NOT_REISSUING), [false, true, false, false]);
        assert_eq!(has(&msg::POD_CREATE), [false, true, true, true]);
    }

    #[test]
    fn condition_lines_have_values_of_their_own_since_1_21() {
        let added = |edition| of(&msg::CERTIFICATE_CONDITION_ADDED, edition).unwrap();
        assert!(!added(Edition::V1_7).structured && !added(Edition::V1_16).structured);
        assert!(added(Edition::V1_21).structured);
        assert_eq!(added(Edition::V1_21).text, "Setting lastTransitionTime for Certificate condition");
    }

    #[test]
    fn a_message_without_a_row_keeps_its_file() {
        let new = Message { name: "NEW", v1_7: "pod.go:7", ..msg::POD_CREATE };
        assert_eq!(of(&new, Edition::V1_21).unwrap().marker, "pod.go:0");
        assert_eq!(of(&new, Edition::V1_7).unwrap().marker, "pod.go:7");
    }
}
