//! What certificates-issuing keeps true of a Secret after the issuance. Pure: Certificate and Secret in, a verdict
//! out.

use std::collections::{BTreeMap, BTreeSet};

use super::readings::{Pair, Readings};
use super::secret::{self, ISSUER_GROUP, ISSUER_KIND, ISSUER_NAME, SecretData};
use super::{
    ANNOTATION_CERTIFICATE_NAME, CA_CRT, LABEL_PART_OF, TLS_CRT, TLS_KEY, controller_reference, data,
};
use crate::api::{ByteString, Certificate, Secret};
use crate::compat::{Compat, SecretCare};

/// What is to be done about a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Upkeep {
    /// It is as it should be, or has nothing yet that could be kept.
    Nothing,
    /// It is applied again, because of this.
    Apply(String),
    /// Its certificate cannot be read: it stays as it is.
    Unreadable(String),
}

/// What the checks look at.
struct Input<'a> {
    certificate: &'a Certificate,
    secret: &'a Secret,
    /// What the Secret says.
    pair: &'a Pair,
    compat: &'a Compat,
    owner_ref: bool,
    /// What certificates-issuing has applied and is still there.
    managed: Managed<'a>,
    /// The annotations that the certificate gives.
    details: BTreeMap<String, String>,
}

#[derive(Default)]
struct Managed<'a> {
    labels: BTreeSet<&'a str>,
    annotations: BTreeSet<&'a str>,
    formats: BTreeSet<&'a str>,
    owners: Vec<String>,
}

impl<'a> Managed<'a> {
    fn of(secret: &'a Secret, compat: &Compat) -> Self {
        let manager = secret::field_manager(compat);
        let mut all = Managed::default();
        let own = secret.metadata.managed_fields.iter().filter(|entry| entry.manager == manager);
        for entry in own {
            // Who deletes a field takes it from its manager.
            let labels = entry.names(&["metadata", "labels"]);
            all.labels.extend(labels.filter(|k| secret.metadata.labels.contains_key(*k)));
            let annotations = entry.names(&["metadata", "annotations"]);
            all.annotations.extend(annotations.filter(|k| secret.metadata.annotations.contains_key(*k)));
            let formats = entry.names(&["data"]);
            all.formats.extend(formats.filter(|k| secret.data.contains_key(*k)));
            all.owners.extend(secret::owners(entry));
        }
        all.formats.retain(|k| [secret::KEY_DER, secret::COMBINED_PEM].contains(k));
        all.owners.retain(|uid| secret.metadata.owner_references.iter().any(|owner| owner.uid == *uid));
        all
    }
}

