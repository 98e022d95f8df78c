//! An outcome as text, for a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use crate::event::Failure;
use crate::outcome::{Drain, Outcome, Peak};
use crate::words::{count, day, left, minute, span};

/// Lines of a list of single things; the rest is counted.
const LISTED: usize = 10;
/// The width of a line of bars.
const BARS: usize = 60;

impl Failure {
    /// In words.
    const fn as_str(self) -> &'static str {
        match self {
            Failure::Validation => "a validation failed",
            Failure::OrderExpired => "the order lived too long",
        }
    }
}

/// What comes of a run: counts, and what went wrong.
pub fn summary(outcome: &Outcome) -> String {
    let mut text = String::new();
    let o = outcome;
    let window = o.window;
    row(
        &mut text,
        "fleet",
        &format!("{} certificates, {} to {}", count(o.certificates), day(window.from), day(window.until)),
    );
    row(
        &mut text,
        "issued",
        &format!("{} renewals, {} first certificates", count(o.renewals), count(o.first_issuances)),
    );
    let answered = format!("{} requests, {} answered with 503", count(o.requests), count(o.unavailable));
    row(&mut text, "orders", &format!("{} ({answered})", count(o.orders)));
    row(&mut text, "peak", &peak(o.peak_orders, "orders"));
    if o.peak_requests.map(|p| p.count) != o.peak_orders.map(|p| p.count) {
        row(&mut text, "", &peak(o.peak_requests, "requests"));
    }
    let most = o.days.renewals.iter().max().copied().unwrap_or_default();
    row(&mut text, "renewals", &format!("{}  at most {} in a day", bars(&o.days.renewals), count(most)));
    let tightest = o
        .tightest
        .as_ref()
        .map_or("none".to_owned(), |t| format!("{}, {}, {}", left(t.left_secs), t.certificate, minute(t.at)));
    row(&mut text, "tightest", &tightest);
    refusals(&mut text, o);
    for (why, n) in &o.failures {
        row(&mut text, "failed", &format!("{} orders: {}", count(*n), why.as_str()));
    }
    expiries(&mut text, o);
    if o.waiting > 0 {
        row(&mut text, "waiting", &format!("{} were due and not issued at the end", count(o.waiting)));
    }
    for drain in &o.drains {
        let kind = drain.kind;
        let from = minute(drain.outage.from);
        row(
            &mut text,
            "outage",
            &format!("{kind}, {from} to {}: {}", minute(drain.outage.until), drained(drain)),
        );
    }
    text
}

fn row(text: &mut String, title: &str, content: &str) {
    // A String takes everything.
    let _ = writeln!(text, "{title:<10}{}", content.trim_end());
}

fn peak(peak: Option<Peak>, what: &str) -> String {
    peak.map_or(format!("no {what}"), |p| format!("{} {what} in a minute, {}", count(p.count), minute(p.at)))
}

fn refusals(text: &mut String, outcome: &Outcome) {
    let refusals = &outcome.refusals;
    if refusals.total == 0 {
        return row(text, "refused", "none");
    }
    let limits = refusals.by_limit.iter().map(|(limit, n)| format!("{} by {limit}", count(*n)));
    row(text, "refused", &limits.collect::<Vec<_>>().join(", "));
    for top in &refusals.top {
        let (first, last) = (minute(top.first), minute(top.last));
        row(text, "", &format!("{:>8}  {}, {first} to {last}", count(top.count), top.bucket));
    }
}

fn expiries(text: &mut String, outcome: &Outcome) {
    let all = &outcome.expiries;
    if all.is_empty() {
        return row(text, "expired", "none");
    }
    row(text, "expired", &format!("{} times", count(all.len())));
    for expiry in all.iter().take(LISTED) {
        let ended = if expiry.until.is_some() { "for" } else { "until the end of the window," };
        let lasted = span(expiry.lasted);
        row(text, "", &format!("{}, {}, {ended} {lasted}", expiry.certificate, minute(expiry.at)));
    }
    if let Some(more @ 1..) = all.len().checked_sub(LISTED) {
        row(text, "", &format!("and {} more", count(more)));
    }
}

/// How an outage was got over, in words.
pub(crate) fn drained(drain: &Drain) -> String {
    match (drain.waiting, drain.took) {
        (0, _) => "nothing waited for its end".to_owned(),
        (waiting, Some(took)) => format!("{} waited, all issued {} later", count(waiting), span(took)),
        (waiting, None) => format!("{} waited, {} still do", count(waiting), count(drain.left)),
    }
}

/// A line of bars: the most of each group of days.
fn bars(days: &[u32]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = days.iter().max().copied().unwrap_or_default().max(1);
    let groups = days.chunks(days.len().div_ceil(BARS).max(1));
    let level = |group: &[u32]| {
        let of_most = u64::from(group.iter().max().copied().unwrap_or_default()) * 7 / u64::from(most);
        usize::try_from(of_most).ok().and_then(|level| LEVELS.get(level)).copied().unwrap_or('█')
    };
    groups.map(level).collect()
}

/// A row of the table side by side: its title, and its cell.
type Row = (&'static str, fn(&Outcome) -> String);

const ROWS: [Row; 10] = [
    ("renewals", |o| count(o.renewals)),
    ("orders", |o| count(o.orders)),
    ("requests", |o| count(o.requests)),
    ("most renewals in a day", |o| count(o.days.renewals.iter().max().copied().unwrap_or_default())),
    ("most orders in a minute", |o| count(o.peak_orders.map_or(0, |peak| peak.count))),
    ("refused", |o| count(o.refusals.total)),
    ("failed", |o| count(o.failures.values().sum::<u64>())),
    ("expired", |o| count(o.expiries.len())),
    ("least left at a renewal", |o| {
        o.tightest.as_ref().map_or("-".to_owned(), |t| match t.left_secs {
            secs @ 0.. => span(Duration::from_secs(secs.unsigned_abs())),
            secs => format!("-{}", span(Duration::from_secs(secs.unsigned_abs()))),
        })
    }),
    ("longest drain", |o| {
        let waits = o.drains.iter().filter(|drain| drain.waiting > 0);
        let longest = waits.map(|drain| (drain.took.is_none(), drain.took)).max();
        longest.map_or("-".to_owned(), |(_, took)| took.map_or("not in time".to_owned(), span))
    }),
];

/// Outcomes side by side.
pub fn side_by_side(outcomes: &[(String, Outcome)]) -> String {
    let titles = ROWS.iter().map(|(title, _)| title.chars().count()).max().unwrap_or_default();
    let mut lines: Vec<String> = std::iter::once("")
        .chain(ROWS.iter().map(|(title, _)| *title))
        .map(|t| format!("{t:<titles$}"))
        .collect();
    for (label, outcome) in outcomes {
        let cells: Vec<String> =
            std::iter::once(label.clone()).chain(ROWS.iter().map(|(_, cell)| cell(outcome))).collect();
        let width = cells.iter().map(|cell| cell.chars().count()).max().unwrap_or_default();
        for (line, cell) in lines.iter_mut().zip(cells) {
            let _ = write!(line, "  {cell:>width$}");
        }
    }
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
