//! Which names a certificate may have: the syntax of names, and names that are refused.
//!
//! The rules and their texts are those that Let's Encrypt's policy authority answers with, apart from the
//! public suffix list, which is not here: instead of it a table of special-use top-level names is refused.

use std::collections::BTreeSet;

use crate::problem::{Problem, ProblemKind, Subproblem};

/// A name in an order or an authorization.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsName(String);

impl DnsName {
    /// As it is ordered: in lower case, with `*.` when it is a wildcard.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without `*.`: what an authorization is for.
    pub fn base(&self) -> &str {
        self.0.strip_prefix("*.").unwrap_or(&self.0)
    }

    /// Whether it is a wildcard.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

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
    /// On the list of names that are refused.
    #[error(
        "The ACME server refuses to issue a certificate for this domain name, because it is forbidden by policy"
    )]
    Forbidden,
}

impl BadName {
    /// The type that a sub-problem about it has.
    const fn kind(self) -> ProblemKind {
        match self {
            BadName::NonPublic | BadName::Forbidden => ProblemKind::RejectedIdentifier,
            _ => ProblemKind::Malformed,
        }
    }
}

const NAME_MAX: usize = 253;
const LABEL_MAX: usize = 63;
const LABELS_MAX: usize = 10;

/// Special-use and private top-level names (RFC 6761, RFC 2606, RFC 8375, and usage): not in public DNS.
const NON_PUBLIC: [&str; 12] = [
    "alt",
    "corp",
    "example",
    "home",
    "internal",
    "invalid",
    "lan",
    "local",
    "localhost",
    "onion",
    "private",
    "test",
];

/// What is asked of names.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Names that are refused with all names below them.
    pub blocklist: BTreeSet<String>,
    /// Top-level names that are accepted although they are not public.
    pub extra_suffixes: BTreeSet<String>,
    /// The most names in one order.
    pub names_max: usize,
}

impl Policy {
    /// The names of an order: in lower case, sorted, each once.
    ///
    /// # Errors
    /// The problem that a newOrder request with these names is refused with.
    pub fn check_order(&self, identifiers: &[(String, String)]) -> Result<Vec<DnsName>, Problem> {
        if identifiers.is_empty() {
            return Err(Problem::malformed("NewOrder request did not include any identifiers"));
        }
        let mut names = BTreeSet::new();
        for (kind, value) in identifiers {
            match kind.as_str() {
                "dns" => names.insert(value.to_ascii_lowercase()),
                "ip" => return Err(refused(vec![(value.clone(), BadName::IpAddress)])),
                _ => {
                    let detail = format!(
                        "NewOrder request contained invalid non-DNS type identifier: type {kind:?}, value {value:?}"
                    );
                    return Err(Problem::new(ProblemKind::UnsupportedIdentifier, detail));
                }
            };
        }
        if names.len() > self.names_max {
            let detail = format!("Order cannot contain more than {} DNS names", self.names_max);
            return Err(Problem::malformed(detail));
        }
        let bad: Vec<_> =
            names.iter().filter_map(|n| self.check(n).err().map(|why| (n.clone(), why))).collect();
        if !bad.is_empty() {
            return Err(refused(bad));
        }
        for name in names.iter().filter(|name| !name.starts_with("*.")) {
            if name.split_once('.').is_some_and(|(_, parent)| names.contains(&format!("*.{parent}"))) {
                return Err(Problem::malformed(format!(
                    "Domain name {name:?} is redundant with a wildcard domain in the same request. \
                     Remove one or the other from the certificate request."
                )));
            }
        }
        Ok(names.into_iter().map(DnsName).collect())
    }

    /// Whether `name` (in lower case) may be in a certificate.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, name: &str) -> Result<(), BadName> {
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
        let labels: Vec<&str> = base.split('.').collect();
        match labels.len() {
            1 => return Err(BadName::TooFewLabels),
            n if n > LABELS_MAX => return Err(BadName::TooManyLabels),
            _ => {}
        }
        for label in &labels {
            check_label(label)?;
        }
        let top = labels.last().copied().unwrap_or_default();
        if suffixes(base).any(|suffix| self.blocklist.contains(suffix)) {
            return Err(BadName::Forbidden);
        }
        let numeric = top.bytes().all(|b| b.is_ascii_digit());
        if (NON_PUBLIC.contains(&top) && !self.extra_suffixes.contains(top)) || numeric {
            return Err(BadName::NonPublic);
        }
        Ok(())
    }
}

/// `a.b.c`, `b.c`, `c`.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| rest.split_once('.').map(|(_, parent)| parent))
}

fn check_label(label: &str) -> Result<(), BadName> {
    if label.is_empty() {
        return Err(BadName::EmptyLabel);
    }
    if label.len() > LABEL_MAX {
        return Err(BadName::LabelTooLong);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(BadName::InvalidCharacter);
    }
    if label.get(2..4) == Some("--") && !label.starts_with("xn--") {
        return Err(BadName::ReservedLabel);
    }
    Ok(())
}

