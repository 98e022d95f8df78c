//! The server: zones behind sockets.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{LowerName, Name, RData, RecordType};
use hickory_proto::serialize::txt::Parser;
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler as _};
use hickory_server::zone_handler::{Catalog, ZoneHandler};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{Datagrams, Listener, Stream, World};

use crate::catalog::{Capture, LiveZone, NoTime, Sent};
use crate::config::{Config, Zone};
use crate::error::ZoneError;
use crate::journal::{Journal, QueryLogEntry, Transport, code_name};
use crate::rdata::{full_name, owner, value, value_text, zone_text};
use crate::zone::Records;

/// A connection on which nothing was asked for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Pause after a socket reported an error, so that a lasting one does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// How often a port is looked for that is free for both transports.
const PORT_TRIES: u32 = 16;
/// Length of a DNS header.
const HEADER: usize = 12;

/// An authoritative server. Clones are handles on the same server.
#[derive(Clone)]
pub struct Dns(Arc<Shared>);

struct Shared {
    world: World,
    delay: Duration,
    zones: Mutex<Zones>,
    journal: Mutex<Journal>,
}

#[derive(Default)]
struct Zones {
    live: Vec<Arc<LiveZone>>,
    catalog: Arc<Catalog>,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dns on {}", self.0.world.host())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dns {
    /// A server on the host of `world`, with these zones. It answers once [`Dns::serve`] has bound it.
    ///
    /// # Errors
    /// [`ZoneError`] for the first zone or record that cannot be served.
    pub fn new(world: World, config: Config) -> Result<Self, ZoneError> {
        let shared =
            Shared { world, delay: config.delay, zones: Mutex::default(), journal: Mutex::default() };
        let dns = Dns(Arc::new(shared));
        for zone in &config.zones {
            dns.add_zone(zone)?;
        }
        Ok(dns)
    }

    /// Adds a zone.
    ///
    /// # Errors
    /// [`ZoneError`] when it cannot be served, or is served already.
    pub fn add_zone(&self, zone: &Zone) -> Result<(), ZoneError> {
        let bad = || ZoneError::BadZoneName { zone: zone.name.clone() };
        let origin = full_name(&zone.name).ok_or_else(bad)?;
        let apex = LowerName::new(&origin);
        let mut records = Records::new(apex.clone());
        let server = |given: &Option<String>, label: &str| match given {
            Some(text) => match value(&origin, "@", RecordType::NS, text)? {
                RData::NS(ns) => Ok(ns.0),
                _ => Err(bad()),
            },
            None => origin.prepend_label(label).map_err(|_| bad()),
        };
        let (mname, rname) = (server(&zone.soa.mname, "ns1")?, server(&zone.soa.rname, "hostmaster")?);
        let s = &zone.soa;
        let soa = SOA::new(mname.clone(), rname, s.serial, s.refresh, s.retry, s.expire, s.minimum);
        records.add(&apex, s.minimum, RData::SOA(soa))?;
        for ns in &zone.ns {
            records.add(&apex, s.minimum, value(&origin, "@", RecordType::NS, ns)?)?;
        }
        if zone.ns.is_empty() {
            records.add(&apex, s.minimum, RData::NS(NS(mname)))?;
        }
        for record in &zone.records {
            let name = owner(&origin, &record.name, record.kind)?;
            records.add(&name, record.ttl, value(&origin, &record.name, record.kind, &record.value)?)?;
        }
        self.insert(apex, records)
    }

    /// Adds a zone in the text form of RFC 1035. `origin` is what relative names are relative to until the
    /// text says otherwise; the zone is the one that the start of authority names.
    ///
    /// # Errors
    /// [`ZoneError`] when the text cannot be read, has no start of authority, or has names outside of it.
    pub fn add_zone_file(&self, text: &str, origin: Option<&str>) -> Result<(), ZoneError> {
        let origin = match origin {
            Some(name) => {
                Some(full_name(name).ok_or_else(|| ZoneError::BadZoneName { zone: name.to_owned() })?)
            }
            None => None,
        };
        let parsed = Parser::new(text, None, origin).parse();
        let (_, sets) = parsed.map_err(|e| ZoneError::BadZoneFile(e.to_string()))?;
        let apex = sets.values().find(|set| set.record_type() == RecordType::SOA).map(|set| set.name());
        let Some(apex) = apex.cloned() else {
            return Err(ZoneError::BadZoneFile("expected an SOA record, found none".to_owned()));
        };
        let mut records = Records::new(LowerName::new(&apex));
        for record in sets.values().flat_map(|set| set.records_without_rrsigs()) {
            if !apex.zone_of(&record.name) {
                let (name, kind) = (record.name.to_ascii(), record.record_type());
                return Err(ZoneError::BadOwner { zone: zone_text(&apex), name, kind });
            }
            records.add(&LowerName::new(&record.name), record.ttl, record.data.clone())?;
        }
        self.insert(LowerName::new(&apex), records)
    }

