//! The command as a user meets it: what it prints, where, and with which exit code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/library");

fn rehearse(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
    command.args(args).env("NO_COLOR", "1");
    if !args.contains(&"--library") {
        command.args(["--library", LIBRARY]);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A scratch folder with a copy of the renewal, `change`d, as its only scenario.
fn broken(name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let library = std::env::temp_dir().join(format!("rehearse-cli-{name}-{}", std::process::id()));
    let folder = library.join("scratch");
    std::fs::create_dir_all(folder.join("manifests")).unwrap();
    let from = Path::new(LIBRARY).join("rancher-renewal");
    for file in ["scenario.yaml", "expected.log"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
    for entry in std::fs::read_dir(from.join("manifests")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join("manifests").join(entry.file_name())).unwrap();
    }
    change(&folder);
    library
}

/// Edits a file of the scratch scenario.
fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let old = std::fs::read_to_string(&path).unwrap();
    assert!(old.contains(from), "{from}");
    std::fs::write(path, old.replacen(from, to, 1)).unwrap();
}

/// One clear error: exit code 2, nothing on standard output, and all of `says` in the report.
fn refuses(library: &Path, says: &[&str]) {
    let output = rehearse(&["run", "--no-records", "--library", library.to_str().unwrap()]);
    std::fs::remove_dir_all(library).unwrap();
    let report = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{report}");
    assert!(output.stdout.is_empty());
    for said in says {
        assert!(report.contains(said), "{said:?} is missing in\n{report}");
    }
}

#[test]
fn list_names_every_scenario() {
    let output = rehearse(&["list"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).lines().any(|l| l.starts_with("rancher-renewal ")));
}

#[test]
fn run_prints_a_line_each_and_a_summary() {
    let output = rehearse(&["run", "--no-records", "rancher-renewal"]);
    let out = text(&output.stdout);
    let lines: Vec<&str> = out.lines().collect();
    assert!(output.status.success(), "{out}");
    assert!(lines[0].starts_with("pass     rancher-renewal "), "{out}");
    assert!(lines[1].starts_with("1 passed, 0 failed; ") && lines.len() == 2, "{out}");
}

#[test]
fn replay_prints_klog_lines_and_nothing_else() {
    let output = rehearse(&["replay", "rancher-renewal"]);
    let out = text(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!(out.lines().count(), 43);
    assert!(out.lines().all(|l| l.starts_with("I0507 13:") || l.starts_with("E0507 13:")), "{out}");
}

/// As with `| head -1`.
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rehearse"))
        .args(["replay", "rancher-renewal", "--library", LIBRARY])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn an_override_is_reported_with_its_differences_and_exit_code_1() {
    let output =
        rehearse(&["run", "--no-records", "rancher-renewal", "--set", "ca.config.perspectives.1.queue=[3s]"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.starts_with("differs  rancher-renewal"), "{out}");
    assert!(out.contains("log line that did not come\n    - E0507 13:40:22.187779 1 sync.go:386]"), "{out}");
}

#[test]
fn an_unknown_path_names_the_nearest() {
    for (set, says) in [
        ("cluster.kubelet.podstart=1s", "did you mean \"cluster.kubelet.podStart\"?"),
        ("engin.compat=v1_7", "did you mean \"engine.compat\"?"),
        ("cluster.kubelet.podStart=fast", "fast"),
        ("nonsense", "expected path=value"),
        ("engine.host=nowhere", "there is no host \"nowhere\""),
        ("engine.switches.arj=true", "did you mean \"engine.switches.ari\"?"),
        ("engine.switches.ari=perhaps", "switch \"ari\" takes true or false, not \"perhaps\""),
    ] {
        let output = rehearse(&["run", "--no-records", "rancher-renewal", "--set", set]);
        let report = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{set}: {report}");
        assert!(report.contains(says), "{set}: {report}");
    }
}

#[test]
fn an_unknown_scenario_names_the_nearest() {
    let output = rehearse(&["replay", "rancher-renewel"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("did you mean \"rancher-renewal\"?"));
}

#[test]
fn a_script_with_an_unknown_field_is_refused_where_it_stands() {
    let change = |f: &Path| edit(f, "scenario.yaml", "podStart: 13.5s", "podStrat: 13.5s");
    let says = ["unknown field \"cluster.kubelet.podStrat\"", "did you mean `podStart`?", "scenario.yaml:"];
    refuses(&broken("field", change), &says);
}

#[test]
fn a_script_that_does_not_parse_is_refused_where_it_breaks() {
    let change = |f: &Path| edit(f, "scenario.yaml", "    podStart: 13.5s", "\tpodStart: 13.5s");
    refuses(&broken("tab", change), &["scenario.yaml:"]);
}

#[test]
fn a_script_that_names_a_host_or_object_that_is_not_there_is_refused() {
    let host =
        |f: &Path| edit(f, "scenario.yaml", "from: cert-manager, to: ns1", "from: certmanager, to: ns1");
    refuses(&broken("host", host), &["there is no host \"certmanager\"", "did you mean \"cert-manager\"?"]);
    let secret = |f: &Path| edit(f, "scenario.yaml", "/letsencrypt-production", "/letsencrypt-prod");
    let says = ["there is no Secret", "did you mean \"cattle-system/letsencrypt-production\"?"];
    refuses(&broken("secret", secret), &says);
    let kind =
        |f: &Path| edit(f, "scenario.yaml", "{ kind: Ingress, lag: 30ms }", "{ kind: Ingres, lag: 30ms }");
    refuses(&broken("kind", kind), &["there is no kind \"Ingres\"", "did you mean \"Ingress\"?"]);
}

#[test]
fn a_manifest_with_a_typo_is_refused_where_it_stands() {
    let change = |f: &Path| edit(f, "manifests/issuer.yaml", "    server:", "    srver:");
    let says = ["unknown field \"spec.acme.srver\"", "did you mean `server`?", "issuer.yaml:"];
    refuses(&broken("manifest", change), &says);
}

/// The manifests of document 003, exactly as typed there, tabs and all.
#[test]
fn the_broken_manifests_of_document_003_are_refused_and_nothing_panics() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/data/documents/003");
    let mut files: Vec<_> = std::fs::read_dir(data).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let mut refused = 0;
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        let library = broken(&name, |f| {
            std::fs::copy(&file, f.join("manifests").join(&name)).unwrap();
        });
        let output = rehearse(&["run", "--no-records", "--library", library.to_str().unwrap()]);
        std::fs::remove_dir_all(library).unwrap();
        let report = text(&output.stderr);
        assert!(!report.contains("panicked"), "{name}: {report}");
        if output.status.code() == Some(2) {
            assert!(report.contains(&name), "{name}: {report}");
            refused += 1;
        }
    }
    assert!(refused >= 3, "{refused}");
}

#[test]
fn a_script_with_an_unknown_switch_is_refused_with_the_nearest() {
    let change =
        |f: &Path| edit(f, "scenario.yaml", "  compat: v1_7", "  compat: v1_7\n  switches: { arii: true }");
    refuses(&broken("switch", change), &["there is no switch \"arii\"", "did you mean \"ari\"?"]);
}

#[test]
fn show_lists_every_switch() {
    let out = text(&rehearse(&["show", "rancher-renewal"]).stdout);
    for switch in engine::compat::switches::SWITCHES {
        assert!(out.contains(&format!("\"{}\": null", switch.name)), "{}", switch.name);
    }
}

#[test]
fn a_switch_changes_one_value_of_the_release() {
    let json = rehearse(&["replay", "rancher-renewal", "--set", "engine.switches.logFormat=contextual"]);
    let out = text(&json.stdout);
    assert!(json.status.success(), "{out}");
    assert!(
        out.contains("] \"Certificate must be re-issued\" logger=\"cert-manager.certificates-trigger\" key="),
        "{out}"
    );
}

/// `kubectl describe` at several times of the document's renewal.
#[test]
fn describe_prints_an_object_at_a_time_of_the_run() {
    let describe = |args: &[&str]| {
        let output = rehearse(&[&["describe"], args, &["--scenario", "rancher-renewal"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let during = ["--at", "2022-05-07T13:40:00Z"];
    let at = |kind: &str, name: &str, time: &[&str]| describe(&[&[kind, name], time].concat());
    let certificate = "tls-rancher-ingress";
    insta::assert_snapshot!("certificate_during", at("certificate", certificate, &during));
    insta::assert_snapshot!("certificate_after", at("Certificate", certificate, &[]));
    insta::assert_snapshot!("certificate_request", at("cr", "tls-rancher-ingress-5j9mm", &during));
    insta::assert_snapshot!("order", at("orders", "tls-rancher-ingress-5j9mm-2528720963", &[]));
    let challenge = "tls-rancher-ingress-5j9mm-2528720963-983401508";
    insta::assert_snapshot!("challenge", at("challenge", challenge, &during));
    insta::assert_snapshot!("secret", at("secret", certificate, &["-n", "cattle-system"]));
    insta::assert_snapshot!("issuer", at("issuer", "rancher", &["--at", "13s"]));
}

#[test]
fn describe_says_what_is_wrong_with_what_was_asked() {
    for (args, says) in [
        (["certificate", "nothing", "--at", "1h"], "certificates.cert-manager.io \"nothing\""),
        (["certifikat", "x", "--at", "1h"], "doesn't have a resource type \"certifikat\""),
        (["certificate", "x", "--at", "soon"], "\"soon\" is no time"),
        (["certificate", "x", "--at", "2023-01-01T00:00:00Z"], "the run lasts from"),
        // It is there only while it is needed.
        (["challenge", "tls-rancher-ingress-5j9mm-2528720963-983401508", "--at", "1h"], "(NotFound)"),
    ] {
        let output = rehearse(&[&["describe"], &args[..], &["--scenario", "rancher-renewal"]].concat());
        let report = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {report}");
        assert!(report.contains(says), "{args:?}: {report}");
    }
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// What `run` leaves is what `report` shows; both say what is not there.
#[test]
fn a_run_leaves_a_record_and_report_makes_a_page_of_it() {
    let folder = folder("report");
    // Wider than a terminal would be, which breaks no line of an error that a program reads.
    let (records, page) = (folder.join("runs".repeat(30)), folder.join("page.html"));
    let (records, page) = (records.to_str().unwrap(), page.to_str().unwrap());
    let none = rehearse(&["report", "--records", records, "-o", page]);
    assert_eq!(none.status.code(), Some(2));
    assert!(text(&none.stderr).contains("`rehearse run` leaves one for each scenario"));
    let ran = rehearse(&["run", "healthy-http01", "--ablations", "--records", records]);
    assert!(ran.status.success(), "{}", text(&ran.stdout));
    let made = rehearse(&["report", "--records", records, "-o", page]);
    assert!(
        made.status.success() && text(&made.stdout).contains("page.html: 2 runs, "),
        "{}",
        text(&made.stderr)
    );
    let html = std::fs::read_to_string(page).unwrap();
    assert_eq!(html.matches("class=\"run\"").count(), 2);
    assert!(!html.contains("http://") || !html.contains("<link"), "nothing is fetched");
    let unknown = rehearse(&["report", "healthy-http02", "--records", records, "-o", page]);
    assert!(text(&unknown.stderr).contains("did you mean \"healthy-http01\"?"), "{}", text(&unknown.stderr));
    std::fs::write(format!("{records}/old.json"), "{\"schema\": 1}").unwrap();
    let old = rehearse(&["report", "--records", records, "-o", page]);
    assert!(text(&old.stderr).contains("is a record of schema 1"), "{}", text(&old.stderr));
    assert_eq!(std::fs::read_to_string(page).unwrap(), html, "the page is written whole or not at all");
}

#[test]
fn other_programs_get_the_forms_that_they_read() {
    let run = |format| text(&rehearse(&["run", "healthy-http01", "--no-records", "--format", format]).stdout);
    assert!(run("junit").starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"rehearse\" tests=\"1\""
    ));
    assert!(run("markdown").contains("\n| ✓ | healthy-http01 | 10m0s |"));
    assert!(run("klog").starts_with("I0302 08:00:00."));
    assert!(run("json").starts_with("{\"schema\":2,\"scenario\":\"healthy-http01\","));
    let completions = text(&rehearse(&["completions", "bash"]).stdout);
    assert!(completions.contains("_rehearse()"));
    let manual = folder("manual");
    assert!(rehearse(&["man", manual.to_str().unwrap()]).status.success());
    assert!(std::fs::read_to_string(manual.join("rehearse-run.1")).unwrap().contains(".TH"));
}
