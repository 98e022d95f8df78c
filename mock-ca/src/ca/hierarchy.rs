//! The hierarchy at work: who signs which leaf, the chains up to the roots, and what is published.

use std::sync::atomic::{AtomicU64, Ordering};

use world::keys::pem_encode;
use world::{KeyAlgorithm, PrivateKey, Rng, Timestamp, World};

use super::CaError;
use super::authority::{self, AUTHORITY_SERIAL_BYTES, Authority};
use super::crl::{self, Revoked};
use super::sct::Log;
use super::state::{Drawn, HierarchyState};
use crate::config::{Choice, Config, LeafKeys, Publication};

/// Random bytes of a serial number.
pub(super) const SERIAL_BYTES: usize = 17;

/// The roots, the intermediates, and the keys that sign.
pub struct Hierarchy {
    pub(super) authorities: Vec<Authority>,
    pub(super) issuers: Vec<Issuer>,
    pub(super) logs: Vec<Log>,
    serials: Rng,
    /// Serial numbers that authorities have got.
    certified: u64,
    /// Serial numbers that leaves have got.
    drawn: AtomicU64,
    choice: Choice,
    publication: Publication,
}

/// An authority that signs leaves, with what is the same for all of them.
#[derive(Debug)]
pub(super) struct Issuer {
    /// Its place in the list of authorities.
    pub(super) authority: usize,
    pub(super) signs: LeafKeys,
    /// Its name in URLs.
    slug: String,
    chains: Vec<Chain>,
}

/// A way to a root.
#[derive(Debug)]
struct Chain {
    /// The certificates between leaf and root, PEM, each after an empty line.
    pem: String,
    /// The root's place in the list of authorities.
    root: usize,
}

/// Something that issuers publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its content type.
    pub content_type: &'static str,
    /// DER.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Hierarchy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.authorities.iter().map(|authority| &authority.name)).finish()
    }
}

impl Hierarchy {
    /// Makes the keys and certificates of a CA's hierarchy.
    ///
    /// # Errors
    /// When the hierarchy has no issuer or no root, or what is from elsewhere does not fit.
    pub fn new(world: &World, config: &Config) -> Result<Self, CaError> {
        let label = |part: &str| format!("mock-ca {} {part}", world.host());
        let serials = world.rng(&label("serials"));
        let (authorities, certified) = authority::make(world, &config.hierarchy, &label, &serials)?;
        let logs = Log::all(world, &label, config.timestamps)?;
        Self::assemble(config, authorities, logs, serials, Drawn { authorities: certified, leaves: 0 })
    }

    /// The hierarchy that [`Hierarchy::to_state`] has described, which goes on as if it had never stopped.
    /// Of the configuration, `authorities` and the names do not count any more.
    ///
    /// # Errors
    /// When the state does not fit together.
    pub fn from_state(world: &World, config: &Config, state: &HierarchyState) -> Result<Self, CaError> {
        let label = |part: &str| format!("mock-ca {} {part}", world.host());
        let serials = world.rng(&label("serials"));
        let keys = world.keys(&label("state"));
        let (authorities, logs) = state.read(|key| keys.adopt(key))?;
        // What was drawn from the stream before: the authorities' own serial numbers, and the leaves'.
        for _ in 0..state.drawn.authorities {
            let _ = serials.bytes::<AUTHORITY_SERIAL_BYTES>();
        }
        for _ in 0..state.drawn.leaves {
            let _ = serials.bytes::<SERIAL_BYTES>();
        }
        Self::assemble(config, authorities, logs, serials, state.drawn)
    }

    /// The same in a later process, the n-th after the first: its serial numbers are from a stream of their own,
    /// for nobody has written down how many were drawn.
    #[must_use]
    pub(crate) fn restarted(mut self, world: &World, generation: u64) -> Self {
        self.serials = world.rng(&crate::state::label(world, "serials", generation));
        self
    }

    /// All that must be kept to go on elsewhere: certificates, and keys as PKCS #8.
    pub fn to_state(&self) -> HierarchyState {
        let leaves = self.drawn.load(Ordering::Relaxed);
        let drawn = Drawn { authorities: self.certified, leaves };
        HierarchyState::of(&self.authorities, &self.logs, drawn)
    }

