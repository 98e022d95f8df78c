//! Which identifiers a certificate may have: the syntax of names, and names that are refused.
//!
//! The texts are those that Let's Encrypt's policy authority answers with; what differs between servers is
//! a table ([`NameRules`]).

pub mod identifier;
pub mod names;

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::problem::{Problem, ProblemKind, Subproblem};
pub use identifier::{DnsName, Identifier, IdentifierType};
pub use names::{BadName, NameRules};

/// What is asked of identifiers.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What differs between servers.
    pub rules: &'static NameRules,
    /// Names that are refused with all names below them.
    pub blocklist: BTreeSet<String>,
    /// Suffixes that names are accepted under although they are not public.
    pub extra_suffixes: BTreeSet<String>,
    /// Labels that a name has once at most, unless it is a renewal.
    pub recursive_labels: BTreeSet<String>,
}

impl Policy {
    /// The identifiers of an order, given as type and value: in lower case, sorted, each once.
    ///
    /// # Errors
    /// The problem that a newOrder request with these identifiers is refused with.
    pub fn check_order(&self, given: &[(String, String)]) -> Result<Vec<Identifier>, Problem> {
        if given.is_empty() {
            return Err(Problem::malformed("NewOrder request did not include any identifiers"));
        }
        let mut found = BTreeSet::new();
        let mut bad = BTreeSet::new();
        for (kind, value) in given {
            match self.read(kind, value)? {
                Ok(identifier) => drop(found.insert(identifier)),
                Err((value, why)) => drop(bad.insert((value, why))),
            }
        }
        if !bad.is_empty() {
            return Err(self.refused(&bad.into_iter().collect::<Vec<_>>()));
        }
        if self.rules.overlap_refused {
            refuse_overlap(&found)?;
        }
        Ok(found.into_iter().collect())
    }

    /// One identifier, or why it is refused; the outer error is for types that do not exist.
    fn read(&self, kind: &str, value: &str) -> Result<Result<Identifier, (String, BadName)>, Problem> {
        match kind {
            "dns" => {
                let name = value.to_ascii_lowercase();
                Ok(match self.check(&name) {
                    Ok(()) => Ok(Identifier::Dns(DnsName::unchecked(&name))),
                    Err(why) => Err((name, why)),
                })
            }
            "ip" => Ok(match value.parse::<IpAddr>() {
                Err(_) => Err((value.to_owned(), BadName::MalformedIp)),
                Ok(ip) if self.rules.public && !is_public(ip) => Err((ip.to_string(), BadName::ReservedIp)),
                Ok(ip) => Ok(Identifier::Ip(ip)),
            }),
            _ => {
                let detail = format!(
                    "NewOrder request contained invalid non-DNS type identifier: type {kind:?}, value {value:?}"
                );
                Err(Problem::new(self.rules.unknown_type, detail))
            }
        }
    }

    /// Whether `name` (in lower case) may be in a certificate.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self, name: &str) -> Result<(), BadName> {
        let base = names::check_syntax(name, self.rules.public)?;
        if self.rules.public {
            names::check_public(base, &self.extra_suffixes)?;
        }
        if names::suffixes(base).any(|suffix| self.blocklist.contains(suffix)) {
            return Err(BadName::Forbidden);
        }
        Ok(())
    }

    /// Whether no name of a new order looks as if it was made from a certificate on demand.
    ///
    /// # Errors
    /// The problem that the order is refused with.
    pub fn check_recursion(&self, identifiers: &[Identifier]) -> Result<(), Problem> {
        let bad = identifiers.iter().filter(|identifier| match identifier {
            Identifier::Dns(name) => names::repeats(name.base(), &self.recursive_labels),
            Identifier::Ip(_) => false,
        });
        let bad: Vec<_> = bad.map(|i| (i.value().into_owned(), BadName::Recursive)).collect();
        if bad.is_empty() { Ok(()) } else { Err(self.refused(&bad)) }
    }

    /// The problem for a list of refused identifiers: the first in the detail, and a sub-problem for each
    /// (RFC 8555 section 6.7.1).
    fn refused(&self, bad: &[(String, BadName)]) -> Problem {
        let more = bad.len().saturating_sub(1);
        let first =
            bad.first().map(|(name, why)| format!("Cannot issue for {name:?}: {why}")).unwrap_or_default();
        let detail = match more {
            0 => first,
            1 => format!("{first} (and 1 more problem. Refer to sub-problems for more information.)"),
            n => format!("{first} (and {n} more problems. Refer to sub-problems for more information.)"),
        };
        if self.rules.syntax_malformed
            && let Some((_, why)) = bad.iter().find(|(_, why)| why.kind() == ProblemKind::Malformed)
        {
            let name = bad.iter().find(|(_, other)| other == why).map(|(name, _)| name.as_str());
            return Problem::malformed(format!(
                "Order included a bad identifier {:?}: {why}",
                name.unwrap_or_default()
            ));
        }
        let mut problem = Problem::new(ProblemKind::RejectedIdentifier, detail);
        if more > 0 || self.rules.lists_single {
            let subproblem = |(name, why): &(String, BadName)| Subproblem {
                kind: why.kind(),
                detail: why.to_string(),
                identifier: why.identifier_type(),
                value: name.clone(),
            };
            problem.subproblems = bad.iter().map(subproblem).collect();
        }
        problem
    }
}

