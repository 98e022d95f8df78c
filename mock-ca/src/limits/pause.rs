//! Pauses: accounts that have failed to validate an identifier so often that they may not order it until
//! somebody visits a page.
//!
//! The page's address carries a token (a JWT, RFC 7519, signed with HS256) that says which account may be
//! freed. Its key is drawn from the world's randomness and never leaves this module, so a token is good for
//! one run of the server and for two weeks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use ring::hmac;
use serde::{Deserialize, Serialize};
use world::{Rng, Timestamp};

/// The most identifiers that one visit frees.
pub const UNPAUSED_MAX: usize = 50_000;

/// How long a token is good.
const TOKEN_LIFETIME: Duration = Duration::from_secs(14 * 24 * 3600);

const ISSUER: &str = "WFE";
const AUDIENCE: &str = "SFE Unpause";
const VERSION: &str = "v1";

/// Why a token frees nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is not three base64url parts, or not what is signed here.
    #[error("the token is malformed")]
    Malformed,
    /// It was signed by somebody else, or by an earlier run.
    #[error("the token's signature is not ours")]
    Signature,
    /// It is too old.
    #[error("the token has expired")]
    Expired,
}

/// What a visit has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unpaused {
    /// Whose identifiers were freed.
    pub account: u64,
    /// How many.
    pub count: usize,
    /// Whether there are more of them, for another visit.
    pub more: bool,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    version: String,
    identifiers: String,
    iss: String,
    sub: String,
    aud: Vec<String>,
    iat: i64,
    exp: i64,
}

/// All pauses, and the key of their tokens.
#[derive(Clone, Debug)]
pub(super) struct Pauses {
    paused: BTreeMap<(u64, String), Timestamp>,
    changed: Option<BTreeSet<(u64, String)>>,
    key: hmac::Key,
}

