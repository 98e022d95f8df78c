//! A zone from its configuration.

use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{LowerName, RData, RecordType};

use super::Records;
use crate::config::Zone;
use crate::error::ZoneError;
use crate::rdata::{full_name, owner, value};

impl Records {
    /// The records of a zone that is given as data.
    pub(crate) fn from_config(zone: &Zone) -> Result<Self, ZoneError> {
        let bad = || ZoneError::BadZoneName { zone: zone.name.clone() };
        let origin = full_name(&zone.name).ok_or_else(bad)?;
        let apex = LowerName::new(&origin);
        let mut records = Records::new(apex.clone());
        let server = |given: &Option<String>, label: &str| match given {
            Some(text) => match value(&origin, "@", RecordType::NS, text)? {
                RData::NS(ns) => Ok(ns.0),
                _ => Err(bad()),
            },
            None => origin.prepend_label(label).map_err(|_| bad()),
        };
        let (mname, rname) = (server(&zone.soa.mname, "ns1")?, server(&zone.soa.rname, "hostmaster")?);
        let s = &zone.soa;
        let soa = SOA::new(mname.clone(), rname, s.serial, s.refresh, s.retry, s.expire, s.minimum);
        records.add(&apex, s.minimum, RData::SOA(soa))?;
        for ns in &zone.ns {
            records.add(&apex, s.minimum, value(&origin, "@", RecordType::NS, ns)?)?;
        }
        if zone.ns.is_empty() {
            records.add(&apex, s.minimum, RData::NS(NS(mname)))?;
        }
        for record in &zone.records {
            let name = owner(&origin, &record.name, record.kind)?;
            records.add(&name, record.ttl, value(&origin, &record.name, record.kind, &record.value)?)?;
        }
        Ok(records)
    }
}
