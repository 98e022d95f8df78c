//! The self-check: several requests in a row must see the key before the CA is asked to look.

use std::net::IpAddr;

use world::http::Url;

use super::Solver;
use crate::api::Challenge;
use crate::controller::{SyncError, SyncResult};
use crate::log::Logger;
use crate::work::place;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// How much of a wrong body is shown.
const BODY_SHOWN: usize = 24;

impl Solver {
    /// Presents again (what the caches do not show yet is made once more), then asks for the key.
    pub(in super::super) async fn check(&self, log: &Logger, challenge: &Challenge) -> SyncResult {
        self.present(&log.with_name("http01"), challenge).await?;
        let world = &self.context.world;
        let compat = self.context.compat.self_check;
        let passes = async {
            for pass in 1..=compat.passes {
                self.request(challenge).await?;
                if pass < compat.passes || compat.pause_after_last {
                    world.sleep(compat.pause).await;
                }
            }
            Ok(())
        };
        let checked = world.timeout(compat.limit, passes).await;
        // What the process does between the answer and the line that tells of it.
        let checked = checked.unwrap_or_else(|_| Err(SyncError::other("context deadline exceeded")));
        if checked.is_err() {
            world.work(place("challenges/selfCheck")).await;
        }
        checked
    }

    async fn request(&self, challenge: &Challenge) -> SyncResult {
        let mut url = self_check_url(challenge);
        for _ in 0..=REDIRECTS_MAX {
            let parsed: Url = url.parse().map_err(|error| failed(&url, &error))?;
            let limit = self.context.compat.self_check.request_limit;
            let answer = match self.context.world.timeout(limit, self.http.get(&parsed)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => return Err(failed(&url, &error)),
                Err(_) => {
                    let text = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
                    return Err(failed(&url, &text));
                }
            };
            let status = answer.status.as_u16();
            if let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, answer.header("location")) {
                url = absolute(&parsed, location);
                continue;
            }
            if status != 200 {
                return Err(SyncError::Other(format!("wrong status code '{status}', expected '200'")));
            }
            let body = String::from_utf8_lossy(&answer.body);
            let body = body.trim();
            if body == challenge.spec.key {
                return Ok(());
            }
            let shown = match body.char_indices().nth(BODY_SHOWN) {
                Some((end, _)) => format!("{}... (truncated)", &body[..end]),
                None => body.to_owned(),
            };
            return Err(SyncError::Other(format!(
                "did not get expected response when querying endpoint, expected {:?} but got: {shown}",
                challenge.spec.key
            )));
        }
        Err(failed(&url, &"stopped after 10 redirects"))
    }
}

fn self_check_url(challenge: &Challenge) -> String {
    let name = &challenge.spec.dns_name;
    let host = match name.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => name.clone(),
    };
    format!("http://{host}/.well-known/acme-challenge/{}", challenge.spec.token)
}

fn absolute(base: &Url, location: &str) -> String {
    if location.starts_with('/') {
        Url { path: location.to_owned(), ..base.clone() }.to_string()
    } else {
        location.to_owned()
    }
}

fn failed(url: &str, error: &dyn std::fmt::Display) -> SyncError {
    SyncError::Other(format!("failed to perform self check GET request '{url}': Get \"{url}\": {error}"))
}
