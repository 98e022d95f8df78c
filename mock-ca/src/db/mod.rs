//! What the CA knows: accounts, orders, authorizations, certificates, and the next numbers.

mod objects;
mod table;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use world::{Rng, Timestamp};

use crate::config::FirstIds;
use crate::dialect::IdStyle;
use crate::policy::Identifier;
use crate::protocol::ChallengeState;
use crate::wfe::jwk::Jwk;
pub use objects::{Account, Authorization, Challenge, ChallengeKind, Issued, Order, ValidationRecord};
pub use objects::{Promise, PromiseKey};
pub use table::{Changed, Table};

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

    /// This one is taken: it is not handed out again.
    fn spent(&mut self, token: &str) {
        if let Some(index) = self.pinned.iter().position(|pinned| pinned == token) {
            self.pinned.remove(index);
        }
    }
}

/// Where the identifiers of new objects come from.
#[derive(Debug)]
pub struct Ids {
    style: IdStyle,
    next: FirstIds,
    rng: Rng,
}

impl Ids {
    /// Numbers from `first`, or drawn ones.
    pub fn new(style: IdStyle, first: FirstIds, rng: Rng) -> Self {
        Ids { style, next: first, rng }
    }

    fn take<T>(&mut self, used: &Table<u64, T>, next: impl Fn(&mut FirstIds) -> &mut u64) -> u64 {
        loop {
            let id = match self.style {
                IdStyle::Decimal => {
                    let next = next(&mut self.next);
                    *next += 1;
                    *next - 1
                }
                IdStyle::Hex => u64::from_be_bytes(self.rng.bytes()) >> 1,
            };
            if !used.contains_key(&id) {
                return id;
            }
        }
    }
}

/// Everything.
#[derive(Debug)]
pub struct Db {
    /// Accounts.
    pub accounts: Table<u64, Account>,
    /// Orders.
    pub orders: Table<u64, Order>,
    /// Authorizations.
    pub authorizations: Table<u64, Authorization>,
    /// Certificates by serial number.
    pub certificates: Table<Box<str>, Issued>,
    /// What was promised in answers and is not done. Kept only where it must outlive the process.
    pub promises: Table<PromiseKey, Promise>,
    /// The serial numbers in the order of issuance.
    pub issuance: Vec<Box<str>>,
    /// Where tokens come from.
    pub tokens: Tokens,
    /// The latest order of an account for a set of identifiers: the only one that can be used again.
    pub latest_order: BTreeMap<(u64, Vec<Identifier>), u64>,
    /// The latest authorization of an account for an identifier that became valid.
    pub latest_valid: BTreeMap<(u64, Identifier), u64>,
    /// The orders of each account, oldest first.
    pub orders_of: BTreeMap<u64, Vec<u64>>,
    by_thumbprint: BTreeMap<String, u64>,
    /// When a set of identifiers last got a certificate, by the start of a hash of it.
    issued_sets: BTreeMap<[u8; 16], Timestamp>,
    ids: Ids,
}

/// The start of the hash of a set of identifiers, in whatever order.
fn set_key(identifiers: &[Identifier]) -> [u8; 16] {
    let mut values: Vec<_> = identifiers.iter().map(Identifier::value).collect();
    values.sort_unstable();
    let hash = world::sha256(values.join(",").as_bytes());
    std::array::from_fn(|index| hash[index])
}

impl Db {
    /// An empty database.
    pub fn new(ids: Ids, tokens: Tokens) -> Self {
        Db {
            accounts: Table::default(),
            orders: Table::default(),
            authorizations: Table::default(),
            certificates: Table::default(),
            promises: Table::default(),
            issuance: Vec::new(),
            tokens,
            latest_order: BTreeMap::new(),
            latest_valid: BTreeMap::new(),
            orders_of: BTreeMap::new(),
            by_thumbprint: BTreeMap::new(),
            issued_sets: BTreeMap::new(),
            ids,
        }
    }

    /// Adds an account under a new identifier.
    pub fn add_account(&mut self, account: Account) -> u64 {
        let id = self.ids.take(&self.accounts, |next| &mut next.first_account);
        self.put_account(id, account);
        id
    }

