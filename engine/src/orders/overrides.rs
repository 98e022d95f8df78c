//! Annotations of a Certificate, copied down to its Order, that choose how HTTP-01 challenges are led to the solver.

use crate::api::{AcmeChallengeSolver, Order, ParentReference};
use crate::compat::Compat;

const NAME: &str = "acme.cert-manager.io/http01-override-ingress-name";
const CLASS: &str = "acme.cert-manager.io/http01-override-ingress-class";
const CLASS_NAME: &str = "acme.cert-manager.io/http01-override-ingress-ingressclassname";
const PARENT_NAME: &str = "acme.cert-manager.io/http01-parentrefname";
const PARENT_KIND: &str = "acme.cert-manager.io/http01-parentrefkind";
const PARENT_NAMESPACE: &str = "acme.cert-manager.io/http01-parentrefnamespace";

/// Changes the solver as the Order's annotations say.
///
/// # Errors
/// When annotations exclude each other, or a route would have no parent.
pub(super) fn apply(solver: &mut AcmeChallengeSolver, order: &Order, compat: &Compat) -> Result<(), String> {
    ingress(solver, order, compat)?;
    if compat.shims.solver_overrides { parents(solver, order) } else { Ok(()) }
}

fn ingress(solver: &mut AcmeChallengeSolver, order: &Order, compat: &Compat) -> Result<(), String> {
    let Some(config) = solver.http01.as_mut().and_then(|http01| http01.ingress.as_mut()) else {
        return Ok(());
    };
    let get = |key: &str| order.metadata.annotations.get(key);
    let newer = compat.shims.solver_overrides;
    let (name, class, class_name) = (get(NAME), get(CLASS), get(CLASS_NAME).filter(|_| newer));
    match [name, class, class_name].into_iter().flatten().count() {
        0 => return Ok(()),
        1 => {}
        _ if newer => {
            let text = "may not specify more than one of: name, class, ingressClassName override annotations";
            return Err(text.to_owned());
        }
        _ => {
            let text = "both ingress name and ingress class overrides specified - only one may be specified at a time";
            return Err(text.to_owned());
        }
    }
    config.name = name.cloned().unwrap_or_default();
    config.class = class.cloned();
    // Releases that do not override it leave it where it is.
    if newer {
        config.ingress_class_name = class_name.cloned();
    }
    Ok(())
}

fn parents(solver: &mut AcmeChallengeSolver, order: &Order) -> Result<(), String> {
    let Some(config) = solver.http01.as_mut().and_then(|http01| http01.gateway_http_route.as_mut()) else {
        return Ok(());
    };
    let get = |key: &str| order.metadata.annotations.get(key);
    match (get(PARENT_NAME), get(PARENT_KIND)) {
        (Some(name), Some(kind)) => {
            let namespace = get(PARENT_NAMESPACE).filter(|namespace| !namespace.is_empty());
            let parent = ParentReference {
                kind: Some(kind.clone()),
                namespace: Some(namespace.unwrap_or(&order.metadata.namespace).clone()),
                name: name.clone(),
                ..ParentReference::default()
            };
            config.parent_refs.retain(|known| {
                let same_kind = known.kind.is_none() || known.kind == parent.kind;
                !(known.namespace == parent.namespace && known.name == parent.name && same_kind)
            });
            config.parent_refs.push(parent);
        }
        (None, None) => {}
        _ => {
            return Err("cannot specify only one of parentRefName, parentRefKind override annotations".into());
        }
    }
    if config.parent_refs.is_empty() && !order.metadata.annotations.is_empty() {
        return Err("must specify parentRefs either through annotations or solver config".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compat::{V1_7, V1_16, V1_21};

    fn overridden(solver: Value, annotations: &[(&str, &str)], compat: &Compat) -> Result<Value, String> {
        let mut solver: AcmeChallengeSolver = serde_json::from_value(json!({ "http01": solver })).unwrap();
        let mut order = Order::default();
        order.metadata.namespace = "shop".into();
        order.metadata.annotations =
            annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        apply(&mut solver, &order, compat)?;
        Ok(serde_json::to_value(solver.http01).unwrap())
    }

    #[test]
    fn one_annotation_takes_the_place_of_what_the_issuer_says() {
        let config = || json!({"ingress": {"class": "nginx"}});
        let ingress = |annotation, value, compat| {
            overridden(config(), &[(annotation, value)], compat).unwrap()["ingress"].clone()
        };
        assert_eq!(overridden(config(), &[], &V1_7).unwrap(), config());
        assert_eq!(ingress(NAME, "shop", &V1_7), json!({"name": "shop"}));
        assert_eq!(ingress(CLASS, "traefik", &V1_7), json!({"class": "traefik"}));
        assert_eq!(ingress(CLASS_NAME, "traefik", &V1_16), json!({"class": "nginx"}), "not known yet");
        assert_eq!(ingress(CLASS_NAME, "traefik", &V1_21), json!({"ingressClassName": "traefik"}));
    }

    #[test]
    fn two_annotations_exclude_each_other() {
        let both = [(NAME, "shop"), (CLASS, "nginx")];
        let error = |compat| overridden(json!({"ingress": {}}), &both, compat).unwrap_err();
        assert_eq!(
            error(&V1_7),
            "both ingress name and ingress class overrides specified - only one may be specified at a time"
        );
        assert_eq!(
            error(&V1_21),
            "may not specify more than one of: name, class, ingressClassName override annotations"
        );
    }

    #[test]
    fn a_gateway_by_annotation_comes_last_and_once() {
        let parents = |config: Value, annotations: &[(&str, &str)]| {
            let solver = json!({"gatewayHTTPRoute": {"parentRefs": config}});
            overridden(solver, annotations, &V1_21).map(|s| s["gatewayHTTPRoute"]["parentRefs"].clone())
        };
        let both = [(PARENT_NAME, "web"), (PARENT_KIND, "Gateway")];
        let own = json!({"kind": "Gateway", "namespace": "shop", "name": "web"});
        assert_eq!(parents(json!([{"name": "x"}]), &both), Ok(json!([{"name": "x"}, own])));
        assert_eq!(parents(json!([{"name": "web", "namespace": "shop"}]), &both), Ok(json!([own])));
        let elsewhere = [both[0], both[1], (PARENT_NAMESPACE, "infra")];
        assert_eq!(parents(json!([]), &elsewhere).unwrap()[0]["namespace"], "infra");
        let half = "cannot specify only one of parentRefName, parentRefKind override annotations";
        assert_eq!(parents(json!([{"name": "x"}]), &both[..1]).unwrap_err(), half);
        let none = "must specify parentRefs either through annotations or solver config";
        assert_eq!(parents(json!([]), &[("x", "y")]).unwrap_err(), none);
    }
}
