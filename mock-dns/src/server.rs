//! The server: zones, nameservers, views and rules behind one handle.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::rr::{LowerName, Name, RData, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;
use world::{Instant, World};

use crate::catalog::{Catalog, EVERYBODY, LiveZone, lock};
use crate::config::{Config, Nameserver, Record, Zone};
use crate::error::ZoneError;
use crate::journal::{Bounded, QueryLogEntry};
use crate::rdata::{full_name, value, value_text, zone_text};
use crate::script::{Asker, Rule, RuleState, Script};
use crate::update::Writers;
use crate::zone::{self, Edit, Records};

/// An authoritative server. Clones are handles on the same server.
///
/// A handle writes to the zones that everybody sees, at once; [`Dns::in_view`] and
/// [`Dns::published_after`] give handles that write elsewhere, or later.
#[derive(Clone)]
pub struct Dns {
    pub(crate) shared: Arc<Shared>,
    view: usize,
    publish: Duration,
}

pub(crate) struct Shared {
    pub(crate) world: World,
    pub(crate) delay: Duration,
    pub(crate) payload_max: u16,
    pub(crate) nameservers: Vec<Served>,
    /// Everybody's first.
    views: Vec<(String, Vec<Asker>)>,
    /// How long after a change each reader sees it: first the nameservers, then others.
    delays: Mutex<Vec<Vec<Duration>>>,
    pub(crate) catalog: Mutex<Arc<Catalog>>,
    pub(crate) script: Mutex<Script>,
    pub(crate) writers: Writers,
    pub(crate) journal: Mutex<Bounded<QueryLogEntry>>,
    rules: Vec<Rule>,
    /// The zones when the server first answered.
    baseline: Mutex<Option<Vec<(usize, Records)>>>,
}

/// A nameserver, ready for use.
pub(crate) struct Served {
    pub(crate) name: Arc<str>,
    pub(crate) host: Option<String>,
    pub(crate) listen: Option<SocketAddr>,
    zones: Vec<String>,
    pub(crate) served: Option<Vec<LowerName>>,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dns on {}", self.shared.world.host())
    }
}

/// The name of the only nameserver, when the configuration has none.
const ONLY: &str = "ns1";

fn nameservers(config: &[Nameserver]) -> Result<Vec<Served>, ZoneError> {
    let only = [Nameserver::new(ONLY, Duration::ZERO)];
    let mut all: Vec<Served> = Vec::new();
    for nameserver in if config.is_empty() { &only } else { config } {
        let Nameserver { name, host, listen, zones, .. } = nameserver;
        if name.is_empty() || all.iter().any(|other| *other.name == **name) {
            return Err(ZoneError::NotUnique { what: "nameserver", name: name.clone() });
        }
        let origins: Result<Vec<LowerName>, ZoneError> = zones.iter().map(|zone| origin(zone)).collect();
        let served = Some(origins?).filter(|origins| !origins.is_empty());
        let (name, host, zones) = (name.as_str().into(), host.clone(), zones.clone());
        all.push(Served { name, host, listen: *listen, zones, served });
    }
    Ok(all)
}

fn origin(zone: &str) -> Result<LowerName, ZoneError> {
    let name = full_name(zone).ok_or_else(|| ZoneError::BadZoneName { zone: zone.to_owned() })?;
    Ok(LowerName::new(&name))
}

impl Dns {
    /// A server on the host of `world`. It answers once [`Dns::serve`] has bound it.
    ///
    /// # Errors
    /// [`ZoneError`] for the first zone, record, view, nameserver or rule that cannot be served.
    pub fn new(world: World, config: Config) -> Result<Self, ZoneError> {
        let mut views = vec![(String::new(), Vec::new())];
        for view in &config.views {
            if views.iter().any(|(name, _)| *name == view.name) {
                return Err(ZoneError::NotUnique { what: "view", name: view.name.clone() });
            }
            views.push((view.name.clone(), view.askers.clone()));
        }
        let nameservers = nameservers(&config.nameservers)?;
        let mut delays: Vec<_> = config.nameservers.iter().map(|ns| ns.publish_delay.clone()).collect();
        delays.resize(nameservers.len(), Vec::new());
        let script = Script::new(config.rules.clone(), world.monotonic())?;
        let shared = Shared {
            world,
            delay: config.delay,
            payload_max: config.payload_max.max(512),
            nameservers,
            views,
            delays: Mutex::new(delays),
            catalog: Mutex::default(),
            script: Mutex::new(script),
            writers: Writers::new(&config.updates)?,
            journal: Mutex::new(Bounded::new(config.log_max)),
            rules: config.rules,
            baseline: Mutex::default(),
        };
        let dns = Dns { shared: Arc::new(shared), view: EVERYBODY, publish: Duration::ZERO };
        for zone in &config.zones {
            dns.add_zone(zone)?;
        }
        for view in &config.views {
            let dns = dns.in_view(&view.name)?;
            for zone in &view.zones {
                dns.add_zone(zone)?;
            }
        }
        Ok(dns)
    }

