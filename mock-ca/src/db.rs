//! What the CA knows, in memory: accounts, orders, authorizations, certificates, and the next numbers.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use world::{Rng, Timestamp};

use crate::config::FirstIds;
use crate::policy::DnsName;
use crate::problem::Problem;
use crate::protocol::{AccountState, AuthorizationState, ChallengeState, OrderState};
use crate::wfe::jwk::Jwk;

/// An account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its key.
    pub key: Jwk,
    /// `mailto:` URLs.
    pub contacts: Vec<String>,
    /// Its state.
    pub status: AccountState,
    /// When it was made.
    pub created: Timestamp,
}

/// An order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Whose.
    pub account: u64,
    /// For which names, sorted.
    pub names: Vec<DnsName>,
    /// Its authorizations, in the order of the names.
    pub authorizations: Vec<u64>,
    /// Its state.
    pub status: OrderState,
    /// When it ends.
    pub expires: Timestamp,
    /// Why the issuance failed.
    pub error: Option<Problem>,
    /// Serial number of its certificate.
    pub serial: Option<String>,
}

/// An authorization.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Whose.
    pub account: u64,
    /// For which name.
    pub name: DnsName,
    /// Its state.
    pub status: AuthorizationState,
    /// When it ends.
    pub expires: Timestamp,
    /// How it can be, or was, decided.
    pub challenges: Vec<Challenge>,
    /// How many validations were started.
    pub attempts: u32,
}

/// A kind of challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChallengeKind {
    /// RFC 8555 section 8.3.
    Http01,
    /// RFC 8555 section 8.4.
    Dns01,
}

impl ChallengeKind {
    /// As ACME writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ChallengeKind::Http01 => "http-01",
            ChallengeKind::Dns01 => "dns-01",
        }
    }

    /// The kinds that are offered for a name: a wildcard has no host that could be asked.
    pub const fn offered(wildcard: bool) -> &'static [ChallengeKind] {
        if wildcard { &[ChallengeKind::Dns01] } else { &[ChallengeKind::Http01, ChallengeKind::Dns01] }
    }
}

/// A challenge.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// The last part of its URL.
    pub id: String,
    /// Its kind.
    pub kind: ChallengeKind,
    /// Its token.
    pub token: String,
    /// Its state.
    pub status: ChallengeState,
    /// When it became valid.
    pub validated: Option<Timestamp>,
    /// Why it became invalid.
    pub error: Option<Problem>,
    /// What validation fetched.
    pub records: Vec<ValidationRecord>,
}

/// One step of a validation, as Boulder shows it in a challenge.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidationRecord {
    /// What was fetched.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The host that was asked for.
    pub hostname: String,
    /// Its port.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// All of its addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses_resolved: Vec<String>,
    /// The one that was used.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address_used: String,
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// The names in it, sorted.
    pub names: Vec<String>,
    /// Whose.
    pub account: u64,
    /// For which order.
    pub order: u64,
    /// When it was signed.
    pub at: Timestamp,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity, inclusive.
    pub not_after: Timestamp,
    /// The certificate, DER.
    pub leaf: Vec<u8>,
    /// The certificate and its intermediates, PEM.
    pub chain_pem: String,
    /// When and why it was revoked.
    pub revoked: Option<(Timestamp, u8)>,
}

/// Challenge tokens: the pinned ones first, then random ones.
#[derive(Debug)]
pub struct Tokens {
    pinned: VecDeque<String>,
    rng: Rng,
}

impl Tokens {
    /// A source of tokens.
    pub fn new(pinned: &[String], rng: Rng) -> Self {
        Tokens { pinned: pinned.iter().cloned().collect(), rng }
    }

    /// The next one: 32 bytes in base64url, as RFC 8555 section 8.1 wants at least 128 bits of it.
    pub fn take(&mut self) -> String {
        self.pinned.pop_front().unwrap_or_else(|| URL_SAFE_NO_PAD.encode(self.rng.bytes::<32>()))
    }
}

