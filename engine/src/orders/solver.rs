//! Which solver proves which authorization: the one whose selector fits best.

use std::collections::BTreeMap;

use crate::api::{
    AcmeAuthorization, AcmeChallenge, AcmeChallengeSolver, AcmeChallengeType, CertificateDnsNameSelector,
};

/// Why an authorization cannot be proved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSolver {
    /// No solver fits.
    #[error("no configured challenge solvers can be used for this challenge")]
    NoneFits,
    /// Annotations that change the solver are wrong.
    #[error("{0}")]
    Override(String),
}

/// How well a selector fits: exact names, then labels of the longest zone, then matched labels. More is better,
/// and the first of equals wins.
type Score = (usize, usize, usize);

fn score(
    selector: Option<&CertificateDnsNameSelector>,
    name: &str,
    labels: &BTreeMap<String, String>,
) -> Option<Score> {
    let Some(selector) = selector else { return Some((0, 0, 0)) };
    if selector.match_labels.iter().any(|(key, value)| labels.get(key) != Some(value)) {
        return None;
    }
    let names = selector.dns_names.iter().filter(|n| *n == name).count();
    if !selector.dns_names.is_empty() && names == 0 {
        return None;
    }
    let zone = selector.dns_zones.iter().filter(|zone| is_in_zone(name, zone)).map(|z| z.split('.').count());
    let zone = zone.max().unwrap_or(0);
    if !selector.dns_zones.is_empty() && zone == 0 {
        return None;
    }
    Some((names, zone, selector.match_labels.len()))
}

/// By whole labels: `a.example.com` is in `example.com`, `badexample.com` is not.
fn is_in_zone(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// The challenge type that a solver solves, and its name at the CA.
fn type_of(solver: &AcmeChallengeSolver) -> Option<(AcmeChallengeType, &'static str)> {
    match solver {
        AcmeChallengeSolver { http01: Some(_), .. } => Some((AcmeChallengeType::Http01, "http-01")),
        AcmeChallengeSolver { dns01: Some(_), .. } => Some((AcmeChallengeType::Dns01, "dns-01")),
        AcmeChallengeSolver { tls_alpn01: Some(_), .. } => {
            Some((AcmeChallengeType::TlsAlpn01, "tls-alpn-01"))
        }
        _ => None,
    }
}

/// The solver for an authorization, and the challenge it will solve.
pub(super) fn choose<'a>(
    solvers: &'a [AcmeChallengeSolver],
    authorization: &'a AcmeAuthorization,
    labels: &BTreeMap<String, String>,
) -> Result<(&'a AcmeChallengeSolver, AcmeChallengeType, &'a AcmeChallenge), NoSolver> {
    let wildcard = authorization.wildcard == Some(true);
    let name =
        if wildcard { format!("*.{}", authorization.identifier) } else { authorization.identifier.clone() };
    let mut best: Option<(Score, _)> = None;
    for solver in solvers {
        let Some((type_, offered)) = type_of(solver) else { continue };
        let Some(challenge) = authorization.challenges.iter().find(|c| c.type_ == offered) else { continue };
        let Some(score) = score(solver.selector.as_ref(), &name, labels) else { continue };
        if best.as_ref().is_none_or(|(top, _)| score > *top) {
            best = Some((score, (solver, type_, challenge)));
        }
    }
    best.map(|(_, choice)| choice).ok_or(NoSolver::NoneFits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AcmeChallengeSolverDns01, AcmeChallengeSolverHttp01};

    fn solver(names: &[&str], zones: &[&str], dns: bool) -> AcmeChallengeSolver {
        let texts = |t: &[&str]| t.iter().map(|s| (*s).to_owned()).collect();
        let selector = (!names.is_empty() || !zones.is_empty()).then(|| CertificateDnsNameSelector {
            dns_names: texts(names),
            dns_zones: texts(zones),
            ..CertificateDnsNameSelector::default()
        });
        AcmeChallengeSolver {
            selector,
            http01: (!dns).then(AcmeChallengeSolverHttp01::default),
            dns01: dns.then(AcmeChallengeSolverDns01::default),
            ..AcmeChallengeSolver::default()
        }
    }

    fn authorization(name: &str, wildcard: bool) -> AcmeAuthorization {
        let offered = if wildcard { vec!["dns-01"] } else { vec!["http-01", "dns-01"] };
        AcmeAuthorization {
            identifier: name.into(),
            wildcard: Some(wildcard),
            challenges: offered
                .into_iter()
                .map(|t| AcmeChallenge { type_: t.into(), ..AcmeChallenge::default() })
                .collect(),
            ..AcmeAuthorization::default()
        }
    }

    #[test]
    fn the_most_specific_selector_wins() {
        let solvers = [
            solver(&[], &[], false),
            solver(&[], &["example.com"], true),
            solver(&[], &["b.example.com"], false),
            solver(&["x.b.example.com"], &[], true),
        ];
        let chosen = |name: &str, wildcard| {
            let authorization = authorization(name, wildcard);
            let (chosen, ..) = choose(&solvers, &authorization, &BTreeMap::new()).ok()?;
            solvers.iter().position(|s| std::ptr::eq(s, chosen))
        };
        assert_eq!(chosen("other.test", false), Some(0));
        assert_eq!(chosen("a.example.com", false), Some(1));
        assert_eq!(chosen("y.b.example.com", false), Some(2));
        assert_eq!(chosen("x.b.example.com", false), Some(3));
        assert_eq!(chosen("badexample.com", false), Some(0));
        // A wildcard offers dns-01 only.
        assert_eq!(chosen("b.example.com", true), Some(1));
        assert_eq!(chosen("other.test", true), None);
    }

    #[test]
    fn labels_must_all_be_there_and_count_and_the_first_of_equals_wins() {
        let labelled = |labels: &[(&str, &str)]| {
            let mut solver = solver(&[], &[], false);
            let match_labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            solver.selector =
                Some(CertificateDnsNameSelector { match_labels, ..CertificateDnsNameSelector::default() });
            solver
        };
        let solvers = [
            solver(&[], &[], false),
            solver(&[], &[], false),
            labelled(&[("team", "a")]),
            labelled(&[("team", "a")]),
            labelled(&[("team", "a"), ("stage", "live")]),
            solver(&[], &["example.com"], false),
        ];
        let chosen = |name: &str, labels: &[(&str, &str)]| {
            let authorization = authorization(name, false);
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let (chosen, ..) = choose(&solvers, &authorization, &labels).unwrap();
            solvers.iter().position(|s| std::ptr::eq(s, chosen)).unwrap()
        };
        assert_eq!(chosen("other.test", &[]), 0);
        assert_eq!(chosen("other.test", &[("team", "b"), ("stage", "live")]), 0);
        assert_eq!(chosen("other.test", &[("team", "a"), ("more", "x")]), 2);
        assert_eq!(chosen("other.test", &[("team", "a"), ("stage", "live")]), 4);
        // A zone is more than labels.
        assert_eq!(chosen("a.example.com", &[("team", "a"), ("stage", "live")]), 5);
    }
}
