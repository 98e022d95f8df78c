//! What a certificate links to, fetched from a running CA before and after its revocation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crate::support::{Stage, simulated};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use mock_ca::config::Publication;
use serde_json::json;
use world::World;
use x509_parser::extensions::{DistributionPointName, GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

/// The URLs in a certificate: of its issuer, and of its revocation list.
fn links(der: &[u8]) -> (String, String) {
    let (_, parsed) = X509Certificate::from_der(der).unwrap();
    let url = |name: &GeneralName<'_>| match name {
        GeneralName::URI(url) => (*url).to_owned(),
        other => panic!("{other:?}"),
    };
    let (mut issuer, mut crl) = (String::new(), String::new());
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => {
                issuer = url(&access.accessdescs[0].access_location);
            }
            ParsedExtension::CRLDistributionPoints(points) => {
                let Some(DistributionPointName::FullName(names)) = &points.points[0].distribution_point
                else {
                    panic!("{points:?}")
                };
                crl = url(&names[0]);
            }
            _ => {}
        }
    }
    (issuer, crl)
}

async fn fetch_and_revoke(world: World) {
    let stage = Stage::new(&world, |config| {
        config.crl_url = true;
        config.hierarchy.publication.shards = 4;
        config.hierarchy.publication.issuer_url = Publication::ISSUER_URL.to_owned();
    })
    .await;
    let mut client = stage.client("one").await;
    let (_, order) = client.ready_order(&stage, &["example.com"]).await;
    let reply = client.post(order["finalize"].as_str().unwrap(), &client.csr(&["example.com"])).await;
    assert_eq!(reply.status, 200);
    let issued = stage.ca.issued().remove(0);
    let (issuer_url, crl_url) = links(&issued.leaf);

    let issuer = client.fetch(Method::GET, &issuer_url).await;
    assert_eq!(issuer.header("content-type"), Some("application/pkix-cert"));
    let (_, issuer) = X509Certificate::from_der(&issuer.body).unwrap();
    let (_, leaf) = X509Certificate::from_der(&issued.leaf).unwrap();
    leaf.verify_signature(Some(issuer.public_key())).unwrap();

    let mut serials = Vec::new();
    for revoked in [false, true] {
        if revoked {
            let body = json!({ "certificate": URL_SAFE_NO_PAD.encode(&issued.leaf), "reason": 4 });
            let reply = client.post(&client.url("/acme/revoke-cert"), &body.to_string()).await;
            assert_eq!(reply.status, 200);
        }
        let list = client.fetch(Method::GET, &crl_url).await;
        assert_eq!(list.header("content-type"), Some("application/pkix-crl"));
        let (_, list) = CertificateRevocationList::from_der(&list.body).unwrap();
        list.verify_signature(issuer.public_key()).unwrap();
        let listed = list.iter_revoked_certificates();
        serials.push(
            listed
                .map(|entry| (world::hex(entry.raw_serial()), entry.reason_code().unwrap().1.0))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(serials, [Vec::new(), vec![(issued.serial.to_string(), 4)]]);
    assert_eq!(client.fetch(Method::GET, &client.url("/ca/r3/5.crl")).await.status, 404);
    assert_eq!(client.fetch(Method::POST, &crl_url).await.status, 404);
}

#[test]
fn in_virtual_time() {
    simulated(fetch_and_revoke);
}

#[test]
fn on_real_sockets() {
    world::real::run(Some(1), fetch_and_revoke).unwrap();
}