type Check = fn(&Input<'_>) -> Option<String>;

/// The chain after an issuance, from 1.8 on.
const CHAIN: &[Check] = &[
    base_label,
    details,
    own_metadata_managed,
    template,
    template_managed,
    output_formats,
    output_formats_managed,
    owner_reference,
    owner_reference_managed,
    keystores,
];

/// Judges the target Secret of a Certificate that is not being issued.
pub(super) fn judge(
    certificate: &Certificate,
    secret: &Secret,
    readings: &Readings,
    compat: &Compat,
    owner_ref: bool,
) -> Upkeep {
    let everything = compat.secret_care == SecretCare::Everything;
    if everything && (data(secret, TLS_CRT).is_empty() || data(secret, TLS_KEY).is_empty()) {
        return Upkeep::Nothing;
    }
    let (managed, pair) = (Managed::of(secret, compat), readings.pair(secret));
    let details = match &pair.leaf {
        Ok(leaf) => secret::detail_annotations(leaf, compat),
        Err(_) => BTreeMap::new(),
    };
    let input = Input { certificate, secret, pair: &pair, compat, owner_ref, managed, details };
    match compat.secret_care {
        SecretCare::Template => judge_template(&input),
        SecretCare::Everything => {
            if let Err(error) = &pair.leaf {
                return Upkeep::Unreadable(format!("Failed getting secret annotations: {error}"));
            }
            CHAIN.iter().find_map(|check| check(&input)).map_or(Upkeep::Nothing, Upkeep::Apply)
        }
    }
}

/// 1.7: what the template asks for has its value, and nothing else is managed but the basic annotations.
fn judge_template(input: &Input<'_>) -> Upkeep {
    let content = SecretData::stored(input.secret);
    let mut basic = secret::origin_annotations(input.certificate, &content, input.compat);
    if !content.certificate.is_empty() {
        match &input.pair.leaf {
            Ok(_) => basic.extend(input.details.clone()),
            Err(error) => {
                return Upkeep::Unreadable(format!(
                    "failed to determine target Secret's base Annotations: {error}"
                ));
            }
        }
    }
    let wanted = input.certificate.spec.secret_template.clone().unwrap_or_default();
    let has = |wanted: &BTreeMap<String, String>, have: &BTreeMap<String, String>| {
        wanted.iter().all(|(key, value)| have.get(key) == Some(value))
    };
    let meta = &input.secret.metadata;
    let as_wanted = has(&wanted.labels, &meta.labels) && has(&wanted.annotations, &meta.annotations);
    let annotations: BTreeSet<_> =
        input.managed.annotations.iter().filter(|k| !basic.contains_key(**k)).copied().collect();
    let managed = keys(&wanted.labels) == input.managed.labels && keys(&wanted.annotations) == annotations;
    if as_wanted && managed { Upkeep::Nothing } else { Upkeep::Apply(String::new()) }
}

fn keys<T>(map: &BTreeMap<String, T>) -> BTreeSet<&str> {
    map.keys().map(String::as_str).collect()
}

/// The first key that both have, with other values.
fn differing<'a>(a: &'a BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Option<&'a String> {
    a.iter().find(|(key, value)| b.get(*key).is_some_and(|other| other != *value)).map(|(key, _)| key)
}

fn base_label(input: &Input<'_>) -> Option<String> {
    let value = input.secret.metadata.labels.get(LABEL_PART_OF).filter(|value| *value != "true")?;
    Some(format!("wrong base label {LABEL_PART_OF} value {value:?}, expected \"true\""))
}

fn details(input: &Input<'_>) -> Option<String> {
    let (wanted, have) = (&input.details, &input.secret.metadata.annotations);
    let key = differing(wanted, have)?;
    Some(format!("Secret metadata {} does not match certificate metadata {}", have[key], wanted[key]))
}

/// Whether a label or annotation is cert-manager's own.
fn is_own(key: &str) -> bool {
    key.starts_with("cert-manager.io/") || key.starts_with("controller.cert-manager.io/")
}

/// Those of the names that are cert-manager's own, or those that are not.
fn which_are_own<'a>(names: &BTreeSet<&'a str>, own: bool) -> BTreeSet<&'a str> {
    names.iter().copied().filter(|key| is_own(key) == own).collect()
}

/// `[a b]`, as Go prints a list.
fn go_list<'a>(names: impl IntoIterator<Item = &'a &'a str>) -> String {
    format!("[{}]", names.into_iter().copied().collect::<Vec<_>>().join(" "))
}

/// What is missing from the managed names, or there too many.
fn compare(
    managed: &BTreeSet<&str>,
    expected: &BTreeSet<&str>,
    missing: &str,
    extra: &str,
) -> Option<String> {
    if !expected.is_subset(managed) {
        return Some(format!("Secret is missing these {missing}: {}", go_list(expected.difference(managed))));
    }
    if !managed.is_subset(expected) {
        return Some(format!("Secret has these extra {extra}: {}", go_list(managed.difference(expected))));
    }
    None
}

fn own_metadata_managed(input: &Input<'_>) -> Option<String> {
    let labels = which_are_own(&input.managed.labels, true);
    let mut annotations = which_are_own(&input.managed.annotations, true);
    for key in [ANNOTATION_CERTIFICATE_NAME, ISSUER_NAME, ISSUER_KIND, ISSUER_GROUP] {
        annotations.remove(key);
    }
    let expected = BTreeSet::from([LABEL_PART_OF]);
    compare(&labels, &expected, "Managed Labels", "Labels")
        .or_else(|| compare(&annotations, &keys(&input.details), "Managed Annotations", "Annotations"))
}

