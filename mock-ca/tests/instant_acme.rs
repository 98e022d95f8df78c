//! A client that is not ours: instant-acme, over real sockets, from its first request to the chain.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use crate::support::{Page, Stage, finalize_body};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use instant_acme::{Account, ChallengeType, Identifier, NewAccount, NewOrder, OrderStatus, RetryPolicy};
use world::KeyAlgorithm;
use world::http::HyperConnector;
use world::resolver::Resolver;
use world::tls::Connector;

async fn issue(stage: &Stage) -> String {
    let world = stage.world.process("client");
    let tls = Connector::new(&world, &[stage.ca.web_root()]).unwrap();
    let connector = HyperConnector::new(&world, Resolver::new(&world, Vec::new()), tls);
    let http = Client::builder(TokioExecutor::new()).build(connector);
    let contact = NewAccount {
        contact: &["mailto:a@example.com"],
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let builder = Account::builder_with_http(Box::new(http));
    let (account, _) = builder.create(&contact, stage.ca.directory_url(), None).await.unwrap();
    let names = [Identifier::Dns("example.com".to_owned()), Identifier::Dns("www.example.com".to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names)).await.unwrap();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        let mut challenge = authorization.challenge(ChallengeType::Http01).unwrap();
        let path = format!("/.well-known/acme-challenge/{}", challenge.token);
        stage.page(&path, Page::Text(challenge.key_authorization().as_str().to_owned()));
        challenge.set_ready().await.unwrap();
    }
    assert_eq!(order.poll_ready(&RetryPolicy::default()).await.unwrap(), OrderStatus::Ready);
    let names = vec!["example.com".to_owned(), "www.example.com".to_owned()];
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let key = stage.world.keys("certificate").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let csr: serde_json::Value = serde_json::from_str(&finalize_body(&params, &key)).unwrap();
    let der = base64::Engine::decode(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        csr["csr"].as_str().unwrap(),
    );
    order.finalize_csr(&der.unwrap()).await.unwrap();
    order.poll_certificate(&RetryPolicy::default()).await.unwrap()
}

#[test]
fn a_client_of_the_field_gets_its_certificate() {
    world::real::run(Some(1), |world| async move {
        let stage = Stage::new(&world, |_| {}).await;
        let chain = issue(&stage).await;
        assert_eq!(stage.ca.chain_pem(&stage.ca.issued()[0], 0), Some(chain));
    })
    .unwrap();
}

#[test]
fn it_waits_for_an_asynchronous_finalize() {
    world::real::run(Some(1), |world| async move {
        let stage = Stage::new(&world, |config| {
            config.async_finalize = true;
            config.retry_after.order = Some(std::time::Duration::from_secs(1));
        })
        .await;
        let chain = issue(&stage).await;
        assert_eq!(stage.ca.chain_pem(&stage.ca.issued()[0], 0), Some(chain));
    })
    .unwrap();
}
