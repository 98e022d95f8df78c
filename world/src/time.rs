//! Points in time as values: UTC, nanoseconds, no clock behind them.
//!
//! A [`Timestamp`] is a wall-clock reading. Its text forms are the ones that the project's logs and
//! documents use: RFC 3339 as Kubernetes writes it, and Go's `time.Time` default format.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A wall-clock reading, in nanoseconds since 1970-01-01T00:00:00Z (UTC, years 1678 to 2262).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text was not an RFC 3339 date and time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an RFC 3339 time such as 2022-05-07T13:39:31Z")]
pub struct BadTimestamp(pub String);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Timestamp = Timestamp(0);

    /// From nanoseconds since the Unix epoch.
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Timestamp(nanos)
    }

    /// From whole seconds since the Unix epoch; saturates at the ends of the range.
    pub const fn from_unix_secs(secs: i64) -> Self {
        Timestamp(secs.saturating_mul(1_000_000_000))
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn unix_secs(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Reads an RFC 3339 time with any number of fractional digits (below a nanosecond they are cut).
    ///
    /// # Errors
    /// [`BadTimestamp`] when the text has another form or lies outside of the range.
    pub fn parse(text: &str) -> Result<Self, BadTimestamp> {
        let t = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| BadTimestamp(text.to_owned()))?;
        Ok(Timestamp(i64::try_from(t.unix_timestamp_nanos()).map_err(|_| BadTimestamp(text.to_owned()))?))
    }

    /// The same moment without its fraction of a second, as Kubernetes stores `metav1.Time`.
    #[must_use]
    pub const fn truncate_to_secs(self) -> Self {
        Timestamp(self.unix_secs() * 1_000_000_000)
    }

    /// As a calendar value (UTC).
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + time::Duration::nanoseconds(self.0)
    }

    /// From a calendar value; saturates at the ends of the range.
    pub fn from_offset_date_time(t: OffsetDateTime) -> Self {
        let nanos = t.unix_timestamp_nanos().clamp(i64::MIN.into(), i64::MAX.into());
        Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    /// The time from `earlier` to here, or zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 with whole seconds: `2022-05-07T13:39:31Z`.
    pub fn rfc3339_secs(self) -> String {
        let c = self.to_offset_date_time();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            c.year(),
            u8::from(c.month()),
            c.day(),
            c.hour(),
            c.minute(),
            c.second()
        )
    }

    /// Go's default rendering of a UTC `time.Time`: `2022-05-07 13:39:31.142484989 +0000 UTC`, the
    /// fraction without trailing zeros and absent when zero.
    pub fn go_string(self) -> String {
        let c = self.to_offset_date_time();
        let mut s = format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            c.year(),
            u8::from(c.month()),
            c.day(),
            c.hour(),
            c.minute(),
            c.second()
        );
        if c.nanosecond() != 0 {
            let f = format!(".{:09}", c.nanosecond());
            s.push_str(f.trim_end_matches('0'));
        }
        s.push_str(" +0000 UTC");
        s
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339 with as many fractional digits as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.rfc3339_secs();
        let nanos = self.0.rem_euclid(1_000_000_000);
        if nanos == 0 {
            return f.write_str(&text);
        }
        let fraction = format!("{nanos:09}");
        write!(f, "{}.{}Z", text.trim_end_matches('Z'), fraction.trim_end_matches('0'))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = BadTimestamp;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Timestamp::parse(s)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Timestamp::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_kubernetes_and_go() {
        let t = Timestamp::parse("2022-05-07T13:39:31.142484989Z").unwrap();
        assert_eq!(t.go_string(), "2022-05-07 13:39:31.142484989 +0000 UTC");
        assert_eq!(t.rfc3339_secs(), "2022-05-07T13:39:31Z");
        assert_eq!(t.to_string(), "2022-05-07T13:39:31.142484989Z");
        assert_eq!(t.truncate_to_secs().go_string(), "2022-05-07 13:39:31 +0000 UTC");
        assert_eq!(t, t.to_string().parse().unwrap());
    }

    #[test]
    fn a_zone_is_converted_and_nonsense_refused() {
        assert_eq!(Timestamp::parse("2022-05-07T21:39:31+08:00"), Timestamp::parse("2022-05-07T13:39:31Z"));
        assert!(Timestamp::parse("2022-05-07").is_err());
        assert!(Timestamp::parse("9999-01-01T00:00:00Z").is_err());
    }
}
