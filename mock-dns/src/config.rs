//! Zones as data: what a scenario or a configuration file says.

use std::str::FromStr as _;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What a server serves, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// The zones that it is authoritative for; for every other name it answers REFUSED.
    pub zones: Vec<Zone>,
    /// How long an answer takes, such as `250ms`.
    #[serde(deserialize_with = "world::duration::one::deserialize")]
    pub delay: Duration,
}

/// A zone: its name and its records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Zone {
    /// Its name, `example.test`.
    pub name: String,
    /// Its start of authority.
    #[serde(default)]
    pub soa: Soa,
    /// Names of its nameservers; without any, the primary that the start of authority names.
    #[serde(default)]
    pub ns: Vec<String>,
    /// Its records.
    #[serde(default)]
    pub records: Vec<Record>,
}

impl Zone {
    /// A zone with the default start of authority.
    pub fn new(name: &str, records: Vec<Record>) -> Self {
        Zone { name: name.to_owned(), records, ..Zone::default() }
    }
}

/// The start of authority of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Soa {
    /// The primary nameserver; `ns1` within the zone when not given.
    pub mname: Option<String>,
    /// The mailbox of who is responsible, as a name; `hostmaster` within the zone when not given.
    pub rname: Option<String>,
    /// Serial number; every change at run time adds one.
    pub serial: u32,
    /// Seconds between the checks of a secondary.
    pub refresh: i32,
    /// Seconds between the retries of a secondary.
    pub retry: i32,
    /// Seconds after which a secondary gives up.
    pub expire: i32,
    /// Seconds for which resolvers keep a negative answer (RFC 2308).
    pub minimum: u32,
}

impl Default for Soa {
    fn default() -> Self {
        Soa {
            mname: None,
            rname: None,
            serial: 1,
            refresh: 7200,
            retry: 3600,
            expire: 1_209_600,
            minimum: 60,
        }
    }
}

/// One resource record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Record {
    /// Whose record it is: a name relative to the zone, `@` for the zone itself, or a full name within it.
    pub name: String,
    /// Its type.
    #[serde(rename = "type", deserialize_with = "record_type", serialize_with = "record_type_text")]
    pub kind: RecordType,
    /// Seconds for which resolvers keep it. Records of one name and type share the first one's.
    #[serde(default = "default_ttl")]
    pub ttl: u32,
    /// Its value: for TXT the text itself, for other types as in a zone file, except that names in it are
    /// always full names (the final dot may be left out) or `@`.
    pub value: String,
}

const DEFAULT_TTL: u32 = 60;

fn default_ttl() -> u32 {
    DEFAULT_TTL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn record_type_text<S: Serializer>(kind: &RecordType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(kind)
}

fn record_type<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordType, D::Error> {
    let text = String::deserialize(deserializer)?;
    RecordType::from_str(&text).map_err(|_| {
        de::Error::custom(format!(
            "`{text}` is no record type: expected A, AAAA, CAA, CNAME, MX, NS, PTR, SRV, TXT, …"
        ))
    })
}

impl Record {
    /// A record that resolvers keep for a minute.
    pub fn new(name: &str, kind: RecordType, value: &str) -> Self {
        Record { name: name.to_owned(), kind, ttl: DEFAULT_TTL, value: value.to_owned() }
    }
}
