//! A CA and a DNS server on loopback, and the program that is to get along with them.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "real pipes, ports and a thread that waits on them"
)]

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use mock_ca::MockCa;
use mock_ca::journal::Event;
use mock_dns::{Dns, Record, RecordType, Zone};
use world::World;

/// The issuer of all manifests: an ingress solver, and one for DNS.
pub(crate) const ISSUER: &str = "
apiVersion: cert-manager.io/v1
kind: Issuer
metadata:
  name: ca
spec:
  acme:
    server: DIRECTORY
    email: someone@example.test
    privateKeySecretRef: {name: account}
    solvers:
      - dns01: {webhook: {groupName: none, solverName: none}}
        selector: {dnsNames: ['*.example.test', 'example.test']}
      - http01: {ingress: {class: nginx}}
---
";

/// The solver for DNS in it.
pub(crate) const DNS_SOLVER: &str = "      - dns01: {webhook: {groupName: none, solverName: none}}
        selector: {dnsNames: ['*.example.test', 'example.test']}
";

/// The release that is run: the program's default.
const RELEASE: &str = "v1_21";

pub(crate) fn certificate(name: &str, dns_names: &[&str]) -> String {
    format!(
        "apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: {name}
spec:
  secretName: {name}-tls
  dnsNames: [{}]
  privateKey: {{algorithm: ECDSA, size: 256}}
  issuerRef: {{name: ca}}
---
",
        dns_names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
    )
}

pub(crate) struct Bed {
    pub(crate) world: World,
    pub(crate) ca: MockCa,
    pub(crate) dns: Dns,
    /// Where the CA asks for HTTP-01.
    pub(crate) http: u16,
    /// Where it asks for TLS-ALPN-01.
    pub(crate) tls: u16,
    nameserver: SocketAddr,
    pub(crate) folder: PathBuf,
}

/// Runs `body` beside the servers, with a folder of its own.
pub(crate) fn run_with(name: &str, change: impl FnOnce(&mut mock_ca::Config), body: impl FnOnce(&Bed)) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("issue-{name}"));
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |world: World| async move {
        let [http, tls] = [free_port(&world).await, free_port(&world).await];
        let here = |name: &str| Record::new(name, RecordType::A, "127.0.0.1");
        let zone = Zone::new("example.test", vec![here("@"), here("www"), here("shop")]);
        let config = mock_dns::Config { zones: vec![zone], ..mock_dns::Config::default() };
        let dns = Dns::new(world.clone(), config).unwrap();
        let nameserver = dns.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let ca = MockCa::builder().in_world(&world).configure(|config| {
            (config.http_port, config.tls_port) = (http, tls);
            config.resolvers = vec![nameserver];
            change(config);
        });
        let ca = ca.spawn().await.unwrap();
        std::fs::write(folder.join("web.pem"), ca.web_root_pem()).unwrap();
        body(&Bed { world, ca, dns, http, tls, nameserver, folder });
    };
    world::real::run(None, run).unwrap();
}

async fn free_port(world: &World) -> u16 {
    world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap().local_addr().port()
}

impl Bed {
    pub(crate) fn manifest(&self, text: &str) {
        let directory = format!("https://{}/dir", self.ca.address());
        std::fs::write(self.folder.join("manifest.yaml"), text.replace("DIRECTORY", &directory)).unwrap();
    }

    /// Somebody else listens where challenges are to be answered.
    pub(crate) fn take_port(&self, port: u16) -> std::net::TcpListener {
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap()
    }

    /// A path below the output.
    pub(crate) fn out(&self, path: &str) -> PathBuf {
        self.folder.join("out").join(path)
    }

    /// The program, on the manifest.
    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rehearse"));
        command.arg("issue").env("NO_COLOR", "1");
        command.arg("-f").arg(self.folder.join("manifest.yaml")).arg("--out").arg(self.out(""));
        command.args(["--nameserver", &self.nameserver.to_string()]);
        if !flags.contains(&"--http01-listen") {
            command.args(["--http01-listen", &format!("127.0.0.1:{}", self.http)]);
        }
        command.args(["--tlsalpn01-listen", &format!("127.0.0.1:{}", self.tls)]);
        for (flag, value) in [("--timeout", "90s"), ("--compat", RELEASE)] {
            if !flags.contains(&flag) {
                command.args([flag, value]);
            }
        }
        command.args(flags);
        command
    }

    fn trusting(&self, flags: &[&str]) -> Command {
        let mut command = self.command(flags);
        command.arg("--acme-ca").arg(self.folder.join("web.pem"));
        command
    }

    pub(crate) fn issue(&self, flags: &[&str]) -> Output {
        self.trusting(flags).output().unwrap()
    }

    pub(crate) fn spawn(&self, flags: &[&str]) -> Child {
        self.trusting(flags).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The accounts that have signed requests.
    pub(crate) fn accounts(&self) -> BTreeSet<u64> {
        let account = |entry: mock_ca::journal::Entry| match entry.event {
            Event::Request { account, .. } => account,
            _ => None,
        };
        self.ca.journal().entries().into_iter().filter_map(account).collect()
    }

    /// A hook that the DNS server listens to: it returns when the record is there. `first` hears of each call before.
    pub(crate) fn hook(&self, first: impl Fn(&str) + Send + 'static) -> Hook {
        let [ask, answer, script] = ["ask", "answer", "hook"].map(|name| self.folder.join(name));
        for pipe in [&ask, &answer] {
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        let (to, from) = (ask.display(), answer.display());
        std::fs::write(&script, format!("printf '%s\\n' \"$*\" >'{to}'\nread -r done <'{from}'\n")).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (dns, log) = (self.dns.clone(), calls.clone());
        std::thread::spawn(move || {
            loop {
                let call = std::fs::read_to_string(&ask).unwrap().trim().to_owned();
                first(&call);
                let words: Vec<&str> = call.split(' ').collect();
                let [action, name, value] = words.as_slice() else { panic!("{call}") };
                match *action {
                    "present" => dns.add(name, RecordType::TXT, 1, value).unwrap(),
                    _ => drop(dns.remove_value(name, RecordType::TXT, value).unwrap()),
                }
                log.lock().unwrap().push(call);
                std::fs::write(&answer, "done\n").unwrap();
            }
        });
        Hook { command: format!("sh '{}'", script.display()), calls }
    }
}

pub(crate) struct Hook {
    pub(crate) command: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Hook {
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }
}

/// The lines of its standard error as they come.
pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap)
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The same in one line, without the frame that reports have.
pub(crate) fn told(output: &Output) -> String {
    said(output).replace('│', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
