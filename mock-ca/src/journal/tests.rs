//! The journal: its bound, its questions, its file.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use serde_json::json;
use world::World;

use super::*;

/// Runs `body` in a simulated world.
fn simulated<T: Send + 'static, F: Future<Output = T> + Send + 'static>(body: impl FnOnce(World) -> F) -> T {
    world::sim::run(world::sim::Config::default(), body).unwrap_or_else(|stopped| panic!("{stopped}")).value
}

fn request(endpoint: Endpoint, status: u16, name: &str) -> Event {
    Event::Request {
        endpoint: Some(endpoint),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        peer: None,
        received: Timestamp::UNIX_EPOCH,
        account: Some(7),
        identifiers: vec![name.to_owned()],
        status,
        problem: (status == 429).then_some("rateLimited"),
        reason: "a test".to_owned(),
    }
}

fn hit(rule: &str) -> Event {
    Event::Fault { rule: rule.to_owned(), call: 1, actions: vec!["hang"], endpoint: Some(Endpoint::Order) }
}

fn numbers(page: &Page) -> Vec<u64> {
    page.entries.iter().map(|entry| entry.seq).collect()
}

#[test]
fn memory_has_a_bound_and_counters_have_none() {
    simulated(|world| async move {
        let journal = Journal::new(3);
        for status in [201, 201, 429, 201] {
            journal.add(&world, request(Endpoint::NewOrder, status, "example.com"));
        }
        journal.add(&world, hit("busy"));
        assert_eq!(journal.entries().iter().map(|entry| entry.seq).collect::<Vec<_>>(), [3, 4, 5]);
        let counted = serde_json::to_value(journal.counters()).unwrap();
        assert_eq!(
            counted,
            json!({
                "entries": 5, "dropped": 2, "events": {"fault": 1, "request": 4}, "endpoints": {"newOrder": 4},
                "statuses": {"201": 3, "429": 1}, "problems": {"rateLimited": 1}, "faults": {"busy": 1},
            })
        );
        let page = journal.select(&Query::default());
        assert_eq!((numbers(&page), page.next, page.dropped), (vec![3, 4, 5], 5, 2));
    });
}

#[test]
fn questions_narrow_what_is_given() {
    let pages = simulated(|world| async move {
        let journal = Journal::new(100);
        let mut times = Vec::new();
        for (endpoint, status, name) in [
            (Endpoint::NewOrder, 201, "example.com"),
            (Endpoint::NewOrder, 429, "www.example.com"),
            (Endpoint::Order, 200, "example.com"),
        ] {
            times.push(world.now());
            journal.add(&world, request(endpoint, status, name));
            world.sleep(std::time::Duration::from_secs(1)).await;
        }
        journal.add(&world, hit("busy"));
        let ask = |query: Query| numbers(&journal.select(&query));
        let text = |name: &str| Some(name.to_owned());
        let name = |name: &str| serde_json::from_value(json!(name)).ok();
        let all = Query::default;
        vec![
            (ask(Query { endpoint: Some(Endpoint::NewOrder), ..all() }), vec![1, 2]),
            (ask(Query { endpoint: Some(Endpoint::Order), ..all() }), vec![3, 4]),
            (ask(Query { status: Some(429), ..all() }), vec![2]),
            (ask(Query { problem: text("rateLimited"), ..all() }), vec![2]),
            (ask(Query { identifier: name("example.com"), ..all() }), vec![1, 3]),
            (ask(Query { identifier: name(".example.com"), ..all() }), vec![2]),
            (ask(Query { event: text("fault"), ..all() }), vec![4]),
            (ask(Query { account: Some(7), limit: Some(2), ..all() }), vec![1, 2]),
            (ask(Query { account: Some(8), ..all() }), vec![]),
            (ask(Query { since: Some(2), ..all() }), vec![3, 4]),
            (ask(Query { since: Some(u64::MAX), ..all() }), vec![]),
            (ask(Query { after: Some(times[1]), until: Some(times[2]), ..all() }), vec![2]),
        ]
    });
    for (given, wanted) in pages {
        assert_eq!(given, wanted);
    }
}

