//! Hierarchies, and what they sign: chains that verifiers accept, certificates that say what they should.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use mock_ca::ca::csr::Csr;
use mock_ca::ca::{CaError, Hierarchy, HierarchyState, Revoked, Signed};
use mock_ca::config::{Authority, HierarchyConfig, KeyType, LeafKeys, OwnAuthority, Profile, Publication};
use mock_ca::dialect::DialectName;
use mock_ca::issuance::Plan;
use mock_ca::policy::{DnsName, Identifier};
use mock_ca::{Ca, Config};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use world::keys::{finish_x509, pem_encode};
use world::{KeyAlgorithm, PrivateKey, Timestamp, WallClock, World};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

const NOW: &str = "2026-11-01T12:00:00Z";

fn simulated<T: Send + 'static>(body: impl FnOnce(World) -> T + Send + 'static) -> T {
    at(NOW, body)
}

fn at<T: Send + 'static>(start: &str, body: impl FnOnce(World) -> T + Send + 'static) -> T {
    let wall = WallClock { start: start.parse::<Timestamp>().unwrap(), ..WallClock::default() };
    let config = world::sim::Config { wall, ..world::sim::Config::default() };
    world::sim::run(config, |world| async move { body(world) }).unwrap().value
}

/// The request of a key for names.
fn request(key: &PrivateKey, names: &[&str], change: impl FnOnce(&mut rcgen::CertificateParams)) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut params);
    finish_x509(params.serialize_request(key).unwrap().der().to_vec(), key.algorithm())
}

fn key(world: &World, algorithm: KeyAlgorithm) -> PrivateKey {
    world.keys(&format!("leaf {algorithm}")).generate(algorithm).unwrap()
}

/// Signs for a profile of the configuration, now.
fn sign_as(
    world: &World,
    hierarchy: &Hierarchy,
    config: &Config,
    profile: &str,
    algorithm: KeyAlgorithm,
    names: &[&str],
) -> Result<Signed, CaError> {
    let der = request(&key(world, algorithm), names, |_| {});
    let csr = Csr::parse(&der, &config.dialect.table().csr, &config.blocked_keys).unwrap();
    let now = world.now();
    let mut identifiers: Vec<Identifier> = names
        .iter()
        .map(|name| match name.parse() {
            Ok(ip) => Identifier::Ip(ip),
            Err(_) => Identifier::Dns(DnsName::unchecked(name)),
        })
        .collect();
    identifiers.sort();
    let terms = config.terms(Some(profile), now);
    let plan = Plan { order: 1, account: 1, identifiers, terms, not_before: None, not_after: None, at: now };
    hierarchy.sign(config, &plan, &csr)
}

/// The certificates of a chain, as a client gets them.
fn chain(hierarchy: &Hierarchy, signed: &Signed, n: usize) -> Vec<CertificateDer<'static>> {
    let pem = hierarchy.chain_pem(&signed.leaf, signed.issuer, n).unwrap();
    x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).map(|p| p.unwrap().contents.into()).collect()
}

/// Whether a TLS client that trusts only `root` and has these revocation lists accepts the chain.
fn verify(
    root: &[u8],
    chain: &[CertificateDer<'static>],
    name: &str,
    crls: Vec<Vec<u8>>,
    now: Timestamp,
) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let checks = !crls.is_empty();
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if checks {
        builder.with_crls(crls.into_iter().map(Into::into)).only_check_end_entity_revocation()
    } else {
        builder
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.unix_secs()).unwrap()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    builder.build().unwrap().verify_server_cert(&chain[0], &chain[1..], &name, &[], now).map(|_| ())
}

/// Names of the issuers in a chain, from the leaf's up, and of the root.
fn path(hierarchy: &Hierarchy, signed: &Signed, n: usize) -> Vec<String> {
    let mut names: Vec<String> =
        chain(hierarchy, signed, n)[1..].iter().map(|der| common_name(der)).collect();
    names.push(common_name(hierarchy.chain_root(signed.issuer, n).unwrap()));
    names
}

fn common_name(der: &[u8]) -> String {
    let (_, parsed) = X509Certificate::from_der(der).unwrap();
    parsed.subject().iter_common_name().next().unwrap().as_str().unwrap().to_owned()
}

