//! The binary in the place of pebble-challtestsrv: its flags, its exit codes, its sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use mock_dns::RecordType;
use world::World;
use world::http::{Client, Url};
use world::resolver::Resolver;
use world::tls::Connector;

/// Ends its process when the test ends, however it ends.
struct Running {
    child: Child,
    /// Where each service listens, by the name that the program gives it.
    listening: BTreeMap<String, Vec<SocketAddr>>,
    /// What it complains of.
    errors: BufReader<std::process::ChildStderr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Starts it, and waits until it says that it is ready.
fn start(arguments: &[&str]) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-dns"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let errors = BufReader::new(child.stderr.take().unwrap());
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut running = Running { child, listening: BTreeMap::new(), errors };
    for line in lines {
        let line = line.unwrap();
        let said = line.strip_prefix("mock-dns: ").unwrap_or_else(|| panic!("{line}"));
        if said == "ready" {
            return running;
        }
        let (service, at) = said.split_once(" listening on ").unwrap_or_else(|| panic!("{line}"));
        running.listening.entry(service.to_owned()).or_default().push(at.parse().unwrap());
    }
    panic!("it ended before it was ready")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mock-dns")).args(arguments).output().unwrap()
}

fn in_world<F: Future<Output = ()>>(body: impl FnOnce(World) -> F) {
    world::real::run(Some(1), body).unwrap();
}

const OFF: [&str; 12] =
    ["-management", "", "-dnsserver", "", "-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""];

#[test]
fn wrong_arguments_end_it_as_they_end_a_go_program() {
    for (arguments, code, said) in [
        (vec!["-nope"], 2, "flag provided but not defined: -nope\nUsage of mock-dns:\n"),
        (vec!["--dnsserver"], 2, "flag needs an argument: -dnsserver\n"),
        (vec!["-seed=x"], 2, "invalid value \"x\" for flag -seed: parse error\n"),
        (vec!["-help"], 0, "Usage of mock-dns:\n  -config FILE\n"),
        (vec!["-http01", "", "false"], 1, "mock-dns: invalid command line arguments: false\n"),
    ] {
        let output = run(&arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(errors.starts_with(said), "{errors}");
        assert!(output.stdout.is_empty());
    }
}

/// As certbot-ci starts it, with two quote characters; and with truly empty lists, as instant-acme does.
#[test]
fn what_cannot_be_bound_is_said_and_it_lives() {
    let quotes = "\"\"";
    let mut running = start(&[
        "-management",
        "127.0.0.1:0",
        "-dnsserver",
        "127.0.0.1:0",
        "-http01",
        quotes,
        "-https01",
        quotes,
        "-tlsalpn01",
        quotes,
        "-doh",
        "127.0.0.1:0",
    ]);
    let services: Vec<&str> = running.listening.keys().map(String::as_str).collect();
    assert_eq!(services, ["DNS", "management interface"]);
    for expected in [
        "mock-dns: HTTP-01 challenges: address \"\": missing port in address\n",
        "mock-dns: HTTPS HTTP-01 challenges: address \"\": missing port in address\n",
        "mock-dns: TLS-ALPN-01 challenges: address \"\": missing port in address\n",
        "mock-dns: DNS over HTTPS: no certificate and key were given\n",
    ] {
        let mut line = String::new();
        running.errors.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }
    assert!(running.child.try_wait().unwrap().is_none());
    assert!(start(&OFF).listening.is_empty());
}

#[test]
fn it_answers_where_its_flags_say() {
    let mut arguments = OFF.to_vec();
    // The older name of -dnsserver; a list; the other forms of a flag.
    arguments.extend(["-dns01", "127.0.0.1:0,127.0.0.2:0", "--http01=localhost:0", "-management=:0"]);
    arguments.extend(["-defaultIPv4", "127.0.0.9", "-defaultIPv6", ""]);
    let running = start(&arguments);
    let dns = running.listening["DNS"].clone();
    assert_eq!(dns.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.2"]);
    let management = running.listening["management interface"][0].port();
    let http = running.listening["HTTP-01 challenges"][0];
    in_world(|world| async move {
        for at in &dns {
            let resolver = Resolver::new(&world, vec![*at]);
            let found = resolver.addresses("any.test").await.unwrap();
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.9"]);
            assert!(resolver.query("any.test", RecordType::AAAA).await.unwrap().answers.is_empty());
        }
        let client = Client::new(&world, Resolver::new(&world, dns));
        let add: Url = format!("http://127.0.0.1:{management}/add-http01").parse().unwrap();
        let body = br#"{"token": "t", "content": "t.key"}"#.to_vec();
        let added = client.request(http::Method::POST, &add, &[], body.into()).await.unwrap();
        assert_eq!((added.status.as_u16(), added.body.len()), (200, 0));
        let url: Url = format!("http://{http}/.well-known/acme-challenge/t").parse().unwrap();
        assert_eq!(client.get(&url).await.unwrap().body, "t.key");
    });
}

#[test]
fn dns_over_https_shows_the_certificate_of_the_files() {
    let file = |name: &str, text: &str| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (mut certificate, mut key) = (String::new(), String::new());
    in_world(|world| {
        let own = world.keys("doh").generate(world::KeyAlgorithm::Rsa(2048)).unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        certificate = params.self_signed(&own).unwrap().pem();
        key = own.to_traditional_pem();
        async {}
    });
    let mut arguments = OFF.to_vec();
    let (cert_file, key_file) = (file("doh.pem", &certificate), file("doh-key.pem", &key));
    arguments.extend(["-doh", "127.0.0.1:0", "-doh-cert", &cert_file, "-doh-cert-key", &key_file]);
    let running = start(&arguments);
    let at = running.listening["DNS over HTTPS"][0];
    in_world(|world| async move {
        let stream = world.connect(at).await.unwrap();
        let stream = Connector::unverified(&world).unwrap().connect("localhost", stream).await.unwrap();
        let shown = world::keys::pem_encode("CERTIFICATE", stream.peer_certificates()[0]);
        let lines = |pem: &str| pem.lines().map(str::to_owned).collect::<String>();
        assert_eq!(lines(&shown), lines(&certificate));
    });
    let missing = ["-doh", "127.0.0.1:0", "-doh-cert", "no-such.pem", "-doh-cert-key", &key_file];
    let mut running = start(&[&OFF[..10], &missing[..]].concat());
    let mut line = String::new();
    running.errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("mock-dns: no-such.pem: "), "{line}");
    assert!(running.listening.is_empty());
}