fn template(input: &Input<'_>) -> Option<String> {
    let template = input.certificate.spec.secret_template.as_ref()?;
    let meta = &input.secret.metadata;
    let which = if differing(&template.annotations, &meta.annotations).is_some() {
        "Annotations"
    } else if differing(&template.labels, &meta.labels).is_some() {
        "Labels"
    } else {
        return None;
    };
    Some(format!("Certificate's SecretTemplate {which} missing or incorrect value on Secret"))
}

fn template_managed(input: &Input<'_>) -> Option<String> {
    let template = input.certificate.spec.secret_template.clone().unwrap_or_default();
    let foreign = which_are_own(&input.managed.labels, false);
    compare(&foreign, &keys(&template.labels), "Template Labels", "Labels").or_else(|| {
        let managed = which_are_own(&input.managed.annotations, false);
        compare(&managed, &keys(&template.annotations), "Template Annotations", "Annotations")
    })
}

/// The entries in further formats that the Certificate asks for. A key that cannot be read is the trigger's business.
fn wanted_formats(input: &Input<'_>) -> Option<BTreeMap<String, ByteString>> {
    if input.certificate.spec.additional_output_formats.is_empty() {
        return Some(BTreeMap::new());
    }
    let content = SecretData::stored(input.secret);
    secret::output_formats(input.certificate, &content, input.compat).ok().map(BTreeMap::from_iter)
}

fn output_formats(input: &Input<'_>) -> Option<String> {
    let formats = wanted_formats(input)?;
    let same = formats.iter().all(|(key, value)| input.secret.data.get(key) == Some(value));
    (!same).then(|| "Certificate's AdditionalOutputFormats doesn't match Secret Data".to_owned())
}

fn output_formats_managed(input: &Input<'_>) -> Option<String> {
    (keys(&wanted_formats(input)?) != input.managed.formats)
        .then(|| "Certificate's AdditionalOutputFormats doesn't match Secret ManagedFields".to_owned())
}

fn owner_reference(input: &Input<'_>) -> Option<String> {
    let owners = &input.secret.metadata.owner_references;
    if !input.owner_ref || owners.contains(&controller_reference(input.certificate)) {
        return None;
    }
    Some("unexpected Secret Owner Reference value on Secret --enable-certificate-owner-ref=true".to_owned())
}

fn owner_reference_managed(input: &Input<'_>) -> Option<String> {
    let (enabled, uid) = (input.owner_ref, &input.certificate.metadata.uid);
    (enabled != input.managed.owners.contains(uid)).then(|| {
        format!(
            "unexpected managed Secret Owner Reference field on Secret --enable-certificate-owner-ref={enabled}"
        )
    })
}

/// Key stores are there or not there; whether they are up to date is not looked at.
fn keystores(input: &Input<'_>) -> Option<String> {
    let has = |key: &str| !data(input.secret, key).is_empty();
    let ca = input.secret.data.contains_key(CA_CRT);
    let Some(wanted) = &input.certificate.spec.keystores else {
        let any = ["keystore.p12", "truststore.p12", "keystore.jks", "truststore.jks"].into_iter().any(has);
        return any.then(|| "Keystore is not defined".to_owned());
    };
    let create = [
        ("JKS", wanted.jks.as_ref().map(|store| store.create), "keystore.jks", "truststore.jks"),
        ("PKCS12", wanted.pkcs12.as_ref().map(|store| store.create), "keystore.p12", "truststore.p12"),
    ];
    create.into_iter().find_map(|(kind, create, keystore, truststore)| {
        let there = has(keystore) || has(truststore);
        let why = match create {
            Some(true) if !has(keystore) || (ca && !has(truststore)) => "Keystore key does not contain data",
            Some(false) if there => "Keystore create disabled",
            None if there => "Keystore not defined",
            _ => return None,
        };
        Some(format!("{kind} {why}"))
    })
}

#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod tests;
