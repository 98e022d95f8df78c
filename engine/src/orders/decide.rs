//! What to do next about an Order: a pure function of the Order, its Challenges, and those it needs.

use std::sync::Arc;

use crate::api::{Challenge, ObjectKey, Order, OrderStatus, Resource as _, State};
use crate::compat::OrderPolls;

/// The next step, before the CA is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The Order has failed: its challenges end by themselves.
    Nothing,
    /// There is no order at the CA yet.
    CreateOrder,
    /// The finalize URL is not known.
    FetchOrder,
    /// Identifiers and challenges of the authorizations are not known.
    FetchAuthorizations,
    /// The certificate has been issued but not downloaded.
    FetchCertificate,
    /// All is done: the Challenges go.
    DeleteChallenges(Vec<ObjectKey>),
    /// The rest needs to know the Challenges that are required.
    Challenges,
}

pub(super) fn step(order: &Order, owned: &[Arc<Challenge>]) -> Step {
    let OrderStatus { state, url, finalize_url, authorizations, certificate, .. } = &order.status;
    if state.is_failure() {
        Step::Nothing
    } else if url.is_empty() {
        Step::CreateOrder
    } else if finalize_url.is_empty() {
        Step::FetchOrder
    } else if authorizations.iter().any(|a| a.identifier.is_empty()) {
        Step::FetchAuthorizations
    } else if *state == State::Valid && certificate.is_empty() {
        Step::FetchCertificate
    } else if *state == State::Valid {
        Step::DeleteChallenges(owned.iter().map(|c| c.key()).collect())
    } else {
        Step::Challenges
    }
}

/// The next step once the required Challenges are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChallengeStep {
    /// At least one of the required ones is not there.
    Create,
    /// These are there and not required.
    Delete(Vec<ObjectKey>),
    /// The CA waits for the CSR.
    Finalize,
    /// The CA's view of the order is needed to go on.
    Compare,
}

pub(super) fn challenge_step(
    order: &Order,
    owned: &[Arc<Challenge>],
    required: &[Challenge],
) -> ChallengeStep {
    let has = |name: &str| owned.iter().any(|c| c.metadata.name == name);
    if required.iter().any(|c| !has(&c.metadata.name)) {
        return ChallengeStep::Create;
    }
    let wanted = |name: &str| required.iter().any(|c| c.metadata.name == name);
    let leftover: Vec<_> = owned.iter().filter(|c| !wanted(&c.metadata.name)).map(|c| c.key()).collect();
    if !leftover.is_empty() {
        ChallengeStep::Delete(leftover)
    } else if order.status.state == State::Ready {
        ChallengeStep::Finalize
    } else {
        ChallengeStep::Compare
    }
}

/// Whether the CA is asked for its view of the order now.
pub(super) fn needs_comparison(owned: &[Arc<Challenge>], polls: OrderPolls) -> bool {
    let states = || owned.iter().map(|c| c.status.state);
    match polls {
        OrderPolls::EveryEvent => true,
        OrderPolls::WhenDecided => states().any(State::is_failure) || states().all(State::is_final),
    }
}

/// What the CA's view of the order means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Take its state over.
    CopyState,
    /// All challenges are done and the CA has not noticed yet.
    WaitForCa,
    /// Challenges are under way.
    Nothing,
}

pub(super) fn compare(owned: &[Arc<Challenge>], at_ca: State) -> Comparison {
    let states = || owned.iter().map(|c| c.status.state);
    if states().any(State::is_failure) {
        // It is the CA's word that makes an order invalid.
        return Comparison::CopyState;
    }
    match (states().all(State::is_final), at_ca) {
        (false, _) => Comparison::Nothing,
        (true, State::Pending) => Comparison::WaitForCa,
        (true, _) => Comparison::CopyState,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AcmeAuthorization;

    fn challenge(name: &str, state: State) -> Arc<Challenge> {
        let mut c = Challenge::default();
        c.metadata.name = name.into();
        c.status.state = state;
        Arc::new(c)
    }

    fn order(change: impl FnOnce(&mut OrderStatus)) -> Order {
        let mut order = Order::default();
        order.status.url = "u".into();
        order.status.finalize_url = "f".into();
        let authorization = AcmeAuthorization { identifier: "a.test".into(), ..AcmeAuthorization::default() };
        order.status.authorizations.push(authorization);
        order.status.state = State::Pending;
        change(&mut order.status);
        order
    }

    #[test]
    fn steps_come_in_the_order_of_the_table() {
        let c = [challenge("c", State::Pending)];
        assert_eq!(step(&Order::default(), &[]), Step::CreateOrder);
        for (order, want) in [
            (order(|s| s.state = State::Errored), Step::Nothing),
            (order(|s| s.finalize_url.clear()), Step::FetchOrder),
            (order(|s| s.authorizations[0].identifier.clear()), Step::FetchAuthorizations),
            (order(|s| s.state = State::Valid), Step::FetchCertificate),
            (
                order(|s| (s.state, s.certificate) = (State::Valid, "x".into())),
                Step::DeleteChallenges(vec![ObjectKey::new("", "c")]),
            ),
            (order(|s| s.state = State::Ready), Step::Challenges),
        ] {
            assert_eq!(step(&order, &c), want);
        }
    }

    #[test]
    fn challenges_are_made_removed_and_then_the_order_goes_on() {
        let (a, b) = (challenge("a", State::Valid), challenge("b", State::Valid));
        let required = [a.as_ref().clone()];
        let pending = order(|_| {});
        assert_eq!(challenge_step(&pending, &[], &required), ChallengeStep::Create);
        let both = [a.clone(), b];
        assert_eq!(
            challenge_step(&pending, &both, &required),
            ChallengeStep::Delete(vec![ObjectKey::new("", "b")])
        );
        assert_eq!(challenge_step(&pending, std::slice::from_ref(&a), &required), ChallengeStep::Compare);
        let ready = order(|s| s.state = State::Ready);
        assert_eq!(challenge_step(&ready, &[a], &required), ChallengeStep::Finalize);
    }

    #[test]
    fn newer_releases_ask_the_ca_only_when_challenges_are_decided() {
        let (valid, pending) = (challenge("v", State::Valid), challenge("p", State::Pending));
        let errored = challenge("e", State::Errored);
        for (owned, decided) in [
            (vec![valid.clone(), pending.clone()], false),
            (vec![valid], true),
            (vec![errored, pending], true),
            (vec![], true),
        ] {
            assert!(needs_comparison(&owned, OrderPolls::EveryEvent));
            assert_eq!(needs_comparison(&owned, OrderPolls::WhenDecided), decided);
        }
    }

    #[test]
    fn the_cas_view_counts_once_challenges_are_final() {
        let (valid, pending) = (challenge("v", State::Valid), challenge("p", State::Pending));
        let invalid = challenge("i", State::Invalid);
        assert_eq!(compare(&[valid.clone(), pending.clone()], State::Pending), Comparison::Nothing);
        assert_eq!(compare(std::slice::from_ref(&valid), State::Pending), Comparison::WaitForCa);
        assert_eq!(compare(&[valid], State::Ready), Comparison::CopyState);
        assert_eq!(compare(&[invalid, pending], State::Invalid), Comparison::CopyState);
    }
}
