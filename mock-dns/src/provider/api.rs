//! What a provider does with a call, whatever front end it came through.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use world::{Instant, Rng, World};

use super::audit::AuditEntry;
use super::config::{ApiRule, ApiRuleState, Operation, Outcome, ProviderConfig};
use super::ids::Ids;
use super::records::{relative, same_zone};
use super::throttle::Buckets;
use crate::catalog::lock;
use crate::error::{RuleError, ZoneError};
use crate::journal::Bounded;
use crate::rdata::{full_name, zone_text};
use crate::script::Turns;
use crate::server::Dns;

/// A DNS provider. Clones are handles on the same one.
#[derive(Clone)]
pub struct Provider(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) dns: Dns,
    pub(super) config: ProviderConfig,
    /// The reader that lists are made for.
    pub(super) lists: usize,
    pub(super) start: Mutex<Instant>,
    pub(super) ids: Mutex<Ids>,
    buckets: Mutex<Buckets>,
    pub(super) rules: Mutex<Vec<(ApiRule, Turns)>>,
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

    /// Those of the last calls that are wanted, oldest first.
    pub fn audit_where(&self, wanted: impl Fn(&AuditEntry) -> bool) -> Vec<AuditEntry> {
        lock(&self.0.audit).filtered(wanted)
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
    pub(super) fn zone_name(&self, zone: &str) -> String {
        let number = zone.parse::<u64>().ok();
        let ids = lock(&self.0.ids);
        let known = number.and_then(|id| ids.zone_name(id)).map(str::to_owned);
        known.unwrap_or_else(|| full_name(zone).map_or_else(|| zone.to_owned(), |name| zone_text(&name)))
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
