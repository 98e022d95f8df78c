//! What a server answers to a question: aliases followed through the zones it has, negative answers with
//! their start of authority, referrals with glue.

use std::sync::Arc;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{LowerName, Name, RData, RecordType};
use world::Instant;

use crate::catalog::{Catalog, LiveZone};
use crate::zone::{Found, Set};

/// Longest chain of aliases that is followed.
const ALIASES_MAX: usize = 16;

/// Records of one name and type in an answer.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) set: Arc<Set>,
    /// Whose records they are, when it is not the set's own name: the name as it was asked for, or the one
    /// that a wildcard stands in for.
    pub(crate) owner: Option<Name>,
    /// The TTL, when it is not the set's own.
    pub(crate) ttl: Option<u32>,
}

impl Part {
    fn new(set: Arc<Set>) -> Self {
        Part { set, owner: None, ttl: None }
    }
}

/// An answer, not yet in wire form.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) code: ResponseCode,
    pub(crate) authoritative: bool,
    pub(crate) answers: Vec<Part>,
    pub(crate) authorities: Vec<Part>,
    pub(crate) additionals: Vec<Part>,
    /// Whether the additional section is needed to go on (glue).
    pub(crate) needs_additionals: bool,
}

impl Answer {
    /// A code and nothing else.
    pub(crate) fn of(code: ResponseCode) -> Self {
        Answer { code, ..Answer::default() }
    }
}

/// Who asks: the nameserver that was asked, which decides what has been published, and the asker's view.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) nameserver: usize,
    pub(crate) view: usize,
    pub(crate) now: Instant,
    /// The zones that the nameserver serves; `None` for all.
    pub(crate) served: Option<&'a [LowerName]>,
}

impl Reader<'_> {
    fn zone_of(&self, name: &LowerName, kind: RecordType) -> Option<&Arc<LiveZone>> {
        let zone = self.catalog.zone_of(name, kind, self.view)?;
        self.served.is_none_or(|served| served.contains(&zone.origin)).then_some(zone)
    }

    /// The answer to a question of class IN.
    pub(crate) fn answer(&self, asked: &Name, kind: RecordType) -> Answer {
        let mut answer = Answer { authoritative: true, ..Answer::default() };
        let mut owner = asked.clone();
        for _ in 0..=ALIASES_MAX {
            let name = LowerName::new(&owner);
            let Some(zone) = self.zone_of(&name, kind) else {
                // An alias that leads away is an answer; a name of somebody else's zone is none.
                if answer.answers.is_empty() {
                    answer = Answer::of(ResponseCode::Refused);
                }
                return answer;
            };
            let mut state = zone.state();
            let records = state.seen_by(self.nameserver, self.now);
            match records.find(&name, kind) {
                Found::Alias(set, target) => {
                    answer.answers.push(Part { owner: Some(owner), ..Part::new(set) });
                    let comes_back = answer.answers.iter().any(|part| part.owner.as_ref() == Some(&target));
                    if comes_back {
                        return answer;
                    }
                    owner = target;
                    continue;
                }
                Found::Records(sets) => {
                    let mut addresses = Vec::new();
                    for set in sets {
                        records.addresses_of(&set, &mut addresses);
                        answer.answers.push(Part { owner: Some(owner.clone()), ..Part::new(set) });
                    }
                    answer.additionals = addresses.into_iter().map(Part::new).collect();
                }
                Found::Referral(cut) => {
                    let mut addresses = Vec::new();
                    records.addresses_of(&cut, &mut addresses);
                    // AA is about the first name of the answer section (RFC 1035 section 4.1.1).
                    answer.authoritative = !answer.answers.is_empty();
                    answer.additionals = addresses.into_iter().map(Part::new).collect();
                    answer.needs_additionals = true;
                    answer.authorities.push(Part::new(cut));
                }
                found @ (Found::NoData | Found::NxDomain) => {
                    // The code is that of the last name (RFC 6604 section 3).
                    if found == Found::NxDomain {
                        answer.code = ResponseCode::NXDomain;
                    }
                    answer.authorities.extend(records.soa().cloned().map(negative));
                }
            }
            return answer;
        }
        answer
    }

    /// A negative answer that no record asks for, but a script: with the start of authority of the zone
    /// that the name is in, so that resolvers keep it.
    pub(crate) fn negative(&self, asked: &Name, kind: RecordType, code: ResponseCode) -> Answer {
        let zone = self.zone_of(&LowerName::new(asked), kind);
        let soa = zone.and_then(|zone| zone.state().seen_by(self.nameserver, self.now).soa().cloned());
        let authorities = soa.into_iter().map(negative).collect();
        Answer { code, authoritative: true, authorities, ..Answer::default() }
    }
}

/// The start of authority as a negative answer carries it: it lives no longer than its minimum (RFC 2308
/// section 3).
fn negative(soa: Arc<Set>) -> Part {
    let ttl = match soa.values.first() {
        Some(RData::SOA(data)) => Some(soa.ttl.min(data.minimum)),
        _ => None,
    };
    Part { set: soa, owner: None, ttl }
}
