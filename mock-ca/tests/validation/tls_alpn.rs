//! tls-alpn-01.

use std::net::{IpAddr, SocketAddr};

use mock_ca::Config;
use mock_ca::db::ChallengeKind::TlsAlpn01;
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, SanType};
use world::tls::{Acceptor, Identity};
use world::{KeyAlgorithm, Listener, World};

use super::{Shown, boulder, outcome, pebble, stage, validate};
use crate::support::{Answers, simulated};

/// What listens where the challenge is looked for.
#[derive(Clone, Copy, Debug)]
enum Server {
    Good,
    Closed,
    Silent,
    /// It closes what connects.
    Rude,
    Http,
    /// Other protocols only, or none at all.
    Protocols(&'static [&'static str]),
    /// No certificate for anybody.
    Alert,
    /// The certificate that it has anyway.
    Fallback,
    /// The certificate of another challenge.
    Other,
}

fn identity(world: &World, name: &str, digest: Option<[u8; 32]>) -> Identity {
    let key = world.keys("challenge").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![match name.parse::<IpAddr>() {
        Ok(ip) => SanType::IpAddress(ip),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }];
    params.custom_extensions = digest.iter().map(|d| CustomExtension::new_acme_identifier(d)).collect();
    let der = params.self_signed(&key).unwrap().der().to_vec();
    Identity::new(world, vec![der], &key)
}

/// Answers handshakes; the identity is for `sni` alone.
fn serve(world: &World, mut listener: Listener, acceptor: Acceptor) {
    world.clone().spawn("tls server", async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A handshake that fails is a part of the tests.
            drop(acceptor.accept(stream).await);
        }
    });
}

fn acceptor(world: &World, sni: &str, identity: Option<Identity>, protocols: &[&str]) -> Acceptor {
    let sni = sni.to_owned();
    let resolve = move |name: Option<&str>, _: &[&[u8]]| {
        assert_eq!(name, Some(sni.as_str()));
        identity.clone()
    };
    Acceptor::resolving(world, resolve).unwrap().with_alpn(protocols)
}

async fn start(
    world: &World,
    at: SocketAddr,
    server: Server,
    name: &str,
    sni: &str,
    shown: &Shown,
) -> Option<Listener> {
    let site = world.process("site");
    let certificate = |digest| identity(&site, name, digest);
    let (identity, protocols): (_, &[&str]) = match server {
        Server::Closed => return None,
        Server::Silent => return Some(site.listen(at).await.unwrap()),
        Server::Rude => {
            let mut listener = site.listen(at).await.unwrap();
            site.clone().spawn("rude", async move {
                while let Ok(connection) = listener.accept().await {
                    drop(connection)
                }
            });
            return None;
        }
        Server::Http => {
            let listener = site.listen(at).await.unwrap();
            let router = axum::Router::new();
            site.clone().spawn("http", async move { world::http::serve(site, listener, None, router).await });
            return None;
        }
        Server::Good => (Some(certificate(Some(shown.digest()))), &["acme-tls/1"]),
        Server::Protocols(list) => (Some(certificate(Some(shown.digest()))), list),
        Server::Alert => (None, &["acme-tls/1"]),
        Server::Fallback => (Some(certificate(None)), &["acme-tls/1", "http/1.1"]),
        Server::Other => (Some(certificate(Some([7; 32]))), &["acme-tls/1"]),
    };
    serve(&site, site.listen(at).await.unwrap(), acceptor(&site, sni, identity, protocols));
    None
}

fn outcome_of(
    dialect: fn(&mut Config),
    server: Server,
    identifier: (&'static str, &'static str),
    sni: &'static str,
) -> String {
    let run = simulated(move |world| async move {
        let net = world.sim_net().unwrap();
        for (name, v6) in [("site", "2001:db8::80"), ("primary", "2001:db8:1::1")] {
            net.add_host(name, [net.addresses(name)[0], v6.parse().unwrap()]);
        }
        let (_stage, mut client) = stage(&world, dialect).await;
        let at: IpAddr = identifier.1.parse().unwrap_or("10.0.0.80".parse().unwrap());
        let mut kept = None;
        let serve = async |shown: &Shown| {
            kept = start(&world, SocketAddr::new(at, 443), server, identifier.1, sni, shown).await;
        };
        outcome(&validate(&mut client, identifier, TlsAlpn01, serve).await)
    });
    // The digest of the key authorization differs with the dialect's tokens.
    match run.value.split_once("but expected ") {
        Some((start, _)) => start.to_owned(),
        None => run.value,
    }
}

