//! The store against a model of it, crashes, failing disks, and files that are not ours.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use proptest::prelude::*;
use serde_json::json;
use world::{KeyAlgorithm, Rng, Timestamp, World};

use super::file::Faults;
use super::store::{Opened, Store};
use super::{Durability, StateDir, StateError};
use crate::config::FirstIds;
use crate::db::{
    Account, Authorization, Challenge, ChallengeKind, Db, Ids, Issued, Kept, Order, Promise, PromiseKey,
    Tokens,
};
use crate::dialect::IdStyle;
use crate::limits::{Limits, LimitsConfig};
use crate::policy::{DnsName, Identifier};
use crate::problem::Problem;
use crate::protocol::{AccountState, AuthorizationState, ChallengeState, OrderState};
use crate::wfe::jwk::Jwk;
use crate::{Ca, Config};

#[path = "../../tests/support/directory.rs"]
mod directory;
use directory::TempDir;

fn at(dir: &Path) -> StateDir {
    StateDir { path: dir.join("state"), durability: Durability::Process }
}

fn open(dir: &Path) -> Result<Opened, StateError> {
    Store::open(&at(dir), false)
}

fn empty_db() -> Db {
    let ids = Ids::new(IdStyle::Hex, FirstIds::default(), Rng::from_seed(1));
    Db::new(ids, Tokens::new(&[], Rng::from_seed(2)))
}

fn limits() -> Limits {
    let mut limits = Limits::new(LimitsConfig::default(), &Rng::from_seed(3)).unwrap();
    limits.take_dirty();
    limits
}

fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix_secs(1_800_000_000 + i64::try_from(seconds).unwrap())
}

fn names(n: u64) -> Vec<Identifier> {
    vec![
        Identifier::Dns(DnsName::unchecked(&format!("n{n}.example.com"))),
        Identifier::Ip([10, 0, 0, 1].into()),
    ]
}

fn account(n: u64) -> Account {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": base64_of(n) });
    Account {
        key: Arc::new(Jwk::parse(&key).unwrap()),
        contacts: vec![format!("mailto:a{n}@example.com")],
        status: AccountState::Valid,
        created: time(n),
        external: Some(json!({ "payload": { "b": 1, "a": [n] } })),
    }
}

