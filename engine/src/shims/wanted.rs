//! The Certificates that an object asks for, and what is to be done about those that there are.

use std::sync::Arc;

use super::{Blocks, IngressLike, ShimConfig, annotations, lead};
use crate::api::{Certificate, CertificateSpec, ObjectReference, defaults};
use crate::certificates::controller_reference;
use crate::compat::{Compat, ShimAnnotations, Shims};

/// One Certificate per Secret, named as the Secret.
///
/// # Errors
/// An annotation that is wrong.
pub(super) fn certificates<R: IngressLike>(
    object: &R,
    blocks: &Blocks,
    issuer: &ObjectReference,
    config: &ShimConfig,
    compat: &Compat,
) -> Result<Vec<Certificate>, String> {
    let (meta, shims) = (object.meta(), compat.shims);
    let mut all = Vec::new();
    for (secret, hosts) in &blocks.hosts {
        let mut certificate = Certificate::default();
        let own = &mut certificate.metadata;
        own.name.clone_from(secret);
        own.namespace.clone_from(&meta.namespace);
        own.labels.clone_from(&meta.labels);
        if shims.copies_with_care {
            own.labels.remove("applyset.kubernetes.io/part-of");
            let extra = config.extra_annotations.iter();
            own.annotations
                .extend(extra.filter_map(|key| Some((key.clone(), meta.annotations.get(key)?.clone()))));
        }
        own.annotations.extend(lead(object, compat));
        own.owner_references.push(controller_reference(object));
        let is_address = |host: &&String| shims.addresses && host.parse::<std::net::IpAddr>().is_ok();
        let (addresses, names): (Vec<_>, Vec<_>) = hosts.iter().partition(is_address);
        certificate.spec = CertificateSpec {
            dns_names: names.into_iter().cloned().collect(),
            ip_addresses: addresses.into_iter().cloned().collect(),
            secret_name: secret.clone(),
            issuer_ref: issuer.clone(),
            usages: defaults::KEY_USAGES.to_vec(),
            ..CertificateSpec::default()
        };
        annotations::translate(&mut certificate.spec, &meta.annotations, shims.annotations)?;
        all.push(certificate);
    }
    Ok(all)
}

/// What is to be done.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) create: Vec<Certificate>,
    pub(super) update: Vec<Certificate>,
    /// Certificates of this name that belong to somebody else, and whether anybody owns them.
    pub(super) foreign: Vec<(Arc<Certificate>, bool)>,
}

/// Compares what is wanted with what is stored. Of an existing Certificate specification and labels are replaced; of
/// its annotations only those that the configuration names.
pub(super) fn plan(
    wanted: Vec<Certificate>,
    stored: impl Fn(&Certificate) -> Option<Arc<Certificate>>,
    owner: &str,
    shims: Shims,
) -> Plan {
    let mut plan = Plan::default();
    for wanted in wanted {
        let Some(stored) = stored(&wanted) else {
            plan.create.push(wanted);
            continue;
        };
        if !stored.metadata.is_controlled_by(owner) {
            let has_owner = stored.metadata.controller().is_some();
            plan.foreign.push((stored, has_owner));
        } else if differs(&stored, &wanted, shims.annotations) {
            let mut update = stored.as_ref().clone();
            update.spec = wanted.spec;
            update.metadata.labels = wanted.metadata.labels;
            let led = |key: &String| key.contains("cert-manager.io/");
            update
                .metadata
                .annotations
                .extend(wanted.metadata.annotations.into_iter().filter(|(k, _)| !led(k)));
            plan.update.push(update);
        }
    }
    plan
}