#[test]
fn every_outcome_of_a_name() {
    const WRONG: &str = "unauthorized 403: Incorrect validation certificate for tls-alpn-01 challenge. Requested example.com from 10.0.0.80:443. ";
    const NO_PROTOCOL: &str =
        "unauthorized 403: Cannot negotiate ALPN protocol \"acme-tls/1\" for tls-alpn-01 challenge";
    let missing = format!("{WRONG}Required extension OID 1.3.6.1.5.5.7.1.31 is not present");
    let other =
        format!("{WRONG}Received certificate with acmeValidationV1 extension value {} ", "07".repeat(32));
    for (server, connection_or_tls, text) in [
        (Server::Good, "", "valid"),
        (Server::Closed, "connection", "10.0.0.80: Connection refused"),
        (
            Server::Silent,
            "connection",
            "10.0.0.80: Timeout after connect (your server may be slow or overloaded)",
        ),
        (Server::Rude, "connection", "10.0.0.80: Error getting validation data"),
        (Server::Http, "tls", "10.0.0.80: tls: received corrupt message of type InvalidContentType"),
        (Server::Protocols(&["http/1.1"]), "", NO_PROTOCOL),
        (Server::Protocols(&[]), "", NO_PROTOCOL),
        (Server::Alert, "tls", "10.0.0.80: remote error: tls: access denied"),
        (Server::Fallback, "", &missing),
        (Server::Other, "", &other),
    ] {
        for (dialect, boulders) in [(boulder as fn(&mut Config), true), (pebble, false)] {
            let expected = match (connection_or_tls, boulders) {
                ("", _) => text.to_owned(),
                (kind, true) => format!("{kind} 400: {text}"),
                (_, false) => format!("unauthorized 403: {text}"),
            };
            let got = outcome_of(dialect, server, ("dns", "example.com"), "example.com");
            assert_eq!(got, expected, "{server:?} boulder={boulders}");
        }
    }
}

#[test]
fn an_address_is_asked_for_by_its_reverse_name() {
    let v6 = "0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    for (ip, sni) in [("10.0.0.80", "80.0.0.10.in-addr.arpa"), ("2001:db8::80", v6)] {
        assert_eq!(outcome_of(pebble, Server::Good, ("ip", ip), sni), "valid");
        assert!(outcome_of(pebble, Server::Fallback, ("ip", ip), sni).contains("is not present"));
    }
}

/// IPv6 comes first; Boulder goes on to IPv4 when nothing listens there, Pebble does not.
#[test]
fn the_second_address_is_boulders() {
    for (dialect, expected) in [
        (boulder as fn(&mut Config), "valid"),
        (pebble, "unauthorized 403: 2001:db8::80: Connection refused"),
    ] {
        simulated(move |world| async move {
            let net = world.sim_net().unwrap();
            let of = |name: &str, v6: &str| [net.addresses(name)[0], v6.parse().unwrap()];
            net.add_host("site", of("site", "2001:db8::80"));
            net.add_host("primary", of("primary", "2001:db8:1::1"));
            let (stage, mut client) = stage(&world, dialect).await;
            let aaaa = hickory_proto::rr::RData::AAAA("2001:db8::80".parse().unwrap());
            stage.name("example.com AAAA", Answers::Records(vec![aaaa]));
            let at = SocketAddr::new("10.0.0.80".parse().unwrap(), 443);
            let serve = async |shown: &Shown| {
                start(&world, at, Server::Good, "example.com", "example.com", shown).await;
            };
            assert_eq!(
                outcome(&validate(&mut client, ("dns", "example.com"), TlsAlpn01, serve).await),
                expected
            );
        });
    }
}

#[test]
fn on_real_sockets() {
    world::real::run(Some(1), |world| async move {
        let site = world.process("site");
        let listener = site.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let port = listener.local_addr().port();
        let (_stage, mut client) = stage(&world, |config| {
            boulder(config);
            config.tls_port = port;
        })
        .await;
        let serve = async |shown: &Shown| {
            let identity = identity(&site, "example.com", Some(shown.digest()));
            serve(&site, listener, acceptor(&site, "example.com", Some(identity), &["acme-tls/1"]));
        };
        let challenge = validate(&mut client, ("dns", "example.com"), TlsAlpn01, serve).await;
        assert_eq!(outcome(&challenge), "valid");
        assert_eq!(challenge["validationRecord"][0]["addressUsed"], "127.0.0.1");
    })
    .unwrap();
}
