//! Signatures of DNS messages with a shared secret (TSIG, RFC 8945), for both ends of an exchange.
//!
//! A signature is the last record of a message. It covers the message without it, some fields of its own,
//! and, in an answer, the signature of the question. hickory-proto has the record, and signs with SHA-2 only.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder, DecodeError};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use ring::hmac as ring_hmac;

use crate::time::Timestamp;

/// How far the clocks of the two ends may be apart, in seconds (RFC 8945 section 10).
pub const FUDGE: u16 = 300;

/// Length of a DNS header.
const HEADER: usize = 12;
/// The class ANY.
const CLASS_ANY: u16 = 255;

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// HMAC with MD5. Weak; old servers have nothing else.
    HmacMd5,
    /// HMAC with SHA-1.
    HmacSha1,
    /// HMAC with SHA-256.
    HmacSha256,
    /// HMAC with SHA-512.
    HmacSha512,
}

impl Algorithm {
    /// Every algorithm with its name on the wire and the name that servers' configurations have for it.
    const ALL: [(Algorithm, &'static str, &'static str); 4] = [
        (Algorithm::HmacMd5, "hmac-md5.sig-alg.reg.int.", "hmac-md5"),
        (Algorithm::HmacSha1, "hmac-sha1.", "hmac-sha1"),
        (Algorithm::HmacSha256, "hmac-sha256.", "hmac-sha256"),
        (Algorithm::HmacSha512, "hmac-sha512.", "hmac-sha512"),
    ];

    /// Its name in a message, with the final dot.
    pub fn name(self) -> &'static str {
        Algorithm::ALL.into_iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The algorithm of a name: the one in messages, or the short one. Case does not matter.
    pub fn from_name(name: &str) -> Option<Algorithm> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let is = |row: &(Algorithm, &str, &str)| row.1.trim_end_matches('.') == name || row.2 == name;
        Algorithm::ALL.into_iter().find(is).map(|row| row.0)
    }

    fn mac(self, secret: &[u8], data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Algorithm::HmacMd5 => return md5_mac(secret, data),
            Algorithm::HmacSha1 => ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::HmacSha256 => ring_hmac::HMAC_SHA256,
            Algorithm::HmacSha512 => ring_hmac::HMAC_SHA512,
        };
        ring_hmac::sign(&ring_hmac::Key::new(algorithm, secret), data).as_ref().to_vec()
    }
}

fn md5_mac(secret: &[u8], data: &[u8]) -> Vec<u8> {
    // A key of any length will do; there is no error to report.
    let Ok(mut hmac) = Hmac::<Md5>::new_from_slice(secret) else { return Vec::new() };
    hmac.update(data);
    hmac.finalize().into_bytes().to_vec()
}

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Its name is no domain name.
    #[error("TSIG key {0:?}: expected a domain name")]
    Name(String),
    /// Its secret is no base64, or is empty.
    #[error("TSIG key {0:?}: expected a secret in base64")]
    Secret(String),
}

/// A secret that two ends share, and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    name: Name,
    algorithm: Algorithm,
    secret: Vec<u8>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the secret.
        write!(f, "Key({} {})", self.name, self.algorithm.name())
    }
}

/// What is wrong with a signature: the codes of RFC 8945 section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TsigError {
    /// It does not fit the message.
    #[error("BADSIG")]
    BadSig,
    /// The key is not known.
    #[error("BADKEY")]
    BadKey,
    /// It was made at another time.
    #[error("BADTIME")]
    BadTime,
}

impl TsigError {
    /// Its number.
    pub fn code(self) -> u16 {
        match self {
            TsigError::BadSig => 16,
            TsigError::BadKey => 17,
            TsigError::BadTime => 18,
        }
    }
}

/// A message whose records cannot be told apart, or whose signature is not where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

impl From<DecodeError> for Malformed {
    fn from(_: DecodeError) -> Self {
        Malformed
    }
}

/// A signature as it was found in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key's name.
    pub key: Name,
    /// The algorithm's name.
    pub algorithm: Name,
    /// When it was made, in seconds since 1970.
    pub time: u64,
    /// How far the clocks may be apart, in seconds.
    pub fudge: u16,
    /// The keyed digest.
    pub mac: Vec<u8>,
    /// The id of the message when it was signed.
    pub original_id: u16,
    /// What was wrong with the question's signature; 0 for nothing.
    pub error: u16,
    /// The server's time, with [`TsigError::BadTime`].
    pub other: Vec<u8>,
}

/// A message taken apart: what was signed, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The message as it was when it was signed.
    pub message: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

