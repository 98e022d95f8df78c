//! DNS messages to the authoritative server: whatever comes is answered or ignored.

use mock_dns::{Config, Dns, Record, RecordType, Transport, Zone};

/// Whether it is answered by more than a refusal.
pub(crate) fn run(query: &[u8]) -> bool {
    let (query, id) = (query.to_vec(), query.get(..2).map(<[u8]>::to_vec));
    let run = world::sim::run(world::sim::Config::default(), |world| async move {
        let records =
            vec![Record::new("*", RecordType::A, "10.0.0.80"), Record::new("a.b", RecordType::TXT, "text")];
        let config = Config { zones: vec![Zone::new("example.test", records)], ..Config::default() };
        let dns = Dns::new(world, config).ok()?;
        let from = std::net::SocketAddr::from(([10, 0, 0, 9], 5353));
        dns.answer(query, from, Transport::Udp).await
    });
    // The kernel turns a panic of a task into an error.
    let answer = run.unwrap_or_else(|stopped| panic!("{stopped}")).value;
    if let Some(answer) = &answer {
        assert_eq!(answer.get(..2), id.as_deref());
        assert!(answer[2] & 0x80 != 0, "a response");
    }
    answer.is_some_and(|answer| answer[3] & 0x0f == 0)
}