    fn assemble(
        config: &Config,
        authorities: Vec<Authority>,
        logs: Vec<Log>,
        serials: Rng,
        drawn: Drawn,
    ) -> Result<Self, CaError> {
        let mut publication = config.hierarchy.publication.clone();
        if publication.base.is_empty() {
            publication.base.clone_from(&config.base_url);
        }
        let mut issuers: Vec<Issuer> = Vec::new();
        for (at, authority) in authorities.iter().enumerate() {
            let Some(signs) = authority.signs else { continue };
            let mut chains = Vec::new();
            climb(&authorities, at, &mut vec![at], String::new(), &mut chains);
            if chains.is_empty() {
                let what = format!("hierarchy: no chain leads from {:?} to a root", authority.name);
                return Err(CaError::Config(what));
            }
            let mut slug = slug(&authority.name);
            if issuers.iter().any(|other| other.slug == slug) {
                slug = format!("{slug}-{at}");
            }
            issuers.push(Issuer { authority: at, signs, slug, chains });
        }
        if issuers.is_empty() || issuers.len() > usize::from(u16::MAX) {
            return Err(CaError::Config("hierarchy: no authority signs leaves, or too many do".to_owned()));
        }
        let choice = config.hierarchy.choice;
        let Drawn { authorities: certified, leaves } = drawn;
        let drawn = leaves.into();
        Ok(Hierarchy { authorities, issuers, logs, serials, certified, drawn, choice, publication })
    }

    /// The roots, DER: all authorities that have signed their own certificate.
    pub fn roots(&self) -> Vec<Vec<u8>> {
        self.root_authorities().map(|(_, der)| der.to_vec()).collect()
    }

    /// The certificates of those that sign leaves, DER, an issuer after the other; one that several roots
    /// have signed has several.
    pub fn intermediates(&self) -> Vec<Vec<u8>> {
        self.issuing_certificates().map(|(_, der)| der.to_vec()).collect()
    }

    /// The key of the n-th root, PEM: PKCS #1 for RSA, SEC 1 for ECDSA, else PKCS #8. `None` when there is no
    /// such root, or its key is elsewhere.
    pub fn root_keys_pem(&self, n: usize) -> Option<String> {
        let (authority, _) = self.root_authorities().nth(n)?;
        authority.key.as_ref().map(PrivateKey::to_traditional_pem)
    }

    /// The key of the n-th intermediate, as with roots.
    pub fn intermediate_keys_pem(&self, n: usize) -> Option<String> {
        let (authority, _) = self.issuing_certificates().nth(n)?;
        authority.key.as_ref().map(PrivateKey::to_traditional_pem)
    }

    /// The logs whose promises certificates have.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// How many chains there are from a certificate of this issuer to a root.
    pub fn chains(&self, issuer: u16) -> usize {
        self.issuers.get(usize::from(issuer)).map_or(0, |issuer| issuer.chains.len())
    }

    /// The root of a chain, DER.
    pub fn chain_root(&self, issuer: u16, chain: usize) -> Option<&[u8]> {
        let root = self.issuers.get(usize::from(issuer))?.chains.get(chain)?.root;
        self_signed(&self.authorities, root)
    }

    /// The certificate and its intermediates, PEM, parted by an empty line as in Let's Encrypt's answers.
    pub fn chain_pem(&self, leaf: &[u8], issuer: u16, chain: usize) -> Option<String> {
        let chain = self.issuers.get(usize::from(issuer))?.chains.get(chain)?;
        let mut pem = pem_encode("CERTIFICATE", leaf);
        pem.push_str(&chain.pem);
        Some(pem)
    }

    /// The certificate of an issuer that leads to its preferred root, DER.
    pub fn issuer_certificate_der(&self, issuer: u16) -> Option<&[u8]> {
        let authority = self.authorities.get(self.issuers.get(usize::from(issuer))?.authority)?;
        authority.certificates.first().map(|certificate| certificate.der.as_slice())
    }

    /// Where an issuer's certificate is, if leaves say it.
    pub fn issuer_url(&self, issuer: u16) -> Option<String> {
        self.url(&self.publication.issuer_url, issuer, 0)
    }

    /// Where the revocation list of an issuer's shard is.
    pub fn crl_url(&self, issuer: u16, shard: u16) -> Option<String> {
        self.url(&self.publication.crl_url, issuer, shard)
    }

    /// Who answers OCSP; empty is nobody.
    pub(super) fn ocsp_url(&self) -> &str {
        &self.publication.ocsp_url
    }

    /// How long after its end a certificate stays in revocation lists: until all that were made before are
    /// out of date.
    pub fn crl_lifetime(&self) -> std::time::Duration {
        self.publication.crl_lifetime
    }

    /// The list that a certificate with this serial number belongs to, from 1 on.
    pub fn shard(&self, serial: &[u8]) -> u16 {
        crl::shard(serial, self.publication.shards)
    }

