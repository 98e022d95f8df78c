//! What has to be found out about a name: where its aliases lead, its zone, and who answers for that.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use world::{Instant, World};

use super::query::{QueryError, Questions, code_text};
use crate::compat::ZoneCache;
use crate::log::{Logger, catalogue as msg};

/// The port of nameservers.
const PORT: u16 = 53;

/// Why nothing was found out, in the release's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZoneError {
    /// A question without an answer.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Aliases that lead back to one of them.
    #[error("Found recursive CNAME record to {target:?} when looking up {name:?}")]
    Loop { target: String, name: String },
    /// A code that says nothing about the zone.
    #[error(
        "When querying the SOA record for the domain '{domain}' using nameservers [{}], rcode was expected to be \
         'NOERROR' or 'NXDOMAIN', but got '{code}'",
        .nameservers.join(" ")
    )]
    Code { domain: String, nameservers: Vec<String>, code: String },
    /// No name above has a start of authority.
    #[error(
        "Could not find the SOA record in the DNS tree for the domain '{name}' using nameservers [{}]",
        .nameservers.join(" ")
    )]
    NoZone { name: String, nameservers: Vec<String> },
    /// The zone is not known, and so its nameservers are not.
    #[error("Could not determine the zone for {name:?}: {why}")]
    ZoneUnknown { name: String, why: Box<ZoneError> },
    /// The zone has no nameservers.
    #[error("Could not determine authoritative nameservers for {0:?}")]
    NoNameservers(String),
    /// A nameserver answers with an error.
    #[error("NS {nameserver} returned {code} for {name}")]
    Refused { nameserver: String, code: String, name: String },
}

/// The zones that were found, by name, until when they count.
#[derive(Debug, Default)]
pub(super) struct Zones(Mutex<BTreeMap<String, (String, Option<Instant>)>>);

impl Zones {
    fn get(&self, name: &str, now: Instant) -> Option<String> {
        let mut zones = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (zone, until) = zones.get(name)?;
        if until.is_some_and(|until| now >= until) {
            zones.remove(name);
            return None;
        }
        Some(zone.clone())
    }

    fn put(&self, name: &str, zone: &str, until: Option<Instant>) {
        let mut zones = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        zones.insert(name.to_owned(), (zone.to_owned(), until));
    }
}

/// The name itself, and the names above it but the root: `a.b.` and `b.`.
fn climb(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        let (_, above) = name.split_once('.')?;
        Some(above).filter(|above| !above.is_empty())
    })
}

/// What an answer to a SOA question says about the zone of the name.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It begins here, and its start of authority lives so many seconds.
    Zone(String, u32),
    /// Look further up.
    Above,
    /// It is an error.
    Code(ResponseCode),
}

fn found(answer: &Message) -> Found {
    match answer.metadata.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Found::Above,
        other => return Found::Code(other),
    }
    // No alias is at the top of a zone (RFC 2181 section 10.1): what is behind one is another's.
    if answer.answers.iter().any(|record| record.record_type() == RecordType::CNAME) {
        return Found::Above;
    }
    let soa = answer.answers.iter().find(|record| record.record_type() == RecordType::SOA);
    soa.map_or(Found::Above, |soa| Found::Zone(soa.name.to_ascii(), soa.ttl))
}

impl Questions {
    /// Where the aliases of a name lead.
    pub(super) async fn follow(
        &self,
        log: &Logger,
        name: &str,
        nameservers: &[String],
    ) -> Result<String, ZoneError> {
        let (mut name, mut passed) = (name.to_owned(), Vec::new());
        loop {
            let answer = self.ask(log, &name, RecordType::CNAME, nameservers).await?;
            if answer.metadata.response_code != ResponseCode::NoError {
                return Ok(name);
            }
            let target = answer.answers.iter().find_map(|record| match &record.data {
                RData::CNAME(target) if record.name.to_ascii() == name => Some(target.0.to_ascii()),
                _ => None,
            });
            let Some(target) = target else { return Ok(name) };
            log.plain(&msg::DNS_ALIAS, format!("Updating FQDN: {name} with its CNAME: {target}"));
            if passed.contains(&target) {
                return Err(ZoneError::Loop { target, name });
            }
            passed.push(std::mem::replace(&mut name, target));
        }
    }

    /// The zone of a name: the nearest name at or above it that has a start of authority.
    pub(super) async fn zone_of(
        &self,
        log: &Logger,
        name: &str,
        nameservers: &[String],
        (zones, keep): (&Zones, ZoneCache),
    ) -> Result<String, ZoneError> {
        if let Some(zone) = zones.get(name, self.world.monotonic()) {
            let text = format!("Returning cached zone record {zone:?} for fqdn {name:?}");
            log.plain(&msg::DNS_ZONE_CACHED, text);
            return Ok(zone);
        }
        for domain in climb(name) {
            let answer = self.ask(log, domain, RecordType::SOA, nameservers).await?;
            match found(&answer) {
                Found::Above => {}
                Found::Code(code) => {
                    let (domain, nameservers) = (domain.to_owned(), nameservers.to_vec());
                    return Err(ZoneError::Code { domain, nameservers, code: code_text(code) });
                }
                Found::Zone(zone, ttl) => {
                    zones.put(name, &zone, expiry(&self.world, keep, ttl));
                    let text = format!("Returning discovered zone record {zone:?} for fqdn {name:?}");
                    log.plain(&msg::DNS_ZONE_FOUND, text);
                    return Ok(zone);
                }
            }
        }
        Err(ZoneError::NoZone { name: name.to_owned(), nameservers: nameservers.to_vec() })
    }

