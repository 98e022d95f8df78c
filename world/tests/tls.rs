//! TLS ends: identities from PEM, certificates by name, protocols, and errors that tell what failed; on the
//! simulated network and on loopback sockets alike.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::keys::pem_encode;
use world::sim::Config;
use world::tls::{
    Acceptor, Alert, BadTls, Connector, DialError, Identity, Stage, TlsError, TlsStream, TlsVersion,
    reverse_name,
};
use world::{KeyAlgorithm, PrivateKey, World};

const NAME: &str = "www.example.test";
const LIMIT: Duration = Duration::from_secs(10);

/// Runs `body` in a simulated world whose one host has 127.0.0.1, and in the real one.
fn on_both<F, M>(body: M)
where
    F: Future<Output = ()> + Send + 'static,
    M: Fn(World) -> F + Copy + Send + 'static,
{
    let run = world::sim::run(Config::default(), move |world| {
        world.sim_net().unwrap().add_host("main", ["127.0.0.1".parse().unwrap()]);
        body(world)
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}"));
    world::real::run(None, body).unwrap();
}

fn key(world: &World, algorithm: KeyAlgorithm) -> PrivateKey {
    world.keys(&format!("{algorithm}")).generate(algorithm).unwrap()
}

/// A certificate for [`NAME`] that is its own root.
fn certificate(key: &PrivateKey) -> Vec<u8> {
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.serial_number = Some(1u64.into());
    params.not_before = rcgen::date_time_ymd(1970, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    world::keys::finish_x509(params.self_signed(key).unwrap().der().to_vec(), key.algorithm())
}

fn identity(world: &World, algorithm: KeyAlgorithm) -> Identity {
    let key = key(world, algorithm);
    Identity::new(world, vec![certificate(&key)], &key)
}

/// Accepts for ever; says `hello` on each connection, and waits for its end.
async fn serve(world: &World, acceptor: Acceptor) -> SocketAddr {
    let mut listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let at = listener.local_addr();
    let inside = world.clone();
    world.spawn("server", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            inside.spawn("connection", async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.write_all(b"hello").await;
                let _ = stream.flush().await;
                let _ = stream.read(&mut [0; 1]).await;
            });
        }
    });
    at
}

async fn greeted(mut stream: TlsStream) {
    let mut text = [0; 5];
    stream.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"hello");
}

#[test]
fn every_kind_of_key_serves_from_every_kind_of_pem() {
    on_both(|world| async move {
        for algorithm in [
            KeyAlgorithm::Rsa(2048),
            KeyAlgorithm::EcdsaP256,
            KeyAlgorithm::EcdsaP384,
            KeyAlgorithm::EcdsaP521,
            KeyAlgorithm::Ed25519,
        ] {
            let key = key(&world, algorithm);
            let root = certificate(&key);
            let chain = pem_encode("CERTIFICATE", &root);
            for pem in [key.to_traditional_pem(), key.to_pkcs8_pem()] {
                let acceptor = Acceptor::from_pem(&world, chain.as_bytes(), pem.as_bytes()).unwrap();
                let at = serve(&world, acceptor).await;
                // ring does not verify P-521.
                if algorithm != KeyAlgorithm::EcdsaP521 {
                    let verified = Connector::new(&world, std::slice::from_ref(&root)).unwrap();
                    greeted(verified.dial(at, NAME, LIMIT).await.unwrap()).await;
                }
                let unverified = Connector::unverified(&world).unwrap();
                let stream = unverified.dial(at, "other.test", LIMIT).await.unwrap();
                assert_eq!(stream.peer_certificates(), [root.as_slice()]);
                assert_eq!((stream.alpn(), stream.version()), (None, TlsVersion::V1_3));
                greeted(stream).await;
            }
        }
    });
}

#[test]
fn what_is_no_identity_is_refused() {
    on_both(|world| async move {
        let (p256, p384) = (key(&world, KeyAlgorithm::EcdsaP256), key(&world, KeyAlgorithm::EcdsaP384));
        let chain = pem_encode("CERTIFICATE", &certificate(&p256));
        let made = |chain: &str, key: &str| Identity::from_pem(&world, chain.as_bytes(), key.as_bytes());
        assert!(made(&chain, &p256.to_pkcs8_pem()).is_ok());
        assert_eq!(made(&chain, &p384.to_pkcs8_pem()).unwrap_err(), BadTls::OtherKey);
        assert_eq!(made("", &p256.to_pkcs8_pem()).unwrap_err(), BadTls::NoCertificate);
        assert!(matches!(made(&chain, "").unwrap_err(), BadTls::Key(_)));
        let broken = pem_encode("CERTIFICATE", b"no certificate");
        assert!(matches!(made(&broken, &p256.to_pkcs8_pem()).unwrap_err(), BadTls::Refused(_)));
    });
}

