//! Dynamic updates (RFC 2136), signed with TSIG (RFC 8945) when a key is given.

use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use world::World;
use world::resolver::Resolver;
use world::tsig::{self, Algorithm, Key};

use super::provider::{Answer, Provider, ProviderError, TxtRecord};
use super::query::{QueryError, Questions, code_text, tcp, udp};
use crate::api::{Dns01Rfc2136, Rfc2136Protocol};
use crate::compat::NameserverTries;

/// TTL of the record, in seconds.
const TTL: u32 = 60;
/// Time limit of each step of the exchange.
const STEP_MAX: Duration = Duration::from_secs(2);

/// The algorithms that an issuer may name, whatever the case.
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("HMACMD5", Algorithm::HmacMd5),
    ("HMACSHA1", Algorithm::HmacSha1),
    ("HMACSHA256", Algorithm::HmacSha256),
    ("HMACSHA512", Algorithm::HmacSha512),
];

/// A primary nameserver that takes updates.
#[derive(Debug)]
pub struct Rfc2136 {
    questions: Questions,
    nameserver: String,
    key: Option<Key>,
    protocol: Rfc2136Protocol,
}

/// What is done to the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Insert,
    Remove,
}

/// The algorithm that an issuer names; MD5 if it does not.
fn algorithm(name: &str) -> Result<Algorithm, ProviderError> {
    if name.is_empty() {
        return Ok(Algorithm::HmacMd5);
    }
    let upper = name.to_ascii_uppercase();
    let known = ALGORITHMS.into_iter().find(|(known, _)| *known == upper);
    known.map(|(_, a)| a).ok_or_else(|| ProviderError(format!("algorithm '{name}' is not supported")))
}

/// `HOST`, `HOST:PORT`, or an IPv6 address with or without brackets; the port is 53 when none is given.
fn nameserver(text: &str) -> Result<String, ProviderError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ProviderError::new("RFC2136 nameserver missing"));
    }
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address without brackets has no port that could be told from it.
        Some((host, _)) if host.contains(':') && !host.ends_with(']') && !text.starts_with('[') => {
            let why = format!("address {text}: too many colons in address");
            return Err(ProviderError(format!("RFC2136 nameserver is invalid: {why}")));
        }
        Some((host, port)) if !text.ends_with(']') => (host, port),
        _ => (text, ""),
    };
    let host = host.trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(ProviderError(format!("RFC2136 nameserver has no host defined, {text}")));
    }
    let port = if port.is_empty() { "53" } else { port };
    Ok(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
}

/// The update that adds the value to its name, or takes it away.
fn message(id: u16, change: Change, record: &TxtRecord) -> Result<Vec<u8>, ProviderError> {
    let name = |text: &str| {
        let mut name = Name::from_ascii(text).map_err(ProviderError::new)?;
        name.set_fqdn(true);
        Ok(name)
    };
    let mut message = Message::new(id, MessageType::Query, OpCode::Update);
    message.add_query(Query::query(name(&record.zone)?, RecordType::SOA));
    let data = RData::TXT(TXT::new(vec![record.value.clone()]));
    let mut txt = Record::from_rdata(name(&record.fqdn)?, TTL, data);
    if change == Change::Remove {
        (txt.dns_class, txt.ttl) = (DNSClass::NONE, 0);
    }
    message.add_authority(txt);
    message.to_vec().map_err(ProviderError::new)
}

impl Rfc2136 {
    /// The nameserver of `config`. `secret` is the key's, in base64; without it or the key's name, updates are
    /// not signed.
    ///
    /// # Errors
    /// [`ProviderError`] when the nameserver, the algorithm or the key is none.
    pub fn new(
        world: &World,
        resolver: &Resolver,
        config: &Dns01Rfc2136,
        secret: &str,
    ) -> Result<Self, ProviderError> {
        let nameserver = nameserver(&config.nameserver)?;
        let algorithm = algorithm(&config.tsig_algorithm)?;
        let signed = !config.tsig_key_name.is_empty() && !secret.is_empty();
        let key = if signed {
            let key = Key::new(&config.tsig_key_name, algorithm, secret);
            Some(key.map_err(|error| ProviderError(format!("DNS update failed: {error}")))?)
        } else {
            None
        };
        let questions = Questions {
            world: world.clone(),
            resolver: resolver.clone(),
            http: world::http::Client::new(world, resolver.clone()),
            tries: NameserverTries::EachOnce,
            https: false,
        };
        let protocol = config.protocol.unwrap_or(Rfc2136Protocol::Udp);
        Ok(Rfc2136 { questions, nameserver, key, protocol })
    }

