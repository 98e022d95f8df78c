//! What a run leaves to be looked at: by checks, by invariants, and by who tells its story.

use std::sync::{Arc, PoisonError};

use mock_ca::journal::Event;
use mock_ca::limits::BucketView;
use mock_dns::QueryLogEntry;
use mock_dns::provider::{AuditEntry, Provider};
use world::{Instant, Timestamp, WallClock, World};

use crate::cluster::{Access, Shared};
use crate::history::History;
use crate::runner::Remains;
use crate::script::Scenario;

/// A line of a CA's journal.
#[derive(Debug, Clone)]
pub struct CaEntry {
    /// When, by the clock that no step of the wall clock changes.
    pub at: Timestamp,
    /// The CA's host.
    pub host: Arc<str>,
    /// What it did.
    pub event: Event,
}

/// An endpoint as scripts and journals call it: `newOrder`.
pub(crate) fn endpoint_name(endpoint: mock_ca::dialect::Endpoint) -> String {
    let name = serde_json::to_value(endpoint).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The type of a problem without its namespace: `rateLimited`.
pub(crate) fn problem_name(type_: Option<&'static str>) -> Option<&'static str> {
    type_.map(|type_| type_.rsplit(':').next().unwrap_or(type_))
}

/// The journals of the CAs, as they go on.
#[derive(Debug, Clone, Default)]
pub(crate) struct CaJournals(Shared<Vec<Noted>>);

/// When, on which host, what.
type Noted = (Instant, Arc<str>, Event);

impl CaJournals {
    /// Follows the CA on a host.
    pub(crate) fn follow(&self, world: &World, host: &str, ca: &mock_ca::Ca) {
        let (entries, world, host) = (self.0.clone(), world.clone(), Arc::<str>::from(host));
        ca.journal().listen(move |entry| {
            let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.push((world.monotonic(), host.clone(), entry.event.clone()));
        });
    }

    /// All until now, if the run began at `start`.
    pub(crate) fn all(&self, start: Timestamp) -> Vec<CaEntry> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = entries.iter().map(|(at, host, event)| {
            let at = start + at.since(Instant::default());
            CaEntry { at, host: host.clone(), event: event.clone() }
        });
        all.collect()
    }
}

/// All that a run leaves, each thing with its time.
#[derive(Debug)]
pub struct Evidence {
    /// When the run began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// What was written to the API server.
    pub history: History,
    /// What the CAs did.
    pub ca: Vec<CaEntry>,
    /// The limits of the CAs that have been used.
    pub limits: Vec<BucketView>,
    /// What the nameservers were asked.
    pub queries: Vec<QueryLogEntry>,
    /// The access logs of ingress and gateway controllers.
    pub accesses: Vec<Access>,
    /// The audit logs of the DNS providers.
    pub provider: Vec<AuditEntry>,
    /// What the timeline did.
    pub actions: Vec<(Timestamp, String)>,
    /// When processes of the engine started and ended, on which host.
    pub processes: Vec<(Timestamp, String, &'static str)>,
    /// The TXT records for DNS-01 that are left: name and value.
    pub records: Vec<(String, String)>,
    /// What a restart of the engine after the end changed of what was at rest.
    pub restarted: Option<String>,
    wall: WallClock,
}

impl Evidence {
    /// All that is left of a run, with its times.
    pub(crate) fn of(remains: &Remains, scenario: &Scenario, history: History) -> Self {
        Evidence {
            start: scenario.clock.start,
            end: scenario.until,
            history,
            ca: remains.journals.all(scenario.clock.start),
            limits: remains.cas().flat_map(mock_ca::Ca::limits).collect(),
            queries: remains.dns.as_ref().map(mock_dns::Dns::log).unwrap_or_default(),
            accesses: remains.accesses.all(),
            provider: remains.providers.iter().flat_map(Provider::audit).collect(),
            actions: remains.doings.actions(),
            processes: remains.lives.all(scenario.clock.start),
            records: left_records(remains, scenario),
            restarted: None,
            wall: scenario.clock.to_wall(),
        }
    }

    /// How often the CAs did something.
    pub fn count(&self, fits: impl Fn(&Event) -> bool) -> u64 {
        self.ca.iter().filter(|entry| fits(&entry.event)).count() as u64
    }

    /// How many certificates the CAs have issued.
    pub fn issued(&self) -> u64 {
        self.count(|event| matches!(event, Event::Issued { .. }))
    }

    /// The time of the run at which the wall clock showed `wall`; of two, the one after the clock was set back.
    pub fn monotonic(&self, wall: Timestamp) -> Timestamp {
        let mut shift = 0_i64;
        let mut steps: i64 = 0;
        for step in &self.wall.steps {
            steps = steps.saturating_add(step.by_nanos);
            if wall >= self.wall(self.start + step.at) {
                shift = steps;
            }
        }
        Timestamp::from_unix_nanos(wall.unix_nanos().saturating_sub(shift)).max(self.start)
    }

    /// What the wall clock showed at a time of the run: what the steps of the script have made of it.
    pub fn wall(&self, at: Timestamp) -> Timestamp {
        self.wall.at(u64::try_from(at.since(self.start).as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The TXT records of challenges that no zone of the script had.
fn left_records(remains: &Remains, scenario: &Scenario) -> Vec<(String, String)> {
    let mut records = Vec::new();
    for zone in remains.dns.iter().flat_map(mock_dns::Dns::zones) {
        let all = remains.dns.as_ref().and_then(|dns| dns.records(&zone)).unwrap_or_default();
        let given =
            scenario.dns.zones.iter().filter(|z| z.name.trim_end_matches('.') == zone.trim_end_matches('.'));
        let given: Vec<_> = given.flat_map(|z| &z.records).collect();
        for record in
            all.into_iter().filter(|r| r.kind.to_string() == "TXT" && r.name.contains("_acme-challenge"))
        {
            let own = given.iter().any(|g| g.kind == record.kind && g.value == record.value);
            if !own {
                records.push((record.name, record.value));
            }
        }
    }
    records
}
