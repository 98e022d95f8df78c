//! DNS messages: whatever comes is answered or ignored.
#![no_main]

use mock_dns::{Config, Dns, Record, RecordType, Transport, Zone};

libfuzzer_sys::fuzz_target!(|query: &[u8]| {
    let query = query.to_vec();
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let records =
            vec![Record::new("*", RecordType::A, "10.0.0.80"), Record::new("a.b", RecordType::TXT, "text")];
        let config = Config { zones: vec![Zone::new("example.test", records)], ..Config::default() };
        let dns = Dns::new(world, config).ok()?;
        let from = std::net::SocketAddr::from(([10, 0, 0, 9], 5353));
        dns.answer(query, from, Transport::Udp).await
    });
    // The kernel turns a panic of a task into an error.
    if let Err(stopped) = run {
        panic!("{stopped}");
    }
});