    /// A handle that reads and writes what a view has: its own zones, and everybody's where it has none.
    /// The view of everybody has the empty name.
    ///
    /// # Errors
    /// [`ZoneError::NoView`].
    pub fn in_view(&self, name: &str) -> Result<Dns, ZoneError> {
        let views = &self.shared.views;
        let Some(view) = views.iter().position(|(known, _)| known == name) else {
            let known: Vec<&str> = views.iter().skip(1).map(|(name, _)| name.as_str()).collect();
            return Err(ZoneError::NoView { view: name.to_owned(), views: known.join(", ") });
        };
        Ok(Dns { view, ..self.clone() })
    }

    /// A handle whose changes reach every nameserver that much later than its own delay says.
    #[must_use]
    pub fn published_after(&self, delay: Duration) -> Dns {
        Dns { publish: delay, ..self.clone() }
    }

    /// The view that an address sees.
    pub(crate) fn view_of(&self, ip: IpAddr) -> usize {
        let sees = |(_, askers): &(String, Vec<Asker>)| askers.iter().any(|a| a.is(ip, &self.shared.world));
        self.shared.views.iter().position(sees).unwrap_or(EVERYBODY)
    }

    /// A handle on the zones as an address sees them.
    pub(crate) fn seen_from(&self, ip: IpAddr) -> Dns {
        Dns { view: self.view_of(ip), ..self.clone() }
    }

    /// The zone with this name.
    pub(crate) fn zone_at(&self, origin: &LowerName) -> Option<Arc<LiveZone>> {
        lock(&self.shared.catalog).get(origin, self.view).cloned()
    }

    /// The world that it runs in.
    pub(crate) fn world(&self) -> &World {
        &self.shared.world
    }

    /// Adds a zone.
    ///
    /// # Errors
    /// [`ZoneError`] when it cannot be served, or is served already.
    pub fn add_zone(&self, zone: &Zone) -> Result<(), ZoneError> {
        self.insert(Records::from_config(zone)?)
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
        self.insert(zone::read_file(text, origin)?)
    }

    fn insert(&self, records: Records) -> Result<(), ZoneError> {
        let zone = zone_text(&records.origin);
        let mut catalog = lock(&self.shared.catalog);
        if Arc::make_mut(&mut catalog).insert(Arc::new(LiveZone::new(self.view, records))) {
            Ok(())
        } else {
            Err(ZoneError::DuplicateZone { zone })
        }
    }

    /// Removes a zone, at once for every nameserver; whether it was there.
    pub fn remove_zone(&self, zone: &str) -> bool {
        let Ok(origin) = origin(zone) else { return false };
        Arc::make_mut(&mut lock(&self.shared.catalog)).remove(&origin, self.view)
    }

