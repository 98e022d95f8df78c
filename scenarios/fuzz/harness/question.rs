//! Bytes to the DNS server of the challenge servers, as a datagram and as a connection: whatever comes back
//! are responses, and the next question is answered.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use mock_dns::challtest::{ChallTest, Config, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const QUERY: &[u8] = b"\xbe\xef\x01\0\0\x01\0\0\0\0\0\0\x01x\x04test\0\0\x01\0\x01";
/// A datagram carries no more.
const DATAGRAM_MAX: usize = 65_507;
/// Nothing takes this long there.
const WAIT: Duration = Duration::from_secs(1);

/// Whether it is answered by more than a refusal.
pub(crate) fn run(bytes: &[u8]) -> bool {
    let bytes = bytes[..bytes.len().min(DATAGRAM_MAX)].to_vec();
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let net = world.sim_net()?.clone();
        let ip = IpAddr::from([10, 0, 0, 5]);
        net.add_host("responder", [ip]);
        net.add_host(world.host(), [IpAddr::from([10, 0, 0, 9])]);
        let mut config = Config { default_ipv4: Some(Ipv4Addr::new(10, 0, 0, 5)), ..Config::at(ip) };
        config.bind.retain(|(service, _)| *service == Service::Dns);
        let servers = ChallTest::new(world.process("responder"), config).ok()?;
        let at = servers.serve().await.address(Service::Dns)?;
        let socket = world.bind_datagrams(SocketAddr::from(([0, 0, 0, 0], 0))).await.ok()?;
        let mut answers = Vec::new();
        for query in [&bytes, QUERY] {
            socket.send_to(query, at).await.ok()?;
            if let Ok(Ok((answer, _))) = world.timeout(WAIT, socket.recv_from()).await {
                assert_eq!(answer.get(..2), query.get(..2), "the id");
                answers.push(answer);
            }
        }
        assert!(answers.last().is_some_and(|answer| answer.starts_with(&QUERY[..2])), "no answer any more");
        // The same as it comes over a connection, and once more with the length that it should have.
        let length = u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
        for start in [&[][..], &length] {
            let mut stream = world.connect(at).await.ok()?;
            drop(stream.write_all(&[start, &bytes].concat()).await);
            drop(stream.shutdown().await);
            let mut framed = Vec::new();
            drop(world.timeout(2 * WAIT, stream.read_to_end(&mut framed)).await);
            answers.extend(messages(&framed));
        }
        for answer in &answers {
            assert!(answer[2] & 0x80 != 0, "a response");
            hickory_proto::op::Message::from_vec(answer).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        }
        Some(answers.len() > 2 && answers[0][3] & 0x0f == 0)
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value.unwrap_or_else(|| panic!("no server"))
}

fn messages(mut framed: &[u8]) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    while let Some((length, rest)) = framed.split_first_chunk::<2>() {
        let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        list.push(message.to_vec());
        framed = rest;
    }
    list
}
