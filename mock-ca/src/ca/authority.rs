//! Certificate authorities: their keys, and the certificates that they have from each other.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use world::{KeyAlgorithm, PrivateKey, PublicKey, Rng, Timestamp, World, hex};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::CaError;
use super::x509::{self, Extensions, ToBeSigned, usage};
use crate::config::{Authority as Wanted, HierarchyConfig, LeafKeys, OwnAuthority};

/// Life of roots and intermediates.
const LIFE: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Random bytes of an authority's serial number.
pub(super) const AUTHORITY_SERIAL_BYTES: usize = 16;

/// An authority with all that it has.
#[derive(Debug)]
pub(super) struct Authority {
    /// What people call it.
    pub(super) name: String,
    /// Its name, DER.
    pub(super) subject: Vec<u8>,
    /// `None` when it is from elsewhere and came without.
    pub(super) key: Option<PrivateKey>,
    /// The public half.
    pub(super) public: PublicKey,
    /// What certificates call its key.
    pub(super) key_id: Vec<u8>,
    /// The preferred one first.
    pub(super) certificates: Vec<Certified>,
    /// Which leaves it signs.
    pub(super) signs: Option<LeafKeys>,
}

/// A certificate of an authority.
#[derive(Clone, Debug)]
pub(super) struct Certified {
    /// Who has signed it: the place in the list of authorities.
    pub(super) issuer: usize,
    /// DER.
    pub(super) der: Vec<u8>,
}

/// An authority that is to be made.
#[derive(Debug)]
struct Planned {
    /// The label of its key's randomness.
    label: String,
    wanted: Wanted,
    /// Places of its issuers in the list.
    issuers: Vec<usize>,
}

/// Makes a hierarchy: keys first, then everybody's certificates. The number is how many serial numbers were
/// drawn.
///
/// # Errors
/// When an authority has an issuer that is not there, or what is from elsewhere does not fit.
pub(super) fn make(
    world: &World,
    config: &HierarchyConfig,
    label: &impl Fn(&str) -> String,
    serials: &Rng,
) -> Result<(Vec<Authority>, u64), CaError> {
    let plan = needed(plan(config, &world.rng(&label("names")))?);
    let mut made = Vec::new();
    for planned in &plan {
        made.push(begin(world, planned, &label(&planned.label))?);
    }
    let life = life(world.now());
    let mut drawn = 0;
    for (at, planned) in plan.iter().enumerate() {
        let mut certificates = Vec::new();
        for (n, issuer) in planned.issuers.iter().enumerate() {
            let own = planned.wanted.own.as_ref().filter(|_| n == 0);
            let der = match own {
                Some(own) => check_own(own, &made[*issuer])?,
                None => {
                    drawn += 1;
                    let serial = positive(serials.bytes());
                    certify(&made[at], &made[*issuer], at == *issuer, &planned.wanted, life, &serial)?
                }
            };
            certificates.push(Certified { issuer: *issuer, der });
        }
        made[at].certificates = certificates;
    }
    Ok((made, drawn))
}

/// From a day ago, though not from before 1970, which verifiers cannot count.
pub(super) fn life(now: Timestamp) -> (Timestamp, Timestamp) {
    let start = (now.truncate_to_secs() - Duration::from_secs(24 * 3600)).max(Timestamp::UNIX_EPOCH);
    (start, start + LIFE)
}

/// A serial number's first bit says that it is positive, and it must not be zero.
pub(super) fn positive(mut bytes: [u8; AUTHORITY_SERIAL_BYTES]) -> [u8; AUTHORITY_SERIAL_BYTES] {
    bytes[0] = (bytes[0] & 0x7f) | 1;
    bytes
}

/// Who is wanted, with issuers by place.
fn plan(config: &HierarchyConfig, names: &Rng) -> Result<Vec<Planned>, CaError> {
    if config.authorities.is_empty() {
        return Ok(one_intermediate(config, names));
    }
    let place = |name: &str| config.authorities.iter().position(|authority| authority.name == name);
    let mut plan = Vec::new();
    for authority in &config.authorities {
        let unknown = |issuer: &String| {
            CaError::Config(format!("hierarchy: {:?} has an unknown issuer {issuer:?}", authority.name))
        };
        let issuers: Result<Vec<usize>, CaError> =
            authority.issuers.iter().map(|name| place(name).ok_or_else(|| unknown(name))).collect();
        let label = format!("authority {} key", authority.name);
        plan.push(Planned { label, wanted: authority.clone(), issuers: issuers? });
    }
    Ok(plan)
}