/// Finds the signature of a message; `None` when it has none.
///
/// # Errors
/// [`Malformed`] when its records cannot be read, or when a signature is not the last of them.
pub fn find(message: &[u8]) -> Result<Option<Signed>, Malformed> {
    let count = |at: usize| match message.get(at..at + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(Malformed),
    };
    let (questions, additionals) = (count(4)?, count(10)?);
    let records = u32::from(count(6)?) + u32::from(count(8)?) + u32::from(additionals);
    let mut decoder = BinDecoder::new(message);
    decoder.read_slice(HEADER)?;
    for _ in 0..questions {
        Name::read(&mut decoder)?;
        decoder.read_slice(4)?;
    }
    for left in (0..records).rev() {
        let start = decoder.index();
        let key = Name::read(&mut decoder)?;
        let kind = decoder.read_u16()?.unverified();
        let class = decoder.read_u16()?.unverified();
        decoder.read_u32()?;
        let length = usize::from(decoder.read_u16()?.unverified());
        if RecordType::from(kind) != RecordType::TSIG {
            decoder.read_slice(length)?;
            continue;
        }
        if left > 0 || additionals == 0 || class != CLASS_ANY {
            return Err(Malformed);
        }
        let end = decoder.index() + length;
        let signature = signature(&mut decoder, key)?;
        if decoder.index() != end || end != message.len() {
            return Err(Malformed);
        }
        let mut unsigned = message.get(..start).ok_or(Malformed)?.to_vec();
        put(&mut unsigned, 0, signature.original_id);
        put(&mut unsigned, 10, additionals - 1);
        return Ok(Some(Signed { message: unsigned, signature }));
    }
    Ok(None)
}

fn signature(decoder: &mut BinDecoder<'_>, key: Name) -> Result<Signature, Malformed> {
    let algorithm = Name::read(decoder)?;
    let high = decoder.read_u16()?.unverified();
    let low = decoder.read_u32()?.unverified();
    let fudge = decoder.read_u16()?.unverified();
    let length = usize::from(decoder.read_u16()?.unverified());
    let mac = decoder.read_vec(length)?.unverified();
    let original_id = decoder.read_u16()?.unverified();
    let error = decoder.read_u16()?.unverified();
    let length = usize::from(decoder.read_u16()?.unverified());
    let other = decoder.read_vec(length)?.unverified();
    let time = u64::from(high) << 32 | u64::from(low);
    Ok(Signature { key, algorithm, time, fudge, mac, original_id, error, other })
}

fn put(message: &mut [u8], at: usize, value: u16) {
    for (to, from) in message.iter_mut().skip(at).zip(value.to_be_bytes()) {
        *to = from;
    }
}

/// A name in wire form, in lower case and not compressed.
fn wire_name(name: &Name) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.iter() {
        // A label has at most 63 bytes.
        wire.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        wire.extend(label.to_ascii_lowercase());
    }
    wire.push(0);
    wire
}

/// The 48 bits of a time.
fn wire_time(time: u64) -> [u8; 6] {
    let [_, _, time @ ..] = time.to_be_bytes();
    time
}

impl Signature {
    /// What it covers besides the message (RFC 8945 section 4.3.3).
    fn variables(&self) -> Vec<u8> {
        let mut data = wire_name(&self.key);
        data.extend(CLASS_ANY.to_be_bytes());
        data.extend([0; 4]);
        data.extend(wire_name(&self.algorithm));
        data.extend(wire_time(self.time));
        data.extend(self.fudge.to_be_bytes());
        data.extend(self.error.to_be_bytes());
        data.extend(length(&self.other).to_be_bytes());
        data.extend(&self.other);
        data
    }

    /// `message` with this as its last record.
    fn attach(&self, mut message: Vec<u8>) -> Vec<u8> {
        let count = message.get(10..12).map_or(0, |c| u16::from_be_bytes([c[0], c[1]]));
        put(&mut message, 10, count.saturating_add(1));
        let mut data = wire_name(&self.algorithm);
        data.extend(wire_time(self.time));
        data.extend(self.fudge.to_be_bytes());
        data.extend(length(&self.mac).to_be_bytes());
        data.extend(&self.mac);
        data.extend(self.original_id.to_be_bytes());
        data.extend(self.error.to_be_bytes());
        data.extend(length(&self.other).to_be_bytes());
        data.extend(&self.other);
        message.extend(wire_name(&self.key));
        message.extend(u16::from(RecordType::TSIG).to_be_bytes());
        message.extend(CLASS_ANY.to_be_bytes());
        message.extend([0; 4]);
        message.extend(length(&data).to_be_bytes());
        message.extend(data);
        message
    }

