//! A challenge test server's management API.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::{ChallengeType, Proof};
use crate::client::{Connection, Dialer, Failure};
use crate::target::{BadUrl, split};

/// A connection to the management API.
#[derive(Debug)]
pub(crate) struct Challtestsrv {
    connection: Connection,
    challenge: ChallengeType,
}

impl Challtestsrv {
    pub(super) fn new(
        url: &str,
        dialer: &Dialer,
        challenge: ChallengeType,
        deadline: Duration,
    ) -> Result<Self, BadUrl> {
        let connection = Connection::new(dialer, split(url)?.0, deadline)?;
        Ok(Challtestsrv { connection, challenge })
    }

    /// The call that shows a proof, and its body.
    fn presents(&self, proof: &Proof) -> (&'static str, Value) {
        let content = &proof.key_authorization;
        match self.challenge {
            ChallengeType::Http01 => ("add-http01", json!({ "token": proof.token, "content": content })),
            ChallengeType::Dns01 => {
                ("set-txt", json!({ "host": proof.record_name(), "value": proof.record() }))
            }
            ChallengeType::TlsAlpn01 => ("add-tlsalpn01", json!({ "host": proof.name, "content": content })),
        }
    }

    /// The call that takes it back.
    fn cleans_up(&self, proof: &Proof) -> (&'static str, Value) {
        match self.challenge {
            ChallengeType::Http01 => ("del-http01", json!({ "token": proof.token })),
            ChallengeType::Dns01 => ("clear-txt", json!({ "host": proof.record_name() })),
            ChallengeType::TlsAlpn01 => ("del-tlsalpn01", json!({ "host": proof.name })),
        }
    }

    async fn post(&mut self, (request, body): (&'static str, Value)) -> Result<(), Failure> {
        let content = Some(("application/json", body.to_string().into_bytes()));
        let answer = self.connection.send(request, Method::POST, &format!("/{request}"), content).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let (status, problem) = (answer.status.as_u16(), String::new());
        let detail = String::from_utf8_lossy(&answer.body).into_owned();
        Err(Failure::Refused { request, status, problem, detail })
    }

    pub(super) async fn present(&mut self, proof: &Proof) -> Result<(), Failure> {
        self.post(self.presents(proof)).await
    }

    pub(super) async fn clean_up(&mut self, proof: &Proof) -> Result<(), Failure> {
        self.post(self.cleans_up(proof)).await
    }
}