    /// The names of the zones that this handle reads, in canonical order.
    pub fn zones(&self) -> Vec<String> {
        let catalog = lock(&self.shared.catalog).clone();
        let mut names: Vec<String> = Vec::new();
        for zone in catalog.zones().filter(|zone| zone.view == EVERYBODY || zone.view == self.view) {
            let name = zone_text(&zone.origin);
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The zone of this name.
    pub(crate) fn zone(&self, zone: &str) -> Option<Arc<LiveZone>> {
        self.zone_at(&origin(zone).ok()?)
    }

    /// The zone that answers for `name` (a full name), and the name.
    pub(crate) fn zone_of(
        &self,
        name: &str,
        kind: RecordType,
    ) -> Result<(Arc<LiveZone>, LowerName), ZoneError> {
        let catalog = lock(&self.shared.catalog).clone();
        let found = full_name(name).and_then(|full| {
            let full = LowerName::new(&full);
            catalog.zone_of(&full, kind, self.view).map(|zone| (zone.clone(), full))
        });
        found.ok_or_else(|| ZoneError::NoZone { name: name.to_owned(), kind, zones: self.zones().join(", ") })
    }

    fn edit(&self, zone: &LiveZone, edit: Edit) -> Result<bool, ZoneError> {
        let delays = lock(&self.shared.delays);
        let publish = (self.shared.nameservers.len(), self.publish);
        zone.state().edit(edit, self.shared.world.monotonic(), publish, &delays)
    }

    /// Makes the edits that `decide` finds in the zone as it was written, all or none, and returns how many
    /// changed something.
    pub(crate) fn edit_all<E>(
        &self,
        zone: &LiveZone,
        decide: impl FnOnce(&Records) -> Result<Vec<Edit>, E>,
    ) -> Result<usize, E> {
        let delays = lock(&self.shared.delays);
        let publish = (self.shared.nameservers.len(), self.publish);
        let mut state = zone.state();
        let (mut changes, now) = (0, self.shared.world.monotonic());
        for edit in decide(state.primary())? {
            // What does not fit was left out by who decided.
            changes += usize::from(state.edit(edit, now, publish, &delays) == Ok(true));
        }
        Ok(changes)
    }

    /// Whether `name` (a full name) lies in one of the zones.
    pub fn serves(&self, name: &str) -> bool {
        let catalog = lock(&self.shared.catalog).clone();
        if catalog.is_empty() {
            return false;
        }
        let Some(name) = full_name(name) else { return false };
        catalog.zone_of(&LowerName::new(&name), RecordType::A, self.view).is_some()
    }

    /// Whether a name in wire form, without pointers, lies in one of the zones.
    pub(crate) fn serves_wire(&self, name: &[u8]) -> bool {
        let catalog = lock(&self.shared.catalog).clone();
        if catalog.is_empty() {
            return false;
        }
        let Ok(name) = Name::from_bytes(name) else { return false };
        catalog.zone_of(&LowerName::new(&name), RecordType::A, self.view).is_some()
    }

    /// Replaces all values of `name` (a full name) and `kind`; without values it removes them.
    ///
    /// # Errors
    /// [`ZoneError`] when the name lies in no zone, or a value does not fit; nothing is changed then.
    pub fn set(&self, name: &str, kind: RecordType, ttl: u32, values: &[&str]) -> Result<(), ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let origin = Name::from(&zone.origin);
        let values: Result<Vec<RData>, ZoneError> =
            values.iter().map(|text| value(&origin, name, kind, text)).collect();
        self.edit(&zone, Edit::Set { name: owner, kind, ttl, values: values? })?;
        Ok(())
    }

    /// Adds a value to those of `name` (a full name) and `kind`, which all get this TTL.
    ///
    /// # Errors
    /// As [`Dns::set`].
    pub fn add(&self, name: &str, kind: RecordType, ttl: u32, text: &str) -> Result<(), ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let data = value(&Name::from(&zone.origin), name, kind, text)?;
        self.edit(&zone, Edit::Add { name: owner, ttl, data })?;
        Ok(())
    }

