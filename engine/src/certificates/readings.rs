//! What stored pairs and requests say, read once per version of their object.
//!
//! Each controller looks at the same Secret and request several times in one sync, and there are five of them: at the
//! start of a process with many Certificates, reading X.509 would be most of what it does. What is read is kept for as
//! long as the object is in the cache.

use std::sync::{Arc, Mutex, PoisonError};

use super::{TLS_CRT, TLS_KEY, data};
use crate::api::{CertificateRequest, Kind, ObjectMeta, Secret};
use crate::informer::Informers;
use crate::keyed::{KeySet, Keyed};
use crate::pki::{self, PkiError};
use world::PublicKey;

/// The pair of a Secret.
#[derive(Debug)]
pub(crate) struct Pair {
    /// The public half of its private key.
    pub(crate) key: Result<PublicKey, PkiError>,
    /// The first certificate of its chain.
    pub(crate) leaf: Result<pki::Leaf, PkiError>,
}

/// How many certificates of CAs are known to be readable at most.
const AUTHORITIES: usize = 1000;

/// Certificates of CAs that can be read: the same few are in the chains of all.
#[derive(Default)]
struct Authorities(KeySet<Vec<u8>>);

impl Authorities {
    fn readable(&mut self, der: &[u8]) -> Result<(), PkiError> {
        if self.0.contains(der) {
            return Ok(());
        }
        pki::readable(der)?;
        if self.0.len() >= AUTHORITIES {
            self.0 = KeySet::default();
        }
        self.0.insert(der.to_vec());
        Ok(())
    }
}

/// What a CertificateRequest asks for.
pub(crate) type Asked = Result<pki::Request, PkiError>;

/// The readings of a process, shared by its controllers.
#[derive(Default)]
pub(crate) struct Readings {
    pairs: Memo<Pair>,
    requests: Memo<Asked>,
    authorities: Mutex<Authorities>,
}

impl std::fmt::Debug for Readings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Readings")
    }
}

impl Readings {
    /// The pair of a Secret.
    pub(crate) fn pair(&self, secret: &Secret) -> Arc<Pair> {
        self.pairs.get(&secret.metadata, || {
            let mut authorities = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
            let leaf = pki::leaf_above(data(secret, TLS_CRT), |der| authorities.readable(der));
            Pair { key: pki::public_half(data(secret, TLS_KEY)), leaf }
        })
    }

    /// Drops what was read of objects that leave the caches of `informers`, from now on.
    pub(crate) fn follow(self: &Arc<Self>, informers: &Informers) {
        let pairs = self.clone();
        informers.on_leaving(Kind::Secret, move |gone| pairs.pairs.forget(&gone.meta().uid));
        let requests = self.clone();
        informers
            .on_leaving(Kind::CertificateRequest, move |gone| requests.requests.forget(&gone.meta().uid));
    }

    /// What a request asks for.
    pub(crate) fn request(&self, request: &CertificateRequest) -> Arc<Asked> {
        self.requests.get(&request.metadata, || pki::request(request.spec.request.as_slice()))
    }
}

/// By uid: a resourceVersion and what that version says.
struct Memo<T>(Mutex<Keyed<String, (u64, Arc<T>)>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Memo(Mutex::default())
    }
}

impl<T> Memo<T> {
    fn get(&self, of: &ObjectMeta, read: impl FnOnce() -> T) -> Arc<T> {
        if of.uid.is_empty() || of.resource_version == 0 {
            // It is from no store, so nothing tells it from another.
            return Arc::new(read());
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, reading)) = known.get(&of.uid)
            && *version == of.resource_version
        {
            return reading.clone();
        }
        let reading = Arc::new(read());
        known.insert(of.uid.clone(), (of.resource_version, reading.clone()));
        reading
    }

    fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::api::Resource as _;
    use crate::client::NoDelay;
    use crate::store::{Names, Store};

    fn meta(uid: &str, resource_version: u64) -> ObjectMeta {
        ObjectMeta { uid: uid.into(), resource_version, ..ObjectMeta::default() }
    }

    #[test]
    fn an_object_is_read_once_per_version_and_a_stranger_each_time() {
        let memo = Memo::default();
        let reading = |meta: &ObjectMeta, value: u32| *memo.get(meta, || value);
        assert_eq!(reading(&meta("a", 1), 10), 10);
        assert_eq!(reading(&meta("a", 1), 11), 10);
        assert_eq!(reading(&meta("a", 2), 12), 12);
        assert_eq!(reading(&meta("a", 1), 13), 13, "a cache that lags may show the version before");
        assert_eq!(reading(&meta("b", 1), 20), 20);
        assert_eq!((reading(&meta("", 1), 30), reading(&meta("", 1), 31)), (30, 31));
        assert_eq!((reading(&meta("c", 0), 40), reading(&meta("c", 0), 41)), (40, 41));
    }

    #[test]
    fn what_cannot_be_read_is_never_taken_for_known_and_few_are_remembered() {
        let mut authorities = Authorities::default();
        assert!([authorities.readable(b"no"), authorities.readable(b"no")].iter().all(Result::is_err));
        let made = world::sim::run(world::sim::Config::default(), |world| async move {
            let key = world.keys("key").generate(world::KeyAlgorithm::EcdsaP256).unwrap();
            pki::make_temporary(
                &world,
                &crate::api::Certificate::default(),
                &key,
                &crate::compat::V1_21.features,
            )
        });
        let der = pki::chain(made.unwrap().value.unwrap().as_ref()).unwrap().remove(0);
        for n in 0..AUTHORITIES {
            authorities.0.insert(n.to_be_bytes().to_vec());
        }
        assert_eq!(authorities.readable(&der), Ok(()));
        assert_eq!((authorities.0.len(), authorities.0.contains(der.as_slice())), (1, true));
    }

    #[test]
    fn what_was_read_goes_with_its_object() {
        let run = world::sim::run(world::sim::Config::default(), |world| async move {
            let store = Store::new(&world, Names::new(world.rng("names"), BTreeMap::new()), 1);
            let readings = Arc::new(Readings::default());
            let informers = Informers::new(&world, &store, Arc::new(NoDelay));
            readings.follow(&informers);
            let secrets = informers.lister::<Secret>();
            informers.start();
            let mut secret = Secret::default();
            (secret.metadata.namespace, secret.metadata.name) = ("default".into(), "tls".into());
            let key = secret.key();
            store.create(secret.into()).unwrap();
            world.sleep(Duration::from_secs(1)).await;
            readings.pair(&secrets.get(&key).unwrap());
            let known = || readings.pairs.0.lock().unwrap().len();
            let before = known();
            store.delete(Kind::Secret, &key).unwrap();
            world.sleep(Duration::from_secs(1)).await;
            (before, known())
        });
        assert_eq!(run.unwrap().value, (1, 0));
    }
}