/// The short form: roots over one intermediate, and others between them in longer chains.
fn one_intermediate(config: &HierarchyConfig, names: &Rng) -> Vec<Planned> {
    let digits = usize::from(config.name_digits);
    let draw = || hex(&names.bytes::<16>()).chars().take(digits).collect::<String>();
    let named = |name: &str, id: &str| match id {
        "" => name.to_owned(),
        id => format!("{name} {id}"),
    };
    let authority = |name: String, organization: &str| Wanted {
        name,
        organization: organization.to_owned(),
        country: config.country.clone(),
        key_type: config.key_type,
        ..Wanted::default()
    };
    let ids: Vec<String> = (0..=config.alternate_roots)
        .map(|n| match (digits, n) {
            (0, 0) => String::new(),
            (0, n) => (n + 1).to_string(),
            _ => draw(),
        })
        .collect();
    let root = |n: usize, id: &str| Planned {
        label: if n == 0 { "root key".to_owned() } else { format!("root key {n}") },
        wanted: Wanted {
            usages: config.root_usages.clone(),
            own: config.own_root.clone().filter(|_| n == 0),
            ..authority(named(&config.root, id), &config.root_organization)
        },
        issuers: Vec::new(),
    };
    let intermediate = |label: String, name: String| Planned {
        label,
        wanted: Wanted {
            usages: config.intermediate_usages.clone(),
            ..authority(name, &config.intermediate_organization)
        },
        issuers: Vec::new(),
    };
    const LOWEST: usize = 1;
    let mut plan = vec![root(0, &ids[0])];
    let own_id = if digits == 0 { String::new() } else { draw() };
    let mut lowest = intermediate("intermediate key".to_owned(), named(&config.intermediate, &own_id));
    lowest.wanted.signs = Some(LeafKeys::Any);
    lowest.wanted.path_length = config.path_length;
    lowest.wanted.own.clone_from(&config.own_intermediate);
    plan.push(lowest);
    for (chain, id) in ids.iter().enumerate() {
        let mut issuer = 0;
        if chain > 0 {
            issuer = plan.len();
            plan.push(root(chain, id));
        }
        plan[issuer].issuers = vec![issuer];
        for n in (1..config.chain_length.max(1)).rev() {
            let name = format!("{} #{n}", named(&config.intermediate, id));
            let mut between = intermediate(format!("intermediate key {chain} {n}"), name);
            between.issuers = vec![issuer];
            issuer = plan.len();
            plan.push(between);
        }
        plan[LOWEST].issuers.push(issuer);
    }
    plan
}

/// Those that sign leaves, and those that they chain to.
fn needed(plan: Vec<Planned>) -> Vec<Planned> {
    let mut open: Vec<usize> = (0..plan.len()).filter(|at| plan[*at].wanted.signs.is_some()).collect();
    let mut needed = BTreeSet::new();
    while let Some(at) = open.pop() {
        if needed.insert(at) {
            open.extend(&plan[at].issuers);
        }
    }
    let place = |old: usize| needed.range(..old).count();
    let mut kept = Vec::new();
    for (at, mut planned) in plan.into_iter().enumerate() {
        if needed.contains(&at) {
            planned.issuers.iter_mut().for_each(|issuer| *issuer = place(*issuer));
            kept.push(planned);
        }
    }
    kept
}

/// An authority that has no certificate yet.
fn begin(world: &World, planned: &Planned, label: &str) -> Result<Authority, CaError> {
    let wanted = &planned.wanted;
    let Some(own) = &wanted.own else {
        let key = new_key(world, label, wanted.key_type.algorithm())?;
        return Ok(Authority {
            name: wanted.name.clone(),
            subject: x509::name(&wanted.country, &wanted.organization, &wanted.name),
            public: key.public().clone(),
            key_id: x509::key_id(key.public()).to_vec(),
            key: Some(key),
            certificates: Vec::new(),
            signs: wanted.signs,
        });
    };
    let key = match own.key.trim() {
        "" => None,
        pem => Some(world.keys(label).adopt(PrivateKey::from_pem(pem.as_bytes())?)),
    };
    let authority = read(&own_der(own)?, key, wanted.signs)?;
    if authority.key.as_ref().is_some_and(|key| *key.public() != authority.public) {
        return Err(bad(&authority.name, "its key is not that of its certificate"));
    }
    if authority.key.is_none() && authority.signs.is_some() {
        return Err(bad(&authority.name, "it has no key to sign with"));
    }
    Ok(authority)
}

fn bad(name: &str, what: &str) -> CaError {
    CaError::Config(format!("hierarchy: {name:?}: {what}"))
}

