//! Runs of one configuration, and the table that they make.

use std::fmt::Write as _;

use load::Outcome;

/// `pebble.c32.k1`: whose servers, orders in flight, names.
pub fn configuration(outcome: &Outcome) -> String {
    format!("{}.c{}.k{}", outcome.servers, outcome.in_flight, outcome.names)
}

/// Several runs of one configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// As [`configuration`] has it.
    pub configuration: String,
    /// The runs, in the order in which they were made.
    pub runs: Vec<Outcome>,
}

/// Runs by configuration, in the order in which each first appears.
pub fn summarize(outcomes: &[Outcome]) -> Vec<Summary> {
    let mut summaries: Vec<Summary> = Vec::new();
    for outcome in outcomes {
        let configuration = configuration(outcome);
        match summaries.iter_mut().find(|summary| summary.configuration == configuration) {
            Some(summary) => summary.runs.push(outcome.clone()),
            None => summaries.push(Summary { configuration, runs: vec![outcome.clone()] }),
        }
    }
    summaries
}

/// The middle one; of an even number, the mean of the two in the middle.
pub fn median(mut of: Vec<f64>) -> Option<f64> {
    of.sort_unstable_by(f64::total_cmp);
    let half = of.len() / 2;
    let upper = *of.get(half)?;
    match half.checked_sub(1).and_then(|below| of.get(below)) {
        Some(lower) if of.len().is_multiple_of(2) => Some(f64::midpoint(*lower, upper)),
        _ => Some(upper),
    }
}

fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

/// How far a run came that hung.
fn hang(run: &Outcome) -> String {
    if run.warm_up_hung {
        return "in the warm-up".to_owned();
    }
    format!("after {} at {:.0}/s", run.certificates, run.per_second)
}

/// The table: Markdown, as `RESULTS.md` has it. Medians are over the runs that finished.
pub fn row(summary: &Summary) -> String {
    let finished: Vec<&Outcome> = summary.runs.iter().filter(|run| run.finished()).collect();
    let middle =
        |of: fn(&Outcome) -> Option<f64>| median(finished.iter().filter_map(|run| of(run)).collect());
    let speeds: Vec<f64> = finished.iter().map(|run| run.per_second).collect();
    let lowest = speeds.iter().copied().reduce(f64::min);
    let highest = speeds.iter().copied().reduce(f64::max);
    let mut row = format!("| {} | {} of {}", summary.configuration, finished.len(), summary.runs.len());
    let hung: Vec<String> = summary.runs.iter().filter(|run| run.hung).map(hang).collect();
    if !hung.is_empty() {
        // Writing to a String does not fail.
        let _ = write!(row, "; hung {}", hung.join(", "));
    }
    let _ = write!(
        row,
        " | {} / {} / {} | {} / {} | {} | {} | {} | {} |",
        figure(lowest, 0),
        figure(median(speeds), 0),
        figure(highest, 0),
        figure(middle(|run| Some(run.issuance()?.p50_ms)), 1),
        figure(middle(|run| Some(run.issuance()?.p99_ms)), 1),
        figure(middle(|run| run.server_ms), 2),
        figure(middle(|run| run.responder_ms), 2),
        figure(middle(|run| run.client_ms), 2),
        figure(middle(|run| run.server_kib), 1),
    );
    row
}

impl Summary {
    /// The table's head.
    pub const HEAD: &str = "\
| configuration | finished | certs/s min / median / max | p50 / p99 ms | server CPU ms/cert | responder CPU ms/cert | client CPU ms/cert | server KB/cert |
|---|---|---|---|---|---|---|---|";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(per_second: f64, hung: bool) -> Outcome {
        Outcome {
            servers: "pebble".to_owned(),
            in_flight: 32,
            names: 1,
            orders: 10,
            certificates: if hung { 4 } else { 10 },
            hung,
            per_second,
            server_ms: Some(per_second / 100.0),
            ..Outcome::default()
        }
    }

    #[test]
    fn a_row_is_over_the_runs_that_finished() {
        let runs = [run(100.0, false), run(900.0, true), run(300.0, false), run(200.0, false)];
        let summaries = summarize(&runs);
        assert_eq!(summaries.len(), 1);
        assert_eq!(
            row(&summaries[0]),
            "| pebble.c32.k1 | 3 of 4; hung after 4 at 900/s | 100 / 200 / 300 | – / – | 2.00 | – | – | – |"
        );
        assert_eq!(
            row(&summarize(&runs[1..2])[0]),
            "| pebble.c32.k1 | 0 of 1; hung after 4 at 900/s | – / – / – | – / – | – | – | – | – |"
        );
        let early = Outcome { warm_up_hung: true, ..run(0.0, true) };
        assert!(row(&summarize(&[early])[0]).starts_with("| pebble.c32.k1 | 0 of 1; hung in the warm-up |"));
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
