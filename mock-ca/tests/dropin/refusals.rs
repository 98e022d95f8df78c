//! What it says, and exits with, when it does not start.

use serde_json::json;

use super::program::{command, config, file};

/// Exit code and standard error of a start that fails.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command().args(arguments).output().unwrap();
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8(output.stderr).unwrap();
    let folder = format!("{}/dropin/", env!("CARGO_TARGET_TMPDIR"));
    (output.status.code(), said.replace(&folder, ""))
}

#[test]
fn bad_flags() {
    let (code, said) = refused(&["-strict", "false"]);
    assert_eq!(code, Some(1));
    assert!(said.starts_with("invalid command line arguments: \"false\" is no flag"), "{said}");
    let (code, said) = refused(&["-nope"]);
    assert_eq!(code, Some(2));
    assert!(said.starts_with("flag provided but not defined: -nope\nUsage of mock-ca:\n"), "{said}");
    let (code, said) = refused(&["-h"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("Usage of mock-ca:\n"), "{said}");
}

#[test]
fn the_version() {
    let output = command().arg("-version").output().unwrap();
    let version = concat!("mock-ca ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), version.as_bytes()));
}

#[test]
fn files_and_addresses_that_cannot_be_used() {
    let free = "-listen=127.0.0.1:0";
    let path = |path: std::path::PathBuf| path.display().to_string();
    let taken =
        world::real::run(
            None,
            |world| async move { world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap() },
        )
        .unwrap();
    let taken = taken.local_addr().to_string();
    let certificate = path(file("refused.pem", "no PEM"));
    let cases = [
        vec!["-config".to_owned(), "no-such.json".to_owned()],
        vec!["-config".to_owned(), path(file("syntax.json", "{\"pebble\": {\n  \"httpPort\": 5002,\n}}"))],
        vec!["-config".to_owned(), path(config("type.json", json!({ "tlsPort": "5001" })))],
        vec![
            "-config".to_owned(),
            path(file("late.json", "{\"pebble\": {\n  \"keyAlgorithm\": \"dsa\",\n  \"httpPort\": 1\n}}")),
        ],
        vec!["-config".to_owned(), path(config("half.json", json!({ "certificate": "cert.pem" })))],
        vec![
            "-config".to_owned(),
            path(config("nopem.json", json!({ "certificate": certificate, "privateKey": certificate }))),
        ],
        vec![
            "-config".to_owned(),
            path(config("nofile.json", json!({ "certificate": "c.pem", "privateKey": "k.pem" }))),
        ],
        vec![free.to_owned(), "-dnsserver".to_owned(), "8.8.8.8".to_owned()],
        vec![free.to_owned(), "-management".to_owned(), "\"\"".to_owned()],
        vec![free.to_owned(), "-settings".to_owned(), path(file("own.json", "{\n  \"httpPrt\": 1\n}"))],
        vec![free.to_owned(), "-fault".to_owned(), "newOder=503".to_owned()],
        vec!["-listen".to_owned(), "127.0.0.1:0".to_owned(), "-management".to_owned(), taken.clone()],
    ];
    let mut said = String::new();
    for case in cases {
        let arguments: Vec<&str> = case.iter().map(String::as_str).collect();
        let (code, text) = refused(&arguments);
        assert_eq!(code, Some(1), "{case:?}: {text}");
        said.push_str(&text.replace(&taken, "ADDRESS"));
    }
    insta::assert_snapshot!(said);
}
