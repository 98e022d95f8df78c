//! `coordination.k8s.io/v1`: the Lease that the processes of a controller elect their leader by.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use world::Timestamp;

use super::meta::ObjectMeta;
use super::serial::omit;

/// Who holds something, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lease {
    /// Name, namespace.
    pub metadata: ObjectMeta,
    /// Who and until when.
    #[serde(skip_serializing_if = "omit")]
    pub spec: LeaseSpec,
}

/// The holder of a [`Lease`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeaseSpec {
    /// The holder; empty: it was given back.
    #[serde(skip_serializing_if = "omit")]
    pub holder_identity: String,
    /// How long it holds after `renewTime`, in seconds.
    #[serde(skip_serializing_if = "omit")]
    pub lease_duration_seconds: u32,
    /// Since when the holder has it.
    #[serde(skip_serializing_if = "omit")]
    pub acquire_time: Option<MicroTime>,
    /// When the holder last said that it is there.
    #[serde(skip_serializing_if = "omit")]
    pub renew_time: Option<MicroTime>,
    /// How often the holder has changed.
    #[serde(skip_serializing_if = "omit")]
    pub lease_transitions: u32,
}

/// A moment with microseconds, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroTime(Timestamp);

impl MicroTime {
    /// The moment, what is below a microsecond cut off.
    pub fn new(moment: Timestamp) -> Self {
        let nanos = moment.unix_nanos();
        MicroTime(Timestamp::from_unix_nanos(nanos - nanos.rem_euclid(1000)))
    }

    /// As a point in time to compute with.
    pub fn timestamp(self) -> Timestamp {
        self.0
    }
}

/// Kubernetes always writes six digits.
impl Serialize for MicroTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = self.0.unix_nanos().rem_euclid(1_000_000_000) / 1000;
        let seconds = self.0.truncate_to_secs().rfc3339_secs();
        serializer.collect_str(&format_args!("{}.{micros:06}Z", seconds.trim_end_matches('Z')))
    }
}

impl<'de> Deserialize<'de> for MicroTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(MicroTime::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits() {
        let time = MicroTime::new("2022-05-07T13:39:31.142484989Z".parse().unwrap());
        assert_eq!(serde_json::to_string(&time).unwrap(), r#""2022-05-07T13:39:31.142484Z""#);
        let whole = MicroTime::new("2022-05-07T13:39:31Z".parse().unwrap());
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(text, r#""2022-05-07T13:39:31.000000Z""#);
        assert_eq!(serde_json::from_str::<MicroTime>(&text).unwrap(), whole);
    }
}
