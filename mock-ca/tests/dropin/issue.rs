//! A client that is not ours gets a certificate.

use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use instant_acme::{
    Account, BodyWrapper, BytesResponse, ChallengeType, Error, HttpClient, Identifier, NewAccount, NewOrder,
    RetryPolicy,
};
use world::World;
use world::http::Client;

struct Transport(Client);

impl HttpClient for Transport {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let headers: Vec<_> =
                parts.headers.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
            let url = parts.uri.to_string().parse().unwrap();
            let reply = client.request(parts.method, &url, &headers, body).await;
            let reply = reply.map_err(|e| Error::Other(Box::new(e)))?;
            let mut response = http::Response::new(Full::new(reply.body));
            *response.status_mut() = reply.status;
            *response.headers_mut() = reply.headers;
            Ok(response.into())
        })
    }
}

/// An account, and the chain of a certificate for `name` by any challenge.
pub(crate) async fn issue(world: &World, client: Client, directory: String, name: &str) -> (Account, String) {
    let new = NewAccount { contact: &[], terms_of_service_agreed: true, only_return_existing: false };
    let builder = Account::builder_with_http(Box::new(Transport(client)));
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
