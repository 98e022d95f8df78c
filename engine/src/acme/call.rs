//! One bounded call: what it sends, the nonces it uses, what it sends again, and when its time is over.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use world::http::{Response, Url};
use world::{Instant, Timestamp};

use super::client::AcmeClient;
use super::error::{AcmeError, Problem};
use super::jws::{self, Identity};
use super::types::{Account, Directory};
use crate::compat::{Compat, NonceRetry};

/// Nonces kept at most.
const NONCES_MAX: usize = 100;
/// The longest `Retry-After` that is obeyed: a worker waits meanwhile, and a server may say anything.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// Between two polls, when the server does not say.
pub(super) const POLL_PAUSE: Duration = Duration::from_secs(1);
/// What an HTTP client of Go says when its time is over after the head of an answer.
const BODY_TIMEOUT: &str =
    "context deadline exceeded (Client.Timeout or context cancellation while reading body)";

pub(super) type Result<T> = std::result::Result<T, AcmeError>;

/// How long things may take, and what is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// One call with all its requests.
    pub call: Option<Duration>,
    /// One HTTP request with its answer's body.
    pub http: Duration,
    /// Requests with a bad nonce.
    pub nonce_retry: NonceRetry,
}

impl CallLimits {
    /// Those of a release.
    pub fn of(compat: &Compat) -> Self {
        CallLimits {
            call: compat.acme_call_limit,
            http: compat.acme_http_limit,
            nonce_retry: compat.nonce_retry,
        }
    }
}

/// A call under way.
pub(super) struct Call<'a> {
    pub(super) client: &'a AcmeClient,
    /// When its time is over.
    pub(super) due: Option<Instant>,
}

impl Call<'_> {
    /// Waits; an error when the call's time is over before.
    pub(super) async fn sleep(&self, d: Duration) -> Result<()> {
        let world = &self.client.world;
        match self.due.map(|due| due.since(world.monotonic())).filter(|left| *left <= d) {
            None => {
                world.sleep(d).await;
                Ok(())
            }
            Some(left) => {
                world.sleep(left).await;
                Err(AcmeError::Deadline)
            }
        }
    }

    /// As long as the answer says, or a second.
    pub(super) async fn pause(&self, response: &Response) -> Result<()> {
        let told = response.header("retry-after").and_then(|v| retry_after(v, self.client.world.now()));
        self.sleep(told.filter(|d| !d.is_zero()).unwrap_or(POLL_PAUSE)).await
    }

    /// Sends one request and reads its answer, in the time of one request and in what the call has left.
    async fn send(&self, method: Method, url: &str, body: Option<String>) -> Result<Response> {
        let verb = match method {
            Method::GET => "Get",
            Method::HEAD => "Head",
            _ => "Post",
        };
        let failed = |source| AcmeError::Http { verb, url: url.to_owned(), source };
        let target: Url = url.parse().map_err(failed)?;
        let jose = [("content-type", "application/jose+json")];
        let headers = if body.is_some() { &jose[..] } else { &[] };
        // On the heap: the futures of a request are large, and these calls are deep.
        let request =
            Box::pin(self.client.http.send(method, &target, headers, Bytes::from(body.unwrap_or_default())));
        // One limit for both: a server may send head and body byte by byte.
        let due = self.client.world.monotonic() + self.client.limits.http;
        let over = AcmeError::HttpTimeout { verb, url: url.to_owned() };
        let answer = self.within(due, over, request).await?.map_err(failed)?;
        let over = AcmeError::Unread(BODY_TIMEOUT.to_owned());
        let whole = self.within(due, over, Box::pin(answer.whole())).await?;
        whole.map_err(|error| AcmeError::Unread(error.to_string()))
    }

    /// Waits until `due`, where it ends with `over`, or until the call's own time is over.
    async fn within<T>(&self, due: Instant, over: AcmeError, future: impl Future<Output = T>) -> Result<T> {
        let (due, over) = match self.due {
            Some(call) if call < due => (call, AcmeError::Deadline),
            _ => (due, over),
        };
        let world = &self.client.world;
        world.timeout(due.since(world.monotonic()), future).await.map_err(|_| over)
    }

    /// A GET without a signature.
    pub(super) async fn get(&self, url: &str) -> Result<Response> {
        let response = self.send(Method::GET, url, None).await?;
        if response.status.as_u16() == 200 {
            Ok(response)
        } else {
            Err(AcmeError::Problem(problem(&response)))
        }
    }

    /// The directory, read once.
    pub(super) async fn directory(&self) -> Result<Directory> {
        if let Some(directory) = self.client.session().directory.clone() {
            return Ok(directory);
        }
        let response = self.get(&self.client.directory_url).await?;
        let directory: Directory = parse(&response)?;
        self.keep_nonce(&response);
        if directory.new_order.is_empty() {
            return Err(AcmeError::NotRfc8555);
        }
        self.client.session().directory = Some(directory.clone());
        Ok(directory)
    }

    /// A signed POST by the account, or by the key if the account is not known; `accepted` are the statuses that
    /// are no error.
    pub(super) async fn post(
        &self,
        url: &str,
        payload: Option<&Value>,
        accepted: &[u16],
    ) -> Result<Response> {
        let identity = Box::pin(self.identity()).await;
        Box::pin(self.post_as(&identity, url, payload, accepted)).await
    }

    /// A signed POST. One with a bad nonce is sent again; so much only, as 429 and 5xx are for the caller to see.
    pub(super) async fn post_as(
        &self,
        identity: &Identity,
        url: &str,
        payload: Option<&Value>,
        accepted: &[u16],
    ) -> Result<Response> {
        let retry = self.client.limits.nonce_retry;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let nonce = self.nonce().await?;
            let key = self.client.key();
            let body = jws::sign(&key, url, payload, identity, Some(&nonce)).to_string();
            let response = self.send(Method::POST, url, Some(body)).await?;
            self.keep_nonce(&response);
            let status = response.status.as_u16();
            if accepted.contains(&status) {
                return Ok(response);
            }
            let problem = problem(&response);
            if problem.is_bad_nonce() {
                self.client.session().nonces.clear();
            } else {
                self.doubt_directory(url, status);
            }
            let again = problem.is_bad_nonce() && status == 400 && attempt <= retry.retries;
            if !again || self.sleep(self.backoff(retry, attempt)).await.is_err() {
                return Err(AcmeError::Problem(problem));
            }
        }
    }

    /// A URL of the directory that the server does not know says that the directory is not the server's (any more).
    fn doubt_directory(&self, url: &str, status: u16) {
        let mut session = self.client.session();
        let ours = session.directory.as_ref().is_some_and(|d| d.new_order == url || d.new_account == url);
        if ours && matches!(status, 404 | 405) {
            session.directory = None;
        }
    }

    fn backoff(&self, retry: NonceRetry, attempt: u32) -> Duration {
        let n = {
            let mut session = self.client.session();
            session.backoffs += 1;
            session.backoffs
        };
        let jitter = self.client.world.rng(&format!("acme back-off {n}")).below(1000);
        let whole = Duration::from_secs(1_u64 << (attempt - 1).min(8));
        (whole + retry.least_jitter + Duration::from_millis(jitter)).min(retry.longest)
    }

    async fn nonce(&self) -> Result<String> {
        if let Some(nonce) = self.client.session().nonces.pop() {
            return Ok(nonce);
        }
        let url = self.directory().await?.new_nonce;
        // The directory's answer may have brought one.
        if let Some(nonce) = self.client.session().nonces.pop() {
            return Ok(nonce);
        }
        let response = self.send(Method::HEAD, &url, None).await?;
        match response.header("replay-nonce") {
            Some(nonce) => Ok(nonce.to_owned()),
            None if response.status.as_u16() > 299 => Err(AcmeError::Problem(problem(&response))),
            None => Err(AcmeError::Malformed("nonce not found".to_owned())),
        }
    }

    fn keep_nonce(&self, response: &Response) {
        if let Some(nonce) = response.header("replay-nonce") {
            let mut session = self.client.session();
            if session.nonces.len() < NONCES_MAX {
                session.nonces.push(nonce.to_owned());
            }
        }
    }

    /// The account, asked for by the key until it is known (`onlyReturnExisting`, section 7.3.1). A key that has
    /// none signs as itself, and the server says what it thinks of that.
    pub(super) async fn identity(&self) -> Identity {
        if let Some(url) = self.client.session().account.clone() {
            return Identity::Account(url);
        }
        match self.existing_account().await {
            Ok(account) if !account.url.is_empty() => Identity::Account(account.url),
            _ => Identity::Key,
        }
    }

    /// The account that the key has.
    pub(super) async fn existing_account(&self) -> Result<Account> {
        let url = self.directory().await?.new_account;
        let payload = json!({ "onlyReturnExisting": true });
        let response = Box::pin(self.post_as(&Identity::Key, &url, Some(&payload), &[200])).await?;
        self.account(&response)
    }

    /// The account in an answer, remembered for what is signed next.
    pub(super) fn account(&self, response: &Response) -> Result<Account> {
        let account: Account = parse(response)?;
        let url = response.header("location").unwrap_or_default().to_owned();
        self.client.session().account = Some(url.clone()).filter(|url| !url.is_empty());
        Ok(Account { url, ..account })
    }
}

