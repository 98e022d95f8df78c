//! Plots of outcomes as SVG that needs nothing else: one panel under the other, each with its title, so that nothing
//! is told by colour alone. Lines have the colour of the text around them, in light and in dark.

use std::fmt::Write as _;

use world::Timestamp;

use crate::outcome::{Drain, MINUTES_AFTER, MINUTES_BEFORE, Outcome};
use crate::text::drained;
use crate::words::{count, day, minute, span};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
/// Of a panel, with its title.
const PANEL: f64 = 128.0;
const PANEL_TOP: f64 = 30.0;
const PANEL_BOTTOM: f64 = 12.0;
/// Above the first panel.
const HEAD: f64 = 34.0;
/// The scale below the last.
const FOOT: f64 = 30.0;

/// A plot.
struct Plot {
    id: &'static str,
    title: String,
    description: String,
    panels: Vec<Panel>,
    /// Places between 0 and 1 along the horizontal axis, and what is there.
    ticks: Vec<(f64, String)>,
    /// A place that is marked, and why.
    mark: Option<(f64, String)>,
    /// Values of the vertical axis, in words.
    shown: fn(f64) -> String,
}

/// One series.
struct Panel {
    title: String,
    values: Vec<Option<f64>>,
    /// Filled down to zero.
    filled: bool,
}

/// Renewals per day, a panel for each outcome on a scale of its own.
pub fn renewals_per_day(outcomes: &[(String, Outcome)]) -> String {
    let panel = |(label, outcome): &(String, Outcome)| {
        let most = outcome.days.renewals.iter().max().copied().unwrap_or_default();
        Panel {
            title: format!("{label}: {} renewals, at most {} in a day", count(outcome.renewals), count(most)),
            values: outcome.days.renewals.iter().map(|n| Some(f64::from(*n))).collect(),
            filled: true,
        }
    };
    days("renewals", "Renewals per day", outcomes, panel, |n| count(n as u64))
}

/// The least that was left of a certificate at its renewal, day by day, a panel for each outcome.
pub fn remaining_life(outcomes: &[(String, Outcome)]) -> String {
    let panel = |(label, outcome): &(String, Outcome)| {
        let left = |secs: &Option<i64>| secs.map(|secs| secs as f64 / 86_400.0);
        let expired = outcome.expiries.len();
        Panel {
            title: format!(
                "{label}: {} expired",
                if expired == 0 { "none".to_owned() } else { count(expired) }
            ),
            values: outcome.days.least_left_secs.iter().map(left).collect(),
            filled: false,
        }
    };
    days("remaining", "Least days left at a renewal", outcomes, panel, |n| format!("{n:.1}"))
}

fn days(
    id: &'static str,
    title: &str,
    outcomes: &[(String, Outcome)],
    panel: impl Fn(&(String, Outcome)) -> Panel,
    shown: fn(f64) -> String,
) -> String {
    let panels: Vec<Panel> = outcomes.iter().map(panel).collect();
    let told: Vec<&str> = panels.iter().map(|panel| panel.title.as_str()).collect();
    let description = told.join(". ");
    let first = outcomes.first().map(|(_, outcome)| outcome);
    let ticks = first.map(|outcome| days_ticks(outcome.window.from, outcome.days.renewals.len()));
    let ticks = ticks.unwrap_or_default();
    Plot { id, title: title.to_owned(), description, panels, ticks, mark: None, shown }.draw()
}

/// The first days of months; of a short time, each seventh day.
fn days_ticks(from: Timestamp, days: usize) -> Vec<(f64, String)> {
    const LONG: usize = 62;
    let mut ticks = Vec::new();
    for n in 0..days {
        let date = day(from + std::time::Duration::from_secs(n as u64 * 86_400));
        let label = if days > LONG { date.get(..7) } else { date.get(5..) };
        if if days > LONG { date.ends_with("-01") } else { n.is_multiple_of(7) } {
            ticks.push((n as f64 / days as f64, label.unwrap_or_default().to_owned()));
        }
    }
    // As many as have room.
    let step = ticks.len().div_ceil(8).max(1);
    ticks.into_iter().step_by(step).collect()
}

