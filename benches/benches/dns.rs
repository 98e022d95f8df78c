//! What the authoritative nameserver does for one question: the bytes of a query in, the bytes of an answer out, over UDP
//! and with EDNS, as resolvers ask. The log of queries is kept, as ever; there is no socket.
//!
//! `cargo bench -p benches -- dns/`

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{BenchmarkId, Criterion, Throughput};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::Name;
use mock_dns::{Config, Dns, Record, RecordType, ResponseCode, Transport, Zone};

use crate::check::{holds, must, real_world};

/// A question: its name among the benchmarks, what is asked, and what must come.
type Question = (&'static str, &'static str, RecordType, ResponseCode, usize);

const QUESTIONS: [Question; 3] = [
    ("A", "www.example.com.", RecordType::A, ResponseCode::NoError, 1),
    ("TXT", "_acme-challenge.www.example.com.", RecordType::TXT, ResponseCode::NoError, 1),
    ("NXDOMAIN", "missing.example.com.", RecordType::A, ResponseCode::NXDomain, 0),
];

/// Names of the large zone.
const MANY: usize = 10_000;

pub(crate) fn measure(c: &mut Criterion) {
    let mut group = c.benchmark_group("dns");
    group.throughput(Throughput::Elements(1));
    for (place, names) in [("", 0), (" of 10000 names", MANY)] {
        let dns = must("zone", Dns::new(real_world(), config(names)));
        for (name, owner, kind, code, records) in QUESTIONS {
            let query = must(name, query(owner, kind));
            must(name, answer(&dns, &query).and_then(|wire| is(&wire, code, records)));
            group.bench_function(BenchmarkId::new("answer", format!("{name}{place}")), |b| {
                b.iter(|| must(name, answer(&dns, black_box(&query))));
            });
        }
    }
    group.finish();
}

fn config(more: usize) -> Config {
    let mut records = vec![
        Record::new("www", RecordType::A, "192.0.2.80"),
        Record::new("_acme-challenge.www", RecordType::TXT, "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"),
    ];
    records.extend((0..more).map(|n| Record::new(&format!("n{n}"), RecordType::A, "192.0.2.1")));
    Config::new(vec![Zone::new("example.com", records)])
}

fn query(owner: &str, kind: RecordType) -> Result<Vec<u8>, String> {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(owner).map_err(|error| error.to_string())?, kind));
    message.edns.get_or_insert_with(Edns::new).set_max_payload(1232);
    message.to_vec().map_err(|error| error.to_string())
}

/// The answer, for which a nameserver without delays never waits.
fn answer(dns: &Dns, query: &[u8]) -> Result<Vec<u8>, String> {
    let from = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 9), 5353));
    let answer = pin!(dns.answer(query.to_vec(), from, Transport::Udp));
    match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(wire)) => Ok(wire),
        Poll::Ready(None) => Err("no answer".to_owned()),
        Poll::Pending => Err("it waits".to_owned()),
    }
}

/// Whether these bytes are such an answer.
fn is(wire: &[u8], code: ResponseCode, records: usize) -> Result<(), String> {
    let message = Message::from_vec(wire).map_err(|error| error.to_string())?;
    let authority = if records == 0 { 1 } else { message.authorities.len() };
    let so = message.metadata.response_code == code
        && message.metadata.authoritative
        && message.answers.len() == records
        && message.authorities.len() == authority;
    holds(so, || format!("another answer: {message}"))
}