proptest! {
    /// Reading page by page gives what one question gives, whatever was dropped.
    #[test]
    fn pages_are_without_gaps(
        max in 0_usize..12, statuses in prop::collection::vec(prop::sample::select(vec![200_u16, 429]), 0..30),
        limit in 1_usize..5, narrow in any::<bool>(),
    ) {
        let total = statuses.len();
        let (whole, pages) = simulated(move |world| async move {
            let journal = Journal::new(max);
            for status in statuses {
                journal.add(&world, request(Endpoint::Order, status, "a"));
            }
            let status = narrow.then_some(429);
            let whole = numbers(&journal.select(&Query { status, ..Query::default() }));
            let (mut pages, mut since) = (Vec::new(), 0);
            loop {
                let page = journal.select(&Query { status, since: Some(since), limit: Some(limit), ..Query::default() });
                if page.entries.is_empty() {
                    break (whole, pages);
                }
                pages.extend(numbers(&page));
                since = page.next;
            }
        });
        prop_assert_eq!(&whole, &pages);
        if !narrow {
            prop_assert_eq!(whole.len(), total.min(max));
        }
    }
}

/// Every kind of event is named as its JSON is.
#[test]
fn names_are_those_of_the_json() {
    let at = Timestamp::UNIX_EPOCH;
    let text = || "x".to_owned();
    for event in [
        request(Endpoint::Order, 200, "a"),
        hit("x"),
        Event::Draw { what: text(), value: text() },
        Event::AccountCreated { account: 1, thumbprint: text() },
        Event::RateLimited { limit: text(), bucket: text(), retry_at: Some(at) },
        Event::ClockMoved { from: at, to: at },
        Event::FaultsChanged { added: vec![text()], removed: Vec::new() },
        Event::Revoked { serial: text(), code: 1 },
        Event::NotIssued { order: 1, reason: text() },
        Event::DnsQuery {
            perspective: text(),
            server: ([127, 0, 0, 1], 53).into(),
            name: text(),
            kind: "TXT".to_owned(),
            rcode: "NOERROR".to_owned(),
            answers: Vec::new(),
        },
    ] {
        assert_eq!(serde_json::to_value(&event).unwrap()["event"], event.name());
    }
}

/// A disk that is full for some writes.
#[derive(Clone, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    full: Arc<Mutex<bool>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.bytes.lock().unwrap();
        if *self.full.lock().unwrap() {
            if kept.last() == Some(&b'\n') {
                // A write can stop in the middle of a line.
                kept.extend_from_slice(&bytes[..5]);
                return Ok(5);
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_survived_and_reported_once() {
    let (disk, reports) = (Disk::default(), Arc::new(AtomicUsize::new(0)));
    let (sink, counted) = (disk.clone(), reports.clone());
    let full = disk.full.clone();
    simulated(|world| async move {
        let journal = Journal::new(1);
        journal.write_to(&world, sink, move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        for (name, is_full) in [("a", false), ("b", true), ("c", true), ("d", false), ("e", false)] {
            *full.lock().unwrap() = is_full;
            journal.add(&world, hit(name));
            world.sleep(std::time::Duration::from_secs(1)).await;
        }
    });
    assert_eq!(reports.load(Ordering::Relaxed), 1);
    let text = String::from_utf8(disk.bytes.lock().unwrap().clone()).unwrap();
    let shown: Vec<String> = text
        .lines()
        .map(|line| match serde_json::from_str::<serde_json::Value>(line) {
            Ok(value) => value.get("rule").or(value.get("lines")).unwrap().to_string(),
            Err(_) => "broken".to_owned(),
        })
        .collect();
    assert_eq!(shown, ["\"a\"", "broken", "2", "\"d\"", "\"e\""]);
}