/// `Retry-After`: seconds, or a moment (RFC 9110 section 10.2.3); never longer than an hour.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let told = match value.trim().parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => http_date(value)?.since(now),
    };
    Some(told.min(RETRY_AFTER_MAX))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut parts = text.split_ascii_whitespace().skip(1);
    let (day, month, year, clock) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|m| *m == month)? + 1;
    Timestamp::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

/// An answer as JSON.
pub(super) fn parse<T: DeserializeOwned>(response: &Response) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|e| AcmeError::Malformed(format!("invalid response: {e}")))
}

/// How much of a body that is no problem document is told of, in bytes.
const DETAIL_MAX: usize = 4096;

/// The problem in a response; a body that is none becomes the detail.
pub(super) fn problem(response: &Response) -> Problem {
    let status = response.status.as_u16();
    let parsed = serde_json::from_slice::<Problem>(&response.body).ok();
    let mut problem = parsed.unwrap_or_else(|| {
        let shown = response.body.get(..DETAIL_MAX).unwrap_or(&response.body);
        let text = String::from_utf8_lossy(shown).into_owned();
        let detail = if text.is_empty() { response.status.to_string() } else { text };
        Problem { detail, ..Problem::default() }
    });
    if problem.status == 0 {
        problem.status = status;
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_moment_and_never_more_than_an_hour() {
        let now = Timestamp::parse("1994-11-06T08:49:30Z").unwrap();
        for (text, secs) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("99999999999", Some(3600)),
            ("-1", None),
            ("99999999999999999999999", None),
            ("soon", None),
            ("Sun, 66 Nov 1994 08:49:37 GMT", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now).map(|d| d.as_secs()), secs, "{text:?}");
        }
    }
}