/// Everything.
#[derive(Debug)]
pub struct Db {
    /// Accounts by number.
    pub accounts: BTreeMap<u64, Account>,
    /// Orders by number.
    pub orders: BTreeMap<u64, Order>,
    /// Authorizations by number.
    pub authorizations: BTreeMap<u64, Authorization>,
    /// Certificates by serial number.
    pub certificates: BTreeMap<String, Issued>,
    /// The serial numbers in the order of issuance.
    pub issuance: Vec<String>,
    /// Where tokens come from.
    pub tokens: Tokens,
    /// The latest order of an account for a set of names: the only one that can be used again.
    pub latest_order: BTreeMap<(u64, Vec<DnsName>), u64>,
    /// The latest authorization of an account for a name that became valid.
    pub latest_valid: BTreeMap<(u64, DnsName), u64>,
    by_thumbprint: BTreeMap<String, u64>,
    next: FirstIds,
}

impl Db {
    /// An empty database.
    pub fn new(first: FirstIds, tokens: Tokens) -> Self {
        Db {
            accounts: BTreeMap::new(),
            orders: BTreeMap::new(),
            authorizations: BTreeMap::new(),
            certificates: BTreeMap::new(),
            issuance: Vec::new(),
            tokens,
            latest_order: BTreeMap::new(),
            latest_valid: BTreeMap::new(),
            by_thumbprint: BTreeMap::new(),
            next: first,
        }
    }

    /// Adds an account with the next free number.
    pub fn add_account(&mut self, account: Account) -> u64 {
        while self.accounts.contains_key(&self.next.first_account) {
            self.next.first_account += 1;
        }
        let id = self.next.first_account;
        self.put_account(id, account);
        id
    }

    /// Adds an account with this number, or replaces the one that has it.
    pub fn put_account(&mut self, id: u64, account: Account) {
        self.by_thumbprint.insert(account.key.thumbprint(), id);
        if let Some(old) = self.accounts.insert(id, account) {
            self.forget_key(id, &old.key);
        }
    }

    /// Gives an account another key.
    pub fn change_key(&mut self, id: u64, key: Jwk) {
        if let Some(account) = self.accounts.get_mut(&id) {
            self.by_thumbprint.insert(key.thumbprint(), id);
            let old = std::mem::replace(&mut account.key, key);
            self.forget_key(id, &old);
        }
    }

    fn forget_key(&mut self, id: u64, old: &Jwk) {
        if self.accounts.get(&id).is_some_and(|account| account.key != *old) {
            self.by_thumbprint.remove(&old.thumbprint());
        }
    }

    /// The account that has this key.
    pub fn account_of_key(&self, key: &Jwk) -> Option<u64> {
        self.by_thumbprint.get(&key.thumbprint()).copied()
    }

    /// Adds an order.
    pub fn add_order(&mut self, order: Order) -> u64 {
        let id = self.next.first_order;
        self.next.first_order += 1;
        self.latest_order.insert((order.account, order.names.clone()), id);
        self.orders.insert(id, order);
        id
    }

    /// Adds an authorization.
    pub fn add_authorization(&mut self, authorization: Authorization) -> u64 {
        let id = self.next.first_authorization;
        self.next.first_authorization += 1;
        self.authorizations.insert(id, authorization);
        id
    }

    /// Adds a certificate.
    pub fn add_certificate(&mut self, issued: Issued) {
        self.issuance.push(issued.serial.clone());
        self.certificates.insert(issued.serial.clone(), issued);
    }
}

/// The last part of a challenge's URL: the first four bytes of the 128-bit FNV-1a hash of token and kind,
/// in base64url, as Boulder names its challenges.
pub fn challenge_id(token: &str, kind: ChallengeKind) -> String {
    let hash = fnv1a_128(token.bytes().chain(kind.as_str().bytes()));
    URL_SAFE_NO_PAD.encode(&hash.to_be_bytes()[..4])
}

fn fnv1a_128(bytes: impl Iterator<Item = u8>) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of one letter is the published test vector of FNV-1a with 128 bits.
    #[test]
    fn a_challenge_is_named_by_its_token_and_kind() {
        assert_eq!(fnv1a_128("a".bytes()), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
        let token = "bN3yq0T1x8VdJmQkR5sW7uZaCeFgHiLoPnS2tY4vXwE";
        assert_eq!(challenge_id(token, ChallengeKind::Http01), "CrGmVA");
        assert_ne!(challenge_id(token, ChallengeKind::Dns01), "CrGmVA");
    }
}