    /// The revocation list of an issuer's shard, DER; `None` when there is no such list. Entries of other
    /// shards are left out.
    ///
    /// # Errors
    /// When the issuer has no key to sign with.
    pub fn crl(
        &self,
        issuer: u16,
        shard: u16,
        revoked: &[Revoked],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, CaError> {
        let Some(found) = self.issuers.get(usize::from(issuer)) else { return Ok(None) };
        if !(1..=self.publication.shards.max(1)).contains(&shard) {
            return Ok(None);
        }
        let entries: Vec<_> = revoked.iter().filter(|entry| self.shard(&entry.serial) == shard).collect();
        let url = self.crl_url(issuer, shard);
        let lifetime = self.publication.crl_lifetime;
        crl::make(&self.authorities[found.authority], &entries, url.as_deref(), now, lifetime).map(Some)
    }

    /// What the path of [`Publication::ISSUER_URL`] or [`Publication::CRL_URL`] leads to. `revoked` gives
    /// all revoked certificates of an issuer.
    ///
    /// # Errors
    /// When the issuer has no key to sign a list with.
    pub fn published(
        &self,
        path: &str,
        now: Timestamp,
        revoked: impl FnOnce(u16) -> Vec<Revoked>,
    ) -> Result<Option<Published>, CaError> {
        let Some(path) = path.strip_prefix("/ca/") else { return Ok(None) };
        let issuer = |slug: &str| {
            let at = self.issuers.iter().position(|issuer| issuer.slug == slug);
            at.and_then(|at| u16::try_from(at).ok())
        };
        if let Some(slug) = path.strip_suffix(".cer") {
            let der = issuer(slug).and_then(|issuer| self.issuer_certificate_der(issuer));
            return Ok(der.map(|der| Published { content_type: "application/pkix-cert", body: der.to_vec() }));
        }
        let parts = path.strip_suffix(".crl").and_then(|path| path.split_once('/'));
        let Some((slug, shard)) = parts else { return Ok(None) };
        let (Some(issuer), Ok(shard)) = (issuer(slug), shard.parse()) else { return Ok(None) };
        let crl = self.crl(issuer, shard, &revoked(issuer), now)?;
        Ok(crl.map(|body| Published { content_type: "application/pkix-crl", body }))
    }

    /// The next serial number's randomness.
    pub(super) fn draw(&self) -> [u8; SERIAL_BYTES] {
        self.drawn.fetch_add(1, Ordering::Relaxed);
        self.serials.bytes()
    }

    /// Who signs a leaf with this kind of key. `random` is the randomness of its serial number.
    pub(super) fn choose(&self, key: KeyAlgorithm, random: &[u8; SERIAL_BYTES]) -> Result<u16, CaError> {
        let mut able = (0..).zip(&self.issuers).filter(|(_, issuer)| issuer.signs.has(key)).map(|(at, _)| at);
        let none = || CaError::Certificate(format!("no issuer signs certificates with {key} keys"));
        match self.choice {
            Choice::First => able.next().ok_or_else(none),
            Choice::Drawn => {
                let able: Vec<u16> = able.collect();
                let count = able.len().max(1);
                let drawn = random.iter().rev().take(4).fold(0, |n, byte| n << 8 | usize::from(*byte));
                able.get(drawn % count).copied().ok_or_else(none)
            }
        }
    }

    fn root_authorities(&self) -> impl Iterator<Item = (&Authority, &[u8])> {
        (0..self.authorities.len())
            .filter_map(|at| Some((&self.authorities[at], self_signed(&self.authorities, at)?)))
    }

    fn issuing_certificates(&self) -> impl Iterator<Item = (&Authority, &[u8])> {
        let issuing = self.issuers.iter().map(|issuer| &self.authorities[issuer.authority]);
        issuing
            .flat_map(|authority| authority.certificates.iter().map(move |c| (authority, c.der.as_slice())))
    }

    fn url(&self, template: &str, issuer: u16, shard: u16) -> Option<String> {
        let issuer = self.issuers.get(usize::from(issuer))?;
        let base = &self.publication.base;
        if template.is_empty() || (base.is_empty() && template.contains("{base}")) {
            return None;
        }
        let url = template.replace("{base}", base).replace("{issuer}", &issuer.slug);
        Some(url.replace("{shard}", &shard.to_string()))
    }
}

/// The certificate that an authority has from itself.
fn self_signed(authorities: &[Authority], at: usize) -> Option<&[u8]> {
    let mut certificates = authorities.get(at)?.certificates.iter();
    certificates.find(|certificate| certificate.issuer == at).map(|certificate| certificate.der.as_slice())
}

/// Collects the chains from the last authority of `path`, those over preferred certificates first.
fn climb(authorities: &[Authority], at: usize, path: &mut Vec<usize>, pem: String, chains: &mut Vec<Chain>) {
    for certificate in &authorities[at].certificates {
        if certificate.issuer == at {
            chains.push(Chain { pem: pem.clone(), root: at });
        } else if !path.contains(&certificate.issuer) {
            path.push(certificate.issuer);
            let pem = format!("{pem}\n{}", pem_encode("CERTIFICATE", &certificate.der));
            climb(authorities, certificate.issuer, path, pem, chains);
            path.pop();
        }
    }
}

/// A name as it stands in a URL.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}
