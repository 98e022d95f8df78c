//! Fleets that are written down elsewhere: a table, a list of names, manifests.
//!
//! What is wrong in a text is one error with its line, its column and what would be right; nothing is taken from such
//! a text.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use engine::api::{self, Object, Resource as _};
use world::Timestamp;
use world::duration::Span;

use crate::plan::Certificate;

/// A text that is no fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct InputError {
    /// The line, from 1.
    pub line: u64,
    /// The character in it, from 1.
    pub column: u64,
    /// The same place in bytes from the beginning of the text.
    pub offset: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl InputError {
    /// An error at `offset` of `text`.
    fn at(text: &str, offset: usize, message: String) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() as u64 + 1;
        // The mark that some programs begin a file with has no width.
        let shown = before.get(start..).unwrap_or_default().trim_start_matches(BOM);
        InputError { line, column: shown.chars().count() as u64 + 1, offset, message }
    }
}

const BOM: char = '\u{feff}';

/// Sets what a cell says; or what would be right.
type Set = fn(&mut Certificate, &str) -> Result<(), String>;

/// The columns of a table. An empty cell says nothing.
const COLUMNS: [(&str, Set); 8] = [
    ("name", |c, text| {
        c.name = text.to_owned();
        Ok(())
    }),
    ("names", |c, text| {
        c.names = text.split_whitespace().map(name).collect::<Result<_, _>>()?;
        Ok(())
    }),
    ("issued", |c, text| {
        c.issued = Some(time(text)?);
        Ok(())
    }),
    ("notAfter", |c, text| {
        c.not_after = Some(time(text)?);
        Ok(())
    }),
    ("lifetime", |c, text| {
        c.lifetime = Some(span(text)?);
        Ok(())
    }),
    ("renewBefore", |c, text| {
        c.renew_before = Some(span(text)?);
        Ok(())
    }),
    ("renewBeforePercentage", |c, text| {
        let wrong = |_| format!("{text:?} is no whole number from 1 to 99");
        let percentage: i32 = text.parse().map_err(wrong)?;
        if !(1..100).contains(&percentage) {
            return Err(format!("{text:?} is no whole number from 1 to 99"));
        }
        c.renew_before_percentage = Some(percentage);
        Ok(())
    }),
    ("account", |c, text| {
        let wrong = |_| format!("{text:?} is no number of an account, such as 1");
        c.account = Some(text.parse().map_err(wrong)?);
        Ok(())
    }),
];

fn time(text: &str) -> Result<Timestamp, String> {
    let day = || Timestamp::parse(&format!("{text}T00:00:00Z"));
    Timestamp::parse(text).or_else(|_| day()).map_err(|_| {
        format!("{text:?} is no time such as 2027-01-31T12:00:00Z, nor a day such as 2027-01-31")
    })
}

fn span(text: &str) -> Result<Duration, String> {
    let span =
        Span::from_str(text).map_err(|_| format!("{text:?} is no duration such as 90d, 160h or 1h30m"))?;
    if span.0.is_zero() { Err(format!("{text:?} is no time at all")) } else { Ok(span.0) }
}

/// A DNS name, perhaps with `*.`, or an address.
fn name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let base = text.strip_prefix("*.").unwrap_or(text);
    if text.parse::<IpAddr>().is_ok() || base.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(format!("{text:?} is no DNS name such as www.example.com, nor an address"))
}

/// A table: comma-separated values (RFC 4180) with a header. The columns are `name`, which there must be, `names`
/// (with blanks between them), `issued`, `notAfter`, `lifetime`, `renewBefore`, `renewBeforePercentage` and
/// `account`, in any order.
///
/// # Errors
/// The first cell that is wrong.
pub fn table(text: &str) -> Result<Vec<Certificate>, InputError> {
    let wrong = |offset: usize, message: String| InputError::at(text, offset, message);
    let start = if text.starts_with(BOM) { BOM.len_utf8() } else { 0 };
    let body = text.get(start..).unwrap_or_default();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(body.as_bytes());
    let allowed = COLUMNS.map(|(name, _)| name).join(", ");
    let mut header: Option<Vec<Set>> = None;
    let mut found: Vec<Certificate> = Vec::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let byte = error.position().map_or(0, csv::Position::byte);
            wrong(start + usize::try_from(byte).unwrap_or_default(), error.to_string())
        })?;
        let byte = record.position().map_or(0, csv::Position::byte);
        let record_at = start + usize::try_from(byte).unwrap_or_default();
        let cells = cells(text, record_at);
        let at = |n: usize| cells.get(n).copied().unwrap_or(record_at);
        let Some(columns) = &header else {
            header = Some(
                columns(&record).map_err(|(n, why)| wrong(at(n), format!("{why}; there are {allowed}")))?,
            );
            continue;
        };
        if record.len() != columns.len() {
            let message = format!("the row has {} cells, and the header {}", record.len(), columns.len());
            return Err(wrong(at(record.len().min(columns.len())), message));
        }
        let mut certificate = Certificate::default();
        for (n, (cell, set)) in record.iter().zip(columns).enumerate() {
            if !cell.is_empty() {
                set(&mut certificate, cell).map_err(|message| wrong(at(n), message))?;
            }
        }
        if certificate.name.is_empty() {
            return Err(wrong(at(0), "the certificate has no name".to_owned()));
        }
        let error = wrong(at(0), String::new());
        if let Some(line) = seen.insert(certificate.name.clone(), error.line) {
            let message = format!("{:?} is on line {line} already", certificate.name);
            return Err(InputError { message, ..error });
        }
        if certificate.issued.is_some() && certificate.not_after.is_some() {
            let message = "`issued` and `notAfter` exclude each other".to_owned();
            return Err(InputError { message, ..error });
        }
        found.push(certificate);
    }
    if header.is_none() {
        return Err(wrong(0, format!("there is no header; its columns are {allowed}")));
    }
    Ok(found)
}

