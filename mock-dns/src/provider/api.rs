//! What a provider does with a call, whatever front end it came through.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use world::{Instant, Rng, World};

use super::audit::AuditEntry;
use super::config::{Adds, ApiRule, ApiRuleState, Deletes, Operation, Outcome, ProviderConfig};
use super::ids::{Ids, Key};
use super::throttle::Buckets;
use crate::catalog::lock;
use crate::error::{RuleError, ZoneError};
use crate::journal::Bounded;
use crate::rdata::{full_name, zone_text};
use crate::script::Turns;
use crate::server::{Dns, flat};

/// A DNS provider. Clones are handles on the same one.
#[derive(Clone)]
pub struct Provider(pub(super) Arc<Shared>);

pub(super) struct Shared {
    dns: Dns,
    pub(super) config: ProviderConfig,
    /// The reader that lists are made for.
    lists: usize,
    start: Mutex<Instant>,
    ids: Mutex<Ids>,
    buckets: Mutex<Buckets>,
    rules: Mutex<Vec<(ApiRule, Turns)>>,
    audit: Mutex<Bounded<AuditEntry>>,
    requests: Rng,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider of {:?}", self.0.dns)
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ApiError {
    /// The token is nobody's.
    Unauthorized,
    /// The account may not do this.
    Denied,
    /// Too many calls; when there is room again.
    Throttled(Duration),
    /// There is no such zone.
    ZoneMissing(String),
    /// There is no such record, or are no such values.
    RecordMissing,
    /// The record is there already.
    Exists,
    /// It does not fit with what is there.
    Conflict(String),
    /// The values are not those that the caller has seen.
    Changed,
    /// Something about the call is wrong.
    Bad(String),
    /// A scripted error.
    Scripted { status: u16, code: String, message: String },
}

impl ApiError {
    /// A word for it.
    pub(super) fn code(&self) -> &str {
        match self {
            ApiError::Unauthorized => "unauthorized",
            ApiError::Denied => "accessDenied",
            ApiError::Throttled(_) => "throttled",
            ApiError::ZoneMissing(_) => "zoneNotFound",
            ApiError::RecordMissing => "recordNotFound",
            ApiError::Exists => "recordExists",
            ApiError::Conflict(_) => "conflict",
            ApiError::Changed => "preconditionFailed",
            ApiError::Bad(_) => "invalid",
            ApiError::Scripted { code, .. } => code,
        }
    }

    /// A sentence for it, without the request's id.
    pub(super) fn text(&self) -> String {
        match self {
            ApiError::Unauthorized => "the token is not valid".to_owned(),
            ApiError::Denied => "the account is not permitted to do this".to_owned(),
            ApiError::Throttled(_) => "Throttling: Rate exceeded".to_owned(),
            ApiError::ZoneMissing(zone) => format!("zone {zone} could not be found"),
            ApiError::RecordMissing => "the record could not be found".to_owned(),
            ApiError::Exists => "the record exists already".to_owned(),
            ApiError::Changed => "the values have been changed since they were read".to_owned(),
            ApiError::Conflict(text) | ApiError::Bad(text) => text.clone(),
            ApiError::Scripted { message, .. } => message.clone(),
        }
    }
}

impl From<ZoneError> for ApiError {
    fn from(error: ZoneError) -> Self {
        match &error {
            ZoneError::CnameNotAlone { .. } => ApiError::Conflict(error.to_string()),
            ZoneError::NoZone { name, .. } => ApiError::ZoneMissing(name.clone()),
            _ => ApiError::Bad(error.to_string()),
        }
    }
}

/// A record as the provider knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: u64,
    /// Full, with its final dot.
    pub(super) full: String,
    /// Relative to the zone, or `@`.
    pub(super) name: String,
    pub(super) kind: RecordType,
    pub(super) ttl: u32,
    pub(super) value: String,
}

/// A record to write.
#[derive(Debug, Clone)]
pub(super) struct Write {
    /// Relative to the zone, `@`, or full.
    pub(super) name: String,
    pub(super) kind: RecordType,
    pub(super) ttl: u32,
    pub(super) values: Vec<String>,
}

/// A call as a front end reads it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) token: String,
    pub(super) from: Option<IpAddr>,
    pub(super) operation: Operation,
    /// Name or number.
    pub(super) zone: String,
    pub(super) task: Task,
}

