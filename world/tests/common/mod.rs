//! What several test files use: a server's identity and a DNS server of a dozen lines.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::{RData, Record, RecordType};
use world::tls::{Acceptor, Connector};
use world::{KeyAlgorithm, PrivateKey, World};

/// The name that the server has in these tests.
pub(crate) const NAME: &str = "www.example.test";

/// A key and a certificate for [`NAME`], which is its own root.
#[derive(Clone)]
pub(crate) struct Identity {
    key: PrivateKey,
    certificate: Vec<u8>,
}

pub(crate) fn identity(world: &World) -> Identity {
    let key = world.keys("identity").generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.serial_number = Some(1u64.into());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2120, 1, 1);
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    Identity { key, certificate }
}

impl Identity {
    pub(crate) fn acceptor(&self, world: &World) -> Acceptor {
        Acceptor::new(world, vec![self.certificate.clone()], &self.key).unwrap()
    }

    /// Shows the certificate, and signs with another key.
    pub(crate) fn impostor(&self, world: &World) -> Acceptor {
        let key = world.keys("impostor").generate(KeyAlgorithm::EcdsaP256).unwrap();
        Acceptor::new(world, vec![self.certificate.clone()], &key).unwrap()
    }

    pub(crate) fn connector(&self, world: &World) -> Connector {
        Connector::new(world, std::slice::from_ref(&self.certificate)).unwrap()
    }
}

/// Answers that [`NAME`] has one IPv4 address, and that no other name exists.
pub(crate) async fn serve_dns(world: &World, at: SocketAddr, address: &str) -> SocketAddr {
    let address: IpAddr = address.parse().unwrap();
    let socket = world.bind_datagrams(at).await.unwrap();
    let bound = socket.local_addr();
    world.spawn("dns", async move {
        loop {
            let (query, from) = socket.recv_from().await.unwrap();
            let mut message = Message::from_vec(&query).unwrap();
            message.metadata.message_type = MessageType::Response;
            let question = message.queries[0].clone();
            if question.name().to_ascii().trim_end_matches('.') != NAME {
                message.metadata.response_code = ResponseCode::NXDomain;
            } else if let (RecordType::A, IpAddr::V4(ip)) = (question.query_type(), address) {
                message.add_answer(Record::from_rdata(question.name().clone(), 60, RData::A(ip.into())));
            }
            socket.send_to(&message.to_vec().unwrap(), from).await.unwrap();
        }
    });
    bound
}
