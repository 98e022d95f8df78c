//! A log from elsewhere as a record: to be laid beside the replay of it.

use crate::record::{LogLine, RunRecord, SCHEMA, Severity};

/// A record that has nothing but the lines of a log. Times are taken from klog's headers (`I0507 13:39:31.141402`), which have
/// no year and no zone: they count from the first line. A line without a header goes with the one before.
pub fn of_log(name: &str, text: &str) -> RunRecord {
    let mut log: Vec<LogLine> = Vec::new();
    let mut first = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let header = header(line);
        let last = log.last().map_or(0, |line| line.nanos);
        let nanos = header.map_or(last, |(_, at)| at.saturating_sub(*first.get_or_insert(at)));
        let severity = header.map_or(Severity::Info, |(severity, _)| severity);
        log.push(LogLine {
            nanos,
            severity,
            source: "log".to_owned(),
            text: line.to_owned(),
            ..LogLine::default()
        });
    }
    RunRecord {
        schema: SCHEMA,
        scenario: name.to_owned(),
        title: format!("The log {name}"),
        source: name.to_owned(),
        virtual_nanos: log.last().map_or(0, |line| line.nanos),
        log,
        ..RunRecord::default()
    }
}

/// Severity and time of a line, the time in nanoseconds of a year of 372 days: enough to count from.
fn header(line: &str) -> Option<(Severity, u64)> {
    let severity = match line.as_bytes().first()? {
        b'I' | b'W' => Severity::Info,
        b'E' | b'F' => Severity::Error,
        _ => return None,
    };
    let (date, rest) = line.get(1..)?.split_once(' ')?;
    let time = rest.trim_start().split(' ').next()?;
    if date.len() != 4 {
        return None;
    }
    let (month, day): (u64, u64) = (date.get(..2)?.parse().ok()?, date.get(2..)?.parse().ok()?);
    let mut parts = time.split(':');
    let (hours, minutes): (u64, u64) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (secs, fraction) = parts.next()?.split_once('.')?;
    let secs: u64 = secs.parse().ok()?;
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let days = (month * 31 + day) * 86_400;
    Some((severity, ((days + hours * 3600 + minutes * 60 + secs) * 1_000_000 + micros) * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_the_first_line() {
        let log =
            "I0507 13:39:31.141402       1 a.go:1] x\nno header\n\nE0507 13:39:32.141403       1 b.go:2] y\n";
        let record = of_log("x.log", log);
        let lines: Vec<_> =
            record.log.iter().map(|line| (line.nanos, line.severity, line.text.len())).collect();
        assert_eq!(
            lines,
            [(0, Severity::Info, 39), (0, Severity::Info, 9), (1_000_001_000, Severity::Error, 39)]
        );
        assert_eq!(record.virtual_nanos, 1_000_001_000);
    }

    #[test]
    fn anything_is_a_log() {
        for text in [
            "",
            "I",
            "I0",
            "I05é7 13:39:31.1",
            "I0507 ::.",
            "Iabcd 1:2:3.4",
            "E9999 99999999999999999999:1:1.1",
        ] {
            assert!(of_log("x", text).log.len() <= 1);
        }
    }
}
