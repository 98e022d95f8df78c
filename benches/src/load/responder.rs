//! The challenge test server's management API: publishing http-01 tokens.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use super::connection::{Connection, Endpoint};
use super::failure::Failure;

/// A connection to the management API.
#[derive(Debug)]
pub(crate) struct Responder {
    pub(crate) connection: Connection,
}

impl Responder {
    pub(crate) fn new(management: SocketAddr, deadline: Duration) -> Self {
        Responder { connection: Connection::new(Endpoint::plain(management), deadline) }
    }

    async fn post(&mut self, request: &'static str, path: &str, body: &Value) -> Result<(), Failure> {
        let content = Some(("application/json", body.to_string().into_bytes()));
        let answer = self.connection.send(request, Method::POST, path, content).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let (status, problem) = (answer.status.as_u16(), String::new());
        let detail = String::from_utf8_lossy(&answer.body).into_owned();
        Err(Failure::Refused { request, status, problem, detail })
    }

    /// Publishes a token.
    pub(crate) async fn add_http01(&mut self, token: &str, content: &str) -> Result<(), Failure> {
        let body = json!({ "token": token, "content": content });
        self.post("add-http01", "/add-http01", &body).await
    }

    /// Takes it back.
    pub(crate) async fn del_http01(&mut self, token: &str) -> Result<(), Failure> {
        self.post("del-http01", "/del-http01", &json!({ "token": token })).await
    }
}