/// What each column of a header sets; or which one is wrong, and why.
fn columns(record: &csv::StringRecord) -> Result<Vec<Set>, (usize, String)> {
    let mut sets = Vec::with_capacity(record.len());
    for (n, title) in record.iter().enumerate() {
        let known = COLUMNS.iter().find(|(name, _)| *name == title);
        let (_, set) = known.ok_or_else(|| (n, format!("{title:?} is no column")))?;
        if record.iter().take(n).any(|earlier| earlier == title) {
            return Err((n, format!("{title:?} is a column already")));
        }
        sets.push(*set);
    }
    if record.iter().all(|title| title != "name") {
        return Err((0, "the column \"name\" is missing".to_owned()));
    }
    Ok(sets)
}

/// Where the cells of the record begin that is at `offset`.
fn cells(text: &str, offset: usize) -> Vec<usize> {
    let rest = text.get(offset..).unwrap_or_default();
    // The library counts line ends before a record to it.
    let blank = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
    let mut starts = vec![offset + blank];
    let mut quoted = false;
    for (n, byte) in rest.bytes().enumerate().skip(blank) {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => starts.push(offset + n + 1),
            b'\n' if !quoted => break,
            _ => {}
        }
    }
    starts
}

/// A list: a certificate on each line, with its names between blanks. `#` begins a comment.
///
/// # Errors
/// The first name that is none.
pub fn list(text: &str) -> Result<Vec<Certificate>, InputError> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let written = line.split('#').next().unwrap_or_default();
        let mut names = Vec::new();
        for word in written.split_whitespace() {
            let word = word.trim_start_matches(BOM);
            let place = offset + (word.as_ptr() as usize).saturating_sub(line.as_ptr() as usize);
            names.push(name(word).map_err(|message| InputError::at(text, place, message))?);
        }
        if let Some(first) = names.first() {
            found.push(Certificate { name: first.clone(), names, ..Certificate::default() });
        }
        offset += line.len();
    }
    Ok(found)
}

/// The Certificates among objects of an API server or of manifests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The certificates, by namespace and name. One whose status has an end exists.
    pub certificates: Vec<Certificate>,
    /// The issuers, in the order in which they are first named: the first is account 1.
    pub issuers: Vec<String>,
}

/// Takes over the Certificates of these objects. Each issuer is an account.
pub fn manifests(objects: &[Object]) -> Imported {
    let mut imported = Imported::default();
    for certificate in objects.iter().filter_map(Object::get::<api::Certificate>) {
        let (spec, status) = (&certificate.spec, &certificate.status);
        let reference = &spec.issuer_ref;
        let namespace = certificate.metadata.namespace.as_str();
        let issuer = match reference.kind_or_default() {
            "ClusterIssuer" => format!("ClusterIssuer {}", reference.name),
            kind => format!("{kind} {namespace}/{}", reference.name),
        };
        let known = imported.issuers.iter().position(|known| *known == issuer);
        let place = known.unwrap_or_else(|| {
            imported.issuers.push(issuer);
            imported.issuers.len() - 1
        });
        let common_name = Some(&spec.common_name).filter(|name| !name.is_empty());
        let names = common_name.into_iter().chain(&spec.dns_names).chain(&spec.ip_addresses);
        let lifetime = match (status.not_before, status.not_after) {
            (Some(from), Some(until)) => {
                Some(until.timestamp().since(from.timestamp()) + Duration::from_secs(1))
            }
            _ => None,
        };
        imported.certificates.push(Certificate {
            name: certificate.key().to_string(),
            names: names.cloned().collect(),
            account: Some(place as u64 + 1),
            issued: None,
            not_after: status.not_after.map(|time| time.timestamp()),
            lifetime,
            renew_before: spec.renew_before.map(Duration::from),
            renew_before_percentage: spec.renew_before_percentage,
            renewal: spec.renewal.clone(),
        });
    }
    imported
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
