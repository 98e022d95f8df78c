//! Numbers, times and durations as people read them.

use std::time::Duration;

use world::Timestamp;

/// `1,204,332`.
pub(crate) fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The two largest units: `14d 23h`, `3h 20m`, `45s`.
pub(crate) fn span(d: Duration) -> String {
    let secs = d.as_secs();
    let units = [("d", secs / 86_400), ("h", secs / 3600 % 24), ("m", secs / 60 % 60), ("s", secs % 60)];
    let first = units.iter().position(|(_, n)| *n > 0).unwrap_or(units.len() - 1);
    let shown = units.iter().skip(first).take(2).enumerate().filter(|(place, (_, n))| *place == 0 || *n > 0);
    shown.map(|(_, (unit, n))| format!("{n}{unit}")).collect::<Vec<_>>().join(" ")
}

/// Seconds that are left, or that something is over for.
pub(crate) fn left(secs: i64) -> String {
    let text = span(Duration::from_secs(secs.unsigned_abs()));
    if secs < 0 { format!("{text} after its end") } else { format!("{text} left") }
}

/// `2027-01-31 12:00`.
pub(crate) fn minute(at: Timestamp) -> String {
    let text = at.rfc3339_secs();
    text.get(..16).unwrap_or(&text).replace('T', " ")
}

/// `2027-01-31`.
pub(crate) fn day(at: Timestamp) -> String {
    let text = at.rfc3339_secs();
    text.get(..10).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_durations_are_short() {
        let of = |secs| span(Duration::from_secs(secs));
        assert_eq!([0, 45, 60, 12_000, 86_400 * 15 - 60].map(of), ["0s", "45s", "1m", "3h 20m", "14d 23h"]);
        assert_eq!([0_u64, 999, 1000, 1_204_332].map(count), ["0", "999", "1,000", "1,204,332"]);
        assert_eq!(left(-90), "1m 30s after its end");
    }
}
