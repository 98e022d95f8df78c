//! How names are written, and which names are not public: those that have no suffix on the public suffix
//! list (its ICANN section).

use std::collections::BTreeSet;

use super::IdentifierType;
use crate::limits::icann_suffix;
use crate::problem::ProblemKind;

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BadName {
    /// Empty.
    #[error("Domain name is empty")]
    Empty,
    /// A `*` elsewhere than as the first label.
    #[error(
        "Domain name contains an invalid wildcard. A wildcard is only permitted before the first dot in a domain name"
    )]
    MalformedWildcard,
    /// More than one `*`.
    #[error("Domain name has more than one wildcard")]
    TooManyWildcards,
    /// A character that no host name has.
    #[error("Domain name contains an invalid character")]
    InvalidCharacter,
    /// Longer than 253 bytes.
    #[error("Domain name is longer than 253 bytes")]
    TooLong,
    /// An IP address.
    #[error("The ACME server can not issue a certificate for an IP address")]
    IpAddress,
    /// An `ip` identifier that is no address.
    #[error("Identifier value is not an IP address")]
    MalformedIp,
    /// An address that is not public.
    #[error("IP address is in a reserved address block")]
    ReservedIp,
    /// Ends in a dot.
    #[error("Domain name ends in a dot")]
    EndsInDot,
    /// More than 10 labels.
    #[error("Domain name has more than 10 labels (parts)")]
    TooManyLabels,
    /// One label.
    #[error("Domain name needs at least one dot")]
    TooFewLabels,
    /// An empty label.
    #[error("Domain name can not have two dots in a row")]
    EmptyLabel,
    /// A label of more than 63 bytes.
    #[error("Domain has a label (component between dots) longer than 63 bytes")]
    LabelTooLong,
    /// A label with hyphens at its third and fourth place that is no punycode (RFC 5890 section 2.3.1).
    #[error("Domain name contains an invalid label in a reserved format (R-LDH: '??--')")]
    ReservedLabel,
    /// Not under a suffix that the public has names under.
    #[error("Domain name does not end with a valid public suffix (TLD)")]
    NonPublic,
    /// A suffix that the public has names under.
    #[error("Domain name is an ICANN TLD")]
    PublicSuffix,
    /// An `xn--` label that is no punycode of a normalized label (RFC 5891 section 4.2).
    #[error("Domain name contains malformed punycode")]
    MalformedPunycode,
    /// As [`crate::config::Config::recursive_labels`] has it.
    #[error("Domain name repeats a label, as names do that are made on demand from names made on demand")]
    Recursive,
    /// On the list of names that are refused.
    #[error(
        "The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy"
    )]
    Forbidden,
}

impl BadName {
    /// The type of identifier that it is said of.
    pub(super) const fn identifier_type(self) -> IdentifierType {
        match self {
            BadName::MalformedIp | BadName::ReservedIp => IdentifierType::Ip,
            _ => IdentifierType::Dns,
        }
    }

    /// The type that a sub-problem about it has.
    pub(super) const fn kind(self) -> ProblemKind {
        match self {
            BadName::NonPublic
            | BadName::PublicSuffix
            | BadName::Recursive
            | BadName::Forbidden
            | BadName::ReservedIp => ProblemKind::RejectedIdentifier,
            _ => ProblemKind::Malformed,
        }
    }
}

const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
const LABELS_MAX: usize = 10;

/// Which names are taken: what differs between servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameRules {
    /// Whether a name must be one that the public has: two labels at least and ten at most, under a
    /// public suffix, no reserved label and no bad punycode; and an address must be a public one.
    pub public: bool,
    /// Whether a name is refused when a wildcard of the same order covers it.
    pub overlap_refused: bool,
    /// Whether badly written names are `malformed`, and not a matter of policy.
    pub syntax_malformed: bool,
    /// Whether the problem with a single name has a sub-problem for it too.
    pub lists_single: bool,
    /// Type of the problem with an identifier of an unknown type.
    pub unknown_type: ProblemKind,
}

/// Whether `name` (in lower case) is written as a name is.
///
/// # Errors
/// The first rule that it breaks.
pub(super) fn check_syntax(name: &str, public: bool) -> Result<&str, BadName> {
    let stars = name.bytes().filter(|b| *b == b'*').count();
    let base = match (stars, name.strip_prefix("*.")) {
        (0, _) => name,
        (1, Some(base)) => base,
        (1, None) => return Err(BadName::MalformedWildcard),
        _ => return Err(BadName::TooManyWildcards),
    };
    if base.is_empty() {
        return Err(BadName::Empty);
    }
    if base.parse::<std::net::IpAddr>().is_ok() {
        return Err(BadName::IpAddress);
    }
    if !base.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.') {
        return Err(BadName::InvalidCharacter);
    }
    if base.len() > NAME_MAX {
        return Err(BadName::TooLong);
    }
    if base.ends_with('.') {
        return Err(BadName::EndsInDot);
    }
    let labels = base.split('.').count();
    if public && labels == 1 {
        return Err(BadName::TooFewLabels);
    }
    if public && labels > LABELS_MAX {
        return Err(BadName::TooManyLabels);
    }
    base.split('.').try_for_each(|label| check_label(label, public))?;
    Ok(base)
}

/// Whether the public can have `base`: whether it is under a suffix of the list, or under one of `extra`.
///
/// # Errors
/// It is not, or is such a suffix itself.
pub(super) fn check_public(base: &str, extra: &BTreeSet<String>) -> Result<(), BadName> {
    if suffixes(base).skip(1).any(|suffix| extra.contains(suffix)) {
        return Ok(());
    }
    match icann_suffix(base) {
        None => Err(BadName::NonPublic),
        Some(suffix) if suffix == base => Err(BadName::PublicSuffix),
        Some(_) => Ok(()),
    }
}

/// Whether one of these labels is in `base` more than once.
pub(super) fn repeats(base: &str, labels: &BTreeSet<String>) -> bool {
    labels.iter().any(|label| base.split('.').filter(|part| part == label).count() > 1)
}

/// `a.b.c`, `b.c`, `c`.
pub(crate) fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('.').map(|(_, parent)| parent))
}

fn check_label(label: &str, public: bool) -> Result<(), BadName> {
    if label.is_empty() {
        return Err(BadName::EmptyLabel);
    }
    if label.len() > LABEL_MAX {
        return Err(BadName::LabelTooLong);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(BadName::InvalidCharacter);
    }
    if public && label.get(2..4) == Some("--") {
        if !label.starts_with("xn--") {
            return Err(BadName::ReservedLabel);
        }
        let (_, valid) = idna::domain_to_unicode(label);
        valid.map_err(|_| BadName::MalformedPunycode)?;
    }
    Ok(())
}