#[test]
fn certificates_go_by_name_and_protocols_by_offer() {
    on_both(|world| async move {
        let (for_name, for_address) =
            (identity(&world, KeyAlgorithm::EcdsaP256), identity(&world, KeyAlgorithm::EcdsaP384));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let asked = seen.clone();
        let acceptor = Acceptor::resolving(&world, move |sni, alpn| {
            let alpn: Vec<_> = alpn.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            asked.lock().unwrap().push((sni.map(str::to_owned), alpn));
            match sni {
                Some(NAME) => Some(for_name.clone()),
                Some("1.0.0.127.in-addr.arpa") => Some(for_address.clone()),
                _ => None,
            }
        });
        let at = serve(&world, acceptor.unwrap().with_alpn(&["h2", "acme-tls/1"])).await;
        let tls = Connector::unverified(&world).unwrap();
        let alpn = |protocols: &[&str]| tls.clone().with_alpn(protocols);

        let stream = alpn(&["acme-tls/1"]).dial(at, "WWW.example.test", LIMIT).await.unwrap();
        assert_eq!(stream.alpn(), Some(b"acme-tls/1".as_slice()));
        let by_name = stream.peer_certificates()[0].to_vec();
        let stream = alpn(&["acme-tls/1", "h2"]).dial(at, &reverse_name(at.ip()), LIMIT).await.unwrap();
        assert_eq!(stream.alpn(), Some(b"h2".as_slice()), "the server's preference");
        assert_ne!(stream.peer_certificates(), [by_name.as_slice()]);
        // No offer is no refusal.
        assert_eq!(tls.dial(at, NAME, LIMIT).await.unwrap().alpn(), None);

        let refused = alpn(&["acme-tls/2"]).dial(at, NAME, LIMIT).await.unwrap_err();
        assert!(matches!(refused, DialError::Tls(TlsError::NoApplicationProtocol)), "{refused:?}");
        for unknown in ["other.test", "127.0.0.1"] {
            let refused = tls.dial(at, unknown, LIMIT).await.unwrap_err();
            assert!(matches!(refused, DialError::Tls(TlsError::Alert(Alert(49)))), "{refused:?}");
            assert_eq!(refused.to_string(), "remote error: tls: access denied");
        }
        let seen = seen.lock().unwrap().clone();
        let one = |sni: Option<&str>, alpn: &[&str]| {
            (sni.map(str::to_owned), alpn.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            seen,
            [
                one(Some(NAME), &["acme-tls/1"]),
                one(Some("1.0.0.127.in-addr.arpa"), &["acme-tls/1", "h2"]),
                one(Some(NAME), &[]),
                one(Some(NAME), &["acme-tls/2"]),
                one(Some("other.test"), &[]),
                one(None, &[]),
            ]
        );
    });
}

#[test]
fn errors_tell_what_failed() {
    on_both(|world| async move {
        let tls = Connector::unverified(&world).unwrap();
        // Nobody listens there.
        let listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let gone = listener.local_addr();
        drop(listener);
        let refused = tls.dial(gone, NAME, LIMIT).await.unwrap_err();
        assert!(matches!(refused, DialError::Connect(_)), "{refused:?}");
        // Somebody listens, and says nothing.
        let silent = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let late = tls.dial(silent.local_addr(), NAME, Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(late, DialError::Timeout(Stage::Handshake)), "{late:?}");
        // No TLS, and a connection that ends in the middle.
        for answer in [b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), b""] {
            let mut listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let at = listener.local_addr();
            world.spawn("no tls", async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 2000]).await;
                let _ = stream.write_all(answer).await;
            });
            match tls.dial(at, NAME, LIMIT).await.unwrap_err() {
                DialError::Tls(TlsError::Refused(_)) => assert!(!answer.is_empty()),
                DialError::Tls(TlsError::Broken(_)) => assert!(answer.is_empty()),
                other => panic!("{other:?}"),
            }
        }
        let at = serve(
            &world,
            Acceptor::with_identity(&world, identity(&world, KeyAlgorithm::EcdsaP256)).unwrap(),
        );
        let at = at.await;
        let name = tls.dial(at, "no name", LIMIT).await.unwrap_err();
        assert!(matches!(name, DialError::Tls(TlsError::Name(_))), "{name:?}");
        let untrusted = Connector::new(&world, &[]).unwrap().dial(at, NAME, LIMIT).await.unwrap_err();
        assert_eq!(untrusted.to_string(), "invalid peer certificate: UnknownIssuer");
    });
}

