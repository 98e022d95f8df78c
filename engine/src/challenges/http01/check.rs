//! The self-check: several requests in a row must see the key before the CA is asked to look.

use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use world::Instant;
use world::http::{Scheme, Url};

use super::Solver;
use super::ingress::challenge_path;
use crate::api::Challenge;
use crate::controller::{SyncError, SyncResult};
use crate::log::Logger;
use crate::work::place;

/// Where CAs look, unless they are for tests.
const HTTP_PORT: u16 = 80;
/// Redirects that are followed, less one: the answer of the last request may not be one.
const REQUESTS_MAX: u32 = 10;
/// How many bytes of a wrong body are shown.
const BODY_SHOWN: usize = 24;

impl Solver {
    /// Presents again (what the caches do not show yet is made once more), then asks for the key.
    pub(in super::super) async fn check(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        self.present(&log.with_name("http01"), challenge).await?;
        self.look(challenge, HTTP_PORT).await
    }

    /// Asks for the key, several times, where the CA will ask for it.
    pub(in super::super) async fn look(&self, challenge: &Challenge, port: u16) -> SyncResult {
        let world = &self.objects.context.world;
        let compat = self.objects.context.compat.self_check;
        let due = world.monotonic() + compat.limit;
        let passes = async {
            for pass in 1..=compat.passes {
                self.request(challenge, port, due).await?;
                if pass < compat.passes || compat.pause_after_last {
                    world.sleep(compat.pause).await;
                }
            }
            Ok(())
        };
        let checked = passes.await;
        if checked.is_err() {
            // What the process does between the answer and the line that tells of it.
            world.work(place("challenges/selfCheck")).await;
        }
        checked
    }

    /// One request, with the redirects that follow from it, within its own time limit and that of all together.
    async fn request(&self, challenge: &Challenge, port: u16, due_in_all: Instant) -> SyncResult {
        let first = self_check_url(challenge, port);
        let mut url = first.clone();
        let world = &self.objects.context.world;
        let due = world.monotonic() + self.objects.context.compat.self_check.request_limit;
        let (due, why) = if due_in_all < due { (due_in_all, None) } else { (due, Some("Client.Timeout")) };
        let over = |rest: &str| match why {
            Some(why) => format!("context deadline exceeded ({why} {rest})"),
            None => "context deadline exceeded".to_owned(),
        };
        for number in 1.. {
            let parsed: Url = url.parse().map_err(|error| failed(&first, &url, &error))?;
            let left = due.since(world.monotonic());
            let asked = self.http.send(Method::GET, &parsed, &[], Bytes::new());
            let answer = match world.timeout(left, asked).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Err(failed(&first, &url, &error)),
                Err(_) => return Err(failed(&first, &url, &over("exceeded while awaiting headers"))),
            };
            let status = answer.status.as_u16();
            if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, answer.header("location")) {
                url = absolute(&parsed, location);
                if number == REQUESTS_MAX {
                    return Err(failed(&first, &url, &"stopped after 10 redirects"));
                }
                continue;
            }
            let read =
                async { if status == 200 { answer.whole().await.map(|a| a.body) } else { Ok(Bytes::new()) } };
            let unread = |why: String| SyncError::Other(format!("failed to read response body: {why}"));
            let body = match world.timeout(due.since(world.monotonic()), read).await {
                Ok(read) => read.map_err(|error| unread(error.to_string()))?,
                Err(_) => return Err(unread(over("or context cancellation while reading body"))),
            };
            return judge(status, &body, &challenge.spec.key).map_err(SyncError::Other);
        }
        Ok(())
    }
}

/// Whether an answer has the key, and nothing but the key.
fn judge(status: u16, body: &[u8], key: &str) -> Result<(), String> {
    if status != 200 {
        return Err(format!("wrong status code '{status}', expected '200'"));
    }
    if body == key.as_bytes() {
        return Ok(());
    }
    let shown = match body.get(..BODY_SHOWN) {
        Some(start) if body.len() > BODY_SHOWN => {
            format!("{}... (truncated)", String::from_utf8_lossy(start).trim())
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    Err(format!("did not get expected response when querying endpoint, expected {key:?} but got: {shown}"))
}

fn self_check_url(challenge: &Challenge, port: u16) -> String {
    let name = &challenge.spec.dns_name;
    let host = match name.parse::<IpAddr>() {
        // As it is written: only the brackets are added.
        Ok(IpAddr::V6(_)) => format!("[{name}]"),
        _ => name.clone(),
    };
    let host = if port == HTTP_PORT { host } else { format!("{host}:{port}") };
    format!("http://{host}{}", challenge_path(challenge))
}

/// Where a Location header leads (RFC 3986 section 5, the forms that servers send).
fn absolute(base: &Url, location: &str) -> String {
    let scheme = if base.scheme == Scheme::Http { "http" } else { "https" };
    if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        Url { path: location.to_owned(), ..base.clone() }.to_string()
    } else if location.contains("://") {
        location.to_owned()
    } else {
        let path = base.path.split(['?', '#']).next().unwrap_or_default();
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        Url { path: format!("{folder}/{location}"), ..base.clone() }.to_string()
    }
}

/// `first` is what was asked for, `last` where the redirects have led.
fn failed(first: &str, last: &str, error: &dyn std::fmt::Display) -> SyncError {
    SyncError::Other(format!("failed to perform self check GET request '{first}': Get \"{last}\": {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_alone_will_do() {
        assert_eq!(judge(200, b"token.key", "token.key"), Ok(()));
        let error = |status, body: &str| judge(status, body.as_bytes(), "token.key").unwrap_err();
        assert_eq!(error(503, "token.key"), "wrong status code '503', expected '200'");
        let unexpected =
            "did not get expected response when querying endpoint, expected \"token.key\" but got: ";
        assert_eq!(error(200, "token.key\n"), format!("{unexpected}token.key\n"), "not even a newline");
        assert_eq!(error(200, &"x".repeat(24)), format!("{unexpected}{}", "x".repeat(24)));
        assert_eq!(error(200, &"x".repeat(25)), format!("{unexpected}{}... (truncated)", "x".repeat(24)));
        let page = "<html>\n<head>          \n     <title>";
        assert_eq!(error(200, page), format!("{unexpected}<html>\n<head>... (truncated)"), "blanks are cut");
        // Bytes are counted, not characters.
        assert_eq!(
            error(200, &"\u{e9}".repeat(13)),
            format!("{unexpected}{}... (truncated)", "\u{e9}".repeat(12))
        );
    }

    #[test]
    fn addresses_of_the_sixth_version_are_in_brackets() {
        let url = |name: &str| {
            let mut c = Challenge::default();
            c.spec.dns_name = name.into();
            c.spec.token = "t".into();
            self_check_url(&c, HTTP_PORT)
        };
        assert_eq!(url("a.test"), "http://a.test/.well-known/acme-challenge/t");
        assert_eq!(url("10.0.0.1"), "http://10.0.0.1/.well-known/acme-challenge/t");
        assert_eq!(url("2001:db8::1"), "http://[2001:db8::1]/.well-known/acme-challenge/t");
    }

    #[test]
    fn locations_of_all_forms() {
        let base: Url = "https://a.test:8443/x/y?q=1".parse().unwrap();
        for (location, url) in [
            ("http://b.test/z", "http://b.test/z"),
            ("/z", "https://a.test:8443/z"),
            ("//b.test/z", "https://b.test/z"),
            ("z", "https://a.test:8443/x/z"),
        ] {
            assert_eq!(absolute(&base, location), url);
        }
    }
}
