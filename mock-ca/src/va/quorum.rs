//! What a challenge comes to, from what each perspective has found.

use std::collections::BTreeSet;

use crate::config::Region;
use crate::problem::Problem;

/// Perspectives that pass must be in so many regions, where the remote ones are in as many.
const REGIONS_MIN: usize = 2;

/// How many remote perspectives may fail, by their number: Boulder's table.
pub const fn remote_failures_max(remotes: usize) -> usize {
    match remotes {
        0 | 1 => 0,
        2..=5 => 1,
        _ => 2,
    }
}

/// What one perspective has found: why the challenge fails, if it does, and where in the world that is.
pub type Vote = (Option<Problem>, Option<Region>);

/// The problem that a challenge fails with, if it does, from what each perspective found (the primary
/// first): the primary's own, or else the first remote one, when too many fail or those that pass are all
/// in one region.
pub fn quorum(votes: &[Vote], remote_failures: Option<usize>) -> Option<Problem> {
    let ((primary, _), remotes) = votes.split_first()?;
    if primary.is_some() {
        return primary.clone();
    }
    let regions = |all: bool| {
        let counted = remotes.iter().filter(|(problem, _)| all || problem.is_none());
        counted.filter_map(|(_, region)| *region).collect::<BTreeSet<_>>().len()
    };
    let failed = remotes.iter().filter(|(problem, _)| problem.is_some()).count();
    let few = failed <= remote_failures.unwrap_or(remote_failures_max(remotes.len()));
    if few && regions(false) >= regions(true).min(REGIONS_MIN) {
        return None;
    }
    let mut problem = remotes.iter().find_map(|(problem, _)| problem.clone())?;
    problem.detail = format!("During secondary validation: {}", problem.detail);
    Some(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Region::{Apnic, Arin, Ripe};

    fn decided(primary: bool, remotes: &[bool]) -> bool {
        let vote = |good: &bool| ((!good).then(|| Problem::unauthorized("no")), None);
        let votes: Vec<_> = std::iter::once(&primary).chain(remotes).map(vote).collect();
        quorum(&votes, None).is_none()
    }

    #[test]
    fn the_primary_must_pass_and_few_remotes_may_fail() {
        assert!(decided(true, &[]));
        assert!(!decided(false, &[true, true, true]));
        assert!(!decided(true, &[false]));
        assert!(decided(true, &[true, false]));
        assert!(!decided(true, &[false, false, true]));
        assert!(decided(true, &[false, false, true, true, true, true]));
        assert!(!decided(true, &[false, false, false, true, true, true]));
    }

    #[test]
    fn those_that_pass_are_in_two_regions() {
        let decided = |remotes: &[(bool, Region)]| {
            let vote = |(good, region): &(bool, Region)| {
                ((!good).then(|| Problem::unauthorized("no")), Some(*region))
            };
            let votes: Vec<_> = std::iter::once((None, None)).chain(remotes.iter().map(vote)).collect();
            quorum(&votes, None).is_none()
        };
        assert!(decided(&[(true, Arin), (true, Arin), (true, Ripe)]));
        assert!(!decided(&[(true, Arin), (true, Arin), (false, Ripe)]), "all that pass are in one region");
        assert!(decided(&[(true, Arin), (false, Apnic), (true, Ripe)]));
        assert!(decided(&[(true, Arin), (false, Arin), (true, Arin)]), "there is one region only");
    }

    #[test]
    fn a_remote_problem_says_where_it_was_found() {
        let votes = [(None, None), (None, None), (Some(Problem::unauthorized("404")), None)];
        let problem = quorum(&votes, Some(0)).unwrap();
        assert_eq!(problem.detail, "During secondary validation: 404");
    }
}