/// The problem for a list of refused names: the first in the detail, and a sub-problem for each when there
/// are several (RFC 8555 section 6.7.1).
fn refused(bad: Vec<(String, BadName)>) -> Problem {
    let more = bad.len() - 1;
    let first =
        bad.first().map(|(name, why)| format!("Cannot issue for {name:?}: {why}")).unwrap_or_default();
    let detail = match more {
        0 => first,
        1 => format!("{first} (and 1 more problem. Refer to sub-problems for more information.)"),
        n => format!("{first} (and {n} more problems. Refer to sub-problems for more information.)"),
    };
    let mut problem = Problem::new(ProblemKind::RejectedIdentifier, detail);
    if more > 0 {
        problem.subproblems = bad
            .into_iter()
            .map(|(name, why)| Subproblem { kind: why.kind(), detail: why.to_string(), name })
            .collect();
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let blocklist = BTreeSet::from(["blocked.com".to_owned()]);
        Policy { blocklist, extra_suffixes: BTreeSet::from(["test".to_owned()]), names_max: 3 }
    }

    fn dns(names: &[&str]) -> Vec<(String, String)> {
        names.iter().map(|n| ("dns".to_owned(), (*n).to_owned())).collect()
    }

    #[test]
    fn names_by_rule() {
        let long_label = format!("{}.com", "a".repeat(64));
        let long_name = format!("{}.com", [&"a".repeat(60)[..]; 5].join("."));
        for (name, expected) in [
            ("example.com", None),
            ("*.example.com", None),
            ("a.test", None),
            ("xn--bcher-kva.com", None),
            ("", Some(BadName::Empty)),
            ("*.", Some(BadName::Empty)),
            ("a.*.com", Some(BadName::MalformedWildcard)),
            ("*a.com", Some(BadName::MalformedWildcard)),
            ("*.*.com", Some(BadName::TooManyWildcards)),
            ("10.0.0.1", Some(BadName::IpAddress)),
            ("a_b.com", Some(BadName::InvalidCharacter)),
            ("-a.com", Some(BadName::InvalidCharacter)),
            ("bücher.com", Some(BadName::InvalidCharacter)),
            ("a.com.", Some(BadName::EndsInDot)),
            ("localhost", Some(BadName::TooFewLabels)),
            ("a..com", Some(BadName::EmptyLabel)),
            ("a.b.c.d.e.f.g.h.i.j.com", Some(BadName::TooManyLabels)),
            ("ab--c.com", Some(BadName::ReservedLabel)),
            ("a.local", Some(BadName::NonPublic)),
            ("a.b.123", Some(BadName::NonPublic)),
            ("blocked.com", Some(BadName::Forbidden)),
            ("*.a.blocked.com", Some(BadName::Forbidden)),
            ("unblocked.com", None),
            (&long_label, Some(BadName::LabelTooLong)),
            (&long_name, Some(BadName::TooLong)),
        ] {
            assert_eq!(policy().check(name).err(), expected, "{name}");
        }
    }

    #[test]
    fn an_order_has_each_name_once_in_lower_case_and_sorted() {
        let names = policy().check_order(&dns(&["b.com", "A.com", "a.com"])).unwrap();
        assert_eq!(names.iter().map(DnsName::as_str).collect::<Vec<_>>(), ["a.com", "b.com"]);
    }

    #[test]
    fn refusals_have_their_types() {
        let refusal = |list: &[(String, String)]| policy().check_order(list).unwrap_err();
        assert_eq!(refusal(&[]).kind, ProblemKind::Malformed);
        assert_eq!(refusal(&[("tel".into(), "1".into())]).kind, ProblemKind::UnsupportedIdentifier);
        assert_eq!(refusal(&[("ip".into(), "10.0.0.1".into())]).kind, ProblemKind::RejectedIdentifier);
        assert_eq!(refusal(&dns(&["a.com", "b.com", "c.com", "d.com"])).kind, ProblemKind::Malformed);
        assert_eq!(refusal(&dns(&["*.a.com", "x.a.com"])).kind, ProblemKind::Malformed);
        let one = refusal(&dns(&["localhost", "a.com"]));
        assert_eq!((one.kind, one.subproblems.len()), (ProblemKind::RejectedIdentifier, 0));
        assert_eq!(one.detail, "Cannot issue for \"localhost\": Domain name needs at least one dot");
        let two = refusal(&dns(&["localhost", "blocked.com"]));
        assert_eq!(
            two.subproblems.iter().map(|s| s.kind).collect::<Vec<_>>(),
            [ProblemKind::RejectedIdentifier, ProblemKind::Malformed]
        );
        assert!(two.detail.ends_with("(and 1 more problem. Refer to sub-problems for more information.)"));
    }

    proptest::proptest! {
        #[test]
        fn checking_never_panics(name in "\\PC{0,80}") {
            let _ = policy().check(&name);
        }
    }
}