fn base64_of(n: u64) -> String {
    use base64::Engine as _;
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn order(n: u64) -> Order {
    Order {
        account: n % 3,
        identifiers: names(n),
        authorizations: vec![n, u64::MAX],
        status: OrderState::Pending,
        expires: time(n),
        error: n.is_multiple_of(2).then(|| Box::new(Problem::unauthorized("no \u{e4} \"quoted\""))),
        serial: None,
        profile: n.is_multiple_of(2).then(|| "shortlived".into()),
        not_before: None,
        not_after: Some(time(n)),
        replaces: None,
    }
}

fn authorization(n: u64) -> Authorization {
    Authorization {
        account: n % 3,
        identifier: names(n % 4)[0].clone(),
        status: AuthorizationState::Pending,
        expires: time(n),
        token: format!("token {n}").into(),
        challenges: ChallengeKind::ALL.iter().copied().map(Challenge::pending).collect(),
        attempts: 0,
        profile: None,
        caa_checked: None,
        preauthorized: n.is_multiple_of(2),
    }
}

fn issued(n: u64) -> Issued {
    Issued {
        serial: format!("{:x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).into(),
        identifiers: names(n % 4),
        account: n % 3,
        order: n,
        at: time(n % 3),
        not_before: time(n),
        not_after: time(n + 90),
        leaf: vec![n as u8; 20].into(),
        issuer: 0,
        wrong_chain: None,
        revoked: None,
        replaced_by: None,
        renewal_info: None,
    }
}

/// All of a database that is kept.
fn kept(db: &Db) -> Kept {
    let mut orders: Vec<_> = db.orders.iter().map(|(id, order)| (*id, order.clone())).collect();
    orders.sort_by_key(|(_, order)| order.expires);
    Kept {
        accounts: db.accounts.iter().map(|(id, row)| (*id, row.clone())).collect(),
        orders,
        authorizations: db.authorizations.iter().map(|(id, row)| (*id, row.clone())).collect(),
        certificates: db.issuance.iter().map(|serial| db.certificates.get(serial).unwrap().clone()).collect(),
        promises: db.promises.iter().map(|(key, row)| (*key, row.clone())).collect(),
    }
}

/// One change of the n-th step.
fn change(db: &mut Db, what: u8, pick: usize, n: u64) {
    let nth = |ids: Vec<u64>| ids.get(pick % ids.len().max(1)).copied();
    match what {
        0 => drop(db.add_account(account(n))),
        1 => drop(db.add_order(order(n), true)),
        2 => drop(db.add_authorization(authorization(n))),
        3 => db.add_certificate(issued(n)),
        4 => drop(db.promises.insert(PromiseKey::Issue(n), Promise::Issue(vec![1, 2].into()))),
        5 => {
            let first = db.promises.keys().next().copied();
            first.map(|key| db.promises.remove(&key));
        }
        6 => {
            if let Some(id) = nth(db.accounts.keys().copied().collect()) {
                db.change_key(id, Jwk::clone(&account(n).key));
            }
        }
        7 => {
            if let Some(order) =
                nth(db.orders.keys().copied().collect()).and_then(|id| db.orders.get_mut(&id))
            {
                order.status = OrderState::Valid;
                order.serial = Some("03".into());
            }
        }
        8 => {
            if let Some(id) = nth(db.authorizations.keys().copied().collect())
                && let Some(authorization) = db.authorizations.get_mut(&id)
            {
                authorization.status = AuthorizationState::Valid;
                authorization.challenges[pick % 5].status = ChallengeState::Valid;
                authorization.challenges[pick % 5].validated = Some(time(n));
                let key = (authorization.account, authorization.identifier.clone());
                db.latest_valid.insert(key, id);
            }
        }
        _ => {
            if let Some(serial) = db.issuance.get(pick % db.issuance.len().max(1)).cloned() {
                db.certificates.get_mut(&serial).unwrap().replaced_by = Some(n);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What is on disk at any moment is what memory had after the last transaction, with all that follows
    /// from it.
    #[test]
    fn a_crash_loses_only_what_was_not_handed_over(
        steps in prop::collection::vec((0_u8..12, 0_usize..50), 1..40),
        restart in 0_usize..40,
    ) {
        let dir = TempDir::new();
        let mut opened = open(dir.path()).unwrap();
        let mut db = empty_db();
        let mut limits = limits();
        db.restore(opened.loaded.db, true);
        let mut model = db.clone_for_tests();
        for (n, (what, pick)) in steps.into_iter().enumerate() {
            if what >= 10 {
                opened.store.submit(&mut db, &mut limits);
                model = db.clone_for_tests();
            } else {
                change(&mut db, what, pick, n as u64);
            }
            if n == restart {
                drop(opened.store);
                opened = open(dir.path()).unwrap();
                let mut again = empty_db();
                again.restore(std::mem::take(&mut opened.loaded.db), true);
                db = again;
                model = db.clone_for_tests();
            }
        }
        // A crash leaves the file as it is, open or not.
        let after = TempDir::new();
        fs::create_dir(at(after.path()).path).unwrap();
        fs::copy(at(dir.path()).path.join("state.redb"), at(after.path()).path.join("state.redb")).unwrap();
        let found = open(after.path()).unwrap();
        prop_assert_eq!(&found.loaded.db, &kept(&model));
        let mut back = empty_db();
        back.restore(found.loaded.db, true);
        prop_assert_eq!(&back.latest_order, &model.latest_order);
        prop_assert_eq!(&back.orders_of, &model.orders_of);
        prop_assert_eq!(&back.issuance, &model.issuance);
        for (key, id) in &model.latest_valid {
            // Of several that became valid in the same second any will do.
            let valid = |id: &u64| {
                let challenges = &back.authorizations.get(id).unwrap().challenges;
                challenges.iter().filter_map(|challenge| challenge.validated).max()
            };
            prop_assert_eq!(back.latest_valid.get(key).map(valid), Some(valid(id)));
        }
        for (id, account) in &model.accounts {
            let found = back.account_of_key(&account.key);
            prop_assert!(found.is_some(), "{}", id);
        }
        for n in 0..4 {
            prop_assert_eq!(back.last_issued(&names(n)), model.last_issued(&names(n)));
        }
    }
}

#[test]
fn a_directory_is_one_process_at_a_time() {
    let dir = TempDir::new();
    let first = open(dir.path()).unwrap();
    let second = open(dir.path()).map(|opened| opened.generation);
    assert!(matches!(second, Err(StateError::InUse { .. })), "{second:?}");
    assert_eq!(first.generation, 0);
    drop(first);
    assert_eq!(open(dir.path()).unwrap().generation, 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let dir = TempDir::new();
    drop(open(dir.path()).unwrap());
    let state = at(dir.path()).path;
    assert_eq!(mode(&state), 0o700);
    let file = state.join("state.redb");
    assert_eq!(mode(&file), 0o600);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(dir.path()).unwrap());
    assert_eq!(mode(&file), 0o600);
}

/// A directory with some objects, and its file.
fn with_objects(dir: &Path) -> (std::path::PathBuf, Kept) {
    let opened = open(dir).unwrap();
    let mut db = empty_db();
    db.restore(Kept::default(), true);
    for n in 0..40 {
        for what in 0..5 {
            change(&mut db, what, 0, n);
        }
    }
    opened.store.submit(&mut db, &mut limits());
    drop(opened);
    (at(dir).path.join("state.redb"), kept(&db))
}

#[test]
fn what_is_no_database_is_refused_and_left_alone() {
    for bytes in [&b""[..], b"hello", &[0; 20_000]] {
        let dir = TempDir::new();
        let (file, _) = with_objects(dir.path());
        fs::write(&file, bytes).unwrap();
        let refused = open(dir.path()).map(|opened| opened.generation);
        assert!(matches!(refused, Err(StateError::Damaged { .. })), "{refused:?}");
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_file_is_refused_or_read_whole() {
    let dir = TempDir::new();
    let (file, kept) = with_objects(dir.path());
    let good = fs::read(&file).unwrap();
    let mut refused = 0;
    for at in (0..good.len()).step_by(good.len() / 60) {
        let mut bad = good.clone();
        bad[at..].iter_mut().take(64).for_each(|byte| *byte ^= 0x5a);
        fs::write(&file, &bad).unwrap();
        match open(dir.path()) {
            Ok(opened) => assert_eq!(opened.loaded.db, kept, "at {at}"),
            Err(StateError::Damaged { .. } | StateError::Database { .. }) => refused += 1,
            Err(other) => panic!("at {at}: {other}"),
        }
    }
    assert!(refused > 0);
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    assert!(open(dir.path()).is_err());
}

#[test]
fn a_later_schema_is_refused() {
    use super::rows::{Batch, TableName};
    let dir = TempDir::new();
    with_objects(dir.path());
    {
        let directory = super::directory::Directory::open(&at(dir.path()).path).unwrap();
        let file = super::file::StateFile::open(&directory, Durability::Process, &Faults::default()).unwrap();
        file.write(&Batch::of(TableName::Facts, b"schema", 2_u32.to_be_bytes().to_vec())).unwrap();
    }
    let refused = open(dir.path()).map(|opened| opened.generation).unwrap_err();
    assert!(matches!(refused, StateError::Newer { found: 2, known: 1, .. }), "{refused}");
    assert!(refused.to_string().contains("later version"));
}

/// A CA in a simulated world whose disk can fail.
async fn served(world: &World, dir: &Path, faults: &Faults) -> (Ca, world::http::Client) {
    let net = world.sim_net().unwrap();
    net.add_host("acme", ["10.0.0.1".parse().unwrap()]);
    let host = world.process("acme");
    let config = Config { base_url: "https://10.0.0.1".into(), ..Config::default() };
    let opened = Store::open_with(&at(dir), false, faults.clone()).unwrap();
    let ca = Ca::over(host.clone(), config, Some(opened)).unwrap();
    let listener = host.listen("10.0.0.1:443".parse::<SocketAddr>().unwrap()).await.unwrap();
    let server = ca.clone();
    host.spawn("server", async move { server.serve_on(listener).await.unwrap() });
    let tls = world::tls::Connector::new(&host, &[ca.web_root()]).unwrap();
    let resolver = world::resolver::Resolver::new(&host, Vec::new());
    (ca, world::http::Client::new(&host, resolver).with_tls(tls))
}

/// A request for a new account: status, and whether it has a nonce and a Location.
async fn new_account(world: &World, ca: &Ca, client: &world::http::Client, label: &str) -> (u16, bool, bool) {
    use base64::Engine as _;
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let key = world.keys(label).generate(KeyAlgorithm::EcdsaP256).unwrap();
    let url = "https://10.0.0.1/acme/new-acct";
    let jwk: serde_json::Value = serde_json::from_str(&key.public().jwk()).unwrap();
    let nonce = ca.state().nonces.issue();
    let protected =
        encode(json!({ "alg": "ES256", "nonce": nonce, "url": url, "jwk": jwk }).to_string().as_bytes());
    let payload = encode(br#"{"termsOfServiceAgreed":true}"#);
    let signature = key.sign_jws(format!("{protected}.{payload}").as_bytes()).signature;
    let body = json!({ "protected": protected, "payload": payload, "signature": encode(&signature) });
    let headers = [("content-type", "application/jose+json")];
    let url = url.parse().unwrap();
    let reply = client.request(http::Method::POST, &url, &headers, body.to_string().into()).await.unwrap();
    if reply.status == 500 {
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["type"], "urn:ietf:params:acme:error:serverInternal");
    }
    (reply.status.as_u16(), reply.header("replay-nonce").is_some(), reply.header("location").is_some())
}

#[test]
fn a_request_that_cannot_be_stored_has_not_happened() {
    let dir = TempDir::new();
    let path = dir.path().to_owned();
    let run = world::sim::run(world::sim::Config::default(), move |world| async move {
        let faults = Faults::default();
        let (ca, client) = served(&world, &path, &faults).await;
        assert_eq!(new_account(&world, &ca, &client, "one").await, (201, true, true));
        faults.0.store(true, Ordering::Release);
        for label in ["two", "three", "two"] {
            assert_eq!(new_account(&world, &ca, &client, label).await, (500, true, false));
        }
        faults.0.store(false, Ordering::Release);
        // The first one finds the file closed still, and opens it.
        assert_eq!(new_account(&world, &ca, &client, "one").await, (500, true, false));
        assert_eq!(ca.state().db.accounts.len(), 1);
        assert_eq!(new_account(&world, &ca, &client, "one").await, (200, true, true));
        assert_eq!(new_account(&world, &ca, &client, "two").await, (201, true, true));
        assert_eq!(ca.journal().to_json_lines().matches("could not store its state").count(), 4);
        drop(ca);
    });
    run.unwrap();
    assert_eq!(open(dir.path()).unwrap().loaded.db.accounts.len(), 2);
}
