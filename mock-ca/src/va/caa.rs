//! CAA records: whether a name's owner lets this CA issue (RFC 8659), to this account and by this challenge
//! (RFC 8657).
//!
//! All levels of the tree are asked about at once; the lowest one with records decides.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};

use super::View;
use super::issuer::IssueValue;
use super::lookup::{Lookup, LookupError};
use crate::problem::{Problem, ProblemKind};

/// Tags that are understood. The last two do not restrict certificates for names.
const KNOWN: [&str; 4] = ["issue", "issuewild", "iodef", "issuemail"];

/// A CAA record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Whether a CA that does not understand it must not issue.
    pub critical: bool,
    /// What it is about; letters of either case.
    pub tag: String,
    /// What it says.
    pub value: Vec<u8>,
}

/// What CAA records are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuance<'a> {
    /// Whether it is for a wildcard.
    pub wildcard: bool,
    /// The CA's names.
    pub identities: &'a [String],
    /// The URL of the account.
    pub account_url: &'a str,
    /// The kind of challenge that showed control.
    pub method: &'a str,
}

/// Whether these records, those of one name, let the CA issue.
pub fn permits(records: &[Property], issuance: &Issuance<'_>) -> bool {
    let is = |record: &&Property, tag: &str| record.tag.eq_ignore_ascii_case(tag);
    let unknown = |record: &Property| !KNOWN.iter().any(|tag| record.tag.eq_ignore_ascii_case(tag));
    if records.iter().any(|record| record.critical && unknown(record)) {
        return false;
    }
    let wild: Vec<_> = records.iter().filter(|record| is(record, "issuewild")).collect();
    let restricting = if issuance.wildcard && !wild.is_empty() {
        wild
    } else {
        records.iter().filter(|record| is(record, "issue")).collect()
    };
    restricting.is_empty() || restricting.iter().any(|record| grants(&record.value, issuance))
}

fn grants(value: &[u8], issuance: &Issuance<'_>) -> bool {
    // What is malformed names nobody.
    let Some(value) = IssueValue::parse(value) else { return false };
    // A restriction that stands there twice cannot be satisfied (RFC 8657 sections 3 and 4).
    let once = |tag: &'static str, good: &dyn Fn(&str) -> bool| {
        let mut all = value.all(tag);
        all.next().is_none_or(good) && all.next().is_none()
    };
    let has_method = |list: &str| list.split(',').any(|method| method == issuance.method);
    value.names_any(issuance.identities)
        && once("accounturi", &|uri| uri == issuance.account_url)
        && once("validationmethods", &has_method)
}

/// A name and those above it, each with the number of its question.
#[derive(Debug)]
pub(super) struct Climb(Vec<(String, usize)>);

impl Climb {
    /// Asks for the CAA records of `name` and of all names above it.
    pub(super) async fn begin(lookup: &mut Lookup<'_>, name: &str) -> Self {
        let mut levels = Vec::new();
        for level in crate::policy::names::suffixes(name) {
            levels.push((level.to_owned(), lookup.ask(level, RecordType::CAA).await));
        }
        Climb(levels)
    }

    /// What the records say, from the lowest name up.
    pub(super) async fn end(
        self,
        view: &View,
        lookup: &mut Lookup<'_>,
        issuance: &Issuance<'_>,
    ) -> Result<(), Problem> {
        let mut zone = None;
        for (level, question) in self.0 {
            let answer = match lookup.answer(question).await {
                Ok(answer) => answer,
                // A nameserver that is asked as if it were a resolver refuses what is above its zone.
                Err(LookupError::Code(ResponseCode::Refused)) if is_above(&level, zone.as_deref()) => break,
                Err(error) => {
                    let detail = error.text(&level, RecordType::CAA);
                    return Err(Problem::answer(view.answers.validation_dns, detail));
                }
            };
            zone = answer.zone.or(zone);
            let records: Vec<_> = answer.data.into_iter().filter_map(property).collect();
            if records.is_empty() {
                continue;
            }
            if permits(&records, issuance) {
                return Ok(());
            }
            let detail = format!("CAA record for {level} prevents issuance");
            return Err(Problem::new(ProblemKind::Caa, detail));
        }
        Ok(())
    }
}

fn property(data: RData) -> Option<Property> {
    match data {
        RData::CAA(caa) => Some(Property { critical: caa.issuer_critical, tag: caa.tag, value: caa.value }),
        _ => None,
    }
}

fn is_above(level: &str, zone: Option<&str>) -> bool {
    zone.and_then(|zone| zone.strip_suffix(level)).is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
#[path = "caa_tests.rs"]
mod tests;
