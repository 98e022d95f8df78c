//! Challenges tls-alpn-01 (RFC 8737, and RFC 8738 for addresses): the certificate that carries the digest
//! of the key authorization, shown to clients that speak `acme-tls/1` and nothing else.

use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, DnType, SanType, SerialNumber};
use tokio::io::AsyncReadExt as _;
use world::tls::{Acceptor, BadTls, Identity};
use world::{KeyAlgorithm, Listener, PrivateKey, World, sha256};

use super::history::TlsAlpnEvent;
use super::{ChallTest, lock, names};

/// The protocol of the challenge.
const PROTOCOL: &str = "acme-tls/1";
/// How long before now certificates begin, so that clocks may differ.
const BEFORE: Duration = Duration::from_secs(3600);
/// Their life from now on.
const LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// A handshake takes at most this long.
const HANDSHAKE_MAX: Duration = Duration::from_secs(30);

/// A certificate or a key that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key.
    #[error(transparent)]
    Key(#[from] world::keys::KeyError),
    /// A name that no certificate can have.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS configuration.
    #[error(transparent)]
    Tls(#[from] BadTls),
}

/// What was given for a host, and the certificate once it was asked for.
#[derive(Debug)]
pub(crate) struct Challenge {
    key_authorization: String,
    identity: Option<Identity>,
}

impl Challenge {
    pub(crate) fn new(key_authorization: &str) -> Self {
        Challenge { key_authorization: key_authorization.to_owned(), identity: None }
    }
}

/// Makes self-signed certificates, all with one key.
pub(crate) struct Signer {
    key: PrivateKey,
}

impl Signer {
    pub(crate) fn new(world: &World) -> Result<Self, TlsError> {
        let keys = world.keys(&format!("mock-dns challtest {} key", world.host()));
        Ok(Signer { key: keys.generate(KeyAlgorithm::EcdsaP256)? })
    }

    fn identity(&self, world: &World, mut params: CertificateParams) -> Result<Identity, TlsError> {
        let now = world.now();
        params.not_before = (now - BEFORE).to_offset_date_time();
        params.not_after = (now + LIFE).to_offset_date_time();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "mock-dns challenge responder");
        let names = format!("{:?} {}", params.subject_alt_names, now.unix_nanos());
        let mut serial = sha256(names.as_bytes());
        // Positive, and without a leading zero.
        serial[0] = serial[0] & 0x3f | 0x40;
        params.serial_number = Some(SerialNumber::from_slice(&serial[..16]));
        let certificate = params.self_signed(&self.key)?;
        Ok(Identity::new(world, vec![certificate.der().to_vec()], &self.key))
    }

    /// What the https-01 responder shows to everybody: validation does not look at it.
    pub(crate) fn responder(&self, world: &World) -> Result<Acceptor, TlsError> {
        let params = CertificateParams::new(vec!["localhost".to_owned()])?;
        Ok(Acceptor::with_identity(world, self.identity(world, params)?)?)
    }

    /// The certificate of a challenge for `name`, a name or the reverse name of an address.
    fn challenge(&self, world: &World, name: &str, key_authorization: &str) -> Result<Identity, TlsError> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match names::address_of(name) {
            Some(ip) => SanType::IpAddress(ip),
            None => SanType::DnsName(name.to_owned().try_into()?),
        }];
        let digest = sha256(key_authorization.as_bytes());
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
        self.identity(world, params)
    }
}

impl ChallTest {
    /// Shows a challenge's certificate to who asks for it by name, and notes everybody who asks.
    pub(super) fn tls_alpn_acceptor(&self) -> Result<Acceptor, BadTls> {
        let own = self.clone();
        let acceptor = Acceptor::resolving(&self.0.world, move |name, protocols| {
            own.note_tls_alpn(name, protocols);
            // RFC 8737 section 3: that protocol, and no other.
            match protocols {
                [only] if *only == PROTOCOL.as_bytes() => own.challenge_identity(name?),
                _ => None,
            }
        });
        Ok(acceptor?.with_alpn(&[PROTOCOL]))
    }

    fn note_tls_alpn(&self, name: Option<&str>, protocols: &[&[u8]]) {
        let texts = || protocols.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
        let event = TlsAlpnEvent {
            at: self.0.world.now(),
            server_name: name.unwrap_or_default().to_owned(),
            protocols: (!protocols.is_empty()).then(texts),
        };
        lock(&self.0.history).tls_alpn.push(event);
    }

    fn challenge_identity(&self, name: &str) -> Option<Identity> {
        let name = names::server_name_key(name);
        let key_authorization = {
            let challenges = lock(&self.0.tls_alpn);
            let challenge = challenges.get(&name)?;
            if let Some(identity) = &challenge.identity {
                return Some(identity.clone());
            }
            challenge.key_authorization.clone()
        };
        let identity = self.0.signer.challenge(&self.0.world, &name, &key_authorization).ok()?;
        if let Some(challenge) = lock(&self.0.tls_alpn).get_mut(&name)
            && challenge.key_authorization == key_authorization
        {
            challenge.identity = Some(identity.clone());
        }
        Some(identity)
    }

    /// Does handshakes: the challenge is over when one is done.
    pub(super) async fn serve_tls_alpn(self, listener: Listener, tls: Acceptor) {
        let serve = |own: ChallTest, stream, _| {
            let tls = tls.clone();
            async move {
                let handshake = async {
                    let Ok(mut stream) = tls.accept(stream).await else { return };
                    // The client hangs up when it has seen the certificate.
                    drop(stream.read(&mut [0; 64]).await);
                };
                let _ = own.0.world.timeout(HANDSHAKE_MAX, handshake).await;
            }
        };
        self.serve_connections(listener, "mock-dns tls-alpn-01", serve).await;
    }
}
