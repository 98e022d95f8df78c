//! DNS servers side by side: ours as a challenge test server and with a zone, pebble-challtestsrv, and what Debian has
//! (BIND, Knot, NSD), each asked by `dnsperf` for the same names.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use load::Usage;
use serde::Serialize;
use serde_json::json;

use crate::children::{Folder, Process, StartError, beside, free_ports, installed, local};

/// Names that are asked for in turn.
const NAMES: usize = 100;
const ZONE: &str = "bench.test";
/// As long as the value of dns-01 is: SHA-256 in base64url.
const VALUE: &str = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
/// Queries under way at any time.
const OUTSTANDING: u32 = 100;
/// Sockets that they come from.
const CLIENTS: u32 = 4;

/// A DNS server that can be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Server {
    /// `mock-dns` with records from its management API, in the place of challtestsrv; with its history.
    MockDns,
    /// `mock-dns` with a zone; with its history and its log.
    MockDnsZone,
    /// `pebble-challtestsrv`, with its history.
    Challtestsrv,
    /// `named`.
    Bind,
    /// `knotd`.
    Knot,
    /// `nsd`.
    Nsd,
}

impl Server {
    /// All of them, ours first.
    pub const ALL: [Server; 6] =
        [Server::MockDns, Server::MockDnsZone, Server::Challtestsrv, Server::Bind, Server::Knot, Server::Nsd];

    /// As it is called in tables.
    pub fn name(self) -> &'static str {
        match self {
            Server::MockDns => "mock-dns",
            Server::MockDnsZone => "mock-dns, a zone",
            Server::Challtestsrv => "pebble-challtestsrv",
            Server::Bind => "BIND (named)",
            Server::Knot => "Knot (knotd)",
            Server::Nsd => "NSD",
        }
    }

    /// Its program, when it is on this machine.
    pub fn program(self) -> Option<PathBuf> {
        match self {
            Server::MockDns | Server::MockDnsZone => Some(beside("mock-dns")).filter(|path| path.is_file()),
            Server::Challtestsrv => installed("pebble-challtestsrv"),
            Server::Bind => installed("named"),
            Server::Knot => installed("knotd"),
            Server::Nsd => installed("nsd"),
        }
    }
}

/// What is asked, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// `A` or `TXT`.
    pub kind: &'static str,
}

/// The questions of a comparison.
pub const QUESTIONS: [Question; 4] = [
    Question { transport: "udp", kind: "A" },
    Question { transport: "udp", kind: "TXT" },
    Question { transport: "tcp", kind: "A" },
    Question { transport: "tcp", kind: "TXT" },
];

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// For so long.
    Time(Duration),
    /// So many queries, or a little more.
    Queries(u64),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answers {
    /// Who was asked.
    pub server: Server,
    /// What.
    pub question: Question,
    /// Answers that came.
    pub answers: u64,
    /// Queries without one.
    pub lost: u64,
    /// Answers per second.
    pub per_second: f64,
    /// CPU of the server for an answer, in microseconds.
    pub server_us: f64,
    /// The server's resident memory after it, in KiB.
    pub server_kib: u64,
    /// The growth of it, in KiB.
    pub grown_kib: i64,
}

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The server.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The records that a server without zones is told.
    #[error("{server}: {path}: {why}")]
    Records {
        /// Who was told.
        server: &'static str,
        /// The management call.
        path: &'static str,
        /// What came of it.
        why: String,
    },
    /// Its process.
    #[error(transparent)]
    Process(#[from] load::ProcessError),
    /// `dnsperf`.
    #[error("dnsperf: {0}")]
    Dnsperf(String),
}

/// A running server, ended when this is dropped.
pub struct Running {
    server: Server,
    process: Process,
    at: SocketAddr,
    folder: Folder,
}

fn name(n: usize) -> String {
    format!("n{n}.{ZONE}")
}

