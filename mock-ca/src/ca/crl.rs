//! Certificate revocation lists (RFC 5280 section 5), spread over shards by serial number.

use std::time::Duration;

use world::Timestamp;

use super::CaError;
use super::authority::Authority;
use super::der::{Der, tag};
use super::x509::{self, Extensions, distribution_point, oid};
use crate::db::Issued;

/// A certificate in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number, unsigned, big-endian.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub at: Timestamp,
    /// Why (CRLReason); 0 is not said.
    pub reason: u8,
}

impl Revoked {
    /// The entry of a certificate, if it is revoked.
    pub fn of(issued: &Issued) -> Option<Self> {
        let (at, reason) = issued.revoked?;
        let digits = issued.serial.as_bytes().chunks(2);
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        Some(Revoked { serial: digits.map(byte).collect::<Option<_>>()?, at, reason })
    }
}

/// The list that a certificate with this serial number belongs to, from 1 on.
pub(super) fn shard(serial: &[u8], shards: u16) -> u16 {
    let shards = u32::from(shards.max(1));
    let rest = serial.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % shards);
    rest as u16 + 1
}

/// A list that says at which URL it is, from `now` for as long as `lifetime`. Its number is the time in
/// nanoseconds, so every list has a higher one than those before it.
pub(super) fn make(
    issuer: &Authority,
    revoked: &[&Revoked],
    url: Option<&str>,
    now: Timestamp,
    lifetime: Duration,
) -> Result<Vec<u8>, CaError> {
    let key = issuer.key.as_ref().ok_or_else(|| {
        CaError::Certificate(format!("{:?} has no key to sign revocation lists with", issuer.name))
    })?;
    let from = now.truncate_to_secs();
    let mut extensions = Extensions::default();
    extensions.authority_key_id(&issuer.key_id);
    let number = u64::try_from(now.unix_nanos()).unwrap_or_default().to_be_bytes();
    extensions.add(oid::CRL_NUMBER, false, |der| der.integer(&number));
    extensions.add(oid::ISSUING_POINT, true, |der| {
        der.sequence(|der| {
            if let Some(url) = url {
                distribution_point(der, url);
            }
            // onlyContainsUserCerts.
            der.element(tag::context(1), &[0xff]);
        });
    });
    let mut list = Der::new();
    list.sequence(|der| {
        der.integer(&[1]);
        der.raw(x509::signature_algorithm(key.algorithm()));
        der.raw(&issuer.subject);
        der.time(from);
        der.time(from + lifetime);
        // An empty sequence must not be there.
        if !revoked.is_empty() {
            der.sequence(|der| revoked.iter().for_each(|entry| write_entry(der, entry)));
        }
        der.nest(tag::constructed(0), |der| extensions.write(der));
    });
    x509::signed(key, &list.finish())
}

fn write_entry(der: &mut Der, entry: &Revoked) {
    der.sequence(|der| {
        der.integer(&entry.serial);
        der.time(entry.at);
        if entry.reason != 0 {
            let mut extensions = Extensions::default();
            extensions.add(oid::CRL_REASON, false, |der| der.element(tag::ENUMERATED, &[entry.reason]));
            extensions.write(der);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_the_rest_of_the_serial_number_and_one() {
        assert_eq!(shard(&[0x01, 0x00], 1), 1);
        assert_eq!(shard(&[0x01, 0x00], 10), 7);
        assert_eq!(shard(&[0xff; 18], 255), 1);
        assert_eq!((shard(&[7], 0), shard(&[], 5)), (1, 1));
    }
}
