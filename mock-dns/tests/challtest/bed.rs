//! A challenge server and a client of it, on the simulated network or on real sockets.

use std::net::SocketAddr;

use hickory_proto::op::ResponseCode;
use http::Method;
use mock_dns::RecordType;
use mock_dns::challtest::{ChallTest, Config, Service, Serving};
use serde_json::Value;
use world::World;
use world::http::{Client, Response, Url};
use world::resolver::Resolver;
use world::tls::{Connector, TlsStream};

pub(crate) struct Bed {
    pub(crate) world: World,
    pub(crate) servers: ChallTest,
    pub(crate) serving: Serving,
}

/// Runs `body` against servers on the simulated network.
pub(crate) fn simulated<F>(change: fn(&World, &mut Config), body: impl FnOnce(Bed) -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let config = world::sim::Config::default();
    let run = world::sim::run(config, move |world| async move {
        let net = world.sim_net().unwrap().clone();
        net.add_host("responder", ["10.0.0.5".parse().unwrap()]);
        net.add_host("main", ["10.0.0.9".parse().unwrap()]);
        let mut config = Config::at("10.0.0.5".parse().unwrap());
        config.default_ipv4 = "10.0.0.5".parse().ok();
        change(&world, &mut config);
        let servers = ChallTest::new(world.process("responder"), config).unwrap();
        let serving = servers.serve().await;
        body(Bed { world, servers, serving }).await;
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}"));
}

/// Runs `body` against servers on free ports of the loopback interface.
pub(crate) fn real<F: Future<Output = ()>>(change: fn(&World, &mut Config), body: impl FnOnce(Bed) -> F) {
    let run = world::real::run(Some(1), |world| async move {
        let mut config = Config::default();
        for service in Service::all() {
            config.rebind(service, "127.0.0.1:0");
        }
        change(&world, &mut config);
        let servers = ChallTest::new(world.clone(), config).unwrap();
        let serving = servers.serve().await;
        body(Bed { world, servers, serving }).await;
    });
    run.unwrap();
}

impl Bed {
    pub(crate) fn at(&self, service: Service) -> SocketAddr {
        self.serving.address(service).unwrap()
    }

    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(&self.world, vec![self.at(Service::Dns)])
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.world, self.resolver())
            .with_tls(Connector::unverified(&self.world).unwrap())
            .with_user_agent("test/1")
    }

    /// A call of the management interface that must succeed; its answer.
    pub(crate) async fn call(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, &body.to_string()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        if answer.is_empty() { Value::Null } else { serde_json::from_str(&answer).unwrap() }
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> (u16, String) {
        let url: Url = format!("http://{}{path}", self.at(Service::Management)).parse().unwrap();
        let body = body.to_owned().into_bytes().into();
        let answer = self.client().request(Method::POST, &url, &[], body).await.unwrap();
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    }

    /// A response of the http-01 responder, or of the https-01 responder, as the host `host`.
    pub(crate) async fn get(&self, service: Service, host: &str, path: &str) -> Response {
        let scheme = if service == Service::Https01 { "https" } else { "http" };
        let url: Url = format!("{scheme}://{host}:{}{path}", self.at(service).port()).parse().unwrap();
        self.client().get(&url).await.unwrap()
    }

    /// Code and values of an answer, each in one text.
    pub(crate) async fn ask(&self, name: &str, kind: RecordType) -> (ResponseCode, Vec<String>) {
        let answer = self.resolver().query(name, kind).await.unwrap();
        let values = answer.answers.iter().map(|record| record.data.to_string()).collect();
        (answer.metadata.response_code, values)
    }

    /// A handshake with the tls-alpn-01 responder.
    pub(crate) async fn handshake(&self, name: &str, protocols: &[&str]) -> std::io::Result<TlsStream> {
        let stream = self.world.connect(self.at(Service::TlsAlpn01)).await.unwrap();
        Connector::unverified(&self.world).unwrap().with_alpn(protocols).connect(name, stream).await
    }
}
