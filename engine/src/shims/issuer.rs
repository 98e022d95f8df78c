//! Whether an object asks for certificates, and of which issuer.

use super::is_true;
use crate::api::{ObjectMeta, ObjectReference};

const ISSUER: &str = "cert-manager.io/issuer";
const CLUSTER_ISSUER: &str = "cert-manager.io/cluster-issuer";
const KIND: &str = "cert-manager.io/issuer-kind";
const GROUP: &str = "cert-manager.io/issuer-group";

/// Whether an annotation asks for certificates: one that names an issuer, or one of `auto` that is true.
pub(super) fn is_asked_for(meta: &ObjectMeta, auto: &[String]) -> bool {
    let has = |key: &str| meta.annotations.contains_key(key);
    has(ISSUER)
        || has(CLUSTER_ISSUER)
        || auto.iter().filter_map(|key| meta.annotations.get(key)).any(|value| is_true(value))
}

/// The issuer that the annotations name, or the default one.
///
/// # Errors
/// When there is none, or two annotations exclude each other: all that is wrong.
pub(super) fn choose(meta: &ObjectMeta, default: &ObjectReference) -> Result<ObjectReference, String> {
    let get = |key: &str| meta.annotations.get(key);
    let mut issuer = default.clone();
    if let Some(name) = get(ISSUER) {
        issuer.name.clone_from(name);
        "Issuer".clone_into(&mut issuer.kind);
    }
    if let Some(name) = get(CLUSTER_ISSUER) {
        issuer.name.clone_from(name);
        "ClusterIssuer".clone_into(&mut issuer.kind);
    }
    if let Some(kind) = get(KIND) {
        issuer.kind.clone_from(kind);
    }
    if let Some(group) = get(GROUP) {
        issuer.group.clone_from(group);
    }
    let mut errors = Vec::new();
    if issuer.name.is_empty() {
        errors.push("failed to determine issuer name to be used for ingress resource".to_owned());
    }
    for (one, other) in [(ISSUER, CLUSTER_ISSUER), (CLUSTER_ISSUER, GROUP), (CLUSTER_ISSUER, KIND)] {
        if get(one).is_some() && get(other).is_some() {
            errors.push(format!("both {one:?} and {other:?} may not be set"));
        }
    }
    if errors.is_empty() { Ok(issuer) } else { Err(errors.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shims::ShimConfig;

    fn meta(annotations: &[(&str, &str)]) -> ObjectMeta {
        let annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ObjectMeta { annotations, ..ObjectMeta::default() }
    }

    fn chosen(annotations: &[(&str, &str)]) -> Result<String, String> {
        let default = ShimConfig::default().default_issuer;
        choose(&meta(annotations), &default).map(|i| format!("{} {} {}", i.group, i.kind, i.name))
    }

    #[test]
    fn an_issuer_a_cluster_issuer_or_one_of_another_group() {
        assert_eq!(chosen(&[(ISSUER, "le")]).unwrap(), "cert-manager.io Issuer le");
        assert_eq!(chosen(&[(CLUSTER_ISSUER, "le")]).unwrap(), "cert-manager.io ClusterIssuer le");
        let external = [(ISSUER, "pca"), (KIND, "AWSPCAIssuer"), (GROUP, "awspca.cert-manager.io")];
        assert_eq!(chosen(&external).unwrap(), "awspca.cert-manager.io AWSPCAIssuer pca");
    }

    #[test]
    fn what_is_missing_or_excludes_each_other_is_told_all_at_once() {
        let none = "failed to determine issuer name to be used for ingress resource";
        assert_eq!(chosen(&[]).unwrap_err(), none);
        assert_eq!(chosen(&[(ISSUER, "")]).unwrap_err(), none, "there, and empty");
        let all = [(ISSUER, "a"), (CLUSTER_ISSUER, "b"), (KIND, "c"), (GROUP, "d")];
        assert_eq!(
            chosen(&all).unwrap_err(),
            "both \"cert-manager.io/issuer\" and \"cert-manager.io/cluster-issuer\" may not be set, \
             both \"cert-manager.io/cluster-issuer\" and \"cert-manager.io/issuer-group\" may not be set, \
             both \"cert-manager.io/cluster-issuer\" and \"cert-manager.io/issuer-kind\" may not be set"
        );
    }

    #[test]
    fn tls_acme_asks_for_the_default_issuer() {
        let auto = ShimConfig::default().auto_annotations;
        for (value, asked) in [("true", true), ("1", true), ("yes", false), ("false", false)] {
            assert_eq!(is_asked_for(&meta(&[("kubernetes.io/tls-acme", value)]), &auto), asked, "{value}");
        }
        assert!(!is_asked_for(&meta(&[("kubernetes.io/tls-acme", "true")]), &[]), "on Gateways it does not");
        let default = ObjectReference { name: "le".into(), kind: "ClusterIssuer".into(), group: "g".into() };
        assert_eq!(choose(&meta(&[("kubernetes.io/tls-acme", "true")]), &default), Ok(default));
    }
}