/// An authority as its certificate describes it; the certificate itself is left out.
///
/// # Errors
/// When it is not the certificate of an authority.
pub(super) fn read(
    der: &[u8],
    key: Option<PrivateKey>,
    signs: Option<LeafKeys>,
) -> Result<Authority, CaError> {
    let unreadable = |_| bad("own", "its certificate cannot be read");
    let (_, certificate) = X509Certificate::from_der(der).map_err(unreadable)?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next().and_then(|cn| cn.as_str().ok());
    let name = name.map_or_else(|| subject.to_string(), str::to_owned);
    if !certificate.is_ca() {
        return Err(bad(&name, "its certificate is not that of an authority"));
    }
    let public = PublicKey::from_spki(certificate.public_key().raw)?;
    let key_id = certificate.extensions().iter().find_map(|ext| match ext.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    });
    Ok(Authority {
        name,
        subject: subject.as_raw().to_vec(),
        key_id: key_id.unwrap_or_else(|| x509::key_id(&public).to_vec()),
        public,
        key,
        certificates: Vec::new(),
        signs,
    })
}

/// The first certificate of a PEM text.
fn own_der(own: &OwnAuthority) -> Result<Vec<u8>, CaError> {
    let unreadable = || CaError::Config("hierarchy: a certificate of one's own is not PEM".to_owned());
    let (_, pem) = x509_parser::pem::parse_x509_pem(own.certificate.as_bytes()).map_err(|_| unreadable())?;
    Ok(pem.contents)
}

/// A certificate from elsewhere, if `issuer` has signed it.
fn check_own(own: &OwnAuthority, issuer: &Authority) -> Result<Vec<u8>, CaError> {
    let der = own_der(own)?;
    let unreadable = |_| bad("own", "its certificate cannot be read");
    let (_, certificate) = X509Certificate::from_der(&der).map_err(unreadable)?;
    let signed = issuer.public.verify_x509(
        &certificate.signature_algorithm.algorithm.to_id_string(),
        certificate.tbs_certificate.as_ref(),
        &certificate.signature_value.data,
    );
    if signed.is_err() || certificate.issuer().as_raw() != issuer.subject {
        let subject = certificate.subject().to_string();
        return Err(bad(&subject, &format!("its certificate is not by {:?}", issuer.name)));
    }
    Ok(der)
}

fn certify(
    subject: &Authority,
    issuer: &Authority,
    own: bool,
    wanted: &Wanted,
    (not_before, not_after): (Timestamp, Timestamp),
    serial: &[u8],
) -> Result<Vec<u8>, CaError> {
    let key = issuer.key.as_ref().ok_or_else(|| bad(&issuer.name, "it has no key to sign with"))?;
    let mut extensions = Extensions::default();
    extensions.key_usage(&[usage::DIGITAL_SIGNATURE, usage::KEY_CERT_SIGN, usage::CRL_SIGN]);
    extensions.extended_key_usage(&wanted.usages);
    extensions.authority(wanted.path_length);
    extensions.subject_key_id(&subject.key_id);
    if !own {
        extensions.authority_key_id(&issuer.key_id);
    }
    let to_be_signed = ToBeSigned {
        serial,
        issuer: &issuer.subject,
        not_before,
        not_after,
        subject: &subject.subject,
        key: &subject.public.spki(),
    };
    x509::signed(key, &to_be_signed.to_der(key.algorithm(), &extensions))
}

/// How many RSA keys are remembered.
const KEYS_MAX: usize = 64;

/// RSA keys that were made in this process, by the beginning of the stream that they come from. Making one
/// takes seconds, and a sweep or a test makes the same ones again and again.
static MADE: Mutex<VecDeque<([u8; 32], PrivateKey)>> = Mutex::new(VecDeque::new());

/// The key with this label: the same as if it was made anew.
fn new_key(world: &World, label: &str, algorithm: KeyAlgorithm) -> Result<PrivateKey, CaError> {
    let keys = world.keys(label);
    if !matches!(algorithm, KeyAlgorithm::Rsa(_)) {
        return Ok(keys.generate(algorithm)?);
    }
    let stream: [u8; 32] = world.rng(label).bytes();
    let made = || MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |(of, key): &&([u8; 32], PrivateKey)| *of == stream && key.algorithm() == algorithm;
    if let Some((_, key)) = made().iter().find(same) {
        return Ok(key.clone());
    }
    let key = keys.generate(algorithm)?;
    let mut made = made();
    if made.len() == KEYS_MAX {
        made.pop_front();
    }
    made.push_back((stream, key.clone()));
    Ok(key)
}
