//! tls-alpn-01 (RFC 8737), for names and for addresses (RFC 8738): a handshake, and a look at the
//! certificate that the server showed.

use std::net::SocketAddr;

use world::tls::{TlsError, reverse_name};
use world::{Elapsed, Instant, Stream, sha256};

use super::certificate;
use super::dial::{self, SILENT, dial, io_text, left};
use super::lookup::Lookup;
use super::{Finding, View};
use crate::db::ValidationRecord;
use crate::policy::Identifier;
use crate::problem::Problem;
use crate::ra::Task;

/// The application protocol of the challenge.
pub(super) const PROTOCOL: &str = "acme-tls/1";

/// Connects, does the handshake and looks at the certificate.
pub(super) async fn validate(view: &View, lookup: &mut Lookup<'_>, task: &Task) -> Finding {
    let mut records = Vec::new();
    let problem = look(view, lookup, task, &mut records).await.err();
    Finding { problem, records }
}

async fn look(
    view: &View,
    lookup: &mut Lookup<'_>,
    task: &Task,
    records: &mut Vec<ValidationRecord>,
) -> Result<(), Problem> {
    let deadline = view.world.monotonic() + view.rules.total;
    let found = dial::addresses(view, lookup, &task.name).await?;
    let mut last = None;
    for address in found.tried(view.rules.addresses, true) {
        records.push(ValidationRecord {
            hostname: task.name.clone(),
            port: view.tls_port.to_string(),
            addresses_resolved: found.texts(),
            address_used: address.to_string(),
            ..ValidationRecord::default()
        });
        let to = SocketAddr::new(address, view.tls_port);
        match dial(view, to, deadline).await {
            Ok(stream) => return handshake(view, task, to, stream, deadline).await,
            Err(error) => {
                let detail = format!("{address}: {}", error.text());
                last = Some(Problem::answer(view.answers.tls_alpn_connection, detail));
            }
        }
    }
    Err(last.unwrap_or_else(|| Problem::internal("no address to connect to")))
}

async fn handshake(
    view: &View,
    task: &Task,
    to: SocketAddr,
    stream: Stream,
    deadline: Instant,
) -> Result<(), Problem> {
    let address = to.ip();
    let name = match &task.identifier {
        Identifier::Ip(ip) => reverse_name(*ip),
        Identifier::Dns(name) => name.base().to_owned(),
    };
    let limit = left(view, view.rules.handshake, deadline);
    let done = view.world.timeout(limit, view.alpn.handshake(&name, stream)).await;
    let silent = |Elapsed| Problem::answer(view.answers.tls_alpn_connection, format!("{address}: {SILENT}"));
    let stream = done.map_err(silent)?.map_err(|error| match error {
        TlsError::NoApplicationProtocol => no_protocol(),
        TlsError::Broken(error) => {
            let detail = format!("{address}: {}", io_text(error.kind()));
            Problem::answer(view.answers.tls_alpn_connection, detail)
        }
        TlsError::Refused(error) => {
            Problem::answer(view.answers.tls_alpn_handshake, format!("{address}: tls: {error}"))
        }
        other => Problem::answer(view.answers.tls_alpn_handshake, format!("{address}: {other}")),
    })?;
    if stream.alpn() != Some(PROTOCOL.as_bytes()) {
        return Err(no_protocol());
    }
    let digest = sha256(task.key_authorization.as_bytes());
    let leaf = stream.peer_certificates().first().copied().unwrap_or_default().to_vec();
    certificate::check(&leaf, &task.identifier, &digest, view.rules.exact_certificate).map_err(|flaw| {
        Problem::unauthorized(format!(
            "Incorrect validation certificate for tls-alpn-01 challenge. Requested {} from {to}. {flaw}",
            task.name
        ))
    })
}

fn no_protocol() -> Problem {
    Problem::unauthorized(format!("Cannot negotiate ALPN protocol {PROTOCOL:?} for tls-alpn-01 challenge"))
}