    /// Adds an account under this identifier, or replaces the one that has it.
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
            let old = std::mem::replace(&mut account.key, Arc::new(key));
            self.forget_key(id, &old);
        }
    }

    /// Removes an account, as if it had never been; its orders stay.
    pub fn forget_account(&mut self, id: u64) {
        if let Some(account) = self.accounts.remove(&id) {
            self.by_thumbprint.remove(&account.key.thumbprint());
        }
    }

    fn forget_key(&mut self, id: u64, old: &Jwk) {
        if self.accounts.get(&id).is_some_and(|account| *account.key != *old) {
            self.by_thumbprint.remove(&old.thumbprint());
        }
    }

    /// The account that has this key.
    pub fn account_of_key(&self, key: &Jwk) -> Option<u64> {
        self.by_thumbprint.get(&key.thumbprint()).copied()
    }

    /// Adds an order. With `reusable` it can be given again to a request for the same identifiers.
    pub fn add_order(&mut self, order: Order, reusable: bool) -> u64 {
        let id = self.ids.take(&self.orders, |next| &mut next.first_order);
        if reusable {
            self.latest_order.insert((order.account, order.identifiers.clone()), id);
        }
        self.orders_of.entry(order.account).or_default().push(id);
        self.orders.insert(id, order);
        id
    }

    /// Adds an authorization.
    pub fn add_authorization(&mut self, authorization: Authorization) -> u64 {
        let id = self.ids.take(&self.authorizations, |next| &mut next.first_authorization);
        self.authorizations.insert(id, authorization);
        id
    }

    /// When a certificate for just these identifiers was last issued, to whomever.
    pub fn last_issued(&self, identifiers: &[Identifier]) -> Option<Timestamp> {
        self.issued_sets.get(&set_key(identifiers)).copied()
    }

    /// Adds a certificate.
    pub fn add_certificate(&mut self, issued: Issued) {
        self.issuance.push(issued.serial.clone());
        self.issued_sets.insert(set_key(&issued.identifiers), issued.at);
        self.certificates.insert(issued.serial.clone(), issued);
    }

    /// Puts back what was kept, into a database that has nothing yet, and has changes noted from then on.
    /// With `reusable`, orders can be given again to requests for the same identifiers.
    pub fn restore(&mut self, kept: Kept, reusable: bool) {
        for (id, account) in kept.accounts {
            self.ids.next.first_account = self.ids.next.first_account.max(id.saturating_add(1));
            self.put_account(id, account);
        }
        let mut valid = Vec::new();
        for (id, authorization) in kept.authorizations {
            self.ids.next.first_authorization = self.ids.next.first_authorization.max(id.saturating_add(1));
            self.tokens.spent(&authorization.token);
            let passed = authorization.challenges.iter().filter(|c| c.status == ChallengeState::Valid);
            if let Some(at) = passed.filter_map(|challenge| challenge.validated).max() {
                valid.push((at, authorization.expires, id));
            }
            self.authorizations.insert(id, authorization);
        }
        valid.sort_unstable();
        for (_, _, id) in valid {
            if let Some(authorization) = self.authorizations.get(&id) {
                self.latest_valid.insert((authorization.account, authorization.identifier.clone()), id);
            }
        }
        for (id, order) in kept.orders {
            self.ids.next.first_order = self.ids.next.first_order.max(id.saturating_add(1));
            if reusable {
                self.latest_order.insert((order.account, order.identifiers.clone()), id);
            }
            self.orders_of.entry(order.account).or_default().push(id);
            self.orders.insert(id, order);
        }
        kept.certificates.into_iter().for_each(|issued| self.add_certificate(issued));
        for (key, promise) in kept.promises {
            self.promises.insert(key, promise);
        }
        self.accounts.note_changes();
        self.orders.note_changes();
        self.authorizations.note_changes();
        self.certificates.note_changes();
        self.promises.note_changes();
    }

    /// A copy, to be compared with.
    #[cfg(test)]
    pub(crate) fn clone_for_tests(&self) -> Self {
        let mut copy = self.emptied();
        copy.accounts = self.accounts.clone();
        copy.orders = self.orders.clone();
        copy.authorizations = self.authorizations.clone();
        copy.certificates = self.certificates.clone();
        copy.promises = self.promises.clone();
        copy.issuance = self.issuance.clone();
        copy.latest_order = self.latest_order.clone();
        copy.latest_valid = self.latest_valid.clone();
        copy.orders_of = self.orders_of.clone();
        copy.issued_sets = self.issued_sets.clone();
        copy
    }

    /// The same source of identifiers and tokens, and nothing else.
    pub(crate) fn emptied(&self) -> Self {
        let ids = Ids { style: self.ids.style, next: self.ids.next.clone(), rng: self.ids.rng.clone() };
        let tokens = Tokens { pinned: self.tokens.pinned.clone(), rng: self.tokens.rng.clone() };
        Db::new(ids, tokens)
    }
}

/// What a database consists of; all else follows from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Accounts.
    pub accounts: Vec<(u64, Account)>,
    /// Orders, in the order in which they were made.
    pub orders: Vec<(u64, Order)>,
    /// Authorizations.
    pub authorizations: Vec<(u64, Authorization)>,
    /// Certificates, in the order of issuance.
    pub certificates: Vec<Issued>,
    /// What was promised and is not done.
    pub promises: Vec<(PromiseKey, Promise)>,
}

/// The last part of a challenge's URL in Boulder: the first four bytes of the 128-bit FNV-1a hash of token
/// and kind, in base64url.
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