/// Requests and orders in each minute around the end of an outage.
pub fn around_outage(drain: &Drain) -> String {
    let series = |what: &str, minutes: &[u32]| Panel {
        title: format!("{what}: at most {}", count(minutes.iter().max().copied().unwrap_or_default())),
        values: minutes.iter().map(|n| Some(f64::from(*n))).collect(),
        filled: true,
    };
    let panels = vec![
        series("Requests for orders", &drain.requests_by_minute),
        series("Orders made", &drain.orders_by_minute),
    ];
    let all = f64::from(MINUTES_BEFORE + MINUTES_AFTER);
    let tick = |n: u32| {
        let minutes = i64::from(n) - i64::from(MINUTES_BEFORE);
        let label = if minutes == 0 { "the end".to_owned() } else { format!("{minutes:+} min") };
        (f64::from(n) / all, label)
    };
    let end = minute(drain.outage.until);
    Plot {
        id: "outage",
        title: format!("Orders per minute around {end}"),
        description: format!(
            "{}, for {}. {}. {}. {}.",
            drain.kind,
            span(drain.outage.until.since(drain.outage.from)),
            drained(drain),
            panels[0].title,
            panels[1].title
        ),
        panels,
        ticks: (0..=MINUTES_BEFORE + MINUTES_AFTER).step_by(60).map(tick).collect(),
        mark: Some((f64::from(MINUTES_BEFORE) / all, "dashed: the end of the outage".to_owned())),
        shown: |n| count(n as u64),
    }
    .draw()
}

impl Plot {
    fn draw(&self) -> String {
        let height = HEAD + PANEL * self.panels.len() as f64 + FOOT;
        let mut out = String::new();
        // A String takes everything, here and below.
        let _ = write!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-desc\" font-family=\"system-ui, sans-serif\" font-size=\"12\" \
             fill=\"currentColor\" stroke=\"none\">\n<title id=\"{id}-title\">{title}</title>\n\
             <desc id=\"{id}-desc\">{desc}</desc>\n\
             <text x=\"{LEFT}\" y=\"20\" font-size=\"15\" font-weight=\"600\">{title}</text>\n",
            id = self.id,
            title = escaped(&self.title),
            desc = escaped(&self.description),
        );
        for (n, panel) in self.panels.iter().enumerate() {
            let top = HEAD + PANEL * n as f64 + PANEL_TOP;
            self.panel(&mut out, panel, top);
        }
        let below = height - FOOT;
        for (place, label) in &self.ticks {
            let x = across(*place);
            let anchor = if *place > 0.95 { "end" } else { "middle" };
            let _ = writeln!(
                out,
                "<path d=\"M{x:.1} {below:.1}v5\" stroke=\"currentColor\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                below + 18.0,
                escaped(label)
            );
        }
        out.push_str("</svg>\n");
        out
    }

    fn panel(&self, out: &mut String, panel: &Panel, top: f64) {
        let values = || panel.values.iter().flatten().copied();
        let most = values().fold(1.0_f64, f64::max);
        let least = values().fold(0.0_f64, f64::min);
        let bottom = top + PANEL - PANEL_TOP - PANEL_BOTTOM;
        let up = |value: f64| bottom - (value - least) / (most - least) * (bottom - top);
        let zero = up(0.0);
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"end\">0</text>\n\
             <path d=\"M{LEFT} {zero:.1}H{right:.1}\" stroke=\"currentColor\" stroke-opacity=\"0.6\"/>\
             <path d=\"M{LEFT} {top:.1}H{right:.1}\" stroke=\"currentColor\" stroke-opacity=\"0.2\"/>",
            top - 9.0,
            escaped(&panel.title),
            top + 4.0,
            (self.shown)(most),
            zero + 4.0,
            x = LEFT - 8.0,
            right = WIDTH - RIGHT,
        );
        let count = panel.values.len().max(1) as f64;
        let mut path = String::new();
        let mut pen_is_down = false;
        for (n, value) in panel.values.iter().enumerate() {
            let (x, next) = (across(n as f64 / count), across((n + 1) as f64 / count));
            match value {
                Some(value) => {
                    let y = up(*value);
                    let _ = match (pen_is_down, panel.filled) {
                        (true, _) => write!(path, "V{y:.1}H{next:.1}"),
                        (false, true) => write!(path, "M{x:.1} {zero:.1}V{y:.1}H{next:.1}"),
                        (false, false) => write!(path, "M{x:.1} {y:.1}H{next:.1}"),
                    };
                    pen_is_down = true;
                }
                None => pen_is_down = false,
            }
        }
        if panel.filled && pen_is_down {
            let _ = write!(path, "V{zero:.1}Z");
        }
        let style = if panel.filled {
            "fill=\"currentColor\" fill-opacity=\"0.25\" stroke=\"currentColor\" stroke-width=\"0.8\""
        } else {
            "fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\""
        };
        let _ = writeln!(out, "<path d=\"{path}\" {style}/>");
        if let Some((place, why)) = &self.mark {
            let x = across(*place);
            let _ = writeln!(
                out,
                "<path d=\"M{x:.1} {top:.1}V{bottom:.1}\" stroke=\"currentColor\" stroke-dasharray=\"4 3\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                top - 9.0,
                escaped(why)
            );
        }
    }
}

/// The horizontal place of a share of the axis.
fn across(share: f64) -> f64 {
    LEFT + share * (WIDTH - LEFT - RIGHT)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
#[path = "svg_tests.rs"]
mod tests;