    fn insert(&self, apex: LowerName, records: Records) -> Result<(), ZoneError> {
        let mut zones = lock(&self.0.zones);
        if zones.live.iter().any(|zone| *zone.name() == apex) {
            return Err(ZoneError::DuplicateZone { zone: zone_text(&Name::from(&apex)) });
        }
        zones.live.push(Arc::new(LiveZone::new(apex, records)));
        let mut catalog = Catalog::new();
        for zone in &zones.live {
            catalog.upsert(zone.name().clone(), vec![zone.clone() as Arc<dyn ZoneHandler>]);
        }
        zones.catalog = Arc::new(catalog);
        Ok(())
    }

    /// The zone that answers for `name` (a full name), and the name.
    fn zone_of(&self, name: &str, kind: RecordType) -> Result<(Arc<LiveZone>, LowerName), ZoneError> {
        let zones = lock(&self.0.zones);
        let found = full_name(name).and_then(|full| {
            let full = LowerName::new(&full);
            let inside = zones.live.iter().filter(|zone| zone.name().zone_of(&full));
            inside.max_by_key(|zone| zone.name().num_labels()).map(|zone| (zone.clone(), full))
        });
        found.ok_or_else(|| {
            let known: Vec<String> = zones.live.iter().map(|z| zone_text(&Name::from(z.name()))).collect();
            ZoneError::NoZone { name: name.to_owned(), kind, zones: known.join(", ") }
        })
    }