fn pebble(change: impl FnOnce(&mut HierarchyConfig)) -> Config {
    let mut config = Config { base_url: "https://ca.test".to_owned(), ..Config::pebble() };
    change(&mut config.hierarchy);
    config
}

#[test]
fn every_chain_of_every_preset_verifies_up_to_its_root() {
    simulated(|world| {
        let presets = [
            Config::default(),
            pebble(|_| {}),
            pebble(|h| h.alternate_roots = 2),
            pebble(|h| (h.alternate_roots, h.chain_length) = (1, 3)),
            pebble(|h| h.key_type = KeyType::Rsa2048),
            Config::letsencrypt_prod(),
            Config::letsencrypt_staging(),
        ];
        let mut verified = 0;
        for config in presets {
            let hierarchy = Hierarchy::new(&world, &config).unwrap();
            let profile = &config.default_profile;
            for algorithm in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384, KeyAlgorithm::Rsa(2048)] {
                let signed = sign_as(&world, &hierarchy, &config, profile, algorithm, &["a.test"]).unwrap();
                assert!(hierarchy.chains(signed.issuer) > 0);
                for n in 0..hierarchy.chains(signed.issuer) {
                    let root = hierarchy.chain_root(signed.issuer, n).unwrap();
                    assert!(hierarchy.roots().iter().any(|other| other == root));
                    let chain = chain(&hierarchy, &signed, n);
                    verify(root, &chain, "a.test", Vec::new(), world.now()).unwrap_or_else(|error| {
                        panic!("{error}: {algorithm} over {:?}", path(&hierarchy, &signed, n))
                    });
                    assert!(verify(root, &chain, "b.test", Vec::new(), world.now()).is_err());
                    verified += 1;
                }
                assert_eq!(hierarchy.chain_pem(&signed.leaf, signed.issuer, 99), None);
            }
        }
        assert_eq!(verified, 3 * (1 + 1 + 3 + 2 + 1) + 2 * (3 + 3 + 2));
    });
}

#[test]
fn lets_encrypt_signs_by_the_kind_of_key_and_prefers_the_longest_chain() {
    simulated(|world| {
        for (config, prefix) in
            [(Config::letsencrypt_prod(), ""), (Config::letsencrypt_staging(), "(STAGING) ")]
        {
            let hierarchy = Hierarchy::new(&world, &config).unwrap();
            let sign =
                |algorithm| sign_as(&world, &hierarchy, &config, "classic", algorithm, &["a.test"]).unwrap();
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..40 {
                seen.insert(path(&hierarchy, &sign(KeyAlgorithm::EcdsaP256), 0)[0].clone());
            }
            assert!(seen.iter().all(|name| name.starts_with(prefix)), "{seen:?}");
            let ends: Vec<&str> = seen.iter().map(|name| &name[name.len() - 3..]).collect();
            assert_eq!(ends, ["YE1", "YE2"]);
            let rsa = sign(KeyAlgorithm::Rsa(2048));
            let paths: Vec<_> = (0..2).map(|n| path(&hierarchy, &rsa, n)).collect();
            assert!(paths[0][0].ends_with("YR1") || paths[0][0].ends_with("YR2"), "{paths:?}");
            assert_eq!((paths[0].len(), paths[1].len()), (3, 2));
        }
        let config = Config::letsencrypt_prod();
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let signed =
            sign_as(&world, &hierarchy, &config, "classic", KeyAlgorithm::EcdsaP256, &["a.test"]).unwrap();
        let paths: Vec<_> = (0..3).map(|n| path(&hierarchy, &signed, n)[1..].join(" < ")).collect();
        assert_eq!(paths, ["Root YE < ISRG Root X2 < ISRG Root X1", "Root YE < ISRG Root X2", "Root YE"]);
        let (_, leaf) = X509Certificate::from_der(&signed.leaf).unwrap();
        assert!(leaf.issuer().to_string().starts_with("C=US, O=Let's Encrypt, CN=YE"), "{}", leaf.issuer());
        assert_eq!(leaf.signature_algorithm.algorithm.to_id_string(), "1.2.840.10045.4.3.3");
        let roots: Vec<_> = hierarchy.roots().iter().map(|root| common_name(root)).collect();
        assert_eq!(roots, ["ISRG Root X1", "ISRG Root X2", "Root YE", "Root YR"]);
        let issuers: Vec<_> = hierarchy.intermediates().iter().map(|der| common_name(der)).collect();
        assert_eq!(issuers, ["YE1", "YE2", "YR1", "YR2"]);
    });
}