/// The names as a zone file.
fn zone() -> String {
    let mut text = format!(
        "$ORIGIN {ZONE}.\n$TTL 300\n@ SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 127.0.0.1\n"
    );
    for n in 0..NAMES {
        text.push_str(&format!("n{n} A 192.0.2.1\n_acme-challenge.n{n} TXT \"{VALUE}\"\n"));
    }
    text
}

/// A POST to a management API, without waiting for more than its status.
fn post(at: SocketAddr, path: &str, body: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(at)?;
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(std::io::Error::other(answer.lines().next().unwrap_or("no answer").to_owned())),
    }
}

/// The command that serves the zone, and its configuration.
fn command(
    server: Server,
    program: &Path,
    folder: &Folder,
    [dns, management]: [SocketAddr; 2],
) -> Result<Command, StartError> {
    let mut command = Command::new(program);
    let here = folder.0.display();
    let zone = folder.write("zone", &zone())?;
    let (ip, port) = (dns.ip(), dns.port());
    match server {
        Server::MockDns | Server::MockDnsZone | Server::Challtestsrv => {
            command.args(["-dns01", &dns.to_string(), "-management", &management.to_string()]);
            for off in ["-http01", "-https01", "-tlsalpn01"] {
                command.args([off, ""]);
            }
            // Debian's challtestsrv does not know it.
            if server != Server::Challtestsrv {
                command.args(["-doh", ""]);
            }
            command.args(["-defaultIPv4", "192.0.2.1", "-defaultIPv6", ""]);
            if server == Server::MockDnsZone {
                command.arg("-zone").arg(&zone);
            }
        }
        Server::Bind => {
            let config = format!(
                "options {{ directory \"{here}\"; pid-file none; session-keyfile \"{here}/session.key\"; recursion no;\n\
                 listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }}; dnssec-validation no; notify no; }};\n\
                 controls {{ }};\nzone \"{ZONE}\" {{ type primary; file \"{here}/zone\"; }};\n"
            );
            command.arg("-g").arg("-c").arg(folder.write("named.conf", &config)?);
        }
        Server::Knot => {
            let config = format!(
                "server:\n  listen: {ip}@{port}\n  rundir: {here}\ndatabase:\n  storage: {here}\n\
                 zone:\n  - domain: {ZONE}\n    file: {here}/zone\n"
            );
            command.arg("-c").arg(folder.write("knot.conf", &config)?);
        }
        Server::Nsd => {
            let config = format!(
                "server:\n  ip-address: {ip}@{port}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{here}\"\n  \
                 database: \"\"\n  pidfile: \"{here}/nsd.pid\"\n  xfrdfile: \"{here}/xfrd.state\"\n  \
                 zonelistfile: \"{here}/zone.list\"\n  xfrdir: \"{here}\"\n  cookie-secret-file: \"{here}/cookie\"\n\
                 remote-control:\n  control-enable: no\nzone:\n  name: {ZONE}\n  zonefile: zone\n"
            );
            command.arg("-d").arg("-c").arg(folder.write("nsd.conf", &config)?);
        }
    }
    Ok(command)
}