    /// Replaces all values of `name` (a full name) and `kind`; without values it removes them.
    ///
    /// # Errors
    /// [`ZoneError`] when the name lies in no zone, or a value does not fit; nothing is changed then.
    pub fn set(&self, name: &str, kind: RecordType, ttl: u32, values: &[&str]) -> Result<(), ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let origin = Name::from(zone.name());
        let values: Result<Vec<RData>, ZoneError> =
            values.iter().map(|text| value(&origin, name, kind, text)).collect();
        let values = values?;
        let mut records = zone.records();
        records.set(&owner, kind, ttl, values)?;
        records.changed();
        Ok(())
    }

    /// Removes all values of `name` (a full name) and `kind`; whether there were any.
    ///
    /// # Errors
    /// [`ZoneError`] when the name lies in no zone, or the record is the zone's start of authority.
    pub fn remove(&self, name: &str, kind: RecordType) -> Result<bool, ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        if kind == RecordType::SOA {
            value(&Name::from(zone.name()), name, kind, "")?;
        }
        let mut records = zone.records();
        let removed = records.remove(&owner, kind);
        if removed {
            records.changed();
        }
        Ok(removed)
    }

    /// The values of `name` (a full name) and `kind`, as [`Dns::set`] takes them.
    ///
    /// # Errors
    /// [`ZoneError`] when the name lies in no zone.
    pub fn values(&self, name: &str, kind: RecordType) -> Result<Vec<String>, ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let records = zone.records();
        let set = records.get(&owner, kind);
        Ok(set
            .map(|set| set.records_without_rrsigs().map(|r| value_text(&r.data)).collect())
            .unwrap_or_default())
    }

    /// The last queries, oldest first.
    pub fn log(&self) -> Vec<QueryLogEntry> {
        lock(&self.0.journal).entries()
    }

    /// Binds `at` for datagrams and for connections, starts to answer, and returns where it is bound.
    ///
    /// # Errors
    /// As [`World::listen`] and [`World::bind_datagrams`].
    pub async fn serve(&self, at: SocketAddr) -> io::Result<SocketAddr> {
        let world = &self.0.world;
        let mut tries = 1;
        let (listener, datagrams) = loop {
            let listener = world.listen(at).await?;
            // Port 0 means a free port, the same one for both.
            match world.bind_datagrams(SocketAddr::new(at.ip(), listener.local_addr().port())).await {
                Ok(datagrams) => break (listener, datagrams),
                Err(_) if at.port() == 0 && tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        };
        let bound = listener.local_addr();
        world.spawn(&format!("mock-dns udp {bound}"), self.clone().serve_datagrams(datagrams));
        world.spawn(&format!("mock-dns tcp {bound}"), self.clone().serve_connections(listener));
        Ok(bound)
    }

    async fn serve_datagrams(self, socket: Datagrams) {
        let socket = Arc::new(socket);
        loop {
            let Ok((query, from)) = socket.recv_from().await else {
                self.0.world.sleep(ERROR_PAUSE).await;
                continue;
            };
            let Some(answer) = self.answer(query, from, Transport::Udp).await else { continue };
            if self.0.delay.is_zero() {
                // The client asks again when it gets nothing.
                drop(socket.send_to(&answer, from).await);
            } else {
                let (dns, socket) = (self.clone(), socket.clone());
                self.0.world.spawn("mock-dns answer", async move {
                    dns.0.world.sleep(dns.0.delay).await;
                    drop(socket.send_to(&answer, from).await);
                });
            }
        }
    }

    async fn serve_connections(self, mut listener: Listener) {
        loop {
            let Ok((stream, from)) = listener.accept().await else {
                self.0.world.sleep(ERROR_PAUSE).await;
                continue;
            };
            let dns = self.clone();
            self.0.world.spawn("mock-dns connection", async move {
                // A client that hangs up is its own affair.
                drop(dns.serve_connection(stream, from).await);
            });
        }
    }

    /// Answers one query after the other (RFC 7766) until the client ends, or is idle for too long.
    async fn serve_connection(&self, mut stream: Stream, from: SocketAddr) -> io::Result<()> {
        let world = &self.0.world;
        loop {
            let length = world.timeout(IDLE_MAX, stream.read_u16()).await.map_err(io::Error::other)??;
            let mut query = vec![0; usize::from(length)];
            world.timeout(IDLE_MAX, stream.read_exact(&mut query)).await.map_err(io::Error::other)??;
            let Some(answer) = self.answer(query, from, Transport::Tcp).await else { return Ok(()) };
            if !self.0.delay.is_zero() {
                world.sleep(self.0.delay).await;
            }
            let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
            stream.write_all(&[&length.to_be_bytes(), answer.as_slice()].concat()).await?;
            stream.flush().await?;
        }
    }

    /// The answer to a query in wire form. What is no query (too short, or a response) gets none; what
    /// cannot be read gets FORMERR.
    pub async fn answer(&self, query: Vec<u8>, from: SocketAddr, transport: Transport) -> Option<Vec<u8>> {
        let header: [u8; HEADER] = query.first_chunk().copied()?;
        if header[2] & 0x80 != 0 {
            return None;
        }
        let world = &self.0.world;
        let at = world.now();
        let protocol = match transport {
            Transport::Udp => Protocol::Udp,
            Transport::Tcp => Protocol::Tcp,
        };
        let Ok(request) = Request::from_bytes(query, from, protocol) else {
            let line = format!("{transport} {from} unreadable {}", code_name(ResponseCode::FormErr));
            world.record("mock-dns", "journal", line.as_bytes());
            return Some(form_error(header));
        };
        let capture = Capture::new(transport);
        let catalog = lock(&self.0.zones).catalog.clone();
        catalog.handle_request::<_, NoTime>(&request, capture.clone()).await;
        let Sent { wire, code, answers, truncated } = capture.take()?;
        let asked = request.queries.queries().first();
        let name = asked.map_or_else(String::new, |q| q.name().to_string());
        let kind = asked.map_or(RecordType::ZERO, |q| q.query_type());
        let entry = QueryLogEntry { at, from, transport, name, kind, code, answers, truncated };
        world.record("mock-dns", "journal", entry.to_string().as_bytes());
        lock(&self.0.journal).push(entry);
        Some(wire)
    }
}

/// A header alone: the query's id, operation and RD flag, and FORMERR.
fn form_error(query: [u8; HEADER]) -> Vec<u8> {
    let mut header = [0; HEADER];
    header[..2].copy_from_slice(&query[..2]);
    header[2] = 0x80 | (query[2] & 0x79);
    header[3] = u8::try_from(u16::from(ResponseCode::FormErr)).unwrap_or_default();
    header.to_vec()
}