/// What a call is about, besides its zone.
#[derive(Debug, Clone)]
pub(super) enum Task {
    /// The zone, or all zones.
    Zone,
    /// All records, those of a name, or those of a name and type.
    Records { name: Option<String>, kind: Option<RecordType> },
    /// A record by its number.
    Record(u64),
    /// A new record.
    Create(Write),
    /// Another content for a record.
    Update(u64, Write),
    /// The removal of a record.
    Delete(u64),
    /// The values of a name and type.
    Set { name: String, kind: RecordType },
    /// Other values for a name and type, if the ones that are there have this tag.
    PutSet(Write, Option<String>),
    /// The removal of a name and type, likewise.
    DeleteSet { name: String, kind: RecordType, tag: Option<String> },
}

/// What a call gives.
#[derive(Debug, Clone)]
pub(super) enum Given {
    Zones(Vec<(u64, String)>),
    Rows { zone: (u64, String), rows: Vec<Row> },
    Done { zone: (u64, String) },
}

/// An answer, and the id of the request that it is for.
pub(super) struct Answered {
    pub(super) request_id: String,
    /// `None` is no answer ever.
    pub(super) result: Option<Result<Given, ApiError>>,
}

/// What stands for the values of a name and type, so that a writer can say which it has seen.
pub(super) fn tag(rows: &[Row]) -> String {
    let mut values: Vec<String> = rows.iter().map(|row| format!("{} {}\n", row.ttl, row.value)).collect();
    values.sort();
    // FNV-1a.
    let hash = values.concat().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

impl Provider {
    /// A provider for the zones of `dns`.
    ///
    /// # Errors
    /// [`ZoneError`] when there is no such view, or a rule cannot be used.
    pub fn new(dns: &Dns, config: ProviderConfig) -> Result<Self, ZoneError> {
        let dns = dns.in_view(&config.view)?.published_after(config.publish_delay);
        let mut rules: Vec<(ApiRule, Turns)> = Vec::new();
        for rule in &config.rules {
            check(rule, &rules)?;
            rules.push((rule.clone(), Turns::default()));
        }
        let shared = Shared {
            lists: dns.add_reader(config.stale),
            start: Mutex::new(dns.now()),
            ids: Mutex::new(Ids::new(config.first_record_id)),
            buckets: Mutex::default(),
            rules: Mutex::new(rules),
            audit: Mutex::new(Bounded::new(config.audit_max)),
            requests: dns.world().rng("mock-dns provider requests"),
            dns,
            config,
        };
        Ok(Provider(Arc::new(shared)))
    }

    pub(super) fn world(&self) -> &World {
        self.0.dns.world()
    }

    /// The last calls, oldest first.
    pub fn audit(&self) -> Vec<AuditEntry> {
        lock(&self.0.audit).entries()
    }

    /// The scripted rules in order, and how often they came to be used.
    pub fn rules(&self) -> Vec<ApiRuleState> {
        let state = |(rule, turns): &(ApiRule, Turns)| ApiRuleState {
            rule: rule.clone(),
            fitted: turns.fitted,
            applied: turns.applied,
        };
        lock(&self.0.rules).iter().map(state).collect()
    }

    /// Adds a rule as the last one.
    ///
    /// # Errors
    /// [`ZoneError::Rule`] when it cannot be used.
    pub fn add_rule(&self, rule: ApiRule) -> Result<(), ZoneError> {
        let mut rules = lock(&self.0.rules);
        check(&rule, &rules)?;
        rules.push((rule, Turns::default()));
        Ok(())
    }

    /// Removes a rule by its name; whether it was there.
    pub fn remove_rule(&self, name: &str) -> bool {
        let mut rules = lock(&self.0.rules);
        let before = rules.len();
        rules.retain(|(rule, _)| rule.name != name);
        rules.len() < before
    }

    /// Back to the beginning: the configured rules with their counts and time windows anew, full buckets,
    /// new numbers, an empty audit log. The records are the server's: see [`Dns::reset`].
    pub fn reset(&self) {
        let rules = self.0.config.rules.iter().map(|rule| (rule.clone(), Turns::default())).collect();
        *lock(&self.0.rules) = rules;
        *lock(&self.0.start) = self.0.dns.now();
        *lock(&self.0.buckets) = Buckets::default();
        lock(&self.0.ids).clear();
        lock(&self.0.audit).clear();
    }

    /// Takes a call, does what it asks for, and writes it down.
    pub(super) async fn call(&self, call: Call) -> Answered {
        let request_id = format!("{:016x}{:016x}", self.0.requests.next_u64(), self.0.requests.next_u64());
        let account = self.account(&call.token);
        let (mut rule, mut result) = (None, None);
        match &account {
            None => result = Some(Err(ApiError::Unauthorized)),
            Some((name, _)) => {
                if let Some(limit) = self.0.config.throttle
                    && let Err(wait) = lock(&self.0.buckets).take(limit, name, self.0.dns.now())
                {
                    result = Some(Err(ApiError::Throttled(wait)));
                } else {
                    rule = self.decide(&call, name);
                    let delay = rule.as_ref().map_or(Duration::ZERO, |rule| rule.delay);
                    if !delay.is_zero() {
                        self.world().sleep(delay).await;
                    }
                }
            }
        }
        let zones: &[String] = account.as_ref().map_or(&[], |(_, zones)| zones);
        let result = match (result, rule.as_ref().map(|rule| &rule.outcome)) {
            (Some(refused), _) => Some(refused),
            (None, Some(Outcome::Hang)) => None,
            (None, outcome) => Some(self.outcome(&call, zones, outcome).await),
        };
        self.write_down(&call, account.map(|(name, _)| name), &request_id, result.as_ref(), rule);
        Answered { request_id, result }
    }

    async fn outcome(
        &self,
        call: &Call,
        zones: &[String],
        outcome: Option<&Outcome>,
    ) -> Result<Given, ApiError> {
        let internal = || ApiError::Scripted {
            status: 500,
            code: "internalError".to_owned(),
            message: "internal error".to_owned(),
        };
        match outcome {
            Some(Outcome::Denied) => Err(ApiError::Denied),
            Some(Outcome::Throttled) => Err(ApiError::Throttled(
                self.0.config.throttle.map_or(Duration::from_secs(1), |t| t.per_call),
            )),
            Some(Outcome::ZoneMissing) if call.operation != Operation::ListZones => {
                Err(ApiError::ZoneMissing(call.zone.clone()))
            }
            Some(Outcome::Error { status, code, message }) => {
                Err(ApiError::Scripted { status: *status, code: code.clone(), message: message.clone() })
            }
            Some(Outcome::ZoneMissing) => Ok(Given::Zones(Vec::new())),
            Some(Outcome::Unheard) => self.carry_out(call, zones, true).await.and(Err(internal())),
            Some(Outcome::Lost) => self.carry_out(call, zones, false).await,
            _ => self.carry_out(call, zones, true).await,
        }
    }

    /// The account that a token is of, and its zones.
    fn account(&self, token: &str) -> Option<(String, Vec<String>)> {
        let accounts = &self.0.config.accounts;
        if accounts.is_empty() {
            // DNSPod's tokens begin with the number of the account; other tokens say nothing of it.
            let name = token.split_once(',').map_or("anonymous", |(name, _)| name);
            return (!token.is_empty()).then(|| (name.to_owned(), Vec::new()));
        }
        let known = accounts.iter().find(|account| account.token == token)?;
        Some((known.name.clone(), known.zones.clone()))
    }

    fn decide(&self, call: &Call, account: &str) -> Option<ApiRule> {
        let zone = self.zone_name(&call.zone);
        let since = self.0.dns.now().since(*lock(&self.0.start));
        let mut rules = lock(&self.0.rules);
        let fits = |rule: &ApiRule| {
            let when = &rule.when;
            (when.operations.is_empty() || when.operations.contains(&call.operation))
                && (when.zones.is_empty() || when.zones.iter().any(|z| same_zone(z, &zone)))
                && (when.accounts.is_empty() || when.accounts.iter().any(|a| a == account))
        };
        rules
            .iter_mut()
            .filter(|(rule, _)| fits(rule))
            .find_map(|(rule, turns)| turns.take(&rule.occasions, since).then(|| rule.clone()))
    }

    /// A zone's name, of its name or its number.
    fn zone_name(&self, zone: &str) -> String {
        let number = zone.parse::<u64>().ok();
        let ids = lock(&self.0.ids);
        let known = number.and_then(|id| ids.zone_name(id)).map(str::to_owned);
        known.unwrap_or_else(|| full_name(zone).map_or_else(|| zone.to_owned(), |name| zone_text(&name)))
    }

    async fn carry_out(&self, call: &Call, zones: &[String], write: bool) -> Result<Given, ApiError> {
        let mine = |name: &str| zones.is_empty() || zones.iter().any(|zone| same_zone(zone, name));
        if call.operation == Operation::ListZones {
            let hidden = self.missing_zones();
            let names: Vec<String> = self
                .0
                .dns
                .zones()
                .into_iter()
                .filter(|z| mine(z) && !hidden.iter().any(|h| same_zone(h, z)))
                .collect();
            let mut ids = lock(&self.0.ids);
            return Ok(Given::Zones(names.into_iter().map(|name| (ids.zone(&name), name)).collect()));
        }
        let name = self.zone_name(&call.zone);
        let served = self.0.dns.zones().into_iter().find(|zone| same_zone(zone, &name) && mine(zone));
        let Some(name) = served else { return Err(ApiError::ZoneMissing(call.zone.clone())) };
        let zone = (lock(&self.0.ids).zone(&name), name);
        let rows = match &call.task {
            Task::Zone => return Ok(Given::Done { zone }),
            Task::Records { name, kind } => {
                let wanted = match name {
                    Some(name) => Some(full(&zone.1, name)?),
                    None => None,
                };
                let rows = self.rows(&zone.1, true);
                let fits = |row: &Row| {
                    wanted.as_ref().is_none_or(|full| row.full.eq_ignore_ascii_case(full))
                        && kind.is_none_or(|kind| row.kind == kind)
                };
                rows.into_iter().filter(fits).collect()
            }
            Task::Record(id) => {
                let row = self.rows(&zone.1, true).into_iter().find(|row| row.id == *id);
                vec![row.ok_or(ApiError::RecordMissing)?]
            }
            Task::Set { name, kind } => {
                let rows = self.set_rows(&zone.1, name, *kind, true)?;
                if rows.is_empty() {
                    return Err(ApiError::RecordMissing);
                }
                rows
            }
            Task::Create(record) => self.create(&zone.1, record, write).await?,
            Task::Update(id, record) => self.update(&zone.1, *id, record, write).await?,
            Task::Delete(id) => {
                self.delete(&zone.1, *id, write).await?;
                return Ok(Given::Done { zone });
            }
            Task::PutSet(record, seen) => {
                self.precondition(&zone.1, &record.name, record.kind, seen.as_deref())?;
                if write {
                    let values: Vec<&str> = record.values.iter().map(String::as_str).collect();
                    self.0.dns.set(&full(&zone.1, &record.name)?, record.kind, record.ttl, &values)?;
                }
                self.set_rows(&zone.1, &record.name, record.kind, false)?
            }
            Task::DeleteSet { name, kind, tag } => {
                self.precondition(&zone.1, name, *kind, tag.as_deref())?;
                let name = full(&zone.1, name)?;
                let there = if write {
                    self.0.dns.remove(&name, *kind)?
                } else {
                    !self.0.dns.values(&name, *kind)?.is_empty()
                };
                return if there { Ok(Given::Done { zone }) } else { Err(ApiError::RecordMissing) };
            }
        };
        Ok(Given::Rows { zone, rows })
    }

    /// Zones that a rule hides from lists now.
    fn missing_zones(&self) -> Vec<String> {
        let since = self.0.dns.now().since(*lock(&self.0.start));
        let rules = lock(&self.0.rules);
        let hidden = rules.iter().filter(|(rule, _)| {
            rule.outcome == Outcome::ZoneMissing
                && rule.occasions.in_window(since)
                && rule.when.accounts.is_empty()
        });
        hidden.flat_map(|(rule, _)| rule.when.zones.clone()).collect()
    }

    fn precondition(
        &self,
        zone: &str,
        name: &str,
        kind: RecordType,
        seen: Option<&str>,
    ) -> Result<(), ApiError> {
        let Some(seen) = seen else { return Ok(()) };
        let now = self.set_rows(zone, name, kind, false)?;
        if tag(&now) == seen { Ok(()) } else { Err(ApiError::Changed) }
    }

    /// All records but the start of authority, by their numbers; as of a while ago when lists lag.
    fn rows(&self, zone: &str, lagging: bool) -> Vec<Row> {
        let Some(live) = self.0.dns.zone(zone) else { return Vec::new() };
        let records = {
            let mut state = live.state();
            if lagging { flat(state.seen_by(self.0.lists, self.0.dns.now())) } else { flat(state.primary()) }
        };
        let mut ids = lock(&self.0.ids);
        let row = |record: crate::config::Record| {
            let key: Key = (zone.to_owned(), record.name.clone(), record.kind, record.value.clone());
            let name = relative(&record.name, zone);
            let crate::config::Record { name: full, kind, ttl, value } = record;
            Row { id: ids.of(&key), full, name, kind, ttl, value }
        };
        let records = records.into_iter().filter(|record| record.kind != RecordType::SOA);
        let mut rows: Vec<Row> = records.map(row).collect();
        rows.sort_by_key(|row| row.id);
        rows
    }

    fn set_rows(
        &self,
        zone: &str,
        name: &str,
        kind: RecordType,
        lagging: bool,
    ) -> Result<Vec<Row>, ApiError> {
        let full = full(zone, name)?;
        let rows = self.rows(zone, lagging).into_iter();
        Ok(rows.filter(|row| row.kind == kind && row.full.eq_ignore_ascii_case(&full)).collect())
    }

    async fn create(&self, zone: &str, record: &Write, write: bool) -> Result<Vec<Row>, ApiError> {
        let full = full(zone, &record.name)?;
        let [value] = record.values.as_slice() else {
            return Err(ApiError::Bad("expected one value".to_owned()));
        };
        let before = self.0.dns.values(&full, record.kind)?;
        let canonical = self.canonical(zone, record, value)?;
        if before.contains(&canonical) {
            return Err(ApiError::Exists);
        }
        let key: Key = (zone.to_owned(), full.to_ascii_lowercase(), record.kind, canonical.clone());
        let id = lock(&self.0.ids).renew(key);
        if write {
            self.rewrite(&full, record.kind, record.ttl, before, Some(&canonical), None).await?;
        }
        let Write { kind, ttl, .. } = *record;
        Ok(vec![Row { id, name: relative(&full, zone), full, kind, ttl, value: canonical }])
    }

    async fn update(&self, zone: &str, id: u64, record: &Write, write: bool) -> Result<Vec<Row>, ApiError> {
        let old =
            self.rows(zone, false).into_iter().find(|row| row.id == id).ok_or(ApiError::RecordMissing)?;
        let full = full(zone, &record.name)?;
        let [value] = record.values.as_slice() else {
            return Err(ApiError::Bad("expected one value".to_owned()));
        };
        let canonical = self.canonical(zone, record, value)?;
        let same_set = old.kind == record.kind && old.full.eq_ignore_ascii_case(&full);
        if write {
            if !same_set {
                self.0.dns.remove_value(&old.full, old.kind, &old.value)?;
            }
            let before = self.0.dns.values(&full, record.kind)?;
            let gone = same_set.then_some(old.value.as_str());
            self.rewrite(&full, record.kind, record.ttl, before, Some(&canonical), gone).await?;
            let key: Key = (zone.to_owned(), full.to_ascii_lowercase(), record.kind, canonical.clone());
            lock(&self.0.ids).rename(id, key);
        }
        let Write { kind, ttl, .. } = *record;
        Ok(vec![Row { id, name: relative(&full, zone), full, kind, ttl, value: canonical }])
    }

    async fn delete(&self, zone: &str, id: u64, write: bool) -> Result<(), ApiError> {
        let row =
            self.rows(zone, false).into_iter().find(|row| row.id == id).ok_or(ApiError::RecordMissing)?;
        if !write {
            return Ok(());
        }
        match self.0.config.deletes {
            Deletes::Set => {
                self.0.dns.remove(&row.full, row.kind)?;
                Ok(())
            }
            Deletes::Value => {
                let before = self.0.dns.values(&row.full, row.kind)?;
                self.rewrite(&row.full, row.kind, row.ttl, before, None, Some(&row.value)).await
            }
        }
    }

    /// Adds a value to a set and takes one away: as one step each, or by reading and writing the whole set
    /// with time in between, as the configuration says.
    async fn rewrite(
        &self,
        full: &str,
        kind: RecordType,
        ttl: u32,
        before: Vec<String>,
        add: Option<&str>,
        remove: Option<&str>,
    ) -> Result<(), ApiError> {
        let dns = &self.0.dns;
        let replaces = self.0.config.adds == Adds::Replace && add.is_some() && remove.is_none();
        let takes = self.0.config.write_time;
        if !takes.is_zero() || replaces {
            if !takes.is_zero() {
                self.world().sleep(takes).await;
            }
            let kept = before.iter().map(String::as_str).filter(|v| !replaces && Some(*v) != remove);
            let values: Vec<&str> = kept.chain(add).collect();
            return Ok(dns.set(full, kind, ttl, &values)?);
        }
        if let Some(value) = remove
            && remove != add
        {
            dns.remove_value(full, kind, value)?;
        }
        if let Some(value) = add {
            dns.add(full, kind, ttl, value)?;
        }
        Ok(())
    }

    /// A value as the server writes it.
    fn canonical(&self, zone: &str, record: &Write, value: &str) -> Result<String, ApiError> {
        let origin = full_name(zone).ok_or_else(|| ApiError::ZoneMissing(zone.to_owned()))?;
        let data = crate::rdata::value(&origin, &record.name, record.kind, value)?;
        Ok(crate::rdata::value_text(&data))
    }

    fn write_down(
        &self,
        call: &Call,
        account: Option<String>,
        request_id: &str,
        result: Option<&Result<Given, ApiError>>,
        rule: Option<ApiRule>,
    ) {
        let (mut name, mut kind, mut value, mut record_id) = (String::new(), None, String::new(), None);
        match &call.task {
            Task::Zone => {}
            Task::Records { name: n, kind: k } => (name, kind) = (n.clone().unwrap_or_default(), *k),
            Task::Record(id) | Task::Delete(id) => record_id = Some(*id),
            Task::Create(record) | Task::PutSet(record, _) => {
                (name, kind, value) = (record.name.clone(), Some(record.kind), record.values.join(","));
            }
            Task::Update(id, record) => {
                record_id = Some(*id);
                (name, kind, value) = (record.name.clone(), Some(record.kind), record.values.join(","));
            }
            Task::Set { name: n, kind: k } | Task::DeleteSet { name: n, kind: k, .. } => {
                (name, kind) = (n.clone(), Some(*k));
            }
        }
        if let (Operation::CreateRecord, Some(Ok(Given::Rows { rows, .. }))) = (call.operation, result) {
            record_id = rows.first().map(|row| row.id);
        }
        if let Some((zone, full, of_kind, text)) = record_id.and_then(|id| lock(&self.0.ids).key(id).cloned())
        {
            (name, kind, value) = (relative(&full, &zone), Some(of_kind), text);
        }
        let entry = AuditEntry {
            at: self.world().now(),
            account: account.unwrap_or_default(),
            from: call.from,
            operation: call.operation,
            zone: self.zone_name(&call.zone),
            name,
            kind: kind.map_or_else(String::new, |kind| kind.to_string()),
            value,
            record_id,
            result: match result {
                None => "hangs".to_owned(),
                Some(Ok(_)) => "ok".to_owned(),
                Some(Err(error)) => error.code().to_owned(),
            },
            request_id: request_id.to_owned(),
            rule: rule.map(|rule| rule.name),
        };
        self.world().record("mock-dns", "provider", entry.to_string().as_bytes());
        lock(&self.0.audit).push(entry);
    }

    /// An error's text, with the request's id if the provider says it.
    pub(super) fn text_of(&self, error: &ApiError, request_id: &str) -> String {
        let text = error.text();
        if self.0.config.request_ids { format!("{text}, request id: {request_id}") } else { text }
    }
}

fn check(rule: &ApiRule, others: &[(ApiRule, Turns)]) -> Result<(), RuleError> {
    if rule.name.is_empty() {
        return Err(RuleError::NoName);
    }
    if others.iter().any(|(other, _)| other.name == rule.name) {
        return Err(RuleError::Duplicate { rule: rule.name.clone() });
    }
    rule.occasions.check().map_err(|message| RuleError::Occasions { rule: rule.name.clone(), message })
}

fn same_zone(a: &str, b: &str) -> bool {
    a.trim_end_matches('.').eq_ignore_ascii_case(b.trim_end_matches('.'))
}

/// A full name of one that is relative to `zone`, `@`, or full within it.
fn full(zone: &str, name: &str) -> Result<String, ApiError> {
    let origin = full_name(zone).ok_or_else(|| ApiError::ZoneMissing(zone.to_owned()))?;
    let name = if name.is_empty() { "@" } else { name };
    Ok(crate::rdata::owner(&origin, name, RecordType::ANY)
        .map_err(|_| ApiError::Bad(format!("{name:?} is no name within {zone}")))?
        .to_string())
}

/// A full name as it is called within its zone.
fn relative(full: &str, zone: &str) -> String {
    let full = full.trim_end_matches('.');
    let (zone, lower) = (zone.to_ascii_lowercase(), full.to_ascii_lowercase());
    if lower == zone {
        return "@".to_owned();
    }
    let suffix = format!(".{zone}");
    full.get(..full.len().saturating_sub(suffix.len()))
        .filter(|_| lower.ends_with(&suffix))
        .unwrap_or(full)
        .to_owned()
}