fn refuse_overlap(found: &BTreeSet<Identifier>) -> Result<(), Problem> {
    let wildcard = |parent: &str| Identifier::Dns(DnsName::unchecked(&format!("*.{parent}")));
    for identifier in found.iter().filter(|identifier| !identifier.is_wildcard()) {
        let Identifier::Dns(name) = identifier else { continue };
        if name.as_str().split_once('.').is_some_and(|(_, parent)| found.contains(&wildcard(parent))) {
            return Err(Problem::malformed(format!(
                "Domain name {:?} is redundant with a wildcard domain in the same request. \
                 Remove one or the other from the certificate request.",
                name.as_str()
            )));
        }
    }
    Ok(())
}

/// Whether an address is none of IANA's special-purpose ones (RFC 6890 and its successors).
fn is_public(ip: IpAddr) -> bool {
    const V4: [(u32, u32); 15] = [
        (0x0000_0000, 8),
        (0x0a00_0000, 8),
        (0x6440_0000, 10),
        (0x7f00_0000, 8),
        (0xa9fe_0000, 16),
        (0xac10_0000, 12),
        (0xc000_0000, 24),
        (0xc000_0200, 24),
        (0xc058_6300, 24),
        (0xc0a8_0000, 16),
        (0xc612_0000, 15),
        (0xc633_6400, 24),
        (0xcb00_7100, 24),
        (0xe000_0000, 4),
        (0xf000_0000, 4),
    ];
    match ip {
        IpAddr::V4(ip) => {
            let bits = u32::from(ip);
            !V4.iter().any(|(network, length)| bits >> (32 - length) == network >> (32 - length))
        }
        IpAddr::V6(ip) => match ip.segments() {
            // Global unicast, without what was set aside for protocols, documentation, 6to4 and SRv6.
            [0x2001, second, ..] => second > 0x01ff && second != 0x0db8,
            [0x2002 | 0x3fff | 0x5f00, ..] => false,
            [first, ..] => first & 0xe000 == 0x2000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::DialectName;

    fn policy() -> Policy {
        let blocklist = BTreeSet::from(["blocked.com".to_owned()]);
        let rules = &DialectName::Boulder.table().names;
        Policy {
            rules,
            blocklist,
            extra_suffixes: BTreeSet::from(["test".to_owned(), "corp.local".to_owned()]),
            recursive_labels: BTreeSet::from(["www".to_owned()]),
        }
    }

    fn pebble() -> Policy {
        Policy { rules: &DialectName::Pebble.table().names, ..policy() }
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
            ("a.corp.local", None),
            ("corp.local", Some(BadName::NonPublic)),
            ("a.example", Some(BadName::NonPublic)),
            ("co.uk", Some(BadName::PublicSuffix)),
            ("*.co.uk", Some(BadName::PublicSuffix)),
            ("a.co.uk", None),
            // A private suffix is a name like others.
            ("github.io", None),
            ("xn--a.com", Some(BadName::MalformedPunycode)),
            // Decomposed: u and a combining diaeresis.
            ("xn--bucher-xyd.com", Some(BadName::MalformedPunycode)),
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
        assert_eq!(names.iter().map(Identifier::value).collect::<Vec<_>>(), ["a.com", "b.com"]);
    }

    #[test]
    fn refusals_have_their_types() {
        let refusal = |list: &[(String, String)]| policy().check_order(list).unwrap_err();
        assert_eq!(refusal(&[]).kind, ProblemKind::Malformed);
        assert_eq!(refusal(&[("tel".into(), "1".into())]).kind, ProblemKind::UnsupportedIdentifier);
        assert_eq!(refusal(&[("ip".into(), "10.0.0.1".into())]).kind, ProblemKind::RejectedIdentifier);
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

    #[test]
    fn pebble_takes_private_names_and_addresses_but_no_bad_ones() {
        let ip = |value: &str| pebble().check_order(&[("ip".to_owned(), value.to_owned())]);
        for name in ["localhost", "a.test", "ab--c.com", "*.local"] {
            assert_eq!(pebble().check(name), Ok(()), "{name}");
        }
        assert_eq!(ip("0:0::1").unwrap()[0].value(), "::1");
        let bad = ip("1.2.3").unwrap_err();
        assert!(bad.kind == ProblemKind::Malformed && bad.detail.contains("\"1.2.3\""), "{bad}");
        for (name, kind, listed) in
            [("a_b.com", ProblemKind::Malformed, 0), ("x.blocked.com", ProblemKind::RejectedIdentifier, 1)]
        {
            let problem = pebble().check_order(&dns(&[name])).unwrap_err();
            assert_eq!((problem.kind, problem.subproblems.len()), (kind, listed), "{name}");
        }
        // The last label of a blocked name is not the blocked name.
        assert_eq!(pebble().check("com"), Ok(()));
        assert_eq!(pebble().check_order(&dns(&["*.a.com", "x.a.com"])).unwrap().len(), 2);
    }

    #[test]
    fn public_addresses_are_those_without_a_special_purpose() {
        for (ip, public) in [
            ("8.8.8.8", true),
            ("127.0.0.1", false),
            ("192.168.7.1", false),
            ("100.127.0.1", false),
            ("224.0.0.1", false),
            ("2606:4700::1", true),
            ("::1", false),
            ("fe80::1", false),
            ("2001:db8::1", false),
            ("fc00::1", false),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
    }

    proptest::proptest! {
        #[test]
        fn checking_never_panics(name in "\\PC{0,80}") {
            let _ = policy().check(&name);
        }
    }
}
