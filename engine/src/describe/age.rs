//! How long ago something was, as kubectl prints it.

use world::Timestamp;

/// The age of `then` at `now`: two units at most, and fewer the longer it is ago.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let nanos = now.unix_nanos() - then.unix_nanos();
    human(nanos.div_euclid(1_000_000_000) + i64::from(nanos < 0 && nanos % 1_000_000_000 != 0))
}

/// Whole seconds in kubectl's form.
fn human(seconds: i64) -> String {
    let two = |a: i64, unit: &str, b: i64, rest: &str| {
        if b == 0 { format!("{a}{unit}") } else { format!("{a}{unit}{b}{rest}") }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 2920 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_the_coarser() {
        for (seconds, text) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (599, "9m59s"),
            (600, "10m"),
            (3420, "57m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (12_345, "3h25m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
            (63_071_999, "729d"),
            (63_072_000, "2y"),
            (66_000_000, "2y33d"),
            (300_000_000, "9y"),
        ] {
            assert_eq!(human(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_part_of_a_second_is_dropped() {
        let at = |text| Timestamp::parse(text).unwrap();
        assert_eq!(age(at("2022-01-01T00:00:00Z"), at("2022-01-01T00:00:01.9Z")), "1s");
        assert_eq!(age(at("2022-01-01T00:00:00.9Z"), at("2022-01-01T00:00:00Z")), "0s");
    }
}
