//! `rehearse bench` as a user meets it: the program, on loopback, against mock-ca and mock-dns.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![expect(clippy::disallowed_types, reason = "the address of a server on this machine that is not there")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Output};

use mock_ca::MockCa;
use mock_dns::challtest::{ChallTest, Config, Service};
use serde_json::Value;
use world::World;

/// "a secret of thirty-two bytes, or so".
const HMAC_KEY: &str = "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgb3Igc28";

struct Bed {
    ca: MockCa,
    /// Where the CA asks for http-01 and tls-alpn-01.
    ports: [SocketAddr; 2],
    management: SocketAddr,
    folder: PathBuf,
}

/// Runs `body` beside a CA and a challenge test server, which answers http-01 and tls-alpn-01 itself, or leaves that to
/// somebody else.
fn run_with(
    name: &str,
    answers: bool,
    change: impl FnOnce(&mut mock_ca::Config) + Send + 'static,
    body: impl FnOnce(&Bed) + Send + 'static,
) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}"));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    let run = move |world: World| async move {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut config = Config { default_ipv6: None, ..Config::default() };
        let serves = |service| match service {
            Service::Management | Service::Dns => true,
            Service::Http01 | Service::TlsAlpn01 => answers,
            Service::Https01 | Service::Doh => false,
        };
        for service in Service::all() {
            config.rebind(service, if serves(service) { "127.0.0.1:0" } else { "" });
        }
        let serving = ChallTest::new(world.clone(), config).unwrap().serve().await;
        let at = |service| serving.address(service);
        let mut ports = [any; 2];
        for (port, service) in ports.iter_mut().zip([Service::Http01, Service::TlsAlpn01]) {
            *port = match at(service) {
                Some(at) => at,
                None => world.listen(any).await.unwrap().local_addr(),
            };
        }
        let resolvers = vec![at(Service::Dns).unwrap()];
        let ca = MockCa::builder().in_world(&world).configure(|config| {
            [config.http_port, config.tls_port] = ports.map(|at| at.port());
            config.resolvers = resolvers;
            change(config);
        });
        let ca = ca.spawn().await.unwrap();
        std::fs::write(folder.join("web.pem"), ca.web_root_pem()).unwrap();
        body(&Bed { ca, ports, management: at(Service::Management).unwrap(), folder });
    };
    world::real::run(None, run).unwrap();
}

fn rehearse(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rehearse")).arg("bench").args(flags).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Bed {
    fn bench(&self, flags: &[&str]) -> Output {
        self.command(flags).output().unwrap()
    }

    fn command(&self, flags: &[&str]) -> Command {
        let directory = format!("https://{}/dir", self.ca.address());
        let root = self.folder.join("web.pem");
        let mut all = vec!["--directory", &directory, "--acme-ca", root.to_str().unwrap()];
        let management = format!("http://{}", self.management);
        if !flags.iter().any(|flag| ["--listen", "--dns01-hook"].contains(flag)) {
            all.extend(["--challtestsrv", &management]);
        }
        all.extend(flags);
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
        command.arg("bench").args(all);
        command
    }

    fn issued(&self) -> usize {
        self.ca.issued().len()
    }
}

#[test]
fn each_type_of_challenge_is_answered_by_the_challenge_test_server() {
    run_with(
        "challtestsrv",
        true,
        |_| {},
        |bed| {
            for (n, challenge) in ["http-01", "dns-01", "tls-alpn-01"].into_iter().enumerate() {
                let done = bed.bench(&["-n", "6", "-c", "3", "--names", "2", "--challenge", challenge]);
                let text = String::from_utf8(done.stdout.clone()).unwrap();
                assert_eq!(done.status.code(), Some(0), "{text}{}", said(&done));
                assert_eq!(bed.issued(), 6 * (n + 1));
                assert!(
                    text.contains(&format!("/dir: {challenge}, 3 in flight, 2 names each\n\n6 of 6 cert"))
                );
                assert!(text.contains("\n  validate ") && text.contains("\nthis program: "), "{text}");
            }
        },
    );
}

#[test]
fn http_01_and_tls_alpn_01_are_answered_by_the_program_itself() {
    run_with(
        "listen",
        false,
        |_| {},
        |bed| {
            for (challenge, at) in ["http-01", "tls-alpn-01"].into_iter().zip(bed.ports) {
                let done = bed.bench(&["-n", "5", "--challenge", challenge, "--listen", &at.to_string()]);
                let text = String::from_utf8(done.stdout.clone()).unwrap();
                assert_eq!(done.status.code(), Some(0), "{text}{}", said(&done));
            }
            assert_eq!(bed.issued(), 10);
        },
    );
}

