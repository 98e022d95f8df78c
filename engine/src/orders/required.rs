//! The Challenges that an Order needs: one per authorization that is not valid from the start.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::overrides;
use super::solver::{NoSolver, choose};
use crate::api::hash::compute_name;
use crate::api::{AcmeChallengeSolver, AcmeChallengeType, Challenge, ChallengeSpec, Order, State};
use crate::certificates::controller_reference;
use crate::compat::{Compat, FinalizerAdded};

/// The Challenges. `key_authorization` is that of the account for a token.
pub(super) fn required(
    order: &Order,
    solvers: &[AcmeChallengeSolver],
    compat: &Compat,
    key_authorization: impl Fn(&str) -> String,
) -> Result<Vec<Challenge>, NoSolver> {
    let open = order.status.authorizations.iter().filter(|a| a.initial_state != State::Valid);
    open.map(|authorization| {
        let (solver, type_, challenge) = choose(solvers, authorization, &order.metadata.labels)?;
        let mut solver = solver.clone();
        overrides::apply(&mut solver, order, compat).map_err(NoSolver::Override)?;
        let key = key_authorization(&challenge.token);
        let key = match type_ {
            AcmeChallengeType::Http01 | AcmeChallengeType::TlsAlpn01 => key,
            AcmeChallengeType::Dns01 => URL_SAFE_NO_PAD.encode(world::sha256(key.as_bytes())),
        };
        let mut spec = ChallengeSpec {
            url: challenge.url.clone(),
            authorization_url: authorization.url.clone(),
            dns_name: authorization.identifier.clone(),
            wildcard: authorization.wildcard == Some(true),
            type_,
            token: challenge.token.clone(),
            key: if compat.challenge_name_covers_key { key.clone() } else { String::new() },
            solver,
            issuer_ref: order.spec.issuer_ref.clone(),
        };
        let name = compute_name(&order.metadata.name, &spec);
        spec.key = key;
        let mut challenge = Challenge { spec, ..Challenge::default() };
        challenge.metadata.name = name;
        challenge.metadata.namespace.clone_from(&order.metadata.namespace);
        challenge.metadata.labels.clone_from(&order.metadata.labels);
        if compat.finalizer.added == FinalizerAdded::AtCreation {
            challenge.metadata.finalizers.push(compat.finalizer.name.to_owned());
        }
        challenge.metadata.owner_references.push(controller_reference(order));
        Ok(challenge)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AcmeAuthorization, AcmeChallenge, AcmeChallengeSolverHttp01};
    use crate::compat::{V1_7, V1_16, V1_21};

    fn order() -> Order {
        let mut order = Order::default();
        order.metadata.name = "o".into();
        let authorization = |name: &str, initial_state| AcmeAuthorization {
            identifier: name.into(),
            initial_state,
            challenges: vec![AcmeChallenge { type_: "http-01".into(), token: "t".into(), url: "u".into() }],
            ..AcmeAuthorization::default()
        };
        order.status.authorizations =
            vec![authorization("a.test", State::Pending), authorization("b.test", State::Valid)];
        order
    }

    fn of(compat: &Compat, key: &str) -> Challenge {
        let http01 = Some(AcmeChallengeSolverHttp01::default());
        let solvers = [AcmeChallengeSolver { http01, ..AcmeChallengeSolver::default() }];
        let mut all = required(&order(), &solvers, compat, |token| format!("{token}.{key}")).unwrap();
        assert_eq!(all.len(), 1, "an authorization that is valid from the start needs none");
        all.remove(0)
    }

    #[test]
    fn the_name_covers_the_key_up_to_1_11() {
        for (compat, covers) in [(&V1_7, true), (&V1_16, false), (&V1_21, false)] {
            let (a, b) = (of(compat, "a"), of(compat, "b"));
            assert_eq!(a.metadata.name != b.metadata.name, covers, "{}", compat.release);
            assert_eq!(a.spec.key, "t.a", "the key itself is there in all");
        }
    }

    #[test]
    fn the_finalizer_comes_with_the_creation_in_1_7_only() {
        assert_eq!(of(&V1_7, "a").metadata.finalizers, ["finalizer.acme.cert-manager.io"]);
        assert!(of(&V1_16, "a").metadata.finalizers.is_empty());
        assert!(of(&V1_21, "a").metadata.finalizers.is_empty());
    }
}
