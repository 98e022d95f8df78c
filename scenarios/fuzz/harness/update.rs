//! UPDATE messages, signed and not: whatever comes is answered or ignored, and the zone can still be served.

use mock_dns::{Config, Dns, Record, RecordType, Transport, TsigKey, Updates, Zone};

/// Whether it was made.
pub(crate) fn run(message: &[u8]) -> bool {
    let message = message.to_vec();
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let records = vec![
            Record::new("www", RecordType::A, "10.0.0.80"),
            Record::new("alias", RecordType::CNAME, "www.example.test"),
        ];
        let key = TsigKey {
            name: "key.example".into(),
            algorithm: "hmac-sha256".into(),
            secret: "c2VjcmV0IG9mIHRoZSBrZXk=".into(),
            zones: Vec::new(),
        };
        let updates = Updates { keys: vec![key], unsigned: true };
        let zones = vec![Zone::new("example.test", records)];
        let dns = Dns::new(world.clone(), Config { zones, updates, ..Config::default() }).ok()?;
        let from = std::net::SocketAddr::from(([10, 0, 0, 9], 5353));
        let answer = dns.answer(message, from, Transport::Tcp).await;
        let again = Dns::new(world, Config::default()).ok()?;
        let file = dns.zone_file("example.test")?;
        // hickory writes bytes of names that are no text in octal, where zone files have them in decimal.
        if !file.contains('\\') {
            again.add_zone_file(&file, None).unwrap_or_else(|error| panic!("{error}\n{file}"));
        }
        answer
    });
    // The kernel turns a panic of a task into an error.
    let answer = run.unwrap_or_else(|stopped| panic!("{stopped}")).value;
    answer.is_some_and(|answer| answer.get(3).is_some_and(|code| code & 0x0f == 0))
}