impl Running {
    /// Starts a server on free ports of the loopback interface, and waits until it has the names.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(server: Server, program: &Path) -> Result<Self, DnsError> {
        let [dns, management] = free_ports()?.map(local);
        let folder = Folder::new("dns-load", dns.port())?;
        let mut command = command(server, program, &folder, [dns, management])?;
        let mut process = Process::start("dns", None, &mut command)?;
        process.listens(dns).await?;
        if matches!(server, Server::MockDns | Server::Challtestsrv) {
            process.listens(management).await?;
            for n in 0..NAMES {
                let host = format!("{}.", name(n));
                let a = json!({ "host": host, "addresses": ["192.0.2.1"] });
                let txt = json!({ "host": format!("_acme-challenge.{host}"), "value": VALUE });
                for (path, body) in [("/add-a", a), ("/set-txt", txt)] {
                    post(management, path, &body.to_string()).map_err(|e| DnsError::Records {
                        server: server.name(),
                        path,
                        why: e.to_string(),
                    })?;
                }
            }
        }
        Ok(Running { server, process, at: dns, folder })
    }

    /// Asks until the amount is reached; waits for `dnsperf`, so that nothing of this runs beside it.
    ///
    /// # Errors
    /// When `dnsperf` is not there, or says nothing that can be read.
    pub fn ask(&self, question: Question, amount: Amount) -> Result<Answers, DnsError> {
        let owner = |n| match question.kind {
            "TXT" => format!("_acme-challenge.{}", name(n)),
            _ => name(n),
        };
        let queries: String = (0..NAMES).map(|n| format!("{} {}\n", owner(n), question.kind)).collect();
        let file = self.folder.write("queries", &queries)?;
        let mut command = Command::new("dnsperf");
        command.args(["-s", &self.at.ip().to_string(), "-p", &self.at.port().to_string()]);
        command.args(["-m", question.transport, "-c", &CLIENTS.to_string(), "-q", &OUTSTANDING.to_string()]);
        command.arg("-d").arg(file);
        match amount {
            Amount::Time(time) => command.args(["-l", &time.as_secs_f64().to_string()]),
            Amount::Queries(queries) => command.args(["-n", &queries.div_ceil(NAMES as u64).to_string()]),
        };
        let before = Usage::of_tree(self.process.id())?;
        let ran = command.stdin(Stdio::null()).output();
        let after = Usage::of_tree(self.process.id())?;
        let ran = ran.map_err(|e| DnsError::Dnsperf(e.to_string()))?;
        let said = String::from_utf8_lossy(&ran.stdout);
        let figures = figures(&said).ok_or_else(|| {
            DnsError::Dnsperf(format!("{}: {}{said}", ran.status, String::from_utf8_lossy(&ran.stderr)))
        })?;
        let used = after.since(before);
        Ok(Answers {
            server: self.server,
            question,
            answers: figures.completed,
            lost: figures.sent.saturating_sub(figures.completed),
            per_second: figures.per_second,
            server_us: used.cpu_ms as f64 * 1000.0 / figures.completed.max(1) as f64,
            server_kib: after.resident_kib,
            grown_kib: used.resident_kib,
        })
    }
}

/// What `dnsperf` says at its end.
#[derive(Debug, PartialEq)]
struct Figures {
    sent: u64,
    completed: u64,
    per_second: f64,
}

fn figures(said: &str) -> Option<Figures> {
    // Answers of another code than NOERROR are no answers to these questions.
    let codes = said.lines().find_map(|line| line.trim().strip_prefix("Response codes:"))?;
    if codes.trim() != "" && !codes.trim().starts_with("NOERROR") {
        return None;
    }
    let figure = |label: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(label))?;
        line.split_whitespace().next()
    };
    Some(Figures {
        sent: figure("Queries sent:")?.parse().ok()?,
        completed: figure("Queries completed:")?.parse().ok()?,
        per_second: figure("Queries per second:")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
DNS Performance Testing Tool
Statistics:

  Queries sent:         281231
  Queries completed:    281200 (99.99%)
  Queries lost:         31 (0.01%)

  Response codes:       NOERROR 281200 (100.00%)
  Average packet size:  request 31, response 47
  Run time (s):         1.000320
  Queries per second:   281110.044786
";

    #[test]
    fn dnsperf_is_understood() {
        let figures = figures(SAID).unwrap();
        assert_eq!((figures.sent, figures.completed), (281_231, 281_200));
        assert!((figures.per_second - 281_110.0).abs() < 1.0);
    }

    #[test]
    fn refusals_are_no_answers() {
        assert_eq!(super::figures(&SAID.replace("NOERROR", "REFUSED")), None);
        assert_eq!(super::figures("Error: no such host"), None);
    }
}
