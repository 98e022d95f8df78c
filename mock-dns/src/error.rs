//! What can be wrong with zones and records. Every message names the zone, the record and what was
//! expected.

use hickory_proto::rr::RecordType;

/// A zone or a record that cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The zone's name is no domain name.
    #[error("zone {zone:?}: expected a domain name such as example.test")]
    BadZoneName {
        /// The name as it was given.
        zone: String,
    },
    /// Two zones have the same name.
    #[error("zone {zone}: expected one zone of this name, there are two")]
    DuplicateZone {
        /// The zone.
        zone: String,
    },
    /// A record's owner name is no domain name, or lies outside of the zone.
    #[error("zone {zone}, record {name:?} {kind}: expected a name within the zone, relative to it, or `@`")]
    BadOwner {
        /// The zone.
        zone: String,
        /// The owner name as it was given.
        name: String,
        /// The record's type.
        kind: RecordType,
    },
    /// A record's value does not fit its type.
    #[error("zone {zone}, record {name} {kind}: expected {expected}, found {value:?}")]
    BadValue {
        /// The zone.
        zone: String,
        /// The owner name.
        name: String,
        /// The record's type.
        kind: RecordType,
        /// The value as it was given.
        value: String,
        /// What a value of this type looks like.
        expected: &'static str,
    },
    /// A CNAME shares its name with other records, or with another CNAME.
    #[error(
        "zone {zone}, record {name} {kind}: expected a CNAME to be the only record of its name (RFC 1034)"
    )]
    CnameNotAlone {
        /// The zone.
        zone: String,
        /// The owner name.
        name: String,
        /// The type of the record that does not fit.
        kind: RecordType,
    },
    /// The name lies in no zone of this server.
    #[error("record {name:?} {kind}: expected a name within one of the zones of this server: {zones}")]
    NoZone {
        /// The name as it was given.
        name: String,
        /// The record's type.
        kind: RecordType,
        /// The zones that there are.
        zones: String,
    },
    /// A view that there is not.
    #[error("view {view:?}: expected one of the views of this server: {views}")]
    NoView {
        /// The view's name as it was given.
        view: String,
        /// The views that there are.
        views: String,
    },
    /// A view or a nameserver that is there already, or has no name.
    #[error("{what} {name:?}: expected a name that no other {what} has")]
    NotUnique {
        /// `view` or `nameserver`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A key for updates that cannot be used.
    #[error(transparent)]
    Key(#[from] world::tsig::BadKey),
    /// A key for updates with an algorithm that is not known.
    #[error(
        "TSIG key {key:?}: expected hmac-md5, hmac-sha1, hmac-sha256 or hmac-sha512, found {algorithm:?}"
    )]
    Algorithm {
        /// The key's name.
        key: String,
        /// The algorithm as it was given.
        algorithm: String,
    },
    /// A scripted rule that cannot be used.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The text is no zone file.
    #[error("zone file: {0}")]
    BadZoneFile(String),
}

/// A scripted rule that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It has no name.
    #[error("rule: expected a name")]
    NoName,
    /// Another rule has its name.
    #[error("rule {rule}: expected one rule of this name, there are two")]
    Duplicate {
        /// The rule.
        rule: String,
    },
    /// It is about a name that is no domain name.
    #[error("rule {rule}: expected a domain name, found {name:?}")]
    BadName {
        /// The rule.
        rule: String,
        /// The name as it was given.
        name: String,
    },
    /// Its time window or its counts cannot come about.
    #[error("rule {rule}: {message}")]
    Occasions {
        /// The rule.
        rule: String,
        /// What was expected.
        message: &'static str,
    },
    /// One of the records that it answers with is none.
    #[error("rule {rule}: {source}")]
    Record {
        /// The rule.
        rule: String,
        /// What is wrong with the record.
        source: Box<ZoneError>,
    },
}
