//! What happens to certificates, one by one.

use std::sync::Arc;

use mock_ca::limits::BucketId;
use serde::Serialize;
use world::Timestamp;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// To which certificate; of an account, `account 7`.
    pub certificate: Arc<str>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum What {
    /// The certificate must be issued, for the first time or anew: the engine has set `Issuing`. Once for each
    /// issuance, however often that is tried.
    Due,
    /// The back-off after a failure is over, and the certificate must still be issued: the engine has set `Issuing`
    /// again.
    Retried,
    /// The CA has made an order.
    Ordered,
    /// The CA has refused an order, or an account, by a limit.
    Refused {
        /// Which one.
        #[serde(flatten)]
        bucket: BucketId,
    },
    /// The CA has answered 503.
    Unavailable,
    /// The order has come to nothing.
    Failed {
        /// Why.
        why: Failure,
    },
    /// There is a new certificate.
    Issued {
        /// Its last second.
        not_after: Timestamp,
    },
    /// The first second in which the certificate is not valid any more, and there is no other.
    Expired,
}

/// Why an order comes to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// A validation has failed.
    Validation,
    /// The order has lived too long.
    OrderExpired,
}