impl Pauses {
    pub(super) fn new(rng: &Rng) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &rng.bytes::<32>());
        Pauses { paused: BTreeMap::new(), changed: None, key }
    }

    /// Pauses, unless it is paused already. Whether it is new.
    pub(super) fn pause(&mut self, account: u64, identifier: &str, since: Timestamp) -> bool {
        let pair = (account, identifier.to_owned());
        if self.paused.contains_key(&pair) {
            return false;
        }
        self.note(&pair);
        self.paused.insert(pair, since);
        true
    }

    /// Frees up to [`UNPAUSED_MAX`] identifiers of an account, in their order.
    pub(super) fn unpause(&mut self, account: u64) -> Unpaused {
        let pairs: Vec<_> = self.of(account).map(|(pair, _)| pair.clone()).take(UNPAUSED_MAX).collect();
        let count = pairs.len();
        for pair in pairs {
            self.remove(&pair);
        }
        Unpaused { account, count, more: self.of(account).next().is_some() }
    }

    /// Frees all identifiers of all accounts.
    pub(super) fn clear(&mut self) {
        let pairs: Vec<_> = self.paused.keys().cloned().collect();
        for pair in pairs {
            self.remove(&pair);
        }
    }

    fn remove(&mut self, pair: &(u64, String)) {
        self.note(pair);
        self.paused.remove(pair);
    }

    /// Those of `values` that are paused for the account, in the order given.
    pub(super) fn among<'a>(&self, account: u64, values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
        if self.of(account).next().is_none() {
            return Vec::new();
        }
        values.filter(|value| self.paused.contains_key(&(account, (*value).to_owned()))).collect()
    }

    fn of(&self, account: u64) -> impl Iterator<Item = (&(u64, String), &Timestamp)> {
        self.paused.range((account, String::new())..).take_while(move |((a, _), _)| *a == account)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&(u64, String), Timestamp)> {
        self.paused.iter().map(|(pair, since)| (pair, *since))
    }

    /// The changes since the last call, and from now on more of them. `None` for what is free again.
    pub(super) fn take_changed(&mut self) -> Vec<((u64, String), Option<Timestamp>)> {
        let changed = self.changed.replace(BTreeSet::new()).unwrap_or_default();
        changed
            .into_iter()
            .map(|pair| {
                let since = self.paused.get(&pair).copied();
                (pair, since)
            })
            .collect()
    }

    fn note(&mut self, pair: &(u64, String)) {
        if let Some(changed) = &mut self.changed {
            changed.insert(pair.clone());
        }
    }

    /// A token for the page, in the form that Boulder's has.
    pub(super) fn token(&self, account: u64, identifiers: &[&str], now: Timestamp) -> String {
        let claims = Claims {
            version: VERSION.to_owned(),
            identifiers: identifiers.join(","),
            iss: ISSUER.to_owned(),
            sub: account.to_string(),
            aud: vec![AUDIENCE.to_owned()],
            iat: now.unix_secs(),
            exp: (now + TOKEN_LIFETIME).unix_secs(),
        };
        // Strings and numbers have a JSON form: this cannot fail.
        let claims = serde_json::to_vec(&claims).unwrap_or_default();
        let signed = format!("{}.{}", B64.encode(r#"{"alg":"HS256"}"#), B64.encode(claims));
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", B64.encode(signature))
    }

    /// The account that a token frees.
    pub(super) fn redeem(&self, token: &str, now: Timestamp) -> Result<u64, BadToken> {
        let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Malformed)?;
        let signature = B64.decode(signature).map_err(|_| BadToken::Malformed)?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| BadToken::Signature)?;
        let claims = signed.split_once('.').and_then(|(_, claims)| B64.decode(claims).ok());
        let claims: Claims =
            claims.and_then(|claims| serde_json::from_slice(&claims).ok()).ok_or(BadToken::Malformed)?;
        if claims.exp < now.unix_secs() {
            return Err(BadToken::Expired);
        }
        claims.sub.parse().map_err(|_| BadToken::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_secs(1_800_000_000);

    #[test]
    fn a_token_frees_the_account_that_it_names_for_two_weeks() {
        let pauses = Pauses::new(&Rng::from_seed(1));
        let token = pauses.token(12, &["a.com", "b.com"], NOW);
        assert_eq!(pauses.redeem(&token, NOW), Ok(12));
        assert_eq!(pauses.redeem(&token, NOW + TOKEN_LIFETIME), Ok(12));
        let late = NOW + TOKEN_LIFETIME + Duration::from_secs(1);
        assert_eq!(pauses.redeem(&token, late), Err(BadToken::Expired));
        let other = Pauses::new(&Rng::from_seed(2));
        assert_eq!(other.redeem(&token, NOW), Err(BadToken::Signature));
        for bad in ["", "a.b", "a.b.*"] {
            assert!(pauses.redeem(bad, NOW).is_err(), "{bad}");
        }
        let claims = token.split('.').nth(1).and_then(|part| B64.decode(part).ok()).unwrap();
        assert_eq!(
            String::from_utf8(claims).unwrap(),
            r#"{"version":"v1","identifiers":"a.com,b.com","iss":"WFE","sub":"12","aud":["SFE Unpause"],"iat":1800000000,"exp":1801209600}"#
        );
    }

    #[test]
    fn a_visit_frees_fifty_thousand() {
        let mut pauses = Pauses::new(&Rng::from_seed(1));
        for n in 0..=UNPAUSED_MAX {
            assert!(pauses.pause(7, &format!("{n}.example.com"), NOW));
        }
        pauses.pause(6, "a.com", NOW);
        pauses.pause(8, "a.com", NOW);
        assert_eq!(pauses.unpause(7), Unpaused { account: 7, count: UNPAUSED_MAX, more: true });
        assert_eq!(pauses.unpause(7), Unpaused { account: 7, count: 1, more: false });
        assert_eq!(pauses.unpause(7), Unpaused { account: 7, count: 0, more: false });
        assert_eq!(pauses.iter().count(), 2);
    }
}
