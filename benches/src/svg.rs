//! Bars as SVG that needs nothing else: a label, a bar and its figure in each line, so that nothing is told by colour alone.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const LINE: f64 = 24.0;
const HEAD: f64 = 40.0;
const LABEL: f64 = 210.0;
/// Room for the figure behind the longest bar.
const FIGURE: f64 = 110.0;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it is about.
    pub label: String,
    /// How long it is; nothing for what could not be measured.
    pub value: Option<f64>,
    /// What is written behind it.
    pub figure: String,
    /// Whether it is ours.
    pub own: bool,
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A plot with this title. Bars are to scale, from 0; those of ours are filled, others are outlined.
pub fn bars(title: &str, bars: &[Bar]) -> String {
    let longest = bars.iter().filter_map(|bar| bar.value).fold(0.0, f64::max);
    let height = HEAD + LINE * bars.len() as f64 + 8.0;
    let told: Vec<String> = bars.iter().map(|bar| format!("{}: {}", bar.label, bar.figure)).collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{}\">\n<style>svg{{font:13px system-ui,sans-serif;background:#fff}}text{{fill:#1b1f24}}\
         rect{{fill:none;stroke:#57606a}}.own{{fill:#2f6f4f;stroke:#2f6f4f}}\
         @media(prefers-color-scheme:dark){{svg{{background:#0d1117}}text{{fill:#e6edf3}}rect{{stroke:#9198a1}}\
         .own{{fill:#4cb782;stroke:#4cb782}}}}</style>\n<text x=\"8\" y=\"22\" font-weight=\"600\">{}</text>\n",
        escape(&format!("{title}. {}", told.join(". "))),
        escape(title),
    );
    for (n, bar) in bars.iter().enumerate() {
        let top = HEAD + LINE * n as f64;
        let long = bar.value.filter(|_| longest > 0.0).unwrap_or_default() / longest.max(f64::MIN_POSITIVE);
        let long = long * (WIDTH - LABEL - FIGURE);
        // Writing to a String does not fail.
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LABEL:.0}\" y=\"{:.0}\" width=\"{long:.1}\" height=\"{:.0}\"{}/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{}</text>",
            LABEL - 8.0,
            top + 16.0,
            escape(&bar.label),
            top + 4.0,
            LINE - 8.0,
            if bar.own { " class=\"own\"" } else { "" },
            LABEL + long + 8.0,
            top + 16.0,
            escape(&bar.figure),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_to_scale_and_say_their_figures() {
        let bar = |label: &str, value, own| Bar {
            label: label.to_owned(),
            value,
            figure: value.map_or_else(|| "hung".to_owned(), |v: f64| format!("{v} µs")),
            own,
        };
        let svg = bars(
            "CPU <each>",
            &[bar("ours", Some(4.0), true), bar("theirs", Some(8.0), false), bar("a&b", None, false)],
        );
        assert!(svg.contains("aria-label=\"CPU &lt;each&gt;. ours: 4 µs. theirs: 8 µs. a&amp;b: hung\""));
        assert!(svg.contains("width=\"200.0\" height=\"16\" class=\"own\"/>"));
        assert!(svg.contains("width=\"400.0\" height=\"16\"/>") && svg.contains("width=\"0.0\""));
        assert!(bars("nothing", &[]).ends_with("</svg>\n"));
    }
}
