//! The binary: zones from files, on real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use world::resolver::Resolver;

/// A file in the test's own directory.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn mock_dns() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-dns"));
    command.args(["-dnsserver", "127.0.0.1:0", "-doh", ""]).stdout(Stdio::piped()).stderr(Stdio::piped());
    for flag in ["-management", "-http01", "-https01", "-tlsalpn01"] {
        command.args([flag, ""]);
    }
    command
}

/// Ends its process when the test ends, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn zones_come_from_files() {
    let zone = file("a.zone", "@ 60 IN SOA ns1 hostmaster 1 1 1 1 60\nwww 60 IN A 10.0.0.80\n");
    let config = file(
        "config.json",
        r#"{"zones": [{"name": "b.test", "records": [{"name": "www", "type": "A", "value": "10.0.0.81"}]}]}"#,
    );
    let mut command = mock_dns();
    command.arg("--zone").arg(format!("a.test={}", zone.display())).arg("--config").arg(config);
    let mut running = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let at = line.trim().strip_prefix("mock-dns: DNS listening on ");
    let at: SocketAddr = at.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
    let found = world::real::run(None, |world| async move {
        let resolver = Resolver::new(&world, vec![at]);
        let mut found = Vec::new();
        for name in ["www.a.test", "www.b.test"] {
            found.extend(resolver.addresses(name).await.unwrap());
        }
        found
    });
    assert_eq!(
        found.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["10.0.0.80", "10.0.0.81"]
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let said = |arguments: &[String]| {
        let output = mock_dns().args(arguments).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let missing = said(&["--zone".into(), "no-such.zone".into()]);
    assert!(missing.starts_with("mock-dns: no-such.zone: "), "{missing}");
    let config = |name: &str, text: &str| ["--config".into(), file(name, text).display().to_string()];
    let unknown = said(&config("unknown.json", r#"{"zones": [{"name": "a.test", "record": []}]}"#));
    assert!(unknown.contains("unknown.json: zones[0].record: unknown field `record`"), "{unknown}");
    let record = r#"{"zones": [{"name": "a.test", "records": [{"name": "x", "type": "A", "value": "y"}]}]}"#;
    let refused = said(&config("refused.json", record));
    assert!(refused.contains("refused.json: zone a.test, record x A: expected an IPv4 address"), "{refused}");
}