    /// The nameservers that answer for a name, with their port.
    pub(super) async fn authorities(
        &self,
        log: &Logger,
        name: &str,
        nameservers: &[String],
        cache: (&Zones, ZoneCache),
    ) -> Result<Vec<String>, ZoneError> {
        let seeds = nameservers.join(", ");
        let text = format!("Searching fqdn {name:?} using seed nameservers [{seeds}]");
        log.plain(&msg::DNS_SEARCH, text);
        let zone = self.zone_of(log, name, nameservers, cache).await;
        let unknown = |why| ZoneError::ZoneUnknown { name: name.to_owned(), why: Box::new(why) };
        let zone = zone.map_err(unknown)?;
        let answer = self.ask(log, &zone, RecordType::NS, nameservers).await?;
        let mut found = Vec::new();
        for record in &answer.answers {
            if let RData::NS(ns) = &record.data {
                found.push(ns.0.to_ascii().to_ascii_lowercase());
            }
        }
        if found.is_empty() {
            return Err(ZoneError::NoNameservers(name.to_owned()));
        }
        let text = format!("Returning authoritative nameservers [{}]", found.join(", "));
        log.plain(&msg::DNS_AUTHORITIES, text);
        Ok(found.into_iter().map(|host| format!("{host}:{PORT}")).collect())
    }

    /// Whether every one of `nameservers` has the value among the TXT records of a name.
    pub(super) async fn all_have(
        &self,
        log: &Logger,
        name: &str,
        value: &str,
        nameservers: &[String],
    ) -> Result<bool, ZoneError> {
        for nameserver in nameservers {
            let answer = self.ask(log, name, RecordType::TXT, std::slice::from_ref(nameserver)).await?;
            let code = answer.metadata.response_code;
            // A name that is not there may come yet.
            if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
                let (nameserver, name) = (nameserver.clone(), name.to_owned());
                return Err(ZoneError::Refused { nameserver, code: code_text(code), name });
            }
            log.plain(&msg::DNS_TXT, format!("Looking up TXT records for {name:?}"));
            let has = answer.answers.iter().any(|record| match &record.data {
                RData::TXT(text) => text.txt_data.concat() == value.as_bytes(),
                _ => false,
            });
            if !has {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn expiry(world: &World, keep: ZoneCache, ttl: u32) -> Option<Instant> {
    match keep {
        ZoneCache::ForEver => None,
        ZoneCache::Ttl => Some(world.monotonic() + std::time::Duration::from_secs(ttl.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::{MessageType, OpCode};
    use hickory_proto::rr::rdata::{CNAME, SOA};
    use hickory_proto::rr::{Name, Record};
    use std::time::Duration;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn answer(code: ResponseCode, records: &[RData]) -> Message {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.metadata.response_code = code;
        message.add_answers(records.iter().map(|r| Record::from_rdata(name("a.test."), 60, r.clone())));
        message
    }

    #[test]
    fn the_search_climbs_to_the_top_level_and_not_to_the_root() {
        let climbed: Vec<_> = climb("_acme-challenge.www.a.test.").collect();
        assert_eq!(climbed, ["_acme-challenge.www.a.test.", "www.a.test.", "a.test.", "test."]);
    }

    #[test]
    fn a_name_that_is_not_there_an_alias_and_no_start_of_authority_lead_up_other_codes_end_the_search() {
        let soa = RData::SOA(SOA::new(name("ns1.a.test."), name("h.a.test."), 1, 1, 1, 1, 1));
        let alias = RData::CNAME(CNAME(name("b.test.")));
        let here = Found::Zone("a.test.".to_owned(), 60);
        assert_eq!(found(&answer(ResponseCode::NoError, std::slice::from_ref(&soa))), here);
        assert_eq!(found(&answer(ResponseCode::NoError, &[])), Found::Above);
        assert_eq!(found(&answer(ResponseCode::NXDomain, &[])), Found::Above);
        assert_eq!(found(&answer(ResponseCode::NoError, &[alias, soa])), Found::Above);
        let code = Found::Code(ResponseCode::ServFail);
        assert_eq!(found(&answer(ResponseCode::ServFail, &[])), code);
    }

    #[test]
    fn a_zone_is_kept_for_ever_or_for_its_time() {
        let (zones, start) = (Zones::default(), Instant::default());
        zones.put("a.", "a.", None);
        zones.put("b.", "b.", Some(start + Duration::from_secs(60)));
        let later = |secs| start + Duration::from_secs(secs);
        assert_eq!(zones.get("a.", later(1_000_000)).as_deref(), Some("a."));
        assert_eq!(zones.get("b.", later(59)).as_deref(), Some("b."));
        assert_eq!(zones.get("b.", later(60)), None);
        assert_eq!(zones.get("b.", later(0)), None, "it is gone");
    }

    #[test]
    fn errors_have_the_words_of_the_release() {
        let nameservers = vec!["10.0.0.1:53".to_owned(), "10.0.0.2:53".to_owned()];
        let code = ZoneError::Code {
            domain: "a.test.".to_owned(),
            nameservers: nameservers.clone(),
            code: code_text(ResponseCode::Refused),
        };
        assert_eq!(
            code.to_string(),
            "When querying the SOA record for the domain 'a.test.' using nameservers [10.0.0.1:53 10.0.0.2:53], \
             rcode was expected to be 'NOERROR' or 'NXDOMAIN', but got 'REFUSED'"
        );
        let none = ZoneError::NoZone { name: "a.test.".to_owned(), nameservers };
        let unknown = ZoneError::ZoneUnknown { name: "a.test.".to_owned(), why: Box::new(none) };
        assert_eq!(
            unknown.to_string(),
            "Could not determine the zone for \"a.test.\": Could not find the SOA record in the DNS tree for the \
             domain 'a.test.' using nameservers [10.0.0.1:53 10.0.0.2:53]"
        );
    }
}