#[test]
fn an_open_loop_has_its_rate_its_waits_and_its_histograms_in_json() {
    run_with(
        "open",
        true,
        |_| {},
        |bed| {
            let file = bed.folder.join("outcome.json");
            let flags = ["-n", "8", "--warm-up", "2", "--rate", "40", "--format", "json", "--h2"];
            let done = bed.bench(&[&flags[..], &["-o", file.to_str().unwrap()]].concat());
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
            assert_eq!(std::fs::read(&file).unwrap(), done.stdout);
            let outcome: Value = serde_json::from_slice(&done.stdout).unwrap();
            assert_eq!((&outcome["rate"], &outcome["certificates"]), (&40.0.into(), &8.into()));
            let phases = outcome["phases"].as_array().unwrap();
            assert_eq!((phases.len(), &phases[0]["phase"]), (7, &"wait".into()));
            let counted = |phase: &Value| {
                let histogram = phase["histogram"].as_array().unwrap().clone();
                histogram.iter().map(|pair| pair[1].as_u64().unwrap()).sum::<u64>()
            };
            assert!(phases.iter().all(|phase| counted(phase) == 8));
            // The eighth is due 7/40 s after the first.
            assert!(outcome["seconds"].as_f64().unwrap() >= 7.0 / 40.0);
        },
    );
}

/// What was measured until then is the outcome, and no order that was not due is waited for.
#[cfg(unix)]
#[test]
fn who_is_told_to_end_tells_what_there_is() {
    run_with(
        "signal",
        true,
        |_| {},
        |bed| {
            let mut command = bed.command(&["-n", "100", "--rate", "0.001"]);
            let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
            while bed.issued() == 0 {
                std::thread::yield_now();
            }
            let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            assert!(killed.unwrap().success());
            let done = child.wait_with_output().unwrap();
            let text = String::from_utf8(done.stdout).unwrap();
            assert_eq!(done.status.code(), Some(1), "{text}");
            assert!(
                text.contains("1 of 100 certificates") && text.contains("\ntold to end before all orders")
            );
        },
    );
}

#[test]
fn failures_are_told_by_kind_and_are_exit_code_1() {
    run_with(
        "failures",
        true,
        |_| {},
        |bed| {
            let done = bed.bench(&["-n", "3", "--challenge", "dns-01", "--dns01-hook", "true"]);
            let text = String::from_utf8(done.stdout).unwrap();
            assert_eq!(done.status.code(), Some(1));
            assert!(
                text.contains("0 of 3 certificates") && text.contains("  3 × invalid; the first: "),
                "{text}"
            );
            assert!(text.contains("No TXT record found"), "{text}");
            let done = bed.bench(&[
                "-n",
                "1",
                "--challenge",
                "dns-01",
                "--dns01-hook",
                "sh -c 'echo no zone; exit 3' x",
            ]);
            assert!(String::from_utf8(done.stdout).unwrap().contains("present …`: exit status: 3: no zone"));
        },
    );
}

#[test]
fn a_server_that_asks_for_an_external_account_gets_one() {
    run_with(
        "eab",
        true,
        |config| {
            config.external_accounts.required = true;
            config.external_accounts.keys.insert("kid-1".into(), HMAC_KEY.into());
        },
        |bed| {
            let done = bed.bench(&["-n", "1"]);
            assert_eq!(done.status.code(), Some(2));
            assert!(
                said(&done).contains("newAccount: status 403, externalAccountRequired"),
                "{}",
                said(&done)
            );
            let key = bed.folder.join("hmac");
            std::fs::write(&key, format!("{HMAC_KEY}\n")).unwrap();
            let flags = ["-n", "1", "--eab-kid", "kid-1", "--eab-hmac-key", key.to_str().unwrap()];
            let done = bed.bench(&flags);
            assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        },
    );
}

#[test]
fn what_cannot_begin_is_one_error_and_leaves_no_file() {
    run_with(
        "begin",
        true,
        |_| {},
        |bed| {
            let own = |flags: &[&str]| bed.bench(flags);
            let at = format!("https://{}/dir", bed.ca.address());
            let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let nobody = format!("https://{nobody}/dir");
            let (empty, file) = (bed.folder.join("empty.pem"), bed.folder.join("outcome.json"));
            std::fs::write(&empty, "nothing").unwrap();
            let (empty, out) = (empty.to_str().unwrap(), ["-o", file.to_str().unwrap()]);
            for (done, told) in [
                (
                    rehearse(&[&["--directory", &nobody][..], &out].concat()),
                    "/dir: connect: Connection refused",
                ),
                (rehearse(&["--directory", "localhost/dir"]), "localhost/dir: not an absolute URL"),
                (rehearse(&["--directory", &at]), "/dir: TLS: invalid peer certificate: UnknownIssuer"),
                (rehearse(&["--directory", &at, "--acme-ca", empty]), "empty.pem: no certificate in PEM"),
                (
                    own(&["--challenge", "dns-01", "--listen", "127.0.0.1:0"]),
                    "a listener does not answer dns-01",
                ),
                (own(&["--listen", &bed.management.to_string()]), "cannot listen on 127.0.0.1:"),
                (own(&["--rate", "0"]), "want more than 0"),
            ] {
                assert_eq!(done.status.code(), Some(2), "{told}");
                assert!(said(&done).contains(told) && done.stdout.is_empty(), "{told}: {}", said(&done));
            }
            assert!(!file.exists());
        },
    );
}
