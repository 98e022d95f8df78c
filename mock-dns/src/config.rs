//! Zones as data: what a scenario or a configuration file says.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::rr::RecordType;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::rdata;
use crate::script::{Asker, Rule};

/// What a server serves, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Config {
    /// The zones that it is authoritative for; for every other name it answers REFUSED.
    pub zones: Vec<Zone>,
    /// How long an answer takes, such as `250ms`.
    #[serde(with = "world::duration::one")]
    pub delay: Duration,
    /// Its nameservers. Without any there is one, `ns1`, which sees every change at once.
    pub nameservers: Vec<Nameserver>,
    /// Zones that only some askers see (split horizon). The first view that has the asker counts.
    pub views: Vec<View>,
    /// Scripted answers; the first rule that is applied to a query counts.
    pub rules: Vec<Rule>,
    /// Who may change zones by UPDATE messages (RFC 2136).
    pub updates: Updates,
    /// How many queries the log keeps.
    pub log_max: usize,
    /// The largest datagram that is sent, in bytes, to clients that take as much (EDNS).
    pub payload_max: u16,
}

/// How many entries a log keeps, unless told otherwise.
pub(crate) const LOG_MAX: usize = 10_000;
/// The largest datagram that passes every network unfragmented (DNS flag day 2020).
const PAYLOAD_MAX: u16 = 1232;

impl Default for Config {
    fn default() -> Self {
        Config {
            zones: Vec::new(),
            delay: Duration::ZERO,
            nameservers: Vec::new(),
            views: Vec::new(),
            rules: Vec::new(),
            updates: Updates::default(),
            log_max: LOG_MAX,
            payload_max: PAYLOAD_MAX,
        }
    }
}

impl Config {
    /// A server for these zones.
    pub fn new(zones: Vec<Zone>) -> Self {
        Config { zones, ..Config::default() }
    }

    /// With one more nameserver.
    #[must_use]
    pub fn with_nameserver(mut self, nameserver: Nameserver) -> Self {
        self.nameservers.push(nameserver);
        self
    }

    /// With one more view.
    #[must_use]
    pub fn with_view(mut self, view: View) -> Self {
        self.views.push(view);
        self
    }

    /// With one more rule, the last one.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }
}

/// Who may change zones by UPDATE messages (RFC 2136). Nobody may, unless it is said here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Updates {
    /// Whoever signs with one of these keys (TSIG, RFC 8945). Signed questions are answered signed, too.
    pub keys: Vec<TsigKey>,
    /// Whether everybody may, without a signature.
    pub unsigned: bool,
}

/// A key for signed messages.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TsigKey {
    /// Its name, a domain name.
    pub name: String,
    /// `hmac-md5`, `hmac-sha1`, `hmac-sha256` or `hmac-sha512`.
    #[serde(default = "default_algorithm")]
    pub algorithm: String,
    /// The secret, base64.
    pub secret: String,
    /// The zones that it may change; without any, all.
    #[serde(default)]
    pub zones: Vec<String>,
}

fn default_algorithm() -> String {
    "hmac-sha256".to_owned()
}

impl std::fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the secret.
        f.debug_struct("TsigKey")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .field("zones", &self.zones)
            .finish_non_exhaustive()
    }
}

/// One of the nameservers of a server: an address of its own, and its own lag behind the changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Nameserver {
    /// Its name, which rules and the log have; no two nameservers share one.
    pub name: String,
    /// The simulated host that it runs on; without one, the server's own.
    #[serde(default)]
    pub host: Option<String>,
    /// Where it answers; without an address, at port 53 of its simulated host, or nowhere on a real one.
    #[serde(default)]
    pub listen: Option<SocketAddr>,
    /// How long after a change it is seen here: the n-th change of a zone takes the n-th delay, the last one
    /// repeats. One duration stands for a list of one.
    #[serde(default, with = "delays")]
    pub publish_delay: Vec<Duration>,
    /// The zones that it serves, by name; without any, all. For others it is lame: it answers REFUSED.
    #[serde(default)]
    pub zones: Vec<String>,
}

impl Nameserver {
    /// A nameserver that sees every change after this time.
    pub fn new(name: &str, publish_delay: Duration) -> Self {
        Nameserver { name: name.to_owned(), publish_delay: vec![publish_delay], ..Nameserver::default() }
    }

    /// On this simulated host.
    #[must_use]
    pub fn on_host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }
}

/// What some askers see instead of what everybody sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct View {
    /// Its name.
    pub name: String,
    /// Who sees it: addresses, networks, hosts of the simulated network.
    pub askers: Vec<Asker>,
    /// Its own zones. They hide everybody's zones of the same name; the others are seen as everybody does.
    #[serde(default)]
    pub zones: Vec<Zone>,
}

impl View {
    /// A view of these zones, for these askers.
    pub fn new(name: &str, askers: Vec<Asker>, zones: Vec<Zone>) -> Self {
        View { name: name.to_owned(), askers, zones }
    }
}

/// One duration or a list of them, for `#[serde(with)]`.
pub(crate) mod delays {
    use std::fmt;
    use std::time::Duration;

    use serde::{Deserializer, Serializer, de};
    use world::duration::Span;

    pub(crate) fn serialize<S: Serializer>(delays: &[Duration], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(delays.iter().map(|delay| Span(*delay)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
        struct Delays;
        impl<'de> de::Visitor<'de> for Delays {
            type Value = Vec<Duration>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 250ms, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<Duration>, E> {
                text.parse::<Span>().map(|span| vec![span.0]).map_err(de::Error::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Duration>, A::Error> {
                let mut delays = Vec::new();
                while let Some(Span(delay)) = list.next_element()? {
                    delays.push(delay);
                }
                Ok(delays)
            }
        }
        deserializer.deserialize_any(Delays)
    }
}

/// A list of record types, for `#[serde(with)]`.
pub(crate) mod kinds {
    use hickory_proto::rr::RecordType;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(kinds: &[RecordType], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kinds.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<RecordType>, D::Error> {
        Vec::<String>::deserialize(deserializer)?.iter().map(|text| super::read_type(text)).collect()
    }
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
    #[serde(rename = "type", deserialize_with = "record_kind", serialize_with = "record_type_text")]
    pub kind: RecordType,
    /// Seconds for which resolvers keep it. Records of one name and type share the first one's.
    #[serde(default = "default_ttl")]
    pub ttl: u32,
    /// Its value: for TXT the text itself, for other types as in a zone file, except that names in it are
    /// always full names (the final dot may be left out) or `@`.
    pub value: String,
}

/// The TTL of a record that does not say, in seconds.
pub(crate) const DEFAULT_TTL: u32 = 60;

fn default_ttl() -> u32 {
    DEFAULT_TTL
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn record_type_text<S: Serializer>(kind: &RecordType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rdata::type_text(*kind))
}

/// A record type by its mnemonic, for `#[serde(deserialize_with)]`.
pub(crate) fn record_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RecordType, D::Error> {
    read_type(&String::deserialize(deserializer)?)
}

fn read_type<E: de::Error>(text: &str) -> Result<RecordType, E> {
    rdata::record_type(text).ok_or_else(|| {
        E::custom(format!(
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
