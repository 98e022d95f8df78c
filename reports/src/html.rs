//! Records as one page that needs nothing else: no network, no server, no build.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::record::RunRecord;

const SKELETON: &str = include_str!("../page/report.html");
const STYLE: &str = include_str!("../page/style.css");

/// In the order in which they are put together.
const SCRIPTS: &[&str] = &[
    include_str!("../page/js/00-base.js"),
    include_str!("../page/js/05-time.js"),
    include_str!("../page/js/10-data.js"),
    include_str!("../page/js/15-model.js"),
    include_str!("../page/js/20-route.js"),
    include_str!("../page/js/25-rows.js"),
    include_str!("../page/js/30-list.js"),
    include_str!("../page/js/40-run.js"),
    include_str!("../page/js/42-side.js"),
    include_str!("../page/js/44-selection.js"),
    include_str!("../page/js/50-scale.js"),
    include_str!("../page/js/52-gather.js"),
    include_str!("../page/js/54-draw.js"),
    include_str!("../page/js/56-timeline.js"),
    include_str!("../page/js/57-lanes.js"),
    include_str!("../page/js/58-pointer.js"),
    include_str!("../page/js/59-overview.js"),
    include_str!("../page/js/60-log.js"),
    include_str!("../page/js/70-yaml.js"),
    include_str!("../page/js/72-align.js"),
    include_str!("../page/js/74-object.js"),
    include_str!("../page/js/80-compare.js"),
    include_str!("../page/js/82-costs.js"),
    include_str!("../page/js/90-keys.js"),
    include_str!("../page/js/99-start.js"),
];

/// What the list of runs shows of a record, without unpacking it.
const SHOWN: &[&str] = &[
    "scenario",
    "title",
    "cause",
    "source",
    "failures",
    "release",
    "without",
    "seed",
    "overrides",
    "outcome",
    "start",
    "virtualNanos",
    "fingerprint",
    "counts",
];

/// The page of these records. Each is in it as JSON, deflated (RFC 1951), in base64.
///
/// # Errors
/// A record that is no JSON, which does not happen.
pub fn page(records: &[RunRecord]) -> Result<String, serde_json::Error> {
    let (mut index, mut runs) = (Vec::new(), String::new());
    for (n, record) in records.iter().enumerate() {
        let json = serde_json::to_value(record)?;
        let shown = SHOWN.iter().map(|name| ((*name).to_owned(), json[*name].clone()));
        index.push(Value::Object(shown.collect()));
        let packed = miniz_oxide::deflate::compress_to_vec(json.to_string().as_bytes(), 6);
        runs.push_str(&format!(
            "<script type=\"application/octet-stream\" class=\"run\" data-n=\"{n}\">{}</script>\n",
            STANDARD.encode(packed)
        ));
    }
    let index = json!({ "made": concat!("rehearse ", env!("CARGO_PKG_VERSION")), "runs": index });
    // In a script nothing is escaped, and nothing may end it.
    let index = index.to_string().replace('<', "\\u003c");
    let index = format!("<script type=\"application/json\" id=\"index\">{index}</script>");
    let parts = [
        ("/*STYLE*/", STYLE),
        ("/*SCRIPT*/", &SCRIPTS.concat()),
        ("<!--INDEX-->", &index),
        ("<!--RUNS-->", &runs),
    ];
    Ok(filled(SKELETON, &parts))
}

/// The skeleton with its places filled, in one pass: what a part says is never taken for a place.
fn filled(skeleton: &str, parts: &[(&str, &str)]) -> String {
    let mut page = String::new();
    let mut rest = skeleton;
    loop {
        let next = parts.iter().filter_map(|(place, part)| Some((rest.find(place)?, *place, *part)));
        let Some((at, place, part)) = next.min_by_key(|(at, ..)| *at) else { break };
        page.push_str(&rest[..at]);
        page.push_str(part);
        rest = &rest[at + place.len()..];
    }
    page.push_str(rest);
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{LogLine, SCHEMA};

    /// What is between two marks.
    fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
        page.split_once(start).unwrap().1.split_once(end).unwrap().0
    }

    #[test]
    fn records_come_out_of_the_page_as_they_went_in() {
        let text = "</script><!--RUNS-->/*STYLE*/\u{1f}é";
        let log = vec![LogLine { text: text.into(), ..LogLine::default() }];
        let record = RunRecord { schema: SCHEMA, title: text.into(), log, ..RunRecord::default() };
        let page = page(&[record.clone(), RunRecord::default()]).unwrap();
        let packed = STANDARD.decode(between(&page, "class=\"run\" data-n=\"0\">", "</script>")).unwrap();
        let json = miniz_oxide::inflate::decompress_to_vec(&packed).unwrap();
        assert_eq!(serde_json::from_slice::<RunRecord>(&json).unwrap(), record);
        let index: Value = serde_json::from_str(between(&page, "id=\"index\">", "</script>")).unwrap();
        assert_eq!((&index["runs"][0]["title"], index["runs"].as_array().unwrap().len()), (&json!(text), 2));
        assert_eq!(page.matches("<!--RUNS-->").count(), 0, "what a record says is no place to be filled");
    }

    #[test]
    fn all_scripts_of_the_folder_are_in_it() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page/js");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), SCRIPTS.len());
    }
}