#[test]
fn a_black_hole_is_a_timeout_of_the_connection() {
    let run = world::sim::run(Config::default(), |world| async move {
        let net = world.sim_net().unwrap();
        net.add_host("main", ["10.0.0.1".parse().unwrap()]);
        net.add_host("far", ["10.0.0.2".parse().unwrap()]);
        net.add_rule(world::net::LinkRule {
            verdict: world::net::Verdict::BlackHole,
            ..world::net::LinkRule::default()
        });
        let tls = Connector::unverified(&world).unwrap();
        let late = tls.dial("10.0.0.2:443".parse().unwrap(), NAME, LIMIT).await.unwrap_err();
        assert!(matches!(late, DialError::Timeout(Stage::Connect)), "{late:?}");
        assert_eq!(world.monotonic().since(world::Instant::default()), LIMIT);
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}"));
}

#[test]
fn sessions_are_resumed_in_real_worlds_only() {
    on_both(|world| async move {
        let key = key(&world, KeyAlgorithm::EcdsaP256);
        let root = certificate(&key);
        let at = serve(&world, Acceptor::new(&world, vec![root.clone()], &key).unwrap()).await;
        let tls = Connector::new(&world, &[root]).unwrap();
        for resumed in [false, !world.is_virtual(), !world.is_virtual()] {
            let mut stream = tls.dial(at, NAME, LIMIT).await.unwrap();
            assert_eq!(stream.resumed(), resumed);
            stream.read_exact(&mut [0; 5]).await.unwrap();
        }
    });
}

#[test]
fn reverse_names_are_those_of_the_rfc() {
    // RFC 8738 section 6.
    let name = reverse_name("2001:db8::1".parse().unwrap());
    assert_eq!(name, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
    assert_eq!(reverse_name("192.0.2.1".parse().unwrap()), "1.2.0.192.in-addr.arpa");
}

/// Accepts once, and tells whom the client showed itself as.
async fn who(world: &World, acceptor: Acceptor, client: &Connector) -> Result<Vec<Vec<u8>>, TlsError> {
    let mut listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let at = listener.local_addr();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let seen = shown.clone();
    world.spawn("server", async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        *seen.lock().unwrap() = stream.peer_certificates().into_iter().map(<[u8]>::to_vec).collect();
        let _ = stream.write_all(b"hello").await;
        let _ = stream.flush().await;
        let _ = stream.read(&mut [0; 1]).await;
    });
    let stream = world.connect(at).await.unwrap();
    greeted(client.handshake("elsewhere.test", stream).await?).await;
    let shown = shown.lock().unwrap().clone();
    Ok(shown)
}

#[test]
fn clients_that_are_asked_show_their_certificate_if_they_have_one() {
    on_both(|world| async move {
        let server = identity(&world, KeyAlgorithm::EcdsaP384);
        let asking = Acceptor::asking_clients(&world, server.clone()).unwrap();
        let silent = Acceptor::with_identity(&world, server).unwrap();
        let bare = Connector::unverified(&world).unwrap();
        assert_eq!(who(&world, asking.clone(), &bare).await.unwrap(), [[0; 0]; 0]);
        for algorithm in
            [KeyAlgorithm::Rsa(2048), KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP521, KeyAlgorithm::Ed25519]
        {
            let key = key(&world, algorithm);
            let own = certificate(&key);
            let client = bare.clone().with_identity(Identity::new(&world, vec![own.clone()], &key));
            assert_eq!(who(&world, asking.clone(), &client).await.unwrap(), [own], "{algorithm}");
            assert_eq!(who(&world, silent.clone(), &client).await.unwrap(), [[0; 0]; 0], "nobody asked");
        }
    });
}

#[test]
fn a_client_needs_the_key_of_the_certificate_that_it_shows() {
    on_both(|world| async move {
        let asking = Acceptor::asking_clients(&world, identity(&world, KeyAlgorithm::EcdsaP384)).unwrap();
        let (own, other) = (
            key(&world, KeyAlgorithm::EcdsaP256),
            world.keys("other").generate(KeyAlgorithm::EcdsaP256).unwrap(),
        );
        let forged = Identity::new(&world, vec![certificate(&own)], &other);
        let client = Connector::unverified(&world).unwrap().with_identity(forged);
        let mut listener = world.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let at = listener.local_addr();
        let refused = Arc::new(Mutex::new(None));
        let seen = refused.clone();
        let done = Arc::new(tokio::sync::Notify::new());
        let told = done.clone();
        world.spawn("server", async move {
            let (stream, _) = listener.accept().await.unwrap();
            *seen.lock().unwrap() = Some(asking.accept(stream).await.is_err());
            told.notify_one();
        });
        // In TLS 1.3 the client is through before the server has looked.
        let stream = client.dial(at, NAME, LIMIT).await;
        done.notified().await;
        assert_eq!(*refused.lock().unwrap(), Some(true));
        drop(stream);
    });
}

#[test]
fn a_name_of_ones_own_takes_the_place_of_the_one_that_is_connected_to() {
    on_both(|world| async move {
        let key = key(&world, KeyAlgorithm::EcdsaP256);
        let root = certificate(&key);
        let acceptor = Acceptor::new(&world, vec![root.clone()], &key).unwrap();
        let tls = Connector::new(&world, &[root]).unwrap();
        let refused = who(&world, acceptor.clone(), &tls).await.unwrap_err();
        assert!(matches!(refused, TlsError::Refused(_)), "{refused:?}");
        assert!(who(&world, acceptor.clone(), &tls.clone().with_server_name(NAME)).await.is_ok());
        let bad = who(&world, acceptor, &tls.with_server_name("no name")).await.unwrap_err();
        assert!(matches!(&bad, TlsError::Name(name) if name == "no name"), "{bad:?}");
    });
}