#[test]
fn pebble_names_its_authorities_with_six_digits() {
    simulated(|world| {
        let config = pebble(|h| (h.alternate_roots, h.chain_length) = (2, 2));
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let digits = |text: &str, prefix: &str| {
            let rest = text.strip_prefix(prefix).unwrap_or_else(|| panic!("{text}"));
            assert!(rest.len() == 6 && rest.bytes().all(|b| b.is_ascii_hexdigit()), "{text}");
            rest.to_owned()
        };
        let signed =
            sign_as(&world, &hierarchy, &config, "default", KeyAlgorithm::EcdsaP256, &["a.test"]).unwrap();
        assert_eq!(hierarchy.chains(signed.issuer), 3);
        let mut lowest = std::collections::BTreeSet::new();
        for n in 0..3 {
            let path = path(&hierarchy, &signed, n);
            assert_eq!(path.len(), 3);
            digits(&path[0], "Pebble Intermediate CA ");
            lowest.insert(path[0].clone());
            let id = digits(&path[2], "Pebble Root CA ");
            assert_eq!(path[1], format!("Pebble Intermediate CA {id} #1"));
            // The n-th of the management interface belongs to the n-th chain.
            assert_eq!(common_name(&hierarchy.roots()[n]), path[2]);
            let (_, root) = X509Certificate::from_der(hierarchy.chain_root(0, n).unwrap()).unwrap();
            assert_eq!(root.subject().to_string(), format!("CN={}", path[2]));
            let life = root.validity().not_after.timestamp() - root.validity().not_before.timestamp();
            assert_eq!(life, 30 * 365 * 86_400);
            let usages = root.extended_key_usage().unwrap().unwrap().value;
            assert!(usages.server_auth && !usages.client_auth);
        }
        assert_eq!((lowest.len(), hierarchy.roots().len(), hierarchy.intermediates().len()), (1, 3, 3));
        for n in 0..3 {
            let intermediate = &hierarchy.intermediates()[n];
            assert_eq!(*intermediate, chain(&hierarchy, &signed, n)[1].to_vec());
            let pem = hierarchy.intermediate_keys_pem(n).unwrap();
            assert!(pem.starts_with("-----BEGIN EC PRIVATE KEY-----"));
            let key = PrivateKey::from_pem(pem.as_bytes()).unwrap();
            let (_, parsed) = X509Certificate::from_der(intermediate).unwrap();
            assert_eq!(key.public().spki(), parsed.public_key().raw);
            assert!(hierarchy.root_keys_pem(n).is_some());
        }
        assert_eq!((hierarchy.intermediate_keys_pem(3), hierarchy.root_keys_pem(3)), (None, None));
        let rsa = Hierarchy::new(&world, &pebble(|h| h.key_type = KeyType::Rsa2048)).unwrap();
        assert!(rsa.intermediate_keys_pem(0).unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
        assert!(rsa.root_keys_pem(0).unwrap().starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    });
}

/// A certificate's extensions in a few words, in their order. `!` is critical.
fn extensions(der: &[u8]) -> Vec<String> {
    let (_, parsed) = X509Certificate::from_der(der).unwrap();
    let mut all = vec![format!("subject {}", parsed.subject())];
    for extension in parsed.extensions() {
        let text = match extension.parsed_extension() {
            ParsedExtension::KeyUsage(usage) => format!("usage {usage}"),
            ParsedExtension::ExtendedKeyUsage(usage) => {
                format!(
                    "extended{}{}",
                    if usage.server_auth { " server" } else { "" },
                    if usage.client_auth { " client" } else { "" }
                )
            }
            ParsedExtension::BasicConstraints(basic) => format!("ca {}", basic.ca),
            ParsedExtension::SubjectKeyIdentifier(_) => "skid".to_owned(),
            ParsedExtension::AuthorityKeyIdentifier(_) => "akid".to_owned(),
            ParsedExtension::SubjectAlternativeName(names) => {
                format!("names {}", names.general_names.len())
            }
            ParsedExtension::AuthorityInfoAccess(access) => {
                let urls = access.accessdescs.iter().map(|d| {
                    format!(
                        "{} {}",
                        d.access_method.to_id_string().rsplit('.').next().unwrap(),
                        d.access_location
                    )
                });
                format!("access {}", urls.collect::<Vec<_>>().join(" "))
            }
            ParsedExtension::CertificatePolicies(policies) => {
                format!("policy {}", policies[0].policy_id)
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                let x509_parser::extensions::DistributionPointName::FullName(names) =
                    points.points[0].distribution_point.as_ref().unwrap()
                else {
                    panic!("{points:?}")
                };
                format!("crl {}", names[0])
            }
            ParsedExtension::SCT(list) => format!("scts {}", list.len()),
            ParsedExtension::UnsupportedExtension { oid } => format!("other {oid}"),
            other => format!("{other:?}"),
        };
        all.push(format!("{}{text}", if extension.critical { "!" } else { "" }));
    }
    all
}

#[test]
fn leaves_say_what_their_profile_and_date_want() {
    const P256: KeyAlgorithm = KeyAlgorithm::EcdsaP256;
    const RSA: KeyAlgorithm = KeyAlgorithm::Rsa(2048);
    let classic = |usage: &str, extended: &str| {
        vec![
            "subject CN=a.test".to_owned(),
            format!("!usage {usage}"),
            format!("extended {extended}"),
            "!ca false".to_owned(),
            "skid".to_owned(),
            "akid".to_owned(),
            "access 2 URI(https://acme-v02.api.letsencrypt.org/ca/ISSUER.cer)".to_owned(),
            "names 1".to_owned(),
            "policy 2.23.140.1.2.1".to_owned(),
            "crl URI(https://acme-v02.api.letsencrypt.org/ca/ISSUER/SHARD.crl)".to_owned(),
            "scts 2".to_owned(),
        ]
    };
    let without = |all: Vec<String>, gone: &[&str]| -> Vec<String> {
        let mut rest: Vec<_> = all.into_iter().filter(|e| !gone.iter().any(|g| e.starts_with(g))).collect();
        rest[0] = "subject ".to_owned();
        rest.iter_mut().filter(|e| *e == "names 1").for_each(|e| *e = "!names 1".to_owned());
        rest
    };
    let both = "Digital Signature, Key Encipherment";
    let cases = [
        ("classic", "2026-01-01T00:00:00Z", P256, 90 * 24, classic("Digital Signature", "server client")),
        ("classic", "2026-02-11T00:00:00Z", P256, 90 * 24, classic("Digital Signature", "server")),
        ("classic", "2027-02-10T00:00:00Z", RSA, 64 * 24, classic(both, "server")),
        ("classic", "2028-02-16T00:00:00Z", RSA, 45 * 24, classic(both, "server")),
        (
            "tlsserver",
            "2026-05-12T00:00:00Z",
            P256,
            90 * 24,
            without(classic("Digital Signature", "server"), &["skid"]),
        ),
        (
            "tlsserver",
            "2026-05-13T00:00:00Z",
            RSA,
            45 * 24,
            without(classic("Digital Signature", "server"), &["skid"]),
        ),
        (
            "shortlived",
            "2026-06-01T00:00:00Z",
            P256,
            160,
            without(classic("Digital Signature", "server"), &["skid", "crl"]),
        ),
    ];
    for (profile, date, algorithm, hours, expected) in cases {
        let found = at(date, move |world| {
            let config = Config::letsencrypt_prod();
            let hierarchy = Hierarchy::new(&world, &config).unwrap();
            let signed = sign_as(&world, &hierarchy, &config, profile, algorithm, &["a.test"]).unwrap();
            let (_, leaf) = X509Certificate::from_der(&signed.leaf).unwrap();
            let validity = leaf.validity();
            assert_eq!(validity.not_before.timestamp(), world.now().unix_secs() - 3600);
            assert_eq!(validity.not_after.timestamp() - validity.not_before.timestamp() + 1, hours * 3600);
            assert_eq!((signed.serial.len(), &signed.serial[..2]), (36, "03"));
            let issuer = common_name(hierarchy.issuer_certificate_der(signed.issuer).unwrap()).to_lowercase();
            let shard = hierarchy.shard(leaf.raw_serial());
            assert!((1..=128).contains(&shard));
            extensions(&signed.leaf)
                .into_iter()
                .map(|e| {
                    e.replace(&format!("/{issuer}."), "/ISSUER.")
                        .replace(&format!("/{issuer}/{shard}."), "/ISSUER/SHARD.")
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(found, expected, "{profile} at {date}");
    }
}

#[test]
fn leaves_of_pebble_say_little() {
    simulated(|world| {
        let config = pebble(|_| {});
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let names = ["a.test", "127.0.0.1", "::1"];
        let sign = |config: &Config, hierarchy: &Hierarchy| {
            sign_as(&world, hierarchy, config, "default", KeyAlgorithm::EcdsaP521, &names).unwrap()
        };
        let signed = sign(&config, &hierarchy);
        let plain = [
            "subject ",
            "!usage Digital Signature",
            "extended server",
            "!ca false",
            "skid",
            "akid",
            "!names 3",
        ];
        assert_eq!(extensions(&signed.leaf), plain);
        let (_, leaf) = X509Certificate::from_der(&signed.leaf).unwrap();
        assert_eq!(leaf.validity().not_before.timestamp(), world.now().unix_secs());
        assert_eq!(signed.not_after, signed.not_before + Duration::from_secs(7_776_000 - 1));
        assert_eq!((signed.serial.len(), leaf.raw_serial().len()), (16, 8));
        assert_eq!(leaf.public_key().raw, key(&world, KeyAlgorithm::EcdsaP521).public().spki());

        let mut more = config.clone();
        more.profiles.get_mut("default").unwrap().common_name = Some(true);
        more.hierarchy.publication.ocsp_url = "http://127.0.0.1:4002".to_owned();
        more.subject_key_id = false;
        let hierarchy = Hierarchy::new(&world, &more).unwrap();
        let expected = [
            "subject CN=a.test",
            "!usage Digital Signature",
            "extended server",
            "!ca false",
            "akid",
            "access 1 URI(http://127.0.0.1:4002)",
            "names 3",
        ];
        assert_eq!(extensions(&sign(&more, &hierarchy).leaf), expected);
    });
}

#[test]
fn must_staple_is_copied_where_it_is_allowed() {
    simulated(|world| {
        let stapled = |params: &mut rcgen::CertificateParams| {
            let oid = [1, 3, 6, 1, 5, 5, 7, 1, 24];
            params.custom_extensions =
                vec![rcgen::CustomExtension::from_oid_content(&oid, vec![0x30, 3, 2, 1, 5])];
        };
        let der = request(&key(&world, KeyAlgorithm::Ed25519), &["a.test"], stapled);
        let config = pebble(|_| {});
        let csr = Csr::parse(&der, &config.dialect.table().csr, &[]).unwrap();
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let now = world.now();
        let identifiers = vec![Identifier::Dns(DnsName::unchecked("a.test"))];
        let terms = config.terms(None, now);
        let (before, after) = (now + Duration::from_secs(60), now + Duration::from_secs(3600));
        let dates = (Some(before), Some(after));
        let plan = Plan {
            order: 1,
            account: 1,
            identifiers,
            terms,
            not_before: dates.0,
            not_after: dates.1,
            at: now,
        };
        let signed = hierarchy.sign(&config, &plan, &csr).unwrap();
        assert_eq!(extensions(&signed.leaf).pop().unwrap(), "other 1.3.6.1.5.5.7.1.24");
        assert_eq!((signed.not_before, signed.not_after), (before, after));
        let der = request(&key(&world, KeyAlgorithm::EcdsaP256), &["a.test"], stapled);
        let refused = Csr::parse(&der, &DialectName::Boulder.table().csr, &[]).unwrap_err();
        assert_eq!(refused.kind, mock_ca::problem::ProblemKind::Unauthorized);
    });
}

#[test]
fn each_server_takes_its_kinds_of_keys() {
    simulated(|world| {
        use KeyAlgorithm::{EcdsaP256, EcdsaP384, EcdsaP521, Ed25519, Rsa};
        let cases = [
            (Rsa(2048), true),
            (Rsa(3072), true),
            (EcdsaP256, true),
            (EcdsaP384, true),
            (EcdsaP521, false),
            (Ed25519, false),
        ];
        let (boulder, pebble) = (&DialectName::Boulder.table().csr, &DialectName::Pebble.table().csr);
        for (algorithm, everywhere) in cases {
            let key = key(&world, algorithm);
            let der = request(&key, &["a.test"], |_| {});
            assert_eq!(Csr::parse(&der, boulder, &[]).is_ok(), everywhere, "{algorithm}");
            let csr = Csr::parse(&der, pebble, &[]).unwrap_or_else(|p| panic!("{algorithm}: {}", p.detail));
            assert_eq!((csr.key.public(), csr.key.algorithm()), (key.public(), algorithm));
            assert_eq!(csr.key.as_jwk().to_json().to_string(), key.public().jwk());

            let blocked = [world::hex(&world::sha256(&key.public().spki())).to_uppercase()];
            let refused = Csr::parse(&der, pebble, &blocked).unwrap_err();
            assert_eq!(refused.detail, "invalid public key in CSR: public key is forbidden");

            // One bit of the signature, and one of what is signed.
            for place in [der.len() - 1, der.windows(6).position(|w| w == b"a.test").unwrap()] {
                let mut bad = der.clone();
                bad[place] ^= 1;
                let refused = Csr::parse(&bad, pebble, &[]).unwrap_err();
                assert_eq!(refused.detail, "invalid signature on CSR", "{algorithm} at {place}");
            }
        }
    });
}

#[test]
fn a_hierarchy_from_elsewhere_is_used_as_it_is() {
    simulated(|world| {
        let first = Hierarchy::new(&world, &pebble(|_| {})).unwrap();
        let pem = |der: &[u8]| pem_encode("CERTIFICATE", der);
        let root = OwnAuthority { certificate: pem(&first.roots()[0]), key: first.root_keys_pem(0).unwrap() };
        let intermediate = OwnAuthority {
            certificate: pem(&first.intermediates()[0]),
            key: first.intermediate_keys_pem(0).unwrap(),
        };
        let elsewhere = world.process("elsewhere");
        // Only the root, which signs another intermediate.
        let config = pebble(|h| h.own_root = Some(root.clone()));
        let second = Hierarchy::new(&elsewhere, &config).unwrap();
        assert_eq!(second.roots(), first.roots());
        assert_ne!(second.intermediates(), first.intermediates());
        let signed =
            sign_as(&world, &second, &config, "default", KeyAlgorithm::EcdsaP256, &["a.test"]).unwrap();
        verify(&first.roots()[0], &chain(&second, &signed, 0), "a.test", Vec::new(), world.now()).unwrap();
        // Both; the root's key is not needed then, unless there are other roots to be signed by.
        let public = OwnAuthority { key: String::new(), ..root.clone() };
        let config = pebble(|h| {
            h.own_root = Some(public.clone());
            h.own_intermediate = Some(intermediate.clone());
            h.alternate_roots = 1;
        });
        let third = Hierarchy::new(&elsewhere, &config).unwrap();
        assert_eq!(third.intermediates()[0], first.intermediates()[0]);
        assert_eq!(third.root_keys_pem(0), None);
        let signed =
            sign_as(&world, &third, &config, "default", KeyAlgorithm::EcdsaP256, &["a.test"]).unwrap();
        for n in 0..2 {
            let root = third.chain_root(0, n).unwrap();
            verify(root, &chain(&third, &signed, n), "a.test", Vec::new(), world.now()).unwrap();
        }

        type Change = Box<dyn FnOnce(&mut HierarchyConfig)>;
        let (a, b, c) = (root.clone(), root.clone(), public.clone());
        let foreign = intermediate.clone();
        let cases: [(Change, &str); 6] = [
            (Box::new(move |h| h.own_intermediate = Some(foreign)), "its certificate is not by"),
            (Box::new(move |h| h.own_root = Some(c)), "it has no key to sign with"),
            (
                Box::new(move |h| h.own_root = Some(OwnAuthority { key: intermediate.key, ..a })),
                "its key is not that",
            ),
            (
                Box::new(move |h| h.own_root = Some(OwnAuthority { certificate: "x".to_owned(), ..b })),
                "is not PEM",
            ),
            (
                Box::new(|h| {
                    h.authorities = vec![Authority {
                        name: "a".into(),
                        issuers: vec!["b".into()],
                        ..Authority::default()
                    }]
                }),
                "unknown issuer",
            ),
            (
                Box::new(|h| {
                    h.authorities = vec![Authority {
                        name: "a".into(),
                        signs: Some(LeafKeys::Any),
                        ..Authority::default()
                    }]
                }),
                "no chain leads",
            ),
        ];
        for (change, expected) in cases {
            let error = Hierarchy::new(&elsewhere, &pebble(change)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let shown = format!("{:?}", config.hierarchy);
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
    });
}

#[test]
fn a_hierarchy_goes_on_where_its_state_was_written_down() {
    simulated(|world| {
        let mut config = pebble(|h| h.alternate_roots = 1);
        config.timestamps = 1;
        let sign = |hierarchy: &Hierarchy| {
            sign_as(&world, hierarchy, &config, "default", KeyAlgorithm::EcdsaP256, &["a.test"]).unwrap()
        };
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let before = sign(&hierarchy);
        let text = serde_json::to_string(&hierarchy.to_state()).unwrap();
        let expected = sign(&hierarchy);
        let state: HierarchyState = serde_json::from_str(&text).unwrap();
        assert_eq!(state, Hierarchy::from_state(&world, &config, &state).unwrap().to_state());
        let again = Hierarchy::from_state(&world, &config, &state).unwrap();
        let signed = sign(&again);
        assert_ne!(signed.serial, before.serial);
        assert_eq!(signed.leaf, expected.leaf);
        assert_eq!(again.chain_pem(&[], 0, 1), hierarchy.chain_pem(&[], 0, 1));
        // In another world, too, where nothing would be the same otherwise.
        let other = Hierarchy::from_state(&world.process("other"), &config, &state).unwrap();
        assert_eq!(other.roots(), hierarchy.roots());
        assert_ne!(sign(&other).serial, expected.serial);

        let mut broken = state.clone();
        broken.authorities[0].certificates[0].0 = 9;
        assert!(Hierarchy::from_state(&world, &config, &broken).is_err());
        let mut swapped = state;
        swapped.authorities[0].key = swapped.authorities[1].key.clone();
        assert!(Hierarchy::from_state(&world, &config, &swapped).is_err());
    });
}

#[test]
fn revoked_certificates_are_in_the_list_of_their_shard_and_verifiers_see_it() {
    simulated(|world| {
        let mut config = pebble(|h| h.publication.shards = 3);
        config.crl_url = true;
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let now = world.now();
        let leaves: Vec<(Signed, Vec<u8>)> = (0..12)
            .map(|_| {
                let signed =
                    sign_as(&world, &hierarchy, &config, "default", KeyAlgorithm::EcdsaP256, &["a.test"]);
                let signed = signed.unwrap();
                let serial = X509Certificate::from_der(&signed.leaf).unwrap().1.raw_serial().to_vec();
                (signed, serial)
            })
            .collect();
        let revoked: Vec<Revoked> = leaves
            .iter()
            .zip(0..)
            .filter(|(_, n)| n % 2 == 0)
            .map(|((_, serial), n)| Revoked { serial: serial.clone(), at: now, reason: n % 4 / 2 })
            .collect();
        let lists: Vec<Vec<u8>> =
            (1..=3).map(|shard| hierarchy.crl(0, shard, &revoked, now).unwrap().unwrap()).collect();
        assert_eq!(hierarchy.crl(0, 4, &revoked, now).unwrap(), None);
        assert_eq!(hierarchy.crl(0, 0, &revoked, now).unwrap(), None);
        assert_eq!(hierarchy.crl(1, 1, &revoked, now).unwrap(), None);
        let (_, issuer) = X509Certificate::from_der(hierarchy.issuer_certificate_der(0).unwrap()).unwrap();
        let mut entries = 0;
        for (list, shard) in lists.iter().zip(1..) {
            let (rest, crl) = CertificateRevocationList::from_der(list).unwrap();
            assert!(rest.is_empty());
            crl.verify_signature(issuer.public_key()).unwrap();
            assert_eq!(crl.last_update().timestamp(), now.unix_secs());
            assert_eq!(crl.next_update().unwrap().timestamp(), now.unix_secs() + 9 * 86_400);
            for entry in crl.iter_revoked_certificates() {
                let wanted = revoked.iter().find(|other| other.serial == entry.raw_serial()).unwrap();
                assert_eq!(hierarchy.shard(entry.raw_serial()), shard);
                let reason = entry.reason_code().map_or(0, |(_, reason)| reason.0);
                assert_eq!(reason, wanted.reason);
                entries += 1;
            }
            assert_eq!(crl.crl_number().unwrap().to_string(), now.unix_nanos().to_string());
        }
        assert_eq!(entries, 6);
        for ((signed, _), n) in leaves.iter().zip(0..) {
            let chain = chain(&hierarchy, signed, 0);
            let verdict = verify(&hierarchy.roots()[0], &chain, "a.test", lists.clone(), now);
            assert_eq!(verdict.is_err(), n % 2 == 0, "{verdict:?}");
            if let Err(error) = verdict {
                assert!(format!("{error:?}").contains("Revoked"), "{error:?}");
            }
        }
    });
}

#[test]
fn what_certificates_link_to_is_there() {
    simulated(|world| {
        let mut config =
            Config { base_url: "https://ca.test:14000".to_owned(), ..Config::letsencrypt_prod() };
        config.hierarchy = HierarchyConfig {
            intermediate: "R3 (mock)".to_owned(),
            publication: Publication {
                issuer_url: Publication::ISSUER_URL.to_owned(),
                ..Publication::default()
            },
            ..HierarchyConfig::default()
        };
        let ca = Ca::new(world.clone(), config.clone()).unwrap();
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        let path = |url: Option<String>| url.unwrap().replace("https://ca.test:14000", "");
        assert_eq!(path(hierarchy.issuer_url(0)), "/ca/r3-mock.cer");
        let issuer = ca.published(&path(hierarchy.issuer_url(0))).unwrap().unwrap();
        assert_eq!(issuer.content_type, "application/pkix-cert");
        assert_eq!(issuer.body, hierarchy.intermediates()[0]);
        let crl = ca.published(&path(hierarchy.crl_url(0, 1))).unwrap().unwrap();
        assert_eq!(crl.content_type, "application/pkix-crl");
        assert!(
            CertificateRevocationList::from_der(&crl.body)
                .unwrap()
                .1
                .iter_revoked_certificates()
                .next()
                .is_none()
        );
        for nothing in ["/ca/r3-mock/2.crl", "/ca/r3-mock/x.crl", "/ca/other.cer", "/ca/", "/directory"] {
            assert_eq!(ca.published(nothing).unwrap(), None, "{nothing}");
        }
    });
}

#[test]
fn an_issuer_for_every_key_or_an_error() {
    simulated(|world| {
        let mut config = Config::default();
        let root = Authority { name: "root".into(), issuers: vec!["root".into()], ..Authority::default() };
        let only = Authority {
            name: "only".into(),
            key_type: KeyType::Ed25519,
            issuers: vec!["root".into()],
            signs: Some(LeafKeys::Rsa),
            ..Authority::default()
        };
        let spare = Authority { name: "spare".into(), signs: None, ..only.clone() };
        config.hierarchy.authorities = vec![spare, only, root];
        config.profiles = [("p".to_owned(), Profile::default())].into();
        let hierarchy = Hierarchy::new(&world, &config).unwrap();
        assert_eq!(hierarchy.to_state().authorities.len(), 2, "the spare one is not made");
        let sign = |algorithm| sign_as(&world, &hierarchy, &config, "p", algorithm, &["a.test"]);
        let signed = sign(KeyAlgorithm::Rsa(2048)).unwrap();
        verify(&hierarchy.roots()[0], &chain(&hierarchy, &signed, 0), "a.test", Vec::new(), world.now())
            .unwrap();
        let error = sign(KeyAlgorithm::EcdsaP256).unwrap_err().to_string();
        assert_eq!(error, "certificate: no issuer signs certificates with ECDSA P-256 keys");
    });
}
