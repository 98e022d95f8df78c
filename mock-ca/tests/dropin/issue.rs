//! A client that is not ours gets a certificate.

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use instant_acme::{Account, ChallengeType, Identifier, NewAccount, NewOrder, RetryPolicy};
use world::World;
use world::http::HyperConnector;
use world::resolver::Resolver;
use world::tls::Connector;

/// An account, and the chain of a certificate for `name` by any challenge.
pub(crate) async fn issue(world: &World, directory: String, name: &str) -> (Account, String) {
    let tls = Connector::unverified(world).unwrap();
    let connector = HyperConnector::new(world, Resolver::new(world, Vec::new()), tls);
    let http = Client::builder(TokioExecutor::new()).build(connector);
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(http));
    let (account, _) = builder.create(&new, directory, None).await.unwrap();
    let names = [Identifier::Dns(name.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&names)).await.unwrap();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.unwrap();
        authorization.challenge(ChallengeType::Http01).unwrap().set_ready().await.unwrap();
    }
    order.poll_ready(&RetryPolicy::default()).await.unwrap();
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let key = world.keys("certificate").generate(world::KeyAlgorithm::EcdsaP256).unwrap();
    let csr = params.serialize_request(&key).unwrap();
    order.finalize_csr(csr.der()).await.unwrap();
    let chain = order.poll_certificate(&RetryPolicy::default()).await.unwrap();
    (account, chain)
}