    async fn update(&self, change: Change, record: &TxtRecord) -> Result<(), ProviderError> {
        let failed = |error: QueryError| ProviderError(format!("DNS update failed: {error}"));
        let world = &self.questions.world;
        let id = self.questions.id(&format!("update {change:?} {} {}", record.fqdn, record.value));
        let wire = message(id, change, record)?;
        let (wire, signature) = match &self.key {
            Some(key) => {
                let (wire, signature) = key.sign(wire, world.now());
                (wire, Some((key, signature)))
            }
            None => (wire, None),
        };
        let server = self.questions.address(&self.nameserver).await.map_err(failed)?;
        let answer = match self.protocol {
            Rfc2136Protocol::Udp => udp(world, server, &wire, id, STEP_MAX).await,
            Rfc2136Protocol::Tcp => tcp(world, server, &wire, STEP_MAX).await,
        };
        let answer = answer.map_err(failed)?;
        let reply =
            Message::from_vec(&answer).map_err(|e| ProviderError(format!("DNS update failed: {e}")))?;
        let code = reply.metadata.response_code;
        let told = || ProviderError(format!("DNS update failed. Server replied: {}", code_text(code)));
        // An answer without a signature may be from anybody: it can refuse, but it cannot say that all is well.
        let checked = match (&signature, tsig::find(&answer)) {
            (None, _) => Ok(()),
            (Some(_), Ok(None)) if code != ResponseCode::NoError => return Err(told()),
            (Some((key, question)), Ok(Some(signed))) => {
                key.verify(&signed, world.now(), Some(question)).map_err(|error| match error {
                    tsig::TsigError::BadTime => "dns: bad time",
                    tsig::TsigError::BadKey | tsig::TsigError::BadSig => "dns: bad signature",
                })
            }
            (Some(_), _) => Err("dns: no signature found"),
        };
        checked.map_err(|why| ProviderError(format!("DNS update failed: {why}")))?;
        if code == ResponseCode::NoError { Ok(()) } else { Err(told()) }
    }
}

impl Provider for Rfc2136 {
    fn present<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a> {
        Box::pin(self.update(Change::Insert, record))
    }

    fn clean_up<'a>(&'a self, record: &'a TxtRecord) -> Answer<'a> {
        Box::pin(self.update(Change::Remove, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nameservers_get_a_port() {
        let good = |text: &str| nameserver(text).unwrap();
        assert_eq!(good("10.0.0.53"), "10.0.0.53:53");
        assert_eq!(good(" ns1.example.com:5353 "), "ns1.example.com:5353");
        assert_eq!(good("ns1.example.com:"), "ns1.example.com:53");
        assert_eq!(good("[2001:db8::1]"), "[2001:db8::1]:53");
        assert_eq!(good("[2001:db8::1]:5353"), "[2001:db8::1]:5353");
        let bad = |text: &str| nameserver(text).unwrap_err().to_string();
        assert_eq!(bad(""), "RFC2136 nameserver missing");
        assert_eq!(bad(":53"), "RFC2136 nameserver has no host defined, :53");
        assert_eq!(
            bad("2001:db8::1"),
            "RFC2136 nameserver is invalid: address 2001:db8::1: too many colons in address"
        );
    }

    #[test]
    fn algorithms_are_the_four_of_the_release_and_md5_is_the_default() {
        assert_eq!(algorithm(""), Ok(Algorithm::HmacMd5));
        assert_eq!(algorithm("hmacsha512"), Ok(Algorithm::HmacSha512));
        assert_eq!(
            algorithm("HMACSHA224").unwrap_err().to_string(),
            "algorithm 'HMACSHA224' is not supported"
        );
    }

    #[test]
    fn an_update_names_the_zone_and_one_value() {
        let record = TxtRecord {
            fqdn: "_acme-challenge.a.test.".into(),
            zone: "a.test.".into(),
            value: "v".into(),
            ..TxtRecord::default()
        };
        let update = |change| Message::from_vec(&message(7, change, &record).unwrap()).unwrap();
        let insert = update(Change::Insert);
        assert_eq!((insert.metadata.id, insert.metadata.op_code), (7, OpCode::Update));
        assert_eq!(insert.queries[0].to_string(), "a.test. IN SOA");
        assert_eq!(insert.authorities[0].to_string(), "_acme-challenge.a.test. 60 IN TXT v");
        let remove = update(Change::Remove);
        assert_eq!(remove.authorities[0].to_string(), "_acme-challenge.a.test. 0 NONE TXT v");
    }
}
