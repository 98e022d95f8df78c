//! dns-01 (RFC 8555 section 8.4), dns-account-01 (draft-ietf-acme-dns-account-label) and dns-persist-01
//! (draft-ietf-acme-dns-persist): what the TXT records of a name below the identifier say.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hickory_proto::rr::{RData, RecordType};

use super::issuer::IssueValue;
use super::lookup::Lookup;
use super::{Finding, View};
use crate::db::{ChallengeKind, ValidationRecord};
use crate::problem::Problem;
use crate::ra::Task;

/// Looks for what the challenge asks for among the TXT records.
pub(super) async fn validate(view: &View, lookup: &mut Lookup<'_>, task: &Task) -> Finding {
    let records = vec![ValidationRecord { hostname: task.name.clone(), ..ValidationRecord::default() }];
    Finding { problem: find(view, lookup, task).await.err(), records }
}

async fn find(view: &View, lookup: &mut Lookup<'_>, task: &Task) -> Result<(), Problem> {
    let host = match task.kind {
        ChallengeKind::DnsAccount01 => {
            format!("{}._acme-challenge.{}", account_label(&task.account_url), task.name)
        }
        ChallengeKind::DnsPersist01 => format!("_validation-persist.{}", task.name),
        _ => format!("_acme-challenge.{}", task.name),
    };
    let question = lookup.ask(&host, RecordType::TXT).await;
    let data = lookup.data(question, &host).await;
    let data = data.map_err(|detail| Problem::answer(view.answers.validation_dns, detail))?;
    let text = |data: RData| match data {
        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
        _ => None,
    };
    let texts: Vec<String> = data.into_iter().filter_map(text).collect();
    let found = if task.kind == ChallengeKind::DnsPersist01 {
        let persistent = Persistent {
            issuers: &view.identities,
            account_url: &task.account_url,
            wildcard: task.identifier.is_wildcard(),
            now: view.world.now().unix_secs(),
        };
        texts.iter().any(|text| persistent.is_granted_by(text))
    } else {
        texts.contains(&URL_SAFE_NO_PAD.encode(world::sha256(task.key_authorization.as_bytes())))
    };
    if found {
        return Ok(());
    }
    Err(Problem::unauthorized(match texts.as_slice() {
        [] => format!("No TXT record found at {host}"),
        [one] => format!("Incorrect TXT record {one:?} found at {host}"),
        [first, more @ ..] => {
            format!("Incorrect TXT record {first:?} (and {} more) found at {host}", more.len())
        }
    }))
}

/// The label of an account: an underscore and the first ten bytes of the SHA-256 of its URL, in base32.
pub fn account_label(account_url: &str) -> String {
    const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = world::sha256(account_url.as_bytes());
    let first = hash.iter().take(10).fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let digit = |n: usize| char::from(DIGITS[(first >> (5 * n)) as usize % DIGITS.len()]);
    std::iter::once('_').chain((0..16).rev().map(digit)).collect()
}

/// What a record of dns-persist-01 must grant.
#[derive(Clone, Debug)]
pub struct Persistent<'a> {
    /// The CA's names.
    pub issuers: &'a [String],
    /// The URL of the account.
    pub account_url: &'a str,
    /// Whether it is for a wildcard.
    pub wildcard: bool,
    /// Seconds since 1970.
    pub now: i64,
}

impl Persistent<'_> {
    /// Whether this record grants it. Each parameter stands there once at most; unknown ones are nothing.
    pub fn is_granted_by(&self, record: &str) -> bool {
        let Some(value) = IssueValue::parse(record.as_bytes()) else { return false };
        let once = |tag: &'static str, absent: bool, good: &dyn Fn(&str) -> bool| {
            let mut all = value.all(tag);
            all.next().map_or(absent, good) && all.next().is_none()
        };
        let lasts = |until: &str| until.parse::<i64>().is_ok_and(|until| until >= self.now);
        let policy = |policy: &str| !self.wildcard || policy.eq_ignore_ascii_case("wildcard");
        value.names_any(self.issuers)
            && once("accounturi", false, &|uri| uri == self.account_url)
            && once("policy", !self.wildcard, &policy)
            && once("persistuntil", true, &lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of draft-ietf-acme-dns-account-label.
    #[test]
    fn an_account_has_its_label() {
        assert_eq!(account_label("https://example.com/acme/acct/ExampleAccount"), "_ujmmovf2vn55tgye");
    }

    #[test]
    fn what_a_persistent_record_grants() {
        const NOW: i64 = 1_700_000_000;
        let issuers = ["authority.example".to_owned()];
        let granted = |text: &str| {
            let asked =
                |wildcard| Persistent { issuers: &issuers, account_url: "https://a/1", wildcard, now: NOW };
            (asked(false).is_granted_by(text), asked(true).is_granted_by(text))
        };
        for (text, expected) in [
            ("authority.example; accounturi=https://a/1", (true, false)),
            ("authority.example; accounturi=https://a/1; policy=wildcard", (true, true)),
            ("Authority.Example; AccountURI=https://a/1; policy=WildCard; x=y", (true, true)),
            ("authority.example; accounturi=https://a/1; policy=other", (true, false)),
            ("authority.example; accounturi=https://a/1; persistUntil=1700000000", (true, false)),
            ("authority.example; accounturi=https://a/1; persistUntil=1699999999", (false, false)),
            ("authority.example; accounturi=https://a/1; persistUntil=soon", (false, false)),
            ("authority.example", (false, false)),
            ("authority.example; accounturi=https://a/2", (false, false)),
            ("authority.example; accounturi=https://a/1; accounturi=https://a/1", (false, false)),
            ("other.example; accounturi=https://a/1", (false, false)),
            ("authority.example accounturi=https://a/1", (false, false)),
            ("", (false, false)),
        ] {
            assert_eq!(granted(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_record_is_read(text in "\\PC{0,100}") {
            let asked = Persistent { issuers: &[], account_url: "", wildcard: false, now: 0 };
            let _ = asked.is_granted_by(&text);
        }
    }
}