    /// Removes all values of `name` (a full name) and `kind`; whether there were any.
    ///
    /// # Errors
    /// [`ZoneError`] when the name lies in no zone, or the record is the zone's start of authority.
    pub fn remove(&self, name: &str, kind: RecordType) -> Result<bool, ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        if kind == RecordType::SOA {
            value(&Name::from(&zone.origin), name, kind, "")?;
        }
        self.edit(&zone, Edit::Set { name: owner, kind, ttl: 0, values: Vec::new() })
    }

    /// Removes one value of `name` (a full name) and `kind`; whether it was there.
    ///
    /// # Errors
    /// As [`Dns::remove`], and when the text is no value of this type.
    pub fn remove_value(&self, name: &str, kind: RecordType, text: &str) -> Result<bool, ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let data = value(&Name::from(&zone.origin), name, kind, text)?;
        self.edit(&zone, Edit::Remove { name: owner, data })
    }

    /// The values of `name` (a full name) and `kind`, as [`Dns::set`] takes them, published or not.
    ///
    /// # Errors
    /// [`ZoneError`] when the name lies in no zone.
    pub fn values(&self, name: &str, kind: RecordType) -> Result<Vec<String>, ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let state = zone.state();
        Ok(texts(state.primary(), &owner, kind))
    }

    /// The values of `name` and `kind` as a nameserver has them now; none when there is no such nameserver.
    ///
    /// # Errors
    /// As [`Dns::values`].
    pub fn values_at(
        &self,
        nameserver: &str,
        name: &str,
        kind: RecordType,
    ) -> Result<Vec<String>, ZoneError> {
        let (zone, owner) = self.zone_of(name, kind)?;
        let Some(reader) = self.nameserver(nameserver) else { return Ok(Vec::new()) };
        let mut state = zone.state();
        Ok(texts(state.seen_by(reader, self.shared.world.monotonic()), &owner, kind))
    }

    /// Every record of a zone, published or not, in canonical order, with full names.
    pub fn records(&self, zone: &str) -> Option<Vec<Record>> {
        let zone = self.zone(zone)?;
        let state = zone.state();
        Some(flat(state.primary()))
    }

    /// A zone, published or not, as a zone file.
    pub fn zone_file(&self, zone: &str) -> Option<String> {
        Some(self.zone(zone)?.state().primary().to_zone_file())
    }

    pub(crate) fn nameserver(&self, name: &str) -> Option<usize> {
        self.shared.nameservers.iter().position(|ns| *ns.name == *name)
    }

    /// Its nameservers, as they are now.
    pub fn nameservers(&self) -> Vec<Nameserver> {
        let delays = lock(&self.shared.delays).clone();
        let state = |(ns, delays): (&Served, Vec<Duration>)| Nameserver {
            name: ns.name.to_string(),
            host: ns.host.clone(),
            listen: ns.listen,
            publish_delay: delays,
            zones: ns.zones.clone(),
        };
        self.shared.nameservers.iter().zip(delays).map(state).collect()
    }

    /// Gives a nameserver other delays for the changes from now on; whether there is one of this name.
    pub fn set_publish_delay(&self, nameserver: &str, delays: Vec<Duration>) -> bool {
        let Some(reader) = self.nameserver(nameserver) else { return false };
        match lock(&self.shared.delays).get_mut(reader) {
            Some(known) => {
                *known = delays;
                true
            }
            None => false,
        }
    }

    /// Adds a reader that is no nameserver, and sees changes after `delay`.
    pub(crate) fn add_reader(&self, delay: Duration) -> usize {
        let mut delays = lock(&self.shared.delays);
        delays.push(vec![delay]);
        delays.len() - 1
    }

    /// The scripted rules in order, and how often they came to be used.
    pub fn rules(&self) -> Vec<RuleState> {
        lock(&self.shared.script).states()
    }

    /// Adds a rule as the last one, or before the one that is now at `at`.
    ///
    /// # Errors
    /// [`ZoneError::Rule`] when it cannot be used.
    pub fn add_rule(&self, rule: Rule, at: Option<usize>) -> Result<(), ZoneError> {
        Ok(lock(&self.shared.script).add(rule, at)?)
    }

    /// Puts these rules in the place of all that there are.
    ///
    /// # Errors
    /// As [`Dns::add_rule`]; nothing is changed then.
    pub fn set_rules(&self, rules: Vec<Rule>) -> Result<(), ZoneError> {
        Ok(lock(&self.shared.script).replace(rules)?)
    }

    /// Removes a rule by its name; whether it was there.
    pub fn remove_rule(&self, name: &str) -> bool {
        lock(&self.shared.script).remove(name)
    }

    /// The last queries, oldest first.
    pub fn log(&self) -> Vec<QueryLogEntry> {
        lock(&self.shared.journal).entries()
    }

    /// Those of the last queries that are wanted, oldest first.
    pub fn log_where(&self, wanted: impl Fn(&QueryLogEntry) -> bool) -> Vec<QueryLogEntry> {
        lock(&self.shared.journal).filtered(wanted)
    }

    /// Forgets the queries so far.
    pub fn clear_log(&self) {
        lock(&self.shared.journal).clear();
    }

    /// Back to the beginning: the zones as they were when the server first answered, the configured rules
    /// with their counts and time windows anew, an empty log. Publish delays stay as they are.
    pub fn reset(&self) {
        if let Some(baseline) = lock(&self.shared.baseline).as_ref() {
            let mut catalog = Catalog::default();
            for (view, records) in baseline {
                catalog.insert(Arc::new(LiveZone::new(*view, records.clone())));
            }
            *lock(&self.shared.catalog) = Arc::new(catalog);
        }
        // They were good when the server started.
        if let Ok(script) = Script::new(self.shared.rules.clone(), self.shared.world.monotonic()) {
            *lock(&self.shared.script) = script;
        }
        self.clear_log();
    }

    /// Remembers the zones for [`Dns::reset`], the first time.
    pub(crate) fn remember(&self) {
        let catalog = lock(&self.shared.catalog).clone();
        let zones = || catalog.zones().map(|zone| (zone.view, zone.state().primary().clone())).collect();
        lock(&self.shared.baseline).get_or_insert_with(zones);
    }

    /// The router that manages it, under `/rehearse/dns/`: zones, records, rules, the log. See the
    /// documentation of the crate for its routes.
    pub fn router(&self) -> axum::Router {
        crate::manage::router(self.clone())
    }

    pub(crate) fn now(&self) -> Instant {
        self.shared.world.monotonic()
    }
}

fn texts(records: &Records, owner: &LowerName, kind: RecordType) -> Vec<String> {
    records.get(owner, kind).map_or_else(Vec::new, |set| set.values.iter().map(value_text).collect())
}

/// Every record, with full names.
pub(crate) fn flat(records: &Records) -> Vec<Record> {
    let of_set = |set: &Arc<zone::Set>| {
        let (name, kind, ttl) = (set.name.to_ascii(), set.kind, set.ttl);
        let record = move |data: &RData| Record { name: name.clone(), kind, ttl, value: value_text(data) };
        set.values.iter().map(record).collect::<Vec<_>>()
    };
    records.sets().flat_map(of_set).collect()
}
