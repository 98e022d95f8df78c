//! The store on disk: what was acknowledged is there after a crash, and what is no store is left alone.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::api::{Certificate, Event, Kind, Object, ObjectKey, Secret};
use engine::store::persist::{PersistError, StoreFile};
use engine::store::{Names, Store};
use world::{World, sim};

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("persist-{name}"));
    drop(std::fs::remove_dir_all(&folder));
    folder
}

fn open(world: &World, folder: &std::path::Path) -> Result<Store, PersistError> {
    let names = Names::new(world.rng("names"), BTreeMap::new());
    Store::open(world, names, StoreFile::open(folder)?)
}

fn in_world<T: Send + 'static>(body: impl FnOnce(World) -> T + Send + 'static) -> T {
    sim::run(sim::Config::default(), |world| async move { body(world) }).unwrap().value
}

fn secret(name: &str, value: &str) -> Object {
    let mut secret = Secret::default();
    secret.metadata.name = name.into();
    secret.metadata.namespace = "default".into();
    secret.data.insert("tls.key".into(), value.into());
    secret.into()
}

fn value(store: &Store, name: &str) -> Option<String> {
    let found = store.get(Kind::Secret, &ObjectKey::new("default", name))?;
    let secret = found.get::<Secret>()?.clone();
    Some(String::from_utf8_lossy(secret.data["tls.key"].as_slice()).into_owned())
}

#[test]
fn every_write_is_there_when_it_is_opened_again() {
    let at = folder("again");
    in_world(move |world| {
        let store = open(&world, &at).unwrap();
        store.create(secret("kept", "1")).unwrap();
        let changed = store.create(secret("changed", "1")).unwrap();
        store.create(secret("gone", "1")).unwrap();
        store.update(secret("changed", "2").with_meta(|m| m.uid.clone_from(&changed.meta().uid))).unwrap();
        store.delete(Kind::Secret, &ObjectKey::new("default", "gone")).unwrap();
        let mut certificate = Certificate::default();
        certificate.metadata.name = "c".into();
        certificate.metadata.finalizers.push("f".into());
        certificate.spec.secret_name = "kept".into();
        store.create(certificate.into()).unwrap();
        let mut event = Event::default();
        event.metadata.name = "e".into();
        event.metadata.namespace = "default".into();
        let last = store.create(event.into()).unwrap();
        let before: Vec<_> = store.all().into_iter().filter(|o| o.kind() != Kind::Event).collect();
        // As a crash leaves it: nothing is closed but the file.
        drop(store);
        let store = open(&world, &at).unwrap();
        assert_eq!(store.all(), before);
        assert_eq!(value(&store, "kept").as_deref(), Some("1"));
        assert_eq!(value(&store, "changed").as_deref(), Some("2"));
        assert_eq!(value(&store, "gone"), None);
        assert!(store.list(Kind::Event).is_empty());
        // Versions go on; only the Event's is given again, whose watch is gone.
        let next = store.create(secret("next", "1")).unwrap().meta().resource_version;
        assert_eq!(next, last.meta().resource_version);
    });
}

#[test]
fn one_process_at_a_time() {
    let at = folder("lock");
    in_world(move |world| {
        let store = open(&world, &at).unwrap();
        let second = open(&world, &at).unwrap_err();
        assert!(matches!(second, PersistError::InUse { .. }), "{second}");
        drop(store);
        open(&world, &at).unwrap();
    });
}

#[test]
fn what_is_no_store_is_refused_and_left_as_it_is() {
    for (name, bytes) in
        [("empty", &b""[..]), ("text", b"not a database, but somebody's file"), ("zeros", &[0; 8192])]
    {
        let at = folder(name);
        std::fs::create_dir_all(&at).unwrap();
        let file = at.join("store.redb");
        std::fs::write(&file, bytes).unwrap();
        let error = in_world(move |world| open(&world, &at).unwrap_err().to_string());
        assert!(
            error.contains("store.redb: this is no store of Rehearse, or it is damaged"),
            "{name}: {error}"
        );
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "{name}");
    }
}

#[test]
fn damage_in_the_middle_is_said_or_does_not_matter() {
    let at = folder("damage");
    let original = at.clone();
    in_world(move |world| {
        let store = open(&world, &original).unwrap();
        for n in 0..20 {
            store.create(secret(&format!("s{n}"), &"x".repeat(500))).unwrap();
        }
    });
    let whole = std::fs::read(at.join("store.redb")).unwrap();
    let mut refused = 0;
    for place in (0..whole.len()).step_by(16_411) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        std::fs::write(at.join("store.redb"), &bytes).unwrap();
        let at = at.clone();
        let said = in_world(move |world| match open(&world, &at) {
            Ok(store) => {
                assert!(
                    (0..20).all(|n| value(&store, &format!("s{n}")).is_some()),
                    "{place}: objects are lost"
                );
                false
            }
            Err(error) => {
                assert!(matches!(error, PersistError::Damaged { .. }), "{place}: {error}");
                true
            }
        });
        refused += usize::from(said);
    }
    assert!(refused > 0, "no place mattered");
}

#[cfg(unix)]
#[test]
fn directory_and_file_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let at = folder("modes");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    in_world({
        let at = at.clone();
        move |world| drop(open(&world, &at).unwrap())
    });
    assert_eq!((mode(&at), mode(&at.join("store.redb"))), (0o700, 0o600));
    std::fs::set_permissions(at.join("store.redb"), std::fs::Permissions::from_mode(0o644)).unwrap();
    in_world({
        let at = at.clone();
        move |world| drop(open(&world, &at).unwrap())
    });
    assert_eq!(mode(&at.join("store.redb")), 0o600);
}