/// Whether the fields that the release compares differ.
fn differs(stored: &Certificate, wanted: &Certificate, known: ShimAnnotations) -> bool {
    let (a, b) = (&stored.spec, &wanted.spec);
    let few = |c: &CertificateSpec| {
        let issuer = (c.issuer_ref.name.clone(), c.issuer_ref.kind.clone());
        (c.common_name.clone(), c.dns_names.clone(), c.secret_name.clone(), issuer)
    };
    let many = |c: &CertificateSpec| {
        let mut key = c.private_key.clone().unwrap_or_default();
        if key.algorithm == Some(crate::api::PrivateKeyAlgorithm::Ed25519) {
            key.size = 0;
        }
        (c.revision_history_limit, key)
    };
    let all = |c: &CertificateSpec| (c.duration, c.renew_before);
    stored.metadata.labels != wanted.metadata.labels
        || few(a) != few(b)
        || (known >= ShimAnnotations::Many && many(a) != many(b))
        || (known >= ShimAnnotations::All && all(a) != all(b))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::Ingress;
    use crate::compat::{V1_7, V1_16, V1_21};

    fn ingress(annotations: Value) -> Ingress {
        let json = json!({
            "metadata": {
                "name": "shop", "namespace": "ns", "uid": "u", "annotations": annotations,
                "labels": {"app": "shop", "applyset.kubernetes.io/part-of": "x"},
            },
            "spec": {"tls": [{"hosts": ["a.test", "10.0.0.1"], "secretName": "tls"}]},
        });
        serde_json::from_value(json).unwrap()
    }

    fn wanted(annotations: Value, compat: &Compat) -> Certificate {
        let ingress = ingress(annotations);
        let blocks = ingress.blocks(compat.shims);
        let config = ShimConfig { extra_annotations: vec!["team".into()], ..ShimConfig::default() };
        let issuer = ObjectReference { name: "le".into(), ..ObjectReference::default() };
        certificates(&ingress, &blocks, &issuer, &config, compat).unwrap().remove(0)
    }

    #[test]
    fn a_certificate_is_named_as_its_secret_and_owned_by_the_ingress() {
        let made = wanted(json!({}), &V1_7);
        assert_eq!((made.metadata.name.as_str(), made.spec.secret_name.as_str()), ("tls", "tls"));
        let owner = made.metadata.controller().unwrap();
        assert_eq!((owner.kind.as_str(), owner.uid.as_str()), ("Ingress", "u"));
        assert_eq!(made.spec.usages, defaults::KEY_USAGES);
        assert_eq!(made.metadata.labels.len(), 2);
        assert_eq!(made.spec.dns_names, ["a.test", "10.0.0.1"], "1.7 takes an address for a name");
    }

    #[test]
    fn newer_releases_part_addresses_from_names_and_keep_the_applysets_label() {
        let made = wanted(json!({"team": "web", "x": "y"}), &V1_21);
        assert_eq!(
            (&made.spec.dns_names[..], &made.spec.ip_addresses[..]),
            (&["a.test".to_owned()][..], &["10.0.0.1".to_owned()][..])
        );
        assert_eq!(made.metadata.labels.len(), 1);
        assert_eq!(made.metadata.annotations, [("team".to_owned(), "web".to_owned())].into());
        assert_eq!(wanted(json!({"team": "web"}), &V1_16).metadata.annotations, [].into());
    }

    #[test]
    fn annotations_lead_the_challenges_to_the_ingress_or_a_class() {
        let of = |annotations: Value, compat| {
            let made = wanted(annotations, compat).metadata.annotations;
            made.into_iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
        };
        let in_place = json!({"acme.cert-manager.io/http01-edit-in-place": "true"});
        assert_eq!(
            of(in_place, &V1_7),
            "acme.cert-manager.io/http01-override-ingress-name=shop cert-manager.io/issue-temporary-certificate=true"
        );
        let class = |class: &str| json!({"acme.cert-manager.io/http01-ingress-class": class});
        assert_eq!(of(class("nginx"), &V1_7), "acme.cert-manager.io/http01-override-ingress-class=nginx");
        assert_eq!(of(class(""), &V1_7), "acme.cert-manager.io/http01-override-ingress-class=");
        assert_eq!(of(class(""), &V1_21), "");
        let name = json!({"acme.cert-manager.io/http01-ingress-ingressclassname": "nginx"});
        assert_eq!(of(name.clone(), &V1_16), "");
        assert_eq!(of(name, &V1_21), "acme.cert-manager.io/http01-override-ingress-ingressclassname=nginx");
    }

    fn planned(stored: Option<Certificate>, annotations: Value, compat: &Compat) -> Plan {
        let stored = stored.map(Arc::new);
        plan(vec![wanted(annotations, compat)], |_| stored.clone(), "u", compat.shims)
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_the_same_is_left() {
        assert_eq!(planned(None, json!({}), &V1_7).create.len(), 1);
        assert_eq!(planned(Some(wanted(json!({}), &V1_7)), json!({}), &V1_7), Plan::default());
    }

    #[test]
    fn only_an_own_certificate_is_updated() {
        let mut other = wanted(json!({}), &V1_7);
        other.spec.dns_names.clear();
        assert_eq!(planned(Some(other.clone()), json!({}), &V1_7).update.len(), 1);
        other.metadata.owner_references[0].uid = "somebody".into();
        let plan = planned(Some(other.clone()), json!({}), &V1_7);
        assert_eq!((plan.update.len(), plan.foreign.len(), plan.foreign[0].1), (0, 1, true));
        other.metadata.owner_references.clear();
        assert!(!planned(Some(other), json!({}), &V1_7).foreign[0].1);
    }

    #[test]
    fn newer_releases_compare_more() {
        let stored = |compat| Some(wanted(json!({}), compat));
        for (annotation, value, since) in [
            ("cert-manager.io/common-name", "a.test", 0),
            ("cert-manager.io/private-key-rotation-policy", "Never", 1),
            ("cert-manager.io/revision-history-limit", "3", 1),
            ("cert-manager.io/duration", "100h", 2),
        ] {
            for (n, compat) in [&V1_7, &V1_16, &V1_21].into_iter().enumerate() {
                let plan = planned(stored(compat), json!({ annotation: value }), compat);
                assert_eq!(plan.update.len() == 1, n >= since, "{annotation} in {}", compat.release);
            }
        }
    }

    #[test]
    fn an_update_keeps_the_annotations_that_are_there() {
        let mut stored = wanted(json!({}), &V1_21);
        stored.metadata.annotations.insert("own".into(), "1".into());
        stored.spec.common_name = "other".into();
        let new = json!({"team": "web", "acme.cert-manager.io/http01-ingress-class": "nginx"});
        let plan = planned(Some(stored), new, &V1_21);
        let keys: Vec<_> = plan.update[0].metadata.annotations.keys().collect();
        assert_eq!(keys, ["own", "team"], "the way of the challenges stays as it was, too");
    }
}
