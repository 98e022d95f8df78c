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
    /// The text is no zone file.
    #[error("zone file: {0}")]
    BadZoneFile(String),
}
