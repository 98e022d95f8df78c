//! The program under test: started on free ports of the loopback interface, and ended with its test.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use world::http::{Client, Response};
use world::keys::pem_encode;
use world::resolver::Resolver;
use world::tls::Connector;
use world::{KeyAlgorithm, World};

/// A file of its own for a test.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dropin");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// The program, with nothing of Pebble's in its environment, in a folder without a configuration.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mock-ca"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

/// A configuration on free ports with what `more` changes.
pub(crate) fn config(name: &str, more: Value) -> PathBuf {
    let mut pebble = json!({
        "listenAddress": "127.0.0.1:0", "managementListenAddress": "127.0.0.1:0",
        "httpPort": 5002, "tlsPort": 5001, "keyAlgorithm": "ecdsa",
    });
    for (key, value) in more.as_object().unwrap() {
        pebble[key] = value.clone();
    }
    file(name, &json!({ "pebble": pebble }).to_string())
}

/// A certificate for `localhost` and its key, PEM.
pub(crate) fn identity() -> (String, world::PrivateKey) {
    let key = world::real::world(None).unwrap().keys("web").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (pem_encode("CERTIFICATE", params.self_signed(&key).unwrap().der()), key)
}

/// The running program.
pub(crate) struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The lines up to the one with the directory, without program and time.
    pub(crate) lines: Vec<String>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut program = Program { child, out, lines: Vec::new() };
        while !program.lines.last().is_some_and(|line| line.starts_with("ACME directory available at: ")) {
            let line = program.next_line();
            program.lines.push(line);
        }
        program
    }

    /// With this configuration, and the management API.
    pub(crate) fn with(config: &PathBuf, environment: &[(&str, &str)]) -> Program {
        let mut command = command();
        command.arg("-config").arg(config).envs(environment.iter().copied());
        Program::start(&mut command)
    }

    /// The next line that it prints, without program and time.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        let text = line.strip_prefix("Pebble ").unwrap_or_else(|| panic!("{line:?}"));
        let (time, text) = text.split_at(20);
        assert!(time.len() == 20 && time.starts_with("20") && time.contains('/') && time.ends_with(' '));
        text.trim_end().to_owned()
    }

    /// What stands behind the beginning of a line.
    pub(crate) fn told(&self, start: &str) -> String {
        let found = self.lines.iter().find_map(|line| line.strip_prefix(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {:?}", self.lines)).to_owned()
    }

    pub(crate) fn directory(&self) -> String {
        self.told("ACME directory available at: ")
    }

    /// A URL of the management API.
    pub(crate) fn management(&self, path: &str) -> String {
        format!("https://{}{path}", self.told("Management interface listening on: "))
    }

    /// Asks it to end by a signal; what it exits with.
    pub(crate) fn end(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Runs `body` with a client that takes any certificate.
pub(crate) fn with_client<T, F: Future<Output = T>>(body: impl FnOnce(World, Ask) -> F) -> T {
    let run = |world: World| {
        let tls = Connector::unverified(&world).unwrap();
        let client =
            Client::new(&world, Resolver::new(&world, Vec::new())).with_tls(tls).with_user_agent("suite");
        body(world, Ask(client))
    };
    world::real::run(None, run).unwrap()
}

/// Asks servers.
#[derive(Clone)]
pub(crate) struct Ask(pub(crate) Client);

impl Ask {
    pub(crate) async fn send(&self, method: &str, url: &str, body: &str) -> Response {
        // Names of this machine: there is no nameserver here.
        let url = url.replace("https://localhost:", "https://127.0.0.1:").parse().unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.0.request(method, &url, &[], Bytes::from(body.to_owned())).await.unwrap()
    }

    pub(crate) async fn get(&self, url: &str) -> Response {
        self.send("GET", url, "").await
    }

    pub(crate) async fn json(&self, method: &str, url: &str, body: &str) -> Value {
        let reply = self.send(method, url, body).await;
        assert_eq!(reply.status, 200, "{url}: {}", text(&reply));
        serde_json::from_slice(&reply.body).unwrap()
    }
}

pub(crate) fn text(reply: &Response) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}