    /// An answer to the message that had this signature, which says what is wrong with it and is not signed
    /// itself (section 5.2).
    pub fn refused(&self, answer: Vec<u8>, error: TsigError) -> Vec<u8> {
        let (mac, other) = (Vec::new(), Vec::new());
        Signature { mac, other, error: error.code(), ..self.clone() }.attach(answer)
    }
}

/// The length of what came out of a message, or goes into one.
fn length(bytes: &[u8]) -> u16 {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX)
}

impl Key {
    /// A key from its name and its secret in base64.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn new(name: &str, algorithm: Algorithm, secret: &str) -> Result<Key, BadKey> {
        let mut parsed = Name::from_ascii(name).map_err(|_| BadKey::Name(name.to_owned()))?;
        parsed.set_fqdn(true);
        let secret = STANDARD.decode(secret.trim()).ok().filter(|secret| !secret.is_empty());
        let secret = secret.ok_or_else(|| BadKey::Secret(name.to_owned()))?;
        Ok(Key { name: parsed, algorithm, secret })
    }

    /// Whether a signature says that it was made with this key.
    pub fn is_of(&self, signature: &Signature) -> bool {
        wire_name(&self.name) == wire_name(&signature.key)
            && Algorithm::from_name(&signature.algorithm.to_ascii()) == Some(self.algorithm)
    }

    /// How many bytes a signature adds to a message.
    pub fn signature_bytes(&self) -> usize {
        let mac = self.algorithm.mac(&self.secret, &[]).len();
        let algorithm = Name::from_ascii(self.algorithm.name()).unwrap_or_default();
        wire_name(&self.name).len() + 10 + wire_name(&algorithm).len() + 16 + mac
    }

    fn mac(&self, message: &[u8], signature: &Signature, question: Option<&[u8]>) -> Vec<u8> {
        let mut data = Vec::with_capacity(message.len() + 256);
        if let Some(question) = question {
            data.extend(length(question).to_be_bytes());
            data.extend(question);
        }
        data.extend(message);
        data.extend(signature.variables());
        self.algorithm.mac(&self.secret, &data)
    }

    fn sign_with(
        &self,
        message: Vec<u8>,
        at: Timestamp,
        question: Option<&Signature>,
        error: Option<TsigError>,
    ) -> (Vec<u8>, Signature) {
        let now = u64::try_from(at.unix_secs()).unwrap_or_default();
        let original_id = message.first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
        let mut signature = Signature {
            key: self.name.clone(),
            algorithm: Name::from_ascii(self.algorithm.name()).unwrap_or_default(),
            time: now,
            fudge: FUDGE,
            mac: Vec::new(),
            original_id,
            error: error.map_or(0, TsigError::code),
            other: Vec::new(),
        };
        if let (Some(question), Some(TsigError::BadTime)) = (question, error) {
            // The time of the question, so that its sender can check this, and the server's own.
            (signature.time, signature.other) = (question.time, wire_time(now).to_vec());
        }
        let question = question.map(|question| question.mac.as_slice());
        signature.mac = self.mac(&message, &signature, question);
        (signature.attach(message), signature)
    }

    /// Signs a question. The signature is what its answer is checked against.
    pub fn sign(&self, message: Vec<u8>, at: Timestamp) -> (Vec<u8>, Signature) {
        self.sign_with(message, at, None, None)
    }

    /// Signs the answer to a question that had this signature. With [`TsigError::BadTime`] it says when the
    /// question came.
    pub fn sign_answer(
        &self,
        answer: Vec<u8>,
        at: Timestamp,
        question: &Signature,
        error: Option<TsigError>,
    ) -> Vec<u8> {
        self.sign_with(answer, at, Some(question), error).0
    }

    /// Checks the signature of a question, or of the answer to a `question`.
    ///
    /// # Errors
    /// [`TsigError`]. Shortened digests are refused.
    pub fn verify(
        &self,
        signed: &Signed,
        at: Timestamp,
        question: Option<&Signature>,
    ) -> Result<(), TsigError> {
        let Signed { message, signature } = signed;
        if !self.is_of(signature) {
            return Err(TsigError::BadKey);
        }
        let expected = self.mac(message, signature, question.map(|question| question.mac.as_slice()));
        if !same(&expected, &signature.mac) {
            return Err(TsigError::BadSig);
        }
        let now = u64::try_from(at.unix_secs()).unwrap_or_default();
        if now.abs_diff(signature.time) > u64::from(signature.fudge) {
            return Err(TsigError::BadTime);
        }
        Ok(())
    }
}

/// Whether two digests are the same; how long that takes does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;
