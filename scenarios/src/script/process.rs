//! What a script may say of the engine's processes: how many there are, and what befalls them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use world::duration::Span;
use world::{Timestamp, WallStep};

use super::Durations;

/// The engine's processes besides the first, and what happens to all of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Processes {
    /// Hosts of further processes over the same API server.
    pub replicas: Vec<String>,
    /// Of all processes only the elected leader works.
    pub leader_election: bool,
    /// From the end of a process until the kubelet has started it again.
    pub restart_delay: Durations,
    /// Crashes.
    pub crashes: Vec<Crash>,
    /// Times in which a process stands still.
    pub suspensions: Vec<Suspension>,
}

/// A process ends where it stands. Nothing of it is left but what it has written to the API server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Crash {
    /// Its host; the first process when none is named.
    pub host: Option<String>,
    /// When; at the start when no time is given.
    pub at: Option<Timestamp>,
    /// Not at that time but so many steps of the process later: a step is what a task does between two awaits.
    pub after_steps: Option<u64>,
}

/// A process gets no CPU for a while, as in a paused virtual machine, while clocks and others go on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Suspension {
    /// Its host; the first process when none is named.
    #[serde(default)]
    pub host: Option<String>,
    /// From when on.
    pub at: Timestamp,
    /// For how long.
    #[serde(rename = "for")]
    pub lasts: Durations,
}

/// A step of the wall clock of all hosts, as a time daemon or an administrator makes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClockStep {
    /// How long after the start.
    pub after: Durations,
    /// By how much: `90s` forward, `-1h` back.
    pub by: Shift,
}

impl ClockStep {
    /// As the world's clock takes it.
    pub(crate) fn to_wall_step(&self) -> WallStep {
        WallStep { at: self.after.nth(0), by_nanos: self.by.0 }
    }
}

/// A time span with a sign, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift(i64);

impl Serialize for Shift {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sign = if self.0 < 0 { "-" } else { "" };
        let span = Span(std::time::Duration::from_nanos(self.0.unsigned_abs()));
        serializer.collect_str(&format_args!("{sign}{span}"))
    }
}

impl<'de> Deserialize<'de> for Shift {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (sign, rest) = text.strip_prefix('-').map_or((1, text.as_str()), |rest| (-1, rest));
        let Span(d) = rest.parse().map_err(de::Error::custom)?;
        let nanos = i64::try_from(d.as_nanos()).map_err(|_| de::Error::custom("is too long"))?;
        Ok(Shift(sign * nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_has_a_sign() {
        for text in ["\"90s\"", "\"-1h\"", "\"0s\""] {
            let shift: Shift = serde_json::from_str(text).unwrap();
            let again: Shift = serde_json::from_str(&serde_json::to_string(&shift).unwrap()).unwrap();
            assert_eq!(again, shift);
        }
        assert_eq!(serde_json::from_str::<Shift>("\"-1h\"").unwrap(), Shift(-3_600_000_000_000));
        assert!(serde_json::from_str::<Shift>("\"--1h\"").is_err());
    }
}
