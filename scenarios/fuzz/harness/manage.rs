//! Calls of the management interface of the challenge servers: the path in the first line, then the body.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mock_dns::challtest::{ChallTest, Config, Service};

/// Nothing takes this long there.
const WAIT: Duration = Duration::from_secs(1);

/// Whether it is done; what is not done says why.
pub(crate) fn run(call: &[u8]) -> bool {
    let end = call.iter().position(|byte| *byte == b'\n').unwrap_or(call.len());
    let path = String::from_utf8_lossy(&call[..end]).into_owned();
    let body = call.get(end + 1..).unwrap_or_default().to_vec();
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let ip = IpAddr::from([10, 0, 0, 5]);
        world.sim_net()?.add_host("responder", [ip]);
        world.sim_net()?.add_host(world.host(), [IpAddr::from([10, 0, 0, 9])]);
        let servers = ChallTest::new(world.process("responder"), Config::at(ip)).ok()?;
        let reply = servers.manage(&path, &body);
        assert!(matches!(reply.status, 200 | 400 | 404), "{reply:?}");
        assert!(reply.status == 200 || !reply.body.is_empty(), "{path}: {reply:?}");
        if reply.json {
            serde_json::from_str::<serde_json::Value>(&reply.body)
                .unwrap_or_else(|e| panic!("{e}: {reply:?}"));
        }
        // Whatever it was told, it still answers.
        let at: SocketAddr = servers.serve().await.address(Service::Dns)?;
        let socket = world.bind_datagrams(SocketAddr::from(([0, 0, 0, 0], 0))).await.ok()?;
        for kind in [1, 5, 16, 28, 255] {
            let query = [&b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0"[..], &[0, kind, 0, 1]].concat();
            socket.send_to(&query, at).await.ok()?;
            // A fault may have been asked for that leaves it without one.
            drop(world.timeout(WAIT, socket.recv_from()).await);
        }
        Some(reply.status == 200)
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value.unwrap_or_else(|| panic!("no server"))
}
