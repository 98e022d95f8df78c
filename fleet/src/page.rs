//! Outcomes as one page: the plots, and the words beneath. It needs nothing else.

use std::fmt::Write as _;

use crate::outcome::Outcome;
use crate::{svg, text};

const STYLE: &str = "
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; }
svg { width: 100%; height: auto; } figure { margin: 1rem 0; }
pre { overflow-x: auto; font: 13px/1.5 ui-monospace, monospace; padding: 1rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
";

/// The page of these outcomes, each with its name.
pub fn page(outcomes: &[(String, Outcome)]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Rehearse: a fleet</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>A fleet</h1>\n"
    );
    if let Some((_, first)) = outcomes.first() {
        let (from, until) = (first.window.from.rfc3339_secs(), first.window.until.rfc3339_secs());
        let _ = writeln!(page, "<p>{} certificates, {from} to {until}.</p>", first.certificates);
    }
    // The plots have their titles in them.
    let mut plot = |svg: String| {
        let _ = writeln!(page, "<figure>{svg}</figure>");
    };
    plot(svg::renewals_per_day(outcomes));
    plot(svg::remaining_life(outcomes));
    for drain in outcomes.iter().flat_map(|(_, outcome)| &outcome.drains) {
        plot(svg::around_outage(drain));
    }
    if outcomes.len() > 1 {
        let _ =
            writeln!(page, "<h2>Side by side</h2>\n<pre>{}</pre>", escaped(&text::side_by_side(outcomes)));
    }
    for (name, outcome) in outcomes {
        let _ = writeln!(page, "<h2>{}</h2>\n<pre>{}</pre>", escaped(name), escaped(&text::summary(outcome)));
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Distribution, Plan};

    #[test]
    fn a_page_has_its_plots_and_fetches_nothing() {
        let mut plan = Plan::default();
        plan.certificates.distributions =
            vec![Distribution { count: 20, prefix: "<c".into(), ..Distribution::default() }];
        let outcome = crate::run(&plan).unwrap();
        let page = page(&[("a & b".into(), outcome.clone()), ("c".into(), outcome)]);
        assert!(page.contains("<h2>a &amp; b</h2>") && !page.contains("<c0"));
        assert_eq!((page.matches("<svg").count(), page.matches("</svg>").count()), (2, 2));
        assert!(!page.contains("src=") && !page.contains("<link"));
    }
}
