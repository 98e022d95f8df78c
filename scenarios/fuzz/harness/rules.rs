//! Scripts of rules: whatever is accepted decides queries without a panic.

use mock_dns::{Config, Dns, Record, RecordType, Rule, Transport, Zone};

const QUERY: &[u8] = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x01x\x07example\x04test\0\0\x10\0\x01";

/// Whether they are rules.
pub(crate) fn run(text: &[u8]) -> bool {
    let Ok(rules) = serde_json::from_slice::<Vec<Rule>>(text) else { return false };
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let zones = vec![Zone::new("example.test", vec![Record::new("*", RecordType::TXT, "text")])];
        let dns = Dns::new(world, Config { rules, ..Config::new(zones) }).ok()?;
        for n in 0..12 {
            let transport = if n % 2 == 0 { Transport::Udp } else { Transport::Tcp };
            let from = std::net::SocketAddr::from(([10, 0, 0, 9], 5353));
            dns.answer(QUERY.to_vec(), from, transport).await;
        }
        Some(())
    });
    run.unwrap_or_else(|stopped| panic!("{stopped}")).value.is_some()
}
